//! Which values are features of convolutions: of one sign mostly, and much alike from place to place.

use std::collections::BTreeSet;

use planish_core::attr::Activation;
use planish_core::{Graph, Op, OpId, OpRef, Value};

/// The features of a graph: what convolutions made and a rectifier or gate made positive, and what pooling, data movement,
/// sums and linear convolutions make of that.
///
/// Inputs of the graph are none, since nothing is known of their signs; nor is what a hyperbolic tangent or an exponential unit
/// spreads on both sides of zero.
#[derive(Default)]
pub(crate) struct Features {
    features: BTreeSet<Value>,
    /// What is computed element by element from what convolutions made.
    convolved: BTreeSet<Value>,
}

impl Features {
    pub(crate) fn of(graph: &Graph) -> Features {
        let mut found = Features::default();
        for id in graph.order() {
            let op = graph.at(id);
            let result = Value { op: id, port: 0 };
            if found.makes_features(op) {
                found.features.insert(result);
            }
            if found.is_convolved(op) {
                found.convolved.insert(result);
            }
        }
        found
    }

    /// Whether the operation is a convolution over features, or a product of them.
    pub(crate) fn are_read_by(&self, graph: &Graph, id: OpId) -> bool {
        let op = graph.at(id);
        matches!(op.op(), Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::FullyConnected(_)) && self.feature(op, 0)
    }

    fn feature(&self, op: OpRef<'_>, operand: usize) -> bool {
        op.operand(operand).is_some_and(|v| self.features.contains(&v.id()))
    }

    fn convolved(&self, op: OpRef<'_>, operand: usize) -> bool {
        op.operand(operand).is_some_and(|v| self.convolved.contains(&v.id()))
    }

    fn is_convolved(&self, op: OpRef<'_>) -> bool {
        match op.op() {
            Op::Conv2d(_) | Op::DepthwiseConv2d(_) | Op::TransposeConv(_) => true,
            Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Concatenation(_) => (0..op.operands().len()).any(|i| self.convolved(op, i)),
            Op::BatchNorm(_) | Op::Relu(_) | Op::Relu6(_) => self.convolved(op, 0),
            _ => moves_or_pools(op.op()) && self.convolved(op, 0),
        }
    }

    fn makes_features(&self, op: OpRef<'_>) -> bool {
        match op.op() {
            Op::Conv2d(conv) => self.after(conv.activation, op),
            Op::DepthwiseConv2d(conv) => self.after(conv.activation, op),
            Op::Relu(_) | Op::Relu6(_) | Op::Relu0To1(_) | Op::HardSwish(_) | Op::Logistic(_) => self.convolved(op, 0),
            Op::Add(sum) if rectifies(sum.activation) => (0..2).any(|i| self.convolved(op, i)),
            Op::Add(_) | Op::Concatenation(_) | Op::Maximum(_) => (0..op.operands().len()).all(|i| self.feature(op, i)),
            // Also a swish, the product of a value and its logistic.
            Op::Mul(_) => (0..2).all(|i| self.feature(op, i)) || self.is_swish(op),
            other => moves_or_pools(other) && self.feature(op, 0),
        }
    }

    /// Whether a convolution's results are features: rectified, or linear in features.
    fn after(&self, activation: Activation, op: OpRef<'_>) -> bool {
        rectifies(activation) || activation == Activation::None && self.feature(op, 0)
    }

    fn is_swish(&self, op: OpRef<'_>) -> bool {
        let gated = |x: usize, gate: usize| {
            let producer = op.operand(gate).map(|v| v.producer());
            producer.is_some_and(|p| matches!(p.op(), Op::Logistic(_)) && p.operand(0).map(|v| v.id()) == op.operand(x).map(|v| v.id()))
        };
        (0..2).any(|x| self.convolved(op, x) && gated(x, 1 - x))
    }
}

fn rectifies(activation: Activation) -> bool {
    matches!(activation, Activation::Relu | Activation::Relu6)
}

fn moves_or_pools(op: &Op) -> bool {
    matches!(
        op,
        Op::AveragePool2d(_)
            | Op::MaxPool2d(_)
            | Op::Mean(_)
            | Op::ReduceMax(_)
            | Op::Reshape(_)
            | Op::Squeeze(_)
            | Op::ExpandDims(_)
            | Op::Transpose(_)
            | Op::Slice(_)
            | Op::StridedSlice(_)
            | Op::Pad(_)
            | Op::ResizeBilinear(_)
            | Op::ResizeNearestNeighbor(_)
            | Op::SpaceToBatchNd(_)
            | Op::BatchToSpaceNd(_)
    )
}
