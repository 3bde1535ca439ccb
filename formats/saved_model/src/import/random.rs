//! Random numbers.

use planish_core::op::{Floor, Minimum, Multinomial, RandomStandardNormal, RandomUniform};
use planish_core::types::DType;

use super::binary::{add, mul, sub};
use super::node::{Node, one};
use super::{Imported, Stop};

pub(super) fn uniform(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("dtype", DType::F32)?;
    let shape = node.index_input(0)?;
    let op = RandomUniform {
        seed: node.attr_int("seed", 0),
        seed2: node.attr_int("seed2", 0),
        dtype,
    };
    one(node.add(op, &[shape])?)
}

/// Integers from the first bound up to the second, without it: a part of the way between them.
pub(super) fn uniform_int(node: &mut Node<'_>) -> Imported {
    let (shape, low, high) = (node.index_input(0)?, node.value(1)?, node.value(2)?);
    let dtype = node.dtype(low);
    // The way may be longer than the type can say.
    let (low, high) = (node.cast(low, DType::I64)?, node.cast(high, DType::I64)?);
    let op = RandomUniform {
        seed: node.attr_int("seed", 0),
        seed2: node.attr_int("seed2", 0),
        dtype: DType::F32,
    };
    let part = node.add(op, &[shape])?;
    let count = sub(node, high, low)?;
    let real = node.cast(count, DType::F32)?;
    let steps = mul(node, part, real)?;
    let steps = node.add(Floor {}, &[steps])?;
    let steps = node.cast(steps, DType::I64)?;
    // Rounded, a part of almost all of the way may be all of it.
    let unit = node.number(1.0, count)?;
    let last = sub(node, count, unit)?;
    let steps = node.add(Minimum {}, &[steps, last])?;
    let drawn = add(node, low, steps)?;
    one(node.cast(drawn, dtype)?)
}

pub(super) fn standard_normal(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("dtype", DType::F32)?;
    let shape = node.index_input(0)?;
    let op = RandomStandardNormal {
        seed: node.attr_int("seed", 0),
        seed2: node.attr_int("seed2", 0),
        dtype,
    };
    one(node.add(op, &[shape])?)
}

pub(super) fn multinomial(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("output_dtype", DType::I64)?;
    if !matches!(dtype, DType::I32 | DType::I64) {
        return Err(Stop::Foreign);
    }
    let (logits, count) = (node.value(0)?, node.index_input(1)?);
    let op = Multinomial {
        seed: node.attr_int("seed", 0),
        seed2: node.attr_int("seed2", 0),
        dtype,
    };
    one(node.add(op, &[logits, count])?)
}
