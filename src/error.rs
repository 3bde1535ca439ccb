//! What can go wrong from one file to the other.

use std::path::PathBuf;

use thiserror::Error as ThisError;

/// The result of what may fail in any of the crates.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model could not be read, changed or written.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing at this path, or it cannot be looked at.
    #[error("cannot read `{path}`; check that it exists and is readable")]
    Missing {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A choice that only a SavedModel offers was made for a file of another format.
    #[error("`{path}` is a file, and {choice} can be chosen only of a SavedModel, which is a folder")]
    NotInFile {
        /// The file.
        path: PathBuf,
        /// What was chosen.
        choice: &'static str,
    },
    /// A file of another format.
    #[error("cannot read the model `{path}`; {advice}")]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What to do about it.
        advice: &'static str,
        /// Why it is no TFLite file.
        #[source]
        source: planish_tflite::Error,
    },
    /// A TFLite file that is damaged, or needs what this version cannot read.
    #[error("cannot read the model `{path}`")]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: planish_tflite::Error,
    },
    /// The SavedModel cannot be read.
    #[error(transparent)]
    SavedModel(#[from] planish_saved_model::Error),
    /// The TFLite file cannot be read or written.
    #[error(transparent)]
    Tflite(#[from] planish_tflite::Error),
    /// A pass failed.
    #[error(transparent)]
    Pass(#[from] planish_core::Error),
}
