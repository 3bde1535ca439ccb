//! Fake quantization, from quantization-aware training.

use planish_core::graph::Value;
use planish_core::op::{FakeQuant, Maximum, Minimum, Round};
use planish_core::tensor::Tensor;

use super::binary::{add, div, mul, sub};
use super::node::{Node, one};
use super::{Imported, Stop};

fn bits(node: &Node<'_>) -> Result<(i32, bool), Stop> {
    let bits = i32::try_from(node.attr_int("num_bits", 8)).ok().filter(|b| (2..=16).contains(b));
    Ok((bits.ok_or_else(|| node.error("its number of bits is impossible"))?, node.attr_bool("narrow_range")))
}

/// The range is given by attributes.
pub(super) fn with_args(node: &mut Node<'_>) -> Imported {
    let (num_bits, narrow_range) = bits(node)?;
    let (min, max) = (node.attr_float("min", -6.0), node.attr_float("max", 6.0));
    node.unary(FakeQuant { min, max, num_bits, narrow_range })
}

/// The range is given by variables that training has set.
pub(super) fn with_vars(node: &mut Node<'_>) -> Imported {
    let (num_bits, narrow_range) = bits(node)?;
    let (min, max) = (node.float(1)?, node.float(2)?);
    node.unary(FakeQuant { min, max, num_bits, narrow_range })
}

/// A range for each channel: clamped, scaled, rounded and scaled back.
pub(super) fn per_channel(node: &mut Node<'_>) -> Imported {
    let (num_bits, narrow_range) = bits(node)?;
    let x = node.value(0)?;
    let range = |node: &mut Node<'_>, input: usize| -> Result<Vec<f32>, Stop> {
        let value = node.value(input)?;
        let floats = node.constant(value).and_then(Tensor::to_floats).ok_or(Stop::Foreign)?;
        Ok(floats.into_iter().map(|v| v as f32).collect())
    };
    let (mins, maxs) = (range(node, 1)?, range(node, 2)?);
    if mins.len() != maxs.len() {
        return Err(node.error("it has not one range for each channel"));
    }
    let lowest = if narrow_range { 1.0 } else { 0.0 };
    let highest = ((1u32 << num_bits) - 1) as f32;
    let (mut low, mut high, mut scales) = (Vec::new(), Vec::new(), Vec::new());
    for (&min, &max) in mins.iter().zip(&maxs) {
        let (nudged_min, nudged_max, scale) = nudge(min, max, lowest, highest);
        low.push(nudged_min);
        high.push(nudged_max);
        scales.push(scale);
    }
    let count = low.len();
    let mut vector = |values| node.add_const(Tensor::from_vec(&[count], values));
    let (low, high, scales) = (vector(low), vector(high), vector(scales));
    let raised = node.add(Maximum {}, &[x, low])?;
    let clamped = node.add(Minimum {}, &[raised, high])?;
    let steps = {
        let above = sub(node, clamped, low)?;
        div(node, above, scales)?
    };
    one(back(node, steps, scales, low)?)
}

fn back(node: &mut Node<'_>, steps: Value, scale: Value, low: Value) -> Result<Value, Stop> {
    let rounded = node.add(Round {}, &[steps])?;
    let scaled = mul(node, rounded, scale)?;
    add(node, scaled, low)
}

/// Moves a range so that zero is one of its levels.
fn nudge(min: f32, max: f32, lowest: f32, highest: f32) -> (f32, f32, f32) {
    if min >= max {
        return (0.0, 0.0, 1.0);
    }
    let scale = (max - min) / (highest - lowest);
    let zero = (lowest - min / scale).clamp(lowest, highest).round();
    ((lowest - zero) * scale, (highest - zero) * scale, scale)
}
