//! Where files may be written.

use std::path::{Path, PathBuf};

use super::Outcome;

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

/// Refuses a file that is read, or a part of a folder that is read.
pub(super) fn check_not_read(file: &Path, read: &[&PathBuf]) -> Outcome {
    let place = whole(file);
    let is_part = |read: &&&PathBuf| {
        let read = whole(read);
        place == read || place.starts_with(&read) && place.is_file()
    };
    match read.iter().find(is_part) {
        None => Ok(()),
        Some(read) if place.is_dir() || place == whole(read) => {
            Err(format!("writing would overwrite what is read, `{}`; choose another file", read.display()).into())
        }
        Some(_) => Err(format!("`{}` is a part of the model that is read; write to another file", file.display()).into()),
    }
}

/// Whether two paths are of one file, there or not.
pub(super) fn are_one(a: &Path, b: &Path) -> bool {
    a == b || whole(a) == whole(b)
}

fn whole(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
