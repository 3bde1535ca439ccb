//! LSTM cells.

use std::borrow::Cow;

use planish_core::Tensor;
use planish_core::attr::Activation;
use planish_core::op::{BasicLstm, Lstm, UnidirectionalSequenceLstm};

use super::cell::Matrix;
use super::{Sequence, rows_of, state, written};
use crate::error::Error;
use crate::reference::activation::activate;
use crate::reference::args::{Args, invalid};

/// What one gate is computed from.
struct Gate<'a> {
    input: Matrix<'a>,
    auxiliary: Option<Matrix<'a>>,
    recurrent: Matrix<'a>,
    peephole: Option<Vec<f32>>,
    bias: Option<Cow<'a, [f32]>>,
    norm: Option<Cow<'a, [f32]>>,
}

/// Where the operands of a cell begin; the gates are in the order input, forget, cell, output.
pub(super) struct Places {
    pub(super) input: usize,
    pub(super) recurrent: usize,
    pub(super) peephole: usize,
    pub(super) bias: usize,
    pub(super) projection: usize,
    pub(super) norm: Option<usize>,
    pub(super) auxiliary: Option<usize>,
}

/// How a cell computes beside its weights.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) activation: Activation,
    pub(super) cell_clip: f32,
    pub(super) proj_clip: f32,
    pub(super) asymmetric: bool,
}

/// A cell with its weights.
pub(super) struct Cell<'a> {
    gates: [Option<Gate<'a>>; 4],
    projection: Option<Matrix<'a>>,
    projection_bias: Option<Cow<'a, [f32]>>,
    settings: Settings,
    pub(super) units: usize,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
}

impl<'a> Cell<'a> {
    pub(super) fn of(args: &Args<'a>, places: &Places, settings: Settings) -> Result<Cell<'a>, Error> {
        let matrix = |operand| Matrix::optional(args, operand, settings.asymmetric);
        let vector = |operand: usize| args.optional_elements::<f32>(operand);
        let gate = |gate: usize| -> Result<Option<Gate<'a>>, Error> {
            let Some(input) = matrix(places.input + gate)? else {
                return Ok(None);
            };
            let peephole = match gate {
                0 | 1 => matrix(places.peephole + gate)?,
                3 => matrix(places.peephole + 2)?,
                _ => None,
            };
            Ok(Some(Gate {
                input,
                auxiliary: places.auxiliary.map_or(Ok(None), |first| matrix(first + gate))?,
                recurrent: Matrix::of(args, places.recurrent + gate, settings.asymmetric)?,
                peephole: peephole.map(|p| p.to_reals()),
                bias: vector(places.bias + gate)?,
                norm: places.norm.map_or(Ok(None), |first| vector(first + gate))?,
            }))
        };
        let gates = [gate(0)?, gate(1)?, gate(2)?, gate(3)?];
        let projection = matrix(places.projection)?;
        let Some(output) = &gates[3] else {
            return Err(Error::Missing(args.name(places.input + 3)));
        };
        let (units, inputs) = (output.input.rows, output.input.columns);
        let outputs = projection.as_ref().map_or(units, |p| p.rows);
        for (i, gate) in gates.iter().enumerate() {
            let Some(gate) = gate else {
                if i == 0 {
                    continue;
                } else {
                    return Err(Error::Missing(args.name(places.input + i)));
                }
            };
            let fits = gate.input.rows == units
                && gate.input.columns == inputs
                && gate.recurrent.rows == units
                && gate.recurrent.columns == outputs
                && gate.auxiliary.as_ref().is_none_or(|a| a.rows == units)
                && gate.peephole.as_ref().is_none_or(|p| p.len() == units)
                && gate.bias.as_ref().is_none_or(|b| b.len() == units)
                && gate.norm.as_ref().is_none_or(|n| n.len() == units);
            if !fits {
                return invalid(format!(
                    "the weights of gate {i} do not fit {units} units, {inputs} inputs and {outputs} outputs"
                ));
            }
        }
        let projection_bias = vector(places.projection + 1)?;
        if projection.as_ref().is_some_and(|p| p.columns != units) || projection_bias.as_ref().is_some_and(|b| b.len() != outputs) {
            return invalid(format!("the projection does not fit {units} units and {outputs} outputs"));
        }
        Ok(Cell {
            gates,
            projection,
            projection_bias,
            settings,
            units,
            outputs,
            inputs,
        })
    }

