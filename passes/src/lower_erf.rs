//! Writes the error function with operations that every runtime has.
//!
//! `erf(x) = tanh(x · p(x²))`, with `p(z)` the polynomial that comes closest to `atanh(erf(√z)) / √z` in what it does to
//! the result: the error is below 1e-7 before rounding. The argument of `tanh` grows with `x` for all `x`, so nothing
//! has to be clamped.

use planish_core::op::Tanh;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, inventory};

use crate::arithmetic::{add, mul};
use crate::matching::is_f32;

/// Lowers `erf` to a polynomial and `tanh`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LowerErf;

/// The coefficients of `p`, highest power first.
const P: [f32; 7] = [
    1.418_525_1e-7,
    -5.668_481e-6,
    8.763_737e-5,
    -6.197_848e-4,
    -1.918_306_5e-4,
    0.102_769_054,
    std::f32::consts::FRAC_2_SQRT_PI,
];

impl Rule for LowerErf {
    const NAME: &'static str = "lower_erf";
    const SUMMARY: &'static str = "writes the error function as a polynomial and tanh";
    type Match = Value;

    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        let Op::Erf(_) = op.op() else { return Err(Skip::No) };
        let input = op.operand(0).ok_or(Skip::No)?;
        if !is_f32(input) {
            return Err(Skip::because("its operand is not float32"));
        }
        Ok(input.id())
    }

    fn rewrite(&self, x: Value, graph: &mut Graph) -> Vec<Value> {
        let squared = mul(graph, x, x);
        let highest = graph.add_float(P[0]);
        let mut p = mul(graph, squared, highest);
        for (i, &coefficient) in P.iter().enumerate().skip(1) {
            let coefficient = graph.add_float(coefficient);
            p = add(graph, p, coefficient);
            if i + 1 < P.len() {
                p = mul(graph, p, squared);
            }
        }
        let argument = mul(graph, p, x);
        vec![graph.add(Tanh {}, &[argument])]
    }
}

inventory::submit! { PassEntry::of::<LowerErf>() }
