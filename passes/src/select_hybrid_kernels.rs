//! Lets an operation read its int8 weight directly where the target has a hybrid kernel that is worth it.

use planish_core::op::{Dequantize, EmbeddingLookup, Reshape};
use planish_core::{Changed, Choice, Context, DType, Error, Graph, Meaning, Model, Op, OpId, Pass, PassEntry, Shape, Value, inventory};
use serde::{Deserialize, Serialize};

use crate::target::{Target, Verdict};
use crate::weights::{Weight, all_or_none, reads_dequantized, weights};

/// What configures [`SelectHybridKernels`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HybridOptions {
    /// Where the model will run.
    pub target: Target,
}

/// Lets an operation read its int8 weight directly where the target has a hybrid kernel that is worth it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SelectHybridKernels;

impl Pass for SelectHybridKernels {
    type Options = HybridOptions;
    const NAME: &'static str = "select_hybrid_kernels";
    const SUMMARY: &'static str = "lets operations read int8 weights directly where the target has a fast kernel for that";
    const MEANING: Meaning = Meaning::Quantized;
    const OPTIONS: &'static [(&'static str, &'static str)] = &[Target::OPTION];

    fn run(&self, model: &mut Model, options: &HybridOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        for (_, graph) in model.graphs_mut() {
            for id in graph.order() {
                changed += usize::from(select(graph, id, options.target, cx));
            }
        }
        Ok(Changed(changed))
    }
}

fn select(graph: &mut Graph, id: OpId, target: Target, cx: &mut Context<'_>) -> bool {
    let op = graph.at(id);
    let all = weights(op);
    let dequantized: Vec<Weight> = all.iter().copied().filter(|&w| reads_dequantized(op, w)).collect();
    if dequantized.is_empty() || all_or_none(op.op()) && dequantized.len() < all.len() {
        return false;
    }
    if let Some(&weight) = dequantized.iter().find(|&&w| !is_symmetric_int8(graph, id, w)) {
        let operand = weight.operand;
        cx.skip(
            graph,
            id,
            format!("hybrid kernels read int8 with zero point 0 and scales by output, which its operand {operand} does not hold"),
        );
        return false;
    }
    let because = match target.quantized(op, dequantized[0]) {
        Verdict::Hybrid(because) => because,
        Verdict::WeightOnly(because) | Verdict::Float(because) => {
            cx.skip(graph, id, because);
            return false;
        }
    };
    if matches!(op.op(), Op::Gather(_)) {
        let has_one_scale = graph
            .ty(integers_behind(graph, id, dequantized[0]))
            .quant
            .as_ref()
            .is_some_and(|q| q.axis().is_none());
        if !has_one_scale && !fits_embedding_lookup(graph, id) {
            cx.skip(graph, id, "its indices have several unknown dimensions or are not i32");
            return false;
        }
        if !cx.allow_change() {
            return false;
        }
        let rows = if has_one_scale {
            gather_integers(graph, id)
        } else {
            look_up_rows(graph, id)
        };
        cx.decide(graph, rows, Choice::Hybrid, because);
        return true;
    }
    if !cx.allow_change() {
        return false;
    }
    for weight in dequantized {
        let integers = integers_behind(graph, id, weight);
        graph.set_operand(id, weight.operand, Some(integers));
    }
    quantize_inputs_asymmetrically(graph.op_mut(id));
    cx.decide(graph, id, Choice::Hybrid, because);
    true
}

/// The integers that the weight's `dequantize` reads.
fn integers_behind(graph: &Graph, id: OpId, weight: Weight) -> Value {
    let real = graph.operand(id, weight.operand).expect("the weight is there");
    graph.operand(real.op, 0).expect("dequantize has an operand")
}

/// Whether the integers are those that [`PostTrainingQuantize`](crate::PostTrainingQuantize) makes: files may hold others.
fn is_symmetric_int8(graph: &Graph, id: OpId, weight: Weight) -> bool {
    let ty = graph.ty(integers_behind(graph, id, weight));
    let quant = ty.quant.as_ref();
    ty.dtype == DType::I8 && quant.is_some_and(|q| q.is_symmetric() && (q.axis().is_none() || q.axis() == weight.axis))
}

