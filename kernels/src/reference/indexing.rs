//! Elements and slices that are named by indices.

use planish_core::op::{Gather, OneHot};
use planish_core::{DType, Tensor};

use super::args::{Args, elements, invalid};
use super::cells::{Builder, Cells};
use super::number::{Number, numbers};
use super::shape::{around, axis, strides};
use crate::error::Error;

/// An index that names one of `extent` slices.
fn checked(index: i64, extent: usize) -> Result<usize, Error> {
    match usize::try_from(index) {
        Ok(index) if index < extent => Ok(index),
        _ => invalid(format!("index {index} is out of bounds for an extent of {extent}")),
    }
}

/// `gather`.
pub(crate) fn gather(op: &Gather, args: &Args<'_>) -> Result<Tensor, Error> {
    let (input, indices) = (args.get(0)?, args.get(1)?);
    let axis = axis(i64::from(op.axis), input.dims().len())?;
    let rank = indices.dims().len() as i64;
    let batch_dims = if op.batch_dims < 0 {
        i64::from(op.batch_dims) + rank
    } else {
        i64::from(op.batch_dims)
    };
    let batch_dims = usize::try_from(batch_dims).unwrap_or(usize::MAX);
    if batch_dims > axis || batch_dims > indices.dims().len() || input.dims()[..batch_dims] != indices.dims()[..batch_dims] {
        return invalid(format!(
            "{} batch dimensions do not fit {} and indices {}",
            op.batch_dims,
            input.ty(),
            indices.ty()
        ));
    }
    let batches: usize = input.dims()[..batch_dims].iter().product();
    let (before, extent, behind) = around(&input.dims()[batch_dims..], axis - batch_dims);
    let each: usize = indices.dims()[batch_dims..].iter().product();
    let mut dims = input.dims()[..axis].to_vec();
    dims.extend(&indices.dims()[batch_dims..]);
    dims.extend(&input.dims()[axis + 1..]);
    let named = args.ints(1)?;
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    for batch in 0..batches {
        for outer in 0..before {
            for &index in &named[batch * each..(batch + 1) * each] {
                let index = checked(index, extent)?;
                builder.push(&cells, ((batch * before + outer) * extent + index) * behind, behind);
            }
        }
    }
    builder.finish()
}

/// Offsets of the slices that index tuples along the last axis name in a value of extents `dims`, and a slice's elements.
fn places(args: &Args<'_>, operand: usize, dims: &[usize]) -> Result<(Vec<usize>, usize), Error> {
    let indices = args.get(operand)?;
    let depth = indices.dims().last().copied().unwrap_or(1);
    if depth > dims.len() {
        return Err(args.bad(
            operand,
            format!("is {}, whose tuples name more than {} dimensions", indices.ty(), dims.len()),
        ));
    }
    let natural = strides(dims);
    let slice = dims[depth..].iter().product();
    let named = args.ints(operand)?;
    let tuples = if indices.dims().is_empty() {
        1
    } else {
        indices.dims()[..indices.dims().len() - 1].iter().product()
    };
    let mut places = Vec::with_capacity(named.len().max(1));
    for tuple in 0..tuples {
        let mut place = 0;
        for a in 0..depth {
            place += checked(named[tuple * depth + a], dims[a])? * natural[a];
        }
        places.push(place);
    }
    Ok((places, slice))
}

/// `gather_nd`.
pub(crate) fn gather_nd(args: &Args<'_>) -> Result<Tensor, Error> {
    let (input, indices) = (args.get(0)?, args.get(1)?);
    args.count(input.dtype(), indices.dims())?;
    let (places, slice) = places(args, 1, input.dims())?;
    let depth = indices.dims().last().copied().unwrap_or(1);
    let mut dims = indices.dims()[..indices.dims().len().saturating_sub(1)].to_vec();
    dims.extend(&input.dims()[depth..]);
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    places.iter().for_each(|&place| builder.push(&cells, place, slice));
    builder.finish()
}

