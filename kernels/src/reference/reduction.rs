//! Reductions over axes, and running sums.

use planish_core::op::{Cumsum, Op};
use planish_core::{DType, Tensor};

use super::args::{Args, bools, elements, invalid};
use super::number::{Number, numbers};
use super::shape::{around, axis, broadcast_strides, for_each_row};
use crate::error::Error;

/// What is reduced: the input's extents with 1 on reduced axes, the result's extents, and elements in one reduction.
struct Plan {
    kept: Vec<usize>,
    dims: Vec<usize>,
    each: usize,
}

fn plan(args: &Args<'_>, keep_dims: bool) -> Result<Plan, Error> {
    let input = args.get(0)?;
    let rank = input.dims().len();
    let mut reduced = vec![false; rank];
    for a in args.ints(1)? {
        if rank == 0 && (a == 0 || a == -1) {
            continue;
        }
        reduced[axis(a, rank)?] = true;
    }
    let kept: Vec<usize> = (0..rank).map(|a| if reduced[a] { 1 } else { input.dims()[a] }).collect();
    let dims = (0..rank).filter(|&a| keep_dims || !reduced[a]).map(|a| kept[a]).collect();
    let each = (0..rank).filter(|&a| reduced[a]).map(|a| input.dims()[a]).product();
    Ok(Plan { kept, dims, each })
}

/// Folds each reduction in row-major order of its elements.
fn fold<X: Copy, S>(plan: &Plan, input: &[usize], x: &[X], out: &mut [S], mut f: impl FnMut(&mut S, X)) {
    let steps = broadcast_strides(&plan.kept, input);
    let natural = super::shape::strides(input);
    let row = input.last().copied().unwrap_or(1);
    let inner = steps.last().copied().unwrap_or(0);
    for_each_row(input, [&natural, &steps], |[from, to]| {
        let x = &x[from..from + row];
        if inner == 0 {
            let out = &mut out[to];
            x.iter().for_each(|&x| f(out, x));
        } else {
            x.iter().zip(&mut out[to..to + row]).for_each(|(&x, out)| f(out, x));
        }
    });
}

/// Mean, sum, product, extremes, conjunction and disjunction. Sums of floats are made in double precision.
pub(crate) fn reduce(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let keep_dims = match op {
        Op::Mean(op) => op.keep_dims,
        Op::Sum(op) => op.keep_dims,
        Op::ReduceProd(op) => op.keep_dims,
        Op::ReduceMax(op) => op.keep_dims,
        Op::ReduceMin(op) => op.keep_dims,
        Op::ReduceAny(op) => op.keep_dims,
        Op::ReduceAll(op) => op.keep_dims,
        _ => unreachable!("only reductions are sent here"),
    };
    let plan = plan(args, keep_dims)?;
    let input = args.get(0)?;
    if let Op::ReduceAny(_) | Op::ReduceAll(_) = op {
        if input.dtype() != DType::Bool {
            return Err(args.element_type(input.dtype()));
        }
        let all = matches!(op, Op::ReduceAll(_));
        let mut out = args.alloc::<u8>(&plan.dims, u8::from(all))?;
        fold(&plan, input.dims(), &elements::<u8>(input), &mut out, |out, x| {
            if all { *out &= x } else { *out |= x }
        });
        return Ok(bools(&plan.dims, out));
    }
    numbers!(input.dtype(), T => reduce_numbers::<T>(op, args, &plan), Err(args.element_type(input.dtype())))
}

