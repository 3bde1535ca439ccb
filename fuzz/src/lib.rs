//! What each fuzz target does with its bytes. Bad input must give an error; a panic is a finding.

use std::fs;

use planish::core::op::Op;
use planish::core::pass::Error;
use planish::core::{Model, PassManager, Verify, text, verify};

/// Constants of a model that is worked on take no more bytes than this: what is larger is not wrong, only slow.
const MOST_BYTES: usize = 1 << 20;

/// Parses a model and a pipeline; what parses prints as something that parses to the same.
pub fn text(data: &[u8]) {
    let Ok(input) = std::str::from_utf8(data) else { return };
    let _ = text::parse_pipeline(input);
    let Ok(model) = text::parse(input) else { return };
    let _ = verify::verify(&model);
    let printed = text::print(&model);
    if let Ok(again) = text::parse(&printed) {
        assert_eq!(text::print(&again), printed, "parsing undoes printing");
    }
}

/// Runs the pipeline of the first line on the model of the others, then writes the result.
pub fn pipeline(data: &[u8]) {
    let Ok(input) = std::str::from_utf8(data) else { return };
    let Some((pipeline, model)) = input.split_once('\n') else { return };
    let (Ok(manager), Ok(mut model)) = (PassManager::parse(pipeline), text::parse(model)) else {
        return;
    };
    if manager.steps().len() > 8 || !is_small(&model) || verify::verify(&model).is_err() {
        return;
    }
    let printed = text::print(&model);
    match manager.verify(Verify::EveryPass).run(&mut model) {
        Ok(_) => {
            if is_small(&model) {
                let _ = planish::tflite::write(&model);
            }
        }
        Err(error) => {
            let mut cause = &error;
            while let Error::InPass { source, .. } = cause {
                cause = source;
            }
            let bug = matches!(
                cause,
                Error::TypeChanged { .. } | Error::Restless { .. } | Error::Signatures | Error::Invalid(_)
            );
            assert!(!bug, "{error}: {cause:?}\nof\n{printed}");
        }
    }
}

fn is_small(model: &Model) -> bool {
    let tensors = model.graphs().flat_map(|(_, g)| {
        g.ids().into_iter().filter_map(|id| match g.op(id) {
            Op::Const(op) => Some(op.value.clone()),
            _ => None,
        })
    });
    let bytes = tensors.map(|t| t.dtype().packed_len(t.elements()).unwrap_or_else(|| t.bytes().len()));
    bytes.fold(0usize, usize::saturating_add) <= MOST_BYTES
}

/// Reads a SavedModel made of three parts, each behind its length in four bytes: `saved_model.pb`, the checkpoint's
/// index and its data. Checksums are not verified, as no input found at random has the right ones.
pub fn saved_model(data: &[u8]) {
    let mut rest = data;
    let mut part = || {
        let (len, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        rest = after;
        Some(part)
    };
    let (Some(graph), index, weights) = (part(), part(), part()) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let variables = dir.path().join("variables");
    fs::create_dir(&variables).expect("the folder is new");
    fs::write(dir.path().join("saved_model.pb"), graph).expect("the folder can be written");
    for (name, bytes) in [("variables.index", index), ("variables.data-00000-of-00001", weights)] {
        if let Some(bytes) = bytes {
            fs::write(variables.join(name), bytes).expect("the folder can be written");
        }
    }
    if let Ok(model) = planish::saved_model::Reader::new(dir.path()).verify_checksums(false).read() {
        let _ = planish::tflite::write(&model);
    }
}

/// The bytes that [`saved_model`] takes apart again.
pub fn pack_saved_model(parts: [&[u8]; 3]) -> Vec<u8> {
    parts.iter().flat_map(|p| [&(p.len() as u32).to_le_bytes(), *p].concat()).collect()
}

/// Reads a TFLite file and writes it again.
pub fn tflite(data: &[u8]) {
    if let Ok(model) = planish::tflite::read(data.to_vec()) {
        let _ = planish::tflite::write(&model);
    }
}
