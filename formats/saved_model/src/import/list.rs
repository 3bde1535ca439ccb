//! Lists of tensors, which stay lists here and are lowered later.

use planish_core::op::{
    TensorListConcat, TensorListElementShape, TensorListFromTensor, TensorListGather, TensorListGetItem, TensorListLength,
    TensorListPopBack, TensorListPushBack, TensorListReserve, TensorListResize, TensorListSetItem, TensorListStack,
};
use planish_core::types::DType;

use super::node::{Node, many, one};
use super::{Imported, Stop};

fn element(node: &Node<'_>) -> Result<DType, Stop> {
    match node.attr_dtype("element_dtype", DType::F32)? {
        DType::Variant | DType::Resource => Err(Stop::Foreign),
        plain => Ok(plain),
    }
}

pub(super) fn reserve(node: &mut Node<'_>) -> Imported {
    let dtype = element(node)?;
    let (shape, size) = (node.index_input(0)?, node.index_input(1)?);
    one(node.add(TensorListReserve { dtype }, &[shape, size])?)
}

/// Starts without elements; the second input is only a limit.
pub(super) fn empty(node: &mut Node<'_>) -> Imported {
    let dtype = element(node)?;
    let shape = node.index_input(0)?;
    let size = node.add_int(0);
    one(node.add(TensorListReserve { dtype }, &[shape, size])?)
}

pub(super) fn from_tensor(node: &mut Node<'_>) -> Imported {
    let (tensor, shape) = (node.value(0)?, node.index_input(1)?);
    one(node.add(TensorListFromTensor {}, &[tensor, shape])?)
}

pub(super) fn get_item(node: &mut Node<'_>) -> Imported {
    let dtype = element(node)?;
    let (list, index, shape) = (node.value(0)?, node.index_input(1)?, node.index_input(2)?);
    one(node.add(TensorListGetItem { dtype }, &[list, index, shape])?)
}

pub(super) fn set_item(node: &mut Node<'_>) -> Imported {
    let resize = node.attr_bool("resize_if_index_out_of_bounds");
    let (list, index, item) = (node.value(0)?, node.index_input(1)?, node.value(2)?);
    one(node.add(TensorListSetItem { resize }, &[list, index, item])?)
}

pub(super) fn stack(node: &mut Node<'_>) -> Imported {
    let dtype = element(node)?;
    let num_elements = node.attr_int("num_elements", -1);
    let (list, shape) = (node.value(0)?, node.index_input(1)?);
    one(node.add(TensorListStack { dtype, num_elements }, &[list, shape])?)
}

pub(super) fn length(node: &mut Node<'_>) -> Imported {
    node.unary(TensorListLength {})
}

pub(super) fn push_back(node: &mut Node<'_>) -> Imported {
    node.binary(TensorListPushBack {})
}

pub(super) fn pop_back(node: &mut Node<'_>) -> Imported {
    let dtype = element(node)?;
    let (list, shape) = (node.value(0)?, node.index_input(1)?);
    many(node.add_many(TensorListPopBack { dtype }, &[list, shape])?)
}

pub(super) fn resize(node: &mut Node<'_>) -> Imported {
    let (list, size) = (node.value(0)?, node.index_input(1)?);
    one(node.add(TensorListResize {}, &[list, size])?)
}

pub(super) fn concat(node: &mut Node<'_>) -> Imported {
    let dtype = element(node)?;
    let (list, shape, leading) = (node.value(0)?, node.index_input(1)?, node.index_input(2)?);
    many(node.add_many(TensorListConcat { dtype }, &[list, shape, leading])?)
}

pub(super) fn gather(node: &mut Node<'_>) -> Imported {
    let dtype = element(node)?;
    let (list, indices, shape) = (node.value(0)?, node.index_input(1)?, node.index_input(2)?);
    one(node.add(TensorListGather { dtype }, &[list, indices, shape])?)
}

pub(super) fn element_shape(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("shape_type", DType::I32)?;
    node.unary(TensorListElementShape { dtype })
}
