//! Fills `corpus/` from the repository's own models: `cargo run --example seed`, in this folder.

use std::fs;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = root.join("corpus");
    for target in ["text", "pipeline", "saved_model", "tflite"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    for file in fs::read_dir(root.join("../passes/tests/cases"))? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (number, part) in fs::read_to_string(&path)?.split("// ").enumerate() {
            let Some((_, text)) = part.split_once('\n').filter(|(_, text)| !text.trim().is_empty()) else {
                continue;
            };
            fs::write(corpus.join(format!("text/{name}_{number}")), text)?;
            fs::write(corpus.join(format!("pipeline/{name}_{number}")), format!("{name}\n{text}"))?;
        }
    }
    for folder in fs::read_dir(root.join("../tests/models"))? {
        let path = folder?.path();
        let read = |name: &str| fs::read(path.join(name)).unwrap_or_default();
        let graph = read("saved_model.pb");
        if graph.is_empty() {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let parts = [
            &graph[..],
            &read("variables/variables.index"),
            &read("variables/variables.data-00000-of-00001"),
        ];
        fs::write(corpus.join("saved_model").join(&name), planish_fuzz::pack_saved_model(parts))?;
        let converted = planish::convert(&path, &planish::ConvertOptions::new())?;
        fs::write(corpus.join("tflite").join(&name), planish::tflite::write(&converted.model)?)?;
    }
    Ok(())
}
