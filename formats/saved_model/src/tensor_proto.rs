//! Constants of a graph (TensorProto) as tensors, without copying what lies packed in the file.

use std::sync::Arc;

use planish_core::tensor::{Bytes, Tensor};
use planish_core::types::DType;

use crate::dtype;
use crate::proto::{TensorProto, TensorShape};

/// Constants that are written as few values and stand for many are only expanded up to this number of elements.
const MAX_EXPANDED: usize = 1 << 24;

/// The tensor that `proto` holds; an error says what is wrong with it.
pub(crate) fn read(proto: &TensorProto) -> Result<Tensor, String> {
    let dtype = dtype::from_code(proto.dtype).ok_or_else(|| format!("element type {} is unknown", proto.dtype))?;
    let dims = extents(proto.shape.as_ref()).ok_or("its shape is not complete")?;
    let count = dims
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= isize::MAX as usize / 16)
        .ok_or_else(|| format!("its shape {dims:?} is beyond any size"))?;
    if dtype == DType::String {
        return strings(proto, &dims, count);
    }
    if !proto.content.is_empty() {
        let bytes = Bytes::new(Arc::new(proto.content.clone()));
        return Tensor::new(dtype, &dims, bytes).map_err(|e| e.to_string());
    }
    let (bytes, width) = listed(proto, dtype)?;
    let given = bytes.len() / width;
    if given > count {
        return Err(format!("it lists {given} values for the shape {dims:?}"));
    }
    if given == count {
        return Tensor::new(dtype, &dims, bytes.into()).map_err(|e| e.to_string());
    }
    let last = if given == 0 {
        vec![0; width]
    } else {
        bytes[bytes.len() - width..].to_vec()
    };
    if given <= 1 {
        let one = Tensor::new(dtype, &[], last.into()).map_err(|e| e.to_string())?;
        return Ok(Tensor::splat(&one, &dims));
    }
    if count > MAX_EXPANDED {
        return Err(format!("it lists only {given} values for the shape {dims:?}"));
    }
    let mut bytes = bytes;
    bytes.reserve(count * width - bytes.len());
    for _ in given..count {
        bytes.extend_from_slice(&last);
    }
    Tensor::new(dtype, &dims, bytes.into()).map_err(|e| e.to_string())
}

/// The extents of a complete shape.
pub(crate) fn extents(shape: Option<&TensorShape>) -> Option<Vec<usize>> {
    let Some(shape) = shape else { return Some(Vec::new()) };
    if shape.unknown_rank {
        return None;
    }
    shape.dims.iter().map(|d| usize::try_from(d.size).ok()).collect()
}

fn strings(proto: &TensorProto, dims: &[usize], count: usize) -> Result<Tensor, String> {
    let given = proto.strings.len();
    if given > count {
        return Err(format!("it lists {given} strings for the shape {dims:?}"));
    }
    if count > MAX_EXPANDED.max(given) {
        return Err(format!("it lists only {given} strings for the shape {dims:?}"));
    }
    let last: &[u8] = proto.strings.last().map_or(&[], |s| s);
    let all: Vec<&[u8]> = proto
        .strings
        .iter()
        .map(|s| &s[..])
        .chain(std::iter::repeat(last))
        .take(count)
        .collect();
    let total = all.iter().fold(0usize, |n, s| n.saturating_add(s.len()));
    if total > i32::MAX as usize {
        return Err("its strings are longer than 2 GiB".to_owned());
    }
    Tensor::from_strings(dims, &all).map_err(|e| e.to_string())
}

/// The listed values in little-endian order, and the width of one.
fn listed(proto: &TensorProto, dtype: DType) -> Result<(Vec<u8>, usize), String> {
    fn pack<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(|&v| bytes(v)).collect()
    }
    let width = dtype
        .size()
        .ok_or_else(|| format!("it has element type {dtype}, which has no plain values"))?;
    let bytes = match dtype {
        DType::F32 => pack(&proto.floats, f32::to_le_bytes),
        DType::F64 => pack(&proto.doubles, f64::to_le_bytes),
        DType::I32 => pack(&proto.ints, i32::to_le_bytes),
        DType::I16 | DType::U16 => pack(&proto.ints, |v| (v as u16).to_le_bytes()),
        DType::I8 | DType::U8 => pack(&proto.ints, |v| [v as u8]),
        DType::I64 => pack(&proto.longs, i64::to_le_bytes),
        DType::Bool => pack(&proto.bools, |v| [u8::from(v)]),
        DType::F16 | DType::BF16 => pack(&proto.halves, |v| (v as u16).to_le_bytes()),
        DType::U32 => pack(&proto.unsigneds, u32::to_le_bytes),
        DType::U64 => pack(&proto.unsigned_longs, u64::to_le_bytes),
        DType::Complex64 => pack(&proto.complex_floats, f32::to_le_bytes),
        DType::Complex128 => pack(&proto.complex_doubles, f64::to_le_bytes),
        _ => return Err(format!("it lists values of element type {dtype}")),
    };
    if bytes.len() % width != 0 {
        return Err("it lists half a complex number".to_owned());
    }
    Ok((bytes, width))
}
