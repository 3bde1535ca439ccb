//! Images brought to another size with more than two pixels to a new one: along each axis a product with a matrix of weights.
//!
//! The matrices stand on the left of their products, where no pass takes them for weights of a layer. Extents have to be known.

use std::f64::consts::PI;

use planish_core::graph::Value;
use planish_core::op::{BatchMatmul, Reshape};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::node::{Node, one};
use super::{Imported, Stop};

/// Pixels along an axis of the largest image that is resampled so.
const MOST_PIXELS: usize = 4096;

/// The weights that a new pixel gives to old ones.
type Row = Vec<f64>;

/// `ResizeBicubic`, with the weights that TensorFlow takes from a table of 1024 steps (Keys, "Cubic convolution interpolation for
/// digital image processing", 1981, equation 4, with `a` of -1/2 or -3/4).
pub(super) fn resize_bicubic(node: &mut Node<'_>) -> Imported {
    let (align, half_pixel) = (node.attr_bool("align_corners"), node.attr_bool("half_pixel_centers"));
    let size = node.ints(1)?;
    resampled(node, &size, &|_, from, to| Some(bicubic(from, to, align, half_pixel)))
}

/// `ResizeArea`: the mean of what a new pixel covers.
pub(super) fn resize_area(node: &mut Node<'_>) -> Imported {
    let align = node.attr_bool("align_corners");
    let size = node.ints(1)?;
    resampled(node, &size, &|_, from, to| Some(area(from, to, align)))
}

/// `ScaleAndTranslate`: a window function around where a new pixel comes from, widened where the image shrinks and `antialias` says so.
pub(super) fn scale_and_translate(node: &mut Node<'_>) -> Imported {
    let window = Window::named(node.attr_text("kernel_type", "lanczos3")).ok_or(Stop::Foreign)?;
    let antialias = node.attr_bool_or("antialias", true);
    let (scale, shift) = (node.value(2)?, node.value(3)?);
    let (scale, shift) = (node.known_reals(scale), node.known_reals(shift));
    let (Some(scale), Some(shift)) = (scale, shift) else {
        return Err(Stop::Foreign);
    };
    let size = node.ints(1)?;
    resampled(node, &size, &|axis, from, to| {
        let (&scale, &shift) = (scale.get(axis)?, shift.get(axis)?);
        (scale > 0.0).then(|| windowed(from, to, scale, shift, window, antialias))
    })
}

fn resampled(node: &mut Node<'_>, size: &[i64], rows: &dyn Fn(usize, usize, usize) -> Option<Vec<Row>>) -> Imported {
    let x = node.value(0)?;
    let extent = |axis| {
        node.shape(x)
            .dim(axis)
            .known()
            .filter(|n| (1..=MOST_PIXELS).contains(n))
            .ok_or(Stop::Foreign)
    };
    if node.known_rank(x)? != 4 {
        return Err(Stop::Foreign);
    }
    let (height, width) = (extent(1)?, extent(2)?);
    let channels = node.shape(x).dim(3).known().ok_or(Stop::Foreign)?;
    let sizes: Vec<usize> = size
        .iter()
        .filter_map(|&n| usize::try_from(n).ok())
        .filter(|n| (1..=MOST_PIXELS).contains(n))
        .collect();
    let &[new_height, new_width] = &sizes[..] else {
        return Err(Stop::Foreign);
    };
    let x = node.cast(x, DType::F32)?;
    let x = reshaped(node, x, &[height, width * channels])?;
    let x = weighted(node, x, rows(0, height, new_height).ok_or(Stop::Foreign)?)?;
    let x = reshaped(node, x, &[width, channels])?;
    let x = weighted(node, x, rows(1, width, new_width).ok_or(Stop::Foreign)?)?;
    one(reshaped(node, x, &[new_height, new_width, channels])?)
}

/// The last dimensions as given, in front of them what is left.
fn reshaped(node: &mut Node<'_>, x: Value, last: &[usize]) -> Result<Value, Stop> {
    let dims: Vec<i32> = std::iter::once(-1).chain(last.iter().map(|&d| d as i32)).collect();
    let dims = node.add_ints(&dims);
    node.add(Reshape {}, &[x, dims])
}

fn weighted(node: &mut Node<'_>, x: Value, rows: Vec<Row>) -> Result<Value, Stop> {
    let dims = [rows.len(), rows.first().map_or(0, Vec::len)];
    let matrix = node.add_const(Tensor::from_vec(&dims, rows.into_iter().flatten().map(|w| w as f32).collect()));
    let op = BatchMatmul {
        adj_x: false,
        adj_y: false,
        asymmetric_quantize_inputs: false,
    };
    node.add(op, &[matrix, x])
}

/// Old pixels to a new one.
fn step(from: usize, to: usize, align: bool) -> f64 {
    if align && to > 1 {
        (from - 1) as f64 / (to - 1) as f64
    } else {
        from as f64 / to as f64
    }
}

