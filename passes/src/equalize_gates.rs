//! Brings the gates of a recurrent cell to one range, so that one scale serves all of a weight's rows.
//!
//! A gate's weights, with its bias, are multiplied by a number, and what they sum up to is divided by it before the gate's
//! activation: `σ(w · x + r · h + b) = σ((k w · x + k r · h + k b) / k)`. With `a = √(max|w| max|r|)` of each gate, the
//! number is the greatest `a` of all gates over its own. The quantized cell then needs two scales, where one for each row
//! of both weights would take more than a hundredth of its room.

use planish_core::attr::Activation;
use planish_core::{
    Changed, Context, Error, Graph, GraphId, Meaning, Model, Op, OpId, Pass, PassEntry, Skip, Tensor, Use, Value, inventory,
};
use serde::{Deserialize, Serialize};

use crate::arithmetic::mul;
use crate::cells::{Cell, GATES};
use crate::fuse_lstm::fusible_cells;
use crate::matching::{activation, integer, is_f32, read_once};

/// What configures [`EqualizeGates`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EqualizeOptions {
    /// Cells of more inputs and units together are left as they are.
    pub max_fan_in: u32,
    /// Cells with a gate of fewer weights are left as they are.
    pub min_gate_elements: u32,
}

impl Default for EqualizeOptions {
    fn default() -> EqualizeOptions {
        EqualizeOptions {
            max_fan_in: u32::MAX,
            min_gate_elements: 0,
        }
    }
}

/// Brings the gates of a recurrent cell to one range, so that one scale serves all of a weight's rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EqualizeGates;

impl Pass for EqualizeGates {
    type Options = EqualizeOptions;
    const NAME: &'static str = "equalize_gates";
    const SUMMARY: &'static str = "brings the gates of a recurrent cell to one range, for weights with one scale";
    const MEANING: Meaning = Meaning::Ulps;
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("max_fan_in", "cells of more inputs and units together are left as they are"),
        ("min_gate_elements", "cells with a gate of fewer weights are left as they are"),
    ];

    fn run(&self, model: &mut Model, options: &EqualizeOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        for cell in fusible_cells(model) {
            if cell.fan_in > options.max_fan_in as usize || cell.least_gate < options.min_gate_elements as usize {
                continue;
            }
            match factors(model, &cell) {
                Ok(factors) => {
                    if !cx.allow_change() {
                        break;
                    }
                    equalize(model, &cell, factors);
                    changed += 1;
                }
                Err(Skip::Because(reason)) => cx.skip(model.graph(cell.found.body), cell.split, reason),
                Err(Skip::No) => {}
            }
        }
        Ok(Changed(changed))
    }
}

/// Gates whose ranges differ by less than this part keep theirs: a product in each step would cost more than it brings.
const CLOSE: f32 = 0.03;

/// What to multiply each gate's weights by.
fn factors(model: &Model, cell: &Cell) -> Result<[f32; GATES], Skip> {
    let body = model.graph(cell.found.body);
    let along = body.operand(cell.split, 0).and_then(|v| integer(body.value(v)));
    let sum = body.operand(cell.split, 1).ok_or(Skip::No)?;
    let rank = body.ty(sum).shape.rank().ok_or(Skip::No)? as i64;
    if along != Some(-1) && along != Some(rank - 1) || cell.products.len() != 2 {
        return Err(Skip::No);
    }
    if !plain(model, cell, sum) {
        return Err(Skip::because("its gates sum up more than two products that nothing else reads"));
    }
    let mut ranges = [1.0f32; GATES];
    for &(graph, id) in &cell.products {
        for (range, of_gate) in ranges.iter_mut().zip(gate_ranges(model.graph(graph), id)?) {
            *range *= of_gate.sqrt();
        }
    }
    let widest = ranges.into_iter().fold(0.0, f32::max);
    if !ranges.iter().all(|r| r.is_normal()) {
        return Err(Skip::because("a gate has no weights other than zero"));
    }
    let factors = ranges.map(|r| widest / r).map(|f| if f - 1.0 < CLOSE { 1.0 } else { f });
    if factors == [1.0; GATES] { Err(Skip::No) } else { Ok(factors) }
}

