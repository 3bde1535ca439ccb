//! An `einsum` of one or two operands becomes transposes, reshapes and one product.
//!
//! Labels fall into four groups: in both operands and the result (batch), in both but not the result (summed), in the
//! left one and the result, in the right one and the result; what one operand alone has is summed first. With the operands
//! brought to `[batch, left, summed]` and `[batch, summed, right]` the rest is a matrix product.

use planish_core::op::{BatchMatmul, FullyConnected, Reshape, Sum, Transpose};
use planish_core::{DType, Dim, Graph, Meaning, Op, OpRef, PassEntry, Rule, Shape, Skip, Value, inventory};

/// Writes an `einsum` of one or two operands as transposes, reshapes and one product.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LowerEinsum;

/// The operands with a label for each dimension, and the labels of the result.
pub struct Match {
    operands: Vec<(Value, Vec<char>)>,
    result: Vec<char>,
    extents: Vec<(char, Dim)>,
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
        let mut extents: Vec<(char, Dim)> = Vec::new();
        let mut most_hidden = 0;
        for (i, term) in terms.iter().enumerate() {
            let value = op.operand(i).ok_or(Skip::No)?;
            let rank = value.ty().shape.rank().ok_or_else(unclear)?;
            let labels = expand(term, rank, &mut most_hidden).ok_or_else(unclear)?;
            for (axis, &label) in labels.iter().enumerate() {
                let dim = value.ty().shape.dim(axis);
                match extents.iter_mut().find(|(l, _)| *l == label) {
                    Some((_, known)) => *known = known.meet(dim),
                    None => extents.push((label, dim)),
                }
            }
            if (1..labels.len()).any(|a| labels[..a].contains(&labels[a])) {
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
        Ok(Match {
            operands,
            result,
            extents,
            shape: op.result(0).ty().shape.clone(),
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let Match {
            mut operands,
            result,
            extents,
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
        let extent = |l: &char| extents.iter().find(|(label, _)| label == l).map_or(Dim::Unknown, |(_, d)| *d);
        let merged = |labels: &[char]| {
            labels
                .iter()
                .map(extent)
                .try_fold(1, |n, d| Some(n * d.known()?))
                .map_or(Dim::Unknown, Dim::Known)
        };
        let constant = graph.constant(right).is_some_and(|t| t.dtype() == DType::F32);

        if batch.is_empty() && constant && merged(&summed) != Dim::Unknown && merged(&columns) != Dim::Unknown {
            let x = transposed(graph, left, &left_labels, &[rows.clone(), summed.clone()].concat());
            let mut dims: Vec<Dim> = rows.iter().map(extent).collect();
            dims.push(merged(&summed));
            let x = reshaped(graph, x, &dims);
            let w = transposed(graph, right, &right_labels, &[columns.clone(), summed.clone()].concat());
            let w = reshaped(graph, w, &[merged(&columns), merged(&summed)]);
            let product = FullyConnected {
                activation: planish_core::attr::Activation::None,
                keep_num_dims: true,
                asymmetric_quantize_inputs: false,
                weights_format: planish_core::attr::WeightsFormat::Plain,
            };
            let y = graph.add_with_empty(product, &[Some(x), Some(w), None]);
            let labels = [rows, columns].concat();
            let y = reshaped(graph, y, &labels.iter().map(extent).collect::<Vec<_>>());
            return vec![finish(graph, y, &labels, &result, shape)];
        }

        let matrix = |graph: &mut Graph, value, labels: &[char], first: &[char], second: &[char]| {
            let value = transposed(graph, value, labels, &[batch.clone(), first.to_vec(), second.to_vec()].concat());
            let mut dims: Vec<Dim> = batch.iter().map(extent).collect();
            dims.extend([merged(first), merged(second)]);
            reshaped(graph, value, &dims)
        };
        let x = matrix(graph, left, &left_labels, &rows, &summed);
        // The right operand as it lies where that spares a transpose.
        let as_it_lies = right_labels == [batch.clone(), columns.clone(), summed.clone()].concat();
        let y = if as_it_lies {
            matrix(graph, right, &right_labels, &columns, &summed)
        } else {
            matrix(graph, right, &right_labels, &summed, &columns)
        };
        let product = graph.add(
            BatchMatmul {
                adj_x: false,
                adj_y: as_it_lies,
                asymmetric_quantize_inputs: false,
            },
            &[x, y],
        );
        let labels = [batch, rows, columns].concat();
        let value = reshaped(graph, product, &labels.iter().map(extent).collect::<Vec<_>>());
        vec![finish(graph, value, &labels, &result, shape)]
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

fn reshaped(graph: &mut Graph, value: Value, dims: &[Dim]) -> Value {
    let unknown = dims.iter().filter(|d| d.known().is_none()).count();
    if graph.ty(value).shape == Shape::new(dims.iter().copied()) {
        return value;
    }
    let shape = if unknown <= 1 {
        graph.add_ints(&dims.iter().map(|d| d.known().map_or(-1, |n| n as i32)).collect::<Vec<_>>())
    } else {
        // Leading unknown extents stay where they are: they are borrowed from the value itself.
        let extents: Vec<crate::dimensions::Extent> = dims
            .iter()
            .enumerate()
            .map(|(axis, d)| {
                d.known()
                    .map_or(crate::dimensions::Extent::Of(value, axis), crate::dimensions::Extent::Known)
            })
            .collect();
        crate::dimensions::dimensions(graph, &extents)
    };
    let result = graph.add(Reshape {}, &[value, shape]);
    if let Some(shape) = graph.ty(result).shape.meet(&Shape::new(dims.iter().copied())) {
        graph.info_mut(result).ty.shape = shape;
    }
    result
}

inventory::submit! { PassEntry::of::<LowerEinsum>() }
