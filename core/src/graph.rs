//! The graph: operations, values and their uses. The only module that names petgraph.
//!
//! Ownership in six sentences. A graph owns its operations; an operation owns its results; a result is named by
//! [`Value`]. An edge is one use of a value and the single truth about operands: it carries the result's port and the
//! operand's. Every graph begins in one `parameters` operation, whose results are its parameters, and ends in one
//! `return`, whose operands are its results, so neither is a special case. An *after* edge orders effects and carries no
//! value. Adding never invalidates an id; ids are freed only by [`Graph::sweep`], which is the manager's to call.
//! Order is by id wherever order is seen.

mod adding;
mod edges;
mod effects;
mod uses;
mod views;

use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::stable_graph::{EdgeIndex, NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;
use smallvec::SmallVec;

use crate::infer::{self, InferError};
use crate::op::{Op, Parameters, Return};
use crate::tensor::Tensor;
use crate::types::Type;
use edges::Edge;
pub use views::{OpRef, ValueRef};

/// How many operations away a name is looked for.
const NEAR: usize = 4;

/// Names one operation of a graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpId(NodeIndex);

impl OpId {
    /// A number for this operation: the smaller, the earlier it comes among those that may run next.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

/// Names one result of an operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Value {
    /// The operation that computes it.
    pub op: OpId,
    /// Which of its results it is.
    pub port: u32,
}

/// One use of a value: operand `operand` of operation `op`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Use {
    /// The operation that reads the value.
    pub op: OpId,
    /// Which of its operands reads it.
    pub operand: usize,
}

/// The operands of one operation: empty ports are `None`.
pub type Operands = SmallVec<[Option<Value>; 4]>;

/// What is known of one result.
#[derive(Clone, PartialEq, Debug)]
pub struct ValueInfo {
    /// Its type.
    pub ty: Type,
    /// The name that people know it by from their own model; need not be unique.
    pub name: Option<Arc<str>>,
    /// The least and greatest element seen in calibration.
    pub range: Option<(f32, f32)>,
}

impl ValueInfo {
    /// A value of this type without a name.
    pub fn new(ty: Type) -> ValueInfo {
        ValueInfo {
            ty,
            name: None,
            range: None,
        }
    }

    /// A value of this type with a name.
    pub fn named(ty: Type, name: &str) -> ValueInfo {
        ValueInfo {
            ty,
            name: Some(name.into()),
            range: None,
        }
    }
}

#[derive(Clone, Debug)]
struct OpData {
    op: Op,
    results: SmallVec<[ValueInfo; 1]>,
    /// The edge of each operand.
    operands: SmallVec<[Option<EdgeIndex>; 4]>,
    /// How many edges go out.
    readers: usize,
}

impl OpData {
    fn new(op: Op, results: SmallVec<[ValueInfo; 1]>) -> OpData {
        OpData {
            op,
            results,
            operands: SmallVec::new(),
            readers: 0,
        }
    }
}

/// Operations connected by their uses of values.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    inner: StableDiGraph<OpData, Edge>,
    /// How many edges are gone but not taken out yet.
    gone: usize,
    /// What has been added since this was last asked for.
    added: Vec<OpId>,
    parameters: OpId,
    ret: OpId,
}

impl Graph {
    /// A graph without parameters and results.
    pub fn new(name: impl Into<String>) -> Graph {
        let mut inner = StableDiGraph::new();
        let parameters = OpId(inner.add_node(OpData::new(Parameters {}.into(), SmallVec::new())));
        let ret = OpId(inner.add_node(OpData::new(Return {}.into(), SmallVec::new())));
        Graph {
            name: name.into(),
            inner,
            gone: 0,
            added: Vec::new(),
            parameters,
            ret,
        }
    }

