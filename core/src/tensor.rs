//! Tensors: typed, strided views of shared bytes.
//!
//! Bytes live in a [`Storage`], which may be a buffer or a memory map; a tensor records a range of it, an extent and a
//! stride for each dimension. Transposing, reshaping and slicing make new views and move nothing.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::quant::Quant;
use crate::types::{DType, Shape, Type};

mod factors;
mod gather;
use factors::Factors;
use gather::gather;

/// Shared bytes: a buffer, a memory map, anything that keeps them alive.
pub type Storage = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A range of shared bytes.
#[derive(Clone)]
pub struct Bytes {
    storage: Storage,
    start: usize,
    len: usize,
}

impl Bytes {
    /// All of a storage.
    pub fn new(storage: Storage) -> Bytes {
        let len = (*storage).as_ref().len();
        Bytes { storage, start: 0, len }
    }

    /// The part of these bytes from `start`, `len` long, or `None` where they end before.
    pub fn slice(&self, start: usize, len: usize) -> Option<Bytes> {
        let end = start.checked_add(len)?;
        (end <= self.len).then(|| Bytes {
            storage: self.storage.clone(),
            start: self.start + start,
            len,
        })
    }

    /// The bytes themselves.
    pub fn as_slice(&self) -> &[u8] {
        &(*self.storage).as_ref()[self.start..self.start + self.len]
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where these bytes lie in memory: equal for two ranges exactly where they are the same bytes.
    pub fn location(&self) -> (usize, usize) {
        (self.as_slice().as_ptr() as usize, self.len)
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes::new(Arc::new(bytes))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({})", self.len)
    }
}

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

    /// The view whose dimension `i` is this one's dimension `permutation[i]`; no byte moves.
    ///
    /// Per-axis quantization follows its axis. Elements smaller than a byte and strings cannot be transposed as a view:
    /// `None`, as where `permutation` is not one.
    pub fn transposed(&self, permutation: &[usize]) -> Option<Tensor> {
        let mut seen = vec![false; self.dims.len()];
        if permutation.len() != self.dims.len() || self.dtype.size().is_none() {
            return None;
        }
        for &axis in permutation {
            if axis >= seen.len() || std::mem::replace(&mut seen[axis], true) {
                return None;
            }
        }
        let quant = self.quant.as_ref().map(|q| match q.axis() {
            Some(axis) => q.with_axis(permutation.iter().position(|&p| p == axis).unwrap_or(axis)),
            None => q.clone(),
        });
        Some(Tensor {
            dims: permutation.iter().map(|&a| self.dims[a]).collect(),
            strides: permutation.iter().map(|&a| self.strides[a]).collect(),
            factors: self
                .factors
                .as_ref()
                .and_then(|f| f.moved(|axis| permutation.iter().position(|&p| p == axis))),
            quant,
            ..self.clone()
        })
    }

    /// The same elements in row-major order under other extents, or `None` where their product differs.
    ///
    /// A view where the elements lie packed or the extents differ only by dimensions of 1; gathered otherwise.
    /// Quantization is kept where it is per tensor and dropped where it is per axis.
    pub fn reshaped(&self, dims: &[usize]) -> Option<Tensor> {
        let elements = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if elements != self.elements() {
            return None;
        }
        let quant = self.quant.clone().filter(|q| q.axis().is_none());
        if self.factors.is_none() && self.strides.iter().all(|&s| s == 0) && self.elements() > 0 {
            return Some(Tensor {
                dims: dims.to_vec(),
                strides: vec![0; dims.len()],
                quant,
                ..self.clone()
            });
        }
        if !self.is_packed() {
            let kept: Vec<usize> = (0..self.dims.len()).filter(|&a| self.dims[a] != 1).collect();
            let wanted: Vec<usize> = dims.iter().copied().filter(|&d| d != 1).collect();
            let place = |n: usize| (0..dims.len()).filter(|&a| dims[a] != 1).nth(n);
            let factors = self
                .factors
                .as_ref()
                .map(|f| f.moved(|axis| place(kept.iter().position(|&a| a == axis)?)));
            if kept.iter().map(|&a| self.dims[a]).eq(wanted.iter().copied()) && !matches!(factors, Some(None)) {
                let mut rest = kept.iter().map(|&a| self.strides[a]);
                let strides = dims
                    .iter()
                    .map(|&d| if d == 1 { 0 } else { rest.next().expect("as many") })
                    .collect();
                return Some(Tensor {
                    dims: dims.to_vec(),
                    strides,
                    factors: factors.flatten(),
                    quant,
                    ..self.clone()
                });
            }
        }
        let packed = self.to_packed();
        Some(Tensor {
            dims: dims.to_vec(),
            strides: row_major(dims),
            quant,
            ..packed
        })
    }

    /// The view of `len` slices along `axis` from `start` on, or `None` where they do not exist.
    ///
    /// Elements smaller than a byte and strings cannot be sliced as a view: `None`. Per-axis parameters are sliced along.
    pub fn sliced(&self, axis: usize, start: usize, len: usize) -> Option<Tensor> {
        let extent = *self.dims.get(axis)?;
        if start.checked_add(len)? > extent || self.dtype.size().is_none() {
            return None;
        }
        let mut dims = self.dims.clone();
        dims[axis] = len;
        let quant = self.quant.as_ref().map(|q| match q.axis() {
            Some(a) if a == axis => {
                let range = start..start + len;
                Quant::per_axis(a, q.scales()[range.clone()].to_vec(), q.zero_points()[range].to_vec())
                    .expect("a part of valid parameters is valid")
            }
            _ => q.clone(),
        });
        let origin = if len == 0 {
            self.origin
        } else {
            (self.origin as isize + start as isize * self.strides[axis]) as usize
        };
        Some(Tensor {
            dims,
            origin,
            factors: self.factors.as_ref().map(|f| f.sliced(axis, start, len)),
            quant,
            ..self.clone()
        })
    }

    /// The view of an f32 tensor whose slices along `axis` are multiplied by their factors when they are read; each
    /// product is computed in float64 and rounded once. `None` for other elements, and where there is not a factor for
    /// each slice.
    pub fn scaled(&self, axis: usize, factors: &[f64]) -> Option<Tensor> {
        if self.dtype != DType::F32 || self.dims.get(axis) != Some(&factors.len()) {
            return None;
        }
        let (plain, values) = match &self.factors {
            Some(own) if own.axis == axis => (self.clone(), own.values.iter().zip(factors).map(|(a, b)| a * b).collect()),
            Some(_) => (self.to_packed(), factors.into()),
            None => (self.clone(), factors.into()),
        };
        Some(Tensor {
            factors: Some(Factors { axis, values }),
            ..plain
        })
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

fn check_strings(data: &[u8], elements: usize) -> Result<(), TensorError> {
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
