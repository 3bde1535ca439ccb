//! What a value is while a graph runs.

use std::rc::Rc;

use planish_core::{DType, Tensor};

/// A value at run time.
#[derive(Clone, Debug)]
pub(super) enum Datum {
    Tensor(Tensor),
    List(Rc<List>),
    /// The container and name of a variable.
    Variable(Rc<(String, String)>),
    /// The number of a hash table.
    Table(i32),
}

/// A list of tensors, some of which may not be set yet.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) dtype: DType,
    /// The extents of the elements as far as they are known; -1 where not; `None` where not even the rank is.
    pub(super) shape: Option<Vec<i64>>,
    pub(super) items: Vec<Option<Tensor>>,
}

impl Datum {
    /// What it is, for messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Datum::Tensor(tensor) => tensor.ty().to_string(),
            Datum::List(list) => format!("a list of {} {} tensors", list.items.len(), list.dtype),
            Datum::Variable(name) => format!("the variable `{}`", name.1),
            Datum::Table(id) => format!("hash table {id}"),
        }
    }
}
