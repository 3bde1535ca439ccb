//! What holds of every value.

use crate::graph::ValueInfo;
use crate::infer::MOST_DIMS;
use crate::quant::Quant;
use crate::types::{Dim, Type};
use crate::verify::Check;

pub(super) fn check(info: &ValueInfo) -> Check {
    if info.ty.shape.rank() > Some(MOST_DIMS) {
        return Err(format!("there are more than {MOST_DIMS} dimensions"));
    }
    memory(&info.ty)?;
    if let Some(quant) = &info.ty.quant {
        quantization(&info.ty, quant)?;
    }
    match info.range {
        // Not a number is no bound either.
        Some((low, high)) if low.is_nan() || high.is_nan() || low > high => Err(format!("{low} to {high} is no range")),
        _ => Ok(()),
    }
}

/// Checks that the known extents' product, in elements of up to 16 bytes, can be addressed. Extents of 0 do not excuse others.
fn memory(ty: &Type) -> Check {
    let extents = ty.shape.dims().unwrap_or(&[]).iter().filter_map(|d| d.known()).filter(|&n| n > 0);
    let product = extents.into_iter().try_fold(1usize, usize::checked_mul);
    match product {
        Some(n) if n <= isize::MAX as usize / 16 => Ok(()),
        _ => Err(format!("{ty} is too large")),
    }
}

fn quantization(ty: &Type, quant: &Quant) -> Check {
    let Some((least, greatest)) = ty.dtype.int_range() else {
        return Err(format!("{} is quantized, but only integers can be", ty.dtype));
    };
    if let Some(outside) = quant.zero_points().iter().find(|z| !(least..=greatest).contains(*z)) {
        return Err(format!("zero point {outside} is outside {}", ty.dtype));
    }
    let Some(axis) = quant.axis() else { return Ok(()) };
    match ty.shape.dims().map(|dims| dims.get(axis)) {
        Some(Some(Dim::Known(extent))) if *extent == quant.scales().len() => Ok(()),
        Some(Some(Dim::Known(extent))) => Err(format!("{} scales for {extent} slices along axis {axis}", quant.scales().len())),
        Some(Some(Dim::Unknown)) | None => Err(format!("quantization along axis {axis}, whose extent is unknown")),
        Some(None) => Err(format!(
            "quantization along axis {axis} of a value of rank {}",
            ty.shape.rank().unwrap_or(0)
        )),
    }
}
