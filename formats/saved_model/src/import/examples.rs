//! Serialized examples: what they would be parsed into becomes the inputs.

use planish_core::graph::Value;
use planish_core::types::{DType, Dim, Shape, Type};

use crate::contents;
use crate::dtype;
use crate::proto::Attr;

use super::node::Node;
use super::{Bound, Imported, Stop};

/// A part of a parsed feature.
struct Part {
    name: String,
    ty: Type,
}

/// The text of a constant input.
fn texts(node: &mut Node<'_>, input: usize) -> Result<Vec<String>, Stop> {
    let value = node.value(input)?;
    let texts = node.constant(value).and_then(|t| {
        let texts = t.to_strings()?;
        Some(texts.into_iter().map(|t| String::from_utf8_lossy(t).into_owned()).collect())
    });
    texts.ok_or(Stop::Foreign)
}

fn attr_texts(node: &Node<'_>, attr: &str) -> Vec<String> {
    match node.attr(attr) {
        Some(Attr::List(list)) => list.bytes.iter().map(|t| String::from_utf8_lossy(t).into_owned()).collect(),
        _ => Vec::new(),
    }
}

fn types(node: &Node<'_>, attr: &str) -> Result<Vec<DType>, Stop> {
    match node.attr(attr) {
        Some(Attr::List(list)) => list.types.iter().map(|&code| dtype::from_code(code).ok_or(Stop::Foreign)).collect(),
        _ => Ok(Vec::new()),
    }
}

/// The keys of one kind of feature with their types.
fn keyed(node: &Node<'_>, keys: Vec<String>, attr: &str) -> Result<Vec<(String, DType)>, Stop> {
    let types = types(node, attr)?;
    if types.len() != keys.len() {
        return Err(node.error(format!("it has {} keys and {} types of {attr}", keys.len(), types.len())));
    }
    Ok(keys.into_iter().zip(types).collect())
}

/// Indices, values and shapes of features that each example has any number of values of.
fn sparse(features: &[(String, DType)], rank: usize) -> Vec<Part> {
    let part = |name: &str, kind: &str, dtype, dims: &[Dim]| Part {
        name: format!("{name}/{kind}"),
        ty: Type::new(dtype, Shape::new(dims.iter().copied())),
    };
    let (any, rank) = (Dim::Unknown, Dim::Known(rank + 1));
    let indices = features.iter().map(|(name, _)| part(name, "indices", DType::I64, &[any, rank]));
    let values = features.iter().map(|(name, dtype)| part(name, "values", *dtype, &[any]));
    let shapes = features.iter().map(|(name, _)| part(name, "shape", DType::I64, &[rank]));
    indices.chain(values).chain(shapes).collect()
}

/// Features of a fixed shape, for each of the examples.
fn dense(node: &Node<'_>, features: &[(String, DType)], examples: &[Dim]) -> Vec<Part> {
    let shapes = match node.attr("dense_shapes") {
        Some(Attr::List(list)) => list.shapes.clone(),
        _ => Vec::new(),
    };
    let part = |(i, (name, dtype)): (usize, &(String, DType))| {
        let shape = match contents::shape(shapes.get(i)).dims() {
            Some(dims) => Shape::new(examples.iter().chain(dims).copied()),
            None => Shape::unranked(),
        };
        Part {
            name: name.clone(),
            ty: Type::new(*dtype, shape),
        }
    };
    features.iter().enumerate().map(part).collect()
}

/// The dimensions of the serialized examples: none for one alone.
fn examples(node: &mut Node<'_>) -> Result<Vec<Dim>, Stop> {
    let serialized = node.value(0)?;
    Ok(node.shape(serialized).dims().map_or(vec![Dim::Unknown], <[Dim]>::to_vec))
}

/// Adds inputs for the parts, in the order of the node's outputs.
fn inputs(node: &mut Node<'_>, parts: Vec<Part>) -> Imported {
    if node.importer.nesting > 1 {
        return Err(node.error("examples are parsed inside a loop or branch; parse them before it"));
    }
    let serialized = origin(node)?;
    let graph = &node.importer.graph;
    if serialized.op == graph.parameters_op()
        && let Some(name) = node.importer.inputs.get(serialized.port as usize)
    {
        node.importer.parsed.insert(name.clone());
    }
    parts
        .into_iter()
        .map(|part| {
            let name = node.importer.unused_input(&part.name);
            node.importer.parsed.insert(name.clone());
            Ok(Bound::Value(node.importer.add_input(&name, part.ty)?))
        })
        .collect()
}

/// Where the serialized examples come from.
fn origin(node: &mut Node<'_>) -> Result<Value, Stop> {
    use planish_core::op::Op;
    let mut value = node.value(0)?;
    let graph = &node.importer.graph;
    while let Op::Reshape(_) | Op::ExpandDims(_) | Op::Squeeze(_) | Op::StridedSlice(_) | Op::Gather(_) = graph.op(value.op) {
        let Some(from) = graph.operand(value.op, 0) else { break };
        value = from;
    }
    Ok(value)
}

/// Each key is an input of its own.
pub(super) fn parse(node: &mut Node<'_>) -> Imported {
    let count = |attr| usize::try_from(node.attr_int(attr, 0)).unwrap_or(0).min(node.input_count());
    let (sparse_count, dense_count) = (count("Nsparse"), count("Ndense"));
    let mut keys = Vec::new();
    for input in 2..2 + sparse_count + dense_count {
        keys.extend(texts(node, input)?);
    }
    if keys.len() != sparse_count + dense_count {
        return Err(node.error("a key of it is no scalar"));
    }
    let dense_keys = keys.split_off(sparse_count);
    let examples = examples(node)?;
    let (sparse_keys, dense_keys) = (keyed(node, keys, "sparse_types")?, keyed(node, dense_keys, "Tdense")?);
    let mut parts = sparse(&sparse_keys, examples.len());
    parts.extend(dense(node, &dense_keys, &examples));
    inputs(node, parts)
}

/// The keys of each kind are one input.
pub(super) fn parse_v2(node: &mut Node<'_>) -> Imported {
    let examples = examples(node)?;
    let (sparse_keys, dense_keys, ragged_keys) = (texts(node, 2)?, texts(node, 3)?, texts(node, 4)?);
    let sparse_keys = keyed(node, sparse_keys, "sparse_types")?;
    let dense_keys = keyed(node, dense_keys, "Tdense")?;
    let ragged_keys = keyed(node, ragged_keys, "ragged_value_types")?;
    let splits = types(node, "ragged_split_types")?;
    let mut parts = sparse(&sparse_keys, examples.len());
    parts.extend(dense(node, &dense_keys, &examples));
    let any = || Shape::new([Dim::Unknown]);
    parts.extend(ragged_keys.iter().map(|(name, dtype)| Part {
        name: format!("{name}/values"),
        ty: Type::new(*dtype, any()),
    }));
    parts.extend(ragged_keys.iter().zip(splits).map(|((name, _), split)| Part {
        name: format!("{name}/row_splits"),
        ty: Type::new(split, any()),
    }));
    inputs(node, parts)
}

/// The keys are attributes, and there is one example.
pub(super) fn parse_single(node: &mut Node<'_>) -> Imported {
    let sparse_keys = keyed(node, attr_texts(node, "sparse_keys"), "sparse_types")?;
    let dense_keys = keyed(node, attr_texts(node, "dense_keys"), "Tdense")?;
    let mut parts = sparse(&sparse_keys, 0);
    parts.extend(dense(node, &dense_keys, &[]));
    inputs(node, parts)
}
