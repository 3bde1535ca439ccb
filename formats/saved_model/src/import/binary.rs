//! Operations of two values, broadcast.

use planish_core::attr::Activation;
use planish_core::graph::Value;
use planish_core::op::{
    Abs, Add, AddN, Atan2, BroadcastArgs, BroadcastTo, Ceil, Div, Equal, Floor, FloorMod, Less, Log, LogicalAnd, LogicalOr, Maximum,
    Minimum, Mul, Op, Pow, SelectV2, Shape, SquaredDifference, Sub,
};
use planish_core::types::DType;

use super::node::{Node, one};
use super::unary::plus;
use super::{Imported, Stop, complex, division};

pub(super) fn add(node: &mut Node<'_>, x: Value, y: Value) -> Result<Value, Stop> {
    node.add(
        Add {
            activation: Activation::None,
            pot_scale_int16: true,
        },
        &[x, y],
    )
}

pub(super) fn sub(node: &mut Node<'_>, x: Value, y: Value) -> Result<Value, Stop> {
    node.add(
        Sub {
            activation: Activation::None,
            pot_scale_int16: true,
        },
        &[x, y],
    )
}

pub(super) fn mul(node: &mut Node<'_>, x: Value, y: Value) -> Result<Value, Stop> {
    node.add(
        Mul {
            activation: Activation::None,
        },
        &[x, y],
    )
}

pub(super) fn div(node: &mut Node<'_>, x: Value, y: Value) -> Result<Value, Stop> {
    node.add(
        Div {
            activation: Activation::None,
        },
        &[x, y],
    )
}

