//! Tiles for AVX2 with FMA: float 6 rows by 2 vectors of 8 columns, hybrid 5 by 2.
//!
//! The hybrid tile widens both operands to 16 bits and lets `vpmaddwd` add the products of two elements of depth into 32
//! bits: exact, where the one-instruction product of bytes (`vpmaddubsw`) would saturate.

use std::arch::x86_64::*;

use crate::arch::{Block, Clamp, Panel, Rows, Tile, check};

fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Float tile.
#[derive(Clone, Copy, Debug)]
pub struct Float(());

impl Tile for Float {
    type Left = f32;
    type Right = f32;
    const ISA: &'static str = "avx2";
    const MR: usize = 6;
    const NR: usize = 16;
    const LANES: usize = 8;
    const KR: usize = 1;

    fn new() -> Option<Self> {
        available().then_some(Float(()))
    }

    fn run(self, left: Rows<'_, f32>, panel: Panel<'_, f32>, out: Block<'_>, clamp: Clamp) {
        check::<Self>(&left, &panel, &out);
        // SAFETY: `new` saw AVX2 and FMA, and `check` saw that the operands fit each other; the numbers of rows and
        // of vectors are those of the function called.
        unsafe {
            match (left.count(), panel.width() / Self::LANES) {
                (1, 1) => float::<1, 1>(left, panel, out, clamp),
                (2, 1) => float::<2, 1>(left, panel, out, clamp),
                (3, 1) => float::<3, 1>(left, panel, out, clamp),
                (4, 1) => float::<4, 1>(left, panel, out, clamp),
                (5, 1) => float::<5, 1>(left, panel, out, clamp),
                (6, 1) => float::<6, 1>(left, panel, out, clamp),
                (1, 2) => float::<1, 2>(left, panel, out, clamp),
                (2, 2) => float::<2, 2>(left, panel, out, clamp),
                (3, 2) => float::<3, 2>(left, panel, out, clamp),
                (4, 2) => float::<4, 2>(left, panel, out, clamp),
                (5, 2) => float::<5, 2>(left, panel, out, clamp),
                (6, 2) => float::<6, 2>(left, panel, out, clamp),
                _ => {}
            }
        }
    }
}

/// # Safety
/// The CPU must have AVX2 and FMA; `left` and `out` must have `R` rows, `panel` `8 · V` columns, at most as many `out`
/// and more than `8 · (V − 1)`, and the depths must be equal.
#[target_feature(enable = "avx2,fma")]
unsafe fn float<const R: usize, const V: usize>(left: Rows<'_, f32>, panel: Panel<'_, f32>, mut out: Block<'_>, clamp: Clamp) {
    let (rows, stride) = (left.as_ptr(), left.stride());
    let mut weights = panel.values().as_ptr();
    let mut sums = [[_mm256_setzero_ps(); V]; R];
    // SAFETY: `bias` holds `8 · V` elements, each row of `left` and column of the panel `depth`.
    unsafe {
        for v in 0..V {
            let start = _mm256_loadu_ps(panel.bias().as_ptr().add(8 * v));
            for r in 0..R {
                sums[r][v] = start;
            }
        }
        for k in 0..left.depth() {
            let mut columns = [_mm256_setzero_ps(); V];
            for v in 0..V {
                columns[v] = _mm256_loadu_ps(weights.add(8 * v));
            }
            for r in 0..R {
                let value = _mm256_set1_ps(*rows.add(r * stride + k));
                for v in 0..V {
                    sums[r][v] = _mm256_fmadd_ps(value, columns[v], sums[r][v]);
                }
            }
            weights = weights.add(8 * V);
        }
        store(&sums, &mut out, clamp);
    }
}

/// Hybrid tile.
#[derive(Clone, Copy, Debug)]
pub struct Hybrid(());

impl Tile for Hybrid {
    type Left = i16;
    type Right = i8;
    const ISA: &'static str = "avx2";
    const MR: usize = 5;
    const NR: usize = 16;
    const LANES: usize = 8;
    const KR: usize = 2;

    fn new() -> Option<Self> {
        available().then_some(Hybrid(()))
    }

