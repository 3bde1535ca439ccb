//! Reductions over rows with equal ids.

use planish_core::graph::Value;
use planish_core::op::{
    OneHot, Op, ReduceMax, SegmentSum, Sum, UnsortedSegmentMax, UnsortedSegmentMin, UnsortedSegmentProd, UnsortedSegmentSum,
};
use planish_core::types::DType;

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

/// How often each number below `size` occurs in each row, or whether it does.
pub(super) fn dense_bincount(node: &mut Node<'_>) -> Imported {
    let (numbers, size, weights) = (node.value(0)?, node.index_input(1)?, node.value(2)?);
    let rank = node.known_rank(numbers)?;
    if node.shape(weights).elements() != Some(0) || !matches!(rank, 1 | 2) || node.dtype(weights) != DType::F32 {
        return Err(Stop::Foreign);
    }
    let size = if node.rank(size) == Some(0) {
        size
    } else {
        node.reshaped(size, &[])?
    };
    let on = node.number(1.0, weights)?;
    let off = node.number(0.0, weights)?;
    let hits = node.add(OneHot { axis: -1 }, &[numbers, size, on, off])?;
    let axes = node.add_ints(&[rank as i32 - 1]);
    one(if node.attr_bool("binary_output") {
        node.add(ReduceMax { keep_dims: false }, &[hits, axes])?
    } else {
        node.add(Sum { keep_dims: false }, &[hits, axes])?
    })
}