/// The greatest magnitude of each gate's weights in a product.
fn gate_ranges(graph: &Graph, id: OpId) -> Result<[f32; GATES], Skip> {
    let op = graph.at(id);
    let weights = op.operand(1).filter(|v| is_f32(*v)).and_then(|v| v.constant()).ok_or(Skip::No)?;
    let bias = op.operand(2).map(|b| b.constant().map(Tensor::elements));
    let fits = weights.dims().len() == 2 && weights.dims()[0] % GATES == 0 && weights.dims()[0] > 0;
    if !fits || activation(op.op()) != Some(Activation::None) || bias.is_some_and(|n| n != Some(weights.dims()[0])) {
        return Err(Skip::because("its products have an activation, or other weights than constants"));
    }
    let rows = weights.dims()[0] / GATES;
    let mut ranges = [0.0; GATES];
    for (gate, range) in ranges.iter_mut().enumerate() {
        let part = weights.sliced(0, gate * rows, rows).expect("a fourth of the rows");
        *range = part.to_vec::<f32>().into_iter().fold(0.0, |most, w| f32::max(most, w.abs()));
    }
    Ok(ranges)
}

/// Whether a sum is of the cell's products alone, which are read for it alone.
fn plain(model: &Model, cell: &Cell, sum: Value) -> bool {
    let (outer, body) = (model.graph(cell.found.outer), model.graph(cell.found.body));
    let value = body.value(sum);
    if !is_f32(value) || !read_once(value) {
        return false;
    }
    let op = value.producer();
    match op.op() {
        Op::Add(a) if a.activation == Activation::None => op.operands().into_iter().flatten().all(|v| plain(model, cell, v)),
        Op::FullyConnected(_) => true,
        Op::Gather(_) => {
            let Some(sequence) = op.operand(0).filter(|v| v.id().op == body.parameters_op()) else {
                return false;
            };
            let position = sequence.id().port as usize;
            let start = outer.operand(cell.found.op, position).map(|v| outer.value(v));
            let alone = start.is_some_and(read_once) && outer.uses(outer.results_of(cell.found.op)[position]).is_empty();
            // Its uses are the row that is read, and the state that every step hands on as it is.
            alone && cell.found.is_invariant(model, position) && sequence.uses().len() == 2
        }
        _ => false,
    }
}

fn equalize(model: &mut Model, cell: &Cell, factors: [f32; GATES]) {
    for &(graph, id) in &cell.products {
        scale(model, graph, id, factors);
    }
    let body = model.graph_mut(cell.found.body);
    for (gate, factor) in body.results_of(cell.split).into_iter().zip(factors) {
        if factor == 1.0 {
            continue;
        }
        let readers: Vec<Use> = body.uses(gate);
        let inverse = body.add_float(factor.recip());
        let gate = mul(body, gate, inverse);
        body.replace_uses(&readers, gate);
    }
}

/// Multiplies the rows of a product's weights and the numbers of its bias, gate by gate.
fn scale(model: &mut Model, graph: GraphId, id: OpId, factors: [f32; GATES]) {
    let graph = model.graph_mut(graph);
    for operand in [1, 2] {
        let Some(value) = graph.operand(id, operand) else { continue };
        let tensor = graph.constant(value).expect("found to be a constant");
        let dims = tensor.dims().to_vec();
        let mut numbers = tensor.to_vec::<f32>();
        let of_gate = numbers.len() / GATES;
        for (part, factor) in numbers.chunks_exact_mut(of_gate).zip(factors) {
            part.iter_mut().for_each(|n| *n *= factor);
        }
        let name = graph.info(value).name.clone();
        let scaled = graph.add_const(Tensor::from_vec(&dims, numbers));
        graph.info_mut(scaled).name = name;
        graph.set_operand(id, operand, Some(scaled));
    }
}

inventory::submit! { PassEntry::of::<EqualizeGates>() }
