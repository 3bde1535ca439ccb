//! From a SavedModel to a .tflite file, end to end: what comes out, that it is always the same, and that it computes the model.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use planish::core::text;
use planish::prelude::*;
use tempfile::TempDir;

mod golden;

const MODELS: &[&str] = &[
    "digits_attention",
    "digits_bidirectional",
    "digits_cnn",
    "digits_dense",
    "digits_gru",
    "digits_lstm",
    "digits_separable",
];

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

fn planish(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_planish"));
    command.args(arguments).envs(environment.iter().copied());
    command.output().expect("the command line runs")
}

fn text_of(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Runs `planish`, which has to succeed, and returns what it printed.
fn succeed(arguments: &[&str]) -> String {
    let output = planish(arguments, &[]);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `planish`, which has to fail with one clear message that names each of `named`.
fn fail(arguments: &[&str], named: &[&str]) {
    let output = planish(arguments, &[]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    for name in named {
        assert!(message.contains(name), "{message:?} does not name {name:?}");
    }
}

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

#[test]
fn bad_input_is_refused_with_one_message_and_leaves_nothing_behind() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let (out, report) = (path("out.tflite"), path("report.json"));
    let out = text_of(&out);
    let good = model("digits_cnn");
    let good = text_of(&good);

    fail(&["convert", text_of(&path("nowhere")), "-o", out], &["nowhere"]);
    fs::create_dir(path("empty")).expect("a folder");
    fail(&["convert", text_of(&path("empty")), "-o", out], &["empty", "SavedModel"]);
    fs::write(path("text.tflite"), "no model at all").expect("a file");
    fail(
        &["convert", text_of(&path("text.tflite")), "-o", out],
        &["text.tflite", "SavedModels"],
    );
    fs::write(path("layers.keras"), b"PK\x03\x04 and files").expect("a file");
    fail(&["convert", text_of(&path("layers.keras")), "-o", out], &["layers.keras", "export"]);
    fail(&["convert", good, "-o", out, "--signature", "train"], &["train", "serving_default"]);
    fail(&["convert", good, "-o", out, "--tags", "gpu"], &["gpu"]);
    fail(&["convert", good, "-o", out, "--shape", "picture=1x8x8x1"], &["picture", "image"]);
    fail(
        &["convert", good, "-o", out, "--passes", "make_faster"],
        &["make_faster", "post_training_quantize"],
    );
    fail(
        &["convert", good, "-o", out, "--passes", "post_training_quantize {size = 3}"],
        &["size", "min_elements"],
    );
    fail(
        &[
            "convert",
            good,
            "-o",
            out,
            "--passes",
            "post_training_quantize {times_smaller = 0.5}",
        ],
        &["times_smaller", "1 or more"],
    );
    fail(
        &["convert", good, "-o", out, "--print-after", "nothing"],
        &["nothing", "fold_constants"],
    );
    fail(&["convert", good, "-o", out, "--shape", "image=1x8x8x3"], &["conv2d", "--shape"]);
    fail(
        &[
            "convert",
            good,
            "-o",
            text_of(&path("no/such/folder.tflite")),
            "--report",
            text_of(&report),
        ],
        &["folder.tflite"],
    );
    fail(&["convert", good, "-o", text_of(&path("empty"))], &["empty"]);
    fs::write(path("old.json"), "old").expect("a file");
    fail(
        &[
            "convert",
            good,
            "-o",
            text_of(&path("empty")),
            "--report",
            text_of(&path("old.json")),
        ],
        &["empty"],
    );
    assert_eq!(fs::read_to_string(path("old.json")).expect("the file stays"), "old");
    fs::remove_file(path("old.json")).expect("the file is ours");
    #[cfg(unix)]
    for device in ["/dev/zero", "/dev/null"] {
        fail(&["convert", device, "-o", out], &[device, "regular file"]);
        fail(
            &["run", good, "--inputs", device, "--outputs", text_of(&path("out.npz"))],
            &[device, "regular file"],
        );
    }

    for (file, keep) in [
        ("saved_model.pb", 0.5),
        ("variables/variables.index", 0.5),
        ("variables/variables.data-00000-of-00001", 0.9),
    ] {
        let damaged = path("damaged");
        copy_folder(Path::new(good), &damaged);
        let bytes = fs::read(damaged.join(file)).expect("a file of the model");
        fs::write(damaged.join(file), &bytes[..(bytes.len() as f64 * keep) as usize]).expect("a shorter file");
        fail(&["convert", text_of(&damaged), "-o", out], &[]);
        fs::remove_dir_all(&damaged).expect("the copy goes");
    }
    let mut left: Vec<_> = fs::read_dir(folder.path())
        .expect("the folder")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["empty", "layers.keras", "text.tflite"]);
}

#[test]
fn no_output_takes_the_place_of_another_or_of_what_is_read() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let copy = path("copy");
    copy_folder(&model("digits_cnn"), &copy);
    let (copy, graph, file) = (text_of(&copy).to_owned(), path("copy/saved_model.pb"), path("model.tflite"));
    succeed(&["convert", &copy, "-o", text_of(&file)]);
    let before = [&graph, &file].map(|path| fs::read(path).expect("the file is there"));

    fail(&["convert", &copy, "-o", text_of(&graph)], &["saved_model.pb", "another file"]);
    let both = text_of(&file);
    fail(&["convert", &copy, "-o", both, "--report", both], &["model.tflite", "another file"]);
    let other = path("other.tflite");
    fail(
        &["convert", both, "-o", text_of(&other), "--report", both],
        &["model.tflite", "another file"],
    );
    fail(
        &["convert", &copy, "-o", both, "--report", text_of(&graph)],
        &["saved_model.pb", "another file"],
    );
    assert!(!other.exists());
    assert_eq!(before, [&graph, &file].map(|path| fs::read(path).expect("the file is there")));
    succeed(&["convert", both, "-o", both, "--post-training-quantize"]);
    assert!(fs::read(&file).expect("the file is there").len() < before[1].len());
}

