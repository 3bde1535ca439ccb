//! Files as bytes: mapped into memory where the system can, read otherwise.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use memmap2::Mmap;
use prost::bytes::Bytes;

use crate::Error;

/// The bytes of the file at `path`, shared and without a copy where it can be mapped.
pub(crate) fn map_file(path: &Path) -> Result<Bytes, Error> {
    let metadata = std::fs::metadata(path).map_err(|e| Error::read(path, e))?;
    if !metadata.is_file() {
        // A pipe or device may have no end, and a pipe without a writer would not even open.
        return Err(Error::read(path, std::io::Error::other("it is no regular file")));
    }
    let mut file = File::open(path).map_err(|e| Error::read(path, e))?;
    if metadata.len() == 0 {
        return Ok(Bytes::new());
    }
    let bytes = match map(&file) {
        Ok(map) => Bytes::from_owner(map),
        Err(_) => {
            let mut buffer = Vec::new();
            file.read_to_end(&mut buffer).map_err(|e| Error::read(path, e))?;
            Bytes::from(buffer)
        }
    };
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(Error::not_a_saved_model(
            path,
            "the file is a Git LFS pointer instead of the data; run `git lfs pull`",
        ));
    }
    Ok(bytes)
}

/// Maps a file, read-only.
///
/// The bytes stay what they are only as long as nobody changes the file: one that is truncated while the
/// map lives ends the process with a bus error, one that is overwritten shows its new contents. A
/// SavedModel is written once and then left alone, and that is what every reader of such files relies on.
#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is private and read-only, and the bytes are only ever interpreted as plain numbers
    // or checked encodings, for which any value is valid; see above for changes to the file meanwhile.
    unsafe { Mmap::map(file) }
}
