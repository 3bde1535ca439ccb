//! Choosing what to read, and reading it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use planish_core::model::Model;
use planish_core::types::{Dim, Shape};
use rayon::prelude::*;

use crate::Error;
use crate::bare_graph;
use crate::bundle::Check;
use crate::contents::{self, Contents};
use crate::control_flow::functional;
use crate::function::{Body, Library};
use crate::import::{Importer, Root};
use crate::open::{self, Opened};
use crate::variables::Variables;

/// So many functions are listed in a message.
pub(crate) const MAX_LISTED: usize = 20;

/// Reads a SavedModel with choices.
///
/// Without any, it reads the MetaGraph tagged `serve` (or the only one), with all of its signatures, or with its only function where
/// it has no signature. A graph without either can be read by its outputs, with the placeholders that they depend on as inputs.
#[derive(Clone, Debug)]
pub struct Reader {
    path: PathBuf,
    tags: Option<Vec<String>>,
    signatures: Vec<String>,
    outputs: Vec<String>,
    shapes: BTreeMap<String, Shape>,
    verify: bool,
}

impl Reader {
    /// A reader of the SavedModel in this folder.
    pub fn new(dir: impl AsRef<Path>) -> Self {
        Self {
            path: dir.as_ref().to_owned(),
            tags: None,
            signatures: Vec::new(),
            outputs: Vec::new(),
            shapes: BTreeMap::new(),
            verify: true,
        }
    }

    /// Reads the MetaGraph that has exactly these tags.
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Reads this signature, or the concrete function of this name or at this path; may be called several times.
    pub fn signature(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !self.signatures.contains(&name) {
            self.signatures.push(name);
        }
        self
    }

    /// Ends the signature in this output of it, or in the value of this name; may be called several times. Inputs that the
    /// chosen outputs do not depend on are left out.
    pub fn output(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        if !self.outputs.contains(&name) {
            self.outputs.push(name);
        }
        self
    }

    /// Gives the input of this name another shape than the declared one.
    pub fn shape(mut self, input: impl Into<String>, dims: &[Dim]) -> Self {
        self.shapes.insert(input.into(), Shape::new(dims.iter().copied()));
        self
    }

