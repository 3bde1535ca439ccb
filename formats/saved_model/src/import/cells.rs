//! Recurrent cells, and whole layers of them, that TensorFlow has one operation for.

use planish_core::graph::Value;
use planish_core::op::{DynamicUpdateSlice, ExpandDims, Fill, Gather, Less, Logistic, Maximum, Minimum, Split, Tanh};
use planish_core::tensor::Tensor;

use super::binary::{add, mul, sub};
use super::matrix::product;
use super::node::{Node, many};
use super::unary::plus;
use super::{Imported, Stop};

/// What the cells of a long short-term memory have in common.
struct Lstm {
    /// Where input, cell, forget and output gate lie in the product of the weights.
    gates: [usize; 4],
    cells: i32,
    forget_bias: f64,
    /// Cells are kept between this and its negative.
    clip: Option<f64>,
    peephole: bool,
}

/// The weights of a cell: all gates', those of the peepholes and the bias.
struct Weights {
    all: Value,
    peepholes: [Value; 3],
    bias: Value,
}

/// `[i, cs, f, o, ci, co, h]`, as TensorFlow calls them: the gates, the cells, what goes into them and out of them, and the result.
type Step = [Value; 7];

impl Lstm {
    fn of(node: &Node<'_>, state: Value, gates: [usize; 4], forget_bias: f32, clip: f32) -> Result<Lstm, Stop> {
        let cells = node.shape(state).dim(1).known().and_then(|n| i32::try_from(n).ok());
        let clip = f64::from(node.attr_float("cell_clip", clip));
        Ok(Lstm {
            gates,
            cells: cells.filter(|n| n.checked_mul(4).is_some()).ok_or(Stop::Foreign)?,
            forget_bias: f64::from(node.attr_float("forget_bias", forget_bias)),
            clip: (clip > 0.0).then_some(clip),
            peephole: node.attr_bool("use_peephole"),
        })
    }

    /// One step: Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with the forget gate of Gers et al. (2000) and
    /// the peepholes of Gers and Schmidhuber (2000).
    fn step(&self, node: &mut Node<'_>, x: Value, [cells, result]: [Value; 2], weights: &Weights) -> Result<Step, Stop> {
        let both = node.concatenated(&[x, result], 1)?;
        let all = product(node, both, weights.all, false, false)?;
        let all = add(node, all, weights.bias)?;
        let axis = node.add_int(1);
        let all = node.add_many(Split { num: 4 }, &[axis, all])?;
        let [input, cell, forget, output] = self.gates.map(|at| all[at]);
        let seen = |node: &mut Node<'_>, gate: Value, cells: Value, peephole: usize| -> Result<Value, Stop> {
            if !self.peephole {
                return Ok(gate);
            }
            let seen = mul(node, cells, weights.peepholes[peephole])?;
            add(node, gate, seen)
        };
        let input = seen(node, input, cells, 0)?;
        let input = node.add(Logistic {}, &[input])?;
        let forget = if self.forget_bias == 0.0 {
            forget
        } else {
            plus(node, forget, self.forget_bias)?
        };
        let forget = seen(node, forget, cells, 1)?;
        let forget = node.add(Logistic {}, &[forget])?;
        let cell = node.add(Tanh {}, &[cell])?;
        let (new, kept) = (mul(node, cell, input)?, mul(node, cells, forget)?);
        let mut cells = add(node, new, kept)?;
        if let Some(clip) = self.clip {
            let (low, high) = (node.number(-clip, cells)?, node.number(clip, cells)?);
            cells = node.add(Minimum {}, &[cells, high])?;
            cells = node.add(Maximum {}, &[cells, low])?;
        }
        let output = seen(node, output, cells, 2)?;
        let output = node.add(Logistic {}, &[output])?;
        let out = node.add(Tanh {}, &[cells])?;
        let result = mul(node, out, output)?;
        Ok([input, cells, forget, output, cell, out, result])
    }
}

/// `LSTMBlockCell`: one step.
pub(super) fn lstm_cell(node: &mut Node<'_>) -> Imported {
    let (x, state) = (node.value(0)?, [node.value(1)?, node.value(2)?]);
    let weights = Weights {
        all: node.value(3)?,
        peepholes: [node.value(4)?, node.value(5)?, node.value(6)?],
        bias: node.value(7)?,
    };
    let lstm = Lstm::of(node, state[0], [0, 1, 2, 3], 1.0, 3.0)?;
    many(lstm.step(node, x, state, &weights)?.to_vec())
}

