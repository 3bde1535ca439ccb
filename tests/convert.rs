//! From a SavedModel to a .tflite file, end to end: what comes out, that it is always the same, and that it computes the model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use planish::core::text;
use planish::prelude::*;
use tempfile::TempDir;

mod command;
mod golden;

use command::{copy_folder, fail, model, planish, succeed, text_of};

const MODELS: &[&str] = &[
    "digits_attention",
    "digits_bidirectional",
    "digits_cnn",
    "digits_dense",
    "digits_gru",
    "digits_lstm",
    "digits_separable",
];

#[test]
fn models_become_what_they_did() {
    for name in MODELS {
        let float = planish::convert(model(name), &ConvertOptions::new()).unwrap_or_else(|e| panic!("{name}: {e}"));
        golden::compare(&format!("{name}.float.ir"), &text::print(&float.model));
        let options = ConvertOptions::new().post_training_quantize();
        let quantized = planish::convert(model(name), &options).unwrap_or_else(|e| panic!("{name}: {e}"));
        golden::compare(&format!("{name}.quantized.ir"), &text::print(&quantized.model));
    }
}

#[test]
fn what_is_written_computes_the_model() {
    let folder = TempDir::new().expect("a temporary folder");
    for name in MODELS {
        for (mode, tolerance) in [("float", 1e-4), ("quantized", 0.35)] {
            let file = folder.path().join(format!("{name}.{mode}.tflite"));
            let outputs = folder.path().join("outputs.npz");
            let inputs = model(name).with_extension("npz");
            let (model, file) = (model(name), text_of(&file));
            let mut arguments = vec!["convert", text_of(&model), "-o", file];
            if mode == "quantized" {
                arguments.push("--post-training-quantize");
            }
            succeed(&arguments);
            let (inputs, outputs) = (text_of(&inputs), text_of(&outputs));
            let signature = ["--signature", "serving_default"];
            succeed(
                &[
                    &["run", file, "--inputs", inputs, "--outputs", outputs, "--samples"][..],
                    &signature,
                ]
                .concat(),
            );
            let distance = recorded::distance(Path::new(inputs), Path::new(outputs));
            assert!(
                distance <= tolerance,
                "{name} {mode}: outputs differ from TensorFlow's by {distance}"
            );
        }
    }
}