#[cfg(unix)]
#[test]
fn links_stay_and_pipes_get_the_model_alone() {
    let folder = TempDir::new().expect("a temporary folder");
    let (link, target) = (folder.path().join("link.tflite"), folder.path().join("target.tflite"));
    std::os::unix::fs::symlink("target.tflite", &link).expect("a link");
    let model = model("digits_cnn");
    succeed(&["convert", text_of(&model), "-o", text_of(&link)]);
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    let written = fs::read(&target).expect("what the link leads to");
    let piped = planish(&["convert", text_of(&model), "-o", "/dev/stdout"], &[]);
    assert!(piped.status.success() && piped.stdout == written, "{} bytes", piped.stdout.len());
}

#[test]
fn what_is_asked_twice_or_matches_nothing_is_told() {
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("out.tflite");
    let model = model("digits_cnn");
    let base = ["convert", text_of(&model), "-o", text_of(&out)];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    fail(
        &with(&["--shape", "image=1x8x8x1", "--shape", "image=2x8x8x1"]),
        &["image", "two shapes"],
    );
    let told = succeed(&with(&["--post-training-quantize", "--skip", "no_such", "--skip", "digit"]));
    assert!(
        told.contains("--skip no_such matches no") && !told.contains("--skip digit"),
        "{told}"
    );
    fail(&with(&["--raw"]), &["batch_norm", "leave out --raw"]);
    fail(&with(&["--stop-after", "0"]), &["batch_norm", "--stop-after"]);
}

#[test]
fn wrong_arrays_are_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("out.npz");
    let (dense, lstm, image, rows) = (
        model("digits_dense"),
        model("digits_lstm"),
        model("digits_dense.npz"),
        model("digits_lstm.npz"),
    );
    let serving = ["--signature", "serving_default"];
    fail(
        &[
            &["run", text_of(&dense), "--inputs", text_of(&rows), "--outputs", text_of(&out)][..],
            &serving,
        ]
        .concat(),
        &["the arrays are"],
    );
    fail(
        &[
            &["run", text_of(&dense), "--inputs", text_of(&image), "--outputs", text_of(&out)][..],
            &serving,
        ]
        .concat(),
        &["--samples"],
    );
    fail(
        &["run", text_of(&lstm), "--inputs", text_of(&lstm), "--outputs", text_of(&out)],
        &["digits_lstm"],
    );
    let own = out.with_file_name("own.npz");
    fs::copy(&rows, &own).expect("the folder is ours");
    fail(
        &["run", text_of(&dense), "--inputs", text_of(&own), "--outputs", text_of(&own)],
        &["overwrite", "own.npz"],
    );
    assert_eq!(fs::read(&own).expect("it stays"), fs::read(&rows).expect("it is there"));
    assert!(!out.exists());
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder to copy").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file to copy");
        }
    }
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
