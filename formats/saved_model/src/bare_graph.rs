//! Graphs that say neither in a signature nor in a function what is computed: inputs are their placeholders.

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::function::{Body, Library, Source};
use crate::import::{Root, assigns};
use crate::proto::{Attr, MetaGraph, NodeDef, SignatureDef, TensorInfo, TensorShape};
use crate::reader::MAX_LISTED;

/// What a signature is called that the model does not name.
pub(crate) const NAME: &str = "serving_default";

fn is_placeholder(node: &NodeDef) -> bool {
    matches!(node.op.as_str(), "Placeholder" | "PlaceholderV2")
}

/// A signature that ends in these values of the graph.
pub(crate) fn root(top: &Body, meta: &MetaGraph, library: &Library, outputs: &[String]) -> Result<Root, Error> {
    let mut def = SignatureDef::default();
    let mut todo = Vec::new();
    for output in outputs {
        let Ok(Source::Node { node, .. }) = top.source(output, library) else {
            return Err(Error::Choice(format!(
                "the graph has no value called {output}; {}",
                ends(top, meta, library)?.map_or("all of its values are read".into(), |ends| format!(
                    "nothing reads the values {ends}"
                ))
            )));
        };
        todo.push(node);
        let info = TensorInfo {
            name: output.clone(),
            ..TensorInfo::default()
        };
        def.outputs.insert(output.clone(), info);
    }
    let version = meta.meta_info.as_ref().map_or("", |info| info.tensorflow_version.as_str());
    for node in reached(top, todo, library)? {
        let node = &top.nodes[node];
        if is_placeholder(node) {
            def.inputs.insert(node.name.clone(), input(node, version));
        }
    }
    Ok(Root::Signature(NAME.to_owned(), def))
}

fn input(node: &NodeDef, version: &str) -> TensorInfo {
    let attr = |name: &str| node.attrs.get(name).and_then(|a| a.value.as_ref());
    let dtype = match attr("dtype") {
        Some(Attr::Type(code)) => *code,
        _ => 0,
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(u32::MAX));
    let early = parts.next() == Some(1) && parts.next().is_some_and(|minor| minor < 5);
    let shape = match attr("shape") {
        // Before TensorFlow 1.5 a placeholder of any rank was written like a scalar.
        Some(Attr::Shape(shape)) if !(early && shape.dims.is_empty()) => shape.clone(),
        _ => TensorShape {
            unknown_rank: true,
            ..TensorShape::default()
        },
    };
    TensorInfo {
        name: node.name.clone(),
        dtype,
        shape: Some(shape),
    }
}

/// The values that nothing reads although they depend on a placeholder, the first ones of them in words.
pub(crate) fn ends(top: &Body, meta: &MetaGraph, library: &Library) -> Result<Option<String>, Error> {
    // The name of the checkpoint's file is no input.
    let file = meta.saver.as_ref().map_or("", |saver| saver.filename_tensor_name.as_str());
    let file = top.node(file.split(':').next().unwrap_or(file));
    let mut read_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in 0..top.nodes.len() {
        for node in sources(top, index, library)? {
            read_by.entry(node).or_default().push(index);
        }
    }
    let mut fed = BTreeSet::new();
    let mut todo: Vec<usize> = (0..top.nodes.len())
        .filter(|&i| is_placeholder(&top.nodes[i]) && Some(i) != file)
        .collect();
    while let Some(node) = todo.pop() {
        if fed.insert(node) {
            todo.extend(read_by.get(&node).into_iter().flatten());
        }
    }
    let is_end = |&node: &usize| {
        let op = top.nodes[node].op.as_str();
        let effect = assigns(op) || op.ends_with("Summary") || op.ends_with("SummaryV2") || matches!(op, "Assert" | "NoOp");
        let files = ["Save", "Restore", "MergeV2", "ShardedFilename"]
            .iter()
            .any(|prefix| op.starts_with(prefix));
        !read_by.contains_key(&node) && !effect && !files && !is_placeholder(&top.nodes[node])
    };
    let mut ends: Vec<String> = fed
        .iter()
        .filter(|node| is_end(node))
        .map(|&node| top.nodes[node].name.clone())
        .collect();
    // What belongs to training or saving stands in a scope; a network's result often does not.
    ends.sort_by_key(|name| {
        (
            name.starts_with("save/") || name.starts_with("gradients"),
            name.matches('/').count(),
        )
    });
    let shown = ends.len().min(MAX_LISTED);
    let more = match ends.len() - shown {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Ok((shown > 0).then(|| ends[..shown].join(", ") + &more))
}

/// The nodes whose outputs a node reads.
fn sources(top: &Body, index: usize, library: &Library) -> Result<Vec<usize>, Error> {
    let inputs = top.nodes[index].inputs.iter().filter(|input| !input.starts_with('^'));
    let mut nodes = Vec::new();
    for input in inputs {
        if let Source::Node { node, .. } = top.source(input, library)? {
            nodes.push(node);
        }
    }
    Ok(nodes)
}

fn reached(top: &Body, mut todo: Vec<usize>, library: &Library) -> Result<BTreeSet<usize>, Error> {
    let mut seen = BTreeSet::new();
    while let Some(node) = todo.pop() {
        if seen.insert(node) {
            todo.extend(sources(top, node, library)?);
        }
    }
    Ok(seen)
}
