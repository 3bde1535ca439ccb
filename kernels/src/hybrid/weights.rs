//! Quantization of weights, as fast as memory delivers them and yet as exact as a division in double precision.
//!
//! A block of weights is multiplied by the reciprocal of the scale in single precision. That product is within
//! `127 · 2⁻²³` of the quotient, so both round to the same integer unless the product is that near to a tie; a block that
//! holds such a weight is done over in double precision.

use rayon::prelude::*;

use crate::arch::{Elementwise, widest};

/// Adding and subtracting this rounds a small `f32` to an integer: its last place is 1.
const ROUNDER: f32 = 12_582_912.0;

/// The weights that are checked for ties together.
const BLOCK: usize = 64;

/// The channels and the rows that are transposed together: long runs to read, whole lines of the cache to write.
const TURNED: [usize; 2] = [512, 64];

/// A product farther than this from an integer may be on the wrong side of a tie.
const SAFE: f32 = 0.5 - 4e-5;

/// The half of the narrowest range that the converter gives to a channel.
const LEAST_MAGNITUDE: f64 = 5e-7;

/// Tensors of fewer elements than this are not worth a second thread.
const PARALLEL: usize = 1 << 16;

/// How the channels lie in a contiguous tensor: `[outer, count, inner]`. For the axis `d` of a shape, `outer` is the
/// product of the dimensions before it and `inner` of those after it; a whole tensor is one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channels {
    /// Repetitions of all channels.
    pub outer: usize,
    /// The number of channels.
    pub count: usize,
    /// Adjacent elements of one channel.
    pub inner: usize,
}

impl Channels {
    /// The whole tensor as one channel.
    pub fn whole(elements: usize) -> Self {
        Channels {
            outer: 1,
            count: 1,
            inner: elements,
        }
    }

    fn elements(&self) -> Option<usize> {
        self.outer.checked_mul(self.count)?.checked_mul(self.inner)
    }
}

/// A weight is infinite or not a number, so its channel has no scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("channel {channel} of the weights holds a value that is not finite; keep the tensor in float")]
pub struct NonFinite {
    /// The first such channel.
    pub channel: usize,
}

/// The scale of each channel: `max(max |w|, 5·10⁻⁷) / 127`.
///
/// # Errors
/// When a weight is infinite or not a number.
///
/// # Panics
/// When `data` has not the number of elements that `layout` says.
pub fn weight_scales(data: &[f32], layout: Channels) -> Result<Vec<f64>, NonFinite> {
    assert!(layout.elements() == Some(data.len()), "a layout that fits the weights");
    let Channels { outer, count, inner } = layout;
    let mut peaks = vec![0u32; count];
    if data.is_empty() {
    } else if outer == 1 && count == 1 && data.len() >= PARALLEL {
        peaks[0] = data.par_chunks(PARALLEL).map(peak).max().unwrap_or(0);
    } else if outer == 1 && data.len() >= PARALLEL {
        peaks
            .par_iter_mut()
            .zip(data.par_chunks(inner))
            .for_each(|(slot, channel)| *slot = peak(channel));
    } else {
        let block = count * inner * (PARALLEL / (count * inner)).max(1);
        let partial = |part: &[f32]| {
            let mut peaks = vec![0u32; count];
            widest(Raise {
                data: part,
                peaks: &mut peaks,
                inner,
            });
            peaks
        };
        let merge = |mut left: Vec<u32>, right: Vec<u32>| {
            for (left, right) in left.iter_mut().zip(right) {
                *left = (*left).max(right);
            }
            left
        };
        peaks = if data.len() < 2 * block {
            partial(data)
        } else {
            data.par_chunks(block).map(partial).reduce(|| vec![0; count], merge)
        };
    }
    let scale = |(channel, bits): (usize, u32)| {
        let magnitude = f64::from(f32::from_bits(bits));
        if magnitude.is_finite() {
            Ok(magnitude.max(LEAST_MAGNITUDE) / 127.0)
        } else {
            Err(NonFinite { channel })
        }
    };
    peaks.into_iter().enumerate().map(scale).collect()
}

/// The bits of a magnitude; ordered as the magnitudes are, with infinity and NaN above all others.
#[inline(always)]
fn magnitude(x: f32) -> u32 {
    x.to_bits() & 0x7fff_ffff
}

/// The greatest magnitude.
fn peak(data: &[f32]) -> u32 {
    let mut peaks = [0u32];
    widest(Raise {
        data,
        peaks: &mut peaks,
        inner: data.len(),
    });
    peaks[0]
}

