//! The whole pipeline in one call: read, lower, clean up, quantize where asked for, and tell what became of each operation.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use planish_core::pass::{Observer, Verify};
use planish_core::report::Decision;
use planish_core::types::Dim;
use planish_core::{Choice, Model, PassManager, Report};
use planish_passes::{QuantizeOptions, Target, pipelines};
use planish_tflite::WriteOptions;

use crate::saved_model::{Reader, is_saved_model};
use crate::{Error, Result};

mod decisions;
mod left_out;
mod weight_bytes;

pub use decisions::{NO_WEIGHTS, decisions};
pub use left_out::{LeftOut, convert_for_file};
pub use weight_bytes::weight_bytes;

/// What to make of a model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// Where the result will run.
    pub target: Target,
    /// Stores weights as 8-bit integers with these options, and lets operations use them as the target does best.
    pub quantize: Option<QuantizeOptions>,
    /// Registered passes to run before quantization, in the text form of pipelines.
    pub passes: String,
    /// Leaves out lowering and clean-up.
    pub raw: bool,
    /// The MetaGraph's tags; the one for serving where empty.
    pub tags: Vec<String>,
    /// The signatures to read; all where empty.
    pub signatures: Vec<String>,
    /// Where the signature ends: outputs of it, or values by their names; all of its outputs where empty.
    pub outputs: Vec<String>,
    /// Other shapes for inputs than those that the model declares, by the input's name.
    pub shapes: BTreeMap<String, Vec<Dim>>,
    /// Verifies the model after every pass.
    pub verify: bool,
    /// Stops after this many changes.
    pub stop_after: Option<usize>,
    /// What may be written beside builtin operators.
    pub write: WriteOptions,
}

impl ConvertOptions {
    /// Float in, float out, for the default target.
    pub fn new() -> ConvertOptions {
        ConvertOptions::default()
    }

    /// Stores weights as 8-bit integers.
    pub fn post_training_quantize(mut self) -> ConvertOptions {
        self.quantize.get_or_insert_with(QuantizeOptions::default);
        self
    }

    /// For this runtime.
    pub fn target(mut self, target: Target) -> ConvertOptions {
        self.target = target;
        self
    }

    /// Writes operations of TensorFlow that no builtin operator computes as Flex operators, which a runtime with TensorFlow's
    /// kernels runs.
    pub fn select_tf_ops(mut self) -> ConvertOptions {
        self.write.select_tf_ops = true;
        self
    }

    /// Writes operations that no builtin operator computes as custom operators, for which the runtime is given kernels.
    pub fn allow_custom_ops(mut self) -> ConvertOptions {
        self.write.custom_ops = true;
        self
    }

    /// The passes that the conversion of a SavedModel runs, in order.
    ///
    /// # Errors
    /// Where `passes` is no pipeline of registered passes.
    pub fn pipeline(&self) -> Result<PassManager> {
        let mut manager = PassManager::new();
        if !self.raw {
            manager = manager.add_all(pipelines::clean_up());
        }
        if !self.passes.trim().is_empty() {
            manager = manager.add_all(PassManager::parse(&self.passes)?);
        }
        if !self.raw {
            manager = manager.add_all(pipelines::for_target(self.target, self.quantize.as_ref()));
        }
        if let Some(options) = &self.quantize {
            manager = manager.add_all(pipelines::quantize(options.clone(), self.target));
        }
        if self.verify {
            manager = manager.verify(Verify::EveryPass);
        }
        Ok(manager.stop_after(self.stop_after))
    }

    /// The passes that a conversion of this input runs: none for a TFLite file of which neither quantization nor a pass is
    /// asked, which is written back as it is, to the last bit of what it computes.
    ///
    /// # Errors
    /// As [`ConvertOptions::pipeline()`].
    pub fn pipeline_for(&self, input: &Path) -> Result<PassManager> {
        let asked = self.quantize.is_some() || !self.passes.trim().is_empty();
        let raw = self.raw || !is_saved_model(input) && !asked;
        ConvertOptions { raw, ..self.clone() }.pipeline()
    }
}

/// A converted model, ready to be written.
#[derive(Debug)]
pub struct Converted {
    /// The model.
    pub model: Model,
    /// What ran, and what was left alone; its decisions are one for each operation of the model.
    pub report: Report,
    /// The bytes of the constants as they were read.
    pub weight_bytes_before: usize,
    /// The bytes of the constants now.
    pub weight_bytes_after: usize,
    /// What may be written beside builtin operators.
    pub write: WriteOptions,
    /// The signatures that were left out, if [`convert_for_file()`] was to leave out what it cannot convert.
    pub left_out: Vec<LeftOut>,
}

