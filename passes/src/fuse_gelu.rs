//! Finds the Gaussian error linear unit in the arithmetic that it was written with.
//!
//! Exact, `x/2 · (1 + erf(x/√2))`, or with `tanh(√(2/π) · (x + 0.044715 x³))` in the place of `erf`. Whatever way sums and
//! products are associated: the result is expanded to a polynomial in `x` and the sigmoid `s`, and has to be `x/2 + xs/2`.

use planish_core::attr::Activation;
use planish_core::op::Gelu;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::matching::{activation, is_f32, number};

/// Fuses the formulas of GELU to `gelu`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseGelu;

/// The operation and its input.
pub struct Match {
    input: Value,
    approximate: bool,
}

/// How many operations a formula may be deep.
const MOST_DEPTH: usize = 6;
/// Coefficients count as equal up to this part of them: constants are written with as few as six digits.
const TOLERANCE: f64 = 2e-6;

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
        sigmoids(result, MOST_DEPTH).into_iter().find_map(|s| through(result, s)).ok_or(Skip::No)
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let approximate = found.approximate;
        vec![graph.add(Gelu { approximate }, &[found.input])]
    }
}

/// The operands of arithmetic that a formula may be made of.
fn terms<'g>(value: ValueRef<'g>) -> Vec<ValueRef<'g>> {
    let op = value.producer();
    let arithmetic = match op.op() {
        Op::Mul(_) | Op::Add(_) | Op::Sub(_) | Op::Div(_) => activation(op.op()) == Some(Activation::None),
        Op::Neg(_) | Op::Square(_) | Op::Pow(_) => true,
        _ => false,
    };
    if !arithmetic {
        return Vec::new();
    }
    [op.operand(0), op.operand(1)].into_iter().flatten().collect()
}

/// The values of `erf` and `tanh` that arithmetic leads to.
fn sigmoids<'g>(value: ValueRef<'g>, depth: usize) -> Vec<ValueRef<'g>> {
    if matches!(value.producer().op(), Op::Erf(_) | Op::Tanh(_)) {
        return vec![value];
    }
    let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
    let mut found: Vec<ValueRef<'g>> = Vec::new();
    for sigmoid in terms(value).into_iter().flat_map(|t| sigmoids(t, depth)) {
        if found.iter().all(|f| f.id() != sigmoid.id()) {
            found.push(sigmoid);
        }
    }
    found
}

/// Everything without a constant value that arithmetic leads to, `value` itself first.
fn inputs<'g>(value: ValueRef<'g>, depth: usize, found: &mut Vec<ValueRef<'g>>) {
    if value.constant().is_some() || found.iter().any(|f| f.id() == value.id()) {
        return;
    }
    found.push(value);
    if let Some(depth) = depth.checked_sub(1) {
        terms(value).into_iter().for_each(|t| inputs(t, depth, found));
    }
}

/// The unit that `result` is with this sigmoid in it.
fn through(result: ValueRef<'_>, sigmoid: ValueRef<'_>) -> Option<Match> {
    let approximate = matches!(sigmoid.producer().op(), Op::Tanh(_));
    let argument = sigmoid.producer().operand(0)?;
    let mut candidates = Vec::new();
    inputs(argument, MOST_DEPTH, &mut candidates);
    candidates.into_iter().find_map(|x| {
        if x.ty() != result.ty() || x.ty().shape != sigmoid.ty().shape {
            return None;
        }
        let slope = std::f64::consts::FRAC_1_SQRT_2;
        let wide = (2.0 / std::f64::consts::PI).sqrt();
        let inner = if approximate { [0.0, wide, 0.0, wide * 0.044715] } else { [0.0, slope, 0.0, 0.0] };
        let argument = expand(argument, x, sigmoid, MOST_DEPTH)?;
        // Both sigmoids are odd, so that the signs in front of them and inside may be exchanged.
        let sign = if argument.0[0][1] < 0.0 { -1.0 } else { 1.0 };
        let outer = [[0.0, 0.5, 0.0, 0.0], [0.0, 0.5 * sign, 0.0, 0.0]];
        let fits = argument.near([inner.map(|c| c * sign), [0.0; 4]]) && expand(result, x, sigmoid, MOST_DEPTH)?.near(outer);
        fits.then_some(Match { input: x.id(), approximate })
    })
}

