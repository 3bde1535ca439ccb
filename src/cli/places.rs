//! Where files may be written.

use std::fs;
use std::path::{Path, PathBuf};

use planish::saved_model::is_saved_model;

use super::Outcome;

/// As many links are followed as systems do.
const MOST_LINKS: usize = 40;

/// Refuses a file in a folder that is not there.
pub(super) fn check_folder(file: &Path) -> Outcome {
    match file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        None => Ok(()),
        Some(folder) => Err(format!(
            "cannot write `{}`: there is no folder `{}`; make it first",
            file.display(),
            folder.display()
        )
        .into()),
    }
}

/// Refuses a file that is read, or a part of a model that is read.
pub(super) fn check_not_read(file: &Path, read: &[&Path]) -> Outcome {
    let place = whole(file);
    if let Some(read) = read.iter().find(|read| place == whole(read)) {
        return Err(format!("writing would overwrite what is read, `{}`; choose another file", read.display()).into());
    }
    let is_part = place.is_file() && read.iter().flat_map(|read| parts(read)).any(|part| place.starts_with(part));
    if is_part {
        return Err(format!("`{}` is a part of the model that is read; write to another file", file.display()).into());
    }
    Ok(())
}

/// Whether two paths are of one file, there or not.
pub(super) fn are_one(a: &Path, b: &Path) -> bool {
    a == b || whole(a) == whole(b)
}

/// What a model consists of: a SavedModel's folder, also where the model goes by the file in it, or the one file.
pub(super) fn source(model: &Path) -> &Path {
    if model.is_file() && is_saved_model(model) {
        folder_of(model)
    } else {
        model
    }
}

/// The places of what is read: a SavedModel's folder, and what its parts lead to where they are links.
fn parts(model: &Path) -> Vec<PathBuf> {
    let source = source(model);
    let variables = source.join("variables");
    let mut parts = vec![whole(source), whole(&variables)];
    for folder in [source, &variables] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        parts.extend(entries.map(|entry| whole(&entry.path())).filter(|part| part.is_file()));
    }
    parts
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The one path of a file, links followed, there or not.
fn whole(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Ok(whole) = path.canonicalize() {
            return whole;
        }
        let folder = folder_of(&path);
        match (path.read_link(), folder.canonicalize(), path.file_name()) {
            (Ok(next), ..) => path = folder.join(next),
            (_, Ok(folder), Some(name)) => return folder.join(name),
            _ => break,
        }
    }
    path
}