    fn run(self, left: Rows<'_, i16>, panel: Panel<'_, i8>, out: Block<'_>, clamp: Clamp) {
        check::<Self>(&left, &panel, &out);
        assert!(
            left.scales().len() == left.count() && panel.scales().len() == panel.width(),
            "scales of rows and columns"
        );
        // SAFETY: `new` saw AVX2 and FMA, `check` that the operands fit each other, and the line above that the
        // scales are there; the numbers of rows and of vectors are those of the function called.
        unsafe {
            match (left.count(), panel.width() / Self::LANES) {
                (1, 1) => hybrid::<1, 1>(left, panel, out, clamp),
                (2, 1) => hybrid::<2, 1>(left, panel, out, clamp),
                (3, 1) => hybrid::<3, 1>(left, panel, out, clamp),
                (4, 1) => hybrid::<4, 1>(left, panel, out, clamp),
                (5, 1) => hybrid::<5, 1>(left, panel, out, clamp),
                (1, 2) => hybrid::<1, 2>(left, panel, out, clamp),
                (2, 2) => hybrid::<2, 2>(left, panel, out, clamp),
                (3, 2) => hybrid::<3, 2>(left, panel, out, clamp),
                (4, 2) => hybrid::<4, 2>(left, panel, out, clamp),
                (5, 2) => hybrid::<5, 2>(left, panel, out, clamp),
                _ => {}
            }
        }
    }
}

/// # Safety
/// The CPU must have AVX2 and FMA; `left` and `out` must have `R` rows, `panel` `8 · V` columns, at most as many `out`
/// and more than `8 · (V − 1)`; the depths must be equal and even; rows and columns must have scales.
#[target_feature(enable = "avx2,fma")]
unsafe fn hybrid<const R: usize, const V: usize>(left: Rows<'_, i16>, panel: Panel<'_, i8>, mut out: Block<'_>, clamp: Clamp) {
    let (rows, stride) = (left.as_ptr(), left.stride());
    let mut weights = panel.values().as_ptr();
    let mut sums = [[_mm256_setzero_si256(); V]; R];
    // SAFETY: `sums`, `scales` and `bias` of the panel hold `8 · V` elements, each row of `left` and column of the
    // panel `depth`, an even number; the pair of elements is read without demanding alignment.
    unsafe {
        for v in 0..V {
            let columns = _mm256_loadu_si256(panel.sums().as_ptr().add(8 * v).cast());
            for r in 0..R {
                let zero_point = _mm256_set1_epi32(left.scales()[r].zero_point.wrapping_neg());
                sums[r][v] = _mm256_mullo_epi32(zero_point, columns);
            }
        }
        for pair in 0..left.depth() / 2 {
            let mut columns = [_mm256_setzero_si256(); V];
            for v in 0..V {
                columns[v] = _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.add(16 * v).cast()));
            }
            for r in 0..R {
                let values = _mm256_set1_epi32(rows.add(r * stride + 2 * pair).cast::<i32>().read_unaligned());
                for v in 0..V {
                    sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(values, columns[v]));
                }
            }
            weights = weights.add(16 * V);
        }
        let mut results = [[_mm256_setzero_ps(); V]; R];
        for v in 0..V {
            let scale = _mm256_loadu_ps(panel.scales().as_ptr().add(8 * v));
            let bias = _mm256_loadu_ps(panel.bias().as_ptr().add(8 * v));
            for r in 0..R {
                let scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sums[r][v]), _mm256_set1_ps(left.scales()[r].scale));
                results[r][v] = _mm256_fmadd_ps(scaled, scale, bias);
            }
        }
        store(&results, &mut out, clamp);
    }
}

/// Clamps and writes a block of results.
///
/// # Safety
/// The CPU must have AVX2; `out` must have `R` rows of more than `8 · (V − 1)` and at most `8 · V` columns.
#[target_feature(enable = "avx2")]
unsafe fn store<const R: usize, const V: usize>(results: &[[__m256; V]; R], out: &mut Block<'_>, clamp: Clamp) {
    let (min, max) = (_mm256_set1_ps(clamp.min), _mm256_set1_ps(clamp.max));
    let last = out.columns() - 8 * (V - 1);
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(last as i32), lanes);
    let (start, stride) = (out.as_mut_ptr(), out.stride());
    for r in 0..R {
        for v in 0..V {
            let clamped = _mm256_min_ps(max, _mm256_max_ps(min, results[r][v]));
            // SAFETY: only the last vector may reach past the row, and there the mask leaves out what does.
            unsafe {
                let to = start.add(r * stride + 8 * v);
                if v + 1 < V || last == 8 {
                    _mm256_storeu_ps(to, clamped);
                } else {
                    _mm256_maskstore_ps(to, mask, clamped);
                }
            }
        }
    }
}
