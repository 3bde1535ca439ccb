//! Frames: activations of functions, and how inputs are followed through them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use planish_core::tensor::Tensor;

use crate::Error;
use crate::function::{Body, Source};
use crate::proto::{Attr, NodeDef};

use super::{Bound, Importer, composite};

/// Functions may call each other this deeply.
const MAX_DEPTH: u32 = 200;
/// More activations than this are only reached by functions that multiply.
const MAX_FRAMES: usize = 200_000;
/// All activations together have no more nodes than this.
const MAX_NODES: usize = 8 << 20;
/// Steps through calls from one input to what it stands for.
const MAX_STEPS: usize = 100_000;

/// One activation of a body.
pub(super) struct Frame {
    pub(super) body: Rc<Body>,
    pub(super) entry: Entry,
    /// What the names of this frame's nodes are prefixed with.
    pub(super) prefix: Rc<str>,
    depth: u32,
    pub(super) nodes: Vec<NodeState>,
    callees: BTreeMap<usize, usize>,
    /// Whether what the call waits for has been told.
    pub(super) entered: bool,
    /// What outputs of calls stand for, by node and port, as far as it has been asked for.
    followed: BTreeMap<(usize, usize), Place>,
    /// For each node one more than its highest output that the body reads, once it has been asked for.
    pub(super) ports_read: Option<Vec<usize>>,
}

/// How far one node of a frame is.
#[derive(Clone, Default)]
pub(super) struct NodeState {
    pub(super) open: bool,
    pub(super) inputs: Option<Rc<[Place]>>,
    pub(super) outputs: Option<Rc<[Bound]>>,
}

/// How a frame got its arguments.
pub(super) enum Entry {
    /// The top graph has none.
    Top,
    /// Called by a node of another frame, whose inputs from `first` on are the arguments.
    Call { caller: usize, node: usize, first: usize },
    /// The root of an IR graph.
    Graph(Vec<Arg>),
}

/// An argument of an IR graph's root frame.
#[derive(Clone)]
pub(super) enum Arg {
    /// Something of the graph itself.
    Bound(Bound),
    /// A constant of the enclosing graph, which becomes one of this graph when it is read.
    Constant(Tensor, Option<Arc<str>>),
    /// Only for finding out what is reached; never read.
    Unbound,
}

/// What an input stands for, calls looked through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Place {
    Node { frame: usize, node: usize, port: usize },
    Arg { frame: usize, index: usize },
}

/// The data inputs of a node.
pub(crate) fn data_inputs(node: &NodeDef) -> impl Iterator<Item = &str> {
    node.inputs.iter().map(String::as_str).filter(|i| !i.starts_with('^'))
}

/// The nodes that must run before a node although it reads nothing of them.
pub(super) fn control_inputs(node: &NodeDef) -> impl Iterator<Item = &str> {
    node.inputs.iter().filter_map(|i| i.strip_prefix('^'))
}

/// The function in an attribute.
pub(super) fn function_attr<'n>(node: &'n NodeDef, name: &str) -> Option<&'n str> {
    match node.attrs.get(name)?.value.as_ref()? {
        Attr::Function(function) => Some(&function.name),
        _ => None,
    }
}

