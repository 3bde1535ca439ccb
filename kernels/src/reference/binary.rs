//! Two elements to one, broadcast.

use planish_core::{DType, Op, Tensor};

use super::args::{Args, bools, elements, invalid};
use super::cells::Cells;
use super::complex;
use super::elementwise::activated;
use super::number::{Narrow, Number, floats, numbers};
use super::shape::{broadcast, broadcast_strides, for_each_row};
use crate::error::Error;

/// Two operands of one element type, and the extents that they broadcast to.
fn operands<'a>(args: &Args<'a>) -> Result<(&'a Tensor, &'a Tensor, Vec<usize>), Error> {
    let (x, y) = (args.get(0)?, args.get(1)?);
    if x.dtype() != y.dtype() {
        return invalid(format!("operands {} and {} differ in element type", x.ty(), y.ty()));
    }
    let dims = broadcast(x.dims(), y.dims())?;
    Ok((x, y, dims))
}

/// Calls `f` on each pair of elements, broadcast, with the result to fill.
pub(super) fn zip<X: Copy, R>(dims: &[usize], x: (&[X], &[usize]), y: (&[X], &[usize]), out: &mut [R], mut f: impl FnMut(X, X) -> R) {
    let (sx, sy) = (broadcast_strides(x.1, dims), broadcast_strides(y.1, dims));
    let (x, y) = (x.0, y.0);
    let row = dims.last().copied().unwrap_or(1);
    let inner = |s: &[usize]| s.last().copied().unwrap_or(0);
    let (ix, iy) = (inner(&sx), inner(&sy));
    let mut at = 0;
    for_each_row(dims, [&sx, &sy], |[ox, oy]| {
        let out = &mut out[at..at + row];
        at += row;
        match (ix, iy) {
            (1, 1) => {
                let (x, y) = (&x[ox..ox + row], &y[oy..oy + row]);
                (0..row).for_each(|i| out[i] = f(x[i], y[i]));
            }
            (1, 0) => {
                let (x, y) = (&x[ox..ox + row], y[oy]);
                (0..row).for_each(|i| out[i] = f(x[i], y));
            }
            (0, 1) => {
                let (x, y) = (x[ox], &y[oy..oy + row]);
                (0..row).for_each(|i| out[i] = f(x, y[i]));
            }
            _ => (0..row).for_each(|i| out[i] = f(x[ox + i * ix], y[oy + i * iy])),
        }
    });
}

fn combine<T: Number>(args: &Args<'_>, f: impl FnMut(T, T) -> T) -> Result<Tensor, Error> {
    let (x, y, dims) = operands(args)?;
    let mut out = args.alloc::<T>(&dims, T::ZERO)?;
    zip(&dims, (&elements(x), x.dims()), (&elements(y), y.dims()), &mut out, f);
    Ok(Tensor::from_vec(&dims, out))
}

/// The same for functions that may be undefined, as a quotient by 0 is.
fn try_combine<T: Number>(args: &Args<'_>, f: impl Fn(T, T) -> Option<T>, why: &str) -> Result<Tensor, Error> {
    let mut undefined = false;
    let out = combine::<T>(args, |x, y| {
        f(x, y).unwrap_or_else(|| {
            undefined = true;
            T::ZERO
        })
    })?;
    if undefined { Err(args.bad(1, why)) } else { Ok(out) }
}

/// Arithmetic on numbers of one type.
pub(crate) fn arithmetic(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let dtype = args.get(0)?.dtype();
    if matches!(dtype, DType::Complex64 | DType::Complex128) {
        return complex::binary(op, args);
    }
    let out = numbers!(dtype, T => arithmetic_of::<T>(op, args), Err(args.element_type(dtype)))?;
    Ok(match op {
        Op::Add(op) => activated(op.activation, out),
        Op::Sub(op) => activated(op.activation, out),
        Op::Mul(op) => activated(op.activation, out),
        Op::Div(op) => activated(op.activation, out),
        _ => out,
    })
}

fn arithmetic_of<T: Number>(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    const ZERO: &str = "holds a 0 to divide by";
    match op {
        Op::Add(_) => combine::<T>(args, T::plus),
        Op::Sub(_) => combine::<T>(args, T::minus),
        Op::Mul(_) => combine::<T>(args, T::times),
        Op::SquaredDifference(_) => combine::<T>(args, |x, y| x.minus(y).times(x.minus(y))),
        Op::Maximum(_) => combine::<T>(args, |x, y| if x > y { x } else { y }),
        Op::Minimum(_) => combine::<T>(args, |x, y| if x < y { x } else { y }),
        Op::Div(_) => try_combine::<T>(args, T::over, ZERO),
        Op::FloorDiv(_) => try_combine::<T>(args, T::floor_over, ZERO),
        Op::FloorMod(_) => try_combine::<T>(args, T::floor_rest, ZERO),
        Op::Pow(_) => try_combine::<T>(args, T::power, "holds a negative power of integers"),
        _ => unreachable!("only arithmetic operations are sent here"),
    }
}

