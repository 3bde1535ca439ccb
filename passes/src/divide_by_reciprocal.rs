//! Writes a division by a constant as a product with its reciprocal, which is faster.
//!
//! TensorFlow's own graph optimizer computes such divisions so, and its results are then met exactly.

use planish_core::attr::Activation;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Tensor, Value, inventory};

use crate::arithmetic::mul;
use crate::matching::{activation, is_f32};

/// Turns `x / c` into `x × (1 / c)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DivideByReciprocal;

/// The dividend, and the divisor's reciprocals.
pub struct Match {
    dividend: Value,
    reciprocals: Tensor,
}

impl Rule for DivideByReciprocal {
    const NAME: &'static str = "divide_by_reciprocal";
    const SUMMARY: &'static str = "writes a division by a constant as a product with its reciprocal";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let Op::Div(_) = op.op() else { return Err(Skip::No) };
        let (dividend, divisor) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
        if !is_f32(dividend) || !is_f32(divisor) || activation(op.op()) != Some(Activation::None) {
            return Err(Skip::No);
        }
        let tensor = divisor.constant().filter(|_| dividend.constant().is_none()).ok_or(Skip::No)?;
        let reciprocals: Vec<f32> = tensor.to_vec::<f32>().into_iter().map(f32::recip).collect();
        if !reciprocals.iter().all(|r| r.is_normal()) {
            return Err(Skip::because("a reciprocal of its divisor is no normal number"));
        }
        Ok(Match {
            dividend: dividend.id(),
            reciprocals: Tensor::from_vec(tensor.dims(), reciprocals),
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let reciprocals = graph.add_const(found.reciprocals);
        vec![mul(graph, found.dividend, reciprocals)]
    }
}

inventory::submit! { PassEntry::of::<DivideByReciprocal>() }
