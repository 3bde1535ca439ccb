//! Every invariant of a model, listed and checked. A model that is accepted here makes no pass, kernel or writer panic.
//!
//! Checked, of a model:
//! - Graph names are distinct.
//! - Signature names are distinct; a signature's graph exists; it has one name for each parameter and each result of that
//!   graph, and within each of the two lists names are distinct, but for empty ones, which name nothing.
//! - Every graph that an operation names exists; attributes of foreign operations name none.
//! - Graphs do not call themselves, directly or through others, and calls nest at most [`MOST_NESTING`] deep.
//!
//! Checked, of a graph:
//! - There is one `parameters`, which comes first, and one `return`, which comes last and has no results.
//! - Operations lie on no cycle of operands and *after* edges.
//! - Every operand is a result that exists.
//!
//! Checked, of a value:
//! - It has at most [`MOST_DIMS`] dimensions.
//! - Its known extents, multiplied, are an amount of memory that can be addressed.
//! - Only integers are quantized. Zero points are within the element type. Per-axis parameters lie along a dimension of
//!   known extent, one for each slice of it.
//! - A calibrated range is two numbers, the lesser one first.
//!
//! Checked, of an operation:
//! - It has the operands that its kind needs, and no more than it takes.
//! - Operand types fit the operation, as far as they are known, and its attributes fit them.
//! - It has as many results as its kind gives. Their element types are the inferred ones, and their shapes do not
//!   contradict the inferred ones; they may say more. Where it computes with quantized integers, results are integers.
//! - A constant's type is its tensor's, a `quantize`'s result quantized integers of the operand's shape.
//! - An operand that is state is no constant, since it is written to.
//! - `if`, `call`, `call_once`: arguments fit the called graphs' parameters and results theirs, in number and type.
//! - `while`: the state fits the parameters of both graphs, the body's results fit them too, and `cond` gives one bool.
//!
//! Not checked, because only running tells or because nothing depends on it:
//! - What constants hold: that indices lie inside, that truth values are 0 or 1. Kernels check what they read.
//! - The quantization of results that are computed from quantized integers, or moved under another one.
//! - That *after* edges order all effects on one variable, and that a state is written by one operation only.
//! - That a variable is read as the type it is assigned.
//! - Types of foreign, custom and kept builtin operations. Names of values, which need not be distinct.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::graph::{Graph, OpId, Value};
pub use crate::infer::MOST_DIMS;
use crate::model::{GraphId, Model, Signature};
use crate::op::OpKind;

mod calls;
mod operation;
mod value;

pub use calls::MOST_NESTING;

/// What is wrong with a model, and where.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("graph `{graph}`, {place}: {problem}")]
pub struct VerifyError {
    /// The graph's name.
    pub graph: String,
    /// The operation, printed, or the part of the model.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

/// An invariant that does not hold, without its place.
type Check = Result<(), String>;

/// Checks every invariant.
///
/// # Errors
/// The first one that does not hold.
pub fn verify(model: &Model) -> Result<(), VerifyError> {
    check_model(model, Depth::Types)
}

/// Checks every invariant but those between the types of operands and results: what a writer needs, and what also holds for a file
/// whose types contradict each other, which a runtime may run all the same.
///
/// # Errors
/// The first one that does not hold.
pub fn verify_structure(model: &Model) -> Result<(), VerifyError> {
    check_model(model, Depth::Structure)
}

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Structure,
    Types,
}

fn check_model(model: &Model, depth: Depth) -> Result<(), VerifyError> {
    let mut names = BTreeSet::new();
    for (_, graph) in model.graphs() {
        if !names.insert(graph.name()) {
            return Err(at(graph, "the model", "another graph has the same name"));
        }
    }
    signatures(model)?;
    calls::nesting(model)?;
    for (_, graph) in model.graphs() {
        check_graph(model, graph, depth)?;
    }
    Ok(())
}

/// Checks these operations of a graph by themselves.
///
/// # Errors
/// Which one does not fit its operands, and why.
pub(crate) fn operations(graph: &Graph, ids: &BTreeSet<OpId>) -> Result<(), String> {
    ids.iter().try_for_each(|&id| {
        operation::check_counts(graph, id)
            .and_then(|()| operation::check(graph, id, &graph.operands(id)))
            .map_err(|problem| format!("{}: {problem}", place(graph, id)))
    })
}

