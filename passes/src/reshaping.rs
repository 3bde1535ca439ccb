//! Shapes as operands of `reshape`, and permutations as operands of `transpose`.

use planish_core::op::Reshape;
use planish_core::{Dim, Graph, OpRef, Shape, Skip, Value, ValueRef};

use crate::matching::integers;

/// A value and the shape that a `reshape` is to give it.
pub struct Reshaped {
    input: Value,
    shape: Vec<i32>,
}

impl Reshaped {
    /// What makes `result` of `input`, which has the same elements in the same order.
    pub(crate) fn of(input: ValueRef<'_>, result: ValueRef<'_>) -> Result<Reshaped, Skip> {
        let (from, to) = (input.ty(), &result.ty().shape);
        if from.quant.as_ref().is_some_and(|q| q.axis().is_some()) || !fits(&from.shape, to) {
            return Err(Skip::No);
        }
        let shape = target(to).ok_or_else(|| Skip::because("more than one extent is not known"))?;
        Ok(Reshaped { input: input.id(), shape })
    }

    pub(crate) fn build(self, graph: &mut Graph) -> Value {
        let shape = graph.add_ints(&self.shape);
        graph.add(Reshape {}, &[self.input, shape])
    }
}

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

/// Whether a value of one shape can be reshaped to the other, as far as extents are known: declared ones may contradict
/// each other where only running the model would tell.
fn fits(from: &Shape, to: &Shape) -> bool {
    let (Some(from), Some(to)) = (from.dims(), to.dims()) else {
        return true;
    };
    let known = |dims: &[Dim]| dims.iter().filter_map(|d| d.known()).try_fold(1usize, usize::checked_mul);
    if from.contains(&Dim::Unknown) && !from.contains(&Dim::Known(0)) {
        return true;
    }
    match (known(from), known(to)) {
        (Some(all), Some(said)) if !to.contains(&Dim::Unknown) => all == said,
        (Some(all), Some(0)) => all == 0,
        (Some(all), Some(said)) => all.is_multiple_of(said),
        _ => false,
    }
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
