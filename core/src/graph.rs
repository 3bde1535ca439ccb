//! The graph: operations, values and their uses. The only file that names petgraph.
//!
//! Ownership in six sentences. A graph owns its operations; an operation owns its results; a result is named by
//! [`Value`]. An edge is one use of a value and the single truth about operands: it carries the result's port and the
//! operand's. Every graph begins in one `parameters` operation, whose results are its parameters, and ends in one
//! `return`, whose operands are its results, so neither is a special case. An *after* edge orders effects and carries no
//! value. Adding never invalidates an id; ids are freed only by [`Graph::sweep`], which is the manager's to call.
//! Order is by id wherever order is seen.

use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;
use smallvec::SmallVec;

use crate::infer::{self, InferError};
use crate::op::{Const, Op, OpKind, Parameters, Return};
use crate::tensor::Tensor;
use crate::types::Type;

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
    operands: u32,
}

#[derive(Clone, Copy, Debug)]
enum Edge {
    Operand { port: u32, operand: u32 },
    After,
}

/// Operations connected by their uses of values.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    inner: StableDiGraph<OpData, Edge>,
    parameters: OpId,
    ret: OpId,
}

impl Graph {
    /// A graph without parameters and results.
    pub fn new(name: impl Into<String>) -> Graph {
        let mut inner = StableDiGraph::new();
        let parameters = OpId(inner.add_node(OpData {
            op: Parameters {}.into(),
            results: SmallVec::new(),
            operands: 0,
        }));
        let ret = OpId(inner.add_node(OpData {
            op: Return {}.into(),
            results: SmallVec::new(),
            operands: 0,
        }));
        Graph {
            name: name.into(),
            inner,
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
    pub fn results(&self) -> Vec<Value> {
        self.operands(self.ret)
            .into_iter()
            .map(|v| v.expect("every operand of return is a value"))
            .collect()
    }

    /// Makes these values the graph's results, in order.
    pub fn set_results(&mut self, results: &[Value]) {
        self.set_operands(self.ret, &results.iter().map(|&v| Some(v)).collect::<Vec<_>>());
    }

    /// Removes the parameters at these positions, whose uses must be gone; the ones behind move up.
    ///
    /// Values that name later parameters change their port: this is for rewriting a graph together with all its callers.
    ///
    /// # Panics
    /// Where one of them is still used.
    pub fn remove_parameters(&mut self, positions: &BTreeSet<usize>) {
        for &position in positions.iter().rev() {
            let gone = Value {
                op: self.parameters,
                port: position as u32,
            };
            assert!(self.uses(gone).is_empty(), "a removed parameter has no uses");
            self.inner[self.parameters.0].results.remove(position);
            let later: Vec<_> = self.inner.edges_directed(self.parameters.0, Outgoing).map(|e| e.id()).collect();
            for edge in later {
                if let Edge::Operand { port, .. } = &mut self.inner[edge]
                    && *port > position as u32
                {
                    *port -= 1;
                }
            }
        }
    }

    /// Adds an operation whose results' types follow from its operands.
    ///
    /// # Errors
    /// Where the operands do not fit the operation.
    pub fn try_add(&mut self, op: impl Into<Op>, operands: &[Option<Value>]) -> Result<OpId, InferError> {
        let op = op.into();
        let types = {
            let operands: Vec<Option<ValueRef<'_>>> = operands.iter().map(|v| v.map(|v| self.value(v))).collect();
            infer::results(&op, &operands)?
        };
        Ok(self.add_declared(op, operands, types.into_iter().map(ValueInfo::new).collect()))
    }

    /// Adds an operation of one result whose type follows from its operands, and returns that result.
    ///
    /// For rules, whose `find` has made sure that it fits.
    ///
    /// # Panics
    /// Where the operands do not fit the operation, or it has not exactly one result.
    pub fn add(&mut self, op: impl Into<Op>, operands: &[Value]) -> Value {
        let operands: Operands = operands.iter().map(|&v| Some(v)).collect();
        self.add_with_empty(op, &operands)
    }

    /// The same as [`Graph::add`] with operands that may be empty.
    ///
    /// # Panics
    /// Where the operands do not fit the operation, or it has not exactly one result.
    pub fn add_with_empty(&mut self, op: impl Into<Op>, operands: &[Option<Value>]) -> Value {
        let op = op.into();
        let name = op.name();
        let id = match self.try_add(op, operands) {
            Ok(id) => id,
            Err(error) => panic!("a rule builds only operations that fit: {name}: {error}"),
        };
        let results = self.results_of(id);
        assert_eq!(results.len(), 1, "{name} has one result");
        results[0]
    }

    /// Adds an operation with declared results.
    pub fn add_declared(&mut self, op: impl Into<Op>, operands: &[Option<Value>], results: Vec<ValueInfo>) -> OpId {
        let data = OpData {
            op: op.into(),
            results: results.into(),
            operands: 0,
        };
        let id = OpId(self.inner.add_node(data));
        self.set_operands(id, operands);
        id
    }

    /// Adds an operation with one declared result, and returns that.
    pub fn add_typed(&mut self, op: impl Into<Op>, operands: &[Value], ty: Type) -> Value {
        let operands: Operands = operands.iter().map(|&v| Some(v)).collect();
        Value {
            op: self.add_declared(op, &operands, vec![ValueInfo::new(ty)]),
            port: 0,
        }
    }

    /// Adds a constant.
    pub fn add_const(&mut self, value: Tensor) -> Value {
        let ty = value.ty();
        self.add_typed(Const { value }, &[], ty)
    }

    /// Adds a constant vector of i32.
    pub fn add_ints(&mut self, values: &[i32]) -> Value {
        self.add_const(Tensor::from_vec(&[values.len()], values.to_vec()))
    }

    /// Adds a constant scalar of i32.
    pub fn add_int(&mut self, value: i32) -> Value {
        self.add_const(Tensor::scalar(value))
    }

    /// Adds a constant scalar of f32.
    pub fn add_float(&mut self, value: f32) -> Value {
        self.add_const(Tensor::scalar(value))
    }

    /// Infers the result types of an operation anew, as after a change of operands.
    ///
    /// # Errors
    /// Where the operands do not fit the operation.
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
    pub fn constant(&self, value: Value) -> Option<&Tensor> {
        match self.op(value.op) {
            Op::Const(op) => Some(&op.value),
            _ => None,
        }
    }

    /// The results of an operation.
    pub fn results_of(&self, id: OpId) -> Vec<Value> {
        (0..self.inner[id.0].results.len() as u32)
            .map(|port| Value { op: id, port })
            .collect()
    }

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

    /// Lets `later` run only after `earlier`.
    pub fn add_after(&mut self, earlier: OpId, later: OpId) {
        if earlier != later && !self.after(later).contains(&earlier) {
            self.inner.add_edge(earlier.0, later.0, Edge::After);
        }
    }

    /// Gives `new` the place of `old` in the order of effects.
    pub fn move_after(&mut self, old: OpId, new: OpId) {
        let edges = |graph: &Graph, direction| -> Vec<_> {
            let after = graph
                .inner
                .edges_directed(old.0, direction)
                .filter(|e| matches!(e.weight(), Edge::After));
            after.map(|e| (e.id(), e.source(), e.target())).collect()
        };
        for (edge, source, _) in edges(self, Incoming) {
            self.inner.remove_edge(edge);
            self.add_after(OpId(source), new);
        }
        for (edge, _, target) in edges(self, Outgoing) {
            self.inner.remove_edge(edge);
            self.add_after(new, OpId(target));
        }
    }

    /// The operations that `id` must run after although it reads none of their results, in order.
    pub fn after(&self, id: OpId) -> Vec<OpId> {
        let mut earlier: Vec<OpId> = self
            .inner
            .edges_directed(id.0, Incoming)
            .filter(|e| matches!(e.weight(), Edge::After))
            .map(|e| OpId(e.source()))
            .collect();
        earlier.sort_unstable();
        earlier
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
            let count = self.inner.edges_directed(node, Incoming).count() as u32;
            waiting[node.index()] = count;
            if count == 0 && node != self.ret.0 {
                ready.push(Reverse(node));
            }
        }
        let mut order = Vec::with_capacity(self.len());
        while let Some(Reverse(node)) = ready.pop() {
            order.push(OpId(node));
            for edge in self.inner.edges_directed(node, Outgoing) {
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

    /// Removes every operation that neither `return` nor an effect needs; returns how many went.
    ///
    /// Ids of removed operations may be used again afterwards: only for the time between passes.
    pub fn sweep(&mut self) -> usize {
        let mut keep: BTreeSet<NodeIndex> = BTreeSet::new();
        let mut todo: Vec<NodeIndex> = self
            .inner
            .node_indices()
            .filter(|&n| n == self.ret.0 || n == self.parameters.0 || self.has_effects(OpId(n)))
            .collect();
        while let Some(node) = todo.pop() {
            if keep.insert(node) {
                todo.extend(self.inner.neighbors_directed(node, Incoming));
            }
        }
        let before = self.len();
        self.inner.retain_nodes(|_, node| keep.contains(&node));
        before - self.len()
    }

    /// Whether an operation has effects: by its kind, or because another one has been told to run after it.
    fn has_effects(&self, id: OpId) -> bool {
        let op = self.op(id);
        op.kind().has_effects()
            || matches!(
                op.kind(),
                OpKind::While | OpKind::If | OpKind::Call | OpKind::Foreign | OpKind::Custom | OpKind::Builtin
            ) && (self.inner.edges_directed(id.0, Incoming).any(|e| matches!(e.weight(), Edge::After))
                || self.inner.edges_directed(id.0, Outgoing).any(|e| matches!(e.weight(), Edge::After)))
    }

    /// Whether `return` or an effect needs an operation, directly or through others.
    pub fn is_needed(&self, id: OpId) -> bool {
        let mut seen = BTreeSet::new();
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            if id == self.ret || self.has_effects(id) {
                return true;
            }
            if seen.insert(id) {
                todo.extend(self.inner.neighbors_directed(id.0, Outgoing).map(OpId));
            }
        }
        false
    }

    /// Lets go of the operands of operations that nothing needs any more: `id`, then those that only it needed.
    ///
    /// They stay in the graph until the next sweep, but are no readers of anything: what they read is read once where
    /// only one needed operation is left that does. Returns which operations these are.
    pub fn retire(&mut self, id: OpId) -> Vec<OpId> {
        let mut retired = Vec::new();
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            let used = self.inner.neighbors_directed(id.0, Outgoing).next().is_some();
            if used || id == self.ret || id == self.parameters || self.has_effects(id) {
                continue;
            }
            let operands = self.operands(id);
            self.set_operands(id, &[]);
            retired.push(id);
            todo.extend(operands.into_iter().flatten().map(|v| v.op));
        }
        retired
    }

    /// A view of one operation, for matching.
    pub fn at(&self, id: OpId) -> OpRef<'_> {
        OpRef { graph: self, id }
    }

    /// A view of one value, for matching.
    pub fn value(&self, value: Value) -> ValueRef<'_> {
        ValueRef { graph: self, value }
    }

    /// The name of an operation in messages: its first named result's, else its kind and number.
    pub fn label(&self, id: OpId) -> String {
        let data = &self.inner[id.0];
        match data.results.iter().find_map(|r| r.name.as_deref()) {
            Some(name) => name.to_owned(),
            None => format!("{}#{}", data.op.name(), id.index()),
        }
    }
}

/// A view of one operation of a graph.
#[derive(Clone, Copy, Debug)]
pub struct OpRef<'g> {
    graph: &'g Graph,
    id: OpId,
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
    graph: &'g Graph,
    value: Value,
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
