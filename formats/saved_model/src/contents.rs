//! What a SavedModel offers: MetaGraphs, signatures and functions, for showing and choosing.

use planish_core::types::{DType, Dim, Shape, Type};

use crate::Error;
use crate::dtype;
use crate::function::{Body, Library};
use crate::object_graph::ObjectGraph;
use crate::open::Opened;
use crate::proto::{Attr, SignatureDef, TensorInfo, TensorShape};

/// Everything that can be chosen in a SavedModel.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The MetaGraphs, in the file's order.
    pub meta_graphs: Vec<MetaGraphInfo>,
}

/// One MetaGraph: a graph saved for some purpose.
#[derive(Clone, Debug)]
pub struct MetaGraphInfo {
    /// The tags that say what it is for, such as `serve`.
    pub tags: Vec<String>,
    /// The TensorFlow that saved it.
    pub tensorflow_version: String,
    /// The public entries.
    pub signatures: Vec<SignatureInfo>,
    /// Functions that can be read although no signature calls them.
    pub functions: Vec<FunctionInfo>,
}

/// A public entry.
#[derive(Clone, Debug)]
pub struct SignatureInfo {
    /// The name to choose it by.
    pub name: String,
    /// The inputs, sorted by name.
    pub inputs: Vec<PortInfo>,
    /// The outputs, sorted by name.
    pub outputs: Vec<PortInfo>,
}

/// A function for given input types.
#[derive(Clone, Debug)]
pub struct FunctionInfo {
    /// The name to choose it by.
    pub name: String,
    /// The path of the object that it belongs to, such as `__call__`.
    pub path: String,
    /// The inputs, in order.
    pub inputs: Vec<PortInfo>,
    /// The outputs, in order.
    pub outputs: Vec<PortInfo>,
}

/// An input or output.
#[derive(Clone, Debug)]
pub struct PortInfo {
    /// Its public name.
    pub name: String,
    /// Its declared type; `None` where the element type is unknown.
    pub ty: Option<Type>,
}

/// Whether TensorFlow made this signature for its own use.
pub(crate) fn is_internal(signature: &str) -> bool {
    signature.starts_with("__saved_model_")
}

/// A declared shape.
pub(crate) fn shape(proto: Option<&TensorShape>) -> Shape {
    match proto {
        None => Shape::unranked(),
        Some(shape) if shape.unknown_rank => Shape::unranked(),
        Some(shape) => Shape::new(shape.dims.iter().map(|d| usize::try_from(d.size).map_or(Dim::Unknown, Dim::Known))),
    }
}

/// The declared type of a signature's input or output.
pub(crate) fn declared(info: &TensorInfo) -> Option<Type> {
    Some(Type::new(dtype::from_code(info.dtype)?, shape(info.shape.as_ref())))
}

pub(crate) fn signature_info(name: &str, def: &SignatureDef) -> SignatureInfo {
    let ports = |map: &std::collections::BTreeMap<String, TensorInfo>| {
        map.iter()
            .map(|(name, info)| PortInfo {
                name: name.clone(),
                ty: declared(info),
            })
            .collect()
    };
    SignatureInfo {
        name: name.to_owned(),
        inputs: ports(&def.inputs),
        outputs: ports(&def.outputs),
    }
}

/// The arguments of a concrete function that are no captures: name and declared type.
pub(crate) fn arguments(body: &Body, captures: usize) -> Vec<PortInfo> {
    let count = body.args.len().saturating_sub(captures);
    body.args[..count]
        .iter()
        .enumerate()
        .map(|(i, arg)| {
            let attr = |name: &str| {
                let attrs = body.arg_attrs.get(&u32::try_from(i).ok()?)?;
                attrs.attrs.get(name)?.value.as_ref()
            };
            let name = match attr("_user_specified_name") {
                Some(Attr::Bytes(name)) => String::from_utf8_lossy(name).into_owned(),
                _ => arg.name.clone(),
            };
            let shape = match attr("_output_shapes") {
                Some(Attr::List(list)) => shape(list.shapes.first()),
                _ => Shape::unranked(),
            };
            PortInfo {
                name,
                ty: dtype::from_code(arg.dtype).map(|d| Type::new(d, shape)),
            }
        })
        .collect()
}

/// Lists what `opened` holds.
pub(crate) fn list(opened: &Opened) -> Result<Contents, Error> {
    let mut meta_graphs = Vec::new();
    for (i, head) in opened.heads.iter().enumerate() {
        let info = head.meta_info.clone().unwrap_or_default();
        let signatures = head
            .signatures
            .iter()
            .filter(|(name, _)| !is_internal(name))
            .map(|(name, def)| signature_info(name, def))
            .collect();
        let mut meta = opened.meta_graph(i)?;
        let library = Library::new(meta.graph.as_mut().and_then(|g| g.library.take()))?;
        let objects = ObjectGraph::open(&meta, None)?;
        meta_graphs.push(MetaGraphInfo {
            tags: info.tags,
            tensorflow_version: info.tensorflow_version,
            signatures,
            functions: functions(&objects, &library)?,
        });
    }
    Ok(Contents { meta_graphs })
}

/// The concrete functions of the object graph that could stand for a signature.
pub(crate) fn functions(objects: &ObjectGraph, library: &Library) -> Result<Vec<FunctionInfo>, Error> {
    let mut found = Vec::new();
    for (path, name) in objects.functions() {
        if found.iter().any(|f: &FunctionInfo| f.name == name) || !library.contains(&name) || name.contains("__inference__traced_") {
            continue;
        }
        let body = library.get(&name)?;
        let captures = objects.bound_inputs(&name).map_or(0, |c| c.len());
        let inputs = arguments(&body, captures);
        let opaque = |p: &PortInfo| p.ty.as_ref().is_some_and(|t| matches!(t.dtype, DType::Resource | DType::Variant));
        if body.results.is_empty() || inputs.iter().any(opaque) {
            continue;
        }
        let types = objects.output_types(&name);
        let known = types.len() == body.results.len();
        let outputs = body.results.iter().enumerate().map(|(i, (name, _))| PortInfo {
            name: name.clone(),
            ty: types.get(i).filter(|_| known).cloned().flatten(),
        });
        let outputs = outputs.collect();
        found.push(FunctionInfo {
            name,
            path,
            inputs,
            outputs,
        });
    }
    Ok(found)
}
