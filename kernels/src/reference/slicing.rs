//! Parts of a value, and borders around it.

use planish_core::Tensor;
use planish_core::attr::MirrorMode;
use planish_core::op::{MirrorPad, StridedSlice};

use super::args::{Args, invalid};
use super::cells::{Builder, Cells};
use super::shape::{for_each_row, strides};
use crate::error::Error;

/// `slice`.
pub(crate) fn slice(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let (begin, size) = (args.ints(1)?, args.ints(2)?);
    let rank = input.dims().len();
    if begin.len() != rank || size.len() != rank {
        return invalid(format!("begin {begin:?} and size {size:?} do not fit {}", input.ty()));
    }
    let mut parts = Vec::with_capacity(rank);
    for axis in 0..rank {
        let extent = input.dims()[axis] as i64;
        let len = if size[axis] == -1 {
            extent.saturating_sub(begin[axis])
        } else {
            size[axis]
        };
        if begin[axis] < 0 || len < 0 || begin[axis].saturating_add(len) > extent {
            return invalid(format!("begin {begin:?} and size {size:?} reach out of {}", input.ty()));
        }
        parts.push((begin[axis] as usize, 1isize, len as usize));
    }
    let dims: Vec<usize> = parts.iter().map(|p| p.2).collect();
    take(args, input, &parts, &dims)
}

/// The elements at `start + i × step`, for each dimension a number of them, under the extents `dims`.
fn take(args: &Args<'_>, input: &Tensor, parts: &[(usize, isize, usize)], dims: &[usize]) -> Result<Tensor, Error> {
    let cells = Cells::of(input);
    let natural = strides(input.dims());
    let walked: Vec<usize> = parts.iter().map(|p| p.2).collect();
    let mut builder = Builder::new(args, input, dims)?;
    let row = walked.last().copied().unwrap_or(1);
    let (last_start, last_step, _) = parts.last().copied().unwrap_or((0, 1, 1));
    // Rows are counted in positions of the result; the place in the input follows from each dimension's own position.
    let counters = strides(&walked);
    for_each_row(&walked, [&counters], |[at]| {
        let outer: usize = (0..parts.len().saturating_sub(1))
            .map(|a| (parts[a].0 as isize + (at / counters[a] % walked[a]) as isize * parts[a].1) as usize * natural[a])
            .sum();
        if last_step == 1 {
            builder.push(&cells, outer + last_start, row);
        } else {
            (0..row).for_each(|i| builder.push(&cells, (outer as isize + last_start as isize + i as isize * last_step) as usize, 1));
        }
    });
    builder.finish()
}

/// `strided_slice`, by TensorFlow's rules for its masks.
pub(crate) fn strided_slice(op: &StridedSlice, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let (begin, mut end, steps) = (args.ints(1)?, args.ints(2)?, args.ints(3)?);
    if begin.len() != end.len() || begin.len() != steps.len() || begin.len() > 31 {
        return invalid(format!("begin {begin:?}, end {end:?} and strides {steps:?} differ in length"));
    }
    if op.offset {
        end.iter_mut()
            .zip(&begin)
            .for_each(|(end, begin)| *end = end.saturating_add(*begin));
    }
    let bit = |mask: i32, i: usize| mask >> i & 1 == 1;
    let rank = input.dims().len();
    let new_axes = (0..begin.len())
        .filter(|&i| bit(op.new_axis_mask, i) && !bit(op.ellipsis_mask, i))
        .count();
    let ellipses = (0..begin.len()).filter(|&i| bit(op.ellipsis_mask, i)).count();
    let named = begin.len() - new_axes - ellipses;
    if ellipses > 1 || named > rank {
        return invalid(format!("begin {begin:?} with its masks does not fit {}", input.ty()));
    }
    let mut parts = Vec::with_capacity(rank);
    let mut dims = Vec::new();
    for i in 0..begin.len() {
        if bit(op.ellipsis_mask, i) {
            for _ in 0..rank - named {
                let extent = input.dims()[parts.len()];
                parts.push((0, 1, extent));
                dims.push(extent);
            }
        } else if bit(op.new_axis_mask, i) {
            dims.push(1);
        } else {
            let extent = input.dims()[parts.len()] as i64;
            let step = steps[i];
            if step == 0 {
                return invalid(format!("strides {steps:?} hold a 0"));
            }
            if bit(op.shrink_axis_mask, i) {
                let at = if begin[i] < 0 { begin[i].saturating_add(extent) } else { begin[i] };
                if at < 0 || at >= extent {
                    return invalid(format!("index {} is out of bounds for an extent of {extent}", begin[i]));
                }
                parts.push((at as usize, 1, 1));
                continue;
            }
            let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
            let place = |v: i64| if v < 0 { v.saturating_add(extent) } else { v }.clamp(low, high.max(low));
            let start = match (bit(op.begin_mask, i), step > 0) {
                (true, true) => low,
                (true, false) => high,
                _ => place(begin[i]),
            };
            let stop = match (bit(op.end_mask, i), step > 0) {
                (true, true) => high,
                (true, false) => low,
                _ => place(end[i]),
            };
            let span = if step > 0 { stop - start } else { start - stop };
            let len = if span <= 0 {
                0
            } else {
                span.unsigned_abs().div_ceil(step.unsigned_abs()) as usize
            };
            let step = isize::try_from(step).unwrap_or(isize::MAX);
            parts.push((start.max(0) as usize, if len <= 1 { 1 } else { step }, len));
            dims.push(len);
        }
    }
    while parts.len() < rank {
        let extent = input.dims()[parts.len()];
        parts.push((0, 1, extent));
        dims.push(extent);
    }
    take(args, input, &parts, &dims)
}

