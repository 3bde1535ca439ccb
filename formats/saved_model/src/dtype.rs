//! TensorFlow's numbers for element types.

use planish_core::types::DType;

/// Added to the number of a type to make that of a reference to it.
const REFERENCE: i32 = 100;

/// The element type that TensorFlow numbers `code`; integers of quantized types stand for themselves.
pub(crate) fn from_code(code: i32) -> Option<DType> {
    let code = if code > REFERENCE { code - REFERENCE } else { code };
    Some(match code {
        1 => DType::F32,
        2 => DType::F64,
        3 | 13 => DType::I32,
        4 | 12 => DType::U8,
        5 | 15 => DType::I16,
        6 | 11 => DType::I8,
        7 => DType::String,
        8 => DType::Complex64,
        9 => DType::I64,
        10 => DType::Bool,
        14 => DType::BF16,
        16 | 17 => DType::U16,
        18 => DType::Complex128,
        19 => DType::F16,
        20 => DType::Resource,
        21 => DType::Variant,
        22 => DType::U32,
        23 => DType::U64,
        24 => DType::F8E5M2,
        25 => DType::F8E4M3,
        _ => return None,
    })
}
