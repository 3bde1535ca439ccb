//! What is known of the integers that a value holds, although it is no constant.
//!
//! Models compute shapes from shapes: `reshape(x, pack([shape(x)[0], 4, 5]))`. Following such integers to where they come
//! from turns them into dimensions, known ones where they are constant or an extent of a known shape.

use crate::attr::Activation;
use crate::graph::{OpRef, ValueRef};
use crate::infer::strided;
use crate::op::Op;
use crate::types::{DType, Dim};

/// Values of more elements than this are not looked into: shapes, and what they are put together from, have fewer.
pub const MOST_ELEMENTS: usize = 64;
/// How far back operations are followed.
const MOST_DEPTH: usize = 32;
/// How many values are looked at for one answer: operands may be shared, so that paths are more than values.
const MOST_VALUES: usize = 128;

/// The integers of a value in row-major order, `None` for each one that only running the model tells.
///
/// `None` where the value does not hold integers, or not few, or not a known number of them.
pub fn known_ints(value: ValueRef<'_>) -> Option<Vec<Option<i64>>> {
    Search { left: MOST_VALUES }.ints(value, MOST_DEPTH)
}

/// The integers of a value as dimensions, unknown ones where they are negative or only running the model tells.
///
/// `None` where the value does not hold integers, or not few, or not a known number of them.
pub fn known_dims(value: ValueRef<'_>) -> Option<Vec<Dim>> {
    let dim = |n: Option<i64>| n.and_then(|n| usize::try_from(n).ok()).map_or(Dim::Unknown, Dim::Known);
    Some(known_ints(value)?.into_iter().map(dim).collect())
}

type Ints = Vec<Option<i64>>;

struct Search {
    left: usize,
}

impl Search {
    fn ints(&mut self, value: ValueRef<'_>, depth: usize) -> Option<Ints> {
        let ty = value.ty();
        let (least, greatest) = match ty.dtype {
            DType::Bool => (0, 1),
            dtype => dtype.int_range()?,
        };
        let len = ty.shape.elements().filter(|&n| n <= MOST_ELEMENTS)?;
        let unknown = vec![None; len];
        if ty.quant.is_some() || depth == 0 || self.left == 0 {
            return Some(unknown);
        }
        self.left -= 1;
        let port = value.id().port as usize;
        let found = self
            .results(value.producer(), port, len, depth - 1)
            .filter(|ints| ints.len() == len);
        let fits = |n: Option<i64>| n.filter(|n| (least..=greatest).contains(n));
        Some(found.map_or(unknown, |ints| ints.into_iter().map(fits).collect()))
    }

    fn operand(&mut self, op: OpRef<'_>, operand: usize, depth: usize) -> Option<Ints> {
        self.ints(op.operand(operand)?, depth)
    }

    fn one(&mut self, op: OpRef<'_>, operand: usize, depth: usize) -> Option<i64> {
        match self.operand(op, operand, depth)?[..] {
            [one] => one,
            _ => None,
        }
    }

    /// All operands, each of them looked into.
    fn all(&mut self, op: OpRef<'_>, depth: usize) -> Option<Vec<Ints>> {
        let operands = op.operands();
        if operands.len() > MOST_ELEMENTS {
            return None;
        }
        operands.iter().map(|v| self.ints(op.graph().value((*v)?), depth)).collect()
    }

