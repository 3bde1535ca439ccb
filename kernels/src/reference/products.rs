//! Fully connected operations, products of matrices and convolutions, in float and with int8 weights.

use std::borrow::Cow;

use planish_core::attr::{Activation, Padding, WeightsFormat};
use planish_core::op::{BatchMatmul, Conv2d, FullyConnected};
use planish_core::{DType, Tensor};

use super::activation::finish;
use super::args::{Args, elements, invalid};
use super::cells::Cells;
use super::matmul;
use super::number::{Number, numbers};
use super::shape::{Window, broadcast, broadcast_strides, for_each_row};
use crate::arch::generic;
use crate::error::Error;
use crate::gemm::{Clamp, Conv2dShape, Matrix, PackedWeights};
use crate::select::{self, Operation};

/// How products of matrices are computed.
pub(crate) enum Engine<'a> {
    /// In plain loops.
    Loops,
    /// By the best kernel of the machine, on weights packed for this one call.
    Packed,
    /// By the best kernel of the machine, on weights packed at the first call and kept; operands behind the first one are the same at every call.
    Kept(&'a mut Option<PackedWeights>),
}

impl Engine<'_> {
    /// For one call, with the same bits on every machine.
    ///
    /// Loops and kernels add products up one after the other, each with one rounding, all but the portable kernel where the CPU has no
    /// instruction for that. Loops take its place there.
    pub(crate) fn once() -> Engine<'static> {
        if generic::IS_FUSED || select::runs_other_than_generic() {
            Engine::Packed
        } else {
            Engine::Loops
        }
    }
}

/// Weights as they are multiplied.
enum Weights<'a> {
    Float(Cow<'a, [f32]>),
    Hybrid(Cow<'a, [i8]>, Vec<f32>),
}

/// The stored integers of a tensor of 8-bit or 4-bit weights.
pub(crate) fn stored_int8(tensor: &Tensor) -> Option<Cow<'_, [i8]>> {
    match tensor.dtype() {
        DType::I8 => Some(elements::<i8>(tensor)),
        DType::I4 | DType::I2 => {
            let Cells::Bytes(_, bytes) = Cells::of(tensor) else { return None };
            let shift = 8 - tensor.dtype().bits();
            Some(Cow::Owned(bytes.iter().map(|&b| (b << shift) as i8 >> shift).collect()))
        }
        _ => None,
    }
}

/// The scales of symmetric weights with `outputs` slices along `axis`: one, or one an output.
pub(crate) fn weight_scales(args: &Args<'_>, operand: usize, axis: usize, outputs: usize) -> Result<Vec<f32>, Error> {
    let tensor = args.get(operand)?;
    let Some(quant) = tensor.quant() else {
        return Err(args.bad(operand, format!("is {}, which says not what its integers stand for", tensor.ty())));
    };
    if !quant.is_symmetric() {
        return Err(args.bad(operand, "has zero points other than 0, which no hybrid kernel takes"));
    }
    let scales = quant.scales().to_vec();
    match quant.axis() {
        Some(a) if scales.len() != 1 && (a != axis || scales.len() != outputs) => Err(args.bad(
            operand,
            format!("has {} scales along axis {a}, expected {outputs} along axis {axis}", scales.len()),
        )),
        _ => Ok(scales),
    }
}

impl<'a> Weights<'a> {
    fn of(args: &Args<'a>, operand: usize, axis: usize, outputs: usize) -> Result<Weights<'a>, Error> {
        let tensor = args.get(operand)?;
        match tensor.dtype() {
            DType::F32 => Ok(Weights::Float(elements(tensor))),
            dtype => match stored_int8(tensor) {
                Some(stored) => Ok(Weights::Hybrid(stored, weight_scales(args, operand, axis, outputs)?)),
                None => Err(args.element_type(dtype)),
            },
        }
    }

    /// The part of the weights that is matrix number `index` of `len` elements each.
    fn pack(
        &self,
        operation: Operation,
        view: impl Fn(usize) -> (usize, usize, bool),
        index: usize,
        bias: Option<&[f32]>,
        groups: usize,
    ) -> PackedWeights {
        let (rows, columns, transposed) = view(index);
        let range = index * rows * columns..(index + 1) * rows * columns;
        match self {
            Weights::Float(w) => PackedWeights::float(operation, oriented(&w[range], rows, columns, transposed), bias, groups),
            Weights::Hybrid(w, scales) => {
                PackedWeights::hybrid(operation, oriented(&w[range], rows, columns, transposed), scales, bias, groups)
            }
        }
    }
}

fn oriented<T: Copy>(data: &[T], rows: usize, columns: usize, transposed: bool) -> Matrix<'_, T> {
    let matrix = Matrix::new(data, rows, columns);
    if transposed { matrix.transposed() } else { matrix }
}

