//! The scales of weights: one for each channel, or one for all.

use planish_core::{Quant, Tensor};
use planish_kernels::hybrid::{Channels, weight_peaks, weight_scales};
use rayon::prelude::*;

use crate::economy::{Form, Goal};

/// A weight to be quantized.
pub(crate) struct Wanted<'g> {
    pub(crate) weight: &'g Tensor,
    /// Along which axis each slice may have its own scale.
    pub(crate) axis: Option<usize>,
    /// Up to which ratio of the greatest channel's range to the middle one's one scale is rather had than many.
    pub(crate) one_scale: f64,
    /// Whether all that read it take one scale, too.
    pub(crate) one_will_do: bool,
    /// Whether it may be stored as 16-bit floats: the target makes it real before it is read.
    pub(crate) halves_will_do: bool,
    /// The part of the network's weights that are not read before it, itself among them.
    pub(crate) still_to_come: f64,
    /// Whether its results only open and close gates.
    pub(crate) gate: bool,
    /// Why it stays float unless the network would not become small enough.
    pub(crate) rather_float: Option<String>,
}

/// How a weight is stored.
pub(crate) enum Stored {
    /// As int8.
    Integers(Quant),
    /// As 16-bit floats.
    Halves,
}

/// How each weight of a network is stored, or why it stays float.
pub(crate) fn stored(mut wanted: Vec<Wanted<'_>>, goal: &Goal) -> Vec<Result<Stored, String>> {
    let scales = |w: &mut Wanted<'_>| {
        let scales = weight_scales(&peaks(w.weight, w.axis)?).map_err(|e| e.to_string())?;
        w.halves_will_do &= scales.iter().all(|&scale| halves_are_finer(scale));
        if !are_alike(&scales, w.one_scale) {
            return Ok(scales);
        }
        w.axis = None;
        Ok(vec![greatest_scale(&scales)])
    };
    let scales: Vec<Result<Vec<f64>, String>> = wanted.par_iter_mut().map(scales).collect();
    let forms = goal.forms(&wanted, &scales);
    let each = wanted.into_iter().zip(scales).zip(forms);
    each.map(|((wanted, scales), form)| {
        let scales = scales?;
        let quant = match (wanted.axis, wanted.rather_float, form) {
            (.., Form::Halves) => return Ok(Stored::Halves),
            (_, Some(reason), Form::AsWanted) => return Err(reason),
            (Some(axis), Some(_), Form::Cheaper) | (Some(axis), None, Form::AsWanted) => {
                Quant::symmetric_per_axis(axis, scales.into_iter().map(|scale| scale as f32).collect())
            }
            (None, ..) | (Some(_), None, Form::Cheaper) => Quant::per_tensor(greatest_scale(&scales) as f32, 0),
        };
        quant.map(Stored::Integers).map_err(|e| e.to_string())
    })
    .collect()
}

/// Whether 16-bit floats round what has this scale as int8 no more coarsely than that does, by half a step.
///
/// Up to the greatest magnitude `127 · scale` they round by at most `2^-11` of it where they are normal, which is less than half
/// a step, and by `2^-25` below (IEEE 754, binary16); they hold no more than 65504.
fn halves_are_finer(scale: f64) -> bool {
    let normal_enough = scale >= f64::from(2.0f32.powi(-24));
    normal_enough && 127.0 * scale <= f64::from(half::f16::MAX)
}

pub(crate) fn greatest_scale(scales: &[f64]) -> f64 {
    scales.iter().copied().fold(0.0, f64::max)
}

/// Whether no channel's scale is more than so many times as great as the middle one.
fn are_alike(scales: &[f64], times: f64) -> bool {
    let mut sorted = scales.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2);
    middle.zip(sorted.last()).is_none_or(|(middle, last)| *last <= middle * times)
}

/// The greatest magnitude of each slice along an axis, or of all elements.
///
/// What slices are scaled with is not multiplied out where it varies along the same axis: rounding a product keeps
/// the order of magnitudes, so the peak times its factor is the peak of the products.
fn peaks(tensor: &Tensor, axis: Option<usize>) -> Result<Vec<f32>, String> {
    if let Some((along, factors)) = tensor.factors().filter(|&(along, _)| axis.is_none_or(|axis| axis == along)) {
        let mut peaks = peaks(&tensor.unscaled(), Some(along))?;
        for (peak, factor) in peaks.iter_mut().zip(factors) {
            *peak = (f64::from(*peak) * factor.abs()) as f32;
        }
        return Ok(match axis {
            None => vec![peaks.into_iter().reduce(greatest).unwrap_or(0.0)],
            Some(_) => peaks,
        });
    }
    // In the order in which elements lie in memory, so that a transposed view is read as it lies.
    let mut order: Vec<usize> = (0..tensor.dims().len()).collect();
    order.sort_by_key(|&a| std::cmp::Reverse((tensor.strides()[a], std::cmp::Reverse(a))));
    let view = tensor.transposed(&order).expect("an order of the axes");
    let owned;
    let data = match view.as_slice::<f32>() {
        Some(data) => data,
        None => {
            owned = view.to_vec::<f32>();
            &owned
        }
    };
    let channels = match axis {
        None => Channels::whole(data.len()),
        Some(axis) => {
            let at = order.iter().position(|&a| a == axis).ok_or("its weight has no such axis")?;
            let dims = view.dims();
            Channels {
                outer: dims[..at].iter().product(),
                count: dims[at],
                inner: dims[at + 1..].iter().product(),
            }
        }
    };
    Ok(weight_peaks(data, channels))
}

/// The greater magnitude; one that is no number is above all.
fn greatest(a: f32, b: f32) -> f32 {
    if a.is_nan() || a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scales_of_gates(peaks: [f32; 4]) -> usize {
        let weight = Tensor::from_vec(&[4, 2], peaks.iter().flat_map(|&peak| [peak, -peak / 2.0]).collect());
        let wanted = Wanted {
            weight: &weight,
            axis: Some(0),
            one_scale: 4.0,
            one_will_do: true,
            halves_will_do: false,
            still_to_come: 1.0,
            gate: false,
            rather_float: None,
        };
        let goal = Goal {
            float_size: 1000,
            times_smaller: 3.8,
        };
        let [Ok(Stored::Integers(quant))] = &stored(vec![wanted], &goal)[..] else {
            panic!("one weight has one quantization");
        };
        quant.scales().len()
    }

    #[test]
    fn short_rows_have_one_scale_only_where_their_ranges_are_alike() {
        assert_eq!(scales_of_gates([1.0, 1.5, 3.0, 5.0]), 1);
        assert_eq!(scales_of_gates([1.0, 1.0, 1.0, 4.5]), 4);
    }
}