    /// The integers of result `port` of an operation, which has `len` elements.
    fn results(&mut self, op: OpRef<'_>, port: usize, len: usize, depth: usize) -> Option<Ints> {
        let rank_of = |operand: usize| op.operand(operand).and_then(|v| v.ty().shape.rank());
        match op.op() {
            Op::Const(constant) => {
                let ints = constant.value.to_ints()?;
                Some(ints.into_iter().map(Some).collect())
            }
            Op::Shape(_) => {
                let dims = op.operand(0)?.ty().shape.dims()?;
                Some(dims.iter().map(|d| d.known().and_then(|n| i64::try_from(n).ok())).collect())
            }
            Op::Rank(_) => Some(vec![rank_of(0).and_then(|n| i64::try_from(n).ok())]),
            Op::Identity(_) | Op::Cast(_) | Op::Reshape(_) | Op::Squeeze(_) | Op::ExpandDims(_) => self.operand(op, 0, depth),
            Op::ZerosLike(_) => Some(vec![Some(0); len]),
            Op::Pack(pack) => {
                // Along another axis than the first the elements of several operands would alternate.
                let scalars = rank_of(0) == Some(0);
                (scalars || pack.axis == 0).then(|| self.all(op, depth))?.map(|v| v.concat())
            }
            Op::Concatenation(c) => {
                let first = c.axis == 0 || rank_of(0) == Some(1);
                (first && c.activation == Activation::None)
                    .then(|| self.all(op, depth))?
                    .map(|v| v.concat())
            }
            Op::Unpack(unpack) => {
                let first = unpack.axis == 0 || rank_of(0) == Some(1);
                let all = first.then(|| self.operand(op, 0, depth))??;
                all.get(port * len..(port + 1) * len).map(<[_]>::to_vec)
            }
            Op::Split(_) => {
                let all = (rank_of(1)? == 1).then(|| self.operand(op, 1, depth))??;
                all.get(port * len..(port + 1) * len).map(<[_]>::to_vec)
            }
            Op::SplitV(_) => {
                let all = (rank_of(0)? == 1).then(|| self.operand(op, 0, depth))??;
                let sizes = self.operand(op, 1, depth)?;
                let before = sizes
                    .get(..port)?
                    .iter()
                    .try_fold(0usize, |n, size| n.checked_add(usize::try_from((*size)?).ok()?))?;
                all.get(before..before.checked_add(len)?).map(<[_]>::to_vec)
            }
            Op::StridedSlice(slice) => {
                let all = (rank_of(0)? == 1).then(|| self.operand(op, 0, depth))??;
                let (begin, end) = (self.operand(op, 1, depth)?, self.operand(op, 2, depth)?);
                let strides = self.operand(op, 3, depth)?;
                let taken = strided::taken(slice, &begin, &end, &strides, all.len())?;
                taken.into_iter().map(|i| all.get(i).copied()).collect()
            }
            Op::Slice(_) => {
                let all = (rank_of(0)? == 1).then(|| self.operand(op, 0, depth))??;
                let begin = usize::try_from(self.one(op, 1, depth)?).ok()?;
                all.get(begin..begin.checked_add(len)?).map(<[_]>::to_vec)
            }
            Op::Gather(gather) => {
                let plain = gather.batch_dims == 0 && rank_of(0)? == 1;
                let all = plain.then(|| self.operand(op, 0, depth))??;
                let places = self.operand(op, 1, depth)?;
                let at = |i: Option<i64>| usize::try_from(i?).ok().and_then(|i| all.get(i).copied())?;
                Some(places.into_iter().map(at).collect())
            }
            Op::ReduceProd(_) => self.fold(op, len, depth, i64::checked_mul),
            Op::Sum(_) => self.fold(op, len, depth, i64::checked_add),
            Op::ReduceMax(_) => self.fold(op, len, depth, |a, b| Some(a.max(b))),
            Op::ReduceMin(_) => self.fold(op, len, depth, |a, b| Some(a.min(b))),
            Op::Neg(_) => self.map(op, depth, i64::checked_neg),
            Op::Abs(_) => self.map(op, depth, i64::checked_abs),
            Op::Add(add) if add.activation == Activation::None => self.pairs(op, len, depth, i64::checked_add),
            Op::Sub(sub) if sub.activation == Activation::None => self.pairs(op, len, depth, i64::checked_sub),
            Op::Mul(mul) if mul.activation == Activation::None => self.pairs(op, len, depth, i64::checked_mul),
            Op::Div(div) if div.activation == Activation::None => self.pairs(op, len, depth, i64::checked_div),
            Op::FloorDiv(_) => self.pairs(op, len, depth, floor_div),
            Op::FloorMod(_) => self.pairs(op, len, depth, |a, b| a.checked_sub(floor_div(a, b)?.checked_mul(b)?)),
            Op::Maximum(_) => self.pairs(op, len, depth, |a, b| Some(a.max(b))),
            Op::Minimum(_) => self.pairs(op, len, depth, |a, b| Some(a.min(b))),
            Op::Equal(_) => self.pairs(op, len, depth, |a, b| Some((a == b).into())),
            Op::NotEqual(_) => self.pairs(op, len, depth, |a, b| Some((a != b).into())),
            Op::Less(_) => self.pairs(op, len, depth, |a, b| Some((a < b).into())),
            Op::LessEqual(_) => self.pairs(op, len, depth, |a, b| Some((a <= b).into())),
            Op::Greater(_) => self.pairs(op, len, depth, |a, b| Some((a > b).into())),
            Op::GreaterEqual(_) => self.pairs(op, len, depth, |a, b| Some((a >= b).into())),
            Op::LogicalAnd(_) => self.pairs(op, len, depth, |a, b| Some((a != 0 && b != 0).into())),
            Op::LogicalOr(_) => self.pairs(op, len, depth, |a, b| Some((a != 0 || b != 0).into())),
            Op::LogicalNot(_) => self.map(op, depth, |a| Some((a == 0).into())),
            Op::Select(_) | Op::SelectV2(_) => {
                let condition = spread(self.operand(op, 0, depth)?, len)?;
                let (x, y) = (spread(self.operand(op, 1, depth)?, len)?, spread(self.operand(op, 2, depth)?, len)?);
                let choose = |((c, x), y): ((Option<i64>, Option<i64>), Option<i64>)| match c {
                    Some(0) => y,
                    Some(_) => x,
                    None => x.filter(|_| x == y),
                };
                Some(condition.into_iter().zip(x).zip(y).map(choose).collect())
            }
            Op::Fill(_) => Some(vec![self.one(op, 1, depth)?.into(); len]),
            Op::BroadcastTo(_) | Op::Tile(_) => spread(self.operand(op, 0, depth)?, len),
            Op::Range(_) => {
                let (start, delta) = (self.one(op, 0, depth)?, self.one(op, 2, depth)?);
                let at = |i: usize| delta.checked_mul(i as i64)?.checked_add(start);
                Some((0..len).map(at).collect())
            }
            Op::BroadcastArgs(_) => {
                let (x, y) = (self.operand(op, 0, depth)?, self.operand(op, 1, depth)?);
                let aligned = |v: &Ints, i: usize| (i + v.len()).checked_sub(len).map_or(Some(1), |i| v.get(i).copied().flatten());
                let extent = |i: usize| match (aligned(&x, i), aligned(&y, i)) {
                    (Some(1), other) | (other, Some(1)) => other,
                    (a, b) => a.or(b),
                };
                (x.len() <= len && y.len() <= len).then(|| (0..len).map(extent).collect())
            }
            _ => None,
        }
    }