fn clamp_of(activation: Activation) -> Clamp {
    activation.bounds().map_or(Clamp::NONE, |(min, max)| Clamp { min, max })
}

/// A result whose clamp has been applied already.
fn finished(activation: Activation, dims: &[usize], values: Vec<f32>) -> Tensor {
    if activation.bounds().is_some() {
        Tensor::from_vec(dims, values)
    } else {
        finish(activation, dims, values)
    }
}

fn bias<'a>(args: &Args<'a>, operand: usize, outputs: usize) -> Result<Option<Cow<'a, [f32]>>, Error> {
    let bias = args.optional_elements::<f32>(operand)?;
    match &bias {
        Some(found) if found.len() != outputs => Err(args.bad(operand, format!("has {} elements, expected {outputs}", found.len()))),
        _ => Ok(bias),
    }
}

/// Sums of products of elements of any type.
fn plain_product<T: Number>(left: Matrix<'_, T>, weights: Matrix<'_, T>, out: &mut [T]) {
    let columns = weights.rows();
    for (at, out) in out.iter_mut().enumerate() {
        let (r, c) = (at / columns, at % columns);
        *out = (0..left.columns()).fold(T::ZERO, |sum, k| sum.plus(left.at(r, k).times(weights.at(c, k))));
    }
}

/// One product of float rows by weights, into `out`.
fn multiply(
    weights: &Weights<'_>,
    shape: (usize, usize, bool),
    index: usize,
    left: Matrix<'_, f32>,
    bias: Option<&[f32]>,
    out: &mut [f32],
    clamp: Clamp,
) {
    let (rows, columns, transposed) = shape;
    let range = index * rows * columns..(index + 1) * rows * columns;
    let product = match weights {
        Weights::Float(w) => matmul::multiply_float(left, oriented(&w[range], rows, columns, transposed), bias, clamp),
        Weights::Hybrid(w, scales) => matmul::multiply_hybrid(left, oriented(&w[range], rows, columns, transposed), scales, bias, clamp),
    };
    out.copy_from_slice(&product);
}

/// `fully_connected`.
pub(crate) fn fully_connected(op: &FullyConnected, args: &Args<'_>, engine: &mut Engine<'_>) -> Result<Tensor, Error> {
    if op.weights_format != WeightsFormat::Plain {
        return invalid("weights in shuffled blocks have no kernel; store them row-major");
    }
    let input = args.get(0)?;
    let [outputs, depth] = args.dims::<2>(1)?;
    if (depth == 0 && input.elements() > 0) || (depth > 0 && !input.elements().is_multiple_of(depth)) {
        return Err(args.bad(0, format!("is {}, which is no number of rows of {depth}", input.ty())));
    }
    let mut dims = if op.keep_num_dims && !input.dims().is_empty() {
        if input.dims().last() != Some(&depth) {
            return Err(args.bad(0, format!("is {}, expected {depth} in its last dimension", input.ty())));
        }
        input.dims()[..input.dims().len() - 1].to_vec()
    } else {
        vec![input.elements().checked_div(depth).unwrap_or(0)]
    };
    let rows: usize = dims.iter().product();
    dims.push(outputs);
    if input.dtype() != DType::F32 {
        return numbers!(
            input.dtype(),
            T => {
                let (x, w) = (args.elements::<T>(0)?, args.elements::<T>(1)?);
                let mut out = args.alloc::<T>(&dims, T::ZERO)?;
                plain_product(Matrix::new(&x, rows, depth), Matrix::new(&w, outputs, depth), &mut out);
                if let Some(bias) = args.optional_elements::<T>(2)? {
                    if bias.len() != outputs {
                        return Err(args.bad(2, format!("has {} elements, expected {outputs}", bias.len())));
                    }
                    out.iter_mut().enumerate().for_each(|(i, out)| *out = out.plus(bias[i % outputs]));
                }
                Ok(super::elementwise::activated(op.activation, Tensor::from_vec(&dims, out)))
            },
            Err(args.element_type(input.dtype()))
        );
    }
    let bias = bias(args, 2, outputs)?;
    let clamp = clamp_of(op.activation);
    let x = args.elements::<f32>(0)?;
    let left = Matrix::new(&x, rows, depth);
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    if out.is_empty() {
        return Ok(Tensor::from_vec(&dims, out));
    }
    let weights = || Weights::of(args, 1, 0, outputs);
    let pack = || -> Result<PackedWeights, Error> {
        Ok(weights()?.pack(Operation::FullyConnected, |_| (outputs, depth, false), 0, bias.as_deref(), 1))
    };
    match engine {
        Engine::Loops => multiply(&weights()?, (outputs, depth, false), 0, left, bias.as_deref(), &mut out, clamp),
        Engine::Packed => pack()?.multiply(left, &mut out, clamp),
        Engine::Kept(kept) => kept_or(kept, pack)?.multiply(left, &mut out, clamp),
    }
    Ok(finished(op.activation, &dims, out))
}