fn reduce_numbers<T: Number>(op: &Op, args: &Args<'_>, plan: &Plan) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let x = elements::<T>(input);
    let mut out = args.alloc::<T>(&plan.dims, T::ZERO)?;
    match op {
        Op::ReduceMax(_) => {
            out.fill(T::LOWEST);
            fold(plan, input.dims(), &x, &mut out, |out, x| *out = if x > *out { x } else { *out });
        }
        Op::ReduceMin(_) => {
            out.fill(T::HIGHEST);
            fold(plan, input.dims(), &x, &mut out, |out, x| *out = if x < *out { x } else { *out });
        }
        Op::ReduceProd(_) => {
            out.fill(T::ONE);
            fold(plan, input.dims(), &x, &mut out, |out, x| *out = out.times(x));
        }
        Op::Mean(_) | Op::Sum(_) if T::IS_FLOAT => {
            let mut sums = args.alloc::<f64>(&plan.dims, 0.0)?;
            fold(plan, input.dims(), &x, &mut sums, |sum, x| *sum += x.to_f64());
            let by = if matches!(op, Op::Mean(_)) { plan.each as f64 } else { 1.0 };
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = T::from_f64(sum / by));
        }
        Op::Mean(_) => {
            if plan.each == 0 && !out.is_empty() {
                return invalid("the mean of no integers is not defined");
            }
            let mut sums = args.alloc::<f64>(&plan.dims, 0.0)?;
            fold(plan, input.dims(), &x, &mut sums, |sum, x| *sum += x.to_f64());
            out.iter_mut()
                .zip(sums)
                .for_each(|(out, sum)| *out = T::from_f64((sum / plan.each as f64).trunc()));
        }
        _ => fold(plan, input.dims(), &x, &mut out, |out, x| *out = out.plus(x)),
    }
    Ok(Tensor::from_vec(&plan.dims, out))
}

/// The index of the greatest or smallest element along an axis, the first of several.
pub(crate) fn arg_extreme(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let (dtype, greatest) = match op {
        Op::ArgMax(op) => (op.dtype, true),
        Op::ArgMin(op) => (op.dtype, false),
        _ => unreachable!("only extremes are sent here"),
    };
    let input = args.get(0)?;
    let axis = axis(args.int(1)?, input.dims().len())?;
    let (before, extent, behind) = around(input.dims(), axis);
    let mut dims = input.dims().to_vec();
    dims.remove(axis);
    if extent == 0 && before * behind > 0 {
        return invalid(format!("axis {axis} of {} has no elements to choose from", input.ty()));
    }
    let mut found = args.alloc::<i64>(&dims, 0)?;
    let mut search = |better: &dyn Fn(usize, usize) -> bool| {
        for (at, found) in found.iter_mut().enumerate() {
            let first = at / behind * extent * behind + at % behind;
            let best = (1..extent).fold(0, |best, i| {
                if better(first + i * behind, first + best * behind) {
                    i
                } else {
                    best
                }
            });
            *found = best as i64;
        }
    };
    if input.dtype() == DType::Bool {
        let x = elements::<u8>(input);
        search(&|a, b| if greatest { x[a] > x[b] } else { x[a] < x[b] });
    } else {
        numbers!(
            input.dtype(),
            T => {
                let x = elements::<T>(input);
                search(&|a, b| if greatest { x[a] > x[b] } else { x[a] < x[b] });
            },
            return Err(args.element_type(input.dtype()))
        );
    }
    index_tensor(args, dtype, &dims, &found)
}

/// Indices as elements of one of the types that indices have.
pub(crate) fn index_tensor(args: &Args<'_>, dtype: DType, dims: &[usize], indices: &[i64]) -> Result<Tensor, Error> {
    Ok(match dtype {
        DType::I32 => Tensor::from_vec(dims, indices.iter().map(|&i| i as i32).collect()),
        DType::I64 => Tensor::from_vec(dims, indices.to_vec()),
        DType::I16 => Tensor::from_vec(dims, indices.iter().map(|&i| i as i16).collect()),
        DType::U32 => Tensor::from_vec(dims, indices.iter().map(|&i| i as u32).collect()),
        DType::U16 => Tensor::from_vec(dims, indices.iter().map(|&i| i as u16).collect()),
        dtype => return Err(args.element_type(dtype)),
    })
}

/// `cumsum`.
pub(crate) fn cumsum(op: &Cumsum, args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let axis = axis(args.int(1)?, input.dims().len())?;
    let (_, extent, behind) = around(input.dims(), axis);
    numbers!(
        input.dtype(),
        T => {
            let x = elements::<T>(input);
            let mut out = args.alloc::<T>(input.dims(), T::ZERO)?;
            for (block, out) in out.chunks_mut((extent * behind).max(1)).enumerate() {
                let x = &x[block * extent * behind..][..extent * behind];
                for lane in 0..behind {
                    let mut sum = T::ZERO;
                    for i in 0..extent {
                        let at = if op.reverse { extent - 1 - i } else { i } * behind + lane;
                        let next = sum.plus(x[at]);
                        out[at] = if op.exclusive { sum } else { next };
                        sum = next;
                    }
                }
            }
            Ok(Tensor::from_vec(input.dims(), out))
        },
        Err(args.element_type(input.dtype()))
    )
}
