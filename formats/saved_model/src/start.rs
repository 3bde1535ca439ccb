//! What TensorFlow assigns to variables when it loads a model, after it has restored the checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::tensor::Tensor;
use planish_core::types::Shape;

use crate::Error;
use crate::function::Body;
use crate::import::{assigns, data_inputs};
use crate::proto::{Attr, Collection, MetaGraph};
use crate::tensor_proto;

/// Operations that give other numbers each time, from which initial values are drawn.
const RANDOM: [&str; 7] = [
    "Multinomial",
    "ParameterizedTruncatedNormal",
    "RandomGamma",
    "RandomStandardNormal",
    "RandomUniform",
    "RandomUniformInt",
    "TruncatedNormal",
];

/// So many elements are filled; no checkpoint holds more.
const MOST_FILLED: usize = 1 << 40;

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
    /// Looks for assignments among what these nodes run. One of random numbers leaves what the checkpoint holds: TensorFlow has other
    /// numbers there each time that it loads the model.
    pub(crate) fn of(init: &[String], top: &Body) -> Self {
        let mut starts = BTreeMap::new();
        let run = top.run_by(init.iter().filter_map(|name| top.node(name)));
        let random = random(top, &run);
        for index in run {
            let node = &top.nodes[index];
            let [handle, rest @ ..] = node.inputs.as_slice() else { continue };
            let Some(handle) = top.node_before(handle).filter(|_| assigns(&node.op)) else {
                continue;
            };
            let name = &top.nodes[handle].name;
            let plain = matches!(node.op.as_str(), "Assign" | "AssignVariableOp") && !starts.contains_key(name);
            let start = match rest.first() {
                Some(value) if plain && origin(top, value).is_some_and(|(node, op)| op == "RestoreV2" || random.contains(&node)) => {
                    continue;
                }
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
        let known = if top.nodes[node].op == "Fill" {
            filled(top, node)?
        } else {
            constant(top, node)?
        };
        known.map(Some).ok_or_else(|| computed(&top.nodes[node].name))
    }
}

/// The value of a constant.
fn constant(top: &Body, node: usize) -> Result<Option<Tensor>, Error> {
    let node = &top.nodes[node];
    let attr = node
        .attrs
        .get("value")
        .filter(|_| node.op == "Const")
        .and_then(|attr| attr.value.as_ref());
    let Some(Attr::Tensor(tensor)) = attr else { return Ok(None) };
    tensor_proto::read(tensor).map(Some).map_err(|what| Error::graph(&node.name, what))
}

/// One constant repeated, as large values of one number are written.
fn filled(top: &Body, node: usize) -> Result<Option<Tensor>, Error> {
    let operand = |at: usize| match top.nodes[node].inputs.get(at).and_then(|input| origin(top, input)) {
        Some((node, _)) => constant(top, node),
        None => Ok(None),
    };
    let (Some(dims), Some(element)) = (operand(0)?, operand(1)?) else {
        return Ok(None);
    };
    let dims: Option<Vec<usize>> = dims
        .to_ints()
        .and_then(|dims| dims.into_iter().map(|n| usize::try_from(n).ok()).collect());
    let possible = |dims: &Vec<usize>| Shape::fixed(dims).elements().is_some_and(|all| all <= MOST_FILLED);
    let whole = element.elements() == 1 && element.dtype().size().is_some();
    Ok(dims
        .filter(|dims| whole && possible(dims))
        .map(|dims| Tensor::splat(&element, &dims)))
}

/// The nodes among `run` that random numbers reach.
fn random(top: &Body, run: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &node in run {
        for source in data_inputs(&top.nodes[node]).filter_map(|input| top.node_before(input)) {
            readers.entry(source).or_default().push(node);
        }
    }
    let is_random = |&node: &usize| RANDOM.contains(&top.nodes[node].op.as_str());
    let mut reached: BTreeSet<usize> = run.iter().copied().filter(is_random).collect();
    let mut todo: Vec<usize> = reached.iter().copied().collect();
    while let Some(node) = todo.pop() {
        let readers = readers.get(&node).into_iter().flatten().copied();
        todo.extend(readers.filter(|&reader| reached.insert(reader)));
    }
    reached
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