fn kept_or(kept: &mut Option<PackedWeights>, pack: impl FnOnce() -> Result<PackedWeights, Error>) -> Result<&PackedWeights, Error> {
    if kept.is_none() {
        *kept = Some(pack()?);
    }
    Ok(kept.as_ref().expect("packed above"))
}

/// `batch_matmul`.
pub(crate) fn batch_matmul(op: &BatchMatmul, args: &Args<'_>, engine: &mut Engine<'_>) -> Result<Tensor, Error> {
    let (x, y) = (args.get(0)?, args.get(1)?);
    let (xr, yr) = (x.dims().len(), y.dims().len());
    if xr < 2 || yr < 2 {
        return invalid(format!("operands {} and {} are no matrices", x.ty(), y.ty()));
    }
    let (x_rows, x_columns) = (x.dims()[xr - 2], x.dims()[xr - 1]);
    let (y_rows, y_columns) = (y.dims()[yr - 2], y.dims()[yr - 1]);
    let (m, depth) = if op.adj_x { (x_columns, x_rows) } else { (x_rows, x_columns) };
    let (n, y_depth) = if op.adj_y { (y_rows, y_columns) } else { (y_columns, y_rows) };
    if depth != y_depth {
        return invalid(format!("operands {} and {} do not multiply", x.ty(), y.ty()));
    }
    let batch = broadcast(&x.dims()[..xr - 2], &y.dims()[..yr - 2])?;
    let mut dims = batch.clone();
    dims.extend([m, n]);
    let steps = [&x.dims()[..xr - 2], &y.dims()[..yr - 2]].map(|from| broadcast_strides(from, &batch));
    let mut places = Vec::new();
    let row = batch.last().copied().unwrap_or(1);
    let inner = [0, 1].map(|i: usize| steps[i].last().copied().unwrap_or(0));
    // Products without elements take no room, however many they are.
    if m > 0 && n > 0 {
        for_each_row(&batch, [&steps[0], &steps[1]], |[a, b]| {
            places.extend((0..row).map(|i| (a + i * inner[0], b + i * inner[1])))
        });
    }
    if x.dtype() != DType::F32 {
        return numbers!(
            x.dtype(),
            T => {
                let (xs, ys) = (args.elements::<T>(0)?, args.elements::<T>(1)?);
                let mut out = args.alloc::<T>(&dims, T::ZERO)?;
                for (out, &(a, b)) in out.chunks_mut((m * n).max(1)).zip(&places) {
                    let left = oriented(&xs[a * m * depth..(a + 1) * m * depth], x_rows, x_columns, op.adj_x);
                    plain_product(left, oriented(&ys[b * n * depth..(b + 1) * n * depth], y_rows, y_columns, !op.adj_y), out);
                }
                Ok(Tensor::from_vec(&dims, out))
            },
            Err(args.element_type(x.dtype()))
        );
    }
    let xs = args.elements::<f32>(0)?;
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    if out.is_empty() || depth == 0 {
        return Ok(Tensor::from_vec(&dims, out));
    }
    let axis = if op.adj_y { yr - 2 } else { yr - 1 };
    let shape = (y_rows, y_columns, !op.adj_y);
    let left = |a: usize| oriented(&xs[a * m * depth..(a + 1) * m * depth], x_rows, x_columns, op.adj_x);
    let one = y.elements() == n * depth;
    let weights = || Weights::of(args, 1, axis, n);
    if let (Engine::Kept(kept), true) = (&mut *engine, one) {
        let pack = || -> Result<PackedWeights, Error> { Ok(weights()?.pack(Operation::BatchMatmul, |_| shape, 0, None, 1)) };
        let packed = kept_or(kept, pack)?;
        for (out, &(a, _)) in out.chunks_mut(m * n).zip(&places) {
            packed.multiply(left(a), out, Clamp::NONE);
        }
        return Ok(Tensor::from_vec(&dims, out));
    }
    let weights = weights()?;
    let mut packed: Option<(usize, PackedWeights)> = None;
    for (out, &(a, b)) in out.chunks_mut(m * n).zip(&places) {
        if matches!(engine, Engine::Loops) {
            multiply(&weights, shape, b, left(a), None, out, Clamp::NONE);
            continue;
        }
        if packed.as_ref().is_none_or(|(of, _)| *of != b) {
            packed = Some((b, weights.pack(Operation::BatchMatmul, |_| shape, b, None, 1)));
        }
        packed.as_ref().expect("packed above").1.multiply(left(a), out, Clamp::NONE);
    }
    Ok(Tensor::from_vec(&dims, out))
}

