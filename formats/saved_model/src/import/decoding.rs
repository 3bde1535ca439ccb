//! Labels read off the scores that a network gives for each step (connectionist temporal classification).

use planish_core::graph::Value;
use planish_core::op::{ArgMax, Cumsum, ExpandDims, Fill, GatherNd, Less, LogicalAnd, NotEqual, ReduceMax, SelectV2, Sum, Where};
use planish_core::types::DType;

use super::movement::part;
use super::node::{Node, many};
use super::unary::times;
use super::{Imported, Stop};

/// `CTCGreedyDecoder` (Graves et al., "Connectionist Temporal Classification", 2006, best path): the best label of each step,
/// without blanks and, where they are merged, repetitions; as a sparse matrix of a row for each sequence, and what the scores
/// of each best path add up to, negated.
pub(super) fn ctc_greedy(node: &mut Node<'_>) -> Imported {
    let (scores, lengths) = (node.value(0)?, node.index_input(1)?);
    let blank = node.attr_int("blank_index", -1);
    let labels = node.shape(scores).dim(2).known().map(|n| n as i64);
    let blank = if blank < 0 { labels.ok_or(Stop::Foreign)? + blank } else { blank };
    if node.dtype(scores) != DType::F32 {
        return Err(Stop::Foreign);
    }
    let by_sequence = node.transposed(scores, &[1, 0, 2])?;
    let last = node.add_int(2);
    let best = node.add(ArgMax { dtype: DType::I32 }, &[by_sequence, last])?;
    let taken = within(node, best, lengths)?;
    let blank = node.number(blank as f64, best)?;
    let mut kept = node.add(NotEqual {}, &[best, blank])?;
    kept = node.add(LogicalAnd {}, &[kept, taken])?;
    if node.attr_bool("merge_repeated") {
        let batch = node.extent(best, 0)?;
        let one_step = node.add_int(1);
        let dims = node.packed(&[batch, one_step])?;
        let none = node.add_int(-1);
        let before = node.add(Fill {}, &[dims, none])?;
        let others = part(node, best, 1, 2, None, Some(-1))?;
        let before = node.concatenated(&[before, others], 1)?;
        let differs = node.add(NotEqual {}, &[best, before])?;
        kept = node.add(LogicalAnd {}, &[kept, differs])?;
    }
    let places = node.add(Where {}, &[kept])?;
    let values = node.add(GatherNd {}, &[best, places])?;
    let values = node.cast(values, DType::I64)?;

    let ones = node.cast(kept, DType::I32)?;
    let axis = node.add_int(1);
    let op = Cumsum {
        exclusive: true,
        reverse: false,
    };
    let columns = node.add(op, &[ones, axis])?;
    let column = node.add(GatherNd {}, &[columns, places])?;
    let column = node.cast(column, DType::I64)?;
    let column = node.add(ExpandDims {}, &[column, axis])?;
    let row = part(node, places, 1, 2, Some(0), Some(1))?;
    let indices = node.concatenated(&[row, column], 1)?;

    let axes = node.add_ints(&[1]);
    let counts = node.add(Sum { keep_dims: false }, &[ones, axes])?;
    let all = node.add_ints(&[0]);
    let longest = node.add(ReduceMax { keep_dims: false }, &[counts, all])?;
    let rows = node.extent(best, 0)?;
    let shape = node.packed(&[rows, longest])?;
    let shape = node.cast(shape, DType::I64)?;

    let axes = node.add_ints(&[2]);
    let highest = node.add(ReduceMax { keep_dims: false }, &[by_sequence, axes])?;
    let zero = node.number(0.0, highest)?;
    let highest = node.add(SelectV2 {}, &[taken, highest, zero])?;
    let axes = node.add_ints(&[1]);
    let total = node.add(Sum { keep_dims: true }, &[highest, axes])?;
    let total = times(node, total, -1.0)?;
    many(vec![indices, values, shape, total])
}

/// Which steps lie within the length of their sequence.
fn within(node: &mut Node<'_>, steps: Value, lengths: Value) -> Result<Value, Stop> {
    let (count, axis) = (node.extent(steps, 1)?, node.add_int(1));
    let numbers = node.numbers_below(count)?;
    let lengths = node.add(ExpandDims {}, &[lengths, axis])?;
    node.add(Less {}, &[numbers, lengths])
}
