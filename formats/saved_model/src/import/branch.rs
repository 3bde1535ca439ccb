//! Loops and branches: their functions become graphs of their own.
//!
//! What a body only hands on and what is constant outside is a constant inside as well, not a value that is carried:
//! weights of recurrent layers are constants where they are used.

use std::collections::BTreeMap;
use std::rc::Rc;

use planish_core::graph::{Graph, Value, ValueInfo};
use planish_core::model::GraphId;
use planish_core::op::{Equal, If, While};
use planish_core::types::{DType, Shape, Type};

use crate::Error;
use crate::contents;
use crate::function::Body;
use crate::proto::Attr;

use super::effects::Order;
use super::frame::{Arg, Entry, Place, function_attr};
use super::node::Node;
use super::{Bound, Imported, Importer, Stop};

/// Loops and branches may stand in each other this deeply.
const MAX_NESTING: usize = 24;
/// After so many rounds of generalizing, shapes of carried values are given up.
const MAX_ROUNDS: usize = 4;

/// What belongs to the graph being built, set aside while an inner one is.
pub(super) struct Outer {
    graph: Graph,
    rearranged: BTreeMap<(Value, Vec<usize>), Value>,
    reads: BTreeMap<usize, Value>,
    handles: BTreeMap<usize, Value>,
    table_handles: BTreeMap<usize, Value>,
    order: Order,
}

impl Importer {
    pub(super) fn begin_graph(&mut self, name: String, place: &str) -> Result<Outer, Error> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Error::unsupported(
                place,
                format!("loops and branches nested more than {MAX_NESTING} deep"),
            ));
        }
        Ok(Outer {
            graph: std::mem::replace(&mut self.graph, Graph::new(name)),
            rearranged: std::mem::take(&mut self.rearranged),
            reads: std::mem::take(&mut self.reads),
            handles: std::mem::take(&mut self.handles),
            table_handles: std::mem::take(&mut self.table_handles),
            order: self.effects.enter_graph(),
        })
    }

    /// Goes back to the outer graph; returns the inner one and whether it accesses variables.
    pub(super) fn end_graph(&mut self, outer: Outer) -> (Graph, bool) {
        self.nesting -= 1;
        self.rearranged = outer.rearranged;
        self.reads = outer.reads;
        self.handles = outer.handles;
        self.table_handles = outer.table_handles;
        let touched = self.effects.leave_graph(outer.order);
        (std::mem::replace(&mut self.graph, outer.graph), touched)
    }

    /// Which arguments a body gives back unchanged in the same place.
    fn invariants(&mut self, frame: usize, body: &Rc<Body>) -> Result<Vec<bool>, Error> {
        let args = vec![Arg::Unbound; body.args.len()];
        let inner = self.enter(body.clone(), Entry::Graph(args), "".into(), self.depth_below(frame))?;
        (0..body.args.len())
            .map(|i| {
                let Some((_, source)) = body.results.get(i) else { return Ok(false) };
                let place = self.resolve_origin(inner, source)?;
                Ok(place == Place::Arg { frame: inner, index: i })
            })
            .collect()
    }

    /// What an inner graph can have of an outer value without being passed it.
    fn portable(&self, bound: &Bound) -> Option<Arg> {
        match bound {
            Bound::Variable(_) | Bound::Table(_) | Bound::Array(_) => Some(Arg::Bound(bound.clone())),
            Bound::Value(value) => {
                let tensor = self.graph.constant(*value)?.clone();
                Some(Arg::Constant(tensor, self.graph.info(*value).name.clone()))
            }
            Bound::Complex(_) | Bound::Nothing => None,
        }
    }
}

/// One inner graph: the function that it is made from, and what its arguments are.
struct Inner<'b> {
    body: &'b Rc<Body>,
    name: String,
    /// What each argument is, `None` for parameters.
    fixed: &'b [Option<Arg>],
    /// The results that the graph gives.
    wanted: Vec<usize>,
}

impl Node<'_> {
    fn function(&self, attr: &str) -> Result<Rc<Body>, Stop> {
        let name = function_attr(self.def(), attr).ok_or_else(|| self.error(format!("it names no function as {attr}")))?;
        Ok(self.importer.library.get(name)?)
    }

    /// Imports a function as a graph whose parameters have the given types.
    fn inner_graph(&mut self, inner: &Inner<'_>, parameters: &[Type], declared: &[Shape]) -> Result<(Graph, bool), Stop> {
        let place = self.name().to_owned();
        let outer = self.importer.begin_graph(inner.name.clone(), &place)?;
        let built = self.fill_graph(inner, parameters, declared);
        let (mut graph, touched) = self.importer.end_graph(outer);
        name_within(&mut graph, &format!("{place}/"));
        built.map(|()| (graph, touched))
    }

    fn fill_graph(&mut self, inner: &Inner<'_>, parameters: &[Type], declared: &[Shape]) -> Result<(), Stop> {
        let importer = &mut *self.importer;
        let mut types = parameters.iter();
        let mut args = Vec::new();
        for (arg, fixed) in inner.body.args.iter().zip(inner.fixed) {
            args.push(match fixed {
                Some(fixed) => fixed.clone(),
                None => {
                    let ty = types.next().expect("a type for each parameter").clone();
                    let value = importer.graph.add_parameter(ValueInfo::named(ty, &arg.name));
                    Arg::Bound(Bound::Value(value))
                }
            });
        }
        let prefix = importer.frames[self.frame].prefix.clone();
        let depth = importer.depth_below(self.frame);
        let frame = importer.enter(inner.body.clone(), Entry::Graph(args), prefix, depth)?;
        let mut places = Vec::new();
        for &result in &inner.wanted {
            let (_, source) = inner
                .body
                .results
                .get(result)
                .ok_or_else(|| Error::graph(inner.body.shown(), format!("it has no result {result}")))?;
            places.push(importer.resolve(frame, source)?);
        }
        importer.want(&places)?;
        if importer.effects.tracked() {
            let mut effects = Vec::new();
            for name in &inner.body.control_results {
                importer.places_of_run(frame, name, &mut effects)?;
            }
            importer.want(&effects)?;
        }
        let mut results = Vec::new();
        for (i, place) in places.into_iter().enumerate() {
            let value = match importer.bound(place)? {
                Bound::Value(value) => value,
                Bound::Complex(parts) => importer.complex_value(parts),
                Bound::Variable(variable) => importer.read_variable(variable)?,
                Bound::Table(_) | Bound::Array(_) | Bound::Nothing => return Err(Stop::Foreign),
            };
            if let Some(declared) = declared.get(i)
                && !importer.graph.parameters().contains(&value)
            {
                let info = importer.graph.info_mut(value);
                if let Some(shape) = info.ty.shape.meet(declared) {
                    info.ty.shape = shape;
                }
            }
            results.push(value);
        }
        importer.graph.set_results(&results);
        Ok(())
    }

    fn declared_shapes(&self) -> Vec<Shape> {
        match self.attr("output_shapes") {
            Some(Attr::List(list)) => list.shapes.iter().map(|s| contents::shape(Some(s))).collect(),
            _ => Vec::new(),
        }
    }
}

