//! Where hash tables get their entries from: initializers, vocabulary files, checkpoints.

use std::path::{Component, Path};

use planish_core::graph::Value;
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use crate::Error;
use crate::function::Source;
use crate::map_file::map_file;
use crate::proto::{Attr, MetaGraph, NodeDef};
use crate::start;
use crate::tensor_proto;

use super::super::frame::{Entry, Place, data_inputs};
use super::super::{Bound, Importer};

/// A vocabulary file is not read beyond this many bytes.
const MAX_VOCABULARY: u64 = 256 << 20;
/// Keys and values are computed in no more steps than this.
const MAX_STEPS: usize = 6;
/// Numbers that are counted are no more than this.
const MAX_RANGE: usize = 1 << 22;
/// The folder of a SavedModel with further files.
const ASSETS: &str = "assets";

/// Where a table gets its entries from.
pub(super) enum Filling {
    Values {
        keys: Place,
        values: Place,
        /// The keys that mark empty places among the others.
        no_keys: Vec<Place>,
    },
    File {
        path: Place,
        key_column: i64,
        value_column: i64,
        delimiter: String,
    },
}

/// The nodes of the top graph that initialize a loaded model.
pub(in crate::import) fn init_nodes(meta: &MetaGraph) -> Vec<String> {
    let mut names = start::nodes(meta);
    let fillings = start::collected(meta, "table_initializer");
    names.extend(fillings.map(|name| name.split(':').next().unwrap_or_default().to_owned()));
    names.sort();
    names.dedup();
    names
}

impl Importer {
    pub(super) fn filling_of(&mut self, name: &str, top: usize) -> Result<Filling, Error> {
        self.find_filling(name, top)?
            .ok_or_else(|| Error::graph(name, "nothing in the model fills this table with entries"))
    }

