//! Recurrent layers: their results have the input's leading dimensions and as many features as the cell gives out.

use crate::infer::dims::{add, divide, mul};
use crate::infer::operands::Args;
use crate::infer::{InferError, Types};
use crate::types::{Dim, Shape, Type};

/// How many features an LSTM gives out: the rows of its projection, or what its recurrent weights take.
fn lstm_features(args: &Args<'_, '_>, diagonal: bool) -> Result<Dim, InferError> {
    let cells = args.of_rank(4, 2)?[0];
    if args.optional(16).is_some() {
        return Ok(args.of_rank(16, 2)?[0]);
    }
    if diagonal {
        return Ok(cells);
    }
    Ok(args.of_rank(8, 2)?[1].meet(cells))
}

/// The input with another last dimension; quantization is open.
fn with_features(args: &Args<'_, '_>, rank: usize, features: Dim) -> Result<Type, InferError> {
    let input = args.numbers(0)?;
    let mut dims = args.of_rank(0, rank)?;
    dims[rank - 1] = features;
    Ok(Type::new(input.dtype, Shape::new(dims)))
}

/// Checks that weights `i` take as many features as the input has.
fn takes_input(args: &Args<'_, '_>, rank: usize, i: usize) -> Result<Dim, InferError> {
    args.weights(0, i)?;
    let given = args.of_rank(0, rank)?[rank - 1];
    let weights = args.of_rank(i, 2)?;
    if given.compatible(weights[1]) {
        Ok(weights[0])
    } else {
        Err(args.unfit(i, format!("weights of {given} features")))
    }
}

fn full_lstm(args: &Args<'_, '_>, rank: usize, diagonal: bool) -> Types {
    let cells = takes_input(args, rank, 4)?;
    for gate in [1, 2, 3] {
        if args.optional(gate).is_some() && !takes_input(args, rank, gate)?.compatible(cells) {
            return Err(args.unfit(gate, format!("weights of {cells} cells")));
        }
    }
    for state in [18, 19] {
        args.numbers(state)?;
    }
    Ok(vec![with_features(args, rank, lstm_features(args, diagonal)?)?])
}

pub(super) fn lstm(args: &Args<'_, '_>) -> Types {
    full_lstm(args, 2, false)
}

pub(super) fn sequence_lstm(args: &Args<'_, '_>, diagonal: bool) -> Types {
    full_lstm(args, 3, diagonal)
}

/// The results are activation, state, the concatenated inputs, and the gates before their functions.
pub(super) fn basic_lstm(args: &Args<'_, '_>) -> Types {
    args.weights(0, 2)?;
    let (input, previous) = (args.of_rank(0, 2)?, args.of_rank(1, 2)?);
    let (weights, state) = (args.of_rank(2, 2)?, args.of_rank(4, 2)?);
    let batch = input[0].meet(previous[0]).meet(state[0]);
    let depth = add(input[1], previous[1])?.meet(weights[1]);
    if !weights[1].compatible(add(input[1], previous[1])?) {
        return Err(args.unfit(2, format!("weights of {depth} features")));
    }
    let cells = divide(weights[0], 4, "a number of gates")?.meet(state[1]);
    let (activation, memory) = (args.ty(0)?.dtype, args.ty(4)?.dtype);
    let gates = mul(cells, Dim::Known(4))?;
    let result = |dtype, columns| Type::new(dtype, Shape::new([batch, columns]));
    Ok(vec![
        result(activation, cells),
        result(memory, cells),
        result(activation, depth),
        result(memory, gates),
    ])
}

/// One result of both directions' features, or one each.
fn merged(args: &Args<'_, '_>, forward: Dim, backward: Dim, merge: bool) -> Types {
    if merge {
        return Ok(vec![with_features(args, 3, add(forward, backward)?)?]);
    }
    Ok(vec![with_features(args, 3, forward)?, with_features(args, 3, backward)?])
}

pub(super) fn bidirectional_lstm(args: &Args<'_, '_>, merge: bool) -> Types {
    // Operands 1 to 17 are the forward layer's, 18 to 34 the backward one's in the same order.
    let features = |first: usize| -> Result<Dim, InferError> {
        args.weights(0, first + 3)?;
        let cells = args.of_rank(first + 3, 2)?[0];
        if args.optional(first + 15).is_some() {
            return Ok(args.of_rank(first + 15, 2)?[0]);
        }
        Ok(args.of_rank(first + 7, 2)?[1].meet(cells))
    };
    if args.len() > 48 {
        return Err(InferError::TooMany {
            found: args.len(),
            most: 48,
        });
    }
    for state in 35..39 {
        args.numbers(state)?;
    }
    merged(args, features(1)?, features(18)?, merge)
}

pub(super) fn rnn(args: &Args<'_, '_>) -> Types {
    args.numbers(4)?;
    Ok(vec![with_features(args, 2, takes_input(args, 2, 1)?)?])
}

pub(super) fn sequence_rnn(args: &Args<'_, '_>) -> Types {
    args.numbers(4)?;
    Ok(vec![with_features(args, 3, takes_input(args, 3, 1)?)?])
}

pub(super) fn bidirectional_rnn(args: &Args<'_, '_>, merge: bool) -> Types {
    if args.len() > 12 {
        return Err(InferError::TooMany {
            found: args.len(),
            most: 12,
        });
    }
    for i in 2..9 {
        args.numbers(i)?;
    }
    args.weights(0, 1)?;
    args.weights(0, 5)?;
    merged(args, args.of_rank(1, 2)?[0], args.of_rank(5, 2)?[0], merge)
}

pub(super) fn svdf(args: &Args<'_, '_>, rank: i32) -> Types {
    args.weights(0, 1)?;
    args.numbers(4)?;
    let rank = usize::try_from(rank).ok().filter(|&r| r > 0);
    let rank = rank.ok_or_else(|| InferError::Attribute("a filter's rank is at least 1".into()))?;
    let filters = takes_input(args, 2, 1)?;
    Ok(vec![with_features(args, 2, divide(filters, rank, "a number of filters")?)?])
}
