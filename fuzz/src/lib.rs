//! What each fuzz target does with its bytes. Bad input must give an error; a panic is a finding.

use std::fs;

use planish::core::op::Op;
use planish::core::pass::Error;
use planish::core::{DType, Model, PassManager, Tensor, Type, registry, text, verify};
use planish::kernels::interpret::{Interpreter, Options};
use planish::passes::testing::random_model::{RandomModel, Step};
use planish::passes::{QuantizeOptions, Target, pipelines};
use planish::saved_model::Reader;
use planish::tflite::{self, WriteOptions};

/// Constants of a model that is worked on take no more bytes than this: what is larger is not wrong, only slow.
const MOST_BYTES: usize = 1 << 20;
/// Constants and results of a model that is run take no more bytes than this.
const MOST_RUN_BYTES: usize = 1 << 13;
/// What is written where no builtin operator fits: as much as possible.
const ALL_OPERATORS: WriteOptions = WriteOptions {
    select_tf_ops: true,
    custom_ops: true,
};

/// Parses a model and a pipeline; what parses prints as something that parses to the same, whether it is valid or not.
/// What is valid goes through clean-up.
pub fn text(data: &[u8]) {
    let Ok(input) = std::str::from_utf8(data) else { return };
    let _ = text::parse_pipeline(input);
    let Ok(mut model) = text::parse(input) else { return };
    let valid = verify::verify(&model).is_ok();
    let printed = text::print(&model);
    match text::parse(&printed) {
        Ok(again) => {
            assert_eq!(text::print(&again), printed, "parsing undoes printing");
            assert_eq!(verify::verify(&again).is_ok(), valid, "printing keeps what is verified\n{printed}");
        }
        // The data of large constants is not printed.
        Err(error) => assert!(printed.contains(" bytes ") || !valid, "{error} in\n{printed}"),
    }
    if valid && is_smaller(&model, MOST_BYTES) {
        run(&pipelines::clean_up(), &mut model);
    }
}

/// Runs passes on a model, then runs the result and writes it.
///
/// The bytes are a pipeline on the first line, and the text of a model on the others; or they are no text, and choose
/// a random model that runs and the registered passes to run on it.
pub fn pipeline(data: &[u8]) {
    let Ok(input) = std::str::from_utf8(data) else { return random_pipeline(data) };
    let Some((pipeline, model)) = input.split_once('\n') else { return };
    let (Ok(manager), Ok(mut model)) = (PassManager::parse(pipeline), text::parse(model)) else {
        return;
    };
    if manager.steps().len() > 8 || !is_smaller(&model, MOST_BYTES) || verify::verify(&model).is_err() {
        return;
    }
    execute(&model);
    if run(&manager, &mut model) {
        execute(&model);
        finish(model, data.len());
    }
}

/// One byte says how many passes there are, as many bytes which ones, and eight bytes each are a step of the model.
fn random_pipeline(data: &[u8]) {
    let entries = registry::passes().expect("no two passes have one name");
    let Some((count, rest)) = data.split_first() else { return };
    let (passes, steps) = rest.split_at(rest.len().min(usize::from(count % 8)));
    let steps: Vec<Step> = steps
        .chunks_exact(8)
        .take(24)
        .map(|s| std::array::from_fn(|i| u16::from_le_bytes([s[2 * i], s[2 * i + 1]])))
        .collect();
    let names: Vec<&str> = passes.iter().map(|&p| entries[usize::from(p) % entries.len()].name).collect();
    let manager = PassManager::parse(&names.join(", ")).expect("each pass has default options");
    let mut model = RandomModel::build(&steps).model;
    if run(&manager, &mut model) {
        execute(&model);
        finish(model, data.len());
    }
}

/// Converts a model for one of the targets, and writes it.
fn finish(mut model: Model, choice: usize) {
    let target = Target::ALL[choice % Target::ALL.len()];
    let options = QuantizeOptions::default();
    let whole = pipelines::clean_up()
        .add_all(pipelines::for_target(target, Some(&options)))
        .add_all(pipelines::quantize(options, target));
    if run(&whole, &mut model) {
        execute(&model);
        write(&model);
    }
}

/// Runs passes and tells whether they succeeded; a valid model stays one.
fn run(manager: &PassManager, model: &mut Model) -> bool {
    let printed = text::print(model);
    let error = match manager.run(model) {
        Ok(_) => return true,
        Err(error) => error,
    };
    let mut cause = &error;
    while let Error::InPass { source, .. } = cause {
        cause = source;
    }
    let bug = matches!(
        cause,
        Error::TypeChanged { .. } | Error::StandIns { .. } | Error::Restless { .. } | Error::Signatures | Error::Invalid(_)
    );
    assert!(!bug, "{error}: {cause:?}\nof\n{printed}");
    false
}

