//! Reductions over rows with equal ids.

use planish_core::graph::Value;
use planish_core::op::{
    Equal, ExpandDims, Maximum, Minimum, OneHot, Op, ReduceMax, Reshape, SegmentSum, SelectV2, Sum, UnsortedSegmentMax, UnsortedSegmentMin,
    UnsortedSegmentProd, UnsortedSegmentSum,
};
use planish_core::types::DType;

use super::binary::{add, div, mul};
use super::convolution::floats_only;
use super::node::{Node, one};
use super::sparse::segment_sizes;
use super::{Imported, Stop};

fn ids(node: &mut Node<'_>) -> Result<(Value, Value), Stop> {
    Ok((node.value(0)?, node.index_input(1)?))
}

pub(super) fn segment_sum(node: &mut Node<'_>) -> Imported {
    let (data, ids) = ids(node)?;
    one(sorted_sum(node, data, ids)?)
}

/// The kernel for sorted ids takes none that leave a number out.
pub(super) fn sorted_sum(node: &mut Node<'_>, data: Value, ids: Value) -> Result<Value, Stop> {
    if let Some(known) = node.constant_ints(ids)
        && known.first() == Some(&0)
        && known.is_sorted_by(|a, b| (0..=1).contains(&b.saturating_sub(*a)))
    {
        return node.add(SegmentSum {}, &[data, ids]);
    }
    let count = count_of(node, ids)?;
    node.add(UnsortedSegmentSum {}, &[data, ids, count])
}

/// How many segments sorted ids name.
fn count_of(node: &mut Node<'_>, ids: Value) -> Result<Value, Stop> {
    let axes = node.add_ints(&[0]);
    let highest = node.add(ReduceMax { keep_dims: false }, &[ids, axes])?;
    let (zero, unit) = (node.add_int(0), node.add_int(1));
    let count = add(node, highest, unit)?;
    // Of no ids the highest is the least number that there is.
    node.add(Maximum {}, &[count, zero])
}

/// A number for each segment, in the rank of the rows.
fn for_each_row(node: &mut Node<'_>, numbers: Value, data: Value) -> Result<Value, Stop> {
    let last = node.add_int(-1);
    (1..node.known_rank(data)?).try_fold(numbers, |numbers, _| node.add(ExpandDims {}, &[numbers, last]))
}

pub(super) fn segment_mean(node: &mut Node<'_>) -> Imported {
    let (data, ids) = ids(node)?;
    floats_only(node, data)?;
    let sum = sorted_sum(node, data, ids)?;
    let sizes = segment_sizes(node, ids, None)?;
    let sizes = for_each_row(node, sizes, data)?;
    one(div(node, sum, sizes)?)
}

pub(super) fn segment_prod(node: &mut Node<'_>) -> Imported {
    let (data, ids) = ids(node)?;
    let count = count_of(node, ids)?;
    one(node.add(UnsortedSegmentProd {}, &[data, ids, count])?)
}

pub(super) fn segment_max(node: &mut Node<'_>) -> Imported {
    or_zero(node, UnsortedSegmentMax {})
}

pub(super) fn segment_min(node: &mut Node<'_>) -> Imported {
    or_zero(node, UnsortedSegmentMin {})
}

/// What `op` says of sorted segments, but 0 for one that is empty.
fn or_zero(node: &mut Node<'_>, op: impl Into<Op>) -> Imported {
    let (data, ids) = ids(node)?;
    let count = count_of(node, ids)?;
    let found = node.add(op, &[data, ids, count])?;
    let same = node.add(Equal {}, &[ids, ids])?;
    let ones = node.cast(same, DType::I32)?;
    let sizes = node.add(UnsortedSegmentSum {}, &[ones, ids, count])?;
    let none = node.add_int(0);
    let empty = node.add(Equal {}, &[sizes, none])?;
    let empty = for_each_row(node, empty, data)?;
    let zero = node.number(0.0, data)?;
    one(node.add(SelectV2 {}, &[empty, zero, found])?)
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
    within(node, UnsortedSegmentMax {}, |range| (range.0, Maximum {}.into()))
}

