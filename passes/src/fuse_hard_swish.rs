//! Writes `x × relu6(x + 3) / 6`, in whatever order it is multiplied, as `hard_swish`, of Howard et al., "Searching
//! for MobileNetV3" (2019).

use planish_core::attr::Activation;
use planish_core::op::HardSwish;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Value, ValueRef, inventory};

use crate::matching::{beside_number, cannot_enlarge, is_f32, number, read_once};

/// Fuses the formula of hard swish.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseHardSwish;

/// A product taken apart: a number times values that are no products.
struct Product<'g> {
    scale: f64,
    factors: Vec<ValueRef<'g>>,
}

/// The most factors that matter here.
const MOST_FACTORS: usize = 2;

fn multiply<'g>(op: OpRef<'g>, product: &mut Product<'g>) -> Option<()> {
    let (x, y) = (op.operand(0)?, op.operand(1)?);
    match op.op() {
        Op::Mul(mul) if mul.activation == Activation::None => match (number(x), number(y)) {
            (None, Some(n)) if cannot_enlarge(y, x) => {
                product.scale *= n;
                factor(x, product)
            }
            (Some(n), None) if cannot_enlarge(x, y) => {
                product.scale *= n;
                factor(y, product)
            }
            (None, None) => factor(x, product).and_then(|()| factor(y, product)),
            _ => None,
        },
        Op::Div(div) if div.activation == Activation::None && cannot_enlarge(y, x) => {
            product.scale /= number(y)?;
            factor(x, product)
        }
        _ => None,
    }
}

fn factor<'g>(value: ValueRef<'g>, product: &mut Product<'g>) -> Option<()> {
    let inner = value.producer();
    if matches!(inner.op(), Op::Mul(_) | Op::Div(_)) && read_once(value) {
        let mut parts = Product {
            scale: product.scale,
            factors: product.factors.clone(),
        };
        if multiply(inner, &mut parts).is_some() {
            *product = parts;
            return Some(());
        }
    }
    product.factors.push(value);
    (product.factors.len() <= MOST_FACTORS).then_some(())
}

impl Rule for FuseHardSwish {
    const NAME: &'static str = "fuse_hard_swish";
    const SUMMARY: &'static str = "writes x * relu6(x + 3) / 6 as hard_swish";
    type Match = Value;

    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        if !matches!(op.op(), Op::Mul(_) | Op::Div(_)) || !is_f32(op.result(0)) {
            return Err(Skip::No);
        }
        let mut product = Product {
            scale: 1.0,
            factors: Vec::new(),
        };
        multiply(op, &mut product).ok_or(Skip::No)?;
        let [a, b] = product.factors[..] else { return Err(Skip::No) };
        if (product.scale * 6.0 - 1.0).abs() > 1e-6 {
            return Err(Skip::No);
        }
        let gated = |x: ValueRef<'_>, gate: ValueRef<'_>| {
            let Op::Relu6(_) = gate.producer().op() else { return None };
            let sum = gate.producer().operand(0)?.producer();
            let Op::Add(add) = sum.op() else { return None };
            let shifted = beside_number(sum, 3.0)?;
            (add.activation == Activation::None && shifted.id() == x.id() && read_once(gate)).then_some(x.id())
        };
        gated(a, b).or_else(|| gated(b, a)).ok_or(Skip::No)
    }

    fn rewrite(&self, input: Value, graph: &mut Graph) -> Vec<Value> {
        vec![graph.add(HardSwish {}, &[input])]
    }
}

inventory::submit! { PassEntry::of::<FuseHardSwish>() }
