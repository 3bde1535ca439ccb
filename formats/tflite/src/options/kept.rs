//! Operators without a row in the IR, kept as they are: their options as a flatbuffer of their own.
//!
//! The flatbuffer's root is an `Operator` with nothing but options. Indices of subgraphs in it count the graphs that the
//! operation lists, so that they stay right however graphs are numbered; `intermediates` says how many of the operation's
//! last results are the operator's intermediate tensors.

use flatbuffers::{FlatBufferBuilder, VerifierOptions};
use planish_core::model::GraphId;
use planish_core::op;

use crate::schema::{BuiltinOperator, BuiltinOptions2T as O2, BuiltinOptionsT as O, Operator, OperatorT};

/// The operation that keeps this operator; `None` where it refers to a subgraph that does not exist.
pub(crate) fn keep(
    code: BuiltinOperator,
    version: i32,
    mut options: OperatorT,
    graph: &dyn Fn(i32) -> Option<GraphId>,
) -> Option<op::Builtin> {
    let mut graphs = Vec::new();
    for index in subgraphs(&mut options) {
        if *index >= 0 {
            graphs.push(graph(*index)?);
            *index = i32::try_from(graphs.len() - 1).ok()?;
        }
    }
    let plain = OperatorT {
        intermediates: options
            .intermediates
            .filter(|list| !list.is_empty())
            .map(|list| vec![0; list.len()]),
        builtin_options: options.builtin_options,
        builtin_options_2: options.builtin_options_2,
        ..OperatorT::default()
    };
    let mut builder = FlatBufferBuilder::new();
    let root = plain.pack(&mut builder);
    builder.finish_minimal(root);
    Some(op::Builtin {
        code: code.0,
        version,
        options: planish_core::attr::Blob(builder.finished_data().to_vec()),
        graphs,
    })
}

/// The options that such an operation keeps, subgraphs numbered as in the file to write; `None` where they are damaged.
pub(crate) fn options(op: &op::Builtin, subgraph: &dyn Fn(GraphId) -> i32) -> Option<OperatorT> {
    if op.options.0.is_empty() {
        return Some(OperatorT::default());
    }
    let limits = VerifierOptions {
        max_apparent_size: op.options.0.len().saturating_mul(8),
        ..VerifierOptions::default()
    };
    let mut options = flatbuffers::root_with_opts::<Operator<'_>>(&limits, &op.options.0).ok()?.unpack();
    for index in subgraphs(&mut options) {
        if *index >= 0 {
            *index = subgraph(*op.graphs.get(*index as usize)?);
        }
    }
    Some(options)
}

/// Every index of a subgraph in these options.
fn subgraphs(options: &mut OperatorT) -> Vec<&mut i32> {
    let mut found: Vec<&mut i32> = Vec::new();
    match &mut options.builtin_options {
        O::IfOptions(o) => found.extend([&mut o.then_subgraph_index, &mut o.else_subgraph_index]),
        O::WhileOptions(o) => found.extend([&mut o.cond_subgraph_index, &mut o.body_subgraph_index]),
        O::CallOnceOptions(o) => found.push(&mut o.init_subgraph_index),
        _ => {}
    }
    match &mut options.builtin_options_2 {
        O2::StablehloReduceOptions(o) => found.push(&mut o.body_subgraph_index),
        O2::StablehloReduceWindowOptions(o) => found.push(&mut o.body_subgraph_index),
        O2::StablehloScatterOptions(o) => found.push(&mut o.update_computation_subgraph_index),
        O2::StablehloSortOptions(o) => found.push(&mut o.comparator_subgraph_index),
        O2::StablehloWhileOptions(o) => found.extend([&mut o.cond_subgraph_index, &mut o.body_subgraph_index]),
        O2::StableHLOCompositeOptions(o) => found.push(&mut o.decomposition_subgraph_index),
        O2::StablehloCaseOptions(o) => found.extend(o.branch_subgraph_indices.iter_mut().flatten()),
        O2::StablehloCustomCallOptions(o) => found.extend(o.called_computations.iter_mut().flatten()),
        _ => {}
    }
    found
}
