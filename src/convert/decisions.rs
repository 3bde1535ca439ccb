//! One decision for each operation of the final model: what its weights became, and why.

use std::collections::BTreeMap;

use planish_core::report::Decision;
use planish_core::{Choice, DType, Model, Op, OpRef, ValueRef};
use planish_passes::weights::{reads_dequantized, reads_halves, reads_integers, weights};

/// The reason of operations that have nothing to quantize.
pub const NO_WEIGHTS: &str = "it has no weights";
const NOT_ASKED: &str = "quantization was not asked for";

/// What became of each operation of `model`: what the graph shows, with the reason that a pass gave for it in `reported`.
pub fn decisions(model: &Model, reported: &[Decision], quantized: bool) -> Vec<Decision> {
    let mut by_operation: BTreeMap<(&str, &str), Vec<&Decision>> = BTreeMap::new();
    for decision in reported {
        by_operation
            .entry((&decision.graph, &decision.operation))
            .or_default()
            .push(decision);
    }
    let mut decisions = Vec::new();
    for (_, graph) in model.graphs() {
        for id in graph.order() {
            let op = graph.at(id);
            if is_storage(op) {
                continue;
            }
            let label = graph.label(id);
            let choice = choice(op);
            let reason = by_operation
                .get(&(graph.name(), label.as_str()))
                .into_iter()
                .flatten()
                .filter(|d| d.choice == choice)
                .max_by_key(|d| d.kind == op.op().name())
                .map(|d| d.because.clone());
            decisions.push(Decision {
                graph: graph.name().into(),
                operation: label,
                kind: match op.op() {
                    Op::Foreign(foreign) => foreign.name.clone(),
                    known => known.name().into(),
                },
                choice,
                because: reason.unwrap_or_else(|| unreported(op, choice, quantized).into()),
            });
        }
    }
    decisions
}

/// Whether an operation only frames the graph or holds a weight's bytes.
fn is_storage(op: OpRef<'_>) -> bool {
    let of_constant = |op: OpRef<'_>| op.operand(0).is_some_and(|v| v.constant().is_some());
    match op.op() {
        Op::Parameters(_) | Op::Return(_) | Op::Const(_) | Op::State(_) => true,
        Op::Quantize(_) => of_constant(op),
        Op::Dequantize(_) => op
            .operand(0)
            .is_some_and(|v| v.constant().is_some() || matches!(v.producer().op(), Op::Quantize(_)) && of_constant(v.producer())),
        _ => false,
    }
}

fn choice(op: OpRef<'_>) -> Choice {
    let all = weights(op);
    if computes_with_integers(op) {
        Choice::Integer
    } else if all.iter().any(|&w| reads_integers(op, w)) {
        Choice::Hybrid
    } else if all.iter().any(|&w| reads_dequantized(op, w) || reads_halves(op, w)) {
        Choice::WeightOnly
    } else {
        Choice::Float
    }
}

/// Whether an operation reads and gives out activations that are quantized.
fn computes_with_integers(op: OpRef<'_>) -> bool {
    let quantized = |value: ValueRef<'_>| value.ty().quant.is_some();
    let activations = op
        .operands()
        .into_iter()
        .flatten()
        .map(|v| op.graph().value(v))
        .filter(|v| v.constant().is_none());
    let results = op.graph().results_of(op.id()).into_iter().map(|v| op.graph().value(v));
    activations.into_iter().any(quantized) && results.into_iter().any(quantized)
}

fn unreported(op: OpRef<'_>, choice: Choice, quantized: bool) -> &'static str {
    let all = weights(op);
    let constant = || all.iter().any(|w| op.operand(w.operand).is_some_and(|v| v.constant().is_some()));
    let read = |v: ValueRef<'_>| matches!(v.producer().op(), Op::ReadVariable(_));
    let variable = || all.iter().any(|w| op.operand(w.operand).is_some_and(read));
    let floats = || {
        all.iter()
            .any(|w| op.operand(w.operand).is_some_and(|v| v.ty().dtype == DType::F32))
    };
    let halves = || all.iter().any(|&w| reads_halves(op, w));
    match choice {
        Choice::WeightOnly if halves() => "its weights are 16-bit floats in the source",
        Choice::Integer => "its activations are integers in the source",
        Choice::Hybrid | Choice::WeightOnly => "its weights are integers in the source",
        Choice::Float if variable() => "its weights are a variable that the model changes",
        Choice::Float if !constant() => NO_WEIGHTS,
        Choice::Float if !quantized => NOT_ASKED,
        Choice::Float if !floats() => "its weights are not f32",
        Choice::Float => "no pass quantized its weights",
    }
}
