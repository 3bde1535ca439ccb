//! The same elements under other extents or in another order.

use planish_core::Tensor;
use planish_core::op::{ReverseSequence, Squeeze};

use super::args::{Args, invalid};
use super::cells::{Builder, Cells};
use super::shape::{around, axis, broadcast_strides, for_each_row, strides};
use crate::error::Error;

/// The same elements, in the same order, under other extents.
pub(crate) fn reshaped(args: &Args<'_>, dims: &[usize]) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    input
        .reshaped(dims)
        .ok_or_else(|| args.bad(0, format!("is {}, whose elements do not fill {dims:?}", input.ty())))
}

/// `reshape`.
pub(crate) fn reshape(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let wanted = args.ints(1)?;
    let mut known = 1usize;
    let mut open = None;
    let mut dims = Vec::with_capacity(wanted.len());
    for (i, &d) in wanted.iter().enumerate() {
        match usize::try_from(d) {
            Ok(d) => {
                known = known.saturating_mul(d);
                dims.push(d);
            }
            Err(_) if d == -1 && open.is_none() => {
                open = Some(i);
                dims.push(1);
            }
            Err(_) => return Err(args.bad(1, format!("is {wanted:?}, which is no shape"))),
        }
    }
    if let Some(open) = open {
        dims[open] = input.elements().checked_div(known).unwrap_or(0);
    }
    reshaped(args, &dims)
}

/// `squeeze`.
pub(crate) fn squeeze(op: &Squeeze, args: &Args<'_>) -> Result<Tensor, Error> {
    let dims = args.get(0)?.dims();
    let mut gone = vec![op.axes.is_empty(); dims.len()];
    for &a in &op.axes {
        let a = axis(i64::from(a), dims.len())?;
        if dims[a] != 1 {
            return invalid(format!("axis {a} of {dims:?} cannot be squeezed; its extent is not 1"));
        }
        gone[a] = true;
    }
    let dims: Vec<usize> = (0..dims.len()).filter(|&a| !(gone[a] && dims[a] == 1)).map(|a| dims[a]).collect();
    reshaped(args, &dims)
}

/// `expand_dims`.
pub(crate) fn expand_dims(args: &Args<'_>) -> Result<Tensor, Error> {
    let mut dims = args.get(0)?.dims().to_vec();
    let at = axis(args.int(1)?, dims.len() + 1)?;
    dims.insert(at, 1);
    reshaped(args, &dims)
}

/// `transpose`.
pub(crate) fn transpose(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let rank = input.dims().len();
    let mut permutation = Vec::new();
    for a in args.ints(1)? {
        permutation.push(axis(a, rank)?);
    }
    let mut seen = vec![false; rank];
    permutation.iter().for_each(|&a| seen[a] = true);
    if permutation.len() != rank || seen.contains(&false) {
        return Err(args.bad(1, format!("is {permutation:?}, which does not permute {rank} dimensions")));
    }
    let dims: Vec<usize> = permutation.iter().map(|&a| input.dims()[a]).collect();
    let natural = strides(input.dims());
    let steps: Vec<usize> = permutation.iter().map(|&a| natural[a]).collect();
    let quant = input.quant().map(|q| {
        q.axis().map_or(q.clone(), |axis| {
            q.with_axis(permutation.iter().position(|&a| a == axis).unwrap_or(axis))
        })
    });
    Ok(gather(args, input, &dims, &steps)?.with_quant(quant))
}

/// The elements of `input` at strided places.
fn gather(args: &Args<'_>, input: &Tensor, dims: &[usize], steps: &[usize]) -> Result<Tensor, Error> {
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, dims)?;
    let row = dims.last().copied().unwrap_or(1);
    let inner = steps.last().copied().unwrap_or(0);
    for_each_row(dims, [steps], |[at]| match inner {
        1 => builder.push(&cells, at, row),
        0 => builder.push_repeated(&cells, at, row),
        _ => (0..row).for_each(|i| builder.push(&cells, at + i * inner, 1)),
    });
    builder.finish()
}

/// `broadcast_to`.
pub(crate) fn broadcast_to(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let dims = args.extents(1)?;
    let from = input.dims();
    let fits = from.len() <= dims.len() && from.iter().rev().zip(dims.iter().rev()).all(|(&a, &b)| a == b || a == 1);
    if !fits {
        return Err(args.bad(0, format!("is {}, which does not broadcast to {dims:?}", input.ty())));
    }
    gather(args, input, &dims, &broadcast_strides(from, &dims))
}

/// `tile`.
pub(crate) fn tile(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let times = args.extents(1)?;
    if times.len() != input.dims().len() {
        return Err(args.bad(1, format!("is {times:?}, expected one number for each dimension of {}", input.ty())));
    }
    // Dimension i of the result is (times[i], dims[i]), the first of which moves nowhere.
    let natural = strides(input.dims());
    let (mut dims, mut steps, mut out) = (Vec::new(), Vec::new(), Vec::new());
    for (axis, &extent) in input.dims().iter().enumerate() {
        dims.extend([times[axis], extent]);
        steps.extend([0, natural[axis]]);
        out.push(extent.saturating_mul(times[axis]));
    }
    let tiled = gather(args, input, &dims, &steps)?;
    tiled.reshaped(&out).ok_or_else(|| args.bad(1, "asks for too many elements"))
}

/// `reverse_v2`.
pub(crate) fn reverse_v2(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let mut reversed = vec![false; input.dims().len()];
    for a in args.ints(1)? {
        reversed[axis(a, input.dims().len())?] = true;
    }
    let mut current = input.clone();
    for (axis, _) in reversed.iter().enumerate().filter(|(_, reversed)| **reversed) {
        let (before, extent, behind) = around(input.dims(), axis);
        let next = {
            let cells = Cells::of(&current);
            let mut builder = Builder::new(args, &current, input.dims())?;
            for outer in 0..before {
                (0..extent)
                    .rev()
                    .for_each(|i| builder.push(&cells, (outer * extent + i) * behind, behind));
            }
            builder.finish()?
        };
        current = next;
    }
    Ok(current)
}

/// `reverse_sequence`.
pub(crate) fn reverse_sequence(op: &ReverseSequence, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let rank = input.dims().len();
    let (along, batch) = (axis(i64::from(op.seq_dim), rank)?, axis(i64::from(op.batch_dim), rank)?);
    let lengths = args.extents(1)?;
    if along == batch || lengths.len() != input.dims()[batch] || lengths.iter().any(|&l| l > input.dims()[along]) {
        return Err(args.bad(1, format!("is {lengths:?}, which does not fit {}", input.ty())));
    }
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, input.dims())?;
    let natural = strides(input.dims());
    for at in 0..input.elements() {
        let length = lengths[at / natural[batch] % input.dims()[batch]];
        let place = at / natural[along] % input.dims()[along];
        let from = if place < length {
            at - place * natural[along] + (length - 1 - place) * natural[along]
        } else {
            at
        };
        builder.push(&cells, from, 1);
    }
    builder.finish()
}
