//! Sparse tensors, as indices, values and a shape: what has a dense form or can be computed of the three.

use planish_core::graph::Value;
use planish_core::op::{
    Abs, Equal, ExpandDims, Fill, FloorDiv, FloorMod, Gather, Maximum, Neg, Pack, Pad, ReduceProd, ScatterNd, SelectV2, Shape, Slice, Sqrt,
    Squeeze, TopkV2, Transpose, Unpack, UnsortedSegmentSum, Where,
};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::binary::{add, div, mul};
use super::node::{Node, many, one};
use super::segment::sorted_sum;
use super::{Imported, Stop};

/// What is made of the rows that one segment has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Combination {
    Sum,
    Mean,
    SqrtN,
}

pub(super) fn segment_sum(node: &mut Node<'_>) -> Imported {
    segments(node, Combination::Sum)
}

pub(super) fn segment_mean(node: &mut Node<'_>) -> Imported {
    segments(node, Combination::Mean)
}

pub(super) fn segment_sqrt_n(node: &mut Node<'_>) -> Imported {
    segments(node, Combination::SqrtN)
}

/// Rows of the first input at the second, combined by the third; how many segments there are may be said.
fn segments(node: &mut Node<'_>, how: Combination) -> Imported {
    let (data, places, ids) = (node.value(0)?, node.value(1)?, node.index_input(2)?);
    let count = match node.input_count() {
        4 => Some(node.index_input(3)?),
        _ => None,
    };
    let rank = node.known_rank(data)?;
    let rows = node.add(Gather { axis: 0, batch_dims: 0 }, &[data, places])?;
    let sum = segment_sums(node, rows, ids, count)?;
    if how == Combination::Sum {
        return one(sum);
    }
    let mut divisor = segment_sizes(node, ids, count)?;
    if how == Combination::SqrtN {
        divisor = node.add(Sqrt {}, &[divisor])?;
    }
    let last = node.add_int(-1);
    for _ in 1..rank {
        divisor = node.add(ExpandDims {}, &[divisor, last])?;
    }
    one(div(node, sum, divisor)?)
}

/// The sums of the rows of each segment.
pub(super) fn segment_sums(node: &mut Node<'_>, rows: Value, ids: Value, count: Option<Value>) -> Result<Value, Stop> {
    match count {
        Some(count) => node.add(UnsortedSegmentSum {}, &[rows, ids, count]),
        None => sorted_sum(node, rows, ids),
    }
}

/// How many rows each segment has, and 1 where it has none.
pub(super) fn segment_sizes(node: &mut Node<'_>, ids: Value, count: Option<Value>) -> Result<Value, Stop> {
    let ones = ones_like(node, ids, DType::F32)?;
    let sizes = segment_sums(node, ones, ids, count)?;
    let unit = node.number(1.0, sizes)?;
    node.add(Maximum {}, &[sizes, unit])
}

/// A one for each integer.
pub(super) fn ones_like(node: &mut Node<'_>, ints: Value, dtype: DType) -> Result<Value, Stop> {
    let same = node.add(Equal {}, &[ints, ints])?;
    node.cast(same, dtype)
}

/// One coordinate of all indices.
fn coordinate(node: &mut Node<'_>, indices: Value, axis: i32) -> Result<Value, Stop> {
    let axis = node.add_int(axis);
    node.add(Gather { axis: 1, batch_dims: 0 }, &[indices, axis])
}

/// Rows without entries get the default as one: all entries are brought in the order of their rows, those of a row in the order that
/// they had.
pub(super) fn fill_empty_rows(node: &mut Node<'_>) -> Imported {
    let (indices, values, default) = (node.value(0)?, node.value(1)?, node.value(3)?);
    let shape = node.index_input(2)?;
    let width = node.shape(indices).dim(1).known().and_then(|n| i32::try_from(n).ok());
    let width = width.ok_or(Stop::Foreign)?;
    if node.dtype(values) == DType::String || width == 0 {
        return Err(Stop::Foreign);
    }
    let first = node.add_int(0);
    let rows = node.add(Gather { axis: 0, batch_dims: 0 }, &[shape, first])?;
    let long_row_of = coordinate(node, indices, 0)?;
    let row_of = node.as_i32(long_row_of)?;
    let count = node.extent(values, 0)?;
    let ones = ones_like(node, row_of, DType::I32)?;
    let sizes = node.add(UnsortedSegmentSum {}, &[ones, row_of, rows])?;
    let zero = node.add_int(0);
    let empty = node.add(Equal {}, &[sizes, zero])?;
    let empty_rows = node.add(Where {}, &[empty])?;
    // A key for each entry: its row, and then its place. Products of the two take more than 32 bits.
    let (unit, places) = (node.add_int(1), node.numbers_below(count)?);
    let stride = add(node, count, unit)?;
    let (stride, places) = (node.cast(stride, DType::I64)?, node.cast(places, DType::I64)?);
    let key = mul(node, long_row_of, stride)?;
    let key = add(node, key, places)?;
    let new_rows = node.add(Squeeze { axes: vec![1] }, &[empty_rows])?;
    let new_key = mul(node, new_rows, stride)?;
    let keys = node.concatenated(&[key, new_key], 0)?;
    let descending = node.add(Neg {}, &[keys])?;
    let total = node.extent(keys, 0)?;
    let order = node.add_many(TopkV2 {}, &[descending, total])?[1];
    let padding = node.add_const(Tensor::from_vec(&[2, 2], vec![0, 0, 0, width - 1]));
    let new_indices = node.add(Pad {}, &[empty_rows, padding])?;
    let new_count = node.add(Shape { dtype: DType::I32 }, &[new_rows])?;
    let new_values = node.add(Fill {}, &[new_count, default])?;
    let all_indices = node.concatenated(&[indices, new_indices], 0)?;
    let all_values = node.concatenated(&[values, new_values], 0)?;
    let pick = Gather { axis: 0, batch_dims: 0 };
    let all_indices = node.add(pick.clone(), &[all_indices, order])?;
    let all_values = node.add(pick, &[all_values, order])?;
    let last = node.add_int(-1);
    let column = node.add(ExpandDims {}, &[order, last])?;
    let ranks = node.numbers_below(total)?;
    let size = node.add(Shape { dtype: DType::I32 }, &[keys])?;
    let rank_of = node.add(ScatterNd {}, &[column, ranks, size])?;
    let begin = node.add_ints(&[0]);
    let length = node.add(Shape { dtype: DType::I32 }, &[row_of])?;
    let moved = node.add(Slice {}, &[rank_of, begin, length])?;
    let moved = node.cast(moved, DType::I64)?;
    many(vec![all_indices, all_values, empty, moved])
}