/// Runs every graph on zeros, where it is small.
fn execute(model: &Model) {
    if !is_smaller(model, MOST_RUN_BYTES) {
        return;
    }
    let options = Options {
        max_bytes: MOST_RUN_BYTES,
        max_ops: 500,
        ..Options::default()
    };
    let mut interpreter = Interpreter::with_options(model, options);
    for (id, graph) in model.graphs() {
        let inputs = graph.parameters().into_iter().map(|v| zeros(graph.ty(v)));
        if let Some(inputs) = inputs.collect::<Option<Vec<_>>>() {
            let _ = interpreter.run(id, &inputs);
        }
    }
}

/// Zeros of a type; extents that it leaves open are 1.
fn zeros(ty: &Type) -> Option<Tensor> {
    let dims: Vec<usize> = ty.shape.dims()?.iter().map(|d| d.known().unwrap_or(1)).collect();
    let elements = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MOST_RUN_BYTES)?;
    if ty.dtype == DType::String {
        return Tensor::from_strings(&dims, &vec![""; elements]).ok();
    }
    let bytes = vec![0; ty.dtype.packed_len(elements)?];
    Some(Tensor::new(ty.dtype, &dims, bytes.into()).ok()?.with_quant(ty.quant.clone()))
}

/// Writes a model where it can be written; what is written is read again, and written to a file that is no larger.
fn write(model: &Model) {
    let mut file = Vec::new();
    if !is_smaller(model, MOST_BYTES) || tflite::write_to(model, &ALL_OPERATORS, &mut file).is_err() {
        return;
    }
    let back = match tflite::read(file.clone()) {
        Ok(back) => back,
        Err(error) => panic!("what was written is not read: {error}\n{}", text::print(model)),
    };
    let mut again = Vec::new();
    tflite::write_to(&back, &ALL_OPERATORS, &mut again).expect("what was written once can be written again");
    let most = file.len() + file.len() / 100 + 256;
    assert!(again.len() <= most, "{} bytes become {}\n{}", file.len(), again.len(), text::print(model));
}

/// Whether the constants take no more than this many bytes.
fn is_smaller(model: &Model, most: usize) -> bool {
    let tensors = model.graphs().flat_map(|(_, g)| {
        g.ids().into_iter().filter_map(|id| match g.op(id) {
            Op::Const(op) => Some(op.value.clone()),
            _ => None,
        })
    });
    let bytes = tensors.map(|t| t.dtype().packed_len(t.elements()).unwrap_or_else(|| t.bytes().len()));
    bytes.fold(0usize, usize::saturating_add) <= most
}

/// Reads a SavedModel made of three parts, each behind its length in four bytes: `saved_model.pb` (or its text form,
/// where it is UTF-8), the checkpoint's index and its data. Checksums are not verified, as no input found at random has
/// the right ones. What is read is cleaned up, quantized and written.
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
    let name = if std::str::from_utf8(graph).is_ok() { "saved_model.pbtxt" } else { "saved_model.pb" };
    fs::write(dir.path().join(name), graph).expect("the folder can be written");
    for (name, bytes) in [("variables.index", index), ("variables.data-00000-of-00001", weights)] {
        if let Some(bytes) = bytes {
            fs::write(variables.join(name), bytes).expect("the folder can be written");
        }
    }
    let reader = Reader::new(dir.path()).verify_checksums(false).raw();
    let _ = reader.contents();
    let Ok(mut model) = reader.read() else { return };
    if let Err(error) = verify::verify(&model) {
        panic!("what was read is not valid: {error}\n{}", text::print(&model));
    }
    if is_smaller(&model, MOST_BYTES) && run(&pipelines::clean_up(), &mut model) {
        finish(model, data.len());
    }
}

/// The bytes that [`saved_model`] takes apart again.
pub fn pack_saved_model(parts: [&[u8]; 3]) -> Vec<u8> {
    parts.iter().flat_map(|p| [&(p.len() as u32).to_le_bytes(), *p].concat()).collect()
}

/// Reads a TFLite file, writes it again, and converts it.
pub fn tflite(data: &[u8]) {
    let Ok(model) = tflite::read(data.to_vec()) else { return };
    write(&model);
    if is_smaller(&model, MOST_BYTES) && verify::verify(&model).is_ok() {
        execute(&model);
        finish(model, data.len());
    }
}
