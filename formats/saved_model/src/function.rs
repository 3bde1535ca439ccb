//! Graphs and library functions in one form, with inputs resolved to places instead of text.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use prost::Message as _;
use prost::bytes::Bytes;

use crate::Error;
use crate::control_flow;
use crate::order;
use crate::output_names;
use crate::proto::{ArgAttrs, ArgDef, Attr, FunctionDef, FunctionHead, FunctionLibrary, NodeDef};

/// Where an input of a node comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Source {
    /// An argument of the function.
    Arg(usize),
    /// Output `port` of node `node`.
    Node { node: usize, port: usize },
}

/// A GraphDef or the body of a function.
#[derive(Clone)]
pub(crate) struct Body {
    /// The function's name; empty for the graph itself.
    pub(crate) name: String,
    pub(crate) nodes: Vec<NodeDef>,
    by_name: BTreeMap<String, usize>,
    pub(crate) args: Vec<ArgDef>,
    pub(crate) arg_attrs: BTreeMap<u32, ArgAttrs>,
    /// Names of the results and where they come from, in the function's order.
    pub(crate) results: Vec<(String, String)>,
    /// What the function says that it computes, as some of TensorFlow's own do.
    pub(crate) implements: Option<String>,
    /// Nodes that run for their effects.
    pub(crate) control_results: Vec<String>,
    args_by_name: BTreeMap<String, usize>,
    /// How many loops and branches it was cut out of.
    pub(crate) nesting: usize,
}

impl Body {
    /// The top graph.
    pub(crate) fn of_graph(nodes: Vec<NodeDef>) -> Result<Self, Error> {
        let body = Self::new(String::new(), nodes, Vec::new());
        order::check(&body)?;
        Ok(body)
    }

    fn new(name: String, nodes: Vec<NodeDef>, args: Vec<ArgDef>) -> Self {
        let by_name = nodes.iter().enumerate().map(|(i, n)| (n.name.clone(), i)).collect();
        let args_by_name = args.iter().enumerate().map(|(i, a)| (a.name.clone(), i)).collect();
        Self {
            name,
            nodes,
            by_name,
            args,
            arg_attrs: BTreeMap::new(),
            results: Vec::new(),
            implements: None,
            control_results: Vec::new(),
            args_by_name,
            nesting: 0,
        }
    }

    /// A part of another body, cut out as a function.
    pub(crate) fn of_slice(
        name: String,
        nodes: Vec<NodeDef>,
        args: Vec<ArgDef>,
        results: Vec<(String, String)>,
        control_results: Vec<String>,
        nesting: usize,
    ) -> Self {
        Self {
            results,
            control_results,
            nesting,
            ..Self::new(name, nodes, args)
        }
    }

    /// The same with other nodes.
    pub(crate) fn with_nodes(mut self, nodes: Vec<NodeDef>) -> Self {
        self.by_name = nodes.iter().enumerate().map(|(i, n)| (n.name.clone(), i)).collect();
        self.nodes = nodes;
        self
    }

