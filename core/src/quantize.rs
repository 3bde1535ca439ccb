//! Stored integers from reals and back: the one place where weights are rounded.
//!
//! ```text
//! stored = clamp(haz(real / step) + zero_point)        haz: to the nearest integer, halves away from zero
//! ```
//!
//! For i8 the quotient is one of doubles, and so is the step. A scale is held as f32, but that of a symmetric weight
//! comes from an f32 as well, its greatest magnitude `a`, and TensorFlow's converter divides by `a / 127` before it
//! stores that as f32. So the step is `a / 127` where some `a` gives the scale, and the scale itself where none does:
//! the bytes are those of the converter. Either way step and scale differ by at most `2⁻²⁴` of it, so that for a real
//! that is not clamped
//!
//! ```text
//! |real − scale × (stored − zero_point)| ≤ scale / 2 + |real| × 2⁻²³
//! ```
//!
//! In balance ([`Rounding::Balanced`]) a few integers are changed afterwards, so that a channel's rounding errors sum to almost
//! nothing; the bound is `3 × scale / 4 + |real| × 2⁻²³` then.
//!
//! A division of doubles would be slow. A block of reals is multiplied by the step's reciprocal in single precision, which
//! comes within `255 · 2⁻²³` of the quotient: both round to the same integer unless the product is that near to a half.
//! A block that holds such a real is done over as defined. Other integers than i8 are rounded one by one, by a quotient in
//! f32, as TFLite's QUANTIZE does.

mod balance;
mod turned;
use turned::Rows;

use thiserror::Error;

use crate::attr::Rounding;
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
    /// A zero point that is not among the integers of the type.
    #[error("the zero point {0} is no {1}")]
    ZeroPoint(i64, DType),
    /// Rounding errors are balanced within channels, and there are none.
    #[error("only i8 with a scale and the zero point 0 for each channel can be rounded in balance")]
    Balance,
}

/// Elements that are gathered together, at least.
const PART: usize = 1 << 16;

/// Adding and subtracting this rounds a small f32 to an integer: its last place is 1.
const ROUNDER: f32 = 12_582_912.0;

/// The reals that are checked for halves together.
const BLOCK: usize = 64;

/// A product farther than this from an integer may be on the wrong side of a half.
const SAFE: f32 = 0.5 - 4e-5;

/// The step in double precision that a scale stands for.
fn step(scale: f32) -> f64 {
    let magnitude = (f64::from(scale) * 127.0) as f32;
    let step = f64::from(magnitude) / 127.0;
    if step as f32 == scale { step } else { scale.into() }
}

/// The reciprocal for the fast path; NaN, which fails every check for halves, where single precision does not hold it.
fn inverse(scale: f32) -> f32 {
    let inverse = (1.0 / step(scale)) as f32;
    if inverse.is_normal() { inverse } else { f32::NAN }
}

/// The definition.
fn exact(x: f32, step: f64, zero_point: i32) -> i8 {
    ((f64::from(x) / step).round() + f64::from(zero_point)).clamp(-128.0, 127.0) as i8
}

/// A product rounded to nearest.
struct Rounded {
    stored: i8,
    /// By how much that is more than the product, which is clamped first.
    error: f32,
    /// Whether the product may be on the wrong side of a half: 1 or 0.
    doubtful: u32,
}

#[inline(always)]
fn fast(x: f32, inverse: f32, zero_point: i32) -> Rounded {
    let (least, most) = ((-128 - zero_point) as f32, (127 - zero_point) as f32);
    let steps = x * inverse;
    let raised = if steps < least { least } else { steps };
    let clamped = if raised > most { most } else { raised };
    let shifted = clamped + ROUNDER;
    let nearest = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let error = (shifted - ROUNDER) - clamped;
    let sure = error.abs() <= SAFE;
    Rounded {
        stored: nearest.wrapping_add(zero_point) as i8,
        error,
        doubtful: u32::from(!sure),
    }
}

/// Stores the rounded product and says whether it may be wrong.
#[inline(always)]
fn store(x: f32, inverse: f32, zero_point: i32, stored: &mut i8) -> u32 {
    let rounded = fast(x, inverse, zero_point);
    *stored = rounded.stored;
    rounded.doubtful
}

