//! Recurrent layers as cuDNN computes them: what Keras exports where it was trained on a GPU, and TensorFlow runs only there.
//!
//! A layer's weights and biases lie in one vector: for each gate the weights for the input, for each gate those for the state,
//! then the biases of the former and of the latter ("cuDNN API reference", `cudnnRNNMode_t` and `cudnnGetRNNWeightParams`).

use planish_core::extents::{extent_of, same_extent};
use planish_core::graph::Value;
use planish_core::op::{DynamicUpdateSlice, ExpandDims, Fill, Gather, Less, Logistic, Op, SelectV2, Slice, Split, Squeeze, Tanh};
use planish_core::tensor::Tensor;

use super::binary::{add, mul, sub};
use super::convolution::floats_only;
use super::matrix::product;
use super::node::{Node, many};
use super::{Imported, Stop};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Lstm,
    Gru,
}

/// What a loop carries from step to step.
#[derive(Clone, Copy)]
struct State {
    result: Value,
    cells: Value,
}

#[derive(Clone, Copy)]
struct Weights {
    input: Value,
    state: Value,
    input_bias: Value,
    state_bias: Value,
}

/// `CudnnRNN` and `CudnnRNNV2`: every sequence has all steps, and steps come first.
pub(super) fn layer(node: &mut Node<'_>) -> Imported {
    run(node, true, None)
}

/// `CudnnRNNV3`: each sequence says how long it is.
pub(super) fn layer_of_lengths(node: &mut Node<'_>) -> Imported {
    let time_major = node.attr_bool_or("time_major", true);
    let (x, lengths) = (node.value(0)?, node.index_input(4)?);
    let whole = is_whole(node, lengths, (x, usize::from(!time_major)));
    run(node, time_major, (!whole).then_some(lengths))
}

/// Whether all lengths are this extent.
fn is_whole(node: &Node<'_>, lengths: Value, steps: (Value, usize)) -> bool {
    let graph = &node.importer.graph;
    let Op::Fill(_) = graph.op(lengths.op) else { return false };
    let Some(length) = graph.operand(lengths.op, 1) else { return false };
    let known = node.shape(steps.0).dim(steps.1).known().and_then(|n| i64::try_from(n).ok());
    let same = |source| same_extent(graph, source, steps);
    known.is_some_and(|n| node.known_ints(length) == Some(vec![n])) || extent_of(graph.value(length), 0).is_some_and(same)
}

fn run(node: &mut Node<'_>, time_major: bool, lengths: Option<Value>) -> Imported {
    let cell = match node.attr_text("rnn_mode", "lstm") {
        "lstm" => Cell::Lstm,
        "gru" => Cell::Gru,
        _ => return Err(Stop::Foreign),
    };
    let plain = node.attr_text("direction", "unidirectional") == "unidirectional"
        && node.attr_text("input_mode", "linear_input") == "linear_input"
        && node.attr_int("num_proj", 0) == 0;
    let (mut x, state, parameters) = (node.value(0)?, node.value(1)?, node.value(3)?);
    floats_only(node, x)?;
    let layers = usize::from(!time_major);
    let one_layer = node.known_rank(state)? == 3 && node.shape(state).dim(layers).known() == Some(1);
    if !plain || !one_layer {
        return Err(Stop::Foreign);
    }
    if !time_major {
        x = node.transposed(x, &[1, 0, 2])?;
    }
    let extent = |value: Value| node.shape(value).dim(2).known().ok_or(Stop::Foreign);
    let weights = weights(node, cell, parameters, extent(x)?, extent(state)?)?;
    let without_layers = Squeeze { axes: vec![layers as i32] };
    let result = node.add(without_layers.clone(), &[state])?;
    let cells = match cell {
        Cell::Lstm => {
            let cells = node.value(2)?;
            node.add(without_layers, &[cells])?
        }
        Cell::Gru => result,
    };
    let (all, State { result, cells }) = steps(node, cell, x, lengths, State { result, cells }, weights)?;
    let all = if time_major { all } else { node.transposed(all, &[1, 0, 2])? };
    let axis = node.add_int(layers as i32);
    let result = node.add(ExpandDims {}, &[result, axis])?;
    let cells = node.add(ExpandDims {}, &[cells, axis])?;
    many(vec![all, result, cells])
}

/// The parts of the vector in which a layer's weights lie.
fn weights(node: &mut Node<'_>, cell: Cell, parameters: Value, inputs: usize, units: usize) -> Result<Weights, Stop> {
    let gates = match cell {
        Cell::Lstm => 4,
        Cell::Gru => 3,
    };
    let rows = units.checked_mul(gates).ok_or(Stop::Foreign)?;
    let mut begin = 0usize;
    let mut part = |node: &mut Node<'_>, dims: &[usize]| -> Result<Value, Stop> {
        let count = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or(Stop::Foreign)?;
        let number = |n: usize| i32::try_from(n).map_err(|_| Stop::Foreign);
        let (first, size) = (node.add_ints(&[number(begin)?]), node.add_ints(&[number(count)?]));
        begin = begin.checked_add(count).ok_or(Stop::Foreign)?;
        let part = node.add(Slice {}, &[parameters, first, size])?;
        node.reshaped(part, dims)
    };
    let (input, state) = (part(node, &[rows, inputs])?, part(node, &[rows, units])?);
    let (input_bias, state_bias) = (part(node, &[rows])?, part(node, &[rows])?);
    Ok(Weights {
        input,
        state,
        input_bias,
        state_bias,
    })
}

