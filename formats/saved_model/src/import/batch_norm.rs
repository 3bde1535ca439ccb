//! Normalization by statistics of the batch or of training.

use planish_core::graph::Value;
use planish_core::op::{BatchNorm, LocalResponseNormalization, Maximum, Mean, ReduceProd, Shape, Slice, SquaredDifference};
use planish_core::types::DType;

use super::binary::{add, div, mul, sub};
use super::convolution::Layout;
use super::node::{Node, one};
use super::unary::times;
use super::{Bound, Imported, Stop};

/// With the statistics of training, or in graphs for training with those of the batch.
pub(super) fn fused_batch_norm(node: &mut Node<'_>) -> Imported {
    let layout = Layout::of(node)?;
    let inputs = node.values(0..5)?;
    let [x, scale, offset, mean, variance] = inputs[..] else {
        unreachable!("five were asked for")
    };
    if node.dtype(x) != DType::F32 {
        return Err(Stop::Foreign);
    }
    let x = layout.enter(node, x)?;
    let trained = node.attr_bool_or("is_training", true);
    let known = [mean, variance];
    let (mean, variance) = if trained { statistics(node, x)? } else { (mean, variance) };
    let epsilon = node.attr_float("epsilon", 1e-4);
    let y = node.add(BatchNorm { epsilon }, &[x, scale, offset, mean, variance])?;
    let y = layout.leave(node, y)?;
    let learned = match trained {
        true => [mean, unbiased(node, x, variance)?],
        false => known,
    };
    let learned = averaged(node, known, learned)?;
    let mut outputs: Vec<Bound> = [learned[0], learned[1], mean, variance].map(Bound::Value).into();
    outputs.insert(0, Bound::Value(y));
    outputs.push(Bound::Nothing);
    Ok(outputs)
}

/// What was known of mean and variance, moved towards what a batch says by the part that `exponential_avg_factor` is.
fn averaged(node: &mut Node<'_>, known: [Value; 2], new: [Value; 2]) -> Result<[Value; 2], Stop> {
    let factor = f64::from(node.attr_float("exponential_avg_factor", 1.0));
    if factor == 1.0 {
        return Ok(new);
    }
    let mut moved = |i: usize| {
        let (kept, more) = (times(node, known[i], 1.0 - factor)?, times(node, new[i], factor)?);
        add(node, kept, more)
    };
    Ok([moved(0)?, moved(1)?])
}

/// The variance that a batch suggests for all there is, `n / (n - 1)` times its own: what training averages.
fn unbiased(node: &mut Node<'_>, x: Value, variance: Value) -> Result<Value, Stop> {
    let rank = node.known_rank(x)?;
    let shape = node.add(Shape { dtype: DType::I32 }, &[x])?;
    let (begin, size) = (node.add_ints(&[0]), node.add_ints(&[rank as i32 - 1]));
    let extents = node.add(Slice {}, &[shape, begin, size])?;
    let first = node.add_ints(&[0]);
    let count = node.add(ReduceProd { keep_dims: false }, &[extents, first])?;
    let count = node.cast(count, DType::F32)?;
    let unit = node.number(1.0, count)?;
    let less = sub(node, count, unit)?;
    let below = node.add(Maximum {}, &[less, unit])?;
    let ratio = div(node, count, below)?;
    mul(node, variance, ratio)
}

/// Mean and variance over all but the last axis.
pub(super) fn statistics(node: &mut Node<'_>, x: Value) -> Result<(Value, Value), Stop> {
    let rank = node.rank(x).unwrap_or(4);
    let axes = node.add_ints(&(0..rank as i32 - 1).collect::<Vec<_>>());
    let mean = node.add(Mean { keep_dims: false }, &[x, axes])?;
    let squares = node.add(SquaredDifference {}, &[x, mean])?;
    let variance = node.add(Mean { keep_dims: false }, &[squares, axes])?;
    Ok((mean, variance))
}

/// The inputs come in another order than those of the fused form.
pub(super) fn with_global_normalization(node: &mut Node<'_>) -> Imported {
    let inputs = node.values(0..5)?;
    let [x, mean, variance, beta, gamma] = inputs[..] else {
        unreachable!("five were asked for")
    };
    if node.dtype(x) != DType::F32 {
        return Err(Stop::Foreign);
    }
    let epsilon = node.attr_float("variance_epsilon", 1e-3);
    let scale = if node.attr_bool("scale_after_normalization") {
        gamma
    } else {
        let unit = node.number(1.0, x)?;
        let channels = node.shape(gamma).known().ok_or(Stop::Foreign)?;
        let ones = node.constant(unit).map(|t| planish_core::tensor::Tensor::splat(t, &channels));
        node.add_const(ones.expect("a number is a constant"))
    };
    one(node.add(BatchNorm { epsilon }, &[x, scale, beta, mean, variance])?)
}

pub(super) fn local_response(node: &mut Node<'_>) -> Imported {
    let radius = i32::try_from(node.attr_int("depth_radius", 5)).map_err(|_| node.error("its radius is too large"))?;
    let op = LocalResponseNormalization {
        radius,
        bias: node.attr_float("bias", 1.0),
        alpha: node.attr_float("alpha", 1.0),
        beta: node.attr_float("beta", 0.5),
    };
    node.unary(op)
}
