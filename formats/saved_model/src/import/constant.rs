//! Constants, and placeholders that nobody feeds.

use std::sync::Arc;

use planish_core::tensor::Tensor;
use planish_core::types::DType;

use crate::proto::Attr;
use crate::tensor_proto;

use super::node::Node;
use super::numeric_type::computed;
use super::{Bound, Imported, Stop};

pub(super) fn constant(node: &mut Node<'_>) -> Imported {
    if let Some(path) = node.importer.asset_path(node.frame, node.index) {
        let tensor = Tensor::from_strings(&[], &[path]).map_err(|e| node.error(e.to_string()))?;
        return bind(node, tensor);
    }
    let Some(Attr::Tensor(proto)) = node.attr("value") else {
        return Err(node.error("it has no value"));
    };
    if crate::dtype::from_code(proto.dtype).is_none_or(|d| matches!(d, DType::Resource | DType::Variant)) {
        return Err(Stop::Foreign);
    }
    let tensor = tensor_proto::read(proto).map_err(|what| node.error(what))?;
    bind(node, widened(tensor))
}

fn bind(node: &mut Node<'_>, tensor: Tensor) -> Imported {
    let name: Arc<str> = node.name().into();
    let value = node.importer.add_const(tensor, Some(name));
    Ok(vec![Bound::Value(value)])
}

/// The data in the type that graphs compute with.
pub(super) fn widened(tensor: Tensor) -> Tensor {
    if computed(tensor.dtype()) == tensor.dtype() {
        return tensor;
    }
    let floats = tensor.to_floats().expect("half and double precision are floats");
    Tensor::from_vec(tensor.dims(), floats.into_iter().map(|v| v as f32).collect())
}

/// Reached from an output although no input of the signature feeds it.
pub(super) fn placeholder(node: &mut Node<'_>) -> Imported {
    Err(node.error("an output depends on this placeholder, which is no input of the signature; choose another signature"))
}