/// Reads a SavedModel's folder or a TFLite file, and makes of it what the options say.
///
/// # Errors
/// Where the model cannot be read, a choice is not in it, or a pass fails.
pub fn convert(input: impl AsRef<Path>, options: &ConvertOptions) -> Result<Converted> {
    convert_observed(input, options, &mut |_, _| {})
}

/// The same as [`convert()`], and shows the model to the observer after each pass.
///
/// # Errors
/// As [`convert()`].
pub fn convert_observed(input: impl AsRef<Path>, options: &ConvertOptions, observer: &mut Observer<'_>) -> Result<Converted> {
    let pipeline = options.pipeline_for(input.as_ref())?;
    let mut model = read(input, options)?;
    let weight_bytes_before = weight_bytes(&model);
    let mut report = pipeline.run_observed(&mut model, observer)?;
    report.decisions = decisions(&model, &report.decisions, options.quantize.is_some());
    Ok(Converted {
        weight_bytes_before,
        weight_bytes_after: weight_bytes(&model),
        write: options.write,
        model,
        report,
        left_out: Vec::new(),
    })
}

/// Reads a SavedModel's folder or a TFLite file as it is, without running a pass.
///
/// # Errors
/// Where the model cannot be read, or a choice is not in it.
pub fn read(input: impl AsRef<Path>, options: &ConvertOptions) -> Result<Model> {
    let input = input.as_ref();
    std::fs::metadata(input).map_err(|source| Error::Missing {
        path: input.to_owned(),
        source,
    })?;
    if is_saved_model(input) {
        let mut reader = Reader::new(input).raw();
        if !options.tags.is_empty() {
            reader = reader.tags(options.tags.iter().cloned());
        }
        for name in &options.signatures {
            reader = reader.signature(name);
        }
        for name in &options.outputs {
            reader = reader.output(name);
        }
        for (name, dims) in &options.shapes {
            reader = reader.shape(name, dims);
        }
        return reader.read();
    }
    let choices = [
        (!options.tags.is_empty(), "tags"),
        (!options.signatures.is_empty(), "a signature"),
        (!options.outputs.is_empty(), "an output"),
        (!options.shapes.is_empty(), "the shape of an input"),
    ];
    if let Some((_, choice)) = choices.into_iter().find(|(chosen, _)| *chosen) {
        return Err(Error::NotInFile {
            path: input.to_owned(),
            choice,
        });
    }
    planish_tflite::read_file(input).map_err(|source| match source {
        planish_tflite::Error::NotTflite(_) => Error::OtherFormat {
            path: input.to_owned(),
            advice: advice(input),
            source,
        },
        // It names the file itself.
        source @ planish_tflite::Error::Read { .. } => source.into(),
        source => Error::ReadFile {
            path: input.to_owned(),
            source,
        },
    })
}

/// What to do with a file that is no TFLite file, by what it starts with.
fn advice(input: &Path) -> &'static str {
    let mut start = [0; 4];
    let read = File::open(input).and_then(|mut file| file.read_exact(&mut start));
    match &start {
        b"\x89HDF" if read.is_ok() => "it is an HDF5 file, as Keras writes; load it in Keras and `export` a SavedModel",
        b"PK\x03\x04" if read.is_ok() => "it is an archive, as Keras writes; load it in Keras and `export` a SavedModel",
        _ => "planish reads .tflite files and the folders of SavedModels",
    }
}

impl Converted {
    /// Writes the model to a TFLite file, which appears complete or not at all.
    ///
    /// # Errors
    /// Where operations may not be written (all are listed), or the file cannot be.
    pub fn write_file(&self, path: impl AsRef<Path>) -> Result<(), planish_tflite::Error> {
        planish_tflite::write_file_with(&self.model, path, &self.write)
    }

    /// Decisions grouped by what was decided, about which kind of operation, and why; the largest groups first.
    pub fn groups(&self) -> Vec<(Choice, &str, &str, usize)> {
        let mut groups: BTreeMap<(Choice, &str, &str), usize> = BTreeMap::new();
        for Decision { choice, kind, because, .. } in &self.report.decisions {
            *groups.entry((*choice, kind, because)).or_default() += 1;
        }
        let mut groups: Vec<_> = groups
            .into_iter()
            .map(|((choice, kind, because), n)| (choice, kind, because, n))
            .collect();
        groups.sort_by_key(|&(choice, _, _, n)| (choice, std::cmp::Reverse(n)));
        groups
    }
}
