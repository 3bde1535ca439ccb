//! Makes a trained neural network small and fast: composable optimization passes from TensorFlow SavedModel to TFLite.
//!
//! ```no_run
//! use planish::prelude::*;
//!
//! # fn main() -> planish::Result<()> {
//! let mut model = planish::saved_model::read("digits_cnn")?;
//! let report = PassManager::new().add(PostTrainingQuantize).run(&mut model)?;
//! planish::tflite::write_file(&model, "digits_cnn.tflite")?;
//! println!("{report}");
//! # Ok(())
//! # }
//! ```
//!
//! - [`saved_model`] and [`tflite`] are the formats, [`passes`] what changes a model, [`kernels`] what runs one, and
//!   [`core`] what all of them are written in terms of.
//! - [`convert()`] reads a model and runs the command line's passes in one call.
//! - A crate of your own registers passes beside these; see [`core::registry`].

#![forbid(unsafe_code)]

pub mod convert;
mod error;
pub mod prelude;
pub mod saved_model;

pub use planish_core as core;
pub use planish_kernels as kernels;
pub use planish_passes as passes;
pub use planish_tflite as tflite;

// A dependency that no code names is not linked, and what it registers is then missing.
use planish_passes as _;

pub use crate::convert::{ConvertOptions, Converted, convert};
pub use crate::error::{Error, Result};
