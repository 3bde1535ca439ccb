//! Operations from one value to one of the same shape.

use planish_core::graph::Value;
use planish_core::op::{
    Abs, Atan2, Bitcast, BitwiseXor, Cast, Ceil, Cos, Equal, Erf, Exp, Fill, Floor, LeakyRelu, Less, Log, Maximum, Minimum, Neg, NotEqual,
    Op, Relu, Relu6, Round, Shape, Sign, Sin, Sqrt, Square, Sum,
};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::binary::{add, div, mul, sub};
use super::node::{Node, one};
use super::numeric_type::computed;
use super::{Bound, Imported, Stop, complex};

/// A larger value of ones is not stored, but made when the model runs.
const MOST_STORED: usize = 256;

/// The input itself, whatever it is.
pub(super) fn identity(node: &mut Node<'_>) -> Imported {
    Ok(vec![node.bound(0)?])
}

/// All inputs themselves.
pub(super) fn identity_n(node: &mut Node<'_>) -> Imported {
    (0..node.input_count()).map(|i| node.bound(i)).collect()
}

/// Rounding leaves integers as they are.
fn rounding(node: &mut Node<'_>, op: impl Into<Op>) -> Imported {
    let x = node.value(0)?;
    if node.dtype(x).is_int() { one(x) } else { one(node.add(op, &[x])?) }
}

pub(super) fn ceil(node: &mut Node<'_>) -> Imported {
    rounding(node, Ceil {})
}

pub(super) fn floor(node: &mut Node<'_>) -> Imported {
    rounding(node, Floor {})
}

pub(super) fn round(node: &mut Node<'_>) -> Imported {
    rounding(node, Round {})
}

pub(super) fn exp(node: &mut Node<'_>) -> Imported {
    if complex::computes(node) {
        complex::exponential(node)
    } else {
        node.unary(Exp {})
    }
}

pub(super) fn neg(node: &mut Node<'_>) -> Imported {
    if complex::computes(node) {
        complex::negated(node)
    } else {
        node.unary(Neg {})
    }
}

/// The kernel knows no i64.
pub(super) fn abs(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    if node.dtype(x) == DType::I64 {
        let negated = node.add(Neg {}, &[x])?;
        return one(node.add(Maximum {}, &[x, negated])?);
    }
    one(node.add(Abs {}, &[x])?)
}

/// The kernel knows only f32.
pub(super) fn square(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    one(if node.dtype(x) == DType::F32 {
        node.add(Square {}, &[x])?
    } else {
        mul(node, x, x)?
    })
}

pub(super) fn relu(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    if node.dtype(x) == DType::F32 {
        return one(node.add(Relu {}, &[x])?);
    }
    let zero = node.number(0.0, x)?;
    one(node.add(Maximum {}, &[x, zero])?)
}

pub(super) fn relu6(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    if node.dtype(x) == DType::F32 {
        return one(node.add(Relu6 {}, &[x])?);
    }
    let (zero, six) = (node.number(0.0, x)?, node.number(6.0, x)?);
    let low = node.add(Maximum {}, &[x, zero])?;
    one(node.add(Minimum {}, &[low, six])?)
}

pub(super) fn leaky_relu(node: &mut Node<'_>) -> Imported {
    let alpha = node.attr_float("alpha", 0.2);
    node.unary(LeakyRelu { alpha })
}

/// `1 / x`
pub(super) fn reciprocal(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let unit = node.number(1.0, x)?;
    one(div(node, unit, x)?)
}

/// `log(1 + x)`
pub(super) fn log1p(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let sum = plus(node, x, 1.0)?;
    one(node.add(Log {}, &[sum])?)
}

/// `exp(x) - 1`
pub(super) fn expm1(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let exp = node.add(Exp {}, &[x])?;
    one(plus(node, exp, -1.0)?)
}

/// `max(x, 0) + log(1 + exp(-|x|))`, which overflows nowhere.
pub(super) fn softplus(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let positive = node.add(Relu {}, &[x])?;
    let size = node.add(Abs {}, &[x])?;
    let negated = node.add(Neg {}, &[size])?;
    let exp = node.add(Exp {}, &[negated])?;
    let sum = plus(node, exp, 1.0)?;
    let log = node.add(Log {}, &[sum])?;
    one(add(node, positive, log)?)
}

/// `x / (|x| + 1)`
pub(super) fn softsign(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let size = node.add(Abs {}, &[x])?;
    let below = plus(node, size, 1.0)?;
    one(div(node, x, below)?)
}

