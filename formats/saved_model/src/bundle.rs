//! The checkpoint (TensorBundle): an index from names to byte ranges of data files.

mod ordered_key;
mod sorted_table;
mod strings;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use planish_core::types::DType;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::Error;
use crate::dtype;
use crate::map_file::map_file;
use crate::proto::{BundleEntry, BundleHeader, TensorShape, TensorSlice};

/// More shards than any checkpoint has.
const MAX_SHARDS: i32 = 1 << 16;

/// An opened checkpoint.
pub(crate) struct Bundle {
    index: PathBuf,
    entries: BTreeMap<Vec<u8>, BundleEntry>,
    shards: Vec<Option<Shard>>,
    verify: bool,
}

struct Shard {
    path: PathBuf,
    bytes: Bytes,
}

/// The bytes of one variable: where they are, and the checksum they must have.
#[derive(Clone)]
pub(crate) struct StoredTensor {
    pub(crate) dtype: DType,
    pub(crate) dims: Vec<usize>,
    pub(crate) bytes: Bytes,
    checks: Vec<Check>,
}

/// A byte range and its checksum, to be compared when the bytes are used.
#[derive(Clone)]
pub(crate) struct Check {
    path: PathBuf,
    key: String,
    bytes: Bytes,
    masked: u32,
}

impl Check {
    /// Compares the bytes with their checksum.
    pub(crate) fn run(&self) -> Result<(), Error> {
        if sorted_table::mask(crc32c::crc32c(&self.bytes)) == self.masked {
            return Ok(());
        }
        Err(Error::damaged(
            &self.path,
            format!("the bytes of {} do not have their checksum", self.key),
        ))
    }
}

impl StoredTensor {
    /// The comparisons that make sure the bytes are the ones that were saved.
    pub(crate) fn checks(&self) -> &[Check] {
        &self.checks
    }
}

impl Bundle {
    /// Opens `PREFIX.index` and the data files that stand beside it; `verify` compares the index with its checksums.
    pub(crate) fn open(prefix: &Path, verify: bool) -> Result<Self, Error> {
        let index = with_suffix(prefix, ".index");
        let bytes = map_file(&index)?;
        let mut entries = BTreeMap::new();
        let mut header = None;
        sorted_table::read(&bytes, verify, |key, value| {
            if key.is_empty() {
                header = Some(BundleHeader::decode(value).map_err(|e| format!("its header does not parse ({e})"))?);
            } else {
                let entry = BundleEntry::decode(value)
                    .map_err(|e| format!("the entry of {} does not parse ({e})", String::from_utf8_lossy(key)))?;
                entries.insert(key.to_vec(), entry);
            }
            Ok(())
        })
        .map_err(|what| Error::damaged(&index, what))?;
        let header = header.ok_or_else(|| Error::damaged(&index, "it has no header"))?;
        if header.endianness != 0 {
            return Err(Error::unsupported(
                index.display().to_string(),
                "big-endian data; save the checkpoint on a little-endian machine",
            ));
        }
        if !(0..=MAX_SHARDS).contains(&header.num_shards) {
            return Err(Error::damaged(&index, format!("it declares {} data files", header.num_shards)));
        }
        let mut bundle = Self {
            index,
            entries,
            shards: Vec::new(),
            verify,
        };
        bundle.map_shards(prefix, header.num_shards)?;
        Ok(bundle)
    }

    fn map_shards(&mut self, prefix: &Path, count: i32) -> Result<(), Error> {
        self.shards
            .resize_with(usize::try_from(count).expect("checked by the caller"), || None);
        for (key, entry) in &self.entries {
            if !entry.slices.is_empty() {
                continue;
            }
            let place = usize::try_from(entry.shard)
                .ok()
                .and_then(|i| self.shards.get_mut(i))
                .ok_or_else(|| {
                    Error::damaged(
                        &self.index,
                        format!("{} is in data file {} of {count}", String::from_utf8_lossy(key), entry.shard),
                    )
                })?;
            if place.is_none() {
                let path = with_suffix(prefix, &format!(".data-{:05}-of-{count:05}", entry.shard));
                let bytes = map_file(&path)?;
                *place = Some(Shard { path, bytes });
            }
        }
        Ok(())
    }

