//! Signatures and functions as graphs: parameters, results, and what initializes them.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::graph::{Graph, Value, ValueInfo};
use planish_core::model::Signature;
use planish_core::op::{CallOnce, Cast, OpKind};
use planish_core::types::{DType, Shape, Type};

use crate::Error;
use crate::contents;
use crate::dtype;
use crate::function::Source;
use crate::proto::{Attr, NodeDef, SavedKind, SignatureDef, TensorInfo};
use crate::variables::text_attr;

use super::frame::{Arg, Entry, Place};
use super::numeric_type::computed;
use super::{Bound, Importer};

mod chosen;

/// What becomes one signature of the model.
pub(crate) enum Root {
    /// A public signature.
    Signature(String, SignatureDef),
    /// What it was chosen by, and the concrete function.
    Function(String, String),
}

impl Root {
    /// What the signature will be called.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Signature(name, _) | Self::Function(name, _) => name,
        }
    }
}

/// A result: its public name, where it comes from, and its declared element type.
struct Output {
    name: String,
    place: Place,
    dtype: Option<DType>,
}

impl Importer {
    /// Imports a root as a graph with its signature, which ends in the outputs of these names, or in all of its own where there are
    /// none; returns the names of the inputs that can be given shapes.
    pub(crate) fn import(&mut self, root: &Root, shapes: &BTreeMap<String, Shape>, chosen: &[String]) -> Result<Vec<String>, Error> {
        self.frames.clear();
        self.reset_effects();
        self.reached_tables.clear();
        self.shapes = shapes.clone();
        self.inputs.clear();
        self.parsed.clear();
        let name = root.name().to_owned();
        let mut outputs = Vec::new();
        let mut graph = self.in_graph(name.clone(), |importer| {
            let top = importer.enter(importer.top.clone(), Entry::Top, "".into(), 0)?;
            let (all, effects) = match root {
                Root::Signature(name, def) => importer.signature_root(top, name, def, chosen)?,
                Root::Function(_, function) => importer.function_root(top, function, chosen)?,
            };
            outputs.extend(all.iter().map(|o| o.name.clone()));
            importer.finish_root(top, &name, &all, &effects)
        })?;
        let named = self.inputs.clone();
        let mut inputs = std::mem::take(&mut self.inputs);
        // What is not asked for is no input of what is left.
        graph.sweep();
        let parameters = graph.parameters();
        let unread: BTreeSet<usize> = (0..inputs.len())
            .filter(|&i| graph.uses(parameters[i]).is_empty() && (!chosen.is_empty() || self.parsed.contains(&inputs[i])))
            .collect();
        graph.remove_parameters(&unread);
        let mut position = 0..inputs.len();
        inputs.retain(|_| position.next().is_some_and(|i| !unread.contains(&i)));
        let graph = self.model.add_graph(graph);
        self.model.signatures.push(Signature {
            name,
            graph,
            inputs,
            outputs,
        });
        Ok(named)
    }

    fn finish_root(&mut self, top: usize, name: &str, outputs: &[Output], effects: &[Place]) -> Result<(), Error> {
        let places: Vec<Place> = outputs.iter().map(|o| o.place).collect();
        self.want(&places)?;
        self.want(effects)?;
        let mut results = Vec::new();
        for output in outputs {
            let value = match self.bound(output.place)? {
                Bound::Value(value) => value,
                Bound::Complex(parts) => self.complex_value(parts),
                Bound::Variable(variable) => self.read_variable(variable)?,
                Bound::Table(_) | Bound::Array(_) | Bound::Nothing => {
                    return Err(Error::unsupported(
                        &output.name,
                        "an output that is not a tensor; choose another signature",
                    ));
                }
            };
            results.push(self.as_declared(value, output));
        }
        self.graph.set_results(&results);
        let initializers = [self.initializing_graph(name)?, self.filling_graph(name, top)?];
        for graph in initializers.into_iter().flatten() {
            let first = self.graph.add_declared(CallOnce { graph }, &[], Vec::new());
            for op in self.graph.ids() {
                use OpKind::{AssignVariable, Call, HashtableFind, HashtableSize, If, ReadVariable, While};
                let kind = self.graph.op(op).kind();
                if matches!(
                    kind,
                    ReadVariable | AssignVariable | HashtableFind | HashtableSize | If | While | Call
                ) {
                    self.graph.add_after(first, op);
                }
            }
        }
        Ok(())
    }

