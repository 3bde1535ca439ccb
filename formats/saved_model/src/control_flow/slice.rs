//! Cutting a function out of a body: copies of nodes whose outside inputs become arguments.

use std::collections::{BTreeMap, BTreeSet};

use crate::function::{Body, Library, Source};
use crate::proto::{ArgDef, Attr, AttrValue, NamedAttrs, NodeDef};

use super::edges::Edges;

/// What a source is, seen from within a function that is cut out.
pub(super) enum Seen {
    /// A node that is copied into it.
    Inside,
    /// The argument of this number.
    Argument(usize),
    /// A value of the body around it, which becomes an argument.
    Outside(Source),
}

/// What is passed to functions that are cut out together.
#[derive(Default)]
pub(super) struct Arguments {
    /// Where each argument comes from in the body around.
    pub(super) sources: Vec<Source>,
    by_source: BTreeMap<Source, usize>,
}

impl Arguments {
    /// A new argument, even if another one has the same source.
    pub(super) fn add(&mut self, source: Source) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    /// The argument that hands in this source, and is nothing else.
    pub(super) fn capture(&mut self, source: Source) -> usize {
        if let Some(&found) = self.by_source.get(&source) {
            return found;
        }
        let index = self.add(source);
        self.by_source.insert(source, index);
        index
    }

    fn name(index: usize) -> String {
        format!("argument{index}")
    }

    /// The arguments' names, after those of their sources where these differ.
    fn definitions(&self, body: &Body) -> Vec<ArgDef> {
        let mut names = BTreeSet::new();
        let named = self.sources.iter().enumerate().map(|(i, source)| {
            let wanted = match *source {
                Source::Arg(arg) => &body.args[arg].name,
                Source::Node { node, .. } => &body.nodes[node].name,
            };
            let name = if names.insert(wanted.clone()) {
                wanted.clone()
            } else {
                format!("{wanted}/{}", Self::name(i))
            };
            ArgDef { name, dtype: 0 }
        });
        named.collect()
    }
}

/// The nodes of a function, and what its results are.
pub(super) struct Slice {
    nodes: BTreeSet<usize>,
    inputs: BTreeMap<usize, Vec<Option<Input>>>,
    results: Vec<Option<Input>>,
}

#[derive(Clone, Copy)]
enum Input {
    Inside(usize, usize),
    Argument(usize),
}

impl Slice {
    /// Everything inside that the results depend on.
    pub(super) fn cut(edges: &Edges, results: &[Option<Source>], arguments: &mut Arguments, mut see: impl FnMut(Source) -> Seen) -> Self {
        let mut slice = Self {
            nodes: BTreeSet::new(),
            inputs: BTreeMap::new(),
            results: Vec::new(),
        };
        let mut todo = Vec::new();
        let mut look = |source: Option<Source>, todo: &mut Vec<usize>| {
            Some(match (see(source?), source?) {
                (Seen::Inside, Source::Node { node, port }) => {
                    todo.push(node);
                    Input::Inside(node, port)
                }
                (Seen::Argument(index), _) => Input::Argument(index),
                (Seen::Outside(source), _) | (Seen::Inside, source) => Input::Argument(arguments.capture(source)),
            })
        };
        slice.results = results.iter().map(|&source| look(source, &mut todo)).collect();
        while let Some(node) = todo.pop() {
            if !slice.nodes.insert(node) {
                continue;
            }
            let inputs = edges.data[node].iter().map(|&source| look(source, &mut todo)).collect();
            slice.inputs.insert(node, inputs);
            for &before in edges.control[node].iter().filter(|&&b| edges.behind_effect(b)) {
                let mut found = Vec::new();
                look(Some(Source::Node { node: before, port: 0 }), &mut found);
                todo.append(&mut found);
            }
        }
        slice
    }

    /// Makes these arguments further results.
    pub(super) fn hand_on(&mut self, arguments: std::ops::Range<usize>) {
        self.results.extend(arguments.map(|index| Some(Input::Argument(index))));
    }

    /// The function, with every argument that these slices have been given.
    pub(super) fn function(&self, name: String, body: &Body, arguments: &Arguments) -> Body {
        let args = arguments.definitions(body);
        let text = |input: &Option<Input>| match input {
            Some(Input::Inside(node, port)) => format!("{}:{port}", body.nodes[*node].name),
            Some(Input::Argument(index)) => args[*index].name.clone(),
            None => String::new(),
        };
        let nodes: Vec<NodeDef> = self
            .nodes
            .iter()
            .map(|&index| {
                let node = &body.nodes[index];
                let data = node.inputs.iter().filter(|i| !i.starts_with('^'));
                let known = self.inputs[&index].iter().zip(data);
                let mut inputs: Vec<String> = known
                    .map(|(input, old)| if input.is_none() { old.clone() } else { text(input) })
                    .collect();
                let waits = node.inputs.iter().filter_map(|i| i.strip_prefix('^'));
                let kept = waits.filter(|&name| body.node(name).is_some_and(|n| self.nodes.contains(&n)));
                inputs.extend(kept.map(|name| format!("^{name}")));
                NodeDef {
                    name: node.name.clone(),
                    op: node.op.clone(),
                    inputs,
                    attrs: node.attrs.clone(),
                }
            })
            .collect();
        let results = self
            .results
            .iter()
            .enumerate()
            .map(|(i, r)| (format!("result{i}"), text(r)))
            .collect();
        let control: Vec<String> = nodes.iter().filter(|n| has_effect(n)).map(|n| n.name.clone()).collect();
        Body::of_slice(name, nodes, args, results, control, body.nesting + 1)
    }
}

/// Whether running a node may change a variable.
pub(super) fn has_effect(node: &NodeDef) -> bool {
    crate::import::assigns(&node.op) || matches!(node.op.as_str(), "While" | "If" | "StatefulPartitionedCall")
}

/// A node that calls functions.
pub(super) fn caller(name: String, op: &str, inputs: Vec<String>, functions: &[(&str, &str)]) -> NodeDef {
    let attrs = functions.iter().map(|&(attr, function)| {
        let function = NamedAttrs { name: function.to_owned() };
        let value = Some(Attr::Function(function));
        (attr.to_owned(), AttrValue { value })
    });
    NodeDef {
        name,
        op: op.to_owned(),
        inputs,
        attrs: attrs.collect(),
    }
}

/// A node of the same name that hands on one value.
pub(super) fn stand_in(node: &NodeDef, input: String) -> NodeDef {
    let waits = node.inputs.iter().filter(|i| i.starts_with('^')).cloned();
    NodeDef {
        name: node.name.clone(),
        op: "Identity".to_owned(),
        inputs: std::iter::once(input).chain(waits).collect(),
        attrs: Default::default(),
    }
}

/// How a body writes a source as an input.
pub(super) fn text(body: &Body, source: Source) -> String {
    match source {
        Source::Arg(arg) => body.args[arg].name.clone(),
        Source::Node { node, port } => format!("{}:{port}", body.nodes[node].name),
    }
}

/// A name for a node or function that none has yet.
pub(super) fn unused(wanted: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(wanted) {
        return wanted.to_owned();
    }
    (1usize..)
        .map(|n| format!("{wanted}_{n}"))
        .find(|name| !taken(name))
        .expect("numbers do not end")
}

/// The name of a function of a node that is not in the library yet.
pub(super) fn function_name(node: &str, part: &str, library: &Library) -> String {
    unused(&format!("{node}:{part}"), |name| library.contains(name))
}