    pub(super) fn content(&mut self, table: usize, filling: Filling, top: usize) -> Result<(Tensor, Tensor), Error> {
        let name = self.tables[table].name.clone();
        match filling {
            Filling::Values { keys, values, no_keys } => {
                let mut constant = |place| self.computed_at(place, MAX_STEPS)?.ok_or_else(|| not_constant(&name));
                let (keys, values) = (constant(keys)?, constant(values)?);
                let no_keys = no_keys.into_iter().map(constant).collect::<Result<Vec<_>, _>>()?;
                filled_places(&keys, &values, &no_keys).ok_or_else(|| Error::graph(&name, "its keys and values do not go together"))
            }
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
        let path = self.constant_at(place)?.ok_or_else(|| not_constant(table))?;
        Ok(path
            .to_strings()
            .and_then(|s| s.first().map(|s| String::from_utf8_lossy(s).into_owned())))
    }

    /// Keys or values of a table in the graph being built: a constant, or what the top graph computes them from.
    pub(super) fn entries_at(&mut self, place: Place, table: &str, top: usize) -> Result<Value, Error> {
        if let Some(tensor) = self.constant_at(place)? {
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

    /// The tensor that stands at a place, where it is a constant or is read from the checkpoint.
    fn constant_at(&mut self, place: Place) -> Result<Option<Tensor>, Error> {
        let Place::Node { frame, node, port } = place else {
            return Ok(None);
        };
        let body = self.frames[frame].body.clone();
        let def = &body.nodes[node];
        match (def.op.as_str(), def.attrs.get("value").and_then(|a| a.value.as_ref())) {
            ("Const", Some(Attr::Tensor(tensor))) => {
                let tensor = tensor_proto::read(tensor).map_err(|what| Error::graph(&def.name, what))?;
                Ok(Some(tensor))
            }
            ("RestoreV2", _) => {
                let inputs = self.inputs(frame, node)?;
                let Some(&names) = inputs.get(1) else { return Ok(None) };
                let names = self.constant_at(names)?;
                let key = names.as_ref().and_then(|names| Some(*names.to_strings()?.get(port)?));
                let key = key.and_then(|key| std::str::from_utf8(key).ok());
                let key = key.ok_or_else(|| Error::graph(&def.name, format!("it does not say what its output {port} is called")))?;
                self.variables.stored(key).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The same, where it is computed of constants as lists of keys and positions are.
    fn computed_at(&mut self, place: Place, steps: usize) -> Result<Option<Tensor>, Error> {
        let place = self.origin(place)?;
        if let Some(tensor) = self.constant_at(place)? {
            return Ok(Some(tensor));
        }
        let (Place::Node { frame, node, .. }, Some(left)) = (place, steps.checked_sub(1)) else {
            return Ok(None);
        };
        let body = self.frames[frame].body.clone();
        let def = &body.nodes[node];
        if !matches!(def.op.as_str(), "Cast" | "Range" | "Size") {
            return Ok(None);
        }
        let mut inputs = Vec::new();
        for &input in self.inputs(frame, node)?.iter() {
            let Some(tensor) = self.computed_at(input, left)? else {
                return Ok(None);
            };
            inputs.push(tensor);
        }
        let dtype = |name: &str| match def.attrs.get(name).and_then(|a| a.value.as_ref()) {
            Some(Attr::Type(code)) => crate::dtype::from_code(*code),
            _ => None,
        };
        Ok(match (def.op.as_str(), &inputs[..]) {
            ("Cast", [x]) => x.to_ints().and_then(|ints| ints_as(dtype("DstT")?, x.dims(), ints)),
            ("Size", [x]) => ints_as(dtype("out_type").unwrap_or(DType::I32), &[], vec![x.elements() as i64]),
            ("Range", [start, limit, step]) => {
                range(start, limit, step).and_then(|ints| ints_as(dtype("Tidx").unwrap_or(DType::I32), &[ints.len()], ints))
            }
            _ => None,
        })
    }

    /// The operation among those that initialize the model that fills the table.
    fn find_filling(&mut self, table: &str, top: usize) -> Result<Option<Filling>, Error> {
        let body = self.frames[top].body.clone();
        let init: Vec<usize> = self.init.iter().filter_map(|name| body.node(name)).collect();
        // Some savers leave the initializer out of the collection; it still stands in the graph. Tables that are filled while a model
        // is made are read from its checkpoint.
        let restore: Vec<usize> = body.node(self.variables.restore_node()).into_iter().collect();
        let whole: Vec<usize> = (0..body.nodes.len()).collect();
        let mut stages = [self.run_with(&body, init), self.run_with(&body, restore), whole].into_iter();
        let mut todo: Vec<(usize, Vec<usize>)> = Vec::new();
        loop {
            let Some((frame, nodes)) = todo.pop() else {
                match stages.next() {
                    Some(nodes) => todo.push((top, nodes)),
                    None => return Ok(None),
                }
                continue;
            };
            let body = self.frames[frame].body.clone();
            let called = stages.len() > 0;
            for index in nodes {
                let node = &body.nodes[index];
                if node.op.starts_with("LookupTableImport") || node.op.starts_with("InitializeTable") {
                    if let Some(filling) = self.filling(frame, node, table)? {
                        return Ok(Some(filling));
                    }
                } else if called && let Some(callee) = self.callee(frame, index)? {
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
        let body = self.frames[of].body.clone();
        if body.nodes[handle].name != table {
            return Ok(None);
        }
        let first = self.resolve_origin(frame, first)?;
        if let Some(second) = rest.first() {
            let marks = data_inputs(&body.nodes[handle]).map(|input| self.resolve_origin(of, input));
            let no_keys = marks.collect::<Result<_, _>>()?;
            return Ok(Some(Filling::Values {
                keys: first,
                values: self.resolve_origin(frame, second)?,
                no_keys,
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
    pub(in crate::import) fn asset_path(&self, frame: usize, index: usize) -> Option<String> {
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
}

fn not_constant(table: &str) -> Error {
    Error::unsupported(
        format!("the hash table {table}"),
        "entries that are not constant, which cannot be stored; choose a signature that does without it",
    )
}

/// Integers as this element type.
fn ints_as(dtype: DType, dims: &[usize], ints: Vec<i64>) -> Option<Tensor> {
    match dtype {
        DType::I64 => Some(Tensor::from_vec(dims, ints)),
        DType::I32 => Some(Tensor::from_vec(
            dims,
            ints.into_iter().map(|v| i32::try_from(v).ok()).collect::<Option<Vec<i32>>>()?,
        )),
        DType::F32 => Some(Tensor::from_vec(dims, ints.into_iter().map(|v| v as f32).collect())),
        _ => None,
    }
}

/// The integers from the first number up to the second.
fn range(start: &Tensor, limit: &Tensor, step: &Tensor) -> Option<Vec<i64>> {
    let only = |t: &Tensor| t.to_ints().filter(|ints| ints.len() == 1).map(|ints| ints[0]);
    let (start, limit, step) = (only(start)?, only(limit)?, only(step)?);
    let step = usize::try_from(step).ok().filter(|&step| step > 0)?;
    let ints: Vec<i64> = (start..limit).step_by(step).take(MAX_RANGE + 1).collect();
    (ints.len() <= MAX_RANGE).then_some(ints)
}

/// The entries whose keys are none of those that mark empty places, a row of values for each key.
fn filled_places(keys: &Tensor, values: &Tensor, no_keys: &[Tensor]) -> Option<(Tensor, Tensor)> {
    if no_keys.is_empty() {
        return Some((keys.clone(), values.clone()));
    }
    let count = keys.elements();
    let mut dims = values.dims().to_vec();
    if dims.first() != Some(&count) {
        return None;
    }
    // Only one value stands for each key where the shapes have such a last axis.
    if dims.len() == 2 && dims[1] == 1 {
        dims.pop();
    }
    let marks = |key: &[u8]| no_keys.iter().any(|no_key| no_key.to_strings().is_some_and(|n| n[..] == [key]));
    let kept: Vec<usize> = match (keys.to_strings(), keys.to_ints()) {
        (Some(keys), _) => (0..count).filter(|&i| !marks(keys[i])).collect(),
        (None, Some(keys)) => {
            let marks: Vec<i64> = no_keys.iter().filter_map(Tensor::to_ints).flatten().collect();
            (0..count).filter(|&i| !marks.contains(&keys[i])).collect()
        }
        (None, None) => return None,
    };
    let keys = rows(&keys.reshaped(&[count])?, &kept)?;
    Some((keys, rows(&values.reshaped(&dims)?, &kept)?))
}

/// These rows of a tensor.
fn rows(tensor: &Tensor, kept: &[usize]) -> Option<Tensor> {
    let mut dims = tensor.dims().to_vec();
    let before = std::mem::replace(dims.first_mut()?, kept.len());
    let row = tensor.elements().checked_div(before).unwrap_or(0);
    let picked = kept.iter().flat_map(|&i| i * row..(i + 1) * row);
    if let Some(strings) = tensor.to_strings() {
        let strings: Vec<&[u8]> = picked.map(|i| strings[i]).collect();
        return Tensor::from_strings(&dims, &strings).ok();
    }
    if let Some(ints) = tensor.to_ints().filter(|_| tensor.dtype() == DType::I64) {
        return Some(Tensor::from_vec(&dims, picked.map(|i| ints[i]).collect::<Vec<i64>>()));
    }
    if let Some(ints) = tensor.to_ints().filter(|_| tensor.dtype() == DType::I32) {
        return Some(Tensor::from_vec(&dims, picked.map(|i| ints[i] as i32).collect()));
    }
    let floats = tensor.to_floats()?;
    Some(Tensor::from_vec(&dims, picked.map(|i| floats[i] as f32).collect()))
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
