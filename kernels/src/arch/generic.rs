//! Portable tiles in plain Rust, always available.

use super::{Block, Clamp, Panel, Rows, Tile, check};

/// Whether sums of products are rounded once for each product, as those of all other kernels.
pub(crate) const IS_FUSED: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Multiplies and adds with one rounding where the target has the instruction, with two elsewhere (a call to the
/// mathematical library for each product would be too slow).
#[inline(always)]
fn multiply_add(a: f32, b: f32, sum: f32) -> f32 {
    if IS_FUSED { a.mul_add(b, sum) } else { a * b + sum }
}

/// Float tile.
#[derive(Clone, Copy, Debug)]
pub struct Float(());

impl Tile for Float {
    type Left = f32;
    type Right = f32;
    const ISA: &'static str = "generic";
    const MR: usize = 4;
    const NR: usize = 8;
    const LANES: usize = 8;
    const KR: usize = 1;

    fn new() -> Option<Self> {
        Some(Float(()))
    }

    fn run(self, left: Rows<'_, f32>, panel: Panel<'_, f32>, out: Block<'_>, clamp: Clamp) {
        check::<Self>(&left, &panel, &out);
        match left.count() {
            1 => float::<1>(left, panel, out, clamp),
            2 => float::<2>(left, panel, out, clamp),
            3 => float::<3>(left, panel, out, clamp),
            4 => float::<4>(left, panel, out, clamp),
            _ => {}
        }
    }
}

fn float<const R: usize>(left: Rows<'_, f32>, panel: Panel<'_, f32>, mut out: Block<'_>, clamp: Clamp) {
    const NR: usize = Float::NR;
    let bias: &[f32; NR] = panel.bias().try_into().expect("a panel as wide as the tile");
    let rows: [&[f32]; R] = std::array::from_fn(|r| left.row(r));
    let mut sums = [*bias; R];
    let (weights, _) = panel.values().as_chunks::<NR>();
    for (k, weights) in weights.iter().enumerate() {
        for r in 0..R {
            sums[r] = add_column(sums[r], rows[r][k], weights);
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (out, &sum) in out.row(r).iter_mut().zip(sums) {
            *out = clamp.apply(sum);
        }
    }
}

#[inline(always)]
fn add_column(mut sums: [f32; Float::NR], value: f32, weights: &[f32; Float::NR]) -> [f32; Float::NR] {
    for c in 0..Float::NR {
        sums[c] = multiply_add(value, weights[c], sums[c]);
    }
    sums
}

/// Hybrid tile.
#[derive(Clone, Copy, Debug)]
pub struct Hybrid(());

impl Tile for Hybrid {
    type Left = i16;
    type Right = i8;
    const ISA: &'static str = "generic";
    const MR: usize = 4;
    const NR: usize = 8;
    const LANES: usize = 8;
    const KR: usize = 1;

    fn new() -> Option<Self> {
        Some(Hybrid(()))
    }

    fn run(self, left: Rows<'_, i16>, panel: Panel<'_, i8>, out: Block<'_>, clamp: Clamp) {
        check::<Self>(&left, &panel, &out);
        match left.count() {
            1 => hybrid::<1>(left, panel, out, clamp),
            2 => hybrid::<2>(left, panel, out, clamp),
            3 => hybrid::<3>(left, panel, out, clamp),
            4 => hybrid::<4>(left, panel, out, clamp),
            _ => {}
        }
    }
}

fn hybrid<const R: usize>(left: Rows<'_, i16>, panel: Panel<'_, i8>, mut out: Block<'_>, clamp: Clamp) {
    const NR: usize = Hybrid::NR;
    let rows: [&[i16]; R] = std::array::from_fn(|r| left.row(r));
    let mut sums = [[0i32; NR]; R];
    let (weights, _) = panel.values().as_chunks::<NR>();
    for (k, weights) in weights.iter().enumerate() {
        for r in 0..R {
            sums[r] = add_exactly(sums[r], rows[r][k], weights);
        }
    }
    for r in 0..R {
        let row = left.scales()[r];
        for (c, out) in out.row(r).iter_mut().enumerate() {
            let exact = sums[r][c].wrapping_sub(row.zero_point.wrapping_mul(panel.sums()[c]));
            *out = clamp.apply((exact as f32 * row.scale).mul_add(panel.scales()[c], panel.bias()[c]));
        }
    }
}

#[inline(always)]
fn add_exactly(mut sums: [i32; Hybrid::NR], value: i16, weights: &[i8; Hybrid::NR]) -> [i32; Hybrid::NR] {
    for c in 0..Hybrid::NR {
        sums[c] = sums[c].wrapping_add(i32::from(value) * i32::from(weights[c]));
    }
    sums
}