/// The results of all steps, and the state after the last of each sequence. Beyond a sequence's end results are zeros.
fn steps(
    node: &mut Node<'_>,
    cell: Cell,
    x: Value,
    lengths: Option<Value>,
    state: State,
    weights: Weights,
) -> Result<(Value, State), Stop> {
    let (first, count) = (node.add_int(0), node.extent(x, 0)?);
    let batch = node.extent(x, 1)?;
    let units = node.shape(state.result).dim(1).known().and_then(|n| i32::try_from(n).ok());
    let units = node.add_int(units.ok_or(Stop::Foreign)?);
    let dims = node.packed(&[count, batch, units])?;
    let zero = node.add_const(Tensor::scalar(0.0f32));
    let zeros = node.add(Fill {}, &[dims, zero])?;
    let Weights {
        input,
        state: recurrent,
        input_bias,
        state_bias,
    } = weights;
    let has_lengths = lengths.is_some();
    let carried = [
        first,
        count,
        x,
        lengths.unwrap_or(count),
        input,
        recurrent,
        input_bias,
        state_bias,
        state.result,
        state.cells,
        zeros,
    ];
    let [.., result, cells, all] = node.looped(
        carried,
        |node, [step, count, ..]| node.add(Less {}, &[step, count]),
        |node,
         [
            step,
            count,
            x,
            lengths,
            input,
            recurrent,
            input_bias,
            state_bias,
            result,
            cells,
            all,
        ]| {
            let row = node.add(Gather { axis: 0, batch_dims: 0 }, &[x, step])?;
            let weights = Weights {
                input,
                state: recurrent,
                input_bias,
                state_bias,
            };
            let mut new = one_step(node, cell, row, State { result, cells }, weights)?;
            let mut written = new.result;
            if has_lengths {
                let goes_on = node.add(Less {}, &[step, lengths])?;
                let last = node.add_int(-1);
                let goes_on = node.add(ExpandDims {}, &[goes_on, last])?;
                let nothing = node.number(0.0, written)?;
                written = node.add(SelectV2 {}, &[goes_on, written, nothing])?;
                new.result = node.add(SelectV2 {}, &[goes_on, new.result, result])?;
                new.cells = node.add(SelectV2 {}, &[goes_on, new.cells, cells])?;
            }
            let zero = node.add_int(0);
            let place = node.packed(&[step, zero, zero])?;
            let written = node.add(ExpandDims {}, &[written, zero])?;
            let all = node.add(DynamicUpdateSlice {}, &[all, written, place])?;
            let unit = node.add_int(1);
            let next = add(node, step, unit)?;
            Ok([
                next, count, x, lengths, input, recurrent, input_bias, state_bias, new.result, new.cells, all,
            ])
        },
    )?;
    Ok((all, State { result, cells }))
}

/// One step: gates in the order input, forget, cell, output, or reset, update, new; the reset gate works behind the product.
fn one_step(node: &mut Node<'_>, cell: Cell, x: Value, state: State, weights: Weights) -> Result<State, Stop> {
    let of_input = product(node, x, weights.input, false, true)?;
    let of_input = add(node, of_input, weights.input_bias)?;
    let of_state = product(node, state.result, weights.state, false, true)?;
    let of_state = add(node, of_state, weights.state_bias)?;
    let axis = node.add_int(1);
    match cell {
        Cell::Lstm => {
            let gates = add(node, of_input, of_state)?;
            let gates = node.add_many(Split { num: 4 }, &[axis, gates])?;
            let input = node.add(Logistic {}, &[gates[0]])?;
            let forget = node.add(Logistic {}, &[gates[1]])?;
            let new = node.add(Tanh {}, &[gates[2]])?;
            let output = node.add(Logistic {}, &[gates[3]])?;
            let (new, kept) = (mul(node, input, new)?, mul(node, forget, state.cells)?);
            let cells = add(node, kept, new)?;
            let out = node.add(Tanh {}, &[cells])?;
            let result = mul(node, output, out)?;
            Ok(State { result, cells })
        }
        Cell::Gru => {
            let of_input = node.add_many(Split { num: 3 }, &[axis, of_input])?;
            let of_state = node.add_many(Split { num: 3 }, &[axis, of_state])?;
            let reset = add(node, of_input[0], of_state[0])?;
            let reset = node.add(Logistic {}, &[reset])?;
            let update = add(node, of_input[1], of_state[1])?;
            let update = node.add(Logistic {}, &[update])?;
            let left = mul(node, reset, of_state[2])?;
            let new = add(node, of_input[2], left)?;
            let new = node.add(Tanh {}, &[new])?;
            let difference = sub(node, state.result, new)?;
            let kept = mul(node, update, difference)?;
            let result = add(node, new, kept)?;
            Ok(State { result, cells: result })
        }
    }
}
