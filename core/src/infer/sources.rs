//! Operations that exist only in sources: Einstein sums and TensorFlow's lists.

use crate::infer::dims::{broadcast, extent, moved};
use crate::infer::operands::Args;
use crate::infer::{InferError, MOST_DIMS, Types};
use crate::types::{DType, Dim, Shape, Type};

/// The labels of one term of an equation: before and behind the ellipsis, if there is one.
struct Term<'a> {
    before: &'a str,
    behind: Option<&'a str>,
}

impl<'a> Term<'a> {
    fn parse(text: &'a str) -> Result<Term<'a>, InferError> {
        let (before, behind) = match text.split_once("...") {
            Some((before, behind)) => (before, Some(behind)),
            None => (text, None),
        };
        let letters = |s: &str| s.chars().all(|c| c.is_ascii_alphabetic());
        if letters(before) && behind.is_none_or(letters) {
            Ok(Term { before, behind })
        } else {
            Err(InferError::Attribute(format!(
                "`{text}` is no term of letters and at most one ellipsis"
            )))
        }
    }

    fn labels(&self) -> impl Iterator<Item = char> + use<'a> {
        self.before.chars().chain(self.behind.unwrap_or("").chars())
    }
}

pub(super) fn einsum(args: &Args<'_, '_>, equation: &str) -> Types {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (equation.as_str(), None),
    };
    let terms = inputs.split(',').map(Term::parse).collect::<Result<Vec<_>, _>>()?;
    let all = args.all()?;
    if terms.len() != all.len() {
        return Err(InferError::Attribute(format!(
            "the equation has {} terms for {} operands",
            terms.len(),
            all.len()
        )));
    }
    let mut extents: std::collections::BTreeMap<char, Dim> = std::collections::BTreeMap::new();
    let mut times: std::collections::BTreeMap<char, usize> = std::collections::BTreeMap::new();
    let mut ellipsis = Shape::scalar();
    for (i, (term, ty)) in terms.iter().zip(&all).enumerate() {
        args.numbers(i)?;
        args.same_dtype(0, i)?;
        term.labels().for_each(|label| *times.entry(label).or_default() += 1);
        let (labelled, middle) = match ty.shape.dims() {
            None => (vec![Dim::Unknown; term.labels().count()], Shape::unranked()),
            Some(dims) => {
                let (before, behind) = (term.before.len(), term.behind.map_or(0, str::len));
                let fits = if term.behind.is_some() {
                    dims.len() >= before + behind
                } else {
                    dims.len() == before
                };
                if !fits {
                    return Err(args.unfit(
                        i,
                        format!("a dimension for each label of `{}{}`", term.before, term.behind.unwrap_or("")),
                    ));
                }
                let (head, rest) = dims.split_at(before);
                let (middle, tail) = rest.split_at(rest.len() - behind);
                (head.iter().chain(tail).copied().collect(), Shape::new(middle.iter().copied()))
            }
        };
        for (label, dim) in term.labels().zip(labelled) {
            let known = extents.entry(label).or_insert(Dim::Unknown);
            if !known.compatible(dim) {
                return Err(args.unfit(i, format!("{known} elements along `{label}`")));
            }
            *known = known.meet(dim);
        }
        if term.behind.is_some() {
            let unfit = || args.unfit(i, format!("dimensions that broadcast with {ellipsis}"));
            ellipsis = broadcast(&ellipsis, &middle).ok_or_else(unfit)?;
        }
    }
    let implicit = || {
        let once: String = times.iter().filter(|(_, n)| **n == 1).map(|(label, _)| *label).collect();
        let dots = if terms.iter().any(|t| t.behind.is_some()) { "..." } else { "" };
        format!("{dots}{once}")
    };
    let output = output.map_or_else(implicit, str::to_owned);
    let output = Term::parse(&output)?;
    let dim = |label: char| {
        let unknown = || InferError::Attribute(format!("the label `{label}` of the result is in no operand"));
        extents.get(&label).copied().ok_or_else(unknown)
    };
    let before = output.before.chars().map(dim).collect::<Result<Vec<_>, _>>()?;
    let behind = output.behind.unwrap_or("").chars().map(dim).collect::<Result<Vec<_>, _>>()?;
    let shape = match (output.behind, ellipsis.dims()) {
        (None, _) => Shape::new(before),
        (Some(_), Some(middle)) => Shape::new(before.into_iter().chain(middle.iter().copied()).chain(behind)),
        (Some(_), None) => Shape::unranked(),
    };
    Ok(vec![Type::new(all[0].dtype, shape)])
}

