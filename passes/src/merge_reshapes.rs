//! Lets a `reshape` of a `reshape` read what the first one reads.

use planish_core::op::Reshape;
use planish_core::{Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Value, infer, inventory};

/// Merges consecutive `reshape`s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MergeReshapes;

impl Rule for MergeReshapes {
    const NAME: &'static str = "merge_reshapes";
    const SUMMARY: &'static str = "merges consecutive reshapes";
    const MEANING: Meaning = Meaning::Exact;
    type Match = (Value, Value);

    fn find(&self, op: OpRef<'_>) -> Result<(Value, Value), Skip> {
        let Op::Reshape(_) = op.op() else { return Err(Skip::No) };
        let (middle, shape) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
        let Op::Reshape(_) = middle.producer().op() else {
            return Err(Skip::No);
        };
        let input = middle.producer().operand(0).ok_or(Skip::No)?;
        if input.ty().quant.as_ref().is_some_and(|q| q.axis().is_some()) {
            return Err(Skip::No);
        }
        // What cannot run may still fit as two steps: `f32[?, 0]` to `f32[?]` to `f32[5]`, whatever is declared of the last.
        let results = infer::results(op.op(), &[Some(input), Some(shape)]).map_err(|_| Skip::No)?;
        match &results[..] {
            [result] if result.shape.compatible(&op.result(0).ty().shape) => Ok((input.id(), shape.id())),
            _ => Err(Skip::No),
        }
    }

    fn rewrite(&self, (input, shape): (Value, Value), graph: &mut Graph) -> Vec<Value> {
        vec![graph.add(Reshape {}, &[input, shape])]
    }
}

inventory::submit! { PassEntry::of::<MergeReshapes>() }
