//! Hash tables: their handles, their contents, and looking keys up.

use std::path::{Component, Path};

use planish_core::graph::{Graph, Value, ValueInfo};
use planish_core::op::{ArgMax, Equal, ExpandDims, Gather, Hashtable, HashtableFind, HashtableImport, HashtableSize, ReduceAny, SelectV2};
use planish_core::tensor::Tensor;
use planish_core::types::{DType, Shape, Type};

use crate::Error;
use crate::function::Source;
use crate::map_file::map_file;
use crate::proto::{Attr, Collection, MetaGraph, NodeDef};
use crate::tensor_proto;

use super::constant::widened;
use super::frame::{Entry, Place, data_inputs};
use super::node::{Node, one};
use super::{Bound, Imported, Importer, Stop};

/// A vocabulary file is not read beyond this many bytes.
const MAX_VOCABULARY: u64 = 256 << 20;
/// A table that has no kernel is compared with up to this many entries.
const MAX_COMPARED: usize = 1024;
/// The folder of a SavedModel with further files.
const ASSETS: &str = "assets";

/// A hash table that a graph refers to.
pub(super) struct Table {
    frame_node: String,
    key: DType,
    value: DType,
}

/// Where a table gets its entries from.
enum Filling {
    Values {
        keys: Place,
        values: Place,
    },
    File {
        path: Place,
        key_column: i64,
        value_column: i64,
        delimiter: String,
    },
}

/// The nodes of the top graph that initialize a loaded model.
pub(super) fn init_nodes(meta: &MetaGraph) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(signature) = meta.signatures.get("__saved_model_init_op") {
        names.extend(signature.outputs.values().map(|info| info.name.clone()));
    }
    for collection in ["saved_model_main_op", "legacy_init_op", "table_initializer"] {
        if let Some(Collection::Nodes(list)) = meta.collections.get(collection).and_then(|c| c.kind.as_ref()) {
            names.extend(list.value.iter().cloned());
        }
    }
    for name in &mut names {
        name.truncate(name.find(':').unwrap_or(name.len()));
    }
    names.sort();
    names.dedup();
    names
}

