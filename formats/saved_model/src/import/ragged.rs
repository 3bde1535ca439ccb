//! Rows of different lengths as one dense value.

use planish_core::graph::Value;
use planish_core::op::{BroadcastTo, Cumsum, ExpandDims, Fill, Gather, Less, Maximum, ReduceMax, SelectV2};
use planish_core::types::DType;

use super::binary::{add, sub};
use super::movement::part;
use super::node::{Node, one};
use super::sparse::{ones_like, segment_sums};
use super::{Imported, Stop};

/// Where rows start in the values, and how long they are.
struct Rows {
    starts: Value,
    lengths: Value,
}

impl Rows {
    fn of(node: &mut Node<'_>, first: usize) -> Result<Rows, Stop> {
        match node.attr_texts("row_partition_types")[..] {
            ["ROW_SPLITS"] => {
                let splits = node.index_input(first)?;
                let starts = part(node, splits, 0, 1, None, Some(-1))?;
                let ends = part(node, splits, 0, 1, Some(1), None)?;
                let lengths = sub(node, ends, starts)?;
                Ok(Rows { starts, lengths })
            }
            ["FIRST_DIM_SIZE", "VALUE_ROWIDS"] => {
                let (count, rows) = (node.index_input(first)?, node.index_input(first + 1)?);
                let ones = ones_like(node, rows, DType::I32)?;
                let lengths = segment_sums(node, ones, rows, Some(count))?;
                let axis = node.add_int(0);
                let op = Cumsum {
                    exclusive: true,
                    reverse: false,
                };
                let starts = node.add(op, &[lengths, axis])?;
                Ok(Rows { starts, lengths })
            }
            // Rows of rows.
            _ => Err(Stop::Foreign),
        }
    }
}

/// `RaggedTensorToTensor`: each row with the default behind it up to the width that is asked for, or that the longest row has.
pub(super) fn to_dense(node: &mut Node<'_>) -> Imported {
    let (values, default) = (node.value(1)?, node.value(2)?);
    let width = match &node.ints(0)?[..] {
        [-1] => -1,
        [-1, width, rest @ ..] if rest.iter().all(|&n| n == -1) => i32::try_from(*width).map_err(|_| Stop::Foreign)?,
        _ => return Err(Stop::Foreign),
    };
    let inner = node.shape(values).dims().and_then(|dims| dims.get(1..)).ok_or(Stop::Foreign)?;
    let inner: Option<Vec<usize>> = inner.iter().map(|dim| dim.known()).collect();
    let inner = inner.ok_or(Stop::Foreign)?;
    if node.dtype(values) == DType::String || node.known_rank(default)? > inner.len() {
        return Err(Stop::Foreign);
    }
    let rows = Rows::of(node, 3)?;
    let width = match width {
        -1 => {
            let axes = node.add_ints(&[0]);
            let longest = node.add(ReduceMax { keep_dims: false }, &[rows.lengths, axes])?;
            // There may be no row at all.
            let zero = node.add_int(0);
            node.add(Maximum {}, &[longest, zero])?
        }
        width => node.add_int(width),
    };
    let (columns, last) = (node.numbers_below(width)?, node.add_int(-1));
    let starts = node.add(ExpandDims {}, &[rows.starts, last])?;
    let lengths = node.add(ExpandDims {}, &[rows.lengths, last])?;
    let places = add(node, starts, columns)?;
    let there = node.add(Less {}, &[columns, lengths])?;
    // One more row of values holds the default.
    let behind = node.extent(values, 0)?;
    let places = node.add(SelectV2 {}, &[there, places, behind])?;
    let default = default_row(node, default, &inner)?;
    let values = node.concatenated(&[values, default], 0)?;
    one(node.add(Gather { axis: 0, batch_dims: 0 }, &[values, places])?)
}

/// The default in as many dimensions as a row of values has.
fn default_row(node: &mut Node<'_>, default: Value, inner: &[usize]) -> Result<Value, Stop> {
    let dims: Vec<i32> = [1].iter().chain(inner).map(|&n| n as i32).collect();
    let dims = node.add_ints(&dims);
    if node.rank(default) == Some(0) {
        return node.add(Fill {}, &[dims, default]);
    }
    node.add(BroadcastTo {}, &[default, dims])
}
