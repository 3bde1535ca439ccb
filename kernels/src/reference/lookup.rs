//! Rows of tables, by number and by key.

use planish_core::attr::Combiner;
use planish_core::op::EmbeddingLookupSparse;
use planish_core::{DType, Tensor};

use super::args::{Args, invalid};
use super::cells::{Builder, Cells};
use super::quantization::dequantized;
use crate::error::Error;

fn row(id: i64, rows: usize) -> Result<usize, Error> {
    match usize::try_from(id) {
        Ok(id) if id < rows => Ok(id),
        _ => invalid(format!("id {id} is out of bounds for a table of {rows} rows")),
    }
}

/// `embedding_lookup`; rows of int8 tables are turned to the reals that they stand for where the result is float.
pub(crate) fn embedding_lookup(args: &Args<'_>) -> Result<Tensor, Error> {
    let table = args.get(1)?;
    let ids = args.of_rank(0, 1)?;
    let Some((&rows, rest)) = table.dims().split_first() else {
        return Err(args.bad(1, "is a scalar, which has no rows"));
    };
    let width: usize = rest.iter().product();
    let mut dims = vec![ids.elements()];
    dims.extend(rest);
    let float = args.result_type(0).is_none_or(|t| t.dtype == DType::F32);
    let quant = table.quant().filter(|_| float && table.dtype().is_int());
    let cells = Cells::of(table);
    let Some(quant) = quant else {
        let mut builder = Builder::new(args, table, &dims)?;
        for id in args.ints(0)? {
            builder.push(&cells, row(id, rows)? * width, width);
        }
        return builder.finish();
    };
    if quant.axis().is_some_and(|axis| axis != 0 && quant.scales().len() > 1)
        || !matches!(quant.scales().len(), 1) && quant.scales().len() != rows
    {
        let reals = dequantized(args, table)?;
        return embedding_lookup(&Args::new(
            planish_core::OpKind::EmbeddingLookup,
            &[Some(ids), Some(&reals)],
            &[],
            args.limit(),
        ));
    }
    let stored = super::products::stored_int8(table).ok_or_else(|| args.element_type(table.dtype()))?;
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    for (out, id) in out.chunks_mut(width.max(1)).zip(args.ints(0)?) {
        let id = row(id, rows)?;
        let parameter = if quant.scales().len() == 1 { 0 } else { id };
        let (scale, zero) = (quant.scales()[parameter], quant.zero_points()[parameter] as i32);
        out.iter_mut()
            .zip(&stored[id * width..][..width])
            .for_each(|(out, &v)| *out = (i32::from(v) - zero) as f32 * scale);
    }
    Ok(Tensor::from_vec(&dims, out))
}

/// `embedding_lookup_sparse`: entry `(b, …, k)` of a sparse value names a row and its weight; rows of one `(b, …)` are combined.
pub(crate) fn embedding_lookup_sparse(op: &EmbeddingLookupSparse, args: &Args<'_>) -> Result<Tensor, Error> {
    let ids = args.ints(0)?;
    let [count, rank] = args.dims::<2>(1)?;
    let (indices, shape, weights) = (args.extents(1)?, args.extents(2)?, args.elements::<f32>(3)?);
    let table = args.get(4)?;
    let values = args.elements::<f32>(4)?;
    let Some((&rows, rest)) = table.dims().split_first() else {
        return Err(args.bad(4, "is a scalar, which has no rows"));
    };
    if shape.len() != rank || rank == 0 || ids.len() != count || weights.len() != count {
        return invalid(format!(
            "{} ids, {count} indices of rank {rank} and {} weights do not fit",
            ids.len(),
            weights.len()
        ));
    }
    let width: usize = rest.iter().product();
    let mut dims = shape[..rank - 1].to_vec();
    dims.extend(rest);
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    let groups: usize = shape[..rank - 1].iter().product();
    let mut totals = vec![(0f32, 0f32); groups.min(out.len().max(count))];
    for i in 0..count {
        let mut group = 0;
        for a in 0..rank - 1 {
            let index = indices[i * rank + a];
            if index >= shape[a] {
                return invalid(format!("index {index} is out of bounds for an extent of {}", shape[a]));
            }
            group = group * shape[a] + index;
        }
        let id = row(ids[i], rows)?;
        let weight = weights[i];
        if let Some(total) = totals.get_mut(group) {
            total.0 += weight;
            total.1 += weight * weight;
        }
        let to = &mut out[group * width..][..width];
        to.iter_mut()
            .zip(&values[id * width..][..width])
            .for_each(|(out, v)| *out += weight * v);
    }
    for (out, (sum, squares)) in out.chunks_mut(width.max(1)).zip(totals) {
        let by = match op.combiner {
            Combiner::Sum => 1.0,
            Combiner::Mean => sum,
            Combiner::SqrtN => squares.sqrt(),
        };
        if by != 0.0 && by != 1.0 {
            out.iter_mut().for_each(|out| *out /= by);
        }
    }
    Ok(Tensor::from_vec(&dims, out))
}

/// `hashtable_lookup`: rows of `value` by key, zeros where a key is not there, and which were.
pub(crate) fn hashtable_lookup(args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let (wanted, keys, values) = (args.ints(0)?, args.ints(1)?, args.get(2)?);
    let Some((&rows, rest)) = values.dims().split_first() else {
        return Err(args.bad(2, "is a scalar, which has no rows"));
    };
    if keys.len() != rows {
        return Err(args.bad(1, format!("has {} elements, expected {rows}", keys.len())));
    }
    let width: usize = rest.iter().product();
    let mut dims = vec![wanted.len()];
    dims.extend(rest);
    let cells = Cells::of(values);
    let mut builder = Builder::new(args, values, &dims)?;
    let mut hits = Vec::with_capacity(wanted.len());
    for key in wanted {
        match keys.iter().position(|&k| k == key) {
            Some(row) => builder.push(&cells, row * width, width),
            None => builder.push_zeros(width),
        }
        hits.push(u8::from(keys.contains(&key)));
    }
    Ok(vec![builder.finish()?, Tensor::from_vec(&[hits.len()], hits)])
}

/// `skip_gram`: runs of up to `ngram_size` words with up to `max_skip_size` words left out between neighbours.
pub(crate) fn skip_gram(size: i32, skip: i32, all: bool, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let text = match input.to_strings().as_deref() {
        Some(&[text]) => text,
        _ => return Err(args.bad(0, format!("is {}, expected one string", input.ty()))),
    };
    let words: Vec<&[u8]> = text.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty()).collect();
    let (size, skip) = (usize::try_from(size).unwrap_or(0), usize::try_from(skip).unwrap_or(0));
    let mut grams = Vec::new();
    for first in 0..words.len() {
        let mut open = vec![vec![first]];
        while let Some(chosen) = open.pop() {
            if (chosen.len() == size || all) && chosen.len() <= size {
                grams.push(chosen.iter().map(|&w| words[w]).collect::<Vec<_>>().join(&b' '));
                args.count(DType::I64, &[grams.len()])?;
            }
            if chosen.len() < size {
                let last = chosen[chosen.len() - 1];
                for next in (last + 1..words.len().min(last.saturating_add(skip).saturating_add(2))).rev() {
                    open.push([&chosen[..], &[next]].concat());
                }
            }
        }
    }
    Tensor::from_strings(&[grams.len()], &grams).map_err(|e| Error::Invalid(e.to_string()))
}
