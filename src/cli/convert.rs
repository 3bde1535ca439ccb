//! `planish convert`: from a SavedModel or a TFLite file to a TFLite file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use planish::convert::convert_for_file;
use planish::core::{Choice, Model, Report, text};
use planish::passes::weights::{names, weights};
use planish::passes::{QuantizeOptions, Target};
use planish::saved_model::{self, is_saved_model};
use planish::tflite::{NewFile, WriteOptions};
use planish::{ConvertOptions, Converted};
use regex::Regex;
use serde::Serialize;

use super::model_arguments::ModelArguments;
use super::places;
use super::progress::Progress;
use super::size::{self, Size};
use super::{Outcome, one_line, with_causes};

/// Converts a model to a .tflite file, and quantizes it if asked to
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// The file to write
    #[arg(short, value_name = "OUT.tflite")]
    output: PathBuf,
    /// Stores weights as 8-bit integers, and computes with them where the target is faster that way
    #[arg(long)]
    post_training_quantize: bool,
    /// The runtime to choose kernels for: litert, litert_builtin or planish
    #[arg(long, value_name = "TARGET", default_value = "litert", value_parser = target)]
    target: Target,
    /// Registered passes to run after clean-up and before quantization, such as `fuse_lstm, share_constants`
    #[arg(long, value_name = "PIPELINE", default_value = "", hide_default_value = true)]
    passes: String,
    /// Keeps operations float whose name, or whose weight's name, matches; may be given several times
    #[arg(long, value_name = "REGEX", requires = "post_training_quantize", value_parser = regex)]
    skip: Vec<String>,
    /// Writes a report: the passes that ran, for each operation what was decided and why, and the signatures left out
    #[arg(long, value_name = "FILE.json")]
    report: Option<PathBuf>,
    /// Prints the model in its text form after each run of this pass
    #[arg(long, value_name = "PASS")]
    print_after: Option<String>,
    /// Stops after this many changes, to find the one that goes wrong by bisection
    #[arg(long, value_name = "N")]
    stop_after: Option<usize>,
    /// Verifies the model after every pass
    #[arg(long)]
    verify: bool,
    /// Writes operations of TensorFlow that no builtin operator computes as Flex operators
    #[arg(long)]
    select_tf_ops: bool,
    /// Writes operations that no builtin operator computes as custom operators
    #[arg(long)]
    allow_custom_ops: bool,
}

fn target(name: &str) -> Result<Target, String> {
    let known = || Target::ALL.iter().map(|t| t.name()).collect::<Vec<_>>().join(", ");
    Target::from_name(name).ok_or_else(|| format!("the targets are {}", known()))
}

fn regex(pattern: &str) -> Result<String, String> {
    Regex::new(pattern).map(|_| pattern.to_owned()).map_err(|e| e.to_string())
}

impl Arguments {
    fn options(&self) -> Result<ConvertOptions, String> {
        let mut options = self.model.options()?.target(self.target);
        options.passes = self.passes.clone();
        options.verify = self.verify;
        options.stop_after = self.stop_after;
        options.write = WriteOptions {
            select_tf_ops: self.select_tf_ops,
            custom_ops: self.allow_custom_ops,
        };
        options.quantize = self.post_training_quantize.then(|| QuantizeOptions {
            skip: self.skip.clone(),
            ..QuantizeOptions::default()
        });
        Ok(options)
    }
}

pub(super) fn run(arguments: Arguments, out: &mut dyn Write) -> Outcome {
    let options = arguments.options()?;
    check_places(&arguments)?;
    if let Some(name) = &arguments.print_after {
        let pipeline = options.pipeline_for(&arguments.model.model)?;
        if !pipeline.steps().iter().any(|step| step.name() == name) {
            let mut names: Vec<_> = pipeline.steps().iter().map(|step| step.name()).collect();
            names.sort_unstable();
            names.dedup();
            let runs = if names.is_empty() { "no pass".to_owned() } else { names.join(", ") };
            return Err(format!("--print-after: `{name}` does not run here; what runs is: {runs}").into());
        }
    }
    let input = &arguments.model.model;
    let progress = Progress::start(format!("reading {}", input.display()));
    let (mut ran, mut printed) = (false, Ok(()));
    let converted = convert_for_file(input, &options, &mut |run, model| {
        progress.now(format!("{} done", run.pass));
        if arguments.print_after.as_ref() == Some(&run.pass) {
            ran = true;
            if printed.is_ok() {
                printed = out.write_all(text::print(model).as_bytes());
            }
        }
    })
    .map_err(|error| explained(&error, &arguments))?;
    printed?;
    progress.now(format!("writing {}", arguments.output.display()));
    let before = size::of(input);
    write(&arguments, &converted)?;
    drop(progress);
    // What is no file has the model's bytes for its reader alone.
    if arguments.output.metadata().is_ok_and(|m| m.is_file()) {
        summarize(&arguments, before, &converted, out)?;
        if let Some(pass) = arguments.print_after.as_ref().filter(|_| !ran) {
            writeln!(
                out,
                "  note     --print-after {pass} did not run: --stop-after ended the conversion before it"
            )?;
        }
    }
    std::mem::forget(converted);
    Ok(())
}

/// What stands in a report.
#[derive(Serialize)]
struct ReportFile<'c> {
    #[serde(flatten)]
    report: &'c Report,
    /// The signatures that could not be converted.
    left_out: Vec<SignatureLeftOut<'c>>,
}

#[derive(Serialize)]
struct SignatureLeftOut<'c> {
    signature: &'c str,
    because: &'c str,
}

