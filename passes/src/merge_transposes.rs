//! Lets a `transpose` of a `transpose` move everything at once, or nothing where the two undo each other.

use planish_core::op::Transpose;
use planish_core::{Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Value, inventory};

use crate::reshaping::permutation;

/// Merges consecutive `transpose`s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MergeTransposes;

impl Rule for MergeTransposes {
    const NAME: &'static str = "merge_transposes";
    const SUMMARY: &'static str = "merges consecutive transposes";
    const MEANING: Meaning = Meaning::Exact;
    type Match = (Value, Vec<usize>);

    fn find(&self, op: OpRef<'_>) -> Result<(Value, Vec<usize>), Skip> {
        let Op::Transpose(_) = op.op() else { return Err(Skip::No) };
        let first = op.operand(0).ok_or(Skip::No)?.producer();
        let Op::Transpose(_) = first.op() else { return Err(Skip::No) };
        let (first_axes, second_axes) = (permutation(first).ok_or(Skip::No)?, permutation(op).ok_or(Skip::No)?);
        if first_axes.len() != second_axes.len() {
            return Err(Skip::No);
        }
        let both = second_axes.iter().map(|&a| first_axes[a]).collect();
        Ok((first.operand(0).ok_or(Skip::No)?.id(), both))
    }

    fn rewrite(&self, (input, axes): (Value, Vec<usize>), graph: &mut Graph) -> Vec<Value> {
        if axes.is_sorted() {
            return vec![input];
        }
        let axes = graph.add_ints(&axes.iter().map(|&a| a as i32).collect::<Vec<_>>());
        vec![graph.add(Transpose {}, &[input, axes])]
    }
}

inventory::submit! { PassEntry::of::<MergeTransposes>() }