/// The windows of a convolution over height and width.
pub(crate) fn windows(
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [u32; 2],
    dilation: [u32; 2],
    padding: Padding,
) -> Result<[Window; 2], Error> {
    Ok([
        Window::new(input[0], kernel[0], stride[0], dilation[0], padding)?,
        Window::new(input[1], kernel[1], stride[1], dilation[1], padding)?,
    ])
}

/// `conv_2d`. With int8 weights each image is quantized as a whole, but under filters of one pixel each pixel on its own:
/// XNNPACK takes such a convolution for a product of matrices.
pub(crate) fn conv_2d(op: &Conv2d, args: &Args<'_>, engine: &mut Engine<'_>) -> Result<Tensor, Error> {
    let [batch, height, width, channels] = args.dims::<4>(0)?;
    let [filters, kh, kw, share] = args.dims::<4>(1)?;
    if share == 0 || !channels.is_multiple_of(share) || channels == 0 || !filters.is_multiple_of(channels / share) {
        return Err(args.bad(1, format!("is {}, which does not fit {channels} channels", args.get(1)?.ty())));
    }
    let groups = channels / share;
    let [rows, columns] = windows([height, width], [kh, kw], op.stride, op.dilation, op.padding)?;
    let dims = [batch, rows.positions, columns.positions, filters];
    let bias = bias(args, 2, filters)?;
    let x = args.elements::<f32>(0)?;
    let mut out = args.alloc::<f32>(&dims, 0.0)?;
    if out.is_empty() {
        return Ok(Tensor::from_vec(&dims, out));
    }
    let shape = Conv2dShape {
        batch,
        input: [height, width],
        channels,
        output: [rows.positions, columns.positions],
        filters,
        kernel: [kh, kw],
        stride: [rows.stride, columns.stride],
        dilation: [rows.dilation, columns.dilation],
        padding: [rows.before, columns.before],
        groups,
    };
    let clamp = clamp_of(op.activation);
    let depth = kh * kw * share;
    let weights = || Weights::of(args, 1, 0, filters);
    let hybrid = args.get(1)?.dtype() != DType::F32;
    if hybrid && [kh, kw] == [1, 1] && op.stride == [1, 1] && groups == 1 {
        let left = Matrix::new(&x, batch * height * width, channels);
        let pack = || -> Result<PackedWeights, Error> {
            Ok(weights()?.pack(Operation::Conv2d, |_| (filters, depth, false), 0, bias.as_deref(), 1))
        };
        match engine {
            Engine::Loops => multiply(&weights()?, (filters, depth, false), 0, left, bias.as_deref(), &mut out, clamp),
            Engine::Packed => pack()?.multiply(left, &mut out, clamp),
            Engine::Kept(kept) => kept_or(kept, pack)?.multiply(left, &mut out, clamp),
        }
        return Ok(finished(op.activation, &dims, out));
    }
    let pack = || -> Result<PackedWeights, Error> {
        Ok(weights()?.pack(Operation::Conv2d, |_| (filters, depth, false), 0, bias.as_deref(), groups))
    };
    match engine {
        Engine::Loops => {
            out = match weights()? {
                Weights::Float(w) => matmul::conv_2d_float(&shape, &x, Matrix::new(&w, filters, depth), bias.as_deref(), clamp),
                Weights::Hybrid(w, scales) => {
                    matmul::conv_2d_hybrid(&shape, &x, Matrix::new(&w, filters, depth), &scales, bias.as_deref(), clamp)
                }
            };
        }
        Engine::Packed => pack()?.convolve(&shape, &x, &mut out, clamp),
        Engine::Kept(kept) => kept_or(kept, pack)?.convolve(&shape, &x, &mut out, clamp),
    }
    Ok(finished(op.activation, &dims, out))
}
