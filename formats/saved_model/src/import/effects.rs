//! Which variables signatures assign, what initializes them, and the order of reading and writing them.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::graph::{Graph, OpId};
use planish_core::model::{GraphId, Model};
use planish_core::op::AssignVariable;

use crate::Error;
use crate::function::Body;
use crate::proto::{Attr, NodeDef};

use super::frame::{Entry, Place, data_inputs, function_attr};
use super::{Bound, Importer};

/// What is known of effects while one signature is imported.
#[derive(Default)]
pub(super) struct Effects {
    /// The variables that this signature assigns, or one that was imported before.
    assigned: BTreeSet<usize>,
    /// Whether this signature assigns any.
    assigns_some: bool,
    /// Whether this signature writes files.
    writes_files: bool,
    /// The handle nodes of hash tables that the signature changes.
    changed_tables: BTreeSet<String>,
    order: Order,
}

/// What signatures share: variables, whose state outlasts a call.
#[derive(Default)]
pub(super) struct Shared {
    /// The variables that any signature assigns, as far as they are known.
    assigned: BTreeSet<usize>,
    /// Whether a signature was imported before all of them were known.
    incomplete: bool,
    /// The graph that initializes them.
    initializer: Option<GraphId>,
}

/// The last accesses of each variable in the graph being built.
#[derive(Default)]
pub(super) struct Order {
    written: BTreeMap<usize, OpId>,
    read: BTreeMap<usize, Vec<OpId>>,
    touched: bool,
}

impl Effects {
    /// Whether order matters at all.
    pub(super) fn tracked(&self) -> bool {
        !self.assigned.is_empty() || self.writes_files
    }

    /// Whether running the signature does more than to compute its outputs.
    pub(super) fn has_some(&self) -> bool {
        self.assigns_some || self.writes_files
    }

    /// Whether the graph being built, or one that it runs, accesses a variable that is assigned.
    pub(super) fn touched(&self) -> bool {
        self.order.touched
    }

    /// Whether a signature assigns this variable.
    pub(super) fn assigns(&self, variable: usize) -> bool {
        self.assigned.contains(&variable)
    }

    /// Whether the signature changes the hash table of this handle node.
    pub(super) fn changes_table(&self, name: &str) -> bool {
        self.changed_tables.contains(name)
    }

    /// All variables that are assigned.
    pub(super) fn assigned(&self) -> Vec<usize> {
        self.assigned.iter().copied().collect()
    }

    /// Starts the record of another graph; returns that of the enclosing one.
    pub(super) fn enter_graph(&mut self) -> Order {
        std::mem::take(&mut self.order)
    }

    /// Goes back to the enclosing graph; tells whether the inner one accessed a variable.
    pub(super) fn leave_graph(&mut self, outer: Order) -> bool {
        std::mem::replace(&mut self.order, outer).touched
    }

    /// `op` reads the variable: after its last write.
    pub(super) fn read(&mut self, graph: &mut Graph, variable: usize, op: OpId) {
        self.order.touched = true;
        if let Some(&earlier) = self.order.written.get(&variable) {
            graph.add_after(earlier, op);
        }
        self.order.read.entry(variable).or_default().push(op);
    }

    /// `op` writes the variable: after its last write and all reads since.
    pub(super) fn write(&mut self, graph: &mut Graph, variable: usize, op: OpId) {
        self.order.touched = true;
        if let Some(&earlier) = self.order.written.get(&variable) {
            graph.add_after(earlier, op);
        }
        for earlier in self.order.read.remove(&variable).unwrap_or_default() {
            graph.add_after(earlier, op);
        }
        self.order.written.insert(variable, op);
    }

    /// `op` runs graphs that access variables, or initializes them.
    pub(super) fn write_all(&mut self, graph: &mut Graph, op: OpId) {
        for variable in self.assigned() {
            self.write(graph, variable, op);
        }
    }
}

/// Whether an operation changes the variable that its first input is.
pub(crate) fn assigns(op: &str) -> bool {
    op.starts_with("Assign")
        || op.starts_with("ResourceScatter")
        || op.starts_with("ResourceApply")
        || op.starts_with("ResourceSparseApply")
        || op == "ResourceStridedSliceAssign"
        || op.starts_with("Apply")
        || op.starts_with("SparseApply")
        || matches!(
            op,
            "ScatterUpdate"
                | "ScatterAdd"
                | "ScatterSub"
                | "ScatterMul"
                | "ScatterNdUpdate"
                | "ScatterNdAdd"
                | "ScatterNdSub"
                | "StridedSliceAssign"
        )
}

