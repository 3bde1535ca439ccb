//! What the graph says of a node's results: their names, and their shapes.

use std::sync::Arc;

use planish_core::graph::Value;

use crate::contents;
use crate::import::Bound;
use crate::proto::Attr;

use super::Node;

impl Node<'_> {
    /// Gives what was added for this node the node's name.
    pub(in crate::import) fn name_results(&mut self, outputs: &[Bound]) {
        let results: Vec<Value> = outputs
            .iter()
            .filter_map(|b| if let Bound::Value(v) = b { Some(*v) } else { None })
            .collect();
        let name: Arc<str> = self.name.as_str().into();
        for &op in &self.created {
            let kind = self.importer.graph.op(op).name();
            for value in self.importer.graph.results_of(op) {
                let is_result = results.contains(&value);
                let info = self.importer.graph.info_mut(value);
                if info.name.is_some() {
                    continue;
                }
                info.name = Some(match (is_result, value.port) {
                    (true, 0) => name.clone(),
                    (true, port) => format!("{name}:{port}").into(),
                    (false, _) => format!("{name}/{kind}").into(),
                });
            }
        }
        for (port, value) in results.iter().enumerate() {
            self.refine(port, *value);
        }
    }

    /// Takes over what the graph declares about a result beyond what follows from the operands.
    fn refine(&mut self, port: usize, value: Value) {
        let Some(Attr::List(list)) = self.body.nodes[self.index]
            .attrs
            .get("_output_shapes")
            .and_then(|a| a.value.as_ref())
        else {
            return;
        };
        let Some(declared) = list.shapes.get(port) else { return };
        if !self.created.contains(&value.op) {
            return;
        }
        let declared = contents::shape(Some(declared));
        let info = self.importer.graph.info_mut(value);
        if info.ty.shape.known().is_none()
            && let Some(shape) = info.ty.shape.meet(&declared)
        {
            info.ty.shape = shape;
        }
    }
}
