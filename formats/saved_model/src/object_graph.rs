//! The object graph: which of the saved objects a captured input or a handle is, and under which key its value lies.

use std::collections::{BTreeMap, VecDeque};

use prost::Message as _;

use planish_core::types::Type;

use crate::Error;
use crate::bundle::Bundle;
use crate::contents;
use crate::dtype;
use crate::proto::{MetaGraph, SavedKind, SavedObject, SavedObjectGraph, Structure, StructuredValue, TrackableObjectGraph};

/// The string tensor of a checkpoint that holds its own object graph.
const CHECKPOINT_GRAPH: &str = "_CHECKPOINTABLE_OBJECT_GRAPH";
/// The attribute of a checkpointed object that is a variable's value.
const VALUE: &str = "VARIABLE_VALUE";
/// Functions are listed for people, who read no more than this many bytes of names.
const MAX_LISTED: usize = 16 << 20;

/// The objects of a MetaGraph, empty for TensorFlow 1.
#[derive(Default)]
pub(crate) struct ObjectGraph {
    graph: SavedObjectGraph,
    /// Checkpoint key by object.
    keys: BTreeMap<usize, String>,
    /// Objects by the name of the variable that they are.
    variables: BTreeMap<String, Vec<usize>>,
    /// Checkpoint keys by the full name that the checkpoint gives.
    full_names: BTreeMap<String, Vec<String>>,
}

impl ObjectGraph {
    /// Decodes the MetaGraph's object graph and matches it with the checkpoint's.
    pub(crate) fn open(meta: &MetaGraph, bundle: Option<&Bundle>) -> Result<Self, Error> {
        let graph = SavedObjectGraph::decode(meta.object_graph.clone())
            .map_err(|e| Error::graph("the object graph", format!("it does not parse ({e})")))?;
        let mut objects = Self { graph, ..Self::default() };
        for (id, node) in objects.graph.nodes.iter().enumerate() {
            if let Some(SavedKind::Variable(variable)) = &node.kind {
                objects.variables.entry(variable.name.clone()).or_default().push(id);
            }
        }
        if let Some(bundle) = bundle {
            objects.match_checkpoint(bundle)?;
        }
        Ok(objects)
    }

    /// Walks both graphs from their roots along children of equal names.
    fn match_checkpoint(&mut self, bundle: &Bundle) -> Result<(), Error> {
        let Some((_, strings)) = bundle.strings(CHECKPOINT_GRAPH)? else {
            return Ok(());
        };
        let Some(first) = strings.first() else { return Ok(()) };
        let saved = TrackableObjectGraph::decode(first.clone())
            .map_err(|e| Error::graph("the checkpoint's object graph", format!("it does not parse ({e})")))?;
        for node in &saved.nodes {
            for attribute in node.attributes.iter().filter(|a| a.name == VALUE && !a.full_name.is_empty()) {
                let keys = self.full_names.entry(attribute.full_name.clone()).or_default();
                keys.push(attribute.checkpoint_key.clone());
            }
        }
        let mut seen = vec![false; self.graph.nodes.len()];
        let mut todo = vec![(0usize, 0usize)];
        while let Some((id, other)) = todo.pop() {
            let (Some(node), Some(twin)) = (self.graph.nodes.get(id), saved.nodes.get(other)) else {
                continue;
            };
            if std::mem::replace(&mut seen[id], true) {
                continue;
            }
            if let Some(attribute) = twin.attributes.iter().find(|a| a.name == VALUE) {
                self.keys.insert(id, attribute.checkpoint_key.clone());
            }
            let twins: BTreeMap<&str, i32> = twin.children.iter().map(|c| (c.name.as_str(), c.node)).collect();
            for child in &node.children {
                let Some(&twin) = twins.get(child.name.as_str()) else { continue };
                if let (Ok(child), Ok(twin)) = (usize::try_from(child.node), usize::try_from(twin)) {
                    todo.push((child, twin));
                }
            }
        }
        Ok(())
    }

    /// The object with this number.
    pub(crate) fn object(&self, id: usize) -> Option<&SavedObject> {
        self.graph.nodes.get(id)
    }

    /// What a concrete function returns, in the order of its results; `None` for what is no tensor.
    pub(crate) fn output_types(&self, function: &str) -> Vec<Option<Type>> {
        let mut types = Vec::new();
        let signature = self
            .graph
            .concrete_functions
            .get(function)
            .and_then(|f| f.output_signature.as_ref());
        flatten(signature, &mut types);
        types
    }

