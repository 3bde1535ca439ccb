//! From a variable of the graph to its value in the checkpoint.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use planish_core::tensor::{Bytes, Tensor, TensorError};
use planish_core::types::{DType, Shape};

use crate::Error;
use crate::bundle::{Bundle, Check};
use crate::contents;
use crate::function::{Body, Library};
use crate::object_graph::ObjectGraph;
use crate::proto::{Attr, AttrValue, MetaGraph, NodeDef};
use crate::start::{self, Starts};
use crate::tensor_proto;

/// What a restore operation loads into a variable: a checkpoint key, and which part of its tensor.
#[derive(Clone)]
struct Restored {
    key: String,
    /// `D0 D1 … s0,l0:s1,l1:…` with the whole shape, then start and length in each dimension; empty for all of it.
    slice: String,
}

impl Restored {
    /// All of the tensor.
    fn whole(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            slice: String::new(),
        }
    }
}

/// The checkpoint of a SavedModel and the ways into it.
pub(crate) struct Variables {
    bundle: Option<Bundle>,
    /// Why there is no bundle.
    missing: String,
    pub(crate) objects: ObjectGraph,
    /// Saved object by handle node of the top graph, as the captures of concrete functions tell.
    handles: BTreeMap<String, usize>,
    /// Checkpoint key and slice by variable, as the restore graph tells; made when first needed.
    restored: RefCell<Option<BTreeMap<String, Restored>>>,
    restore_op: String,
    /// The nodes that run when the model is loaded, and what they assign; made when first needed.
    init: Vec<String>,
    starts: OnceCell<Starts>,
    checks: RefCell<Vec<Check>>,
}

impl Variables {
    /// Opens the checkpoint, if there is one; `verify` compares what is read at once with its checksums.
    pub(crate) fn open(prefix: &Path, meta: &MetaGraph, verify: bool) -> Result<Self, Error> {
        let index = prefix.with_extension("index");
        let (bundle, missing) = if index.exists() {
            (Some(Bundle::open(prefix, verify)?), String::new())
        } else {
            (
                None,
                format!("there is no {}; copy the variables folder beside the graph", index.display()),
            )
        };
        let objects = ObjectGraph::open(meta, bundle.as_ref())?;
        let restore_op = meta.saver.as_ref().map(|s| s.restore_op_name.clone()).unwrap_or_default();
        Ok(Self {
            bundle,
            missing,
            objects,
            handles: BTreeMap::new(),
            restored: RefCell::new(None),
            restore_op,
            init: start::nodes(meta),
            starts: OnceCell::new(),
            checks: RefCell::default(),
        })
    }

    /// Learns which handle nodes of the top graph are captures of concrete functions.
    pub(crate) fn match_captures(&mut self, top: &Body) {
        for node in &top.nodes {
            let Some(Attr::Function(function)) = node.attrs.get("f").and_then(|a| a.value.as_ref()) else {
                continue;
            };
            let Some(captures) = self.objects.bound_inputs(&function.name) else {
                continue;
            };
            let inputs: Vec<&String> = node.inputs.iter().filter(|i| !i.starts_with('^')).collect();
            let Some(first) = inputs.len().checked_sub(captures.len()) else {
                continue;
            };
            for (input, object) in inputs[first..].iter().zip(captures) {
                let name = input.split(':').next().unwrap_or(input);
                self.handles.entry(name.to_owned()).or_insert(object);
            }
        }
    }

    /// The saved object that a handle node of the top graph stands for, where concrete functions capture it.
    pub(crate) fn object_of(&self, node: &str) -> Option<usize> {
        self.handles.get(node).copied()
    }

