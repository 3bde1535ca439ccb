//! Moves transposes behind the operations that do not mind them, where that makes some of them meet and vanish.
//!
//! A graph with images of the form NCHW reaches us as NHWC convolutions, each between two transposes. Moved behind
//! normalization, activation, sums and pads, the one after a convolution meets the one before the next. All transposes
//! of a graph are moved on a copy, which is kept where fewer are left.

use planish_core::op::{Const, Transpose};
use planish_core::{
    Changed, Context, Error, Graph, Meaning, Model, NoOptions, Op, OpId, OpKind, Pass, PassEntry, Tensor, Value, inventory,
};

use crate::matching::integers;
use crate::reshaping::permutation;

/// Moves transposes towards each other until they vanish.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SinkTransposes;

/// Operations are gone through at most this often.
const MOST_ROUNDS: usize = 64;

/// Operations that treat every element alike, whatever dimensions they have.
fn is_elementwise(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        Abs | Ceil
            | Cos
            | Elu
            | Exp
            | Floor
            | Gelu
            | HardSwish
            | LeakyRelu
            | Log
            | LogicalNot
            | Logistic
            | Neg
            | Relu
            | Relu6
            | Relu0To1
            | ReluN1To1
            | Round
            | Rsqrt
            | Sign
            | Sin
            | Sqrt
            | Square
            | Tanh
            | Cast
            | Add
            | Sub
            | Mul
            | Div
            | Pow
            | Maximum
            | Minimum
            | SquaredDifference
    )
}

/// The transpose that computes a value: what it reads, and its permutation.
fn transposed(graph: &Graph, value: Value) -> Option<(Value, Vec<usize>)> {
    let op = graph.at(value.op);
    match op.op() {
        Op::Transpose(_) if graph.ty(value).quant.is_none() => Some((op.operand(0)?.id(), permutation(op)?)),
        _ => None,
    }
}

fn inverse(axes: &[usize]) -> Vec<usize> {
    let mut back = vec![0; axes.len()];
    axes.iter().enumerate().for_each(|(i, &a)| back[a] = i);
    back
}

/// The constant whose transpose this one is, broadcast dimensions of 1 added in front.
fn before(constant: &Tensor, axes: &[usize]) -> Option<Tensor> {
    let missing = axes.len().checked_sub(constant.dims().len())?;
    let dims: Vec<usize> = std::iter::repeat_n(1, missing).chain(constant.dims().iter().copied()).collect();
    constant.reshaped(&dims)?.transposed(&inverse(axes))
}

/// What an operand is before transposing: the transpose's own operand, or a constant moved the other way.
enum Source {
    Value(Value),
    Constant(Tensor),
}

fn source(graph: &Graph, value: Value, axes: &[usize]) -> Option<Source> {
    if let Some((inner, own)) = transposed(graph, value) {
        return (own == axes).then_some(Source::Value(inner));
    }
    let constant = graph.constant(value)?;
    (constant.quant().is_none())
        .then(|| before(constant, axes))
        .flatten()
        .map(Source::Constant)
}

/// An operation to put in front of the transpose, and the permutation of its result that gives the old one.
struct Moved {
    op: Op,
    operands: Vec<Source>,
    axes: Vec<usize>,
}

fn moved(graph: &Graph, id: OpId) -> Option<Moved> {
    let op = graph.op(id).clone();
    let operands: Vec<Value> = graph.operands(id).into_iter().collect::<Option<_>>()?;
    let (first, axes) = operands.iter().find_map(|&v| transposed(graph, v))?;
    let all = |values: &[Value]| values.iter().map(|&v| source(graph, v, &axes)).collect::<Option<Vec<_>>>();
    let axis = |a: i64| {
        let a = usize::try_from(if a < 0 { a + axes.len() as i64 } else { a }).ok()?;
        axes.get(a).copied()
    };
    let vector = |values: Vec<usize>| {
        let values: Vec<i32> = values.into_iter().map(|v| v as i32).collect();
        Source::Constant(Tensor::from_vec(&[values.len()], values))
    };
    match op {
        ref op if is_elementwise(op.kind()) => Some(Moved {
            operands: all(&operands)?,
            op: op.clone(),
            axes,
        }),
        Op::Transpose(_) => None,
        Op::Concatenation(mut concat) => {
            let operands = all(&operands)?;
            concat.axis = axis(concat.axis.into())? as i32;
            Some(Moved {
                op: concat.into(),
                operands,
                axes,
            })
        }
        Op::Pad(_) | Op::PadV2(_) | Op::MirrorPad(_) => {
            transposed(graph, operands[0])?;
            let paddings = graph.constant(operands[1])?.clone();
            let rows: Vec<i64> = integers(graph.value(operands[1]))?;
            if rows.len() != 2 * axes.len() {
                return None;
            }
            let mut new = vec![0i32; rows.len()];
            for (i, &a) in axes.iter().enumerate() {
                new[2 * a] = i32::try_from(rows[2 * i]).ok()?;
                new[2 * a + 1] = i32::try_from(rows[2 * i + 1]).ok()?;
            }
            let mut sources = vec![Source::Value(first), Source::Constant(Tensor::from_vec(paddings.dims(), new))];
            sources.extend(operands[2..].iter().map(|&v| Source::Value(v)));
            Some(Moved {
                op,
                operands: sources,
                axes,
            })
        }
        Op::Mean(_) | Op::Sum(_) | Op::ReduceMax(_) | Op::ReduceMin(_) => {
            transposed(graph, operands[0])?;
            let keep = match &op {
                Op::Mean(op) => op.keep_dims,
                Op::Sum(op) => op.keep_dims,
                Op::ReduceMax(op) => op.keep_dims,
                Op::ReduceMin(op) => op.keep_dims,
                _ => return None,
            };
            let mut reduced: Vec<usize> = integers(graph.value(operands[1]))?.into_iter().map(axis).collect::<Option<_>>()?;
            let left: Vec<usize> = axes.iter().copied().filter(|a| keep || !reduced.contains(a)).collect();
            let mut sorted = left.clone();
            sorted.sort_unstable();
            let result = left.iter().map(|a| sorted.iter().position(|s| s == a)).collect::<Option<_>>()?;
            reduced.sort_unstable();
            Some(Moved {
                op,
                operands: vec![Source::Value(first), vector(reduced)],
                axes: result,
            })
        }
        _ => None,
    }
}

