//! Discrete Fourier transforms.
//!
//! The kernel transforms reals of lengths that are powers of two. Everything else is made from it, or is a product with a matrix of
//! sines and cosines. Such a matrix stands on the left of its product, where no pass takes it for a weight: rounded to int8 it
//! would add noise of its own.

use std::f64::consts::TAU;

use planish_core::graph::Value;
use planish_core::op::{BatchMatmul, ExpandDims, Imag, Neg, Real, Reshape, ReverseV2, Rfft2d, Shape, Slice, Squeeze, Transpose};
use planish_core::tensor::Tensor;
use planish_core::types::{DType, Dim, Shape as Extents};

use super::binary::{add, sub};
use super::complex::{Parts, both, filled, parts};
use super::node::{Node, one};
use super::unary::times;
use super::{Imported, Stop};

/// Elements that a matrix of sines or cosines may have: 16 MB of reals.
const MOST_ELEMENTS: usize = 1 << 22;

pub(super) fn rfft_2d(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let lengths = node.ints(1).unwrap_or_default();
    let has_kernel = |&length: &i64| u64::try_from(length).is_ok_and(u64::is_power_of_two);
    // Of one element it gives an imaginary part.
    if lengths.iter().all(has_kernel) && lengths.last() != Some(&1) {
        let lengths = node.index_input(1)?;
        return one(node.add(Rfft2d {}, &[x, lengths])?);
    }
    let [rows, length] = lengths[..] else { return Err(Stop::Foreign) };
    if node.known_rank(x)? < 2 || usize::try_from(rows).ok() != node.shape(x).dim(node.known_rank(x)? - 2).known() {
        return Err(Stop::Foreign);
    }
    let half = half_spectrum(node, x, length_of(length)?)?;
    let half = swapped(node, half)?;
    let whole = transformed(node, half)?;
    let y = swapped(node, whole)?;
    both(y.re, y.im)
}

pub(super) fn rfft(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let length = length_input(node)?;
    if length.is_power_of_two() {
        return one(spectrum(node, x, length)?);
    }
    let y = half_spectrum(node, x, length)?;
    both(y.re, y.im)
}

/// Half the spectrum of reals along the last axis, of any length.
fn half_spectrum(node: &mut Node<'_>, x: Value, length: usize) -> Result<Parts, Stop> {
    let bins = length / 2 + 1;
    let x = cut(node, x, length)?;
    let re = product(node, x, bins, &|k, n| turn(k, n, length).cos())?;
    let im = product(node, x, bins, &|k, n| -turn(k, n, length).sin())?;
    Ok(Parts {
        re: Some(re),
        im: Some(im),
    })
}

/// The inverse of a transform of reals: of a spectrum whose other half is the mirrored one, so that all of its terms but the first
/// and the middle one count twice.
pub(super) fn irfft(node: &mut Node<'_>) -> Imported {
    let length = length_input(node)?;
    let x = parts(node, 0)?;
    one(reals_of(node, x, length)?)
}

/// The same along two axes: of complex numbers along the first of them, as many as there are.
pub(super) fn irfft_2d(node: &mut Node<'_>) -> Imported {
    let [rows, length] = node.ints(1)?[..] else {
        return Err(Stop::Foreign);
    };
    let x = parts(node, 0)?;
    let x = swapped(node, x)?;
    let part = x.re.or(x.im).ok_or(Stop::Foreign)?;
    if usize::try_from(rows) != Ok(last_extent(node, part)?) {
        return Err(Stop::Foreign);
    }
    let x = transformed_back(node, x)?;
    let x = swapped(node, x)?;
    one(reals_of(node, x, length_of(length)?)?)
}

fn reals_of(node: &mut Node<'_>, x: Parts, length: usize) -> Result<Value, Stop> {
    let bins = match (x.re, x.im) {
        (Some(part), _) | (None, Some(part)) => last_extent(node, part)?,
        (None, None) => return Err(Stop::Foreign),
    };
    let half = length / 2;
    if length >= 4 && length.is_power_of_two() && bins > half {
        return hartley(node, x, length);
    }
    let scale = |k: usize| if k == 0 || 2 * k == length { 1.0 } else { 2.0 } / length as f64;
    let mut of = |part: Option<Value>, term: &dyn Fn(usize, usize) -> f64| -> Result<Option<Value>, Stop> {
        let Some(part) = part else { return Ok(None) };
        let part = cut(node, part, half + 1)?;
        product(node, part, length, &|n, k| scale(k) * term(n, k)).map(Some)
    };
    let re = of(x.re, &|n, k| turn(n, k, length).cos())?;
    let im = of(x.im, &|n, k| -turn(n, k, length).sin())?;
    match (re, im) {
        (Some(re), Some(im)) => add(node, re, im),
        (Some(only), None) | (None, Some(only)) => Ok(only),
        (None, None) => Err(Stop::Foreign),
    }
}

/// The transform of complex numbers along the last axis.
pub(super) fn fft(node: &mut Node<'_>) -> Imported {
    let x = parts(node, 0)?;
    let y = transformed(node, x)?;
    both(y.re, y.im)
}

