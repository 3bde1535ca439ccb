//! Strided slices, with TensorFlow's masks.
//!
//! A slice is a list of entries, one for each element of `begin`, `end` and `strides`. Entry i takes a range of the next
//! dimension, or one index of it, or inserts a dimension of 1, or, where it is the ellipsis, leaves as many dimensions
//! as are not spoken of. Dimensions behind the last entry are taken whole.

use crate::infer::dims::moved;
use crate::infer::operands::Args;
use crate::infer::{InferError, Types};
use crate::op::StridedSlice;
use crate::types::{Dim, Shape};

/// What an entry of a strided slice does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entry {
    /// Inserts a dimension of 1.
    Insert,
    /// Takes dimension `axis` whole.
    Whole { axis: usize },
    /// Takes one index of dimension `axis`, which goes away.
    Index { axis: usize, entry: usize },
    /// Takes a range of dimension `axis`.
    Range { axis: usize, entry: usize },
}

fn bit(mask: i32, i: usize) -> bool {
    i < 32 && mask >> i & 1 == 1
}

/// What `count` entries do to a value of this rank.
fn entries(op: &StridedSlice, count: usize, rank: usize) -> Result<Vec<Entry>, InferError> {
    let too_many = || InferError::Attribute(format!("the slice has more entries than a value of rank {rank} has dimensions"));
    let inserted = |i: usize| bit(op.new_axis_mask, i) && !bit(op.ellipsis_mask, i);
    // Masks have 32 bits, so that entries beyond those each take a dimension.
    if count > rank.saturating_add(32) {
        return Err(too_many());
    }
    let ellipses = (0..count).filter(|&i| bit(op.ellipsis_mask, i)).count();
    if ellipses > 1 {
        return Err(InferError::Attribute("a slice has at most one ellipsis".into()));
    }
    let spoken_of = (0..count).filter(|&i| !inserted(i)).count() - ellipses;
    let rest = rank.checked_sub(spoken_of).ok_or_else(too_many)?;
    let mut out = Vec::with_capacity(count + rest);
    let mut axis = 0;
    for entry in 0..count {
        if bit(op.ellipsis_mask, entry) {
            out.extend((axis..axis + rest).map(|axis| Entry::Whole { axis }));
            axis += rest;
            continue;
        }
        if inserted(entry) {
            out.push(Entry::Insert);
            continue;
        }
        out.push(if bit(op.shrink_axis_mask, entry) {
            Entry::Index { axis, entry }
        } else {
            Entry::Range { axis, entry }
        });
        axis += 1;
    }
    out.extend((axis..rank).map(|axis| Entry::Whole { axis }));
    Ok(out)
}

/// The bounds and strides of a slice, as far as they are known.
struct Bounds {
    begin: Vec<Option<i64>>,
    end: Vec<Option<i64>>,
    strides: Vec<Option<i64>>,
}

impl Bounds {
    /// Where entry `entry` ends: counted from where it begins, where the operation says so.
    fn end(&self, op: &StridedSlice, entry: usize) -> Option<i64> {
        if op.offset {
            self.begin[entry]?.checked_add(self.end[entry]?)
        } else {
            self.end[entry]
        }
    }
}

/// The first index, the step, and the number of elements that a range takes of `extent` elements.
///
/// `None` where one of the bounds that count is not known.
fn range(op: &StridedSlice, bounds: &Bounds, entry: usize, extent: usize) -> Option<(i64, i64, usize)> {
    let stride = bounds.strides[entry]?;
    let extent = i64::try_from(extent).ok()?;
    let (lowest, highest) = if stride > 0 { (0, extent) } else { (-1, extent - 1) };
    let place = |n: i64| (if n < 0 { n.saturating_add(extent) } else { n }).clamp(lowest, highest);
    let first = if bit(op.begin_mask, entry) {
        if stride > 0 { lowest } else { highest }
    } else {
        place(bounds.begin[entry]?)
    };
    let last = if bit(op.end_mask, entry) {
        if stride > 0 { highest } else { lowest }
    } else {
        place(bounds.end(op, entry)?)
    };
    let span = i128::from(last) - i128::from(first);
    let step = i128::from(stride);
    let count = if span.signum() == step.signum() {
        (span.abs() + step.abs() - 1) / step.abs()
    } else {
        0
    };
    Some((first, stride, usize::try_from(count).ok()?))
}

