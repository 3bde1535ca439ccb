//! Editing loops: a `while` together with its condition and body, which share the state's positions.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::{Graph, GraphId, Model, Op, OpId, Value, ValueInfo};

/// One `while` whose graphs nothing else calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loop {
    /// The graph that holds the `while`.
    pub outer: GraphId,
    /// The `while`.
    pub op: OpId,
    /// Its condition.
    pub cond: GraphId,
    /// Its body.
    pub body: GraphId,
}

/// The loops of a model whose graphs are theirs alone. One that was rebuilt is not among them: it has let go of its state.
pub(crate) fn loops(model: &Model) -> Vec<Loop> {
    let mut calls: BTreeMap<GraphId, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (outer, graph) in model.graphs() {
        for op in graph.order() {
            if let Op::While(inner) = graph.op(op) {
                if graph.operands(op).is_empty() {
                    continue;
                }
                let (cond, body) = (inner.cond, inner.body);
                found.push(Loop { outer, op, cond, body });
            }
            for called in graph.op(op).graphs() {
                *calls.entry(called).or_default() += 1;
            }
        }
    }
    found.retain(|l| l.cond != l.body && calls[&l.cond] == 1 && calls[&l.body] == 1);
    found
}

impl Loop {
    /// The state before the first step.
    pub(crate) fn initial(&self, model: &Model) -> Vec<Value> {
        model
            .graph(self.outer)
            .operands(self.op)
            .into_iter()
            .map(|v| v.expect("state has no empty ports"))
            .collect()
    }

    /// Whether a step leaves this part of the state as it is.
    pub(crate) fn is_invariant(&self, model: &Model, position: usize) -> bool {
        let body = model.graph(self.body);
        body.results()[position] == body.parameters()[position]
    }

    /// Removes these parts of the state, whose parameters must have no uses but by themselves, and whose results none.
    /// The loop has another operation afterwards.
    pub(crate) fn remove(self, model: &mut Model, positions: &BTreeSet<usize>) -> Loop {
        for id in [self.cond, self.body] {
            let graph = model.graph_mut(id);
            if id == self.body {
                let kept: Vec<Value> = graph
                    .results()
                    .into_iter()
                    .enumerate()
                    .filter(|(i, _)| !positions.contains(i))
                    .map(|(_, v)| v)
                    .collect();
                graph.set_results(&kept);
            }
            drop_dead_uses(graph, positions);
            graph.remove_parameters(positions);
        }
        let kept: Vec<usize> = (0..self.initial(model).len()).filter(|i| !positions.contains(i)).collect();
        self.rebuild(model, &kept, Vec::new())
    }

    /// Adds a part of the state that every step leaves as it is, and returns its parameter in the body.
    pub(crate) fn add_invariant(self, model: &mut Model, value: Value) -> (Loop, Value) {
        let info = ValueInfo {
            range: None,
            ..model.graph(self.outer).info(value).clone()
        };
        model.graph_mut(self.cond).add_parameter(info.clone());
        let body = model.graph_mut(self.body);
        let parameter = body.add_parameter(info);
        let mut results = body.results();
        results.push(parameter);
        body.set_results(&results);
        let kept: Vec<usize> = (0..self.initial(model).len()).collect();
        (self.rebuild(model, &kept, vec![value]), parameter)
    }

    fn rebuild(self, model: &mut Model, kept: &[usize], added: Vec<Value>) -> Loop {
        let graph = model.graph_mut(self.outer);
        let old = graph.operands(self.op);
        let results = graph.results_of(self.op);
        let mut operands: Vec<Option<Value>> = kept.iter().map(|&i| old[i]).collect();
        let mut infos: Vec<ValueInfo> = kept.iter().map(|&i| graph.info(results[i]).clone()).collect();
        for value in added {
            operands.push(Some(value));
            infos.push(ValueInfo::new(graph.ty(value).clone()));
        }
        let op = graph.op(self.op).clone();
        let new = graph.add_declared(op, &operands, infos);
        for (port, &i) in kept.iter().enumerate() {
            graph.replace(
                results[i],
                Value {
                    op: new,
                    port: port as u32,
                },
            );
        }
        graph.move_after(self.op, new);
        graph.set_operands(self.op, &[]);
        Loop { op: new, ..self }
    }
}

/// Empties the operands of operations that nothing needs any more, so that they do not count as uses.
fn drop_dead_uses(graph: &mut Graph, positions: &BTreeSet<usize>) {
    let parameters = graph.parameters();
    for &position in positions {
        let mut todo: Vec<OpId> = graph.uses(parameters[position]).into_iter().map(|u| u.op).collect();
        let mut dead = BTreeSet::new();
        while let Some(op) = todo.pop() {
            if !graph.is_needed(op) && dead.insert(op) {
                for result in graph.results_of(op) {
                    todo.extend(graph.uses(result).into_iter().map(|u| u.op));
                }
            }
        }
        dead.into_iter().for_each(|op| graph.set_operands(op, &[]));
    }
}
