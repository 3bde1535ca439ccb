//! Writes small SavedModels: the graph as protobuf text, the checkpoint byte by byte.

use std::path::Path;

use prost::Message;
use tempfile::TempDir;

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(int32, tag = "1")]
    num_shards: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(int32, tag = "1")]
    dtype: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
    #[prost(int64, tag = "4")]
    offset: i64,
    #[prost(int64, tag = "5")]
    size: i64,
    #[prost(fixed32, tag = "6")]
    crc32c: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "2")]
    dims: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
struct Dim {
    #[prost(int64, tag = "1")]
    size: i64,
}

/// A variable of f32 for the checkpoint.
pub(crate) struct Variable<'a> {
    pub(crate) key: &'a str,
    pub(crate) dims: &'a [i64],
    pub(crate) values: &'a [f32],
}

fn mask(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a block without prefix compression; returns its handle.
fn block(table: &mut Vec<u8>, entries: &[(Vec<u8>, Vec<u8>)], compress: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in entries {
        varint(&mut bytes, 0);
        varint(&mut bytes, key.len());
        varint(&mut bytes, value.len());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    bytes.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
    if compress {
        bytes = snap::raw::Encoder::new().compress_vec(&bytes).expect("a small block compresses");
    }
    let mut handle = Vec::new();
    varint(&mut handle, table.len());
    varint(&mut handle, bytes.len());
    let kind = [u8::from(compress)];
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), &kind);
    table.extend_from_slice(&bytes);
    table.extend_from_slice(&kind);
    table.extend_from_slice(&mask(crc).to_le_bytes());
    handle
}

/// The two files of a checkpoint: index and data. Keys must ascend.
pub(crate) fn checkpoint(variables: &[Variable<'_>], compress: bool) -> (Vec<u8>, Vec<u8>) {
    let tensor = |variable: &Variable<'_>| Stored {
        key: variable.key.to_owned(),
        dtype: 1,
        dims: variable.dims.to_vec(),
        bytes: variable.values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    let tensors: Vec<Stored> = variables.iter().map(tensor).collect();
    checkpoint_of(&tensors, compress)
}

/// A tensor for the checkpoint, by the number of its element type.
pub(crate) struct Stored {
    pub(crate) key: String,
    pub(crate) dtype: i32,
    pub(crate) dims: Vec<i64>,
    pub(crate) bytes: Vec<u8>,
}

/// The same of tensors of any numbers.
pub(crate) fn checkpoint_of(tensors: &[Stored], compress: bool) -> (Vec<u8>, Vec<u8>) {
    let mut data = Vec::new();
    let mut entries = vec![(Vec::new(), Header { num_shards: 1 }.encode_to_vec())];
    for tensor in tensors {
        let entry = Entry {
            dtype: tensor.dtype,
            shape: Some(Shape {
                dims: tensor.dims.iter().map(|&size| Dim { size }).collect(),
            }),
            offset: data.len() as i64,
            size: tensor.bytes.len() as i64,
            crc32c: mask(crc32c::crc32c(&tensor.bytes)),
        };
        data.extend_from_slice(&tensor.bytes);
        entries.push((tensor.key.as_bytes().to_vec(), entry.encode_to_vec()));
    }
    let mut table = Vec::new();
    let place = block(&mut table, &entries, compress);
    let meta = block(&mut table, &[], false);
    let index = block(&mut table, &[(vec![0xff], place)], false);
    let mut footer = meta;
    footer.extend_from_slice(&index);
    footer.resize(40, 0);
    footer.extend_from_slice(&[0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb]);
    table.extend_from_slice(&footer);
    (table, data)
}

/// Writes the checkpoint's files into a SavedModel's folder.
pub(crate) fn write_checkpoint(dir: &Path, index: &[u8], data: &[u8]) {
    let folder = dir.join("variables");
    std::fs::create_dir_all(&folder).expect("the folder is ours");
    std::fs::write(folder.join("variables.index"), index).expect("the folder is ours");
    std::fs::write(folder.join("variables.data-00000-of-00001"), data).expect("the folder is ours");
}

/// A folder with a SavedModel of one MetaGraph for serving.
pub(crate) fn saved_model(graph: &str, signature: &str, variables: &[Variable<'_>]) -> TempDir {
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    let text = format!(
        "saved_model_schema_version: 1\nmeta_graphs {{ meta_info_def {{ tags: 'serve' }} graph_def {{ {graph} }} \
         signature_def {{ key: 'serving_default' value {{ {signature} }} }} }}"
    );
    std::fs::write(dir.path().join("saved_model.pbtxt"), text).expect("the folder is ours");
    let (index, data) = checkpoint(variables, false);
    write_checkpoint(dir.path(), &index, &data);
    dir
}
