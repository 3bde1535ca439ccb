//! Tiles: the innermost block of a matrix product, one file an instruction set, and the only home of `unsafe` in this crate.
//!
//! A tile computes up to `MR` rows by `NR` columns of
//!
//! ```text
//! float:   out[r, c] = clamp(bias[c] + Σ_k left[r, k] · right[c, k])
//! hybrid:  acc[r, c] = Σ_k left[r, k] · right[c, k]  −  zero_point[r] · sum[c]        exact, in i32
//!          out[r, c] = clamp(fma(f32(acc[r, c]) · scale[r], scale[c], bias[c]))
//! ```
//!
//! Float sums run over `k` in ascending order, start from the bias and use one accumulator per element. With a fused
//! multiply-add the result is therefore a function of the operands alone, equal on every instruction set that has one;
//! only the portable tile on a target without it rounds the products too. Hybrid results are bit-equal everywhere: the
//! sums are exact and each rounding of the epilogue is prescribed.

mod elementwise;
pub mod generic;
mod operands;
#[cfg(target_arch = "x86_64")]
pub mod x86_64;

pub(crate) use elementwise::{Elementwise, widest};
pub use operands::{Block, Clamp, Panel, RowScale, Rows};

/// A block of a matrix product for one instruction set. A value of the type is the proof that this CPU can run it.
pub trait Tile: Copy + Send + Sync + 'static {
    /// An element of the left operand: `f32`, or a quantized activation plus 128 (in 0..=255).
    type Left: Copy + Default + Send + Sync + 'static;
    /// An element of the packed weights.
    type Right: Copy + Default + Send + Sync + 'static;
    /// The last part of the kernel's name.
    const ISA: &'static str;
    /// The most rows of one call.
    const MR: usize;
    /// The columns of a full panel.
    const NR: usize;
    /// A panel's width is a multiple of this.
    const LANES: usize;
    /// Elements of one row or column that lie side by side; the depth of both operands is padded to a multiple of it.
    const KR: usize;

    /// The tile, if this CPU can run it.
    fn new() -> Option<Self>;

    /// Computes `left.count()` (at most `MR`) rows of one panel into `out`, which may be narrower than the panel.
    ///
    /// # Panics
    /// When the depths or the numbers of rows differ, or the panel is wider than `NR` or no multiple of `LANES`.
    fn run(self, left: Rows<'_, Self::Left>, panel: Panel<'_, Self::Right>, out: Block<'_>, clamp: Clamp);
}

/// What every tile demands of its operands, checked before anything unsafe relies on it.
fn check<T: Tile>(left: &Rows<'_, T::Left>, panel: &Panel<'_, T::Right>, out: &Block<'_>) {
    assert!(
        left.count() <= T::MR
            && left.count() == out.rows()
            && left.depth() == panel.depth()
            && left.depth().is_multiple_of(T::KR)
            && panel.width() <= T::NR
            && panel.width().is_multiple_of(T::LANES)
            && out.columns() <= panel.width()
            && out.columns() + T::LANES > panel.width(),
        "operands that do not fit the tile"
    );
}
