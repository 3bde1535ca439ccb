//! Float tile for AVX-512: 6 rows by 4 vectors of 16 columns.

use std::arch::x86_64::*;

use crate::arch::{Block, Clamp, Panel, Rows, Tile, check};

/// Float tile.
#[derive(Clone, Copy, Debug)]
pub struct Float(());

impl Tile for Float {
    type Left = f32;
    type Right = f32;
    const ISA: &'static str = "avx512";
    const MR: usize = 6;
    const NR: usize = 64;
    const LANES: usize = 16;
    const KR: usize = 1;

    fn new() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Float(()))
    }

    fn run(self, left: Rows<'_, f32>, panel: Panel<'_, f32>, out: Block<'_>, clamp: Clamp) {
        check::<Self>(&left, &panel, &out);
        // SAFETY: `new` saw AVX-512 F, and `check` saw that the operands fit each other; the numbers of rows and of
        // vectors are those of the function called.
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
#[target_feature(enable = "avx512f")]
unsafe fn with_vectors<const V: usize>(left: Rows<'_, f32>, panel: Panel<'_, f32>, out: Block<'_>, clamp: Clamp) {
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
/// The CPU must have AVX-512 F; `left` and `out` must have `R` rows, `panel` `16 · V` columns, at most as many `out`
/// and more than `16 · (V − 1)`, and the depths must be equal.
#[target_feature(enable = "avx512f")]
unsafe fn block<const R: usize, const V: usize>(left: Rows<'_, f32>, panel: Panel<'_, f32>, mut out: Block<'_>, clamp: Clamp) {
    let (rows, stride) = (left.as_ptr(), left.stride());
    let mut weights = panel.values().as_ptr();
    let bias = panel.bias().as_ptr();
    let mut sums = [[_mm512_setzero_ps(); V]; R];
    // SAFETY: `bias` holds `16 · V` elements, each row of `left` and column of the panel `depth`.
    unsafe {
        for v in 0..V {
            let start = _mm512_loadu_ps(bias.add(16 * v));
            for r in 0..R {
                sums[r][v] = start;
            }
        }
        for k in 0..left.depth() {
            let mut columns = [_mm512_setzero_ps(); V];
            for v in 0..V {
                columns[v] = _mm512_loadu_ps(weights.add(16 * v));
            }
            for r in 0..R {
                let value = _mm512_set1_ps(*rows.add(r * stride + k));
                for v in 0..V {
                    sums[r][v] = _mm512_fmadd_ps(value, columns[v], sums[r][v]);
                }
            }
            weights = weights.add(16 * V);
        }
        store(&sums, &mut out, clamp);
    }
}

/// Clamps and writes a block of results.
///
/// # Safety
/// The CPU must have AVX-512 F; `out` must have `R` rows of more than `16 · (V − 1)` and at most `16 · V` columns.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn store<const R: usize, const V: usize>(results: &[[__m512; V]; R], out: &mut Block<'_>, clamp: Clamp) {
    let (min, max) = (_mm512_set1_ps(clamp.min), _mm512_set1_ps(clamp.max));
    let last = out.columns() - 16 * (V - 1);
    let mask = (((1u32 << last) - 1) & 0xffff) as __mmask16;
    let (start, stride) = (out.as_mut_ptr(), out.stride());
    for r in 0..R {
        for v in 0..V {
            let clamped = _mm512_min_ps(max, _mm512_max_ps(min, results[r][v]));
            // SAFETY: only the last vector may reach past the row, and there the mask leaves out what does.
            unsafe {
                let to = start.add(r * stride + 16 * v);
                if v + 1 < V {
                    _mm512_storeu_ps(to, clamped);
                } else {
                    _mm512_mask_storeu_ps(to, mask, clamped);
                }
            }
        }
    }
}
