//! Operations that take or write parts of a value at places that operands say.

use crate::infer::dims::{self, moved, moved_in_place, shape_of};
use crate::infer::operands::Args;
use crate::infer::{InferError, Types};
use crate::types::{Dim, Shape, Type};

pub(super) fn slice(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let len = args.int_vector(1)?.meet(args.int_vector(2)?);
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![moved(input, shape_of(None, len)?, |_| None)]);
    };
    let rank = dims.len();
    for i in 1..3 {
        if !args.int_vector(i)?.compatible(Dim::Known(rank)) {
            return Err(args.unfit(i, format!("{rank} integers")));
        }
    }
    let ints = |i| args.ints(i).unwrap_or_else(|| vec![None; rank]);
    let (begin, size) = (ints(1), ints(2));
    let along = |axis: usize| -> Result<Dim, InferError> {
        let outside = || InferError::Attribute(format!("the slice lies outside axis {axis} of {}", dims[axis]));
        let extent = dims[axis].known();
        let begin = begin[axis].map(|b| usize::try_from(b).map_err(|_| outside())).transpose()?;
        if let (Some(begin), Some(extent)) = (begin, extent)
            && begin > extent
        {
            return Err(outside());
        }
        match (size[axis], begin, extent) {
            (Some(-1), Some(begin), Some(extent)) => Ok(Dim::Known(extent - begin)),
            (Some(-1), _, _) | (None, _, _) => Ok(Dim::Unknown),
            (Some(size), begin, extent) => {
                let size = usize::try_from(size).map_err(|_| outside())?;
                if extent.is_some_and(|extent| size > extent - begin.unwrap_or(0)) {
                    return Err(outside());
                }
                Ok(Dim::Known(size))
            }
        }
    };
    let dims = (0..rank).map(along).collect::<Result<Vec<_>, _>>()?;
    Ok(vec![moved_in_place(input, Shape::new(dims))])
}

pub(super) fn gather(args: &Args<'_, '_>, axis: i32, batch_dims: i32) -> Types {
    let (input, indices) = (args.ty(0)?, args.ty(1)?);
    args.integers(1)?;
    let (Some(dims), Some(places)) = (input.shape.dims(), indices.shape.dims()) else {
        return Ok(vec![moved(input, Shape::unranked(), |_| None)]);
    };
    let at = dims::axis(i64::from(axis), dims.len())?;
    let batch = if batch_dims < 0 {
        i64::from(batch_dims) + places.len() as i64
    } else {
        i64::from(batch_dims)
    };
    let batch = usize::try_from(batch).ok().filter(|&b| b <= at && b <= places.len());
    let batch = batch.ok_or_else(|| {
        InferError::Attribute(format!(
            "{batch_dims} batch dimensions do not fit axis {at} and indices {}",
            indices.shape
        ))
    })?;
    let mut out = Vec::with_capacity(dims.len() + places.len());
    for i in 0..batch {
        if !dims[i].compatible(places[i]) {
            return Err(args.unfit(1, format!("{} along batch dimension {i}", dims[i])));
        }
        out.push(dims[i].meet(places[i]));
    }
    out.extend_from_slice(&dims[batch..at]);
    out.extend_from_slice(&places[batch..]);
    out.extend_from_slice(&dims[at + 1..]);
    let shift = places.len() - batch;
    let new_axis = |axis: usize| (axis != at).then(|| if axis < at { axis } else { axis + shift - 1 });
    Ok(vec![moved(input, Shape::new(out), new_axis)])
}

/// The length of the index tuples along the last dimension of operand `i`, and the dimensions before it.
fn tuples<'g>(args: &Args<'_, 'g>, i: usize) -> Result<Option<(Dim, &'g [Dim])>, InferError> {
    args.integers(i)?;
    match args.ty(i)?.shape.dims() {
        None => Ok(None),
        Some(dims) => match dims.split_last() {
            Some((&len, leading)) => Ok(Some((len, leading))),
            None => Err(args.unfit(i, "index tuples along a last dimension")),
        },
    }
}