    /// The auxiliary input's depth, where there is one.
    pub(super) fn auxiliary_inputs(&self) -> Option<usize> {
        self.gates[3].as_ref()?.auxiliary.as_ref().map(|a| a.columns)
    }

    /// One gate before its nonlinearity.
    fn gate(&self, gate: &Gate<'_>, x: &[f32], auxiliary: Option<&[f32]>, hidden: &[f32], cell: &[f32]) -> Vec<f32> {
        let normed = gate.norm.is_some();
        let mut out = match &gate.bias {
            Some(bias) if !normed => bias.iter().copied().cycle().take(cell.len()).collect(),
            _ => vec![0.0; cell.len()],
        };
        gate.input.add_product(x, &mut out);
        if let (Some(weights), Some(x)) = (&gate.auxiliary, auxiliary) {
            weights.add_product(x, &mut out);
        }
        gate.recurrent.add_product(hidden, &mut out);
        if let Some(peephole) = &gate.peephole {
            out.iter_mut()
                .zip(cell)
                .enumerate()
                .for_each(|(i, (out, c))| *out += peephole[i % self.units] * c);
        }
        if let Some(norm) = &gate.norm {
            for row in out.chunks_exact_mut(self.units) {
                let mean = row.iter().sum::<f32>() / self.units as f32;
                let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / self.units as f32;
                let inverse = 1.0 / (variance + 1e-8).sqrt();
                row.iter_mut().enumerate().for_each(|(i, x)| {
                    *x = (*x - mean) * inverse * norm[i] + gate.bias.as_ref().map_or(0.0, |b| b[i]);
                });
            }
        }
        out
    }

    /// One step: writes the new output and cell state over the old ones.
    pub(super) fn step(&self, x: &[f32], auxiliary: Option<&[f32]>, hidden: &mut [f32], cell: &mut [f32]) {
        let compute = |index: usize, cell: &[f32]| self.gates[index].as_ref().map(|g| self.gate(g, x, auxiliary, hidden, cell));
        let sigmoid = |mut values: Vec<f32>| {
            values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp()));
            values
        };
        let forget = sigmoid(compute(1, cell).expect("checked when made"));
        let input = match compute(0, cell) {
            Some(input) => sigmoid(input),
            None => forget.iter().map(|f| 1.0 - f).collect(),
        };
        let mut candidate = compute(2, cell).expect("checked when made");
        activate(self.settings.activation, &mut candidate);
        for (i, c) in cell.iter_mut().enumerate() {
            *c = forget[i] * *c + input[i] * candidate[i];
            if self.settings.cell_clip > 0.0 {
                *c = c.clamp(-self.settings.cell_clip, self.settings.cell_clip);
            }
        }
        let output = sigmoid(compute(3, cell).expect("checked when made"));
        let mut squashed = cell.to_vec();
        activate(self.settings.activation, &mut squashed);
        squashed.iter_mut().zip(&output).for_each(|(s, o)| *s *= o);
        match &self.projection {
            None => hidden.copy_from_slice(&squashed),
            Some(projection) => {
                let bias = self.projection_bias.as_deref();
                hidden
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, h)| *h = bias.map_or(0.0, |b| b[i % self.outputs]));
                projection.add_product(&squashed, hidden);
                if self.settings.proj_clip > 0.0 {
                    hidden
                        .iter_mut()
                        .for_each(|h| *h = h.clamp(-self.settings.proj_clip, self.settings.proj_clip));
                }
            }
        }
    }

    /// Runs the cell over a sequence; `out` has rows of `width`, of which the cell writes its outputs from `at` on.
    #[expect(clippy::too_many_arguments, reason = "the sequence, what is read with it, and what is written")]
    pub(super) fn run(
        &self,
        sequence: Sequence,
        x: &[f32],
        auxiliary: Option<(Sequence, &[f32])>,
        states: (&mut [f32], &mut [f32]),
        backwards: bool,
        out: &mut [f32],
        (width, at): (usize, usize),
    ) {
        let (hidden, cell) = states;
        for i in 0..sequence.time {
            let t = if backwards { sequence.time - 1 - i } else { i };
            let more = auxiliary.map(|(sequence, x)| sequence.step(x, t));
            self.step(&sequence.step(x, t), more.as_deref(), hidden, cell);
            for b in 0..sequence.batch {
                out[sequence.row(b, t) * width + at..][..self.outputs].copy_from_slice(&hidden[b * self.outputs..][..self.outputs]);
            }
        }
    }
}

