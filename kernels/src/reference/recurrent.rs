//! Recurrent layers: LSTM, plain cells and filters, one step and over sequences.
//!
//! ```text
//! i, f, o = σ(W x + R h + P ⊙ c + b)      g = act(W x + R h + b)
//! c' = f ⊙ c + i ⊙ g                      h' = o ⊙ act(c'), then projected
//! ```
//!
//! With int8 weights each row of a left operand is quantized on its own, as TFLite's builtin kernels do.

mod bidirectional;
mod cell;
mod lstm;

use planish_core::Tensor;
use planish_core::attr::Activation;
use planish_core::op::{Rnn, Svdf, UnidirectionalSequenceRnn};

use super::activation::activate;
use super::args::{Args, invalid};
use crate::error::Error;
pub(crate) use bidirectional::{bidirectional_lstm, bidirectional_rnn};
use cell::Matrix;
pub(crate) use lstm::{basic_lstm, lstm, sequence_lstm};

/// Where the rows of one step lie in a sequence.
#[derive(Clone, Copy)]
struct Sequence {
    batch: usize,
    time: usize,
    depth: usize,
    time_major: bool,
}

impl Sequence {
    fn of(args: &Args<'_>, operand: usize, time_major: bool) -> Result<Sequence, Error> {
        let [first, second, depth] = args.dims::<3>(operand)?;
        let (batch, time) = if time_major { (second, first) } else { (first, second) };
        Ok(Sequence {
            batch,
            time,
            depth,
            time_major,
        })
    }

    /// The number of the row of batch entry `b` at time `t`.
    fn row(&self, b: usize, t: usize) -> usize {
        if self.time_major { t * self.batch + b } else { b * self.time + t }
    }

    /// The rows of one step.
    fn step(&self, x: &[f32], t: usize) -> Vec<f32> {
        (0..self.batch)
            .flat_map(|b| x[self.row(b, t) * self.depth..][..self.depth].iter().copied())
            .collect()
    }

    fn dims(&self, depth: usize) -> [usize; 3] {
        if self.time_major {
            [self.time, self.batch, depth]
        } else {
            [self.batch, self.time, depth]
        }
    }
}

/// A plain cell: `h' = act(W x + R h + b)`.
struct PlainCell<'a> {
    weights: Matrix<'a>,
    recurrent: Matrix<'a>,
    bias: std::borrow::Cow<'a, [f32]>,
    activation: Activation,
}

