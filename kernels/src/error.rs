//! Why an operation, a graph or a model cannot be run.

use planish_core::DType;
use thiserror::Error as ThisError;

/// Why an operation, a graph or a model cannot be run.
#[derive(Clone, PartialEq, Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// An operation failed; tells which one.
    #[error("in graph `{graph}`, op `{label}` ({kind}): {cause}")]
    At {
        /// The graph's name.
        graph: String,
        /// The operation's name in messages.
        label: String,
        /// The kind of operation.
        kind: &'static str,
        /// What went wrong there.
        cause: Box<Error>,
    },
    /// An operand that has to be there is not.
    #[error("operand `{0}` is missing")]
    Missing(String),
    /// An operand cannot be used.
    #[error("operand `{operand}` {problem}")]
    Operand {
        /// The operand's name.
        operand: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An attribute, or the operands taken together, cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// The operation is not defined on elements of this type.
    #[error("`{op}` has no kernel for elements of type {dtype}; cast its operands to f32 or i32")]
    ElementType {
        /// The kind of operation.
        op: &'static str,
        /// The element type.
        dtype: DType,
    },
    /// There is no kernel for the operation at all.
    #[error("there is no kernel for `{op}`; {advice}")]
    NoKernel {
        /// What it is called where it comes from.
        op: String,
        /// What can be done about it.
        advice: &'static str,
    },
    /// A result would take more memory than allowed.
    #[error("a result {dtype}{dims:?} exceeds the limit of {limit} bytes; give smaller inputs or raise the limit")]
    TooLarge {
        /// The element type.
        dtype: DType,
        /// The extents.
        dims: Vec<usize>,
        /// The limit in bytes.
        limit: usize,
    },
    /// The run took more operations than allowed.
    #[error("stopped after {0} operations; a loop may be endless, else raise the limit")]
    TooManyOps(u64),
    /// Graphs call each other too deeply.
    #[error("graphs call each other more than {0} deep; a graph may call itself")]
    TooDeep(usize),
    /// The model has no signature of this name.
    #[error("there is no signature `{name}`; the model has {known}")]
    Signature {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// An input of a signature or graph does not fit.
    #[error("input `{input}` {problem}")]
    Input {
        /// The input's name, or its position.
        input: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The graph is not one that `verify` accepts.
    #[error("graph `{graph}` cannot be run: {problem}")]
    Graph {
        /// The graph's name.
        graph: String,
        /// What is wrong with it.
        problem: String,
    },
}