/// Checks the calls that a graph makes, and those of it.
///
/// # Errors
/// Which one does not fit what it calls, and why.
pub(crate) fn calls_around(model: &Model, id: GraphId) -> Result<(), String> {
    let mut calls = calls::Calls::new(model);
    for (caller, graph) in model.graphs() {
        for op in graph.ids() {
            let called = graph.op(op).graphs();
            if called.contains(&id) || caller == id && !called.is_empty() {
                let check = calls.check(graph, op, &graph.operands(op));
                check.map_err(|problem| format!("{}: {problem}", place(graph, op)))?;
            }
        }
    }
    Ok(())
}

fn at(graph: &Graph, place: impl Into<String>, problem: impl Into<String>) -> VerifyError {
    VerifyError {
        graph: graph.name().to_owned(),
        place: place.into(),
        problem: problem.into(),
    }
}

/// An operation in messages.
fn place(graph: &Graph, id: OpId) -> String {
    format!("{} `{}`", graph.op(id).name(), graph.label(id))
}

fn signatures(model: &Model) -> Result<(), VerifyError> {
    let mut names = BTreeSet::new();
    for signature in &model.signatures {
        let place = format!("signature `{}`", signature.name);
        let Some(graph) = model.get_graph(signature.graph) else {
            return Err(VerifyError {
                graph: String::new(),
                place,
                problem: "the graph does not exist".into(),
            });
        };
        if !names.insert(&signature.name) {
            return Err(at(graph, place, "another signature has the same name"));
        }
        check_signature(graph, signature).map_err(|problem| at(graph, place, problem))?;
    }
    Ok(())
}

fn check_signature(graph: &Graph, signature: &Signature) -> Check {
    let lists = [
        ("parameters", graph.parameters().len(), &signature.inputs),
        ("results", graph.operands(graph.return_op()).len(), &signature.outputs),
    ];
    for (what, count, names) in lists {
        if names.len() != count {
            return Err(format!("there are {} names for {count} {what}", names.len()));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !name.is_empty() && !seen.insert(*name)) {
            return Err(format!("the name `{twice}` stands for two {what}"));
        }
    }
    Ok(())
}

fn check_graph(model: &Model, graph: &Graph, depth: Depth) -> Result<(), VerifyError> {
    let (first, last) = (graph.parameters_op(), graph.return_op());
    let order = graph.order();
    let ids = graph.ids();
    if order.len() != ids.len() {
        let ordered: BTreeSet<OpId> = order.into_iter().collect();
        let on_cycle = ids.into_iter().find(|id| !ordered.contains(id)).unwrap_or(last);
        return Err(at(graph, place(graph, on_cycle), "the operation lies on a cycle, or behind one"));
    }
    let mut result_counts = vec![0u32; ids.last().map_or(0, |id| id.index() + 1)];
    for &id in &ids {
        let results = graph.results_of(id);
        result_counts[id.index()] = results.len() as u32;
        for value in results {
            value::check(graph.info(value)).map_err(|problem| at(graph, place(graph, id), format!("result {}: {problem}", value.port)))?;
        }
    }
    let exists = |value: &Value| value.port < result_counts.get(value.op.index()).copied().unwrap_or(0);
    let mut calls = calls::Calls::new(model);
    for id in order {
        let mut check = || -> Check {
            let operands = graph.operands(id);
            if !operands.iter().flatten().all(exists) {
                return Err("an operand is a result that does not exist".into());
            }
            match graph.op(id).kind() {
                OpKind::Parameters if id != first => return Err("a graph has one `parameters`".into()),
                OpKind::Return if id != last => return Err("a graph has one `return`".into()),
                OpKind::Parameters if !graph.after(id).is_empty() => return Err("`parameters` comes first".into()),
                OpKind::Return if operands.iter().any(Option::is_none) => return Err("operand `results` is missing".into()),
                OpKind::Return if result_counts[id.index()] > 0 => return Err("`return` has no results".into()),
                _ => {}
            }
            if id == first && graph.op(id).kind() != OpKind::Parameters {
                return Err("the graph's `parameters` is another operation".into());
            }
            if id == last && graph.op(id).kind() != OpKind::Return {
                return Err("the graph's `return` is another operation".into());
            }
            operation::check_counts(graph, id)?;
            if depth == Depth::Structure {
                return Ok(());
            }
            operation::check(graph, id, &operands)?;
            calls.check(graph, id, &operands)
        };
        check().map_err(|problem| at(graph, place(graph, id), problem))?;
    }
    Ok(())
}
