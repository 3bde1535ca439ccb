//! Lets an operation apply the clamp that follows it: `relu(conv_2d(x))` becomes `conv_2d {activation = relu}`.

use planish_core::attr::Activation;
use planish_core::{Graph, Meaning, Op, OpId, OpKind, OpRef, PassEntry, Rule, Skip, Value, inventory};

use crate::matching::{activation, is_f32, read_once, with_activation};

/// Fuses `relu`, `relu6` and `relu_n1_to_1` into the convolution, product, pool or sum before them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseActivation;

/// The operation that takes the activation in.
pub struct Match {
    producer: OpId,
    activation: Activation,
}

/// The clamp that an operation of its own applies.
fn clamp(op: &Op) -> Option<Activation> {
    match op {
        Op::Relu(_) => Some(Activation::Relu),
        Op::Relu6(_) => Some(Activation::Relu6),
        Op::ReluN1To1(_) => Some(Activation::ReluN1To1),
        _ => None,
    }
}

/// The one activation that does the same as two of them in a row.
fn compose(first: Activation, second: Activation) -> Option<Activation> {
    let ((low, high), (floor, ceiling)) = (first.bounds()?, second.bounds()?);
    let both = (low.clamp(floor, ceiling), high.clamp(floor, ceiling));
    use Activation::*;
    [None, Relu, Relu6, ReluN1To1].into_iter().find(|a| a.bounds() == Some(both))
}

impl Rule for FuseActivation {
    const NAME: &'static str = "fuse_activation";
    const SUMMARY: &'static str = "lets an operation apply the relu that follows it";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let second = clamp(op.op()).ok_or(Skip::No)?;
        let input = op.operand(0).ok_or(Skip::No)?;
        let producer = input.producer();
        use OpKind::*;
        if !matches!(
            producer.kind(),
            Conv2d | DepthwiseConv2d | TransposeConv | FullyConnected | AveragePool2d | MaxPool2d | Add | Sub | Mul | Div
        ) || !is_f32(input)
        {
            return Err(Skip::No);
        }
        let first = activation(producer.op()).ok_or(Skip::No)?;
        let Some(activation) = compose(first, second) else {
            return Err(Skip::because(format!(
                "the {} before it has another activation already",
                producer.op().name()
            )));
        };
        if !read_once(input) {
            return Err(Skip::because(format!("the {} before it has other readers", producer.op().name())));
        }
        Ok(Match {
            producer: producer.id(),
            activation,
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let op = with_activation(graph.op(found.producer).clone(), found.activation);
        let operands = graph.operands(found.producer);
        vec![graph.add_with_empty(op, &operands)]
    }
}

inventory::submit! { PassEntry::of::<FuseActivation>() }