#[test]
fn the_same_bytes_come_out_whatever_the_number_of_threads() {
    let folder = TempDir::new().expect("a temporary folder");
    for name in MODELS {
        let model = model(name);
        let mut files = Vec::new();
        for threads in ["1", "2", "7"] {
            let file = folder.path().join(format!("{name}.{threads}.tflite"));
            let arguments = ["convert", text_of(&model), "-o", text_of(&file), "--post-training-quantize"];
            let output = planish(&arguments, &[("RAYON_NUM_THREADS", threads)]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            files.push(fs::read(&file).expect("the file was written"));
        }
        assert!(
            files.windows(2).all(|pair| pair[0] == pair[1]),
            "{name} differs with the number of threads"
        );
    }
}

#[test]
fn a_file_that_is_read_back_and_written_again_stays_the_same() {
    let folder = TempDir::new().expect("a temporary folder");
    for name in MODELS {
        let (once, twice) = (folder.path().join("once.tflite"), folder.path().join("twice.tflite"));
        succeed(&["convert", text_of(&model(name)), "-o", text_of(&once), "--post-training-quantize"]);
        succeed(&["convert", text_of(&once), "-o", text_of(&twice)]);
        let read = |path| text::print(&planish::tflite::read_file(path).expect("what was written is read"));
        assert_eq!(read(&once), read(&twice), "{name}");
    }
}

#[test]
fn the_library_example_gives_a_quarter_of_the_size() {
    let mut model = planish::saved_model::read(model("digits_lstm")).expect("the model is read");
    let before = planish::tflite::write(&model).expect("what the reader gives can be written");
    let options = QuantizeOptions {
        min_elements: 1,
        ..QuantizeOptions::default()
    };
    let report = PassManager::new()
        .add_with(PostTrainingQuantize, options)
        .run(&mut model)
        .expect("the pass runs");
    let after = planish::tflite::write(&model).expect("and so can what is quantized");
    assert!(report.count(Choice::WeightOnly) > 0);
    assert!(after.len() < before.len(), "{} bytes became {}", before.len(), after.len());
}

#[test]
fn the_report_has_a_reason_for_every_operation() {
    let converted = planish::convert(model("digits_separable"), &ConvertOptions::new().post_training_quantize()).expect("a conversion");
    let mut decided: BTreeMap<&str, usize> = BTreeMap::new();
    for decision in &converted.report.decisions {
        assert!(!decision.because.is_empty(), "{decision:?}");
        *decided.entry(&decision.kind).or_default() += 1;
    }
    assert!(converted.report.count(Choice::Hybrid) > 0);
    assert_eq!(decided.get("depthwise_conv_2d"), Some(&3), "{decided:?}");
}

#[test]
fn options_of_the_command_line_reach_the_passes() {
    let folder = TempDir::new().expect("a temporary folder");
    let (out, report) = (folder.path().join("out.tflite"), folder.path().join("report.json"));
    let model = model("digits_cnn");
    let base = ["convert", text_of(&model), "-o", text_of(&out), "--post-training-quantize"];
    let with = |more: &[&str]| succeed(&[&base[..], more].concat());
    assert!(with(&["--skip", "."]).contains(" 0 hybrid, 0 weight-only"));
    assert!(with(&["--print-after", "fold_batch_norm"]).contains("graph @serving_default"));
    with(&["--report", text_of(&report), "--verify", "--target", "litert_builtin"]);
    let json = fs::read_to_string(&report).expect("the report was written");
    assert!(
        json.contains("\"it has no weights\"") && json.contains("\"choice\": \"hybrid\""),
        "{json}"
    );
    with(&["--passes", "share_operations, remove_identities"]);
    assert!(succeed(&["inspect", text_of(&model)]).contains("conv_2d"));
    assert!(succeed(&["inspect", text_of(&out), "--text"]).starts_with("model {"));
}

#[test]
fn an_input_may_get_a_fixed_shape() {
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("out.tflite");
    succeed(&[
        "convert",
        text_of(&model("digits_cnn")),
        "-o",
        text_of(&out),
        "--shape",
        "image=4x8x8x1",
    ]);
    assert!(succeed(&["inspect", text_of(&out)]).contains("f32[4, 8, 8, 1]"));
}

#[test]
fn a_saved_model_goes_by_the_file_that_holds_its_graph() {
    let folder = TempDir::new().expect("a temporary folder");
    let [by_folder, by_file] = ["folder.tflite", "file.tflite"].map(|name| folder.path().join(name));
    let source = model("digits_cnn");
    succeed(&["convert", text_of(&source), "-o", text_of(&by_folder)]);
    succeed(&["convert", text_of(&source.join("saved_model.pb")), "-o", text_of(&by_file)]);
    let [by_folder, by_file] = [by_folder, by_file].map(|path| fs::read(path).expect("it was written"));
    assert!(by_folder == by_file, "both ways give the same bytes");
}

/// Reads just enough of .npz archives to compare outputs with recorded ones.
mod recorded {
    use std::fs::File;
    use std::io::Read;
    use std::path::Path;

    fn floats(path: &Path, name: &str) -> Vec<f32> {
        let mut archive = zip::ZipArchive::new(File::open(path).expect("an archive")).expect("a ZIP");
        let mut bytes = Vec::new();
        archive
            .by_name(name)
            .expect("the array")
            .read_to_end(&mut bytes)
            .expect("its bytes");
        let start = 10 + u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
        bytes[start..]
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    }

    /// How far the outputs are from the recorded ones: noise over signal, as a ratio of norms, the worst output's.
    pub(crate) fn distance(recorded: &Path, outputs: &Path) -> f64 {
        let archive = zip::ZipArchive::new(File::open(outputs).expect("an archive")).expect("a ZIP");
        let mut worst: f64 = 0.0;
        for name in archive.file_names() {
            let (want, got) = (floats(recorded, name), floats(outputs, name));
            assert_eq!(want.len(), got.len(), "{name}");
            let noise: f64 = want.iter().zip(&got).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let signal: f64 = want.iter().map(|a| f64::from(*a).powi(2)).sum();
            worst = worst.max((noise / signal).sqrt());
        }
        worst
    }
}

#[test]
fn unknown_operations_are_named_before_what_is_of_unknown_shape_because_of_them() {
    let dir = TempDir::new().expect("a temporary folder");
    let branch = |name: &str| {
        format!(
            r#"function {{ signature {{ name: "{name}" input_arg {{ name: "l" type: DT_VARIANT }} input_arg {{ name: "x" type: DT_FLOAT }}
                   output_arg {{ name: "y" type: DT_FLOAT }} }}
                 node_def {{ name: "at" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
                   attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: 0 }} }} }} }}
                 node_def {{ name: "any" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
                   attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: -1 }} }} }} }}
                 node_def {{ name: "odd" op: "Mystery" input: "x" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
                 node_def {{ name: "set" op: "TensorListSetItem" input: "l" input: "at:output:0" input: "odd"
                   attr {{ key: "element_dtype" value {{ type: DT_FLOAT }} }} }}
                 node_def {{ name: "all" op: "TensorListStack" input: "set:output_handle:0" input: "any:output:0"
                   attr {{ key: "element_dtype" value {{ type: DT_FLOAT }} }} }}
                 ret {{ key: "y" value: "all:tensor:0" }} }}"#
        )
    };
    let source = format!(
        r#"saved_model_schema_version: 1 meta_graphs {{ meta_info_def {{ tags: "serve" }} graph_def {{
             node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
             node {{ name: "c" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_BOOL }} }} }}
             node {{ name: "any" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
               attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: -1 }} }} }} }}
             node {{ name: "two" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
               attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: 2 }} }} }} }}
             node {{ name: "l" op: "TensorListReserve" input: "any" input: "two"
               attr {{ key: "element_dtype" value {{ type: DT_FLOAT }} }} }}
             node {{ name: "y" op: "If" input: "c" input: "l" input: "x"
               attr {{ key: "then_branch" value {{ func {{ name: "f" }} }} }} attr {{ key: "else_branch" value {{ func {{ name: "g" }} }} }}
               attr {{ key: "Tout" value {{ list {{ type: DT_FLOAT }} }} }} }}
             library {{ {} {} }} }}
           signature_def {{ key: "f" value {{
             inputs {{ key: "x" value {{ name: "x:0" dtype: DT_FLOAT tensor_shape {{ dim {{ size: 2 }} }} }} }}
             inputs {{ key: "c" value {{ name: "c:0" dtype: DT_BOOL tensor_shape {{ }} }} }}
             outputs {{ key: "y" value {{ name: "y:0" dtype: DT_FLOAT }} }} }} }} }}"#,
        branch("f"),
        branch("g")
    );
    fs::write(dir.path().join("saved_model.pbtxt"), source).expect("the model can be written");
    let out = dir.path().join("out.tflite");
    let (source, out) = (text_of(dir.path()), text_of(&out));
    fail(&["convert", source, "-o", out], &["Mystery", "--select-tf-ops"]);
    fail(&["convert", source, "-o", out, "--select-tf-ops"], &["lower_tensor_lists", "shape"]);
    assert!(!Path::new(out).exists());
}

