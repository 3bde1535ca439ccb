//! The operands of one operation, with the checks that most operations share.

use crate::graph::ValueRef;
use crate::infer::{InferError, MOST_DIMS};
use crate::known::known_ints;
use crate::op::{Arity, OpKind};
use crate::types::{DType, Dim, Shape, Type};

/// The operands of an operation whose number has been checked.
pub(super) struct Args<'a, 'g> {
    kind: OpKind,
    operands: &'a [Option<ValueRef<'g>>],
}

/// Whether a `many` operand of this kind may have empty ports among its values.
fn takes_empty_ports(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        Foreign | Custom | Builtin | BidirectionalSequenceLstm | BidirectionalSequenceRnn
    )
}

impl<'a, 'g> Args<'a, 'g> {
    /// The operands, if there are as many as operations of this kind take.
    pub(super) fn new(kind: OpKind, operands: &'a [Option<ValueRef<'g>>]) -> Result<Self, InferError> {
        let specs = kind.operands();
        let open = specs.last().is_some_and(|s| s.arity == Arity::Many);
        if operands.len() > specs.len() && !open {
            return Err(InferError::TooMany {
                found: operands.len(),
                most: specs.len(),
            });
        }
        for (i, spec) in specs.iter().enumerate() {
            let missing = match spec.arity {
                Arity::One => operands.get(i).is_none_or(Option::is_none),
                Arity::Optional => false,
                Arity::Many => !takes_empty_ports(kind) && operands.iter().skip(i).any(Option::is_none),
            };
            if missing {
                return Err(InferError::Missing(spec.name));
            }
        }
        let args = Args { kind, operands };
        match (0..operands.len()).find(|&i| args.optional(i).is_some_and(|ty| ty.shape.rank() > Some(MOST_DIMS))) {
            Some(i) => Err(InferError::Attribute(format!(
                "operand `{}` has more than {MOST_DIMS} dimensions",
                args.name(i)
            ))),
            None => Ok(args),
        }
    }

    /// How many operands there are, empty ports included.
    pub(super) fn len(&self) -> usize {
        self.operands.len()
    }

    fn name(&self, i: usize) -> &'static str {
        let specs = self.kind.operands();
        specs.get(i).or(specs.last()).map_or("operands", |s| s.name)
    }

    /// The operation's results have to be declared.
    pub(super) fn declared(&self) -> InferError {
        InferError::Declared(self.kind.name())
    }

    /// Operand `i` is not what is expected.
    pub(super) fn unfit(&self, i: usize, expected: impl Into<String>) -> InferError {
        InferError::Operand {
            operand: self.name(i),
            found: self.optional(i).map_or_else(|| "missing".to_owned(), Type::to_string),
            expected: expected.into(),
        }
    }

    /// The type of operand `i`, where it is there.
    pub(super) fn optional(&self, i: usize) -> Option<&'g Type> {
        self.operands.get(i).copied().flatten().map(ValueRef::ty)
    }

    /// The type of operand `i`, which has to be there.
    pub(super) fn ty(&self, i: usize) -> Result<&'g Type, InferError> {
        self.optional(i).ok_or(InferError::Missing(self.name(i)))
    }

    /// The types of all operands, of which there is at least one.
    pub(super) fn all(&self) -> Result<Vec<&'g Type>, InferError> {
        (0..self.len().max(1)).map(|i| self.ty(i)).collect()
    }

    /// What is known of the integers in operand `i`; `None` where not even their number is.
    pub(super) fn ints(&self, i: usize) -> Option<Vec<Option<i64>>> {
        known_ints(self.operands.get(i).copied().flatten()?)
    }

    /// The one integer in operand `i`, where it is known.
    pub(super) fn int(&self, i: usize) -> Option<i64> {
        match self.ints(i)?[..] {
            [one] => one,
            _ => None,
        }
    }

    /// The one number in operand `i`, where it is constant.
    pub(super) fn constant_float(&self, i: usize) -> Option<f64> {
        let tensor = self.operands.get(i).copied().flatten()?.constant()?;
        if tensor.elements() != 1 {
            return None;
        }
        tensor.to_floats()?.first().copied()
    }

    /// Operand `i` as a value of this rank: its dimensions, unknown ones where the rank is unknown.
    pub(super) fn of_rank(&self, i: usize, rank: usize) -> Result<Vec<Dim>, InferError> {
        match self.ty(i)?.shape.dims() {
            None => Ok(vec![Dim::Unknown; rank]),
            Some(dims) if dims.len() == rank => Ok(dims.to_vec()),
            Some(_) => Err(self.unfit(i, format!("rank {rank}"))),
        }
    }

    /// Checks that operand `i` has one element, as far as its shape is known.
    pub(super) fn single(&self, i: usize) -> Result<(), InferError> {
        match self.ty(i)?.shape.elements() {
            Some(1) | None => Ok(()),
            Some(_) => Err(self.unfit(i, "one element")),
        }
    }

    /// Checks that operand `i` holds integers that stand for themselves.
    pub(super) fn integers(&self, i: usize) -> Result<(), InferError> {
        let ty = self.ty(i)?;
        if ty.dtype.is_int() && ty.quant.is_none() {
            Ok(())
        } else {
            Err(self.unfit(i, "integers"))
        }
    }

    /// Checks that operand `i` is a vector of integers, and gives its length.
    pub(super) fn int_vector(&self, i: usize) -> Result<Dim, InferError> {
        self.integers(i)?;
        Ok(self.of_rank(i, 1)?[0])
    }

    /// Checks that operand `i` is one integer.
    pub(super) fn int_scalar(&self, i: usize) -> Result<(), InferError> {
        self.integers(i)?;
        self.single(i)
    }

    /// Checks that operand `i` holds numbers.
    pub(super) fn numbers(&self, i: usize) -> Result<&'g Type, InferError> {
        let ty = self.ty(i)?;
        if is_number(ty.dtype) {
            Ok(ty)
        } else {
            Err(self.unfit(i, "numbers"))
        }
    }

    /// Checks that operand `i` holds truth values.
    pub(super) fn bools(&self, i: usize) -> Result<&'g Type, InferError> {
        let ty = self.ty(i)?;
        if ty.dtype == DType::Bool {
            Ok(ty)
        } else {
            Err(self.unfit(i, "truth values"))
        }
    }

    /// Checks that operand `i` is one truth value.
    pub(super) fn condition(&self, i: usize) -> Result<(), InferError> {
        self.bools(i)?;
        self.single(i)
    }

    /// Checks that operand `i` is the handle of a variable or table.
    pub(super) fn resource(&self, i: usize) -> Result<(), InferError> {
        if self.ty(i)?.dtype == DType::Resource {
            Ok(())
        } else {
            Err(self.unfit(i, "a handle"))
        }
    }

    /// Checks that operands `i` and `j` have one element type.
    pub(super) fn same_dtype(&self, i: usize, j: usize) -> Result<(), InferError> {
        let dtype = self.ty(i)?.dtype;
        if self.ty(j)?.dtype == dtype {
            Ok(())
        } else {
            Err(self.unfit(j, format!("elements of type {dtype}")))
        }
    }

    /// Checks that operand `i` holds numbers that can be multiplied with weights `j`: of the same element type, or
    /// floats with quantized weights.
    pub(super) fn weights(&self, i: usize, j: usize) -> Result<(), InferError> {
        let (input, weights) = (self.numbers(i)?, self.numbers(j)?);
        let fits = input.dtype == weights.dtype || weights.dtype.is_int() && weights.quant.is_some();
        if fits {
            Ok(())
        } else {
            Err(self.unfit(j, format!("elements of type {} or quantized integers", input.dtype)))
        }
    }

    /// Checks that operand `i`, if it is there, has this many elements.
    pub(super) fn bias(&self, i: usize, channels: Dim) -> Result<(), InferError> {
        let Some(bias) = self.optional(i) else { return Ok(()) };
        self.numbers(i)?;
        match (bias.shape.elements(), channels) {
            (Some(found), Dim::Known(wanted)) if found != wanted => Err(self.unfit(i, format!("{wanted} elements"))),
            _ => Ok(()),
        }
    }

    /// The shape that both operands describe.
    pub(super) fn meet(&self, i: usize, j: usize) -> Result<Shape, InferError> {
        let (a, b) = (&self.ty(i)?.shape, &self.ty(j)?.shape);
        a.meet(b).ok_or_else(|| self.unfit(j, format!("the shape {a}")))
    }
}

/// Whether elements are numbers: neither truth values, nor strings, nor handles.
pub(super) fn is_number(dtype: DType) -> bool {
    dtype.is_float() || dtype.is_int() || matches!(dtype, DType::Complex64 | DType::Complex128)
}
