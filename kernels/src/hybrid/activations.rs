//! Quantization of one row of activations.

use crate::arch::{Elementwise, RowScale, widest};

/// Adding and subtracting this rounds a small `f32` to an integer, ties to even: its last place is 1.
const ROUNDER: f32 = 12_582_912.0;

/// How many independent extrema run side by side.
const LANES: usize = 32;

/// The least and greatest element of a row and 0; NaN is passed over.
fn extent(row: &[f32]) -> (f32, f32) {
    struct Extent<'a>(&'a [f32]);
    impl Elementwise for Extent<'_> {
        type Output = (f32, f32);
        #[inline(always)]
        fn run(self) -> (f32, f32) {
            let (mut min, mut max) = ([0.0f32; LANES], [0.0f32; LANES]);
            let chunks = self.0.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for lane in 0..LANES {
                    let x = chunk[lane];
                    min[lane] = if x < min[lane] { x } else { min[lane] };
                    max[lane] = if x > max[lane] { x } else { max[lane] };
                }
            }
            for (lane, &x) in rest.iter().enumerate() {
                min[lane] = if x < min[lane] { x } else { min[lane] };
                max[lane] = if x > max[lane] { x } else { max[lane] };
            }
            (min.into_iter().fold(0.0, f32::min), max.into_iter().fold(0.0, f32::max))
        }
    }
    widest(Extent(row))
}

/// Scale (and zero point 0) of a symmetrically quantized row: TensorFlow Lite's `SymmetricQuantizeFloats`.
pub fn row_scale_symmetric(row: &[f32]) -> RowScale {
    let (min, max) = extent(row);
    let range = max.max(-min);
    RowScale {
        scale: if range == 0.0 { 1.0 } else { range / 127.0 },
        zero_point: 0,
    }
}

/// Quantizes a row symmetrically, as TensorFlow Lite's `SymmetricQuantizeFloats`; an all-zero row has scale 1.
///
/// # Panics
/// When the lengths differ.
pub fn quantize_row_symmetric(row: &[f32], out: &mut [i8]) -> RowScale {
    struct Work<'a>(&'a [f32], &'a mut [i8], f32);
    impl Elementwise for Work<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            for (x, q) in self.0.iter().zip(self.1) {
                *q = (x * self.2).round().clamp(-127.0, 127.0) as i8;
            }
        }
    }
    assert!(row.len() == out.len(), "a place for each element");
    let (min, max) = extent(row);
    let range = max.max(-min);
    if range == 0.0 {
        out.fill(0);
        return RowScale { scale: 1.0, zero_point: 0 };
    }
    widest(Work(row, out, 127.0 / range));
    RowScale {
        scale: range / 127.0,
        zero_point: 0,
    }
}

/// Scale and zero point (−128..=127) of an asymmetrically quantized row: TensorFlow Lite's `AsymmetricQuantizeFloats`.
pub fn row_scale_asymmetric(row: &[f32]) -> RowScale {
    let (min, max) = extent(row);
    if min == max {
        return RowScale { scale: 1.0, zero_point: 0 };
    }
    let (min, max) = (f64::from(min), f64::from(max));
    let scale = (max - min) / 255.0;
    let from_min = -128.0 - min / scale;
    let from_max = 127.0 - max / scale;
    let nearer = if 128.0 + (min / scale).abs() < 127.0 + (max / scale).abs() {
        from_min
    } else {
        from_max
    };
    RowScale {
        scale: scale as f32,
        zero_point: nearer.clamp(-128.0, 127.0).round() as i32,
    }
}

/// Quantizes a row asymmetrically, as TensorFlow Lite's `AsymmetricQuantizeFloats`; an all-zero row has scale 1.
///
/// # Panics
/// When the lengths differ.
pub fn quantize_row_asymmetric(row: &[f32], out: &mut [i8]) -> RowScale {
    struct Work<'a>(&'a [f32], &'a mut [i8], f32, f32);
    impl Elementwise for Work<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            for (x, q) in self.0.iter().zip(self.1) {
                *q = (self.3 + x * self.2).round().clamp(-128.0, 127.0) as i8;
            }
        }
    }
    assert!(row.len() == out.len(), "a place for each element");
    let how = row_scale_asymmetric(row);
    widest(Work(row, out, 1.0 / how.scale, how.zero_point as f32));
    how
}

/// `255 / (max − min)`, kept finite: a range too wide for `f32` is halved first, one too narrow counts as none.
fn qd8_inverse(min: f32, max: f32) -> f32 {
    let range = max - min;
    let inverse = if range.is_finite() {
        255.0 / range
    } else {
        127.5 / (max / 2.0 - min / 2.0)
    };
    if inverse.is_finite() { inverse } else { 1.0 }
}

fn qd8(row: &[f32]) -> (RowScale, f32) {
    let (min, max) = extent(row);
    let inverse = qd8_inverse(min, max);
    let (low, high) = (min * inverse, max * inverse);
    let nearer = if (-128.0 + low) + (127.0 + high) > 0.0 {
        -128.0 - low
    } else {
        127.0 - high
    };
    let zero_point = nearer.clamp(-128.0, 127.0).round_ties_even() as i32;
    (
        RowScale {
            scale: 1.0 / inverse,
            zero_point,
        },
        inverse,
    )
}

/// Scale and zero point (−128..=127) of a row as XNNPACK quantizes it.
pub fn row_scale_qd8(row: &[f32]) -> RowScale {
    qd8(row).0
}

/// Quantizes a row as XNNPACK does ("qd8"), bit for bit; an all-zero row has scale 1.
///
/// # Panics
/// When the lengths differ.
pub fn quantize_row_qd8(row: &[f32], out: &mut [i8]) -> RowScale {
    struct Work<'a>(&'a [f32], &'a mut [i8], f32, i32);
    impl Elementwise for Work<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            qd8_each(self.0, self.1, self.2, self.3, 0, |q| q as i8);
        }
    }
    assert!(row.len() == out.len(), "a place for each element");
    let (how, inverse) = qd8(row);
    widest(Work(row, out, inverse, how.zero_point));
    how
}

/// As [`quantize_row_qd8`], with 128 added to elements and zero point: the left operand of a hybrid tile.
pub(crate) fn quantize_row_biased<L: From<u8>>(row: &[f32], out: &mut [L]) -> RowScale {
    struct Work<'a, L>(&'a [f32], &'a mut [L], f32, i32);
    impl<L: From<u8>> Elementwise for Work<'_, L> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            qd8_each(self.0, self.1, self.2, self.3, 128, |q| L::from(q as u8));
        }
    }
    assert!(row.len() == out.len(), "a place for each element");
    let (how, inverse) = qd8(row);
    widest(Work(row, out, inverse, how.zero_point));
    RowScale {
        scale: how.scale,
        zero_point: how.zero_point + 128,
    }
}

#[inline(always)]
fn qd8_each<L>(row: &[f32], out: &mut [L], inverse: f32, zero_point: i32, offset: i32, store: impl Fn(i32) -> L) {
    let (low, high) = ((-128 - zero_point) as f32, (127 - zero_point) as f32);
    let shift = zero_point + offset - ROUNDER.to_bits() as i32;
    for (&x, q) in row.iter().zip(out) {
        let steps = x * inverse;
        let raised = if steps > low { steps } else { low };
        let clamped = if raised < high { raised } else { high };
        *q = store(((clamped + ROUNDER).to_bits() as i32).wrapping_add(shift));
    }
}
