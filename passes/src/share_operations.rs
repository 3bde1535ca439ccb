//! Computes once what is computed twice: pure operations of equal kind, attributes and operands become one.

use std::collections::BTreeMap;

use planish_core::{Changed, Context, Error, Graph, Meaning, Model, Op, OpId, Operands, Pass, PassEntry, inventory};

/// Computes once what is computed twice: pure operations of equal kind, attributes and operands become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShareOperations;

/// Constants of up to this many elements are compared, so that shapes and the like that are written down twice are one; larger
/// ones only where they are the same bytes, as comparing is what `share_constants` is for.
const MOST_COMPARED: usize = 64;

impl Pass for ShareOperations {
    type Options = planish_core::NoOptions;
    const NAME: &'static str = "share_operations";
    const SUMMARY: &'static str = "computes once what is computed twice";
    const MEANING: Meaning = Meaning::Exact;

    fn run(&self, model: &mut Model, _: &planish_core::NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        Ok(Changed(model.graphs_mut().map(|(_, graph)| share(graph, cx)).sum()))
    }
}

fn share(graph: &mut Graph, cx: &mut Context<'_>) -> usize {
    let mut first: BTreeMap<(&'static str, Vec<Option<planish_core::Value>>, String), Vec<OpId>> = BTreeMap::new();
    let mut changed = 0;
    for id in graph.order() {
        let op = graph.op(id);
        if !op.kind().is_pure()
            || graph.results_of(id).iter().any(|&v| graph.is_state(v))
            || graph.results_of(id).iter().all(|&v| graph.uses(v).is_empty())
        {
            continue;
        }
        let operands: Operands = graph.operands(id);
        // Constants are told apart by where their bytes lie; small ones by what they are.
        let detail = match op {
            Op::Const(c) if c.value.elements() <= MOST_COMPARED => format!("{:?} {:?} {:?}", c.value.ty(), c.value.dims(), c.value.bytes()),
            Op::Const(c) => format!("{:?} {:?}", c.value.view_key(), c.value.quant()),
            _ => format!("{:?}", op.attrs()),
        };
        let alike = first.entry((op.name(), operands.to_vec(), detail)).or_default();
        let types = |id: OpId| graph.results_of(id).into_iter().map(|v| graph.ty(v).clone()).collect::<Vec<_>>();
        match alike.iter().find(|&&twin| types(twin) == types(id)) {
            Some(&twin) if cx.allow_change() => {
                for (old, new) in graph.results_of(id).into_iter().zip(graph.results_of(twin)) {
                    graph.replace(old, new);
                }
                changed += 1;
            }
            _ => alike.push(id),
        }
    }
    changed
}

inventory::submit! { PassEntry::of::<ShareOperations>() }