/// The index that an entry takes of `extent` elements; `None` where it is not known.
fn index(begin: Option<i64>, extent: usize) -> Result<Option<usize>, InferError> {
    let Some(begin) = begin else { return Ok(None) };
    let outside = || InferError::Attribute(format!("index {begin} is outside {extent} elements"));
    let from_start = if begin < 0 {
        begin.checked_add_unsigned(extent as u64)
    } else {
        Some(begin)
    };
    match from_start.and_then(|i| usize::try_from(i).ok()) {
        Some(i) if i < extent => Ok(Some(i)),
        _ => Err(outside()),
    }
}

pub(super) fn strided_slice(args: &Args<'_, '_>, op: &StridedSlice) -> Types {
    let input = args.ty(0)?;
    let mut count = Dim::Unknown;
    for i in 1..4 {
        let len = args.int_vector(i)?;
        if !len.compatible(count) {
            return Err(args.unfit(i, format!("{count} integers")));
        }
        count = count.meet(len);
    }
    let ints = |i| args.ints(i).unwrap_or_default();
    let bounds = Bounds {
        begin: ints(1),
        end: ints(2),
        strides: ints(3),
    };
    if bounds.strides.contains(&Some(0)) {
        return Err(args.unfit(3, "strides other than 0"));
    }
    let (Dim::Known(count), Some(dims)) = (count, input.shape.dims()) else {
        return Ok(vec![moved(input, Shape::unranked(), |_| None)]);
    };
    let entries = entries(op, count, dims.len())?;
    if bounds.begin.len() != count || bounds.end.len() != count || bounds.strides.len() != count {
        let rank = entries.iter().filter(|e| !matches!(e, Entry::Index { .. })).count();
        return Ok(vec![moved(input, Shape::of_rank(rank), |_| None)]);
    }
    let mut out = Vec::with_capacity(entries.len());
    let mut from = Vec::with_capacity(entries.len());
    for entry in entries {
        let (dim, whole_axis) = match entry {
            Entry::Insert => (Dim::Known(1), None),
            Entry::Whole { axis } => (dims[axis], Some(axis)),
            Entry::Index { axis, entry } => {
                if let Dim::Known(extent) = dims[axis]
                    && !bit(op.begin_mask, entry)
                {
                    index(bounds.begin[entry], extent)?;
                }
                if bounds.strides[entry].is_some_and(|s| s < 0) {
                    return Err(args.unfit(3, "a positive stride where one index is taken"));
                }
                continue;
            }
            Entry::Range { axis, entry } => match dims[axis] {
                Dim::Unknown => (Dim::Unknown, None),
                Dim::Known(extent) => match range(op, &bounds, entry, extent) {
                    Some((first, step, len)) => (Dim::Known(len), (first == 0 && step == 1 && len == extent).then_some(axis)),
                    None => (Dim::Unknown, None),
                },
            },
        };
        out.push(dim);
        from.push(whole_axis);
    }
    Ok(vec![moved(input, Shape::new(out), |axis| {
        from.iter().position(|&a| a == Some(axis))
    })])
}

/// Which elements of a vector of `len` a slice takes, in order, where everything that decides it is known.
pub(crate) fn taken(
    op: &StridedSlice,
    begin: &[Option<i64>],
    end: &[Option<i64>],
    strides: &[Option<i64>],
    len: usize,
) -> Option<Vec<usize>> {
    if begin.len() != end.len() || begin.len() != strides.len() || strides.contains(&Some(0)) {
        return None;
    }
    let bounds = Bounds {
        begin: begin.to_vec(),
        end: end.to_vec(),
        strides: strides.to_vec(),
    };
    let mut taken: Vec<usize> = (0..len).collect();
    for entry in entries(op, begin.len(), 1).ok()? {
        match entry {
            Entry::Insert | Entry::Whole { .. } => {}
            // TensorFlow ignores the mask of such an entry, TFLite does not.
            Entry::Index { entry, .. } if bit(op.begin_mask, entry) => return None,
            Entry::Index { entry, .. } => taken = vec![index(bounds.begin[entry], len).ok()??],
            Entry::Range { entry, .. } => {
                let (first, step, count) = range(op, &bounds, entry, len)?;
                taken = (0..count as i64).map(|i| (first + i * step) as usize).collect();
            }
        }
    }
    Some(taken)
}
