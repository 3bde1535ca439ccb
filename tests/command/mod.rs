//! Running the command line on models of the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models").join(name)
}

pub(crate) fn planish(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_planish"));
    command.args(arguments).envs(environment.iter().copied());
    command.output().expect("the command line runs")
}

pub(crate) fn text_of(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Runs `planish`, which has to succeed, and returns what it printed.
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let output = planish(arguments, &[]);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs `planish`, which has to fail with one clear message that names each of `named`.
pub(crate) fn fail(arguments: &[&str], named: &[&str]) {
    let output = planish(arguments, &[]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(message.starts_with("error: "), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    for name in named {
        assert!(message.contains(name), "{message:?} does not name {name:?}");
    }
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
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
