//! Tensors: typed, strided views of shared bytes.
//!
//! Bytes live in a [`Storage`], which may be a buffer or a memory map; a tensor records a range of it, an extent and a
//! stride for each dimension. Transposing, reshaping and slicing make new views and move nothing.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::quant::Quant;
use crate::types::{DType, Shape, Type};

mod bytes;
mod elements;
mod factors;
mod gather;
mod views;

pub use bytes::{Bytes, Storage};
pub use elements::Element;
use elements::check_strings;
use factors::Factors;
use gather::gather;

/// Why bytes, extents and an element type do not make a tensor.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum TensorError {
    /// There are too few or too many bytes.
    #[error("{dtype}{dims:?} needs {needed} bytes, there are {found}")]
    Length {
        /// The element type.
        dtype: DType,
        /// The extents.
        dims: Vec<usize>,
        /// Bytes that these need.
        needed: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The extents' product is beyond any memory.
    #[error("{dtype}{dims:?} is too large")]
    TooLarge {
        /// The element type.
        dtype: DType,
        /// The extents.
        dims: Vec<usize>,
    },
    /// Elements of this type have no bytes.
    #[error("a tensor cannot hold elements of type {0}")]
    NoBytes(DType),
    /// String data whose offsets contradict each other.
    #[error("the string data is damaged: {0}")]
    Strings(&'static str),
}

/// Bytes with a type: the data of a constant.
///
/// Elements smaller than a byte, and strings, are always packed in row-major order. Strings are laid out as in TFLite:
/// a little-endian i32 count n, then n + 1 i32 offsets from the start of the data, then the bytes.
#[derive(Clone, Debug)]
pub struct Tensor {
    dtype: DType,
    dims: Vec<usize>,
    strides: Vec<isize>,
    /// Where element 0 lies in `bytes`, in elements.
    origin: usize,
    bytes: Bytes,
    /// What elements are multiplied with when they are read.
    factors: Option<Factors>,
    quant: Option<Quant>,
}

/// A transposed matrix: element `[r, c]` is the one number `r + c · step` in memory.
pub(crate) struct Turned<'t> {
    pub(crate) data: &'t [u8],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) step: usize,
}

fn row_major(dims: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; dims.len()];
    for axis in (0..dims.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1].saturating_mul(dims[axis + 1].max(1) as isize);
    }
    strides
}

