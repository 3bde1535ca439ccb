//! An `einsum` of one or two operands becomes transposes, reshapes and one product.
//!
//! Labels fall into four groups: in both operands and the result (batch), in both but not the result (summed), in the
//! left one and the result, in the right one and the result; what one operand alone has is summed first. With the operands
//! brought to `[batch, left, summed]` and `[batch, summed, right]` the rest is a matrix product.

use planish_core::op::{BatchMatmul, FullyConnected, ReduceProd, Reshape, Sum, Transpose};
use planish_core::{DType, Dim, Graph, Meaning, Op, OpRef, PassEntry, Rule, Shape, Skip, Value, inventory};

use crate::dimensions::{Extent, dimensions};

/// Writes an `einsum` of one or two operands as transposes, reshapes and one product.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LowerEinsum;

/// The operands with a label for each dimension, and the labels of the result.
pub struct Match {
    operands: Vec<(Value, Vec<char>)>,
    result: Vec<char>,
    shape: Shape,
}

impl Rule for LowerEinsum {
    const NAME: &'static str = "lower_einsum";
    const SUMMARY: &'static str = "writes einsum with transposes, reshapes and one matrix product";
    const MEANING: Meaning = Meaning::Ulps;
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let Op::Einsum(einsum) = op.op() else { return Err(Skip::No) };
        let equation: String = einsum.equation.chars().filter(|c| !c.is_whitespace()).collect();
        let unclear = || {
            Skip::because(format!(
                "`{equation}` is no einsum of one or two operands with ranks that are known"
            ))
        };
        let (left, result) = equation.split_once("->").ok_or_else(unclear)?;
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != op.operands().len() || terms.is_empty() || terms.len() > 2 {
            return Err(unclear());
        }
        let mut operands = Vec::new();
        let mut most_hidden = 0;
        for (i, term) in terms.iter().enumerate() {
            let value = op.operand(i).ok_or(Skip::No)?;
            let rank = value.ty().shape.rank().ok_or_else(unclear)?;
            let labels = expand(term, rank, &mut most_hidden).ok_or_else(unclear)?;
            if repeats(&labels) {
                return Err(Skip::because(format!("`{equation}` repeats a label within an operand")));
            }
            operands.push((value.id(), labels));
        }
        let result = expand(
            result,
            result.chars().filter(|c| *c != '.').count() + if result.contains("...") { most_hidden } else { 0 },
            &mut most_hidden,
        )
        .ok_or_else(unclear)?;
        if repeats(&result) {
            return Err(Skip::because(format!("`{equation}` repeats a label within the result")));
        }
        Ok(Match {
            operands,
            result,
            shape: op.result(0).ty().shape.clone(),
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let Match {
            mut operands,
            result,
            shape,
        } = found;
        for i in 0..operands.len() {
            let (before, after) = operands.split_at(i + 1);
            let others = before[..i].iter().chain(after);
            let others: Vec<char> = others.flat_map(|(_, labels)| labels.iter().copied()).collect();
            operands[i] = summed(graph, &operands[i], &[others, result.clone()].concat());
        }
        let Some((right, right_labels)) = operands.get(1).cloned() else {
            let value = transposed(graph, operands[0].0, &operands[0].1, &result);
            return vec![value];
        };
        let (left, left_labels) = operands[0].clone();
        let group = |keep: &dyn Fn(&char) -> bool, of: &[char]| -> Vec<char> { of.iter().copied().filter(keep).collect() };
        let batch = group(&|l| right_labels.contains(l) && result.contains(l), &left_labels);
        let summed = group(&|l| right_labels.contains(l) && !result.contains(l), &left_labels);
        let rows = group(&|l| !right_labels.contains(l), &left_labels);
        let columns = group(&|l| !left_labels.contains(l), &right_labels);
        let (left_term, right_term) = ((left, &left_labels[..]), (right, &right_labels[..]));
        let left_extents = Extents::of(graph, left_term, right_term);
        let right_extents = Extents::of(graph, right_term, left_term);
        let constant = graph.constant(right).is_some_and(|t| t.dtype() == DType::F32);
        let known = |labels: &[char]| right_extents.merged(labels).is_some();

        if batch.is_empty() && constant && known(&summed) && known(&columns) {
            let x = transposed(graph, left, &left_labels, &[rows.clone(), summed.clone()].concat());
            let mut dims = left_extents.each(&rows);
            dims.push(right_extents.group(graph, &summed));
            let x = reshaped(graph, x, &dims);
            let w = transposed(graph, right, &right_labels, &[columns.clone(), summed.clone()].concat());
            let dims = [right_extents.group(graph, &columns), right_extents.group(graph, &summed)];
            let w = reshaped(graph, w, &dims);
            let product = FullyConnected {
                activation: planish_core::attr::Activation::None,
                keep_num_dims: true,
                asymmetric_quantize_inputs: false,
                weights_format: planish_core::attr::WeightsFormat::Plain,
            };
            let y = graph.add_with_empty(product, &[Some(x), Some(w), None]);
            let dims = [left_extents.each(&rows), right_extents.each(&columns)].concat();
            let y = reshaped(graph, y, &dims);
            return vec![finish(graph, y, &[rows, columns].concat(), &result, shape)];
        }

        let matrix = |graph: &mut Graph, value, labels: &[char], extents: &Extents, first: &[char], second: &[char]| {
            let value = transposed(graph, value, labels, &[batch.clone(), first.to_vec(), second.to_vec()].concat());
            let mut dims = extents.each(&batch);
            dims.extend([extents.group(graph, first), extents.group(graph, second)]);
            reshaped(graph, value, &dims)
        };
        let x = matrix(graph, left, &left_labels, &left_extents, &rows, &summed);
        // The right operand as it lies where that spares a transpose.
        let as_it_lies = right_labels == [batch.clone(), columns.clone(), summed.clone()].concat();
        let (first, second) = if as_it_lies { (&columns, &summed) } else { (&summed, &columns) };
        let y = matrix(graph, right, &right_labels, &right_extents, first, second);
        let product = graph.add(
            BatchMatmul {
                adj_x: false,
                adj_y: as_it_lies,
                asymmetric_quantize_inputs: false,
            },
            &[x, y],
        );
        // The product has the batch's extents as they are, broadcast.
        let own = (0..).zip(&batch).map(|(axis, _)| match graph.ty(product).shape.dim(axis) {
            Dim::Known(n) => Extent::Known(n),
            _ => Extent::Of(product, axis),
        });
        let mut dims: Vec<Extent> = own.collect();
        dims.extend(left_extents.each(&rows));
        dims.extend(right_extents.each(&columns));
        let value = reshaped(graph, product, &dims);
        vec![finish(graph, value, &[batch, rows, columns].concat(), &result, shape)]
    }
}

fn repeats(labels: &[char]) -> bool {
    (1..labels.len()).any(|at| labels[..at].contains(&labels[at]))
}

/// The extents of an operand by their labels.
struct Extents(Vec<(char, Extent)>);

impl Extents {
    fn of(graph: &Graph, (value, labels): (Value, &[char]), (other, other_labels): (Value, &[char])) -> Extents {
        let extent = |(axis, &label): (usize, &char)| {
            let dim = graph.ty(value).shape.dim(axis);
            // A label has one extent; only what an ellipsis stands for may be broadcast.
            let there = other_labels.iter().position(|l| *l == label && l.is_alphabetic());
            let dim = there.map_or(dim, |axis| dim.meet(graph.ty(other).shape.dim(axis)));
            let extent = dim.known().map_or(Extent::Of(value, axis), Extent::Known);
            (label, extent)
        };
        Extents(labels.iter().enumerate().map(extent).collect())
    }

