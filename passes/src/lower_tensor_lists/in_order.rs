//! Lists whose elements have a shape that is not known before the first one is there: a loop that writes one element after
//! the other carries those that there are.

use planish_core::attr::Activation;
use planish_core::op::{Concatenation, Reshape, Shape as ShapeOf};
use planish_core::{DType, Dim, Graph, GraphId, Model, Op, OpId, Shape, Tensor, Type, Value};

use crate::arithmetic::add;

/// What a step of a loop writes into the list at this position of its state, where it writes the element of the step's
/// number, and nothing else does anything with the list; steps count from zero.
pub(super) fn written_in_order(model: &Model, outer: &Graph, state: &[Value], body: GraphId, position: usize) -> Option<Type> {
    let graph = model.get_graph(body)?;
    let parameters = graph.parameters();
    let results = graph.results();
    let writing = source(graph, *results.get(position)?).op;
    let Op::TensorListSetItem(_) = graph.op(writing) else {
        return None;
    };
    let list = source(graph, graph.operand(writing, 0)?);
    if list != *parameters.get(position)? || graph.uses(list).len() != 1 {
        return None;
    }
    let counter = source(graph, graph.operand(writing, 1)?);
    let at = parameters.iter().position(|&p| p == counter)?;
    let ints = |graph: &Graph, value: Value| graph.constant(value).and_then(Tensor::to_ints);
    if ints(outer, *state.get(at)?)? != [0] {
        return None;
    }
    let next = source(graph, *results.get(at)?);
    let terms = [graph.operand(next.op, 0)?, graph.operand(next.op, 1)?];
    let counts = matches!(graph.op(next.op), Op::Add(_))
        && (0..2).any(|i| source(graph, terms[i]) == counter && ints(graph, source(graph, terms[1 - i])).is_some_and(|n| n == [1]));
    let item = graph.ty(graph.operand(writing, 2)?);
    (counts && item.shape.rank().is_some()).then(|| item.clone())
}

/// What a value is, behind operations that hand it on.
fn source(graph: &Graph, mut value: Value) -> Value {
    while let Op::Identity(_) = graph.op(value.op)
        && let Some(before) = graph.operand(value.op, 0)
    {
        value = before;
    }
    value
}

/// No element yet of what a loop makes: extents that are not known are those of nothing.
pub(super) fn nothing(graph: &mut Graph, made: &Type) -> Option<Value> {
    let dims: Vec<usize> = made.shape.dims()?.iter().map(|dim| dim.known().unwrap_or(0)).collect();
    let nothing = Tensor::new(made.dtype, &dims, Vec::new().into()).ok()?;
    Some(graph.add_const(nothing))
}

/// The type of the elements that there are.
pub(super) fn list_of(element: &Type) -> Option<Type> {
    let own = element.shape.dims()?.iter().copied();
    Some(element.with_shape(Shape::new(std::iter::once(Dim::Unknown).chain(own))))
}

/// The type of elements that are joined along their first axis, where all others are known.
pub(super) fn joined_of(element: &Type) -> Option<Type> {
    let (_, rest) = element.shape.dims()?.split_first()?;
    let known = rest.iter().all(|dim| dim.known().is_some());
    known.then(|| element.with_shape(Shape::new(std::iter::once(Dim::Unknown).chain(rest.iter().copied()))))
}

/// Whether nothing is made of a list but its elements joined, and not where each begins.
pub(super) fn is_only_joined(graph: &Graph, list: Value) -> bool {
    let uses = graph.uses(list);
    let joins = |op: OpId| match graph.op(op) {
        Op::TensorListConcat(_) => graph
            .results_of(op)
            .into_iter()
            .skip(1)
            .all(|lengths| graph.uses(lengths).is_empty()),
        Op::Identity(_) => is_only_joined(graph, Value { op, port: 0 }),
        _ => false,
    };
    !uses.is_empty() && uses.iter().all(|reader| joins(reader.op))
}

/// Values one after the other along their first axis.
pub(super) fn joined(graph: &mut Graph, parts: &[Value]) -> Value {
    let op = Concatenation {
        axis: 0,
        activation: Activation::None,
    };
    graph.add(op, parts)
}

/// The elements with one more behind them, the one of this number, which gives all their shape.
pub(super) fn with_next(graph: &mut Graph, list: Value, number: Value, item: Value) -> Option<Value> {
    let ty = list_of(graph.ty(item))?;
    let any = graph.add_ints(&[-1]);
    let elements = [list, item].map(|part| graph.add(Reshape {}, &[part, any]));
    let elements = joined(graph, &elements);
    // How many there are is counted and not left open: LiteRT does not run a loop whose state grows by shapes that it
    // knows before it runs.
    let one = graph.add_ints(&[1]);
    let number = graph.add(Reshape {}, &[number, one]);
    let count = add(graph, number, one);
    let shape = graph.add(ShapeOf { dtype: DType::I32 }, &[item]);
    let shape = joined(graph, &[count, shape]);
    let longer = graph.add(Reshape {}, &[elements, shape]);
    let info = graph.info_mut(longer);
    info.ty.shape = info.ty.shape.meet(&ty.shape)?;
    Some(longer)
}
