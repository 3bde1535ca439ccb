//! Makes one `unidirectional_sequence_lstm` of the loop that an LSTM layer is.
//!
//! The loop is the one that clean-up leaves: the input's products for all steps before it, and in its body a row of
//! them, the product of the output before, four gates, the cell's update, and maybe a row written into all outputs.
//! The state operands are written before every call, so that the operation starts as the loop does and takes any batch;
//! each layer has its own, as the operation writes into them.

use std::collections::BTreeSet;

use planish_core::attr::Activation;
use planish_core::op::{StridedSlice, Tile, UnidirectionalSequenceLstm, ZerosLike};
use planish_core::{Changed, Context, Error, Graph, GraphId, Meaning, Model, Op, OpId, Pass, PassEntry, Skip, Tensor, Value, inventory};
use serde::{Deserialize, Serialize};

use crate::cells::{Cell, lstm_cells};
use crate::loops::loops;
use crate::simplify_loops::is_zero;

mod find;

use find::{Layer, Weight, layer};

/// What configures [`FuseLstm`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FuseLstmOptions {
    /// Layers of more inputs and units together stay loops.
    pub max_fan_in: u32,
    /// Layers of another batch than one stay loops.
    pub single_batch: bool,
    /// Layers whose row is reshaped on its way to the gates, as Keras 3 writes them, stay loops: quantized, the weights of a loop
    /// have a scale for each row, and those of the operator one for each gate.
    pub plain_only: bool,
}

impl Default for FuseLstmOptions {
    fn default() -> FuseLstmOptions {
        FuseLstmOptions {
            max_fan_in: u32::MAX,
            single_batch: false,
            plain_only: false,
        }
    }
}

/// Makes one `unidirectional_sequence_lstm` of the loop that an LSTM layer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseLstm;

impl Pass for FuseLstm {
    type Options = FuseLstmOptions;
    const NAME: &'static str = "fuse_lstm";
    const SUMMARY: &'static str = "makes one operator of the loop that an LSTM layer is";
    const MEANING: Meaning = Meaning::Ulps;
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        ("max_fan_in", "layers of more inputs and units together stay loops"),
        (
            "plain_only",
            "whether layers whose row is reshaped before the gates, as Keras 3 writes them, stay loops",
        ),
        ("single_batch", "whether layers of another batch than one stay loops"),
    ];

    fn run(&self, model: &mut Model, options: &FuseLstmOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        let cells: BTreeSet<(GraphId, OpId)> = lstm_cells(model).into_iter().flat_map(|cell| cell.products).collect();
        for found in loops(model) {
            let chosen = |layer: Layer| {
                let plain = cells.contains(&(found.outer, layer.projection));
                layer.chosen(model.graph(found.outer), options, plain)
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

/// The cells that TensorFlow's converter makes one operator of, with one scale for each gate: those of layers whose last state
/// nobody reads, without masks. Others are loops there, too, with a scale for each row.
pub(crate) fn fusible_cells(model: &Model) -> Vec<Cell> {
    let mut cells = lstm_cells(model);
    cells.retain(|cell| cell.products.len() == 2 && (layer(model, cell.found).is_ok() || cell.is_equalized(model)));
    cells
}

impl Layer {
    /// The layer, where the options want it fused.
    fn chosen(self, outer: &Graph, options: &FuseLstmOptions, plain: bool) -> Result<Layer, Skip> {
        let fan_in = self.weights.tensor.dims()[1] + self.units;
        let batch = outer.ty(self.sequence).shape.dim(1);
        if fan_in > options.max_fan_in as usize {
            return Err(Skip::because("as a loop it is faster, at its number of inputs and units"));
        }
        if options.single_batch && batch.known() != Some(1) {
            return Err(Skip::because("as a loop it is faster, for batches other than one"));
        }
        if options.plain_only && !plain {
            return Err(Skip::because("as a loop it can be quantized with a scale for each row"));
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
    if !is_zero(graph, initial) {
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

inventory::submit! { PassEntry::of::<FuseLstm>() }
