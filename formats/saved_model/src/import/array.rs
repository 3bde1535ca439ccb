//! TensorFlow 1's arrays of tensors, as lists: what its graphs hand on to give reads and writes their order, the flow, is
//! the list, and the handle only says what the elements are.

use planish_core::graph::Value;
use planish_core::op::{
    Op, Reshape, ScatterNd, Shape as ShapeOp, Slice, TensorListConcat, TensorListFromTensor, TensorListGather, TensorListGetItem,
    TensorListLength, TensorListReserve, TensorListSetItem, TensorListStack,
};
use planish_core::tensor::Tensor;
use planish_core::types::{DType, Shape};

use crate::contents;
use crate::proto::Attr;

use super::node::{Node, many, one};
use super::{Bound, Imported, Stop};

/// So many writes into one list, one after the other, are followed.
const MAX_WRITES: usize = 10_000;

/// What is known of the elements of an array.
pub(super) struct Array {
    shape: Shape,
    /// Whether it grows where something is written behind its end.
    grows: bool,
}

/// The declared shape of elements.
fn declared(node: &Node<'_>, attr: &str) -> Shape {
    match node.attr(attr) {
        Some(Attr::Shape(shape)) => contents::shape(Some(shape)),
        _ => Shape::unranked(),
    }
}

/// A shape as lists take it: -1 for what is unknown.
fn shape_operand(node: &mut Node<'_>, shape: &Shape) -> Value {
    match shape.dims() {
        Some(dims) => {
            let dims: Vec<i32> = dims.iter().map(|d| d.known().map_or(-1, |n| n as i32)).collect();
            node.add_ints(&dims)
        }
        None => node.add_int(-1),
    }
}

/// The array whose handle input 0 is.
fn array(node: &mut Node<'_>) -> Result<usize, Stop> {
    match node.bound(0)? {
        Bound::Array(array) => Ok(array),
        _ => Err(Stop::Foreign),
    }
}

/// The list that a flow stands for; one of an operation that is kept as it is stands for none.
fn list(node: &mut Node<'_>, input: usize) -> Result<Value, Stop> {
    let list = node.value(input)?;
    match node.importer.graph.ty(list).dtype {
        DType::Variant => Ok(list),
        _ => Err(Stop::Foreign),
    }
}

/// The shape of the elements, by the array and by this node.
fn elements(node: &mut Node<'_>, attr: &str) -> Result<Value, Stop> {
    let array = array(node)?;
    let (made, here) = (node.importer.arrays[array].shape.clone(), declared(node, attr));
    let shape = made.meet(&here).unwrap_or(made);
    Ok(shape_operand(node, &shape))
}

pub(super) fn handle(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("dtype", DType::F32)?;
    let array = Array {
        shape: declared(node, "element_shape"),
        grows: node.attr_bool("dynamic_size"),
    };
    let (size, shape) = (node.index_input(0)?, shape_operand(node, &array.shape));
    let list = node.add(TensorListReserve { dtype }, &[shape, size])?;
    node.importer.arrays.push(array);
    Ok(vec![Bound::Array(node.importer.arrays.len() - 1), Bound::Value(list)])
}

pub(super) fn read(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("dtype", DType::F32)?;
    let (index, list, shape) = (node.index_input(1)?, list(node, 2)?, elements(node, "element_shape")?);
    one(node.add(TensorListGetItem { dtype }, &[list, index, shape])?)
}

pub(super) fn write(node: &mut Node<'_>) -> Imported {
    let array = array(node)?;
    let resize = node.importer.arrays[array].grows;
    let (index, item, list) = (node.index_input(1)?, node.value(2)?, list(node, 3)?);
    one(node.add(TensorListSetItem { resize }, &[list, index, item])?)
}

pub(super) fn size(node: &mut Node<'_>) -> Imported {
    let list = list(node, 1)?;
    one(node.add(TensorListLength {}, &[list])?)
}

/// How many there are, where the indices are all from 0 on.
fn counted(node: &Node<'_>, indices: Value) -> Option<Option<Value>> {
    let graph = &node.importer.graph;
    if let Some(ints) = node.constant_ints(indices) {
        return ints.iter().enumerate().all(|(i, &n)| n == i as i64).then_some(None);
    }
    let range = graph.at(indices.op);
    let constant = |i: usize| range.operand(i)?.constant()?.to_ints();
    let whole = matches!(range.op(), Op::Range(_)) && constant(0)? == [0] && constant(2)? == [1];
    whole.then(|| range.operand(1).map(|limit| limit.id()))
}

