//! Elements on their way into a tensor and out of it.

use std::fmt;
use std::sync::Arc;

use super::{Bytes, Tensor, TensorError, row_major};
use crate::types::DType;

/// Elements of a fixed size in memory order: what [`Tensor::from_vec`] and [`Tensor::to_vec`] move.
pub trait Element: bytemuck::Pod + PartialEq + fmt::Debug + Send + Sync {
    /// The element type in the IR.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($ty:ty = $dtype:ident),+ $(,)?) => { $(impl Element for $ty { const DTYPE: DType = DType::$dtype; })+ };
}
elements! {
    f32 = F32, f64 = F64, half::f16 = F16, half::bf16 = BF16, i8 = I8, i16 = I16, i32 = I32, i64 = I64,
    u8 = U8, u16 = U16, u32 = U32, u64 = U64,
}

impl Tensor {
    /// A tensor that owns these elements, in row-major order.
    ///
    /// # Panics
    /// Where the number of elements is not the product of the extents.
    pub fn from_vec<T: Element>(dims: &[usize], elements: Vec<T>) -> Tensor {
        assert_eq!(
            dims.iter().product::<usize>(),
            elements.len(),
            "as many elements as the extents say"
        );
        Tensor {
            dtype: T::DTYPE,
            dims: dims.to_vec(),
            strides: row_major(dims),
            origin: 0,
            bytes: Bytes::new(Arc::new(PodVec(elements))),
            factors: None,
            quant: None,
        }
    }

    /// A scalar.
    pub fn scalar<T: Element>(value: T) -> Tensor {
        Tensor::from_vec(&[], vec![value])
    }

    /// A tensor of truth values.
    ///
    /// # Panics
    /// Where the number of elements is not the product of the extents.
    pub fn from_bools(dims: &[usize], elements: &[bool]) -> Tensor {
        let mut tensor = Tensor::from_vec(dims, elements.iter().map(|&b| b as u8).collect());
        tensor.dtype = DType::Bool;
        tensor
    }

    /// A tensor of byte strings.
    ///
    /// # Errors
    /// Where the number of strings is not the product of the extents, or the data is beyond what i32 offsets reach.
    pub fn from_strings<S: AsRef<[u8]>>(dims: &[usize], strings: &[S]) -> Result<Tensor, TensorError> {
        let header = 4 * (strings.len() + 2);
        let total = strings.iter().fold(header, |n, s| n.saturating_add(s.as_ref().len()));
        if i32::try_from(total).is_err() {
            return Err(TensorError::TooLarge {
                dtype: DType::String,
                dims: dims.to_vec(),
            });
        }
        let mut data = Vec::with_capacity(total);
        data.extend_from_slice(&(strings.len() as i32).to_le_bytes());
        let mut offset = header;
        for s in strings {
            data.extend_from_slice(&(offset as i32).to_le_bytes());
            offset += s.as_ref().len();
        }
        data.extend_from_slice(&(offset as i32).to_le_bytes());
        strings.iter().for_each(|s| data.extend_from_slice(s.as_ref()));
        Tensor::new(DType::String, dims, data.into())
    }

    /// The elements in row-major order.
    ///
    /// # Panics
    /// Where the element type is not `T`'s (`bool` may be read as `u8`).
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        let dtype = if self.dtype == DType::Bool { DType::U8 } else { self.dtype };
        assert_eq!(dtype, T::DTYPE, "elements are read as what they are");
        let bytes = self.bytes();
        let mut out = vec![T::zeroed(); self.elements()];
        bytemuck::cast_slice_mut(&mut out).copy_from_slice(&bytes);
        out
    }

    /// The elements in row-major order where they lie packed and aligned in memory.
    ///
    /// # Panics
    /// Where the element type is not `T`'s.
    pub fn as_slice<T: Element>(&self) -> Option<&[T]> {
        let dtype = if self.dtype == DType::Bool { DType::U8 } else { self.dtype };
        assert_eq!(dtype, T::DTYPE, "elements are read as what they are");
        if !self.is_packed() {
            return None;
        }
        let size = size_of::<T>();
        let start = self.origin * size;
        bytemuck::try_cast_slice(&self.bytes.as_slice()[start..start + self.elements() * size]).ok()
    }

    /// The integers in row-major order, whatever integer type (or `bool`) holds them; `None` for other elements.
    pub fn to_ints(&self) -> Option<Vec<i64>> {
        use DType::*;
        Some(match self.dtype {
            I8 => self.to_vec::<i8>().into_iter().map(i64::from).collect(),
            I16 => self.to_vec::<i16>().into_iter().map(i64::from).collect(),
            I32 => self.to_vec::<i32>().into_iter().map(i64::from).collect(),
            I64 => self.to_vec::<i64>(),
            U8 | Bool => self.to_vec::<u8>().into_iter().map(i64::from).collect(),
            U16 => self.to_vec::<u16>().into_iter().map(i64::from).collect(),
            U32 => self.to_vec::<u32>().into_iter().map(i64::from).collect(),
            U64 => self.to_vec::<u64>().into_iter().map(|v| v as i64).collect(),
            _ => return None,
        })
    }

    /// The reals in row-major order, whatever float type holds them; `None` for other elements.
    pub fn to_floats(&self) -> Option<Vec<f64>> {
        use DType::*;
        Some(match self.dtype {
            F32 => self.to_vec::<f32>().into_iter().map(f64::from).collect(),
            F64 => self.to_vec::<f64>(),
            F16 => self.to_vec::<half::f16>().into_iter().map(f64::from).collect(),
            BF16 => self.to_vec::<half::bf16>().into_iter().map(f64::from).collect(),
            _ => return None,
        })
    }

    /// The strings in row-major order; `None` for other elements.
    pub fn to_strings(&self) -> Option<Vec<&[u8]>> {
        if self.dtype != DType::String {
            return None;
        }
        let data = self.bytes.as_slice();
        let offset = |i: usize| i32::from_le_bytes(data[4 * i..4 * i + 4].try_into().expect("four bytes")) as usize;
        Some((0..self.elements()).map(|i| &data[offset(i + 1)..offset(i + 2)]).collect())
    }
}

/// Refuses string data that has not as many strings as this, each within it.
pub(super) fn check_strings(data: &[u8], elements: usize) -> Result<(), TensorError> {
    let word = |i: usize| -> Option<usize> {
        let bytes = data.get(4 * i..4 * i + 4)?;
        usize::try_from(i32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let count = word(0).ok_or(TensorError::Strings("the count is missing"))?;
    if count != elements {
        return Err(TensorError::Strings("there are not as many strings as the extents say"));
    }
    if data.len() / 4 < count.saturating_add(2) {
        return Err(TensorError::Strings("offsets are missing"));
    }
    let mut last = 4 * (count + 2);
    for i in 0..=count {
        let offset = word(i + 1).ok_or(TensorError::Strings("an offset is negative"))?;
        if offset < last || offset > data.len() {
            return Err(TensorError::Strings("an offset lies outside"));
        }
        last = offset;
    }
    Ok(())
}

/// A vector of plain elements, seen as bytes.
struct PodVec<T>(Vec<T>);

impl<T: bytemuck::Pod> AsRef<[u8]> for PodVec<T> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}
