//! Puts `quantize → dequantize` behind every constant weight: int8 weights, float arithmetic, a quarter of the size.
//!
//! Symmetric, narrow range: with `a` the greatest magnitude of a channel, `scale = a / 127`, zero point 0 (Krishnamoorthi,
//! "Quantizing deep convolutional networks for efficient inference", 2018, section 2.2). Nothing is rounded yet: the
//! pair can still be cancelled, which gives the weight back exactly. A few weights become 16-bit floats behind a `dequantize` instead
//! (`economy.rs`), and are rounded at once.

use std::collections::BTreeMap;

use planish_core::attr::Rounding;
use planish_core::op::{Dequantize, Quantize};
use planish_core::{
    Changed, Choice, Context, DType, Error, Graph, GraphId, Meaning, Model, Op, OpId, OpRef, Pass, PassEntry, Quant, Tensor, Use, Value,
    ValueInfo, inventory,
};
use regex::RegexSet;

use crate::economy::Goal;
use crate::features::Features;
use crate::first_layers::first_layers;
use crate::fuse_lstm::fusible_cells;
use crate::quantize_options::{Balance, Granularity, Halves, QuantizeOptions};
use crate::scales::{Stored, Wanted, stored};
use crate::stored_size::stored_size;
use crate::target::{Target, Verdict};
use crate::weights::{Weight, all_or_none, names, reads_dequantized, weights};

/// Puts `quantize → dequantize` behind every constant weight: int8 weights, float arithmetic, a quarter of the size.
///
/// Nothing is rounded yet: the pair can still be cancelled, which gives the weight back exactly. With
/// [`Halves::WithDepthwise`] a few weights become 16-bit floats instead, which are rounded at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PostTrainingQuantize;

impl Pass for PostTrainingQuantize {
    type Options = QuantizeOptions;
    const NAME: &'static str = "post_training_quantize";
    const SUMMARY: &'static str = "stores the weights as 8-bit integers";
    const MEANING: Meaning = Meaning::Quantized;
    const OPTIONS: &'static [(&'static str, &'static str)] = &[
        (
            "balance",
            "never, with_depthwise or always: in which networks the rounding errors of a channel that reads features sum to nothing",
        ),
        (
            "granularity",
            "per_channel: a scale for each channel of a weight; per_tensor: one for the whole weight",
        ),
        (
            "halves",
            "never or with_depthwise: which networks have 16-bit floats, as far as there is room, where no kernel reads integers",
        ),
        ("min_elements", "weights of fewer elements stay float"),
        (
            "per_tensor_fan_in",
            "recurrent cells of fewer inputs and units together, and tables of shorter rows, have one scale for a weight",
        ),
        (
            "skip",
            "regular expressions: operations whose name, or whose weight's name, matches one stay float",
        ),
        Target::OPTION,
        (
            "times_smaller",
            "how many times smaller a network of at least 8 MiB is to become, at the cost of accuracy; 1 costs none",
        ),
    ];

    fn run(&self, model: &mut Model, options: &QuantizeOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let skip = RegexSet::new(&options.skip).map_err(|e| Error::Options(format!("option `skip`: {e}")))?;
        if options.times_smaller.is_nan() || options.times_smaller < 1.0 {
            return Err(Error::Options("option `times_smaller`: it is 1 or more".to_owned()));
        }
        let mut changed = 0;
        let mut cells = Cells::new();
        for cell in fusible_cells(model) {
            cells.extend(cell.products.iter().map(|&product| (product, (cell.least_gate, cell.fan_in))));
        }
        for (graph_id, graph) in model.graphs_mut() {
            let halves = unpack_halves(graph, options.target);
            let cell = |id: OpId| cells.get(&(graph_id, id)).copied();
            let plan = plan(graph, &cell, options, &skip, cx);
            let count = plan.values().map(|planned| planned.place + 1).max().unwrap_or(0);
            let halves_will_do = options.halves == Halves::WithDepthwise && is_delicate(graph);
            let wanted: Vec<Wanted<'_>> = plan
                .iter()
                .map(|(&(value, axis), planned)| Wanted {
                    weight: graph.constant(value).expect("planned for constants"),
                    axis,
                    one_scale: planned.one_scale,
                    one_will_do: planned.readers.iter().all(|r| !per_channel_only(graph.op(r.op))),
                    halves_will_do: halves_will_do && planned.readers.iter().all(|&r| is_made_real(graph, r, options.target)),
                    still_to_come: (count - planned.place) as f64 / count as f64,
                    gate: planned.readers.iter().all(|r| is_gate(graph, r.op)),
                    rather_float: planned.rather_float.clone(),
                })
                .collect();
            let goal = Goal {
                float_size: stored_size(graph),
                times_smaller: options.times_smaller,
            };
            let stored = stored(wanted, &goal);
            let features = match is_balanced(graph, options.balance) {
                true => Features::of(graph),
                false => Features::default(),
            };
            changed += perform(graph, plan, stored, &features, cx);
            pack_halves(graph, halves);
        }
        Ok(Changed(changed))
    }
}

