//! Where files may be written.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf, is_separator};

use planish::saved_model::is_saved_model;

use super::Outcome;

/// As many links are followed as systems do.
const MOST_LINKS: usize = 40;

/// Refuses what cannot name a file to write: a folder, or a file in a folder that is not there.
pub(super) fn check_file(file: &Path) -> Outcome {
    let cannot = |why: String| Err(format!("cannot write `{}`: {why}", file.display()).into());
    if file == Path::new("-") {
        return cannot("it stands for no stream; write `/dev/stdout` for standard output, or `./-` for a file of that name".into());
    }
    let last = file.as_os_str().as_encoded_bytes().last();
    if file.is_dir() || file.file_name().is_none() || last.is_some_and(|&byte| is_separator(byte.into())) {
        return cannot("it is a folder; name a file in it".into());
    }
    let folder = folder_of(file);
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => cannot(format!("`{}` is no folder", folder.display())),
        Err(e) if e.kind() == ErrorKind::NotFound => cannot(format!("there is no folder `{}`; make it first", folder.display())),
        Err(e) => cannot(format!("the folder `{}` cannot be looked at: {e}", folder.display())),
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
