//! The operands of one operation at run time, read with every check that bad data calls for.

use std::borrow::Cow;

use planish_core::op::OpKind;
use planish_core::tensor::Element;
use planish_core::{DType, Tensor, Type};

use crate::error::Error;

/// The operands of one operation, the declared types of its results, and how large a result may be.
pub(crate) struct Args<'a> {
    kind: OpKind,
    operands: &'a [Option<&'a Tensor>],
    types: &'a [Type],
    limit: usize,
}

/// The elements of a tensor, borrowed where they lie packed and aligned.
pub(crate) fn elements<T: Element>(tensor: &Tensor) -> Cow<'_, [T]> {
    match tensor.as_slice::<T>() {
        Some(slice) => Cow::Borrowed(slice),
        None => Cow::Owned(tensor.to_vec::<T>()),
    }
}

/// A tensor of truth values from bytes of 0 and 1.
pub(crate) fn bools(dims: &[usize], bytes: Vec<u8>) -> Tensor {
    Tensor::new(DType::Bool, dims, bytes.into()).expect("one byte for each element")
}

impl<'a> Args<'a> {
    pub(crate) fn new(kind: OpKind, operands: &'a [Option<&'a Tensor>], types: &'a [Type], limit: usize) -> Args<'a> {
        Args {
            kind,
            operands,
            types,
            limit,
        }
    }

    /// The declared type of a result, where there is one.
    pub(crate) fn result_type(&self, result: usize) -> Option<&'a Type> {
        self.types.get(result)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn name(&self, operand: usize) -> String {
        match self.kind.operands().get(operand) {
            Some(spec) if spec.arity != planish_core::op::Arity::Many => spec.name.to_owned(),
            _ => format!("{operand}"),
        }
    }

    pub(crate) fn get(&self, operand: usize) -> Result<&'a Tensor, Error> {
        self.optional(operand).ok_or_else(|| Error::Missing(self.name(operand)))
    }

    pub(crate) fn optional(&self, operand: usize) -> Option<&'a Tensor> {
        self.operands.get(operand).copied().flatten()
    }

    /// All operands, none of which may be empty, and at least one.
    pub(crate) fn many(&self) -> Result<Vec<&'a Tensor>, Error> {
        if self.operands.is_empty() {
            return Err(Error::Missing(self.name(0)));
        }
        (0..self.operands.len()).map(|i| self.get(i)).collect()
    }

    /// An error about one operand.
    pub(crate) fn bad(&self, operand: usize, problem: impl Into<String>) -> Error {
        Error::Operand {
            operand: self.name(operand),
            problem: problem.into(),
        }
    }

    /// The error of an element type for which there is no kernel.
    pub(crate) fn element_type(&self, dtype: DType) -> Error {
        Error::ElementType {
            op: self.kind.name(),
            dtype,
        }
    }

    /// An operand's elements, which must be of type `T`.
    pub(crate) fn elements<T: Element>(&self, operand: usize) -> Result<Cow<'a, [T]>, Error> {
        let tensor = self.get(operand)?;
        if tensor.dtype() != T::DTYPE && !(tensor.dtype() == DType::Bool && T::DTYPE == DType::U8) {
            return Err(self.bad(operand, format!("is {}, expected {}", tensor.ty(), T::DTYPE)));
        }
        Ok(elements(tensor))
    }

    /// The elements of an operand that may be empty.
    pub(crate) fn optional_elements<T: Element>(&self, operand: usize) -> Result<Option<Cow<'a, [T]>>, Error> {
        match self.optional(operand) {
            Some(_) => self.elements(operand).map(Some),
            None => Ok(None),
        }
    }

    /// An operand's elements, whatever integers they are.
    pub(crate) fn ints(&self, operand: usize) -> Result<Vec<i64>, Error> {
        let tensor = self.get(operand)?;
        tensor
            .to_ints()
            .ok_or_else(|| self.bad(operand, format!("is {}, expected integers", tensor.ty())))
    }

    /// The only element of an integer operand.
    pub(crate) fn int(&self, operand: usize) -> Result<i64, Error> {
        match self.ints(operand)?[..] {
            [value] => Ok(value),
            _ => Err(self.bad(operand, format!("is {}, expected one integer", self.get(operand)?.ty()))),
        }
    }

    /// The only element of a real operand.
    pub(crate) fn float(&self, operand: usize) -> Result<f32, Error> {
        let tensor = self.get(operand)?;
        match tensor.to_floats().as_deref() {
            Some(&[value]) => Ok(value as f32),
            _ => Err(self.bad(operand, format!("is {}, expected one real number", tensor.ty()))),
        }
    }

    /// An operand that holds extents.
    pub(crate) fn extents(&self, operand: usize) -> Result<Vec<usize>, Error> {
        self.ints(operand)?
            .into_iter()
            .map(|v| usize::try_from(v).map_err(|_| self.bad(operand, format!("holds {v}, which is no extent"))))
            .collect()
    }

    /// An operand with this number of dimensions.
    pub(crate) fn of_rank(&self, operand: usize, rank: usize) -> Result<&'a Tensor, Error> {
        let tensor = self.get(operand)?;
        if tensor.dims().len() == rank {
            Ok(tensor)
        } else {
            Err(self.bad(operand, format!("is {}, expected rank {rank}", tensor.ty())))
        }
    }

    /// The extents of an operand of rank `N`.
    pub(crate) fn dims<const N: usize>(&self, operand: usize) -> Result<[usize; N], Error> {
        let tensor = self.of_rank(operand, N)?;
        Ok(tensor.dims().try_into().expect("checked by of_rank"))
    }

    /// The number of elements of a result, if it may be made.
    pub(crate) fn count(&self, dtype: DType, dims: &[usize]) -> Result<usize, Error> {
        let elements = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let bytes = elements
            .and_then(|n| n.checked_mul(dtype.bits().max(1)))
            .map(|bits| bits.div_ceil(8));
        match (elements, bytes) {
            (Some(elements), Some(bytes)) if bytes <= self.limit => Ok(elements),
            _ => Err(Error::TooLarge {
                dtype,
                dims: dims.to_vec(),
                limit: self.limit,
            }),
        }
    }

    /// Room for a result, filled with one value.
    pub(crate) fn alloc<T: Element>(&self, dims: &[usize], value: T) -> Result<Vec<T>, Error> {
        let count = self.count(T::DTYPE, dims)?;
        let mut room = Vec::new();
        room.try_reserve_exact(count).map_err(|_| Error::TooLarge {
            dtype: T::DTYPE,
            dims: dims.to_vec(),
            limit: self.limit,
        })?;
        room.resize(count, value);
        Ok(room)
    }
}

/// An error about attributes or operands taken together.
pub(crate) fn invalid<T>(problem: impl Into<String>) -> Result<T, Error> {
    Err(Error::Invalid(problem.into()))
}
