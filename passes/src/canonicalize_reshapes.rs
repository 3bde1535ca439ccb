//! Writes everything that only renames dimensions as `reshape`: `squeeze`, `expand_dims`, and a `transpose` that moves
//! nothing but dimensions of 1.

use planish_core::{Dim, Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Value, inventory};

use crate::reshaping::{Reshaped, permutation};

/// Turns `squeeze`, `expand_dims` and trivial `transpose` into `reshape`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CanonicalizeReshapes;

impl Rule for CanonicalizeReshapes {
    const NAME: &'static str = "canonicalize_reshapes";
    const SUMMARY: &'static str = "writes squeeze, expand_dims and trivial transposes as reshape";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Reshaped;

    fn find(&self, op: OpRef<'_>) -> Result<Reshaped, Skip> {
        let input = match op.op() {
            Op::Squeeze(_) | Op::ExpandDims(_) | Op::Transpose(_) => op.operand(0).ok_or(Skip::No)?,
            _ => return Err(Skip::No),
        };
        if matches!(op.op(), Op::Transpose(_)) {
            let moved = permutation(op).ok_or(Skip::No)?;
            let dims = input.ty().shape.dims().ok_or(Skip::No)?;
            let order: Vec<usize> = moved.into_iter().filter(|&a| dims.get(a) != Some(&Dim::Known(1))).collect();
            if !order.is_sorted() {
                return Err(Skip::No);
            }
        }
        Reshaped::of(input, op.result(0))
    }

    fn rewrite(&self, found: Reshaped, graph: &mut Graph) -> Vec<Value> {
        vec![found.build(graph)]
    }
}

inventory::submit! { PassEntry::of::<CanonicalizeReshapes>() }