/// The angle of a point.
pub(crate) fn atan2(args: &Args<'_>) -> Result<Tensor, Error> {
    let dtype = args.get(0)?.dtype();
    floats!(
        dtype,
        T => combine::<T>(args, |y, x| {
            let (yf, xf) = (y.to_f64(), x.to_f64());
            y.map(|y| y.atan2(xf as f32), |_| yf.atan2(xf))
        }),
        Err(args.element_type(dtype))
    )
}

/// `x` where positive, else `alpha × x`.
pub(crate) fn prelu(args: &Args<'_>) -> Result<Tensor, Error> {
    let dtype = args.get(0)?.dtype();
    floats!(
        dtype,
        T => combine::<T>(args, |x, alpha| if x < T::ZERO { x.times(alpha) } else { x }),
        Err(args.element_type(dtype))
    )
}

fn test<X: Copy>(args: &Args<'_>, x: &[X], y: &[X], f: impl FnMut(X, X) -> u8) -> Result<Tensor, Error> {
    let (tx, ty, dims) = operands(args)?;
    let mut out = args.alloc::<u8>(&dims, 0)?;
    zip(&dims, (x, tx.dims()), (y, ty.dims()), &mut out, f);
    Ok(bools(&dims, out))
}

/// Comparisons.
pub(crate) fn comparison(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let (x, y, _) = operands(args)?;
    let dtype = x.dtype();
    let equality = match op {
        Op::Equal(_) => Some(true),
        Op::NotEqual(_) => Some(false),
        _ => None,
    };
    if let (Some(wanted), DType::String | DType::Bool | DType::Complex64 | DType::Complex128) = (equality, dtype) {
        let (x_cells, y_cells) = (Cells::of(x), Cells::of(y));
        let indices = |n: usize| (0..n).collect::<Vec<usize>>();
        return test(args, &indices(x.elements()), &indices(y.elements()), |i, j| {
            u8::from((x_cells.at(i) == y_cells.at(j)) == wanted)
        });
    }
    numbers!(
        dtype,
        T => {
            let (x, y) = (elements::<T>(x), elements::<T>(y));
            let f: fn(T, T) -> u8 = match op {
                Op::Equal(_) => |x, y| u8::from(x == y),
                Op::NotEqual(_) => |x, y| u8::from(x != y),
                Op::Less(_) => |x, y| u8::from(x < y),
                Op::LessEqual(_) => |x, y| u8::from(x <= y),
                Op::Greater(_) => |x, y| u8::from(x > y),
                Op::GreaterEqual(_) => |x, y| u8::from(x >= y),
                _ => unreachable!("only comparisons are sent here"),
            };
            test(args, &x, &y, f)
        },
        Err(args.element_type(dtype))
    )
}

/// Conjunction and disjunction.
pub(crate) fn logical(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let (x, y, _) = operands(args)?;
    if x.dtype() != DType::Bool {
        return Err(args.element_type(x.dtype()));
    }
    let f: fn(u8, u8) -> u8 = match op {
        Op::LogicalAnd(_) => |x, y| u8::from(x != 0 && y != 0),
        _ => |x, y| u8::from(x != 0 || y != 0),
    };
    test(args, &elements(x), &elements(y), f)
}

/// Integers bit by bit.
pub(crate) fn bitwise(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    macro_rules! integers {
        ($($variant:ident: $ty:ty),+) => {
            match args.get(0)?.dtype() {
                $(DType::$variant => match op {
                    Op::BitwiseXor(_) => combine::<$ty>(args, |x, y| x ^ y),
                    _ => combine::<$ty>(args, |x, y| x >> y.clamp(0, <$ty>::BITS as $ty - 1)),
                },)+
                DType::Bool if matches!(op, Op::BitwiseXor(_)) => {
                    let (x, y, _) = operands(args)?;
                    test(args, &elements::<u8>(x), &elements::<u8>(y), |x, y| x ^ y)
                }
                dtype => Err(args.element_type(dtype)),
            }
        };
    }
    integers!(I8: i8, I16: i16, I32: i32, I64: i64, U8: u8, U16: u16, U32: u32, U64: u64)
}

/// The sum of any number of values of one shape.
pub(crate) fn add_n(args: &Args<'_>) -> Result<Tensor, Error> {
    let inputs = args.many()?;
    let first = inputs[0];
    if let Some(i) = inputs.iter().position(|t| t.dims() != first.dims() || t.dtype() != first.dtype()) {
        return Err(args.bad(i, format!("is {}, expected {}", inputs[i].ty(), first.ty())));
    }
    numbers!(
        first.dtype(),
        T => {
            let mut sum = args.alloc::<T>(first.dims(), T::ZERO)?;
            for input in inputs {
                sum.iter_mut().zip(elements::<T>(input).iter()).for_each(|(sum, &x)| *sum = sum.plus(x));
            }
            Ok(Tensor::from_vec(first.dims(), sum))
        },
        Err(args.element_type(first.dtype()))
    )
}
