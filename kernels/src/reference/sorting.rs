//! Elements in order, distinct elements, and places among boundaries.

use std::cmp::Ordering;

use planish_core::op::{Bucketize, Unique};
use planish_core::{DType, Tensor};

use super::args::{Args, elements};
use super::cells::{Builder, Cells};
use super::number::{Number, numbers};
use super::reduction::index_tensor;
use crate::error::Error;

/// `topk_v2`: of equal elements the first one comes first.
pub(crate) fn topk_v2(args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let input = args.get(0)?;
    let k = args.int(1)?;
    let depth = input.dims().last().copied().unwrap_or(0);
    let Some(k) = usize::try_from(k).ok().filter(|&k| k <= depth && !input.dims().is_empty()) else {
        return Err(args.bad(1, format!("is {k}, {} has {depth} elements in its last dimension", input.ty())));
    };
    let mut dims = input.dims().to_vec();
    *dims.last_mut().expect("a rank above 0") = k;
    let indices = numbers!(
        input.dtype(),
        T => {
            let x = elements::<T>(input);
            let mut indices = args.alloc::<i32>(&dims, 0)?;
            for (row, indices) in indices.chunks_mut(k.max(1)).enumerate() {
                let x = &x[row * depth..][..depth];
                let mut order: Vec<usize> = (0..depth).collect();
                order.sort_by(|&a, &b| x[b].partial_cmp(&x[a]).unwrap_or_else(|| f64::total_cmp(&x[b].to_f64(), &x[a].to_f64())));
                indices.iter_mut().zip(order).for_each(|(to, from)| *to = from as i32);
            }
            indices
        },
        return Err(args.element_type(input.dtype()))
    );
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    for (at, &index) in indices.iter().enumerate() {
        builder.push(&cells, at / k * depth + index as usize, 1);
    }
    let indices: Vec<i64> = indices.into_iter().map(i64::from).collect();
    let dtype = args.result_type(1).map_or(DType::I32, |t| t.dtype);
    Ok(vec![builder.finish()?, index_tensor(args, dtype, &dims, &indices)?])
}

/// `unique`.
pub(crate) fn unique(op: &Unique, args: &Args<'_>) -> Result<Vec<Tensor>, Error> {
    let input = args.of_rank(0, 1)?;
    let cells = Cells::of(input);
    let mut seen = std::collections::BTreeMap::new();
    let mut first = Vec::new();
    let mut places = Vec::with_capacity(input.elements());
    for i in 0..input.elements() {
        let next = first.len();
        let place = *seen.entry(cells.at(i).to_vec()).or_insert(next);
        if place == next {
            first.push(i);
        }
        places.push(place as i64);
    }
    let mut builder = Builder::new(args, input, &[first.len()])?;
    first.iter().for_each(|&i| builder.push(&cells, i, 1));
    Ok(vec![builder.finish()?, index_tensor(args, op.dtype, input.dims(), &places)?])
}

/// `bucketize`.
pub(crate) fn bucketize(op: &Bucketize, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    if op.boundaries.windows(2).any(|w| w[0].partial_cmp(&w[1]) == Some(Ordering::Greater)) {
        return super::args::invalid("the boundaries do not ascend");
    }
    numbers!(
        input.dtype(),
        T => {
            let x = elements::<T>(input);
            let mut out = args.alloc::<i32>(input.dims(), 0)?;
            let below = |x: f64| op.boundaries.partition_point(|&b| f64::from(b) <= x) as i32;
            out.iter_mut().zip(x.iter()).for_each(|(out, x)| *out = below(x.to_f64()));
            Ok(Tensor::from_vec(input.dims(), out))
        },
        Err(args.element_type(input.dtype()))
    )
}
