//! TensorFlow's tensor lists become plain tensors: `[elements, ...element shape]`.
//!
//! A list that a loop fills is a tensor that the loop carries, written by `dynamic_update_slice`; a list made from a
//! tensor is that tensor. A list is reserved before anything is known of its elements' run-time extents, so its zeros
//! are made where it meets the loop that fills it, with the extents of that loop's other values. Where those do not tell
//! the extents either, and the loop writes one element after the other, it carries those that it has written; joined along
//! their first axis at once where nothing else is made of them, so that they may be of different lengths.
//!
//! Graphs hand lists on to each other, and one that takes a tensor takes no list any more. So all lists of a model are one
//! change where changes are counted: either all of them are lowered, or none.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::attr::Activation;
use planish_core::op::{Concatenation, Gather, Reshape};
use planish_core::{
    Changed, Context, DType, Error, Graph, GraphId, Meaning, Model, Op, OpId, Pass, PassEntry, Shape, Type, Value, inventory,
};

use crate::dimensions::Extent;

mod elements;
mod in_order;

use elements::{
    Written, as_row, element_written, grown, grows, known_element, of_any_length, tell_elements, write_item, zeros, zeros_like_item,
};

/// Turns TensorFlow's tensor lists into plain tensors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LowerTensorLists;

impl Pass for LowerTensorLists {
    type Options = planish_core::NoOptions;
    const NAME: &'static str = "lower_tensor_lists";
    const SUMMARY: &'static str = "turns TensorFlow's lists of tensors into tensors";
    const MEANING: Meaning = Meaning::Exact;

    fn run(&self, model: &mut Model, _: &planish_core::NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        if has_lists(model) && !cx.allow_change() {
            return Ok(Changed(0));
        }
        let called: BTreeSet<GraphId> = model
            .graphs()
            .flat_map(|(_, g)| g.ids().into_iter().flat_map(|id| g.op(id).graphs()))
            .collect();
        let outermost: Vec<GraphId> = model.graph_ids().into_iter().filter(|id| !called.contains(id)).collect();
        let mut lowering = Lowering {
            model,
            lowered: BTreeSet::new(),
            changed: 0,
        };
        for id in outermost {
            lowering.graph(id, BTreeMap::new())?;
        }
        Ok(Changed(lowering.changed))
    }
}

/// Whether a list is made anywhere.
fn has_lists(model: &Model) -> bool {
    let mut graphs = model.graphs();
    graphs.any(|(_, g)| {
        g.ids()
            .into_iter()
            .any(|id| matches!(g.op(id), Op::TensorListReserve(_) | Op::TensorListFromTensor(_)))
    })
}

/// What stands for a list in one graph.
#[derive(Clone, Debug)]
enum List {
    /// A tensor of its elements.
    Tensor(Value),
    /// A tensor of the elements that have been written, one after the other.
    InOrder(Value),
    /// The elements that have been written, joined along their first axis.
    Joined(Value),
    /// Reserved, with nothing written yet.
    Reserved { size: Value, element_shape: Value, dtype: DType },
}

/// What a loop carries of a list that it writes in order.
struct Carried {
    ty: Type,
    /// Whether it is its elements joined, and not a row for each.
    joined: bool,
}

struct Lowering<'m> {
    model: &'m mut Model,
    /// The graphs that are lowered already: one may be called from many places.
    lowered: BTreeSet<GraphId>,
    changed: usize,
}

fn problem(graph: &Graph, op: OpId, reason: impl Into<String>) -> Error {
    Error::Operation {
        graph: graph.name().into(),
        operation: graph.label(op),
        reason: reason.into(),
    }
}

