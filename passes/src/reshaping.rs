//! Shapes as operands of `reshape`, and permutations as operands of `transpose`.

use planish_core::{Dim, OpRef, Shape};

use crate::matching::integers;

/// The operand of a `reshape` to this shape, -1 where the one extent that may be unknown is; `None` where more are, or
/// where an extent of 0 leaves it open.
pub(crate) fn target(shape: &Shape) -> Option<Vec<i32>> {
    let dims = shape.dims()?;
    let unknown = dims.iter().filter(|d| **d == Dim::Unknown).count();
    if unknown > 1 || (unknown == 1 && dims.contains(&Dim::Known(0))) {
        return None;
    }
    dims.iter().map(|d| d.known().map_or(Some(-1), |n| i32::try_from(n).ok())).collect()
}

/// Whether two shapes of equally many elements are surely the same: one extent at most is unknown, in the same place.
pub(crate) fn surely_same(a: &Shape, b: &Shape) -> bool {
    let (Some(x), Some(y)) = (a.dims(), b.dims()) else { return false };
    x == y && target(a).is_some()
}

/// The constant permutation of a `transpose`, axes counted from the front.
pub(crate) fn permutation(op: OpRef<'_>) -> Option<Vec<usize>> {
    let axes = integers(op.operand(1)?)?;
    let rank = axes.len() as i64;
    axes.iter()
        .map(|&a| {
            usize::try_from(if a < 0 { a + rank } else { a })
                .ok()
                .filter(|&a| (a as i64) < rank)
        })
        .collect()
}
