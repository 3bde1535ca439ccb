//! One of two elements, by a condition.

use planish_core::op::Op;
use planish_core::{DType, Tensor};

use super::args::Args;
use super::cells::{Builder, Cells};
use super::shape::{broadcast, broadcast_strides, for_each_row};
use crate::error::Error;

/// `select` and `select_v2`.
pub(crate) fn select(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let (condition, x, y) = (args.get(0)?, args.get(1)?, args.get(2)?);
    if condition.dtype() != DType::Bool {
        return Err(args.bad(0, format!("is {}, expected truth values", condition.ty())));
    }
    if x.dtype() != y.dtype() {
        return Err(args.bad(2, format!("is {}, expected elements of type {}", y.ty(), x.dtype())));
    }
    let by_row = matches!(op, Op::Select(_))
        && condition.dims().len() == 1
        && x.dims().len() > 1
        && x.dims() == y.dims()
        && x.dims()[0] == condition.dims()[0];
    let condition_dims: Vec<usize> = if by_row {
        let mut dims = vec![1; x.dims().len()];
        dims[0] = condition.dims()[0];
        dims
    } else {
        condition.dims().to_vec()
    };
    let dims = broadcast(&broadcast(&condition_dims, x.dims())?, y.dims())?;
    let strides = [&condition_dims[..], x.dims(), y.dims()].map(|from| broadcast_strides(from, &dims));
    let inner = [0, 1, 2].map(|i: usize| strides[i].last().copied().unwrap_or(0));
    let row = dims.last().copied().unwrap_or(1);
    let (truths, x_cells, y_cells) = (args.elements::<u8>(0)?, Cells::of(x), Cells::of(y));
    let mut builder = Builder::new(args, x, &dims)?;
    for_each_row(&dims, [&strides[0], &strides[1], &strides[2]], |[c, x, y]| {
        for i in 0..row {
            if truths[c + i * inner[0]] != 0 {
                builder.push(&x_cells, x + i * inner[1], 1);
            } else {
                builder.push(&y_cells, y + i * inner[2], 1);
            }
        }
    });
    builder.finish()
}
