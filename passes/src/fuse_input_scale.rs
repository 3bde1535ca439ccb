//! Takes constants that a product's input is multiplied with, or that are added to it, into its weights and bias.
//!
//! `w · (c × x) + b = (w × c) · x + b` and `w · (x + c) + b = w · x + (b + w · c)`, input channel by input channel: what is
//! left of a normalization behind an activation. Quantized inputs then have the range of the activation in all channels.
//!
//! Differences and quotients stay: they are how models normalize what comes in, whose offset would take the range of quantized
//! inputs for itself. So do the scales of sequences of vectors, which layer normalization has brought to one range already.

use planish_core::attr::{Activation, WeightsFormat};
use planish_core::{Graph, Op, OpId, OpRef, PassEntry, Rule, Skip, Tensor, Value, inventory};

use crate::affine::per_channel;
use crate::matching::{activation, cannot_enlarge, is_f32, read_once};

/// Fuses constants for each channel of its input into a `fully_connected`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseInputScale;

/// The product with the input and what it is multiplied with then.
pub struct Match {
    product: OpId,
    input: Value,
    weights: Tensor,
    bias: Option<Vec<f64>>,
}

impl Rule for FuseInputScale {
    const NAME: &'static str = "fuse_input_scale";
    const SUMMARY: &'static str =
        "takes constants that a product's input is multiplied with, or that are added to it, into weights and bias";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let Op::FullyConnected(product) = op.op() else {
            return Err(Skip::No);
        };
        let (x, weights) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
        let before = x.producer();
        let scales = match before.op() {
            Op::Add(_) => false,
            Op::Mul(_) => true,
            _ => return Err(Skip::No),
        };
        if activation(before.op()) != Some(Activation::None) || !is_f32(x) || product.weights_format != WeightsFormat::Plain {
            return Err(Skip::No);
        }
        let (a, b) = (before.operand(0).ok_or(Skip::No)?, before.operand(1).ok_or(Skip::No)?);
        let (input, constant) = match (a.constant(), b.constant()) {
            (None, Some(_)) => (a, b),
            (Some(_), None) => (b, a),
            _ => return Err(Skip::No),
        };
        let Some(old) = weights.constant().filter(|_| is_f32(weights)) else {
            return Err(Skip::No);
        };
        let (outputs, channels) = match old.dims() {
            &[outputs, channels] => (outputs, channels),
            _ => return Err(Skip::No),
        };
        let dims = x.ty().shape.dims().ok_or(Skip::No)?;
        if dims.len() != 2 || dims.last().and_then(|d| d.known()) != Some(channels) || !cannot_enlarge(constant, input) {
            return Err(Skip::No);
        }
        let Some(numbers) = per_channel(constant, input, channels) else {
            return Err(Skip::because("the constant has not one number for each channel of the input"));
        };
        if !read_once(x) || !read_once(weights) {
            return Err(Skip::because("its input or its weights have other readers"));
        }
        let bias = match op.operand(2) {
            None => None,
            Some(bias) => {
                let floats = bias.constant().and_then(Tensor::to_floats).filter(|b| b.len() == outputs);
                Some(floats.ok_or_else(|| Skip::because("its bias is not a constant"))?)
            }
        };
        if numbers.iter().any(|n| !n.is_finite()) {
            return Err(Skip::because("a constant is not finite"));
        }
        let (weights, bias) = if scales {
            (old.scaled(1, &numbers).ok_or(Skip::No)?, bias)
        } else {
            (old.clone(), Some(shifted(old, bias, &numbers).ok_or(Skip::No)?))
        };
        Ok(Match {
            product: op.id(),
            input: input.id(),
            weights,
            bias,
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let mut operands = graph.operands(found.product);
        let named = |graph: &mut Graph, old: Option<Value>, new: Tensor| {
            let name = old.and_then(|old| graph.info(old).name.clone());
            let new = graph.add_const(new);
            graph.info_mut(new).name = name;
            new
        };
        operands[0] = Some(found.input);
        operands[1] = Some(named(graph, operands[1], found.weights));
        if let Some(bias) = found.bias {
            operands.resize(3, None);
            let bias: Vec<f32> = bias.into_iter().map(|b| b as f32).collect();
            operands[2] = Some(named(graph, operands[2], Tensor::from_vec(&[bias.len()], bias)));
        }
        vec![graph.add_with_empty(graph.op(found.product).clone(), &operands)]
    }
}

/// The bias with what the weights make of numbers added to the input.
fn shifted(weights: &Tensor, bias: Option<Vec<f64>>, numbers: &[f64]) -> Option<Vec<f64>> {
    let weights = weights.to_floats()?;
    let rows = weights.chunks_exact(numbers.len().max(1));
    let sums = rows.map(|row| row.iter().zip(numbers).map(|(w, n)| w * n).sum::<f64>());
    Some(match bias {
        Some(bias) => bias.iter().zip(sums).map(|(b, sum)| b + sum).collect(),
        None => sums.collect(),
    })
}

inventory::submit! { PassEntry::of::<FuseInputScale>() }
