//! Rules: local passes that find a place and then rewrite it, and the driver that applies them.
//!
//! `find` cannot change the graph and says why it leaves a place alone; `rewrite` cannot fail and only adds. Everything
//! else is the driver's: it replaces results, refuses a change of type, hands names and the place in the order of effects
//! on, counts, and goes on until nothing is found any more. A replacement that shows readers something which they cannot
//! take, since the model contradicts itself, is taken back. No rule is asked about what it could not replace: an operation
//! that is there for its effect, and state that another one writes in place, for which an equal value is not the same.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::graph::{Graph, OpId, OpRef, Use, Value, ValueInfo};
use crate::model::{GraphId, Model};
use crate::pass::{Changed, Context, Error, Meaning, NoOptions, Pass};
use crate::verify;

/// Why a rule leaves an operation alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Skip {
    /// It has nothing to do with the rule.
    No,
    /// It is what the rule is for, but something stands in the way, which people may want to know.
    Because(Cow<'static, str>),
}

impl Skip {
    /// A skip with a reason that is put together.
    pub fn because(reason: impl Into<Cow<'static, str>>) -> Skip {
        Skip::Because(reason.into())
    }
}

/// A local pass: one match, one rewrite.
pub trait Rule: Send + Sync + 'static {
    /// The name in pipelines and reports, an imperative in snake case.
    const NAME: &'static str;
    /// One sentence for lists of passes.
    const SUMMARY: &'static str;
    /// How close the model's results stay to what they were.
    const MEANING: Meaning = Meaning::Ulps;
    /// What a match binds: everything the rewrite will need.
    type Match;

    /// Looks at one operation.
    ///
    /// # Errors
    /// Where the rule does not apply: silently, or with a reason.
    fn find(&self, op: OpRef<'_>) -> Result<Self::Match, Skip>;

    /// Adds operations and returns what stands in for each result of the matched one, in order and of a compatible type:
    /// another number or type ends the run with an error, and so does a rule that finds its own rewrites again and again.
    fn rewrite(&self, found: Self::Match, graph: &mut Graph) -> Vec<Value>;
}

impl<R: Rule> Pass for R {
    type Options = NoOptions;
    const NAME: &'static str = R::NAME;
    const SUMMARY: &'static str = R::SUMMARY;
    const MEANING: Meaning = R::MEANING;

    fn run(&self, model: &mut Model, _: &NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        for id in model.graph_ids() {
            changed += apply(self, model, id, cx)?;
        }
        Ok(Changed(changed))
    }
}

/// Rewrites for each operation that a graph had may at most be this many: a rule that never rests is an error, not a hang.
const MOST_REWRITES_PER_OP: usize = 16;

