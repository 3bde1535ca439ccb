//! Finding and opening the parts of a SavedModel.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use prost::Message as _;
use prost::bytes::Bytes;

use crate::Error;
use crate::map_file::map_file;
use crate::proto::{MetaGraph, MetaGraphHead, SavedModel};
use crate::text_proto;

const BINARY: &str = "saved_model.pb";
const TEXT: &str = "saved_model.pbtxt";
const CHUNKED: &str = "saved_model.cpb";
/// A message lists this many MetaGraphs.
const SHOWN: usize = 20;

/// The first byte of a GraphDef, whose nodes come first; a SavedModel begins with a number, or with a MetaGraph.
const FIRST_OF_A_GRAPH: u8 = 0x0a;

/// An opened SavedModel: its MetaGraphs, not yet decoded.
pub(crate) struct Opened {
    pub(crate) dir: PathBuf,
    pub(crate) file: PathBuf,
    pub(crate) heads: Vec<MetaGraphHead>,
    encoded: Vec<Bytes>,
}

/// Whether a path is what a SavedModel is found by: a folder, or the file in it that holds the graph.
pub fn is_saved_model(path: &Path) -> bool {
    path.is_dir() || is_graph_file(path)
}

fn is_graph_file(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n == BINARY || n == TEXT) && path.is_file()
}

/// Whether there is something at this place, be it a file or not.
///
/// # Errors
/// Where that cannot be known, as in a folder that may not be entered.
pub(crate) fn is_there(path: &Path) -> Result<bool, Error> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(Error::read(path, e)),
    }
}

/// Opens the folder, or the file in it.
pub(crate) fn open(path: &Path) -> Result<Opened, Error> {
    let dir = if is_graph_file(path) {
        path.parent().unwrap_or(Path::new("")).to_owned()
    } else {
        path.to_owned()
    };
    let mut file = dir.join(BINARY);
    if !is_there(&file)? {
        file = dir.join(TEXT);
    }
    if !is_there(&file)? {
        return Err(explain_missing(&dir));
    }
    let mut bytes = map_file(&file)?;
    if bytes.is_empty() {
        return Err(Error::damaged(&file, "it is empty"));
    }
    if file.ends_with(TEXT) {
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::damaged(&file, "it is not text"))?;
        bytes = text_proto::encode(text).map_err(|what| Error::damaged(&file, what))?.into();
    }
    let unparsable = |e: prost::DecodeError| Error::damaged(&file, format!("it does not parse ({e})"));
    if bytes.first() == Some(&FIRST_OF_A_GRAPH) {
        return Err(Error::not_a_saved_model(
            &file,
            "the file holds a bare graph, as frozen models are stored; save it as a SavedModel (tf.compat.v1.saved_model.simple_save)",
        ));
    }
    let saved = SavedModel::decode(bytes).map_err(unparsable)?;
    if saved.meta_graphs.is_empty() {
        return Err(Error::not_a_saved_model(&file, "the file holds no MetaGraph"));
    }
    if saved.schema_version > 1 {
        return Err(Error::unsupported(
            file.display().to_string(),
            format!("version {} of the format; this reader knows version 1", saved.schema_version),
        ));
    }
    let heads = saved
        .meta_graphs
        .iter()
        .map(|bytes| MetaGraphHead::decode(bytes.clone()).map_err(unparsable))
        .collect::<Result<_, _>>()?;
    Ok(Opened {
        dir,
        file,
        heads,
        encoded: saved.meta_graphs,
    })
}

fn explain_missing(dir: &Path) -> Error {
    if !dir.exists() {
        return Error::read(dir, std::io::Error::from(ErrorKind::NotFound));
    }
    let what = if dir.is_file() {
        "it is a file, and a SavedModel is a folder with a saved_model.pb".to_owned()
    } else if dir.join(CHUNKED).is_file() {
        format!("it is split into chunks ({CHUNKED}), which is not supported; save it unsplit")
    } else if let Some(inner) = nested(dir) {
        format!("there is no {BINARY} in it; did you mean {}?", inner.display())
    } else {
        format!("there is no {BINARY} in it, which `tf.saved_model.save` and Keras's `model.export` write")
    };
    Error::not_a_saved_model(dir, what)
}

/// A SavedModel one level further down.
fn nested(dir: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(dir)
        .ok()?
        .take(1000)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join(BINARY).is_file())
        .collect();
    found.sort();
    found.into_iter().next()
}

impl Opened {
    /// The number of the MetaGraph with exactly these tags; without tags the one for serving, or the only one.
    pub(crate) fn choose(&self, tags: Option<&[String]>) -> Result<usize, Error> {
        let tags_of = |i: usize| {
            let mut tags: Vec<&str> = self.heads[i]
                .meta_info
                .iter()
                .flat_map(|m| m.tags.iter().map(String::as_str))
                .collect();
            tags.sort_unstable();
            tags
        };
        let all = 0..self.heads.len();
        let found = match tags {
            Some(tags) => {
                let mut wanted: Vec<&str> = tags.iter().map(String::as_str).collect();
                wanted.sort_unstable();
                all.clone().find(|&i| tags_of(i) == wanted)
            }
            None if self.heads.len() == 1 => Some(0),
            None => all.clone().find(|&i| tags_of(i) == ["serve"]),
        };
        found.ok_or_else(|| {
            let mut sets: Vec<String> = all.clone().take(SHOWN).map(|i| format!("{{{}}}", tags_of(i).join(", "))).collect();
            if all.len() > SHOWN {
                sets.push(format!("{} more", all.len() - SHOWN));
            }
            let asked = tags.map_or("serve".to_owned(), |t| t.join(", "));
            Error::Choice(format!(
                "no MetaGraph of {} has the tags {{{asked}}}; there are {}; choose one by its tags",
                self.file.display(),
                sets.join(", "),
            ))
        })
    }

    /// Decodes one MetaGraph.
    pub(crate) fn meta_graph(&self, index: usize) -> Result<MetaGraph, Error> {
        MetaGraph::decode(self.encoded[index].clone()).map_err(|e| Error::damaged(&self.file, format!("it does not parse ({e})")))
    }

    /// Where the checkpoint's files begin.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.dir.join("variables").join("variables")
    }
}
