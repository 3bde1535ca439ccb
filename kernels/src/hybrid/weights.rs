//! The scales of weights, found as fast as memory delivers them.

use rayon::prelude::*;

use crate::arch::{Elementwise, widest};

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

/// The scales of channels by their [peaks](weight_peaks): `max(peak, 5·10⁻⁷) / 127`.
///
/// # Errors
/// When a peak, and so a weight, is infinite or not a number.
pub fn weight_scales(peaks: &[f32]) -> Result<Vec<f64>, NonFinite> {
    let scale = |(channel, &peak): (usize, &f32)| match peak.is_finite() {
        true => Ok(f64::from(peak).max(LEAST_MAGNITUDE) / 127.0),
        false => Err(NonFinite { channel }),
    };
    peaks.iter().enumerate().map(scale).collect()
}

/// The greatest magnitude of each channel; not finite where a weight is not.
///
/// # Panics
/// When `data` has not the number of elements that `layout` says.
pub fn weight_peaks(data: &[f32], layout: Channels) -> Vec<f32> {
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
    peaks.into_iter().map(f32::from_bits).collect()
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