    /// The value of the variable whose handle is `node`, its checksum noted for [`Variables::take_checks`].
    ///
    /// `object` is the saved object, where the function's captures name it.
    pub(crate) fn value(&self, node: &NodeDef, object: Option<usize>, top: &Body, library: &Library) -> Result<Tensor, Error> {
        let shared = text_attr(node, "shared_name").filter(|n| !n.is_empty()).unwrap_or(&node.name);
        let object = object.or_else(|| self.object_of(&node.name));
        let key = object
            .and_then(|id| self.objects.key_of(id))
            .or_else(|| self.objects.key_of_variable(shared));
        // Objects are loaded with an initializer of their own.
        let starts = || self.starts.get_or_init(|| Starts::of(&self.init, top));
        if key.is_none()
            && let Some(value) = starts().value(&node.name, top)?
        {
            return Ok(value);
        }
        let Some(bundle) = &self.bundle else {
            return Err(Error::variable(shared, self.missing.clone()));
        };
        let Restored { key, slice } = match key {
            Some(key) => Restored::whole(key),
            None => self.restored_or_named(bundle, [shared, &node.name], top, library)?,
        };
        let tensor = self.read(bundle, &key).and_then(|stored| {
            stored.ok_or_else(|| Error::variable(shared, format!("there is no {key}; graph and checkpoint are of different models")))
        })?;
        let value = part(&tensor, &slice).ok_or_else(|| Error::variable(shared, format!("{key} has no part {slice:?}")))?;
        let declared = declared_shape(node);
        if declared.meet(&Shape::fixed(value.dims())).is_none() {
            let stored = Shape::fixed(value.dims());
            return Err(Error::variable(
                shared,
                format!("{key} is {stored} there, and the graph's {declared}; graph and checkpoint are of different models"),
            ));
        }
        Ok(value)
    }

    /// The tensor of this name in the checkpoint, its checksum noted for [`Variables::take_checks`].
    pub(crate) fn stored(&self, key: &str) -> Result<Tensor, Error> {
        let Some(bundle) = &self.bundle else {
            return Err(Error::variable(key, self.missing.clone()));
        };
        let stored = self.read(bundle, key)?;
        stored.ok_or_else(|| Error::variable(key, "graph and checkpoint are of different models"))
    }

    fn read(&self, bundle: &Bundle, key: &str) -> Result<Option<Tensor>, Error> {
        let made = |tensor: Result<Tensor, TensorError>| tensor.map(Some).map_err(|e| Error::variable(key, e.to_string()));
        if bundle.dtype(key) == Some(DType::String) {
            let Some((dims, strings)) = bundle.strings(key)? else {
                return Ok(None);
            };
            return made(Tensor::from_strings(&dims, &strings));
        }
        let Some(stored) = bundle.tensor(key)? else { return Ok(None) };
        self.checks.borrow_mut().extend_from_slice(stored.checks());
        made(Tensor::new(stored.dtype, &stored.dims, Bytes::new(Arc::new(stored.bytes))))
    }

    /// The node of the top graph that reads the checkpoint.
    pub(crate) fn restore_node(&self) -> &str {
        self.restore_op.split(':').next().unwrap_or(&self.restore_op)
    }

    /// The comparisons with checksums that are outstanding for all values given out so far.
    pub(crate) fn take_checks(&self) -> Vec<Check> {
        self.checks.take()
    }

    fn explain(&self, name: &str, bundle: &Bundle) -> Error {
        let near: Vec<&str> = bundle.keys().filter(|k| k.contains(name)).take(3).collect();
        let hint = if near.is_empty() {
            String::new()
        } else {
            format!(" (there are {})", near.join(", "))
        };
        Error::variable(
            name,
            format!("no tensor of it goes by that name{hint}; graph and checkpoint are of different models"),
        )
    }

    /// What a variable with these names holds where no object stands for it. The restore operations know better than the names do: a key
    /// may be the name of another variable.
    fn restored_or_named(&self, bundle: &Bundle, names: [&str; 2], top: &Body, library: &Library) -> Result<Restored, Error> {
        let [shared, node] = names;
        let restored = self.restored_key(shared, node, top, library)?;
        let there = restored.as_ref().is_some_and(|r| bundle.contains(&r.key));
        let named = names.into_iter().find(|k| !there && bundle.contains(k)).map(Restored::whole);
        named.or(restored).ok_or_else(|| self.explain(shared, bundle))
    }

    /// The key under which the model's own restore operations would load the variable.
    fn restored_key(&self, shared: &str, node: &str, top: &Body, library: &Library) -> Result<Option<Restored>, Error> {
        if self.restored.borrow().is_none() {
            let map = restore_keys(&self.restore_op, top, library)?;
            *self.restored.borrow_mut() = Some(map);
        }
        let map = self.restored.borrow();
        let map = map.as_ref().expect("filled above");
        Ok(map.get(node).or_else(|| map.get(shared)).cloned())
    }
}

/// The shape that a variable's node states. None at all may stand as that of a scalar.
fn declared_shape(node: &NodeDef) -> Shape {
    match node.attrs.get("shape").and_then(|a| a.value.as_ref()) {
        Some(Attr::Shape(shape)) if !shape.dims.is_empty() => contents::shape(Some(shape)),
        _ => Shape::unranked(),
    }
}

