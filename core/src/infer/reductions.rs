//! Reductions, normalization along axes, and orders among elements.

use crate::infer::dims::{self, moved, moved_in_place};
use crate::infer::operands::Args;
use crate::infer::{InferError, Types};
use crate::types::{DType, Dim, Shape, Type};

pub(super) fn along_last_axis(args: &Args<'_, '_>) -> Types {
    let input = args.numbers(0)?;
    if input.shape.rank() == Some(0) {
        return Err(args.unfit(0, "rank 1 or more"));
    }
    Ok(vec![input.with_quant(None)])
}

pub(super) fn local_response_normalization(args: &Args<'_, '_>) -> Types {
    let input = args.numbers(0)?;
    let shape = Shape::new(args.of_rank(0, 4)?);
    Ok(vec![Type::new(input.dtype, shape)])
}

pub(super) fn batch_norm(args: &Args<'_, '_>) -> Types {
    let input = args.numbers(0)?;
    let mut channels = match input.shape.dims() {
        Some(dims) => *dims.last().ok_or_else(|| args.unfit(0, "rank 1 or more"))?,
        None => Dim::Unknown,
    };
    for i in 1..5 {
        args.numbers(i)?;
        let own = args.of_rank(i, 1)?[0];
        if !own.compatible(channels) {
            return Err(args.unfit(i, format!("{channels} elements")));
        }
        channels = channels.meet(own);
    }
    let dims = input.shape.dims().map(|d| d[..d.len() - 1].iter().copied().chain([channels]));
    let shape = dims.map_or_else(Shape::unranked, Shape::new);
    Ok(vec![Type::new(input.dtype, shape)])
}

/// Which axes the integers of operand `i` name, or `None` where one of them is unknown. A duplicate counts once.
fn axes(args: &Args<'_, '_>, i: usize, rank: usize) -> Result<Option<Vec<bool>>, InferError> {
    let Some(ints) = args.ints(i) else { return Ok(None) };
    let mut named = vec![false; rank];
    for axis in &ints {
        let Some(axis) = *axis else { return Ok(None) };
        named[dims::axis(axis, rank)?] = true;
    }
    Ok(Some(named))
}

/// The shape after a reduction.
fn reduced(args: &Args<'_, '_>, keep_dims: bool) -> Result<Shape, InferError> {
    let input = args.ty(0)?;
    args.integers(1)?;
    if args.ty(1)?.shape.rank().is_some_and(|r| r > 1) {
        return Err(args.unfit(1, "a vector of axes"));
    }
    let Some(dims) = input.shape.dims() else {
        return Ok(Shape::unranked());
    };
    Ok(match axes(args, 1, dims.len())? {
        Some(named) if keep_dims => Shape::new(dims.iter().zip(&named).map(|(&dim, &gone)| if gone { Dim::Known(1) } else { dim })),
        Some(named) => Shape::new(dims.iter().zip(&named).filter(|(_, gone)| !**gone).map(|(&dim, _)| dim)),
        None if keep_dims => Shape::new(dims.iter().map(|&d| if d == Dim::Known(1) { d } else { Dim::Unknown })),
        None => match args.ty(1)?.shape.elements() {
            Some(1) if !dims.is_empty() => Shape::of_rank(dims.len() - 1),
            _ => Shape::unranked(),
        },
    })
}

/// A reduction that computes: quantization is open.
pub(super) fn computes(args: &Args<'_, '_>, keep_dims: bool) -> Types {
    let input = args.numbers(0)?;
    Ok(vec![Type::new(input.dtype, reduced(args, keep_dims)?)])
}

/// A reduction to one of the elements, which keeps a per-tensor quantization.
pub(super) fn chooses(args: &Args<'_, '_>, keep_dims: bool) -> Types {
    let input = args.numbers(0)?;
    let shape = reduced(args, keep_dims)?;
    Ok(vec![if keep_dims {
        moved_in_place(input, shape)
    } else {
        moved(input, shape, |_| None)
    }])
}

pub(super) fn logical(args: &Args<'_, '_>, keep_dims: bool) -> Types {
    args.bools(0)?;
    Ok(vec![Type::new(DType::Bool, reduced(args, keep_dims)?)])
}

/// The element types that indices can have.
fn index_dtype(dtype: DType) -> Result<DType, InferError> {
    match dtype {
        DType::I32 | DType::I64 => Ok(dtype),
        _ => Err(InferError::Attribute(format!("indices are i32 or i64, not {dtype}"))),
    }
}

pub(super) fn arg(args: &Args<'_, '_>, dtype: DType) -> Types {
    let input = args.ty(0)?;
    args.int_scalar(1)?;
    let dtype = index_dtype(dtype)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![Type::new(dtype, Shape::unranked())]);
    };
    if dims.is_empty() {
        return Err(args.unfit(0, "rank 1 or more"));
    }
    let shape = match args.int(1) {
        Some(axis) => {
            let axis = dims::axis(axis, dims.len())?;
            Shape::new(dims[..axis].iter().chain(&dims[axis + 1..]).copied())
        }
        None => Shape::of_rank(dims.len() - 1),
    };
    Ok(vec![Type::new(dtype, shape)])
}

pub(super) fn cumsum(args: &Args<'_, '_>) -> Types {
    let input = args.numbers(0)?;
    args.int_scalar(1)?;
    if let (Some(axis), Some(rank)) = (args.int(1), input.shape.rank()) {
        dims::axis(axis, rank)?;
    }
    Ok(vec![input.with_quant(None)])
}

pub(super) fn topk(args: &Args<'_, '_>) -> Types {
    let input = args.numbers(0)?;
    args.int_scalar(1)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![
            moved_in_place(input, Shape::unranked()),
            Type::new(DType::I32, Shape::unranked()),
        ]);
    };
    let Some((last, leading)) = dims.split_last() else {
        return Err(args.unfit(0, "rank 1 or more"));
    };
    let k = dims::extent(args.int(1))?;
    if let (Dim::Known(k), Dim::Known(n)) = (k, *last)
        && k > n
    {
        return Err(InferError::Attribute(format!("{k} elements are asked for where there are {n}")));
    }
    let shape = Shape::new(leading.iter().copied().chain([k]));
    Ok(vec![moved_in_place(input, shape.clone()), Type::new(DType::I32, shape)])
}

pub(super) fn unique(args: &Args<'_, '_>, dtype: DType) -> Types {
    let input = args.ty(0)?;
    let len = args.of_rank(0, 1)?[0];
    let places = Type::new(index_dtype(dtype)?, Shape::new([len]));
    Ok(vec![moved(input, Shape::of_rank(1), |_| None), places])
}

pub(super) fn places(args: &Args<'_, '_>) -> Types {
    let condition = args.ty(0)?;
    if matches!(condition.dtype, DType::String | DType::Resource | DType::Variant) {
        return Err(args.unfit(0, "numbers or truth values"));
    }
    let rank = condition.shape.rank().map_or(Dim::Unknown, Dim::Known);
    Ok(vec![Type::new(DType::I64, Shape::new([Dim::Unknown, rank]))])
}

pub(super) fn bucketize(args: &Args<'_, '_>) -> Types {
    Ok(vec![args.numbers(0)?.with_dtype(DType::I32)])
}