/// Writes the model and the report; where one cannot be written, neither is left behind.
fn write(arguments: &Arguments, converted: &Converted) -> Outcome {
    let failed = |e: io::Error| {
        let path = arguments.report.as_deref().unwrap_or(Path::new(""));
        format!("cannot write the report `{}`: {e}", path.display())
    };
    let report = match &arguments.report {
        Some(path) => {
            let left_out = converted.left_out.iter().map(|left_out| SignatureLeftOut {
                signature: &left_out.signature,
                because: &left_out.because,
            });
            let mut json = serde_json::to_string_pretty(&ReportFile {
                report: &converted.report,
                left_out: left_out.collect(),
            })?;
            json.push('\n');
            let report = NewFile::create(path).map_err(failed)?;
            report.file().write_all(json.as_bytes()).map_err(failed)?;
            Some(report)
        }
        None => None,
    };
    converted.write_file(&arguments.output).map_err(|error| with_causes(&error))?;
    Ok(report.map_or(Ok(()), NewFile::place).map_err(failed)?)
}

/// An error with the options that help.
fn explained(error: &planish::Error, arguments: &Arguments) -> String {
    let text = with_causes(error);
    let planish::Error::Tflite(planish::tflite::Error::NoOperator(_)) = error else {
        // What does not fit between operations may come from the shapes; what is wrong with the shapes tells itself.
        let of_the_graph = match error {
            planish::Error::SavedModel(error) => matches!(error, saved_model::Error::Graph { .. } | saved_model::Error::Unsupported { .. }),
            error => matches!(error, planish::Error::Pass(_)),
        };
        let shapes = if of_the_graph && arguments.model.gives_shapes() {
            " (with the shapes that --shape gives)"
        } else {
            ""
        };
        return text + shapes;
    };
    if arguments.model.raw {
        format!("{text} (leave out --raw)")
    } else if arguments.stop_after.is_some() {
        format!("{text} (lowering takes more changes than --stop-after allows)")
    } else {
        format!("{text} (options --select-tf-ops and --allow-custom-ops)")
    }
}

/// Refuses places where no file can be, and those of what is read or written besides.
fn check_places(arguments: &Arguments) -> Outcome {
    let (model, output) = (&arguments.model.model, &arguments.output);
    places::check_file(output)?;
    // A .tflite file may be rewritten in its place: it has been read by then.
    if is_saved_model(model) {
        places::check_not_read(output, &[model])?;
    }
    let Some(report) = &arguments.report else { return Ok(()) };
    places::check_file(report)?;
    if places::are_one(report, output) {
        return Err(format!(
            "the report would overwrite the model `{}`; choose another file for one of them",
            report.display()
        )
        .into());
    }
    places::check_not_read(report, &[model])
}

/// The expressions of `--skip` that match no operation with constant weights.
fn unmatched<'a>(arguments: &'a Arguments, model: &Model) -> Vec<&'a String> {
    let mut choices = Vec::new();
    for (_, graph) in model.graphs() {
        for op in graph.ids().into_iter().map(|id| graph.at(id)) {
            let read = weights(op).into_iter().filter_map(|weight| op.operand(weight.operand));
            let constant = read.filter(|value| value.constant().is_some());
            choices.extend(constant.flat_map(|value| names(graph, op.id(), value.id())));
        }
    }
    let matches = |pattern: &str| {
        let regex = Regex::new(pattern).expect("checked when the arguments were read");
        choices.iter().any(|name| regex.is_match(name))
    };
    arguments.skip.iter().filter(|pattern| !matches(pattern)).collect()
}

fn summarize(arguments: &Arguments, before: Size, converted: &Converted, out: &mut dyn Write) -> Outcome {
    let after = size::of(&arguments.output);
    let [model, output] = [&arguments.model.model, &arguments.output].map(|path| one_line(&path.to_string_lossy()));
    writeln!(out, "{model} -> {output}")?;
    let (weights_before, weights_after) = (converted.weight_bytes_before as u64, converted.weight_bytes_after as u64);
    writeln!(out, "  file     {before} -> {after}")?;
    write!(out, "  weights  {} -> {}", Size(weights_before), Size(weights_after))?;
    // What clean-up alone takes off is not worth a word.
    if weights_after > 0 && weights_after.saturating_mul(20) < weights_before.saturating_mul(19) {
        write!(out, " ({:.2}x smaller)", weights_before as f64 / weights_after as f64)?;
    }
    writeln!(out)?;
    for left_out in &converted.left_out {
        let [signature, because] = [&left_out.signature, &left_out.because].map(|text| one_line(text));
        writeln!(out, "  left out signature {signature}: {because}")?;
    }
    let report = &converted.report;
    let count = |choice| report.count(choice);
    write!(
        out,
        "  ops      {} hybrid, {} weight-only, {} float",
        count(Choice::Hybrid),
        count(Choice::WeightOnly),
        count(Choice::Float)
    )?;
    match count(Choice::Integer) {
        0 => writeln!(out)?,
        integer => writeln!(out, ", {integer} integer")?,
    }
    if !arguments.post_training_quantize {
        return Ok(());
    }
    for pattern in unmatched(arguments, &converted.model) {
        writeln!(out, "  note     --skip {pattern} matches no operation with weights")?;
    }
    for (choice, kind, because, count) in converted.groups() {
        if !matches!(choice, Choice::Hybrid | Choice::Integer) && because != planish::convert::NO_WEIGHTS {
            let [kind, because] = [kind, because].map(one_line);
            writeln!(out, "  {:8} {count} {kind}: {because}", choice.to_string())?;
        }
    }
    Ok(())
}
