//! Takes constants added to or multiplied with a convolution's channels into its bias and weights.
//!
//! With `y = w · x + b`: `y + c = w · x + (b + c)` and `y × c = (c × w) · x + c × b`, channel by channel.

use planish_core::attr::Activation;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::affine::{Affine, per_channel};
use crate::matching::activation;

/// Fuses a sum, difference, product or quotient with a constant for each channel into the operation before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseBias;

/// The operation with its new weights and bias, and the activation to apply to it.
pub struct Match {
    affine: Affine,
    activation: Activation,
}

/// The affine operation before `op`, and the constant of the other operand.
fn operands<'g>(op: OpRef<'g>, commutes: bool) -> Result<(Affine, ValueRef<'g>, ValueRef<'g>), Skip> {
    let (x, y) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
    let (value, constant) = match (x.constant(), y.constant()) {
        (None, Some(_)) => (x, y),
        (Some(_), None) if commutes => (y, x),
        _ => return Err(Skip::No),
    };
    Ok((Affine::behind(value)?, value, constant))
}

impl Rule for FuseBias {
    const NAME: &'static str = "fuse_bias";
    const SUMMARY: &'static str = "takes constants added to or multiplied with channels into bias and weights";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let commutes = match op.op() {
            Op::Add(_) | Op::Mul(_) => true,
            Op::Sub(_) | Op::Div(_) => false,
            _ => return Err(Skip::No),
        };
        let (affine, value, constant) = operands(op, commutes)?;
        let volume = matches!(value.producer().op(), Op::Conv3d(_) | Op::Conv3dTranspose(_));
        if volume && matches!(op.op(), Op::Add(_) | Op::Sub(_)) {
            return Err(Skip::because(
                "no runtime is faster with the bias of a 3-d convolution, and as a sum of its own it rounds as in the source",
            ));
        }
        let Some(numbers) = per_channel(constant, value, affine.channels()) else {
            return Err(Skip::because("the constant has not one number for each channel"));
        };
        let affine = match op.op() {
            Op::Add(_) => affine.shifted(&numbers),
            Op::Sub(_) => affine.shifted(&numbers.iter().map(|n| -n).collect::<Vec<_>>()),
            Op::Mul(_) => affine.scaled(op.graph(), &numbers)?,
            _ => affine.scaled(op.graph(), &numbers.iter().map(|n| 1.0 / n).collect::<Vec<_>>())?,
        };
        Ok(Match {
            affine,
            activation: activation(op.op()).unwrap_or(Activation::None),
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        vec![found.affine.build(found.activation, graph)]
    }
}

inventory::submit! { PassEntry::of::<FuseBias>() }