    /// Results have the element type that the signature promises.
    fn as_declared(&mut self, value: Value, output: &Output) -> Value {
        let held = self.graph.ty(value).dtype;
        match output.dtype {
            Some(dtype) if dtype != held && computed(dtype) == held => {
                let ty = self.graph.ty(value).with_dtype(dtype);
                let cast = self.graph.add_typed(Cast { dtype }, &[value], ty);
                self.graph.info_mut(cast).name = Some(output.name.as_str().into());
                cast
            }
            _ => value,
        }
    }

    /// Adds an input of the signature; what the graph sees of it has the type that it computes with.
    pub(super) fn add_input(&mut self, name: &str, ty: Type) -> Result<Value, Error> {
        self.inputs.push(name.to_owned());
        let ty = match self.shapes.get(name) {
            Some(shape) if ty.shape.rank().is_some_and(|r| shape.rank() != Some(r)) => {
                return Err(Error::Choice(format!("input {name} is {ty}; the shape {shape} has another rank")));
            }
            Some(shape) => ty.with_shape(shape.clone()),
            None => ty,
        };
        let dtype = ty.dtype;
        let value = self.graph.add_parameter(ValueInfo::named(ty, name));
        if computed(dtype) == dtype {
            return Ok(value);
        }
        let ty = self.graph.ty(value).with_dtype(computed(dtype));
        Ok(self.graph.add_typed(Cast { dtype: computed(dtype) }, &[value], ty))
    }

    fn signature_root(
        &mut self,
        top: usize,
        name: &str,
        def: &SignatureDef,
        chosen: &[String],
    ) -> Result<(Vec<Output>, Vec<Place>), Error> {
        for (input, info) in &def.inputs {
            self.signature_input(top, name, input, info)?;
        }
        let body = self.top.clone();
        let mut wanted = Vec::new();
        let all = def
            .outputs
            .iter()
            .filter(|(output, _)| chosen.is_empty() || chosen.contains(output));
        for (output, info) in all.clone() {
            if info.name.is_empty() {
                return Err(Error::unsupported(
                    format!("output {output} of signature {name}"),
                    "a sparse or composite tensor; choose another signature",
                ));
            }
            if let Source::Node { node, .. } = body.source(&info.name, &self.library)? {
                wanted.push(node);
            }
        }
        let run = self.run_with(&body, wanted);
        self.find_effects(top, &run)?;
        let mut outputs = Vec::new();
        for (output, info) in all {
            let place = self.resolve(top, &info.name)?;
            outputs.push(Output {
                name: output.clone(),
                place,
                dtype: dtype::from_code(info.dtype),
            });
        }
        if !chosen.is_empty() {
            let own = def.outputs.iter().map(|(output, info)| (output.as_str(), info.name.as_str()));
            let outputs = self.chosen_outputs(top, name, chosen, outputs, &own.collect::<Vec<_>>())?;
            return Ok((outputs, Vec::new()));
        }
        let mut effects = Vec::new();
        if self.effects.has_some() {
            for node in run {
                if self.called(&body.nodes[node]).is_some() {
                    self.places_of_run(top, &body.nodes[node].name, &mut effects)?;
                }
            }
        }
        Ok((outputs, effects))
    }

    fn signature_input(&mut self, top: usize, signature: &str, input: &str, info: &TensorInfo) -> Result<(), Error> {
        let place = format!("input {input} of signature {signature}");
        if info.name.is_empty() {
            return Err(Error::unsupported(place, "a sparse or composite tensor; choose another signature"));
        }
        let body = self.top.clone();
        let Source::Node { node, port } = body.source(&info.name, &self.library)? else {
            unreachable!("the top graph has no arguments");
        };
        let mut ty = contents::declared(info).ok_or_else(|| Error::graph(&place, format!("its element type {} is unknown", info.dtype)))?;
        let declared = match body.nodes[node].attrs.get("shape").and_then(|a| a.value.as_ref()) {
            // Before TensorFlow 1.5 a placeholder of any rank was written like a scalar.
            Some(Attr::Shape(shape)) if !shape.dims.is_empty() => contents::shape(Some(shape)),
            _ => Shape::unranked(),
        };
        if let Some(shape) = ty.shape.meet(&declared) {
            ty.shape = shape;
        }
        let value = self.add_input(input, ty)?;
        let mut outputs = vec![Bound::Nothing; port.min(64) + 1];
        if let Some(state) = &self.frames[top].nodes[node].outputs {
            outputs.splice(..state.len().min(outputs.len()), state.iter().take(port.min(64) + 1).cloned());
        }
        outputs[port.min(64)] = Bound::Value(value);
        self.frames[top].nodes[node].outputs = Some(outputs.into());
        Ok(())
    }

