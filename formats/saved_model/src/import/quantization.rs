//! Fake quantization, from quantization-aware training.

use planish_core::graph::Value;
use planish_core::op::{FakeQuant, Floor, Maximum, Minimum, Round};

use super::binary::{add, div, mul, sub};
use super::node::{Node, one};
use super::unary::{plus, times};
use super::{Imported, Stop};

fn bits(node: &Node<'_>) -> Result<(i32, bool), Stop> {
    let bits = i32::try_from(node.attr_int("num_bits", 8)).ok().filter(|b| (2..=16).contains(b));
    Ok((
        bits.ok_or_else(|| node.error("its number of bits is impossible"))?,
        node.attr_bool("narrow_range"),
    ))
}

/// The range is given by attributes.
pub(super) fn with_args(node: &mut Node<'_>) -> Imported {
    let (num_bits, narrow_range) = bits(node)?;
    let (min, max) = (node.attr_float("min", -6.0), node.attr_float("max", 6.0));
    node.unary(FakeQuant {
        min,
        max,
        num_bits,
        narrow_range,
    })
}

/// The range is given by variables that training has set.
pub(super) fn with_vars(node: &mut Node<'_>) -> Imported {
    let (num_bits, narrow_range) = bits(node)?;
    match (node.float(1), node.float(2)) {
        (Ok(min), Ok(max)) => node.unary(FakeQuant {
            min,
            max,
            num_bits,
            narrow_range,
        }),
        _ => per_channel(node),
    }
}

/// Ranges that are values, one for each channel or for all: clamped, scaled, rounded and scaled back.
///
/// With the lowest level l and the highest h, the scale is s = (max - min) / (h - l) and the level of zero
/// z = round(clamp(l - min / s, l, h)), so that the range becomes (l - z) s to (h - z) s.
pub(super) fn per_channel(node: &mut Node<'_>) -> Imported {
    let (num_bits, narrow_range) = bits(node)?;
    let (x, min, max) = (node.value(0)?, node.value(1)?, node.value(2)?);
    let lowest = if narrow_range { 1.0 } else { 0.0 };
    let highest = f64::from((1u32 << num_bits) - 1);
    let (low_level, high_level) = (node.number(lowest, x)?, node.number(highest, x)?);
    let extent = sub(node, max, min)?;
    let scale = times(node, extent, 1.0 / (highest - lowest))?;
    let ratio = div(node, min, scale)?;
    let zero = sub(node, low_level, ratio)?;
    let zero = clamp(node, zero, low_level, high_level)?;
    let zero = plus(node, zero, 0.5)?;
    let zero = node.add(Floor {}, &[zero])?;
    let low = {
        let steps = sub(node, low_level, zero)?;
        mul(node, steps, scale)?
    };
    let high = {
        let steps = sub(node, high_level, zero)?;
        mul(node, steps, scale)?
    };
    let clamped = clamp(node, x, low, high)?;
    let above = sub(node, clamped, low)?;
    let steps = div(node, above, scale)?;
    let rounded = node.add(Round {}, &[steps])?;
    let scaled = mul(node, rounded, scale)?;
    one(add(node, scaled, low)?)
}

fn clamp(node: &mut Node<'_>, x: Value, low: Value, high: Value) -> Result<Value, Stop> {
    let raised = node.add(Maximum {}, &[x, low])?;
    node.add(Minimum {}, &[raised, high])
}

/// Rounds to the levels of a symmetric range that is given as constants.
pub(super) fn quantize_and_dequantize(node: &mut Node<'_>) -> Imported {
    if !node.attr_bool("range_given") || node.attr_int("axis", -1) != -1 {
        return Err(Stop::Foreign);
    }
    let bits = if node.input_count() > 3 {
        node.int(3)?
    } else {
        node.attr_int("num_bits", 8)
    };
    if !(2..=24).contains(&bits) {
        return Err(node.error(format!("it has {bits} bits")));
    }
    let (x, min, max) = (node.value(0)?, node.float(1)?, node.float(2)?);
    let (lowest, highest) = if node.attr_bool_or("signed_input", true) {
        let half = (1i64 << (bits - 1)) as f32;
        (if node.attr_bool("narrow_range") { 1.0 - half } else { -half }, half - 1.0)
    } else {
        (0.0, ((1i64 << bits) - 1) as f32)
    };
    let side = |level: f32, bound: f32| if level * bound > 0.0 { level / bound } else { f32::MAX };
    let levels = side(lowest, min).min(side(highest, max));
    let (low, high) = (
        node.number(f64::from(lowest / levels), x)?,
        node.number(f64::from(highest / levels), x)?,
    );
    let clamped = clamp(node, x, low, high)?;
    let scaled = times(node, clamped, f64::from(levels))?;
    let rounded = if node.attr_text("round_mode", "HALF_TO_EVEN") == "HALF_UP" {
        let raised = plus(node, scaled, 0.5)?;
        node.add(Floor {}, &[raised])?
    } else {
        node.add(Round {}, &[scaled])?
    };
    one(times(node, rounded, 1.0 / f64::from(levels))?)
}
