//! Complex numbers: pairs of floats.

use planish_core::{DType, Op, Tensor};

use super::args::{Args, invalid};
use super::shape::{broadcast, broadcast_strides, for_each_row};
use crate::error::Error;

/// The elements as pairs of doubles; `None` for elements that are no complex numbers.
pub(crate) fn pairs(tensor: &Tensor) -> Option<Vec<[f64; 2]>> {
    let bytes = tensor.bytes();
    Some(match tensor.dtype() {
        DType::Complex64 => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| {
                let part = |i: usize| f64::from(f32::from_le_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]));
                [part(0), part(4)]
            })
            .collect(),
        DType::Complex128 => bytes
            .as_chunks::<16>()
            .0
            .iter()
            .map(|b| {
                let part = |half: &[u8]| f64::from_le_bytes(half.try_into().expect("eight bytes"));
                [part(&b[..8]), part(&b[8..])]
            })
            .collect(),
        _ => return None,
    })
}

/// A tensor of complex numbers of one of the two types.
pub(crate) fn tensor(dtype: DType, dims: &[usize], values: &[[f64; 2]]) -> Tensor {
    let bytes: Vec<u8> = match dtype {
        DType::Complex64 => values.iter().flatten().flat_map(|&v| (v as f32).to_le_bytes()).collect(),
        _ => values.iter().flatten().flat_map(|&v| v.to_le_bytes()).collect(),
    };
    Tensor::new(dtype, dims, bytes.into()).expect("as many elements as the extents say")
}

fn parts(args: &Args<'_>, part: impl Fn([f64; 2]) -> f64) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let Some(values) = pairs(input) else {
        return Err(args.element_type(input.dtype()));
    };
    let reals = values.into_iter().map(part);
    Ok(match input.dtype() {
        DType::Complex64 => Tensor::from_vec(input.dims(), reals.map(|v| v as f32).collect()),
        _ => Tensor::from_vec(input.dims(), reals.collect()),
    })
}

/// The real parts; reals stay what they are.
pub(crate) fn real(args: &Args<'_>) -> Result<Tensor, Error> {
    parts(args, |v| v[0])
}

/// The imaginary parts.
pub(crate) fn imag(args: &Args<'_>) -> Result<Tensor, Error> {
    parts(args, |v| v[1])
}

/// The absolute values.
pub(crate) fn abs(args: &Args<'_>) -> Result<Tensor, Error> {
    parts(args, |v| v[0].hypot(v[1]))
}

/// `-x`.
pub(crate) fn negate(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let values: Vec<[f64; 2]> = pairs(input)
        .ok_or_else(|| args.element_type(input.dtype()))?
        .into_iter()
        .map(|[re, im]| [-re, -im])
        .collect();
    Ok(tensor(input.dtype(), input.dims(), &values))
}

/// Sums, differences, products and quotients, broadcast.
pub(crate) fn binary(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let (x, y) = (args.get(0)?, args.get(1)?);
    if x.dtype() != y.dtype() {
        return invalid(format!("operands {} and {} differ in element type", x.ty(), y.ty()));
    }
    let function: fn([f64; 2], [f64; 2]) -> [f64; 2] = match op {
        Op::Add(_) => |a, b| [a[0] + b[0], a[1] + b[1]],
        Op::Sub(_) => |a, b| [a[0] - b[0], a[1] - b[1]],
        Op::Mul(_) => |a, b| [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]],
        Op::Div(_) => |a, b| {
            let norm = b[0] * b[0] + b[1] * b[1];
            [(a[0] * b[0] + a[1] * b[1]) / norm, (a[1] * b[0] - a[0] * b[1]) / norm]
        },
        _ => return Err(args.element_type(x.dtype())),
    };
    let dims = broadcast(x.dims(), y.dims())?;
    args.count(x.dtype(), &dims)?;
    let (a, b) = (
        pairs(x).ok_or_else(|| args.element_type(x.dtype()))?,
        pairs(y).ok_or_else(|| args.element_type(y.dtype()))?,
    );
    let (sa, sb) = (broadcast_strides(x.dims(), &dims), broadcast_strides(y.dims(), &dims));
    let row = dims.last().copied().unwrap_or(1);
    let (ia, ib) = (sa.last().copied().unwrap_or(0), sb.last().copied().unwrap_or(0));
    let mut out = Vec::with_capacity(dims.iter().product());
    for_each_row(&dims, [&sa, &sb], |[oa, ob]| {
        out.extend((0..row).map(|i| function(a[oa + i * ia], b[ob + i * ib])))
    });
    Ok(tensor(x.dtype(), &dims, &out))
}
