//! Windows reduced to one element.

use planish_core::attr::{Activation, Padding, WindowFunction};
use planish_core::op::{Op, ReduceWindow};
use planish_core::{DType, Tensor};

use super::args::{Args, elements, invalid};
use super::cells::{Builder, Cells};
use super::elementwise::activated;
use super::number::{Number, numbers};
use super::products::windows;
use super::shape::{Window, strides};
use crate::error::Error;

/// Average, maximum and Euclidean pooling over height and width.
pub(crate) fn pool_2d(op: &Op, args: &Args<'_>) -> Result<Tensor, Error> {
    let (filter, stride, padding, activation) = match op {
        Op::AveragePool2d(op) => (op.filter, op.stride, op.padding, op.activation),
        Op::MaxPool2d(op) => (op.filter, op.stride, op.padding, op.activation),
        Op::L2Pool2d(op) => (op.filter, op.stride, op.padding, op.activation),
        _ => unreachable!("only pooling operations are sent here"),
    };
    let dtype = args.get(0)?.dtype();
    numbers!(
        dtype,
        T => {
            if !T::IS_FLOAT && matches!(op, Op::L2Pool2d(_)) {
                return Err(args.element_type(dtype));
            }
            pool::<T>(op, args, filter, stride, padding, activation)
        },
        Err(args.element_type(dtype))
    )
}

fn pool<T: Number>(
    op: &Op,
    args: &Args<'_>,
    filter: [u32; 2],
    stride: [u32; 2],
    padding: Padding,
    activation: Activation,
) -> Result<Tensor, Error> {
    let [batch, height, width, channels] = args.dims::<4>(0)?;
    let [rows, columns] = windows([height, width], filter.map(|f| f as usize), stride, [1, 1], padding)?;
    let dims = [batch, rows.positions, columns.positions, channels];
    let x = args.elements::<T>(0)?;
    let mut out = args.alloc::<T>(&dims, T::ZERO)?;
    let mut sums = vec![0f64; channels];
    let mut greatest = vec![T::LOWEST; channels];
    for (pixel, out) in out.chunks_mut(channels.max(1)).enumerate() {
        let (image, y, x_position) = (
            pixel / (rows.positions * columns.positions),
            pixel / columns.positions % rows.positions,
            pixel % columns.positions,
        );
        sums.fill(0.0);
        greatest.fill(T::LOWEST);
        let mut count = 0usize;
        for ky in rows.taps(y, height) {
            let sy = y * rows.stride + ky - rows.before;
            for kx in columns.taps(x_position, width) {
                let sx = x_position * columns.stride + kx - columns.before;
                let x = &x[((image * height + sy) * width + sx) * channels..][..channels];
                count += 1;
                match op {
                    Op::MaxPool2d(_) => greatest.iter_mut().zip(x).for_each(|(g, &x)| *g = if *g > x { *g } else { x }),
                    Op::AveragePool2d(_) => sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x.to_f64()),
                    _ => sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x.to_f64() * x.to_f64()),
                }
            }
        }
        match op {
            Op::MaxPool2d(_) => out.copy_from_slice(&greatest),
            Op::AveragePool2d(_) => out
                .iter_mut()
                .zip(&sums)
                .for_each(|(out, sum)| *out = T::from_f64(sum / count as f64)),
            _ => out
                .iter_mut()
                .zip(&sums)
                .for_each(|(out, sum)| *out = T::from_f64((sum / count as f64).sqrt())),
        }
    }
    Ok(activated(activation, Tensor::from_vec(&dims, out)))
}

