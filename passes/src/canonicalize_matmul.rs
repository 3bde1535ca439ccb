//! Products with a constant matrix become `fully_connected`, on values of any rank: the form that fast kernels take.
//!
//! - `batch_matmul` with a constant matrix on its right.
//! - `reshape → fully_connected → reshape` that only flattens and restores leading dimensions.

use planish_core::attr::{Activation, WeightsFormat};
use planish_core::op::FullyConnected;
use planish_core::{DType, Graph, Meaning, Op, OpRef, PassEntry, Rule, Shape, Skip, Tensor, Value};

/// See the module's description.
#[derive(Clone, Copy, Debug, Default)]
pub struct CanonicalizeMatmul;

/// What the new operation reads.
pub struct Match {
    input: Value,
    weights: Weights,
    bias: Option<Value>,
    activation: Activation,
    shape: Shape,
}

enum Weights {
    Value(Value),
    Constant(Tensor),
}

impl Rule for CanonicalizeMatmul {
    const NAME: &'static str = "canonicalize_matmul";
    const SUMMARY: &'static str = "turn products with a constant matrix into fully connected operations of any rank";
    const MEANING: Meaning = Meaning::Ulps;
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        match op.op() {
            Op::BatchMatmul(product) if !product.adj_x => {
                let (x, y) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
                let matrix = y.constant().filter(|t| t.dims().len() == 2 && t.dtype() == DType::F32).ok_or(Skip::No)?;
                if x.ty().dtype != DType::F32 || x.ty().shape.rank().is_none_or(|r| r < 2) {
                    return Err(Skip::No);
                }
                let weights = if product.adj_y { matrix.clone() } else { matrix.transposed(&[1, 0]).ok_or(Skip::No)? };
                let shape = op.result(0).ty().shape.clone();
                Ok(Match { input: x.id(), weights: Weights::Constant(weights), bias: None, activation: Activation::None, shape })
            }
            Op::Reshape(_) => unflattened(op).ok_or(Skip::No),
            _ => Err(Skip::No),
        }
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let weights = match found.weights {
            Weights::Value(value) => value,
            Weights::Constant(tensor) => graph.add_const(tensor),
        };
        let product = FullyConnected {
            activation: found.activation,
            keep_num_dims: true,
            asymmetric_quantize_inputs: false,
            weights_format: WeightsFormat::Plain,
        };
        let result = graph.add_with_empty(product, &[Some(found.input), Some(weights), found.bias]);
        if let Some(shape) = graph.ty(result).shape.meet(&found.shape) {
            graph.info_mut(result).ty.shape = shape;
        }
        vec![result]
    }
}

/// `reshape(fully_connected(reshape(x)))` where the result has the leading dimensions of `x`.
fn unflattened(op: OpRef<'_>) -> Option<Match> {
    let product = op.operand(0)?;
    let Op::FullyConnected(attrs) = product.producer().op() else { return None };
    if attrs.keep_num_dims || attrs.weights_format != WeightsFormat::Plain || product.uses().len() != 1 {
        return None;
    }
    let product = product.producer();
    let flat = product.operand(0)?;
    let input = match flat.producer().op() {
        Op::Reshape(_) => flat.producer().operand(0)?,
        _ => return None,
    };
    let (from, to) = (input.ty().shape.dims()?, op.result(0).ty().shape.dims()?);
    let weights = product.operand(1)?;
    let [outs, ins] = weights.ty().shape.known()?[..] else { return None };
    let leading = from.len().checked_sub(1)?;
    let fits = from.len() == to.len()
        && from[..leading] == to[..leading]
        && from[..leading].iter().filter(|d| d.known().is_none()).count() <= 1
        && from[leading].known() == Some(ins)
        && to[leading].known() == Some(outs)
        && flat.ty().shape.rank() == Some(2);
    fits.then(|| Match {
        input: input.id(),
        weights: Weights::Value(weights.id()),
        bias: product.operand(2).map(|b| b.id()),
        activation: attrs.activation,
        shape: op.result(0).ty().shape.clone(),
    })
}

planish_core::inventory::submit! { PassEntry::of::<CanonicalizeMatmul>() }
