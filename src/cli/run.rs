//! `planish run`: runs a model here, on arrays from a file.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use planish::core::{DType, Model, Signature, Tensor, Value};
use planish::kernels::interpret::{Interpreter, Options};
use planish::saved_model::is_saved_model;

use super::Outcome;
use super::model_arguments::ModelArguments;
use super::npz::{self, Npz};
use super::places;
use super::progress::Progress;

/// Runs a model on inputs from an .npz file and writes its outputs to another
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Arrays by the names of the signature's inputs, or of the tensors where a file has no signature; others are ignored
    #[arg(long, value_name = "IN.npz")]
    inputs: PathBuf,
    /// Where to write the outputs, by their names in the signature
    #[arg(long, value_name = "OUT.npz")]
    outputs: PathBuf,
    /// Each array has a leading axis of samples: runs one call for each, starting from the initial state
    #[arg(long)]
    samples: bool,
    /// Runs reference kernels only
    #[arg(long)]
    reference: bool,
}

pub(super) fn run(arguments: Arguments, _: &mut dyn Write) -> Outcome {
    let path = &arguments.model.model;
    places::check_file(&arguments.outputs)?;
    places::check_not_read(&arguments.outputs, &[path, &arguments.inputs])?;
    let progress = Progress::start(format!("reading {}", path.display()));
    let mut options = arguments.model.options()?;
    if arguments.model.signatures.len() > 1 {
        return Err("one signature is run at a time; give one --signature".into());
    }
    let saved_model = is_saved_model(path);
    options.raw |= !saved_model;
    let wanted = arguments.model.signatures.first();
    if !saved_model {
        options.signatures.clear();
    }
    let mut model = planish::convert(path, &options)?.model;
    if model.signatures.is_empty() {
        model.signatures.extend(of_first_graph(&model));
    }
    let signature = choose(&model, wanted.map(String::as_str))?;
    let mut npz = Npz::open(&arguments.inputs)?;
    let inputs: Vec<(String, Tensor)> = signature
        .inputs
        .iter()
        .map(|name| Ok((name.clone(), npz.array(name)?)))
        .collect::<Result<_, npz::NpzError>>()?;
    let calls = calls(&model, signature, &inputs, arguments.samples)?;
    let mut interpreter = Interpreter::with_options(
        &model,
        Options {
            reference_only: arguments.reference,
            ..Options::default()
        },
    );
    let mut results: Vec<Vec<Tensor>> = vec![Vec::new(); signature.outputs.len()];
    for (i, call) in calls.iter().enumerate() {
        progress.now(format!("running {} of {}", i + 1, calls.len()));
        if i > 0 {
            interpreter.reset();
        }
        let outputs = interpreter.run_signature(&signature.name, call)?;
        for (results, name) in results.iter_mut().zip(&signature.outputs) {
            results.push(
                outputs
                    .get(name)
                    .ok_or_else(|| format!("output `{name}` was not computed"))?
                    .clone(),
            );
        }
    }
    let stacked = |(name, results): (&String, Vec<Tensor>)| match (arguments.samples, results.into_iter()) {
        (true, results) => Ok((
            name.clone(),
            stack(results.as_slice()).map_err(|e| format!("output `{name}`: {e}"))?,
        )),
        (false, mut results) => Ok((name.clone(), results.next().expect("one call was made"))),
    };
    let outputs: Vec<(String, Tensor)> = signature.outputs.iter().zip(results).map(stacked).collect::<Result<_, String>>()?;
    npz::write(&arguments.outputs, &outputs)?;
    Ok(())
}

/// What stands for the signature of a file that has none: its first graph, by the names of its tensors.
fn of_first_graph(model: &Model) -> Option<Signature> {
    let (id, graph) = model.graphs().next()?;
    let names = |what: &str, values: Vec<Value>| {
        let name = |(i, value)| {
            graph
                .info(value)
                .name
                .as_deref()
                .map_or_else(|| format!("{what}_{i}"), str::to_owned)
        };
        values.into_iter().enumerate().map(name).collect()
    };
    Some(Signature {
        name: graph.name().to_owned(),
        graph: id,
        inputs: names("input", graph.parameters()),
        outputs: names("output", graph.results()),
    })
}

