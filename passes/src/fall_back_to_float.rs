//! Decides for the weights that are int8 but dequantized: they stay so, or become float again, each with its reason.
//!
//! Cancelling `quantize → dequantize` gives the weight back exactly, since nothing has been rounded yet. A weight
//! becomes float again where the target judges it better, and where integers with their scales take no less room than
//! the reals did.

use planish_core::op::Op;
use planish_core::{Changed, Choice, Context, Error, Graph, Meaning, Model, OpId, Pass, PassEntry, Value, inventory};
use serde::{Deserialize, Serialize};

use crate::stored_size::{DEQUANTIZE, quantization_size};
use crate::target::{Target, Verdict};
use crate::weights::{reads_dequantized, reads_integers, weights};

/// What configures [`FallBackToFloat`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FallBackOptions {
    /// Where the model will run.
    pub target: Target,
}

/// Decides for the weights that are int8 but dequantized: they stay so, or become float again, each with its reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FallBackToFloat;

impl Pass for FallBackToFloat {
    type Options = FallBackOptions;
    const NAME: &'static str = "fall_back_to_float";
    const SUMMARY: &'static str = "keeps int8 weights behind a dequantize where that pays, and gives the others back as they were";
    const MEANING: Meaning = Meaning::Quantized;
    const OPTIONS: &'static [(&'static str, &'static str)] = &[Target::OPTION];

    fn run(&self, model: &mut Model, options: &FallBackOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        for (_, graph) in model.graphs_mut() {
            for id in graph.order() {
                changed += settle(graph, id, options.target, cx);
            }
        }
        Ok(Changed(changed))
    }
}

fn settle(graph: &mut Graph, id: OpId, target: Target, cx: &mut Context<'_>) -> usize {
    let mut changed = 0;
    for weight in weights(graph.at(id)) {
        let op = graph.at(id);
        if reads_integers(op, weight) || !reads_dequantized(op, weight) {
            continue;
        }
        let real = graph.operand(id, weight.operand).expect("the weight is there");
        let Some(original) = original(graph, real) else { continue };
        let verdict = match (target.quantized(op, weight), saving(graph, original, real)) {
            (Verdict::Float(because), _) => Err(because.to_owned()),
            (_, None) => Err("integers and their scales would take no less room than the reals".to_owned()),
            (Verdict::WeightOnly(because), _) => Ok(because),
            (Verdict::Hybrid(_), _) => Ok("no hybrid kernel was selected for it"),
        };
        match verdict {
            Ok(because) => cx.decide(graph, id, Choice::WeightOnly, because),
            Err(because) => {
                if cx.allow_change() {
                    // What else reads the weight would bring its integers into the file again.
                    for reader in graph.uses(real) {
                        cx.decide(graph, reader.op, Choice::Float, because.clone());
                    }
                    graph.replace(real, original);
                    changed += 1;
                }
            }
        }
    }
    changed
}

/// The constant whose integers a `dequantize` makes real, where it has not been rounded yet.
fn original(graph: &Graph, real: Value) -> Option<Value> {
    let quantize = graph.value(real).producer().operand(0)?.producer();
    match quantize.op() {
        Op::Quantize(_) => {
            let constant = quantize.operand(0).filter(|v| v.constant().is_some())?;
            (constant.ty().dtype == graph.ty(real).dtype).then(|| constant.id())
        }
        _ => None,
    }
}

/// The bytes that a file saves by holding integers, where it saves any.
fn saving(graph: &Graph, original: Value, real: Value) -> Option<usize> {
    let elements = graph.constant(original)?.elements();
    let integers = graph.value(real).producer().operand(0)?;
    let channels = integers.ty().quant.as_ref()?.scales().len();
    let hybrid_too = graph.uses(integers.id()).len() > 1;
    let cost = DEQUANTIZE + if hybrid_too { 0 } else { elements + quantization_size(channels) };
    (4 * elements).checked_sub(cost).filter(|&saved| saved > 0)
}

inventory::submit! { PassEntry::of::<FallBackToFloat>() }
