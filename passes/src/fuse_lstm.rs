//! Makes one `unidirectional_sequence_lstm` of the loop that an LSTM layer is.
//!
//! The loop is the one that clean-up leaves: the input's products for all steps before it, and in its body a row of
//! them, the product of the output before, four gates, the cell's update, and maybe a row written into all outputs.
//! The state operands are written before every call, so that the operation starts as the loop does and takes any batch;
//! each layer has its own, as the operation writes into them.

use std::collections::BTreeSet;
use std::sync::Arc;

use planish_core::attr::Activation;
use planish_core::op::{StridedSlice, Tile, UnidirectionalSequenceLstm, ZerosLike};
use planish_core::{Changed, Context, Error, Graph, GraphId, Meaning, Model, Op, OpId, Pass, PassEntry, Skip, Tensor, Value, ValueRef};
use serde::{Deserialize, Serialize};

use crate::cells::lstm_cells;
use crate::loops::{Loop, loops};
use crate::matching::{activation, either_order, integer, integers, is_f32};
use crate::simplify_loops::is_zero;

/// What configures [`FuseLstm`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FuseLstmOptions {
    /// Layers of more inputs and units together stay loops.
    pub max_fan_in: u32,
    /// Layers of another batch than one stay loops.
    pub single_batch: bool,
    /// Layers with a gate of fewer weights stay loops, where the loop's products have enough to be quantized.
    pub min_gate_elements: usize,
}

impl Default for FuseLstmOptions {
    fn default() -> FuseLstmOptions {
        FuseLstmOptions {
            max_fan_in: u32::MAX,
            single_batch: false,
            min_gate_elements: 0,
        }
    }
}

/// See the module's description.
#[derive(Clone, Copy, Debug, Default)]
pub struct FuseLstm;

impl Pass for FuseLstm {
    type Options = FuseLstmOptions;
    const NAME: &'static str = "fuse_lstm";
    const SUMMARY: &'static str = "make one operator of the loop that an LSTM layer is";
    const MEANING: Meaning = Meaning::Ulps;

    fn run(&self, model: &mut Model, options: &FuseLstmOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        let cells: BTreeSet<(GraphId, OpId)> = lstm_cells(model).into_iter().flat_map(|cell| cell.products).collect();
        for found in loops(model) {
            let chosen = |layer: Layer| {
                let stays_float = cells.contains(&(found.outer, layer.projection));
                layer.chosen(model.graph(found.outer), options, stays_float)
            };
            match layer(model, found).and_then(chosen) {
                Ok(layer) => {
                    if !cx.allow_change() {
                        break;
                    }
                    fuse(model.graph_mut(found.outer), found.op, layer);
                    changed += 1;
                }
                Err(Skip::Because(reason)) => cx.skip(model.graph(found.outer), found.op, reason),
                Err(Skip::No) => {}
            }
        }
        Ok(Changed(changed))
    }
}

/// The gates in the order of the operation's operands.
#[derive(Clone, Copy)]
struct Gates {
    input: u32,
    forget: u32,
    cell: u32,
    output: u32,
}

impl Gates {
    fn in_order(self) -> [u32; 4] {
        [self.input, self.forget, self.cell, self.output]
    }
}

/// A layer to fuse: values of the outer graph, and weights with a row for each unit of each gate.
struct Layer {
    /// The product of the input for all steps.
    projection: OpId,
    sequence: Value,
    gates: Gates,
    weights: Weight,
    recurrent: Weight,
    bias: Option<Tensor>,
    units: usize,
    initial_output: Value,
    initial_cell: Value,
    /// The loop's result that has the outputs of all steps.
    all: Option<Value>,
    /// The loop's result that has the output of the last step.
    last: Value,
}

