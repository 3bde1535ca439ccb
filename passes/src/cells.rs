//! Finds the products of recurrent cells, whose rounding errors add up from step to step.

use std::collections::BTreeMap;

use planish_core::{Graph, Model, Op, OpId};

use crate::loops::loops;

/// The products of LSTM cells whose gates are too small, by graph and operation, with the weights of their smallest gate.
pub(crate) type LstmCells = BTreeMap<(String, OpId), usize>;

/// Finds the products of recurrent cells of four gates with fewer weights than `min_elements` in a gate: inside a loop, `split` into four parts of a sum of products, and
/// outside it the product over all steps that the loop reads rows of.
pub(crate) fn small_lstm_cells(model: &Model, min_elements: usize) -> LstmCells {
    const GATES: usize = 4;
    let mut small = LstmCells::new();
    for found in loops(model) {
        let (outer, body) = (model.graph(found.outer), model.graph(found.body));
        for split in body
            .ids()
            .into_iter()
            .filter(|&id| matches!(body.op(id), Op::Split(s) if s.num as usize == GATES))
        {
            let Some(sum) = body.operand(split, 1) else { continue };
            let mut products = Vec::new();
            let mut todo = vec![sum];
            while let Some(value) = todo.pop() {
                let op = body.at(value.op);
                match op.op() {
                    Op::Add(_) => todo.extend(op.operands().into_iter().flatten()),
                    Op::FullyConnected(_) => products.push((body, value.op)),
                    Op::Gather(_) => {
                        let sequence = op.operand(0).filter(|v| v.id().op == body.parameters_op());
                        let start = sequence.and_then(|v| outer.operand(found.op, v.id().port as usize));
                        products.extend(
                            start
                                .filter(|v| matches!(outer.op(v.op), Op::FullyConnected(_)))
                                .map(|v| (outer, v.op)),
                        );
                    }
                    _ => {}
                }
            }
            // Without a product of the state itself it is no cell.
            if products.iter().all(|&(graph, _)| std::ptr::eq(graph, outer)) {
                continue;
            }
            let gate = |&(graph, id): &(&Graph, OpId)| Some(graph.constant(graph.operand(id, 1)?)?.elements() / GATES);
            let least = products.iter().filter_map(gate).min().unwrap_or(usize::MAX);
            if least < min_elements {
                small.extend(products.into_iter().map(|(graph, id)| ((graph.name().to_owned(), id), least)));
            }
        }
    }
    small
}