fn bicubic(from: usize, to: usize, align: bool, half_pixel: bool) -> Vec<Row> {
    const STEPS: f64 = 1024.0;
    let a = if half_pixel { -0.5 } else { -0.75 };
    let near = |x: f64| ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    let step = step(from, to, align);
    let row = |pixel: usize| {
        let place = if half_pixel {
            (pixel as f64 + 0.5) * step - 0.5
        } else {
            pixel as f64 * step
        };
        let first = place.floor();
        let behind = ((place - first) * STEPS).round_ties_even() / STEPS;
        let weights = [far(1.0 + behind), near(behind), near(1.0 - behind), far(2.0 - behind)];
        let mut row = vec![0.0; from];
        for (offset, weight) in (-1i64..).zip(weights) {
            let wanted = first as i64 + offset;
            let there = wanted.clamp(0, from as i64 - 1);
            // The newer form leaves out what lies outside, the older one repeats the edge.
            if there == wanted || !half_pixel {
                row[there as usize] += weight;
            }
        }
        if half_pixel { normalized(row) } else { row }
    };
    (0..to).map(row).collect()
}

fn area(from: usize, to: usize, align: bool) -> Vec<Row> {
    let step = step(from, to, align);
    let row = |pixel: usize| {
        let (start, end) = (pixel as f64 * step, (pixel + 1) as f64 * step);
        let mut row = vec![0.0; from];
        for old in start.floor() as usize..end.ceil() as usize {
            let covered = (old as f64 + 1.0).min(end) - (old as f64).max(start);
            row[old.min(from - 1)] += covered / step;
        }
        row
    };
    (0..to).map(row).collect()
}

/// Places and distances are `f32`, as TensorFlow's: a window that ends with a step (a box, a gaussian) takes in an old pixel
/// on its edge or not by how they are rounded.
fn windowed(from: usize, to: usize, scale: f64, shift: f64, window: Window, antialias: bool) -> Vec<Row> {
    let step = 1.0 / scale as f32;
    let start = -step * shift as f32;
    let widened = if antialias { step.max(1.0) } else { 1.0 };
    let narrowed = 1.0 / widened;
    let reach = window.radius() as f32 * widened;
    let row = |pixel: usize| {
        let place = (pixel as f32 + 0.5) * step + start;
        let mut row = vec![0.0; from];
        if !(0.0..=from as f32).contains(&place) {
            return row;
        }
        let last = from as f32 - 1.0;
        let first = (place - reach - 0.5).ceil().clamp(0.0, last) as usize;
        let end = (place + reach - 0.5).floor().clamp(0.0, last) as usize;
        for (old, weight) in row.iter_mut().enumerate().take(end + 1).skip(first) {
            *weight = window.at(f64::from((old as f32 + 0.5 - place) * narrowed));
        }
        normalized(row)
    };
    (0..to).map(row).collect()
}

/// Weights that add up to 1, unless they add up to nothing.
fn normalized(mut row: Row) -> Row {
    let sum: f64 = row.iter().sum();
    if sum.abs() >= 1000.0 * f64::from(f32::MIN_POSITIVE) {
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
    row
}

/// The window functions of `ScaleAndTranslate`.
#[derive(Clone, Copy)]
enum Window {
    Lanczos(f64),
    Gaussian,
    Box,
    Triangle,
    KeysCubic,
    MitchellCubic,
}

impl Window {
    fn named(name: &str) -> Option<Window> {
        Some(match name {
            "lanczos1" => Window::Lanczos(1.0),
            "lanczos3" => Window::Lanczos(3.0),
            "lanczos5" => Window::Lanczos(5.0),
            "gaussian" => Window::Gaussian,
            "box" => Window::Box,
            "triangle" => Window::Triangle,
            "keyscubic" => Window::KeysCubic,
            "mitchellcubic" => Window::MitchellCubic,
            _ => return None,
        })
    }

    fn radius(self) -> f64 {
        match self {
            Window::Lanczos(radius) => radius,
            Window::Gaussian => 1.5,
            Window::Box => 0.5,
            Window::Triangle => 1.0,
            Window::KeysCubic | Window::MitchellCubic => 2.0,
        }
    }

    /// The weight at a distance in old pixels. The cubic ones are Keys' (1981) with `a` of -1/2 and the one that Mitchell and
    /// Netravali recommend ("Reconstruction filters in computer graphics", 1988, with B and C of 1/3).
    fn at(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Window::Lanczos(radius) => match x {
                _ if x > radius => 0.0,
                _ if x <= 1e-3 => 1.0,
                _ => radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * PI * x * x),
            },
            Window::Gaussian if x >= 1.5 => 0.0,
            // Three standard deviations to the radius.
            Window::Gaussian => (-2.0 * x * x).exp(),
            Window::Box if x < 0.5 => 1.0,
            Window::Box => {
                if x == 0.5 {
                    0.5
                } else {
                    0.0
                }
            }
            Window::Triangle => (1.0 - x).max(0.0),
            Window::KeysCubic if x >= 2.0 => 0.0,
            Window::KeysCubic if x >= 1.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Window::KeysCubic => ((1.5 * x - 2.5) * x) * x + 1.0,
            Window::MitchellCubic if x >= 2.0 => 0.0,
            Window::MitchellCubic if x >= 1.0 => (((-7.0 / 18.0) * x + 2.0) * x - 10.0 / 3.0) * x + 16.0 / 9.0,
            Window::MitchellCubic => (((7.0 / 6.0) * x - 2.0) * x) * x + 8.0 / 9.0,
        }
    }
}
