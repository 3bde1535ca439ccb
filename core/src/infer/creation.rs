//! Operations that make values from shapes and numbers, or shapes from values.

use crate::infer::dims::{self, extent, shape_of};
use crate::infer::operands::Args;
use crate::infer::{InferError, Types};
use crate::types::{DType, Dim, Shape, Type};

pub(super) fn broadcast_args(args: &Args<'_, '_>) -> Types {
    let (x, y) = (args.int_vector(0)?, args.int_vector(1)?);
    args.same_dtype(0, 1)?;
    let len = match (x, y) {
        (Dim::Known(x), Dim::Known(y)) => Dim::Known(x.max(y)),
        _ => Dim::Unknown,
    };
    Ok(vec![Type::new(args.ty(0)?.dtype, Shape::new([len]))])
}

pub(super) fn fill(args: &Args<'_, '_>) -> Types {
    let value = args.ty(1)?;
    let len = args.int_vector(0)?;
    args.single(1)?;
    Ok(vec![dims::moved(value, shape_of(args.ints(0), len)?, |_| None)])
}

pub(super) fn range(args: &Args<'_, '_>) -> Types {
    let start = args.numbers(0)?;
    for i in 0..3 {
        args.same_dtype(0, i)?;
        args.single(i)?;
    }
    let len = if start.dtype.is_int() {
        match (args.int(0), args.int(1), args.int(2)) {
            (Some(start), Some(limit), Some(delta)) => int_range_len(start, limit, delta)?,
            _ => Dim::Unknown,
        }
    } else {
        match (args.constant_float(0), args.constant_float(1), args.constant_float(2)) {
            (Some(start), Some(limit), Some(delta)) => float_range_len(start, limit, delta),
            _ => Dim::Unknown,
        }
    };
    Ok(vec![Type::new(start.dtype, Shape::new([len]))])
}

fn int_range_len(start: i64, limit: i64, delta: i64) -> Result<Dim, InferError> {
    let span = i128::from(limit) - i128::from(start);
    let step = i128::from(delta);
    if step == 0 || span.signum() * step.signum() < 0 {
        return Err(InferError::Attribute(format!(
            "steps of {delta} do not lead from {start} to {limit}"
        )));
    }
    let len = (span.abs() + step.abs() - 1) / step.abs();
    Ok(usize::try_from(len).map_or(Dim::Unknown, Dim::Known))
}

/// Known only where single and double precision agree on it, since runtimes differ in which one they use.
fn float_range_len(start: f64, limit: f64, delta: f64) -> Dim {
    let double = ((limit - start) / delta).abs().ceil();
    let single = f64::from(((limit as f32 - start as f32) / delta as f32).abs().ceil());
    if double == single && double < 1e15 && (limit - start) * delta >= 0.0 {
        Dim::Known(double as usize)
    } else {
        Dim::Unknown
    }
}

pub(super) fn one_hot(args: &Args<'_, '_>, axis: i32) -> Types {
    let (indices, on) = (args.ty(0)?, args.ty(2)?);
    args.integers(0)?;
    args.int_scalar(1)?;
    args.single(2)?;
    args.same_dtype(2, 3)?;
    args.single(3)?;
    let Some(dims) = indices.shape.dims() else {
        return Ok(vec![Type::new(on.dtype, Shape::unranked())]);
    };
    let at = if axis == -1 {
        dims.len()
    } else {
        dims::axis(i64::from(axis), dims.len() + 1)?
    };
    let mut dims = dims.to_vec();
    dims.insert(at, extent(args.int(1))?);
    Ok(vec![Type::new(on.dtype, Shape::new(dims))])
}

pub(super) fn shape(args: &Args<'_, '_>, dtype: DType) -> Types {
    let rank = args.ty(0)?.shape.rank().map_or(Dim::Unknown, Dim::Known);
    match dtype {
        DType::I32 | DType::I64 => Ok(vec![Type::new(dtype, Shape::new([rank]))]),
        _ => Err(InferError::Attribute(format!("extents are i32 or i64, not {dtype}"))),
    }
}

pub(super) fn rank(args: &Args<'_, '_>) -> Types {
    args.ty(0)?;
    Ok(vec![Type::new(DType::I32, Shape::scalar())])
}

pub(super) fn random(args: &Args<'_, '_>, dtype: DType) -> Types {
    let len = args.int_vector(0)?;
    if !dtype.is_float() {
        return Err(InferError::Attribute(format!("random numbers are floats, not {dtype}")));
    }
    Ok(vec![Type::new(dtype, shape_of(args.ints(0), len)?)])
}

pub(super) fn multinomial(args: &Args<'_, '_>, dtype: DType) -> Types {
    args.numbers(0)?;
    let batch = args.of_rank(0, 2)?[0];
    args.int_scalar(1)?;
    if !matches!(dtype, DType::I32 | DType::I64) {
        return Err(InferError::Attribute(format!("classes are i32 or i64, not {dtype}")));
    }
    Ok(vec![Type::new(dtype, Shape::new([batch, extent(args.int(1))?]))])
}