/// The type of a list.
fn list_type() -> Type {
    Type::new(DType::Variant, Shape::scalar())
}

/// Checks that operand 0 is a list.
fn is_list(args: &Args<'_, '_>) -> Result<(), InferError> {
    if args.ty(0)?.dtype == DType::Variant {
        Ok(())
    } else {
        Err(args.unfit(0, "a list"))
    }
}

/// An operation that gives a list.
pub(super) fn list(args: &Args<'_, '_>) -> Types {
    args.ty(0)?;
    Ok(vec![list_type()])
}

/// The shape of an element as operand `i` says it: a vector in which -1 is unknown, or -1 alone.
fn element_shape(args: &Args<'_, '_>, i: usize) -> Result<Shape, InferError> {
    args.integers(i)?;
    let shape = &args.ty(i)?.shape;
    match (shape.dims(), args.ints(i)) {
        (Some([_]), Some(ints)) => {
            let dims = ints.into_iter().map(|n| extent(n.filter(|&n| n != -1)));
            Ok(Shape::new(dims.collect::<Result<Vec<_>, _>>()?))
        }
        (Some([Dim::Known(rank)]), None) if *rank <= MOST_DIMS => Ok(Shape::of_rank(*rank)),
        _ => Ok(Shape::unranked()),
    }
}

/// A shape behind a first dimension.
fn stacked(first: Dim, rest: &Shape) -> Shape {
    rest.dims()
        .map_or_else(Shape::unranked, |dims| Shape::new([first].into_iter().chain(dims.iter().copied())))
}

pub(super) fn list_get_item(args: &Args<'_, '_>, dtype: DType) -> Types {
    is_list(args)?;
    args.int_scalar(1)?;
    Ok(vec![Type::new(dtype, element_shape(args, 2)?)])
}

pub(super) fn list_stack(args: &Args<'_, '_>, dtype: DType, num_elements: i64) -> Types {
    is_list(args)?;
    let first = extent(Some(num_elements).filter(|&n| n != -1))?;
    Ok(vec![Type::new(dtype, stacked(first, &element_shape(args, 1)?))])
}

pub(super) fn list_length(args: &Args<'_, '_>) -> Types {
    is_list(args)?;
    Ok(vec![Type::new(DType::I32, Shape::scalar())])
}

pub(super) fn list_pop_back(args: &Args<'_, '_>, dtype: DType) -> Types {
    is_list(args)?;
    Ok(vec![list_type(), Type::new(dtype, element_shape(args, 1)?)])
}

pub(super) fn list_concat(args: &Args<'_, '_>, dtype: DType) -> Types {
    is_list(args)?;
    let shape = match element_shape(args, 1)?.dims() {
        Some([_, rest @ ..]) => Shape::new([Dim::Unknown].into_iter().chain(rest.iter().copied())),
        _ => Shape::unranked(),
    };
    Ok(vec![Type::new(dtype, shape), Type::new(DType::I64, Shape::of_rank(1))])
}

pub(super) fn list_gather(args: &Args<'_, '_>, dtype: DType) -> Types {
    is_list(args)?;
    let count = args.int_vector(1)?;
    let shape = stacked(count, &element_shape(args, 2)?);
    Ok(vec![moved(&Type::new(dtype, shape.clone()), shape, |_| None)])
}

pub(super) fn list_element_shape(args: &Args<'_, '_>, dtype: DType) -> Types {
    is_list(args)?;
    Ok(vec![Type::new(dtype, Shape::unranked())])
}
