//! Writes `exp(x) / sum(exp(x))` over the last axis as `softmax`, with or without the maximum taken away first.

use planish_core::attr::Activation;
use planish_core::op::Softmax;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::matching::{integer, is_f32};

/// Fuses the formula of softmax.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseSoftmax;

/// Whether a reduction of `input` goes over the last axis alone and keeps it.
fn is_over_last(op: OpRef<'_>, input: ValueRef<'_>) -> bool {
    let keeps = match op.op() {
        Op::Sum(op) => op.keep_dims,
        Op::ReduceMax(op) => op.keep_dims,
        _ => false,
    };
    let rank = input.ty().shape.rank().map(|r| r as i64);
    let axis = op.operand(1).and_then(integer);
    keeps && op.operand(0).is_some_and(|x| x.id() == input.id()) && (axis == Some(-1) || axis.is_some() && axis == rank.map(|r| r - 1))
}

impl Rule for FuseSoftmax {
    const NAME: &'static str = "fuse_softmax";
    const SUMMARY: &'static str = "writes exp(x) / sum(exp(x)) as softmax";
    type Match = Value;

    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        let Op::Div(div) = op.op() else { return Err(Skip::No) };
        let (powers, sum) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
        let Op::Exp(_) = powers.producer().op() else { return Err(Skip::No) };
        let is_sum = matches!(sum.producer().op(), Op::Sum(_));
        if div.activation != Activation::None || !is_f32(powers) || !is_sum || !is_over_last(sum.producer(), powers) {
            return Err(Skip::No);
        }
        let input = powers.producer().operand(0).ok_or(Skip::No)?;
        let Op::Sub(sub) = input.producer().op() else {
            return Ok(input.id());
        };
        let (x, most) = (
            input.producer().operand(0).ok_or(Skip::No)?,
            input.producer().operand(1).ok_or(Skip::No)?,
        );
        let is_most = matches!(most.producer().op(), Op::ReduceMax(_)) && is_over_last(most.producer(), x);
        Ok(if is_most && sub.activation == Activation::None {
            x.id()
        } else {
            input.id()
        })
    }

    fn rewrite(&self, input: Value, graph: &mut Graph) -> Vec<Value> {
        vec![graph.add(Softmax { beta: 1.0 }, &[input])]
    }
}

inventory::submit! { PassEntry::of::<FuseSoftmax>() }
