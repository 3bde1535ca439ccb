//! Colors: hue, saturation and value, and contrast.

use planish_core::graph::Value;
use planish_core::op::{Abs, Equal, Floor, Greater, Less, Maximum, Mean, Minimum, SelectV2, Split};

use super::binary::{add, div, mul, sub};
use super::node::{Node, one};
use super::unary::{plus, times};
use super::{Imported, Stop};

/// The three channels, each with a last axis of one.
fn channels(node: &mut Node<'_>, x: Value) -> Result<[Value; 3], Stop> {
    let last = node.add_int(node.known_rank(x)? as i32 - 1);
    let parts = node.add_many(Split { num: 3 }, &[last, x])?;
    parts.try_into().map_err(|_| Stop::Foreign)
}

pub(super) fn rgb_to_hsv(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let hsv = hsv_of(node, x)?;
    one(node.concatenated(&hsv, -1)?)
}

pub(super) fn hsv_to_rgb(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let hsv = channels(node, x)?;
    one(rgb_of(node, hsv)?)
}

/// The saturation times a factor, cut to 0 and 1.
pub(super) fn adjust_saturation(node: &mut Node<'_>) -> Imported {
    let (x, factor) = (node.value(0)?, node.value(1)?);
    let [hue, saturation, value] = hsv_of(node, x)?;
    let saturation = mul(node, saturation, factor)?;
    let saturation = cut(node, saturation)?;
    one(rgb_of(node, [hue, saturation, value])?)
}

/// The hue turned by a part of a whole turn.
pub(super) fn adjust_hue(node: &mut Node<'_>) -> Imported {
    let (x, turn) = (node.value(0)?, node.value(1)?);
    let [hue, saturation, value] = hsv_of(node, x)?;
    let hue = add(node, hue, turn)?;
    let whole = node.add(Floor {}, &[hue])?;
    let hue = sub(node, hue, whole)?;
    one(rgb_of(node, [hue, saturation, value])?)
}

/// Each channel's distance from its mean over the image, times a factor.
pub(super) fn adjust_contrast(node: &mut Node<'_>) -> Imported {
    let (x, factor) = (node.value(0)?, node.value(1)?);
    let rank = node.known_rank(x)? as i32;
    let axes = node.add_ints(&[rank - 3, rank - 2]);
    let mean = node.add(Mean { keep_dims: true }, &[x, axes])?;
    let distance = sub(node, x, mean)?;
    let distance = mul(node, distance, factor)?;
    one(add(node, distance, mean)?)
}

/// Hue and saturation from 0 to 1, and the value. (Smith, "Color gamut transform pairs", 1978.)
fn hsv_of(node: &mut Node<'_>, x: Value) -> Result<[Value; 3], Stop> {
    let [r, g, b] = channels(node, x)?;
    let most = node.add(Maximum {}, &[r, g])?;
    let value = node.add(Maximum {}, &[most, b])?;
    let least = node.add(Minimum {}, &[r, g])?;
    let least = node.add(Minimum {}, &[least, b])?;
    let range = sub(node, value, least)?;
    let zero = node.number(0.0, x)?;
    let bright = node.add(Greater {}, &[value, zero])?;
    let part = div(node, range, value)?;
    let saturation = node.add(SelectV2 {}, &[bright, part, zero])?;
    let mut sixth = |from: Value, to: Value, start: f64| -> Result<Value, Stop> {
        let distance = sub(node, from, to)?;
        let sixths = times(node, range, 6.0)?;
        let part = div(node, distance, sixths)?;
        plus(node, part, start)
    };
    let (from_r, from_g, from_b) = (sixth(g, b, 0.0)?, sixth(b, r, 2.0 / 6.0)?, sixth(r, g, 4.0 / 6.0)?);
    let most_g = node.add(Equal {}, &[g, value])?;
    let hue = node.add(SelectV2 {}, &[most_g, from_g, from_b])?;
    let most_r = node.add(Equal {}, &[r, value])?;
    let hue = node.add(SelectV2 {}, &[most_r, from_r, hue])?;
    let colored = node.add(Greater {}, &[range, zero])?;
    let hue = node.add(SelectV2 {}, &[colored, hue, zero])?;
    let turned = plus(node, hue, 1.0)?;
    let negative = node.add(Less {}, &[hue, zero])?;
    let hue = node.add(SelectV2 {}, &[negative, turned, hue])?;
    Ok([hue, saturation, value])
}

/// `value × (1 - saturation + saturation × d)`, where `d` of a channel falls with the distance from its hue.
fn rgb_of(node: &mut Node<'_>, [hue, saturation, value]: [Value; 3]) -> Result<Value, Stop> {
    let hue = times(node, hue, 6.0)?;
    let unit = node.number(1.0, saturation)?;
    let gray = sub(node, unit, saturation)?;
    let mut channel = |center: f64, sign: f64, offset: f64| -> Result<Value, Stop> {
        let distance = plus(node, hue, -center)?;
        let distance = node.add(Abs {}, &[distance])?;
        let distance = times(node, distance, sign)?;
        let share = plus(node, distance, offset)?;
        let share = cut(node, share)?;
        let colored = mul(node, saturation, share)?;
        let sum = add(node, gray, colored)?;
        mul(node, sum, value)
    };
    let rgb = [channel(3.0, 1.0, -1.0)?, channel(2.0, -1.0, 2.0)?, channel(4.0, -1.0, 2.0)?];
    node.concatenated(&rgb, -1)
}

fn cut(node: &mut Node<'_>, x: Value) -> Result<Value, Stop> {
    let (zero, unit) = (node.number(0.0, x)?, node.number(1.0, x)?);
    let x = node.add(Maximum {}, &[x, zero])?;
    node.add(Minimum {}, &[x, unit])
}
