//! Hash tables: their handles, their contents, and looking keys up.

mod filling;

use planish_core::graph::{Value, ValueInfo};
use planish_core::model::GraphId;
use planish_core::op::{
    ArgMax, Equal, ExpandDims, Fill, Gather, Hashtable, HashtableFind, HashtableImport, HashtableSize, ReduceAny, SelectV2,
};
use planish_core::tensor::Tensor;
use planish_core::types::{DType, Shape, Type};

use crate::Error;
use crate::proto::NodeDef;

use super::constant::widened;
use super::node::{Node, one};
use super::{Bound, Imported, Importer, Stop};

use filling::Filling;
pub(super) use filling::init_nodes;

/// A table that has no kernel is compared with up to this many entries.
const MAX_COMPARED: usize = 1024;
/// The frame of the top graph is the first one.
const TOP: usize = 0;

/// A hash table that a graph refers to.
pub(super) struct Table {
    name: String,
    key: DType,
    value: DType,
    /// Whether a key stands for a row of values instead of one.
    rows: bool,
    /// The entries of a table that no node of the model makes.
    entries: Option<(Tensor, Tensor)>,
}

impl Importer {
    fn table_of_node(&mut self, node: &NodeDef, key: DType, value: DType, rows: bool) -> usize {
        let found = self.tables.iter().position(|t| t.entries.is_none() && t.name == node.name);
        found.unwrap_or_else(|| {
            self.tables.push(Table {
                name: node.name.clone(),
                key,
                value,
                rows,
                entries: None,
            });
            self.tables.len() - 1
        })
    }

    /// A table that helps to look up keys of another one, made when first asked for.
    fn helping_table(&mut self, of: usize, purpose: &str, entries: impl FnOnce() -> Option<(Tensor, Tensor)>) -> Option<usize> {
        let name = format!("{}/{purpose}", self.tables[of].name);
        let found = self.tables.iter().position(|t| t.entries.is_some() && t.name == name);
        let table = match found {
            Some(table) => table,
            None => {
                let (keys, values) = entries()?;
                self.tables.push(Table {
                    name,
                    key: keys.dtype(),
                    value: values.dtype(),
                    rows: false,
                    entries: Some((keys, values)),
                });
                self.tables.len() - 1
            }
        };
        self.reached_tables.insert(table);
        Some(table)
    }

    /// The handle of a table in the graph being built.
    pub(super) fn table_handle(&mut self, table: usize) -> Value {
        if let Some(&handle) = self.table_handles.get(&table) {
            return handle;
        }
        let known = &self.tables[table];
        let op = Hashtable {
            table_id: table as i32,
            key_dtype: known.key,
            value_dtype: known.value,
        };
        let info = ValueInfo::named(Type::new(DType::Resource, Shape::fixed(&[1])), &known.name);
        let op = self.graph.add_declared(op, &[], vec![info]);
        let handle = Value { op, port: 0 };
        self.table_handles.insert(table, handle);
        handle
    }

    /// The tables that have been reached.
    pub(super) fn used_tables(&self) -> Vec<usize> {
        self.reached_tables.iter().copied().collect()
    }

    /// Fills a table in the graph being built, which initializes the model.
    pub(super) fn fill_table(&mut self, table: usize, top: usize) -> Result<(), Error> {
        let name = self.tables[table].name.clone();
        let filling = match self.tables[table].entries {
            Some(_) => None,
            None => Some(self.filling_of(&name, top)?),
        };
        let (keys, values) = match filling {
            Some(Filling::Values { keys, values, no_keys }) if no_keys.is_empty() => {
                (self.entries_at(keys, &name, top)?, self.entries_at(values, &name, top)?)
            }
            _ => {
                let (keys, values) = self.table_content(table, top)?;
                (self.add_const(keys, None), self.add_const(values, None))
            }
        };
        let handle = self.table_handle(table);
        self.graph
            .add_declared(HashtableImport {}, &[Some(handle), Some(keys), Some(values)], Vec::new());
        Ok(())
    }

