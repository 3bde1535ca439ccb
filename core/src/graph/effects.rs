//! The order of effects, and what is needed because of them or of the results.

use std::collections::BTreeSet;

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::stable_graph::NodeIndex;
use petgraph::visit::EdgeRef;

use super::{Edge, Graph, OpId, Value};
use crate::op::OpKind;

impl Graph {
    /// Lets `later` run only after `earlier`.
    ///
    /// # Panics
    /// Where the graph has not both operations.
    pub fn add_after(&mut self, earlier: OpId, later: OpId) {
        if earlier != later && !self.runs_after(earlier, later) {
            self.add_edge(earlier.0, later.0, Edge::After);
        }
    }

    /// Whether an *after* edge leads from one operation to the other. Of all that reads a variable before one write, and of
    /// all that is read after one, either operation has few edges: the search ends with the fewer.
    fn runs_after(&self, earlier: OpId, later: OpId) -> bool {
        let mut both = self.edges(earlier, Outgoing).zip(self.edges(later, Incoming));
        both.any(|(out, into)| {
            matches!(out.weight(), Edge::After) && out.target() == later.0
                || matches!(into.weight(), Edge::After) && into.source() == earlier.0
        })
    }

    /// Gives `new` the place of `old` in the order of effects.
    ///
    /// # Panics
    /// Where `old` has a place in the order of effects and the graph has no operation `new`.
    pub fn move_after(&mut self, old: OpId, new: OpId) {
        let (earlier, later) = self.take_after(old);
        earlier.into_iter().for_each(|earlier| self.add_after(earlier, new));
        later.into_iter().for_each(|later| self.add_after(new, later));
    }

    /// Takes an operation out of the order of effects: what ran after it runs after all that it ran after.
    pub fn leave_after(&mut self, id: OpId) {
        let (earlier, later) = self.take_after(id);
        for &earlier in &earlier {
            later.iter().for_each(|&later| self.add_after(earlier, later));
        }
    }

    /// Removes the *after* edges of an operation and returns where they came from and where they went.
    fn take_after(&mut self, id: OpId) -> (Vec<OpId>, Vec<OpId>) {
        let [before, behind] = [Incoming, Outgoing].map(|direction| {
            let after = self.edges(id, direction).filter(|e| matches!(e.weight(), Edge::After));
            after.map(|e| (e.id(), OpId(e.source()), OpId(e.target()))).collect::<Vec<_>>()
        });
        let mut earlier: Vec<OpId> = before.iter().map(|&(_, source, _)| source).collect();
        earlier.sort_unstable();
        let later = behind.iter().map(|&(_, _, target)| target).collect();
        self.drop_edges(before.into_iter().chain(behind).map(|(edge, ..)| edge));
        (earlier, later)
    }

    /// The operations that `id` must run after although it reads none of their results, in order.
    pub fn after(&self, id: OpId) -> Vec<OpId> {
        let mut earlier: Vec<OpId> = self
            .edges(id, Incoming)
            .filter(|e| matches!(e.weight(), Edge::After))
            .map(|e| OpId(e.source()))
            .collect();
        earlier.sort_unstable();
        earlier
    }

    /// Whether an operation writes this value in place: it is state, which no other value can stand in for.
    pub fn is_state(&self, value: Value) -> bool {
        self.edges(value.op, Outgoing).any(|edge| match *edge.weight() {
            Edge::Operand { port, operand } => {
                port == value.port && self.op(OpId(edge.target())).kind().state_operands().contains(&(operand as usize))
            }
            Edge::After | Edge::Gone => false,
        })
    }

    /// Removes every operation that neither `return` nor an effect needs; returns how many went.
    ///
    /// Ids of removed operations may be used again afterwards: only for the time between passes, or the end of one.
    pub fn sweep(&mut self) -> usize {
        let mut keep: BTreeSet<NodeIndex> = BTreeSet::new();
        let mut todo: Vec<NodeIndex> = self
            .inner
            .node_indices()
            .filter(|&n| n == self.ret.0 || n == self.parameters.0 || self.has_effects(OpId(n)))
            .collect();
        while let Some(node) = todo.pop() {
            if keep.insert(node) {
                todo.extend(self.edges(OpId(node), Incoming).map(|e| e.source()));
            }
        }
        self.added.clear();
        let before = self.len();
        self.rebuild_edges(|node| keep.contains(&node));
        before - self.len()
    }

    /// Whether an operation has effects: by its kind, or because another one has been told to run after it.
    fn has_effects(&self, id: OpId) -> bool {
        let op = self.op(id);
        op.kind().has_effects()
            || matches!(
                op.kind(),
                OpKind::While | OpKind::If | OpKind::Call | OpKind::Foreign | OpKind::Custom | OpKind::Builtin
            ) && [Incoming, Outgoing]
                .into_iter()
                .any(|direction| self.edges(id, direction).any(|e| matches!(e.weight(), Edge::After)))
    }

    /// Whether `return` or an effect needs an operation, directly or through others.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn is_needed(&self, id: OpId) -> bool {
        let mut seen = BTreeSet::new();
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            if id == self.ret || self.has_effects(id) {
                return true;
            }
            if seen.insert(id) {
                todo.extend(self.edges(id, Outgoing).map(|e| OpId(e.target())));
            }
        }
        false
    }

    /// Lets go of the operands of operations that nothing needs any more: `id`, then those that only it needed.
    ///
    /// They stay in the graph until the next sweep, but are no readers of anything: what they read is read once where
    /// only one needed operation is left that does. Returns which operations these are.
    ///
    /// # Panics
    /// Where the graph has no such operation.
    pub fn retire(&mut self, id: OpId) -> Vec<OpId> {
        let mut retired = Vec::new();
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            let used = self.inner[id.0].readers > 0;
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
}
