//! How many bytes a model's constants take.

use std::collections::BTreeMap;

use planish_core::{Model, Op};

/// The bytes that the constants of a model take in a file, those that share bytes counted once.
///
/// A constant that only a `quantize` reads counts as the integers that it becomes.
pub fn weight_bytes(model: &Model) -> usize {
    let mut views = BTreeMap::new();
    for (_, graph) in model.graphs() {
        for id in graph.ids() {
            let Op::Const(constant) = graph.op(id) else { continue };
            let tensor = &constant.value;
            for reader in graph.results_of(id).into_iter().flat_map(|value| graph.uses(value)) {
                let dtype = match graph.op(reader.op) {
                    Op::Quantize(_) => graph.results_of(reader.op).first().map_or(tensor.dtype(), |&v| graph.ty(v).dtype),
                    _ => tensor.dtype(),
                };
                let bytes = dtype.packed_len(tensor.elements()).unwrap_or_else(|| tensor.bytes().len());
                views.insert((tensor.view_key(), dtype), bytes);
            }
        }
    }
    views.values().sum()
}
