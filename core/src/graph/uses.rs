//! Operands and uses: the edges that carry values.

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::visit::EdgeRef;
use smallvec::SmallVec;

use super::{Edge, Graph, OpId, Operands, Use, Value};

impl Graph {
    /// The operands of an operation, by port; empty ports are `None`, and trailing empty ports may be missing.
    pub fn operands(&self, id: OpId) -> Operands {
        let mut operands: Operands = SmallVec::from_elem(None, self.inner[id.0].operands as usize);
        for edge in self.inner.edges_directed(id.0, Incoming) {
            if let Edge::Operand { port, operand } = *edge.weight() {
                operands[operand as usize] = Some(Value {
                    op: OpId(edge.source()),
                    port,
                });
            }
        }
        operands
    }

    /// One operand; `None` where the port is empty or does not exist.
    pub fn operand(&self, id: OpId, operand: usize) -> Option<Value> {
        self.inner.edges_directed(id.0, Incoming).find_map(|edge| match *edge.weight() {
            Edge::Operand { port, operand: o } if o as usize == operand => Some(Value {
                op: OpId(edge.source()),
                port,
            }),
            _ => None,
        })
    }

    /// Replaces all operands of an operation.
    pub fn set_operands(&mut self, id: OpId, operands: &[Option<Value>]) {
        let old: Vec<_> = self
            .inner
            .edges_directed(id.0, Incoming)
            .filter(|e| matches!(e.weight(), Edge::Operand { .. }))
            .map(|e| e.id())
            .collect();
        for edge in old {
            self.inner.remove_edge(edge);
        }
        self.inner[id.0].operands = operands.len() as u32;
        for (operand, value) in operands.iter().enumerate() {
            if let Some(value) = value {
                self.connect(*value, id, operand);
            }
        }
    }

    /// Replaces one operand, or empties its port.
    pub fn set_operand(&mut self, id: OpId, operand: usize, value: Option<Value>) {
        let old = self.inner.edges_directed(id.0, Incoming).find_map(|e| match *e.weight() {
            Edge::Operand { operand: o, .. } if o as usize == operand => Some(e.id()),
            _ => None,
        });
        if let Some(edge) = old {
            self.inner.remove_edge(edge);
        }
        let count = &mut self.inner[id.0].operands;
        *count = (*count).max(operand as u32 + 1);
        if let Some(value) = value {
            self.connect(value, id, operand);
        }
    }

    fn connect(&mut self, value: Value, id: OpId, operand: usize) {
        assert!(
            (value.port as usize) < self.inner[value.op.0].results.len(),
            "the operand is a result that exists"
        );
        self.inner.add_edge(
            value.op.0,
            id.0,
            Edge::Operand {
                port: value.port,
                operand: operand as u32,
            },
        );
    }

    /// The uses of a value, in order of operation and operand.
    pub fn uses(&self, value: Value) -> Vec<Use> {
        let mut uses: Vec<Use> = self
            .inner
            .edges_directed(value.op.0, Outgoing)
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
    pub fn replace(&mut self, old: Value, new: Value) {
        if old != new {
            self.replace_uses(&self.uses(old), new);
        }
    }

    /// Lets these uses read `new`.
    pub fn replace_uses(&mut self, uses: &[Use], new: Value) {
        for &Use { op, operand } in uses {
            self.set_operand(op, operand, Some(new));
        }
    }
}
