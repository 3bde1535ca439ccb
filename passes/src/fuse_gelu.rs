//! Finds the Gaussian error linear unit in the arithmetic that it was written with.
//!
//! Exact, `x/2 · (1 + erf(x/√2))`, or with `tanh(√(2/π) · (x + 0.044715 x³))` in the place of `erf`. Whatever way sums and
//! products are associated: the result is expanded to a polynomial in `x` and the sigmoid `s`, and has to be `x/2 + xs/2`.

use planish_core::attr::Activation;
use planish_core::op::Gelu;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::formula::{inputs, polynomial, sources};
use crate::matching::{activation, is_f32};

/// Fuses the formulas of GELU to `gelu`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseGelu;

/// The cubic part of the approximation with `tanh`, from Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)" (2016).
const CUBIC: f64 = 0.044715;

/// The operation and its input.
pub struct Match {
    input: Value,
    approximate: bool,
}

impl Rule for FuseGelu {
    const NAME: &'static str = "fuse_gelu";
    const SUMMARY: &'static str = "finds the Gaussian error linear unit in the arithmetic that it was written with";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        if !matches!(op.op(), Op::Mul(_) | Op::Add(_) | Op::Div(_)) || activation(op.op()) != Some(Activation::None) {
            return Err(Skip::No);
        }
        let result = op.result(0);
        if !is_f32(result) || result.ty().shape.rank().is_none() {
            return Err(Skip::No);
        }
        sources(result, |op| matches!(op, Op::Erf(_) | Op::Tanh(_)))
            .into_iter()
            .find_map(|s| through(result, s))
            .ok_or(Skip::No)
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let approximate = found.approximate;
        vec![graph.add(Gelu { approximate }, &[found.input])]
    }
}

/// The unit that `result` is with this sigmoid in it.
fn through(result: ValueRef<'_>, sigmoid: ValueRef<'_>) -> Option<Match> {
    let approximate = matches!(sigmoid.producer().op(), Op::Tanh(_));
    let argument = sigmoid.producer().operand(0)?;
    inputs(argument).into_iter().find_map(|x| {
        if x.ty() != result.ty() || x.ty().shape != sigmoid.ty().shape {
            return None;
        }
        let slope = std::f64::consts::FRAC_1_SQRT_2;
        let wide = (2.0 / std::f64::consts::PI).sqrt();
        let inner = if approximate {
            [0.0, wide, 0.0, wide * CUBIC]
        } else {
            [0.0, slope, 0.0, 0.0]
        };
        let argument = polynomial(argument, x, None)?;
        // Both sigmoids are odd, so that the signs in front of them and inside may be exchanged.
        let sign = if argument.0[0][1] < 0.0 { -1.0 } else { 1.0 };
        let outer = [[0.0, 0.5, 0.0, 0.0], [0.0, 0.5 * sign, 0.0, 0.0]];
        let fits = argument.near([inner.map(|c| c * sign), [0.0; 4]]) && polynomial(result, x, Some(sigmoid))?.near(outer);
        fits.then_some(Match {
            input: x.id(),
            approximate,
        })
    })
}

inventory::submit! { PassEntry::of::<FuseGelu>() }
