//! Stored integers from reals and back: the one place where weights are rounded.
//!
//! `stored = clamp(round(real / scale) + zero_point)`, quotients in f32, halves away from zero, as TFLite's QUANTIZE
//! does. For a real that is not clamped, `|real - scale × (stored - zero_point)| ≤ scale / 2 + |real| × 2⁻²³`: half a
//! step, and what the f32 quotient (relative error 2⁻²⁴) and the product back (as much again) round.

use thiserror::Error;

use crate::quant::Quant;
use crate::tensor::{Bytes, Tensor};
use crate::types::{DType, Type};

/// Why a tensor cannot be quantized or dequantized.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// The element types are not a real and an integer that have a rounding.
    #[error("{from} cannot be quantized to {to}; f32 to i8, u8, i16 and i32 can")]
    Types {
        /// The type of the elements.
        from: DType,
        /// The type asked for.
        to: DType,
    },
    /// The type says nothing of how integers stand for reals.
    #[error("the type {0} has no quantization")]
    NoQuant(String),
    /// Parameters vary along an axis that the tensor does not have, or not as often.
    #[error("{scales} scales along axis {axis} do not fit {dims:?}")]
    Axis {
        /// The axis.
        axis: usize,
        /// How many scales there are.
        scales: usize,
        /// The tensor's extents.
        dims: Vec<usize>,
    },
}

/// The least and greatest integer of a type that quantization stores.
pub fn stored_range(dtype: DType) -> Option<(i64, i64)> {
    Some(match dtype {
        DType::I2 => (-2, 1),
        DType::I4 => (-8, 7),
        DType::U4 => (0, 15),
        DType::I8 => (-128, 127),
        DType::U8 => (0, 255),
        DType::I16 => (-32768, 32767),
        DType::U16 => (0, 65535),
        DType::I32 => (i32::MIN.into(), i32::MAX.into()),
        DType::I64 => (i64::MIN, i64::MAX),
        _ => return None,
    })
}

/// Adding this to a float of magnitude below 2²² leaves its nearest integer, halves to even, in the low bits.
const MAGIC: f32 = 12_582_912.0;

/// The integer nearest to `x / scale`, halves away from zero, for quotients of magnitude up to 2²⁰; larger ones give that.
#[inline(always)]
fn nearest(x: f32, scale: f32) -> i32 {
    const MOST: f32 = 1_048_576.0;
    let quotient = (x / scale).clamp(-MOST, MOST);
    let shifted = quotient + MAGIC;
    let even = shifted.to_bits() as i32 - MAGIC.to_bits() as i32;
    let rest = quotient - (shifted - MAGIC);
    even + i32::from((rest == 0.5) & (quotient > 0.0)) - i32::from((rest == -0.5) & (quotient < 0.0))
}

/// Quantizes a run of reals that share parameters to i8.
///
/// # Panics
/// Where the slices differ in length.
pub fn quantize_i8(values: &[f32], scale: f32, zero_point: i64, out: &mut [i8]) {
    assert_eq!(values.len(), out.len(), "one integer a real");
    let zero = zero_point as i32;
    for (stored, &x) in out.iter_mut().zip(values) {
        *stored = (nearest(x, scale) + zero).clamp(-128, 127) as i8;
    }
}

/// Quantizes one real to any integer type.
pub fn quantize_one(x: f32, scale: f32, zero_point: i64, dtype: DType) -> i64 {
    let (least, most) = stored_range(dtype).unwrap_or((0, 0));
    (f64::from(x / scale).round() as i64).saturating_add(zero_point).clamp(least, most)
}

/// How parameters vary over the elements of a tensor in row-major order: each of `count` parameters serves runs of
/// `run` elements, over and over.
struct Runs {
    run: usize,
    count: usize,
}

fn runs(quant: &Quant, dims: &[usize]) -> Result<Runs, QuantizeError> {
    let Some(axis) = quant.axis() else {
        return Ok(Runs { run: usize::MAX, count: 1 });
    };
    let count = quant.scales().len();
    if dims.get(axis) != Some(&count) {
        return Err(QuantizeError::Axis {
            axis,
            scales: count,
            dims: dims.to_vec(),
        });
    }
    Ok(Runs {
        run: dims[axis + 1..].iter().product::<usize>().max(1),
        count,
    })
}

/// Quantizes elements `first..` of an f32 tensor to the i8 elements `out`: how a writer streams a large weight.
///
/// # Errors
/// Where the tensor is not f32, or the parameters do not fit its extents.
///
/// # Panics
/// Where `out` reaches beyond the last element.
pub fn quantize_part(tensor: &Tensor, quant: &Quant, first: usize, out: &mut [i8]) -> Result<(), QuantizeError> {
    if tensor.dtype() != DType::F32 {
        return Err(QuantizeError::Types {
            from: tensor.dtype(),
            to: DType::I8,
        });
    }
    let Runs { run, count } = runs(quant, tensor.dims())?;
    let mut gathered = Vec::new();
    let values: &[f32] = match tensor.as_slice::<f32>() {
        Some(all) => &all[first..first + out.len()],
        None => {
            gathered.resize(out.len(), 0f32);
            tensor.gather_into(first, bytemuck::cast_slice_mut(&mut gathered));
            &gathered
        }
    };
    let (scales, zeros) = (quant.scales(), quant.zero_points());
    if run == 1 {
        for (i, (stored, &x)) in out.iter_mut().zip(values).enumerate() {
            let c = (first + i) % count;
            *stored = (nearest(x, scales[c]) + zeros[c] as i32).clamp(-128, 127) as i8;
        }
        return Ok(());
    }
    let mut at = 0;
    while at < values.len() {
        let place = first + at;
        let c = (place / run) % count;
        let len = (run - place % run).min(values.len() - at);
        quantize_i8(&values[at..at + len], scales[c], zeros[c], &mut out[at..at + len]);
        at += len;
    }
    Ok(())
}