/// Whether an operation changes the hash table that its first input is.
fn changes_table(op: &str) -> bool {
    ["LookupTableInsert", "LookupTableRemove", "LookupTableImport"]
        .iter()
        .any(|prefix| op.starts_with(prefix))
}

/// Whether an operation writes a file, which nothing reads by its results.
pub(super) fn writes_file(op: &str) -> bool {
    op.starts_with("Save") || matches!(op, "WriteFile" | "MergeV2Checkpoints")
}

/// The functions that a node names.
fn functions_of(node: &NodeDef) -> impl Iterator<Item = &str> {
    node.attrs.values().filter_map(|a| a.value.as_ref()).flat_map(|attr| {
        let (one, list) = match attr {
            Attr::Function(function) => (Some(function), None),
            Attr::List(list) => (None, Some(&list.functions)),
            _ => (None, None),
        };
        one.into_iter().chain(list.into_iter().flatten()).map(|f| f.name.as_str())
    })
}

impl Importer {
    /// Forgets the effects of the signature before.
    pub(super) fn reset_effects(&mut self) {
        self.effects = Effects {
            assigned: self.shared.assigned.clone(),
            ..Effects::default()
        };
    }

    /// Notes what this signature assigns: state that it shares with all others.
    fn share_assigned(&mut self, assigned: BTreeSet<usize>) {
        self.effects.assigns_some = !assigned.is_empty();
        let known = self.shared.assigned.len();
        self.shared.assigned.extend(assigned);
        self.shared.incomplete |= self.shared.assigned.len() > known && !self.model.signatures.is_empty();
        self.effects.assigned = self.shared.assigned.clone();
    }

    /// Forgets all signatures if one was imported without knowing what a later one assigns; tells whether it did, and all have
    /// to be imported again.
    pub(crate) fn start_again(&mut self) -> bool {
        if !self.shared.incomplete {
            return false;
        }
        self.shared = Shared {
            assigned: std::mem::take(&mut self.shared.assigned),
            ..Shared::default()
        };
        self.model = Model::new();
        self.repeated = 0;
        self.entered_nodes = 0;
        true
    }

    /// The graph that initializes the variables that any signature assigns. It is one for all of them: LiteRT runs each such graph
    /// once, and a second one would undo what was assigned in between.
    pub(super) fn initializing_graph(&mut self, name: &str) -> Result<Option<GraphId>, Error> {
        if !self.effects.touched() {
            return Ok(None);
        }
        if let Some(graph) = self.shared.initializer {
            return Ok(Some(graph));
        }
        let graph = self.in_graph(format!("{name}/initialize"), |importer| {
            for variable in importer.effects.assigned() {
                let value = importer.stored_value(variable)?;
                let handle = importer.variable_handle(variable);
                let value = importer.add_const(value, None);
                importer
                    .graph
                    .add_declared(AssignVariable {}, &[Some(handle), Some(value)], Vec::new());
            }
            Ok(())
        })?;
        self.shared.initializer = Some(self.model.add_graph(graph));
        Ok(self.shared.initializer)
    }

