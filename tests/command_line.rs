//! What the command line refuses and says: places, arrays, options and messages.

use std::fs;
use std::path::Path;
use std::process::Command;

use planish::prelude::*;
use tempfile::TempDir;

mod command;

use command::{copy_folder, fail, model, planish, succeed, text_of};

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

/// The model is damaged, so that only what is refused before it is read names the place.
#[test]
fn places_where_no_file_can_be_are_refused_before_the_model_is_read() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let (damaged, file) = (path("damaged.tflite"), path("file"));
    for file in [&damaged, &file] {
        fs::write(file, "no model at all").expect("a file");
    }
    let (damaged, inputs) = (text_of(&damaged), model("digits_cnn.npz"));
    let new_folder = path("new").join("");
    for (place, named) in [
        (folder.path(), &["it is a folder"][..]),
        (&new_folder, &["new/", "it is a folder"]),
        (&path("new/model.tflite"), &["there is no folder", "make it first"]),
        (&path("file/model.tflite"), &["file", "is no folder"]),
        (Path::new("-"), &["/dev/stdout", "./-"]),
    ] {
        let place = text_of(place);
        fail(&["convert", damaged, "-o", place], named);
        fail(&["convert", damaged, "-o", text_of(&path("out.tflite")), "--report", place], named);
        fail(&["run", damaged, "--inputs", text_of(&inputs), "--outputs", place], named);
    }
}

/// Runs `planish`, which has to fail, and returns what it says.
fn message(arguments: &[&str]) -> String {
    fail(arguments, &[]);
    String::from_utf8_lossy(&planish(arguments, &[]).stderr).into_owned()
}

#[cfg(unix)]
#[test]
fn messages_say_things_once() {
    let folder = TempDir::new().expect("a temporary folder");
    let (out, model) = (folder.path().join("out.tflite"), model("digits_cnn"));
    let out = text_of(&out);
    let device = message(&["convert", "/dev/null", "-o", out]);
    assert_eq!(device.matches("/dev/null").count(), 1, "{device}");
    let rank = message(&["convert", text_of(&model), "-o", out, "--shape", "image=1x8x8"]);
    assert!(rank.contains("another rank") && !rank.contains("--shape"), "{rank}");
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

#[test]
fn a_new_file_is_one_however_it_is_spelled() {
    let folder = TempDir::new().expect("a temporary folder");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("a folder");
    let (model, whole) = (model("digits_cnn"), inner.join("new.tflite"));
    let mut spellings = vec!["./new.tflite", "../inner/new.tflite", text_of(&whole)];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("new.tflite", inner.join("link")).expect("a link");
        spellings.push("link");
    }
    for spelling in spellings {
        let mut command = Command::new(env!("CARGO_BIN_EXE_planish"));
        command.current_dir(&inner);
        command.args(["convert", text_of(&model), "-o", "new.tflite", "--report", spelling]);
        let output = command.output().expect("the command line runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{spelling}: {message}");
        assert!(message.contains(spelling) && message.contains("another file"), "{message}");
        assert!(!whole.exists(), "{spelling}");
    }
}

#[test]
fn a_model_that_goes_by_the_file_in_it_is_not_overwritten() {
    let folder = TempDir::new().expect("a temporary folder");
    let copy = folder.path().join("copy");
    copy_folder(&model("digits_cnn"), &copy);
    let parts = [
        "saved_model.pb",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
    ];
    let parts = parts.map(|name| copy.join(name));
    let before = parts.each_ref().map(|part| fs::read(part).expect("the part is there"));
    let (by_file, out, inputs) = (text_of(&parts[0]), folder.path().join("out.tflite"), model("digits_cnn.npz"));
    for part in &parts {
        let place = text_of(part);
        fail(&["convert", by_file, "-o", place], &[place, "another file"]);
        fail(
            &["convert", by_file, "-o", text_of(&out), "--report", place],
            &[place, "another file"],
        );
        fail(
            &["run", by_file, "--inputs", text_of(&inputs), "--outputs", place],
            &[place, "another file"],
        );
    }
    assert!(before == parts.each_ref().map(|part| fs::read(part).expect("the part is there")));
    assert!(!out.exists());
    let beside = copy.join("new.tflite");
    succeed(&["convert", by_file, "-o", text_of(&beside)]);
    succeed(&["convert", text_of(&beside), "-o", text_of(&beside)]);
}