fn choose<'m>(model: &'m Model, wanted: Option<&str>) -> Result<&'m Signature, String> {
    let names = || model.signatures.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", ");
    match (wanted, model.signatures.as_slice()) {
        (Some(name), _) => model
            .signature(name)
            .ok_or_else(|| format!("there is no signature `{name}`; the signatures are {}", names())),
        (None, []) => Err("the model has no signature to run".into()),
        (None, [only]) => Ok(only),
        (None, _) => model
            .signature("serving_default")
            .ok_or_else(|| format!("choose one of the signatures with --signature: {}", names())),
    }
}

/// Samples without elements take no room in a file, but some here.
const MOST_SAMPLES: usize = 1 << 20;

/// The inputs of each call: one call, or one for each sample.
fn calls(
    model: &Model,
    signature: &Signature,
    inputs: &[(String, Tensor)],
    samples: bool,
) -> Result<Vec<BTreeMap<String, Tensor>>, String> {
    let graph = model.graph(signature.graph);
    let count = match inputs.first() {
        Some((name, array)) if samples => *array
            .dims()
            .first()
            .ok_or_else(|| format!("input `{name}` is a scalar without an axis of samples"))?,
        _ => 1,
    };
    if count == 0 {
        return Err("there is no sample in the inputs".into());
    }
    if count > MOST_SAMPLES {
        return Err(format!(
            "there are {count} samples in the inputs; give {MOST_SAMPLES} at a time at most"
        ));
    }
    let mut calls = vec![BTreeMap::new(); count];
    for ((name, array), parameter) in inputs.iter().zip(graph.parameters()) {
        let parts = if samples { unstack(array) } else { vec![array.clone()] };
        if parts.len() != count {
            return Err(format!("input `{name}` has {} samples instead of {count}", parts.len()));
        }
        for (call, part) in calls.iter_mut().zip(parts) {
            let ty = graph.ty(parameter);
            if part.dtype() != ty.dtype || !part.ty().shape.compatible(&ty.shape) {
                let hint = if !samples && array.dims().len() == ty.shape.rank().map_or(0, |r| r + 1) {
                    "; give --samples where its first axis counts samples"
                } else {
                    ""
                };
                let types = if part.dtype() == ty.dtype {
                    ""
                } else {
                    "; save it with elements of that type"
                };
                return Err(format!("input `{name}` is {ty}, and the array {}{hint}{types}", part.ty()));
            }
            call.insert(name.clone(), part);
        }
    }
    Ok(calls)
}

/// The parts of an array along its first axis, each without it.
fn unstack(array: &Tensor) -> Vec<Tensor> {
    let Some((&count, dims)) = array.dims().split_first() else {
        return vec![array.clone()];
    };
    if let Some(strings) = array.to_strings() {
        let each = dims.iter().product::<usize>();
        let part = |i: usize| Tensor::from_strings(dims, &strings[i * each..(i + 1) * each]);
        return (0..count).filter_map(|i| part(i).ok()).collect();
    }
    let part = |i| array.sliced(0, i, 1)?.to_packed().reshaped(dims);
    (0..count).filter_map(part).collect()
}

/// Arrays of one shape, stacked along a new first axis.
fn stack(parts: &[Tensor]) -> Result<Tensor, String> {
    let first = parts.first().expect("there is at least one call");
    if let Some(other) = parts.iter().find(|p| p.dims() != first.dims()) {
        return Err(format!(
            "calls give results of shape {:?} and {:?}, which cannot be stacked",
            first.dims(),
            other.dims()
        ));
    }
    let dims: Vec<usize> = [parts.len()].into_iter().chain(first.dims().iter().copied()).collect();
    let stacked = if first.dtype() == DType::String {
        let strings: Vec<&[u8]> = parts.iter().flat_map(|p| p.to_strings().unwrap_or_default()).collect();
        Tensor::from_strings(&dims, &strings)
    } else {
        let bytes: Vec<u8> = parts.iter().flat_map(|p| p.bytes().into_owned()).collect();
        Tensor::new(first.dtype(), &dims, bytes.into())
    };
    stacked.map_err(|e| e.to_string())
}
