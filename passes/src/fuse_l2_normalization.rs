//! Finds the division by the Euclidean norm over the last axis.
//!
//! The kernel divides by at least 1e-6. So a bound of 1e-12 on the sum of squares, which is TensorFlow's default, means
//! the same; a smaller one differs only for vectors shorter than 1e-6. Without one the division by 0 is meant. A number
//! added to the sum is no such bound: 1e-12 makes vectors of length 1e-6 shorter by a factor of √2, and differs by more than
//! rounding for all that are shorter than about 3e-3.

use planish_core::attr::Activation;
use planish_core::op::L2Normalization;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::matching::{activation, either_order, integers, is_f32, number};

/// Fuses `x × rsqrt(maximum(sum(x²), ε))` and `x / sqrt(…)` to `l2_normalization`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseL2Normalization;

/// The square of the shortest norm that the kernel divides by, with room for rounding.
const GREATEST_BOUND: f64 = 1.000_001e-12;
/// The kernel takes values of so many dimensions.
const MOST_DIMENSIONS: usize = 4;

impl Rule for FuseL2Normalization {
    const NAME: &'static str = "fuse_l2_normalization";
    const SUMMARY: &'static str = "finds the division by the Euclidean norm over the last axis";
    type Match = Value;

    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        if !matches!(op.op(), Op::Mul(_) | Op::Div(_)) || activation(op.op()) != Some(Activation::None) || !is_f32(op.result(0)) {
            return Err(Skip::No);
        }
        let found = match op.op() {
            Op::Mul(_) => either_order(op, |x, factor| {
                let Op::Rsqrt(_) = factor.producer().op() else { return None };
                squares_of(x, factor.producer().operand(0)?)
            }),
            _ => op.operand(0).zip(op.operand(1)).and_then(|(x, norm)| {
                let Op::Sqrt(_) = norm.producer().op() else { return None };
                squares_of(x, norm.producer().operand(0)?)
            }),
        };
        let (x, bound) = found.ok_or(Skip::No)?;
        if x.ty().shape.rank().is_none_or(|r| r == 0 || r > MOST_DIMENSIONS) || x.ty() != op.result(0).ty() {
            return Err(Skip::No);
        }
        match bound {
            Bound::Least(least) if least > 0.0 && least <= GREATEST_BOUND => Ok(x.id()),
            Bound::Least(least) => Err(Skip::because(format!(
                "the sum of squares is bounded by {:e}, the kernel's by 1e-12",
                least as f32
            ))),
            Bound::Added => Err(Skip::because(
                "a number is added to the sum of squares, which the kernel only keeps above 1e-12",
            )),
        }
    }

    fn rewrite(&self, input: Value, graph: &mut Graph) -> Vec<Value> {
        let activation = Activation::None;
        vec![graph.add(L2Normalization { activation }, &[input])]
    }
}

/// What keeps the sum of squares from being zero.
enum Bound {
    /// It is at least this.
    Least(f64),
    /// A number is added to it.
    Added,
}

/// `x` and the bound, where `sum` is the sum of its squares over the last axis, bounded from below.
fn squares_of<'g>(x: ValueRef<'g>, sum: ValueRef<'g>) -> Option<(ValueRef<'g>, Bound)> {
    let bounded: Option<fn(f64) -> Bound> = match sum.producer().op() {
        Op::Maximum(_) => Some(Bound::Least),
        Op::Add(add) if add.activation == Activation::None => Some(|_| Bound::Added),
        _ => None,
    };
    let (sum, bound) = match bounded {
        Some(bounded) => {
            let scalar = |v: ValueRef<'g>| v.constant().filter(|t| t.elements() == 1).and_then(|_| number(v));
            either_order(sum.producer(), |sum, bound| Some((sum, bounded(scalar(bound)?))))?
        }
        None => (sum, Bound::Least(0.0)),
    };
    let sum = sum.producer();
    let Op::Sum(reduction) = sum.op() else { return None };
    let squared = sum.operand(0)?.producer();
    let squares = match squared.op() {
        Op::Square(_) => squared.operand(0)?.id() == x.id(),
        Op::Mul(mul) => mul.activation == Activation::None && squared.operand(0)?.id() == x.id() && squared.operand(1)?.id() == x.id(),
        _ => false,
    };
    let rank = x.ty().shape.rank()? as i64;
    let last = matches!(integers(sum.operand(1)?)?[..], [axis] if axis == -1 || axis == rank - 1);
    (squares && last && reduction.keep_dims).then_some((x, bound))
}

inventory::submit! { PassEntry::of::<FuseL2Normalization>() }