/// Makes real the f16 weights behind a `dequantize`, as half-precision files hold them. Returns what the real ones stand for.
///
/// What the target rather has float stays halves.
fn unpack_halves(graph: &mut Graph, target: Target) -> BTreeMap<Value, Value> {
    let mut real: BTreeMap<Value, Value> = BTreeMap::new();
    for id in graph.order() {
        let op = graph.at(id);
        let quantized = |weight: Weight| !matches!(target.quantized(op, weight), Verdict::Float(_));
        let operands = if weights(op).into_iter().any(quantized) {
            op.operands().len()
        } else {
            0
        };
        // Also a bias: kernels for int8 weights take no other than f32.
        for operand in 0..operands {
            let Some(half) = graph.operand(id, operand) else { continue };
            let producer = graph.at(half.op);
            let stored = producer.operand(0).and_then(|v| v.constant());
            let Some(stored) = stored.filter(|t| t.dtype() == DType::F16 && matches!(producer.op(), Op::Dequantize(_))) else {
                continue;
            };
            let elements = stored.to_floats().into_iter().flatten().map(|x| x as f32).collect();
            let elements = Tensor::from_vec(stored.dims(), elements);
            let name = graph
                .info(half)
                .name
                .clone()
                .or_else(|| producer.operand(0).and_then(|v| v.info().name.clone()));
            let constant = *real.entry(half).or_insert_with(|| {
                let constant = graph.add_const(elements);
                graph.info_mut(constant).name = name;
                constant
            });
            graph.set_operand(id, operand, Some(constant));
        }
    }
    real.into_iter().map(|(half, constant)| (constant, half)).collect()
}

/// Gives back as halves what no operation with a quantized weight reads.
fn pack_halves(graph: &mut Graph, halves: BTreeMap<Value, Value>) {
    for (constant, half) in halves {
        let uses = graph.uses(constant).into_iter();
        let quantized = |id: OpId| {
            let op = graph.at(id);
            matches!(op.op(), Op::Quantize(_)) || weights(op).into_iter().any(|weight| reads_dequantized(op, weight))
        };
        let uses: Vec<Use> = uses.filter(|u| !quantized(u.op)).collect();
        graph.replace_uses(&uses, half);
    }
}

/// The weights to quantize: each constant once for each axis that its readers need.
type Plan = BTreeMap<(Value, Option<usize>), Planned>;

struct Planned {
    /// How many weights are read before.
    place: usize,
    /// Up to which ratio of the greatest channel's range to the middle one's one scale is rather had than many.
    one_scale: f64,
    readers: Vec<Use>,
    /// Why it stays float unless the network would not become small enough.
    rather_float: Option<String>,
}

/// The products of recurrent cells, with the weights of the cell's smallest gate and its inputs and units together.
type Cells = BTreeMap<(GraphId, OpId), (usize, usize)>;

