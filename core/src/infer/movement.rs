//! Operations that put the same elements into another shape or order, split, join, repeat and surround them.

use crate::infer::dims::{self, extent, moved, moved_in_place};
use crate::infer::operands::Args;
use crate::infer::{InferError, MOST_DIMS, MOST_RESULTS, Types};
use crate::quant::Quant;
use crate::types::{Dim, Shape, Type};

fn unfit_attr(problem: String) -> InferError {
    InferError::Attribute(problem)
}

/// The axis of the result that holds what axis `axis` of the operand held, where a reshape has left it whole: the same
/// extent, with as many elements before and behind it.
fn unmoved_axis(axis: usize, from: &Shape, to: &Shape) -> Option<usize> {
    let (from, to) = (from.known()?, to.known()?);
    let product = |dims: &[usize]| dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let extent = *from.get(axis)?;
    let before = product(&from[..axis])?;
    (0..to.len()).find(|&a| to[a] == extent && extent > 0 && product(&to[..a]) == Some(before) && product(&to) == product(&from))
}

/// The operand's elements in the same order under another shape.
fn reordered(ty: &Type, shape: Shape) -> Type {
    let axis = ty
        .quant
        .as_ref()
        .and_then(Quant::axis)
        .and_then(|axis| unmoved_axis(axis, &ty.shape, &shape));
    moved(ty, shape, |_| axis)
}

pub(super) fn reshape(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let len = args.int_vector(1)?;
    let Some(wanted) = args.ints(1) else {
        return Ok(vec![reordered(input, dims::shape_of(None, len)?)]);
    };
    if wanted.iter().flatten().any(|&n| n < -1) || wanted.iter().flatten().filter(|&&n| n == -1).count() > 1 {
        return Err(args.unfit(1, "extents, at most one of which is -1"));
    }
    let mut dims: Vec<Dim> = wanted
        .iter()
        .map(|&n| n.and_then(|n| usize::try_from(n).ok()).map_or(Dim::Unknown, Dim::Known))
        .collect();
    let open: Vec<usize> = (0..dims.len()).filter(|&i| dims[i] == Dim::Unknown).collect();
    let said = dims.iter().filter(|d| d.known().is_some()).copied().collect::<Vec<_>>();
    let said = dims::product(&said)?.known().unwrap_or(0);
    let all = match input.shape.dims() {
        Some(dims) => dims::product(dims)?.known(),
        None => None,
    };
    let contradiction = || args.unfit(0, format!("elements for the shape {}", Shape::new(dims.iter().copied())));
    match (all, open[..].first()) {
        (Some(all), None) if all != said => return Err(contradiction()),
        (Some(all), Some(_)) if said > 0 && !all.is_multiple_of(said) => return Err(contradiction()),
        (Some(all), Some(_)) if said == 0 && all != 0 => return Err(contradiction()),
        (Some(all), Some(&only)) if said > 0 && open.len() == 1 => dims[only] = Dim::Known(all / said),
        _ => {}
    }
    Ok(vec![reordered(input, Shape::new(dims))])
}

pub(super) fn squeeze(args: &Args<'_, '_>, axes: &[i32]) -> Types {
    let input = args.ty(0)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![moved(input, Shape::unranked(), |_| None)]);
    };
    let mut gone = vec![false; dims.len()];
    for &axis in axes {
        let axis = dims::axis(i64::from(axis), dims.len())?;
        if !dims[axis].compatible(Dim::Known(1)) {
            return Err(args.unfit(0, format!("1 along axis {axis}")));
        }
        gone[axis] = true;
    }
    if axes.is_empty() {
        if dims.contains(&Dim::Unknown) {
            return Ok(vec![moved(input, Shape::unranked(), |_| None)]);
        }
        gone = dims.iter().map(|&d| d == Dim::Known(1)).collect();
    }
    let kept: Vec<usize> = (0..dims.len()).filter(|&a| !gone[a]).collect();
    let shape = Shape::new(kept.iter().map(|&a| dims[a]));
    Ok(vec![moved(input, shape, |axis| kept.iter().position(|&a| a == axis))])
}

