//! Plain loops compiled for the widest vectors of this CPU: the compiler does the vectorizing, so every instruction set
//! runs the same operations on the same elements and gives the same results.

/// A loop whose body is inlined (`#[inline(always)]`) into each instruction set's copy.
pub(crate) trait Elementwise {
    /// What the loop yields.
    type Output;
    /// Runs the loop.
    fn run(self) -> Self::Output;
}

/// Runs the loop with the widest vectors that this CPU has.
#[inline]
pub(crate) fn widest<E: Elementwise>(work: E) -> E::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
        {
            // SAFETY: the CPU has the features that the function is compiled for.
            return unsafe { on_avx512(work) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has the feature that the function is compiled for.
            return unsafe { on_avx2(work) };
        }
    }
    work.run()
}

/// # Safety
/// The CPU must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn on_avx2<E: Elementwise>(work: E) -> E::Output {
    work.run()
}

/// # Safety
/// The CPU must have AVX-512 F, BW, VL and DQ.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq")]
unsafe fn on_avx512<E: Elementwise>(work: E) -> E::Output {
    work.run()
}
