//! Lists of tensors, as TensorFlow's loops use them.

use std::rc::Rc;

use planish_core::op::{Concatenation, Op, Pack, Unpack};
use planish_core::{DType, Tensor, Type};

use super::datum::{Datum, List};
use super::evaluate_limited;
use crate::error::Error;

fn bad(operand: &str, problem: impl Into<String>) -> Error {
    Error::Operand {
        operand: operand.to_owned(),
        problem: problem.into(),
    }
}

/// The operands of an operation on lists.
struct Operands<'a>(&'a [Option<Datum>]);

impl Operands<'_> {
    fn tensor(&self, index: usize, name: &str) -> Result<&Tensor, Error> {
        match self.0.get(index).and_then(Option::as_ref) {
            Some(Datum::Tensor(tensor)) => Ok(tensor),
            Some(other) => Err(bad(name, format!("is {}, expected a tensor", other.describe()))),
            None => Err(Error::Missing(name.to_owned())),
        }
    }

    fn list(&self) -> Result<&Rc<List>, Error> {
        match self.0.first().and_then(Option::as_ref) {
            Some(Datum::List(list)) => Ok(list),
            Some(other) => Err(bad("list", format!("is {}, expected a list", other.describe()))),
            None => Err(Error::Missing("list".to_owned())),
        }
    }

    fn int(&self, index: usize, name: &str) -> Result<i64, Error> {
        let tensor = self.tensor(index, name)?;
        match tensor.to_ints().as_deref() {
            Some(&[value]) => Ok(value),
            _ => Err(bad(name, format!("is {}, expected one integer", tensor.ty()))),
        }
    }

    /// An element shape; `None` for the scalar -1, which stands for no knowledge at all.
    fn shape(&self, index: usize) -> Result<Option<Vec<i64>>, Error> {
        let tensor = self.tensor(index, "element_shape")?;
        let ints = tensor
            .to_ints()
            .ok_or_else(|| bad("element_shape", format!("is {}, expected integers", tensor.ty())))?;
        Ok(if tensor.dims().is_empty() { None } else { Some(ints) })
    }
}

/// How many elements a list may have.
const MOST: usize = 1 << 24;

fn size(value: i64) -> Result<usize, Error> {
    usize::try_from(value)
        .ok()
        .filter(|&n| n <= MOST)
        .ok_or_else(|| bad("size", format!("is {value}, which no list has")))
}

/// Zeros for an element that was never set, if its extents are known.
fn unset(list: &List, wanted: Option<&Vec<i64>>, limit: usize) -> Result<Tensor, Error> {
    let known = |shape: &&Vec<i64>| shape.iter().all(|&d| d >= 0);
    let like = list
        .items
        .iter()
        .flatten()
        .next()
        .map(|t| t.dims().iter().map(|&d| d as i64).collect::<Vec<i64>>());
    let shape = wanted.filter(known).or(list.shape.as_ref().filter(known)).or(like.as_ref());
    let Some(shape) = shape else {
        return Err(Error::Invalid(
            "an element of the list was never set and its shape is not known".to_owned(),
        ));
    };
    let dims: Vec<usize> = shape.iter().map(|&d| d as usize).collect();
    let elements = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    match elements.and_then(|n| list.dtype.packed_len(n)) {
        Some(bytes) if bytes <= limit => Tensor::new(list.dtype, &dims, vec![0; bytes].into()).map_err(|e| Error::Invalid(e.to_string())),
        _ => Err(Error::TooLarge {
            dtype: list.dtype,
            dims,
            limit,
        }),
    }
}

fn items(list: &List, wanted: Option<&Vec<i64>>, limit: usize) -> Result<Vec<Tensor>, Error> {
    let item = |item: &Option<Tensor>| item.clone().map_or_else(|| unset(list, wanted, limit), Ok);
    list.items.iter().map(item).collect()
}

fn stacked(list: &List, tensors: &[Tensor], wanted: Option<&Vec<i64>>, limit: usize) -> Result<Tensor, Error> {
    if tensors.is_empty() {
        let shape = wanted.or(list.shape.as_ref()).cloned().unwrap_or_default();
        let mut dims = vec![0usize];
        dims.extend(shape.iter().map(|&d| d.max(0) as usize));
        return Tensor::new(list.dtype, &dims, Vec::new().into()).map_err(|e| Error::Invalid(e.to_string()));
    }
    let operands: Vec<Option<&Tensor>> = tensors.iter().map(Some).collect();
    Ok(evaluate_limited(&Pack { axis: 0 }.into(), &operands, &[], limit)?.remove(0))
}

fn place(index: i64, len: usize) -> Result<usize, Error> {
    match usize::try_from(index) {
        Ok(index) if index < len => Ok(index),
        _ => Err(bad("index", format!("is {index}, the list has {len} elements"))),
    }
}