pub(super) fn expand_dims(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    args.int_scalar(1)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![moved(input, Shape::unranked(), |_| None)]);
    };
    let Some(axis) = args.int(1) else {
        return Ok(vec![moved(input, Shape::of_rank(dims.len() + 1), |_| None)]);
    };
    let at = dims::axis(axis, dims.len() + 1)?;
    let mut dims = dims.to_vec();
    dims.insert(at, Dim::Known(1));
    Ok(vec![moved(input, Shape::new(dims), |axis| {
        Some(if axis >= at { axis + 1 } else { axis })
    })])
}

pub(super) fn transpose(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let len = args.int_vector(1)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![moved(input, dims::shape_of(None, len)?, |_| None)]);
    };
    let order = || args.unfit(1, format!("an order of {} dimensions", dims.len()));
    if !len.compatible(Dim::Known(dims.len())) {
        return Err(order());
    }
    let Some(permutation) = args.ints(1) else {
        return Ok(vec![moved(input, Shape::of_rank(dims.len()), |_| None)]);
    };
    let mut seen = vec![false; dims.len()];
    let mut from: Vec<Option<usize>> = Vec::with_capacity(dims.len());
    for axis in permutation {
        let axis = axis
            .map(|a| usize::try_from(a).ok().filter(|&a| a < seen.len()).ok_or_else(order))
            .transpose()?;
        if let Some(axis) = axis
            && std::mem::replace(&mut seen[axis], true)
        {
            return Err(order());
        }
        from.push(axis);
    }
    let shape = Shape::new(from.iter().map(|a| a.map_or(Dim::Unknown, |a| dims[a])));
    Ok(vec![moved(input, shape, |axis| from.iter().position(|&a| a == Some(axis)))])
}

/// The element type and the shape that all operands share, each dimension as well known as in any of them, but for `axis`.
fn shared(args: &Args<'_, '_>, axis: Option<i32>) -> Result<(Shape, Vec<Dim>), InferError> {
    let all = args.all()?;
    let mut shape = Shape::unranked();
    let mut along = Vec::with_capacity(all.len());
    for (i, ty) in all.iter().enumerate() {
        args.same_dtype(0, i)?;
        let mut own = ty.shape.clone();
        if let (Some(axis), Some(dims)) = (axis, ty.shape.dims()) {
            let axis = dims::axis(i64::from(axis), dims.len())?;
            along.push(dims[axis]);
            own = Shape::new(dims.iter().enumerate().map(|(a, &d)| if a == axis { Dim::Unknown } else { d }));
        } else {
            along.push(Dim::Unknown);
        }
        shape = shape.meet(&own).ok_or_else(|| args.unfit(i, format!("the shape {shape}")))?;
    }
    Ok((shape, along))
}

/// Whether all operands are quantized alike.
fn alike(all: &[&Type]) -> bool {
    all.iter().all(|ty| ty.quant == all[0].quant)
}

pub(super) fn concatenation(args: &Args<'_, '_>, axis: i32) -> Types {
    let all = args.all()?;
    let (shape, along) = shared(args, Some(axis))?;
    let first = if alike(&all) { all[0].clone() } else { all[0].with_quant(None) };
    let Some(dims) = shape.dims() else {
        return Ok(vec![moved(&first, shape, |_| None)]);
    };
    let at = dims::axis(i64::from(axis), dims.len())?;
    let mut dims = dims.to_vec();
    dims[at] = along.into_iter().try_fold(Dim::Known(0), dims::add)?;
    Ok(vec![moved(&first, Shape::new(dims), |axis| (axis != at).then_some(axis))])
}

pub(super) fn pack(args: &Args<'_, '_>, axis: i32) -> Types {
    let all = args.all()?;
    let (shape, _) = shared(args, None)?;
    let first = if alike(&all) { all[0].clone() } else { all[0].with_quant(None) };
    let Some(dims) = shape.dims() else {
        return Ok(vec![moved(&first, shape, |_| None)]);
    };
    let at = dims::axis(i64::from(axis), dims.len() + 1)?;
    let mut dims = dims.to_vec();
    dims.insert(at, Dim::Known(all.len()));
    Ok(vec![moved(&first, Shape::new(dims), |axis| {
        Some(if axis >= at { axis + 1 } else { axis })
    })])
}

