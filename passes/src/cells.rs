//! Finds recurrent cells of four gates: their rounding errors add up from step to step, and their rows are short.

use planish_core::{GraphId, Model, Op, OpId};

use crate::loops::{Loop, loops};

/// How many gates the cell of an LSTM has.
pub(crate) const GATES: usize = 4;

/// A cell in a loop's body: the `split` into gates of a sum of products.
pub(crate) struct Cell {
    /// The loop whose step it is.
    pub found: Loop,
    /// The `split`, in the body.
    pub split: OpId,
    /// The products: in the body that of the state, outside of the loop that of the input for all steps.
    pub products: Vec<(GraphId, OpId)>,
    /// The weights that the smallest gate has in a product.
    pub least_gate: usize,
    /// What a unit sums over: inputs and units together.
    pub fan_in: usize,
}

/// The cells of a model whose gates are the fourths of a plain sum with a product of the state.
pub(crate) fn lstm_cells(model: &Model) -> Vec<Cell> {
    let mut cells = Vec::new();
    for found in loops(model) {
        let body = model.graph(found.body);
        let splits = body.ids().into_iter();
        let splits = splits.filter(|&id| matches!(body.op(id), Op::Split(s) if s.num as usize == GATES));
        cells.extend(splits.filter_map(|split| cell(model, found, split)));
    }
    cells
}

impl Cell {
    /// Whether [`EqualizeGates`](crate::EqualizeGates) has brought its gates to one range, and scales them back.
    pub(crate) fn is_equalized(&self, model: &Model) -> bool {
        let body = model.graph(self.found.body);
        body.results_of(self.split).into_iter().any(|gate| {
            let user = body.value(gate).only_user();
            user.is_some_and(|user| matches!(user.op(), Op::Mul(_)) && user.operand(1).is_some_and(|by| by.constant().is_some()))
        })
    }
}

fn cell(model: &Model, found: Loop, split: OpId) -> Option<Cell> {
    let (outer, body) = (model.graph(found.outer), model.graph(found.body));
    let mut products = Vec::new();
    let mut todo = vec![body.operand(split, 1)?];
    while let Some(value) = todo.pop() {
        let op = body.at(value.op);
        match op.op() {
            Op::Add(_) => todo.extend(op.operands().into_iter().flatten()),
            Op::FullyConnected(_) => products.push((found.body, value.op)),
            Op::Gather(_) => {
                let sequence = op.operand(0).filter(|v| v.id().op == body.parameters_op());
                let start = sequence.and_then(|v| outer.operand(found.op, v.id().port as usize));
                let projection = start.filter(|v| matches!(outer.op(v.op), Op::FullyConnected(_)));
                products.extend(projection.map(|v| (found.outer, v.op)));
            }
            _ => {}
        }
    }
    // Without a product of the state itself it is no cell.
    products.iter().find(|(graph, _)| *graph == found.body)?;
    let weights = |&(graph, id): &(GraphId, OpId)| {
        let graph = model.graph(graph);
        graph.constant(graph.operand(id, 1)?)
    };
    let least_gate = products.iter().filter_map(weights).map(|t| t.elements() / GATES).min()?;
    let fan_in = products.iter().filter_map(weights).filter_map(|t| t.dims().last()).sum();
    Some(Cell {
        found,
        split,
        products,
        least_gate,
        fan_in,
    })
}
