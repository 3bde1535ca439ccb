//! The elements of lists: what is known of them, and how they are written into the tensor that stands for the list.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::attr::Activation;
use planish_core::extents::parameter_dimension;
use planish_core::op::{Add, Concatenation, DynamicUpdateSlice, Maximum, Pad, Reshape, Sub};
use planish_core::{DType, Dim, Graph, GraphId, Model, Op, Shape, Tensor, Value, infer};

use crate::dimensions::{Extent, dimensions, filled};

/// What a loop body or branch tells of the elements that it writes into a list.
#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) dtype: DType,
    /// For each dimension its extent, or the parameter and axis that have the same.
    pub(super) dims: Vec<Result<usize, (usize, usize)>>,
}

/// The element shape, where a constant gives it in full.
pub(super) fn known_element(graph: &Graph, element_shape: Value, dtype: DType) -> Option<Element> {
    let tensor = graph.constant(element_shape)?;
    let ints = (tensor.dims().len() == 1).then(|| tensor.to_ints())??;
    let dims = ints
        .into_iter()
        .map(|n| usize::try_from(n).ok().map(Ok))
        .collect::<Option<Vec<_>>>()?;
    Some(Element { dtype, dims })
}

/// What is known of the elements written into lists, by the graph and the position of the parameter that the list is there.
pub(super) type Written = BTreeMap<(GraphId, usize), Option<Element>>;

/// What is written into the list that parameter `position` of a graph is, as the graph's parameters tell.
pub(super) fn element_written(model: &Model, id: GraphId, position: usize, written: &mut Written) -> Option<Element> {
    if let Some(known) = written.get(&(id, position)) {
        return known.clone();
    }
    let element = element_written_in(model, id, position, written);
    written.insert((id, position), element.clone());
    element
}

fn element_written_in(model: &Model, id: GraphId, position: usize, written: &mut Written) -> Option<Element> {
    let graph = model.get_graph(id)?;
    let mut todo = vec![*graph.parameters().get(position)?];
    while let Some(list) = todo.pop() {
        for reader in graph.uses(list) {
            match graph.op(reader.op) {
                op @ (Op::TensorListSetItem(_) | Op::TensorListPushBack(_)) if reader.operand == 0 => {
                    let item = if matches!(op, Op::TensorListSetItem(_)) { 2 } else { 1 };
                    let item = graph.operand(reader.op, item)?;
                    let ty = graph.ty(item);
                    let dims = ty.shape.dims()?.iter().enumerate().map(|(axis, dim)| match dim {
                        Dim::Known(n) => Some(Ok(*n)),
                        Dim::Unknown => parameter_dimension(graph, item, axis).map(Err),
                    });
                    if let Some(dims) = dims.collect() {
                        return Some(Element { dtype: ty.dtype, dims });
                    }
                    todo.push(Value { op: reader.op, port: 0 });
                }
                Op::Identity(_) => todo.push(Value { op: reader.op, port: 0 }),
                Op::While(_) | Op::If(_) | Op::Call(_) => {
                    let skipped = usize::from(matches!(graph.op(reader.op), Op::If(_)));
                    let inner = graph.op(reader.op).graphs();
                    let found = inner
                        .iter()
                        .find_map(|&g| element_written(model, g, reader.operand - skipped, written));
                    if let Some(element) = found {
                        let outward = |(parameter, axis): (usize, usize)| {
                            let source = graph.operand(reader.op, parameter + skipped)?;
                            parameter_dimension(graph, source, axis)
                        };
                        let dims = element.dims.iter().map(|d| match *d {
                            Ok(n) => Some(Ok(n)),
                            Err(place) => outward(place).map(Err),
                        });
                        if let Some(dims) = dims.collect() {
                            return Some(Element {
                                dtype: element.dtype,
                                dims,
                            });
                        }
                    }
                }
                _ => {}
            }
        }
    }
    None
}

/// Says of what is read from lists, which are tensors of these shapes where a graph is called, and of what is made of it,
/// what is known from that: what is written into other lists may depend on it.
pub(super) fn tell_elements(graph: &mut Graph, lists: &[(usize, Shape)]) {
    let parameters = graph.parameters();
    let mut told = false;
    for (position, shape) in lists {
        let (Some(&list), Some([_, element @ ..])) = (parameters.get(*position), shape.dims()) else {
            continue;
        };
        for reader in graph.uses(list) {
            let item = Value { op: reader.op, port: 0 };
            if matches!(graph.op(reader.op), Op::TensorListGetItem(_)) && graph.ty(item).shape.rank().is_none() {
                graph.info_mut(item).ty.shape = Shape::new(element.iter().copied());
                told = true;
            }
        }
    }
    if !told {
        return;
    }
    for id in graph.order() {
        let operands: Vec<_> = graph.operands(id).into_iter().map(|v| v.map(|v| graph.value(v))).collect();
        let Ok(types) = infer::results(graph.op(id), &operands) else {
            continue;
        };
        for (result, ty) in graph.results_of(id).into_iter().zip(types) {
            let info = graph.info_mut(result);
            if let Some(shape) = info.ty.shape.meet(&ty.shape) {
                info.ty.shape = shape;
            }
        }
    }
}

/// `size` elements of zeros.
pub(super) fn zeros(
    graph: &mut Graph,
    size: Value,
    element: &Element,
    mut source: impl FnMut(usize, usize) -> Option<(Value, usize)>,
) -> Option<Value> {
    let mut extents = vec![size_extent(graph, size)];
    for dim in &element.dims {
        extents.push(match *dim {
            Ok(n) => Extent::Known(n),
            Err((parameter, axis)) => {
                let (value, axis) = source(parameter, axis)?;
                Extent::Of(value, axis)
            }
        });
    }
    Some(filled(graph, &zero(element.dtype)?, &extents))
}