#[test]
fn signatures_that_cannot_be_converted_are_left_out_and_named() {
    let dir = TempDir::new().expect("a temporary folder");
    let source = r#"
        saved_model_schema_version: 1
        meta_graphs {
            meta_info_def { tags: "serve" }
            graph_def {
                node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
                node { name: "plain" op: "Relu" input: "x" attr { key: "T" value { type: DT_FLOAT } } }
                node { name: "odd" op: "Mystery" input: "x" attr { key: "T" value { type: DT_FLOAT } } }
            }
            signature_def { key: "serving_default" value {
                inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: 2 } } } }
                outputs { key: "y" value { name: "odd:0" dtype: DT_FLOAT } } } }
            signature_def { key: "predict" value {
                inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: 2 } } } }
                outputs { key: "y" value { name: "plain:0" dtype: DT_FLOAT } } } }
        }
    "#;
    fs::write(dir.path().join("saved_model.pbtxt"), source).expect("the model can be written");
    let out = dir.path().join("out.tflite");
    let report = dir.path().join("report.json");
    let (source, out) = (text_of(dir.path()), text_of(&out));
    let printed = succeed(&["convert", source, "-o", out, "--report", text_of(&report)]);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(report).expect("the report was written")).expect("it is JSON");
    assert_eq!(json["left_out"][0]["signature"], "serving_default");
    assert!(
        json["left_out"][0]["because"].as_str().is_some_and(|why| why.contains("Mystery")),
        "{json}"
    );
    assert!(json["decisions"].is_array(), "{json}");
    assert!(
        printed.contains("left out signature serving_default: ") && printed.contains("Mystery"),
        "{printed}"
    );
    let written = planish::tflite::read_file(out).expect("it can be read back");
    assert_eq!(written.signatures.len(), 1);
    assert_eq!(written.signatures[0].name, "predict");
    fs::remove_file(out).expect("it is there");
    fail(
        &["convert", source, "-o", out, "--signature", "serving_default"],
        &["Mystery", "--select-tf-ops"],
    );
    assert!(!Path::new(out).exists());
}