pub(super) fn unsorted_min(node: &mut Node<'_>) -> Imported {
    within(node, UnsortedSegmentMin {}, |range| (range.1, Minimum {}.into()))
}

/// What `op` says, which of an empty segment is the last number of the declared type, and not of the one that is computed with:
/// `bound` chooses it from that type's range, and what keeps results from going beyond.
fn within(node: &mut Node<'_>, op: impl Into<Op>, bound: fn((f64, f64)) -> (f64, Op)) -> Imported {
    let (mut data, ids) = ids(node)?;
    let count = node.index_input(2)?;
    let held = node.dtype(data);
    let Some(range) = narrow_range(node.declared_dtype("T", held)?) else {
        return one(node.add(op, &[data, ids, count])?);
    };
    if held != DType::F32 {
        data = node.cast(data, DType::I32)?;
    }
    let found = node.add(op, &[data, ids, count])?;
    let (last, keep) = bound(range);
    let last = node.number(last, found)?;
    let kept = node.add(keep, &[found, last])?;
    one(node.cast(kept, held)?)
}

/// The least and the greatest number of types that are computed with as wider ones.
fn narrow_range(dtype: DType) -> Option<(f64, f64)> {
    match dtype {
        DType::I8 => Some((f64::from(i8::MIN), f64::from(i8::MAX))),
        DType::U8 => Some((0.0, f64::from(u8::MAX))),
        DType::I16 => Some((f64::from(i16::MIN), f64::from(i16::MAX))),
        DType::U16 => Some((0.0, f64::from(u16::MAX))),
        DType::F16 => Some((-65504.0, 65504.0)),
        _ => None,
    }
}

/// How often each number below `size` occurs in each row, or whether it does; or what the weights of its places add up to.
pub(super) fn dense_bincount(node: &mut Node<'_>) -> Imported {
    let (numbers, binary) = (node.value(0)?, node.attr_bool("binary_output"));
    counted(node, numbers, binary)
}

/// `Bincount`, which takes numbers of any shape.
pub(super) fn bincount(node: &mut Node<'_>) -> Imported {
    let numbers = node.value(0)?;
    let numbers = flattened(node, numbers)?;
    counted(node, numbers, false)
}

fn flattened(node: &mut Node<'_>, x: Value) -> Result<Value, Stop> {
    if node.rank(x) == Some(1) {
        return Ok(x);
    }
    let all = node.add_ints(&[-1]);
    node.add(Reshape {}, &[x, all])
}

fn counted(node: &mut Node<'_>, numbers: Value, binary: bool) -> Imported {
    let (size, mut weights) = (node.index_input(1)?, node.value(2)?);
    let rank = node.known_rank(numbers)?;
    let weighted = node.shape(weights).elements() != Some(0);
    if !matches!(rank, 1 | 2) || !matches!(node.dtype(weights), DType::F32 | DType::I32 | DType::I64) {
        return Err(Stop::Foreign);
    }
    let size = if node.rank(size) == Some(0) {
        size
    } else {
        node.reshaped(size, &[])?
    };
    let on = node.number(1.0, weights)?;
    let off = node.number(0.0, weights)?;
    let mut hits = node.add(OneHot { axis: -1 }, &[numbers, size, on, off])?;
    let axes = node.add_ints(&[rank as i32 - 1]);
    if binary {
        return one(node.add(ReduceMax { keep_dims: false }, &[hits, axes])?);
    }
    if weighted {
        if rank == 1 {
            weights = flattened(node, weights)?;
        }
        let last = node.add_int(-1);
        let weights = node.add(ExpandDims {}, &[weights, last])?;
        hits = mul(node, hits, weights)?;
    }
    one(node.add(Sum { keep_dims: false }, &[hits, axes])?)
}
