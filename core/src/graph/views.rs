//! Views of a graph for matching: an operation or a value together with the graph that it belongs to.

use super::{Graph, OpId, Operands, Use, Value, ValueInfo};
use crate::op::{Op, OpKind};
use crate::tensor::Tensor;
use crate::types::Type;

/// A view of one operation of a graph.
#[derive(Clone, Copy, Debug)]
pub struct OpRef<'g> {
    pub(super) graph: &'g Graph,
    pub(super) id: OpId,
}

impl<'g> OpRef<'g> {
    /// The graph that it belongs to.
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    /// Its id.
    pub fn id(self) -> OpId {
        self.id
    }

    /// The operation with its attributes.
    pub fn op(self) -> &'g Op {
        self.graph.op(self.id)
    }

    /// Which operation it is.
    pub fn kind(self) -> OpKind {
        self.op().kind()
    }

    /// One operand; `None` where the port is empty.
    pub fn operand(self, operand: usize) -> Option<ValueRef<'g>> {
        self.graph.operand(self.id, operand).map(|v| self.graph.value(v))
    }

    /// All operands by port.
    pub fn operands(self) -> Operands {
        self.graph.operands(self.id)
    }

    /// One result.
    ///
    /// # Panics
    /// Where it has fewer.
    pub fn result(self, port: u32) -> ValueRef<'g> {
        let value = Value { op: self.id, port };
        let _ = self.graph.info(value);
        self.graph.value(value)
    }

    /// Its name in messages.
    pub fn label(self) -> String {
        self.graph.label(self.id)
    }
}

/// A view of one value of a graph.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'g> {
    pub(super) graph: &'g Graph,
    pub(super) value: Value,
}

impl<'g> ValueRef<'g> {
    /// The value.
    pub fn id(self) -> Value {
        self.value
    }

    /// Its type.
    pub fn ty(self) -> &'g Type {
        self.graph.ty(self.value)
    }

    /// What is known of it.
    pub fn info(self) -> &'g ValueInfo {
        self.graph.info(self.value)
    }

    /// Its data, where a `const` computes it.
    pub fn constant(self) -> Option<&'g Tensor> {
        self.graph.constant(self.value)
    }

    /// The operation that computes it.
    pub fn producer(self) -> OpRef<'g> {
        self.graph.at(self.value.op)
    }

    /// Its uses, in order.
    pub fn uses(self) -> Vec<Use> {
        self.graph.uses(self.value)
    }

    /// The operation that reads it, where exactly one operand does (which may be `return`'s).
    pub fn only_user(self) -> Option<OpRef<'g>> {
        match self.uses()[..] {
            [Use { op, .. }] => Some(self.graph.at(op)),
            _ => None,
        }
    }
}