/// Gives a value that stands in for another the other's name, range and what is known of its shape.
fn stand_in(graph: &mut Graph, old: Value, new: Value) {
    let known = graph.info(old).clone();
    let computed = !matches!(graph.op(new.op), Op::Parameters(_) | Op::Const(Const { .. }));
    let info = graph.info_mut(new);
    if let Some(shape) = info.ty.shape.meet(&known.ty.shape) {
        info.ty.shape = shape;
    }
    if computed && info.name.is_none() {
        info.name = known.name;
    }
    info.range = info.range.or(known.range);
    graph.replace(old, new);
    graph.retire(old.op);
}

fn transpose(graph: &mut Graph, value: Value, axes: &[usize]) -> Value {
    if axes.is_sorted() {
        return value;
    }
    let axes = graph.add_ints(&axes.iter().map(|&a| a as i32).collect::<Vec<_>>());
    graph.add(Transpose {}, &[value, axes])
}

/// Moves the transposes before one operation behind it; says whether there were any.
fn sink(graph: &mut Graph, id: OpId) -> bool {
    let results = graph.results_of(id);
    let [old] = results[..] else { return false };
    if graph.uses(old).is_empty() || graph.ty(old).quant.is_some() {
        return false;
    }
    if let Some((middle, second)) = transposed(graph, old)
        && let Some((input, first)) = transposed(graph, middle)
        && first.len() == second.len()
    {
        let both: Vec<usize> = second.iter().map(|&a| first[a]).collect();
        let new = transpose(graph, input, &both);
        stand_in(graph, old, new);
        return true;
    }
    let Some(Moved { op, operands, axes }) = moved(graph, id) else {
        return false;
    };
    let operands: Vec<Option<Value>> = operands
        .into_iter()
        .map(|source| {
            Some(match source {
                Source::Value(value) => value,
                Source::Constant(tensor) => graph.add_const(tensor),
            })
        })
        .collect();
    let Ok(new) = graph.try_add(op, &operands) else { return false };
    let new = transpose(graph, Value { op: new, port: 0 }, &axes);
    stand_in(graph, old, new);
    true
}

/// How many transposes move values that are computed.
fn count(graph: &Graph) -> usize {
    let moves = |id: &OpId| matches!(graph.op(*id), Op::Transpose(_)) && graph.operand(*id, 0).is_some_and(|v| graph.constant(v).is_none());
    graph.ids().iter().filter(|id| moves(id) && graph.is_needed(**id)).count()
}

impl Pass for SinkTransposes {
    type Options = NoOptions;
    const NAME: &'static str = "sink_transposes";
    const SUMMARY: &'static str = "moves transposes behind other operations where that makes some of them vanish";
    const MEANING: Meaning = Meaning::Ulps;

    fn run(&self, model: &mut Model, _: &NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        for (_, graph) in model.graphs_mut() {
            let many = count(graph);
            if many < 2 {
                continue;
            }
            let mut copy = graph.clone();
            for _ in 0..MOST_ROUNDS {
                let order = copy.order();
                let sunk = order.into_iter().filter(|&id| sink(&mut copy, id)).count();
                if sunk == 0 {
                    break;
                }
            }
            let fewer = many.saturating_sub(count(&copy));
            if fewer > 0 && cx.allow_change() {
                *graph = copy;
                changed += fewer;
            }
        }
        Ok(Changed(changed))
    }
}

inventory::submit! { PassEntry::of::<SinkTransposes>() }