    /// A vector reduced to one number.
    fn fold(&mut self, op: OpRef<'_>, len: usize, depth: usize, f: fn(i64, i64) -> Option<i64>) -> Option<Ints> {
        let input = op.operand(0)?;
        if len != 1 || input.ty().shape.rank() != Some(1) {
            return None;
        }
        // An operand of one element and rank 1 over an empty list of axes is left as it is, which is the same.
        let axes = self.operand(op, 1, depth)?;
        let ints = self.operand(op, 0, depth)?;
        if axes.is_empty() && ints.len() != 1 {
            return None;
        }
        let neutral = match op.op() {
            Op::ReduceProd(_) => Some(1),
            Op::Sum(_) => Some(0),
            _ => None,
        };
        let mut ints = ints.into_iter();
        let first = match neutral {
            Some(n) => n,
            None => ints.next()??,
        };
        Some(vec![Some(ints.try_fold(first, |a, b| f(a, b?))?)])
    }

    fn map(&mut self, op: OpRef<'_>, depth: usize, f: fn(i64) -> Option<i64>) -> Option<Ints> {
        Some(self.operand(op, 0, depth)?.into_iter().map(|n| f(n?)).collect())
    }

    /// Two values element by element, or one of them repeated.
    fn pairs(&mut self, op: OpRef<'_>, len: usize, depth: usize, f: fn(i64, i64) -> Option<i64>) -> Option<Ints> {
        let (x, y) = (spread(self.operand(op, 0, depth)?, len)?, spread(self.operand(op, 1, depth)?, len)?);
        Some(x.into_iter().zip(y).map(|(x, y)| f(x?, y?)).collect())
    }
}

/// `len` integers from as many, or from one that is repeated.
fn spread(ints: Ints, len: usize) -> Option<Ints> {
    match ints[..] {
        [one] => Some(vec![one; len]),
        _ => (ints.len() == len).then_some(ints),
    }
}

fn floor_div(a: i64, b: i64) -> Option<i64> {
    let cut = a.checked_div(b)?;
    Some(if a % b != 0 && (a < 0) != (b < 0) { cut - 1 } else { cut })
}