type Pair = fn(&mut Node<'_>, Value, Value) -> Result<Value, Stop>;

fn pair(node: &mut Node<'_>, build: Pair) -> Imported {
    let (x, y) = (node.value(0)?, node.value(1)?);
    if matches!(node.dtype(x), DType::String) {
        return Err(Stop::Foreign);
    }
    one(node.widened(x, y, build)?)
}

pub(super) fn add_v2(node: &mut Node<'_>) -> Imported {
    if complex::computes(node) {
        return complex::sum(node);
    }
    pair(node, add)
}

pub(super) fn subtract(node: &mut Node<'_>) -> Imported {
    if complex::computes(node) {
        return complex::difference(node);
    }
    pair(node, sub)
}

pub(super) fn multiply(node: &mut Node<'_>) -> Imported {
    if complex::computes(node) {
        return complex::multiply(node);
    }
    pair(node, mul)
}

pub(super) fn divide(node: &mut Node<'_>) -> Imported {
    if complex::computes(node) {
        return complex::quotient(node);
    }
    pair(node, division::cut)
}

/// A quotient cut towards zero, of floats too.
pub(super) fn truncate_div(node: &mut Node<'_>) -> Imported {
    pair(node, |node, x, y| {
        if node.dtype(x) != DType::F32 {
            return division::cut(node, x, y);
        }
        let quotient = div(node, x, y)?;
        let zero = node.number(0.0, quotient)?;
        let below = node.add(Less {}, &[quotient, zero])?;
        let (up, down) = (node.add(Ceil {}, &[quotient])?, node.add(Floor {}, &[quotient])?);
        node.add(SelectV2 {}, &[below, up, down])
    })
}

pub(super) fn floor_div(node: &mut Node<'_>) -> Imported {
    pair(node, division::floored)
}

pub(super) fn floor_mod(node: &mut Node<'_>) -> Imported {
    pair(node, |node, x, y| node.add(FloorMod {}, &[x, y]))
}

/// `x - y × trunc(x / y)`, with the integer division that cuts towards zero.
pub(super) fn truncate_mod(node: &mut Node<'_>) -> Imported {
    pair(node, |node, x, y| {
        if !node.dtype(x).is_int() {
            return Err(Stop::Foreign);
        }
        if node.dtype(x) == DType::I64 {
            return division::rest_of_cut(node, x, y);
        }
        let quotient = div(node, x, y)?;
        let product = mul(node, quotient, y)?;
        sub(node, x, product)
    })
}

pub(super) fn pow(node: &mut Node<'_>) -> Imported {
    let (x, y) = (node.value(0)?, node.value(1)?);
    let exponent = node.constant_ints(y).filter(|_| node.rank(y) == Some(0));
    // No kernel takes integers of 64 bits.
    if node.dtype(x) == DType::I64
        && let Some(&[exponent @ 1..=64]) = exponent.as_deref()
    {
        return one((1..exponent).try_fold(x, |power, _| mul(node, power, x))?);
    }
    one(node.add(Pow {}, &[x, y])?)
}

pub(super) fn squared_difference(node: &mut Node<'_>) -> Imported {
    pair(node, |node, x, y| {
        // The kernel takes f32 and i32.
        if node.dtype(x) == DType::I64 {
            let difference = sub(node, x, y)?;
            return mul(node, difference, difference);
        }
        node.add(SquaredDifference {}, &[x, y])
    })
}

/// The kernel takes two values of one shape.
pub(super) fn atan2(node: &mut Node<'_>) -> Imported {
    let (y, x) = (node.value(0)?, node.value(1)?);
    if node.shape(y).known().is_some() && node.shape(y) == node.shape(x) {
        return one(node.add(Atan2 {}, &[y, x])?);
    }
    let (y_shape, x_shape) = (
        node.add(Shape { dtype: DType::I32 }, &[y])?,
        node.add(Shape { dtype: DType::I32 }, &[x])?,
    );
    let both = node.add(BroadcastArgs {}, &[y_shape, x_shape])?;
    let (y, x) = (node.add(BroadcastTo {}, &[y, both])?, node.add(BroadcastTo {}, &[x, both])?);
    one(node.add(Atan2 {}, &[y, x])?)
}

/// The sum of all inputs.
pub(super) fn add_n(node: &mut Node<'_>) -> Imported {
    let inputs = node.values(0..node.input_count())?;
    match inputs[..] {
        [] => Err(node.error("it has no inputs")),
        [only] => one(only),
        [x, y] => one(add(node, x, y)?),
        [first, ref rest @ ..] if node.dtype(first) == DType::I64 => {
            let sum = rest.iter().try_fold(first, |sum, &x| add(node, sum, x));
            one(sum?)
        }
        _ => one(node.add(AddN {}, &inputs)?),
    }
}

/// The bias belongs to the last axis, or to the one behind the batch.
pub(super) fn bias_add(node: &mut Node<'_>) -> Imported {
    let (x, bias) = (node.value(0)?, node.value(1)?);
    if !node.attr_text("data_format", "NHWC").starts_with("NC") {
        return one(add(node, x, bias)?);
    }
    let rank = node.known_rank(x)?;
    let channels = node.shape(bias).dim(0).known().ok_or(Stop::Foreign)?;
    let mut dims = vec![1; rank.saturating_sub(1)];
    if let Some(first) = dims.first_mut() {
        *first = channels;
    }
    let bias = node.reshaped(bias, &dims)?;
    one(add(node, x, bias)?)
}

/// `x / y`, but 0 where y is.
pub(super) fn div_no_nan(node: &mut Node<'_>) -> Imported {
    let (x, y) = (node.value(0)?, node.value(1)?);
    let zero = node.number(0.0, y)?;
    let unit = node.number(1.0, y)?;
    let none = node.add(Equal {}, &[y, zero])?;
    let safe = node.add(SelectV2 {}, &[none, unit, y])?;
    let quotient = div(node, x, safe)?;
    one(zero_where(node, none, quotient)?)
}

/// `x × y`, but 0 where y is, whatever x.
pub(super) fn mul_no_nan(node: &mut Node<'_>) -> Imported {
    let (x, y) = (node.value(0)?, node.value(1)?);
    let zero = node.number(0.0, y)?;
    let none = node.add(Equal {}, &[y, zero])?;
    let product = mul(node, x, y)?;
    one(zero_where(node, none, product)?)
}

pub(super) fn xdivy(node: &mut Node<'_>) -> Imported {
    guarded(node, div)
}

pub(super) fn xlogy(node: &mut Node<'_>) -> Imported {
    guarded(node, |node, x, y| {
        let log = node.add(Log {}, &[y])?;
        mul(node, x, log)
    })
}

pub(super) fn xlog1py(node: &mut Node<'_>) -> Imported {
    guarded(node, |node, x, y| {
        let sum = plus(node, y, 1.0)?;
        let log = node.add(Log {}, &[sum])?;
        mul(node, x, log)
    })
}

/// What `build` makes, but 0 where x is.
fn guarded(node: &mut Node<'_>, build: Pair) -> Imported {
    let (x, y) = (node.value(0)?, node.value(1)?);
    let zero = node.number(0.0, x)?;
    let none = node.add(Equal {}, &[x, zero])?;
    let plain = build(node, x, y)?;
    one(zero_where(node, none, plain)?)
}

pub(super) fn zero_where(node: &mut Node<'_>, condition: Value, value: Value) -> Result<Value, Stop> {
    let zero = node.number(0.0, value)?;
    node.add(SelectV2 {}, &[condition, zero, value])
}

pub(super) fn clip_by_value(node: &mut Node<'_>) -> Imported {
    let (x, low, high) = (node.value(0)?, node.value(1)?, node.value(2)?);
    let raised = node.add(Maximum {}, &[x, low])?;
    one(node.add(Minimum {}, &[raised, high])?)
}

pub(super) fn approximate_equal(node: &mut Node<'_>) -> Imported {
    let (x, y) = (node.value(0)?, node.value(1)?);
    let difference = sub(node, x, y)?;
    let size = node.add(Abs {}, &[difference])?;
    let tolerance = node.attr_float("tolerance", 1e-5);
    let tolerance = node.number(f64::from(tolerance), size)?;
    one(node.add(Less {}, &[size, tolerance])?)
}

/// A shift by a constant is a product.
pub(super) fn left_shift(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let bits = node.int(1)?;
    let width = node.dtype(x).bits() as i64;
    if !(0..width - 1).contains(&bits) {
        return Err(Stop::Foreign);
    }
    let factor = node.number((1u64 << bits) as f64, x)?;
    one(mul(node, x, factor)?)
}

/// The lowest bits alone are the rest of a division by a power of two, and the highest alone is the least integer or zero.
pub(super) fn bitwise_and(node: &mut Node<'_>) -> Imported {
    let (x, y) = (node.value(0)?, node.value(1)?);
    for (x, mask_value) in [(x, y), (y, x)] {
        let same = |ints: Vec<i64>| ints.first().copied().filter(|first| ints.iter().all(|i| i == first));
        let mask = node.constant_ints(mask_value).and_then(same);
        let bits = node.dtype(x).bits() as u32;
        let Some(mask) = mask.filter(|_| matches!(node.dtype(x), DType::I32 | DType::I64) && node.rank(mask_value) == Some(0)) else {
            continue;
        };
        if mask == i64::MIN >> (64 - bits) {
            return one(sign_bit(node, x, mask_value)?);
        }
        if mask > 0 && (mask + 1).count_ones() == 1 && mask.trailing_ones() + 1 < bits {
            let divisor = node.number((mask + 1) as f64, x)?;
            return one(node.add(FloorMod {}, &[x, divisor])?);
        }
    }
    of_bools(node, LogicalAnd {})
}

/// The least integer where x is negative, and 0 elsewhere.
fn sign_bit(node: &mut Node<'_>, x: Value, least: Value) -> Result<Value, Stop> {
    let zero = node.number(0.0, x)?;
    let negative = node.add(Less {}, &[x, zero])?;
    node.add(SelectV2 {}, &[negative, least, zero])
}

pub(super) fn bitwise_or(node: &mut Node<'_>) -> Imported {
    of_bools(node, LogicalOr {})
}

fn of_bools(node: &mut Node<'_>, op: impl Into<Op>) -> Imported {
    let x = node.value(0)?;
    if node.dtype(x) != DType::Bool {
        return Err(Stop::Foreign);
    }
    node.binary(op)
}