/// The same along the last two axes.
pub(super) fn fft_2d(node: &mut Node<'_>) -> Imported {
    along_both(node, transformed)
}

pub(super) fn ifft(node: &mut Node<'_>) -> Imported {
    let x = parts(node, 0)?;
    let y = transformed_back(node, x)?;
    both(y.re, y.im)
}

pub(super) fn ifft_2d(node: &mut Node<'_>) -> Imported {
    along_both(node, transformed_back)
}

fn along_both(node: &mut Node<'_>, transform: fn(&mut Node<'_>, Parts) -> Result<Parts, Stop>) -> Imported {
    let x = parts(node, 0)?;
    let x = transform(node, x)?;
    let x = swapped(node, x)?;
    let x = transform(node, x)?;
    let y = swapped(node, x)?;
    both(y.re, y.im)
}

/// With the last two axes swapped.
fn swapped(node: &mut Node<'_>, x: Parts) -> Result<Parts, Stop> {
    let mut of = |part: Option<Value>| -> Result<Option<Value>, Stop> {
        let Some(part) = part else { return Ok(None) };
        let rank = node.known_rank(part)?;
        let mut order: Vec<i32> = (0..rank as i32).collect();
        order.swap(rank.checked_sub(2).ok_or(Stop::Foreign)?, rank - 1);
        let order = node.add_ints(&order);
        node.add(Transpose {}, &[part, order]).map(Some)
    };
    Ok(Parts {
        re: of(x.re)?,
        im: of(x.im)?,
    })
}

/// The inverse: with real and imaginary parts swapped before and after it is the transform, and `1 / n`.
fn transformed_back(node: &mut Node<'_>, x: Parts) -> Result<Parts, Stop> {
    let y = transformed(node, Parts { re: x.im, im: x.re })?;
    let mut scaled = |part: Option<Value>| -> Result<Option<Value>, Stop> {
        let Some(part) = part else { return Ok(None) };
        let length = last_extent(node, part)?;
        times(node, part, 1.0 / length as f64).map(Some)
    };
    Ok(Parts {
        re: scaled(y.im)?,
        im: scaled(y.re)?,
    })
}

/// The sum of the real part's transform and `i` times the imaginary part's.
fn transformed(node: &mut Node<'_>, x: Parts) -> Result<Parts, Stop> {
    let mut of = |part: Option<Value>| part.map(|part| transform_of_reals(node, part)).transpose();
    let (from_re, from_im) = (of(x.re)?, of(x.im)?);
    Ok(match (from_re, from_im) {
        (Some(a), Some(b)) => Parts {
            re: Some(sub(node, a.0, b.1)?),
            im: Some(add(node, a.1, b.0)?),
        },
        (Some(a), None) => Parts {
            re: Some(a.0),
            im: Some(a.1),
        },
        (None, Some(b)) => Parts {
            re: Some(node.add(Neg {}, &[b.1])?),
            im: Some(b.0),
        },
        (None, None) => return Err(Stop::Foreign),
    })
}

/// The whole spectrum of reals, of which the kernel gives one half: the other one is its mirror image, conjugated.
fn transform_of_reals(node: &mut Node<'_>, x: Value) -> Result<(Value, Value), Stop> {
    let length = last_extent(node, x)?;
    if length < 4 || !length.is_power_of_two() {
        let re = product(node, x, length, &|k, n| turn(k, n, length).cos())?;
        let im = product(node, x, length, &|k, n| -turn(k, n, length).sin())?;
        return Ok((re, im));
    }
    let (re, im) = real_spectrum(node, x, length)?;
    let mirrored = reversed_part(node, im, length / 2)?;
    let mirrored = node.add(Neg {}, &[mirrored])?;
    let im = node.concatenated(&[im, mirrored], -1)?;
    let mirrored = reversed_part(node, re, length / 2)?;
    Ok((node.concatenated(&[re, mirrored], -1)?, im))
}

/// As the discrete Hartley transform of `re + im`, with the other half of the spectrum, which is
/// `re - im` the other way round, behind it; and that is `re + im` of the forward transform.
fn hartley(node: &mut Node<'_>, x: Parts, length: usize) -> Result<Value, Stop> {
    let half = length / 2;
    let (re, im) = filled(node, x)?;
    let (plus, minus) = (add(node, re, im)?, sub(node, re, im)?);
    // The first and the middle term are real.
    let pieces = [
        elements(node, re, 0, 1)?,
        elements(node, plus, 1, half - 1)?,
        elements(node, re, half, 1)?,
        reversed_part(node, minus, half)?,
    ];
    let whole = node.concatenated(&pieces, -1)?;
    let (re, im) = real_spectrum(node, whole, length)?;
    let (plus, minus) = (add(node, re, im)?, sub(node, re, im)?);
    let behind = reversed_part(node, minus, half)?;
    let result = node.concatenated(&[plus, behind], -1)?;
    times(node, result, 1.0 / length as f64)
}

/// The angle that is `k * n` times the smallest one, computed from what is left of whole turns.
fn turn(k: usize, n: usize, length: usize) -> f64 {
    TAU * ((k * n) % length) as f64 / length as f64
}

