//! The model: graphs, and the signatures that are its public face.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::Graph;

/// Names one graph of a model.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GraphId(u32);

impl GraphId {
    /// A number for this graph, in the order in which graphs were added.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A public entry of a model: names for the parameters and results of one graph.
///
/// These names are promises to whoever calls the model; no pass may change them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signature {
    /// The name that callers use, such as `serving_default`.
    pub name: String,
    /// The graph that it calls.
    pub graph: GraphId,
    /// One name for each parameter of the graph, in order.
    pub inputs: Vec<String>,
    /// One name for each result of the graph, in order.
    pub outputs: Vec<String>,
}

/// Graphs, signatures, and what else a file says about itself.
#[derive(Clone, Debug, Default)]
pub struct Model {
    graphs: BTreeMap<GraphId, Graph>,
    next: u32,
    names: BTreeSet<String>,
    /// The last number that made a name unique, by the name without it.
    numbers: BTreeMap<String, u64>,
    /// The public entries, in the order in which they are written.
    pub signatures: Vec<Signature>,
    /// Named blobs that travel with the model.
    pub metadata: BTreeMap<String, Vec<u8>>,
    /// Free text about the model.
    pub description: String,
}

impl Model {
    /// A model without graphs.
    pub fn new() -> Model {
        Model::default()
    }

    /// Adds a graph. Its name is made unique by a number where another graph has it.
    pub fn add_graph(&mut self, mut graph: Graph) -> GraphId {
        if self.names.contains(graph.name()) {
            let base = graph.name().to_owned();
            let number = self.numbers.entry(base.clone()).or_default();
            while self.names.contains(graph.name()) {
                *number += 1;
                graph.set_name(format!("{base}_{number}"));
            }
        }
        self.names.insert(graph.name().to_owned());
        let id = GraphId(self.next);
        self.next += 1;
        self.graphs.insert(id, graph);
        id
    }

    /// Graph `id`.
    ///
    /// # Panics
    /// Where the model has no such graph.
    pub fn graph(&self, id: GraphId) -> &Graph {
        &self.graphs[&id]
    }

    /// Graph `id`, for changing it.
    ///
    /// # Panics
    /// Where the model has no such graph.
    pub fn graph_mut(&mut self, id: GraphId) -> &mut Graph {
        self.graphs.get_mut(&id).expect("a graph of this model")
    }

    /// Graph `id`, where the model has it.
    pub fn get_graph(&self, id: GraphId) -> Option<&Graph> {
        self.graphs.get(&id)
    }

    /// The graph of this name.
    pub fn graph_named(&self, name: &str) -> Option<GraphId> {
        self.graphs.iter().find(|(_, g)| g.name() == name).map(|(&id, _)| id)
    }

    /// Every graph, in the order in which they were added.
    pub fn graphs(&self) -> impl Iterator<Item = (GraphId, &Graph)> {
        self.graphs.iter().map(|(&id, g)| (id, g))
    }

    /// Every graph, for changing it: every scope there is.
    pub fn graphs_mut(&mut self) -> impl Iterator<Item = (GraphId, &mut Graph)> {
        self.graphs.iter_mut().map(|(&id, g)| (id, g))
    }

    /// The ids of all graphs.
    pub fn graph_ids(&self) -> Vec<GraphId> {
        self.graphs.keys().copied().collect()
    }

    /// The signature of this name.
    pub fn signature(&self, name: &str) -> Option<&Signature> {
        self.signatures.iter().find(|s| s.name == name)
    }

    /// Removes operations that nothing needs in each graph, then graphs that no signature reaches.
    ///
    /// Returns how many operations went. Ids of removed operations may be used again afterwards.
    pub fn sweep(&mut self) -> usize {
        let mut removed: usize = self.graphs.values_mut().map(Graph::sweep).sum();
        let mut reached = BTreeSet::new();
        let mut todo: Vec<GraphId> = self.signatures.iter().map(|s| s.graph).collect();
        while let Some(id) = todo.pop() {
            if !reached.insert(id) {
                continue;
            }
            let Some(graph) = self.graphs.get(&id) else { continue };
            for op in graph.ids() {
                todo.extend(graph.op(op).graphs());
            }
        }
        if !self.signatures.is_empty() {
            let before = self.graphs.len();
            self.graphs.retain(|id, graph| {
                let keep = reached.contains(id);
                removed += if keep { 0 } else { graph.len() };
                keep
            });
            if self.graphs.len() < before {
                self.names = self.graphs.values().map(|g| g.name().to_owned()).collect();
                self.numbers.clear();
            }
        }
        removed
    }
}
