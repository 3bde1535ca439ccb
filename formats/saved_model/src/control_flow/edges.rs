//! The edges of a body by number, and the order that they give its nodes.

use std::collections::VecDeque;

use crate::function::{Body, Library, Source};

use crate::import::assigns;

use super::is;
use super::slice::has_effect;

/// Where the inputs of a body's nodes come from.
pub(super) struct Edges {
    /// For each node its data inputs; `None` where there is nothing of that name.
    pub(super) data: Vec<Vec<Option<Source>>>,
    /// For each node the nodes that it waits for.
    pub(super) control: Vec<Vec<usize>>,
    /// Which nodes change variables or come after some that do; empty where none does.
    behind_effects: Vec<bool>,
}

impl Edges {
    pub(super) fn of(body: &Body, library: &Library) -> Self {
        let mut edges = Self {
            data: Vec::with_capacity(body.nodes.len()),
            control: Vec::with_capacity(body.nodes.len()),
            behind_effects: Vec::new(),
        };
        for node in &body.nodes {
            let (mut data, mut control) = (Vec::new(), Vec::new());
            for input in &node.inputs {
                match input.strip_prefix('^') {
                    Some(name) => control.extend(body.node(name)),
                    None => data.push(body.source(input, library).ok()),
                }
            }
            edges.data.push(data);
            edges.control.push(control);
        }
        if body.nodes.iter().any(|n| assigns(&n.op)) {
            let mut behind = vec![false; body.nodes.len()];
            for node in edges.order(body) {
                behind[node] = has_effect(&body.nodes[node]) || edges.before(node).any(|b| behind[b]);
            }
            edges.behind_effects = behind;
        }
        edges
    }

    /// Adds a node that calls functions.
    pub(super) fn push(&mut self, inputs: Vec<Source>) {
        self.data.push(inputs.into_iter().map(Some).collect());
        self.control.push(Vec::new());
        if !self.behind_effects.is_empty() {
            self.behind_effects.push(true);
        }
    }

    /// Whether a node changes a variable, or comes after one that does.
    pub(super) fn behind_effect(&self, node: usize) -> bool {
        self.behind_effects.get(node).copied().unwrap_or(false)
    }

    /// The nodes that a node reads or waits for.
    pub(super) fn before(&self, node: usize) -> impl Iterator<Item = usize> {
        let data = self.data[node].iter().filter_map(|source| match source {
            Some(Source::Node { node, .. }) => Some(*node),
            _ => None,
        });
        data.chain(self.control[node].iter().copied())
    }

    /// The nodes, each after those before it but for the backward edges of loops; what is in a ring all the same is missing.
    pub(super) fn order(&self, body: &Body) -> Vec<usize> {
        let forward = |from: usize| !is(&body.nodes[from].op, "NextIteration");
        let mut waiting = vec![0usize; body.nodes.len()];
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); body.nodes.len()];
        for (node, waits) in waiting.iter_mut().enumerate() {
            for before in self.before(node).filter(|&b| forward(b)) {
                *waits += 1;
                readers[before].push(node);
            }
        }
        let mut ready: VecDeque<usize> = (0..waiting.len()).filter(|&n| waiting[n] == 0).collect();
        let mut order = Vec::with_capacity(waiting.len());
        while let Some(node) = ready.pop_front() {
            order.push(node);
            for &reader in &readers[node] {
                waiting[reader] -= 1;
                if waiting[reader] == 0 {
                    ready.push_back(reader);
                }
            }
        }
        order
    }

    /// Where a value comes from, looking through operations that hand on their input.
    pub(super) fn origin(&self, body: &Body, source: Source) -> Source {
        let mut source = source;
        for _ in 0..self.data.len() {
            let Source::Node { node, .. } = source else { return source };
            let (true, Some(&Some(input))) = (is(&body.nodes[node].op, "Identity"), self.data[node].first()) else {
                return source;
            };
            source = input;
        }
        source
    }
}
