//! Rounding in balance: a channel's rounding errors sum to almost nothing.
//!
//! What a convolution reads is often positive, and much alike from place to place. Then its rounding errors do not average
//! out: their sum moves the channel's whole result. Rounding a few reals the other way, those that are nearly halves anyway,
//! takes that sum away and hardly changes the errors' squares. After Guo et al., "SQuant: On-the-Fly Data-Free Quantization
//! via Diagonal Hessian Approximation" (ICLR 2022), whose sums are those of kernels and of channels; here they are those of
//! blocks along a channel, so that weights are read once:
//!
//! ```text
//! e_i = stored_i − real_i / step                     the errors of rounding to nearest, at most 1/2
//! S   = what is left of the block before + Σ e_i     over the block's elements, n at most 64
//! k   = |S| to the nearest integer
//! stored_i −= sign(S)                                for k elements with sign(S) · e_i ≥ 1/4
//! ```
//!
//! These are the first with `sign(S) · e_i ≥ 1/2 − k / n`, which for uniform errors `k` elements have, and fewer where
//! fewer have it: the next block makes up for them. In the block that ends a channel they are those of the greatest errors.
//! So an error is at most three quarters of a step.

use super::{Runs, quantize_run};
use crate::quant::Quant;
use crate::tensor::Tensor;

/// Elements of a channel that are balanced together.
pub(super) const BLOCK: usize = 64;

/// The least error that is turned to the other side, in steps.
const LEAST: f32 = 0.25;

/// Quantizes the elements `first ..` of a tensor in balance: every channel that has some of them, whole.
pub(super) fn quantize(tensor: &Tensor, quant: &Quant, &Runs { run, count }: &Runs, first: usize, out: &mut [i8]) {
    let outer = tensor.elements() / (run * count).max(1);
    let end = first + out.len();
    let (channels, span) = match outer {
        1 => {
            let channels = first / run..end.div_ceil(run);
            (channels.clone(), channels.start * run..channels.end * run)
        }
        _ => (0..count, 0..tensor.elements()),
    };
    let gathered;
    let values = match tensor.as_slice::<f32>() {
        Some(all) => &all[span.clone()],
        None => {
            let mut room = vec![0f32; span.len()];
            tensor.gather_into(span.start, bytemuck::cast_slice_mut(&mut room));
            gathered = room;
            &gathered
        }
    };
    let mut reals = Vec::with_capacity(outer * run);
    let (mut stored, mut errors) = (vec![0i8; outer * run], vec![[0f32; 1]; outer * run]);
    for c in channels {
        let place = |o: usize| (o * count + c) * run;
        reals.clear();
        (0..outer).for_each(|o| reals.extend_from_slice(&values[place(o) - span.start..][..run]));
        let scale = quant.scales()[c];
        quantize_run(&reals, scale, 0, &mut stored);
        balance_run(&reals, scale, &mut stored, &mut errors);
        for o in 0..outer {
            let (begin, stored) = (place(o), &stored[o * run..][..run]);
            let (low, high) = (begin.max(first), (begin + run).min(end));
            if low < high {
                out[low - first..high - first].copy_from_slice(&stored[low - begin..high - begin]);
            }
        }
    }
}

/// Balances the rounding errors of one channel; `errors` is room for them.
fn balance_run(reals: &[f32], scale: f32, stored: &mut [i8], errors: &mut [[f32; 1]]) {
    let inverse = super::inverse(scale);
    for (slot, (&x, &q)) in errors.iter_mut().zip(reals.iter().zip(&*stored)) {
        *slot = [error(x, inverse, q)];
    }
    let mut balance = Balance::<1>::new();
    let (stored, _) = stored.as_chunks_mut::<1>();
    let blocks = stored.len().div_ceil(BLOCK);
    for (i, (errors, stored)) in errors.chunks_mut(BLOCK).zip(stored.chunks_mut(BLOCK)).enumerate() {
        balance.settle(errors, stored, i + 1 == blocks);
    }
}

/// By how much a stored integer is more than the product, in steps; 0 where there is no telling. The zero point is 0.
pub(super) fn error(x: f32, inverse: f32, stored: i8) -> f32 {
    let error = f32::from(stored) - (x * inverse).clamp(-128.0, 127.0);
    if error.is_nan() { 0.0 } else { error }
}

/// The running sums of the rounding errors of some channels, in steps.
pub(super) struct Balance<const CHANNELS: usize> {
    sums: [f32; CHANNELS],
}

impl<const CHANNELS: usize> Balance<CHANNELS> {
    pub(super) fn new() -> Self {
        Balance { sums: [0.0; CHANNELS] }
    }

