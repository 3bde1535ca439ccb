//! What can go wrong when a file is read or written.

use std::fmt;
use std::io;
use std::path::PathBuf;

use planish_core::verify::VerifyError;
use thiserror::Error;

/// Why a TFLite file cannot be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be created or written; nothing of it is left behind.
    #[error("cannot write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bytes cannot be written where they were meant to go.
    #[error("cannot write the model")]
    Output(#[source] io::Error),
    /// The bytes are no TFLite file.
    #[error("not a TFLite file: {0}")]
    NotTflite(&'static str),
    /// The file's structure is damaged: an offset, length or tag in it leads astray.
    #[error("the TFLite file is damaged; copy or convert it again")]
    Damaged(#[source] flatbuffers::InvalidFlatbuffer),
    /// The file is a flatbuffer whose parts contradict each other.
    #[error("the TFLite file is damaged: {place}: {problem}")]
    Inconsistent {
        /// Where: a subgraph and a tensor or operator of it.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// The file needs something that this version cannot read.
    #[error("{place}: {feature} is not supported")]
    Unsupported {
        /// Where it is used.
        place: String,
        /// What it is.
        feature: &'static str,
    },
    /// Operations of the model have no TFLite operator. All of them are listed.
    #[error("{}", Unwritable(.0))]
    NoOperator(Vec<NoOperator>),
    /// A part of the model is beyond what the format can hold.
    #[error("{place} is too large for a TFLite file")]
    TooLarge {
        /// What is too large.
        place: String,
    },
    /// The model contradicts itself, or has nothing to be written.
    #[error("the model cannot be written: {place}: {problem}")]
    Model {
        /// Where.
        place: String,
        /// What is wrong.
        problem: String,
    },
}

impl From<VerifyError> for Error {
    fn from(error: VerifyError) -> Error {
        let place = match error.graph.is_empty() {
            true => error.place,
            false => format!("graph `{}`, {}", error.graph, error.place),
        };
        let problem = error.problem;
        Error::Model { place, problem }
    }
}

/// An operation that no TFLite operator computes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoOperator {
    /// What it is: TensorFlow's name of the operation, or the IR's where it comes from no file.
    pub op: String,
    /// What it is called in the model.
    pub label: String,
    /// The graph that it belongs to.
    pub graph: String,
    /// Whether it could be written as a Flex operator, which TensorFlow's runtime computes.
    pub flex: bool,
}

struct Unwritable<'a>(&'a [NoOperator]);

impl fmt::Display for Unwritable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("one operation has no TFLite operator: ")?,
            n => write!(f, "{n} operations have no TFLite operator: ")?,
        }
        for (i, op) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{} (`{}` in graph `{}`)", op.op, op.label, op.graph)?;
        }
        if self.0.iter().all(|op| op.flex) {
            f.write_str("; allow TensorFlow's own operators or custom ones to write them all the same")?;
        } else if self.0.iter().any(|op| op.flex) {
            f.write_str("; lower the model first, and allow TensorFlow's own operators or custom ones for the rest")?;
        } else {
            f.write_str("; lower the model first")?;
        }
        Ok(())
    }
}