    fn each(&self, labels: &[char]) -> Vec<Extent> {
        let of = |label: &char| self.0.iter().find(|(l, _)| l == label).expect("it is the operand's").1;
        labels.iter().map(of).collect()
    }

    /// The product of extents that are known.
    fn merged(&self, labels: &[char]) -> Option<usize> {
        self.each(labels)
            .into_iter()
            .try_fold(1usize, |n, extent| n.checked_mul(extent.dim().known()?))
    }

    /// The product of extents.
    fn group(&self, graph: &mut Graph, labels: &[char]) -> Extent {
        if let Some(known) = self.merged(labels) {
            return Extent::Known(known);
        }
        let each = self.each(labels);
        if let [only] = each[..] {
            return only;
        }
        let all = dimensions(graph, &each);
        let axes = graph.add_ints(&[0]);
        Extent::Scalar(graph.add(ReduceProd { keep_dims: false }, &[all, axes]))
    }
}

/// An operand without the labels that nothing else has: their dimensions are added up.
fn summed(graph: &mut Graph, (value, labels): &(Value, Vec<char>), kept: &[char]) -> (Value, Vec<char>) {
    let axes: Vec<i32> = (0i32..)
        .zip(labels)
        .filter(|(_, label)| !kept.contains(label))
        .map(|(axis, _)| axis)
        .collect();
    if axes.is_empty() {
        return (*value, labels.clone());
    }
    let axes = graph.add_ints(&axes);
    let sum = graph.add(Sum { keep_dims: false }, &[*value, axes]);
    (sum, labels.iter().copied().filter(|label| kept.contains(label)).collect())
}

fn finish(graph: &mut Graph, value: Value, labels: &[char], result: &[char], shape: Shape) -> Value {
    let value = transposed(graph, value, labels, result);
    if let Some(shape) = graph.ty(value).shape.meet(&shape) {
        graph.info_mut(value).ty.shape = shape;
    }
    value
}

/// One label a dimension; dimensions behind an ellipsis get labels that no equation has.
fn expand(term: &str, rank: usize, most_hidden: &mut usize) -> Option<Vec<char>> {
    let hidden_label = |i: usize| char::from_u32(0xE000 + i as u32);
    let Some((before, after)) = term.split_once("...") else {
        let labels: Vec<char> = term.chars().collect();
        return (labels.len() == rank && labels.iter().all(|c| c.is_alphabetic())).then_some(labels);
    };
    let hidden = rank.checked_sub(before.chars().count() + after.chars().count())?;
    *most_hidden = (*most_hidden).max(hidden);
    let mut labels: Vec<char> = before.chars().collect();
    // Hidden dimensions are matched from the right, as broadcasting does.
    labels.extend((0..hidden).rev().map(hidden_label).collect::<Option<Vec<char>>>()?);
    labels.extend(after.chars());
    Some(labels)
}

fn transposed(graph: &mut Graph, value: Value, from: &[char], to: &[char]) -> Value {
    if from == to {
        return value;
    }
    let permutation: Vec<i32> = to
        .iter()
        .map(|l| from.iter().position(|f| f == l).expect("the same labels") as i32)
        .collect();
    let permutation = graph.add_ints(&permutation);
    graph.add(Transpose {}, &[value, permutation])
}

fn reshaped(graph: &mut Graph, value: Value, extents: &[Extent]) -> Value {
    let dims = Shape::new(extents.iter().map(|extent| extent.dim()));
    if graph.ty(value).shape == dims {
        return value;
    }
    let known = |extent: &Extent| extent.dim().known();
    let shape = if extents.iter().filter(|extent| known(extent).is_none()).count() <= 1 {
        graph.add_ints(
            &extents
                .iter()
                .map(|extent| known(extent).map_or(-1, |n| n as i32))
                .collect::<Vec<_>>(),
        )
    } else {
        dimensions(graph, extents)
    };
    let result = graph.add(Reshape {}, &[value, shape]);
    if let Some(shape) = graph.ty(result).shape.meet(&dims) {
        graph.info_mut(result).ty.shape = shape;
    }
    result
}

inventory::submit! { PassEntry::of::<LowerEinsum>() }
