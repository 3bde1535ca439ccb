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

/// Bits of an extent: more rows than 2²⁴ are not counted with.
const EXTENT_BITS: u32 = 24;

/// Bits of what i32 holds, without its sign. No tensor has more elements.
const I32_BITS: u32 = 31;

/// Whether i32 holds a value: a size, or what had no more bits before.
fn fits_i32(node: &Node<'_>, value: Value, left: &mut usize) -> bool {
    bits(node, value, left).is_some_and(|bits| bits <= I32_BITS)
}

/// How many bits a value takes at most that is computed from shapes, constants and narrower integers.
fn bits(node: &Node<'_>, value: Value, left: &mut usize) -> Option<u32> {
    *left = left.checked_sub(1)?;
    let op = node.importer.graph.at(value.op);
    let mut each = |count: usize| -> Option<Vec<u32>> {
        let operands = (0..count).map(|i| op.operand(i).map(|v| v.id()));
        operands.map(|operand| bits(node, operand?, left)).collect()
    };
    match op.op() {
        Op::Const(constant) => {
            let greatest = constant.value.to_ints()?.into_iter().map(i64::unsigned_abs).max();
            Some(greatest.map_or(0, |n| n.checked_ilog2().map_or(0, |log| log + 1)))
        }
        Op::Shape(_) => Some(EXTENT_BITS),
        Op::Cast(_) => {
            let from = op.operand(0)?;
            let own = match from.ty().dtype {
                DType::Bool => Some(1),
                DType::I8 | DType::U8 => Some(8),
                DType::I16 | DType::U16 => Some(16),
                DType::I32 => Some(I32_BITS),
                _ => None,
            };
            let inner = bits(node, from.id(), left);
            own.into_iter().chain(inner).min()
        }
        Op::StridedSlice(_) | Op::Slice(_) | Op::Gather(_) | Op::Squeeze(_) | Op::ExpandDims(_) | Op::Reshape(_) => Some(each(1)?[0]),
        Op::ReduceMax(_) | Op::ReduceMin(_) => Some(each(1)?[0]),
        // Extents are multiplied to count elements, and summed to count what lies side by side.
        Op::Sum(_) | Op::ReduceProd(_) => are_extents(op.operand(0)?, left).then_some(I32_BITS),
        Op::Mul(_) => Some(each(2)?.into_iter().sum()),
        Op::Add(_) | Op::Sub(_) => Some(each(2)?.into_iter().max()? + 1),
        Op::FloorDiv(_) => Some(each(2)?[0]),
        Op::FloorMod(_) | Op::Maximum(_) | Op::Minimum(_) => each(2)?.into_iter().max(),
        Op::Pack(_) | Op::Concatenation(_) => each(op.operands().len())?.into_iter().max(),
        _ => None,
    }
}

/// Whether all integers of a value are extents.
fn are_extents(value: ValueRef<'_>, left: &mut usize) -> bool {
    let Some(rest) = left.checked_sub(1) else { return false };
    *left = rest;
    let op = value.producer();
    let mut all = |count: usize| (0..count).all(|i| op.operand(i).is_some_and(|v| are_extents(v, left)));
    match op.op() {
        Op::Shape(_) => true,
        Op::Cast(_) | Op::StridedSlice(_) | Op::Slice(_) | Op::Gather(_) | Op::Squeeze(_) | Op::ExpandDims(_) | Op::Reshape(_) => all(1),
        Op::Pack(_) | Op::Concatenation(_) => all(op.operands().len()),
        _ => false,
    }
}