impl Layer {
    /// The layer, where the options want it fused. Gates of few weights may stay float as a loop too.
    fn chosen(self, outer: &Graph, options: &FuseLstmOptions, stays_float: bool) -> Result<Layer, Skip> {
        let fan_in = self.weights.tensor.dims()[1] + self.units;
        let batch = outer.ty(self.sequence).shape.dim(1);
        if fan_in > options.max_fan_in as usize {
            return Err(Skip::because("as a loop it is faster, at its number of inputs and units"));
        }
        if options.single_batch && batch.known() != Some(1) {
            return Err(Skip::because("as a loop it is faster, for batches other than one"));
        }
        let gate = self.units * self.units.min(fan_in - self.units);
        if gate < options.min_gate_elements && !stays_float {
            return Err(Skip::because(
                "as a loop it can be quantized, while each gate alone has too few weights for that",
            ));
        }
        if batch.known().is_none() && !sized_at_loading(outer, self.sequence) {
            return Err(Skip::because(
                "its batch is known to the runtime only while it runs, and a fused state cannot grow then",
            ));
        }
        Ok(self)
    }
}

/// Whether a runtime knows the extents of a value before it runs the graph, once it knows those of the graph's inputs.
///
/// LiteRT gives a state its memory when it loads the graph, and writes beyond it where the batch turns out larger later.
fn sized_at_loading(graph: &Graph, value: Value) -> bool {
    let mut seen = BTreeSet::new();
    let mut todo = vec![value];
    while let Some(value) = todo.pop() {
        if value.op == graph.parameters_op() || !seen.insert(value.op) {
            continue;
        }
        let op = graph.at(value.op);
        let constant_from = |first: usize| op.operands().into_iter().skip(first).flatten().all(|v| graph.constant(v).is_some());
        let sized = match op.op() {
            Op::Const(_) => true,
            Op::Transpose(_) | Op::Reshape(_) | Op::StridedSlice(_) | Op::ReverseV2(_) | Op::Pad(_) => constant_from(1),
            Op::UnidirectionalSequenceLstm(_) | Op::FullyConnected(_) | Op::Conv2d(_) | Op::EmbeddingLookup(_) => true,
            Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) | Op::Concatenation(_) => true,
            Op::Relu(_) | Op::Tanh(_) | Op::Logistic(_) | Op::Cast(_) | Op::Gather(_) => true,
            _ => false,
        };
        if !sized {
            return false;
        }
        todo.extend(op.operands().into_iter().flatten());
    }
    true
}

struct Weight {
    tensor: Tensor,
    name: Option<Arc<str>>,
}

fn weight(value: ValueRef<'_>) -> Option<Weight> {
    let tensor = value
        .constant()
        .filter(|_| is_f32(value) && value.ty().shape.rank() == Some(2))?
        .clone();
    Some(Weight {
        tensor,
        name: value.info().name.clone(),
    })
}

/// The body's `split` of a sum into four gates, with the sum's parts: the products of the input and of the output before.
struct Sum<'g> {
    split: OpId,
    row: ValueRef<'g>,
    product: ValueRef<'g>,
}

fn sum(body: &Graph) -> Option<Sum<'_>> {
    body.order().into_iter().find_map(|split| {
        let op = body.at(split);
        if !matches!(op.op(), Op::Split(s) if s.num == 4) {
            return None;
        }
        let sum = op.operand(1)?.producer();
        if !matches!(sum.op(), Op::Add(a) if a.activation == Activation::None) {
            return None;
        }
        either_order(sum, |row, product| {
            let (row, product) = (unshaped(row), unshaped(product));
            let fits = matches!(row.producer().op(), Op::Gather(_)) && matches!(product.producer().op(), Op::FullyConnected(_));
            fits.then_some(Sum { split, row, product })
        })
    })
}

/// The value before reshapes that only put dimensions of one in or out.
fn unshaped(value: ValueRef<'_>) -> ValueRef<'_> {
    let op = value.producer();
    let long = |v: ValueRef<'_>| {
        v.ty()
            .shape
            .dims()
            .map(|d| d.iter().filter(|d| d.known() != Some(1)).copied().collect::<Vec<_>>())
    };
    match op.operand(0) {
        Some(before) if matches!(op.op(), Op::Reshape(_)) && long(before).is_some() && long(before) == long(value) => unshaped(before),
        _ => value,
    }
}

