//! Gives `reshape` a constant shape where at most one extent is known only at run time, and writes slices that only drop
//! dimensions of 1 as `reshape`: shapes that need not be computed are known before the model runs.

use planish_core::op::StridedSlice;
use planish_core::{Dim, Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Value, inventory};

use crate::matching::integers;
use crate::reshaping::Reshaped;

/// Replaces shapes that are computed at run time by constants with one -1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SimplifyShapes;

impl Rule for SimplifyShapes {
    const NAME: &'static str = "simplify_shapes";
    const SUMMARY: &'static str = "replaces shapes that are computed at run time by constants";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Reshaped;

    fn find(&self, op: OpRef<'_>) -> Result<Reshaped, Skip> {
        let input = op.operand(0).ok_or(Skip::No)?;
        let applies = match op.op() {
            Op::Reshape(_) => op.operand(1).is_some_and(|s| s.constant().is_none()),
            Op::StridedSlice(slice) => drops_ones(op, slice).unwrap_or(false),
            _ => false,
        };
        if !applies {
            return Err(Skip::No);
        }
        Reshaped::of(input, op.result(0))
    }

    fn rewrite(&self, found: Reshaped, graph: &mut Graph) -> Vec<Value> {
        vec![found.build(graph)]
    }
}

/// Whether a slice takes everything, but for dimensions of 1 that it drops.
fn drops_ones(op: OpRef<'_>, slice: &StridedSlice) -> Option<bool> {
    if slice.ellipsis_mask != 0 || slice.new_axis_mask != 0 || slice.shrink_axis_mask == 0 || slice.offset {
        return Some(false);
    }
    let dims = op.operand(0)?.ty().shape.dims()?;
    let strides = integers(op.operand(3)?)?;
    let set = |mask: i32, axis: usize| axis < 31 && mask >> axis & 1 == 1;
    let (mut kept, mut whole) = (Vec::new(), true);
    for (axis, &dim) in dims.iter().enumerate() {
        if set(slice.shrink_axis_mask, axis) {
            whole &= dim == Dim::Known(1);
            continue;
        }
        let untouched = axis >= strides.len();
        let open = set(slice.begin_mask, axis) && set(slice.end_mask, axis);
        whole &= untouched || strides[axis] == 1 && (open || dim.known().is_some());
        kept.push(dim);
    }
    Some(whole && op.result(0).ty().shape.dims()? == kept)
}

inventory::submit! { PassEntry::of::<SimplifyShapes>() }
