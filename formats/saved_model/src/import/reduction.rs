//! Reductions along axes.

use planish_core::graph::Value;
use planish_core::op::{
    ArgMax, ArgMin, Cumsum, Equal, LogSoftmax, Mean, Neg, OneHot, Op, PadV2, ReduceAll, ReduceAny, ReduceMax, ReduceMin, ReduceProd, Slice,
    Softmax, Sqrt, Sum,
};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::binary::{mul, sub};
use super::node::{Node, many, one};
use super::{Imported, Stop};

/// The operation with its axes; without any, nothing is reduced.
fn reduce(node: &mut Node<'_>, op: fn(bool) -> Op) -> Imported {
    let x = node.value(0)?;
    one(over_axes(node, x, op)?)
}

fn over_axes(node: &mut Node<'_>, x: Value, op: fn(bool) -> Op) -> Result<Value, Stop> {
    let axes = node.index_input(1)?;
    let keep_dims = node.attr_bool("keep_dims");
    if node.constant(axes).is_some_and(|t| t.elements() == 0) {
        return Ok(x);
    }
    let axes = if node.rank(axes) == Some(0) {
        node.reshaped(axes, &[1])?
    } else {
        axes
    };
    node.add(op(keep_dims), &[x, axes])
}

pub(super) fn mean(node: &mut Node<'_>) -> Imported {
    reduce(node, |keep_dims| Mean { keep_dims }.into())
}

pub(super) fn sum(node: &mut Node<'_>) -> Imported {
    reduce(node, |keep_dims| Sum { keep_dims }.into())
}

pub(super) fn prod(node: &mut Node<'_>) -> Imported {
    reduce(node, |keep_dims| ReduceProd { keep_dims }.into())
}

pub(super) fn max(node: &mut Node<'_>) -> Imported {
    reduce(node, |keep_dims| ReduceMax { keep_dims }.into())
}

pub(super) fn min(node: &mut Node<'_>) -> Imported {
    reduce(node, |keep_dims| ReduceMin { keep_dims }.into())
}

pub(super) fn any(node: &mut Node<'_>) -> Imported {
    reduce(node, |keep_dims| ReduceAny { keep_dims }.into())
}

pub(super) fn all(node: &mut Node<'_>) -> Imported {
    reduce(node, |keep_dims| ReduceAll { keep_dims }.into())
}

/// The root of the sum of squares.
pub(super) fn euclidean_norm(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let squares = mul(node, x, x)?;
    let sum = over_axes(node, squares, |keep_dims| Sum { keep_dims }.into())?;
    one(node.add(Sqrt {}, &[sum])?)
}

pub(super) fn arg_max(node: &mut Node<'_>) -> Imported {
    arg(node, |dtype| ArgMax { dtype }.into(), |keep_dims| ReduceMax { keep_dims }.into())
}

pub(super) fn arg_min(node: &mut Node<'_>) -> Imported {
    arg(node, |dtype| ArgMin { dtype }.into(), |keep_dims| ReduceMin { keep_dims }.into())
}

fn arg(node: &mut Node<'_>, op: fn(DType) -> Op, peak: fn(bool) -> Op) -> Imported {
    let dtype = node.attr_dtype("output_type", DType::I64)?;
    let (x, axis) = (node.value(0)?, node.index_input(1)?);
    if !matches!(node.dtype(x), DType::I64 | DType::U32) {
        return one(node.add(op(dtype), &[x, axis])?);
    }
    // No kernel takes integers of 64 bits. The place looked for is the first that is as great, or as small, as any.
    let axes = node.reshaped(axis, &[1])?;
    let peak = node.add(peak(true), &[x, axes])?;
    let hits = node.add(Equal {}, &[x, peak])?;
    let hits = node.cast(hits, DType::I32)?;
    one(node.add(ArgMax { dtype }, &[hits, axis])?)
}

