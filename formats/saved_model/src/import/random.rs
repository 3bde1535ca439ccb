//! Random numbers.

use planish_core::op::{Multinomial, RandomStandardNormal, RandomUniform};
use planish_core::types::DType;

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
