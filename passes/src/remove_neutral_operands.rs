//! Removes sums with zero and products with one.
//!
//! Sources have them where a layer has a setting that nobody made use of: a rescaling by one, a shift by zero, the slope of
//! a sigmoid.

use planish_core::attr::Activation;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::matching::{activation, beside_number, cannot_enlarge, number};

/// Removes sums with zero and products with one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RemoveNeutralOperands;

impl Rule for RemoveNeutralOperands {
    const NAME: &'static str = "remove_neutral_operands";
    const SUMMARY: &'static str = "removes sums with zero and products with one";
    type Match = Value;

    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        if activation(op.op()) != Some(Activation::None) {
            return Err(Skip::No);
        }
        let other = match op.op() {
            Op::Add(_) => beside_number(op, 0.0),
            Op::Mul(_) => beside_exactly_one(op),
            Op::Sub(_) => first_beside(op, 0.0),
            Op::Div(_) => first_beside(op, 1.0),
            _ => None,
        };
        // Integers with parameters of their own are computed with, not just passed on.
        let same_type = |v: &ValueRef<'_>| v.ty() == op.result(0).ty() && v.ty().quant.is_none();
        other.filter(same_type).map(|v| v.id()).ok_or(Skip::No)
    }

    fn rewrite(&self, found: Value, _: &mut Graph) -> Vec<Value> {
        vec![found]
    }
}

/// The first operand, where the second is this number everywhere.
fn first_beside(op: OpRef<'_>, wanted: f64) -> Option<ValueRef<'_>> {
    let (x, y) = (op.operand(0)?, op.operand(1)?);
    (number(y) == Some(wanted) && cannot_enlarge(y, x)).then_some(x)
}

/// The factor beside one; a number that is near to one is not taken for it.
fn beside_exactly_one(op: OpRef<'_>) -> Option<ValueRef<'_>> {
    let (x, y) = (op.operand(0)?, op.operand(1)?);
    first_beside(op, 1.0).or_else(|| (number(x) == Some(1.0) && cannot_enlarge(x, y)).then_some(y))
}

inventory::submit! { PassEntry::of::<RemoveNeutralOperands>() }