    /// Balances the next block of each channel, of at most [`BLOCK`] elements; `last` where it ends the channels.
    #[inline(always)]
    pub(super) fn settle(&mut self, errors: &mut [[f32; CHANNELS]], stored: &mut [[i8; CHANNELS]], last: bool) {
        for line in errors.iter() {
            for (sum, error) in self.sums.iter_mut().zip(line) {
                *sum += error;
            }
        }
        let mut turn = Turn {
            sign: self.sums.map(|sum| if sum < 0.0 { -1 } else { 1 }),
            wanted: self.sums.map(|sum| (sum.abs() + 0.5) as i32),
            turned: [0; CHANNELS],
        };
        if last {
            turn.greatest(errors, stored);
        } else {
            let count = errors.len() as f32;
            let least = turn.wanted.map(|wanted| (0.5 - wanted as f32 / count).max(LEAST));
            turn.first(least, errors, stored);
        }
        for (channel, sum) in self.sums.iter_mut().enumerate() {
            *sum -= (turn.sign[channel] * turn.turned[channel]) as f32;
        }
    }
}

/// How many errors of a channel are to be turned to the other side and how many have been, and their sign.
struct Turn<const CHANNELS: usize> {
    sign: [i32; CHANNELS],
    wanted: [i32; CHANNELS],
    turned: [i32; CHANNELS],
}

impl<const CHANNELS: usize> Turn<CHANNELS> {
    /// Turns the first errors of at least so much in each channel.
    #[inline(always)]
    fn first(&mut self, least: [f32; CHANNELS], errors: &[[f32; CHANNELS]], stored: &mut [[i8; CHANNELS]]) {
        let sign = self.sign.map(|sign| sign as f32);
        for (errors, stored) in errors.iter().zip(stored) {
            for channel in 0..CHANNELS {
                let turns = (errors[channel] * sign[channel] >= least[channel]) & (self.turned[channel] < self.wanted[channel]);
                self.turned[channel] += i32::from(turns);
                stored[channel] = stored[channel].wrapping_sub(if turns { self.sign[channel] as i8 } else { 0 });
            }
        }
    }

    /// Turns the greatest errors, the first of equal ones first.
    #[inline(always)]
    fn greatest(&mut self, errors: &mut [[f32; CHANNELS]], stored: &mut [[i8; CHANNELS]]) {
        let sign = self.sign.map(|sign| sign as f32);
        loop {
            let (mut best, mut at) = ([LEAST; CHANNELS], [-1i32; CHANNELS]);
            for (i, errors) in errors.iter().enumerate() {
                for channel in 0..CHANNELS {
                    let error = errors[channel] * sign[channel];
                    let better = error > best[channel];
                    best[channel] = if better { error } else { best[channel] };
                    at[channel] = if better { i as i32 } else { at[channel] };
                }
            }
            let before = self.turned;
            for channel in 0..CHANNELS {
                if let (Ok(i), true) = (usize::try_from(at[channel]), self.turned[channel] < self.wanted[channel]) {
                    stored[i][channel] = stored[i][channel].wrapping_sub(self.sign[channel] as i8);
                    errors[i][channel] = 0.0;
                    self.turned[channel] += 1;
                }
            }
            if self.turned == before {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn errors_sum_to_less_than_a_step_where_some_can_be_turned(
            reals in proptest::collection::vec(-126f32..126.0, 1..300),
        ) {
            let mut balance = Balance::<1>::new();
            let mut stored: Vec<[i8; 1]> = reals.iter().map(|x| [x.round() as i8]).collect();
            let mut errors: Vec<[f32; 1]> = reals.iter().zip(&stored).map(|(&x, &[q])| [f32::from(q) - x]).collect();
            let blocks = reals.len().div_ceil(BLOCK);
            for (i, (errors, stored)) in errors.chunks_mut(BLOCK).zip(stored.chunks_mut(BLOCK)).enumerate() {
                balance.settle(errors, stored, i + 1 == blocks);
            }
            let off: Vec<f64> = reals.iter().zip(&stored).map(|(&x, &[q])| f64::from(q) - f64::from(x)).collect();
            let sum: f64 = off.iter().sum();
            prop_assert!((sum - f64::from(balance.sums[0])).abs() < 1e-3);
            prop_assert!(off.iter().all(|e| e.abs() <= 0.7501));
            // What is left is less than half a step, or nothing in the last block can be turned to that side.
            let tail = (blocks - 1) * BLOCK;
            let turnable = off[tail..].iter().any(|e| e * sum.signum() >= 0.2501 && e.abs() <= 0.5);
            prop_assert!(sum.abs() <= 0.51 || !turnable, "{sum}");
        }
    }
}
