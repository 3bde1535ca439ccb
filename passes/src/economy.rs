//! Where a network's bytes do most for its accuracy: what a large one gives up where it would not become small enough
//! without, and which weights are worth two bytes instead of one.
//!
//! Efficient networks consist of many small weights, whose scales and whose float rests take a few hundredths of their
//! bytes. Two things save some of that: one scale for all channels of a weight, and rounding weights that are too small to
//! matter otherwise. Both add rounding noise; what saves most for its noise comes first. Weights that are made real
//! before they are read, such as filters of depthwise and narrow convolutions, are few and often early: as 16-bit floats they add
//! next to no noise, and what takes most noise away for its bytes comes first. Bytes move from the ones to the others as long as
//! that pays.
//!
//! An int8 weight's rounding errors are much the same part of it in every layer, but results feel them the less the later
//! the layer comes: by two orders of magnitude from the first blocks of EfficientNet B0 or NASNet to the last, as does the
//! Hessian's mean trace (Dong et al., "HAWQ-V2: Hessian aware trace-weighted quantization of neural networks", 2020). So a
//! weight's noise is counted as the square of the part of the network that is still to come.

use std::collections::{BTreeMap, BTreeSet};

use crate::scales::{Wanted, greatest_scale};
use crate::stored_size::{more_as_halves, saved_as_halves, saved_as_int8, scales_size, zero_points_size};

/// Only networks of so many bytes give up anything: in small ones errors are seen sooner, and there are few bytes to save.
pub(crate) const LARGE: usize = 8 << 20;

/// How much more rounding noise there may be in all: this part of that of all weights, at most 3 dB.
const MORE_NOISE: f64 = 1.0;

/// The noise of a weight whose results only open and close gates counts so much: a logistic's slope is at most a quarter
/// where its value is a half, so that half of an error's amplitude is left.
const NOISE_OF_A_GATE: f64 = 0.25;

/// 16-bit floats may add a fiftieth to a network's bytes and this many, a tenth at most: of small networks, the structure and not
/// the weights is what a file could have less of.
const ROOM_OF_SMALL: f64 = 6144.0;

/// How small a network is to become.
pub(crate) struct Goal {
    /// Its bytes in a float file.
    pub(crate) float_size: usize,
    /// How many times smaller than that it should be.
    pub(crate) times_smaller: f64,
}

/// How a weight is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// As it is wanted: int8 with its scales, or float where it is rather float.
    AsWanted,
    /// It gives up something: that it has many scales, or that it is float.
    Cheaper,
    /// As 16-bit floats.
    Halves,
}

/// A weight that may be quantized, with the scales that it would have.
type Scaled<'a> = (&'a Wanted<'a>, &'a [f64]);

/// What another form of one weight costs or saves in bytes, and in noise the other way round.
#[derive(Clone, Copy)]
struct Step {
    weight: usize,
    form: Form,
    bytes: f64,
    noise: f64,
}

impl Step {
    fn noise_of_a_byte(&self) -> f64 {
        self.noise / self.bytes
    }
}