    /// Adds a node, and returns its number.
    pub(crate) fn push(&mut self, node: NodeDef) -> usize {
        self.by_name.insert(node.name.clone(), self.nodes.len());
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn of_function(def: FunctionDef) -> Result<Self, Error> {
        let signature = def.signature.unwrap_or_default();
        let mut body = Self::new(signature.name, def.nodes, signature.inputs);
        order::check(&body)?;
        for output in signature.outputs {
            let source = def.results.get(&output.name).cloned().ok_or_else(|| {
                Error::graph(
                    &body.name,
                    format!("the function does not say where its result {} comes from", output.name),
                )
            })?;
            body.results.push((output.name, source));
        }
        body.implements = match def.attrs.get("_implements").and_then(|a| a.value.as_ref()) {
            Some(Attr::Bytes(name)) => Some(String::from_utf8_lossy(name).into_owned()),
            _ => None,
        };
        body.control_results = def.control_results.into_values().collect();
        body.arg_attrs = def.arg_attrs;
        Ok(body)
    }

    /// Whether this is the top graph, whose inputs are written differently.
    pub(crate) fn is_graph(&self) -> bool {
        self.name.is_empty()
    }

    /// The node of this name.
    pub(crate) fn node(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The node that a data or control input comes from, if it is one.
    pub(crate) fn node_before(&self, input: &str) -> Option<usize> {
        if let Some(name) = input.strip_prefix('^') {
            return self.node(name);
        }
        if self.args_by_name.contains_key(input) {
            return None;
        }
        self.node(input).or_else(|| self.node(input.split(':').next()?))
    }

    /// These nodes, and all that run before they do.
    pub(crate) fn run_by(&self, nodes: impl IntoIterator<Item = usize>) -> BTreeSet<usize> {
        let mut todo: Vec<usize> = nodes.into_iter().collect();
        let mut run: BTreeSet<usize> = todo.iter().copied().collect();
        while let Some(node) = todo.pop() {
            let before = self.nodes[node].inputs.iter().filter_map(|input| self.node_before(input));
            todo.extend(before.filter(|&source| run.insert(source)));
        }
        run
    }

    /// The data input of this text: `name:port` in a graph, `arg` or `name:output:index` in a function.
    pub(crate) fn source(&self, text: &str, library: &Library) -> Result<Source, Error> {
        let unknown = || Error::graph(self.shown(), format!("there is no {text}, which a node reads"));
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let (second, third) = (parts.next(), parts.next());
        let number = |text: Option<&str>| text.map_or(Ok(0), |t| t.parse::<usize>().map_err(|_| unknown()));
        if self.is_graph() {
            // Some layers name variables with a colon at the end.
            if let Some(node) = self.node(text) {
                return Ok(Source::Node { node, port: 0 });
            }
            let node = self.node(name).ok_or_else(unknown)?;
            return Ok(Source::Node {
                node,
                port: number(second)?,
            });
        }
        if second.is_none()
            && let Some(&arg) = self.args_by_name.get(name)
        {
            return Ok(Source::Arg(arg));
        }
        let node = self.node(name).ok_or_else(unknown)?;
        let Some(output) = second else {
            return Ok(Source::Node { node, port: 0 });
        };
        if let Ok(port) = output.parse() {
            return Ok(Source::Node { node, port });
        }
        let first = output_names::first_port(&self.nodes[node], output, library)?;
        let port = first.checked_add(number(third)?).ok_or_else(unknown)?;
        Ok(Source::Node { node, port })
    }

    /// The name for messages.
    pub(crate) fn shown(&self) -> &str {
        if self.is_graph() { "the top graph" } else { &self.name }
    }
}

/// The functions of a MetaGraph, each decoded when first asked for.
pub(crate) struct Library {
    encoded: BTreeMap<String, Bytes>,
    decoded: RefCell<BTreeMap<String, Rc<Body>>>,
    /// Cut out of other bodies, and not asked for yet.
    made: RefCell<BTreeMap<String, Body>>,
}

impl Library {
    /// Finds out the functions' names.
    pub(crate) fn new(library: Option<FunctionLibrary>) -> Result<Self, Error> {
        let mut encoded = BTreeMap::new();
        for bytes in library.unwrap_or_default().functions {
            let head = FunctionHead::decode(bytes.clone())
                .map_err(|e| Error::graph("the function library", format!("a function does not parse ({e})")))?;
            encoded.insert(head.signature.unwrap_or_default().name, bytes);
        }
        Ok(Self {
            encoded,
            decoded: RefCell::default(),
            made: RefCell::default(),
        })
    }

    /// Whether there is a function of this name.
    pub(crate) fn contains(&self, name: &str) -> bool {
        self.encoded.contains_key(name) || self.decoded.borrow().contains_key(name) || self.made.borrow().contains_key(name)
    }

    /// Adds a function that was cut out of another body.
    pub(crate) fn add(&self, body: Body) {
        self.made.borrow_mut().insert(body.name.clone(), body);
    }

    /// The function of this name.
    pub(crate) fn get(&self, name: &str) -> Result<Rc<Body>, Error> {
        if let Some(body) = self.decoded.borrow().get(name) {
            return Ok(body.clone());
        }
        let made = self.made.borrow_mut().remove(name);
        let body = match made {
            Some(body) => body,
            None => {
                let bytes = self.encoded.get(name);
                let bytes = bytes.ok_or_else(|| Error::graph(name, "the function is called but not in the library"))?;
                let unparsable = |e| Error::graph(name, format!("the function does not parse ({e})"));
                Body::of_function(FunctionDef::decode(bytes.clone()).map_err(unparsable)?)?
            }
        };
        if !control_flow::is_in(&body) {
            let body = Rc::new(body);
            self.decoded.borrow_mut().insert(name.to_owned(), body.clone());
            return Ok(body);
        }
        // What calls itself has its results' names looked up meanwhile.
        self.decoded.borrow_mut().insert(name.to_owned(), Rc::new(body.clone()));
        let body = Rc::new(control_flow::functional(body, self)?);
        self.decoded.borrow_mut().insert(name.to_owned(), body.clone());
        Ok(body)
    }
}
