//! What is left of a conversion that is interrupted, or fails, while it writes.
#![cfg(unix)]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};
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

/// A conversion with a report to `output`, begun by a shell that does `first` before.
fn conversion(first: &str, folder: &Path, output: &Path) -> Command {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models/digits_dense");
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{first}; exec \"$@\"")).arg("sh");
    command.arg(env!("CARGO_BIN_EXE_planish")).arg("convert").arg(&model);
    command.arg("-o").arg(output).arg("--report").arg(folder.join("report.json"));
    command
}

/// The model goes to a pipe that nobody reads, so that the conversion waits there, its report begun.
fn begin(first: &str, folder: &Path, pipe: &Path) -> Child {
    run("mkfifo", &[pipe.to_str().expect("test paths are UTF-8")]);
    let mut child = conversion(first, folder, pipe).spawn().expect("a shell runs");
    let begun = Instant::now();
    while !files(folder).iter().any(|name| name.ends_with(".part")) {
        assert_eq!(child.try_wait().expect("a child"), None, "it waits for a reader");
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the report is begun before the model is written"
        );
        sleep(Duration::from_millis(5));
    }
    child
}

/// Whether the tests were started to ignore a signal, as `nohup` does; where the system does not tell, a hang-up may be.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.map_or(signal == 1, |mask| {
        let mask = u64::from_str_radix(mask.trim(), 16).expect("a mask of signals");
        mask >> (signal - 1) & 1 == 1
    })
}

#[test]
fn an_interrupted_conversion_leaves_nothing_behind() {
    for (name, number) in [("HUP", 1), ("INT", 2), ("QUIT", 3), ("TERM", 15)] {
        if is_ignored(number) {
            continue;
        }
        let folder = TempDir::new().expect("a temporary folder");
        // QUIT would dump a core.
        let mut child = begin("ulimit -c 0", folder.path(), &folder.path().join("model.tflite"));
        run("kill", &[&format!("-{name}"), &child.id().to_string()]);
        let status = child.wait().expect("a child");
        assert_eq!(status.signal(), Some(number), "{status}");
        assert_eq!(files(folder.path()), ["model.tflite"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_the_parent_ignores_does_not_interrupt() {
    let folder = TempDir::new().expect("a temporary folder");
    let pipe = folder.path().join("model.tflite");
    let mut child = begin("trap '' HUP INT QUIT TERM", folder.path(), &pipe);
    for name in ["HUP", "INT", "QUIT", "TERM"] {
        run("kill", &[&format!("-{name}"), &child.id().to_string()]);
    }
    assert!(!fs::read(&pipe).expect("the conversion goes on").is_empty());
    let status = child.wait().expect("a child");
    assert!(status.success(), "{status}");
    let mut left = files(folder.path());
    left.sort();
    assert_eq!(left, ["model.tflite", "report.json"]);
}

#[test]
fn a_file_that_grows_too_large_is_an_error() {
    let folder = TempDir::new().expect("a temporary folder");
    let output = folder.path().join("model.tflite");
    let ended = conversion("ulimit -f 8", folder.path(), &output).output().expect("a shell runs");
    let message = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{}: {message}", ended.status);
    assert!(message.contains("cannot write"), "{message}");
    assert_eq!(files(folder.path()), [""; 0]);
}

/// No machine has memory for stacks of this size.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn where_no_thread_can_be_made_a_message_says_so() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_planish"));
    let ended = command.arg("passes").env("RUST_MIN_STACK", (1_u64 << 50).to_string()).output();
    let ended = ended.expect("the command line runs");
    let message = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{message}");
    assert!(message.starts_with("error: cannot make the thread"), "{message}");
}
