//! Functions of loops and branches as graphs of their own.
//!
//! What a body only hands on and what is constant outside is a constant inside as well, not a value that is carried:
//! weights of recurrent layers are constants where they are used.

use std::collections::BTreeMap;
use std::rc::Rc;

use planish_core::graph::{Graph, Value, ValueInfo};
use planish_core::model::GraphId;
use planish_core::types::{Shape, Type};

use crate::Error;
use crate::contents;
use crate::function::Body;
use crate::proto::Attr;

use super::effects::Order;
use super::frame::{Arg, Entry, Place, function_attr};
use super::node::Node;
use super::{Bound, Importer, Stop};

/// Loops and branches may stand in each other this deeply.
const MAX_NESTING: usize = 24;

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
    pub(super) fn invariants(&mut self, frame: usize, body: &Rc<Body>) -> Result<Vec<bool>, Error> {
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
    pub(super) fn portable(&self, bound: &Bound) -> Option<Arg> {
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
pub(super) struct Inner<'b> {
    pub(super) body: &'b Rc<Body>,
    pub(super) name: String,
    /// What each argument is, `None` for parameters.
    pub(super) fixed: &'b [Option<Arg>],
    /// The results that the graph gives.
    pub(super) wanted: Vec<usize>,
}

impl Node<'_> {
    pub(super) fn function(&self, attr: &str) -> Result<Rc<Body>, Stop> {
        let name = function_attr(self.def(), attr).ok_or_else(|| self.error(format!("it names no function as {attr}")))?;
        Ok(self.importer.library.get(name)?)
    }

    /// Imports a function as a graph whose parameters have the given types.
    pub(super) fn inner_graph(&mut self, inner: &Inner<'_>, parameters: &[Type], declared: &[Shape]) -> Result<(Graph, bool), Stop> {
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

    /// A graph of its own that is made of nothing but parameters of these types.
    pub(super) fn graph_of<const N: usize, const M: usize>(
        &mut self,
        part: &str,
        parameters: &[Type; N],
        build: impl FnOnce(&mut Self, [Value; N]) -> Result<[Value; M], Stop>,
    ) -> Result<GraphId, Stop> {
        let place = self.name().to_owned();
        let outer = self.importer.begin_graph(format!("{place}/{part}"), &place)?;
        let created = self.begin_part();
        let parameters = std::array::from_fn(|i| self.importer.graph.add_parameter(ValueInfo::new(parameters[i].clone())));
        let built = build(self, parameters).map(|results| self.importer.graph.set_results(&results));
        self.end_part(created);
        let (graph, _) = self.importer.end_graph(outer);
        built.map(|()| self.importer.model.add_graph(graph))
    }

    pub(super) fn declared_shapes(&self) -> Vec<Shape> {
        match self.attr("output_shapes") {
            Some(Attr::List(list)) => list.shapes.iter().map(|s| contents::shape(Some(s))).collect(),
            _ => Vec::new(),
        }
    }
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
