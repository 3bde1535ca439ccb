//! Writes batch normalization that could not be folded as a product and a sum.

use planish_core::op::Rsqrt;
use planish_core::{Graph, Op, OpId, OpRef, PassEntry, Rule, Skip, Tensor, Value, inventory};

use crate::arithmetic::{add, mul, sub};
use crate::fold_batch_norm::Statistics;
use crate::matching::is_f32;

/// Lowers `batch_norm` to `mul` and `add`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LowerBatchNorm;

/// The operation, and its factors and shift where they are constants.
pub struct Match {
    op: OpId,
    input: Value,
    statistics: Option<Statistics>,
    epsilon: f32,
}

impl Rule for LowerBatchNorm {
    const NAME: &'static str = "lower_batch_norm";
    const SUMMARY: &'static str = "writes batch normalization as a product and a sum";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let Op::BatchNorm(norm) = op.op() else { return Err(Skip::No) };
        if !(0..5).all(|i| op.operand(i).is_some_and(is_f32)) {
            return Err(Skip::because("its operands are not all float32"));
        }
        Ok(Match {
            op: op.id(),
            input: op.operand(0).ok_or(Skip::No)?.id(),
            statistics: Statistics::of(op).filter(|s| s.factors.iter().chain(&s.shift).all(|v| v.is_finite())),
            epsilon: norm.epsilon,
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let (factors, shift) = match found.statistics {
            Some(s) => {
                let vector = |v: Vec<f64>| Tensor::from_vec(&[v.len()], v.into_iter().map(|x| x as f32).collect::<Vec<f32>>());
                (graph.add_const(vector(s.factors)), graph.add_const(vector(s.shift)))
            }
            None => {
                let operand = |graph: &Graph, i| graph.operand(found.op, i).expect("found with all operands");
                let [scale, offset, mean, variance] = [1, 2, 3, 4].map(|i| operand(graph, i));
                let epsilon = graph.add_float(found.epsilon);
                let sum = add(graph, variance, epsilon);
                let deviation = graph.add(Rsqrt {}, &[sum]);
                let factors = mul(graph, deviation, scale);
                let moved = mul(graph, mean, factors);
                (factors, sub(graph, offset, moved))
            }
        };
        let scaled = mul(graph, found.input, factors);
        vec![add(graph, scaled, shift)]
    }
}

inventory::submit! { PassEntry::of::<LowerBatchNorm>() }
