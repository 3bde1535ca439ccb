//! What a large network gives up of its accuracy where it would not become small enough without.
//!
//! Efficient networks consist of many small weights, whose scales and whose float rests take a few hundredths of their
//! bytes. Two things save some of that: one scale for all channels of a weight, and rounding weights that are too small to
//! matter otherwise. Both add rounding noise; what saves most for its noise comes first.
//!
//! An int8 weight's rounding errors are much the same part of it in every layer, but results feel them the less the later
//! the layer comes: by two orders of magnitude from the first blocks of EfficientNet B0 or NASNet to the last, as does the
//! Hessian's mean trace (Dong et al., "HAWQ-V2: Hessian aware trace-weighted quantization of neural networks", 2020). So a
//! weight's noise is counted as the square of the part of the network that is still to come.

use std::collections::{BTreeMap, BTreeSet};

use crate::scales::{Wanted, greatest_scale};
use crate::stored_size::{saved_as_int8, scales_size, zero_points_size};

/// Only networks of so many bytes give up anything: in small ones errors are seen sooner, and there are few bytes to save.
pub(crate) const LARGE: usize = 8 << 20;

/// How much more rounding noise there may be in all: this part of that of all weights, at most 3 dB.
const MORE_NOISE: f64 = 1.0;

/// The noise of a weight whose results only open and close gates counts so much: a logistic's slope is at most a quarter
/// where its value is a half, so that half of an error's amplitude is left.
const NOISE_OF_A_GATE: f64 = 0.25;

/// How small a network is to become.
pub(crate) struct Goal {
    /// Its bytes in a float file.
    pub(crate) float_size: usize,
    /// How many times smaller than that it should be.
    pub(crate) times_smaller: f64,
}

/// A weight that may be quantized, with the scales that it would have.
type Scaled<'a> = (&'a Wanted<'a>, &'a [f64]);

/// What giving up accuracy of one weight saves.
struct Saving {
    weight: usize,
    bytes: f64,
    noise: f64,
}

