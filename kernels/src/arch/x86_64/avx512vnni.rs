//! Hybrid tile for AVX-512 with VNNI: 6 rows by 4 vectors of 16 columns, 4 elements of depth an instruction.
//!
//! `vpdpbusd` multiplies unsigned by signed bytes and adds four products to each 32-bit sum without saturation. The left
//! operand is stored unsigned, so each sum starts from `−zero_point · sum[c]`.

use std::arch::x86_64::*;

use super::avx512::store;
use crate::arch::{Block, Clamp, Panel, Rows, Tile, check};

/// Hybrid tile.
#[derive(Clone, Copy, Debug)]
pub struct Hybrid(());

impl Tile for Hybrid {
    type Left = u8;
    type Right = i8;
    const ISA: &'static str = "avx512vnni";
    const MR: usize = 6;
    const NR: usize = 64;
    const LANES: usize = 16;
    const KR: usize = 4;

    fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")).then_some(Hybrid(()))
    }

    fn run(self, left: Rows<'_, u8>, panel: Panel<'_, i8>, out: Block<'_>, clamp: Clamp) {
        check::<Self>(&left, &panel, &out);
        assert!(
            left.scales().len() == left.count() && panel.scales().len() == panel.width(),
            "scales of rows and columns"
        );
        // SAFETY: `new` saw AVX-512 F and VNNI, `check` that the operands fit each other, and the line above that
        // the scales are there; the numbers of rows and of vectors are those of the function called.
        unsafe {
            match panel.width() / Self::LANES {
                1 => with_vectors::<1>(left, panel, out, clamp),
                2 => with_vectors::<2>(left, panel, out, clamp),
                3 => with_vectors::<3>(left, panel, out, clamp),
                4 => with_vectors::<4>(left, panel, out, clamp),
                _ => {}
            }
        }
    }
}

/// # Safety
/// As for [`block`], of which it chooses the number of rows.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn with_vectors<const V: usize>(left: Rows<'_, u8>, panel: Panel<'_, i8>, out: Block<'_>, clamp: Clamp) {
    // SAFETY: the caller's promise, with `R` equal to the number of rows.
    unsafe {
        match left.count() {
            1 => block::<1, V>(left, panel, out, clamp),
            2 => block::<2, V>(left, panel, out, clamp),
            3 => block::<3, V>(left, panel, out, clamp),
            4 => block::<4, V>(left, panel, out, clamp),
            5 => block::<5, V>(left, panel, out, clamp),
            6 => block::<6, V>(left, panel, out, clamp),
            _ => {}
        }
    }
}

/// # Safety
/// The CPU must have AVX-512 F and VNNI; `left` and `out` must have `R` rows, `panel` `16 · V` columns, at most as many
/// `out` and more than `16 · (V − 1)`; the depths must be equal and a multiple of 4; rows and columns must have scales.
#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn block<const R: usize, const V: usize>(left: Rows<'_, u8>, panel: Panel<'_, i8>, mut out: Block<'_>, clamp: Clamp) {
    let (rows, stride) = (left.as_ptr(), left.stride());
    let mut weights = panel.values().as_ptr();
    let mut sums = [[_mm512_setzero_si512(); V]; R];
    // SAFETY: `sums`, `scales` and `bias` of the panel hold `16 · V` elements, each row of `left` and column of the
    // panel `depth`, a multiple of 4; the four bytes are read without demanding alignment.
    unsafe {
        for v in 0..V {
            let columns = _mm512_loadu_si512(panel.sums().as_ptr().add(16 * v).cast());
            for r in 0..R {
                let zero_point = _mm512_set1_epi32(left.scales()[r].zero_point.wrapping_neg());
                sums[r][v] = _mm512_mullo_epi32(zero_point, columns);
            }
        }
        for group in 0..left.depth() / 4 {
            let mut columns = [_mm512_setzero_si512(); V];
            for v in 0..V {
                columns[v] = _mm512_loadu_si512(weights.add(64 * v).cast());
            }
            for r in 0..R {
                let values = _mm512_set1_epi32(rows.add(r * stride + 4 * group).cast::<i32>().read_unaligned());
                for v in 0..V {
                    sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], values, columns[v]);
                }
            }
            weights = weights.add(64 * V);
        }
        let mut results = [[_mm512_setzero_ps(); V]; R];
        for v in 0..V {
            let scale = _mm512_loadu_ps(panel.scales().as_ptr().add(16 * v));
            let bias = _mm512_loadu_ps(panel.bias().as_ptr().add(16 * v));
            for r in 0..R {
                let scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[r][v]), _mm512_set1_ps(left.scales()[r].scale));
                results[r][v] = _mm512_fmadd_ps(scaled, scale, bias);
            }
        }
        store(&results, &mut out, clamp);
    }
}
