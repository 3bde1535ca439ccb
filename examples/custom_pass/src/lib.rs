//! A pass outside planish: one file, one rule, one line that registers it.

#![forbid(unsafe_code)]

use planish::core::op::{Div, Mul};
use planish::prelude::*;

/// Replaces a division by constants with a multiplication by their reciprocals.
///
/// It does so only for powers of two, whose reciprocals are exact, so that no result changes by a single bit.
#[derive(Clone, Copy, Debug, Default)]
pub struct MultiplyByReciprocal;

impl Rule for MultiplyByReciprocal {
    const NAME: &'static str = "multiply_by_reciprocal";
    const SUMMARY: &'static str = "multiplies by the reciprocal instead of dividing by a power of two";
    const MEANING: Meaning = Meaning::Exact;
    type Match = (Value, Tensor, Mul);

    fn find(&self, op: OpRef<'_>) -> Result<Self::Match, Skip> {
        let Op::Div(Div { activation }) = op.op() else {
            return Err(Skip::No);
        };
        let x = op.operand(0).ok_or(Skip::No)?;
        let divisors = op.operand(1).and_then(|y| y.constant()).ok_or(Skip::No)?;
        if divisors.dtype() != planish::core::DType::F32 {
            return Err(Skip::No);
        }
        let numbers: Vec<f32> = divisors.to_vec();
        if !numbers.iter().all(|&n| is_power_of_two(n)) {
            return Err(Skip::because("the reciprocal of a divisor is not exact"));
        }
        let reciprocals = Tensor::from_vec(divisors.dims(), numbers.iter().map(|n| 1.0 / n).collect());
        Ok((x.id(), reciprocals, Mul { activation: *activation }))
    }

    fn rewrite(&self, (x, reciprocals, product): Self::Match, graph: &mut Graph) -> Vec<Value> {
        let reciprocals = graph.add_const(reciprocals);
        vec![graph.add(product, &[x, reciprocals])]
    }
}

/// Whether a number and its reciprocal are normal powers of two.
fn is_power_of_two(n: f32) -> bool {
    let mantissa = n.to_bits() & 0x007f_ffff;
    n.is_normal() && mantissa == 0 && (1.0 / n).is_normal()
}

inventory::submit! { PassEntry::of::<MultiplyByReciprocal>() }
