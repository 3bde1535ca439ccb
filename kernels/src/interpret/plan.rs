//! The order in which a graph's operations run, and when their results are no longer needed.

use std::collections::BTreeMap;

use planish_core::{Graph, OpId, OpKind, Value};

use crate::error::Error;

/// One operation and the values that nobody reads after it.
pub(super) struct Step {
    pub(super) op: OpId,
    pub(super) operands: Vec<Option<Value>>,
    /// Whether every operand follows from constants alone.
    pub(super) constant: bool,
    /// Whether every operand behind the first one does.
    pub(super) constant_weights: bool,
    pub(super) finished: Vec<Value>,
}

/// The steps of a graph; `return` comes last.
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
}

impl Plan {
    pub(super) fn new(graph: &Graph) -> Result<Plan, Error> {
        let order = graph.order();
        if order.last() != Some(&graph.return_op()) || order.len() != graph.len() {
            return Err(Error::Graph {
                graph: graph.name().to_owned(),
                problem: "its operations wait for each other in a circle".to_owned(),
            });
        }
        let mut constants = std::collections::BTreeSet::new();
        let mut last = BTreeMap::new();
        let mut steps: Vec<Step> = Vec::with_capacity(order.len());
        for (i, &op) in order.iter().enumerate() {
            let operands = graph.operands(op).to_vec();
            let kind = graph.op(op).kind();
            let is_constant = |v: &Option<Value>| v.is_none_or(|v| constants.contains(&v.op));
            let constant = kind == OpKind::Const || !operands.is_empty() && operands.iter().all(is_constant);
            let constant_weights = operands.len() > 1 && operands[1..].iter().all(is_constant);
            if constant && follows_from_constants(kind) {
                constants.insert(op);
            }
            graph.results_of(op).into_iter().for_each(|v| {
                last.insert(v, i);
            });
            operands.iter().flatten().for_each(|&v| {
                last.insert(v, i);
            });
            steps.push(Step {
                op,
                operands,
                constant: constant && kind != OpKind::Const && follows_from_constants(kind),
                constant_weights,
                finished: Vec::new(),
            });
        }
        for (value, step) in last {
            steps[step].finished.push(value);
        }
        Ok(Plan { steps })
    }
}

/// Operations on weights that are computed once where the weights are constants.
fn follows_from_constants(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(kind, Const | Quantize | Dequantize | Transpose | Reshape | Identity)
}
