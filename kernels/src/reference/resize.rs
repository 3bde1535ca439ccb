//! Images resized.

use planish_core::Tensor;

use super::args::Args;
use super::cells::{Builder, Cells};
use super::number::{Number, numbers};
use crate::error::Error;

fn scale(input: usize, output: usize, align_corners: bool) -> f32 {
    if align_corners && output > 1 {
        (input - 1) as f32 / (output - 1) as f32
    } else {
        input as f32 / output as f32
    }
}

fn extents(args: &Args<'_>) -> Result<([usize; 4], [usize; 2]), Error> {
    let dims = args.dims::<4>(0)?;
    let size: [usize; 2] = args
        .extents(1)?
        .try_into()
        .map_err(|_| args.bad(1, "is no pair of height and width"))?;
    if dims[1] == 0 || dims[2] == 0 {
        return Err(args.bad(0, format!("is {}, which has no pixels", args.get(0)?.ty())));
    }
    Ok((dims, size))
}

/// For each result position the two input positions that it lies between, and how far it is behind the first.
fn between(input: usize, output: usize, align_corners: bool, half_pixel: bool) -> Vec<(usize, usize, f32)> {
    let scale = scale(input, output, align_corners);
    (0..output)
        .map(|i| {
            let at = if half_pixel {
                (i as f32 + 0.5) * scale - 0.5
            } else {
                i as f32 * scale
            };
            let low = (at.floor().max(0.0) as usize).min(input - 1);
            let high = (at.ceil().max(0.0) as usize).min(input - 1);
            (low, high, at - low as f32)
        })
        .collect()
}

/// `resize_bilinear`.
pub(crate) fn bilinear(align_corners: bool, half_pixel: bool, args: &Args<'_>) -> Result<Tensor, Error> {
    let ([batch, height, width, channels], size) = extents(args)?;
    let dims = [batch, size[0], size[1], channels];
    let dtype = args.get(0)?.dtype();
    let (rows, columns) = (
        between(height, size[0].min(args.limit()), align_corners, half_pixel),
        between(width, size[1].min(args.limit()), align_corners, half_pixel),
    );
    numbers!(
        dtype,
        T => {
            let x = args.elements::<T>(0)?;
            let mut out = args.alloc::<T>(&dims, T::ZERO)?;
            let mut at = 0;
            for image in 0..batch {
                for &(y0, y1, dy) in &rows {
                    for &(x0, x1, dx) in &columns {
                        let place = |y: usize, x: usize| ((image * height + y) * width + x) * channels;
                        let corners = [place(y0, x0), place(y1, x0), place(y0, x1), place(y1, x1)];
                        let weights = [(1.0 - dy) * (1.0 - dx), dy * (1.0 - dx), (1.0 - dy) * dx, dy * dx];
                        for c in 0..channels {
                            let sum: f32 = corners.iter().zip(weights).map(|(corner, w)| x[corner + c].to_f64() as f32 * w).sum();
                            out[at] = T::from_f64(f64::from(sum));
                            at += 1;
                        }
                    }
                }
            }
            Ok(Tensor::from_vec(&dims, out))
        },
        Err(args.element_type(dtype))
    )
}

/// `resize_nearest_neighbor`.
pub(crate) fn nearest(align_corners: bool, half_pixel: bool, args: &Args<'_>) -> Result<Tensor, Error> {
    let ([batch, height, width, channels], size) = extents(args)?;
    let input = args.get(0)?;
    let mut builder = Builder::new(args, input, &[batch, size[0], size[1], channels])?;
    let pick = |i: usize, from: usize, to: usize| {
        let at = (i as f32 + if half_pixel { 0.5 } else { 0.0 }) * scale(from, to, align_corners);
        (if align_corners { at.round() } else { at.floor() }.max(0.0) as usize).min(from - 1)
    };
    let cells = Cells::of(input);
    for image in 0..batch {
        for y in 0..size[0] {
            let y = pick(y, height, size[0]);
            for x in 0..size[1] {
                builder.push(
                    &cells,
                    ((image * height + y) * width + pick(x, width, size[1])) * channels,
                    channels,
                );
            }
        }
    }
    builder.finish()
}