impl Importer {
    fn table_of_node(&mut self, node: &NodeDef, key: DType, value: DType) -> usize {
        let found = self.tables.iter().position(|t| t.frame_node == node.name);
        found.unwrap_or_else(|| {
            self.tables.push(Table {
                frame_node: node.name.clone(),
                key,
                value,
            });
            self.tables.len() - 1
        })
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
        let info = ValueInfo::named(Type::new(DType::Resource, Shape::fixed(&[1])), &known.frame_node);
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
        let name = self.tables[table].frame_node.clone();
        let (keys, values) = match self.filling_of(&name, top)? {
            Filling::Values { keys, values } => (self.entries_at(keys, &name, top)?, self.entries_at(values, &name, top)?),
            file @ Filling::File { .. } => {
                let (keys, values) = self.content(table, file, top)?;
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
        let filling = self.filling_of(&self.tables[table].frame_node.clone(), top)?;
        self.content(table, filling, top)
    }

    fn filling_of(&mut self, name: &str, top: usize) -> Result<Filling, Error> {
        self.find_filling(name, top)?
            .ok_or_else(|| Error::graph(name, "nothing in the model fills this table with entries"))
    }

    fn content(&mut self, table: usize, filling: Filling, top: usize) -> Result<(Tensor, Tensor), Error> {
        let name = self.tables[table].frame_node.clone();
        match filling {
            Filling::Values { keys, values } => Ok((self.constant_at(keys, &name)?, self.constant_at(values, &name)?)),
            Filling::File {
                path,
                key_column,
                value_column,
                delimiter,
            } => {
                let path = self.vocabulary_path(path, &name, top)?;
                let path = path.ok_or_else(|| Error::graph(&name, "its vocabulary file has no name"))?;
                let lines = self.read_vocabulary(&path)?;
                let (key, value) = (self.tables[table].key, self.tables[table].value);
                let keys = column(&lines, key_column, &delimiter, key);
                let values = column(&lines, value_column, &delimiter, value);
                keys.zip(values)
                    .ok_or_else(|| Error::graph(&name, format!("{path} does not hold keys and values of its types")))
            }
        }
    }

    /// The path that stands at a place: an asset, a variable that one is assigned to, or a constant.
    fn vocabulary_path(&mut self, place: Place, table: &str, top: usize) -> Result<Option<String>, Error> {
        let mut place = place;
        if let Place::Node { frame, node, .. } = place
            && self.frames[frame].body.nodes[node].op == "ReadVariableOp"
        {
            let handle = self.inputs(frame, node)?.first().copied();
            let body = self.frames[top].body.clone();
            for node in body.nodes.iter().filter(|n| n.op == "AssignVariableOp") {
                let mut inputs = data_inputs(node);
                let (Some(target), Some(value)) = (inputs.next(), inputs.next()) else {
                    continue;
                };
                if Some(self.resolve(top, target)?) == handle {
                    place = self.resolve_origin(top, value)?;
                }
            }
        }
        if let Place::Node { frame, node, .. } = place
            && let Some(path) = self.asset_path(frame, node)
        {
            return Ok(Some(path));
        }
        let path = self.constant_at(place, table)?;
        Ok(path
            .to_strings()
            .and_then(|s| s.first().map(|s| String::from_utf8_lossy(s).into_owned())))
    }

    /// Keys or values of a table in the graph being built: a constant, or what the top graph computes them from.
    fn entries_at(&mut self, place: Place, table: &str, top: usize) -> Result<Value, Error> {
        if let Ok(tensor) = self.constant_at(place, table) {
            return Ok(self.add_const(tensor, None));
        }
        let Place::Node { frame, node, port } = place else {
            return Err(not_constant(table));
        };
        if frame != top {
            return Err(not_constant(table));
        }
        // What the signature's own graph has imported belongs to another graph.
        let frame = self.enter(self.top.clone(), Entry::Top, "".into(), 0)?;
        let place = Place::Node { frame, node, port };
        self.want(&[place])?;
        match self.bound(place)? {
            Bound::Value(value) => Ok(value),
            _ => Err(not_constant(table)),
        }
    }

    fn constant_at(&self, place: Place, table: &str) -> Result<Tensor, Error> {
        let Place::Node { frame, node, .. } = place else {
            return Err(not_constant(table));
        };
        let def = &self.frames[frame].body.nodes[node];
        match def.attrs.get("value").and_then(|a| a.value.as_ref()) {
            Some(Attr::Tensor(tensor)) if def.op == "Const" => tensor_proto::read(tensor).map_err(|what| Error::graph(&def.name, what)),
            _ => Err(not_constant(table)),
        }
    }

    /// The operation among those that initialize the model that fills the table.
    fn find_filling(&mut self, table: &str, top: usize) -> Result<Option<Filling>, Error> {
        let body = self.frames[top].body.clone();
        let init: Vec<usize> = self.init.iter().filter_map(|name| body.node(name)).collect();
        let mut todo: Vec<(usize, Vec<usize>)> = vec![(top, self.run_with(&body, init))];
        let mut whole_graph = false;
        loop {
            let Some((frame, nodes)) = todo.pop() else {
                // Some savers leave the initializer out of the collection; it still stands in the graph.
                if std::mem::replace(&mut whole_graph, true) {
                    return Ok(None);
                }
                todo.push((top, (0..body.nodes.len()).collect()));
                continue;
            };
            let body = self.frames[frame].body.clone();
            for index in nodes {
                let node = &body.nodes[index];
                if node.op.starts_with("LookupTableImport") || node.op.starts_with("InitializeTable") {
                    if let Some(filling) = self.filling(frame, node, table)? {
                        return Ok(Some(filling));
                    }
                } else if !whole_graph && let Some(callee) = self.callee(frame, index)? {
                    todo.push((callee, (0..self.frames[callee].body.nodes.len()).collect()));
                }
            }
        }
    }

    fn filling(&mut self, frame: usize, node: &NodeDef, table: &str) -> Result<Option<Filling>, Error> {
        let inputs: Vec<&str> = data_inputs(node).collect();
        let [handle, first, rest @ ..] = &inputs[..] else { return Ok(None) };
        let Place::Node {
            frame: of, node: handle, ..
        } = self.resolve_origin(frame, handle)?
        else {
            return Ok(None);
        };
        if self.frames[of].body.nodes[handle].name != table {
            return Ok(None);
        }
        let first = self.resolve_origin(frame, first)?;
        if let Some(second) = rest.first() {
            return Ok(Some(Filling::Values {
                keys: first,
                values: self.resolve_origin(frame, second)?,
            }));
        }
        let number = |name: &str| match node.attrs.get(name).and_then(|a| a.value.as_ref()) {
            Some(Attr::Int(n)) => *n,
            _ => 0,
        };
        let delimiter = crate::variables::text_attr(node, "delimiter").unwrap_or("\t").to_owned();
        let (key_column, value_column) = (number("key_index"), number("value_index"));
        Ok(Some(Filling::File {
            path: first,
            key_column,
            value_column,
            delimiter,
        }))
    }

    /// The text of a file in the model's assets.
    fn read_vocabulary(&self, asset: &str) -> Result<Vec<String>, Error> {
        let name = Path::new(asset).file_name().map(Path::new);
        let name = name.filter(|n| n.components().all(|c| matches!(c, Component::Normal(_))));
        let name = name.ok_or_else(|| Error::graph(asset, "this is no name of a vocabulary file"))?;
        let path = self.dir.join(ASSETS).join(name);
        let failed = |e| Error::read(&path, e);
        if self.leads_outside(&path).map_err(failed)? {
            return Err(Error::unsupported(
                path.display().to_string(),
                "a link that leads out of the model; copy the file to where the link is",
            ));
        }
        let metadata = std::fs::metadata(&path).map_err(failed)?;
        if metadata.len() > MAX_VOCABULARY {
            return Err(Error::unsupported(path.display().to_string(), "a vocabulary of more than 256 MiB"));
        }
        let text = map_file(&path)?;
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }

    /// Whether a file lies, links followed, neither in the model's folder nor beside the file that holds its graph: stores
    /// that keep every file under its hash make links of both.
    fn leads_outside(&self, path: &Path) -> std::io::Result<bool> {
        let real = path.canonicalize()?;
        let graph = self.file.canonicalize()?;
        Ok(!real.starts_with(self.dir.canonicalize()?) && real.parent() != graph.parent())
    }

    /// The file name that a constant of the top graph stands for.
    pub(super) fn asset_path(&self, frame: usize, index: usize) -> Option<String> {
        let body = &self.frames[frame].body;
        if !body.is_graph() || self.assets.is_empty() {
            return None;
        }
        let place = Source::Node { node: index, port: 0 };
        let asset = self.assets.iter().find(|asset| {
            let name = asset.tensor_info.as_ref().map_or("", |info| info.name.as_str());
            body.source(name, &self.library).is_ok_and(|source| source == place)
        })?;
        Some(format!("{ASSETS}/{}", asset.filename))
    }

    /// Starts a graph that initializes variables and tables, outside of any other.
    pub(super) fn initializer(&mut self, name: &str, top: usize) -> Result<Option<Graph>, Error> {
        let (variables, tables) = (self.effects.assigned(), self.used_tables());
        if variables.is_empty() && tables.is_empty() {
            return Ok(None);
        }
        self.in_graph(format!("{name}/initialize"), |importer| {
            for &variable in &variables {
                let value = importer.stored_value(variable)?;
                let handle = importer.variable_handle(variable);
                let value = importer.add_const(value, None);
                let op = planish_core::op::AssignVariable {};
                importer.graph.add_declared(op, &[Some(handle), Some(value)], Vec::new());
            }
            tables.iter().try_for_each(|&table| importer.fill_table(table, top))
        })
        .map(Some)
    }
}

fn not_constant(table: &str) -> Error {
    Error::unsupported(
        format!("the hash table {table}"),
        "entries that are not constant, which cannot be stored; choose a signature that does without it",
    )
}

/// One column of a vocabulary: -2 is the whole line, -1 its number.
fn column(lines: &[String], column: i64, delimiter: &str, dtype: DType) -> Option<Tensor> {
    let fields: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(number, line)| match column {
            -2 => Some(line.clone()),
            -1 => Some(number.to_string()),
            _ => line.split(delimiter).nth(usize::try_from(column).ok()?).map(str::to_owned),
        })
        .collect::<Option<_>>()?;
    let dims = [fields.len()];
    match dtype {
        DType::String => Tensor::from_strings(&dims, &fields).ok(),
        DType::I64 => Some(Tensor::from_vec(
            &dims,
            fields.iter().map(|f| f.trim().parse::<i64>().ok()).collect::<Option<_>>()?,
        )),
        DType::I32 => Some(Tensor::from_vec(
            &dims,
            fields.iter().map(|f| f.trim().parse::<i32>().ok()).collect::<Option<_>>()?,
        )),
        DType::F32 => Some(Tensor::from_vec(
            &dims,
            fields.iter().map(|f| f.trim().parse::<f32>().ok()).collect::<Option<_>>()?,
        )),
        _ => None,
    }
}

pub(super) fn handle(node: &mut Node<'_>) -> Imported {
    let key = node.declared_dtype("key_dtype", DType::String)?;
    let value = node.declared_dtype("value_dtype", DType::I64)?;
    let def = node.def().clone();
    let table = node.importer.table_of_node(&def, key, value);
    Ok(vec![Bound::Table(table)])
}

fn table(node: &mut Node<'_>) -> Result<usize, Stop> {
    match node.bound(0)? {
        Bound::Table(table) => Ok(table),
        _ => Err(Stop::Foreign),
    }
}

/// Whether the table can stay one: only these types have kernels.
fn has_kernel(node: &mut Node<'_>, table: usize) -> bool {
    let known = &node.importer.tables[table];
    let found = matches!((known.key, known.value), (DType::I64, DType::String) | (DType::String, DType::I64));
    if found {
        node.importer.reached_tables.insert(table);
    }
    found
}

pub(super) fn find(node: &mut Node<'_>) -> Imported {
    let table = table(node)?;
    if !has_kernel(node, table) {
        return compared(node, table);
    }
    let (keys, default) = (node.value(1)?, node.value(2)?);
    let handle = node.importer.table_handle(table);
    let ty = Type::new(node.importer.tables[table].value, node.shape(keys).clone());
    one(node.add_declared(HashtableFind {}, &[handle, keys, default], vec![ty])[0])
}

/// The kernel gives a vector of one number.
pub(super) fn size(node: &mut Node<'_>) -> Imported {
    let table = table(node)?;
    if !has_kernel(node, table) {
        return Err(Stop::Foreign);
    }
    let handle = node.importer.table_handle(table);
    let size = node.add_declared(HashtableSize {}, &[handle], vec![Type::fixed(DType::I64, &[1])])[0];
    one(node.reshaped(size, &[])?)
}

/// A small table as its entries: each key is compared with all of them.
fn compared(node: &mut Node<'_>, table: usize) -> Imported {
    /// The frame of the top graph is the first one.
    const TOP: usize = 0;
    let (entries, values) = node.importer.table_content(table, TOP).map_err(|_| Stop::Foreign)?;
    let (entries, values) = (widened(entries), widened(values));
    let count = entries.elements();
    if !(1..=MAX_COMPARED).contains(&count) || values.elements() != count || entries.dtype() == DType::String {
        return Err(Stop::Foreign);
    }
    let (keys, default) = (node.value(1)?, node.value(2)?);
    let entries = node.add_const(entries);
    let values = node.add_const(values);
    let last = node.add_int(-1);
    let column = node.add(ExpandDims {}, &[keys, last])?;
    let equal = node.add(Equal {}, &[column, entries])?;
    let axes = node.add_ints(&[-1]);
    let found = node.add(ReduceAny { keep_dims: false }, &[equal, axes])?;
    let ones = node.cast(equal, DType::F32)?;
    let place = node.add(ArgMax { dtype: DType::I32 }, &[ones, last])?;
    let value = node.add(Gather { axis: 0, batch_dims: 0 }, &[values, place])?;
    one(node.add(SelectV2 {}, &[found, value, default])?)
}
