//! The arguments that say which model to read, and what of it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use planish::ConvertOptions;
use planish::core::types::Dim;

#[derive(Args)]
pub(super) struct ModelArguments {
    /// A SavedModel's folder, or a .tflite file
    #[arg(value_name = "MODEL")]
    pub(super) model: PathBuf,
    /// Reads this signature, or the concrete function of this name or at this path, as `inspect` lists them; may be given several
    /// times, except for `run` [default: every signature; for `run`, serving_default]
    #[arg(long = "signature", value_name = "NAME")]
    pub(super) signatures: Vec<String>,
    /// Reads the MetaGraph with exactly these tags, separated by commas [default: serve]
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    tags: Vec<String>,
    /// Ends the signature in this output of it, or in the value of this name, and leaves out the inputs that it does not depend on;
    /// may be given several times [default: every output]
    #[arg(long = "output", value_name = "NAME")]
    pub(super) ends: Vec<String>,
    /// Gives an input another shape, such as `image=1x224x224x3`; `?` is an unknown dimension; may be given once for each input
    #[arg(long = "shape", value_name = "NAME=DIMS", value_parser = shape)]
    shapes: Vec<(String, Vec<Dim>)>,
    /// Leaves the graph as the source has it, neither lowered nor cleaned up
    #[arg(long)]
    pub(super) raw: bool,
}

impl ModelArguments {
    /// Whether an input gets another shape.
    pub(super) fn gives_shapes(&self) -> bool {
        !self.shapes.is_empty()
    }

    /// Whether nothing is said beside the model itself.
    pub(super) fn chooses_nothing(&self) -> bool {
        self.signatures.is_empty() && self.ends.is_empty() && self.tags.is_empty() && !self.gives_shapes()
    }

    /// The same as options of a conversion.
    ///
    /// # Errors
    /// Where an input is given two shapes.
    pub(super) fn options(&self) -> Result<ConvertOptions, String> {
        let mut seen = BTreeSet::new();
        if let Some((name, _)) = self.shapes.iter().find(|(name, _)| !seen.insert(name)) {
            return Err(format!("--shape gives `{name}` two shapes"));
        }
        let mut options = ConvertOptions::new();
        options.raw = self.raw;
        options.tags = self.tags.clone();
        options.signatures = self.signatures.clone();
        options.outputs = self.ends.clone();
        options.shapes = self.shapes.iter().cloned().collect();
        Ok(options)
    }
}

fn shape(text: &str) -> Result<(String, Vec<Dim>), String> {
    let (name, dims) = text.rsplit_once('=').ok_or("write NAME=DIMS, such as image=1x224x224x3")?;
    let dim = |d: &str| match d {
        "?" | "-1" => Ok(Dim::Unknown),
        _ => d
            .parse()
            .map(Dim::Known)
            .map_err(|_| format!("`{d}` is no dimension; write a number or ?")),
    };
    let dims = if dims.is_empty() {
        Vec::new()
    } else {
        dims.split('x').map(dim).collect::<Result<_, _>>()?
    };
    Ok((name.to_owned(), dims))
}
