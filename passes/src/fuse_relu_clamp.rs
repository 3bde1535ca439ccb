//! Writes clamps made of `maximum` and `minimum` with constants as `relu` and its bounded kin.

use planish_core::op::{Relu, Relu0To1, Relu6, ReluN1To1};
use planish_core::{Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::matching::{cannot_enlarge, either_order, is_f32, number};

/// Turns `maximum(x, 0)` into `relu`, `minimum(relu(x), 6)` into `relu6`, and so on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseReluClamp;

const INFINITY: f64 = f64::INFINITY;

/// The input of a clamp and its bounds.
fn clamp<'g>(op: OpRef<'g>) -> Option<(ValueRef<'g>, f64, f64)> {
    let bounded = || either_order(op, |x, c| cannot_enlarge(c, x).then_some((x, number(c)?)));
    let (input, low, high) = match op.op() {
        Op::Relu(_) => (op.operand(0)?, 0.0, INFINITY),
        Op::Relu6(_) => (op.operand(0)?, 0.0, 6.0),
        Op::Relu0To1(_) => (op.operand(0)?, 0.0, 1.0),
        Op::ReluN1To1(_) => (op.operand(0)?, -1.0, 1.0),
        Op::Maximum(_) => bounded().map(|(x, c)| (x, c, INFINITY))?,
        Op::Minimum(_) => bounded().map(|(x, c)| (x, -INFINITY, c))?,
        _ => return None,
    };
    (is_f32(input) && !low.is_nan() && !high.is_nan()).then_some((input, low, high))
}

/// The operation that clamps to these bounds.
fn named(low: f64, high: f64) -> Option<Op> {
    Some(match (low, high) {
        (0.0, INFINITY) => Relu {}.into(),
        (0.0, 6.0) => Relu6 {}.into(),
        (0.0, 1.0) => Relu0To1 {}.into(),
        (-1.0, 1.0) => ReluN1To1 {}.into(),
        _ => return None,
    })
}

impl Rule for FuseReluClamp {
    const NAME: &'static str = "fuse_relu_clamp";
    const SUMMARY: &'static str = "writes maximum and minimum with constants as relu and its kin";
    const MEANING: Meaning = Meaning::Exact;
    type Match = (Op, Value);

    fn find(&self, op: OpRef<'_>) -> Result<(Op, Value), Skip> {
        let (input, low, high) = clamp(op).ok_or(Skip::No)?;
        if let Some((inner, floor, ceiling)) = clamp(input.producer())
            && low <= high
            && let Some(both) = named(floor.clamp(low, high), ceiling.clamp(low, high))
        {
            return Ok((both, inner.id()));
        }
        if matches!(op.op(), Op::Maximum(_) | Op::Minimum(_)) {
            return Ok((named(low, high).ok_or(Skip::No)?, input.id()));
        }
        Err(Skip::No)
    }

    fn rewrite(&self, (op, input): (Op, Value), graph: &mut Graph) -> Vec<Value> {
        vec![graph.add(op, &[input])]
    }
}

inventory::submit! { PassEntry::of::<FuseReluClamp>() }
