//! What several rules ask about values: is it a constant, one number everywhere, read only once.

use planish_core::attr::Activation;
use planish_core::{DType, Op, OpRef, Tensor, ValueRef};

/// Constants of at most this many elements are read to see whether they hold one number everywhere.
const MOST_ELEMENTS_COMPARED: usize = 4096;

/// Whether this is a float32 value without quantization, the only kind that arithmetic is rearranged for.
pub(crate) fn is_f32(value: ValueRef<'_>) -> bool {
    value.ty().dtype == DType::F32 && value.ty().quant.is_none()
}

/// Whether exactly one operand reads the value.
pub(crate) fn read_once(value: ValueRef<'_>) -> bool {
    value.uses().len() == 1
}

/// The integers of a constant.
pub(crate) fn integers(value: ValueRef<'_>) -> Option<Vec<i64>> {
    value.constant().filter(|t| t.quant().is_none())?.to_ints()
}

/// The one integer of a constant.
pub(crate) fn integer(value: ValueRef<'_>) -> Option<i64> {
    match integers(value)?[..] {
        [one] => Some(one),
        _ => None,
    }
}

/// The number that a float or integer constant holds in every element.
pub(crate) fn number(value: ValueRef<'_>) -> Option<f64> {
    let tensor = value.constant().filter(|t| t.quant().is_none())?;
    let numbers = |t: &Tensor| t.to_floats().or_else(|| Some(t.to_ints()?.into_iter().map(|i| i as f64).collect()));
    if tensor.is_splat() {
        let mut one = tensor.clone();
        for axis in 0..tensor.dims().len() {
            one = one.sliced(axis, 0, 1)?;
        }
        return numbers(&one)?.first().copied();
    }
    if tensor.elements() == 0 || tensor.elements() > MOST_ELEMENTS_COMPARED {
        return None;
    }
    let all = numbers(tensor)?;
    all.iter().all(|&v| v == all[0]).then_some(all[0])
}

/// Whether a constant holds this number everywhere, up to a few units in the last place of a float32.
pub(crate) fn is_number(value: ValueRef<'_>, wanted: f64) -> bool {
    number(value).is_some_and(|found| (found - wanted).abs() <= 4.0 * f64::from(f32::EPSILON) * wanted.abs())
}

/// What `f` says of the two operands of a commutative operation, in either order.
pub(crate) fn either_order<'g, T>(op: OpRef<'g>, f: impl Fn(ValueRef<'g>, ValueRef<'g>) -> Option<T>) -> Option<T> {
    let (x, y) = (op.operand(0)?, op.operand(1)?);
    f(x, y).or_else(|| f(y, x))
}

/// The operand that is this number everywhere, taken away: what is left is returned.
///
/// Only where the number's shape cannot enlarge the result, so that the other operand has the result's shape.
pub(crate) fn beside_number<'g>(op: OpRef<'g>, wanted: f64) -> Option<ValueRef<'g>> {
    either_order(op, |x, y| (is_number(y, wanted) && cannot_enlarge(y, x)).then_some(x))
}

/// Whether broadcasting `small` against `large` surely gives `large`'s shape.
pub(crate) fn cannot_enlarge(small: ValueRef<'_>, large: ValueRef<'_>) -> bool {
    let (Some(small), Some(large)) = (small.ty().shape.dims(), large.ty().shape.dims()) else {
        return small.ty().shape.rank() == Some(0);
    };
    small.len() <= large.len()
        && small
            .iter()
            .rev()
            .zip(large.iter().rev())
            .all(|(s, l)| s.known() == Some(1) || (s.known().is_some() && s == l))
}

/// The fused activation of an operation that has one.
pub(crate) fn activation(op: &Op) -> Option<Activation> {
    match op {
        Op::Conv2d(op) => Some(op.activation),
        Op::DepthwiseConv2d(op) => Some(op.activation),
        Op::TransposeConv(op) => Some(op.activation),
        Op::Conv3d(op) => Some(op.activation),
        Op::Conv3dTranspose(op) => Some(op.activation),
        Op::FullyConnected(op) => Some(op.activation),
        Op::AveragePool2d(op) => Some(op.activation),
        Op::MaxPool2d(op) => Some(op.activation),
        Op::Add(op) => Some(op.activation),
        Op::Sub(op) => Some(op.activation),
        Op::Mul(op) => Some(op.activation),
        Op::Div(op) => Some(op.activation),
        _ => None,
    }
}

/// The same operation with another fused activation; operations that have none are returned as they are.
pub(crate) fn with_activation(mut op: Op, to: Activation) -> Op {
    match &mut op {
        Op::Conv2d(op) => op.activation = to,
        Op::DepthwiseConv2d(op) => op.activation = to,
        Op::TransposeConv(op) => op.activation = to,
        Op::Conv3d(op) => op.activation = to,
        Op::Conv3dTranspose(op) => op.activation = to,
        Op::FullyConnected(op) => op.activation = to,
        Op::AveragePool2d(op) => op.activation = to,
        Op::MaxPool2d(op) => op.activation = to,
        Op::Add(op) => op.activation = to,
        Op::Sub(op) => op.activation = to,
        Op::Mul(op) => op.activation = to,
        Op::Div(op) => op.activation = to,
        _ => {}
    }
    op
}
