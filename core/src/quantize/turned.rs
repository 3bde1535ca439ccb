//! Quantizes a matrix that lies transposed in memory: `[in, out]` weights and HWIO filters, as sources have them.
//!
//! Reals are rounded in the order in which they lie, where neighbours belong to different rows; bytes are turned then.

use multiversion::multiversion;

use super::balance::{BLOCK, Balance, error};
use super::{exact, fast, step as step_of, store};
use crate::Tensor;
use crate::attr::Rounding;
use crate::quant::Quant;
use crate::tensor::Turned;

/// Rows that are quantized together: some neighbouring cache lines to read.
const BAND: usize = 64;
/// Columns that are turned together, and balanced: a cache line of bytes to write.
const DEPTH: usize = BLOCK;

/// Some whole rows of a transposed matrix, each with a scale of its own or all with one.
pub(super) struct Rows<'t> {
    matrix: Turned<'t>,
    factors: Option<&'t [f64]>,
    scales: &'t [f32],
    rounding: Rounding,
    first: usize,
}

/// Quantizes rows, compiled for the widest vectors of this CPU: the same operations on the same elements, whatever the width.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl+avx512dq", "x86_64+avx2"))]
fn quantize(rows: &Rows<'_>, out: &mut [i8]) {
    for (band, out) in out.chunks_mut(BAND * rows.matrix.columns).enumerate() {
        rows.band(rows.first + band * BAND, out);
    }
}

impl<'t> Rows<'t> {
    /// Elements `first ..` of a tensor where they are such rows, and 0 stands for 0.
    pub(super) fn of(tensor: &'t Tensor, quant: &'t Quant, rounding: Rounding, first: usize, len: usize) -> Option<Rows<'t>> {
        let matrix = tensor.turned()?;
        let by_row = |axis: usize| tensor.dims()[..axis].iter().all(|&d| d == 1) && tensor.dims()[axis] == matrix.rows;
        let factors = tensor.factors();
        let fits = quant.axis().is_none_or(by_row) && factors.is_none_or(|(axis, _)| by_row(axis));
        let symmetric = quant.zero_points().iter().all(|&zero| zero == 0);
        (fits && symmetric && first.is_multiple_of(matrix.columns) && len.is_multiple_of(matrix.columns)).then_some(Rows {
            first: first / matrix.columns,
            factors: factors.map(|(_, factors)| factors),
            matrix,
            scales: quant.scales(),
            rounding,
        })
    }

    pub(super) fn quantize(&self, out: &mut [i8]) {
        quantize(self, out);
    }

    /// Quantizes up to [`BAND`] rows from `row` on.
    #[inline(always)]
    fn band(&self, row: usize, out: &mut [i8]) {
        let Turned { data, columns, step, .. } = self.matrix;
        let (data, _) = data.as_chunks::<4>();
        let width = out.len() / columns;
        let mut lanes = Lanes::default();
        for lane in 0..width {
            let step = step_of(self.scales[if self.scales.len() == 1 { 0 } else { row + lane }]);
            let factor = self.factors.map_or(1.0, |factors| factors[row + lane]);
            lanes.set(lane, factor, step);
        }
        let mut tile = [[0i8; BAND]; DEPTH];
        let mut errors = [[0f32; BAND]; DEPTH];
        let mut balance = (self.rounding == Rounding::Balanced).then(Balance::new);
        for start in (0..columns).step_by(DEPTH) {
            let depth = DEPTH.min(columns - start);
            for (c, line) in tile[..depth].iter_mut().enumerate() {
                let at = row + (start + c) * step;
                lanes.quantize(&data[at..at + width], line, balance.as_ref().map(|_| &mut errors[c]));
            }
            if let Some(balance) = &mut balance {
                balance.settle(&mut errors[..depth], &mut tile[..depth], start + depth == columns);
            }
            let whole = depth - depth % 8;
            for lane in (0..width).step_by(8) {
                let high = 8.min(width - lane);
                let row = |i: usize| (lane + i) * columns + start;
                for c in (0..whole).step_by(8) {
                    let block = std::array::from_fn(|i| tile[c + i][lane..lane + 8].try_into().expect("8 of a line's bytes"));
                    for (i, bytes) in turn_bytes(block)[..high].iter().enumerate() {
                        out[row(i) + c..][..8].copy_from_slice(bytes);
                    }
                }
                for (c, line) in tile.iter().enumerate().take(depth).skip(whole) {
                    (0..high).for_each(|i| out[row(i) + c] = line[lane + i]);
                }
            }
        }
    }
}

/// The parameters of the rows of a band.
///
/// What a real is multiplied with and the reciprocal of its step are one number. Together with the rounding of the
/// product of real and factor, which only the definition computes, the fast product is within `3 · 128 · 2⁻²⁴` of the
/// quotient: less than what the check for halves allows for.
struct Lanes {
    factors: [f64; BAND],
    steps: [f64; BAND],
    inverses: [f32; BAND],
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes {
            factors: [1.0; BAND],
            steps: [1.0; BAND],
            inverses: [1.0; BAND],
        }
    }
}

