//! Finds the layer that a loop is.

use std::sync::Arc;

use planish_core::attr::Activation;
use planish_core::{Graph, Model, Op, OpId, Skip, Tensor, Value, ValueRef};

use crate::loops::Loop;
use crate::matching::{activation, either_order, integer, integers, is_f32};
use crate::simplify_loops::is_zero;

/// The gates in the order of the operation's operands.
#[derive(Clone, Copy)]
pub(super) struct Gates {
    input: u32,
    forget: u32,
    cell: u32,
    output: u32,
}

impl Gates {
    pub(super) fn in_order(self) -> [u32; 4] {
        [self.input, self.forget, self.cell, self.output]
    }
}

/// A layer to fuse: values of the outer graph, and weights with a row for each unit of each gate.
pub(super) struct Layer {
    /// The product of the input for all steps.
    pub(super) projection: OpId,
    pub(super) sequence: Value,
    pub(super) gates: Gates,
    pub(super) weights: Weight,
    pub(super) recurrent: Weight,
    pub(super) bias: Option<Tensor>,
    pub(super) units: usize,
    pub(super) initial_output: Value,
    pub(super) initial_cell: Value,
    /// The loop's result that has the outputs of all steps.
    pub(super) all: Option<Value>,
    /// The loop's result that has the output of the last step.
    pub(super) last: Value,
}

pub(super) struct Weight {
    pub(super) tensor: Tensor,
    pub(super) name: Option<Arc<str>>,
}

fn weight(value: ValueRef<'_>) -> Option<Weight> {
    let tensor = value
        .constant()
        .filter(|_| is_f32(value) && value.ty().shape.rank() == Some(2))?
        .clone();
    Some(Weight {
        tensor,
        name: value.info().name.clone(),
    })
}

/// The body's `split` of a sum into four gates, with the sum's parts: the products of the input and of the output before.
struct Sum<'g> {
    split: OpId,
    row: ValueRef<'g>,
    product: ValueRef<'g>,
}

fn sum(body: &Graph) -> Option<Sum<'_>> {
    body.order().into_iter().find_map(|split| {
        let op = body.at(split);
        if !matches!(op.op(), Op::Split(s) if s.num == 4) {
            return None;
        }
        let sum = op.operand(1)?.producer();
        if !matches!(sum.op(), Op::Add(a) if a.activation == Activation::None) {
            return None;
        }
        either_order(sum, |row, product| {
            let (row, product) = (unshaped(row), unshaped(product));
            let fits = matches!(row.producer().op(), Op::Gather(_)) && matches!(product.producer().op(), Op::FullyConnected(_));
            fits.then_some(Sum { split, row, product })
        })
    })
}

/// The value before reshapes that only put dimensions of one in or out.
fn unshaped(mut value: ValueRef<'_>) -> ValueRef<'_> {
    let long = |v: ValueRef<'_>| {
        let dims = v.ty().shape.dims()?.iter();
        Some(dims.filter(|d| d.known() != Some(1)).copied().collect::<Vec<_>>())
    };
    while let Op::Reshape(_) = value.producer().op()
        && let Some(before) = value.producer().operand(0)
        && long(before).is_some_and(|dims| Some(dims) == long(value))
    {
        value = before;
    }
    value
}

/// The position of the state that a value of the body or condition is.
fn position(graph: &Graph, value: Option<ValueRef<'_>>) -> Option<usize> {
    value
        .map(ValueRef::id)
        .filter(|v| v.op == graph.parameters_op())
        .map(|v| v.port as usize)
}