fn quantize_inputs_asymmetrically(op: &mut Op) {
    match op {
        Op::FullyConnected(op) => op.asymmetric_quantize_inputs = true,
        Op::BatchMatmul(op) => op.asymmetric_quantize_inputs = true,
        Op::Lstm(op) => op.asymmetric_quantize_inputs = true,
        Op::UnidirectionalSequenceLstm(op) => op.asymmetric_quantize_inputs = true,
        Op::BidirectionalSequenceLstm(op) => op.asymmetric_quantize_inputs = true,
        Op::Rnn(op) => op.asymmetric_quantize_inputs = true,
        Op::UnidirectionalSequenceRnn(op) => op.asymmetric_quantize_inputs = true,
        Op::BidirectionalSequenceRnn(op) => op.asymmetric_quantize_inputs = true,
        Op::Svdf(op) => op.asymmetric_quantize_inputs = true,
        _ => {}
    }
}

/// Whether a gather of rows can be an embedding look-up: i32 indices that a reshape can flatten and unflatten.
fn fits_embedding_lookup(graph: &Graph, id: OpId) -> bool {
    let op = graph.at(id);
    let (Some(table), Some(indices)) = (op.operand(0), op.operand(1)) else {
        return false;
    };
    let Some(result) = op.result(0).ty().shape.dims().map(<[_]>::to_vec) else {
        return false;
    };
    indices.ty().dtype == DType::I32
        && table.ty().shape.rank() == Some(2)
        && result.iter().filter(|d| d.known().is_none()).count() <= 1
        && result.iter().all(|d| d.known() != Some(0))
}

/// A gather of integers that share one scale, and only what it finds made real. Returns the gather.
fn gather_integers(graph: &mut Graph, id: OpId) -> OpId {
    let result = Value { op: id, port: 0 };
    let uses = graph.uses(result);
    let (info, op) = (graph.info(result).clone(), graph.op(id).clone());
    let integers = integers_behind(graph, id, Weight { operand: 0, axis: Some(0) });
    let indices = graph.operand(id, 1).expect("a gather has indices");
    let found = graph.add(op, &[integers, indices]);
    graph.info_mut(found).name.clone_from(&info.name);
    let real = graph.add_typed(Dequantize {}, &[found], info.ty);
    graph.info_mut(real).name = info.name;
    graph.replace_uses(&uses, real);
    found.op
}

/// A look-up with one scale a row instead of a gather: ids flattened, rows unflattened. Returns the look-up.
fn look_up_rows(graph: &mut Graph, id: OpId) -> OpId {
    let result = Value { op: id, port: 0 };
    let uses = graph.uses(result);
    let ty = graph.ty(result).clone();
    let indices = graph.operand(id, 1).expect("a gather has indices");
    let integers = integers_behind(graph, id, Weight { operand: 0, axis: Some(0) });
    let mut rows = indices;
    let flat = graph.ty(indices).shape.rank() == Some(1);
    if !flat {
        let all = graph.add_ints(&[-1]);
        rows = graph.add(Reshape {}, &[indices, all]);
    }
    let look_up = graph.add(EmbeddingLookup {}, &[rows, integers]);
    let mut found = look_up;
    if !flat {
        let shape = graph.add_ints(&shape_of_rows(&ty.shape));
        let unflat = graph.add(Reshape {}, &[found, shape]);
        graph.info_mut(unflat).ty = ty;
        found = unflat;
    }
    let name = graph.info(result).name.clone();
    graph.info_mut(found).name = name;
    graph.replace_uses(&uses, found);
    look_up.op
}

/// What rows are reshaped to. The first extent is left to the reshape where it can be, so that an input can still be resized.
fn shape_of_rows(shape: &Shape) -> Vec<i32> {
    let dims = shape.dims().expect("checked to be ranked");
    let mut extents: Vec<i32> = dims.iter().map(|d| d.known().map_or(-1, |n| n as i32)).collect();
    if let Some((first, others)) = extents.split_first_mut()
        && others.iter().all(|&extent| extent > 0)
    {
        *first = -1;
    }
    extents
}

inventory::submit! { PassEntry::of::<SelectHybridKernels>() }
