//! Keeps a node that no operation of the IR stands for.

use planish_core::attr::{Attrs, Blob};
use planish_core::op::Foreign;
use prost::Message as _;

use super::super::Bound;
use super::super::effects::{assigns, writes_file};
use super::Node;
use crate::Error;

impl Node<'_> {
    /// The variable that the first input is.
    fn bound_first(&mut self) -> Result<Option<usize>, Error> {
        let Some(&place) = self.inputs.first() else { return Ok(None) };
        Ok(match self.importer.bound(place)? {
            Bound::Variable(variable) => Some(variable),
            _ => None,
        })
    }

    /// Keeps the node as it is.
    pub(in crate::import) fn foreign(mut self) -> Result<Vec<Bound>, Error> {
        let mut operands = Vec::new();
        for input in 0..self.input_count() {
            let place = self.inputs[input];
            match self.importer.bound(place)? {
                Bound::Value(value) => operands.push(value),
                Bound::Variable(variable) => operands.push(self.importer.variable_handle(variable)),
                Bound::Complex(parts) => operands.push(self.importer.complex_value(parts)),
                Bound::Table(table) => operands.push(self.importer.table_handle(table)),
                Bound::Array(_) | Bound::Nothing => {}
            }
        }
        let types = match writes_file(&self.def().op) {
            true => Vec::new(),
            false => self.foreign_types(),
        };
        let def = self.def();
        let op = Foreign {
            name: def.op.clone(),
            attrs: Attrs::new(),
            definition: Blob(def.encode_to_vec()),
        };
        let assigned = match self.importer.effects.tracked() && assigns(&self.def().op) {
            true => self.bound_first()?,
            false => None,
        };
        let results = self.add_declared(op, &operands, types);
        if writes_file(&self.def().op)
            && let Some(&id) = self.created.last()
        {
            let graph = &mut self.importer.graph;
            // As below: an effect is what something runs before or after.
            graph.add_after(graph.parameters_op(), id);
        }
        if let (Some(variable), Some(result)) = (assigned, results.first()) {
            let handle = self.importer.variable_handle(variable);
            let graph = &mut self.importer.graph;
            // Nothing may read what it writes; it stays nevertheless.
            graph.add_after(handle.op, result.op);
            self.importer.effects.write(graph, variable, result.op);
        }
        let outputs: Vec<Bound> = results.into_iter().map(Bound::Value).collect();
        self.name_results(&outputs);
        Ok(outputs)
    }
}
