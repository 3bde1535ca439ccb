//! Choosing, sorting and finding elements; images and boxes.

use planish_core::op::{
    Bucketize, Cast, Equal, ExpandDims, Gather, Less, LessEqual, LogicalNot, OneHot, Op, ReduceAny, ResizeBilinear, ResizeNearestNeighbor,
    Select, SelectV2, SparseToDense, Squeeze, Sum, TopkV2, Unique, Where,
};
use planish_core::types::DType;

use super::Imported;
use super::node::{Node, many, one};

/// A condition of rank 1 chooses whole rows.
pub(super) fn select(node: &mut Node<'_>) -> Imported {
    let inputs = node.values(0..3)?;
    one(node.add(Select {}, &inputs)?)
}

pub(super) fn select_v2(node: &mut Node<'_>) -> Imported {
    let inputs = node.values(0..3)?;
    one(node.add(SelectV2 {}, &inputs)?)
}

pub(super) fn where_(node: &mut Node<'_>) -> Imported {
    node.unary(Where {})
}

pub(super) fn one_hot(node: &mut Node<'_>) -> Imported {
    let axis = i32::try_from(node.attr_int("axis", -1)).map_err(|_| node.error("its axis does not exist"))?;
    let (indices, depth, on, off) = (node.value(0)?, node.index_input(1)?, node.value(2)?, node.value(3)?);
    let indices = match node.dtype(indices) {
        DType::I32 | DType::I64 => indices,
        _ => node.as_i32(indices)?,
    };
    one(node.add(OneHot { axis }, &[indices, depth, on, off])?)
}

/// The older form has the count as an attribute.
pub(super) fn top_k(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let k = match node.input_count() {
        1 => {
            let k = i32::try_from(node.attr_int("k", 0)).map_err(|_| node.error("its k is too large"))?;
            node.add_int(k)
        }
        _ => node.index_input(1)?,
    };
    let results = node.add_many(TopkV2 {}, &[x, k])?;
    let dtype = node.attr_dtype("index_type", DType::I32)?;
    let indices = node.cast(results[1], dtype)?;
    many(vec![results[0], indices])
}

pub(super) fn unique(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("out_idx", DType::I32)?;
    let x = node.value(0)?;
    many(node.add_many(Unique { dtype }, &[x])?)
}

/// The elements of the first list that equal none of the second, in their order, and where they stand.
pub(super) fn list_diff(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("out_idx", DType::I32)?;
    let (x, removed) = (node.value(0)?, node.value(1)?);
    let (first, second) = (node.add_int(0), node.add_int(1));
    let column = node.add(ExpandDims {}, &[x, second])?;
    let row = node.add(ExpandDims {}, &[removed, first])?;
    let same = node.add(Equal {}, &[column, row])?;
    let found = node.add(ReduceAny { keep_dims: false }, &[same, second])?;
    let left = node.add(LogicalNot {}, &[found])?;
    let places = node.add(Where {}, &[left])?;
    let places = node.add(Squeeze { axes: vec![1] }, &[places])?;
    let rest = node.add(Gather { axis: 0, batch_dims: 0 }, &[x, places])?;
    let places = node.cast(places, dtype)?;
    many(vec![rest, places])
}

pub(super) fn bucketize(node: &mut Node<'_>) -> Imported {
    let boundaries = node.attr_floats("boundaries").to_vec();
    node.unary(Bucketize { boundaries })
}

pub(super) fn lower_bound(node: &mut Node<'_>) -> Imported {
    bound(node, Less {})
}

pub(super) fn upper_bound(node: &mut Node<'_>) -> Imported {
    bound(node, LessEqual {})
}

/// How many elements of a sorted row are before each value.
fn bound(node: &mut Node<'_>, before: impl Into<Op>) -> Imported {
    let dtype = node.attr_dtype("out_type", DType::I32)?;
    let (sorted, values) = (node.value(0)?, node.value(1)?);
    let (row, last) = (node.add_int(1), node.add_int(-1));
    let sorted = node.add(ExpandDims {}, &[sorted, row])?;
    let values = node.add(ExpandDims {}, &[values, last])?;
    let before = node.add(before, &[sorted, values])?;
    let ones = node.cast(before, DType::I32)?;
    let axes = node.add_ints(&[-1]);
    let count = node.add(Sum { keep_dims: false }, &[ones, axes])?;
    one(node.cast(count, dtype)?)
}

pub(super) fn sparse_to_dense(node: &mut Node<'_>) -> Imported {
    let inputs = node.values(0..4)?;
    one(node.add(SparseToDense { validate_indices: false }, &inputs)?)
}

pub(super) fn resize_bilinear(node: &mut Node<'_>) -> Imported {
    let (x, size) = (node.value(0)?, node.index_input(1)?);
    let x = if node.dtype(x) == DType::F32 {
        x
    } else {
        node.add(Cast { dtype: DType::F32 }, &[x])?
    };
    let op = ResizeBilinear {
        align_corners: node.attr_bool("align_corners"),
        half_pixel_centers: node.attr_bool("half_pixel_centers"),
    };
    one(node.add(op, &[x, size])?)
}

pub(super) fn resize_nearest(node: &mut Node<'_>) -> Imported {
    let (x, size) = (node.value(0)?, node.index_input(1)?);
    let op = ResizeNearestNeighbor {
        align_corners: node.attr_bool("align_corners"),
        half_pixel_centers: node.attr_bool("half_pixel_centers"),
    };
    one(node.add(op, &[x, size])?)
}
