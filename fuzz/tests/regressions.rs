//! Replays what fuzzing has found, on a stable compiler.

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(target);
    for file in fs::read_dir(&folder).expect("the folder is there") {
        let path = file.expect("the folder can be read").path();
        println!("{}", path.display());
        run(&fs::read(&path).expect("the file can be read"));
    }
}

#[test]
fn text() {
    replay("text", planish_fuzz::text);
}

#[test]
fn pipeline() {
    replay("pipeline", planish_fuzz::pipeline);
}

#[test]
fn saved_model() {
    replay("saved_model", planish_fuzz::saved_model);
}

#[test]
fn tflite() {
    replay("tflite", planish_fuzz::tflite);
}
