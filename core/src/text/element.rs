//! One element of a constant as text, so that it reads back bit for bit.

use std::fmt::Write;

use crate::types::DType;

const INFALLIBLE: &str = "a string takes all";

/// Writes a float: the shortest decimal that reads back as the same one, always with a point or an exponent.
pub(super) fn f32(out: &mut String, value: f32) {
    if value.is_nan() {
        nan(out, u64::from(value.to_bits()), u64::from(f32::NAN.to_bits()));
    } else {
        write!(out, "{value:?}").expect(INFALLIBLE);
    }
}

/// The same for double precision.
pub(super) fn f64(out: &mut String, value: f64) {
    if value.is_nan() {
        nan(out, value.to_bits(), f64::NAN.to_bits());
    } else {
        write!(out, "{value:?}").expect(INFALLIBLE);
    }
}

fn nan(out: &mut String, bits: u64, usual: u64) {
    out.push_str("nan");
    if bits != usual {
        write!(out, "({bits:#x})").expect(INFALLIBLE);
    }
}

/// Writes one element of whole bytes, little endian. 8-bit floats are their bits.
///
/// # Panics
/// Where there are not as many bytes as the type has, or it has no fixed number of whole bytes.
pub(super) fn element(out: &mut String, dtype: DType, bytes: &[u8]) {
    macro_rules! read {
        ($ty:ty, $bytes:expr) => {
            <$ty>::from_le_bytes($bytes.try_into().expect("as many bytes as the type has"))
        };
    }
    macro_rules! display {
        ($ty:ty) => {
            write!(out, "{}", read!($ty, bytes)).expect(INFALLIBLE)
        };
    }
    match dtype {
        DType::F32 => f32(out, read!(f32, bytes)),
        DType::F64 => f64(out, read!(f64, bytes)),
        DType::F16 => {
            let value = read!(half::f16, bytes);
            match value.is_nan() {
                true => nan(out, u64::from(value.to_bits()), u64::from(half::f16::NAN.to_bits())),
                false => f32(out, value.to_f32()),
            }
        }
        DType::BF16 => {
            let value = read!(half::bf16, bytes);
            match value.is_nan() {
                true => nan(out, u64::from(value.to_bits()), u64::from(half::bf16::NAN.to_bits())),
                false => f32(out, value.to_f32()),
            }
        }
        DType::I8 => display!(i8),
        DType::I16 => display!(i16),
        DType::I32 => display!(i32),
        DType::I64 => display!(i64),
        DType::U8 => display!(u8),
        DType::U16 => display!(u16),
        DType::U32 => display!(u32),
        DType::U64 => display!(u64),
        DType::Bool if bytes == [0] => out.push_str("false"),
        DType::Bool if bytes == [1] => out.push_str("true"),
        DType::Bool | DType::F8E4M3 | DType::F8E5M2 => write!(out, "{:#04x}", bytes[0]).expect(INFALLIBLE),
        DType::Complex64 | DType::Complex128 => {
            let part = if dtype == DType::Complex64 { DType::F32 } else { DType::F64 };
            let (re, im) = bytes.split_at(bytes.len() / 2);
            out.push('(');
            element(out, part, re);
            out.push_str(", ");
            element(out, part, im);
            out.push(')');
        }
        DType::I2 | DType::I4 | DType::U4 | DType::String | DType::Resource | DType::Variant => {
            panic!("{dtype} has no element of whole bytes")
        }
    }
}

/// Element `index` of packed elements smaller than a byte.
pub(super) fn packed_element(dtype: DType, bytes: &[u8], index: usize) -> i64 {
    let bits = dtype.bits();
    let per_byte = 8 / bits;
    let code = bytes[index / per_byte] >> (index % per_byte * bits) & ((1 << bits) - 1);
    let signed = dtype != DType::U4;
    match signed && code >> (bits - 1) == 1 {
        true => i64::from(code) - (1 << bits),
        false => i64::from(code),
    }
}