/// Raises each channel's peak to its greatest magnitude in `data`, which holds whole repetitions of all channels.
struct Raise<'a> {
    data: &'a [f32],
    peaks: &'a mut [u32],
    inner: usize,
}

impl Elementwise for Raise<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        if self.inner == 1 {
            for row in self.data.chunks_exact(self.peaks.len()) {
                for (peak, &x) in self.peaks.iter_mut().zip(row) {
                    *peak = (*peak).max(magnitude(x));
                }
            }
            return;
        }
        for repetition in self.data.chunks_exact(self.peaks.len() * self.inner) {
            for (peak, channel) in self.peaks.iter_mut().zip(repetition.chunks_exact(self.inner)) {
                *peak = channel.iter().fold(*peak, |peak, &x| peak.max(magnitude(x)));
            }
        }
    }
}

/// Stores `clamp(haz(w / scale), −127, 127)` for each weight, with its channel's scale.
///
/// # Panics
/// When `data`, `out` and `layout` differ in the number of elements, or `scales` and `layout` in that of channels.
pub fn quantize_weights(data: &[f32], layout: Channels, scales: &[f64], out: &mut [i8]) {
    assert!(
        layout.elements() == Some(data.len()) && data.len() == out.len(),
        "a layout that fits the weights"
    );
    assert!(scales.len() == layout.count, "one scale a channel");
    let Channels { count, inner, .. } = layout;
    if data.is_empty() {
        return;
    }
    let inverses: Vec<f32> = scales.iter().map(|scale| inverse(*scale)).collect();
    if inner == 1 && count > 1 {
        let block = count * (PARALLEL / count).max(1);
        each_chunk(data, out, block, |_, data, out| {
            for (row, out) in data.chunks_exact(count).zip(out.chunks_exact_mut(count)) {
                widest(Quantize {
                    data: row,
                    scales,
                    inverses: &inverses,
                    out,
                });
            }
        });
    } else {
        let channel = |index: usize, data: &[f32], out: &mut [i8]| {
            let of = index % count;
            widest(Quantize {
                data,
                scales: &scales[of..=of],
                inverses: &inverses[of..=of],
                out,
            });
        };
        if count == 1 {
            each_chunk(data, out, PARALLEL, |_, data, out| channel(0, data, out));
        } else {
            each_chunk(data, out, inner, channel);
        }
    }
}

/// Runs `work` on chunks with their indices, on several threads if there is enough of it.
fn each_chunk(data: &[f32], out: &mut [i8], size: usize, work: impl Fn(usize, &[f32], &mut [i8]) + Sync) {
    if data.len() < PARALLEL {
        data.chunks(size)
            .zip(out.chunks_mut(size))
            .enumerate()
            .for_each(|(index, (data, out))| work(index, data, out));
    } else {
        data.par_chunks(size)
            .zip(out.par_chunks_mut(size))
            .enumerate()
            .for_each(|(index, (data, out))| work(index, data, out));
    }
}

/// Quantizes `[rows, channels]` into `[channels, rows]`: a `[in, out]` matrix or HWIO filter as TensorFlow stores it
/// becomes the `[out, in]` or OHWI one that TensorFlow Lite wants.
///
/// # Panics
/// When `data` or `out` is not `rows · channels` elements, or `scales` not one a channel.
pub fn quantize_weights_transposed(data: &[f32], rows: usize, channels: usize, scales: &[f64], out: &mut [i8]) {
    assert!(
        rows.checked_mul(channels) == Some(data.len()) && data.len() == out.len(),
        "a shape that fits the weights"
    );
    assert!(scales.len() == channels, "one scale a channel");
    if data.is_empty() {
        return;
    }
    let inverses: Vec<f32> = scales.iter().map(|scale| inverse(*scale)).collect();
    let strip = |(index, out): (usize, &mut [i8])| {
        let first = index * TURNED[0];
        let width = out.len() / rows;
        let (scales, inverses) = (&scales[first..][..width], &inverses[first..][..width]);
        let mut block = vec![[0i8; TURNED[0]]; TURNED[1]];
        for start in (0..rows).step_by(TURNED[1]) {
            let height = TURNED[1].min(rows - start);
            for (row, block) in block[..height].iter_mut().enumerate() {
                let data = &data[(start + row) * channels + first..][..width];
                widest(Quantize {
                    data,
                    scales,
                    inverses,
                    out: &mut block[..width],
                });
            }
            for channel in (0..width).step_by(8) {
                for first in (0..height).step_by(8) {
                    let turned = turn(std::array::from_fn(|row| {
                        block[first + row][channel..channel + 8].try_into().expect("8 of a block's bytes")
                    }));
                    let (deep, wide) = (8.min(height - first), 8.min(width - channel));
                    for (bytes, out) in turned[..wide].iter().zip(out[channel * rows..].chunks_mut(rows)) {
                        let to = &mut out[start + first..][..deep];
                        match <&mut [i8; 8]>::try_from(&mut *to) {
                            Ok(to) => *to = *bytes,
                            Err(_) => to.copy_from_slice(&bytes[..deep]),
                        }
                    }
                }
            }
        }
    };
    if data.len() < PARALLEL {
        out.chunks_mut(TURNED[0] * rows).enumerate().for_each(strip);
    } else {
        out.par_chunks_mut(TURNED[0] * rows).enumerate().for_each(strip);
    }
}

