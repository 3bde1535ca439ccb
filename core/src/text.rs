//! The text form of models, graphs and pipelines: for people and tests, never an interchange format.
//!
//! ```text
//! model {
//!   signature "serving_default" = @main (image) -> (logits)
//!
//!   graph @main (%image: f32[?, 4] range [0.0, 1.0]) {
//!     %w = const f32[2, 4] [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
//!     %logits = fully_connected %image, %w {activation = relu} : f32[?, 2]
//!     return %logits
//!   }
//! }
//! ```
//!
//! - An operation stands on a line of its own: `results = name operands {attributes} after … : types`. Attributes are
//!   sorted and left out at their defaults, an empty operand is `_`, and each result has its type behind the colon,
//!   with `range [least, greatest]` where it has been calibrated.
//! - **Values**: `%name`, or `%"any name"`, is the value that people know by this name; where several have the same
//!   one, the second is `%name~2`. `%0` is a value without a name.
//! - **Order of effects**: `after %x` runs after the operation that computes `%x`; an operation without results has a
//!   label to be named by, as in `^0 = assign_variable %handle, %x`.
//! - **Constants**: `const f32[2] [1.0, 2.0]` (`const i32[] 5` for a scalar) where there are at most 64 elements, else
//!   `const f32[65] bytes 260 "sha256:…"`, which cannot be read back. To be read only: `const f32[9, 9] random(7)`,
//!   uniform in [-1, 1) for floats and over 8 bits for integers. `const f32[9, 9] splat(0.5)` repeats one element.
//!   Floats are printed so that they read back bit for bit, `nan(0x7f800001)` included.
//! - **Reading**: a type that is left out is inferred; one that is given is taken, and [`crate::verify`] says whether
//!   it holds. `model { … }` may be left out around its contents. `//` begins a comment.
//!
//! Order depends only on ids, so printing is reproducible, and `parse(print(m))` is `m` except for the numbers of ids
//! and constants that are printed by their hash.

use thiserror::Error;

use crate::attr::Attrs;
use crate::graph::{Graph, OpId};
use crate::model::{GraphId, Model};

mod data;
mod element;
mod lex;
mod parse;
mod parse_data;
mod parse_model;
mod print;
mod quote;

/// Where a text is not in the text form, and why.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ParseError {
    /// The line, from 1 on.
    pub line: usize,
    /// The column, from 1 on.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
}

/// The text of a model.
pub fn print(model: &Model) -> String {
    print::model(model)
}

/// The text of one graph of a model.
///
/// # Panics
/// Where the model has no such graph.
pub fn print_graph(model: &Model, id: GraphId) -> String {
    print::graph(model, id)
}

/// The text of one operation, on one line. Graphs that it calls appear by number, since their names are the model's.
///
/// # Panics
/// Where the graph has no such operation.
pub fn print_op(graph: &Graph, id: OpId) -> String {
    print::op(graph, id)
}

/// The text of a pipeline: passes with their options.
pub fn print_pipeline<'a>(steps: impl IntoIterator<Item = (&'a str, &'a Attrs)>) -> String {
    print::pipeline(steps)
}

/// The model that this text describes.
///
/// Time and memory are in proportion to the text, except that `random(…)` and the like may fill 64 MiB.
///
/// # Errors
/// Where the text is not in the text form, or a type is left out that cannot be inferred.
pub fn parse(text: &str) -> Result<Model, ParseError> {
    parse_model::model(text)
}

/// The passes that a pipeline names, with their options: `fold_batch_norm, post_training_quantize {skip = ["head"]}`.
///
/// # Errors
/// Where the text is not a list of names with options in braces.
pub fn parse_pipeline(text: &str) -> Result<Vec<(String, Attrs)>, ParseError> {
    parse::pipeline(text)
}

/// Whether two models are equal: the same graphs, operations, types, names, data and signatures, whatever the ids.
pub fn same(a: &Model, b: &Model) -> bool {
    print(a) == print(b)
}