/// The integers that stand for the reals of an f32 tensor under this type.
///
/// # Errors
/// Where the types have no rounding between them, or the parameters do not fit.
pub fn quantize(tensor: &Tensor, ty: &Type) -> Result<Tensor, QuantizeError> {
    use DType::{F32, I8, I16, I32, U8};
    let quant = ty.quant.as_ref().ok_or_else(|| QuantizeError::NoQuant(ty.to_string()))?;
    if tensor.dtype() != F32 || !matches!(ty.dtype, I8 | U8 | I16 | I32) {
        return Err(QuantizeError::Types {
            from: tensor.dtype(),
            to: ty.dtype,
        });
    }
    let dims = tensor.dims();
    if ty.dtype == I8 {
        let mut out = vec![0i8; tensor.elements()];
        quantize_part(tensor, quant, 0, &mut out)?;
        return Ok(Tensor::from_vec(dims, out).with_quant(Some(quant.clone())));
    }
    let Runs { run, count } = runs(quant, dims)?;
    let stored = tensor.to_vec::<f32>().into_iter().enumerate().map(|(i, x)| {
        let c = (i / run) % count;
        quantize_one(x, quant.scales()[c], quant.zero_points()[c], ty.dtype)
    });
    let bytes: Vec<u8> = match ty.dtype {
        U8 => stored.map(|q| q as u8).collect(),
        I16 => stored.flat_map(|q| (q as i16).to_le_bytes()).collect(),
        _ => stored.flat_map(|q| (q as i32).to_le_bytes()).collect(),
    };
    let tensor = Tensor::new(ty.dtype, dims, Bytes::from(bytes)).expect("as many integers as reals");
    Ok(tensor.with_quant(Some(quant.clone())))
}

/// The reals that the integers of a quantized tensor stand for.
///
/// # Errors
/// Where the tensor has no quantization, its elements are no integers, or the parameters do not fit.
pub fn dequantize(tensor: &Tensor) -> Result<Tensor, QuantizeError> {
    let quant = tensor.quant().ok_or_else(|| QuantizeError::NoQuant(tensor.ty().to_string()))?;
    let Runs { run, count } = runs(quant, tensor.dims())?;
    let stored = tensor.to_ints().ok_or(QuantizeError::Types {
        from: tensor.dtype(),
        to: DType::F32,
    })?;
    let reals = stored.into_iter().enumerate().map(|(i, q)| {
        let c = (i / run) % count;
        q.wrapping_sub(quant.zero_points()[c]) as f32 * quant.scales()[c]
    });
    Ok(Tensor::from_vec(tensor.dims(), reals.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_round_away_from_zero() {
        let mut out = [0i8; 6];
        quantize_i8(&[0.5, 1.5, 2.5, -0.5, -1.5, -2.5], 1.0, 0, &mut out);
        assert_eq!(out, [1, 2, 3, -1, -2, -3]);
        let mut out = [0i8; 3];
        quantize_i8(&[0.49999997, -0.49999997, 1e30], 1.0, 0, &mut out);
        assert_eq!(out, [0, 0, 127]);
    }

    proptest! {
        #[test]
        fn the_fast_rounding_is_the_plain_one(x in -200f32..200.0, scale in 1e-3f32..10.0, zero in -20i64..20) {
            let mut out = [0i8];
            quantize_i8(&[x], scale, zero, &mut out);
            prop_assert_eq!(i64::from(out[0]), quantize_one(x, scale, zero, DType::I8));
        }

        #[test]
        fn parts_are_the_whole(cut in 0usize..24, axis in 0usize..3) {
            let dims = [2, 3, 4];
            let tensor = Tensor::from_vec(&dims, (0..24).map(|i| i as f32 - 11.0).collect::<Vec<f32>>());
            let quant = Quant::symmetric_per_axis(axis, (0..dims[axis]).map(|c| 0.1 + c as f32).collect()).unwrap();
            let ty = Type::fixed(DType::I8, &dims).with_quant(Some(quant.clone()));
            let whole = quantize(&tensor, &ty).unwrap().to_vec::<i8>();
            let mut parts = vec![0i8; 24];
            let (head, tail) = parts.split_at_mut(cut);
            quantize_part(&tensor, &quant, 0, head).unwrap();
            quantize_part(&tensor, &quant, cut, tail).unwrap();
            prop_assert_eq!(whole, parts);
        }
    }
}
