//! Reals to integers that stand for them, and back.

use planish_core::attr::Rounding;
use planish_core::op::{self, FakeQuant};
use planish_core::quantize as stored;
use planish_core::{DType, Quant, Tensor, Type};

use super::args::{Args, elements, invalid};
use super::cells::packed;
use super::convert::cast;
use super::products::stored_int8;
use super::shape::around;
use crate::error::Error;

/// The least and greatest integer of the types whose rounding is not the core's.
fn bounds(dtype: DType) -> Option<(f64, f64)> {
    Some(match dtype {
        DType::I2 => (-2.0, 1.0),
        DType::I4 => (-8.0, 7.0),
        DType::U4 => (0.0, 15.0),
        DType::U16 => (0.0, 65535.0),
        DType::I64 => (i64::MIN as f64, i64::MAX as f64),
        _ => return None,
    })
}

/// For each element the scale and zero point of its slice: calls `f` with the element's number and both.
fn for_each_parameter(dims: &[usize], quant: &Quant, mut f: impl FnMut(usize, f64, f64)) -> Result<(), Error> {
    let (axis, count) = match quant.axis() {
        Some(axis) if quant.scales().len() > 1 => (axis, quant.scales().len()),
        _ => (usize::MAX, 1),
    };
    let (outer, extent, inner) = if axis == usize::MAX {
        (1, 1, dims.iter().product())
    } else if dims.get(axis) == Some(&count) {
        around(dims, axis)
    } else {
        return invalid(format!("{count} scales along axis {axis} do not fit extents {dims:?}"));
    };
    let mut at = 0;
    for _ in 0..outer {
        for slice in 0..extent {
            let (scale, zero) = (f64::from(quant.scales()[slice]), quant.zero_points()[slice] as f64);
            for _ in 0..inner {
                f(at, scale, zero);
                at += 1;
            }
        }
    }
    Ok(())
}

/// Reals as integers of type `to` by its quantization: `haz(x / scale) + zero point`, kept inside the type, or in balance.
pub(crate) fn quantize_to(args: &Args<'_>, reals: &Tensor, to: &Type, rounding: Rounding) -> Result<Tensor, Error> {
    if matches!(to.dtype, DType::I8 | DType::U8 | DType::I16 | DType::I32) {
        args.count(to.dtype, reals.dims())?;
        return stored::quantize(reals, to, rounding).map_err(|e| Error::Invalid(e.to_string()));
    }
    let Some(quant) = &to.quant else {
        return invalid(format!("the result is {to}, which says not what its integers stand for"));
    };
    let Some((low, high)) = bounds(to.dtype) else {
        return Err(args.element_type(to.dtype));
    };
    let x = elements::<f32>(reals);
    let mut integers = args.alloc::<i64>(reals.dims(), 0)?;
    for_each_parameter(reals.dims(), quant, |i, scale, zero| {
        integers[i] = ((f64::from(x[i]) / scale).round() + zero).clamp(low, high) as i64;
    })?;
    let dims = reals.dims();
    let tensor = match to.dtype {
        DType::U16 => Tensor::from_vec(dims, integers.iter().map(|&v| v as u16).collect()),
        DType::I64 => Tensor::from_vec(dims, integers),
        dtype => {
            let cells: Vec<u8> = integers.iter().map(|&v| v as u8).collect();
            Tensor::new(dtype, dims, packed(dtype.bits(), &cells).into()).map_err(|e| Error::Invalid(e.to_string()))?
        }
    };
    Ok(tensor.with_quant(Some(quant.clone())))
}

/// The reals that a tensor's integers stand for, as f32.
pub(crate) fn dequantized(args: &Args<'_>, tensor: &Tensor) -> Result<Tensor, Error> {
    let dims = tensor.dims();
    let Some(quant) = tensor.quant() else {
        return invalid(format!("an operand is {}, which says not what its integers stand for", tensor.ty()));
    };
    let mut out = args.alloc::<f32>(dims, 0.0)?;
    if let Some(stored) = stored_int8(tensor) {
        for_each_parameter(dims, quant, |i, scale, zero| {
            out[i] = ((f64::from(stored[i]) - zero) as f32) * scale as f32
        })?;
    } else {
        let Some(stored) = tensor.to_ints() else {
            return Err(args.element_type(tensor.dtype()));
        };
        for_each_parameter(dims, quant, |i, scale, zero| out[i] = ((stored[i] as f64 - zero) * scale) as f32)?;
    }
    Ok(Tensor::from_vec(dims, out))
}

/// `quantize`: reals, or integers with another quantization, to the declared type.
pub(crate) fn quantize(op: &op::Quantize, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let Some(to) = args.result_type(0) else {
        return invalid("the result type of `quantize` has to be declared");
    };
    let reals = match input.dtype() {
        DType::F32 => input.clone(),
        dtype if dtype.is_float() => cast(DType::F32, args)?,
        _ => dequantized(args, input)?,
    };
    if let Some(at) = elements::<f32>(&reals).iter().position(|x| x.is_nan()) {
        return Err(args.bad(0, format!("holds what is not a number at element {at}; no integer stands for it")));
    }
    quantize_to(args, &reals, to, op.rounding)
}

/// `dequantize`.
pub(crate) fn dequantize(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let out = if input.dtype().is_float() {
        cast(DType::F32, args)?
    } else {
        dequantized(args, input)?
    };
    Ok(out)
}

/// `fake_quant`: the range is first moved so that 0 is one of the levels.
pub(crate) fn fake_quant(op: &FakeQuant, args: &Args<'_>) -> Result<Tensor, Error> {
    let no_levels = || invalid(format!("{} bits between {} and {} have no levels", op.num_bits, op.min, op.max));
    if !(2..=16).contains(&op.num_bits) {
        return no_levels();
    }
    let low = if op.narrow_range { 1.0 } else { 0.0 };
    let high = ((1u32 << op.num_bits) - 1) as f32;
    let scale = (op.max - op.min) / (high - low);
    if !(scale.is_finite() && scale > 0.0 && (op.min / scale).is_finite()) {
        return no_levels();
    }
    let zero = (low - op.min / scale).clamp(low, high).round();
    let (from, to) = ((low - zero) * scale, (high - zero) * scale);
    let input = args.get(0)?;
    let x = args.elements::<f32>(0)?;
    let mut out = args.alloc::<f32>(input.dims(), 0.0)?;
    let inverse = 1.0 / scale;
    out.iter_mut()
        .zip(x.iter())
        .for_each(|(out, x)| *out = ((x.clamp(from, to) - from) * inverse + 0.5).floor() * scale + from);
    Ok(Tensor::from_vec(input.dims(), out))
}