/// `dilate`: elements moved apart.
pub(crate) fn dilate(args: &Args<'_>) -> Result<Tensor, Error> {
    let (input, value) = (args.get(0)?, args.get(2)?);
    let dilations = args.extents(1)?;
    if dilations.len() != input.dims().len() || dilations.contains(&0) {
        return Err(args.bad(1, format!("is {dilations:?}, which does not fit {}", input.ty())));
    }
    if value.elements() != 1 || value.dtype() != input.dtype() {
        return Err(args.bad(2, format!("is {}, expected one element of type {}", value.ty(), input.dtype())));
    }
    let mut dims = Vec::new();
    for (&extent, &dilation) in input.dims().iter().zip(&dilations) {
        let apart = extent
            .saturating_sub(1)
            .saturating_mul(dilation)
            .saturating_add(usize::from(extent > 0));
        dims.push(apart);
    }
    let (cells, fill) = (Cells::of(input), Cells::of(value));
    let mut builder = Builder::new(args, input, &dims)?;
    let count: usize = dims.iter().product();
    builder.push_repeated(&fill, 0, count);
    let (from, to) = (strides(input.dims()), strides(&dims));
    for at in 0..input.elements() {
        let target: usize = (0..dims.len()).map(|a| at / from[a] % input.dims()[a] * dilations[a] * to[a]).sum();
        builder.overwrite(target, &cells, at, 1);
    }
    builder.finish()
}

/// `reduce_window` over windows of any rank.
pub(crate) fn reduce_window(op: &ReduceWindow, args: &Args<'_>) -> Result<Tensor, Error> {
    let (input, init) = (args.get(0)?, args.get(1)?);
    let (shape, steps, dilations) = (args.extents(2)?, args.extents(3)?, args.extents(4)?);
    let rank = input.dims().len();
    if [&shape, &steps, &dilations].iter().any(|v| v.len() != rank) || init.dtype() != input.dtype() || init.elements() != 1 {
        return invalid(format!("a window of {shape:?} by {steps:?} does not fit {}", input.ty()));
    }
    let mut windows = Vec::new();
    for axis in 0..rank {
        let number = |v: usize| u32::try_from(v).map_err(|_| Error::Invalid(format!("a window step of {v} is too large")));
        windows.push(Window::new(
            input.dims()[axis],
            shape[axis],
            number(steps[axis])?,
            number(dilations[axis])?,
            Padding::Valid,
        )?);
    }
    let dims: Vec<usize> = windows.iter().map(|w| w.positions).collect();
    let taps = args.count(DType::I8, &shape)?;
    if input.dtype() == DType::Bool {
        let (x, init) = (args.elements::<u8>(0)?, args.elements::<u8>(1)?[0]);
        let mut out = args.alloc::<u8>(&dims, init)?;
        let all = op.function == WindowFunction::All;
        if !all && op.function != WindowFunction::Any {
            return Err(args.element_type(DType::Bool));
        }
        for_each_tap(&windows, &dims, input.dims(), taps, |o, i| {
            if all { out[o] &= x[i] } else { out[o] |= x[i] }
        });
        return Ok(super::args::bools(&dims, out));
    }
    numbers!(
        input.dtype(),
        T => {
            let combine: fn(T, T) -> T = match op.function {
                WindowFunction::Add => T::plus,
                WindowFunction::Mul => T::times,
                WindowFunction::Minimum => |x, y| if y < x { y } else { x },
                WindowFunction::Maximum => |x, y| if y > x { y } else { x },
                _ => return Err(args.element_type(input.dtype())),
            };
            let x = elements::<T>(input);
            let mut out = args.alloc::<T>(&dims, elements::<T>(init)[0])?;
            for_each_tap(&windows, &dims, input.dims(), taps, |o, i| out[o] = combine(out[o], x[i]));
            Ok(Tensor::from_vec(&dims, out))
        },
        Err(args.element_type(input.dtype()))
    )
}

/// Calls `f` with the number of each output and of each element in its window.
fn for_each_tap(windows: &[Window], dims: &[usize], input: &[usize], taps: usize, mut f: impl FnMut(usize, usize)) {
    let (out_strides, in_strides) = (strides(dims), strides(input));
    let extents: Vec<usize> = windows.iter().map(|w| w.extent).collect();
    let tap_strides = strides(&extents);
    for o in 0..dims.iter().product() {
        for tap in 0..taps {
            let place: usize = (0..dims.len())
                .map(|a| {
                    let position = o / out_strides[a] % dims[a] * windows[a].stride;
                    (position + tap / tap_strides[a] % extents[a] * windows[a].dilation) * in_strides[a]
                })
                .sum();
            f(o, place);
        }
    }
}
