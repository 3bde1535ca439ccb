//! A file that appears complete or not at all.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// As many links are followed as systems do.
const MOST_LINKS: usize = 40;

/// The files of this process that are not in their place yet.
static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps files from being begun and from being placed for as long as it lives.
#[derive(Debug)]
pub struct NoNewFiles {
    _unfinished: MutexGuard<'static, BTreeSet<PathBuf>>,
}

/// What a path leads to, also where the last of its links leads to no file.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if fs::metadata(&path).is_ok() {
            // A pipe has no path but the one that was given.
            return fs::canonicalize(&path).unwrap_or(path);
        }
        let Ok(next) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    path
}

/// Gives the new file the permissions of the one that it will replace, where there is one.
#[cfg(unix)]
fn keep_permissions(old: &Path, new: &File) {
    use std::os::unix::fs::PermissionsExt;
    if let Ok(metadata) = fs::metadata(old) {
        let permissions = fs::Permissions::from_mode(metadata.permissions().mode() & 0o777);
        // Where the file system has none to give, there are none to keep.
        let _ = new.set_permissions(permissions);
    }
}

#[cfg(not(unix))]
fn keep_permissions(_: &Path, _: &File) {}

/// A file to be written beside its place, and moved there once it is whole; removed where that does not happen.
///
/// What is no regular file, such as a pipe, is written to as it is.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    target: PathBuf,
    beside: Option<PathBuf>,
}

impl NewFile {
    /// A file to stand at `path`. What a link leads to is replaced, not the link; on Unix, the new file may be read and written
    /// by whom the old one may.
    ///
    /// # Errors
    /// Where no file can be written there.
    pub fn create(path: &Path) -> io::Result<NewFile> {
        let target = behind_links(path);
        if fs::metadata(&target).is_ok_and(|m| !m.is_file()) {
            let file = OpenOptions::new().write(true).open(&target)?;
            return Ok(NewFile {
                file,
                target,
                beside: None,
            });
        }
        target.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
        let mut unfinished = unfinished();
        for attempt in 0..100 {
            // Not named after the target, whose name may be as long as names can be.
            let beside = target.with_file_name(format!(".planish-{}-{attempt}.part", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&beside) {
                Ok(file) => {
                    unfinished.insert(beside.clone());
                    keep_permissions(&target, &file);
                    return Ok(NewFile {
                        file,
                        target,
                        beside: Some(beside),
                    });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::other("there are too many unfinished files beside it"))
    }

    /// Removes every unfinished file of this process, which is about to end. None is begun or placed until what this returns
    /// is dropped.
    #[must_use = "files may be begun as soon as it is dropped"]
    pub fn remove_unfinished() -> NoNewFiles {
        let mut unfinished = unfinished();
        while let Some(beside) = unfinished.pop_first() {
            // Nothing better can be done where even this fails.
            let _ = fs::remove_file(beside);
        }
        NoNewFiles { _unfinished: unfinished }
    }

    /// The file to write to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether it takes bytes only in their order.
    pub fn is_stream(&self) -> bool {
        self.beside.is_none()
    }

    /// Moves the file to its place. What was there before is there until then.
    ///
    /// # Errors
    /// Where it cannot be moved there; it is removed then, and what was there before stays.
    pub fn place(mut self) -> io::Result<()> {
        let Some(beside) = &self.beside else { return Ok(()) };
        let mut unfinished = unfinished();
        let moved = replace(beside, &self.target);
        if moved.is_ok() {
            unfinished.remove(beside);
        }
        drop(unfinished);
        moved?;
        self.beside = None;
        Ok(())
    }
}

/// Moves a file to a place where another one may be.
///
/// Some file systems (ext4) first write all of a file to the disk when it is moved over another one, which may take longer than
/// all the rest. Not so where the two change places, and the old one is removed then.
fn replace(new: &Path, place: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        // Where no file is there yet, or the file system cannot do that, the one move is all.
        if place.is_file() && renameat_with(CWD, new, CWD, place, RenameFlags::EXCHANGE).is_ok() {
            return fs::remove_file(new);
        }
    }
    fs::rename(new, place)
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(beside) = &self.beside
            && unfinished().remove(beside)
        {
            // Nothing better can be done where even this fails.
            let _ = fs::remove_file(beside);
        }
    }
}