#[test]
fn a_damaged_variable_is_an_error_though_only_one_of_the_signatures_needs_it() {
    let dir = TempDir::new().expect("a temporary folder");
    let (source, out) = (dir.path().join("source"), dir.path().join("out.tflite"));
    copy_folder(&model("digits_dense").join("variables"), &source.join("variables"));
    let key = "variables/1/.ATTRIBUTES/VARIABLE_VALUE";
    let signature = |name: &str, output: &str| {
        format!(
            r#"signature_def {{ key: "{name}" value {{
                inputs {{ key: "x" value {{ name: "x:0" dtype: DT_FLOAT tensor_shape {{ dim {{ size: 96 }} }} }} }}
                outputs {{ key: "y" value {{ name: "{output}:0" dtype: DT_FLOAT }} }} }} }}"#
        )
    };
    let graph = format!(
        r#"saved_model_schema_version: 1
           meta_graphs {{ meta_info_def {{ tags: "serve" }} graph_def {{
             node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
             node {{ name: "plain" op: "Relu" input: "x" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
             node {{ name: "w" op: "VarHandleOp" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
                    attr {{ key: "shared_name" value {{ s: "{key}" }} }} }}
             node {{ name: "read" op: "ReadVariableOp" input: "w" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
             node {{ name: "y" op: "AddV2" input: "x" input: "read" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }} }}
           {} {} }}"#,
        signature("predict", "plain"),
        signature("serving_default", "y")
    );
    fs::write(source.join("saved_model.pbtxt"), graph).expect("the model can be written");
    let arguments = ["convert", text_of(&source), "-o", text_of(&out)];
    succeed(&arguments);
    fs::remove_file(&out).expect("it was written");
    let variables = source.join("variables");
    let data = variables.join("variables.data-00000-of-00001");
    let whole = fs::read(&data).expect("the file was copied");
    let flipped: Vec<u8> = whole.iter().map(|byte| !byte).collect();
    for (bytes, named) in [(&flipped[..], "damaged"), (&whole[..16], "damaged")] {
        fs::write(&data, bytes).expect("the folder is ours");
        fail(&arguments, &[named]);
        assert!(!out.exists());
    }
    fs::remove_dir_all(&variables).expect("the folder is ours");
    fail(&arguments, &["variables.index"]);
    assert!(!out.exists());
}