pub(super) fn zeros_like_item(graph: &mut Graph, size: Value, item: Value) -> Option<Value> {
    let ty = graph.ty(item).clone();
    let mut extents = vec![size_extent(graph, size)];
    for (axis, dim) in ty.shape.dims()?.iter().enumerate() {
        extents.push(dim.known().map_or(Extent::Of(item, axis), Extent::Known));
    }
    Some(filled(graph, &zero(ty.dtype)?, &extents))
}

fn size_extent(graph: &Graph, size: Value) -> Extent {
    match graph
        .constant(size)
        .and_then(Tensor::to_ints)
        .and_then(|n| usize::try_from(*n.first()?).ok())
    {
        Some(n) => Extent::Known(n),
        None => Extent::Scalar(size),
    }
}

fn zero(dtype: DType) -> Option<Tensor> {
    Tensor::new(dtype, &[], vec![0u8; dtype.size()?].into()).ok()
}

/// The item as a tensor of one element.
pub(super) fn as_row(graph: &mut Graph, item: Value) -> Option<Value> {
    let dims = graph.ty(item).shape.dims()?.to_vec();
    if dims.iter().filter(|d| **d == Dim::Unknown).count() <= 1 {
        let shape: Vec<i32> = std::iter::once(1)
            .chain(dims.iter().map(|d| d.known().map_or(-1, |n| n as i32)))
            .collect();
        let shape = graph.add_ints(&shape);
        let row = graph.add(Reshape {}, &[item, shape]);
        graph.info_mut(row).ty.shape = Shape::new(std::iter::once(Dim::Known(1)).chain(dims));
        return Some(row);
    }
    let axis = graph.add_int(0);
    Some(graph.add(planish_core::op::ExpandDims {}, &[item, axis]))
}

pub(super) fn write_item(graph: &mut Graph, tensor: Value, index: Value, item: Value) -> Option<Value> {
    let row = as_row(graph, item)?;
    if graph.ty(tensor).shape.dim(0) == Dim::Known(1) {
        return Some(row);
    }
    let rank = graph.ty(row).shape.rank()?;
    let one = graph.add_ints(&[1]);
    let start = graph.add(Reshape {}, &[index, one]);
    let rest = graph.add_ints(&vec![0; rank - 1]);
    let start = graph.add(
        Concatenation {
            axis: 0,
            activation: Activation::None,
        },
        &[start, rest],
    );
    let written = graph.try_add(DynamicUpdateSlice {}, &[Some(tensor), Some(row), Some(start)]).ok()?;
    Some(Value { op: written, port: 0 })
}

/// The tensor with as many zeros behind it as it takes to have an element at `index`.
pub(super) fn grown(graph: &mut Graph, tensor: Value, index: Value) -> Option<Value> {
    let ty = graph.ty(tensor).clone();
    let rank = ty.shape.rank()?;
    let (activation, pot_scale_int16) = (Activation::None, true);
    let (one, zero) = (graph.add_ints(&[1]), graph.add_ints(&[0]));
    let index = graph.add(Reshape {}, &[index, one]);
    let needed = graph.add(
        Add {
            activation,
            pot_scale_int16,
        },
        &[index, one],
    );
    let length = dimensions(graph, &[Extent::Of(tensor, 0)]);
    let missing = graph.add(
        Sub {
            activation,
            pot_scale_int16,
        },
        &[needed, length],
    );
    let missing = graph.add(Maximum {}, &[missing, zero]);
    let rest = graph.add_ints(&vec![0; 2 * (rank - 1)]);
    let paddings = graph.add(Concatenation { axis: 0, activation }, &[zero, missing, rest]);
    let pairs = graph.add_ints(&[rank as i32, 2]);
    let paddings = graph.add(Reshape {}, &[paddings, pairs]);
    let longer = graph.add(Pad {}, &[tensor, paddings]);
    graph.info_mut(longer).ty = ty.with_shape(of_any_length(&ty.shape));
    Some(longer)
}

/// The shape with any number of elements.
pub(super) fn of_any_length(shape: &Shape) -> Shape {
    match shape.dims() {
        Some([_, element @ ..]) => Shape::new(std::iter::once(Dim::Unknown).chain(element.iter().copied())),
        _ => shape.clone(),
    }
}

/// Whether a graph makes the list that parameter `position` is longer.
///
/// `asked` holds the graphs and positions that this was asked of: one that does ends the search.
pub(super) fn grows(model: &Model, id: GraphId, position: usize, asked: &mut BTreeSet<(GraphId, usize)>) -> bool {
    let Some(graph) = model.get_graph(id).filter(|_| asked.insert((id, position))) else {
        return false;
    };
    let mut todo: Vec<Value> = graph.parameters().get(position).copied().into_iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(list) = todo.pop() {
        if !seen.insert(list) {
            continue;
        }
        for reader in graph.uses(list) {
            let result = Value { op: reader.op, port: 0 };
            match graph.op(reader.op) {
                Op::TensorListPushBack(_) => return true,
                Op::TensorListSetItem(set) if set.resize => return true,
                Op::TensorListSetItem(_) | Op::Identity(_) => todo.push(result),
                Op::While(_) | Op::If(_) | Op::Call(_) => {
                    let branch = matches!(graph.op(reader.op), Op::If(_));
                    let inner = graph.op(reader.op).graphs();
                    if inner.iter().any(|&g| grows(model, g, reader.operand - usize::from(branch), asked)) {
                        return true;
                    }
                    if let Op::While(_) = graph.op(reader.op) {
                        todo.push(Value {
                            op: reader.op,
                            port: reader.operand as u32,
                        });
                    }
                }
                _ => {}
            }
        }
    }
    false
}