/// `scatter_nd`.
pub(crate) fn scatter_nd(args: &Args<'_>) -> Result<Tensor, Error> {
    let updates = args.get(1)?;
    let dims = args.extents(2)?;
    args.count(updates.dtype(), &dims)?;
    args.count(DType::I64, args.get(0)?.dims())?;
    let (places, slice) = places(args, 0, &dims)?;
    if places.len().checked_mul(slice) != Some(updates.elements()) {
        return Err(args.bad(
            1,
            format!("is {}, which does not fill {} slices of {slice}", updates.ty(), places.len()),
        ));
    }
    if updates.dtype() == DType::Bool {
        let x = elements::<u8>(updates);
        let mut out = args.alloc::<u8>(&dims, 0)?;
        for (i, &place) in places.iter().enumerate() {
            (0..slice).for_each(|k| out[place + k] |= x[i * slice + k]);
        }
        return Ok(super::args::bools(&dims, out));
    }
    numbers!(
        updates.dtype(),
        T => {
            let x = elements::<T>(updates);
            let mut out = args.alloc::<T>(&dims, T::ZERO)?;
            for (i, &place) in places.iter().enumerate() {
                (0..slice).for_each(|k| out[place + k] = out[place + k].plus(x[i * slice + k]));
            }
            Ok(Tensor::from_vec(&dims, out))
        },
        Err(args.element_type(updates.dtype()))
    )
}

/// `one_hot`; an index that is none gives only `off`.
pub(crate) fn one_hot(op: &OneHot, args: &Args<'_>) -> Result<Tensor, Error> {
    let (indices, on, off) = (args.get(0)?, args.get(2)?, args.get(3)?);
    let depth = usize::try_from(args.int(1)?).map_err(|_| args.bad(1, "is negative"))?;
    if on.elements() != 1 || off.elements() != 1 || on.dtype() != off.dtype() {
        return Err(args.bad(3, format!("is {}, expected one element as `on`, {}", off.ty(), on.ty())));
    }
    let axis = axis(i64::from(op.axis), indices.dims().len() + 1)?;
    let mut dims = indices.dims().to_vec();
    dims.insert(axis, depth);
    let (before, _, behind) = around(&dims, axis);
    let named = args.ints(0)?;
    let (on_cells, off_cells) = (Cells::of(on), Cells::of(off));
    let mut builder = Builder::new(args, on, &dims)?;
    for outer in 0..before {
        for class in 0..depth {
            for inner in 0..behind {
                let hit = named[outer * behind + inner] == class as i64;
                builder.push(if hit { &on_cells } else { &off_cells }, 0, 1);
            }
        }
    }
    builder.finish()
}

/// `where`: the indices of elements that are not zero.
pub(crate) fn indices_where(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let truths: Vec<bool> = if input.dtype() == DType::Bool {
        elements::<u8>(input).iter().map(|&b| b != 0).collect()
    } else {
        numbers!(input.dtype(), T => elements::<T>(input).iter().map(|&x| x != T::ZERO).collect(), return Err(args.element_type(input.dtype())))
    };
    let natural = strides(input.dims());
    let hits: Vec<usize> = (0..truths.len()).filter(|&i| truths[i]).collect();
    let dims = [hits.len(), input.dims().len()];
    args.count(DType::I64, &dims)?;
    let out = hits
        .iter()
        .flat_map(|&at| (0..natural.len()).map(move |a| (at, a)))
        .map(|(at, a)| (at / natural[a] % input.dims()[a]) as i64)
        .collect();
    Ok(Tensor::from_vec(&dims, out))
}

/// `sparse_to_dense`.
pub(crate) fn sparse_to_dense(args: &Args<'_>) -> Result<Tensor, Error> {
    let (indices, values, default) = (args.get(0)?, args.get(2)?, args.get(3)?);
    let dims = args.extents(1)?;
    let depth = if indices.dims().len() == 2 { indices.dims()[1] } else { 1 };
    let named = args.ints(0)?;
    if depth != dims.len() || default.elements() != 1 || default.dtype() != values.dtype() {
        return Err(args.bad(0, format!("is {}, which does not fit a result of {dims:?}", indices.ty())));
    }
    let count = named.len().checked_div(depth).unwrap_or(0);
    if values.elements() != 1 && values.elements() != count {
        return Err(args.bad(2, format!("is {}, expected {count} elements", values.ty())));
    }
    let (cells, fill) = (Cells::of(values), Cells::of(default));
    let total = args.count(values.dtype(), &dims)?;
    let mut builder = Builder::new(args, values, &dims)?;
    builder.push_repeated(&fill, 0, total);
    let natural = strides(&dims);
    for i in 0..count {
        let mut place = 0;
        for a in 0..depth {
            place += checked(named[i * depth + a], dims[a])? * natural[a];
        }
        builder.overwrite(place, &cells, if values.elements() == 1 { 0 } else { i }, 1);
    }
    builder.finish()
}
