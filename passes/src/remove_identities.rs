//! Removes operations whose result is their operand.

use planish_core::{DType, Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

/// Removes operations whose result is their operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RemoveIdentities;

impl Rule for RemoveIdentities {
    const NAME: &'static str = "remove_identities";
    const SUMMARY: &'static str = "removes operations that change nothing";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Value;

    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        let data = if matches!(op.op(), Op::Split(_)) {
            op.operand(1)
        } else {
            op.operand(0)
        };
        let data = data.ok_or(Skip::No)?;
        let nothing = changes_nothing(op, data) == Some(true);
        (nothing && !copies_state(op, data)).then(|| data.id()).ok_or(Skip::No)
    }

    fn rewrite(&self, found: Value, _: &mut Graph) -> Vec<Value> {
        vec![found]
    }
}

fn changes_nothing(op: OpRef<'_>, data: ValueRef<'_>) -> Option<bool> {
    let constants = |i: usize| op.operand(i).and_then(|v| v.constant()).and_then(|t| t.to_ints());
    let all = |i: usize, wanted: i64| constants(i).is_some_and(|v| v.iter().all(|&n| n == wanted));
    let same_shape = || {
        let (from, to) = (&data.ty().shape, &op.result(0).ty().shape);
        from.known().is_some() && from == to
    };
    let unknown = |v: ValueRef<'_>| {
        v.ty()
            .shape
            .dims()
            .map_or(usize::MAX, |d| d.iter().filter(|d| d.known().is_none()).count())
    };
    Some(match op.op() {
        Op::Identity(_) => true,
        Op::Reshape(_) | Op::BroadcastTo(_) => {
            same_shape() || matches!(op.op(), Op::Reshape(_)) && data.ty().shape == op.result(0).ty().shape && unknown(data) <= 1
        }
        // From a place that only running tells there may be nothing to take.
        Op::Slice(_) => same_shape() && all(1, 0),
        Op::StridedSlice(_) => same_shape() && !reverses(op) && constants(1).is_some(),
        Op::Transpose(_) => constants(1)?.iter().enumerate().all(|(i, &p)| p == i as i64),
        Op::Cast(cast) => cast.dtype == data.ty().dtype && data.ty().quant.is_none(),
        Op::Pad(_) => all(1, 0),
        Op::PadV2(_) => all(1, 0),
        Op::MirrorPad(_) => all(1, 0),
        Op::Tile(_) => all(1, 1),
        Op::Concatenation(c) => op.operands().len() == 1 && c.activation == planish_core::attr::Activation::None,
        Op::AddN(_) => op.operands().len() == 1,
        Op::Split(split) => split.num == 1,
        Op::ReverseV2(_) => constants(1)?.is_empty(),
        Op::Mean(_) | Op::Sum(_) | Op::ReduceProd(_) | Op::ReduceMax(_) | Op::ReduceMin(_) => {
            constants(1)?.is_empty() && data.ty() == op.result(0).ty()
        }
        Op::Relu(_) => matches!(data.producer().op(), Op::Relu(_) | Op::Relu6(_)),
        Op::LogicalAnd(_) | Op::LogicalOr(_) => op.operand(1)?.id() == data.id(),
        Op::Floor(_) | Op::Ceil(_) | Op::Round(_) => data.ty().dtype != DType::F32 && data.ty().dtype.is_int(),
        _ => false,
    })
}

/// Whether this may be the copy of a loop's state that [`CopyMovedState`](crate::CopyMovedState) makes: a reshape of a
/// parameter that is a result of a later place.
fn copies_state(op: OpRef<'_>, data: ValueRef<'_>) -> bool {
    let (graph, copy) = (op.graph(), op.result(0).id());
    if !matches!(op.op(), Op::Reshape(_)) || data.id().op != graph.parameters_op() {
        return false;
    }
    let from = graph.parameters().iter().position(|&parameter| parameter == data.id());
    let to = graph.results().iter().rposition(|&result| result == copy);
    from < to
}

/// Whether a strided slice steps backwards.
fn reverses(op: OpRef<'_>) -> bool {
    matches!(op.op(), Op::StridedSlice(_))
        && !op
            .operand(3)
            .and_then(|v| v.constant())
            .and_then(|t| t.to_ints())
            .is_some_and(|s| s.iter().all(|&n| n == 1))
}

inventory::submit! { PassEntry::of::<RemoveIdentities>() }