    /// Finds out which variables and tables running these nodes of a root frame changes, and whether it writes files.
    pub(super) fn find_effects(&mut self, frame: usize, nodes: &[usize]) -> Result<(), Error> {
        let body = self.frames[frame].body.clone();
        if !self.may_change(&body, nodes)? {
            return Ok(());
        }
        let mut assigned = BTreeSet::new();
        let mut changed = BTreeSet::new();
        let mut todo: Vec<(usize, Vec<usize>)> = vec![(frame, nodes.to_vec())];
        while let Some((frame, nodes)) = todo.pop() {
            let body = self.frames[frame].body.clone();
            for index in nodes {
                let node = &body.nodes[index];
                self.effects.writes_files |= writes_file(&node.op);
                if assigns(&node.op) {
                    self.note_assignments(frame, node, &mut assigned)?;
                }
                if changes_table(&node.op)
                    && let Some(handle) = data_inputs(node).next()
                    && let Place::Node { frame, node, .. } = self.resolve_origin(frame, handle)?
                {
                    changed.insert(self.frames[frame].body.nodes[node].name.clone());
                }
                if let Some(callee) = self.callee(frame, index)? {
                    todo.push((callee, (0..self.frames[callee].body.nodes.len()).collect()));
                    continue;
                }
                for (function, first) in self.bodies_of(node) {
                    let inner = self.library.get(&function)?;
                    let count = inner.nodes.len();
                    let entry = Entry::Call {
                        caller: frame,
                        node: index,
                        first,
                    };
                    let inner = self.enter(inner, entry, self.frames[frame].prefix.clone(), self.depth_below(frame))?;
                    todo.push((inner, (0..count).collect()));
                }
            }
        }
        self.share_assigned(assigned);
        self.effects.changed_tables = changed;
        Ok(())
    }

    /// Steps of training change what they remember of earlier ones besides their first input.
    fn note_assignments(&mut self, frame: usize, node: &NodeDef, assigned: &mut BTreeSet<usize>) -> Result<(), Error> {
        let most = if node.op.contains("Apply") { usize::MAX } else { 1 };
        for handle in data_inputs(node).take(most) {
            let place = self.resolve_origin(frame, handle)?;
            self.note_assignment(place, assigned)?;
        }
        Ok(())
    }

    fn note_assignment(&mut self, place: Place, assigned: &mut BTreeSet<usize>) -> Result<(), Error> {
        if let Place::Node { frame, node, .. } = place {
            let op = &self.frames[frame].body.nodes[node].op;
            if matches!(op.as_str(), "VarHandleOp" | "VariableV2" | "Variable") {
                self.want(&[place])?;
            }
        }
        let bound = match place {
            Place::Arg { .. } => Some(self.bound(place)?),
            Place::Node { frame, node, .. } if self.frames[frame].nodes[node].outputs.is_some() => Some(self.bound(place)?),
            Place::Node { .. } => None,
        };
        if let Some(Bound::Variable(variable)) = bound {
            assigned.insert(variable);
        }
        Ok(())
    }

    /// The bodies of a loop or branch, with the number of inputs before their arguments.
    fn bodies_of(&self, node: &NodeDef) -> Vec<(String, usize)> {
        let named = |name: &str| function_attr(node, name).map(str::to_owned);
        match node.op.as_str() {
            "While" | "StatelessWhile" => named("cond").into_iter().chain(named("body")).map(|f| (f, 0)).collect(),
            "If" | "StatelessIf" => named("then_branch")
                .into_iter()
                .chain(named("else_branch"))
                .map(|f| (f, 1))
                .collect(),
            "Case" | "StatelessCase" => functions_of(node).map(|f| (f.to_owned(), 1)).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the nodes, or functions that they call, contain any change of a variable, table or file.
    fn may_change(&self, body: &Body, nodes: &[usize]) -> Result<bool, Error> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut todo: Vec<String> = Vec::new();
        let look = |node: &NodeDef, todo: &mut Vec<String>| {
            todo.extend(functions_of(node).map(str::to_owned));
            if self.library.contains(&node.op) {
                todo.push(node.op.clone());
            }
            assigns(&node.op) || changes_table(&node.op) || writes_file(&node.op)
        };
        for &node in nodes {
            if look(&body.nodes[node], &mut todo) {
                return Ok(true);
            }
        }
        while let Some(name) = todo.pop() {
            if !self.library.contains(&name) || !seen.insert(name.clone()) {
                continue;
            }
            let body = self.library.get(&name)?;
            for node in &body.nodes {
                if look(node, &mut todo) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The nodes of a body that running these nodes runs, whether for data or for order.
    pub(super) fn run_with(&self, body: &Body, nodes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let mut todo: Vec<usize> = nodes.into_iter().collect();
        while let Some(node) = todo.pop() {
            if !seen.insert(node) {
                continue;
            }
            for input in &body.nodes[node].inputs {
                let name = input.strip_prefix('^').unwrap_or(input);
                todo.extend(body.node(name.split(':').next().unwrap_or(name)));
            }
        }
        seen.into_iter().collect()
    }
}