impl Tensor {
    /// A tensor of packed row-major bytes, little endian.
    ///
    /// # Errors
    /// Where the number of bytes is not what extents and element type need, or string data is damaged.
    pub fn new(dtype: DType, dims: &[usize], bytes: Bytes) -> Result<Tensor, TensorError> {
        let too_large = || TensorError::TooLarge {
            dtype,
            dims: dims.to_vec(),
        };
        let elements = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).ok_or_else(too_large)?;
        if elements > isize::MAX as usize / 16 {
            return Err(too_large());
        }
        if dtype == DType::String {
            check_strings(bytes.as_slice(), elements)?;
        } else {
            if dtype.bits() == 0 {
                return Err(TensorError::NoBytes(dtype));
            }
            let needed = dtype.packed_len(elements).ok_or_else(too_large)?;
            if needed != bytes.len() {
                return Err(TensorError::Length {
                    dtype,
                    dims: dims.to_vec(),
                    needed,
                    found: bytes.len(),
                });
            }
        }
        Ok(Tensor {
            dtype,
            dims: dims.to_vec(),
            strides: row_major(dims),
            origin: 0,
            bytes,
            factors: None,
            quant: None,
        })
    }

    /// A tensor of these extents whose every element is the one of `scalar`; one element is stored.
    ///
    /// # Panics
    /// Where `scalar` has not exactly one element, or elements smaller than a byte.
    pub fn splat(scalar: &Tensor, dims: &[usize]) -> Tensor {
        assert_eq!(scalar.elements(), 1, "a splat has one element");
        assert!(scalar.dtype.size().is_some(), "a splat's element has whole bytes");
        let one = scalar.to_packed();
        Tensor {
            dims: dims.to_vec(),
            strides: vec![0; dims.len()],
            origin: 0,
            ..one
        }
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extents, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// How far apart neighbours along each dimension lie, in elements.
    pub fn strides(&self) -> &[isize] {
        &self.strides
    }

    /// The number of elements.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }

    /// How integers stand for reals.
    pub fn quant(&self) -> Option<&Quant> {
        self.quant.as_ref()
    }

    /// The same elements with another quantization.
    pub fn with_quant(mut self, quant: Option<Quant>) -> Tensor {
        self.quant = quant;
        self
    }

    /// The type of the constant that holds this tensor.
    pub fn ty(&self) -> Type {
        Type::new(self.dtype, Shape::fixed(&self.dims)).with_quant(self.quant.clone())
    }

    /// Whether elements lie packed in row-major order, as they are read.
    pub fn is_packed(&self) -> bool {
        self.factors.is_none() && self.lies_packed()
    }

    fn lies_packed(&self) -> bool {
        let natural = row_major(&self.dims);
        self.elements() == 0 || (0..self.dims.len()).all(|a| self.dims[a] == 1 || self.strides[a] == natural[a])
    }

    /// The packed row-major bytes where they lie so in memory, or `None` where they have to be gathered first.
    pub fn packed_bytes(&self) -> Option<Bytes> {
        if self.dtype.size().is_none() {
            return Some(self.bytes.clone());
        }
        if !self.is_packed() {
            return None;
        }
        let size = self.dtype.size().expect("checked above");
        self.bytes.slice(self.origin * size, self.elements() * size)
    }

    /// The packed row-major bytes, gathered where they do not lie so.
    pub fn bytes(&self) -> Cow<'_, [u8]> {
        let Some(size) = self.dtype.size() else {
            return Cow::Borrowed(self.bytes.as_slice());
        };
        if self.is_packed() {
            let start = self.origin * size;
            return Cow::Borrowed(&self.bytes.as_slice()[start..start + self.elements() * size]);
        }
        let mut out = vec![0u8; self.elements() * size];
        self.gather_into(0, &mut out);
        Cow::Owned(out)
    }

    /// Copies packed row-major bytes, from element `first` on, until `out` is full.
    ///
    /// # Panics
    /// Where `out` is not a whole number of elements or reaches beyond the last one, or elements are smaller than a byte.
    pub fn gather_into(&self, first: usize, out: &mut [u8]) {
        let size = self.dtype.size().expect("elements of whole bytes");
        assert_eq!(out.len() % size, 0, "a whole number of elements");
        let count = out.len() / size;
        assert!(first + count <= self.elements(), "elements that exist");
        if count == 0 {
            return;
        }
        let data = self.bytes.as_slice();
        let (dims, strides, origin) = (&self.dims, &self.strides, self.origin);
        match size {
            _ if self.lies_packed() => {
                let start = (origin + first) * size;
                out.copy_from_slice(&data[start..start + out.len()]);
            }
            1 => gather::<1>(dims, strides, origin, data, first, out),
            2 => gather::<2>(dims, strides, origin, data, first, out),
            4 => gather::<4>(dims, strides, origin, data, first, out),
            8 => gather::<8>(dims, strides, origin, data, first, out),
            _ => gather::<16>(dims, strides, origin, data, first, out),
        }
        if let Some(factors) = &self.factors {
            factors.apply(dims, first, out);
        }
    }

    /// Parts of this many elements, counted from the first, are gathered fastest.
    pub fn grain(&self) -> usize {
        gather::turned_columns(&self.dims, &self.strides).map_or(1, |columns| gather::BAND * columns)
    }

    /// The elements as they lie in memory where they are those of one transposed matrix: rows lie side by side.
    pub(crate) fn turned(&self) -> Option<Turned<'_>> {
        let size = self.dtype.size()?;
        let [rows, columns, step] = gather::turned_matrix(&self.dims, &self.strides)?;
        Some(Turned {
            data: &self.bytes.as_slice()[self.origin * size..],
            rows,
            columns,
            step,
        })
    }

    /// The same elements, packed in row-major order; nothing is copied where they already are.
    pub fn to_packed(&self) -> Tensor {
        if let Some(bytes) = self.packed_bytes() {
            return Tensor {
                strides: row_major(&self.dims),
                origin: 0,
                bytes,
                ..self.clone()
            };
        }
        let bytes = self.bytes().into_owned().into();
        Tensor {
            strides: row_major(&self.dims),
            origin: 0,
            bytes,
            factors: None,
            ..self.clone()
        }
    }

    /// Along which axis each slice is multiplied by which factor, where it is: see [`Tensor::scaled`].
    pub fn factors(&self) -> Option<(usize, &[f64])> {
        self.factors.as_ref().map(|f| (f.axis, &*f.values))
    }

    /// The elements as they lie in memory, without [factors](Tensor::factors).
    pub fn unscaled(&self) -> Tensor {
        Tensor {
            factors: None,
            ..self.clone()
        }
    }

    /// Whether every element is the same one by its layout (a stride of 0 everywhere, or a single element).
    pub fn is_splat(&self) -> bool {
        self.elements() == 1
            || (self.factors.is_none()
                && self.elements() > 0
                && self.dtype.size().is_some()
                && self.dims.iter().zip(&self.strides).all(|(&d, &s)| d == 1 || s == 0))
    }

    /// What identifies the data without reading it: two tensors with equal keys hold the same elements.
    pub fn view_key(&self) -> impl Ord + Clone + fmt::Debug + use<> {
        let (address, len) = self.bytes.location();
        let bits = |f: &Factors| (f.axis, f.values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>());
        let factors = self.factors.as_ref().map(bits);
        (
            address,
            len,
            self.origin,
            self.dims.clone(),
            self.strides.clone(),
            self.dtype,
            factors,
        )
    }
}

impl PartialEq for Tensor {
    /// Equal types and equal elements, bit for bit.
    fn eq(&self, other: &Tensor) -> bool {
        self.dtype == other.dtype
            && self.dims == other.dims
            && self.quant == other.quant
            && (self.view_key() == other.view_key() || self.bytes() == other.bytes())
    }
}
