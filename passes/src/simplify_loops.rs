//! Takes out of a loop's state what need not be carried: constants, parts that count alike, parts that nobody reads.
//!
//! - A part that no step changes and that starts as a constant becomes that constant inside the graphs, where kernels
//!   can pack it; large ones share their bytes.
//! - Two parts that start equal and change alike are one.
//! - A part that only computes itself is dropped.

use std::collections::BTreeSet;

use planish_core::op::{Const, Reshape};
use planish_core::{Changed, Context, Error, Graph, Meaning, Model, Op, Pass, PassEntry, Tensor, Value, inventory};

use crate::loops::{Loop, loops};

/// How many operations are followed: what a state starts as, and how one step counts, is said in a few.
const MOST_DEPTH: usize = 8;
/// Constants of more elements are not searched for one that is not zero; initial states that are stored have fewer.
const MOST_SEARCHED: usize = 4096;
/// Constants of more elements are not compared: counters and their steps have one, or one for each axis.
const MOST_COMPARED: usize = 16;

/// Takes out of a loop's state what need not be carried: constants, parts that count alike, parts that nobody reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SimplifyLoops;

impl Pass for SimplifyLoops {
    type Options = planish_core::NoOptions;
    const NAME: &'static str = "simplify_loops";
    const SUMMARY: &'static str = "takes out of a loop's state what need not be carried from step to step";
    const MEANING: Meaning = Meaning::Exact;

    fn run(&self, model: &mut Model, _: &planish_core::NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        loop {
            let mut now = 0;
            // Outer loops first: a constant that goes in there may go on into the inner ones.
            for found in loops(model) {
                now += usize::from(simplify(model, found, cx));
            }
            changed += now;
            if now == 0 {
                return Ok(Changed(changed));
            }
        }
    }
}

fn simplify(model: &mut Model, found: Loop, cx: &mut Context<'_>) -> bool {
    let initial = found.initial(model);
    let results = model.graph(found.outer).results_of(found.op);
    let mut gone = BTreeSet::new();
    let mut asked = None;
    let mut allowed = || *asked.get_or_insert_with(|| cx.allow_change());

    for (position, &start) in initial.iter().enumerate() {
        let outer = model.graph(found.outer);
        let in_use = !outer.uses(results[position]).is_empty() || outer.constant(start).is_some();
        if !in_use || !found.is_invariant(model, position) {
            continue;
        }
        if !allowed() {
            return false;
        }
        let outer = model.graph_mut(found.outer);
        outer.replace(results[position], start);
        if let Some(value) = outer.constant(start).cloned() {
            let name = outer.info(start).name.clone();
            for id in [found.cond, found.body] {
                let graph = model.graph_mut(id);
                let parameter = graph.parameters()[position];
                if graph.uses(parameter).is_empty() {
                    continue;
                }
                let inside = graph.add_const(value.clone());
                graph.info_mut(inside).name = name.clone();
                let uses: Vec<_> = graph
                    .uses(parameter)
                    .into_iter()
                    .filter(|u| !(u.op == graph.return_op() && u.operand == position))
                    .collect();
                graph.replace_uses(&uses, inside);
            }
            gone.insert(position);
        }
    }

    for second in 0..initial.len() {
        let twin = (0..second).find(|&first| {
            !gone.contains(&first)
                && !gone.contains(&second)
                && same_start(model.graph(found.outer), initial[first], initial[second])
                && alike(model.graph(found.body), first, second)
        });
        if let Some(first) = twin {
            if !allowed() {
                return false;
            }
            model.graph_mut(found.outer).replace(results[second], results[first]);
            for id in [found.cond, found.body] {
                let graph = model.graph_mut(id);
                let parameters = graph.parameters();
                graph.replace(parameters[second], parameters[first]);
            }
            gone.insert(second);
        }
    }

    let derived = derived_from_others(model, found, &results);
    if !derived.is_empty() && !allowed() {
        return false;
    }
    derive(model, found, &results, derived);

    let outer = model.graph(found.outer);
    let cond = model.graph(found.cond);
    let body = model.graph(found.body);
    let mut live: BTreeSet<usize> = (0..initial.len())
        .filter(|&i| !outer.uses(results[i]).is_empty() || cond.uses(cond.parameters()[i]).iter().any(|u| cond.is_needed(u.op)))
        .collect();
    loop {
        let needed = parameters_behind(body, &live);
        let before = live.len();
        live.extend(needed);
        if live.len() == before {
            break;
        }
    }
    gone.extend((0..initial.len()).filter(|i| !live.contains(i)));

    // A loop without state could not be told from one that never ran.
    if gone.len() == initial.len() {
        gone.pop_first();
    }
    if gone.is_empty() || !allowed() {
        return false;
    }
    found.remove(model, &gone);
    true
}

/// A part of the state that is another one under another shape: both positions, and that shape.
type Derived = (usize, usize, Tensor);

