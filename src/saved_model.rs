//! Reading TensorFlow SavedModels into models that can be written as they are.
//!
//! The reader alone gives the source's graph, with operations that no runtime executes; here it is lowered and cleaned
//! up as well, unless the raw graph is asked for.

use std::path::Path;

use planish_core::{Model, types::Dim};
use planish_passes::pipelines;

pub use planish_saved_model::{Contents, Error, FunctionInfo, MetaGraphInfo, PortInfo, SignatureInfo, is_saved_model};

use crate::Result;

/// Reads a SavedModel with choices.
///
/// Without any, it reads the MetaGraph tagged `serve` (or the only one) with all of its signatures, lowered and cleaned up.
#[derive(Clone, Debug)]
pub struct Reader {
    inner: planish_saved_model::Reader,
    raw: bool,
}

impl Reader {
    /// A reader of the SavedModel in this folder.
    pub fn new(dir: impl AsRef<Path>) -> Reader {
        Reader {
            inner: planish_saved_model::Reader::new(dir),
            raw: false,
        }
    }

    /// Reads the MetaGraph that has exactly these tags.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Reader {
        self.inner = self.inner.tags(tags);
        self
    }

    /// Reads this signature, or the concrete function of this name or at this path; may be called several times.
    pub fn signature(mut self, name: impl Into<String>) -> Reader {
        self.inner = self.inner.signature(name);
        self
    }

    /// Ends the signature in this output of it, or in the value of this name; may be called several times. Inputs that the
    /// chosen outputs do not depend on are left out.
    pub fn output(mut self, name: impl Into<String>) -> Reader {
        self.inner = self.inner.output(name);
        self
    }

    /// Gives the input of this name another shape than the declared one.
    pub fn shape(mut self, input: impl Into<String>, dims: &[Dim]) -> Reader {
        self.inner = self.inner.shape(input, dims);
        self
    }

    /// Whether the checkpoint is compared with its checksums, as it is unless this says otherwise.
    pub fn verify_checksums(mut self, verify: bool) -> Reader {
        self.inner = self.inner.verify_checksums(verify);
        self
    }

    /// Leaves the graph as the source has it, neither lowered nor cleaned up.
    pub fn raw(mut self) -> Reader {
        self.raw = true;
        self
    }

    /// Lists what there is to choose from.
    ///
    /// # Errors
    /// Where the folder is not a SavedModel, or its graph is damaged.
    pub fn contents(&self) -> Result<Contents> {
        Ok(self.inner.contents()?)
    }

    /// Reads what was chosen.
    ///
    /// # Errors
    /// Where the folder is not a SavedModel, a file is damaged, or the choice is not in it.
    pub fn read(&self) -> Result<Model> {
        let mut model = self.inner.read()?;
        if !self.raw {
            pipelines::clean_up().run(&mut model)?;
        }
        Ok(model)
    }
}

/// Reads the SavedModel in the folder `dir`: the MetaGraph for serving, with all of its signatures.
///
/// # Errors
/// Where the folder is not a SavedModel, a file is damaged, or the model has no signature.
pub fn read(dir: impl AsRef<Path>) -> Result<Model> {
    Reader::new(dir).read()
}
