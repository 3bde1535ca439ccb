//! `If` and `Case`: branches whose functions become graphs of their own.

use std::rc::Rc;

use planish_core::graph::{Graph, Value, ValueInfo};
use planish_core::model::GraphId;
use planish_core::op::{Equal, If};
use planish_core::types::{DType, Type};

use crate::function::Body;
use crate::proto::Attr;

use super::frame::{Arg, Entry};
use super::inner_graph::Inner;
use super::node::Node;
use super::{Bound, Imported, Stop};

pub(super) fn if_(node: &mut Node<'_>) -> Imported {
    let branches = [node.function("then_branch")?, node.function("else_branch")?];
    let condition = node.value(0)?;
    if let Some(known) = node.constant(condition).filter(|t| t.elements() == 1) {
        let taken = known.bytes().iter().any(|&b| b != 0);
        return inlined(node, &branches[usize::from(!taken)]);
    }
    if let Some(&[known]) = node.known_ints(condition).as_deref() {
        return inlined(node, &branches[usize::from(known == 0)]);
    }
    let condition = truth(node, condition)?;
    let inputs: Vec<Bound> = (1..node.input_count()).map(|i| node.bound(i)).collect::<Result<_, _>>()?;
    branch(node, condition, &branches, &inputs)
}

/// The function's results where the node stands, with the node's inputs from the second on as arguments.
fn inlined(node: &mut Node<'_>, body: &Rc<Body>) -> Imported {
    check_arguments(node, body, node.input_count().saturating_sub(1))?;
    let (frame, index) = (node.frame, node.index);
    let importer = &mut *node.importer;
    let prefix = importer.frames[frame].prefix.clone();
    let entry = Entry::Call {
        caller: frame,
        node: index,
        first: 1,
    };
    let inner = importer.enter(body.clone(), entry, prefix, importer.depth_below(frame))?;
    let mut places = Vec::new();
    for (_, source) in &body.results {
        places.push(importer.resolve(inner, source)?);
    }
    let results = places.len();
    if importer.effects.tracked() {
        for name in &body.control_results {
            importer.places_of_run(inner, name, &mut places)?;
        }
    }
    importer.want(&places)?;
    places[..results].iter().map(|&place| Ok(importer.bound(place)?)).collect()
}

/// What is not joined again is on both sides.
pub(super) fn switch(node: &mut Node<'_>) -> Imported {
    let data = node.bound(0)?;
    Ok(vec![data.clone(), data])
}

/// A number is true unless it is zero.
fn truth(node: &mut Node<'_>, condition: Value) -> Result<Value, Stop> {
    if node.dtype(condition) == DType::Bool {
        return Ok(condition);
    }
    let zero = node.number(0.0, condition)?;
    node.add(planish_core::op::NotEqual {}, &[condition, zero])
}

/// Branches by number: each is the first of two alternatives, the last also stands for numbers out of range.
pub(super) fn case(node: &mut Node<'_>) -> Imported {
    let Some(Attr::List(list)) = node.attr("branches") else {
        return Err(node.error("it names no branches"));
    };
    let names: Vec<String> = list.functions.iter().map(|f| f.name.clone()).collect();
    let branches: Vec<Rc<Body>> = names.iter().map(|n| node.importer.library.get(n)).collect::<Result<_, _>>()?;
    let index = node.value(0)?;
    let inputs: Vec<Bound> = (1..node.input_count()).map(|i| node.bound(i)).collect::<Result<_, _>>()?;
    let fixed: Vec<Option<Arg>> = inputs.iter().map(|b| node.importer.portable(b)).collect();
    let mut state = Vec::new();
    for (bound, fixed) in inputs.iter().zip(&fixed) {
        match (bound, fixed) {
            (Bound::Value(value), None) => state.push(*value),
            (_, Some(_)) => {}
            _ => return Err(Stop::Foreign),
        }
    }
    let types: Vec<Type> = state.iter().map(|&v| node.ty(v).clone()).collect();
    state.push(index);
    let index_type = node.ty(index).clone();
    let name = node.name().to_owned();
    let mut graphs = Vec::new();
    for (i, body) in branches.iter().enumerate() {
        check_arguments(node, body, inputs.len())?;
        let wanted = (0..body.results.len()).collect();
        let inner = Inner {
            body,
            name: format!("{name}/branch{i}"),
            fixed: &fixed,
            wanted,
        };
        graphs.push(node.inner_graph(&inner, &types, &node.declared_shapes())?);
    }
    let results = joined_results(node, &graphs.iter().map(|(g, _)| g).collect::<Vec<_>>())?;
    let touched = graphs.iter().any(|(_, touched)| *touched);
    let mut ids = Vec::new();
    for (graph, _) in graphs {
        let mut graph = graph;
        graph.add_parameter(ValueInfo::named(index_type.clone(), "branch_index"));
        ids.push(node.importer.model.add_graph(graph));
    }
    let Some(mut others) = ids.pop() else {
        return Err(node.error("it has no branches"));
    };
    // The last two branches are told apart first, the first one last and in the graph itself.
    while ids.len() > 1 {
        let this = ids.pop().expect("there is more than one");
        let name = format!("{name}/choice{}", ids.len());
        let chain = choose(&name, &index_type, &types, ids.len(), this, others, &results);
        others = node.importer.model.add_graph(chain);
    }
    let first = node.number(0.0, index)?;
    let condition = node.add(Equal {}, &[index, first])?;
    state.insert(0, condition);
    let op = If {
        then_graph: ids.pop().unwrap_or(others),
        else_graph: others,
    };
    let values = node.add_declared(op, &state, results);
    if touched && let Some(first) = values.first() {
        node.importer.effects.write_all(&mut node.importer.graph, first.op);
    }
    super::node::many(values)
}