/// `dynamic_update_slice`.
pub(crate) fn dynamic_update_slice(args: &Args<'_>) -> Result<Tensor, Error> {
    let (input, update) = (args.get(0)?, args.get(1)?);
    let start = args.ints(2)?;
    let rank = input.dims().len();
    let fits = update.dims().len() == rank
        && start.len() == rank
        && update.dtype() == input.dtype()
        && update.dims().iter().zip(input.dims()).all(|(u, i)| u <= i);
    if !fits {
        return Err(args.bad(
            1,
            format!("is {}, which does not fit into {} at {start:?}", update.ty(), input.ty()),
        ));
    }
    let first: Vec<usize> = (0..rank)
        .map(|a| start[a].clamp(0, (input.dims()[a] - update.dims()[a]) as i64) as usize)
        .collect();
    let (from, to) = (strides(update.dims()), strides(input.dims()));
    let origin: usize = first.iter().zip(&to).map(|(f, s)| f * s).sum();
    let (cells, update_cells) = (Cells::of(input), Cells::of(update));
    let mut builder = Builder::new(args, input, input.dims())?;
    builder.push(&cells, 0, input.elements());
    let row = update.dims().last().copied().unwrap_or(1);
    for_each_row(update.dims(), [&from, &to], |[from, to]| {
        builder.overwrite(origin + to, &update_cells, from, row)
    });
    builder.finish()
}

/// Pairs of numbers of elements before and behind each dimension.
fn paddings(args: &Args<'_>, rank: usize) -> Result<Vec<[usize; 2]>, Error> {
    let paddings = args.extents(1)?;
    if args.get(1)?.dims() != [rank, 2] {
        return Err(args.bad(1, format!("is {}, expected [{rank}, 2]", args.get(1)?.ty())));
    }
    Ok(paddings.as_chunks::<2>().0.to_vec())
}

/// Surrounded by one value.
fn surround<'a>(args: &Args<'a>, input: &'a Tensor, paddings: &[[usize; 2]], value: Option<&Cells<'a>>) -> Result<Tensor, Error> {
    let dims: Vec<usize> = input
        .dims()
        .iter()
        .zip(paddings)
        .map(|(d, p)| d.saturating_add(p[0]).saturating_add(p[1]))
        .collect();
    let count = args.count(input.dtype(), &dims)?;
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    match value {
        Some(value) => builder.push_repeated(value, 0, count),
        None => builder.push_zeros(count),
    }
    let (from, to) = (strides(input.dims()), strides(&dims));
    let row = input.dims().last().copied().unwrap_or(1);
    if count > 0 {
        let origin: usize = paddings.iter().zip(&to).map(|(p, s)| p[0] * s).sum();
        for_each_row(input.dims(), [&from, &to], |[from, to]| {
            builder.overwrite(origin + to, &cells, from, row)
        });
    }
    builder.finish()
}

/// `pad`.
pub(crate) fn pad(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let paddings = paddings(args, input.dims().len())?;
    // Zero is stored as the zero point.
    let zero = input.quant().and_then(|q| q.zero_points().first()).filter(|&&z| z != 0);
    if let (Some(&zero), Some(1)) = (zero, input.dtype().size()) {
        let value = Cells::Bytes(1, std::borrow::Cow::Owned(vec![zero as u8]));
        return surround(args, input, &paddings, Some(&value));
    }
    surround(args, input, &paddings, None)
}

/// `padv2`.
pub(crate) fn padv2(args: &Args<'_>) -> Result<Tensor, Error> {
    let (input, value) = (args.get(0)?, args.get(2)?);
    if value.elements() != 1 || value.dtype() != input.dtype() {
        return Err(args.bad(2, format!("is {}, expected one element of type {}", value.ty(), input.dtype())));
    }
    surround(args, input, &paddings(args, input.dims().len())?, Some(&Cells::of(value)))
}

/// `mirror_pad`.
pub(crate) fn mirror_pad(op: &MirrorPad, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let paddings = paddings(args, input.dims().len())?;
    let edge = usize::from(op.mode == MirrorMode::Reflect);
    if input
        .dims()
        .iter()
        .zip(&paddings)
        .any(|(&d, p)| p.iter().any(|&p| p.saturating_add(edge) > d && p > 0))
    {
        return Err(args.bad(1, format!("is {paddings:?}, more than there is to mirror in {}", input.ty())));
    }
    let dims: Vec<usize> = input.dims().iter().zip(&paddings).map(|(d, p)| d + p[0] + p[1]).collect();
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    let (from, to) = (strides(input.dims()), strides(&dims));
    for at in 0..dims.iter().product() {
        let place = |a: usize| {
            let (i, [before, _], extent) = (at / to[a] % dims[a], paddings[a], input.dims()[a]);
            if i < before {
                before - i - 1 + edge
            } else if i - before < extent {
                i - before
            } else {
                2 * extent - 1 - edge - (i - before)
            }
        };
        builder.push(&cells, (0..dims.len()).map(|a| place(a) * from[a]).sum(), 1);
    }
    builder.finish()
}