pub(super) fn while_(node: &mut Node<'_>) -> Imported {
    let (cond, body) = (node.function("cond")?, node.function("body")?);
    let count = node.input_count();
    if body.args.len() != count || cond.args.len() != count || body.results.len() != count {
        return Err(node.error(format!("it carries {count} values, but its functions take others")));
    }
    let inputs: Vec<Bound> = (0..count).map(|i| node.bound(i)).collect::<Result<_, _>>()?;
    let invariant = node.importer.invariants(node.frame, &body)?;
    let fixed: Vec<Option<Arg>> = inputs
        .iter()
        .zip(&invariant)
        .map(|(bound, &same)| if same { node.importer.portable(bound) } else { None })
        .collect();
    let carried: Vec<usize> = (0..count).filter(|&i| fixed[i].is_none()).collect();
    let mut state = Vec::new();
    for &i in &carried {
        match inputs[i] {
            Bound::Value(value) => state.push(value),
            _ => return Err(Stop::Foreign),
        }
    }
    let all_declared = node.declared_shapes();
    let declared: Vec<Shape> = carried
        .iter()
        .map(|&i| all_declared.get(i).cloned().unwrap_or(Shape::unranked()))
        .collect();
    let mut types: Vec<Type> = state.iter().map(|&v| node.ty(v).clone()).collect();
    let name = node.name().to_owned();
    let inner = Inner {
        body: &body,
        name: format!("{name}/body"),
        fixed: &fixed,
        wanted: carried.clone(),
    };
    let mut round = 0;
    let (body_graph, body_touched) = loop {
        let (graph, touched) = node.inner_graph(&inner, &types, &declared)?;
        let results: Vec<Type> = graph.results().into_iter().map(|v| graph.ty(v).clone()).collect();
        let general = generalize(node, &types, &results, round >= MAX_ROUNDS)?;
        if general == types {
            break (graph, touched);
        }
        types = general;
        round += 1;
    };
    let inner = Inner {
        body: &cond,
        name: format!("{name}/cond"),
        fixed: &fixed,
        wanted: vec![0],
    };
    let (cond_graph, cond_touched) = node.inner_graph(&inner, &types, &[])?;
    let cond = node.importer.model.add_graph(cond_graph);
    let body = node.importer.model.add_graph(body_graph);
    let results = node.add_declared(While { cond, body }, &state, types);
    if let Some(first) = results.first()
        && (body_touched || cond_touched)
    {
        node.importer.effects.write_all(&mut node.importer.graph, first.op);
    }
    let mut outputs = inputs;
    for (&i, value) in carried.iter().zip(results) {
        outputs[i] = Bound::Value(value);
    }
    Ok(outputs)
}

/// Types that hold for both the first and all later rounds.
fn generalize(node: &Node<'_>, parameters: &[Type], results: &[Type], give_up: bool) -> Result<Vec<Type>, Stop> {
    parameters
        .iter()
        .zip(results)
        .map(|(parameter, result)| {
            if parameter.dtype != result.dtype {
                return Err(node.error(format!("it carries {} but its body gives {}", parameter.dtype, result.dtype)));
            }
            let joined = parameter.shape.join(&result.shape);
            let shape = if joined != parameter.shape && give_up {
                Shape::unranked()
            } else {
                joined
            };
            Ok(parameter.with_shape(shape))
        })
        .collect()
}

pub(super) fn if_(node: &mut Node<'_>) -> Imported {
    let branches = [node.function("then_branch")?, node.function("else_branch")?];
    let condition = node.value(0)?;
    if let Some(known) = node.constant(condition).filter(|t| t.elements() == 1) {
        let taken = known.bytes().iter().any(|&b| b != 0);
        return inlined(node, &branches[usize::from(!taken)]);
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

/// Names values without the scope that the graph's own name gives, where anything is left of a name but the name that
/// TensorFlow gave the operation by its kind: that says no more than the operation does.
fn name_within(graph: &mut Graph, scope: &str) {
    for id in graph.ids() {
        for value in graph.results_of(id) {
            let constant = graph.constant(value).is_some();
            let name = &mut graph.info_mut(value).name;
            let within = name.as_deref().map(|name| name.strip_prefix(scope).unwrap_or(name));
            *name = within.filter(|short| constant || short.contains('/')).map(Into::into);
        }
    }
}
