//! Look-up in tables, segments, and the choice among boxes.

use crate::attr::Projection;
use crate::infer::Types;
use crate::infer::dims::{self, extent, moved, shape_of};
use crate::infer::operands::Args;
use crate::types::{DType, Dim, Shape, Type};

/// The type of a handle.
pub(super) fn handle(dims: &[usize]) -> Type {
    Type::fixed(DType::Resource, dims)
}

pub(super) fn hashtable_size(args: &Args<'_, '_>) -> Types {
    args.resource(0)?;
    Ok(vec![Type::fixed(DType::I64, &[1])])
}

/// Rows of a table. A quantized table gives the floats that its rows stand for.
pub(super) fn embedding_lookup(args: &Args<'_, '_>) -> Types {
    let ids = args.int_vector(0)?;
    let table = args.ty(1)?;
    let shape = match table.shape.dims() {
        None => Shape::unranked(),
        Some([]) => return Err(args.unfit(1, "rank 1 or more")),
        Some([_, row @ ..]) => Shape::new([ids].into_iter().chain(row.iter().copied())),
    };
    let dtype = if table.quant.is_some() { DType::F32 } else { table.dtype };
    Ok(vec![Type::new(dtype, shape)])
}

pub(super) fn embedding_lookup_sparse(args: &Args<'_, '_>) -> Types {
    let ids = args.int_vector(0)?;
    args.integers(1)?;
    let indices = args.of_rank(1, 2)?;
    let rank = args.int_vector(2)?;
    let weights = args.of_rank(3, 1)?[0];
    if !ids.compatible(indices[0]) || !ids.compatible(weights) {
        return Err(args.unfit(0, format!("{} ids", indices[0].meet(weights))));
    }
    if !indices[1].compatible(rank) {
        return Err(args.unfit(2, format!("{} extents", indices[1])));
    }
    let table = args.ty(4)?;
    let shape = match (shape_of(args.ints(2), rank.meet(indices[1]))?.dims(), table.shape.dims()) {
        (Some([]), _) => return Err(args.unfit(2, "one extent or more")),
        (_, Some([])) => return Err(args.unfit(4, "rank 1 or more")),
        (Some([leading @ .., _]), Some([_, row @ ..])) => Shape::new(leading.iter().chain(row).copied()),
        _ => Shape::unranked(),
    };
    let dtype = if table.quant.is_some() { DType::F32 } else { table.dtype };
    Ok(vec![Type::new(dtype, shape)])
}

pub(super) fn lsh_projection(args: &Args<'_, '_>, projection: Projection) -> Types {
    let hash = args.of_rank(0, 2)?;
    args.ty(1)?;
    let len = match projection {
        Projection::Sparse => hash[0],
        Projection::Dense => dims::mul(hash[0], hash[1])?,
        Projection::Unknown => Dim::Unknown,
    };
    Ok(vec![Type::new(DType::I32, Shape::new([len]))])
}

pub(super) fn skip_gram(args: &Args<'_, '_>) -> Types {
    if args.ty(0)?.dtype != DType::String {
        return Err(args.unfit(0, "strings"));
    }
    Ok(vec![Type::new(DType::String, Shape::of_rank(1))])
}

/// As many rows as the greatest id, the last one, says.
pub(super) fn segment_sum(args: &Args<'_, '_>) -> Types {
    let data = args.numbers(0)?;
    let ids = args.int_vector(1)?;
    let Some(dims) = data.shape.dims() else {
        return Ok(vec![moved(data, Shape::unranked(), |_| None).with_quant(None)]);
    };
    let [rows, row @ ..] = dims else {
        return Err(args.unfit(0, "rank 1 or more"));
    };
    if !rows.compatible(ids) {
        return Err(args.unfit(1, format!("{rows} ids")));
    }
    let segments = match args.ints(1).as_deref() {
        Some([.., Some(last)]) => extent(last.checked_add(1))?,
        Some([]) => Dim::Known(0),
        _ => Dim::Unknown,
    };
    let shape = Shape::new([segments].into_iter().chain(row.iter().copied()));
    Ok(vec![Type::new(data.dtype, shape)])
}

pub(super) fn unsorted_segment(args: &Args<'_, '_>) -> Types {
    let data = args.numbers(0)?;
    args.integers(1)?;
    args.int_scalar(2)?;
    let (Some(dims), Some(ids)) = (data.shape.dims(), args.ty(1)?.shape.dims()) else {
        return Ok(vec![Type::new(data.dtype, Shape::unranked())]);
    };
    let fits = ids.len() <= dims.len() && ids.iter().zip(dims).all(|(a, b)| a.compatible(*b));
    if !fits {
        return Err(args.unfit(1, format!("the first dimensions of {}", data.shape)));
    }
    let shape = Shape::new([extent(args.int(2))?].into_iter().chain(dims[ids.len()..].iter().copied()));
    Ok(vec![Type::new(data.dtype, shape)])
}

pub(super) fn non_max_suppression(args: &Args<'_, '_>, with_scores: bool) -> Types {
    let (boxes, scores) = (args.of_rank(0, 2)?, args.of_rank(1, 1)?);
    if !boxes[1].compatible(Dim::Known(4)) {
        return Err(args.unfit(0, "4 corners a box"));
    }
    if !scores[0].compatible(boxes[0]) {
        return Err(args.unfit(1, format!("{} scores", boxes[0])));
    }
    args.int_scalar(2)?;
    for i in 3..args.len() {
        args.numbers(i)?;
        args.single(i)?;
    }
    let chosen = Shape::new([extent(args.int(2))?]);
    let number = Type::new(DType::I32, Shape::scalar());
    let indices = Type::new(DType::I32, chosen.clone());
    Ok(if with_scores {
        vec![indices, Type::new(args.ty(1)?.dtype, chosen), number]
    } else {
        vec![indices, number]
    })
}