impl Goal {
    /// The form of each weight. None gives up anything where the goal is reached without, or out of reach.
    pub(crate) fn forms(&self, wanted: &[Wanted<'_>], scales: &[Result<Vec<f64>, String>]) -> Vec<Form> {
        let mut forms = vec![Form::AsWanted; wanted.len()];
        let weights: BTreeMap<usize, Scaled<'_>> = (0..wanted.len())
            .filter_map(|i| Some((i, (&wanted[i], scales[i].as_deref().ok()?))))
            .collect();
        let quantized: Vec<Scaled<'_>> = weights.values().filter(|(w, _)| w.rather_float.is_none()).copied().collect();
        let size = self.quantized_size(&quantized);
        let large = self.float_size >= LARGE;
        let mut budget = Budget {
            left: if large {
                self.float_size as f64 / self.times_smaller - size
            } else {
                0.0
            },
            noise: quantized.iter().map(|(w, _)| noise(w)).sum::<f64>() * MORE_NOISE,
            savings: if large { savings(&weights) } else { Vec::new() },
        };
        if !budget.provide(0.0, f64::INFINITY, &mut forms) {
            return forms;
        }
        let mut room_for_halves = (size / 50.0 + ROOM_OF_SMALL).min(size / 10.0);
        for half in halves(&weights) {
            if half.bytes <= room_for_halves && (!large || budget.provide(half.bytes, half.noise_of_a_byte(), &mut forms)) {
                forms[half.weight] = half.form;
                room_for_halves -= half.bytes;
                budget.left -= half.bytes;
                budget.noise += half.noise;
            }
        }
        forms
    }

    /// The bytes of the network with these weights as int8.
    fn quantized_size(&self, quantized: &[Scaled<'_>]) -> f64 {
        let saved: f64 = quantized.iter().map(|(w, scales)| saved_as_int8(w, scales.len())).sum();
        let channels: BTreeSet<usize> = quantized.iter().map(|(_, scales)| scales.len()).collect();
        self.float_size as f64 - saved + zero_points_size(channels)
    }
}

/// What may still be spent.
struct Budget {
    /// Bytes that are left; fewer than none where the goal is not reached.
    left: f64,
    /// Noise that may be added.
    noise: f64,
    /// What may be saved, the most for its noise first.
    savings: Vec<Step>,
}

impl Budget {
    /// Sees to it that so many bytes are left, by savings which add less noise for a byte than so much. Saves nothing where
    /// that is not enough.
    fn provide(&mut self, bytes: f64, noise_of_a_byte: f64, forms: &mut [Form]) -> bool {
        if self.left >= bytes {
            return true;
        }
        let (mut left, mut noise) = (self.left, self.noise);
        let mut taken = vec![false; self.savings.len()];
        for (saving, taken) in self.savings.iter().zip(&mut taken) {
            if left >= bytes || saving.noise_of_a_byte() >= noise_of_a_byte {
                break;
            }
            if saving.noise <= noise {
                *taken = true;
                left += saving.bytes;
                noise -= saving.noise;
            }
        }
        if left < bytes {
            return false;
        }
        (self.left, self.noise) = (left, noise);
        let mut taken = taken.into_iter();
        self.savings.retain(|saving| {
            let taken = taken.next().expect("one for each saving");
            if taken {
                forms[saving.weight] = saving.form;
            }
            !taken
        });
        true
    }
}

/// What can be saved, the most for its noise first.
fn savings(weights: &BTreeMap<usize, Scaled<'_>>) -> Vec<Step> {
    let mut with_channels: BTreeMap<usize, usize> = BTreeMap::new();
    for (wanted, scales) in weights.values() {
        if wanted.rather_float.is_none() {
            *with_channels.entry(scales.len()).or_default() += 1;
        }
    }
    let of_weight = |(&weight, &(wanted, scales)): (&usize, &Scaled<'_>)| {
        let step = |form, bytes, noise| Step {
            weight,
            form,
            bytes,
            noise,
        };
        let steps = if wanted.rather_float.is_some() {
            // The second step goes on from the first, which adds no noise and so comes before it.
            let halved = if wanted.halves_will_do {
                saved_as_halves(wanted).max(0.0)
            } else {
                0.0
            };
            let rounded = saved_as_int8(wanted, scales.len()) - halved;
            vec![step(Form::Halves, halved, 0.0), step(Form::Cheaper, rounded, noise(wanted))]
        } else if wanted.one_will_do && scales.len() > 1 {
            let own_zero_points = (with_channels[&scales.len()] == 1).then_some(scales.len());
            let bytes = scales_size(scales.len()) - scales_size(1) + zero_points_size(own_zero_points);
            vec![step(Form::Cheaper, bytes, noise(wanted) * more_with_one(scales))]
        } else {
            Vec::new()
        };
        steps.into_iter().filter(|step| step.bytes > 0.0)
    };
    let mut savings: Vec<Step> = weights.iter().flat_map(of_weight).collect();
    savings.sort_by(|a, b| a.noise_of_a_byte().total_cmp(&b.noise_of_a_byte()));
    savings
}

/// What 16-bit floats cost instead of int8, the least for the noise that goes first.
fn halves(weights: &BTreeMap<usize, Scaled<'_>>) -> Vec<Step> {
    let will_do = weights
        .iter()
        .filter(|(_, (wanted, _))| wanted.rather_float.is_none() && wanted.halves_will_do);
    let half = |(&weight, &(wanted, scales)): (&usize, &Scaled<'_>)| Step {
        weight,
        form: Form::Halves,
        bytes: more_as_halves(wanted, scales.len()).max(1.0),
        noise: noise(wanted),
    };
    let mut halves: Vec<Step> = will_do.map(half).collect();
    halves.sort_by(|a, b| b.noise_of_a_byte().total_cmp(&a.noise_of_a_byte()));
    halves
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
            halves_will_do: false,
            still_to_come,
            gate: false,
            rather_float: None,
        }
    }

