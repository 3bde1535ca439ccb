//! What can be wrong with a SavedModel.

use std::path::{Path, PathBuf};

/// Why a SavedModel could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read.
    #[error("cannot read {}; check that it exists and is readable", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The folder is something else than a SavedModel.
    #[error("{} is not a SavedModel: {what}", path.display())]
    NotASavedModel {
        /// The folder or file.
        path: PathBuf,
        /// What is missing or different.
        what: String,
    },
    /// A file is truncated or corrupted.
    #[error("{} is damaged: {what}; copy or export the model again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The chosen tags, signature, function or shape is not in the model.
    #[error("{0}")]
    Choice(String),
    /// The graph refers to something that is not there, or contradicts itself.
    #[error("the graph is inconsistent at {place}: {what}")]
    Graph {
        /// The node or function.
        place: String,
        /// What does not fit.
        what: String,
    },
    /// A variable of the graph has no value in the checkpoint.
    #[error("the value of variable {name} is not in the checkpoint: {what}")]
    Variable {
        /// The variable's name in the graph.
        name: String,
        /// Why its value is missing.
        what: String,
    },
    /// The model uses a form that this reader does not read.
    #[error("{place} uses {what}")]
    Unsupported {
        /// The node, function or file.
        place: String,
        /// The form, and what to do instead.
        what: String,
    },
}

impl Error {
    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    pub(crate) fn not_a_saved_model(path: &Path, what: impl Into<String>) -> Self {
        Self::NotASavedModel {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    pub(crate) fn graph(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Graph {
            place: place.into(),
            what: what.into(),
        }
    }

    pub(crate) fn unsupported(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Unsupported {
            place: place.into(),
            what: what.into(),
        }
    }

    pub(crate) fn variable(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Variable {
            name: name.into(),
            what: what.into(),
        }
    }
}