impl Lanes {
    fn set(&mut self, lane: usize, factor: f64, step: f64) {
        const LEAST_STEP: f64 = 1e-30;
        let inverse = (factor / step) as f32;
        self.factors[lane] = factor;
        self.steps[lane] = step;
        // Where a product of real and factor may have lost precision, NaN fails every check for halves.
        let precise = inverse.is_normal() && step > LEAST_STEP;
        self.inverses[lane] = if precise { inverse } else { f32::NAN };
    }

    /// Quantizes one element of each row, and finds the rounding errors if they are wanted.
    #[inline(always)]
    fn quantize(&self, reals: &[[u8; 4]], out: &mut [i8; BAND], errors: Option<&mut [f32; BAND]>) {
        let mut padded = [[0u8; 4]; BAND];
        let reals: &[[u8; 4]; BAND] = match reals.try_into() {
            Ok(reals) => reals,
            Err(_) => {
                padded[..reals.len()].copy_from_slice(reals);
                &padded
            }
        };
        let mut doubtful = 0;
        let Some(errors) = errors else {
            for lane in 0..BAND {
                doubtful += store(f32::from_le_bytes(reals[lane]), self.inverses[lane], 0, &mut out[lane]);
            }
            if doubtful > 0 {
                self.exact(reals, out);
            }
            return;
        };
        for lane in 0..BAND {
            let rounded = fast(f32::from_le_bytes(reals[lane]), self.inverses[lane], 0);
            (out[lane], errors[lane]) = (rounded.stored, rounded.error);
            doubtful += rounded.doubtful;
        }
        if doubtful > 0 {
            self.exact(reals, out);
            for lane in 0..BAND {
                errors[lane] = error(f32::from_le_bytes(reals[lane]), self.inverses[lane], out[lane]);
            }
        }
    }

    #[cold]
    fn exact(&self, reals: &[[u8; 4]; BAND], out: &mut [i8; BAND]) {
        for lane in 0..BAND {
            let real = (f64::from(f32::from_le_bytes(reals[lane])) * self.factors[lane]) as f32;
            out[lane] = exact(real, self.steps[lane], 0);
        }
    }
}

/// Transposes 8 by 8 bytes: halves of the rows change places across the diagonal, then quarters, then single bytes.
#[inline(always)]
fn turn_bytes(block: [[i8; 8]; 8]) -> [[i8; 8]; 8] {
    let mut rows = block.map(|row| u64::from_le_bytes(row.map(|byte| byte as u8)));
    for (distance, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)] {
        for low in (0..8).filter(|row| row & distance == 0) {
            let (upper, lower) = (rows[low], rows[low + distance]);
            let shift = 8 * distance;
            rows[low] = (upper & mask) | ((lower & mask) << shift);
            rows[low + distance] = ((upper >> shift) & mask) | (lower & !mask);
        }
    }
    rows.map(|row| row.to_le_bytes().map(|byte| byte as i8))
}

#[cfg(test)]
mod tests {
    use super::super::{quantize, quantize_part};
    use super::{Rounding, Tensor};
    use crate::quant::Quant;
    use crate::types::{DType, Type};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn turned_weights_are_quantized_like_packed_ones(
            rows in 1usize..150,
            columns in 1usize..150,
            per_row in any::<bool>(),
            scaled in any::<bool>(),
            balanced in any::<bool>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let count = rows * columns;
            let source = Tensor::from_vec(&[columns, rows], (0..count).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<f32>>());
            let mut tensor = source.transposed(&[1, 0]).unwrap();
            if scaled {
                tensor = tensor.scaled(0, &(0..rows).map(|r| 0.5 + r as f64).collect::<Vec<f64>>()).unwrap();
            }
            let quant = match per_row {
                true => Quant::symmetric_per_axis(0, (0..rows).map(|r| 0.01 + r as f32 * 0.001).collect()).unwrap(),
                false => Quant::per_tensor(0.02, 3).unwrap(),
            };
            let ty = Type::fixed(DType::I8, &[rows, columns]).with_quant(Some(quant.clone()));
            // A factor is multiplied with the step first or with the reals: sums of errors differ in their last places.
            let rounding = if balanced && per_row && !scaled { Rounding::Balanced } else { Rounding::Nearest };
            let expected = quantize(&tensor.to_packed(), &ty, rounding).unwrap().to_vec::<i8>();
            prop_assert_eq!(&quantize(&tensor, &ty, rounding).unwrap().to_vec::<i8>(), &expected);
            // Whole rows and parts of them.
            for cut in [cut.index(rows) * columns, cut.index(count)] {
                let mut parts = vec![0i8; count];
                let (head, tail) = parts.split_at_mut(cut);
                quantize_part(&tensor, &quant, rounding, 0, head).unwrap();
                quantize_part(&tensor, &quant, rounding, cut, tail).unwrap();
                prop_assert_eq!(&parts, &expected);
            }
        }
    }
}