fn apply<R: Rule>(rule: &R, model: &mut Model, graph_id: GraphId, cx: &mut Context<'_>) -> Result<usize, Error> {
    let mut graph = model.graph_mut(graph_id);
    let mut queue: BTreeSet<(usize, OpId)> = BTreeSet::new();
    for (place, id) in graph.order().into_iter().enumerate() {
        queue.insert((place, id));
    }
    let most = queue.len() * MOST_REWRITES_PER_OP;
    let mut next_place = queue.len();
    let mut replaced: BTreeSet<OpId> = BTreeSet::new();
    let mut skipped = std::collections::BTreeMap::new();
    let mut count = 0;
    let mut taken_back = false;
    while let Some((_, id)) = queue.pop_first() {
        let fixed = graph.op(id).kind().has_effects() || graph.results_of(id).into_iter().any(|v| graph.is_state(v));
        if replaced.contains(&id) || fixed {
            continue;
        }
        let found = match rule.find(graph.at(id)) {
            Ok(found) => found,
            Err(Skip::No) => {
                skipped.remove(&id);
                continue;
            }
            Err(Skip::Because(reason)) => {
                skipped.insert(id, reason);
                continue;
            }
        };
        if !cx.allow_change() {
            break;
        }
        if count >= most {
            return Err(Error::Restless {
                graph: graph.name().to_owned(),
                operation: graph.label(id),
            });
        }
        graph.take_added();
        let results: Vec<(Value, Vec<Use>)> = graph.results_of(id).into_iter().map(|v| (v, graph.uses(v))).collect();
        let label = graph.label(id);
        let stand_ins = rule.rewrite(found, graph);
        let added = graph.take_added();
        if stand_ins.len() != results.len() {
            return Err(Error::StandIns {
                graph: graph.name().to_owned(),
                operation: label,
                results: results.len(),
                offered: stand_ins.len(),
            });
        }
        let mut replacements = Vec::with_capacity(results.len());
        for ((old, uses), new) in results.into_iter().zip(stand_ins) {
            let (before, after) = (graph.ty(old), graph.ty(new));
            if !before.compatible(after) {
                return Err(Error::TypeChanged {
                    graph: graph.name().to_owned(),
                    operation: label,
                    before: before.to_string(),
                    after: after.to_string(),
                });
            }
            replacements.push(Replacement::make(graph, old, uses, new));
        }
        let fits = still_fits(model, graph_id, &replacements);
        graph = model.graph_mut(graph_id);
        if let Err(problem) = fits {
            for replacement in replacements.into_iter().rev() {
                replacement.take_back(graph);
            }
            taken_back = true;
            skipped.insert(id, format!("the model contradicts itself here: {problem}").into());
            continue;
        }
        queue.extend(replacements.iter().flat_map(|r| &r.uses).map(|u| {
            next_place += 1;
            (next_place, u.op)
        }));
        match replacements.iter().find(|r| added.contains(&r.new.op)) {
            Some(r) => graph.move_after(id, r.new.op),
            None => graph.leave_after(id),
        }
        for new in added {
            next_place += 1;
            queue.insert((next_place, new));
        }
        replaced.insert(id);
        replaced.extend(graph.retire(id));
        skipped.remove(&id);
        count += 1;
    }
    for (id, reason) in skipped {
        if !replaced.contains(&id) && graph.is_needed(id) {
            cx.skip(graph, id, reason);
        }
    }
    if taken_back {
        // What was added in vain stands in the graph, which the manager sweeps only where something has changed.
        graph.sweep();
    }
    Ok(count)
}

/// A value that stands in for another one.
struct Replacement {
    old: Value,
    new: Value,
    /// What read the old value, and reads the new one now.
    uses: Vec<Use>,
    /// What was known of the new value.
    known: ValueInfo,
}

impl Replacement {
    fn make(graph: &mut Graph, old: Value, uses: Vec<Use>, new: Value) -> Replacement {
        let replacement = Replacement {
            old,
            new,
            uses,
            known: graph.info(new).clone(),
        };
        inherit(graph, old, new);
        graph.replace_uses(&replacement.uses, new);
        replacement
    }

    fn take_back(self, graph: &mut Graph) {
        graph.replace_uses(&self.uses, self.old);
        *graph.info_mut(self.new) = self.known;
    }
}

/// Checks what reads other values now, or values of which more is known.
fn still_fits(model: &Model, graph_id: GraphId, replacements: &[Replacement]) -> Result<(), String> {
    let graph = model.graph(graph_id);
    let mut around = BTreeSet::new();
    let mut retyped = false;
    for replacement in replacements {
        around.extend(replacement.uses.iter().map(|u| u.op));
        let ty = graph.ty(replacement.new);
        if *ty != replacement.known.ty {
            around.insert(replacement.new.op);
            around.extend(graph.uses(replacement.new).into_iter().map(|u| u.op));
        }
        retyped |= *ty != replacement.known.ty || ty != graph.ty(replacement.old);
    }
    verify::operations(graph, &around)?;
    let leaves = |&id: &OpId| id == graph.parameters_op() || id == graph.return_op() || !graph.op(id).graphs().is_empty();
    if retyped && around.iter().any(leaves) {
        verify::calls_around(model, graph_id)?;
    }
    Ok(())
}

/// Hands on what is known of a value to the one that stands in for it.
fn inherit(graph: &mut Graph, old: Value, new: Value) {
    let old = graph.info(old).clone();
    let produced = !matches!(graph.op(new.op), crate::op::Op::Parameters(_) | crate::op::Op::Const(_));
    let info = graph.info_mut(new);
    if let Some(shape) = info.ty.shape.meet(&old.ty.shape) {
        info.ty.shape = shape;
    }
    if produced && info.name.is_none() {
        info.name = old.name;
    }
    if info.range.is_none() {
        info.range = old.range;
    }
}