    /// Whether the checkpoint is compared with its checksums, as it is unless this says otherwise.
    pub fn verify_checksums(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Lists what there is to choose from.
    ///
    /// # Errors
    /// Where the folder is not a SavedModel, or its graph is damaged.
    pub fn contents(&self) -> Result<Contents, Error> {
        contents::list(&open::open(&self.path)?)
    }

    /// Reads what was chosen.
    ///
    /// # Errors
    /// Where the folder is not a SavedModel, a file is damaged, or the choice is not in it.
    pub fn read(&self) -> Result<Model, Error> {
        let opened = open::open(&self.path)?;
        let mut meta = opened.meta_graph(opened.choose(self.tags.as_deref())?)?;
        let graph = meta.graph.take().unwrap_or_default();
        let library = Library::new(graph.library)?;
        let top = functional(Body::of_graph(graph.nodes)?, &library)?;
        let mut variables = Variables::open(&opened.checkpoint(), &meta, self.verify)?;
        variables.match_captures(&top);
        let roots = self.roots(&opened, &meta, &variables, &library, &top)?;
        let mut importer = Importer::new(top, library, variables, &meta, &opened);
        let mut unknown: Vec<&String> = self.shapes.keys().collect();
        if let (false, [_, _, ..]) = (self.outputs.is_empty(), &roots[..]) {
            let names: Vec<&str> = roots.iter().map(Root::name).collect();
            return Err(Error::Choice(format!(
                "outputs can be chosen of one signature only; choose one of: {}",
                names.join(", ")
            )));
        }
        let mut all_inputs = BTreeSet::new();
        loop {
            for root in &roots {
                let inputs = importer.import(root, &self.shapes, &self.outputs)?;
                unknown.retain(|name| !inputs.contains(name));
                all_inputs.extend(inputs);
            }
            if !importer.start_again() {
                break;
            }
        }
        if let Some(name) = unknown.first() {
            let all: Vec<String> = all_inputs.into_iter().collect();
            return Err(Error::Choice(format!(
                "no input is called {name}, for which a shape was given; the inputs are: {}",
                all.join(", ")
            )));
        }
        let (model, checks) = importer.finish();
        if self.verify {
            verify(&checks)?;
        }
        Ok(model)
    }

    fn roots(
        &self,
        opened: &Opened,
        meta: &crate::proto::MetaGraph,
        variables: &Variables,
        library: &Library,
        top: &Body,
    ) -> Result<Vec<Root>, Error> {
        let public = || meta.signatures.iter().filter(|(name, _)| !contents::is_internal(name));
        if self.signatures.is_empty() {
            let roots: Vec<Root> = public()
                .filter(|(_, def)| !def.outputs.is_empty())
                .map(|(name, def)| Root::Signature(name.clone(), def.clone()))
                .collect();
            if !roots.is_empty() {
                return Ok(roots);
            }
            let functions = contents::functions(&variables.objects, library)?;
            return match &functions[..] {
                [] if !self.outputs.is_empty() => Ok(vec![bare_graph::root(top, meta, library, &self.outputs)?]),
                [] => Err(Error::Choice(explain_no_signature(opened, bare_graph::ends(top, meta, library)?))),
                [only] => {
                    let name = if only.path.is_empty() { bare_graph::NAME } else { &only.path };
                    Ok(vec![Root::Function(name.to_owned(), only.name.clone())])
                }
                several => Err(Error::Choice(format!(
                    "{} has no signature; choose one of its functions as signature: {}",
                    opened.file.display(),
                    listed(several)
                ))),
            };
        }
        self.signatures
            .iter()
            .map(|name| {
                if let Some((name, def)) = public().find(|(n, _)| *n == name) {
                    return Ok(Root::Signature(name.clone(), def.clone()));
                }
                if let Some(function) = function_called(name, variables, library)? {
                    return Ok(Root::Function(name.clone(), function));
                }
                let names: Vec<&str> = public().map(|(n, _)| n.as_str()).collect();
                let functions = contents::functions(&variables.objects, library)?;
                Err(Error::Choice(format!(
                    "{} has no signature or function called {name}; its signatures are: {}; its functions: {}",
                    opened.file.display(),
                    if names.is_empty() { "none".to_owned() } else { names.join(", ") },
                    if functions.is_empty() {
                        "none".to_owned()
                    } else {
                        listed(&functions)
                    }
                )))
            })
            .collect()
    }
}

fn explain_no_signature(opened: &Opened, ends: Option<String>) -> String {
    let todo = match ends {
        None => "save it with signatures".to_owned(),
        Some(ends) => format!("choose where it ends (--output); nothing reads the values {ends}"),
    };
    format!(
        "{} has no signature and no function that could stand for one; {todo}",
        opened.file.display()
    )
}

/// Functions with their inputs, for choosing.
fn listed(functions: &[contents::FunctionInfo]) -> String {
    let one = |function: &contents::FunctionInfo| {
        let input = |p: &contents::PortInfo| p.ty.as_ref().map_or_else(|| p.name.clone(), |t| format!("{}: {t}", p.name));
        let inputs: Vec<String> = function.inputs.iter().map(input).collect();
        format!("{} ({})", function.name, inputs.join(", "))
    };
    let mut shown: Vec<String> = functions.iter().take(MAX_LISTED).map(one).collect();
    if functions.len() > MAX_LISTED {
        shown.push(format!("and {} more", functions.len() - MAX_LISTED));
    }
    shown.join(", ")
}

/// The function of this name, or the only one at this path of the saved object.
fn function_called(name: &str, variables: &Variables, library: &Library) -> Result<Option<String>, Error> {
    if library.contains(name) {
        return Ok(Some(name.to_owned()));
    }
    let mut there = contents::functions(&variables.objects, library)?;
    there.retain(|function| function.path == name);
    match &there[..] {
        [] => Ok(None),
        [only] => Ok(Some(only.name.clone())),
        several => Err(Error::Choice(format!(
            "there are {} functions at {name}; choose one by its name: {}",
            several.len(),
            listed(several)
        ))),
    }
}

/// Compares the bytes of all used variables with their checksums, in parallel.
fn verify(checks: &[Check]) -> Result<(), Error> {
    match checks.par_iter().map(Check::run).find_first(Result::is_err) {
        Some(failed) => failed,
        None => Ok(()),
    }
}