fn plan(
    graph: &Graph,
    cell: &dyn Fn(OpId) -> Option<(usize, usize)>,
    options: &QuantizeOptions,
    skip: &RegexSet,
    cx: &mut Context<'_>,
) -> Plan {
    let mut plan = Plan::new();
    let first_layers = first_layers(graph);
    let mut kept = BTreeMap::new();
    for id in graph.order() {
        let op = graph.at(id);
        let wanted: Vec<(Weight, Value)> = weights(op)
            .into_iter()
            .filter_map(|w| op.operand(w.operand).map(|v| (w, v)))
            .filter(|(_, v)| v.constant().is_some_and(|t| t.dtype() == DType::F32))
            .map(|(w, v)| (w, v.id()))
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let small_gates = cell(id).filter(|(elements, _)| *elements < options.min_elements).map(|(elements, _)| {
            let least = options.min_elements;
            format!("a gate of its cell has {elements} weights, fewer than {least}, and a cell's state adds rounding errors up from step to step")
        });
        let skipped = wanted.iter().find_map(|&(_, v)| skipped(graph, id, v, skip));
        if let Some(reason) = &skipped {
            kept.extend(wanted.iter().map(|&(_, v)| (v, reason.clone())));
        }
        let small = wanted.iter().find_map(|&(_, v)| small(graph, v, options));
        let always_small = || {
            let first = || {
                small
                    .as_ref()
                    .filter(|_| first_layers.contains(&id))
                    .map(|reason| format!("{reason}, and it is a first layer"))
            };
            let in_cell = || small.clone().filter(|_| all_or_none(op.op()) || cell(id).is_some());
            in_cell().or_else(first)
        };
        let returned = || wanted.iter().find(|&&(_, v)| is_returned(graph, v));
        let returned = || returned().map(|_| "its weight is a result of the graph, too, which has to be real".to_owned());
        if let Some(reason) = skipped.or(small_gates).or_else(returned).or_else(always_small) {
            cx.decide(graph, id, Choice::Float, reason);
            continue;
        }
        for (weight, value) in wanted {
            let one_scale = one_scale(op, value, cell(id).map(|(_, fan_in)| fan_in), options);
            let axis = weight
                .axis
                .filter(|_| options.granularity == Granularity::PerChannel || per_channel_only(op.op()));
            let place = plan.len();
            let planned = plan.entry((value, axis)).or_insert_with(|| Planned {
                place,
                one_scale,
                readers: Vec::new(),
                rather_float: small.clone(),
            });
            planned.one_scale = planned.one_scale.min(one_scale);
            planned.readers.push(Use {
                op: id,
                operand: weight.operand,
            });
        }
    }
    keep_whole(graph, &plan, &mut kept);
    // Rounded for another reader, a weight would be rounded for all.
    plan.retain(|(value, _), planned| {
        let reason = kept.get(value).map(|reason| format!("it shares its weight, for which {reason}"));
        if let Some(reason) = &reason {
            planned
                .readers
                .iter()
                .for_each(|r| cx.decide(graph, r.op, Choice::Float, reason.clone()));
        }
        reason.is_none()
    });
    plan
}

/// Some operations take integers for all of their weights or none: where one weight stays as it is, all do.
fn keep_whole(graph: &Graph, plan: &Plan, kept: &mut BTreeMap<Value, String>) {
    loop {
        let shared = plan.iter().filter(|((value, _), _)| kept.contains_key(value));
        let whole = shared.flat_map(|((value, _), planned)| planned.readers.iter().map(|r| (r.op, kept[value].clone())));
        let whole: BTreeMap<OpId, String> = whole.filter(|(id, _)| all_or_none(graph.op(*id))).collect();
        let others = plan.iter().filter(|((value, _), _)| !kept.contains_key(value));
        let reason = |planned: &Planned| planned.readers.iter().find_map(|r| whole.get(&r.op)).cloned();
        let more: Vec<(Value, String)> = others
            .filter_map(|((value, _), planned)| Some((*value, reason(planned)?)))
            .collect();
        if more.is_empty() {
            return;
        }
        kept.extend(more);
    }
}

/// Up to which ratio of the greatest row's range to the middle one's one scale serves all rows of a weight that has short ones;
/// none where rows are long.
fn one_scale(op: OpRef<'_>, weight: Value, fan_in: Option<usize>, options: &QuantizeOptions) -> f64 {
    let (row, ratio) = match op.op() {
        Op::Gather(_) | Op::EmbeddingLookup(_) => {
            let dims = op.graph().ty(weight).shape.known().unwrap_or_default();
            (dims.iter().skip(1).product(), LIKE_ROWS)
        }
        _ => (fan_in.unwrap_or(usize::MAX), LIKE_GATES),
    };
    if row < options.per_tensor_fan_in { ratio } else { 0.0 }
}

/// Gates of a cell whose ranges are alike: one scale leaves each 5 of 7 bits. A state adds their errors up from step to step.
const LIKE_GATES: f64 = 4.0;

/// Rows of a table whose ranges are alike: one scale leaves each 3 of 7 bits.
const LIKE_ROWS: f64 = 16.0;

/// Whether a target makes a weight real before an operation reads it, rather than that a kernel reads integers.
fn is_made_real(graph: &Graph, reader: Use, target: Target) -> bool {
    let op = graph.at(reader.op);
    let weight = weights(op).into_iter().find(|w| w.operand == reader.operand);
    weight.is_some_and(|weight| matches!(target.quantized(op, weight), Verdict::WeightOnly(_)))
}

/// Whether weights that meet features are rounded in balance.
fn is_balanced(graph: &Graph, balance: Balance) -> bool {
    match balance {
        Balance::Never => false,
        Balance::WithDepthwise => is_delicate(graph),
        Balance::Always => true,
    }
}