/// `BlockLSTM`: steps along the first axis.
pub(super) fn lstm(node: &mut Node<'_>) -> Imported {
    let state = node.value(2)?;
    let lstm = Lstm::of(node, state, [0, 1, 2, 3], 1.0, 3.0)?;
    layer(node, &lstm)
}

/// `BlockLSTMV2`: its gates lie in another order, and the bias says all.
pub(super) fn lstm_v2(node: &mut Node<'_>) -> Imported {
    let state = node.value(2)?;
    let lstm = Lstm::of(node, state, [0, 2, 1, 3], 0.0, 0.0)?;
    layer(node, &lstm)
}

/// Results of the steps that are not made are zeros.
fn layer(node: &mut Node<'_>, lstm: &Lstm) -> Imported {
    let (steps, x) = (node.index_input(0)?, node.value(1)?);
    let (all_steps, batch) = (node.extent(x, 0)?, node.extent(x, 1)?);
    let steps = node.add(Minimum {}, &[steps, all_steps])?;
    let count = node.add_int(lstm.cells);
    let dims = node.packed(&[all_steps, batch, count])?;
    let zero = node.add_const(Tensor::scalar(0.0f32));
    let zeros = node.add(Fill {}, &[dims, zero])?;
    let first = node.add_int(0);
    let (cells, result, weights) = (node.value(2)?, node.value(3)?, node.value(4)?);
    let [wi, wf, wo, bias] = [node.value(5)?, node.value(6)?, node.value(7)?, node.value(8)?];
    let state = [first, steps, x, cells, result, weights, wi, wf, wo, bias];
    let [.., i, cs, f, o, ci, co, h] = node.looped(
        with_results(state, [zeros; 7]),
        |node, [step, steps, ..]| node.add(Less {}, &[step, steps]),
        |node, [step, steps, x, cells, result, all, wi, wf, wo, bias, results @ ..]| {
            let row = node.add(Gather { axis: 0, batch_dims: 0 }, &[x, step])?;
            let weights = Weights {
                all,
                peepholes: [wi, wf, wo],
                bias,
            };
            let made = lstm.step(node, row, [cells, result], &weights)?;
            let zero = node.add_int(0);
            let start = node.packed(&[step, zero, zero])?;
            let mut results: Step = results;
            for (all, made) in results.iter_mut().zip(made) {
                let row = node.add(ExpandDims {}, &[made, zero])?;
                *all = node.add(DynamicUpdateSlice {}, &[*all, row, start])?;
            }
            let state = [plus(node, step, 1.0)?, steps, x, made[1], made[6], all, wi, wf, wo, bias];
            Ok(with_results(state, results))
        },
    )?;
    many(vec![i, cs, f, o, ci, co, h])
}

/// What a layer's loop carries: the state, and the results of all steps.
fn with_results(state: [Value; 10], results: Step) -> [Value; 17] {
    std::array::from_fn(|i| if i < state.len() { state[i] } else { results[i - state.len()] })
}

/// `GRUBlockCell`: one step of the gated recurrent unit of Cho et al. (2014), whose reset gate works before the product.
pub(super) fn gru_cell(node: &mut Node<'_>) -> Imported {
    let (x, state) = (node.value(0)?, node.value(1)?);
    let (gate_weights, weights) = (node.value(2)?, node.value(3)?);
    let (gate_bias, bias) = (node.value(4)?, node.value(5)?);
    let both = node.concatenated(&[x, state], 1)?;
    let gates = product(node, both, gate_weights, false, false)?;
    let gates = add(node, gates, gate_bias)?;
    let gates = node.add(Logistic {}, &[gates])?;
    let axis = node.add_int(1);
    let gates = node.add_many(Split { num: 2 }, &[axis, gates])?;
    let (reset, update) = (gates[0], gates[1]);
    let left = mul(node, reset, state)?;
    let both = node.concatenated(&[x, left], 1)?;
    let new = product(node, both, weights, false, false)?;
    let new = add(node, new, bias)?;
    let new = node.add(Tanh {}, &[new])?;
    let difference = sub(node, state, new)?;
    let kept = mul(node, update, difference)?;
    let result = add(node, new, kept)?;
    many(vec![reset, update, new, result])
}