/// The position of the state that a value of the body or condition is.
fn position(graph: &Graph, value: Option<ValueRef<'_>>) -> Option<usize> {
    value
        .map(ValueRef::id)
        .filter(|v| v.op == graph.parameters_op())
        .map(|v| v.port as usize)
}

fn layer(model: &Model, found: Loop) -> Result<Layer, Skip> {
    let (outer, body) = (model.graph(found.outer), model.graph(found.body));
    let Sum { split, row, product } = sum(body).ok_or(Skip::No)?;
    let no = |reason: &'static str| Skip::because(reason);
    let pure = |graph: &Graph| {
        graph
            .ids()
            .into_iter()
            .all(|id| graph.op(id).kind().is_pure() || id == graph.parameters_op() || id == graph.return_op())
    };
    let tied = !outer.after(found.op).is_empty() || outer.ids().into_iter().any(|id| outer.after(id).contains(&found.op));
    if !pure(body) || !pure(model.graph(found.cond)) || tied {
        return Err(no("its steps have effects"));
    }

    let (initial, next) = (found.initial(model), body.results());
    let results = outer.results_of(found.op);
    let (row, product) = (row.producer(), product.producer());
    let recurrent = product
        .operand(1)
        .and_then(weight)
        .ok_or_else(|| no("the weights of its state are no f32 constant"))?;
    if product.operand(2).is_some() || activation(product.op()) != Some(Activation::None) {
        return Err(no("the product of its state has a bias or an activation"));
    }
    let output = position(body, product.operand(0)).ok_or_else(|| no("its output goes through other operations before the next step"))?;
    let [rows, units] = *recurrent.tensor.dims() else {
        return Err(Skip::No);
    };
    let along = body.operand(split, 0).and_then(|v| integer(body.value(v)));
    if rows != 4 * units || !matches!(along, Some(1 | -1)) || body.ty(next[output]).shape.rank() != Some(2) {
        return Err(no("its gates are not the fourths of the product of its state"));
    }
    let (gates, cell) = cell(body, split, next[output]).ok_or_else(|| no("its gates are not combined as those of an LSTM"))?;

    let counter = position(body, row.operand(1)).ok_or_else(|| no("it does not read its input in order"))?;
    let products = position(body, row.operand(0)).filter(|&p| found.is_invariant(model, p));
    let products = products.filter(|_| matches!(row.op(), Op::Gather(g) if g.axis == 0 && g.batch_dims == 0));
    let products = products.ok_or_else(|| no("the products of its input are not computed before it"))?;
    let projection = outer.at(initial[products].op);
    let (Op::FullyConnected(whole), Some(sequence)) = (projection.op(), projection.operand(0)) else {
        return Err(no("the products of its input are not one product over all steps"));
    };
    let weights = projection
        .operand(1)
        .and_then(weight)
        .ok_or_else(|| no("the weights of its input are no f32 constant"))?;
    if whole.activation != Activation::None
        || !is_f32(sequence)
        || sequence.ty().shape.rank() != Some(3)
        || weights.tensor.dims()[0] != rows
    {
        return Err(no("the products of its input have another form"));
    }
    let bias = match projection.operand(2) {
        Some(bias) => Some(
            bias.constant()
                .filter(|t| is_f32(bias) && t.dims() == [rows])
                .cloned()
                .ok_or_else(|| no("its bias is no constant"))?,
        ),
        None => None,
    };

    let steps = steps(model, found, counter).ok_or_else(|| no("it does not take a constant number of steps, one by one from the first"))?;
    if sequence.ty().shape.dim(0).known() != Some(steps) || steps == 0 {
        return Err(no("it does not take all of its input"));
    }
    let mut all = None;
    for at in 0..initial.len() {
        if [counter, products, output, cell].contains(&at) {
            continue;
        }
        let writes = writes_row(body, next[at], at, counter, next[output]) && outer.ty(results[at]).shape.dim(0).known() == Some(steps);
        if all.is_some() || !writes {
            return Err(no("it carries more than an LSTM's state from step to step"));
        }
        all = Some(results[at]);
    }
    if !outer.uses(results[cell]).is_empty() {
        return Err(no("its last cell state is read"));
    }
    if !outer.uses(results[counter]).is_empty() {
        return Err(no("its number of steps is read"));
    }
    for state in [output, cell] {
        let start = outer.value(initial[state]);
        if !is_f32(start) || start.constant().is_some() && !is_zero(outer, start.id(), 8) {
            return Err(no("its state starts as a constant other than zero"));
        }
    }
    let (initial_output, initial_cell, last) = (initial[output], initial[cell], results[output]);
    Ok(Layer {
        projection: projection.id(),
        sequence: sequence.id(),
        gates,
        weights,
        recurrent,
        bias,
        units,
        initial_output,
        initial_cell,
        all,
        last,
    })
}

