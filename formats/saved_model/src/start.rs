//! What TensorFlow assigns to variables when it loads a model, after it has restored the checkpoint.

use std::collections::BTreeMap;

use planish_core::tensor::Tensor;

use crate::Error;
use crate::function::Body;
use crate::import::assigns;
use crate::proto::{Attr, Collection, MetaGraph};
use crate::tensor_proto;

/// Identities between a constant and what assigns it are few.
const MAX_STEPS: usize = 8;

/// The nodes of the top graph that run when the model is loaded.
pub(crate) fn nodes(meta: &MetaGraph) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(signature) = meta.signatures.get("__saved_model_init_op") {
        names.extend(signature.outputs.values().map(|info| info.name.clone()));
    }
    for collection in ["saved_model_main_op", "legacy_init_op"] {
        names.extend(collected(meta, collection));
    }
    for name in &mut names {
        name.truncate(name.find(':').unwrap_or(name.len()));
    }
    names
}

/// The names in a collection of nodes.
pub(crate) fn collected<'m>(meta: &'m MetaGraph, collection: &str) -> impl Iterator<Item = String> + use<'m> {
    let list = match meta.collections.get(collection).and_then(|c| c.kind.as_ref()) {
        Some(Collection::Nodes(list)) => list.value.as_slice(),
        _ => &[],
    };
    list.iter().cloned()
}

/// What loading the model does to a variable.
#[derive(Clone)]
enum Start {
    /// Assigns what this input of a node stands for.
    Value(String),
    /// Changes it in a way that only running tells; the node that does.
    Computed(String),
}

/// What loading the model does to variables, by the names of their handles' nodes.
pub(crate) struct Starts(BTreeMap<String, Start>);

impl Starts {
    /// Looks for assignments among what these nodes run.
    pub(crate) fn of(init: &[String], top: &Body) -> Self {
        let mut starts = BTreeMap::new();
        for index in top.run_by(init.iter().filter_map(|name| top.node(name))) {
            let node = &top.nodes[index];
            let [handle, rest @ ..] = node.inputs.as_slice() else { continue };
            let Some(handle) = top.node_before(handle).filter(|_| assigns(&node.op)) else {
                continue;
            };
            let name = &top.nodes[handle].name;
            let plain = matches!(node.op.as_str(), "Assign" | "AssignVariableOp") && !starts.contains_key(name);
            let start = match rest.first() {
                Some(value) if plain && origin(top, value).is_some_and(|(_, op)| op == "RestoreV2") => continue,
                Some(value) if plain => Start::Value(value.clone()),
                _ => Start::Computed(node.name.clone()),
            };
            starts.insert(name.clone(), start);
        }
        Self(starts)
    }

    /// What the variable with this handle holds then, if loading the model assigns it.
    pub(crate) fn value(&self, handle: &str, top: &Body) -> Result<Option<Tensor>, Error> {
        let computed = |by: &str| {
            let what =
                format!("a value that {by} computes when the model is loaded; assign a constant there, or save the model without it");
            Error::unsupported(format!("variable {handle}"), what)
        };
        let value = match self.0.get(handle) {
            None => return Ok(None),
            Some(Start::Computed(by)) => return Err(computed(by)),
            Some(Start::Value(value)) => value,
        };
        let (node, _) = origin(top, value).ok_or_else(|| computed(value))?;
        match node_value(top, node) {
            Some(Attr::Tensor(tensor)) => tensor_proto::read(tensor).map(Some).map_err(|what| Error::graph(value, what)),
            _ => Err(computed(&top.nodes[node].name)),
        }
    }
}

fn node_value(top: &Body, node: usize) -> Option<&Attr> {
    let node = &top.nodes[node];
    let attr = node.attrs.get("value").filter(|_| node.op == "Const")?;
    attr.value.as_ref()
}

/// The node that an input comes from, identities looked through, and its operation.
fn origin<'t>(top: &'t Body, input: &str) -> Option<(usize, &'t str)> {
    let mut node = top.node_before(input)?;
    for _ in 0..MAX_STEPS {
        let def = &top.nodes[node];
        if def.op != "Identity" {
            break;
        }
        node = top.node_before(def.inputs.first()?)?;
    }
    Some((node, &top.nodes[node].op))
}
