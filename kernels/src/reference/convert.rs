//! Elements of one type to another.

use planish_core::{DType, Tensor};

use super::args::{Args, bools, elements};
use super::cells::{Cells, packed};
use super::complex;
use super::number::{Number, numbers};
use crate::error::Error;

/// Elements of any type on their way to another.
trait Convert: Number {
    /// The integer that is meant: floats are cut towards zero.
    fn whole(self) -> i64;
    /// Whether this is not zero; what is not a number is not.
    fn truth(self) -> bool {
        self != Self::ZERO
    }
}

macro_rules! convert {
    ($($ty:ty: $whole:expr;)+) => {$(
        impl Convert for $ty {
            fn whole(self) -> i64 { $whole(self) }
        }
    )+};
}
convert! {
    f32: |x| x as i64; f64: |x| x as i64; half::f16: |x: half::f16| x.to_f32() as i64; half::bf16: |x: half::bf16| x.to_f32() as i64;
    i8: i64::from; i16: i64::from; i32: i64::from; i64: |x| x; u8: i64::from; u16: i64::from; u32: i64::from; u64: |x| x as i64;
}

fn cast_from<X: Convert>(args: &Args<'_>, to: DType, dims: &[usize], x: &[X]) -> Result<Tensor, Error> {
    args.count(to, dims)?;
    // A float beyond an integer's range gives its end for 32 and 64 bits, and wraps for fewer, as on common machines.
    let clamped = |x: &X, low: i64, high: i64| if X::IS_FLOAT { x.whole().clamp(low, high) } else { x.whole() };
    Ok(match to {
        DType::Bool => bools(dims, x.iter().map(|x| u8::from(x.truth())).collect()),
        DType::F32 => Tensor::from_vec(dims, x.iter().map(|x| x.to_f64() as f32).collect()),
        DType::F64 => Tensor::from_vec(dims, x.iter().map(|x| x.to_f64()).collect()),
        DType::F16 => Tensor::from_vec(dims, x.iter().map(|x| half::f16::from_f64(x.to_f64())).collect()),
        DType::BF16 => Tensor::from_vec(dims, x.iter().map(|x| half::bf16::from_f32(x.to_f64() as f32)).collect()),
        DType::I8 => Tensor::from_vec(dims, x.iter().map(|x| x.whole() as i8).collect()),
        DType::I16 => Tensor::from_vec(dims, x.iter().map(|x| x.whole() as i16).collect()),
        DType::U8 => Tensor::from_vec(dims, x.iter().map(|x| x.whole() as u8).collect()),
        DType::U16 => Tensor::from_vec(dims, x.iter().map(|x| x.whole() as u16).collect()),
        DType::I32 => Tensor::from_vec(
            dims,
            x.iter()
                .map(|x| clamped(x, i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
                .collect(),
        ),
        DType::U32 => Tensor::from_vec(dims, x.iter().map(|x| x.whole() as u32).collect()),
        DType::I64 => Tensor::from_vec(dims, x.iter().map(|x| x.whole()).collect()),
        DType::U64 => Tensor::from_vec(
            dims,
            x.iter()
                .map(|x| if X::IS_FLOAT { x.to_f64() as u64 } else { x.whole() as u64 })
                .collect(),
        ),
        DType::I4 | DType::U4 | DType::I2 => {
            let cells: Vec<u8> = x.iter().map(|x| x.whole() as u8).collect();
            Tensor::new(to, dims, packed(to.bits(), &cells).into()).map_err(|e| Error::Invalid(e.to_string()))?
        }
        DType::Complex64 | DType::Complex128 => {
            let values: Vec<[f64; 2]> = x.iter().map(|x| [x.to_f64(), 0.0]).collect();
            complex::tensor(to, dims, &values)
        }
        _ => return Err(args.element_type(to)),
    })
}

/// `cast`.
pub(crate) fn cast(to: DType, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    if input.dtype() == to {
        return Ok(input.clone().with_quant(None));
    }
    let dims = input.dims();
    if let Some(values) = complex::pairs(input) {
        if matches!(to, DType::Complex64 | DType::Complex128) {
            return Ok(complex::tensor(to, dims, &values));
        }
        let reals: Vec<f64> = values.into_iter().map(|v| v[0]).collect();
        return cast_from(args, to, dims, &reals);
    }
    match input.dtype() {
        DType::Bool => cast_from(args, to, dims, &elements::<u8>(input)),
        DType::I4 | DType::I2 => {
            let stored = super::products::stored_int8(input).expect("4-bit or 2-bit integers");
            cast_from(args, to, dims, &stored)
        }
        DType::U4 => match Cells::of(input) {
            Cells::Bytes(_, bytes) => cast_from(args, to, dims, &bytes),
            Cells::Strings(_) => Err(args.element_type(input.dtype())),
        },
        dtype => numbers!(dtype, T => cast_from(args, to, dims, &elements::<T>(input)), Err(args.element_type(dtype))),
    }
}

/// `bitcast`: to smaller elements a dimension is added, to larger ones the last is taken away.
pub(crate) fn bitcast(to: DType, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let (Some(from_size), Some(to_size)) = (input.dtype().size(), to.size()) else {
        return Err(args.element_type(if to.size().is_none() { to } else { input.dtype() }));
    };
    let mut dims = input.dims().to_vec();
    if to_size < from_size {
        dims.push(from_size / to_size);
    } else if to_size > from_size && dims.pop() != Some(to_size / from_size) {
        return Err(args.bad(
            0,
            format!("is {}, expected {} in its last dimension", input.ty(), to_size / from_size),
        ));
    }
    Tensor::new(to, &dims, input.bytes().into_owned().into()).map_err(|e| Error::Invalid(e.to_string()))
}