pub(super) fn gather_nd(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let (Some(dims), Some((Dim::Known(len), leading))) = (input.shape.dims(), tuples(args, 1)?) else {
        return Ok(vec![moved(input, Shape::unranked(), |_| None)]);
    };
    if len > dims.len() {
        return Err(args.unfit(1, format!("tuples of at most {} indices", dims.len())));
    }
    let shape = Shape::new(leading.iter().chain(&dims[len..]).copied());
    let new_axis = |axis: usize| (axis >= len).then(|| axis - len + leading.len());
    Ok(vec![moved(input, shape, new_axis)])
}

pub(super) fn scatter_nd(args: &Args<'_, '_>) -> Types {
    let updates = args.ty(1)?;
    let len = args.int_vector(2)?;
    let shape = shape_of(args.ints(2), len)?;
    if let (Some((Dim::Known(tuple), leading)), Some(dims)) = (tuples(args, 0)?, shape.dims()) {
        if tuple > dims.len() {
            return Err(args.unfit(0, format!("tuples of at most {} indices", dims.len())));
        }
        let wanted = Shape::new(leading.iter().chain(&dims[tuple..]).copied());
        if !updates.shape.compatible(&wanted) {
            return Err(args.unfit(1, format!("the shape {wanted}")));
        }
    }
    Ok(vec![moved(updates, shape, |_| None)])
}

pub(super) fn dynamic_update_slice(args: &Args<'_, '_>) -> Types {
    let (input, update) = (args.ty(0)?, args.ty(1)?);
    args.same_dtype(0, 1)?;
    let len = args.int_vector(2)?;
    if let Some(dims) = input.shape.dims() {
        let fits = update.shape.dims().is_none_or(|own| {
            own.len() == dims.len()
                && own
                    .iter()
                    .zip(dims)
                    .all(|(o, d)| o.known().zip(d.known()).is_none_or(|(o, d)| o <= d))
        });
        if !fits {
            return Err(args.unfit(1, format!("a part of {}", input.shape)));
        }
        if !len.compatible(Dim::Known(dims.len())) {
            return Err(args.unfit(2, format!("{} integers", dims.len())));
        }
    }
    Ok(vec![moved_in_place(input, input.shape.clone())])
}

pub(super) fn sparse_to_dense(args: &Args<'_, '_>) -> Types {
    let values = args.ty(2)?;
    args.integers(0)?;
    args.same_dtype(2, 3)?;
    args.single(3)?;
    let len = args.int_vector(1)?;
    Ok(vec![moved(values, shape_of(args.ints(1), len)?, |_| None)])
}

pub(super) fn matrix_diag(args: &Args<'_, '_>) -> Types {
    let diagonal = args.ty(0)?;
    let shape = match diagonal.shape.dims() {
        None => Shape::unranked(),
        Some(dims) => match dims.last() {
            Some(&last) => Shape::new(dims.iter().copied().chain([last])),
            None => return Err(args.unfit(0, "rank 1 or more")),
        },
    };
    Ok(vec![moved(diagonal, shape, |_| None)])
}

pub(super) fn matrix_set_diag(args: &Args<'_, '_>) -> Types {
    let (input, diagonal) = (args.ty(0)?, args.ty(1)?);
    args.same_dtype(0, 1)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![Type::clone(input)]);
    };
    let [leading @ .., rows, columns] = dims else {
        return Err(args.unfit(0, "rank 2 or more"));
    };
    let shorter = match (rows.known(), columns.known()) {
        (Some(rows), Some(columns)) => Dim::Known(rows.min(columns)),
        _ => Dim::Unknown,
    };
    let wanted = Shape::new(leading.iter().copied().chain([shorter]));
    if !diagonal.shape.compatible(&wanted) {
        return Err(args.unfit(1, format!("the shape {wanted}")));
    }
    Ok(vec![input.clone()])
}
