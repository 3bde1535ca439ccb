//! Edges, as petgraph holds them: uses of values and the order of effects.
//!
//! Petgraph takes an edge out by going along the lists of both its operations, so that taking out one after the other
//! is quadratic in their uses. An edge that is no longer wanted is therefore only marked, and all such are taken out at
//! once when they outnumber the others, and with every sweep.

use petgraph::Direction;
use petgraph::stable_graph::{EdgeIndex, EdgeReference, NodeIndex};
use petgraph::visit::{EdgeRef, IntoEdgeReferences};

use super::{Graph, OpId, Value};

#[derive(Clone, Copy, Debug)]
pub(super) enum Edge {
    /// A use of the source's result `port` as the target's operand `operand`.
    Operand { port: u32, operand: u32 },
    /// The target runs after the source.
    After,
    /// Not there any more.
    Gone,
}

/// Fewer edges that are gone than this are not worth taking out between sweeps.
const FEW: usize = 64;

impl Graph {
    /// The edges into or out of an operation.
    pub(super) fn edges(&self, id: OpId, direction: Direction) -> impl Iterator<Item = EdgeReference<'_, Edge>> {
        let edges = self.inner.edges_directed(id.0, direction);
        edges.filter(|edge| !matches!(edge.weight(), Edge::Gone))
    }

    /// Lets `operand` of `id`, a port that is empty, read this value.
    pub(super) fn connect(&mut self, value: Value, id: OpId, operand: usize) {
        assert!(
            (value.port as usize) < self.inner[value.op.0].results.len(),
            "the operand is a result that exists"
        );
        let edge = Edge::Operand {
            port: value.port,
            operand: operand as u32,
        };
        self.add_edge(value.op.0, id.0, edge);
    }

    pub(super) fn add_edge(&mut self, source: NodeIndex, target: NodeIndex, edge: Edge) {
        let index = self.inner.add_edge(source, target, edge);
        self.inner[source].readers += 1;
        if let Edge::Operand { operand, .. } = edge {
            self.inner[target].operands[operand as usize] = Some(index);
        }
    }

    /// Lets go of these edges; the ports of operands among them are empty then.
    pub(super) fn drop_edges(&mut self, edges: impl IntoIterator<Item = EdgeIndex>) {
        for edge in edges {
            let (source, target) = self.inner.edge_endpoints(edge).expect("an edge that is there");
            if let Edge::Operand { operand, .. } = std::mem::replace(&mut self.inner[edge], Edge::Gone) {
                self.inner[target].operands[operand as usize] = None;
            }
            self.inner[source].readers -= 1;
            self.gone += 1;
        }
        if self.gone > FEW.max(self.inner.edge_count() / 2) {
            self.rebuild_edges(|_| true);
        }
    }

    /// Takes out the edges that are gone, and the operations that are not to be kept with all of theirs.
    pub(super) fn rebuild_edges(&mut self, keep: impl Fn(NodeIndex) -> bool) {
        let edges: Vec<_> = self
            .inner
            .edge_references()
            .filter(|e| !matches!(e.weight(), Edge::Gone) && keep(e.source()) && keep(e.target()))
            .map(|e| (e.source(), e.target(), *e.weight()))
            .collect();
        self.inner.clear_edges();
        self.gone = 0;
        self.inner.retain_nodes(|_, node| keep(node));
        for data in self.inner.node_weights_mut() {
            data.readers = 0;
            data.operands.fill(None);
        }
        for (source, target, edge) in edges {
            self.add_edge(source, target, edge);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Use, ValueInfo};
    use crate::op::{Abs, Neg};
    use crate::types::{DType, Type};
    use petgraph::Direction::{Incoming, Outgoing};

    /// A graph with so many results, each the absolute value of its one parameter.
    fn wide(results: usize) -> (Graph, Value, Vec<Value>) {
        let mut graph = Graph::new("wide");
        let x = graph.add_parameter(ValueInfo::new(Type::fixed(DType::F32, &[])));
        let values: Vec<Value> = (0..results).map(|_| graph.add(Abs {}, &[x])).collect();
        graph.set_results(&values);
        (graph, x, values)
    }

    /// So many operands that quadratic time would not end soon.
    #[test]
    fn replacing_all_operands_of_a_wide_operation_one_by_one_is_linear() {
        let (mut graph, x, values) = wide(500_000);
        for &value in &values[1..] {
            graph.replace(value, values[0]);
        }
        assert!(graph.results().iter().all(|&v| v == values[0]));
        assert_eq!(graph.sweep(), values.len() - 1);
        assert_eq!(
            graph.uses(x),
            [Use {
                op: values[0].op,
                operand: 0
            }]
        );
        let y = graph.add(Neg {}, &[x]);
        for operand in (0..values.len()).rev() {
            graph.set_operand(graph.return_op(), operand, Some(y));
        }
        assert!(graph.uses(values[0]).is_empty() && graph.uses(y).len() == values.len());
    }

    /// As many that quadratic time would not end soon.
    #[test]
    fn ordering_many_operations_before_and_after_one_is_linear() {
        let (mut graph, x, values) = wide(100_000);
        let one = graph.add(Neg {}, &[x]).op;
        let (before, after) = values.split_at(values.len() / 2);
        for _ in 0..2 {
            before.iter().for_each(|v| graph.add_after(v.op, one));
            after.iter().for_each(|v| graph.add_after(one, v.op));
        }
        assert_eq!(graph.after(one).len(), before.len());
        assert!(after.iter().all(|v| graph.after(v.op) == [one]));
    }

    #[test]
    fn an_edge_that_is_gone_is_seen_by_nobody() {
        let (mut graph, x, values) = wide(3);
        let (ret, [a, b, c]) = (graph.return_op(), [values[0], values[1], values[2]]);
        graph.add_after(a.op, c.op);
        graph.set_operand(ret, 1, Some(a));
        assert_eq!(graph.gone, 1);
        assert!(graph.uses(b).is_empty() && graph.edges(b.op, Outgoing).next().is_none());
        assert_eq!(graph.edges(ret, Incoming).count(), 3);
        assert_eq!(graph.order().last(), Some(&ret));
        graph.leave_after(c.op);
        assert!(graph.after(c.op).is_empty());
        assert_eq!(graph.retire(b.op), [b.op]);
        assert_eq!(graph.uses(x).len(), 2);
        assert_eq!((graph.sweep(), graph.gone), (1, 0));
        assert_eq!(graph.results(), [a, a, c]);
    }
}