fn length_input(node: &mut Node<'_>) -> Result<usize, Stop> {
    length_of(node.int(1)?)
}

fn length_of(length: i64) -> Result<usize, Stop> {
    let length = usize::try_from(length).ok();
    length.filter(|n| (1..=1 << 24).contains(n)).ok_or(Stop::Foreign)
}

fn last_extent(node: &Node<'_>, x: Value) -> Result<usize, Stop> {
    let last = node.known_rank(x)?.checked_sub(1);
    last.and_then(|last| node.shape(x).dim(last).known()).ok_or(Stop::Foreign)
}

/// At most so many elements of the last axis: those that are missing are zeros, which add nothing.
fn cut(node: &mut Node<'_>, x: Value, most: usize) -> Result<Value, Stop> {
    if last_extent(node, x)? <= most {
        Ok(x)
    } else {
        elements(node, x, 0, most)
    }
}

/// Each row, times a matrix of so many rows whose elements are given by row and column.
fn product(node: &mut Node<'_>, x: Value, rows: usize, element: &dyn Fn(usize, usize) -> f64) -> Result<Value, Stop> {
    let columns = last_extent(node, x)?;
    if rows.saturating_mul(columns) > MOST_ELEMENTS {
        return Err(Stop::Foreign);
    }
    let elements = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let elements = elements.map(|(row, column)| element(row, column) as f32).collect();
    let matrix = node.add_const(Tensor::from_vec(&[rows, columns], elements));
    let flat = node.add_ints(&[-1, columns as i32]);
    let flat = node.add(Reshape {}, &[x, flat])?;
    let op = BatchMatmul {
        adj_x: false,
        adj_y: true,
        asymmetric_quantize_inputs: false,
    };
    let product = node.add(op, &[matrix, flat])?;
    let order = node.add_ints(&[1, 0]);
    let product = node.add(Transpose {}, &[product, order])?;
    let rank = node.known_rank(x)?;
    if rank == 2 {
        return Ok(product);
    }
    let dims = match node.shape(x).known() {
        Some(mut dims) => {
            dims.pop();
            dims.push(rows);
            node.add_ints(&dims.iter().map(|&d| d as i32).collect::<Vec<_>>())
        }
        None => {
            let shape = node.add(Shape { dtype: DType::I32 }, &[x])?;
            let (begin, size) = (node.add_ints(&[0]), node.add_ints(&[rank as i32 - 1]));
            let leading = node.add(Slice {}, &[shape, begin, size])?;
            let rows = node.add_ints(&[rows as i32]);
            node.concatenated(&[leading, rows], 0)?
        }
    };
    let shape = node.shape(x).dims().map(|dims| dims[..rank - 1].to_vec());
    let result = node.add(Reshape {}, &[product, dims])?;
    if let Some(mut shape) = shape {
        shape.push(Dim::Known(rows));
        node.declare(result, &Extents::new(shape));
    }
    Ok(result)
}

/// Half the spectrum of reals along the last axis, as the kernel gives it for two axes of which the first has one row.
fn spectrum(node: &mut Node<'_>, x: Value, length: usize) -> Result<Value, Stop> {
    let spectrum = spectrum_of_row(node, x, length)?;
    node.add(Squeeze { axes: vec![-2] }, &[spectrum])
}

fn spectrum_of_row(node: &mut Node<'_>, x: Value, length: usize) -> Result<Value, Stop> {
    let before_last = node.add_int(-2);
    let row = node.add(ExpandDims {}, &[x, before_last])?;
    let lengths = node.add_ints(&[1, length as i32]);
    node.add(Rfft2d {}, &[row, lengths])
}

/// The same as two values of reals.
fn real_spectrum(node: &mut Node<'_>, x: Value, length: usize) -> Result<(Value, Value), Stop> {
    let spectrum = spectrum_of_row(node, x, length)?;
    let (re, im) = (node.add(Real {}, &[spectrum])?, node.add(Imag {}, &[spectrum])?);
    let re = node.add(Squeeze { axes: vec![-2] }, &[re])?;
    Ok((re, node.add(Squeeze { axes: vec![-2] }, &[im])?))
}

/// So many elements of the last axis.
fn elements(node: &mut Node<'_>, x: Value, start: usize, count: usize) -> Result<Value, Stop> {
    let rank = node.known_rank(x)?;
    let (mut begin, mut size) = (vec![0; rank], vec![-1; rank]);
    if let (Some(begin), Some(size)) = (begin.last_mut(), size.last_mut()) {
        (*begin, *size) = (start as i32, count as i32);
    }
    let (begin, size) = (node.add_ints(&begin), node.add_ints(&size));
    node.add(Slice {}, &[x, begin, size])
}

/// What lies between the first element and the one at `half`, the other way round.
fn reversed_part(node: &mut Node<'_>, x: Value, half: usize) -> Result<Value, Stop> {
    let inner = elements(node, x, 1, half - 1)?;
    let last = node.known_rank(x)? as i32 - 1;
    let axis = node.add_ints(&[last]);
    node.add(ReverseV2 {}, &[inner, axis])
}