/// The same entries in another shape, in which -1 stands for what is left.
pub(super) fn reshape(node: &mut Node<'_>) -> Imported {
    let (indices, shape, wanted) = (node.index_input(0)?, node.index_input(1)?, node.index_input(2)?);
    let known = |v: Option<usize>| v.and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0).ok_or(Stop::Foreign);
    let before = known(node.shape(indices).dim(1).known().or(node.shape(shape).dim(0).known()))?;
    let after = known(node.shape(wanted).dim(0).known())?;
    let axes = node.add_ints(&[0]);
    let size = node.add(ReduceProd { keep_dims: false }, &[shape, axes])?;
    let said = node.add(ReduceProd { keep_dims: false }, &[wanted, axes])?;
    let said = node.add(Abs {}, &[said])?;
    let (unit, open) = (node.add_int(1), node.add_int(-1));
    let said = node.add(Maximum {}, &[said, unit])?;
    let rest = node.add(FloorDiv {}, &[size, said])?;
    let is_open = node.add(Equal {}, &[wanted, open])?;
    let new_shape = node.add(SelectV2 {}, &[is_open, rest, wanted])?;

    let extents = node.add_many(Unpack { num: before, axis: 0 }, &[shape])?;
    let mut flat = coordinate(node, indices, 0)?;
    for (axis, &extent) in (0..).zip(&extents).skip(1) {
        let above = mul(node, flat, extent)?;
        let here = coordinate(node, indices, axis)?;
        flat = add(node, above, here)?;
    }
    let extents = node.add_many(Unpack { num: after, axis: 0 }, &[new_shape])?;
    let mut columns = Vec::new();
    for &extent in extents.iter().skip(1).rev() {
        let extent = node.add(Maximum {}, &[extent, unit])?;
        columns.push(node.add(FloorMod {}, &[flat, extent])?);
        flat = node.add(FloorDiv {}, &[flat, extent])?;
    }
    columns.push(flat);
    columns.reverse();
    let indices = node.add(Pack { axis: 1 }, &columns)?;
    let (indices, new_shape) = (node.cast(indices, DType::I64)?, node.cast(new_shape, DType::I64)?);
    many(vec![indices, new_shape])
}

/// The product with a matrix: for each entry a row of that, times the value, added to the entry's row.
pub(super) fn times_dense(node: &mut Node<'_>) -> Imported {
    let (indices, values, shape) = (node.value(0)?, node.value(1)?, node.index_input(2)?);
    let mut dense = node.value(3)?;
    if node.dtype(values) != DType::F32 {
        return Err(Stop::Foreign);
    }
    if node.attr_bool("adjoint_b") {
        let permutation = node.add_ints(&[1, 0]);
        dense = node.add(Transpose {}, &[dense, permutation])?;
    }
    let (row, column) = if node.attr_bool("adjoint_a") { (1, 0) } else { (0, 1) };
    let which = node.add_int(row);
    let rows = node.add(Gather { axis: 0, batch_dims: 0 }, &[shape, which])?;
    let row_of = coordinate(node, indices, row)?;
    let row_of = node.as_i32(row_of)?;
    let column_of = coordinate(node, indices, column)?;
    let picked = node.add(Gather { axis: 0, batch_dims: 0 }, &[dense, column_of])?;
    let last = node.add_int(-1);
    let weights = node.add(ExpandDims {}, &[values, last])?;
    let terms = mul(node, picked, weights)?;
    one(node.add(UnsortedSegmentSum {}, &[terms, row_of, rows])?)
}