/// Transposes 8 by 8 bytes: halves of the rows change places across the diagonal, then quarters, then single bytes.
#[inline(always)]
fn turn(block: [[i8; 8]; 8]) -> [[i8; 8]; 8] {
    let mut rows = block.map(|row| u64::from_le_bytes(row.map(|byte| byte as u8)));
    for (distance, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)] {
        for low in (0..8).filter(|row| row & distance == 0) {
            let (upper, lower) = (rows[low], rows[low + distance]);
            let shift = 8 * distance;
            rows[low] = (upper & mask) | ((lower & mask) << shift);
            rows[low + distance] = ((upper >> shift) & mask) | (lower & !mask);
        }
    }
    rows.map(|row| row.to_le_bytes().map(|byte| byte as i8))
}

/// The reciprocal for the fast path; NaN, which fails every check for ties, where single precision does not hold it.
fn inverse(scale: f64) -> f32 {
    let inverse = (1.0 / scale) as f32;
    if inverse.is_normal() { inverse } else { f32::NAN }
}

/// Quantizes a run of weights with one scale for all or one for each.
struct Quantize<'a> {
    data: &'a [f32],
    scales: &'a [f64],
    inverses: &'a [f32],
    out: &'a mut [i8],
}

impl Elementwise for Quantize<'_> {
    type Output = ();
    #[inline(always)]
    fn run(self) {
        let Quantize {
            data,
            scales,
            inverses,
            out,
        } = self;
        for (block, (data, out)) in data.chunks(BLOCK).zip(out.chunks_mut(BLOCK)).enumerate() {
            if let (&[scale], &[inverse]) = (scales, inverses) {
                let doubtful = match (<&[f32; BLOCK]>::try_from(data), <&mut [i8; BLOCK]>::try_from(&mut *out)) {
                    (Ok(data), Ok(out)) => data.iter().zip(out).map(|(&w, v)| fast(w, inverse, v)).sum::<u32>(),
                    _ => data.iter().zip(&mut *out).map(|(&w, v)| fast(w, inverse, v)).sum::<u32>(),
                };
                if doubtful > 0 {
                    for (&w, v) in data.iter().zip(out) {
                        *v = exact(w, scale);
                    }
                }
            } else {
                let (scales, inverses) = (&scales[block * BLOCK..][..data.len()], &inverses[block * BLOCK..][..data.len()]);
                let doubtful = data
                    .iter()
                    .zip(inverses)
                    .zip(&mut *out)
                    .map(|((&w, &inverse), v)| fast(w, inverse, v))
                    .sum::<u32>();
                if doubtful > 0 {
                    for ((&w, &scale), v) in data.iter().zip(scales).zip(out) {
                        *v = exact(w, scale);
                    }
                }
            }
        }
    }
}

/// Stores the rounded product and says whether it may be wrong (1 or 0).
#[inline(always)]
fn fast(weight: f32, inverse: f32, out: &mut i8) -> u32 {
    let steps = weight * inverse;
    let raised = if steps < -127.0 { -127.0 } else { steps };
    let clamped = if raised > 127.0 { 127.0 } else { raised };
    let shifted = clamped + ROUNDER;
    *out = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32) as i8;
    let sure = (clamped - (shifted - ROUNDER)).abs() <= SAFE;
    u32::from(!sure)
}

/// The definition.
#[inline(always)]
fn exact(weight: f32, scale: f64) -> i8 {
    (f64::from(weight) / scale).round().clamp(-127.0, 127.0) as i8
}
