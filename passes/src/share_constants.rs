//! Merges constants of a graph that hold the same data.

use std::collections::BTreeMap;

use planish_core::{Changed, Context, DType, Error, Graph, Meaning, Model, NoOptions, Op, Pass, PassEntry, Tensor, Value, inventory};

/// Lets all readers of equal constants read one of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShareConstants;

/// How many elements tell most different constants apart before all of them are compared.
const SAMPLES: usize = 16;

/// Some elements, spread over the data: equal for equal constants.
fn sample(tensor: &Tensor) -> Vec<u8> {
    let (Some(size), elements) = (tensor.dtype().size(), tensor.elements()) else {
        return Vec::new();
    };
    let mut out = vec![0; size * SAMPLES.min(elements)];
    let step = (elements / SAMPLES).max(1);
    for (i, cell) in out.chunks_exact_mut(size).enumerate() {
        tensor.gather_into(i * step, cell);
    }
    out
}

/// Pairs of a constant and an earlier one that holds the same.
fn duplicates(graph: &Graph) -> Vec<(Value, Value)> {
    let mut groups: BTreeMap<(DType, Vec<usize>, Vec<u8>), Vec<Value>> = BTreeMap::new();
    let mut pairs = Vec::new();
    for id in graph.ids() {
        let Op::Const(op) = graph.op(id) else { continue };
        let value = Value { op: id, port: 0 };
        if graph.uses(value).is_empty() {
            continue;
        }
        let tensor = &op.value;
        let group = groups.entry((tensor.dtype(), tensor.dims().to_vec(), sample(tensor))).or_default();
        match group.iter().find(|&&v| graph.constant(v) == Some(tensor)) {
            Some(&earlier) => pairs.push((value, earlier)),
            None => group.push(value),
        }
    }
    pairs
}

impl Pass for ShareConstants {
    type Options = NoOptions;
    const NAME: &'static str = "share_constants";
    const SUMMARY: &'static str = "merges constants that hold the same data";
    const MEANING: Meaning = Meaning::Exact;

    fn run(&self, model: &mut Model, _: &NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        for (_, graph) in model.graphs_mut() {
            for (later, earlier) in duplicates(graph) {
                if !cx.allow_change() {
                    return Ok(Changed(changed));
                }
                if graph.info(earlier).name.is_none() {
                    graph.info_mut(earlier).name = graph.info(later).name.clone();
                }
                graph.replace(later, earlier);
                changed += 1;
            }
        }
        Ok(Changed(changed))
    }
}

inventory::submit! { PassEntry::of::<ShareConstants>() }
