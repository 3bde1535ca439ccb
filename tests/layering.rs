//! Who may import whom: the table in ARCHITECTURE.md, checked against the manifests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Package, where its manifest is, and what of ours it may import.
const LAYERS: &[(&str, &str, &[&str])] = &[
    ("planish-core", "core", &[]),
    ("planish-kernels", "kernels", &["planish-core"]),
    ("planish-passes", "passes", &["planish-core", "planish-kernels"]),
    ("planish-saved-model", "formats/saved_model", &["planish-core"]),
    ("planish-tflite", "formats/tflite", &["planish-core"]),
    (
        "planish",
        ".",
        &[
            "planish-core",
            "planish-kernels",
            "planish-passes",
            "planish-saved-model",
            "planish-tflite",
        ],
    ),
    ("planish-fuzz", "fuzz", &["planish"]),
    ("custom-pass", "examples/custom_pass", &["planish"]),
];

/// Crates that read or write a format, or multiply with instructions of one CPU: nothing for these packages.
const NO_FORMATS: &[(&str, &[&str])] = &[
    ("planish-core", &["prost", "flatbuffers", "memmap2", "crc32c", "snap", "zip"]),
    (
        "planish-kernels",
        &["prost", "flatbuffers", "memmap2", "crc32c", "snap", "zip", "petgraph"],
    ),
    (
        "planish-passes",
        &["prost", "flatbuffers", "memmap2", "crc32c", "snap", "zip", "petgraph"],
    ),
    ("planish-saved-model", &["flatbuffers", "petgraph"]),
    ("planish-tflite", &["prost", "petgraph"]),
];

fn manifest(folder: &str) -> Option<toml::Table> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Cargo.toml");
    let text = fs::read_to_string(path).ok()?;
    Some(text.parse().expect("Cargo accepted it"))
}

/// What a package needs to be built; what only its tests need is its own affair, as long as it is not a layer above.
fn imports(manifest: &toml::Table, kinds: &[&str]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut collect = |table: Option<&toml::Value>| {
        for kind in kinds {
            let of_kind = table.and_then(|t| t.get(kind)).and_then(toml::Value::as_table);
            for (name, dependency) in of_kind.into_iter().flatten() {
                names.insert(dependency.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned());
            }
        }
    };
    collect(Some(&toml::Value::Table(manifest.clone())));
    for target in manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten() {
        collect(Some(target.1));
    }
    names
}

#[test]
fn packages_import_only_what_lies_below_them() {
    let ours: BTreeSet<&str> = LAYERS.iter().map(|layer| layer.0).collect();
    for (package, folder, allowed) in LAYERS {
        let Some(manifest) = manifest(folder) else {
            assert_eq!(*package, "planish-fuzz", "{package} has a manifest");
            continue;
        };
        assert_eq!(manifest["package"]["name"].as_str(), Some(*package));
        for import in imports(&manifest, &["dependencies", "build-dependencies", "dev-dependencies"]) {
            assert!(
                import == *package || !ours.contains(import.as_str()) || allowed.contains(&import.as_str()),
                "{package} imports {import}, which the table in ARCHITECTURE.md does not allow"
            );
        }
    }
}

#[test]
fn formats_stay_in_the_crates_that_are_for_them() {
    for (package, forbidden) in NO_FORMATS {
        let folder = LAYERS
            .iter()
            .find(|layer| layer.0 == *package)
            .expect("every package has a layer")
            .1;
        let manifest = manifest(folder).expect("the package has a manifest");
        for import in imports(&manifest, &["dependencies", "build-dependencies"]) {
            assert!(!forbidden.contains(&import.as_str()), "{package} imports {import}");
        }
    }
}

#[test]
fn every_member_of_the_workspace_has_its_layer() {
    let manifest = manifest(".").expect("the workspace has a manifest");
    let members = manifest["workspace"]["members"].as_array().expect("members are a list");
    for member in members.iter().filter_map(toml::Value::as_str) {
        assert!(LAYERS.iter().any(|layer| layer.1 == member), "{member} is not in the table");
    }
}

#[test]
fn unsafe_code_stays_where_the_table_allows_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let may_be_unsafe = |path: &Path| {
        let path = path
            .strip_prefix(root)
            .expect("files of this package")
            .to_string_lossy()
            .replace('\\', "/");
        path.starts_with("kernels/src/arch")
            || path.ends_with("/map_file.rs")
            || path == "formats/tflite/src/schema.rs"
            || path == "formats/tflite/src/read.rs"
    };
    for (package, folder, _) in LAYERS {
        for file in rust_files(&root.join(folder).join("src")) {
            let text = fs::read_to_string(&file).expect("source files are text");
            let uses = text
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && (line.contains("unsafe {") || line.contains("unsafe fn")));
            assert!(!uses || may_be_unsafe(&file), "{package}: {} has unsafe code", file.display());
        }
    }
}

fn rust_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}