/// What `selu` is scaled with, and its `alpha` (Klambauer and others, "Self-normalizing neural networks", 2017).
pub(super) const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
pub(super) const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

/// `scale × (max(x, 0) + alpha × (exp(min(x, 0)) - 1))`
pub(super) fn selu(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let positive = node.add(Relu {}, &[x])?;
    let zero = node.number(0.0, x)?;
    let negative = node.add(Minimum {}, &[x, zero])?;
    let exp = node.add(Exp {}, &[negative])?;
    let below = plus(node, exp, -1.0)?;
    let below = times(node, below, SELU_ALPHA)?;
    let sum = add(node, positive, below)?;
    one(times(node, sum, SELU_SCALE)?)
}

/// `sin(x) / cos(x)`
pub(super) fn tan(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let (sin, cos) = (node.add(Sin {}, &[x])?, node.add(Cos {}, &[x])?);
    one(div(node, sin, cos)?)
}

/// The angle of the point (1, x).
pub(super) fn atan(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let unit = ones(node, x)?;
    one(node.add(Atan2 {}, &[x, unit])?)
}

/// The angle of the point (√(1 - x²), x).
pub(super) fn asin(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let other = other_leg(node, x)?;
    one(node.add(Atan2 {}, &[x, other])?)
}

/// The angle of the point (x, √(1 - x²)).
pub(super) fn acos(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let other = other_leg(node, x)?;
    one(node.add(Atan2 {}, &[other, x])?)
}

/// `√((1 - x)(1 + x))`
fn other_leg(node: &mut Node<'_>, x: Value) -> Result<Value, Stop> {
    let unit = node.number(1.0, x)?;
    let less = sub(node, unit, x)?;
    let more = plus(node, x, 1.0)?;
    let product = mul(node, less, more)?;
    node.add(Sqrt {}, &[product])
}

pub(super) fn sinh(node: &mut Node<'_>) -> Imported {
    let (grown, shrunk) = exponentials(node)?;
    let difference = sub(node, grown, shrunk)?;
    one(times(node, difference, 0.5)?)
}

pub(super) fn cosh(node: &mut Node<'_>) -> Imported {
    let (grown, shrunk) = exponentials(node)?;
    let sum = add(node, grown, shrunk)?;
    one(times(node, sum, 0.5)?)
}

fn exponentials(node: &mut Node<'_>) -> Result<(Value, Value), Stop> {
    let x = node.value(0)?;
    let negated = node.add(Neg {}, &[x])?;
    Ok((node.add(Exp {}, &[x])?, node.add(Exp {}, &[negated])?))
}

/// `sign(x) × log(|x| + √(x² + 1))`
pub(super) fn asinh(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let size = node.add(Abs {}, &[x])?;
    let squared = mul(node, x, x)?;
    let sum = plus(node, squared, 1.0)?;
    let root = node.add(Sqrt {}, &[sum])?;
    let sum = add(node, size, root)?;
    let log = node.add(Log {}, &[sum])?;
    let sign = node.add(Sign {}, &[x])?;
    one(mul(node, sign, log)?)
}

/// `log(x + √(x² - 1))`
pub(super) fn acosh(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let squared = mul(node, x, x)?;
    let difference = plus(node, squared, -1.0)?;
    let root = node.add(Sqrt {}, &[difference])?;
    let sum = add(node, x, root)?;
    one(node.add(Log {}, &[sum])?)
}

/// `log((1 + x) / (1 - x)) / 2`
pub(super) fn atanh(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let unit = node.number(1.0, x)?;
    let more = plus(node, x, 1.0)?;
    let less = sub(node, unit, x)?;
    let ratio = div(node, more, less)?;
    let log = node.add(Log {}, &[ratio])?;
    one(times(node, log, 0.5)?)
}

/// `1 - erf(x)`
pub(super) fn erfc(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let erf = node.add(Erf {}, &[x])?;
    let unit = node.number(1.0, x)?;
    one(sub(node, unit, erf)?)
}

/// Only NaN differs from itself.
pub(super) fn is_nan(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    one(node.add(NotEqual {}, &[x, x])?)
}

pub(super) fn is_inf(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let size = node.add(Abs {}, &[x])?;
    let infinity = node.number(f64::INFINITY, x)?;
    one(node.add(Equal {}, &[size, infinity])?)
}