/// The parts that nothing in the loop reads and that are others under another shape, both zero at first.
fn derived_from_others(model: &Model, found: Loop, results: &[Value]) -> Vec<Derived> {
    let initial = found.initial(model);
    let (body, cond) = (model.graph(found.body), model.graph(found.cond));
    let (parameters, next) = (body.parameters(), body.results());
    let mut derived = Vec::new();
    for (position, &value) in next.iter().enumerate() {
        let unread = body.uses(parameters[position]).is_empty() && cond.uses(cond.parameters()[position]).is_empty();
        if !unread || model.graph(found.outer).uses(results[position]).is_empty() || !matches!(body.op(value.op), Op::Reshape(_)) {
            continue;
        }
        let (Some(from), Some(shape)) = (body.operand(value.op, 0), body.operand(value.op, 1).and_then(|s| body.constant(s))) else {
            continue;
        };
        let Some(other) = next.iter().position(|&v| v == from) else {
            continue;
        };
        let outer = model.graph(found.outer);
        if is_zero(outer, initial[position]) && is_zero(outer, initial[other]) {
            derived.push((position, other, shape.clone()));
        }
    }
    derived
}

/// Reshapes them from the others after the loop.
fn derive(model: &mut Model, found: Loop, results: &[Value], derived: Vec<Derived>) {
    for (position, other, shape) in derived {
        let outer = model.graph_mut(found.outer);
        let uses = outer.uses(results[position]);
        let ty = outer.ty(results[position]).clone();
        let shape = outer.add_const(shape);
        // What is declared of the two parts need not fit each other.
        let Ok(reshape) = outer.try_add(Reshape {}, &[Some(results[other]), Some(shape)]) else {
            continue;
        };
        let reshaped = Value { op: reshape, port: 0 };
        if outer.ty(reshaped).compatible(&ty) {
            outer.info_mut(reshaped).ty = ty;
            outer.replace_uses(&uses, reshaped);
        }
    }
}

/// Whether every element of a value is zero, as its operation tells.
pub(crate) fn is_zero(graph: &Graph, value: Value) -> bool {
    is_zero_within(graph, value, MOST_DEPTH)
}

fn is_zero_within(graph: &Graph, value: Value, depth: usize) -> bool {
    let op = graph.at(value.op);
    let operand = |i: usize| op.operand(i).is_some_and(|v| depth > 0 && is_zero_within(graph, v.id(), depth - 1));
    match op.op() {
        Op::Const(c) => (c.value.elements() <= MOST_SEARCHED || c.value.is_splat()) && c.value.bytes().iter().all(|&b| b == 0),
        Op::ZerosLike(_) => true,
        Op::Fill(_) => operand(1),
        Op::Reshape(_) | Op::Slice(_) | Op::Tile(_) | Op::BroadcastTo(_) | Op::Identity(_) => operand(0),
        _ => false,
    }
}

fn same_start(graph: &Graph, first: Value, second: Value) -> bool {
    first == second
        || matches!((graph.constant(first), graph.constant(second)), (Some(a), Some(b)) if a.elements() <= MOST_COMPARED && a == b)
}

/// Whether the results at two positions are computed in the same way from the parameters at these positions.
fn alike(body: &Graph, first: usize, second: usize) -> bool {
    let (parameters, results) = (body.parameters(), body.results());
    let starts = (parameters[first], parameters[second]);
    congruent(body, (results[first], results[second]), starts, &mut BTreeSet::new(), MOST_DEPTH)
}

/// Whether two values are computed in the same way, one from each of `starts`; `seen` holds the pairs that this was asked of,
/// for one that is not so ends the search.
fn congruent(graph: &Graph, (a, b): (Value, Value), starts: (Value, Value), seen: &mut BTreeSet<(Value, Value)>, depth: usize) -> bool {
    if (a, b) == starts {
        return true;
    }
    if a == starts.0 || b == starts.1 || depth == 0 {
        return false;
    }
    if a == b || !seen.insert((a, b)) {
        return true;
    }
    let (op_a, op_b) = (graph.op(a.op), graph.op(b.op));
    match (op_a, op_b) {
        (Op::Const(Const { value: x }), Op::Const(Const { value: y })) => x.elements() <= MOST_COMPARED && x == y,
        _ if a.port == b.port && op_a == op_b && op_a.kind().is_pure() => {
            let (left, right) = (graph.operands(a.op), graph.operands(b.op));
            left.len() == right.len()
                && left.iter().zip(&right).all(|(x, y)| match (x, y) {
                    (Some(x), Some(y)) => congruent(graph, (*x, *y), starts, seen, depth - 1),
                    (None, None) => true,
                    _ => false,
                })
        }
        _ => false,
    }
}

/// The positions of the parameters that the results at `live`, or effects, depend on.
fn parameters_behind(body: &Graph, live: &BTreeSet<usize>) -> BTreeSet<usize> {
    let results = body.results();
    let mut todo: Vec<Value> = live.iter().map(|&i| results[i]).collect();
    for id in body.ids() {
        if body.op(id).kind().has_effects() || !body.after(id).is_empty() {
            todo.extend(body.operands(id).into_iter().flatten());
        }
    }
    let mut seen = BTreeSet::new();
    let mut found = BTreeSet::new();
    while let Some(value) = todo.pop() {
        if value.op == body.parameters_op() {
            found.insert(value.port as usize);
        } else if seen.insert(value.op) {
            todo.extend(body.operands(value.op).into_iter().flatten());
        }
    }
    found
}

inventory::submit! { PassEntry::of::<SimplifyLoops>() }