    /// Whether the checkpoint has a tensor of this name.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key.as_bytes())
    }

    /// The names of all tensors.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().filter_map(|k| std::str::from_utf8(k).ok())
    }

    /// The element type of the tensor of this name.
    pub(crate) fn dtype(&self, key: &str) -> Option<DType> {
        dtype::from_code(self.entries.get(key.as_bytes())?.dtype)
    }

    /// The numeric tensor of this name; its bytes are not touched.
    pub(crate) fn tensor(&self, key: &str) -> Result<Option<StoredTensor>, Error> {
        let Some(entry) = self.entries.get(key.as_bytes()) else {
            return Ok(None);
        };
        let shape = self.shape(key, entry)?;
        let (dtype, element) = dtype::from_code(entry.dtype)
            .and_then(|d| Some((d, d.size()?)))
            .ok_or_else(|| self.damaged(key, format!("has element type {}, which holds no plain numbers", entry.dtype)))?;
        let size = shape
            .iter()
            .try_fold(element, |n, &d| n.checked_mul(d))
            .filter(|&n| n <= isize::MAX as usize)
            .ok_or_else(|| self.damaged(key, format!("is declared as {shape:?}, which is beyond any size")))?;
        if !entry.slices.is_empty() {
            // Slices do not overlap in a sound file, so together they are no longer than it.
            if size > self.shards.iter().flatten().map(|shard| shard.bytes.len()).sum() {
                return Err(self.damaged(key, format!("is declared as {shape:?}, more than all data files hold")));
            }
            return self.assemble(key, entry, dtype, shape, size, element).map(Some);
        }
        if usize::try_from(entry.size) != Ok(size) {
            return Err(self.damaged(key, format!("is declared as {shape:?} but has {} bytes", entry.size)));
        }
        let (bytes, check) = self.range(key, key, entry)?;
        Ok(Some(StoredTensor {
            dtype,
            dims: shape,
            bytes,
            checks: vec![check],
        }))
    }

    /// The string tensor of this name, its checksum verified.
    pub(crate) fn strings(&self, key: &str) -> Result<Option<(Vec<usize>, Vec<Bytes>)>, Error> {
        let Some(entry) = self.entries.get(key.as_bytes()) else {
            return Ok(None);
        };
        if dtype::from_code(entry.dtype) != Some(DType::String) {
            return Err(self.damaged(key, "should hold strings".to_owned()));
        }
        let shape = self.shape(key, entry)?;
        let (bytes, check) = self.range(key, key, entry)?;
        let count = shape
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .filter(|&n| n <= bytes.len())
            .ok_or_else(|| self.damaged(key, format!("declares more strings ({shape:?}) than it has bytes")))?;
        let strings = strings::read(&bytes, count, self.verify.then_some(check.masked))
            .map_err(|what| Error::damaged(&check.path, format!("{key}: {what}")))?;
        Ok(Some((shape, strings)))
    }

    fn shape(&self, key: &str, entry: &BundleEntry) -> Result<Vec<usize>, Error> {
        full_shape(entry.shape.as_ref()).ok_or_else(|| self.damaged(key, "has no complete shape".to_owned()))
    }

    fn range(&self, key: &str, shown: &str, entry: &BundleEntry) -> Result<(Bytes, Check), Error> {
        let shard = usize::try_from(entry.shard)
            .ok()
            .and_then(|i| self.shards.get(i)?.as_ref())
            .ok_or_else(|| self.damaged(key, format!("is in data file {}, which is missing", entry.shard)))?;
        let start = usize::try_from(entry.offset).ok();
        let end = start.and_then(|s| s.checked_add(usize::try_from(entry.size).ok()?));
        let (Some(start), Some(end)) = (start, end) else {
            return Err(self.damaged(key, "has an impossible place in its data file".to_owned()));
        };
        if end > shard.bytes.len() {
            return Err(Error::damaged(
                &shard.path,
                format!("it ends at byte {}, but {shown} reaches to byte {end}", shard.bytes.len()),
            ));
        }
        let bytes = shard.bytes.slice(start..end);
        let check = Check {
            path: shard.path.clone(),
            key: shown.to_owned(),
            bytes: bytes.clone(),
            masked: entry.crc32c,
        };
        Ok((bytes, check))
    }

    /// Puts a tensor together that was saved in slices.
    fn assemble(
        &self,
        key: &str,
        entry: &BundleEntry,
        dtype: DType,
        shape: Vec<usize>,
        size: usize,
        element: usize,
    ) -> Result<StoredTensor, Error> {
        let mut parts = Vec::new();
        let mut present = 0usize;
        for slice in &entry.slices {
            let extents = resolve(slice, &shape).ok_or_else(|| self.damaged(key, format!("has a slice outside of its shape {shape:?}")))?;
            let slice_key = ordered_key::of_slice(key, slice);
            let part = self
                .entries
                .get(&slice_key)
                .ok_or_else(|| self.damaged(key, "lacks one of its slices".to_owned()))?;
            let (bytes, check) = self.range(key, &format!("a slice of {key}"), part)?;
            let expected = extents.iter().try_fold(element, |n, &(_, length)| n.checked_mul(length));
            if expected != Some(bytes.len()) || part.dtype != entry.dtype {
                return Err(self.damaged(key, "has a slice of another size or type than declared".to_owned()));
            }
            present = present.saturating_add(bytes.len());
            parts.push((extents, bytes, check));
        }
        if present != size {
            return Err(self.damaged(key, format!("is declared as {shape:?}, but its slices do not fill it exactly")));
        }
        let mut whole = vec![0u8; size];
        let mut checks = Vec::new();
        for (extents, bytes, check) in parts {
            copy_slice(&mut whole, &shape, &extents, &bytes, element);
            checks.push(check);
        }
        Ok(StoredTensor {
            dtype,
            dims: shape,
            bytes: Bytes::from(whole),
            checks,
        })
    }

    fn damaged(&self, key: &str, what: String) -> Error {
        Error::damaged(&self.index, format!("{key} {what}"))
    }
}

fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn full_shape(shape: Option<&TensorShape>) -> Option<Vec<usize>> {
    let Some(shape) = shape else { return Some(Vec::new()) };
    if shape.unknown_rank {
        return None;
    }
    shape.dims.iter().map(|d| usize::try_from(d.size).ok()).collect()
}

/// Start and length in each dimension, if the slice lies inside the shape.
fn resolve(slice: &TensorSlice, shape: &[usize]) -> Option<Vec<(usize, usize)>> {
    if slice.extents.len() != shape.len() {
        return None;
    }
    slice
        .extents
        .iter()
        .zip(shape)
        .map(|(extent, &full)| {
            let start = usize::try_from(extent.start).ok()?;
            let length = match extent.length {
                Some(length) => usize::try_from(length).ok()?,
                None => full.checked_sub(start)?,
            };
            (start.checked_add(length)? <= full).then_some((start, length))
        })
        .collect()
}

/// Copies a dense slice to its place in the whole, row by row.
fn copy_slice(whole: &mut [u8], shape: &[usize], extents: &[(usize, usize)], bytes: &[u8], element: usize) {
    let Some((&(start, length), outer)) = extents.split_last() else {
        whole.copy_from_slice(bytes);
        return;
    };
    let row = length * element;
    if row == 0 || bytes.is_empty() {
        return;
    }
    let full_row = shape[shape.len() - 1];
    let mut index = vec![0usize; outer.len()];
    for source in bytes.chunks_exact(row) {
        let mut position = 0usize;
        for (d, &(first, _)) in outer.iter().enumerate() {
            position = position * shape[d] + first + index[d];
        }
        let to = (position * full_row + start) * element;
        whole[to..to + row].copy_from_slice(source);
        for d in (0..outer.len()).rev() {
            index[d] += 1;
            if index[d] < outer[d].1 {
                break;
            }
            index[d] = 0;
        }
    }
}
