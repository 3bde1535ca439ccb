//! Sums, products and their like without attributes, for rules that write formulas.

use planish_core::attr::Activation;
use planish_core::op::{Add, Div, Mul, Sub};
use planish_core::{Graph, Value};

/// `x + y`.
pub(crate) fn add(graph: &mut Graph, x: Value, y: Value) -> Value {
    let op = Add {
        activation: Activation::None,
        pot_scale_int16: true,
    };
    graph.add(op, &[x, y])
}

/// `x - y`.
pub(crate) fn sub(graph: &mut Graph, x: Value, y: Value) -> Value {
    let op = Sub {
        activation: Activation::None,
        pot_scale_int16: true,
    };
    graph.add(op, &[x, y])
}

/// `x × y`.
pub(crate) fn mul(graph: &mut Graph, x: Value, y: Value) -> Value {
    let activation = Activation::None;
    graph.add(Mul { activation }, &[x, y])
}

/// `x / y`.
pub(crate) fn div(graph: &mut Graph, x: Value, y: Value) -> Value {
    let activation = Activation::None;
    graph.add(Div { activation }, &[x, y])
}
