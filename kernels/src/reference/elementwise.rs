//! One element to one element.

use planish_core::attr::Activation;
use planish_core::{DType, Op, Tensor};

use super::activation::clamp;
use super::args::{Args, bools};
use super::complex;
use super::error_function::erf;
use super::number::{Narrow, Number, floats, numbers};
use crate::error::Error;

/// Applies a function of reals.
fn real(args: &Args<'_>, single: impl Fn(f32) -> f32, double: impl Fn(f64) -> f64) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    floats!(
        input.dtype(),
        T => {
            let x = args.elements::<T>(0)?;
            let mut out = args.alloc::<T>(input.dims(), T::ZERO)?;
            out.iter_mut().zip(x.iter()).for_each(|(out, x)| *out = x.map(&single, &double));
            Ok(Tensor::from_vec(input.dims(), out))
        },
        Err(args.element_type(input.dtype()))
    )
}

/// What a function does to an element of any numeric type.
trait Any {
    fn apply<T: Number>(&self, x: T) -> T;
}

fn any(args: &Args<'_>, function: impl Any) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    numbers!(
        input.dtype(),
        T => {
            let x = args.elements::<T>(0)?;
            let mut out = args.alloc::<T>(input.dims(), T::ZERO)?;
            out.iter_mut().zip(x.iter()).for_each(|(out, &x)| *out = function.apply(x));
            Ok(Tensor::from_vec(input.dims(), out))
        },
        Err(args.element_type(input.dtype()))
    )
}

macro_rules! any {
    ($args:expr, $x:ident: $T:ident => $body:expr) => {{
        struct Function;
        impl Any for Function {
            fn apply<$T: Number>(&self, $x: $T) -> $T {
                $body
            }
        }
        any($args, Function)
    }};
}

struct Clamp(f64, f64);

impl Any for Clamp {
    fn apply<T: Number>(&self, x: T) -> T {
        clamp(x, T::from_f64(self.0), T::from_f64(self.1))
    }
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn gelu(x: f64, approximate: bool) -> f64 {
    if approximate {
        0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh())
    } else {
        0.5 * x * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2))
    }
}

/// The operations of one numeric operand that keep its type.
pub(crate) fn elementwise(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    match op {
        Op::Abs(_) => any!(args, x: T => x.magnitude()),
        Op::Neg(_) if matches!(args.get(0)?.dtype(), DType::Complex64 | DType::Complex128) => complex::negate(args),
        Op::Neg(_) => any!(args, x: T => if T::IS_FLOAT { x.times(T::ZERO.minus(T::ONE)) } else { T::ZERO.minus(x) }),
        Op::Square(_) => any!(args, x: T => x.times(x)),
        Op::Sign(_) => any!(args, x: T => {
            if x > T::ZERO { T::ONE } else if x < T::ZERO { T::ZERO.minus(T::ONE) } else { T::ZERO }
        }),
        Op::Relu(_) => any(args, Clamp(0.0, f64::INFINITY)),
        Op::Relu6(_) => any(args, Clamp(0.0, 6.0)),
        Op::Relu0To1(_) => any(args, Clamp(0.0, 1.0)),
        Op::ReluN1To1(_) => any(args, Clamp(-1.0, 1.0)),
        Op::Ceil(_) => real(args, f32::ceil, f64::ceil),
        Op::Floor(_) => real(args, f32::floor, f64::floor),
        Op::Round(_) => real(args, f32::round_ties_even, f64::round_ties_even),
        Op::Cos(_) => real(args, f32::cos, f64::cos),
        Op::Sin(_) => real(args, f32::sin, f64::sin),
        Op::Exp(_) => real(args, f32::exp, f64::exp),
        Op::Log(_) => real(args, f32::ln, f64::ln),
        Op::Tanh(_) => real(args, f32::tanh, f64::tanh),
        Op::Sqrt(_) => real(args, f32::sqrt, f64::sqrt),
        Op::Rsqrt(_) => real(args, |x| 1.0 / x.sqrt(), |x| 1.0 / x.sqrt()),
        Op::Logistic(_) => real(args, logistic, |x| 1.0 / (1.0 + (-x).exp())),
        Op::Elu(_) => real(
            args,
            |x| if x < 0.0 { x.exp_m1() } else { x },
            |x| if x < 0.0 { x.exp_m1() } else { x },
        ),
        Op::Gelu(op) => real(args, |x| gelu(f64::from(x), op.approximate) as f32, |x| gelu(x, op.approximate)),
        Op::HardSwish(_) => real(args, |x| x * clamp(x + 3.0, 0.0, 6.0) / 6.0, |x| x * clamp(x + 3.0, 0.0, 6.0) / 6.0),
        Op::LeakyRelu(op) => real(
            args,
            |x| if x > 0.0 { x } else { x * op.alpha },
            |x| if x > 0.0 { x } else { x * f64::from(op.alpha) },
        ),
        Op::Erf(_) => real(args, |x| erf(f64::from(x)) as f32, erf),
        _ => unreachable!("only elementwise operations are sent here"),
    }
}

/// The negation of truth values.
pub(crate) fn logical_not(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    if input.dtype() != DType::Bool {
        return Err(args.element_type(input.dtype()));
    }
    let x = args.elements::<u8>(0)?;
    Ok(bools(input.dims(), x.iter().map(|&b| u8::from(b == 0)).collect()))
}

/// Zeros of the input's type.
pub(crate) fn zeros_like(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let mut builder = super::cells::Builder::new(args, input, input.dims())?;
    builder.push_zeros(input.elements());
    builder.finish()
}

/// A fused activation applied to a tensor of any numeric type.
pub(crate) fn activated(activation: Activation, tensor: Tensor) -> Tensor {
    if activation == Activation::None {
        return tensor;
    }
    match tensor.dtype() {
        DType::F32 => super::activation::finish::<f32>(activation, tensor.dims(), tensor.to_vec()),
        DType::F64 => super::activation::finish::<f64>(activation, tensor.dims(), tensor.to_vec()),
        DType::F16 => super::activation::finish::<half::f16>(activation, tensor.dims(), tensor.to_vec()),
        DType::BF16 => super::activation::finish::<half::bf16>(activation, tensor.dims(), tensor.to_vec()),
        dtype => numbers!(
            dtype,
            T => {
                let mut values = tensor.to_vec::<T>();
                super::activation::clamp_all(activation, &mut values);
                Tensor::from_vec(tensor.dims(), values)
            },
            tensor
        ),
    }
}
