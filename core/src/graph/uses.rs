//! Operands and uses: the edges that carry values.

use petgraph::Direction::Outgoing;
use petgraph::stable_graph::EdgeIndex;
use petgraph::visit::EdgeRef;
use smallvec::SmallVec;

use super::{Edge, Graph, OpId, Operands, Use, Value};

impl Graph {
    /// The operands of an operation, by port; empty ports are `None`, and trailing empty ports may be missing.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn operands(&self, id: OpId) -> Operands {
        self.inner[id.0].operands.iter().map(|&edge| self.read_by(edge?)).collect()
    }

    /// One operand; `None` where the port is empty or does not exist.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn operand(&self, id: OpId, operand: usize) -> Option<Value> {
        self.read_by((*self.inner[id.0].operands.get(operand)?)?)
    }

    /// The value that an edge is a use of.
    fn read_by(&self, edge: EdgeIndex) -> Option<Value> {
        let (source, _) = self.inner.edge_endpoints(edge)?;
        match self.inner[edge] {
            Edge::Operand { port, .. } => Some(Value { op: OpId(source), port }),
            Edge::After | Edge::Gone => None,
        }
    }

    /// Replaces all operands of an operation.
    ///
    /// # Panics
    /// Where the graph has no such operation, or one of the values is no result in the graph.
    pub fn set_operands(&mut self, id: OpId, operands: &[Option<Value>]) {
        let old = self.inner[id.0].operands.clone();
        self.drop_edges(old.into_iter().flatten());
        self.inner[id.0].operands = SmallVec::from_elem(None, operands.len());
        for (operand, value) in operands.iter().enumerate() {
            if let Some(value) = value {
                self.connect(*value, id, operand);
            }
        }
    }

    /// Replaces one operand, or empties its port.
    ///
    /// # Panics
    /// Where the graph has no such operation, or the value is no result in the graph.
    pub fn set_operand(&mut self, id: OpId, operand: usize, value: Option<Value>) {
        let edges = &mut self.inner[id.0].operands;
        edges.resize(edges.len().max(operand + 1), None);
        let old = edges[operand];
        self.drop_edges(old);
        if let Some(value) = value {
            self.connect(value, id, operand);
        }
    }

    /// The uses of a value, in order of operation and operand.
    pub fn uses(&self, value: Value) -> Vec<Use> {
        let mut uses: Vec<Use> = self
            .edges(value.op, Outgoing)
            .filter_map(|edge| match *edge.weight() {
                Edge::Operand { port, operand } if port == value.port => Some(Use {
                    op: OpId(edge.target()),
                    operand: operand as usize,
                }),
                _ => None,
            })
            .collect();
        uses.sort_unstable();
        uses
    }

    /// Lets every use of `old` read `new` instead.
    ///
    /// # Panics
    /// Where the graph has no value `new` although `old` is used.
    pub fn replace(&mut self, old: Value, new: Value) {
        if old != new {
            self.replace_uses(&self.uses(old), new);
        }
    }

    /// Lets these uses read `new`.
    ///
    /// # Panics
    /// Where the graph has no such operations, or no such value.
    pub fn replace_uses(&mut self, uses: &[Use], new: Value) {
        for &Use { op, operand } in uses {
            self.set_operand(op, operand, Some(new));
        }
    }
}