#[cfg(unix)]
#[test]
fn what_the_links_of_a_model_lead_to_is_not_overwritten() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().expect("a temporary folder");
    let (whole, linked, blobs) = (
        folder.path().join("whole"),
        folder.path().join("linked"),
        folder.path().join("blobs"),
    );
    copy_folder(&model("digits_cnn"), &whole);
    let index = whole.join("variables/variables.index");
    fs::create_dir(&linked).expect("a folder");
    symlink(whole.join("saved_model.pb"), linked.join("saved_model.pb")).expect("a link");
    symlink(whole.join("variables"), linked.join("variables")).expect("a link");
    copy_folder(&linked, &blobs);
    fs::remove_file(blobs.join("variables/variables.index")).expect("the file is ours");
    symlink(&index, blobs.join("variables/variables.index")).expect("a link");
    let before = fs::read(&index).expect("the index is there");
    for model in [&linked, &linked.join("saved_model.pb"), &blobs, &blobs.join("saved_model.pb")] {
        fail(
            &["convert", text_of(model), "-o", text_of(&index)],
            &["variables.index", "another file"],
        );
    }
    fail(
        &["convert", text_of(&linked), "-o", text_of(&whole.join("saved_model.pb"))],
        &["saved_model.pb", "another file"],
    );
    assert!(before == fs::read(&index).expect("the index is there"));
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
    let quantizing = "post_training_quantize";
    let again = ["convert", text_of(&out), "-o", text_of(&out), "--post-training-quantize"];
    let printing = [&again[..], &["--print-after", quantizing]].concat();
    let told = succeed(&[&printing[..], &["--stop-after", "0"]].concat());
    assert!(told.contains("--print-after post_training_quantize did not run"), "{told}");
    assert!(!succeed(&printing).contains("did not run"));
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

#[test]
fn a_file_without_signatures_runs_by_the_names_of_its_tensors() {
    let folder = TempDir::new().expect("a temporary folder");
    let [file, out] = ["model.tflite", "out.npz"].map(|name| folder.path().join(name));
    let mut converted = planish::convert(model("digits_dense"), &ConvertOptions::new())
        .expect("a conversion")
        .model;
    let signature = converted.signatures.swap_remove(0);
    converted.signatures.clear();
    let graph = converted.graph_mut(signature.graph);
    for (value, name) in graph.parameters().into_iter().zip(&signature.inputs) {
        graph.info_mut(value).name = Some(name.as_str().into());
    }
    planish::tflite::write_file(&converted, &file).expect("it is written");
    let arrays = model("digits_dense.npz");
    succeed(&[
        "run",
        text_of(&file),
        "--inputs",
        text_of(&arrays),
        "--outputs",
        text_of(&out),
        "--samples",
    ]);
    assert!(out.exists());
}

#[test]
fn names_from_a_model_do_not_reach_the_terminal_as_they_are() {
    let dir = TempDir::new().expect("a temporary folder");
    let signature = |name: &str, result: &str| {
        format!(
            r#"signature_def {{ key: "{name}" value {{
                 inputs {{ key: "x\033[2J" value {{ name: "x:0" dtype: DT_FLOAT tensor_shape {{ dim {{ size: 2 }} }} }} }}
                 outputs {{ key: "y\ny" value {{ name: "{result}:0" dtype: DT_FLOAT }} }} }} }}"#
        )
    };
    let source = format!(
        r#"saved_model_schema_version: 1 meta_graphs {{ meta_info_def {{ tags: "serve\033[1m" }} graph_def {{
             node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
             node {{ name: "plain" op: "Relu" input: "x" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
             node {{ name: "odd" op: "Mystery\033[5m" input: "x" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }} }}
           {} {} }}"#,
        signature("odd\\033[31m\\nname", "odd"),
        signature("plain\\033[7m", "plain")
    );
    fs::write(dir.path().join("saved_model.pbtxt"), source).expect("the model can be written");
    let out = dir.path().join("out.tflite");
    let (source, out) = (text_of(dir.path()), text_of(&out));
    let printed = [
        succeed(&["inspect", source]),
        succeed(&["convert", source, "-o", out]),
        succeed(&["inspect", out]),
    ];
    for (printed, named) in printed
        .iter()
        .zip(["Mystery\\u{1b}[5m", "odd\\u{1b}[31m\\nname", "plain\\u{1b}[7m"])
    {
        assert!(!printed.contains('\u{1b}') && printed.contains(named), "{printed:?}");
        assert!(!printed.lines().any(|line| line.starts_with(['n', 'y'])), "{printed}");
    }
}