/// A graph that runs `this` for one number and `others` for all others; the number is its last parameter.
fn choose(name: &str, index: &Type, types: &[Type], number: usize, this: GraphId, others: GraphId, results: &[Type]) -> Graph {
    let mut graph = Graph::new(name);
    let mut arguments: Vec<Value> = types.iter().map(|ty| graph.add_parameter(ValueInfo::new(ty.clone()))).collect();
    let index = graph.add_parameter(ValueInfo::named(index.clone(), "branch_index"));
    arguments.push(index);
    let number = graph.add_int(number as i32);
    let condition = graph.add(Equal {}, &[index, number]);
    let mut operands = vec![Some(condition)];
    operands.extend(arguments.into_iter().map(Some));
    let op = If {
        then_graph: this,
        else_graph: others,
    };
    let op = graph.add_declared(op, &operands, results.iter().cloned().map(ValueInfo::new).collect());
    let values = graph.results_of(op);
    graph.set_results(&values);
    graph
}

fn check_arguments(node: &Node<'_>, body: &Body, given: usize) -> Result<(), Stop> {
    if body.args.len() == given {
        return Ok(());
    }
    Err(node.error(format!(
        "it passes {given} values to {}, which takes {}",
        body.shown(),
        body.args.len()
    )))
}

fn branch(node: &mut Node<'_>, condition: Value, branches: &[Rc<Body>; 2], inputs: &[Bound]) -> Imported {
    let fixed: Vec<Option<Arg>> = inputs.iter().map(|b| node.importer.portable(b)).collect();
    let mut operands = vec![condition];
    for (bound, fixed) in inputs.iter().zip(&fixed) {
        match (bound, fixed) {
            (Bound::Value(value), None) => operands.push(*value),
            (_, Some(_)) => {}
            _ => return Err(Stop::Foreign),
        }
    }
    let types: Vec<Type> = operands[1..].iter().map(|&v| node.ty(v).clone()).collect();
    let declared = node.declared_shapes();
    let name = node.name().to_owned();
    let mut graphs = Vec::new();
    for (body, which) in branches.iter().zip(["then", "else"]) {
        check_arguments(node, body, inputs.len())?;
        let wanted = (0..body.results.len()).collect();
        let inner = Inner {
            body,
            name: format!("{name}/{which}"),
            fixed: &fixed,
            wanted,
        };
        graphs.push(node.inner_graph(&inner, &types, &declared)?);
    }
    let results = joined_results(node, &[&graphs[0].0, &graphs[1].0])?;
    let touched = graphs.iter().any(|(_, touched)| *touched);
    let mut ids = graphs.into_iter().map(|(graph, _)| node.importer.model.add_graph(graph));
    let (Some(then_graph), Some(else_graph)) = (ids.next(), ids.next()) else {
        unreachable!("two were built")
    };
    let values = node.add_declared(If { then_graph, else_graph }, &operands, results);
    if touched && let Some(first) = values.first() {
        node.importer.effects.write_all(&mut node.importer.graph, first.op);
    }
    super::node::many(values)
}

/// The types that hold whichever graph runs.
fn joined_results(node: &Node<'_>, graphs: &[&Graph]) -> Result<Vec<Type>, Stop> {
    let types = |graph: &Graph| graph.results().into_iter().map(|v| graph.ty(v).clone()).collect::<Vec<Type>>();
    let mut graphs = graphs.iter();
    let mut joined = graphs.next().map(|g| types(g)).unwrap_or_default();
    for graph in graphs {
        let others = types(graph);
        if others.len() != joined.len() {
            return Err(node.error("its branches have different numbers of results"));
        }
        for (ty, other) in joined.iter_mut().zip(others) {
            if ty.dtype != other.dtype {
                return Err(node.error("its branches give different element types"));
            }
            ty.shape = ty.shape.join(&other.shape);
        }
    }
    Ok(joined)
}