/// A polynomial: `self.0[i][j]` is the coefficient of `s^i · x^j`.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Polynomial([[f64; 4]; 2]);

impl Polynomial {
    fn number(c: f64) -> Polynomial {
        Polynomial([[c, 0.0, 0.0, 0.0], [0.0; 4]])
    }

    fn plus(mut self, other: Polynomial, factor: f64) -> Polynomial {
        self.0.iter_mut().flatten().zip(other.0.iter().flatten()).for_each(|(a, b)| *a += factor * b);
        self
    }

    /// `None` where the product is of too high a degree.
    fn times(self, other: Polynomial) -> Option<Polynomial> {
        let mut product = Polynomial([[0.0; 4]; 2]);
        for (i, j, a) in self.terms() {
            for (k, l, b) in other.terms() {
                *product.0.get_mut(i + k)?.get_mut(j + l)? += a * b;
            }
        }
        Some(product)
    }

    fn terms(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        let at = |i: usize, row: [f64; 4]| row.into_iter().enumerate().map(move |(j, c)| (i, j, c));
        at(0, self.0[0]).chain(at(1, self.0[1])).filter(|&(_, _, c)| c != 0.0)
    }

    fn near(&self, wanted: [[f64; 4]; 2]) -> bool {
        let pairs = self.0.iter().flatten().zip(wanted.iter().flatten());
        pairs.into_iter().all(|(a, b)| (a - b).abs() <= TOLERANCE * b.abs())
    }
}

/// The polynomial in `x` and `sigmoid` that a value is.
fn expand(value: ValueRef<'_>, x: ValueRef<'_>, sigmoid: ValueRef<'_>, depth: usize) -> Option<Polynomial> {
    if value.id() == x.id() {
        return Some(Polynomial([[0.0, 1.0, 0.0, 0.0], [0.0; 4]]));
    }
    if value.id() == sigmoid.id() {
        return Some(Polynomial([[0.0; 4], [1.0, 0.0, 0.0, 0.0]]));
    }
    if let Some(constant) = value.constant() {
        let scalar = constant.elements() == 1 && constant.dims().len() <= x.ty().shape.rank()?;
        return Some(Polynomial::number(number(value).filter(|_| scalar)?));
    }
    let depth = depth.checked_sub(1)?;
    let operands = terms(value);
    let operand = |i: usize| expand(*operands.get(i)?, x, sigmoid, depth);
    let scalar = |i: usize| operand(i).filter(|p| *p == Polynomial::number(p.0[0][0])).map(|p| p.0[0][0]);
    match value.producer().op() {
        Op::Add(_) => Some(operand(0)?.plus(operand(1)?, 1.0)),
        Op::Sub(_) => Some(operand(0)?.plus(operand(1)?, -1.0)),
        Op::Neg(_) => operand(0)?.times(Polynomial::number(-1.0)),
        Op::Mul(_) => operand(0)?.times(operand(1)?),
        Op::Div(_) => {
            let divisor = scalar(1).filter(|&d| d != 0.0)?;
            operand(0)?.times(Polynomial::number(1.0 / divisor))
        }
        Op::Square(_) => operand(0)?.times(operand(0)?),
        Op::Pow(_) => {
            let base = operand(0)?;
            let exponent = scalar(1).filter(|e| [1.0, 2.0, 3.0].contains(e))?;
            (1..exponent as usize).try_fold(base, |product, _| product.times(base))
        }
        _ => None,
    }
}

inventory::submit! { PassEntry::of::<FuseGelu>() }