    /// The function that makes a resource.
    pub(crate) fn creator_of(&self, id: usize) -> Option<&str> {
        let node = self.graph.nodes.get(id)?;
        let child = node.children.iter().find(|child| child.name == "_create_resource")?;
        match &self.graph.nodes.get(usize::try_from(child.node).ok()?)?.kind {
            Some(SavedKind::Function(function)) => function.concrete_functions.first().map(String::as_str),
            _ => None,
        }
    }

    /// The objects that a concrete function captures, in the order of its last arguments.
    pub(crate) fn bound_inputs(&self, function: &str) -> Option<Vec<usize>> {
        let function = self.graph.concrete_functions.get(function)?;
        // A negative number stands for a capture that was not saved; it matches no object.
        Some(
            function
                .bound_inputs
                .iter()
                .map(|&id| usize::try_from(id).unwrap_or(usize::MAX))
                .collect(),
        )
    }

    /// The concrete functions that are reachable under a name, with that name; no more than [`MAX_LISTED`] bytes of names.
    pub(crate) fn functions(&self) -> Vec<(String, String)> {
        // For each object that has been seen, the one that it is a child of, and as which child.
        let mut seen: Vec<Option<(usize, usize)>> = vec![None; self.graph.nodes.len()];
        let mut todo = VecDeque::new();
        if let Some(root) = seen.first_mut() {
            *root = Some((0, 0));
            todo.push_back(0);
        }
        let mut found: Vec<(String, String)> = Vec::new();
        let mut room = MAX_LISTED;
        while let Some(id) = todo.pop_front() {
            let node = &self.graph.nodes[id];
            let functions = match &node.kind {
                Some(SavedKind::Function(function)) => &function.concrete_functions[..],
                Some(SavedKind::BareFunction(function)) => std::slice::from_ref(&function.concrete_function),
                _ => &[],
            };
            if !functions.is_empty() {
                let Some(path) = self.path(id, &seen, room) else { return found };
                for function in functions {
                    let Some(left) = room.checked_sub(path.len() + function.len()) else {
                        return found;
                    };
                    room = left;
                    found.push((path.clone(), function.clone()));
                }
            }
            // The functions of a resource make, fill and remove it.
            if matches!(node.kind, Some(SavedKind::Resource(_))) {
                continue;
            }
            for (number, child) in node.children.iter().enumerate() {
                let Ok(next) = usize::try_from(child.node) else { continue };
                if let Some(place @ None) = seen.get_mut(next) {
                    *place = Some((id, number));
                    todo.push_back(next);
                }
            }
        }
        found
    }

    /// The names of the children that lead from the root to an object, unless they are longer than that.
    fn path(&self, mut id: usize, seen: &[Option<(usize, usize)>], longest: usize) -> Option<String> {
        let mut names = Vec::new();
        let mut length = 0usize;
        while let Some((parent, number)) = seen[id].filter(|_| id != 0) {
            let name = &self.graph.nodes[parent].children[number].name;
            length = length.saturating_add(name.len() + 1);
            if length > longest {
                return None;
            }
            names.push(name.as_str());
            id = parent;
        }
        names.reverse();
        Some(names.join("."))
    }

    /// The checkpoint key of an object's value.
    pub(crate) fn key_of(&self, id: usize) -> Option<&str> {
        self.keys.get(&id).map(String::as_str)
    }

    /// The checkpoint key of the variable of this name, if exactly one value goes by it.
    pub(crate) fn key_of_variable(&self, name: &str) -> Option<&str> {
        let mut keys = self.variables.get(name).into_iter().flatten().filter_map(|&id| self.key_of(id));
        if let Some(key) = keys.next() {
            return keys.all(|other| other == key).then_some(key);
        }
        match self.full_names.get(name)?.as_slice() {
            [key] => Some(key),
            _ => None,
        }
    }
}

/// Nested structures, in the order in which functions return their tensors.
fn flatten(value: Option<&StructuredValue>, types: &mut Vec<Option<Type>>) {
    match value.and_then(|v| v.kind.as_ref()) {
        Some(Structure::Tensor(spec)) => {
            types.push(dtype::from_code(spec.dtype).map(|dtype| Type::new(dtype, contents::shape(spec.shape.as_ref()))));
        }
        Some(Structure::List(list) | Structure::Tuple(list)) => list.values.iter().for_each(|v| flatten(Some(v), types)),
        Some(Structure::Dict(dict)) => dict.fields.values().for_each(|v| flatten(Some(v), types)),
        Some(Structure::NamedTuple(pairs)) => pairs.values.iter().for_each(|pair| flatten(pair.value.as_ref(), types)),
        None => types.push(None),
    }
}
