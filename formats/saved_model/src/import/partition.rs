//! Rows sorted into several values, and put together again.

use planish_core::graph::Value;
use planish_core::op::{Equal, Gather, GatherNd, Maximum, ReduceMax, Reshape, Shape, UnsortedSegmentMax, Where};
use planish_core::types::DType;

use super::binary::add;
use super::node::{Node, many, one};
use super::{Imported, Stop};

/// Partitions of which each takes some operations.
const MOST_PARTITIONS: i64 = 256;
/// Places that are known are no more than this.
const MOST_PLACES: usize = 1 << 20;

/// `DynamicPartition`: for each number the rows that it stands beside.
pub(super) fn dynamic_partition(node: &mut Node<'_>) -> Imported {
    let (data, numbers) = (node.value(0)?, node.index_input(1)?);
    let count = node.attr_int("num_partitions", 1);
    if !(1..=MOST_PARTITIONS).contains(&count) {
        return Err(Stop::Foreign);
    }
    node.known_rank(numbers)?;
    let mut parts = Vec::new();
    for number in 0..count {
        let number = node.number(number as f64, numbers)?;
        let here = node.add(Equal {}, &[numbers, number])?;
        let places = node.add(Where {}, &[here])?;
        parts.push(node.add(GatherNd {}, &[data, places])?);
    }
    many(parts)
}

/// `DynamicStitch`: the last row for each place, taken from all of them.
pub(super) fn dynamic_stitch(node: &mut Node<'_>) -> Imported {
    let half = node.input_count() / 2;
    let mut known = Some(Vec::new());
    let (mut places, mut data) = (Vec::new(), Vec::new());
    for part in 0..half {
        let (indices, rows) = (node.index_input(part)?, node.value(half + part)?);
        match (&mut known, node.known_ints(indices)) {
            (Some(known), Some(ints)) => known.extend(ints),
            _ => known = None,
        }
        let rank = node.known_rank(indices)?;
        places.push(by_rows(node, indices, rank)?);
        data.push(by_rows(node, rows, rank)?);
    }
    let all = node.concatenated(&data, 0)?;
    let sources = match known {
        Some(known) => last_known(node, &known)?,
        None => {
            let places = node.concatenated(&places, 0)?;
            last(node, places)?
        }
    };
    one(node.add(Gather { axis: 0, batch_dims: 0 }, &[all, sources])?)
}

/// Which row is the last for each place.
fn last_known(node: &mut Node<'_>, places: &[i64]) -> Result<Value, Stop> {
    let mut sources: Vec<Option<i32>> = Vec::new();
    if places.len() > MOST_PLACES {
        return Err(Stop::Foreign);
    }
    for (row, place) in (0..).zip(places) {
        let place = usize::try_from(*place).ok().filter(|&p| p < MOST_PLACES).ok_or(Stop::Foreign)?;
        sources.resize(sources.len().max(place + 1), None);
        sources[place] = Some(row);
    }
    // Places that nothing is put at have no defined value.
    let sources: Option<Vec<i32>> = sources.into_iter().collect();
    Ok(node.add_ints(&sources.ok_or(Stop::Foreign)?))
}

/// The same of places that are only known when the model runs: the highest of the rows for each place.
fn last(node: &mut Node<'_>, places: Value) -> Result<Value, Stop> {
    let (zero, unit, axes) = (node.add_int(0), node.add_int(1), node.add_ints(&[0]));
    let total = node.add(Shape { dtype: DType::I32 }, &[places])?;
    let total = node.reshaped(total, &[])?;
    let order = node.numbers_below(total)?;
    let highest = node.add(ReduceMax { keep_dims: false }, &[places, axes])?;
    let count = add(node, highest, unit)?;
    let last = node.add(UnsortedSegmentMax {}, &[order, places, count])?;
    node.add(Maximum {}, &[last, zero])
}

/// The first `rank` dimensions as one, of a value whose others are known.
fn by_rows(node: &mut Node<'_>, value: Value, rank: usize) -> Result<Value, Stop> {
    if rank == 1 {
        return Ok(value);
    }
    let rest = node.shape(value).dims().and_then(|dims| dims.get(rank..)).ok_or(Stop::Foreign)?;
    let rest: Option<Vec<i32>> = rest.iter().map(|dim| i32::try_from(dim.known()?).ok()).collect();
    let dims: Vec<i32> = std::iter::once(-1).chain(rest.ok_or(Stop::Foreign)?).collect();
    let dims = node.add_ints(&dims);
    node.add(Reshape {}, &[value, dims])
}