/// The number of results that an attribute says.
fn results(num: u32) -> Result<usize, InferError> {
    match num as usize {
        0 => Err(unfit_attr("there is at least one part".into())),
        n if n > MOST_RESULTS => Err(unfit_attr(format!("{n} parts are more than {MOST_RESULTS}"))),
        n => Ok(n),
    }
}

pub(super) fn unpack(args: &Args<'_, '_>, num: u32, axis: i32) -> Types {
    let input = args.ty(0)?;
    if num == 0 {
        return Ok(Vec::new());
    }
    let num = results(num)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![moved(input, Shape::unranked(), |_| None); num]);
    };
    let at = dims::axis(i64::from(axis), dims.len())?;
    if !dims[at].compatible(Dim::Known(num)) {
        return Err(args.unfit(0, format!("{num} slices along axis {at}")));
    }
    let shape = Shape::new(dims[..at].iter().chain(&dims[at + 1..]).copied());
    let part = moved(input, shape, |axis| (axis != at).then(|| if axis > at { axis - 1 } else { axis }));
    Ok(vec![part; num])
}

/// A part of a value along an axis; the axis is `None` where it is not known.
fn part(input: &Type, at: Option<usize>, extent: Dim) -> Type {
    let Some(dims) = input.shape.dims() else {
        return moved(input, Shape::unranked(), |_| None);
    };
    let Some(at) = at else {
        return moved(input, Shape::of_rank(dims.len()), |_| None);
    };
    let mut dims = dims.to_vec();
    dims[at] = extent;
    moved(input, Shape::new(dims), |axis| (axis != at).then_some(axis))
}

/// The axis in operand `i`, for an input whose rank and the axis are known.
fn known_axis(args: &Args<'_, '_>, i: usize, input: &Type) -> Result<Option<usize>, InferError> {
    args.int_scalar(i)?;
    match (args.int(i), input.shape.rank()) {
        (_, Some(0)) => Err(args.unfit(i, "an axis of a value that has one")),
        (Some(axis), Some(rank)) => dims::axis(axis, rank).map(Some),
        _ => Ok(None),
    }
}

pub(super) fn split(args: &Args<'_, '_>, num: u32) -> Types {
    let input = args.ty(1)?;
    let num = results(num)?;
    let axis = known_axis(args, 0, input)?;
    let extent = match axis {
        Some(axis) => dims::divide(input.shape.dim(axis), num, "an extent")
            .map_err(|_| args.unfit(1, format!("{num} equal parts along axis {axis}")))?,
        None => Dim::Unknown,
    };
    Ok(vec![part(input, axis, extent.meet(Dim::Unknown)); num])
}

pub(super) fn split_v(args: &Args<'_, '_>, num: u32) -> Types {
    let input = args.ty(0)?;
    let num = results(num)?;
    if !args.int_vector(1)?.compatible(Dim::Known(num)) {
        return Err(args.unfit(1, format!("{num} sizes")));
    }
    let axis = known_axis(args, 2, input)?;
    let whole = axis.map_or(Dim::Unknown, |axis| input.shape.dim(axis));
    let Some(sizes) = args.ints(1) else {
        return Ok(vec![part(input, axis, Dim::Unknown); num]);
    };
    if sizes.iter().flatten().any(|&n| n < -1) || sizes.iter().flatten().filter(|&&n| n == -1).count() > 1 {
        return Err(args.unfit(1, "sizes, at most one of which is -1"));
    }
    let mut extents: Vec<Dim> = sizes
        .iter()
        .map(|&n| n.and_then(|n| usize::try_from(n).ok()).map_or(Dim::Unknown, Dim::Known))
        .collect();
    let said = extents.iter().filter_map(|d| d.known()).try_fold(0usize, usize::checked_add);
    let said = said.ok_or_else(|| unfit_attr("the sizes are too large".into()))?;
    if let Dim::Known(whole) = whole {
        let open: Vec<usize> = (0..num).filter(|&i| extents[i] == Dim::Unknown).collect();
        if said > whole || open.is_empty() && said != whole {
            return Err(args.unfit(0, format!("{said} slices along the axis")));
        }
        if let [only] = open[..] {
            extents[only] = Dim::Known(whole - said);
        }
    }
    Ok(extents.into_iter().map(|extent| part(input, axis, extent)).collect())
}

