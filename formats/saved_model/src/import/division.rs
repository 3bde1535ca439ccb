//! Quotients of integers.

use planish_core::graph::{Value, ValueRef};
use planish_core::op::{FloorDiv, FloorMod, Less, LogicalAnd, NotEqual, Op, Round, SelectV2};
use planish_core::types::DType;

use super::Stop;
use super::binary::{add, div, mul, sub};
use super::node::Node;

type Pair = fn(&mut Node<'_>, Value, Value) -> Result<Value, Stop>;

/// A quotient, of integers cut towards zero.
pub(super) fn cut(node: &mut Node<'_>, x: Value, y: Value) -> Result<Value, Stop> {
    quotient(node, x, y, div, rest_of_cut)
}

/// A quotient rounded down.
pub(super) fn floored(node: &mut Node<'_>, x: Value, y: Value) -> Result<Value, Stop> {
    let kernel: Pair = |node, x, y| node.add(FloorDiv {}, &[x, y]);
    let rest: Pair = |node, x, y| node.add(FloorMod {}, &[x, y]);
    quotient(node, x, y, kernel, rest)
}

/// No kernel divides i64. Sizes and positions are divided as i32, which holds them; anything else exactly.
fn quotient(node: &mut Node<'_>, x: Value, y: Value, kernel: Pair, rest: Pair) -> Result<Value, Stop> {
    if node.dtype(x) != DType::I64 {
        return kernel(node, x, y);
    }
    let mut left = MOST_FOLLOWED;
    if fits_i32(node, x, &mut left) && fits_i32(node, y, &mut left) {
        let (x, y) = (node.as_i32(x)?, node.as_i32(y)?);
        let quotient = kernel(node, x, y)?;
        return node.cast(quotient, DType::I64);
    }
    let rest = rest(node, x, y)?;
    let mut left = sub(node, x, rest)?;
    // What is left is a multiple of `y`. Each round takes off all of it but a part of some 2⁻²², so that three leave nothing.
    let mut quotient = rounded_quotient(node, left, y)?;
    let mut last = quotient;
    for _ in 0..2 {
        let taken = mul(node, last, y)?;
        left = sub(node, left, taken)?;
        last = rounded_quotient(node, left, y)?;
        quotient = add(node, quotient, last)?;
    }
    Ok(quotient)
}

/// The quotient as reals tell it, to the nearest integer.
fn rounded_quotient(node: &mut Node<'_>, x: Value, y: Value) -> Result<Value, Stop> {
    let (x, y) = (node.cast(x, DType::F32)?, node.cast(y, DType::F32)?);
    let quotient = div(node, x, y)?;
    let quotient = node.add(Round {}, &[quotient])?;
    node.cast(quotient, DType::I64)
}

/// What is left of a quotient that is cut: the kernel's rest has the sign of `y`, and is wanted with that of `x`.
pub(super) fn rest_of_cut(node: &mut Node<'_>, x: Value, y: Value) -> Result<Value, Stop> {
    let rest = node.add(FloorMod {}, &[x, y])?;
    let zero = node.number(0.0, x)?;
    let (below_x, below_y) = (node.add(Less {}, &[x, zero])?, node.add(Less {}, &[y, zero])?);
    let apart = node.add(NotEqual {}, &[below_x, below_y])?;
    let some = node.add(NotEqual {}, &[rest, zero])?;
    let wrong = node.add(LogicalAnd {}, &[apart, some])?;
    let moved = sub(node, rest, y)?;
    node.add(SelectV2 {}, &[wrong, moved, rest])
}

/// Operations that are looked at to see that a value is a size.
const MOST_FOLLOWED: usize = 64;

/// Whether i32 holds a value: a size, or what had no more bits before.
fn fits_i32(node: &Node<'_>, value: Value, left: &mut usize) -> bool {
    let op = node.importer.graph.at(value.op);
    let narrow = |v: ValueRef<'_>| {
        matches!(
            v.ty().dtype,
            DType::I8 | DType::I16 | DType::I32 | DType::U8 | DType::U16 | DType::Bool
        )
    };
    matches!(op.op(), Op::Cast(_)) && op.operand(0).is_some_and(narrow) || is_size(node, value, left)
}

/// Whether a value is computed from shapes and constants that i32 holds.
fn is_size(node: &Node<'_>, value: Value, left: &mut usize) -> bool {
    let Some(rest) = left.checked_sub(1) else { return false };
    *left = rest;
    let op = node.importer.graph.at(value.op);
    let mut all = |count: usize| {
        let operands = (0..count).map(|i| op.operand(i).map(|v| v.id()));
        operands.flatten().all(|operand| is_size(node, operand, left))
    };
    match op.op() {
        Op::Const(constant) => {
            let ints = constant.value.to_ints();
            ints.is_some_and(|ints| ints.iter().all(|&n| i32::try_from(n).is_ok()))
        }
        Op::Shape(_) => true,
        Op::Cast(_) => all(1),
        Op::StridedSlice(_) | Op::Slice(_) | Op::Gather(_) | Op::Squeeze(_) | Op::ExpandDims(_) | Op::Reshape(_) => all(1),
        Op::Sum(_) | Op::ReduceProd(_) | Op::ReduceMax(_) | Op::ReduceMin(_) => all(1),
        Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::FloorDiv(_) | Op::FloorMod(_) | Op::Maximum(_) | Op::Minimum(_) => all(2),
        Op::Pack(_) | Op::Concatenation(_) => all(op.operands().len()),
        _ => false,
    }
}
