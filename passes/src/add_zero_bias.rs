//! Gives every convolution a bias: XNNPACK leaves those without one to slower kernels.

use planish_core::{Dim, Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Tensor, Value, inventory};

use crate::dimensions::{Extent, filled};

/// Gives every convolution a bias.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AddZeroBias;

/// A convolution, its operands, and what has as many slices as it has channels.
pub struct Match {
    op: Op,
    operands: Vec<Option<Value>>,
    channels: Extent,
}

impl Rule for AddZeroBias {
    const NAME: &'static str = "add_zero_bias";
    const SUMMARY: &'static str = "gives every convolution a bias, which fast kernels ask for";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let (bias, weights, axis) = match op.op() {
            Op::Conv2d(_) => (2, 1, 0),
            Op::DepthwiseConv2d(_) => (2, 1, 3),
            _ => return Err(Skip::No),
        };
        let float = op.operand(0).is_some_and(|v| v.ty().dtype == planish_core::DType::F32);
        if op.operand(bias).is_some() || !float {
            return Err(Skip::No);
        }
        let weights = op.operand(weights).ok_or(Skip::No)?;
        let channels = match weights.ty().shape.dims().ok_or(Skip::No)?.get(axis) {
            Some(Dim::Known(channels)) => Extent::Known(*channels),
            _ => Extent::Of(weights.id(), axis),
        };
        let mut operands = op.operands().to_vec();
        operands.resize(bias, None);
        Ok(Match {
            op: op.op().clone(),
            operands,
            channels,
        })
    }

    fn rewrite(&self, mut found: Match, graph: &mut Graph) -> Vec<Value> {
        let zeros = match found.channels {
            Extent::Known(channels) => graph.add_const(Tensor::splat(&Tensor::scalar(0f32), &[channels])),
            channels => filled(graph, &Tensor::scalar(0f32), &[channels]),
        };
        found.operands.push(Some(zeros));
        vec![graph.add_with_empty(found.op, &found.operands)]
    }
}

inventory::submit! { PassEntry::of::<AddZeroBias>() }