pub(super) fn cumsum(node: &mut Node<'_>) -> Imported {
    let (x, axis) = (node.value(0)?, node.index_input(1)?);
    let op = Cumsum {
        exclusive: node.attr_bool("exclusive"),
        reverse: node.attr_bool("reverse"),
    };
    one(node.add(op, &[x, axis])?)
}

pub(super) fn softmax(node: &mut Node<'_>) -> Imported {
    node.unary(Softmax { beta: 1.0 })
}

pub(super) fn log_softmax(node: &mut Node<'_>) -> Imported {
    node.unary(LogSoftmax {})
}

/// The loss of each row against its label, and its gradient.
pub(super) fn sparse_softmax_cross_entropy(node: &mut Node<'_>) -> Imported {
    let (logits, labels) = (node.value(0)?, node.value(1)?);
    let classes = node
        .shape(logits)
        .dim(1)
        .known()
        .and_then(|n| i32::try_from(n).ok())
        .ok_or(Stop::Foreign)?;
    let depth = node.add_int(classes);
    let (on, off) = (node.number(1.0, logits)?, node.number(0.0, logits)?);
    let labels = node.add(OneHot { axis: -1 }, &[labels, depth, on, off])?;
    cross_entropy(node, logits, labels)
}

/// The same against the probability of each class.
pub(super) fn softmax_cross_entropy(node: &mut Node<'_>) -> Imported {
    let (logits, labels) = (node.value(0)?, node.value(1)?);
    cross_entropy(node, logits, labels)
}

fn cross_entropy(node: &mut Node<'_>, logits: Value, labels: Value) -> Imported {
    let logs = node.add(LogSoftmax {}, &[logits])?;
    let terms = mul(node, labels, logs)?;
    let axes = node.add_ints(&[1]);
    let sum = node.add(Sum { keep_dims: false }, &[terms, axes])?;
    let loss = node.add(Neg {}, &[sum])?;
    let guess = node.add(Softmax { beta: 1.0 }, &[logits])?;
    many(vec![loss, sub(node, guess, labels)?])
}

/// Running products: each step multiplies with what lies twice as far behind.
pub(super) fn cumprod(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let rank = node.known_rank(x)?;
    let axis = node.int(1)?;
    let axis = node.axis(axis, rank)?;
    let extent = node
        .shape(x)
        .dim(axis)
        .known()
        .filter(|&n| n > 0 && i32::try_from(n).is_ok())
        .ok_or(Stop::Foreign)?;
    let (exclusive, reverse) = (node.attr_bool("exclusive"), node.attr_bool("reverse"));
    let unit = node.number(1.0, x)?;
    let mut product = if exclusive { moved(node, x, axis, 1, reverse, unit)? } else { x };
    let mut distance = 1;
    while distance < extent {
        let behind = moved(node, product, axis, distance, reverse, unit)?;
        product = mul(node, product, behind)?;
        distance *= 2;
    }
    one(product)
}

/// The elements so many places further along the axis, or back, with `fill` where none comes from.
fn moved(node: &mut Node<'_>, x: Value, axis: usize, distance: usize, back: bool, fill: Value) -> Result<Value, Stop> {
    let rank = node.known_rank(x)?;
    let extent = node.shape(x).dim(axis).known().ok_or(Stop::Foreign)?;
    let kept = extent.saturating_sub(distance);
    let (mut begin, mut size, mut paddings) = (vec![0; rank], vec![-1; rank], vec![0; 2 * rank]);
    begin[axis] = if back { (extent - kept) as i32 } else { 0 };
    size[axis] = kept as i32;
    paddings[2 * axis + usize::from(back)] = (extent - kept) as i32;
    let (begin, size) = (node.add_ints(&begin), node.add_ints(&size));
    let part = node.add(Slice {}, &[x, begin, size])?;
    let paddings = node.add_const(Tensor::from_vec(&[rank, 2], paddings));
    node.add(PadV2 {}, &[part, paddings, fill])
}