const PLACES: Places = Places {
    input: 1,
    recurrent: 5,
    peephole: 9,
    bias: 12,
    projection: 16,
    norm: Some(20),
    auxiliary: None,
};

/// `lstm`: the output, then the new output and cell state.
pub(crate) fn lstm(op: &Lstm, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let settings = Settings {
        activation: op.activation,
        cell_clip: op.cell_clip,
        proj_clip: op.proj_clip,
        asymmetric: op.asymmetric_quantize_inputs,
    };
    let cell = Cell::of(args, &PLACES, settings)?;
    let batch = rows_of(args, 0, cell.inputs)?;
    let (mut hidden, mut kept) = (state(args, 18, batch, cell.outputs)?, state(args, 19, batch, cell.units)?);
    cell.step(&args.elements::<f32>(0)?, None, &mut hidden, &mut kept);
    let out = Tensor::from_vec(&[batch, cell.outputs], hidden.clone());
    Ok(vec![out, written(args, 18, hidden)?, written(args, 19, kept)?])
}

/// `unidirectional_sequence_lstm`: the outputs, then the new output and cell state.
pub(crate) fn sequence_lstm(op: &UnidirectionalSequenceLstm, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let settings = Settings {
        activation: op.activation,
        cell_clip: op.cell_clip,
        proj_clip: op.proj_clip,
        asymmetric: op.asymmetric_quantize_inputs,
    };
    let cell = Cell::of(args, &PLACES, settings)?;
    let sequence = Sequence::of(args, 0, op.time_major)?;
    if sequence.depth != cell.inputs {
        return Err(args.bad(0, format!("has rows of {}, expected {}", sequence.depth, cell.inputs)));
    }
    let (mut hidden, mut kept) = (
        state(args, 18, sequence.batch, cell.outputs)?,
        state(args, 19, sequence.batch, cell.units)?,
    );
    let mut out = args.alloc::<f32>(&sequence.dims(cell.outputs), 0.0)?;
    cell.run(
        sequence,
        &args.elements::<f32>(0)?,
        None,
        (&mut hidden, &mut kept),
        false,
        &mut out,
        (cell.outputs, 0),
    );
    Ok(vec![
        Tensor::from_vec(&sequence.dims(cell.outputs), out),
        written(args, 18, hidden)?,
        written(args, 19, kept)?,
    ])
}

/// `basic_lstm`: weights `[4 × units, inputs + units]`, gates in the order input, candidate, forget, output.
pub(crate) fn basic_lstm(op: &BasicLstm, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let [batch, inputs] = args.dims::<2>(0)?;
    let [_, units] = args.dims::<2>(1)?;
    let weights = Matrix::of(args, 2, false)?;
    let (previous, bias) = (state(args, 1, batch, units)?, args.elements::<f32>(3)?);
    let mut cell = state(args, 4, batch, units)?;
    if weights.rows != 4 * units || weights.columns != inputs + units || bias.len() != 4 * units {
        return invalid(format!(
            "weights {}x{} and {} biases do not fit {units} units and {inputs} inputs",
            weights.rows,
            weights.columns,
            bias.len()
        ));
    }
    let x = args.elements::<f32>(0)?;
    let joined: Vec<f32> = (0..batch)
        .flat_map(|b| x[b * inputs..][..inputs].iter().chain(&previous[b * units..][..units]).copied())
        .collect();
    let mut gates: Vec<f32> = bias.iter().copied().cycle().take(batch * 4 * units).collect();
    weights.add_product(&joined, &mut gates);
    let sigmoid = |v: f32| 1.0 / (1.0 + (-v).exp());
    let mut out = vec![0.0; batch * units];
    for at in 0..batch * units {
        let gate = |g: usize| gates[at / units * 4 * units + g * units + at % units];
        let next = sigmoid(gate(0)) * gate(1).tanh() + sigmoid(gate(2)) * cell[at];
        cell[at] = if op.cell_clip > 0.0 {
            next.clamp(-op.cell_clip, op.cell_clip)
        } else {
            next
        };
        out[at] = sigmoid(gate(3)) * cell[at].tanh();
    }
    Ok(vec![
        Tensor::from_vec(&[batch, units], out),
        Tensor::from_vec(&[batch, units], cell),
        Tensor::from_vec(&[batch, inputs + units], joined),
        Tensor::from_vec(&[batch, 4 * units], gates),
    ])
}
