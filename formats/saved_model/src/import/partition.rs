//! Rows sorted into several values, and put together again.

use planish_core::attr::Activation;
use planish_core::graph::Value;
use planish_core::op::{Concatenation, Equal, Gather, GatherNd, Where};
use planish_core::types::Dim;

use super::node::{Node, many, one};
use super::{Imported, Stop};

/// Partitions of which each takes some operations.
const MOST_PARTITIONS: i64 = 256;

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

/// `DynamicStitch` with places that are known: the last row for each place, taken from all of them.
pub(super) fn dynamic_stitch(node: &mut Node<'_>) -> Imported {
    let half = node.input_count() / 2;
    let mut sources: Vec<Option<i32>> = Vec::new();
    let mut data = Vec::new();
    let mut row = 0;
    for part in 0..half {
        let places = node.ints(part)?;
        let (indices, rows) = (node.value(part)?, node.value(half + part)?);
        if places.len() > 1 << 20 {
            return Err(Stop::Foreign);
        }
        for place in &places {
            let place = usize::try_from(*place).ok().filter(|&p| p < 1 << 20).ok_or(Stop::Foreign)?;
            sources.resize(sources.len().max(place + 1), None);
            sources[place] = Some(row);
            row += 1;
        }
        data.push(by_rows(node, rows, node.known_rank(indices)?, places.len())?);
    }
    // Places that nothing is put at have no defined value.
    let Some(sources) = sources.into_iter().collect::<Option<Vec<i32>>>() else {
        return Err(Stop::Foreign);
    };
    let all = match data[..] {
        [] => return Err(node.error("it has no inputs")),
        [only] => only,
        _ => {
            let op = Concatenation {
                axis: 0,
                activation: Activation::None,
            };
            node.add(op, &data)?
        }
    };
    let sources = node.add_ints(&sources);
    one(node.add(Gather { axis: 0, batch_dims: 0 }, &[all, sources])?)
}

/// The first `rank` dimensions as one.
fn by_rows(node: &mut Node<'_>, value: Value, rank: usize, rows: usize) -> Result<Value, Stop> {
    if rank == 1 {
        return Ok(value);
    }
    let rest = node.shape(value).dims().and_then(|dims| dims.get(rank..)).ok_or(Stop::Foreign)?;
    let rest: Option<Vec<usize>> = rest.iter().copied().map(Dim::known).collect();
    let dims: Vec<usize> = std::iter::once(rows).chain(rest.ok_or(Stop::Foreign)?).collect();
    node.reshaped(value, &dims)
}
