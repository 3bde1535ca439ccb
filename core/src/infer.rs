//! Result types from operand types.

use thiserror::Error;

use crate::graph::ValueRef;
use crate::op::Op;
use crate::types::Type;

/// Why operands do not fit an operation.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum InferError {
    /// An operand that has to be there is not.
    #[error("operand `{0}` is missing")]
    Missing(&'static str),
    /// There are more operands than the operation takes.
    #[error("there are {found} operands, at most {most} are taken")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many are taken.
        most: usize,
    },
    /// An operand's type does not fit.
    #[error("operand `{operand}` is {found}, expected {expected}")]
    Operand {
        /// The operand's name.
        operand: &'static str,
        /// What it is.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// An attribute does not fit the operands.
    #[error("{0}")]
    Attribute(String),
    /// The results of this operation have to be declared.
    #[error("the results of `{0}` cannot be inferred and have to be declared")]
    Declared(&'static str),
}

/// The types of an operation's results.
///
/// # Errors
/// Where the operands do not fit the operation, or its results have to be declared.
pub fn results(op: &Op, operands: &[Option<ValueRef<'_>>]) -> Result<Vec<Type>, InferError> {
    let _ = operands;
    Err(InferError::Declared(op.name()))
}