/// Whether a network has depthwise convolutions: quantization costs such networks most, since their layers have few weights to even
/// errors out.
fn is_delicate(graph: &Graph) -> bool {
    graph.ids().into_iter().any(|id| matches!(graph.op(id), Op::DepthwiseConv2d(_)))
}

/// Kernels that index scales by channel and cannot take a single one.
fn per_channel_only(op: &Op) -> bool {
    matches!(op, Op::DepthwiseConv2d(_) | Op::TransposeConv(_))
}

/// Whether results of an operation go nowhere but into a logistic.
fn is_gate(graph: &Graph, id: OpId) -> bool {
    let user = graph.at(id).result(0).only_user();
    user.is_some_and(|user| matches!(user.op(), Op::Logistic(_)))
}

fn is_returned(graph: &Graph, value: Value) -> bool {
    graph.uses(value).iter().any(|reader| reader.op == graph.return_op())
}

/// Why an operation stays float whatever its weight is like.
fn skipped(graph: &Graph, op: OpId, weight: Value, skip: &RegexSet) -> Option<String> {
    let name = names(graph, op, weight).into_iter().find(|name| skip.is_match(name))?;
    Some(format!("`{name}` matches an expression to skip"))
}

/// Why it does not pay to round a weight.
fn small(graph: &Graph, weight: Value, options: &QuantizeOptions) -> Option<String> {
    let elements = graph.constant(weight).map_or(0, Tensor::elements);
    let least = options.min_elements;
    (elements < least).then(|| format!("its weight has {elements} elements, fewer than the {least} from which on quantization pays"))
}

fn perform(graph: &mut Graph, plan: Plan, stored: Vec<Result<Stored, String>>, features: &Features, cx: &mut Context<'_>) -> usize {
    let mut changed = 0;
    let mut first_pair: BTreeMap<Value, Value> = BTreeMap::new();
    for (((weight, _), Planned { readers, .. }), stored) in plan.into_iter().zip(stored) {
        let stored = match stored {
            Ok(stored) => stored,
            Err(reason) => {
                readers.iter().for_each(|r| cx.decide(graph, r.op, Choice::Float, reason.clone()));
                continue;
            }
        };
        if !cx.allow_change() {
            break;
        }
        let (stored, because) = match stored {
            Stored::Integers(quant) => {
                let rounding = match quant.is_symmetric_per_axis() && readers.iter().all(|r| features.are_read_by(graph, r.op)) {
                    true => Rounding::Balanced,
                    false => Rounding::Nearest,
                };
                (
                    quantize(graph, weight, quant, rounding),
                    "its weight is stored as int8 and dequantized",
                )
            }
            Stored::Halves => (
                halve(graph, weight),
                "its few weights are stored as 16-bit floats and made real when the model is loaded",
            ),
        };
        let float = graph.ty(weight).clone();
        let dequantized = graph.add_typed(Dequantize {}, &[stored], float);
        for reader in &readers {
            cx.decide(graph, reader.op, Choice::WeightOnly, because);
        }
        graph.replace_uses(&readers, dequantized);
        first_pair.entry(weight).or_insert(dequantized);
        changed += 1;
    }
    // What else reads the weight reads the integers' reals too: otherwise the float copy would stay in the file.
    for (weight, dequantized) in first_pair {
        let others: Vec<Use> = graph
            .uses(weight)
            .into_iter()
            .filter(|u| !matches!(graph.op(u.op), Op::Quantize(_)))
            .collect();
        graph.replace_uses(&others, dequantized);
    }
    changed
}

/// The integers of a weight, which are computed when they are written.
fn quantize(graph: &mut Graph, weight: Value, quant: Quant, rounding: Rounding) -> Value {
    let info = graph.info(weight);
    let integers = ValueInfo {
        ty: info.ty.with_dtype(DType::I8).with_quant(Some(quant)),
        name: info.name.clone(),
        range: None,
    };
    Value {
        op: graph.add_declared(Quantize { rounding }, &[Some(weight)], vec![integers]),
        port: 0,
    }
}

/// A weight as 16-bit floats.
fn halve(graph: &mut Graph, weight: Value) -> Value {
    let name = graph.info(weight).name.clone();
    let real = graph.constant(weight).expect("planned for constants");
    let halves: Vec<half::f16> = real.to_vec::<f32>().into_iter().map(half::f16::from_f32).collect();
    let halves = Tensor::from_vec(real.dims(), halves);
    let constant = graph.add_const(halves);
    graph.info_mut(constant).name = name;
    constant
}

inventory::submit! { PassEntry::of::<PostTrainingQuantize>() }
