//! The real Fourier transform over the last two axes.

use std::f64::consts::TAU;

use planish_core::{DType, Tensor};

use super::args::{Args, invalid};
use super::complex;
use crate::error::Error;

/// The discrete Fourier transform of a sequence: halves as long as its length is even, by definition where it is odd.
fn transform(x: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let n = x.len();
    if n > 1 && n.is_multiple_of(2) {
        let half = |odd: usize| transform(&x.iter().copied().skip(odd).step_by(2).collect::<Vec<_>>());
        let (even, odd) = (half(0), half(1));
        let mut out = vec![[0.0; 2]; n];
        for k in 0..n / 2 {
            let (sin, cos) = (-TAU * k as f64 / n as f64).sin_cos();
            let turned = [odd[k][0] * cos - odd[k][1] * sin, odd[k][0] * sin + odd[k][1] * cos];
            out[k] = [even[k][0] + turned[0], even[k][1] + turned[1]];
            out[k + n / 2] = [even[k][0] - turned[0], even[k][1] - turned[1]];
        }
        return out;
    }
    (0..n)
        .map(|k| {
            x.iter().enumerate().fold([0.0; 2], |sum, (i, x)| {
                let (sin, cos) = (-TAU * (i * k % n) as f64 / n as f64).sin_cos();
                [sum[0] + x[0] * cos - x[1] * sin, sum[1] + x[0] * sin + x[1] * cos]
            })
        })
        .collect()
}

/// `rfft2d`: the input is cut, or filled up with zeros, to `fft_length`.
pub(crate) fn rfft2d(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let x = args.elements::<f32>(0)?;
    let rank = input.dims().len();
    let lengths = args.extents(1)?;
    let (2.., [rows, columns]) = (rank, &lengths[..]) else {
        return invalid(format!(
            "lengths {lengths:?} do not fit {}, which has to have two dimensions or more",
            input.ty()
        ));
    };
    let (rows, columns) = (*rows, *columns);
    if rows == 0 || columns == 0 {
        return Err(args.bad(1, "holds a 0"));
    }
    let (height, width) = (input.dims()[rank - 2], input.dims()[rank - 1]);
    let bins = columns / 2 + 1;
    let mut dims = input.dims()[..rank - 2].to_vec();
    let batch: usize = dims.iter().product();
    dims.extend([rows, bins]);
    let total = args.count(DType::Complex128, &dims)?;
    args.count(DType::Complex128, &[rows, columns])?;
    let mut out = vec![[0.0; 2]; total];
    for b in 0..batch {
        let mut spectrum = vec![vec![[0.0; 2]; bins]; rows];
        for r in 0..rows.min(height) {
            let row: Vec<[f64; 2]> = (0..columns)
                .map(|c| {
                    [
                        if c < width {
                            f64::from(x[(b * height + r) * width + c])
                        } else {
                            0.0
                        },
                        0.0,
                    ]
                })
                .collect();
            spectrum[r].copy_from_slice(&transform(&row)[..bins]);
        }
        for c in 0..bins {
            let column: Vec<[f64; 2]> = spectrum.iter().map(|row| row[c]).collect();
            for (r, value) in transform(&column).into_iter().enumerate() {
                out[(b * rows + r) * bins + c] = value;
            }
        }
    }
    Ok(complex::tensor(DType::Complex64, &dims, &out))
}
