//! Values from shapes and scalars.

use planish_core::{DType, Tensor};

use super::args::{Args, elements, invalid};
use super::cells::{Builder, Cells};
use super::number::{Number, numbers};
use super::reduction::index_tensor;
use super::shape::broadcast;
use crate::error::Error;

/// `shape`.
pub(crate) fn shape(dtype: DType, args: &Args<'_>) -> Result<Tensor, Error> {
    let dims: Vec<i64> = args.get(0)?.dims().iter().map(|&d| d as i64).collect();
    index_tensor(args, dtype, &[dims.len()], &dims)
}

/// `rank`.
pub(crate) fn rank(args: &Args<'_>) -> Result<Tensor, Error> {
    Ok(Tensor::scalar(args.get(0)?.dims().len() as i32))
}

/// `broadcast_args`.
pub(crate) fn broadcast_args(args: &Args<'_>) -> Result<Tensor, Error> {
    let dims: Vec<i64> = broadcast(&args.extents(0)?, &args.extents(1)?)?.iter().map(|&d| d as i64).collect();
    index_tensor(args, args.get(0)?.dtype(), &[dims.len()], &dims)
}

/// `fill`.
pub(crate) fn fill(args: &Args<'_>) -> Result<Tensor, Error> {
    let dims = args.extents(0)?;
    let value = args.get(1)?;
    if value.elements() != 1 {
        return Err(args.bad(1, format!("is {}, expected one element", value.ty())));
    }
    let count = args.count(value.dtype(), &dims)?;
    let mut builder = Builder::new(args, value, &dims)?;
    builder.push_repeated(&Cells::of(value), 0, count);
    builder.finish()
}

/// `range`.
pub(crate) fn range(args: &Args<'_>) -> Result<Tensor, Error> {
    let (start, limit, delta) = (args.get(0)?, args.get(1)?, args.get(2)?);
    let dtype = start.dtype();
    if [start, limit, delta].iter().any(|t| t.elements() != 1 || t.dtype() != dtype) {
        return invalid(format!(
            "start {}, limit {} and delta {} are not numbers of one type",
            start.ty(),
            limit.ty(),
            delta.ty()
        ));
    }
    numbers!(
        dtype,
        T => {
            let one = |t: &Tensor| elements::<T>(t)[0];
            let (start, limit, delta) = (one(start), one(limit), one(delta));
            if delta == T::ZERO || delta.to_f64().is_nan() {
                return Err(args.bad(2, "is 0 or not a number, so the range has no end"));
            }
            let steps = ((limit.to_f64() - start.to_f64()) / delta.to_f64()).ceil();
            let count = if steps > 0.0 { steps as usize } else { 0 };
            let mut out = args.alloc::<T>(&[count], start)?;
            for (i, out) in out.iter_mut().enumerate() {
                *out = start.plus(T::from_f64(i as f64).times(delta));
            }
            Ok(Tensor::from_vec(&[count], out))
        },
        Err(args.element_type(dtype))
    )
}

/// `matrix_diag` and, with an operand to write into, `matrix_set_diag`.
pub(crate) fn matrix_diag(args: &Args<'_>, set: bool) -> Result<Tensor, Error> {
    let diagonal = args.get(usize::from(set))?;
    let Some((&len, outer)) = diagonal.dims().split_last() else {
        return Err(args.bad(usize::from(set), "is a scalar, which is no diagonal"));
    };
    let mut dims = outer.to_vec();
    if set {
        let input = args.get(0)?;
        let rank = input.dims().len();
        let fits =
            rank == outer.len() + 2 && input.dims()[..rank - 2] == *outer && input.dims()[rank - 2].min(input.dims()[rank - 1]) == len;
        if !fits || input.dtype() != diagonal.dtype() {
            return Err(args.bad(1, format!("is {}, which is no diagonal of {}", diagonal.ty(), input.ty())));
        }
        dims = input.dims().to_vec();
    } else {
        dims.extend([len, len]);
    }
    let count = args.count(diagonal.dtype(), &dims)?;
    let (rows, columns) = (dims[dims.len() - 2], dims[dims.len() - 1]);
    let mut builder = Builder::new(args, diagonal, &dims)?;
    let base = if set { Some(Cells::of(args.get(0)?)) } else { None };
    match &base {
        Some(cells) => builder.push(cells, 0, count),
        None => builder.push_zeros(count),
    }
    let cells = Cells::of(diagonal);
    for at in 0..diagonal.elements() {
        builder.overwrite(at / len * rows * columns + at % len * (columns + 1), &cells, at, 1);
    }
    builder.finish()
}
