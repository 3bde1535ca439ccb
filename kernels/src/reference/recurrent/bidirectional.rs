//! Recurrent layers that run over a sequence in both directions.

use planish_core::Tensor;
use planish_core::op::{BidirectionalSequenceLstm, BidirectionalSequenceRnn};

use super::lstm::{Cell, Places, Settings};
use super::{PlainCell, Sequence, plain_sequence, state, written};
use crate::error::Error;
use crate::reference::args::{Args, invalid};

/// One result of both directions side by side, or two.
fn merged(sequence: Sequence, forward: (Vec<f32>, usize), backward: (Vec<f32>, usize), merge: bool) -> Vec<Tensor> {
    if !merge {
        return vec![
            Tensor::from_vec(&sequence.dims(forward.1), forward.0),
            Tensor::from_vec(&sequence.dims(backward.1), backward.0),
        ];
    }
    let rows = sequence.batch * sequence.time;
    let row = |(values, width): &(Vec<f32>, usize), r: usize| values[r * width..(r + 1) * width].to_vec();
    let joined = (0..rows).flat_map(|r| [row(&forward, r), row(&backward, r)].concat()).collect();
    vec![Tensor::from_vec(&sequence.dims(forward.1 + backward.1), joined)]
}

/// `bidirectional_sequence_lstm`: the outputs, then the new output and cell states of both directions.
pub(crate) fn bidirectional_lstm(op: &BidirectionalSequenceLstm, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let settings = Settings {
        activation: op.activation,
        cell_clip: op.cell_clip,
        proj_clip: op.proj_clip,
        asymmetric: op.asymmetric_quantize_inputs,
    };
    let places = |first: usize, auxiliary: usize| Places {
        input: first,
        recurrent: first + 4,
        peephole: first + 8,
        bias: first + 11,
        projection: first + 15,
        norm: None,
        auxiliary: Some(auxiliary),
    };
    let cells = [
        Cell::of(args, &places(1, 40), settings)?,
        Cell::of(args, &places(18, 44), settings)?,
    ];
    let sequence = Sequence::of(args, 0, op.time_major)?;
    let x = args.elements::<f32>(0)?;
    let second = args.optional_elements::<f32>(39)?;
    let second_sequence = args.optional(39).map(|_| Sequence::of(args, 39, op.time_major)).transpose()?;
    let mut results = Vec::new();
    let mut states = Vec::new();
    for (direction, cell) in cells.iter().enumerate() {
        // Without weights of its own the auxiliary input stands in for the backward direction's input.
        let crossed = direction == 1 && cell.auxiliary_inputs().is_none();
        let (own, own_sequence) = match (&second, second_sequence) {
            (Some(second), Some(sequence)) if crossed => (second, sequence),
            _ => (&x, sequence),
        };
        let auxiliary = second_sequence
            .zip(second.as_deref())
            .filter(|_| !crossed && cell.auxiliary_inputs().is_some());
        let fits = own_sequence.depth == cell.inputs
            && (own_sequence.batch, own_sequence.time) == (sequence.batch, sequence.time)
            && auxiliary
                .is_none_or(|(s, _)| Some(s.depth) == cell.auxiliary_inputs() && (s.batch, s.time) == (sequence.batch, sequence.time));
        if !fits {
            return invalid("the inputs do not fit the weights of both directions");
        }
        let first = 35 + 2 * direction;
        let (mut hidden, mut kept) = (
            state(args, first, sequence.batch, cell.outputs)?,
            state(args, first + 1, sequence.batch, cell.units)?,
        );
        let mut out = args.alloc::<f32>(&sequence.dims(cell.outputs), 0.0)?;
        cell.run(
            own_sequence,
            own,
            auxiliary,
            (&mut hidden, &mut kept),
            direction == 1,
            &mut out,
            (cell.outputs, 0),
        );
        results.push((out, cell.outputs));
        states.extend([written(args, first, hidden)?, written(args, first + 1, kept)?]);
    }
    let backward = results.pop().expect("two directions");
    let mut all = merged(sequence, results.pop().expect("two directions"), backward, op.merge_outputs);
    all.extend(states);
    Ok(all)
}

/// `bidirectional_sequence_rnn`: the outputs, then the new hidden states.
pub(crate) fn bidirectional_rnn(op: &BidirectionalSequenceRnn, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    if args.optional(9).is_some() {
        return invalid("a second input has no kernel here; concatenate it with the first");
    }
    let sequence = Sequence::of(args, 0, op.time_major)?;
    let x = args.elements::<f32>(0)?;
    let run = |first: usize, backwards: bool| -> Result<_, Error> {
        let cell = PlainCell::of(args, first, op.activation, op.asymmetric_quantize_inputs)?;
        let mut hidden = state(args, first + 3, sequence.batch, cell.weights.rows)?;
        let out = plain_sequence(args, &cell, sequence, &x, &mut hidden, backwards)?;
        Ok(((out, cell.weights.rows), written(args, first + 3, hidden)?))
    };
    let (forward, forward_state) = run(1, false)?;
    let (backward, backward_state) = run(5, true)?;
    let mut all = merged(sequence, forward, backward, op.merge_outputs);
    all.extend([forward_state, backward_state]);
    Ok(all)
}
