//! Formulas as polynomials: what arithmetic computes from a value, whatever way sums and products are associated.
//!
//! A polynomial has one value `x` and, for activations, one more `s` that is computed from `x` otherwise.

use planish_core::attr::Activation;
use planish_core::{Op, ValueRef};

use crate::matching::{activation, number};

/// How many operations a formula may be deep.
const MOST_DEPTH: usize = 6;
/// Coefficients count as equal up to this part of them: constants are written with as few as six digits.
const TOLERANCE: f64 = 2e-6;

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

/// The nearest values that fulfil `wanted` among those that arithmetic leads to.
pub(crate) fn sources<'g>(value: ValueRef<'g>, wanted: fn(&Op) -> bool) -> Vec<ValueRef<'g>> {
    let mut found = Vec::new();
    search(value, wanted, MOST_DEPTH, &mut found);
    found
}

fn search<'g>(value: ValueRef<'g>, wanted: fn(&Op) -> bool, depth: usize, found: &mut Vec<ValueRef<'g>>) {
    if wanted(value.producer().op()) {
        if found.iter().all(|f| f.id() != value.id()) {
            found.push(value);
        }
    } else if let Some(depth) = depth.checked_sub(1) {
        terms(value).into_iter().for_each(|t| search(t, wanted, depth, found));
    }
}

/// Everything without a constant value that arithmetic leads to, `value` itself first.
pub(crate) fn inputs<'g>(value: ValueRef<'g>) -> Vec<ValueRef<'g>> {
    let mut found = Vec::new();
    collect(value, MOST_DEPTH, &mut found);
    found
}

fn collect<'g>(value: ValueRef<'g>, depth: usize, found: &mut Vec<ValueRef<'g>>) {
    if value.constant().is_some() || found.iter().any(|f| f.id() == value.id()) {
        return;
    }
    found.push(value);
    if let Some(depth) = depth.checked_sub(1) {
        terms(value).into_iter().for_each(|t| collect(t, depth, found));
    }
}

/// A polynomial: `self.0[i][j]` is the coefficient of `s^i · x^j`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Polynomial(pub(crate) [[f64; 4]; 2]);

impl Polynomial {
    fn number(c: f64) -> Polynomial {
        Polynomial([[c, 0.0, 0.0, 0.0], [0.0; 4]])
    }

    fn plus(mut self, other: Polynomial, factor: f64) -> Polynomial {
        self.0
            .iter_mut()
            .flatten()
            .zip(other.0.iter().flatten())
            .for_each(|(a, b)| *a += factor * b);
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

    /// Whether the coefficients are these, those that are 0 exactly.
    pub(crate) fn near(&self, wanted: [[f64; 4]; 2]) -> bool {
        let pairs = self.0.iter().flatten().zip(wanted.iter().flatten());
        pairs.into_iter().all(|(a, b)| (a - b).abs() <= TOLERANCE * b.abs())
    }
}

/// The polynomial in `x` and `s` that a value is.
pub(crate) fn polynomial(value: ValueRef<'_>, x: ValueRef<'_>, s: Option<ValueRef<'_>>) -> Option<Polynomial> {
    expand(value, x, s, MOST_DEPTH)
}

/// The factor of a value that is a multiple of `x`.
pub(crate) fn multiple(value: ValueRef<'_>, x: ValueRef<'_>) -> Option<f64> {
    let found = polynomial(value, x, None)?;
    let factor = found.0[0][1];
    (found == Polynomial([[0.0, factor, 0.0, 0.0], [0.0; 4]])).then_some(factor)
}

fn expand(value: ValueRef<'_>, x: ValueRef<'_>, s: Option<ValueRef<'_>>, depth: usize) -> Option<Polynomial> {
    if value.id() == x.id() {
        return Some(Polynomial([[0.0, 1.0, 0.0, 0.0], [0.0; 4]]));
    }
    if s.is_some_and(|s| s.id() == value.id()) {
        return Some(Polynomial([[0.0; 4], [1.0, 0.0, 0.0, 0.0]]));
    }
    if let Some(constant) = value.constant() {
        let scalar = constant.elements() == 1 && constant.dims().len() <= x.ty().shape.rank()?;
        return Some(Polynomial::number(number(value).filter(|_| scalar)?));
    }
    let depth = depth.checked_sub(1)?;
    let operands = terms(value);
    let operand = |i: usize| expand(*operands.get(i)?, x, s, depth);
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