    fn function_root(&mut self, top: usize, name: &str, chosen: &[String]) -> Result<(Vec<Output>, Vec<Place>), Error> {
        let body = self.library.get(name)?;
        let captures = self.variables.objects.bound_inputs(name).unwrap_or_default();
        let arguments = contents::arguments(&body, captures.len());
        let mut args = Vec::new();
        for port in &arguments {
            let ty = port
                .ty
                .clone()
                .ok_or_else(|| Error::graph(name, format!("the type of its argument {} is unknown", port.name)))?;
            if matches!(ty.dtype, DType::Resource | DType::Variant) {
                return Err(Error::unsupported(
                    name,
                    format!("the argument {}, which is not a tensor", port.name),
                ));
            }
            let name = self.unused_input(&port.name);
            let value = self.add_input(&name, ty)?;
            args.push(Arg::Bound(Bound::Value(value)));
        }
        for object in captures {
            args.push(self.captured(top, object)?);
        }
        let frame = self.enter(body.clone(), Entry::Graph(args), "".into(), 0)?;
        let all: Vec<usize> = (0..body.nodes.len()).collect();
        self.find_effects(frame, &all)?;
        let mut outputs = Vec::new();
        for (output, source) in body
            .results
            .iter()
            .filter(|(output, _)| chosen.is_empty() || chosen.contains(output))
        {
            let place = self.resolve(frame, source)?;
            outputs.push(Output {
                name: output.clone(),
                place,
                dtype: None,
            });
        }
        if !chosen.is_empty() {
            let own = body.results.iter().map(|(output, source)| (output.as_str(), source.as_str()));
            let outputs = self.chosen_outputs(frame, name, chosen, outputs, &own.collect::<Vec<_>>())?;
            return Ok((outputs, Vec::new()));
        }
        let mut effects = Vec::new();
        if self.effects.has_some() {
            for node in &body.control_results {
                self.places_of_run(frame, node, &mut effects)?;
            }
        }
        Ok((outputs, effects))
    }

    /// The name, or one like it, for an input that does not have it yet.
    pub(super) fn unused_input(&self, name: &str) -> String {
        let mut unused = name.to_owned();
        while self.inputs.contains(&unused) {
            unused.push('_');
        }
        unused
    }

    /// What a function captures: a variable, or a constant of the top graph.
    fn captured(&mut self, top: usize, object: usize) -> Result<Arg, Error> {
        let kind = self.variables.objects.object(object).and_then(|o| o.kind.clone());
        match kind {
            Some(SavedKind::Variable(_)) => {
                let variable = self.variable_of_object(object).expect("the object is a variable");
                Ok(Arg::Bound(Bound::Variable(variable)))
            }
            Some(SavedKind::Constant(constant)) => {
                let place = self.resolve(top, &constant.operation)?;
                self.want(&[place])?;
                Ok(Arg::Bound(self.bound(place)?))
            }
            _ => Ok(self.captured_handle(top, object).unwrap_or(Arg::Unbound)),
        }
    }

    /// The handle of an asset or table, which stands in the top graph.
    fn captured_handle(&mut self, top: usize, object: usize) -> Option<Arg> {
        let place = match self.variables.objects.object(object)?.kind.clone()? {
            SavedKind::Asset(asset) => {
                let file = self.assets.get(usize::try_from(asset.file).ok()?)?;
                let name = file.tensor_info.as_ref()?.name.clone();
                self.resolve(top, &name).ok()?
            }
            SavedKind::Resource(_) => {
                let made = self.library.get(self.variables.objects.creator_of(object)?).ok()?;
                let alike = |a: &NodeDef, b: &NodeDef| a.op == b.op && text_attr(a, "shared_name") == text_attr(b, "shared_name");
                let of_table = |n: &&NodeDef| n.op.contains("HashTable") && text_attr(n, "shared_name").is_some_and(|n| !n.is_empty());
                let table = made.nodes.iter().find(of_table)?;
                let node = self.top.nodes.iter().position(|n| alike(n, table))?;
                Place::Node { frame: top, node, port: 0 }
            }
            _ => return None,
        };
        self.want(&[place]).ok()?;
        self.bound(place).ok().map(Arg::Bound)
    }

    /// Builds a graph with `fill`, which finds it empty.
    pub(super) fn in_graph(&mut self, name: String, fill: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<Graph, Error> {
        let outer = self.begin_graph(name, "the signature")?;
        let filled = fill(self);
        let (graph, _) = self.end_graph(outer);
        filled.map(|()| graph)
    }
}
