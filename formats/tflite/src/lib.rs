//! Reads and writes TFLite files.
//!
//! ```no_run
//! let model = planish_tflite::read_file("in.tflite")?;
//! planish_tflite::write_file(&model, "out.tflite")?;
//! # Ok::<(), planish_tflite::Error>(())
//! ```
//!
//! Whatever the IR has no operation for is kept as it was, so that every file that is read can be written again: custom
//! operators as [`planish_core::op::Custom`], builtins without a row in the IR as [`planish_core::op::Builtin`],
//! constants that are sparse or quantized in blocks as a `foreign` operation, metadata and associated files in the model's metadata.

mod blocks;
mod buffers;
mod codes;
mod error;
mod new_file;
mod options;
mod quantization;
mod read;
mod runtime;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, unused, deprecated, non_snake_case, non_camel_case_types, non_upper_case_globals)]
#[allow(clippy::all, clippy::undocumented_unsafe_blocks, clippy::disallowed_types, unsafe_op_in_unsafe_fn)]
mod schema;
mod sparse;
mod version;
mod write;

pub use error::{Error, NoOperator};
pub use new_file::{NewFile, NoNewFiles};
pub use read::{read, read_file};
pub use write::{ASSOCIATED_FILES, WriteOptions, no_operators, write, write_file, write_file_with, write_to};
