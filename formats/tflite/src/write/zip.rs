//! Files associated with a model: a zip archive behind the flatbuffer, found from the end of the file.
//!
//! Offsets in an archive count from the file's beginning, so they change when the model before it does.

/// The name of the metadata entry in which a model carries the archive of its associated files.
pub const ASSOCIATED_FILES: &str = "associated_files.zip";

const FIRST: &[u8] = b"PK\x03\x04";
const END: &[u8] = b"PK\x05\x06";
const END_LEN: usize = 22;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_LEN: usize = 46;

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?).into())
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?).into())
}

/// What an archive's end says.
struct Directory {
    /// Where the end record lies in the bytes.
    end: usize,
    /// Where the list of entries lies in the bytes.
    entries: usize,
    count: usize,
    /// What offsets are ahead of places in the bytes: negative where something was put before the archive later.
    ahead: i64,
}

fn directory(bytes: &[u8]) -> Option<Directory> {
    let least = bytes.len().saturating_sub(END_LEN + 0xffff);
    let end = (least..=bytes.len().checked_sub(END_LEN)?)
        .rev()
        .find(|&at| bytes[at..].starts_with(END) && short(bytes, at + 20) == Some(bytes.len() - at - END_LEN))?;
    let size = usize::try_from(long(bytes, end + 12)?).ok()?;
    let entries = end.checked_sub(size)?;
    Some(Directory {
        end,
        entries,
        count: short(bytes, end + 10)?,
        ahead: long(bytes, end + 16)? as i64 - entries as i64,
    })
}

/// Where each entry lies that the directory lists.
fn entries(bytes: &[u8], directory: &Directory) -> Option<Vec<usize>> {
    let mut at = directory.entries;
    let mut found = Vec::new();
    for _ in 0..directory.count {
        if !bytes.get(at..directory.end)?.starts_with(ENTRY) {
            return None;
        }
        found.push(at);
        at += ENTRY_LEN + short(bytes, at + 28)? + short(bytes, at + 30)? + short(bytes, at + 32)?;
    }
    Some(found)
}

/// Where the archive at the end of these bytes begins, if there is one.
pub(crate) fn start(bytes: &[u8]) -> Option<usize> {
    let directory = directory(bytes)?;
    let mut first = directory.entries as i64;
    for entry in entries(bytes, &directory)? {
        first = first.min(long(bytes, entry + 42)? as i64 - directory.ahead);
    }
    usize::try_from(first)
        .ok()
        .filter(|&at| bytes.get(at..).is_some_and(|archive| archive.starts_with(FIRST)))
}

/// The archive as it has to be to begin at `base` of a file. One that cannot be understood is left as it is.
pub(crate) fn moved(archive: &[u8], base: u64) -> Vec<u8> {
    let mut out = archive.to_vec();
    let shift = |out: &mut Vec<u8>, at: usize, ahead: i64| -> Option<()> {
        let offset = u32::try_from(long(out, at)? as i64 - ahead + base as i64).ok()?;
        out[at..at + 4].copy_from_slice(&offset.to_le_bytes());
        Some(())
    };
    let patched = || -> Option<Vec<u8>> {
        let directory = directory(&out)?;
        for entry in entries(&out, &directory)? {
            shift(&mut out, entry + 42, directory.ahead)?;
        }
        shift(&mut out, directory.end + 16, directory.ahead)?;
        Some(out)
    };
    patched().unwrap_or_else(|| archive.to_vec())
}
