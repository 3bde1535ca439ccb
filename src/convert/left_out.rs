//! Converting what can be converted of a model with several signatures.

use std::collections::BTreeSet;
use std::path::Path;

use planish_core::graph::Graph;
use planish_core::op::OpKind;
use planish_core::pass::Observer;

use super::{ConvertOptions, Converted, convert_observed};
use crate::saved_model::{Reader, is_saved_model};
use crate::{Error, Result};

/// Signatures beyond this many are not tried one by one.
const MAX_TRIED: usize = 64;

/// A signature that a conversion left out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct LeftOut {
    /// Its name.
    pub signature: String,
    /// What stands in its way.
    pub because: String,
}

/// The same as [`convert_observed()`] for a file with these options: where no signature, output or shape was chosen, signatures that cannot be
/// converted or written are left out, and named in [`Converted::left_out`].
///
/// # Errors
/// As [`convert()`](super::convert()), and where operations of all signatures, or of a chosen one, have no TFLite operator. What is damaged,
/// missing or unreadable is an error whichever signature needs it.
pub fn convert_for_file(input: impl AsRef<Path>, options: &ConvertOptions, observer: &mut Observer<'_>) -> Result<Converted> {
    let input = input.as_ref();
    let failed = match writable(input, options, observer) {
        Ok(converted) => return Ok(converted),
        Err(error) => error,
    };
    let Some(names) = alternatives(input, options).filter(|_| is_unconvertible(&failed)) else {
        return Err(failed);
    };
    let mut possible = Vec::new();
    let mut left_out = Vec::new();
    for signature in names {
        match writable(input, &choosing(options, vec![signature.clone()]), &mut |_, _| {}) {
            Ok(_) => possible.push(signature),
            Err(error) if is_unconvertible(&error) => left_out.push(LeftOut {
                signature,
                because: error.to_string(),
            }),
            Err(error) => return Err(error),
        }
    }
    if possible.is_empty() || left_out.is_empty() {
        return Err(failed);
    }
    let mut converted = writable(input, &choosing(options, possible), observer)?;
    converted.left_out = left_out;
    Ok(converted)
}

/// Whether an error tells of operations that cannot be converted, and not of a model that is damaged or incomplete.
fn is_unconvertible(error: &Error) -> bool {
    use planish_saved_model::Error as Source;
    match error {
        Error::Pass(_) | Error::Tflite(planish_tflite::Error::NoOperator(_)) => true,
        Error::SavedModel(error) => matches!(error, Source::Graph { .. } | Source::Unsupported { .. } | Source::Choice(_)),
        _ => false,
    }
}

fn writable(input: &Path, options: &ConvertOptions, observer: &mut Observer<'_>) -> Result<Converted> {
    options.pipeline_for(input)?;
    let converted = match convert_observed(input, options, observer) {
        Err(error @ Error::Pass(_)) => return Err(unknown(input, options).map_or(error, Error::Tflite)),
        converted => converted?,
    };
    match planish_tflite::no_operators(&converted.model, &options.write) {
        missing if missing.is_empty() => Ok(converted),
        missing => Err(Error::Tflite(planish_tflite::Error::NoOperator(missing))),
    }
}

/// The operations that nothing here knows, of a model that a pass cannot lower: they stand in the way first, since what they compute is
/// of unknown shape.
fn unknown(input: &Path, options: &ConvertOptions) -> Option<planish_tflite::Error> {
    let options = ConvertOptions {
        raw: true,
        passes: String::new(),
        quantize: None,
        ..options.clone()
    };
    let model = convert_observed(input, &options, &mut |_, _| {}).ok()?.model;
    let foreign = |(_, graph): (_, &Graph)| {
        let ids = graph.ids().into_iter().filter(|&id| graph.op(id).kind() == OpKind::Foreign);
        ids.map(|id| (graph.name().to_owned(), graph.label(id))).collect::<Vec<_>>()
    };
    let foreign: BTreeSet<(String, String)> = model.graphs().flat_map(foreign).collect();
    let mut missing = planish_tflite::no_operators(&model, &options.write);
    missing.retain(|op| foreign.contains(&(op.graph.clone(), op.label.clone())));
    (!missing.is_empty()).then_some(planish_tflite::Error::NoOperator(missing))
}

fn choosing(options: &ConvertOptions, signatures: Vec<String>) -> ConvertOptions {
    ConvertOptions {
        signatures,
        ..options.clone()
    }
}

/// The signatures to try one by one, if there is a choice.
fn alternatives(input: &Path, options: &ConvertOptions) -> Option<Vec<String>> {
    let chosen = !options.signatures.is_empty() || !options.outputs.is_empty() || !options.shapes.is_empty();
    if chosen || !is_saved_model(input) {
        return None;
    }
    let contents = Reader::new(input).contents().ok()?;
    let tags = |meta: &crate::saved_model::MetaGraphInfo| {
        let mut tags = meta.tags.clone();
        tags.sort();
        tags
    };
    let mut wanted = options.tags.clone();
    wanted.sort();
    let meta = match contents.meta_graphs.len() {
        1 => contents.meta_graphs.first(),
        _ if wanted.is_empty() => contents.meta_graphs.iter().find(|m| tags(m) == ["serve"]),
        _ => contents.meta_graphs.iter().find(|m| tags(m) == wanted),
    }?;
    let names: Vec<String> = meta
        .signatures
        .iter()
        .filter(|s| !s.outputs.is_empty())
        .map(|s| s.name.clone())
        .collect();
    (2..=MAX_TRIED).contains(&names.len()).then_some(names)
}
