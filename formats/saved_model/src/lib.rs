//! Reads TensorFlow SavedModels into planish's IR.
//!
//! A SavedModel is a folder: `saved_model.pb` holds graphs, functions and signatures, `variables/` a checkpoint with
//! the weights, `assets/` further files. [`read`] turns it into a [`Model`] in which each signature is a graph of IR
//! operations: functions are inlined, variables that nothing assigns are constants whose bytes stay where they are in
//! the file, and only what a signature's outputs reach is there. An operation without a counterpart in the IR becomes
//! `foreign`, so an unknown operation never makes reading fail.

mod bare_graph;
mod bundle;
mod contents;
mod control_flow;
mod dtype;
mod error;
mod function;
mod import;
mod map_file;
mod object_graph;
mod open;
mod order;
mod output_names;
mod proto;
mod reader;
mod start;
mod tensor_proto;
mod text_proto;
mod variables;

pub use contents::{Contents, FunctionInfo, MetaGraphInfo, PortInfo, SignatureInfo};
pub use error::Error;
pub use open::is_saved_model;
pub use reader::Reader;

use planish_core::model::Model;
use std::path::Path;

/// Reads the SavedModel in the folder `dir`: the MetaGraph for serving, with all of its signatures.
///
/// # Errors
/// Where the folder is not a SavedModel, a file is damaged, or the model has no signature.
pub fn read(dir: impl AsRef<Path>) -> Result<Model, Error> {
    Reader::new(dir).read()
}
