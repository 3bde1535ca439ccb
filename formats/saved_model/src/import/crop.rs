//! Boxes cut out of images and brought to one size.

use planish_core::graph::Value;
use planish_core::op::{Cast, Ceil, ExpandDims, Floor, Gather, GreaterEqual, LessEqual, LogicalAnd, Maximum, Minimum, Reshape, SelectV2};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::binary::{add, div, mul, sub};
use super::node::{Node, one};
use super::unary::{plus, times};
use super::{Imported, Stop};

/// Where samples lie along one axis of the image, for each box.
struct Samples {
    /// The pixel at or before a sample, and the one at or behind it, as i32 inside the image; the same one for the nearest.
    pixels: [Value; 2],
    /// How far behind the first pixel a sample lies, where it lies between two.
    fraction: Option<Value>,
    /// Whether a sample lies inside the image.
    inside: Value,
}

/// `CropAndResize`: each box of corners `[y1, x1, y2, x2]`, in parts of the image's extents, sampled at `crop_size` points of which
/// the outermost lie on its edges; a single point lies in the middle. Between pixels linear or the nearest one.
pub(super) fn crop_and_resize(node: &mut Node<'_>) -> Imported {
    let nearest = match node.attr_text("method", "bilinear") {
        "bilinear" => false,
        "nearest" => true,
        _ => return Err(Stop::Foreign),
    };
    let outside = f64::from(node.attr_float("extrapolation_value", 0.0));
    let (image, boxes, images) = (node.value(0)?, node.value(1)?, node.index_input(2)?);
    let counts = node.ints(3)?;
    let (Some(4), &[rows, columns]) = (node.rank(image), &counts[..]) else {
        return Err(Stop::Foreign);
    };
    let channels = node
        .shape(image)
        .dim(3)
        .known()
        .and_then(|n| i32::try_from(n).ok())
        .ok_or(Stop::Foreign)?;
    let image = node.cast(image, DType::F32)?;
    let (height, width) = (node.extent(image, 1)?, node.extent(image, 2)?);
    let ys = samples(node, boxes, 0, height, rows, nearest)?;
    let xs = samples(node, boxes, 1, width, columns, nearest)?;
    let flat = node.add_ints(&[-1, channels]);
    let pixels = node.add(Reshape {}, &[image, flat])?;
    let (one_axis, two_axis) = (node.add_int(1), node.add_int(2));
    let images = node.add(ExpandDims {}, &[images, one_axis])?;
    let first_row = mul(node, images, height)?;
    let mut at = |y: usize, x: usize| -> Result<Value, Stop> {
        let row = add(node, first_row, ys.pixels[y])?;
        let row = mul(node, row, width)?;
        let row = node.add(ExpandDims {}, &[row, two_axis])?;
        let column = node.add(ExpandDims {}, &[xs.pixels[x], one_axis])?;
        let place = add(node, row, column)?;
        node.add(Gather { axis: 0, batch_dims: 0 }, &[pixels, place])
    };
    let found = match (ys.fraction, xs.fraction) {
        (Some(down), Some(right)) => {
            let [a, b, c, d] = [at(0, 0)?, at(0, 1)?, at(1, 0)?, at(1, 1)?];
            let last = node.add_int(-1);
            let (down, right) = (spread(node, down, two_axis, last)?, spread(node, right, one_axis, last)?);
            let above = between(node, a, b, right)?;
            let below = between(node, c, d, right)?;
            between(node, above, below, down)?
        }
        _ => at(0, 0)?,
    };
    let last = node.add_int(-1);
    let (y_inside, x_inside) = (spread(node, ys.inside, two_axis, last)?, spread(node, xs.inside, one_axis, last)?);
    let inside = node.add(LogicalAnd {}, &[y_inside, x_inside])?;
    let outside = node.number(outside, found)?;
    one(node.add(SelectV2 {}, &[inside, found, outside])?)
}

/// A value for each box and sample, with the other image axis and the channels beside it.
fn spread(node: &mut Node<'_>, value: Value, axis: Value, last: Value) -> Result<Value, Stop> {
    let value = node.add(ExpandDims {}, &[value, axis])?;
    node.add(ExpandDims {}, &[value, last])
}

fn between(node: &mut Node<'_>, a: Value, b: Value, fraction: Value) -> Result<Value, Stop> {
    let step = sub(node, b, a)?;
    let step = mul(node, step, fraction)?;
    add(node, a, step)
}

fn samples(node: &mut Node<'_>, boxes: Value, axis: i32, extent: Value, count: i64, nearest: bool) -> Result<Samples, Stop> {
    let count = u16::try_from(count).ok().filter(|&n| n > 0).ok_or(Stop::Foreign)?;
    let mut corner = |at: i32| -> Result<Value, Stop> {
        let at = node.add_ints(&[at]);
        node.add(Gather { axis: 1, batch_dims: 0 }, &[boxes, at])
    };
    let (low, high) = (corner(axis)?, corner(axis + 2)?);
    let last = node.add(Cast { dtype: DType::F32 }, &[extent])?;
    let last = plus(node, last, -1.0)?;
    let place = if count > 1 {
        let length = sub(node, high, low)?;
        let step = mul(node, length, last)?;
        let divisor = node.number(f64::from(count - 1), step)?;
        let step = div(node, step, divisor)?;
        let numbers = (0..count).map(f32::from).collect();
        let numbers = node.add_const(Tensor::from_vec(&[1, usize::from(count)], numbers));
        let steps = mul(node, numbers, step)?;
        let start = mul(node, low, last)?;
        add(node, start, steps)?
    } else {
        let middle = add(node, low, high)?;
        let middle = times(node, middle, 0.5)?;
        mul(node, middle, last)?
    };
    let zero = node.number(0.0, place)?;
    let (from, to) = (node.add(GreaterEqual {}, &[place, zero])?, node.add(LessEqual {}, &[place, last])?);
    let inside = node.add(LogicalAnd {}, &[from, to])?;
    if nearest {
        // What is inside is not negative, so that halves go up.
        let up = plus(node, place, 0.5)?;
        let pixel = node.add(Floor {}, &[up])?;
        let pixel = pixel_at(node, pixel, last)?;
        return Ok(Samples {
            pixels: [pixel, pixel],
            fraction: None,
            inside,
        });
    }
    let (before, behind) = (node.add(Floor {}, &[place])?, node.add(Ceil {}, &[place])?);
    let fraction = sub(node, place, before)?;
    Ok(Samples {
        pixels: [pixel_at(node, before, last)?, pixel_at(node, behind, last)?],
        fraction: Some(fraction),
        inside,
    })
}

/// The pixel of this number, or the nearest one that there is.
fn pixel_at(node: &mut Node<'_>, number: Value, last: Value) -> Result<Value, Stop> {
    let zero = node.number(0.0, number)?;
    let number = node.add(Maximum {}, &[number, zero])?;
    let number = node.add(Minimum {}, &[number, last])?;
    node.add(Cast { dtype: DType::I32 }, &[number])
}
