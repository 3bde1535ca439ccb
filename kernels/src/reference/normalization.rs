//! Softmax and normalization, mostly along the last axis.

use planish_core::Tensor;
use planish_core::op::{BatchNorm, L2Normalization, LocalResponseNormalization, Softmax};

use super::activation::finish;
use super::args::Args;
use crate::error::Error;

/// Applies `f` to each row of the last axis.
fn rows(args: &Args<'_>, f: impl Fn(&[f32], &mut [f32])) -> Result<(Vec<usize>, Vec<f32>), Error> {
    let input = args.get(0)?;
    let x = args.elements::<f32>(0)?;
    let mut out = args.alloc::<f32>(input.dims(), 0.0)?;
    let depth = input.dims().last().copied().unwrap_or(1).max(1);
    x.chunks(depth).zip(out.chunks_mut(depth)).for_each(|(x, out)| f(x, out));
    Ok((input.dims().to_vec(), out))
}

fn greatest(x: &[f32]) -> f32 {
    x.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// `softmax`.
pub(crate) fn softmax(op: &Softmax, args: &Args<'_>) -> Result<Tensor, Error> {
    let (dims, out) = rows(args, |x, out| {
        let max = greatest(x);
        let mut sum = 0.0;
        for (out, x) in out.iter_mut().zip(x) {
            *out = ((x - max) * op.beta).exp();
            sum += *out;
        }
        out.iter_mut().for_each(|out| *out /= sum);
    })?;
    Ok(Tensor::from_vec(&dims, out))
}

/// `log_softmax`.
pub(crate) fn log_softmax(args: &Args<'_>) -> Result<Tensor, Error> {
    let (dims, out) = rows(args, |x, out| {
        let max = greatest(x);
        let log = x.iter().map(|x| (x - max).exp()).sum::<f32>().ln();
        out.iter_mut().zip(x).for_each(|(out, x)| *out = x - max - log);
    })?;
    Ok(Tensor::from_vec(&dims, out))
}

/// `l2_normalization`.
pub(crate) fn l2_normalization(op: &L2Normalization, args: &Args<'_>) -> Result<Tensor, Error> {
    let (dims, out) = rows(args, |x, out| {
        let norm = x.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
        out.iter_mut().zip(x).for_each(|(out, x)| *out = x / norm);
    })?;
    Ok(finish(op.activation, &dims, out))
}

/// `local_response_normalization`.
pub(crate) fn local_response_normalization(op: &LocalResponseNormalization, args: &Args<'_>) -> Result<Tensor, Error> {
    let radius = usize::try_from(op.radius).map_err(|_| Error::Invalid(format!("a radius of {} is negative", op.radius)))?;
    let (dims, out) = rows(args, |x, out| {
        for c in 0..x.len() {
            let near = &x[c.saturating_sub(radius)..c.saturating_add(radius).saturating_add(1).min(x.len())];
            let squares: f32 = near.iter().map(|x| x * x).sum();
            out[c] = x[c] * (op.bias + op.alpha * squares).powf(-op.beta);
        }
    })?;
    Ok(Tensor::from_vec(&dims, out))
}

/// `batch_norm`.
pub(crate) fn batch_norm(op: &BatchNorm, args: &Args<'_>) -> Result<Tensor, Error> {
    let depth = args.get(0)?.dims().last().copied().unwrap_or(1);
    let mut parameters = Vec::new();
    for operand in 1..5 {
        let parameter = args.elements::<f32>(operand)?;
        if parameter.len() != depth {
            return Err(args.bad(operand, format!("has {} elements, expected {depth}", parameter.len())));
        }
        parameters.push(parameter);
    }
    let [scale, offset, mean, variance] = &parameters[..] else {
        unreachable!("four operands were read")
    };
    let (dims, out) = rows(args, |x, out| {
        for c in 0..x.len() {
            let factor = scale[c] / (variance[c] + op.epsilon).sqrt();
            out[c] = (x[c] - mean[c]) * factor + offset[c];
        }
    })?;
    Ok(Tensor::from_vec(&dims, out))
}
