//! Writes the formulas of leaky rectifiers as `prelu`, or as `leaky_relu` where one slope serves all channels.
//!
//! - `relu(x) + c × relu(-x)` has the slope `-c`, `relu(x) - c × relu(-x)` the slope `c`.
//! - `maximum(x, c × x)` has the slope `c`, where that is at most 1.
//! - the choice `x > 0 ? x : c × x` has the slope `c`.

use planish_core::attr::Activation;
use planish_core::op::{LeakyRelu, Prelu};
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Tensor, Value, ValueRef, inventory};

use crate::formula::multiple;
use crate::matching::{cannot_enlarge, either_order, is_f32, number};

/// Fuses the formulas of leaky rectifiers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FusePrelu;

/// The input and its slopes where negative.
pub struct Match {
    input: Value,
    slopes: Slopes,
}

enum Slopes {
    One(f32),
    Each(Tensor),
}

/// The value and the constant of a product of the two.
fn product<'g>(value: ValueRef<'g>) -> Option<(ValueRef<'g>, ValueRef<'g>)> {
    let op = value.producer();
    let Op::Mul(mul) = op.op() else { return None };
    let plain = mul.activation == Activation::None;
    either_order(op, |x, c| {
        (plain && c.constant().is_some() && cannot_enlarge(c, x)).then_some((x, c))
    })
}

/// The input of `relu`.
fn rectified<'g>(value: ValueRef<'g>) -> Option<ValueRef<'g>> {
    match value.producer().op() {
        Op::Relu(_) => value.producer().operand(0),
        _ => None,
    }
}

/// What `relu(x)` and `c × relu(-x)` are made of.
fn halves<'g>(positive: ValueRef<'g>, negative: ValueRef<'g>) -> Option<(ValueRef<'g>, ValueRef<'g>)> {
    let input = rectified(positive)?;
    let (mirrored, constant) = product(negative)?;
    let negated = rectified(mirrored)?.producer();
    (matches!(negated.op(), Op::Neg(_)) && negated.operand(0)?.id() == input.id()).then_some((input, constant))
}

/// The slopes as the operation takes them: without the batch dimension.
fn slopes(constant: ValueRef<'_>, input: ValueRef<'_>, sign: f32) -> Option<Slopes> {
    if let Some(one) = number(constant) {
        return Some(Slopes::One(sign * one as f32));
    }
    let tensor = constant.constant()?;
    let rank = input.ty().shape.rank()?;
    let dims = match tensor.dims() {
        [1, rest @ ..] if rest.len() + 1 == rank => rest,
        dims if dims.len() < rank => dims,
        _ => return None,
    };
    let values = tensor.to_vec::<f32>().into_iter().map(|v| sign * v).collect();
    Some(Slopes::Each(Tensor::from_vec(dims, values)))
}

/// What `x` is multiplied with in `scaled`.
fn slope(x: ValueRef<'_>, scaled: ValueRef<'_>) -> Option<f64> {
    let plain = x.id() != scaled.id() && x.constant().is_none();
    plain.then(|| multiple(scaled, x))?.filter(|c| c.is_finite() && *c != 0.0)
}

/// The input and the slope of a choice between `x` where it is positive and `c × x` elsewhere.
fn chosen_by_sign<'g>(op: OpRef<'g>) -> Option<(ValueRef<'g>, f64)> {
    let (condition, x, scaled) = (op.operand(0)?.producer(), op.operand(1)?, op.operand(2)?);
    let (left, right) = (condition.operand(0)?, condition.operand(1)?);
    let (value, zero) = match condition.op() {
        Op::Greater(_) | Op::GreaterEqual(_) => (left, right),
        Op::Less(_) | Op::LessEqual(_) => (right, left),
        _ => return None,
    };
    let by_sign = value.id() == x.id() && zero.constant().is_some_and(|t| t.elements() == 1) && number(zero) == Some(0.0);
    Some((x, slope(x, scaled).filter(|_| by_sign)?))
}

impl Rule for FusePrelu {
    const NAME: &'static str = "fuse_prelu";
    const SUMMARY: &'static str = "writes the formulas of leaky rectifiers as prelu or leaky_relu";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let found = match op.op() {
            Op::Add(add) if add.activation == Activation::None => {
                either_order(op, halves).and_then(|(x, c)| Some((x, slopes(c, x, -1.0)?)))
            }
            Op::Sub(sub) if sub.activation == Activation::None => {
                let (x, y) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
                halves(x, y).and_then(|(x, c)| Some((x, slopes(c, x, 1.0)?)))
            }
            Op::Maximum(_) => either_order(op, |x, scaled| {
                slope(x, scaled).filter(|&c| c <= 1.0).map(|c| (x, Slopes::One(c as f32)))
            }),
            Op::Select(_) | Op::SelectV2(_) => chosen_by_sign(op).map(|(x, c)| (x, Slopes::One(c as f32))),
            _ => None,
        };
        let fits = |x: ValueRef<'_>| is_f32(x) && x.ty() == op.result(0).ty();
        let (input, slopes) = found.filter(|&(x, _)| fits(x)).ok_or(Skip::No)?;
        Ok(Match { input: input.id(), slopes })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        vec![match found.slopes {
            Slopes::One(alpha) => graph.add(LeakyRelu { alpha }, &[found.input]),
            Slopes::Each(tensor) => {
                let alpha = graph.add_const(tensor);
                graph.add(Prelu {}, &[found.input, alpha])
            }
        }]
    }
}

inventory::submit! { PassEntry::of::<FusePrelu>() }
