//! TensorFlow's `Einsum` of one or two operands.

use std::collections::BTreeMap;

use planish_core::op::Einsum;
use planish_core::{DType, Tensor};

use super::args::{Args, elements, invalid};
use super::number::{Number, numbers};
use super::shape::strides;
use crate::error::Error;

/// One dimension's name: a letter, or a dimension of the ellipsis counted from its end.
type Label = (char, usize);

fn labels(term: &str, rank: Option<usize>, ellipsis: usize) -> Result<Vec<Label>, Error> {
    let term: String = term.chars().filter(|c| !c.is_whitespace()).collect();
    let (before, behind) = term.split_once("...").map_or((&term[..], None), |(a, b)| (a, Some(b)));
    let letters = |s: &str| s.chars().map(|c| (c, 0)).collect::<Vec<Label>>();
    let mut out = letters(before);
    if let Some(behind) = behind {
        let named = before.chars().count() + behind.chars().count();
        let hidden = match rank {
            Some(rank) if rank >= named => rank - named,
            Some(rank) => return invalid(format!("term `{term}` names more than the {rank} dimensions of its operand")),
            None => ellipsis,
        };
        out.extend((0..hidden).rev().map(|i| ('.', i)));
        out.extend(letters(behind));
    }
    match out.iter().find(|l| !l.0.is_ascii_alphabetic() && l.0 != '.') {
        Some(l) => invalid(format!("`{}` names no dimension", l.0)),
        None => Ok(out),
    }
}

/// `einsum`.
pub(crate) fn einsum(op: &Einsum, args: &Args<'_>) -> Result<Tensor, Error> {
    let inputs = args.many()?;
    let Some((left, right)) = op.equation.split_once("->") else {
        return invalid(format!("equation `{}` says not what its result is", op.equation));
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != inputs.len() || inputs.len() > 2 {
        return invalid(format!("equation `{}` does not fit {} operands", op.equation, inputs.len()));
    }
    let mut extents: BTreeMap<Label, usize> = BTreeMap::new();
    let mut named = Vec::new();
    for (i, (term, input)) in terms.iter().zip(&inputs).enumerate() {
        let labels = labels(term, Some(input.dims().len()), 0)?;
        if labels.len() != input.dims().len() || input.dtype() != inputs[0].dtype() {
            return Err(args.bad(i, format!("is {}, which does not fit term `{term}`", input.ty())));
        }
        for (&label, &extent) in labels.iter().zip(input.dims()) {
            let known = extents.entry(label).or_insert(extent);
            if *known == 1 && label.0 == '.' {
                *known = extent;
            } else if *known != extent && !(extent == 1 && label.0 == '.') {
                return Err(args.bad(i, format!("has {extent} elements along `{}`, expected {known}", label.0)));
            }
        }
        named.push(labels);
    }
    let hidden = extents.keys().filter(|l| l.0 == '.').map(|l| l.1 + 1).max().unwrap_or(0);
    let out_labels = labels(right, None, hidden)?;
    if let Some(unknown) = out_labels.iter().find(|l| !extents.contains_key(l)) {
        return invalid(format!("`{}` of the result is in no operand", unknown.0));
    }
    let dims: Vec<usize> = out_labels.iter().map(|l| extents[l]).collect();
    let summed: Vec<Label> = extents.keys().copied().filter(|l| !out_labels.contains(l)).collect();
    let walked: Vec<Label> = out_labels.iter().chain(&summed).copied().collect();
    // A label that occurs twice in a term walks its diagonal.
    let steps: Vec<Vec<usize>> = named
        .iter()
        .zip(&inputs)
        .map(|(labels, input)| {
            let natural = strides(input.dims());
            let step = |label: &Label| {
                (0..labels.len())
                    .filter(|&a| labels[a] == *label && input.dims()[a] != 1)
                    .map(|a| natural[a])
                    .sum()
            };
            walked.iter().map(step).collect()
        })
        .collect();
    let inner: Vec<usize> = summed.iter().map(|l| extents[l]).collect();
    let (out_strides, inner_strides) = (strides(&dims), strides(&inner));
    let count = args.count(DType::I8, &inner)?;
    let place = |operand: usize, at: usize, from: &[usize], extents: &[usize], skip: usize| -> usize {
        (0..extents.len())
            .map(|a| at / from[a] % extents[a] * steps[operand][skip + a])
            .sum()
    };
    numbers!(
        inputs[0].dtype(),
        T => {
            let values: Vec<_> = inputs.iter().map(|t| elements::<T>(t)).collect();
            let mut out = args.alloc::<T>(&dims, T::ZERO)?;
            let offsets: Vec<Vec<usize>> = (0..inputs.len())
                .map(|operand| (0..count).map(|k| place(operand, k, &inner_strides, &inner, dims.len())).collect())
                .collect();
            for (at, out) in out.iter_mut().enumerate() {
                let first = place(0, at, &out_strides, &dims, 0);
                let (x, x_offsets) = (&values[0], &offsets[0]);
                if let [_, y] = &values[..] {
                    let second = place(1, at, &out_strides, &dims, 0);
                    *out = x_offsets.iter().zip(&offsets[1]).fold(T::ZERO, |sum, (a, b)| sum.plus(x[first + a].times(y[second + b])));
                } else {
                    *out = x_offsets.iter().fold(T::ZERO, |sum, a| sum.plus(x[first + a]));
                }
            }
            Ok(Tensor::from_vec(&dims, out))
        },
        Err(args.element_type(inputs[0].dtype()))
    )
}
