//! Finds leaky ReLU in a choice between `x` and `a · x` by the sign of `x`.

use planish_core::op::LeakyRelu;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::formula::multiple;
use crate::matching::{is_f32, number};

/// Fuses that choice to `leaky_relu`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseLeakyRelu;

/// The input, and the slope where it is negative.
pub struct Match {
    input: Value,
    alpha: f32,
}

impl Rule for FuseLeakyRelu {
    const NAME: &'static str = "fuse_leaky_relu";
    const SUMMARY: &'static str = "finds leaky relu in a choice by sign";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        if !matches!(op.op(), Op::Select(_) | Op::SelectV2(_)) || !is_f32(op.result(0)) {
            return Err(Skip::No);
        }
        let result = op.result(0);
        let operand = |i: usize| op.operand(i).ok_or(Skip::No);
        let (condition, x, y) = (operand(0)?.producer(), operand(1)?, operand(2)?);
        let (left, right) = (condition.operand(0), condition.operand(1));
        let positive = match condition.op() {
            Op::Greater(_) | Op::GreaterEqual(_) => left.zip(right),
            Op::Less(_) | Op::LessEqual(_) => right.zip(left),
            _ => None,
        };
        let of_x = positive.is_some_and(|(v, zero)| v.id() == x.id() && scalar(zero) == Some(0.0));
        let found = slope(x, y).filter(|(_, a)| of_x && a.is_finite() && *a != 0.0);
        let (input, alpha) = found.filter(|(x, _)| x.ty() == result.ty()).ok_or(Skip::No)?;
        Ok(Match {
            input: input.id(),
            alpha: alpha as f32,
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let alpha = found.alpha;
        vec![graph.add(LeakyRelu { alpha }, &[found.input])]
    }
}

/// `x`, and what it is multiplied with in `y`.
fn slope<'g>(x: ValueRef<'g>, y: ValueRef<'g>) -> Option<(ValueRef<'g>, f64)> {
    (x.id() != y.id() && x.constant().is_none()).then(|| Some((x, multiple(y, x)?)))?
}

fn scalar(value: ValueRef<'_>) -> Option<f64> {
    value.constant().filter(|t| t.elements() == 1)?;
    number(value)
}

inventory::submit! { PassEntry::of::<FuseLeakyRelu>() }