    /// The forms of weights in a network of 8 MiB that should have so many bytes more than with all as wanted.
    fn forms(wanted: &[Wanted<'_>], scales: &[&[f64]], excess: f64) -> Vec<Form> {
        let quantized: Vec<Scaled<'_>> = wanted.iter().zip(scales.iter().copied()).collect();
        let quantized: Vec<Scaled<'_>> = quantized.into_iter().filter(|(w, _)| w.rather_float.is_none()).collect();
        let mut goal = Goal {
            float_size: LARGE,
            times_smaller: 1.0,
        };
        goal.times_smaller = LARGE as f64 / (goal.quantized_size(&quantized) - excess);
        let scales: Vec<Result<Vec<f64>, String>> = scales.iter().map(|s| Ok(s.to_vec())).collect();
        goal.forms(wanted, &scales)
    }

    /// Which weights of that give up something.
    fn given_up(wanted: &[Wanted<'_>], scales: &[&[f64]], excess: f64) -> Vec<bool> {
        forms(wanted, scales, excess)
            .into_iter()
            .map(|form| form == Form::Cheaper)
            .collect()
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
        assert_eq!(goal.forms(&[wanted(&large, 1.0)], &[Ok(ALIKE.to_vec())]), [Form::AsWanted]);
    }

    #[test]
    fn early_filters_become_halves_first() {
        let (small, large) = (weight(1), weight(4));
        let mut network = vec![wanted(&small, 1.0), wanted(&large, 0.5)];
        for wanted in &mut network {
            (wanted.halves_will_do, wanted.one_will_do) = (true, false);
        }
        let of = |size: f64| {
            let saved = 2.0 * 3.0 * 2500.0;
            let goal = Goal {
                float_size: (size + saved) as usize,
                times_smaller: 3.8,
            };
            goal.forms(&network, &[Ok(vec![1.0]), Ok(vec![1.0])])
        };
        assert_eq!(of(9000.0), [Form::AsWanted; 2], "not even a tenth is enough");
        assert_eq!(of(11_000.0), [Form::Halves, Form::AsWanted]);
        assert_eq!(of(40_000.0), [Form::Halves, Form::AsWanted]);
        assert_eq!(of(60_000.0), [Form::Halves; 2]);
    }

    #[test]
    fn large_networks_pay_for_halves_with_what_is_felt_less() {
        let (filter, large) = (weight(1), weight(100));
        let mut network = vec![wanted(&filter, 1.0), wanted(&large, 0.5), wanted(&large, 0.25)];
        (network[0].halves_will_do, network[0].one_will_do) = (true, false);
        let unlike: Vec<f64> = (1..=1000).map(|i| f64::from(i) / 1000.0).collect();
        let of = |network: &[Wanted<'_>], excess| forms(network, &[&[1.0], &unlike, &unlike], excess);
        assert_eq!(
            of(&network, -1000.0),
            [Form::Halves, Form::AsWanted, Form::AsWanted],
            "there is room"
        );
        assert_eq!(of(&network, 0.0), [Form::Halves, Form::AsWanted, Form::Cheaper]);
        assert_eq!(of(&network, 1e6), [Form::AsWanted; 3], "out of reach");
        network[0].still_to_come = 0.1;
        assert_eq!(
            of(&network, 0.0),
            [Form::AsWanted; 3],
            "the late filter is felt less than what would pay for it"
        );
        network[0].rather_float = Some("it is small".into());
        assert_eq!(
            of(&network, 1.0),
            [Form::Halves, Form::AsWanted, Form::AsWanted],
            "cheaper than float, without noise"
        );
    }
}
