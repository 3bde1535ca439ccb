//! Reductions along axes.

use planish_core::graph::Value;
use planish_core::op::{
    ArgMax, ArgMin, Cumsum, LogSoftmax, Mean, Op, ReduceAll, ReduceAny, ReduceMax, ReduceMin, ReduceProd, Softmax, Sqrt, Sum,
};
use planish_core::types::DType;

use super::binary::mul;
use super::node::{Node, one};
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
    let dtype = node.attr_dtype("output_type", DType::I64)?;
    arg(node, ArgMax { dtype })
}

pub(super) fn arg_min(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("output_type", DType::I64)?;
    arg(node, ArgMin { dtype })
}

fn arg(node: &mut Node<'_>, op: impl Into<Op>) -> Imported {
    let (x, axis) = (node.value(0)?, node.index_input(1)?);
    one(node.add(op, &[x, axis])?)
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