/// Quantizes reals that share parameters.
fn quantize_run(values: &[f32], scale: f32, zero: i32, out: &mut [i8]) {
    let (step, inverse) = (step(scale), inverse(scale));
    for (values, out) in values.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let doubtful = match (<&[f32; BLOCK]>::try_from(values), <&mut [i8; BLOCK]>::try_from(&mut *out)) {
            (Ok(values), Ok(out)) => values.iter().zip(out).map(|(&x, q)| store(x, inverse, zero, q)).sum::<u32>(),
            _ => values.iter().zip(&mut *out).map(|(&x, q)| store(x, inverse, zero, q)).sum(),
        };
        if doubtful > 0 {
            for (&x, q) in values.iter().zip(out) {
                *q = exact(x, step, zero);
            }
        }
    }
}

/// Quantizes reals whose parameters are those of the channels `first..`, one channel after the other.
fn quantize_alternating(values: &[f32], quant: &Quant, first: usize, out: &mut [i8]) {
    let (scales, zeros) = (quant.scales(), quant.zero_points());
    let count = scales.len();
    if values.len() < count {
        // So few that a reciprocal would serve but once.
        for (i, (q, &x)) in out.iter_mut().zip(values).enumerate() {
            let c = (first + i) % count;
            *q = exact(x, step(scales[c]), zeros[c] as i32);
        }
        return;
    }
    let inverses: Vec<f32> = scales.iter().map(|&scale| inverse(scale)).collect();
    let zeros: Vec<i32> = zeros.iter().map(|&zero| zero as i32).collect();
    let mut at = 0;
    while at < values.len() {
        let c = (first + at) % count;
        let len = BLOCK.min(count - c).min(values.len() - at);
        let (values, out) = (&values[at..at + len], &mut out[at..at + len]);
        let parameters = inverses[c..c + len].iter().zip(&zeros[c..c + len]);
        let each = values.iter().zip(parameters).zip(&mut *out);
        if each.map(|((&x, (&inverse, &zero)), q)| store(x, inverse, zero, q)).sum::<u32>() > 0 {
            for (i, (q, &x)) in out.iter_mut().zip(values).enumerate() {
                *q = exact(x, step(scales[c + i]), zeros[c + i]);
            }
        }
        at += len;
    }
}