/// Runs an operation on lists; `None` for any other.
pub(super) fn run(op: &Op, operands: &[Option<Datum>], types: &[Type], limit: usize) -> Result<Option<Vec<Datum>>, Error> {
    let args = Operands(operands);
    let list_of = |dtype: DType, shape, items| Datum::List(Rc::new(List { dtype, shape, items }));
    let one = |datum| Ok(Some(vec![datum]));
    match op {
        Op::TensorListReserve(op) => one(list_of(op.dtype, args.shape(0)?, vec![None; size(args.int(1, "size")?)?])),
        Op::TensorListFromTensor(_) => {
            let tensor = args.tensor(0, "tensor")?;
            let Some(&num) = tensor.dims().first() else {
                return Err(bad("tensor", "is a scalar, which has no slices"));
            };
            let unpack = Unpack {
                num: size(num as i64)? as u32,
                axis: 0,
            };
            let items = evaluate_limited(&unpack.into(), &[Some(tensor)], &[], limit)?;
            let shape = tensor.dims()[1..].iter().map(|&d| d as i64).collect();
            one(list_of(tensor.dtype(), Some(shape), items.into_iter().map(Some).collect()))
        }
        Op::TensorListGetItem(_) => {
            let list = args.list()?;
            let index = place(args.int(1, "index")?, list.items.len())?;
            let wanted = args.shape(2)?;
            one(Datum::Tensor(
                list.items[index].clone().map_or_else(|| unset(list, wanted.as_ref(), limit), Ok)?,
            ))
        }
        Op::TensorListSetItem(op) => {
            let mut list = args.list()?.clone();
            let (index, item) = (args.int(1, "index")?, args.tensor(2, "item")?.clone());
            let inner = Rc::make_mut(&mut list);
            if op.resize && index >= inner.items.len() as i64 {
                inner.items.resize(size(index.saturating_add(1))?, None);
            }
            let index = place(index, inner.items.len())?;
            inner.items[index] = Some(item);
            one(Datum::List(list))
        }
        Op::TensorListStack(op) => {
            let (list, wanted) = (args.list()?, args.shape(1)?);
            if op.num_elements >= 0 && op.num_elements != list.items.len() as i64 {
                return Err(bad(
                    "list",
                    format!("has {} elements, expected {}", list.items.len(), op.num_elements),
                ));
            }
            one(Datum::Tensor(stacked(
                list,
                &items(list, wanted.as_ref(), limit)?,
                wanted.as_ref(),
                limit,
            )?))
        }
        Op::TensorListLength(_) => one(Datum::Tensor(Tensor::scalar(args.list()?.items.len() as i32))),
        Op::TensorListPushBack(_) => {
            let mut list = args.list()?.clone();
            size(list.items.len() as i64 + 1)?;
            Rc::make_mut(&mut list).items.push(Some(args.tensor(1, "item")?.clone()));
            one(Datum::List(list))
        }
        Op::TensorListPopBack(_) => {
            let mut list = args.list()?.clone();
            let wanted = args.shape(1)?;
            let Some(last) = Rc::make_mut(&mut list).items.pop() else {
                return Err(bad("list", "is empty"));
            };
            let last = last.map_or_else(|| unset(&list, wanted.as_ref(), limit), Ok)?;
            Ok(Some(vec![Datum::List(list), Datum::Tensor(last)]))
        }
        Op::TensorListResize(_) => {
            let mut list = args.list()?.clone();
            Rc::make_mut(&mut list).items.resize(size(args.int(1, "size")?)?, None);
            one(Datum::List(list))
        }
        Op::TensorListConcat(_) => {
            let (list, wanted) = (args.list()?, args.shape(1)?);
            let element = wanted.map(|mut shape| {
                if let Some(first) = shape.first_mut() {
                    *first = 0;
                }
                shape
            });
            let tensors = items(list, element.as_ref(), limit)?;
            let lengths: Vec<i64> = tensors.iter().map(|t| t.dims().first().copied().unwrap_or(1) as i64).collect();
            let operands: Vec<Option<&Tensor>> = tensors.iter().map(Some).collect();
            let concatenation = Concatenation {
                axis: 0,
                activation: planish_core::attr::Activation::None,
            };
            let joined = evaluate_limited(&concatenation.into(), &operands, &[], limit)?.remove(0);
            Ok(Some(vec![
                Datum::Tensor(joined),
                Datum::Tensor(Tensor::from_vec(&[lengths.len()], lengths)),
            ]))
        }
        Op::TensorListGather(_) => {
            let (list, wanted) = (args.list()?, args.shape(2)?);
            let indices = args.tensor(1, "indices")?;
            let indices = indices
                .to_ints()
                .ok_or_else(|| bad("indices", format!("is {}, expected integers", indices.ty())))?;
            let all = items(list, wanted.as_ref(), limit)?;
            let chosen: Vec<Tensor> = indices
                .into_iter()
                .map(|i| Ok(all[place(i, all.len())?].clone()))
                .collect::<Result<_, Error>>()?;
            one(Datum::Tensor(stacked(list, &chosen, wanted.as_ref(), limit)?))
        }
        Op::TensorListElementShape(op) => {
            let list = args.list()?;
            let like = || {
                list.items
                    .iter()
                    .flatten()
                    .next()
                    .map(|t| t.dims().iter().map(|&d| d as i64).collect::<Vec<i64>>())
            };
            let shape = list.shape.clone().or_else(like);
            let scalar = shape.is_none() && types.first().is_none_or(|t| t.shape.rank() == Some(0));
            let shape = shape.unwrap_or_else(|| vec![-1]);
            let dims: &[usize] = if scalar { &[] } else { &[shape.len()] };
            one(Datum::Tensor(match op.dtype {
                DType::I64 => Tensor::from_vec(dims, shape),
                _ => Tensor::from_vec(dims, shape.iter().map(|&d| d as i32).collect()),
            }))
        }
        _ => Ok(None),
    }
}
