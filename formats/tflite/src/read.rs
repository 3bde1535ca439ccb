//! The reader: from a TFLite file to a model.
//!
//! The flatbuffer is verified before anything of it is used; constant data stays where it is and is only referred to.
//! Operators that the IR has no operation for are kept as they are, so that every file can be written again.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use flatbuffers::{ForwardsUOffset, Vector, VerifierOptions};
use planish_core::{Bytes, GraphId, Model, Signature, Storage};

use crate::error::Error;
use crate::schema;
use crate::write::plan::MIN_RUNTIME;
use crate::write::{ASSOCIATED_FILES, zip_start};

mod align;
mod effects;
mod subgraph;

/// Reads a TFLite file. Constant data is mapped, not copied: the file must not be cut short while the model lives.
///
/// # Errors
/// Where the file cannot be read, is no TFLite file, or is damaged.
pub fn read_file(path: impl AsRef<Path>) -> Result<Model, Error> {
    let path = path.as_ref();
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::Error::other("it is a directory")));
    }
    if !metadata.is_file() {
        // It may have no end, and a pipe without a writer would not even open.
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let file = File::open(path).map_err(failed)?;
    let storage: Storage = match map(&file) {
        Ok(map) => Arc::new(map),
        Err(_) => Arc::new(fs::read(path).map_err(failed)?),
    };
    read(Bytes::new(storage))
}

/// Maps a file into memory.
fn map(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: the map is read-only and private. What cannot be ruled out is that another process cuts the file short
    // while the map lives, which would end this process with a bus error; `read_file` says so.
    unsafe { memmap2::Mmap::map(file) }
}

/// Reads the bytes of a TFLite file, which constants of the model go on referring to.
///
/// # Errors
/// Where the bytes are no TFLite file, or a damaged one.
pub fn read(bytes: impl Into<Bytes>) -> Result<Model, Error> {
    let whole = bytes.into();
    let bytes = align::aligned(whole.clone());
    let file = verified(bytes.as_slice())?;
    if file.version() != 3 {
        return Err(Error::NotTflite("its schema version is not 3"));
    }
    let source = Source { bytes: &bytes, file };
    let mut model = Model::new();
    let subgraphs: Vec<_> = file.subgraphs().into_iter().flatten().collect();
    if subgraphs.is_empty() {
        return Err(inconsistent("the model", "it has no subgraph"));
    }
    let ids: Vec<GraphId> = subgraphs
        .iter()
        .zip(0usize..)
        .map(|(s, i)| {
            let name = match (s.name(), i) {
                (Some(name), _) if !name.is_empty() => name.to_owned(),
                (_, 0) => "main".into(),
                _ => format!("subgraph_{i}"),
            };
            model.add_graph(planish_core::Graph::new(name))
        })
        .collect();
    let mut tensors = Vec::new();
    for (subgraph, &id) in subgraphs.iter().zip(&ids) {
        tensors.push(subgraph::read(&source, *subgraph, &ids, model.graph_mut(id))?);
    }
    for signature in file.signature_defs().into_iter().flatten() {
        let place = || format!("signature `{}`", signature.signature_key().unwrap_or_default());
        let index = signature.subgraph_index() as usize;
        let (Some(&graph), Some(tensors)) = (ids.get(index), tensors.get_mut(index)) else {
            return Err(inconsistent(place(), "it calls a subgraph that does not exist"));
        };
        let named = |maps| names(maps).map_err(|problem| inconsistent(place(), problem));
        let mut outputs = assign(named(signature.outputs())?, &tensors.outputs);
        for (name, tensor) in std::mem::take(&mut outputs.rest) {
            // A second name for one result: the result is given twice.
            let Some(value) = tensors
                .outputs
                .iter()
                .position(|&t| t == tensor)
                .map(|i| model.graph(graph).results()[i])
            else {
                return Err(inconsistent(
                    place(),
                    format!("`{name}` names a tensor that is no output of the subgraph"),
                ));
            };
            let mut results = model.graph(graph).results();
            results.push(value);
            model.graph_mut(graph).set_results(&results);
            tensors.outputs.push(tensor);
            outputs.names.push(name);
        }
        let inputs = assign(named(signature.inputs())?, &tensors.inputs);
        if let Some((name, _)) = inputs.rest.first() {
            return Err(inconsistent(
                place(),
                format!("`{name}` names a tensor that is no input of the subgraph"),
            ));
        }
        let name = signature.signature_key().unwrap_or_default().to_owned();
        model.signatures.push(Signature {
            name,
            graph,
            inputs: inputs.names,
            outputs: outputs.names,
        });
    }
    for signature in &mut model.signatures {
        let index = ids.iter().position(|&id| id == signature.graph).expect("it was found above");
        signature.outputs.resize(tensors[index].outputs.len(), String::new());
    }
    let mut declares_runtime = false;
    for entry in file.metadata().into_iter().flatten() {
        let name = entry.name().unwrap_or_default();
        if name == MIN_RUNTIME {
            declares_runtime = true;
        } else {
            let data = source.data(entry.buffer(), &|| format!("metadata `{name}`"))?;
            model
                .metadata
                .insert(name.to_owned(), data.map(|d| d.as_slice().to_vec()).unwrap_or_default());
        }
    }
    if !declares_runtime {
        model.metadata.insert(MIN_RUNTIME.into(), Vec::new());
    }
    if let Some(archive) = zip_start(whole.as_slice()) {
        model.metadata.insert(ASSOCIATED_FILES.into(), whole.as_slice()[archive..].to_vec());
    }
    model.description = file.description().unwrap_or_default().to_owned();
    effects::order(&mut model);
    Ok(model)
}

