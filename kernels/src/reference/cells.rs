//! Elements of any type as cells that can be moved but not computed with.

use std::borrow::Cow;

use planish_core::{DType, Quant, Tensor};

use super::args::Args;
use crate::error::Error;

/// The elements of a tensor in row-major order.
pub(crate) enum Cells<'a> {
    /// Elements of this many bytes.
    Bytes(usize, Cow<'a, [u8]>),
    /// Strings.
    Strings(Vec<&'a [u8]>),
}

/// Elements of less than a byte, one to a byte.
fn unpacked(tensor: &Tensor) -> Vec<u8> {
    let bits = tensor.dtype().bits();
    let bytes = tensor.bytes();
    let mask = (1u8 << bits) - 1;
    (0..tensor.elements())
        .map(|i| bytes[i * bits / 8] >> (i * bits % 8) & mask)
        .collect()
}

impl<'a> Cells<'a> {
    pub(crate) fn of(tensor: &'a Tensor) -> Cells<'a> {
        match (tensor.to_strings(), tensor.dtype().size()) {
            (Some(strings), _) => Cells::Strings(strings),
            (None, Some(size)) => Cells::Bytes(size, tensor.bytes()),
            (None, None) => Cells::Bytes(1, Cow::Owned(unpacked(tensor))),
        }
    }

    /// Element `index` as bytes.
    pub(crate) fn at(&self, index: usize) -> &[u8] {
        match self {
            Cells::Bytes(size, bytes) => &bytes[index * size..(index + 1) * size],
            Cells::Strings(strings) => strings[index],
        }
    }
}

/// A result that is put together of cells, one behind the other.
pub(crate) struct Builder<'a> {
    dtype: DType,
    quant: Option<Quant>,
    dims: Vec<usize>,
    count: usize,
    size: usize,
    bytes: Vec<u8>,
    strings: Vec<&'a [u8]>,
}

impl<'a> Builder<'a> {
    /// Room for a result with the element type of `like`, and its quantization where that is per tensor.
    pub(crate) fn new(args: &Args<'_>, like: &Tensor, dims: &[usize]) -> Result<Builder<'a>, Error> {
        let count = args.count(like.dtype(), dims)?;
        let size = like.dtype().size().unwrap_or(1);
        let mut builder = Builder {
            dtype: like.dtype(),
            quant: like.quant().filter(|q| q.axis().is_none()).cloned(),
            dims: dims.to_vec(),
            count,
            size,
            bytes: Vec::new(),
            strings: Vec::new(),
        };
        let reserved = if like.dtype() == DType::String {
            builder.strings.try_reserve_exact(count)
        } else {
            builder.bytes.try_reserve_exact(count.saturating_mul(size))
        };
        reserved.map_err(|_| Error::TooLarge {
            dtype: like.dtype(),
            dims: dims.to_vec(),
            limit: args.limit(),
        })?;
        Ok(builder)
    }

    /// Puts `len` elements of `cells` from `start` on behind those that are there.
    pub(crate) fn push(&mut self, cells: &Cells<'a>, start: usize, len: usize) {
        match cells {
            Cells::Bytes(size, bytes) => self.bytes.extend_from_slice(&bytes[start * size..(start + len) * size]),
            Cells::Strings(strings) => self.strings.extend_from_slice(&strings[start..start + len]),
        }
    }

    /// Puts one element of `cells` there `times` times.
    pub(crate) fn push_repeated(&mut self, cells: &Cells<'a>, index: usize, times: usize) {
        match cells {
            Cells::Bytes(size, bytes) => {
                let cell = &bytes[index * size..(index + 1) * size];
                if cell.iter().all(|&b| b == 0) {
                    self.push_zeros(times);
                } else {
                    (0..times).for_each(|_| self.bytes.extend_from_slice(cell));
                }
            }
            Cells::Strings(strings) => self.strings.resize(self.strings.len() + times, strings[index]),
        }
    }

    /// Puts `len` zeros, or empty strings, there.
    pub(crate) fn push_zeros(&mut self, len: usize) {
        if self.dtype == DType::String {
            self.strings.resize(self.strings.len() + len, &[]);
        } else {
            self.bytes.resize(self.bytes.len() + len * self.size, 0);
        }
    }

    /// Writes `len` elements of `cells` from `start` on over those from `at` on.
    pub(crate) fn overwrite(&mut self, at: usize, cells: &Cells<'a>, start: usize, len: usize) {
        match cells {
            Cells::Bytes(size, bytes) => {
                self.bytes[at * size..(at + len) * size].copy_from_slice(&bytes[start * size..(start + len) * size]);
            }
            Cells::Strings(strings) => self.strings[at..at + len].copy_from_slice(&strings[start..start + len]),
        }
    }

    /// The result.
    ///
    /// # Panics
    /// Where it is not full, which would be a mistake in the kernel.
    pub(crate) fn finish(self) -> Result<Tensor, Error> {
        let tensor = if self.dtype == DType::String {
            assert_eq!(self.strings.len(), self.count, "the kernel fills its result");
            Tensor::from_strings(&self.dims, &self.strings).map_err(|e| Error::Invalid(e.to_string()))?
        } else {
            assert_eq!(self.bytes.len(), self.count * self.size, "the kernel fills its result");
            let bytes = if self.dtype.size().is_some() {
                self.bytes
            } else {
                packed(self.dtype.bits(), &self.bytes)
            };
            Tensor::new(self.dtype, &self.dims, bytes.into()).map_err(|e| Error::Invalid(e.to_string()))?
        };
        Ok(tensor.with_quant(self.quant))
    }
}

/// Elements of `bits` bits, one to a byte, packed.
pub(crate) fn packed(bits: usize, elements: &[u8]) -> Vec<u8> {
    let each = 8 / bits;
    let mask = (1u8 << bits) - 1;
    elements
        .chunks(each)
        .map(|chunk| chunk.iter().enumerate().fold(0, |byte, (i, &e)| byte | (e & mask) << (i * bits)))
        .collect()
}
