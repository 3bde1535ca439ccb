//! Variables and hash tables.

use std::collections::BTreeMap;

use planish_core::op::{Hashtable, Op};
use planish_core::{DType, OpId, Tensor, Type, Value};

use super::Interpreter;
use super::datum::Datum;
use crate::error::Error;
use crate::reference::args::Args;
use crate::reference::cells::{Builder, Cells};

/// A hash table: keys and values as bytes.
#[derive(Debug)]
pub(super) struct Table {
    key: DType,
    value: DType,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    filled: bool,
}

impl Table {
    pub(super) fn new(op: &Hashtable) -> Table {
        Table {
            key: op.key_dtype,
            value: op.value_dtype,
            entries: BTreeMap::new(),
            filled: false,
        }
    }
}

fn missing(operand: &str) -> Error {
    Error::Missing(operand.to_owned())
}

fn tensor<'a>(operands: &'a [Option<Datum>], index: usize, name: &str) -> Result<&'a Tensor, Error> {
    match operands.get(index).and_then(Option::as_ref) {
        Some(Datum::Tensor(tensor)) => Ok(tensor),
        Some(other) => Err(Error::Operand {
            operand: name.to_owned(),
            problem: format!("is {}, expected a tensor", other.describe()),
        }),
        None => Err(missing(name)),
    }
}

impl Interpreter<'_> {
    /// Runs an operation on a variable or table; `None` for any other.
    pub(super) fn stored(
        &mut self,
        op: &Op,
        operands: &[Option<Datum>],
        types: &[Type],
        id: OpId,
    ) -> Result<Option<Vec<(Value, Datum)>>, Error> {
        let result = |datum| Ok(Some(vec![(Value { op: id, port: 0 }, datum)]));
        let wrong = |what: &str| Error::Operand {
            operand: "handle".to_owned(),
            problem: format!("is not the handle of a {what}"),
        };
        match op {
            Op::VarHandle(op) => result(Datum::Variable(std::rc::Rc::new((op.container.clone(), op.shared_name.clone())))),
            Op::Hashtable(op) => {
                self.tables.entry(op.table_id).or_insert_with(|| Table::new(op));
                result(Datum::Table(op.table_id))
            }
            Op::ReadVariable(_) | Op::AssignVariable(_) => {
                let Some(Some(Datum::Variable(name))) = operands.first() else {
                    return Err(wrong("variable"));
                };
                if let Op::AssignVariable(_) = op {
                    self.variables.insert((**name).clone(), tensor(operands, 1, "value")?.clone());
                    return Ok(Some(Vec::new()));
                }
                let value = self.variables.get(&**name).ok_or_else(|| {
                    Error::Invalid(format!(
                        "variable `{}` is read before it is assigned; run its initialization first",
                        name.1
                    ))
                })?;
                result(Datum::Tensor(value.clone()))
            }
            Op::HashtableFind(_) | Op::HashtableImport(_) | Op::HashtableSize(_) => {
                let Some(Some(Datum::Table(number))) = operands.first() else {
                    return Err(wrong("hash table"));
                };
                let table = self.tables.get_mut(number).ok_or_else(|| wrong("hash table"))?;
                match op {
                    Op::HashtableImport(_) => {
                        import(table, tensor(operands, 1, "keys")?, tensor(operands, 2, "values")?)?;
                        Ok(Some(Vec::new()))
                    }
                    Op::HashtableSize(_) => result(Datum::Tensor(Tensor::from_vec(&[1], vec![table.entries.len() as i64]))),
                    _ => {
                        let (keys, default) = (tensor(operands, 1, "keys")?, tensor(operands, 2, "default")?);
                        let limit = self.options.max_bytes;
                        result(Datum::Tensor(find(table, keys, default, &Args::new(op.kind(), &[], types, limit))?))
                    }
                }
            }
            _ => Ok(None),
        }
    }
}

fn import(table: &mut Table, keys: &Tensor, values: &Tensor) -> Result<(), Error> {
    if keys.dtype() != table.key || values.dtype() != table.value || keys.elements() != values.elements() {
        return Err(Error::Invalid(format!(
            "keys {} and values {} do not fit a table from {} to {}",
            keys.ty(),
            values.ty(),
            table.key,
            table.value
        )));
    }
    if !std::mem::replace(&mut table.filled, true) {
        let (key_cells, value_cells) = (Cells::of(keys), Cells::of(values));
        for i in 0..keys.elements() {
            table
                .entries
                .entry(key_cells.at(i).to_vec())
                .or_insert_with(|| value_cells.at(i).to_vec());
        }
    }
    Ok(())
}

fn find(table: &Table, keys: &Tensor, default: &Tensor, args: &Args<'_>) -> Result<Tensor, Error> {
    if keys.dtype() != table.key || default.dtype() != table.value || default.elements() != 1 {
        return Err(Error::Invalid(format!(
            "keys {} and default {} do not fit a table from {} to {}",
            keys.ty(),
            default.ty(),
            table.key,
            table.value
        )));
    }
    let (key_cells, default_cells) = (Cells::of(keys), Cells::of(default));
    let mut found = Vec::with_capacity(keys.elements());
    for i in 0..keys.elements() {
        found.push(table.entries.get(key_cells.at(i)).map_or(default_cells.at(0), Vec::as_slice));
    }
    if table.value == DType::String {
        return Tensor::from_strings(keys.dims(), &found).map_err(|e| Error::Invalid(e.to_string()));
    }
    let size = table.value.size().unwrap_or(1);
    let all = Cells::Bytes(size, std::borrow::Cow::Owned(found.concat()));
    let mut builder = Builder::new(args, default, keys.dims())?;
    builder.push(&all, 0, keys.elements());
    builder.finish()
}