/// Checks every offset, length and tag. The time this takes is bounded by the length of the bytes.
fn verified(bytes: &[u8]) -> Result<schema::Model<'_>, Error> {
    if bytes.len() < 8 {
        return Err(Error::NotTflite("it is too short"));
    }
    if &bytes[4..8] != schema::MODEL_IDENTIFIER.as_bytes() {
        return Err(Error::NotTflite("its identifier is not `TFL3`"));
    }
    let limits = VerifierOptions {
        max_depth: 64,
        max_tables: bytes.len() / 4 + 1,
        max_apparent_size: bytes.len().saturating_mul(8).saturating_add(1 << 20),
        ignore_missing_null_terminator: true,
    };
    flatbuffers::root_with_opts::<schema::Model<'_>>(&limits, bytes).map_err(Error::Damaged)
}

pub(crate) fn inconsistent(place: impl Into<String>, problem: impl Into<String>) -> Error {
    Error::Inconsistent {
        place: place.into(),
        problem: problem.into(),
    }
}

/// A verified file and its bytes.
struct Source<'f> {
    bytes: &'f Bytes,
    file: schema::Model<'f>,
}

impl Source<'_> {
    /// The bytes of a vector inside the flatbuffer, shared.
    fn shared(&self, vector: Vector<'_, u8>) -> Bytes {
        let start = vector.bytes().as_ptr() as usize - self.bytes.as_slice().as_ptr() as usize;
        self.bytes
            .slice(start, vector.len())
            .expect("a verified vector lies inside the bytes")
    }

    /// Bytes that lie somewhere in the file.
    fn range(&self, offset: u64, size: u64, place: &dyn Fn() -> String) -> Result<Bytes, Error> {
        let range = usize::try_from(offset).ok().zip(usize::try_from(size).ok());
        let bytes = range.and_then(|(offset, size)| self.bytes.slice(offset, size));
        bytes.ok_or_else(|| inconsistent(place(), "its data lies behind the end of the file, which is incomplete"))
    }

    /// The data of a buffer; `None` where it has none.
    fn data(&self, buffer: u32, place: &dyn Fn() -> String) -> Result<Option<Bytes>, Error> {
        let buffers = self.file.buffers();
        let Some(buffer) = buffers.filter(|b| (buffer as usize) < b.len()).map(|b| b.get(buffer as usize)) else {
            // A file without any buffer may still say 0.
            return if buffer == 0 {
                Ok(None)
            } else {
                Err(inconsistent(place(), format!("buffer {buffer} does not exist")))
            };
        };
        match buffer.data() {
            Some(data) => Ok(Some(self.shared(data))),
            None if buffer.offset() > 1 => self.range(buffer.offset(), buffer.size(), place).map(Some),
            None => Ok(None),
        }
    }
}

type TensorMaps<'f> = Option<Vector<'f, ForwardsUOffset<schema::TensorMap<'f>>>>;

fn names(maps: TensorMaps<'_>) -> Result<Vec<(String, i32)>, String> {
    maps.into_iter()
        .flatten()
        .map(|map| {
            let name = map.name().unwrap_or_default().to_owned();
            let tensor = i32::try_from(map.tensor_index()).map_err(|_| format!("`{name}` names no tensor"))?;
            Ok((name, tensor))
        })
        .collect()
}

struct Assigned {
    /// One name a tensor, empty where there is none.
    names: Vec<String>,
    /// Names of other tensors, and further ones of the same.
    rest: Vec<(String, i32)>,
}

fn assign(named: Vec<(String, i32)>, tensors: &[i32]) -> Assigned {
    let mut names = vec![None; tensors.len()];
    let mut places = std::collections::BTreeMap::<i32, Vec<usize>>::new();
    for (i, &tensor) in tensors.iter().enumerate().rev() {
        places.entry(tensor).or_default().push(i);
    }
    let mut rest = Vec::new();
    for (name, tensor) in named {
        match places.get_mut(&tensor).and_then(Vec::pop) {
            Some(i) => names[i] = Some(name),
            None => rest.push((name, tensor)),
        }
    }
    Assigned {
        names: names.into_iter().map(Option::unwrap_or_default).collect(),
        rest,
    }
}