/// The layer that a loop is.
pub(super) fn layer(model: &Model, found: Loop) -> Result<Layer, Skip> {
    let (outer, body) = (model.graph(found.outer), model.graph(found.body));
    let Sum { split, row, product } = sum(body).ok_or(Skip::No)?;
    let no = |reason: &'static str| Skip::because(reason);
    let pure = |graph: &Graph| {
        graph
            .ids()
            .into_iter()
            .all(|id| graph.op(id).kind().is_pure() || id == graph.parameters_op() || id == graph.return_op())
    };
    let tied = !outer.after(found.op).is_empty() || outer.ids().into_iter().any(|id| outer.after(id).contains(&found.op));
    if !pure(body) || !pure(model.graph(found.cond)) || tied {
        return Err(no("its steps have effects"));
    }

    let (initial, next) = (found.initial(model), body.results());
    let results = outer.results_of(found.op);
    let (row, product) = (row.producer(), product.producer());
    let recurrent = product
        .operand(1)
        .and_then(weight)
        .ok_or_else(|| no("the weights of its state are no f32 constant"))?;
    if product.operand(2).is_some() || activation(product.op()) != Some(Activation::None) {
        return Err(no("the product of its state has a bias or an activation"));
    }
    let output = position(body, product.operand(0)).ok_or_else(|| no("its output goes through other operations before the next step"))?;
    let [rows, units] = *recurrent.tensor.dims() else {
        return Err(Skip::No);
    };
    let along = body.operand(split, 0).and_then(|v| integer(body.value(v)));
    if rows != 4 * units || !matches!(along, Some(1 | -1)) || body.ty(next[output]).shape.rank() != Some(2) {
        return Err(no("its gates are not the fourths of the product of its state"));
    }
    let (gates, cell) = cell(body, split, next[output]).ok_or_else(|| no("its gates are not combined as those of an LSTM"))?;

    let counter = position(body, row.operand(1)).ok_or_else(|| no("it does not read its input in order"))?;
    let products = position(body, row.operand(0)).filter(|&p| found.is_invariant(model, p));
    let products = products.filter(|_| matches!(row.op(), Op::Gather(g) if g.axis == 0 && g.batch_dims == 0));
    let products = products.ok_or_else(|| no("the products of its input are not computed before it"))?;
    let projection = outer.at(initial[products].op);
    let (Op::FullyConnected(whole), Some(sequence)) = (projection.op(), projection.operand(0)) else {
        return Err(no("the products of its input are not one product over all steps"));
    };
    let weights = projection
        .operand(1)
        .and_then(weight)
        .ok_or_else(|| no("the weights of its input are no f32 constant"))?;
    if whole.activation != Activation::None
        || !is_f32(sequence)
        || sequence.ty().shape.rank() != Some(3)
        || weights.tensor.dims()[0] != rows
    {
        return Err(no("the products of its input have another form"));
    }
    let bias = match projection.operand(2) {
        Some(bias) => Some(
            bias.constant()
                .filter(|t| is_f32(bias) && t.dims() == [rows])
                .cloned()
                .ok_or_else(|| no("its bias is no constant"))?,
        ),
        None => None,
    };

    let steps = steps(model, found, counter).ok_or_else(|| no("it does not take a constant number of steps, one by one from the first"))?;
    if sequence.ty().shape.dim(0).known() != Some(steps) || steps == 0 {
        return Err(no("it does not take all of its input"));
    }
    let mut all = None;
    for at in 0..initial.len() {
        if [counter, products, output, cell].contains(&at) {
            continue;
        }
        let writes = writes_row(body, next[at], at, counter, next[output]) && outer.ty(results[at]).shape.dim(0).known() == Some(steps);
        if all.is_some() || !writes {
            return Err(no("it carries more than an LSTM's state from step to step"));
        }
        all = Some(results[at]);
    }
    if !outer.uses(results[cell]).is_empty() {
        return Err(no("its last cell state is read"));
    }
    if !outer.uses(results[counter]).is_empty() {
        return Err(no("its number of steps is read"));
    }
    for state in [output, cell] {
        let start = outer.value(initial[state]);
        if !is_f32(start) || start.constant().is_some() && !is_zero(outer, start.id()) {
            return Err(no("its state starts as a constant other than zero"));
        }
    }
    let (initial_output, initial_cell, last) = (initial[output], initial[cell], results[output]);
    Ok(Layer {
        projection: projection.id(),
        sequence: sequence.id(),
        gates,
        weights,
        recurrent,
        bias,
        units,
        initial_output,
        initial_cell,
        all,
        last,
    })
}