impl Importer {
    /// Adds a frame.
    pub(super) fn enter(&mut self, body: Rc<Body>, entry: Entry, prefix: Rc<str>, depth: u32) -> Result<usize, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::unsupported(body.shown(), format!("calls nested more than {MAX_DEPTH} deep")));
        }
        if self.frames.len() >= MAX_FRAMES {
            return Err(Error::unsupported(body.shown(), format!("more than {MAX_FRAMES} function calls")));
        }
        self.entered_nodes += body.nodes.len();
        if self.entered_nodes > MAX_NODES {
            return Err(Error::unsupported(
                body.shown(),
                format!("function calls that come to more than {MAX_NODES} nodes"),
            ));
        }
        let nodes = vec![NodeState::default(); body.nodes.len()];
        self.frames.push(Frame {
            body,
            entry,
            prefix,
            depth,
            nodes,
            callees: BTreeMap::new(),
            entered: false,
            followed: BTreeMap::new(),
            ports_read: None,
        });
        Ok(self.frames.len() - 1)
    }

    /// The depth of a frame that a node of `frame` enters.
    pub(super) fn depth_below(&self, frame: usize) -> u32 {
        self.frames[frame].depth + 1
    }

    /// The name of the function that a node calls and is looked through.
    pub(super) fn called<'n>(&self, node: &'n NodeDef) -> Option<&'n str> {
        match node.op.as_str() {
            "PartitionedCall" | "StatefulPartitionedCall" => function_attr(node, "f"),
            op if self.library.contains(op) => Some(op),
            _ => None,
        }
    }

    /// The frame that a calling node enters, made when first asked for.
    pub(super) fn callee(&mut self, frame: usize, node: usize) -> Result<Option<usize>, Error> {
        if let Some(&callee) = self.frames[frame].callees.get(&node) {
            return Ok(Some(callee));
        }
        let caller = self.frames[frame].body.clone();
        let def = &caller.nodes[node];
        let Some(function) = self.called(def) else { return Ok(None) };
        let body = self.library.get(function)?;
        if composite::is_kernel(&body) {
            return Ok(None);
        }
        let given = data_inputs(def).count();
        if given < body.args.len() {
            return Err(Error::graph(
                &def.name,
                format!("it calls {function} with {given} arguments instead of {}", body.args.len()),
            ));
        }
        let prefix = self.prefix_below(frame, &def.name);
        let entry = Entry::Call {
            caller: frame,
            node,
            first: 0,
        };
        let callee = self.enter(body, entry, prefix, self.depth_below(frame))?;
        self.frames[frame].callees.insert(node, callee);
        Ok(Some(callee))
    }

    /// The prefix for what a node calls: its scope, without the call itself.
    pub(super) fn prefix_below(&self, frame: usize, node: &str) -> Rc<str> {
        let prefix = &self.frames[frame].prefix;
        let (scope, last) = node.rsplit_once('/').unwrap_or(("", node));
        let scope = if last.contains("PartitionedCall") { scope } else { node };
        match (prefix.is_empty(), scope.is_empty()) {
            (_, true) => prefix.clone(),
            (true, false) => scope.into(),
            (false, false) => format!("{prefix}/{scope}").into(),
        }
    }

    /// The name that people know a node by.
    pub(super) fn public_name(&self, frame: usize, node: usize) -> String {
        let frame = &self.frames[frame];
        let name = &frame.body.nodes[node].name;
        if frame.prefix.is_empty() {
            name.clone()
        } else {
            format!("{}/{name}", frame.prefix)
        }
    }

    /// What the input `text` of a node in `frame` stands for.
    pub(super) fn resolve(&mut self, frame: usize, text: &str) -> Result<Place, Error> {
        let mut frame = frame;
        let mut body = self.frames[frame].body.clone();
        let mut source = body.source(text, &self.library)?;
        let mut passed = Vec::new();
        for _ in 0..MAX_STEPS {
            match source {
                Source::Arg(index) => {
                    let Entry::Call { caller, node, first } = self.frames[frame].entry else {
                        return Ok(self.note(passed, Place::Arg { frame, index }));
                    };
                    frame = caller;
                    body = self.frames[frame].body.clone();
                    let def = &body.nodes[node];
                    let text = data_inputs(def)
                        .nth(first + index)
                        .ok_or_else(|| Error::graph(&def.name, format!("it has no input {}", first + index)))?;
                    source = body.source(text, &self.library)?;
                }
                Source::Node { node, port } => {
                    if let Some(&place) = self.frames[frame].followed.get(&(node, port)) {
                        return Ok(self.note(passed, place));
                    }
                    let Some(callee) = self.callee(frame, node)? else {
                        return Ok(self.note(passed, Place::Node { frame, node, port }));
                    };
                    passed.push((frame, node, port));
                    let called = self.frames[callee].body.clone();
                    let (_, text) = called
                        .results
                        .get(port)
                        .ok_or_else(|| Error::graph(&body.nodes[node].name, format!("it has no output {port}")))?;
                    frame = callee;
                    source = called.source(text, &self.library)?;
                    body = called;
                }
            }
        }
        Err(Error::graph(text, "it depends on itself"))
    }

    /// Notes what the outputs of calls stand for that have been passed on the way.
    fn note(&mut self, passed: Vec<(usize, usize, usize)>, place: Place) -> Place {
        for (frame, node, port) in passed {
            self.frames[frame].followed.insert((node, port), place);
        }
        place
    }

    /// The same, looking through operations that hand on their input as well.
    pub(super) fn resolve_origin(&mut self, frame: usize, text: &str) -> Result<Place, Error> {
        let place = self.resolve(frame, text)?;
        self.origin(place)
    }

    /// Where what stands at a place comes from, looking through operations that hand on their input.
    pub(super) fn origin(&mut self, mut place: Place) -> Result<Place, Error> {
        for _ in 0..MAX_STEPS {
            let Place::Node { frame, node, .. } = place else { return Ok(place) };
            let body = self.frames[frame].body.clone();
            let def = &body.nodes[node];
            let input = match (def.op.as_str(), place) {
                ("Identity", _) => 0,
                ("IdentityN", Place::Node { port, .. }) => port,
                _ => return Ok(place),
            };
            let Some(text) = data_inputs(def).nth(input) else {
                return Ok(place);
            };
            place = self.resolve(frame, text)?;
        }
        Err(Error::graph("a chain of identities", "it depends on itself"))
    }
}