    /// Keys and values of a table.
    fn table_content(&mut self, table: usize, top: usize) -> Result<(Tensor, Tensor), Error> {
        if let Some(entries) = &self.tables[table].entries {
            return Ok(entries.clone());
        }
        let filling = self.filling_of(&self.tables[table].name.clone(), top)?;
        self.content(table, filling, top)
    }

    /// The graph that fills the tables that this signature reads, where it reads any; built outside of any other.
    pub(super) fn filling_graph(&mut self, name: &str, top: usize) -> Result<Option<GraphId>, Error> {
        let tables = self.used_tables();
        if tables.is_empty() {
            return Ok(None);
        }
        let graph = self.in_graph(format!("{name}/fill_tables"), |importer| {
            tables.iter().try_for_each(|&table| importer.fill_table(table, top))
        })?;
        Ok(Some(self.model.add_graph(graph)))
    }
}

pub(super) fn handle(node: &mut Node<'_>) -> Imported {
    let key = node.declared_dtype("key_dtype", DType::String)?;
    let value = node.declared_dtype("value_dtype", DType::I64)?;
    let def = node.def().clone();
    let rows = def.op.contains("OfTensors") || node.attr_rank("value_shape").is_some_and(|rank| rank > 0);
    let table = node.importer.table_of_node(&def, key, value, rows);
    Ok(vec![Bound::Table(table)])
}

/// The table that is the first input, which nothing of the signature changes.
fn table(node: &mut Node<'_>) -> Result<usize, Stop> {
    let Bound::Table(table) = node.bound(0)? else {
        return Err(Stop::Foreign);
    };
    let name = &node.importer.tables[table].name;
    if node.importer.effects.changes_table(name) {
        return Err(Stop::Error(Error::unsupported(
            format!("the hash table {name}"),
            "entries that the signature itself changes, which nothing here can; choose a signature that only looks them up",
        )));
    }
    Ok(table)
}

/// Whether the table can stay one: only these types have kernels.
fn has_kernel(node: &mut Node<'_>, table: usize) -> bool {
    let known = &node.importer.tables[table];
    let found = !known.rows && matches!((known.key, known.value), (DType::I64, DType::String) | (DType::String, DType::I64));
    if found {
        node.importer.reached_tables.insert(table);
    }
    found
}

pub(super) fn find(node: &mut Node<'_>) -> Imported {
    let table = table(node)?;
    let (keys, default) = (node.value(1)?, node.value(2)?);
    if has_kernel(node, table) {
        return one(found(node, table, keys, default));
    }
    let (entries, values) = content(node, table)?;
    let (entries, values) = (widened(entries), widened(values));
    let count = entries.elements();
    let row = values.dims().get(1..).map(<[usize]>::to_vec).ok_or(Stop::Foreign)?;
    if values.dims().first() != Some(&count) || *node.shape(default) != Shape::fixed(&row) {
        return Err(Stop::Foreign);
    }
    if count == 0 && row.is_empty() {
        let shape = node.add(planish_core::op::Shape { dtype: DType::I32 }, &[keys])?;
        return one(node.add(Fill {}, &[shape, default])?);
    }
    let place = position(node, table, &entries, keys)?;
    let all = with_default(node, values, &row, default)?;
    one(node.add(Gather { axis: 0, batch_dims: 0 }, &[all, place])?)
}

/// The kernel gives a vector of one number.
pub(super) fn size(node: &mut Node<'_>) -> Imported {
    let table = table(node)?;
    if !has_kernel(node, table) {
        let (entries, _) = content(node, table)?;
        return one(node.add_const(Tensor::scalar(entries.elements() as i64)));
    }
    let handle = node.importer.table_handle(table);
    let size = node.add_declared(HashtableSize {}, &[handle], vec![Type::fixed(DType::I64, &[1])])[0];
    one(node.reshaped(size, &[])?)
}

