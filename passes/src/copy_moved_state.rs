//! Copies what a loop's step hands on to a later place of its state.
//!
//! LiteRT writes the state of a `while` place by place. A value that a step only moves to a later place, as a cell does that
//! keeps its last state, would be overwritten before it is moved.

use std::collections::BTreeSet;

use planish_core::op::{Reshape, Shape as ShapeOf};
use planish_core::{Changed, Context, DType, Error, Graph, GraphId, Meaning, Model, Op, Pass, PassEntry, Value, inventory};

/// Copies what a loop's step hands on to a later place of its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CopyMovedState;

impl Pass for CopyMovedState {
    type Options = planish_core::NoOptions;
    const NAME: &'static str = "copy_moved_state";
    const SUMMARY: &'static str = "copies what a loop's step hands on to a later place of its state";
    const MEANING: Meaning = Meaning::Exact;

    fn run(&self, model: &mut Model, _: &planish_core::NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let bodies: BTreeSet<GraphId> = model.graphs().flat_map(|(_, graph)| bodies(graph)).collect();
        let mut changed = 0;
        for body in bodies {
            let graph = model.graph_mut(body);
            let mut results = graph.results();
            for place in moved_to_later(graph, &results) {
                if !cx.allow_change() {
                    break;
                }
                results[place] = copied(graph, results[place]);
                changed += 1;
            }
            graph.set_results(&results);
        }
        Ok(Changed(changed))
    }
}

fn bodies(graph: &Graph) -> Vec<GraphId> {
    let body = |id| match graph.op(id) {
        Op::While(inner) => Some(inner.body),
        _ => None,
    };
    graph.order().into_iter().filter_map(body).collect()
}

/// The places of results that are parameters of an earlier place, which the step gives another value.
fn moved_to_later(graph: &Graph, results: &[Value]) -> Vec<usize> {
    let parameters = graph.parameters();
    let is_moved = |&place: &usize| {
        let from = parameters.iter().position(|&parameter| parameter == results[place]);
        from.is_some_and(|from| from < place && results.get(from) != Some(&parameters[from]))
    };
    (0..results.len()).filter(is_moved).collect()
}

/// The same elements in a place of their own.
fn copied(graph: &mut Graph, value: Value) -> Value {
    let info = graph.info(value).clone();
    let shape = match info.ty.shape.known() {
        Some(dims) => graph.add_ints(&dims.into_iter().map(|n| n as i32).collect::<Vec<_>>()),
        None => graph.add(ShapeOf { dtype: DType::I32 }, &[value]),
    };
    graph.add_typed(Reshape {}, &[value, shape], info.ty)
}

inventory::submit! { PassEntry::of::<CopyMovedState>() }
