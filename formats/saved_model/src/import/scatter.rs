//! Operations that write elements by position, in tensors and in variables.

use std::collections::BTreeSet;

use planish_core::graph::Value;
use planish_core::op::{BroadcastTo, Equal, ExpandDims, Fill, Gather, Greater, Reshape, ScatterNd, SelectV2, Shape, UnsortedSegmentMax};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::binary::{add, mul, sub};
use super::index::slice_of;
use super::node::{Node, one};
use super::resource::changed;
use super::{Imported, Stop};

/// A tensor of more elements has no table of their positions.
const MOST_POSITIONS: usize = 1 << 24;

/// What becomes of a tensor, tuples of indices, and the updates where they point.
type Scatter = fn(&mut Node<'_>, Value, Value, Value) -> Result<Value, Stop>;

pub(super) fn scatter_nd(node: &mut Node<'_>) -> Imported {
    let (indices, updates, shape) = (node.index_input(0)?, node.value(1)?, node.index_input(2)?);
    one(node.add(ScatterNd {}, &[indices, updates, shape])?)
}

/// Zeros of the shape of `x` with the updates added.
fn scattered(node: &mut Node<'_>, x: Value, indices: Value, updates: Value) -> Result<Value, Stop> {
    let shape = node.add(Shape { dtype: DType::I32 }, &[x])?;
    node.add(ScatterNd {}, &[indices, updates, shape])
}

fn added(node: &mut Node<'_>, x: Value, indices: Value, updates: Value) -> Result<Value, Stop> {
    let sum = scattered(node, x, indices, updates)?;
    add(node, x, sum)
}

fn subtracted(node: &mut Node<'_>, x: Value, indices: Value, updates: Value) -> Result<Value, Stop> {
    let sum = scattered(node, x, indices, updates)?;
    sub(node, x, sum)
}

/// Where an index tuple points, the last of its updates; elsewhere what was there.
fn replaced(node: &mut Node<'_>, x: Value, indices: Value, updates: Value) -> Result<Value, Stop> {
    let updates = last_alone(node, x, indices, updates)?;
    written(node, x, indices, updates)
}

/// The same of tuples that point to different places, or to the same one with zeros beside one update.
fn written(node: &mut Node<'_>, x: Value, indices: Value, updates: Value) -> Result<Value, Stop> {
    let narrow = node.dtype(x);
    if matches!(narrow, DType::I8 | DType::U8 | DType::I16 | DType::U16) {
        let (x, updates) = (node.as_i32(x)?, node.as_i32(updates)?);
        let wide = written(node, x, indices, updates)?;
        return node.cast(wide, narrow);
    }
    let new = scattered(node, x, indices, updates)?;
    let extents = node.add(Shape { dtype: DType::I32 }, &[updates])?;
    let unit = node.add_int(1);
    let ones = node.add(Fill {}, &[extents, unit])?;
    let hits = scattered(node, x, indices, ones)?;
    let zero = node.add_int(0);
    let hit = node.add(Greater {}, &[hits, zero])?;
    node.add(SelectV2 {}, &[hit, new, x])
}

/// The updates, but zeros for those that a later one is written over.
fn last_alone(node: &mut Node<'_>, x: Value, indices: Value, updates: Value) -> Result<Value, Stop> {
    let dims = node.shape(indices).dims().ok_or(Stop::Foreign)?;
    let (depth, leading) = dims.split_last().ok_or(Stop::Foreign)?;
    let (depth, leading_rank) = (depth.known(), leading.len());
    let tuples = leading.iter().map(|dim| dim.known()).product::<Option<usize>>();
    if tuples.is_some_and(|n| n < 2) || are_distinct(node, indices) {
        return Ok(updates);
    }
    let depth = depth.filter(|&depth| depth > 0).ok_or(Stop::Foreign)?;
    let (places, count) = numbered(node, x, indices, leading_rank, depth)?;
    let line = node.add_ints(&[-1]);
    let row_of = node.add(Reshape {}, &[places, line])?;
    let total = node.extent(row_of, 0)?;
    let order = node.numbers_below(total)?;
    let last = node.add(UnsortedSegmentMax {}, &[order, row_of, count])?;
    let last = node.add(Gather { axis: 0, batch_dims: 0 }, &[last, row_of])?;
    let mut stays = node.add(Equal {}, &[last, order])?;
    if leading_rank != 1 {
        let shape = node.add(Shape { dtype: DType::I32 }, &[places])?;
        stays = node.add(Reshape {}, &[stays, shape])?;
    }
    let back = node.add_int(-1);
    for _ in leading_rank..node.known_rank(updates)? {
        stays = node.add(ExpandDims {}, &[stays, back])?;
    }
    let zero = node.number(0.0, updates)?;
    node.add(SelectV2 {}, &[stays, updates, zero])
}

/// Each tuple of indices into the first `depth` axes of `x` as one number, and how many such numbers there are.
fn numbered(node: &mut Node<'_>, x: Value, indices: Value, axis: usize, depth: usize) -> Result<(Value, Value), Stop> {
    let (mut places, mut count) = (None, node.add_int(1));
    for coordinate in 0..depth {
        let which = node.add_int(coordinate as i32);
        let gather = Gather {
            axis: axis as i32,
            batch_dims: 0,
        };
        let mut place = node.add(gather, &[indices, which])?;
        let extent = node.extent(x, coordinate)?;
        if let Some(above) = places {
            let above = mul(node, above, extent)?;
            place = add(node, above, place)?;
        }
        places = Some(place);
        count = mul(node, count, extent)?;
    }
    Ok((places.ok_or(Stop::Foreign)?, count))
}

/// Whether tuples of indices are known, and no two the same.
fn are_distinct(node: &Node<'_>, indices: Value) -> bool {
    let Some(tensor) = node.constant(indices) else { return false };
    let (Some(ints), Some(&depth)) = (tensor.to_ints(), tensor.dims().last()) else {
        return false;
    };
    let mut seen = BTreeSet::new();
    depth > 0 && ints.chunks(depth).all(|tuple| seen.insert(tuple))
}

fn tensor_scatter(node: &mut Node<'_>, scatter: Scatter) -> Imported {
    let (x, indices, updates) = (node.value(0)?, node.index_input(1)?, node.value(2)?);
    one(scatter(node, x, indices, updates)?)
}

pub(super) fn tensor_scatter_add(node: &mut Node<'_>) -> Imported {
    tensor_scatter(node, added)
}

pub(super) fn tensor_scatter_sub(node: &mut Node<'_>) -> Imported {
    tensor_scatter(node, subtracted)
}

pub(super) fn tensor_scatter_update(node: &mut Node<'_>) -> Imported {
    tensor_scatter(node, replaced)
}

/// A variable changed where tuples of indices point.
fn variable_scatter(node: &mut Node<'_>, scatter: Scatter) -> Imported {
    changed(node, |node, old| {
        let (indices, updates) = (node.index_input(1)?, node.value(2)?);
        scatter(node, old, indices, updates)
    })
}

pub(super) fn variable_scatter_nd_add(node: &mut Node<'_>) -> Imported {
    variable_scatter(node, added)
}

pub(super) fn variable_scatter_nd_sub(node: &mut Node<'_>) -> Imported {
    variable_scatter(node, subtracted)
}

pub(super) fn variable_scatter_nd_update(node: &mut Node<'_>) -> Imported {
    variable_scatter(node, replaced)
}

/// A variable changed in the rows that the indices name. One number may stand for all updates.
fn variable_scatter_rows(node: &mut Node<'_>, scatter: Scatter) -> Imported {
    changed(node, |node, old| {
        let (indices, mut updates) = (node.index_input(1)?, node.value(2)?);
        let last = node.add_int(-1);
        let tuples = node.add(ExpandDims {}, &[indices, last])?;
        if node.known_rank(updates)? == 0 {
            let rows = node.add(Gather { axis: 0, batch_dims: 0 }, &[old, indices])?;
            updates = broadcast_like(node, updates, rows)?;
        }
        scatter(node, old, tuples, updates)
    })
}

pub(super) fn variable_scatter_add(node: &mut Node<'_>) -> Imported {
    variable_scatter_rows(node, added)
}

pub(super) fn variable_scatter_sub(node: &mut Node<'_>) -> Imported {
    variable_scatter_rows(node, subtracted)
}

pub(super) fn variable_scatter_update(node: &mut Node<'_>) -> Imported {
    variable_scatter_rows(node, replaced)
}

fn broadcast_like(node: &mut Node<'_>, x: Value, like: Value) -> Result<Value, Stop> {
    let shape = node.add(Shape { dtype: DType::I32 }, &[like])?;
    node.add(BroadcastTo {}, &[x, shape])
}

/// The numbers of the elements that the node's slice chooses, of the numbers of all: as they lie, and below each other, which
/// are indices into a line of all elements.
pub(super) fn chosen_places(node: &mut Node<'_>, numbers: Value) -> Result<(Value, Value), Stop> {
    let chosen = slice_of(node, numbers)?;
    let column = node.add_ints(&[-1, 1]);
    let indices = node.add(Reshape {}, &[chosen, column])?;
    Ok((chosen, indices))
}

/// A tensor with the value of input 4 where the node's slice lies.
fn slice_replaced(node: &mut Node<'_>, x: Value) -> Result<Value, Stop> {
    let dims = node.shape(x).known().ok_or(Stop::Foreign)?;
    let count = node.shape(x).elements().filter(|&n| n <= MOST_POSITIONS).ok_or(Stop::Foreign)?;
    let numbers = (0..count as i32).collect();
    // The number of each element that the slice chooses says where its part of the value goes.
    let positions = node.add_const(Tensor::from_vec::<i32>(&dims, numbers));
    let (chosen, indices) = chosen_places(node, positions)?;
    let value = node.value(4)?;
    let value = broadcast_like(node, value, chosen)?;
    let line = node.add_ints(&[-1]);
    let updates = node.add(Reshape {}, &[value, line])?;
    let flat = node.reshaped(x, &[count])?;
    let new = written(node, flat, indices, updates)?;
    node.reshaped(new, &dims)
}

pub(super) fn tensor_strided_slice_update(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    one(slice_replaced(node, x)?)
}

pub(super) fn variable_strided_slice_assign(node: &mut Node<'_>) -> Imported {
    changed(node, slice_replaced)
}