/// The gates of a cell whose output is `next`, and the position of the cell's state:
/// `next = σ(output) · tanh(state')`, where `state' = σ(forget) · state + σ(input) · tanh(cell)`.
fn cell(body: &Graph, split: OpId, next: Value) -> Option<(Gates, usize)> {
    let part = |value: ValueRef<'_>| (value.id().op == split).then_some(value.id().port);
    let (output, squashed) = gated(body.value(next), split)?;
    let state = tanh(squashed)?;
    let sum = state.producer();
    if !matches!(sum.op(), Op::Add(a) if a.activation == Activation::None) {
        return None;
    }
    let (gates, position) = either_order(sum, |kept, new| {
        let (forget, before) = gated(kept, split)?;
        let (input, candidate) = gated(new, split)?;
        let cell = part(tanh(candidate)?)?;
        Some((
            Gates {
                input,
                forget,
                cell,
                output,
            },
            position(body, Some(before))?,
        ))
    })?;
    let mut each = gates.in_order();
    each.sort_unstable();
    (each == [0, 1, 2, 3] && body.results()[position] == state.id()).then_some((gates, position))
}

fn tanh(value: ValueRef<'_>) -> Option<ValueRef<'_>> {
    let op = value.producer();
    matches!(op.op(), Op::Tanh(_)).then(|| op.operand(0))?
}

/// The gate that a product has as one factor, and its other factor.
fn gated(product: ValueRef<'_>, split: OpId) -> Option<(u32, ValueRef<'_>)> {
    let op = product.producer();
    if !matches!(op.op(), Op::Mul(m) if m.activation == Activation::None) {
        return None;
    }
    either_order(op, |gate, other| {
        let sigmoid = gate.producer();
        let part = sigmoid.operand(0).filter(|_| matches!(sigmoid.op(), Op::Logistic(_)))?.id();
        (part.op == split).then_some((part.port, other))
    })
}

/// How many steps a loop takes that counts them at `counter` from zero.
fn steps(model: &Model, found: Loop, counter: usize) -> Option<usize> {
    let (outer, cond, body) = (model.graph(found.outer), model.graph(found.cond), model.graph(found.body));
    let next = body.value(body.results()[counter]).producer();
    let counts = matches!(next.op(), Op::Add(_))
        && either_order(next, |now, one| {
            (position(body, Some(now)) == Some(counter) && integer(one) == Some(1)).then_some(())
        })
        .is_some();
    let test = cond.value(*cond.results().first()?).producer();
    let tests = matches!(test.op(), Op::Less(_)) && position(cond, test.operand(0)) == Some(counter);
    let from_zero = integer(outer.value(found.initial(model)[counter])) == Some(0);
    (counts && tests && from_zero).then(|| usize::try_from(integer(test.operand(1)?)?).ok())?
}

/// Whether a step writes `row` at the counter's place into the state at `position`.
fn writes_row(body: &Graph, next: Value, at: usize, counter: usize, row: Value) -> bool {
    let op = body.at(next.op);
    let written = op.operand(1).is_some_and(|v| unshaped(v).id() == row);
    let place = op
        .operand(2)
        .map(ValueRef::producer)
        .filter(|p| matches!(p.op(), Op::Concatenation(_)));
    let placed = place.is_some_and(|p| {
        p.operands().len() == 2
            && position(body, p.operand(0).map(unshaped)) == Some(counter)
            && p.operand(1).and_then(integers).is_some_and(|rest| rest == [0, 0])
    });
    matches!(op.op(), Op::DynamicUpdateSlice(_)) && position(body, op.operand(0)) == Some(at) && written && placed
}

fn fuse(graph: &mut Graph, op: OpId, layer: Layer) {
    let name = graph.results_of(op).into_iter().find_map(|v| graph.info(v).name.clone());
    let units = layer.units;
    let add_parts = |graph: &mut Graph, weight: &Weight| {
        layer.gates.in_order().map(|gate| {
            let rows = weight
                .tensor
                .sliced(0, gate as usize * units, units)
                .expect("the weights have four gates' rows");
            let part = graph.add_const(rows);
            graph.info_mut(part).name = weight.name.as_ref().map(|name| format!("{name}/{gate}").into());
            Some(part)
        })
    };
    let weights = add_parts(graph, &layer.weights);
    let recurrent = add_parts(graph, &layer.recurrent);
    let bias = layer.bias.unwrap_or_else(|| Tensor::splat(&Tensor::scalar(0.0f32), &[4 * units]));
    let biases = add_parts(graph, &Weight { tensor: bias, name: None });
    let mut zeros = None;
    let states = [layer.initial_output, layer.initial_cell].map(|initial| Some(state(graph, initial, layer.sequence, units, &mut zeros)));

    let mut operands = vec![Some(layer.sequence)];
    operands.extend(weights.into_iter().chain(recurrent));
    operands.extend([None; 3]);
    operands.extend(biases);
    operands.extend([None, None]);
    operands.extend(states);
    let fused = UnidirectionalSequenceLstm {
        activation: Activation::Tanh,
        cell_clip: 0.0,
        proj_clip: 0.0,
        time_major: true,
        asymmetric_quantize_inputs: false,
        diagonal_recurrent_tensors: false,
    };
    let outputs = graph.add_with_empty(fused, &operands);
    graph.info_mut(outputs).name = name;
    if let Some(all) = layer.all {
        graph.replace(all, outputs);
    }
    if !graph.uses(layer.last).is_empty() {
        let [begin, end, strides] = [-1, 0, 1].map(|n| graph.add_ints(&[n]));
        let last_row = StridedSlice {
            begin_mask: 0,
            end_mask: 0,
            ellipsis_mask: 0,
            new_axis_mask: 0,
            shrink_axis_mask: 1,
            offset: false,
        };
        let row = graph.add(last_row, &[outputs, begin, end, strides]);
        graph.info_mut(row).name = graph.info(layer.last).name.clone();
        graph.replace(layer.last, row);
    }
}

/// A state operand that is written anew at every call: by an operation of its own, and never a constant.
///
/// Each of these operations tells a runtime its result's extents as it loads the graph; of an input with an unknown
/// extent, `slice` does not.
fn state(graph: &mut Graph, initial: Value, sequence: Value, units: usize, zeros: &mut Option<Value>) -> Value {
    if !is_zero(graph, initial, 8) {
        let once = graph.add_ints(&[1, 1]);
        return graph.add(Tile {}, &[initial, once]);
    }
    let column = *zeros.get_or_insert_with(|| {
        let [begin, end, strides] = [[0, 0, 0], [1, 0, 1], [1, 1, 1]].map(|at| graph.add_ints(&at));
        let first_column = StridedSlice {
            begin_mask: 0,
            end_mask: 0b010,
            ellipsis_mask: 0,
            new_axis_mask: 0,
            shrink_axis_mask: 0b001,
            offset: false,
        };
        let column = graph.add(first_column, &[sequence, begin, end, strides]);
        graph.add(ZerosLike {}, &[column])
    });
    let multiples = graph.add_ints(&[1, units as i32]);
    graph.add(Tile {}, &[column, multiples])
}

planish_core::inventory::submit! { PassEntry::of::<FuseLstm>() }
