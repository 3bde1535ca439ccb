//! Arithmetic on dimensions and shapes, checked against overflow.

use crate::attr::Padding;
use crate::infer::{InferError, MOST_DIMS};
use crate::quant::Quant;
use crate::types::{Dim, Shape, Type};

/// An extent beyond what any memory holds.
fn too_large() -> InferError {
    InferError::Attribute("an extent of the result is too large".into())
}

/// The sum of two extents.
pub(super) fn add(a: Dim, b: Dim) -> Result<Dim, InferError> {
    match (a, b) {
        (Dim::Known(a), Dim::Known(b)) => Ok(Dim::Known(a.checked_add(b).ok_or_else(too_large)?)),
        _ => Ok(Dim::Unknown),
    }
}

/// The product of two extents; known where one of them is 0.
pub(super) fn mul(a: Dim, b: Dim) -> Result<Dim, InferError> {
    match (a, b) {
        (Dim::Known(0), _) | (_, Dim::Known(0)) => Ok(Dim::Known(0)),
        (Dim::Known(a), Dim::Known(b)) => Ok(Dim::Known(a.checked_mul(b).ok_or_else(too_large)?)),
        _ => Ok(Dim::Unknown),
    }
}

/// The product of all extents; known where one of them is 0.
pub(super) fn product(dims: &[Dim]) -> Result<Dim, InferError> {
    if dims.contains(&Dim::Known(0)) {
        return Ok(Dim::Known(0));
    }
    dims.iter().try_fold(Dim::Known(1), |n, &d| mul(n, d))
}

/// A part of an extent, which has to be a divisor of it.
pub(super) fn divide(dim: Dim, by: usize, what: &str) -> Result<Dim, InferError> {
    match dim {
        Dim::Known(n) if by == 0 || !n.is_multiple_of(by) => {
            Err(InferError::Attribute(format!("{what} of {n} cannot be divided into parts of {by}")))
        }
        Dim::Known(n) => Ok(Dim::Known(n / by)),
        Dim::Unknown => Ok(Dim::Unknown),
    }
}

/// The extent that an integer says; `None` stands for one that is not known.
pub(super) fn extent(n: Option<i64>) -> Result<Dim, InferError> {
    match n {
        None => Ok(Dim::Unknown),
        Some(n) => usize::try_from(n)
            .map(Dim::Known)
            .map_err(|_| InferError::Attribute(format!("{n} is no extent"))),
    }
}

/// The shape that integers say, of which not even the number may be known.
pub(super) fn shape_of(ints: Option<Vec<Option<i64>>>, len: Dim) -> Result<Shape, InferError> {
    match ints {
        Some(ints) => Ok(Shape::new(ints.into_iter().map(extent).collect::<Result<Vec<_>, _>>()?)),
        None => Ok(match len {
            Dim::Known(rank) if rank <= MOST_DIMS => Shape::of_rank(rank),
            _ => Shape::unranked(),
        }),
    }
}

/// An axis, counted from the end where it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, InferError> {
    let outside = || InferError::Attribute(format!("axis {axis} is outside a value of rank {rank}"));
    let from_start = if axis < 0 {
        axis.checked_add(rank as i64).ok_or_else(outside)?
    } else {
        axis
    };
    match usize::try_from(from_start) {
        Ok(axis) if axis < rank => Ok(axis),
        _ => Err(outside()),
    }
}

/// The shape that two shapes broadcast to, or `None` where they do not.
///
/// An unknown extent beside a known one other than 1 is either the same or 1, so that the known one is the result's.
pub(super) fn broadcast(a: &Shape, b: &Shape) -> Option<Shape> {
    let (Some(a), Some(b)) = (a.dims(), b.dims()) else {
        return Some(Shape::unranked());
    };
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let offset = long.len() - short.len();
    let mut out = long.to_vec();
    for (d, &s) in out[offset..].iter_mut().zip(short) {
        *d = match (*d, s) {
            (Dim::Known(1), other) | (other, Dim::Known(1)) => other,
            (a, b) if a.compatible(b) => a.meet(b),
            _ => return None,
        };
    }
    Some(Shape::new(out))
}

/// The number of positions of a window along one dimension.
///
/// SAME: `ceil(input / stride)`. VALID: `ceil((input - (filter - 1) × dilation) / stride)`.
pub(super) fn window(input: Dim, filter: Dim, stride: u32, dilation: u32, padding: Padding) -> Result<Dim, InferError> {
    if stride == 0 || dilation == 0 {
        return Err(InferError::Attribute("strides and dilations are at least 1".into()));
    }
    if filter == Dim::Known(0) {
        return Err(InferError::Attribute("a window has at least one element".into()));
    }
    let stride = stride as usize;
    let Dim::Known(input) = input else { return Ok(Dim::Unknown) };
    if padding == Padding::Same {
        return Ok(Dim::Known(input.div_ceil(stride)));
    }
    let Dim::Known(filter) = filter else { return Ok(Dim::Unknown) };
    let span = (filter - 1)
        .checked_mul(dilation as usize)
        .and_then(|n| n.checked_add(1))
        .ok_or_else(too_large)?;
    if span > input.saturating_add(stride) {
        return Err(InferError::Attribute(format!(
            "a window of {span} does not fit into {input} elements"
        )));
    }
    Ok(Dim::Known((input.saturating_add(stride) - span) / stride))
}

/// `ty` with another shape, of the same quantization where all elements share one, or where `axis` says which dimension
/// of the result is the one along which parameters vary.
pub(super) fn moved(ty: &Type, shape: Shape, axis: impl FnOnce(usize) -> Option<usize>) -> Type {
    let quant = match &ty.quant {
        Some(quant) => match quant.axis() {
            None => Some(quant.clone()),
            Some(old) => axis(old).map(|new| quant.with_axis(new)),
        },
        None => None,
    };
    Type::new(ty.dtype, shape).with_quant(quant)
}

/// `ty` with another shape in which dimensions keep their places; per-axis quantization stays where its dimension is
/// known to be as long as before.
pub(super) fn moved_in_place(ty: &Type, shape: Shape) -> Type {
    let kept = |axis: usize| (shape.dim(axis).known().is_some() && shape.dim(axis) == ty.shape.dim(axis)).then_some(axis);
    let axis = ty.quant.as_ref().and_then(Quant::axis).and_then(kept);
    moved(ty, shape, |_| axis)
}