pub(super) fn is_finite(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let size = node.add(Abs {}, &[x])?;
    let infinity = node.number(f64::INFINITY, x)?;
    one(node.add(Less {}, &[size, infinity])?)
}

/// Every bit the other way round: `-x - 1` in two's complement, or the difference to all ones.
pub(super) fn invert(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    if matches!(node.dtype(x), DType::I32 | DType::I64) {
        let negated = node.add(Neg {}, &[x])?;
        return one(plus(node, negated, -1.0)?);
    }
    let ones = match node.dtype(x) {
        DType::I8 | DType::I16 => -1.0,
        DType::U8 => u8::MAX.into(),
        DType::U16 => u16::MAX.into(),
        DType::U32 => u32::MAX.into(),
        _ => return Err(Stop::Foreign),
    };
    let ones = node.number(ones, x)?;
    one(node.add(BitwiseXor {}, &[x, ones])?)
}

/// The kernel takes no i64.
pub(super) fn sign(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    if node.dtype(x) != DType::I64 {
        return node.unary(Sign {});
    }
    let (least, most) = (node.number(-1.0, x)?, node.number(1.0, x)?);
    let x = node.add(Maximum {}, &[x, least])?;
    one(node.add(Minimum {}, &[x, most])?)
}

/// Half the sum of squares.
pub(super) fn l2_loss(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let squared = mul(node, x, x)?;
    let rank = node.known_rank(x)?;
    let axes = node.add_ints(&(0..rank as i32).collect::<Vec<_>>());
    let sum = if rank == 0 {
        squared
    } else {
        node.add(Sum { keep_dims: false }, &[squared, axes])?
    };
    one(times(node, sum, 0.5)?)
}

/// A value of the input's shape filled with ones.
pub(super) fn ones_like(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    one(ones(node, x)?)
}

/// A value of the shape of `x` filled with ones.
fn ones(node: &mut Node<'_>, x: Value) -> Result<Value, Stop> {
    let unit = node.number(1.0, x)?;
    let few = node.shape(x).elements().is_some_and(|elements| elements <= MOST_STORED);
    if let Some(dims) = node.shape(x).known().filter(|_| few) {
        let tensor = node.constant(unit).map(|t| Tensor::splat(t, &dims));
        if let Some(tensor) = tensor {
            return Ok(node.add_const(tensor));
        }
    }
    let shape = node.add(Shape { dtype: DType::I32 }, &[x])?;
    node.add(Fill {}, &[shape, unit])
}

/// Between types that are computed alike nothing happens, unless the only purpose is to cut digits off.
pub(super) fn cast(node: &mut Node<'_>) -> Imported {
    if let Some(imported) = complex::cast(node) {
        return imported;
    }
    let dtype = node.attr_dtype("DstT", DType::F32)?;
    let source = node.declared_dtype("SrcT", DType::F32)?;
    let mut x = node.value(0)?;
    if matches!(source, DType::F16 | DType::BF16) && node.input_op(0) == Some("Cast") {
        let short = node.add(Cast { dtype: source }, &[x])?;
        x = node.add(Cast { dtype: DType::F32 }, &[short])?;
    }
    one(node.cast(x, dtype)?)
}

/// The bits of types that are held as wider ones are not there.
pub(super) fn bitcast(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let (from, to) = (node.declared_dtype("T", node.dtype(x))?, node.declared_dtype("type", DType::F32)?);
    if [from, to].into_iter().any(|dtype| computed(dtype) != dtype) {
        return Err(Stop::Foreign);
    }
    one(node.add(Bitcast { dtype: to }, &[x])?)
}

/// Only true of shapes: what is checked while TensorFlow runs does not change the value.
pub(super) fn ensure_shape(node: &mut Node<'_>) -> Imported {
    let bound = node.bound(0)?;
    if let (Bound::Value(value), Some(crate::proto::Attr::Shape(shape))) = (&bound, node.attr("shape")) {
        let declared = crate::contents::shape(Some(shape));
        let known = node.shape(*value).meet(&declared);
        if let Some(shape) = known {
            node.importer.graph.info_mut(*value).ty.shape = shape;
        }
    }
    Ok(vec![bound])
}

pub(super) fn plus(node: &mut Node<'_>, x: Value, number: f64) -> Result<Value, Stop> {
    let number = node.number(number, x)?;
    add(node, x, number)
}

pub(super) fn times(node: &mut Node<'_>, x: Value, number: f64) -> Result<Value, Stop> {
    let number = node.number(number, x)?;
    mul(node, x, number)
}
