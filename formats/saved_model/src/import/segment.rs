//! Reductions over rows with equal ids.

use planish_core::graph::Value;
use planish_core::op::{Op, SegmentSum, UnsortedSegmentMax, UnsortedSegmentMin, UnsortedSegmentProd, UnsortedSegmentSum};

use super::node::{Node, one};
use super::{Imported, Stop};

fn ids(node: &mut Node<'_>) -> Result<(Value, Value), Stop> {
    Ok((node.value(0)?, node.index_input(1)?))
}

pub(super) fn segment_sum(node: &mut Node<'_>) -> Imported {
    let (data, ids) = ids(node)?;
    one(node.add(SegmentSum {}, &[data, ids])?)
}

fn unsorted(node: &mut Node<'_>, op: impl Into<Op>) -> Imported {
    let (data, ids) = ids(node)?;
    let count = node.index_input(2)?;
    one(node.add(op, &[data, ids, count])?)
}

pub(super) fn unsorted_sum(node: &mut Node<'_>) -> Imported {
    unsorted(node, UnsortedSegmentSum {})
}

pub(super) fn unsorted_prod(node: &mut Node<'_>) -> Imported {
    unsorted(node, UnsortedSegmentProd {})
}

pub(super) fn unsorted_max(node: &mut Node<'_>) -> Imported {
    unsorted(node, UnsortedSegmentMax {})
}

pub(super) fn unsorted_min(node: &mut Node<'_>) -> Imported {
    unsorted(node, UnsortedSegmentMin {})
}