/// The text of a bytes attribute.
pub(crate) fn text_attr<'n>(node: &'n NodeDef, name: &str) -> Option<&'n str> {
    match node.attrs.get(name).and_then(|a| a.value.as_ref()) {
        Some(Attr::Bytes(bytes)) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// Follows each assignment of the restore operations back to the key that is loaded: handle node to checkpoint key.
fn restore_keys(restore_op: &str, top: &Body, library: &Library) -> Result<BTreeMap<String, Restored>, Error> {
    let mut keys = BTreeMap::new();
    let name = restore_op.split(':').next().unwrap_or(restore_op);
    // A graph may have several savers.
    let run = top.node(name).map(|node| top.run_by([node]));
    let is_run = |node: usize| run.as_ref().is_none_or(|run| run.contains(&node));
    collect_restores(top, &is_run, &|_| None, &mut keys);
    if let Some(call) = top.node(name).map(|i| &top.nodes[i])
        && let Some(Attr::Function(function)) = call.attrs.get("f").and_then(|a| a.value.as_ref())
    {
        let body = library.get(&function.name)?;
        let inputs: Vec<&str> = call.inputs.iter().filter(|i| !i.starts_with('^')).map(String::as_str).collect();
        let args: BTreeMap<&str, &str> = body.args.iter().map(|a| a.name.as_str()).zip(inputs.iter().copied()).collect();
        collect_restores(&body, &|_| true, &|arg| args.get(arg).map(|s| (*s).to_owned()), &mut keys);
    }
    Ok(keys)
}

/// The part of a tensor that a slice specification names.
fn part(tensor: &Tensor, slice: &str) -> Option<Tensor> {
    let Some(extents) = slice.split_whitespace().last() else {
        return Some(tensor.clone());
    };
    let mut part = tensor.clone();
    for (axis, extent) in extents.split(':').enumerate() {
        if extent == "-" {
            continue;
        }
        let (start, length) = extent.split_once(',')?;
        part = part.sliced(axis, start.parse().ok()?, length.parse().ok()?)?;
    }
    Some(part)
}

fn collect_restores(
    body: &Body,
    is_run: &dyn Fn(usize) -> bool,
    outer: &dyn Fn(&str) -> Option<String>,
    keys: &mut BTreeMap<String, Restored>,
) {
    /// Chains of identities between loading and assigning are short.
    const MAX_STEPS: usize = 8;
    for (index, node) in body.nodes.iter().enumerate() {
        if !matches!(node.op.as_str(), "AssignVariableOp" | "Assign") || !is_run(index) {
            continue;
        }
        let [handle, value, ..] = node.inputs.as_slice() else { continue };
        let mut source = value.as_str();
        for _ in 0..MAX_STEPS {
            let mut parts = source.split(':');
            let name = parts.next().unwrap_or(source);
            let port = parts.next_back().and_then(|p| p.parse::<usize>().ok()).unwrap_or(0);
            let Some(from) = body.node(name).map(|i| &body.nodes[i]) else {
                break;
            };
            if from.op == "RestoreV2" {
                if let Some(key) = constant_string(body, from.inputs.get(1), port) {
                    let handle = handle.split(':').next().unwrap_or(handle);
                    let handle = outer(handle).unwrap_or_else(|| handle.to_owned());
                    let slice = constant_string(body, from.inputs.get(2), port).unwrap_or_default();
                    keys.insert(handle.split(':').next().unwrap_or(&handle).to_owned(), Restored { key, slice });
                }
                break;
            }
            match from.inputs.first() {
                Some(next) if matches!(from.op.as_str(), "Identity" | "Reshape" | "Cast") => source = next,
                _ => break,
            }
        }
    }
}

fn constant_string(body: &Body, input: Option<&String>, index: usize) -> Option<String> {
    let name = input?.split(':').next()?;
    let node = &body.nodes[body.node(name)?];
    match node.attrs.get("value") {
        Some(AttrValue {
            value: Some(Attr::Tensor(tensor)),
        }) => {
            let tensor = tensor_proto::read(tensor).ok()?;
            let strings = tensor.to_strings()?;
            String::from_utf8(strings.get(index)?.to_vec()).ok()
        }
        _ => None,
    }
}