/// Quantizes one real to any integer type.
pub fn quantize_one(x: f32, scale: f32, zero_point: i64, dtype: DType) -> i64 {
    let (least, most) = dtype.int_range().unwrap_or((0, 0));
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
/// Where the tensor is not f32, the parameters do not fit its extents, or there is no axis to balance along.
///
/// # Panics
/// Where `out` reaches beyond the last element.
pub fn quantize_part(tensor: &Tensor, quant: &Quant, rounding: Rounding, first: usize, out: &mut [i8]) -> Result<(), QuantizeError> {
    if tensor.dtype() != DType::F32 {
        return Err(QuantizeError::Types {
            from: tensor.dtype(),
            to: DType::I8,
        });
    }
    if let Some(&outside) = quant.zero_points().iter().find(|&&zero| i8::try_from(zero).is_err()) {
        return Err(QuantizeError::ZeroPoint(outside, DType::I8));
    }
    if rounding == Rounding::Balanced && !quant.is_symmetric_per_axis() {
        return Err(QuantizeError::Balance);
    }
    let runs = runs(quant, tensor.dims())?;
    if let Some(rows) = Rows::of(tensor, quant, rounding, first, out.len()) {
        rows.quantize(out);
        return Ok(());
    }
    if rounding == Rounding::Balanced {
        balance::quantize(tensor, quant, &runs, first, out);
        return Ok(());
    }
    if let Some(all) = tensor.as_slice::<f32>() {
        quantize_runs(&all[first..first + out.len()], &runs, quant, first, out);
        return Ok(());
    }
    let step = PART.next_multiple_of(tensor.grain());
    let mut gathered = vec![0f32; step.min(out.len())];
    for (i, out) in out.chunks_mut(step).enumerate() {
        let (first, values) = (first + i * step, &mut gathered[..out.len()]);
        tensor.gather_into(first, bytemuck::cast_slice_mut(values));
        quantize_runs(values, &runs, quant, first, out);
    }
    Ok(())
}

/// Quantizes the elements `first ..` of a tensor in row-major order.
fn quantize_runs(values: &[f32], &Runs { run, count }: &Runs, quant: &Quant, first: usize, out: &mut [i8]) {
    if run == 1 {
        quantize_alternating(values, quant, first, out);
        return;
    }
    let (scales, zeros) = (quant.scales(), quant.zero_points());
    let mut at = 0;
    while at < values.len() {
        let place = first + at;
        let c = (place / run) % count;
        let len = (run - place % run).min(values.len() - at);
        quantize_run(&values[at..at + len], scales[c], zeros[c] as i32, &mut out[at..at + len]);
        at += len;
    }
}

/// Parts of a multiple of this many elements, counted from the first, are quantized fastest: in balance, whole channels.
pub fn grain(tensor: &Tensor, quant: &Quant, rounding: Rounding) -> usize {
    match (rounding, quant.axis()) {
        (Rounding::Balanced, Some(axis)) if Rows::of(tensor, quant, rounding, 0, tensor.elements()).is_none() => {
            let outer: usize = tensor.dims()[..axis].iter().product();
            let inner: usize = tensor.dims()[axis + 1..].iter().product();
            if outer == 1 { inner.max(1) } else { tensor.elements().max(1) }
        }
        _ => tensor.grain(),
    }
}

/// The integers that stand for the reals of an f32 tensor under this type.
///
/// # Errors
/// Where the types have no rounding between them, or the parameters do not fit.
pub fn quantize(tensor: &Tensor, ty: &Type, rounding: Rounding) -> Result<Tensor, QuantizeError> {
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
        quantize_part(tensor, quant, rounding, 0, &mut out)?;
        return Ok(Tensor::from_vec(dims, out).with_quant(Some(quant.clone())));
    }
    if rounding == Rounding::Balanced {
        return Err(QuantizeError::Balance);
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

    fn stored(values: &[f32], scale: f32, zero_point: i64) -> Vec<i8> {
        let tensor = Tensor::from_vec(&[values.len()], values.to_vec());
        let mut out = vec![0; values.len()];
        quantize_part(
            &tensor,
            &Quant::per_tensor(scale, zero_point).unwrap(),
            Rounding::Nearest,
            0,
            &mut out,
        )
        .unwrap();
        out
    }

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!(stored(&[0.5, 1.5, 2.5, -0.5, -1.5, -2.5], 1.0, 0), [1, 2, 3, -1, -2, -3]);
        assert_eq!(stored(&[0.49999997, -0.49999997, 1e30, f32::NAN], 1.0, 0), [0, 0, 127, 0]);
        assert_eq!(
            stored(&[f32::INFINITY, f32::NEG_INFINITY, 1e-45, -3e38], 1e-45, -5),
            [127, -128, -4, -128]
        );
    }

    fn rounding() -> impl Strategy<Value = Rounding> {
        prop_oneof![Just(Rounding::Nearest), Just(Rounding::Balanced)]
    }

    #[test]
    fn channels_of_positive_errors_are_balanced() {
        // 0.4 rounds to 0 each time, which takes 4 from a sum of 4: four of ten go up instead.
        let tensor = Tensor::from_vec(&[2, 10], [[0.4f32; 10], [2.6; 10]].concat());
        let quant = Quant::symmetric_per_axis(0, vec![1.0, 1.0]).unwrap();
        let mut out = vec![0; 20];
        quantize_part(&tensor, &quant, Rounding::Balanced, 0, &mut out).unwrap();
        assert_eq!(out, [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3]);
        let whole = Quant::per_tensor(1.0, 0).unwrap();
        let refused = quantize_part(&tensor, &whole, Rounding::Balanced, 0, &mut out);
        assert_eq!(refused, Err(QuantizeError::Balance));
    }

    #[test]
    fn a_zero_point_outside_the_type_is_refused() {
        let quant = Quant::per_tensor(1.0, 128).unwrap();
        let refused = quantize_part(&Tensor::from_vec(&[1], vec![0f32]), &quant, Rounding::Nearest, 0, &mut [0]);
        assert_eq!(refused, Err(QuantizeError::ZeroPoint(128, DType::I8)));
    }

    /// Any float, and magnitudes that are usual.
    fn real() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -200f32..200.0,
            2 => (-300i32..300).prop_map(|halves| halves as f32 / 2.0),
            1 => any::<u32>().prop_map(f32::from_bits),
        ]
    }

    proptest! {
        #[test]
        fn the_fast_rounding_is_the_plain_one(
            values in proptest::collection::vec(real(), 1..200),
            scale in prop_oneof![1e-3f32..10.0, (1u32..0x7f80_0000).prop_map(f32::from_bits), Just(1.0)],
            zero in -128i64..128,
        ) {
            let plain: Vec<i8> = values.iter().map(|&x| exact(x, step(scale), zero as i32)).collect();
            prop_assert_eq!(stored(&values, scale, zero), plain);
        }

        #[test]
        fn a_step_is_within_the_rounding_of_its_scale(bits in 1u32..0x7f80_0000) {
            let scale = f32::from_bits(bits);
            prop_assert_eq!(step(scale) as f32, scale);
        }

        #[test]
        fn the_step_of_a_symmetric_weight_is_found_again(magnitude in 1e-6f32..1e6) {
            let scale = (f64::from(magnitude) / 127.0) as f32;
            // Where two magnitudes have one scale, either will do.
            let nearest = (f64::from(scale) * 127.0) as f32;
            prop_assert!(step(scale) == f64::from(magnitude) / 127.0 || nearest != magnitude);
            prop_assert!(nearest.to_bits().abs_diff(magnitude.to_bits()) <= 1);
        }

        #[test]
        fn alternating_parameters_are_those_of_their_channels(
            (count, rows) in (1usize..90, 1usize..9),
            first in 0usize..100,
            values in proptest::collection::vec(real(), 800),
        ) {
            let scales: Vec<f32> = (0..count).map(|c| 0.01 + c as f32 / 7.0).collect();
            let zeros: Vec<i64> = (0..count).map(|c| c as i64 % 5 - 2).collect();
            let tensor = Tensor::from_vec(&[rows, count], values[..rows * count].to_vec());
            let quant = Quant::per_axis(1, scales.clone(), zeros.clone()).unwrap();
            let first = first % (rows * count);
            let mut out = vec![0; rows * count - first];
            quantize_part(&tensor, &quant, Rounding::Nearest, first, &mut out).unwrap();
            for (i, q) in out.into_iter().enumerate() {
                let c = (first + i) % count;
                prop_assert_eq!(q, exact(values[first + i], step(scales[c]), zeros[c] as i32));
            }
        }

        #[test]
        fn a_transposed_view_is_stored_transposed(
            (rows, columns) in (1usize..9, 1usize..9),
            values in proptest::collection::vec(-2f32..2.0, 64),
            rounding in rounding(),
        ) {
            let tensor = Tensor::from_vec(&[rows, columns], values[..rows * columns].to_vec());
            let scales: Vec<f32> = (1..=columns).map(|c| c as f32 / 127.0).collect();
            let [straight, turned] = [1, 0].map(|axis| Quant::symmetric_per_axis(axis, scales.clone()).unwrap());
            let (mut out, mut view) = (vec![0; rows * columns], vec![0; rows * columns]);
            quantize_part(&tensor, &straight, rounding, 0, &mut out).unwrap();
            quantize_part(&tensor.transposed(&[1, 0]).unwrap(), &turned, rounding, 0, &mut view).unwrap();
            for (i, q) in out.into_iter().enumerate() {
                prop_assert_eq!(q, view[i % columns * rows + i / columns]);
            }
        }

        #[test]
        fn parts_are_the_whole(cut in 0usize..24, axis in 0usize..3, rounding in rounding()) {
            let dims = [2, 3, 4];
            let tensor = Tensor::from_vec(&dims, (0..24).map(|i| i as f32 * 0.97 - 11.0).collect::<Vec<f32>>());
            let quant = Quant::symmetric_per_axis(axis, (0..dims[axis]).map(|c| 0.1 + c as f32).collect()).unwrap();
            let ty = Type::fixed(DType::I8, &dims).with_quant(Some(quant.clone()));
            let whole = quantize(&tensor, &ty, rounding).unwrap().to_vec::<i8>();
            let mut parts = vec![0i8; 24];
            let (head, tail) = parts.split_at_mut(cut);
            quantize_part(&tensor, &quant, rounding, 0, head).unwrap();
            quantize_part(&tensor, &quant, rounding, cut, tail).unwrap();
            prop_assert_eq!(whole, parts);
        }
    }
}
