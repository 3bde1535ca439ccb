//! Products of matrices.

use planish_core::attr::Activation;
use planish_core::attr::WeightsFormat;
use planish_core::graph::Value;
use planish_core::op::{BatchMatmul, Einsum, FullyConnected, Gather};
use planish_core::types::DType;

use super::binary::{mul, sub};
use super::complex::{self, Parts};
use super::node::{Node, one};
use super::{Imported, Stop};

/// A constant second factor is a weight, as `[out, in]`; others are multiplied as they come.
pub(super) fn mat_mul(node: &mut Node<'_>) -> Imported {
    let (a, b) = (node.value(0)?, node.value(1)?);
    let (transpose_a, transpose_b) = (node.attr_bool("transpose_a"), node.attr_bool("transpose_b"));
    one(product(node, a, b, transpose_a, transpose_b)?)
}

pub(super) fn product(node: &mut Node<'_>, a: Value, b: Value, transpose_a: bool, transpose_b: bool) -> Result<Value, Stop> {
    if node.dtype(a) != DType::F32 {
        return Err(Stop::Foreign);
    }
    let weights = node.constant(b).is_some_and(|w| w.elements() > 0) && node.rank(b) == Some(2);
    if !weights || node.rank(a).is_some_and(|r| r != 2) {
        let op = BatchMatmul {
            adj_x: transpose_a,
            adj_y: transpose_b,
            asymmetric_quantize_inputs: false,
        };
        return node.add(op, &[a, b]);
    }
    let a = if transpose_a { node.transposed(a, &[1, 0])? } else { a };
    let b = if transpose_b { b } else { node.transposed(b, &[1, 0])? };
    let op = FullyConnected {
        activation: Activation::None,
        keep_num_dims: false,
        asymmetric_quantize_inputs: false,
        weights_format: WeightsFormat::Plain,
    };
    node.add(op, &[a, b])
}

pub(super) fn batch_mat_mul(node: &mut Node<'_>) -> Imported {
    let (x, y) = (node.value(0)?, node.value(1)?);
    let (adj_x, adj_y) = (node.attr_bool("adj_x"), node.attr_bool("adj_y"));
    if node.dtype(x) != DType::F32 || node.dtype(y) != DType::F32 {
        return Err(Stop::Foreign);
    }
    if node.rank(x) == Some(2) && node.rank(y) == Some(2) {
        return one(product(node, x, y, adj_x, adj_y)?);
    }
    one(node.add(
        BatchMatmul {
            adj_x,
            adj_y,
            asymmetric_quantize_inputs: false,
        },
        &[x, y],
    )?)
}

pub(super) fn einsum(node: &mut Node<'_>) -> Imported {
    let equation = node.attr_text("equation", "").to_owned();
    if node.input_count() == 2 && complex::computes(node) {
        let (x, y) = (complex::parts(node, 0)?, complex::parts(node, 1)?);
        let product = |node: &mut Node<'_>, x, y| {
            node.add(
                Einsum {
                    equation: equation.clone(),
                },
                &[x, y],
            )
        };
        let Parts { re, im } = complex::multiplied(node, x, y, &product)?;
        return complex::both(re, im);
    }
    let inputs = node.values(0..node.input_count())?;
    if inputs.len() > 1 && inputs.iter().any(|&x| node.dtype(x) != DType::F32) {
        return Err(Stop::Foreign);
    }
    one(node.add(Einsum { equation }, &inputs)?)
}

/// The vector that is upright on both, of three elements each.
pub(super) fn cross(node: &mut Node<'_>) -> Imported {
    let (a, b) = (node.value(0)?, node.value(1)?);
    let axis = node.known_rank(a)? as i32 - 1;
    let (next, after) = (node.add_ints(&[1, 2, 0]), node.add_ints(&[2, 0, 1]));
    let mut turned = |x: Value, by: Value| node.add(Gather { axis, batch_dims: 0 }, &[x, by]);
    let (a1, a2, b1, b2) = (turned(a, next)?, turned(a, after)?, turned(b, next)?, turned(b, after)?);
    let (one_way, other_way) = (mul(node, a1, b2)?, mul(node, a2, b1)?);
    one(sub(node, one_way, other_way)?)
}
