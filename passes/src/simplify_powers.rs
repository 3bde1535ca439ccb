//! Writes powers with small constant exponents as products and roots.

use planish_core::op::{Rsqrt, Sqrt, Square};
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, inventory};

use crate::arithmetic::{div, mul};
use crate::matching::{cannot_enlarge, is_f32, number};

/// Turns `pow` with a constant exponent into what is faster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SimplifyPowers;

#[derive(Clone, Copy)]
enum Power {
    Itself,
    Square,
    Cube,
    Root,
    InverseRoot,
    Inverse,
}

/// The base, and which power of it.
pub struct Match {
    base: Value,
    power: Power,
}

impl Rule for SimplifyPowers {
    const NAME: &'static str = "simplify_powers";
    const SUMMARY: &'static str = "writes powers with small constant exponents as products and roots";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let Op::Pow(_) = op.op() else { return Err(Skip::No) };
        let (base, exponent) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
        if !is_f32(base) || !cannot_enlarge(exponent, base) {
            return Err(Skip::No);
        }
        let exponent = number(exponent).ok_or(Skip::No)?;
        let powers = [
            (1.0, Power::Itself),
            (2.0, Power::Square),
            (3.0, Power::Cube),
            (0.5, Power::Root),
            (-0.5, Power::InverseRoot),
            (-1.0, Power::Inverse),
        ];
        let (_, power) = powers.into_iter().find(|(e, _)| *e == exponent).ok_or(Skip::No)?;
        Ok(Match { base: base.id(), power })
    }

    fn rewrite(&self, Match { base, power }: Match, graph: &mut Graph) -> Vec<Value> {
        vec![match power {
            Power::Itself => base,
            Power::Square => graph.add(Square {}, &[base]),
            Power::Cube => {
                let square = graph.add(Square {}, &[base]);
                mul(graph, square, base)
            }
            Power::Root => graph.add(Sqrt {}, &[base]),
            Power::InverseRoot => graph.add(Rsqrt {}, &[base]),
            Power::Inverse => {
                let one = graph.add_float(1.0);
                div(graph, one, base)
            }
        }]
    }
}

inventory::submit! { PassEntry::of::<SimplifyPowers>() }
