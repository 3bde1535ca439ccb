//! Values put together along an axis, and taken apart.

use planish_core::Tensor;
use planish_core::op::{Concatenation, Pack, Split, SplitV, Unpack};

use super::args::{Args, invalid};
use super::cells::{Builder, Cells};
use super::elementwise::activated;
use super::shape::{around, axis};
use crate::error::Error;

fn join(args: &Args<'_>, inputs: &[&Tensor], extents: &[usize], before: usize, behind: usize, dims: &[usize]) -> Result<Tensor, Error> {
    let cells: Vec<Cells<'_>> = inputs.iter().map(|t| Cells::of(t)).collect();
    let mut builder = Builder::new(args, inputs[0], dims)?;
    // Where there are no elements, there may be any number of places for them.
    let before = if dims.contains(&0) { 0 } else { before };
    for outer in 0..before {
        for (cells, extent) in cells.iter().zip(extents) {
            builder.push(cells, outer * extent * behind, extent * behind);
        }
    }
    builder.finish()
}

/// `concatenation`.
pub(crate) fn concatenation(op: &Concatenation, args: &Args<'_>) -> Result<Tensor, Error> {
    let inputs = args.many()?;
    let first = inputs[0];
    let axis = axis(i64::from(op.axis), first.dims().len())?;
    let mut dims = first.dims().to_vec();
    dims[axis] = 0;
    for (i, input) in inputs.iter().enumerate() {
        let fits = input.dtype() == first.dtype()
            && input.dims().len() == dims.len()
            && (0..dims.len()).all(|a| a == axis || input.dims()[a] == dims[a]);
        if !fits {
            return Err(args.bad(
                i,
                format!("is {}, which does not continue {} along axis {axis}", input.ty(), first.ty()),
            ));
        }
        dims[axis] += input.dims()[axis];
    }
    let extents: Vec<usize> = inputs.iter().map(|t| t.dims()[axis]).collect();
    let (before, _, behind) = around(&dims, axis);
    Ok(activated(op.activation, join(args, &inputs, &extents, before, behind, &dims)?))
}

/// `pack`.
pub(crate) fn pack(op: &Pack, args: &Args<'_>) -> Result<Tensor, Error> {
    let inputs = args.many()?;
    let first = inputs[0];
    let axis = axis(i64::from(op.axis), first.dims().len() + 1)?;
    if let Some(i) = inputs.iter().position(|t| t.dims() != first.dims() || t.dtype() != first.dtype()) {
        return Err(args.bad(i, format!("is {}, expected {}", inputs[i].ty(), first.ty())));
    }
    let mut dims = first.dims().to_vec();
    dims.insert(axis, inputs.len());
    let (before, _, behind) = around(&dims, axis);
    join(args, &inputs, &vec![1; inputs.len()], before, behind, &dims)
}

fn take_apart(args: &Args<'_>, input: &Tensor, axis: usize, sizes: &[usize], squeeze: bool) -> Result<Vec<Tensor>, Error> {
    let (before, extent, behind) = around(input.dims(), axis);
    let before = if input.dims().contains(&0) { 0 } else { before };
    let cells = Cells::of(input);
    let mut start = 0;
    let mut parts = Vec::with_capacity(sizes.len());
    for &size in sizes {
        let mut dims = input.dims().to_vec();
        dims[axis] = size;
        if squeeze {
            dims.remove(axis);
        }
        let mut builder = Builder::new(args, input, &dims)?;
        (0..before).for_each(|outer| builder.push(&cells, (outer * extent + start) * behind, size * behind));
        start += size;
        parts.push(builder.finish()?);
    }
    Ok(parts)
}

/// `unpack`.
pub(crate) fn unpack(op: &Unpack, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let input = args.get(0)?;
    let axis = axis(i64::from(op.axis), input.dims().len())?;
    if input.dims()[axis] != op.num as usize {
        return Err(args.bad(0, format!("is {}, expected {} along axis {axis}", input.ty(), op.num)));
    }
    take_apart(args, input, axis, &vec![1; op.num as usize], true)
}

/// `split`.
pub(crate) fn split(op: &Split, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let input = args.get(1)?;
    let axis = axis(args.int(0)?, input.dims().len())?;
    let (num, extent) = (op.num as usize, input.dims()[axis]);
    if num == 0 || !extent.is_multiple_of(num) {
        return Err(args.bad(1, format!("is {}, which has not {num} equal parts along axis {axis}", input.ty())));
    }
    if num > extent.max(1 << 16) {
        return invalid(format!("{num} parts are too many"));
    }
    take_apart(args, input, axis, &vec![extent / num; num], false)
}

/// `split_v`.
pub(crate) fn split_v(op: &SplitV, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let input = args.get(0)?;
    let axis = axis(args.int(2)?, input.dims().len())?;
    let wanted = args.ints(1)?;
    let extent = input.dims()[axis];
    let known: i128 = wanted.iter().filter(|&&s| s != -1).map(|&s| i128::from(s)).sum();
    let rest = extent as i128 - known;
    let open = wanted.iter().filter(|&&s| s == -1).count();
    let fits = wanted.len() == op.num as usize
        && wanted.iter().all(|&s| s >= -1)
        && match open {
            0 => rest == 0,
            1 => rest >= 0,
            _ => false,
        };
    if !fits {
        return Err(args.bad(1, format!("is {wanted:?}, which does not add up to {extent} in {} parts", op.num)));
    }
    let sizes: Vec<usize> = wanted.iter().map(|&s| if s == -1 { rest as usize } else { s as usize }).collect();
    take_apart(args, input, axis, &sizes, false)
}