    /// The graph's name, unique in its model.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn set_name(&mut self, name: String) {
        self.name = name;
    }

    /// The number of operations, `parameters` and `return` included.
    pub fn len(&self) -> usize {
        self.inner.node_count()
    }

    /// Whether nothing stands between parameters and results.
    pub fn is_empty(&self) -> bool {
        self.len() == 2
    }

    /// The operation whose results are the graph's parameters.
    pub fn parameters_op(&self) -> OpId {
        self.parameters
    }

    /// The operation whose operands are the graph's results.
    pub fn return_op(&self) -> OpId {
        self.ret
    }

    /// Adds a parameter behind the others.
    pub fn add_parameter(&mut self, info: ValueInfo) -> Value {
        let data = &mut self.inner[self.parameters.0];
        data.results.push(info);
        Value {
            op: self.parameters,
            port: data.results.len() as u32 - 1,
        }
    }

    /// The parameters, in order.
    pub fn parameters(&self) -> Vec<Value> {
        self.results_of(self.parameters)
    }

    /// The results, in order.
    ///
    /// # Panics
    /// Where an operand of `return` is empty, which it is not in a verified graph.
    pub fn results(&self) -> Vec<Value> {
        self.operands(self.ret)
            .into_iter()
            .map(|v| v.expect("every operand of return is a value"))
            .collect()
    }

    /// Makes these values the graph's results, in order.
    ///
    /// # Panics
    /// Where one of the values is no result in the graph.
    pub fn set_results(&mut self, results: &[Value]) {
        self.set_operands(self.ret, &results.iter().map(|&v| Some(v)).collect::<Vec<_>>());
    }

    /// Removes the parameters at these positions, whose uses must be gone; the ones behind move up.
    ///
    /// Values that name later parameters change their port: this is for rewriting a graph together with all its callers.
    ///
    /// # Panics
    /// Where one of them is still used, or there is none at a position.
    pub fn remove_parameters(&mut self, positions: &BTreeSet<usize>) {
        for &position in positions.iter().rev() {
            let gone = Value {
                op: self.parameters,
                port: position as u32,
            };
            assert!(self.uses(gone).is_empty(), "a removed parameter has no uses");
            self.inner[self.parameters.0].results.remove(position);
            let later: Vec<_> = self.edges(self.parameters, Outgoing).map(|e| e.id()).collect();
            for edge in later {
                if let Edge::Operand { port, .. } = &mut self.inner[edge]
                    && *port > position as u32
                {
                    *port -= 1;
                }
            }
        }
    }

    /// Infers the result types of an operation anew, as after a change of operands.
    ///
    /// # Errors
    /// Where the operands do not fit the operation.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn infer(&self, id: OpId) -> Result<Vec<Type>, InferError> {
        let operands = self.operands(id);
        let operands: Vec<Option<ValueRef<'_>>> = operands.iter().map(|v| v.map(|v| self.value(v))).collect();
        infer::results(self.op(id), &operands)
    }

    /// Whether this id names an operation of the graph.
    pub fn contains(&self, id: OpId) -> bool {
        self.inner.contains_node(id.0)
    }

    /// The operation.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn op(&self, id: OpId) -> &Op {
        &self.inner[id.0].op
    }

    /// The operation, for changing its attributes.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn op_mut(&mut self, id: OpId) -> &mut Op {
        &mut self.inner[id.0].op
    }

    /// What is known of a value.
    ///
    /// # Panics
    /// Where the graph has no such value.
    pub fn info(&self, value: Value) -> &ValueInfo {
        &self.inner[value.op.0].results[value.port as usize]
    }

    /// What is known of a value, for changing it.
    ///
    /// # Panics
    /// Where the graph has no such value.
    pub fn info_mut(&mut self, value: Value) -> &mut ValueInfo {
        &mut self.inner[value.op.0].results[value.port as usize]
    }

    /// The type of a value.
    ///
    /// # Panics
    /// Where the graph has no such value.
    pub fn ty(&self, value: Value) -> &Type {
        &self.info(value).ty
    }

    /// The data of a value that a `const` computes.
    ///
    /// # Panics
    /// Where the graph has no operation that computes the value.
    pub fn constant(&self, value: Value) -> Option<&Tensor> {
        match self.op(value.op) {
            Op::Const(op) => Some(&op.value),
            _ => None,
        }
    }

    /// The results of an operation.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn results_of(&self, id: OpId) -> Vec<Value> {
        (0..self.inner[id.0].results.len() as u32)
            .map(|port| Value { op: id, port })
            .collect()
    }

    /// Every operation, by id.
    pub fn ids(&self) -> Vec<OpId> {
        self.inner.node_indices().map(OpId).collect()
    }

    /// Every operation, each after those that it reads or must run after; the smallest id first among those that may come
    /// next. `parameters` comes first and `return` last. Operations on a cycle, which a verified graph does not have, are missing.
    pub fn order(&self) -> Vec<OpId> {
        use std::cmp::Reverse;
        let mut waiting: Vec<u32> = vec![0; self.inner.node_indices().next_back().map_or(0, |n| n.index() + 1)];
        let mut ready = BinaryHeap::new();
        for node in self.inner.node_indices() {
            let count = self.edges(OpId(node), Incoming).count() as u32;
            waiting[node.index()] = count;
            if count == 0 && node != self.ret.0 {
                ready.push(Reverse(node));
            }
        }
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(node)) = ready.pop() {
            order.push(OpId(node));
            for edge in self.edges(OpId(node), Outgoing) {
                let target = edge.target();
                waiting[target.index()] -= 1;
                if waiting[target.index()] == 0 && target != self.ret.0 {
                    ready.push(Reverse(target));
                }
            }
        }
        if waiting[self.ret.0.index()] == 0 {
            order.push(self.ret);
        }
        order
    }

    /// A view of one operation, for matching.
    pub fn at(&self, id: OpId) -> OpRef<'_> {
        OpRef { graph: self, id }
    }

    /// A view of one value, for matching.
    pub fn value(&self, value: Value) -> ValueRef<'_> {
        ValueRef { graph: self, value }
    }

    /// The name of an operation in messages: its first named result's; else what it is of or for, a named constant that it
    /// reads or a named value that is computed from it; else its kind and number.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn label(&self, id: OpId) -> String {
        let data = &self.inner[id.0];
        let kind = data.op.name();
        if let Some(name) = self.name_of_results(id) {
            return name.to_owned();
        }
        let mut operands = self.at(id).operands().into_iter().flatten();
        if let Some(name) = operands.find_map(|v| self.name_of_constant(v)) {
            return format!("{kind} of {name}");
        }
        match self.name_of_user(id) {
            Some(name) => format!("{kind} for {name}"),
            None => format!("{kind}#{}", id.index()),
        }
    }

    fn name_of_results(&self, id: OpId) -> Option<&str> {
        self.inner[id.0].results.iter().find_map(|r| r.name.as_deref())
    }

    /// The name of a constant, or of the one that stores what a value is made of.
    fn name_of_constant(&self, mut value: Value) -> Option<&str> {
        for _ in 0..NEAR {
            match self.op(value.op) {
                Op::Const(_) => return self.info(value).name.as_deref(),
                Op::Quantize(_) | Op::Dequantize(_) => value = self.operand(value.op, 0)?,
                _ => return None,
            }
        }
        None
    }

    /// The name of the nearest named value that is computed from an operation's first result.
    fn name_of_user(&self, mut id: OpId) -> Option<&str> {
        for _ in 0..NEAR {
            let result = *self.results_of(id).first()?;
            id = self.uses(result).first()?.op;
            if let Some(name) = self.name_of_results(id) {
                return Some(name);
            }
        }
        None
    }
}
