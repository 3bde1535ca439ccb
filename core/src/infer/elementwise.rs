//! Operations that map elements one to one, or broadcast two or three values against each other.

use crate::infer::dims::broadcast;
use crate::infer::operands::Args;
use crate::infer::{InferError, Types};
use crate::types::{DType, Dim, Shape, Type};

/// The input's type, unchanged.
pub(super) fn same(args: &Args<'_, '_>) -> Types {
    Ok(vec![args.ty(0)?.clone()])
}

/// The input's element type and shape; quantization is open.
pub(super) fn computes(args: &Args<'_, '_>) -> Types {
    Ok(vec![args.numbers(0)?.with_quant(None)])
}

/// The input's type: the result takes a part of the input's values.
pub(super) fn clamps(args: &Args<'_, '_>) -> Types {
    Ok(vec![args.numbers(0)?.clone()])
}

pub(super) fn logical_not(args: &Args<'_, '_>) -> Types {
    Ok(vec![args.bools(0)?.clone()])
}

pub(super) fn cast(args: &Args<'_, '_>, dtype: DType) -> Types {
    let input = args.ty(0)?;
    let casts = |d: DType| !matches!(d, DType::String | DType::Resource | DType::Variant);
    if !casts(input.dtype) {
        return Err(args.unfit(0, "numbers or truth values"));
    }
    if !casts(dtype) {
        return Err(InferError::Attribute(format!("nothing can be cast to {dtype}")));
    }
    Ok(vec![input.with_dtype(dtype)])
}

pub(super) fn bitcast(args: &Args<'_, '_>, dtype: DType) -> Types {
    let input = args.ty(0)?;
    let Some(from) = input.dtype.size() else {
        return Err(args.unfit(0, "elements of whole bytes"));
    };
    let Some(to) = dtype.size() else {
        return Err(InferError::Attribute(format!("elements of type {dtype} have no bits of their own")));
    };
    let shape = match input.shape.dims() {
        _ if from == to => input.shape.clone(),
        None => Shape::unranked(),
        Some(dims) if from > to => Shape::new(dims.iter().copied().chain([Dim::Known(from / to)])),
        Some(dims) => match dims.split_last() {
            Some((last, rest)) if last.compatible(Dim::Known(to / from)) => Shape::new(rest.iter().copied()),
            _ => return Err(args.unfit(0, format!("a last dimension of {}", to / from))),
        },
    };
    Ok(vec![Type::new(dtype, shape)])
}

/// A real part, imaginary part or absolute value.
pub(super) fn real(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let dtype = match input.dtype {
        DType::Complex64 => DType::F32,
        DType::Complex128 => DType::F64,
        _ => return Err(args.unfit(0, "complex numbers")),
    };
    Ok(vec![input.with_dtype(dtype)])
}

/// Checks the operand of `quantize`; its result is declared.
pub(super) fn quantize(args: &Args<'_, '_>) -> Result<(), InferError> {
    let input = args.ty(0)?;
    if input.dtype.is_float() || input.dtype.is_int() && input.quant.is_some() {
        Ok(())
    } else {
        Err(args.unfit(0, "floats or quantized integers"))
    }
}

pub(super) fn dequantize(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let narrow_float = input.dtype.is_float() && input.dtype.bits() < 32;
    if narrow_float || input.dtype.is_int() && input.quant.is_some() {
        Ok(vec![input.with_dtype(DType::F32)])
    } else {
        Err(args.unfit(0, "quantized integers or small floats"))
    }
}

/// The shape that operands `i` and `j` broadcast to.
fn broadcast_operands(args: &Args<'_, '_>, i: usize, j: usize) -> Result<Shape, InferError> {
    let (a, b) = (&args.ty(i)?.shape, &args.ty(j)?.shape);
    broadcast(a, b).ok_or_else(|| args.unfit(j, format!("a shape that broadcasts with {a}")))
}

/// Two numbers to one of the same element type; quantization is open.
pub(super) fn arithmetic(args: &Args<'_, '_>) -> Types {
    let x = args.numbers(0)?;
    args.same_dtype(0, 1)?;
    Ok(vec![Type::new(x.dtype, broadcast_operands(args, 0, 1)?)])
}

/// One of two numbers: where both have the same per-tensor quantization, so has the result.
pub(super) fn chooses(args: &Args<'_, '_>) -> Types {
    let x = args.numbers(0)?;
    args.same_dtype(0, 1)?;
    let shape = broadcast_operands(args, 0, 1)?;
    Ok(vec![shared_quant(x, args.ty(1)?, shape)])
}

/// A result of either operand's elements.
fn shared_quant(x: &Type, y: &Type, shape: Shape) -> Type {
    let quant = x.quant.as_ref().filter(|q| q.axis().is_none() && Some(*q) == y.quant.as_ref());
    Type::new(x.dtype, shape).with_quant(quant.cloned())
}

pub(super) fn compares(args: &Args<'_, '_>) -> Types {
    args.same_dtype(0, 1)?;
    if matches!(args.ty(0)?.dtype, DType::Resource | DType::Variant) {
        return Err(args.unfit(0, "elements that can be compared"));
    }
    Ok(vec![Type::new(DType::Bool, broadcast_operands(args, 0, 1)?)])
}

pub(super) fn logical(args: &Args<'_, '_>) -> Types {
    args.bools(0)?;
    args.bools(1)?;
    Ok(vec![Type::new(DType::Bool, broadcast_operands(args, 0, 1)?)])
}

pub(super) fn add_n(args: &Args<'_, '_>) -> Types {
    let mut shape = args.ty(0)?.shape.clone();
    for (i, ty) in args.all()?.into_iter().enumerate() {
        args.numbers(i)?;
        args.same_dtype(0, i)?;
        shape = shape.meet(&ty.shape).ok_or_else(|| args.unfit(i, format!("the shape {shape}")))?;
    }
    Ok(vec![Type::new(args.ty(0)?.dtype, shape)])
}

pub(super) fn select(args: &Args<'_, '_>) -> Types {
    let condition = args.bools(0)?;
    args.same_dtype(1, 2)?;
    let shape = args.meet(1, 2)?;
    let one_each_row = condition.shape.rank() == Some(1)
        && shape
            .dims()
            .is_none_or(|d| d.first().is_some_and(|d| d.compatible(condition.shape.dim(0))));
    if !(condition.shape.rank() == Some(0) || one_each_row || condition.shape.compatible(&shape)) {
        return Err(args.unfit(0, format!("the shape {shape} or a vector over its first axis")));
    }
    Ok(vec![shared_quant(args.ty(1)?, args.ty(2)?, shape)])
}

pub(super) fn select_v2(args: &Args<'_, '_>) -> Types {
    let condition = args.bools(0)?;
    args.same_dtype(1, 2)?;
    let shape = broadcast_operands(args, 1, 2)?;
    let all = broadcast(&condition.shape, &shape).ok_or_else(|| args.unfit(0, format!("a shape that broadcasts with {shape}")))?;
    Ok(vec![shared_quant(args.ty(1)?, args.ty(2)?, all)])
}