impl Lowering<'_> {
    fn graph(&mut self, id: GraphId, mut lists: BTreeMap<Value, List>) -> Result<(), Error> {
        if !self.lowered.insert(id) {
            return Ok(());
        }
        for op in self.model.graph(id).order() {
            self.operation(id, op, &mut lists)?;
        }
        Ok(())
    }

    fn operation(&mut self, id: GraphId, op: OpId, lists: &mut BTreeMap<Value, List>) -> Result<(), Error> {
        let graph = self.model.graph_mut(id);
        let operands = graph.operands(op);
        let operand = |i: usize| operands.get(i).copied().flatten();
        let value = Value { op, port: 0 };
        let kind = graph.op(op).clone();
        let needs_list = |graph: &Graph| problem(graph, op, "its list comes from where this converter cannot follow it");
        match kind {
            Op::TensorListReserve(list) => {
                let (Some(element_shape), Some(size)) = (operand(0), operand(1)) else {
                    return Ok(());
                };
                lists.insert(
                    value,
                    List::Reserved {
                        size,
                        element_shape,
                        dtype: list.dtype,
                    },
                );
            }
            Op::TensorListFromTensor(_) => {
                lists.insert(value, List::Tensor(operand(0).ok_or_else(|| needs_list(graph))?));
            }
            Op::Identity(_) if operand(0).is_some_and(|v| lists.contains_key(&v)) => {
                let list = lists[&operand(0).expect("checked")].clone();
                lists.insert(value, list);
            }
            Op::TensorListSetItem(set) => {
                let (Some(list), Some(index), Some(item)) = (operand(0), operand(1), operand(2)) else {
                    return Err(needs_list(graph));
                };
                let list = lists.get(&list).cloned().ok_or_else(|| needs_list(graph))?;
                let tensor = match list {
                    List::InOrder(tensor) => {
                        let longer = in_order::with_next(graph, tensor, index, item).ok_or_else(|| needs_list(graph))?;
                        lists.insert(value, List::InOrder(longer));
                        self.changed += 1;
                        return Ok(());
                    }
                    List::Joined(tensor) => {
                        let longer = in_order::joined(graph, &[tensor, item]);
                        lists.insert(value, List::Joined(longer));
                        self.changed += 1;
                        return Ok(());
                    }
                    List::Tensor(tensor) => tensor,
                    List::Reserved { size, .. } => zeros_like_item(graph, size, item).ok_or_else(|| needs_list(graph))?,
                };
                let unfit = |graph: &Graph| problem(graph, op, "its item has an unknown rank, or is none of the list's elements");
                let tensor = if set.resize {
                    grown(graph, tensor, index).ok_or_else(|| unfit(graph))?
                } else {
                    tensor
                };
                let written = write_item(graph, tensor, index, item).ok_or_else(|| unfit(graph))?;
                lists.insert(value, List::Tensor(written));
            }
            Op::TensorListPushBack(_) => {
                let (Some(list), Some(item)) = (operand(0), operand(1)) else {
                    return Err(needs_list(graph));
                };
                let list = lists.get(&list).cloned().ok_or_else(|| needs_list(graph))?;
                let row = as_row(graph, item).ok_or_else(|| problem(graph, op, "the rank of its item is unknown"))?;
                let longer = match list {
                    List::Tensor(tensor) | List::InOrder(tensor) => graph.add(
                        Concatenation {
                            axis: 0,
                            activation: Activation::None,
                        },
                        &[tensor, row],
                    ),
                    List::Reserved { .. } => row,
                    List::Joined(_) => return Err(needs_list(graph)),
                };
                lists.insert(value, List::Tensor(longer));
            }
            Op::TensorListGetItem(get) => {
                let (Some(list), Some(index)) = (operand(0), operand(1)) else {
                    return Err(needs_list(graph));
                };
                let tensor = tensor_of(graph, lists, list, operand(2), get.dtype).ok_or_else(|| needs_list(graph))?;
                let item = graph.add(Gather { axis: 0, batch_dims: 0 }, &[tensor, index]);
                stand_in(graph, value, item);
            }
            Op::TensorListGather(get) => {
                let (Some(list), Some(indices)) = (operand(0), operand(1)) else {
                    return Err(needs_list(graph));
                };
                let tensor = tensor_of(graph, lists, list, operand(2), get.dtype).ok_or_else(|| needs_list(graph))?;
                let items = graph.add(Gather { axis: 0, batch_dims: 0 }, &[tensor, indices]);
                stand_in(graph, value, items);
            }
            Op::TensorListStack(stack) => {
                let list = operand(0).ok_or_else(|| needs_list(graph))?;
                let tensor = tensor_of(graph, lists, list, operand(1), stack.dtype).ok_or_else(|| needs_list(graph))?;
                stand_in(graph, value, tensor);
            }
            Op::TensorListConcat(concat) => {
                let list = operand(0).ok_or_else(|| needs_list(graph))?;
                if let Some(&List::Joined(joined)) = lists.get(&list) {
                    stand_in(graph, value, joined);
                    self.changed += 1;
                    return Ok(());
                }
                let tensor = tensor_of(graph, lists, list, operand(1), concat.dtype).ok_or_else(|| needs_list(graph))?;
                let rest = graph
                    .ty(tensor)
                    .shape
                    .dims()
                    .and_then(|d| d.get(2..)?.iter().map(|d| d.known()).collect::<Option<Vec<_>>>());
                let rest = rest.ok_or_else(|| problem(graph, op, "the shape of its elements is unknown"))?;
                let shape: Vec<i32> = std::iter::once(-1).chain(rest.into_iter().map(|d| d as i32)).collect();
                let shape = graph.add_ints(&shape);
                let joined = graph.add(Reshape {}, &[tensor, shape]);
                stand_in(graph, value, joined);
            }
            Op::TensorListLength(_) => {
                let list = operand(0).and_then(|l| lists.get(&l).cloned()).ok_or_else(|| needs_list(graph))?;
                let length = match list {
                    List::Joined(_) => return Err(needs_list(graph)),
                    List::Reserved { size, .. } => size,
                    List::Tensor(tensor) | List::InOrder(tensor) => {
                        let count = crate::dimensions::dimensions(graph, &[Extent::Of(tensor, 0)]);
                        let scalar = graph.add_ints(&[]);
                        graph.add(Reshape {}, &[count, scalar])
                    }
                };
                stand_in(graph, value, length);
            }
            Op::TensorListElementShape(_) => {
                let list = operand(0).and_then(|l| lists.get(&l).cloned()).ok_or_else(|| needs_list(graph))?;
                let shape = match list {
                    List::Joined(_) => return Err(needs_list(graph)),
                    List::Reserved { element_shape, .. } => element_shape,
                    List::Tensor(tensor) | List::InOrder(tensor) => {
                        let rank = graph
                            .ty(tensor)
                            .shape
                            .rank()
                            .ok_or_else(|| problem(graph, op, "the rank of its elements is unknown"))?;
                        let extents: Vec<Extent> = (1..rank).map(|axis| Extent::Of(tensor, axis)).collect();
                        crate::dimensions::dimensions(graph, &extents)
                    }
                };
                stand_in(graph, value, shape);
            }
            Op::TensorListResize(_) | Op::TensorListPopBack(_) => {
                return Err(problem(
                    graph,
                    op,
                    "lists that shrink cannot be lowered; unroll the loop that uses them",
                ));
            }
            Op::While(_) | Op::If(_) | Op::Call(_) => self.caller(id, op, &kind, lists)?,
            Op::Return(_) => {
                let stand_ins: Vec<Option<Value>> = operands
                    .iter()
                    .map(|v| match v.and_then(|v| lists.get(&v)) {
                        Some(List::Tensor(tensor) | List::InOrder(tensor) | List::Joined(tensor)) => Some(*tensor),
                        _ => *v,
                    })
                    .collect();
                graph.set_operands(op, &stand_ins);
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.changed += 1;
        Ok(())
    }

    /// A loop, branch or call that lists go into: they go in as tensors, and come out as such.
    fn caller(&mut self, id: GraphId, op: OpId, kind: &Op, lists: &mut BTreeMap<Value, List>) -> Result<(), Error> {
        let operands: Vec<Value> = self.model.graph(id).operands(op).into_iter().flatten().collect();
        let called = kind.graphs();
        let skipped = usize::from(matches!(kind, Op::If(_)));
        let shapes = operands.iter().skip(skipped).map(|operand| match lists.get(operand)? {
            List::Tensor(tensor) => Some(self.model.graph(id).ty(*tensor).shape.clone()),
            _ => None,
        });
        let known: Vec<(usize, Shape)> = shapes.enumerate().filter_map(|(at, shape)| Some((at, shape?))).collect();
        for &inner in &called {
            tell_elements(self.model.graph_mut(inner), &known);
        }
        let mut tensors: BTreeMap<usize, Value> = BTreeMap::new();
        let mut in_order: BTreeMap<usize, Carried> = BTreeMap::new();
        for (position, operand) in operands.iter().enumerate().skip(skipped) {
            let tensor = match lists.get(operand) {
                None => continue,
                Some(List::Joined(_)) => return Err(problem(self.model.graph(id), op, "its list is joined already")),
                Some(List::Tensor(tensor) | List::InOrder(tensor)) => *tensor,
                Some(List::Reserved {
                    size,
                    element_shape,
                    dtype,
                }) => {
                    let (size, element_shape, dtype) = (*size, *element_shape, *dtype);
                    let known = known_element(self.model.graph(id), element_shape, dtype);
                    let written = || {
                        let mut written = Written::new();
                        called
                            .iter()
                            .find_map(|&g| element_written(self.model, g, position - skipped, &mut written))
                    };
                    let Some(element) = known.or_else(written) else {
                        let (tensor, carried) = self
                            .in_order(id, op, kind, &operands, position)
                            .ok_or_else(|| problem(self.model.graph(id), op, "the shape of a list's elements is unknown"))?;
                        tensors.insert(position, tensor);
                        in_order.insert(position, carried);
                        continue;
                    };
                    let graph = self.model.graph_mut(id);
                    zeros(graph, size, &element, |parameter, axis| {
                        let source = operands[parameter + skipped];
                        match lists.get(&source) {
                            Some(List::Tensor(tensor) | List::InOrder(tensor)) => Some((*tensor, axis)),
                            Some(List::Reserved { .. } | List::Joined(_)) => None,
                            None => Some((source, axis)),
                        }
                    })
                    .ok_or_else(|| {
                        problem(
                            self.model.graph(id),
                            op,
                            "an extent of a list's elements depends on the list itself",
                        )
                    })?
                }
            };
            tensors.insert(position, tensor);
        }
        if !tensors.is_empty() {
            let graph = self.model.graph_mut(id);
            for (&position, &tensor) in &tensors {
                graph.set_operand(op, position, Some(tensor));
            }
        }
        let repeated = matches!(kind, Op::While(_));
        let longer: Vec<usize> = tensors
            .keys()
            .copied()
            .filter(|&position| repeated && called.iter().any(|&g| grows(self.model, g, position, &mut BTreeSet::new())))
            .collect();
        for &inner in &called {
            let mut inner_lists = BTreeMap::new();
            for (&position, &tensor) in &tensors {
                let mut ty = self.model.graph(id).ty(tensor).clone();
                if longer.contains(&position) {
                    ty.shape = of_any_length(&ty.shape);
                }
                let mut list: fn(Value) -> List = List::Tensor;
                if let Some(carried) = in_order.get(&position) {
                    ty = carried.ty.clone();
                    list = if carried.joined { List::Joined } else { List::InOrder };
                }
                let parameter = self.model.graph(inner).parameters()[position - skipped];
                self.model.graph_mut(inner).info_mut(parameter).ty = ty;
                inner_lists.insert(parameter, list(parameter));
            }
            self.graph(inner, inner_lists)?;
        }
        let results = self.model.graph(id).results_of(op);
        let last = *called.last().expect("a caller calls");
        let inner = self.model.graph(last);
        let types: Vec<Type> = inner.results().into_iter().map(|v| inner.ty(v).clone()).collect();
        for (result, ty) in results.into_iter().zip(types) {
            let graph = self.model.graph_mut(id);
            if graph.ty(result).dtype == DType::Variant && ty.dtype != DType::Variant {
                graph.info_mut(result).ty = ty;
                let carried = in_order.get(&(result.port as usize + skipped));
                let joined = carried.is_some_and(|carried| carried.joined);
                lists.insert(result, if joined { List::Joined(result) } else { List::Tensor(result) });
            }
        }
        Ok(())
    }

    /// What a list is before a loop that writes it in order, and what the loop carries of it.
    fn in_order(&mut self, id: GraphId, op: OpId, kind: &Op, state: &[Value], position: usize) -> Option<(Value, Carried)> {
        let Op::While(inner) = kind else { return None };
        let graph = self.model.graph(id);
        let element = in_order::written_in_order(self.model, graph, state, inner.body, position)?;
        let result = Value { op, port: position as u32 };
        let joined = in_order::joined_of(&element).filter(|_| in_order::is_only_joined(graph, result));
        let carried = Carried {
            joined: joined.is_some(),
            ty: joined.or_else(|| in_order::list_of(&element))?,
        };
        Some((in_order::nothing(self.model.graph_mut(id), &carried.ty)?, carried))
    }
}

/// Lets `new` stand in for `old`, with what is known of either's shape.
fn stand_in(graph: &mut Graph, old: Value, new: Value) {
    let old_info = graph.info(old).clone();
    let produced = !matches!(graph.op(new.op), Op::Parameters(_) | Op::Const(_));
    let info = graph.info_mut(new);
    if produced && let Some(shape) = info.ty.shape.meet(&old_info.ty.shape) {
        info.ty.shape = shape;
    }
    if produced && info.name.is_none() {
        info.name = old_info.name;
    }
    graph.replace(old, new);
}

fn tensor_of(graph: &mut Graph, lists: &mut BTreeMap<Value, List>, list: Value, shape: Option<Value>, dtype: DType) -> Option<Value> {
    match lists.get(&list)?.clone() {
        // What is read as another type than was written is none of this list.
        List::Tensor(tensor) | List::InOrder(tensor) => (graph.ty(tensor).dtype == dtype).then_some(tensor),
        List::Joined(_) => None,
        List::Reserved { size, element_shape, .. } => {
            let element = known_element(graph, element_shape, dtype).or_else(|| known_element(graph, shape?, dtype))?;
            let tensor = zeros(graph, size, &element, |_, _| None)?;
            lists.insert(list, List::Tensor(tensor));
            Some(tensor)
        }
    }
}

inventory::submit! { PassEntry::of::<LowerTensorLists>() }
