//! Constants, and placeholders that nobody feeds.

use std::sync::Arc;

use planish_core::tensor::Tensor;
use planish_core::types::DType;

use crate::proto::Attr;
use crate::tensor_proto;

use super::node::Node;
use super::numeric_type::computed;
use super::{Bound, Imported, Stop};

/// One constant of a single value repeated takes no more bytes than this once it is written, and all of them together no
/// more than [`MOST_REPEATED`]: a few bytes of a graph would fill any disk.
const LARGEST_REPEATED: usize = 256 << 20;
const MOST_REPEATED: usize = 2 << 30;

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
    if tensor.is_splat() && tensor.elements() > 1 {
        let bytes = tensor.dtype().packed_len(tensor.elements()).unwrap_or(usize::MAX);
        let all = node.importer.repeated.saturating_add(bytes);
        if bytes > LARGEST_REPEATED || all > MOST_REPEATED {
            return Err(node.error(format!("one value repeated for the shape {:?} is too large", tensor.dims())));
        }
        node.importer.repeated = all;
    }
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
    let wide = |tensor: &Tensor| {
        let floats = tensor.to_floats().expect("half and double precision are floats");
        Tensor::from_vec(tensor.dims(), floats.into_iter().map(|v| v as f32).collect())
    };
    let one = || (0..tensor.dims().len()).try_fold(tensor.clone(), |part, axis| part.sliced(axis, 0, 1));
    match tensor.is_splat().then(one).flatten() {
        Some(one) => Tensor::splat(&wide(&one), tensor.dims()),
        None => wide(&tensor),
    }
}

/// Reached from an output although no input of the signature feeds it.
pub(super) fn placeholder(node: &mut Node<'_>) -> Imported {
    Err(node.error("an output depends on this placeholder, which is no input of the signature; choose another signature"))
}
