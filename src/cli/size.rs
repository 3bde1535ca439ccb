//! Sizes in bytes, of files and folders, and as people read them.

use std::fmt;
use std::fs;
use std::path::Path;

use super::places;

/// A number of bytes, displayed with a unit.
#[derive(Clone, Copy)]
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0 as f64;
        match self.0 {
            0..1024 => write!(f, "{} B", self.0),
            1024..1_048_576 => write!(f, "{:.1} KiB", n / 1024.0),
            1_048_576..1_073_741_824 => write!(f, "{:.1} MiB", n / 1_048_576.0),
            _ => write!(f, "{:.2} GiB", n / 1_073_741_824.0),
        }
    }
}

/// The bytes of a file, or of the files directly in a folder and in its `variables`.
pub(super) fn of(path: &Path) -> Size {
    let files = |dir: &Path| -> u64 {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries
            .filter_map(|e| e.metadata().ok())
            .filter(fs::Metadata::is_file)
            .map(|m| m.len())
            .sum()
    };
    let path = places::source(path);
    match fs::metadata(path) {
        Ok(m) if m.is_dir() => Size(files(path) + files(&path.join("variables"))),
        Ok(m) => Size(m.len()),
        Err(_) => Size(0),
    }
}
