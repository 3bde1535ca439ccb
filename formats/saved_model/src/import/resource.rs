//! Variables: constants where nothing assigns them, state otherwise.

use std::sync::Arc;

use planish_core::graph::{OpId, Value, ValueInfo};
use planish_core::op::{AssignVariable, ReadVariable, VarHandle};
use planish_core::tensor::Tensor;
use planish_core::types::{DType, Shape, Type};

use crate::Error;
use crate::contents;
use crate::proto::{Attr, NodeDef, SavedKind};
use crate::variables::text_attr;

use super::binary::{add, sub};
use super::constant::widened;
use super::node::{Node, one};
use super::numeric_type::computed;
use super::{Bound, Imported, Importer, Stop};

/// A variable that a graph refers to.
pub(super) struct Variable {
    /// What it is known by.
    pub(super) name: String,
    def: NodeDef,
    object: Option<usize>,
    /// Its value in the checkpoint, once read.
    value: Option<Tensor>,
}

impl Importer {
    /// The variable that a handle node makes; nodes that share a name share the variable only inside functions.
    fn variable_of_node(&mut self, frame: usize, index: usize) -> usize {
        let def = &self.frames[frame].body.nodes[index];
        let object = self.variables.object_of(&def.name);
        let same = |v: &Variable| match v.object {
            Some(_) => v.object == object,
            None => v.def.name == def.name,
        };
        let found = self.known.iter().position(same);
        found.unwrap_or_else(|| {
            let name = text_attr(def, "shared_name")
                .filter(|n| !n.is_empty())
                .unwrap_or(&def.name)
                .to_owned();
            self.known.push(Variable {
                name,
                def: def.clone(),
                object: None,
                value: None,
            });
            self.known.len() - 1
        })
    }

    /// The variable that a saved object is.
    pub(super) fn variable_of_object(&mut self, id: usize) -> Option<usize> {
        let same = |v: &Variable| v.object == Some(id) || v.object.is_none() && self.variables.object_of(&v.def.name) == Some(id);
        if let Some(found) = self.known.iter().position(same) {
            return Some(found);
        }
        let Some(SavedKind::Variable(saved)) = &self.variables.objects.object(id)?.kind else {
            return None;
        };
        let mut def = NodeDef {
            name: saved.name.clone(),
            op: "VarHandleOp".to_owned(),
            ..NodeDef::default()
        };
        let mut set = |name: &str, value| {
            def.attrs.insert(name.to_owned(), crate::proto::AttrValue { value: Some(value) });
        };
        set("dtype", Attr::Type(saved.dtype));
        if let Some(shape) = &saved.shape {
            set("shape", Attr::Shape(shape.clone()));
        }
        // Objects that were given no name all have the same one, and are variables of their own.
        let taken = |name: &str| self.known.iter().any(|v| v.object.is_some() && v.name == name);
        let mut name = saved.name.clone();
        let mut count = 0;
        while taken(&name) {
            count += 1;
            name = format!("{}_{count}", saved.name);
        }
        self.known.push(Variable {
            name,
            def,
            object: Some(id),
            value: None,
        });
        Some(self.known.len() - 1)
    }

    /// The value in the checkpoint.
    pub(super) fn stored_value(&mut self, variable: usize) -> Result<Tensor, Error> {
        let known = &self.known[variable];
        if let Some(value) = &known.value {
            return Ok(value.clone());
        }
        let value = self.variables.value(&known.def, known.object, &self.top, &self.library)?;
        let value = widened(value);
        self.known[variable].value = Some(value.clone());
        Ok(value)
    }

    /// The variable's value at this point of the graph.
    pub(super) fn read_variable(&mut self, variable: usize) -> Result<Value, Error> {
        if self.effects.assigns(variable) {
            let ty = self.variable_type(variable)?;
            let handle = self.variable_handle(variable);
            let name: Arc<str> = self.known[variable].name.as_str().into();
            let info = ValueInfo {
                ty,
                name: Some(name),
                range: None,
            };
            let op = self.graph.add_declared(ReadVariable {}, &[Some(handle)], vec![info]);
            self.effects.read(&mut self.graph, variable, op);
            return Ok(Value { op, port: 0 });
        }
        if let Some(&value) = self.reads.get(&variable) {
            return Ok(value);
        }
        let tensor = self.stored_value(variable)?;
        let name: Arc<str> = self.known[variable].name.as_str().into();
        let value = self.add_const(tensor, Some(name));
        self.reads.insert(variable, value);
        Ok(value)
    }