/// Keys and values, unless they are only known when the model runs.
fn content(node: &mut Node<'_>, table: usize) -> Result<(Tensor, Tensor), Stop> {
    node.importer.table_content(table, TOP).map_err(|error| match error {
        Error::Unsupported { .. } => Stop::Foreign,
        error => Stop::Error(error),
    })
}

/// What a table of a type that has a kernel says to keys.
fn found(node: &mut Node<'_>, table: usize, keys: Value, default: Value) -> Value {
    let handle = node.importer.table_handle(table);
    let ty = Type::new(node.importer.tables[table].value, node.shape(keys).clone());
    node.add_declared(HashtableFind {}, &[handle, keys, default], vec![ty])[0]
}

/// The position of each key among the entries, and one behind the last for a key that is not there.
fn position(node: &mut Node<'_>, table: usize, entries: &Tensor, keys: Value) -> Result<Value, Stop> {
    let count = entries.elements();
    let positions = || Tensor::from_vec(&[count], (0..count as i64).collect());
    if entries.dtype() == DType::String {
        let entries = entries.reshaped(&[count]).ok_or(Stop::Foreign)?;
        let helper = node.importer.helping_table(table, "positions", || Some((entries, positions())));
        let none = node.add_const(Tensor::scalar(count as i64));
        return Ok(found(node, helper.ok_or(Stop::Foreign)?, keys, none));
    }
    if count <= MAX_COMPARED {
        return compared(node, entries, keys);
    }
    // From numbers to names of the positions, and from these to the positions.
    let ints = entries.to_ints().ok_or(Stop::Foreign)?;
    let names: Vec<String> = (0..count).map(|position| position.to_string()).collect();
    let names = Tensor::from_strings(&[count], &names).map_err(|_| Stop::Foreign)?;
    let importer = &mut *node.importer;
    let first = importer.helping_table(table, "names", || Some((Tensor::from_vec(&[count], ints), names.clone())));
    let second = importer.helping_table(table, "positions", || Some((names.clone(), positions())));
    let (first, second) = (first.ok_or(Stop::Foreign)?, second.ok_or(Stop::Foreign)?);
    let keys = node.cast(keys, DType::I64)?;
    let nameless = node.add_const(Tensor::from_strings(&[], &[""]).map_err(|_| Stop::Foreign)?);
    let name = found(node, first, keys, nameless);
    let none = node.add_const(Tensor::scalar(count as i64));
    Ok(found(node, second, name, none))
}

/// The position by comparing each key with all entries.
fn compared(node: &mut Node<'_>, entries: &Tensor, keys: Value) -> Result<Value, Stop> {
    let count = entries.elements();
    let entries = node.add_const(entries.reshaped(&[count]).ok_or(Stop::Foreign)?);
    let last = node.add_int(-1);
    let column = node.add(ExpandDims {}, &[keys, last])?;
    let equal = node.add(Equal {}, &[column, entries])?;
    let axes = node.add_ints(&[-1]);
    let found = node.add(ReduceAny { keep_dims: false }, &[equal, axes])?;
    let ones = node.cast(equal, DType::F32)?;
    let place = node.add(ArgMax { dtype: DType::I32 }, &[ones, last])?;
    let none = node.add_int(count as i32);
    node.add(SelectV2 {}, &[found, place, none])
}

/// The values, and behind them the default.
fn with_default(node: &mut Node<'_>, values: Tensor, row: &[usize], default: Value) -> Result<Value, Stop> {
    if values.dtype() == DType::String {
        // Strings have no kernel that joins them.
        let default = node.constant(default).and_then(Tensor::to_strings).ok_or(Stop::Foreign)?;
        let strings = values.to_strings().ok_or(Stop::Foreign)?;
        let all: Vec<&[u8]> = strings.into_iter().chain(default).collect();
        let all = Tensor::from_strings(&[all.len()], &all).map_err(|_| Stop::Foreign)?;
        return Ok(node.add_const(all));
    }
    let values = node.add_const(values);
    let mut dims = vec![1];
    dims.extend_from_slice(row);
    let default = node.reshaped(default, &dims)?;
    node.concatenated(&[values, default], 0)
}