/// The gates of a cell whose output is `next`, and the position of the cell's state:
/// `next = σ(output) · tanh(state')`, where `state' = σ(forget) · state + σ(input) · tanh(cell)`.
fn cell(body: &Graph, split: OpId, next: Value) -> Option<(Gates, usize)> {
    let part = |value: ValueRef<'_>| (value.id().op == split).then_some(value.id().port);
    let (output, squashed) = gated(body.value(next), split)?;
    let state = tanh(squashed)?;
    let sum = state.producer();
    if !matches!(sum.op(), Op::Add(a) if a.activation == Activation::None) {
        return None;
    }
    let (gates, position) = either_order(sum, |kept, new| {
        let (forget, before) = gated(kept, split)?;
        let (input, candidate) = gated(new, split)?;
        let cell = part(tanh(candidate)?)?;
        Some((
            Gates {
                input,
                forget,
                cell,
                output,
            },
            position(body, Some(before))?,
        ))
    })?;
    let mut each = gates.in_order();
    each.sort_unstable();
    (each == [0, 1, 2, 3] && body.results()[position] == state.id()).then_some((gates, position))
}

fn tanh(value: ValueRef<'_>) -> Option<ValueRef<'_>> {
    let op = value.producer();
    matches!(op.op(), Op::Tanh(_)).then(|| op.operand(0))?
}

/// The gate that a product has as one factor, and its other factor.
fn gated(product: ValueRef<'_>, split: OpId) -> Option<(u32, ValueRef<'_>)> {
    let op = product.producer();
    if !matches!(op.op(), Op::Mul(m) if m.activation == Activation::None) {
        return None;
    }
    either_order(op, |gate, other| {
        let sigmoid = gate.producer();
        let part = sigmoid.operand(0).filter(|_| matches!(sigmoid.op(), Op::Logistic(_)))?.id();
        (part.op == split).then_some((part.port, other))
    })
}

/// How many steps a loop takes that counts them at `counter` from zero.
fn steps(model: &Model, found: Loop, counter: usize) -> Option<usize> {
    let (outer, cond, body) = (model.graph(found.outer), model.graph(found.cond), model.graph(found.body));
    let next = body.value(body.results()[counter]).producer();
    let counts = matches!(next.op(), Op::Add(_))
        && either_order(next, |now, one| {
            (position(body, Some(now)) == Some(counter) && integer(one) == Some(1)).then_some(())
        })
        .is_some();
    let test = cond.value(*cond.results().first()?).producer();
    let tests = matches!(test.op(), Op::Less(_)) && position(cond, test.operand(0)) == Some(counter);
    let from_zero = integer(outer.value(found.initial(model)[counter])) == Some(0);
    (counts && tests && from_zero).then(|| usize::try_from(integer(test.operand(1)?)?).ok())?
}

/// Whether a step writes `row` at the counter's place into the state at `position`.
fn writes_row(body: &Graph, next: Value, at: usize, counter: usize, row: Value) -> bool {
    let op = body.at(next.op);
    let written = op.operand(1).is_some_and(|v| unshaped(v).id() == row);
    let place = op
        .operand(2)
        .map(ValueRef::producer)
        .filter(|p| matches!(p.op(), Op::Concatenation(_)));
    let placed = place.is_some_and(|p| {
        p.operands().len() == 2
            && position(body, p.operand(0).map(unshaped)) == Some(counter)
            && p.operand(1).and_then(integers).is_some_and(|rest| rest == [0, 0])
    });
    matches!(op.op(), Op::DynamicUpdateSlice(_)) && position(body, op.operand(0)) == Some(at) && written && placed
}
