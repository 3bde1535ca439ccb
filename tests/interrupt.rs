//! What is left of a conversion that is interrupted while it writes.
#![cfg(unix)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect("every unix has it");
    assert!(status.success(), "{program} {arguments:?}");
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder");
    entries
        .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect()
}

/// The model goes to a pipe that nobody reads, so that the conversion waits there, its report begun.
#[test]
fn an_interrupted_conversion_leaves_nothing_behind() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/digits_dense");
    for (name, number) in [("INT", 2), ("TERM", 15)] {
        let folder = TempDir::new().expect("a temporary folder");
        let pipe = folder.path().join("model.tflite");
        run("mkfifo", &[pipe.to_str().expect("test paths are UTF-8")]);
        let mut child = Command::new(env!("CARGO_BIN_EXE_planish"))
            .arg("convert")
            .arg(&model)
            .arg("-o")
            .arg(&pipe)
            .arg("--report")
            .arg(folder.path().join("report.json"))
            .spawn()
            .expect("the command line runs");
        let begun = Instant::now();
        while !files(folder.path()).iter().any(|name| name.ends_with(".part")) {
            assert_eq!(child.try_wait().expect("a child"), None, "it waits for a reader");
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the report is begun before the model is written"
            );
            sleep(Duration::from_millis(5));
        }
        run("kill", &[&format!("-{name}"), &child.id().to_string()]);
        let status = child.wait().expect("a child");
        assert_eq!(status.signal(), Some(number), "{status}");
        assert_eq!(files(folder.path()), ["model.tflite"]);
    }
}