pub(super) fn tile(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let len = args.int_vector(1)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![moved(input, dims::shape_of(None, len)?, |_| None)]);
    };
    if !len.compatible(Dim::Known(dims.len())) {
        return Err(args.unfit(1, format!("{} integers", dims.len())));
    }
    let multiples = args.ints(1).unwrap_or_else(|| vec![None; dims.len()]);
    let dims = dims.iter().zip(multiples).map(|(&dim, n)| dims::mul(dim, extent(n)?));
    Ok(vec![moved_in_place(input, Shape::new(dims.collect::<Result<Vec<_>, _>>()?))])
}

pub(super) fn pad(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    args.integers(1)?;
    if args.len() > 2 {
        args.same_dtype(0, 2)?;
        args.single(2)?;
    }
    let paddings = args.of_rank(1, 2)?;
    let rank = input.shape.rank().map_or(Dim::Unknown, Dim::Known);
    if !paddings[1].compatible(Dim::Known(2)) || !paddings[0].compatible(rank) {
        return Err(args.unfit(1, format!("the shape [{rank}, 2]")));
    }
    let Some(dims) = input.shape.dims() else {
        let rank = paddings[0].known().filter(|&rank| rank <= MOST_DIMS);
        return Ok(vec![moved(input, rank.map_or_else(Shape::unranked, Shape::of_rank), |_| None)]);
    };
    let ints = args
        .ints(1)
        .filter(|ints| ints.len() == 2 * dims.len())
        .unwrap_or_else(|| vec![None; 2 * dims.len()]);
    let dims = dims
        .iter()
        .enumerate()
        .map(|(i, &dim)| dims::add(dims::add(dim, extent(ints[2 * i])?)?, extent(ints[2 * i + 1])?));
    Ok(vec![moved_in_place(input, Shape::new(dims.collect::<Result<Vec<_>, _>>()?))])
}

/// The input's type, without a per-axis quantization: slices along its axis may have changed places.
fn shuffled(input: &Type) -> Type {
    moved(input, input.shape.clone(), |_| None)
}

pub(super) fn reverse(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    args.int_vector(1)?;
    if let (Some(rank), Some(axes)) = (input.shape.rank(), args.ints(1)) {
        for axis in axes.into_iter().flatten() {
            dims::axis(axis, rank)?;
        }
    }
    Ok(vec![shuffled(input)])
}

pub(super) fn reverse_sequence(args: &Args<'_, '_>, seq_dim: i32, batch_dim: i32) -> Types {
    let input = args.ty(0)?;
    let batch = args.int_vector(1)?;
    if let Some(rank) = input.shape.rank() {
        let (along, of) = (dims::axis(i64::from(seq_dim), rank)?, dims::axis(i64::from(batch_dim), rank)?);
        if along == of {
            return Err(unfit_attr(format!("both the sequence and the batch lie along axis {of}")));
        }
        if !input.shape.dim(of).compatible(batch) {
            return Err(args.unfit(1, format!("{} lengths", input.shape.dim(of))));
        }
    }
    Ok(vec![shuffled(input)])
}

pub(super) fn broadcast_to(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let len = args.int_vector(1)?;
    let said = dims::shape_of(args.ints(1), len)?;
    let shape = match (said.dims(), input.shape.dims()) {
        (Some(said), Some(dims)) => {
            let unfit = || args.unfit(0, format!("a shape that can be repeated to {}", Shape::new(said.iter().copied())));
            let offset = said.len().checked_sub(dims.len()).ok_or_else(unfit)?;
            let mut out = said.to_vec();
            for (to, &from) in out[offset..].iter_mut().zip(dims) {
                *to = match from {
                    Dim::Known(1) | Dim::Unknown => *to,
                    Dim::Known(_) if from.compatible(*to) => from,
                    Dim::Known(_) => return Err(unfit()),
                };
            }
            Shape::new(out)
        }
        _ => said.clone(),
    };
    Ok(vec![moved(input, shape, |_| None)])
}
