//! Weights of recurrent layers, float or int8, and their products with rows.

use std::borrow::Cow;

use planish_core::DType;

use crate::error::Error;
use crate::hybrid::{quantize_row_asymmetric, quantize_row_symmetric};
use crate::reference::args::Args;
use crate::reference::products::{stored_int8, weight_scales};

/// A weight matrix `[rows, columns]`; a vector is a diagonal one.
pub(super) struct Matrix<'a> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    elements: Elements<'a>,
    diagonal: bool,
    asymmetric: bool,
}

enum Elements<'a> {
    Float(Cow<'a, [f32]>),
    Hybrid(Cow<'a, [i8]>, Vec<f32>),
}

impl<'a> Matrix<'a> {
    pub(super) fn of(args: &Args<'a>, operand: usize, asymmetric: bool) -> Result<Matrix<'a>, Error> {
        let tensor = args.get(operand)?;
        let (rows, columns, diagonal) = match *tensor.dims() {
            [rows, columns] => (rows, columns, false),
            [rows] => (rows, rows, true),
            _ => return Err(args.bad(operand, format!("is {}, expected a matrix", tensor.ty()))),
        };
        let elements = if tensor.dtype() == DType::F32 {
            Elements::Float(args.elements::<f32>(operand)?)
        } else {
            let stored = stored_int8(tensor).ok_or_else(|| args.element_type(tensor.dtype()))?;
            Elements::Hybrid(stored, weight_scales(args, operand, 0, rows)?)
        };
        Ok(Matrix {
            rows,
            columns,
            elements,
            diagonal,
            asymmetric,
        })
    }

    pub(super) fn optional(args: &Args<'a>, operand: usize, asymmetric: bool) -> Result<Option<Matrix<'a>>, Error> {
        args.optional(operand).map(|_| Matrix::of(args, operand, asymmetric)).transpose()
    }

    /// The reals that the elements stand for.
    pub(super) fn to_reals(&self) -> Vec<f32> {
        match &self.elements {
            Elements::Float(w) => w.to_vec(),
            Elements::Hybrid(w, scales) => {
                let each = (w.len() / scales.len()).max(1);
                w.iter().enumerate().map(|(i, &w)| f32::from(w) * scales[i / each]).collect()
            }
        }
    }

    /// Adds the product of each row of `x` with this matrix to the row of `out`.
    pub(super) fn add_product(&self, x: &[f32], out: &mut [f32]) {
        if self.rows == 0 || self.columns == 0 {
            return;
        }
        if self.diagonal {
            let reals = self.to_reals();
            out.iter_mut()
                .zip(x)
                .enumerate()
                .for_each(|(i, (out, x))| *out += x * reals[i % self.rows]);
            return;
        }
        if x.iter().all(|&x| x == 0.0) {
            return;
        }
        let mut quantized = vec![0i8; self.columns];
        for (x, out) in x.chunks_exact(self.columns).zip(out.chunks_exact_mut(self.rows)) {
            match &self.elements {
                Elements::Float(w) => {
                    for (out, w) in out.iter_mut().zip(w.chunks_exact(self.columns)) {
                        *out += w.iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
                    }
                }
                Elements::Hybrid(w, scales) => {
                    let quantize = if self.asymmetric {
                        quantize_row_asymmetric
                    } else {
                        quantize_row_symmetric
                    };
                    let how = quantize(x, &mut quantized);
                    for (row, (out, w)) in out.iter_mut().zip(w.chunks_exact(self.columns)).enumerate() {
                        let products = w
                            .iter()
                            .zip(&quantized)
                            .map(|(&w, &q)| i32::from(w) * (i32::from(q) - how.zero_point));
                        let sum = products.fold(0i32, i32::wrapping_add);
                        *out += sum as f32 * (how.scale * scales[if scales.len() == 1 { 0 } else { row }]);
                    }
                }
            }
        }
    }
}