    /// The type of what the variable holds.
    pub(super) fn variable_type(&mut self, variable: usize) -> Result<Type, Error> {
        let def = &self.known[variable].def;
        let dtype = match def.attrs.get("dtype").and_then(|a| a.value.as_ref()) {
            Some(Attr::Type(code)) => crate::dtype::from_code(*code),
            _ => None,
        };
        let shape = match def.attrs.get("shape").and_then(|a| a.value.as_ref()) {
            Some(Attr::Shape(shape)) => contents::shape(Some(shape)),
            _ => Shape::unranked(),
        };
        let Some(dtype) = dtype else {
            return Err(Error::variable(
                &self.known[variable].name,
                "its handle does not say which type it has",
            ));
        };
        let mut ty = Type::new(computed(dtype), shape);
        if ty.shape.known().is_none()
            && let Ok(stored) = self.stored_value(variable)
            && let Some(shape) = ty.shape.meet(&Shape::fixed(stored.dims()))
        {
            ty.shape = shape;
        }
        Ok(ty)
    }

    /// The handle of a variable that stays one.
    pub(super) fn variable_handle(&mut self, variable: usize) -> Value {
        if let Some(&handle) = self.handles.get(&variable) {
            return handle;
        }
        let shared_name = self.known[variable].name.clone();
        let ty = Type::new(DType::Resource, Shape::scalar());
        let info = ValueInfo::named(ty, &shared_name);
        let op = VarHandle {
            container: String::new(),
            shared_name,
        };
        let op = self.graph.add_declared(op, &[], vec![info]);
        let handle = Value { op, port: 0 };
        self.handles.insert(variable, handle);
        handle
    }
}

pub(super) fn handle(node: &mut Node<'_>) -> Imported {
    let variable = node.importer.variable_of_node(node.frame, node.index);
    Ok(vec![Bound::Variable(variable)])
}

pub(super) fn read(node: &mut Node<'_>) -> Imported {
    one(node.value(0)?)
}

/// The variable that an input is.
pub(super) fn target(node: &mut Node<'_>, input: usize) -> Result<usize, Stop> {
    match node.bound(input)? {
        Bound::Variable(variable) => Ok(variable),
        _ => Err(Stop::Foreign),
    }
}

pub(super) fn write(node: &mut Node<'_>, variable: usize, value: Value) -> OpId {
    let handle = node.importer.variable_handle(variable);
    let graph = &mut node.importer.graph;
    let op = graph.add_declared(AssignVariable {}, &[Some(handle), Some(value)], Vec::new());
    node.importer.effects.write(graph, variable, op);
    op
}

pub(super) fn assign(node: &mut Node<'_>) -> Imported {
    let variable = target(node, 0)?;
    let value = node.value(1)?;
    write(node, variable, value);
    Ok(vec![Bound::Variable(variable)])
}

pub(super) fn assign_add(node: &mut Node<'_>) -> Imported {
    changed(node, |node, old| {
        let change = node.value(1)?;
        add(node, old, change)
    })
}

pub(super) fn assign_sub(node: &mut Node<'_>) -> Imported {
    changed(node, |node, old| {
        let change = node.value(1)?;
        sub(node, old, change)
    })
}

/// Writes what is made of the variable's value.
pub(super) fn changed(node: &mut Node<'_>, new: impl FnOnce(&mut Node<'_>, Value) -> Result<Value, Stop>) -> Imported {
    let variable = target(node, 0)?;
    let old = node.value(0)?;
    let new = new(node, old)?;
    write(node, variable, new);
    Ok(vec![Bound::Variable(variable)])
}

/// A saved model's variables always have values.
pub(super) fn is_initialized(node: &mut Node<'_>) -> Imported {
    one(node.add_const(Tensor::from_bools(&[], &[true])))
}

/// The shape of what the variable holds.
pub(super) fn shape(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("out_type", DType::I32)?;
    let x = node.value(0)?;
    one(node.add(planish_core::op::Shape { dtype }, &[x])?)
}
