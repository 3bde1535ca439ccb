//! Keeps effects in the order of the file.
//!
//! Operators run one after the other; a graph only knows which operations need each other. What reads or changes
//! variables, tables and state in place is therefore tied together by *after* edges.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::{DType, Graph, GraphId, Model, Op, OpId, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    Reads,
    Writes,
}

/// Orders effects in every graph. Operations must have been added in the order in which they run.
pub(super) fn order(model: &mut Model) {
    let touching = touching(model);
    for (_, graph) in model.graphs_mut() {
        let mut shared = Track::default();
        let mut places: BTreeMap<Value, Track> = BTreeMap::new();
        let ids: Vec<OpId> = graph.order();
        for &id in &ids {
            for &operand in graph.op(id).kind().state_operands() {
                if let Some(state) = graph.operand(id, operand) {
                    places.insert(state, Track::default());
                }
            }
        }
        let mut running: Vec<OpId> = ids;
        running.sort_unstable();
        for id in running {
            if id == graph.return_op() || id == graph.parameters_op() {
                continue;
            }
            let effect = effect(graph, id, &touching);
            if effect == Effect::Writes && !graph.op(id).kind().has_effects() {
                // Tied to something, it survives although nothing may read its results.
                graph.add_after(graph.parameters_op(), id);
            }
            shared.touch(graph, id, effect);
            if places.is_empty() {
                continue;
            }
            let states = graph.op(id).kind().state_operands();
            for (i, value) in graph.operands(id).into_iter().enumerate() {
                if let Some(track) = value.and_then(|v| places.get_mut(&v)) {
                    track.touch(graph, id, if states.contains(&i) { Effect::Writes } else { Effect::Reads });
                }
            }
        }
    }
}

/// What has touched one thing so far.
#[derive(Default)]
struct Track {
    written: Option<OpId>,
    read: Vec<OpId>,
}

impl Track {
    fn touch(&mut self, graph: &mut Graph, id: OpId, effect: Effect) {
        if effect == Effect::None {
            return;
        }
        if let Some(written) = self.written {
            graph.add_after(written, id);
        }
        if effect == Effect::Reads {
            self.read.push(id);
        } else {
            for read in self.read.drain(..) {
                graph.add_after(read, id);
            }
            self.written = Some(id);
        }
    }
}

fn direct(graph: &Graph, id: OpId) -> Effect {
    match graph.op(id) {
        Op::ReadVariable(_) | Op::HashtableFind(_) | Op::HashtableSize(_) => Effect::Reads,
        Op::AssignVariable(_) | Op::HashtableImport(_) | Op::CallOnce(_) => Effect::Writes,
        Op::Custom(_) | Op::Builtin(_) => {
            let handle = |v: Value| matches!(graph.ty(v).dtype, DType::Resource | DType::Variant);
            let results = graph.results_of(id);
            let touches = graph.operands(id).into_iter().flatten().any(handle) || results.is_empty();
            if touches { Effect::Writes } else { Effect::None }
        }
        _ => Effect::None,
    }
}

fn effect(graph: &Graph, id: OpId, touching: &BTreeSet<GraphId>) -> Effect {
    if graph.op(id).graphs().iter().any(|g| touching.contains(g)) {
        Effect::Writes
    } else {
        direct(graph, id)
    }
}

/// The graphs that have effects, themselves or through graphs that they call.
fn touching(model: &Model) -> BTreeSet<GraphId> {
    let mut callers: BTreeMap<GraphId, BTreeSet<GraphId>> = BTreeMap::new();
    let mut todo = Vec::new();
    for (id, graph) in model.graphs() {
        for op in graph.ids() {
            for called in graph.op(op).graphs() {
                callers.entry(called).or_default().insert(id);
            }
        }
        if graph.ids().into_iter().any(|op| direct(graph, op) != Effect::None) {
            todo.push(id);
        }
    }
    let mut found = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if found.insert(id) {
            todo.extend(callers.get(&id).into_iter().flatten().copied());
        }
    }
    found
}
