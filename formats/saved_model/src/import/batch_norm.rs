//! Normalization by statistics of the batch or of training.

use planish_core::graph::Value;
use planish_core::op::{BatchNorm, LocalResponseNormalization, Mean, SquaredDifference};
use planish_core::types::DType;

use super::convolution::Layout;
use super::node::{Node, one};
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
    let (mean, variance) = if node.attr_bool_or("is_training", true) {
        statistics(node, x)?
    } else {
        (mean, variance)
    };
    let epsilon = node.attr_float("epsilon", 1e-4);
    let y = node.add(BatchNorm { epsilon }, &[x, scale, offset, mean, variance])?;
    let y = layout.leave(node, y)?;
    let statistics = [Bound::Value(mean), Bound::Value(variance)];
    let mut outputs = vec![Bound::Value(y)];
    outputs.extend(statistics.clone());
    outputs.extend(statistics);
    outputs.push(Bound::Nothing);
    Ok(outputs)
}

/// Mean and variance over all but the last axis.
fn statistics(node: &mut Node<'_>, x: Value) -> Result<(Value, Value), Stop> {
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
