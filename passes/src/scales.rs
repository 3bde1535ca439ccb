//! The scales of weights: one for each channel, or one for all where a deep network hardly notices.

use planish_core::{Quant, Tensor};
use planish_kernels::hybrid::{Channels, weight_peaks, weight_scales};
use rayon::prelude::*;

/// A weight to be quantized.
pub(crate) struct Wanted<'g> {
    pub(crate) weight: &'g Tensor,
    /// Along which axis each slice may have its own scale.
    pub(crate) axis: Option<usize>,
    /// Whether all that read it take one scale, too.
    pub(crate) one_will_do: bool,
}

/// Bytes in a file for one more channel: an f32 scale and an i64 zero point.
const CHANNEL_BYTES: usize = 12;

/// The part of a network's bytes, one in so many, from which on a weight's scales are thought about. Those of a
/// classifier's thousand labels are one in 300 of a MobileNet's, whose accuracy other layers limit.
const LARGE_PART: usize = 1000;

/// Only networks of so many weights have one scale for some that could have more: in small ones each error is seen.
const DEEP: usize = 32;

/// How much more rounding noise may be for it: this part of that of all weights, 0.26 dB.
const MORE_NOISE: f64 = 1.0 / 16.0;

/// How much more it may be for one weight: its mean square is 2.5 times as great, 4 dB.
const MORE_NOISE_OF_ONE: f64 = 1.5;

/// The quantization of each weight of a network, or why it has none.
pub(crate) fn quantizations(wanted: &[Wanted<'_>]) -> Vec<Result<Quant, String>> {
    let scales: Vec<Result<Vec<f64>, String>> = wanted
        .par_iter()
        .map(|w| weight_scales(&peaks(w.weight, w.axis)?).map_err(|e| e.to_string()))
        .collect();
    let one = with_one(wanted, &scales);
    let each = wanted.iter().zip(scales).zip(one);
    each.map(|((wanted, scales), one)| {
        let scales = scales?;
        let quant = match wanted.axis.filter(|_| !one) {
            None => Quant::per_tensor(scales.iter().copied().fold(0.0, f64::max) as f32, 0),
            Some(axis) => Quant::symmetric_per_axis(axis, scales.into_iter().map(|scale| scale as f32).collect()),
        };
        quant.map_err(|e| e.to_string())
    })
    .collect()
}

/// Which weights have one scale instead of many: those with the most channels first, as long as the noise allows.
///
/// An int8 weight's rounding errors are much the same part of it in every layer, so that the noise of a layer is counted as
/// 1, or as the ratio of the mean squares of its errors with one scale and with many.
fn with_one(wanted: &[Wanted<'_>], scales: &[Result<Vec<f64>, String>]) -> Vec<bool> {
    let mut one = vec![false; wanted.len()];
    if wanted.len() < DEEP {
        return one;
    }
    let elements: usize = wanted.iter().map(|w| w.weight.elements()).sum();
    let mut candidates: Vec<(usize, &[f64])> = (0..wanted.len())
        .filter(|&i| wanted[i].axis.is_some() && wanted[i].one_will_do)
        .filter_map(|i| Some((i, scales[i].as_deref().ok()?)))
        .filter(|(_, scales)| scales.len() * CHANNEL_BYTES * LARGE_PART >= elements)
        .collect();
    candidates.sort_by_key(|(_, scales)| std::cmp::Reverse(scales.len()));
    let mut allowed = wanted.len() as f64 * MORE_NOISE;
    for (i, scales) in candidates {
        let greatest = scales.iter().copied().fold(0.0, f64::max);
        let squares: f64 = scales.iter().map(|scale| scale * scale).sum();
        let more = greatest * greatest * scales.len() as f64 / squares - 1.0;
        if more <= MORE_NOISE_OF_ONE && more <= allowed {
            one[i] = true;
            allowed -= more;
        }
    }
    one
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

    /// How many scales each weight has, of matrices whose rows are of these magnitudes.
    fn numbers_of_scales(rows: &[&[f32]], one_will_do: bool) -> Vec<usize> {
        let weights: Vec<Tensor> = rows.iter().map(|rows| Tensor::from_vec(&[rows.len(), 1], rows.to_vec())).collect();
        let wanted: Vec<Wanted<'_>> = weights
            .iter()
            .map(|weight| Wanted {
                weight,
                axis: Some(0),
                one_will_do,
            })
            .collect();
        let quants = quantizations(&wanted).into_iter();
        quants.map(|quant| quant.expect("finite weights").scales().len()).collect()
    }

    #[test]
    fn deep_networks_have_one_scale_for_what_has_most_channels_and_like_ones() {
        let single: &[f32] = &[1.0];
        let alike: &[f32] = &[1.0, 0.5, 0.5];
        let unlike: &[f32] = &[1.0, 0.1, 0.1, 0.1];
        let network = |singles: usize, others: &[&'static [f32]]| [vec![single; singles], others.to_vec()].concat();
        let last = |rows: &[&[f32]], one_will_do| numbers_of_scales(rows, one_will_do).split_off(rows.len() - 2);
        assert_eq!(last(&network(30, &[alike, unlike]), true), [1, 4]);
        assert_eq!(last(&network(30, &[alike, unlike]), false), [3, 4]);
        assert_eq!(last(&network(29, &[alike, unlike]), true), [3, 4]);
        // Errors' mean squares are twice as great with one scale: two of 32 weights may have that, three may not.
        let four: Vec<usize> = numbers_of_scales(&network(28, &[alike; 4]), true).split_off(28);
        assert_eq!(four, [1, 1, 3, 3]);
    }
}