impl<'a> PlainCell<'a> {
    fn of(args: &Args<'a>, first: usize, activation: Activation, asymmetric: bool) -> Result<PlainCell<'a>, Error> {
        let weights = Matrix::of(args, first, asymmetric)?;
        let recurrent = Matrix::of(args, first + 1, asymmetric)?;
        let bias = args.elements::<f32>(first + 2)?;
        if recurrent.rows != weights.rows || recurrent.columns != weights.rows || bias.len() != weights.rows {
            return invalid(format!(
                "weights of {} units, recurrent weights {}x{} and {} biases do not fit",
                weights.rows,
                recurrent.rows,
                recurrent.columns,
                bias.len()
            ));
        }
        Ok(PlainCell {
            weights,
            recurrent,
            bias,
            activation,
        })
    }

    fn step(&self, x: &[f32], hidden: &mut [f32]) {
        let mut out: Vec<f32> = self.bias.iter().copied().cycle().take(hidden.len()).collect();
        self.weights.add_product(x, &mut out);
        self.recurrent.add_product(hidden, &mut out);
        activate(self.activation, &mut out);
        hidden.copy_from_slice(&out);
    }
}

/// A state's elements, which must be one row of `depth` for each batch entry.
fn state(args: &Args<'_>, operand: usize, batch: usize, depth: usize) -> Result<Vec<f32>, Error> {
    let state = args.elements::<f32>(operand)?;
    if state.len() != batch * depth {
        return Err(args.bad(operand, format!("has {} elements, expected {batch} rows of {depth}", state.len())));
    }
    Ok(state.into_owned())
}

/// A state with new contents, under the extents that it had.
fn written(args: &Args<'_>, operand: usize, contents: Vec<f32>) -> Result<Tensor, Error> {
    Ok(Tensor::from_vec(args.get(operand)?.dims(), contents))
}

fn rows_of(args: &Args<'_>, operand: usize, depth: usize) -> Result<usize, Error> {
    let [batch, found] = args.dims::<2>(operand)?;
    if found == depth {
        Ok(batch)
    } else {
        Err(args.bad(operand, format!("has rows of {found}, expected {depth}")))
    }
}

/// `rnn`: the output, then the new hidden state.
pub(crate) fn rnn(op: &Rnn, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let cell = PlainCell::of(args, 1, op.activation, op.asymmetric_quantize_inputs)?;
    let batch = rows_of(args, 0, cell.weights.columns)?;
    let mut hidden = state(args, 4, batch, cell.weights.rows)?;
    cell.step(&args.elements::<f32>(0)?, &mut hidden);
    Ok(vec![
        Tensor::from_vec(&[batch, cell.weights.rows], hidden.clone()),
        written(args, 4, hidden)?,
    ])
}

/// Runs a plain cell over a sequence.
fn plain_sequence(
    args: &Args<'_>,
    cell: &PlainCell<'_>,
    sequence: Sequence,
    x: &[f32],
    hidden: &mut [f32],
    backwards: bool,
) -> Result<Vec<f32>, Error> {
    let units = cell.weights.rows;
    if sequence.depth != cell.weights.columns {
        return invalid(format!(
            "rows of {} do not fit weights of {} columns",
            sequence.depth, cell.weights.columns
        ));
    }
    let mut out = args.alloc::<f32>(&sequence.dims(units), 0.0)?;
    for i in 0..sequence.time {
        let t = if backwards { sequence.time - 1 - i } else { i };
        cell.step(&sequence.step(x, t), hidden);
        for b in 0..sequence.batch {
            out[sequence.row(b, t) * units..][..units].copy_from_slice(&hidden[b * units..][..units]);
        }
    }
    Ok(out)
}

/// `unidirectional_sequence_rnn`: the outputs, then the new hidden state.
pub(crate) fn sequence_rnn(op: &UnidirectionalSequenceRnn, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let cell = PlainCell::of(args, 1, op.activation, op.asymmetric_quantize_inputs)?;
    let sequence = Sequence::of(args, 0, op.time_major)?;
    let mut hidden = state(args, 4, sequence.batch, cell.weights.rows)?;
    let out = plain_sequence(args, &cell, sequence, &args.elements::<f32>(0)?, &mut hidden, false)?;
    Ok(vec![
        Tensor::from_vec(&sequence.dims(cell.weights.rows), out),
        written(args, 4, hidden)?,
    ])
}

/// `svdf`: the output, then the new state, in which the newest column is the last.
pub(crate) fn svdf(op: &Svdf, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let features = Matrix::of(args, 1, op.asymmetric_quantize_inputs)?;
    let [filters, memory] = args.dims::<2>(2)?;
    let batch = rows_of(args, 0, features.columns)?;
    let rank = usize::try_from(op.rank).unwrap_or(0);
    if rank == 0 || filters != features.rows || !filters.is_multiple_of(rank) || memory == 0 {
        return invalid(format!(
            "{filters} filters of rank {} and {} rows of weights do not fit",
            op.rank, features.rows
        ));
    }
    let time = Matrix::of(args, 2, false)?.to_reals();
    let units = filters / rank;
    let mut state = state(args, 4, batch, memory * filters)?;
    let mut newest = vec![0.0; batch * filters];
    features.add_product(&args.elements::<f32>(0)?, &mut newest);
    let mut out = args.alloc::<f32>(&[batch, units], 0.0)?;
    for (row, newest) in newest.iter().enumerate() {
        let kept = &mut state[row * memory..][..memory];
        kept.rotate_left(1);
        kept[memory - 1] = *newest;
        let (b, filter) = (row / filters, row % filters);
        let sum: f32 = kept.iter().zip(&time[filter * memory..][..memory]).map(|(x, w)| x * w).sum();
        out[b * units + filter / rank] += sum;
    }
    if let Some(bias) = args.optional_elements::<f32>(3)? {
        if bias.len() != units {
            return Err(args.bad(3, format!("has {} elements, expected {units}", bias.len())));
        }
        out.iter_mut().enumerate().for_each(|(i, out)| *out += bias[i % units]);
    }
    activate(op.activation, &mut out);
    Ok(vec![Tensor::from_vec(&[batch, units], out), written(args, 4, state)?])
}
