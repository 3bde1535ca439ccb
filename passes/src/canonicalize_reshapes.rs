//! Writes everything that only renames dimensions as `reshape`: `squeeze`, `expand_dims`, and a `transpose` that moves
//! nothing but dimensions of 1.

use planish_core::op::Reshape;
use planish_core::{Dim, Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Value, inventory};

use crate::reshaping::{fits, permutation, target};

/// Turns `squeeze`, `expand_dims` and trivial `transpose` into `reshape`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CanonicalizeReshapes;

/// The input and the shape to give it.
pub struct Match {
    input: Value,
    shape: Vec<i32>,
}

impl Rule for CanonicalizeReshapes {
    const NAME: &'static str = "canonicalize_reshapes";
    const SUMMARY: &'static str = "writes squeeze, expand_dims and trivial transposes as reshape";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let input = match op.op() {
            Op::Squeeze(_) | Op::ExpandDims(_) | Op::Transpose(_) => op.operand(0).ok_or(Skip::No)?,
            _ => return Err(Skip::No),
        };
        if input.ty().quant.as_ref().is_some_and(|q| q.axis().is_some()) {
            return Err(Skip::No);
        }
        if matches!(op.op(), Op::Transpose(_)) {
            let moved = permutation(op).ok_or(Skip::No)?;
            let dims = input.ty().shape.dims().ok_or(Skip::No)?;
            let order: Vec<usize> = moved.into_iter().filter(|&a| dims.get(a) != Some(&Dim::Known(1))).collect();
            if !order.is_sorted() {
                return Err(Skip::No);
            }
        }
        if !fits(&input.ty().shape, &op.result(0).ty().shape) {
            return Err(Skip::No);
        }
        let shape = target(&op.result(0).ty().shape).ok_or_else(|| Skip::because("more than one extent is not known"))?;
        Ok(Match { input: input.id(), shape })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let shape = graph.add_ints(&found.shape);
        vec![graph.add(Reshape {}, &[found.input, shape])]
    }
}

inventory::submit! { PassEntry::of::<CanonicalizeReshapes>() }
