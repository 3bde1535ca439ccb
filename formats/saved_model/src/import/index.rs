//! Operations that pick elements by position.

use planish_core::graph::Value;
use planish_core::op::{DynamicUpdateSlice, Gather, GatherNd, ScatterNd, Slice, StridedSlice};
use planish_core::types::DType;

use super::node::{Node, one};
use super::{Bound, Imported, Stop};

pub(super) fn slice(node: &mut Node<'_>) -> Imported {
    let (x, begin, size) = (node.value(0)?, node.index_input(1)?, node.index_input(2)?);
    one(node.add(Slice {}, &[x, begin, size])?)
}

/// The slice that begins at these places takes other values; it is moved to where it fits.
pub(super) fn dynamic_update_slice(node: &mut Node<'_>) -> Imported {
    let (x, update, begin) = (node.value(0)?, node.value(1)?, node.index_input(2)?);
    one(node.add(DynamicUpdateSlice {}, &[x, update, begin])?)
}

pub(super) fn strided_slice(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    one(slice_of(node, x)?)
}

/// What the node's inputs 1 to 3 and its masks choose of `x`.
pub(super) fn slice_of(node: &mut Node<'_>, x: Value) -> Result<Value, Stop> {
    let (begin, end, strides) = (node.index_input(1)?, node.index_input(2)?, node.index_input(3)?);
    let mask = |name: &str| i32::try_from(node.attr_int(name, 0)).map_err(|_| node.error(format!("its {name} is too large")));
    let op = StridedSlice {
        begin_mask: mask("begin_mask")?,
        end_mask: mask("end_mask")?,
        ellipsis_mask: mask("ellipsis_mask")?,
        new_axis_mask: mask("new_axis_mask")?,
        shrink_axis_mask: mask("shrink_axis_mask")?,
        offset: false,
    };
    node.add(op, &[x, begin, end, strides])
}

/// Indices of types that no kernel takes become i32.
fn indices(node: &mut Node<'_>, input: usize) -> Result<Value, Stop> {
    let value = node.value(input)?;
    match node.dtype(value) {
        DType::I32 | DType::I64 => Ok(value),
        _ => node.as_i32(value),
    }
}

pub(super) fn gather(node: &mut Node<'_>) -> Imported {
    let (x, indices) = (node.value(0)?, indices(node, 1)?);
    one(node.add(Gather { axis: 0, batch_dims: 0 }, &[x, indices])?)
}

pub(super) fn gather_v2(node: &mut Node<'_>) -> Imported {
    let axis = i32::try_from(node.int(2)?).map_err(|_| node.error("its axis does not exist"))?;
    let batch_dims = batch_dims(node)?;
    let (x, indices) = (node.value(0)?, indices(node, 1)?);
    one(node.add(Gather { axis, batch_dims }, &[x, indices])?)
}

fn batch_dims(node: &Node<'_>) -> Result<i32, Stop> {
    i32::try_from(node.attr_int("batch_dims", 0)).map_err(|_| node.error("its batch_dims is too large"))
}

/// Rows of a variable.
pub(super) fn resource_gather(node: &mut Node<'_>) -> Imported {
    let batch_dims = batch_dims(node)?;
    let (table, indices) = (node.value(0)?, indices(node, 1)?);
    one(node.add(
        Gather {
            axis: batch_dims,
            batch_dims,
        },
        &[table, indices],
    )?)
}

pub(super) fn gather_nd(node: &mut Node<'_>) -> Imported {
    let (x, indices) = (node.value(0)?, indices(node, 1)?);
    one(node.add(GatherNd {}, &[x, indices])?)
}

/// The position of each number in a permutation.
pub(super) fn invert_permutation(node: &mut Node<'_>) -> Imported {
    let x = node.index_input(0)?;
    if let Some(numbers) = node.constant_ints(x) {
        let mut inverse = vec![0i32; numbers.len()];
        for (i, &n) in numbers.iter().enumerate() {
            let place = usize::try_from(n).ok().and_then(|n| inverse.get_mut(n));
            *place.ok_or_else(|| node.error("its input is no permutation"))? = i as i32;
        }
        return one(node.add_ints(&inverse));
    }
    let count = node
        .shape(x)
        .dim(0)
        .known()
        .and_then(|n| i32::try_from(n).ok())
        .ok_or(Stop::Foreign)?;
    let indices = node.reshaped(x, &[count as usize, 1])?;
    let limit = node.add_int(count);
    let numbers = node.numbers_below(limit)?;
    let shape = node.add_ints(&[count]);
    one(node.add(ScatterNd {}, &[indices, numbers, shape])?)
}

/// The first `n` entries of each value, where a kernel pads what TensorFlow cuts.
pub(super) fn first_entries(node: &mut Node<'_>, padded: Value, count: Value) -> Result<Bound, Stop> {
    let start = node.add_ints(&[0]);
    let count = node.reshaped(count, &[1])?;
    Ok(Bound::Value(node.add(Slice {}, &[padded, start, count])?))
}