pub(super) fn gather(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("dtype", DType::F32)?;
    let (indices, list, shape) = (node.index_input(1)?, list(node, 2)?, elements(node, "element_shape")?);
    let array = array(node)?;
    let fixed = !node.importer.arrays[array].grows;
    let all = match counted(node, indices) {
        Some(Some(limit)) => is_length(node, limit, list, fixed),
        Some(None) if fixed => node
            .shape(indices)
            .dim(0)
            .known()
            .is_some_and(|count| reserved(node, list).is_some_and(|size| node.constant_ints(size) == Some(vec![count as i64]))),
        _ => false,
    };
    if all {
        return one(node.add(TensorListStack { dtype, num_elements: -1 }, &[list, shape])?);
    }
    one(node.add(TensorListGather { dtype }, &[list, indices, shape])?)
}

/// Whether a number is the list's length; `fixed` lists never get longer.
fn is_length(node: &Node<'_>, number: Value, list: Value, fixed: bool) -> bool {
    let length = node.importer.graph.at(number.op);
    if matches!(length.op(), Op::TensorListLength(_)) {
        return length.operand(0).is_some_and(|l| l.id() == list);
    }
    fixed
        && reserved(node, list).is_some_and(|size| {
            size == number || matches!((node.constant_ints(size), node.constant_ints(number)), (Some(a), Some(b)) if a == b)
        })
}

/// With how many elements a list was reserved, if it still has as many.
fn reserved(node: &Node<'_>, list: Value) -> Option<Value> {
    let mut list = list;
    for _ in 0..MAX_WRITES {
        let made = node.importer.graph.at(list.op);
        list = match made.op() {
            Op::TensorListReserve(_) => return made.operand(1).map(|size| size.id()),
            Op::TensorListSetItem(set) if !set.resize => made.operand(0)?.id(),
            // Loops hand on the lists that they carry; only those of arrays that grow come out longer.
            Op::While(_) => made.operand(list.port as usize)?.id(),
            _ => return None,
        };
    }
    None
}

/// Writes rows of a tensor into an array that has nothing yet.
pub(super) fn scatter(node: &mut Node<'_>) -> Imported {
    let (indices, mut rows, list) = (node.index_input(1)?, node.value(2)?, node.value(3)?);
    let reserved = node.importer.graph.at(list.op);
    let (true, Some(size)) = (matches!(reserved.op(), Op::TensorListReserve(_)), reserved.operand(1)) else {
        return Err(Stop::Foreign);
    };
    let size = size.id();
    let count = |value: Value| node.constant_ints(value).and_then(|n| n.first().copied());
    let all = match (counted(node, indices), node.shape(rows).dim(0).known(), count(size)) {
        (Some(_), Some(rows), Some(size)) => rows as i64 == size,
        (in_order, _, _) => in_order.is_some(),
    };
    if !all {
        let column = node.add_ints(&[-1, 1]);
        let places = node.add(Reshape {}, &[indices, column])?;
        let one = node.add_ints(&[1]);
        let size = node.add(Reshape {}, &[size, one])?;
        let shape = node.add(ShapeOp { dtype: DType::I32 }, &[rows])?;
        let rest = node.add_ints(&[-1]);
        let row = node.add(Slice {}, &[shape, one, rest])?;
        let shape = node.concatenated(&[size, row], 0)?;
        rows = node.add(ScatterNd {}, &[places, rows, shape])?;
    }
    let shape = elements(node, "element_shape")?;
    one(node.add(TensorListFromTensor {}, &[rows, shape])?)
}

/// Cuts a tensor into elements of equal length.
pub(super) fn split(node: &mut Node<'_>) -> Imported {
    let (value, list) = (node.value(1)?, node.value(3)?);
    let lengths = node.ints(2)?;
    let Some(&length) = lengths.first() else {
        return Err(Stop::Foreign);
    };
    let fresh = matches!(node.importer.graph.op(list.op), Op::TensorListReserve(_));
    let rest: Option<Vec<i32>> = node
        .shape(value)
        .dims()
        .and_then(|dims| dims.get(1..)?.iter().map(|d| i32::try_from(d.known()?).ok()).collect());
    let (true, true, Some(rest), Ok(length)) = (fresh, lengths.iter().all(|&l| l == length), rest, i32::try_from(length)) else {
        return Err(Stop::Foreign);
    };
    let dims: Vec<i32> = [lengths.len() as i32, length].into_iter().chain(rest).collect();
    let element = Tensor::from_vec(&[dims.len() - 1], dims[1..].to_vec());
    let (dims, element) = (node.add_ints(&dims), node.add_const(element));
    let elements = node.add(Reshape {}, &[value, dims])?;
    one(node.add(TensorListFromTensor {}, &[elements, element])?)
}

pub(super) fn concat(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("dtype", DType::F32)?;
    let (list, shape) = (list(node, 1)?, elements(node, "element_shape")?);
    let leading = node.add_ints(&[]);
    many(node.add_many(TensorListConcat { dtype }, &[list, shape, leading])?)
}
