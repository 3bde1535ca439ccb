//! What holds between graphs: calls fit what they call, and end.

use std::collections::BTreeMap;

use crate::graph::{Graph, OpId, Operands, Value};
use crate::model::{GraphId, Model};
use crate::op::Op;
use crate::types::{DType, Type};
use crate::verify::{Check, VerifyError, at, place};

/// How deep calls may nest: running a graph may then use the stack for it.
pub const MOST_NESTING: usize = 64;

/// Checks that every called graph exists, that none calls itself, and that calls nest not too deep.
pub(super) fn nesting(model: &Model) -> Result<(), VerifyError> {
    let mut callees: BTreeMap<GraphId, Vec<GraphId>> = BTreeMap::new();
    let mut callers: BTreeMap<GraphId, usize> = BTreeMap::new();
    for (caller, graph) in model.graphs() {
        let called = callees.entry(caller).or_default();
        for id in graph.ids() {
            for callee in graph.op(id).graphs() {
                if model.get_graph(callee).is_none() {
                    return Err(at(graph, place(graph, id), "a graph that it calls does not exist"));
                }
                called.push(callee);
            }
        }
        called.sort_unstable();
        called.dedup();
        called.iter().for_each(|&callee| *callers.entry(callee).or_default() += 1);
    }
    let mut ready: Vec<(GraphId, usize)> = model
        .graph_ids()
        .into_iter()
        .filter(|id| !callers.contains_key(id))
        .map(|id| (id, 1))
        .collect();
    let mut depths: BTreeMap<GraphId, usize> = BTreeMap::new();
    let mut done = 0;
    while let Some((id, depth)) = ready.pop() {
        done += 1;
        if depth > MOST_NESTING {
            return Err(at(
                model.graph(id),
                "the model",
                format!("calls nest more than {MOST_NESTING} deep"),
            ));
        }
        for &callee in &callees[&id] {
            let deepest = depths.entry(callee).or_default();
            *deepest = (*deepest).max(depth + 1);
            let left = callers.entry(callee).or_default();
            *left -= 1;
            if *left == 0 {
                ready.push((callee, *deepest));
            }
        }
    }
    if done < callees.len() {
        let waits = |id: &GraphId| callers.get(id).is_some_and(|&n| n > 0);
        let recursive = model.graphs().find(|(id, _)| waits(id)).map(|(_, graph)| graph);
        let graph = recursive.expect("graphs that were not reached wait for a caller");
        return Err(at(graph, "the model", "the graph calls itself, or is called by one that does"));
    }
    Ok(())
}

/// The types that a graph takes and gives.
struct Interface<'m> {
    parameters: Vec<&'m Type>,
    results: Vec<Option<&'m Type>>,
}

/// Checks calls against the graphs they call.
pub(super) struct Calls<'m> {
    model: &'m Model,
    interfaces: BTreeMap<GraphId, Interface<'m>>,
}

impl<'m> Calls<'m> {
    pub(super) fn new(model: &'m Model) -> Calls<'m> {
        Calls {
            model,
            interfaces: BTreeMap::new(),
        }
    }

    fn interface(&mut self, id: GraphId) -> &Interface<'m> {
        let model = self.model;
        self.interfaces.entry(id).or_insert_with(|| {
            let graph = model.graph(id);
            let exists = |v: &Value| (v.port as usize) < graph.results_of(v.op).len();
            let results = graph.operands(graph.return_op()).into_iter();
            Interface {
                parameters: graph.parameters().into_iter().map(|v| graph.ty(v)).collect(),
                results: results.map(|v| v.filter(exists).map(|v| graph.ty(v))).collect(),
            }
        })
    }

    /// Checks that these values can be a graph's arguments.
    fn takes(&mut self, callee: GraphId, arguments: &[Option<&Type>], what: &str) -> Check {
        let parameters: Vec<_> = self.interface(callee).parameters.iter().map(|&ty| Some(ty)).collect();
        self.fit(callee, arguments, what, &parameters, "parameter")
    }

    /// Checks that these values can be a graph's results.
    fn gives(&mut self, callee: GraphId, wanted: &[Option<&Type>], what: &str) -> Check {
        let results = self.interface(callee).results.clone();
        self.fit(callee, wanted, what, &results, "result")
    }

    fn fit(&self, callee: GraphId, ours: &[Option<&Type>], what: &str, theirs: &[Option<&Type>], name: &str) -> Check {
        let graph = self.model.graph(callee).name();
        if ours.len() != theirs.len() {
            return Err(format!(
                "there are {} {what}s for {} {name}s of `{graph}`",
                ours.len(),
                theirs.len()
            ));
        }
        for (i, (a, b)) in ours.iter().zip(theirs).enumerate() {
            if let (Some(a), Some(b)) = (a, b)
                && !a.compatible(b)
            {
                return Err(format!("{what} {i} is {a}, {name} {i} of `{graph}` is {b}"));
            }
        }
        Ok(())
    }

    pub(super) fn check(&mut self, graph: &Graph, id: OpId, operands: &Operands) -> Check {
        let types = |values: &[Option<Value>]| values.iter().map(|v| v.map(|v| graph.ty(v))).collect::<Vec<_>>();
        let results = || graph.results_of(id).into_iter().map(|v| Some(graph.ty(v))).collect::<Vec<_>>();
        match graph.op(id) {
            Op::Call(op) => {
                self.takes(op.graph, &types(operands), "argument")?;
                self.gives(op.graph, &results(), "result")
            }
            Op::CallOnce(op) => {
                self.takes(op.graph, &[], "argument")?;
                self.gives(op.graph, &[], "result")
            }
            Op::If(op) => {
                for branch in [op.then_graph, op.else_graph] {
                    self.takes(branch, &types(&operands[1..]), "argument")?;
                    self.gives(branch, &results(), "result")?;
                }
                Ok(())
            }
            Op::While(op) => {
                let state = types(operands);
                self.takes(op.cond, &state, "state value")?;
                self.takes(op.body, &state, "state value")?;
                let next = self.interface(op.body).results.clone();
                self.takes(op.body, &next, "result of the body")?;
                self.takes(op.cond, &next, "result of the body")?;
                self.gives(op.body, &results(), "result")?;
                match self.interface(op.cond).results[..] {
                    [Some(ty)] if ty.dtype == DType::Bool && ty.shape.elements().is_none_or(|n| n == 1) => Ok(()),
                    _ => Err("the condition gives something else than one bool".into()),
                }
            }
            _ => Ok(()),
        }
    }
}
