//! Weights packed for one tile.

use crate::arch::{Panel, Tile};
use crate::gemm::Matrix;

/// The alignment of packed weights in bytes: a line of the cache.
const LINE: usize = 64;

/// The weights of one product, `[out, in]`, in panels of `NR` outputs; the last panel is as narrow as `LANES` allows.
pub(crate) struct Panels<T: Tile> {
    pub(crate) tile: T,
    outputs: usize,
    depth: usize,
    values: Vec<T::Right>,
    /// Where in `values` the first panel starts, so that panels are aligned.
    start: usize,
    bias: Vec<f32>,
    scales: Vec<f32>,
    sums: Vec<i32>,
}

impl<T: Tile> Panels<T> {
    /// Packs weights; scales and sums are for a hybrid product only.
    pub(crate) fn new(tile: T, weights: Matrix<'_, T::Right>, bias: Option<&[f32]>) -> Self {
        let outputs = weights.rows();
        let depth = weights.columns().next_multiple_of(T::KR);
        let padded = outputs.next_multiple_of(T::LANES);
        let size = std::mem::size_of::<T::Right>();
        let length = padded * depth;
        let mut values = vec![T::Right::default(); length + LINE / size];
        let start = values.as_ptr().align_offset(LINE).min(LINE / size);
        for first in (0..outputs).step_by(T::NR) {
            let width = T::NR.min(padded - first);
            pack::<T>(weights, first, width, &mut values[start + first * depth..][..width * depth]);
        }
        let bias = match bias {
            Some(bias) => {
                assert!(bias.len() == outputs, "one bias an output");
                let mut bias = bias.to_vec();
                bias.resize(padded, 0.0);
                bias
            }
            None => vec![0.0; padded],
        };
        Panels {
            tile,
            outputs,
            depth,
            values,
            start,
            bias,
            scales: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// The outputs.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The depth, padded to a multiple of `KR`.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The number of panels.
    pub(crate) fn count(&self) -> usize {
        self.outputs.div_ceil(T::NR)
    }

    /// One panel.
    #[inline]
    pub(crate) fn panel(&self, index: usize) -> Panel<'_, T::Right> {
        let first = index * T::NR;
        let width = T::NR.min(self.bias.len() - first);
        let values = &self.values[self.start + first * self.depth..][..width * self.depth];
        let (scales, sums) = if self.scales.is_empty() {
            (&[][..], &[][..])
        } else {
            (&self.scales[first..][..width], &self.sums[first..][..width])
        };
        Panel::new(values, width, self.depth, &self.bias[first..][..width], scales, sums)
    }
}

impl<T: Tile<Right = i8>> Panels<T> {
    /// Packs int8 weights with one scale, or one an output.
    pub(crate) fn quantized(tile: T, weights: Matrix<'_, i8>, scales: &[f32], bias: Option<&[f32]>) -> Self {
        let mut panels = Self::new(tile, weights, bias);
        let padded = panels.bias.len();
        panels.scales = match scales {
            [scale] => vec![*scale; padded],
            _ => {
                assert!(scales.len() == panels.outputs, "one scale, or one an output");
                let mut scales = scales.to_vec();
                scales.resize(padded, 0.0);
                scales
            }
        };
        panels.sums = (0..padded)
            .map(|output| {
                if output >= panels.outputs {
                    0
                } else if let Some(row) = weights.row(output) {
                    row.iter().fold(0i32, |sum, &weight| sum.wrapping_add(i32::from(weight)))
                } else {
                    (0..weights.columns()).fold(0i32, |sum, k| sum.wrapping_add(i32::from(weights.at(output, k))))
                }
            })
            .collect();
        panels
    }
}

/// Packs `width` outputs from `first` on; what lies outside the matrix stays zero.
fn pack<T: Tile>(weights: Matrix<'_, T::Right>, first: usize, width: usize, to: &mut [T::Right]) {
    let real = width.min(weights.rows() - first);
    for column in 0..real {
        if let Some(row) = weights.row(first + column) {
            for (group, values) in row.chunks(T::KR).enumerate() {
                to[(group * width + column) * T::KR..][..values.len()].copy_from_slice(values);
            }
        }
    }
    if real > 0 && weights.row(first).is_none() {
        for k in 0..weights.columns() {
            for column in 0..real {
                to[(k / T::KR * width + column) * T::KR + k % T::KR] = weights.at(first + column, k);
            }
        }
    }
}