impl Goal {
    /// For each weight whether it gives up something: that it has many scales, or that it stays float.
    ///
    /// None does where the goal is reached without, or out of reach.
    pub(crate) fn gives_up(&self, wanted: &[Wanted<'_>], scales: &[Result<Vec<f64>, String>]) -> Vec<bool> {
        let mut given_up = vec![false; wanted.len()];
        if self.float_size < LARGE {
            return given_up;
        }
        let weights: BTreeMap<usize, Scaled<'_>> = (0..wanted.len())
            .filter_map(|i| Some((i, (&wanted[i], scales[i].as_deref().ok()?))))
            .collect();
        let quantized: Vec<Scaled<'_>> = weights.values().filter(|(w, _)| w.rather_float.is_none()).copied().collect();
        let mut excess = self.quantized_size(&quantized) - self.float_size as f64 / self.times_smaller;
        let mut allowed = quantized.iter().map(|(w, _)| noise(w)).sum::<f64>() * MORE_NOISE;
        for saving in savings(&weights) {
            if excess > 0.0 && saving.noise <= allowed {
                given_up[saving.weight] = true;
                excess -= saving.bytes;
                allowed -= saving.noise;
            }
        }
        if excess > 0.0 {
            given_up.fill(false);
        }
        given_up
    }

    /// The bytes of the network with these weights as int8.
    fn quantized_size(&self, quantized: &[Scaled<'_>]) -> f64 {
        let saved: f64 = quantized.iter().map(|(w, scales)| saved_as_int8(w, scales.len())).sum();
        let channels: BTreeSet<usize> = quantized.iter().map(|(_, scales)| scales.len()).collect();
        self.float_size as f64 - saved + zero_points_size(channels)
    }
}

/// What can be saved, the most for its noise first.
fn savings(weights: &BTreeMap<usize, Scaled<'_>>) -> Vec<Saving> {
    let mut with_channels: BTreeMap<usize, usize> = BTreeMap::new();
    for (wanted, scales) in weights.values() {
        if wanted.rather_float.is_none() {
            *with_channels.entry(scales.len()).or_default() += 1;
        }
    }
    let saving = |(&weight, &(wanted, scales)): (&usize, &Scaled<'_>)| {
        let (bytes, noise) = if wanted.rather_float.is_some() {
            (saved_as_int8(wanted, scales.len()), noise(wanted))
        } else if wanted.one_will_do && scales.len() > 1 {
            let own_zero_points = (with_channels[&scales.len()] == 1).then_some(scales.len());
            let bytes = scales_size(scales.len()) - scales_size(1) + zero_points_size(own_zero_points);
            (bytes, noise(wanted) * more_with_one(scales))
        } else {
            return None;
        };
        (bytes > 0.0).then_some(Saving { weight, bytes, noise })
    };
    let mut savings: Vec<Saving> = weights.iter().filter_map(saving).collect();
    savings.sort_by(|a, b| (a.noise / a.bytes).total_cmp(&(b.noise / b.bytes)));
    savings
}

/// How much results feel that a weight is rounded.
fn noise(wanted: &Wanted<'_>) -> f64 {
    let gate = if wanted.gate { NOISE_OF_A_GATE } else { 1.0 };
    gate * wanted.still_to_come * wanted.still_to_come
}

/// How much more noise one scale makes than many: the ratio of the errors' mean squares, less one.
fn more_with_one(scales: &[f64]) -> f64 {
    let greatest = greatest_scale(scales);
    let squares: f64 = scales.iter().map(|scale| scale * scale).sum();
    greatest * greatest * scales.len() as f64 / squares - 1.0
}

#[cfg(test)]
mod tests {
    use planish_core::Tensor;

    use super::*;

    /// A weight of so many rows of 1000 elements each.
    fn weight(rows: usize) -> Tensor {
        Tensor::from_vec(&[rows, 1000], vec![1.0f32; rows * 1000])
    }

    fn wanted(weight: &Tensor, still_to_come: f64) -> Wanted<'_> {
        Wanted {
            weight,
            axis: Some(0),
            one_scale: 0.0,
            one_will_do: true,
            still_to_come,
            gate: false,
            rather_float: None,
        }
    }

    /// What is given up of weights in a network of 8 MiB that should have so many bytes more than with nothing given up.
    fn given_up(wanted: &[Wanted<'_>], scales: &[&[f64]], excess: f64) -> Vec<bool> {
        let quantized: Vec<Scaled<'_>> = wanted.iter().zip(scales.iter().copied()).collect();
        let quantized: Vec<Scaled<'_>> = quantized.into_iter().filter(|(w, _)| w.rather_float.is_none()).collect();
        let mut goal = Goal {
            float_size: LARGE,
            times_smaller: 1.0,
        };
        goal.times_smaller = LARGE as f64 / (goal.quantized_size(&quantized) - excess);
        let scales: Vec<Result<Vec<f64>, String>> = scales.iter().map(|s| Ok(s.to_vec())).collect();
        goal.gives_up(wanted, &scales)
    }

    const ALIKE: &[f64] = &[1.0; 100];

    #[test]
    fn later_weights_and_gates_give_up_their_scales_first() {
        let large = weight(100);
        let mut network: Vec<Wanted<'_>> = (0..4).map(|i| wanted(&large, 1.0 - i as f64 / 4.0)).collect();
        let unlike: Vec<f64> = (1..=100).map(|i| f64::from(i) / 100.0).collect();
        let of = |network: &[Wanted<'_>], excess| given_up(network, &[unlike.as_slice(); 4], excess);
        assert_eq!(of(&network, -1.0), [false; 4], "small enough already");
        assert_eq!(of(&network, 1.0), [false, false, false, true]);
        assert_eq!(of(&network, 400.0), [false, false, true, true]);
        network[1].gate = true;
        assert_eq!(of(&network, 400.0), [false, true, false, true]);
        network[3].one_will_do = false;
        assert_eq!(of(&network, 400.0), [false, true, true, false]);
    }

    #[test]
    fn what_would_stay_float_is_rounded_only_where_that_is_enough() {
        let (large, small) = (weight(100), weight(1));
        let mut network = vec![wanted(&large, 1.0), wanted(&small, 0.5)];
        network[1].rather_float = Some("it is small".into());
        let of = |excess| given_up(&network, &[&[1.0, 9.0, 9.0], &[1.0]], excess);
        assert_eq!(of(-20.0), [false, false]);
        assert_eq!(of(2000.0), [false, true]);
        assert_eq!(of(4000.0), [false, false], "out of reach");
    }

    #[test]
    fn noise_is_not_more_than_doubled() {
        let large = weight(100);
        let network: Vec<Wanted<'_>> = (0..4).map(|_| wanted(&large, 1.0)).collect();
        // One scale makes the errors' mean square 4 times as great for one in four weights: 3 of 4 more.
        let halves: Vec<f64> = [&[1.0][..], &[0.4; 99]].concat();
        let scales = [&halves[..], ALIKE, ALIKE, ALIKE];
        assert_eq!(given_up(&network, &scales, 3.0 * 396.0), [false, true, true, true]);
        assert_eq!(given_up(&network, &scales, 3.0 * 396.0 + 1.0), [false; 4]);
    }

    #[test]
    fn small_networks_keep_all() {
        let large = weight(100);
        let goal = Goal {
            float_size: LARGE - 1,
            times_smaller: 1.0 + 1e9,
        };
        assert_eq!(goal.gives_up(&[wanted(&large, 1.0)], &[Ok(ALIKE.to_vec())]), [false]);
    }
}
