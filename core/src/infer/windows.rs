//! Pooling and other windows.

use crate::attr::Padding;
use crate::infer::dims::{moved_in_place, window};
use crate::infer::operands::Args;
use crate::infer::{InferError, Types};
use crate::types::{Dim, Shape};

/// A pooled image; TFLite's kernels want input and result of equal quantization.
pub(super) fn pool(args: &Args<'_, '_>, filter: [u32; 2], stride: [u32; 2], padding: Padding) -> Types {
    let input = args.numbers(0)?;
    let mut dims = args.of_rank(0, 4)?;
    for i in 0..2 {
        dims[i + 1] = window(dims[i + 1], Dim::Known(filter[i] as usize), stride[i], 1, padding)?;
    }
    Ok(vec![moved_in_place(input, Shape::new(dims))])
}

/// The integers of operand `i`, one for each of `rank` dimensions.
fn one_each(args: &Args<'_, '_>, i: usize, rank: usize) -> Result<Vec<Option<i64>>, InferError> {
    if !args.int_vector(i)?.compatible(Dim::Known(rank)) {
        return Err(args.unfit(i, format!("{rank} integers")));
    }
    let ints = args.ints(i).filter(|ints| ints.len() == rank).unwrap_or_else(|| vec![None; rank]);
    match ints.iter().flatten().find(|&&n| n < 1) {
        Some(n) => Err(InferError::Attribute(format!("{n} is not a positive number"))),
        None => Ok(ints),
    }
}

pub(super) fn dilate(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    args.same_dtype(0, 2)?;
    args.single(2)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![moved_in_place(input, Shape::unranked())]);
    };
    let factors = one_each(args, 1, dims.len())?;
    let dims = dims.iter().zip(factors).map(|(&dim, factor)| match (dim, factor) {
        (Dim::Known(0), _) => Ok(Dim::Known(0)),
        (Dim::Known(n), Some(factor)) => {
            let spread = usize::try_from(factor).ok().and_then(|f| (n - 1).checked_mul(f)?.checked_add(1));
            let spread = spread.ok_or_else(|| InferError::Attribute("an extent of the result is too large".into()))?;
            Ok(Dim::Known(spread))
        }
        _ => Ok(Dim::Unknown),
    });
    let dims = dims.collect::<Result<Vec<_>, InferError>>()?;
    Ok(vec![moved_in_place(input, Shape::new(dims))])
}

pub(super) fn reduce_window(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    args.same_dtype(0, 1)?;
    args.single(1)?;
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![input.with_shape(Shape::unranked()).with_quant(None)]);
    };
    let rank = dims.len();
    let (shape, strides, dilations) = (one_each(args, 2, rank)?, one_each(args, 3, rank)?, one_each(args, 4, rank)?);
    let along = |axis: usize| {
        let (Dim::Known(n), Some(w), Some(s), Some(d)) = (dims[axis], shape[axis], strides[axis], dilations[axis]) else {
            return Dim::Unknown;
        };
        let span = (w as i128 - 1) * d as i128 + 1;
        let positions = if (n as i128) < span {
            0
        } else {
            (n as i128 - span) / s as i128 + 1
        };
        Dim::Known(positions as usize)
    };
    let dims: Vec<Dim> = (0..rank).map(along).collect();
    Ok(vec![input.with_shape(Shape::new(dims)).with_quant(None)])
}
