//! The table of kernels and the choice among them.
//!
//! A kernel is named *operation/precision/isa*, as `conv_2d/hybrid/avx2`. The table is scanned best first and the first
//! kernel that this machine can run is taken; any other can be asked for by name. Kernels register themselves: another
//! crate adds one with `inventory::submit! { Kernel { … } }`.

use crate::arch::{Tile, generic};
use crate::gemm::{Matrix, Product, pack_float, pack_hybrid};

/// The operations that have kernels of more than one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Rows by a weight matrix.
    FullyConnected,
    /// Matrix by matrix, for each of a batch.
    BatchMatmul,
    /// Images by filters.
    Conv2d,
}

/// What an operation computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Float weights and activations.
    Float,
    /// Int8 weights, activations quantized as they arrive, exact integer sums, float results.
    Hybrid,
}

/// Packs float weights `[out, in]`, a bias and a number of groups; nothing if this machine cannot run the kernel.
pub type PackFloat = fn(Matrix<'_, f32>, Option<&[f32]>, usize) -> Option<Box<dyn Product>>;

/// Packs int8 weights `[out, in]`, their scales (one, or one an output), a bias and a number of groups; nothing if this
/// machine cannot run the kernel.
pub type PackHybrid = fn(Matrix<'_, i8>, &[f32], Option<&[f32]>, usize) -> Option<Box<dyn Product>>;

/// How a kernel takes its weights.
#[derive(Clone, Copy)]
pub enum Pack {
    /// A float kernel.
    Float(PackFloat),
    /// A hybrid kernel.
    Hybrid(PackHybrid),
}

/// An entry of the table.
pub struct Kernel {
    /// *operation/precision/isa*, unique.
    pub name: &'static str,
    /// What it computes.
    pub operation: Operation,
    /// What it computes with.
    pub precision: Precision,
    /// Of two kernels that can run, the one of the higher rank is better.
    pub rank: u32,
    /// Whether this machine can run it.
    pub available: fn() -> bool,
    /// Packs weights for it.
    pub pack: Pack,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kernel").field(&self.name).finish()
    }
}

inventory::collect!(Kernel);

fn runs<T: Tile>() -> bool {
    T::new().is_some()
}

macro_rules! tile {
    (float $tile:ty, $isa:literal, $rank:literal) => {
        tile!(@each Float, $tile, "float", $isa, $rank, Pack::Float(pack_float::<$tile>));
    };
    (hybrid $tile:ty, $isa:literal, $rank:literal) => {
        tile!(@each Hybrid, $tile, "hybrid", $isa, $rank, Pack::Hybrid(pack_hybrid::<$tile>));
    };
    (@each $precision:ident, $tile:ty, $word:literal, $isa:literal, $rank:literal, $pack:expr) => {
        inventory::submit! { Kernel { name: concat!("fully_connected/", $word, "/", $isa), operation: Operation::FullyConnected, precision: Precision::$precision, rank: $rank, available: runs::<$tile>, pack: $pack } }
        inventory::submit! { Kernel { name: concat!("batch_matmul/", $word, "/", $isa), operation: Operation::BatchMatmul, precision: Precision::$precision, rank: $rank, available: runs::<$tile>, pack: $pack } }
        inventory::submit! { Kernel { name: concat!("conv_2d/", $word, "/", $isa), operation: Operation::Conv2d, precision: Precision::$precision, rank: $rank, available: runs::<$tile>, pack: $pack } }
    };
}

tile!(float generic::Float, "generic", 0);
tile!(hybrid generic::Hybrid, "generic", 0);

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::*;
    use crate::arch::x86_64::{avx2, avx512, avx512vnni};

    tile!(float avx2::Float, "avx2", 100);
    tile!(hybrid avx2::Hybrid, "avx2", 100);
    tile!(float avx512::Float, "avx512", 200);
    tile!(hybrid avx512vnni::Hybrid, "avx512vnni", 200);
}

/// Every registered kernel, grouped by operation and precision, best first; of equal rank, by name.
pub fn kernels() -> Vec<&'static Kernel> {
    let mut kernels: Vec<&'static Kernel> = inventory::iter::<Kernel>.into_iter().collect();
    kernels.sort_by_key(|kernel| (kernel.operation, kernel.precision, std::cmp::Reverse(kernel.rank), kernel.name));
    kernels
}

/// Whether this machine can run kernels of this crate other than the portable ones.
pub(crate) fn runs_other_than_generic() -> bool {
    #[cfg(target_arch = "x86_64")]
    return runs::<crate::arch::x86_64::avx2::Float>();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// The kernel of this name, whether or not this machine can run it.
pub fn find(name: &str) -> Option<&'static Kernel> {
    inventory::iter::<Kernel>.into_iter().find(|kernel| kernel.name == name)
}

/// The best kernel that this machine can run.
pub fn choose(operation: Operation, precision: Precision) -> &'static Kernel {
    kernels()
        .into_iter()
        .find(|kernel| kernel.operation == operation && kernel.precision == precision && (kernel.available)())
        .expect("the portable kernels of every operation, which any machine runs")
}
