//! Moves a product of a loop's input out of the loop: one product over all steps instead of one a step.
//!
//! `fully_connected(gather(x, step), w, b)` inside, with `x` the same in every step, becomes `gather(p, step)` with
//! `p = fully_connected(x, w, b)` outside. The weight is then read once, not once a step: what makes recurrent layers
//! fast (Appleyard et al., "Optimizing Performance of Recurrent Neural Networks on GPUs", 2016, section 3.1).
//! A bias that is added to the sum of this product and another goes out with it. Where a cell multiplies its input and its
//! state together, `fully_connected(concatenation(gather(x, step), h), w, b)`, the part of the weight for `x` goes out and the one
//! for `h` stays.

use planish_core::attr::Activation;
use planish_core::op::{Add, Concatenation, FullyConnected, Gather};
use planish_core::{Changed, Context, Error, Graph, Meaning, Model, Op, OpId, OpRef, Pass, PassEntry, Tensor, Value, ValueRef, inventory};

use crate::loops::{Loop, loops};

/// Moves a product of a loop's input out of the loop: one product over all steps instead of one a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HoistProjections;

impl Pass for HoistProjections {
    type Options = planish_core::NoOptions;
    const NAME: &'static str = "hoist_projections";
    const SUMMARY: &'static str = "computes a recurrent layer's input projection for all steps at once, before its loop";
    const MEANING: Meaning = Meaning::Ulps;

    fn run(&self, model: &mut Model, _: &planish_core::NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        let mut changed = 0;
        loop {
            let before = changed;
            for mut found in loops(model) {
                while let Some(projection) = find(model, &found) {
                    if !cx.allow_change() {
                        return Ok(Changed(changed));
                    }
                    found = hoist(model, found, projection);
                    changed += 1;
                }
            }
            // What goes out of an inner loop may go out of the outer one, too.
            if changed == before {
                return Ok(Changed(changed));
            }
        }
    }
}

/// A product to move.
struct Projection {
    /// The `fully_connected` in the body.
    product: OpId,
    /// The position of the state that it reads a slice of.
    position: usize,
    /// Which slice.
    step: Value,
    weights: Tensor,
    bias: Option<Tensor>,
    /// An addition of a constant to a sum that the product is part of, and that constant.
    later_bias: Option<(OpId, Value, Tensor)>,
    /// What the product multiplies beside that slice, and the weights for it.
    rest: Option<(Vec<Value>, Tensor)>,
}

fn find(model: &Model, found: &Loop) -> Option<Projection> {
    let body = model.graph(found.body);
    body.order().into_iter().find_map(|id| projection(model, found, body, id))
}

fn projection(model: &Model, found: &Loop, body: &Graph, id: OpId) -> Option<Projection> {
    let op = body.at(id);
    let Op::FullyConnected(product) = op.op() else { return None };
    if product.activation != Activation::None || op.result(0).uses().is_empty() {
        return None;
    }
    let (input, weights) = (op.operand(0)?, op.operand(1)?.constant()?);
    let bias = match op.operand(2) {
        Some(bias) => Some(bias.constant()?.clone()),
        None => None,
    };
    // Readers of a result of unknown rank may be declared otherwise than the product's shape allows.
    if [input, op.result(0)].iter().any(|v| v.ty().shape.rank() != Some(2)) {
        return None;
    }
    let (row, row_weights, rest) = parts(input, weights)?;
    let Op::Gather(Gather { axis: 0, batch_dims: 0 }) = row.op() else {
        return None;
    };
    let (sequence, step) = (row.operand(0)?, row.operand(1)?);
    if sequence.id().op != body.parameters_op() || step.ty().shape.rank() != Some(0) || sequence.ty().shape.rank() != Some(3) {
        return None;
    }
    // A step of several rows may be one input of the product, which all steps together cannot be.
    let depth = sequence.ty().shape.dim(2).known();
    if depth.is_some_and(|depth| row_weights.dims().last() != Some(&depth)) {
        return None;
    }
    let position = sequence.id().port as usize;
    if !found.is_invariant(model, position) {
        return None;
    }
    let value = Value { op: id, port: 0 };
    let later_bias = match (&bias, &rest) {
        (Some(_), _) => None,
        (None, None) => later_bias(body, value, weights.dims()[0]),
        (None, Some(_)) => own_bias(body, value, weights.dims()[0]),
    };
    Some(Projection {
        product: id,
        position,
        step: step.id(),
        weights: row_weights,
        bias,
        later_bias,
        rest,
    })
}

/// The operation that makes the slice of the sequence and the weights for it, and the same of what is multiplied with it.
fn parts<'g>(input: ValueRef<'g>, weights: &Tensor) -> Option<(OpRef<'g>, Tensor, Option<(Vec<Value>, Tensor)>)> {
    let producer = input.producer();
    let Op::Concatenation(Concatenation {
        axis: 1 | -1,
        activation: Activation::None,
    }) = producer.op()
    else {
        return Some((producer, weights.clone(), None));
    };
    let joined: Vec<ValueRef<'g>> = (0..producer.operands().len()).map(|i| producer.operand(i)).collect::<Option<_>>()?;
    let widths: Vec<usize> = joined.iter().map(|v| v.ty().shape.dims()?.get(1)?.known()).collect::<Option<_>>()?;
    let all: usize = widths.iter().sum();
    if joined.len() < 2 || weights.dims().get(1) != Some(&all) {
        return None;
    }
    // At either end the rest of the weights is one part of them as they lie.
    let last = joined.len() - 1;
    let at = [0, last]
        .into_iter()
        .find(|&i| matches!(joined[i].producer().op(), Op::Gather(_)))?;
    let (start, rest_start) = if at == 0 { (0, widths[0]) } else { (all - widths[last], 0) };
    let rest = joined.iter().enumerate().filter(|&(i, _)| i != at).map(|(_, v)| v.id()).collect();
    let rest_weights = weights.sliced(1, rest_start, all - widths[at])?;
    Some((
        joined[at].producer(),
        weights.sliced(1, start, widths[at])?,
        Some((rest, rest_weights)),
    ))
}

/// The addition of a constant vector to `product`, read only there.
fn own_bias(body: &Graph, product: Value, units: usize) -> Option<(OpId, Value, Tensor)> {
    let total = body.value(product).only_user()?;
    let plain = matches!(total.op(), Op::Add(add) if add.activation == Activation::None);
    (0..2).filter(|_| plain).find_map(|i| {
        let tensor = total.operand(i)?.constant()?;
        (tensor.dims() == [units]).then(|| (total.id(), product, tensor.clone()))
    })
}

/// The addition of a constant vector to a sum that `product`, read only there, is part of.
fn later_bias(body: &Graph, product: Value, units: usize) -> Option<(OpId, Value, Tensor)> {
    let plain_add = |id: OpId| matches!(body.op(id), Op::Add(a) if a.activation == Activation::None);
    let sum = body.value(product).only_user()?;
    if !plain_add(sum.id()) {
        return None;
    }
    let total = sum.result(0).only_user()?;
    if !plain_add(total.id()) {
        return None;
    }
    (0..2).find_map(|i| {
        let (bias, rest) = (total.operand(i)?, total.operand(1 - i)?);
        let tensor = bias.constant()?;
        (tensor.dims() == [units] && rest.id().op == sum.id()).then(|| (total.id(), rest.id(), tensor.clone()))
    })
}

fn product_of(keep_num_dims: bool) -> FullyConnected {
    FullyConnected {
        activation: Activation::None,
        keep_num_dims,
        asymmetric_quantize_inputs: false,
        weights_format: planish_core::attr::WeightsFormat::Plain,
    }
}

/// Hoists a projection, and returns what the loop is then.
fn hoist(model: &mut Model, found: Loop, projection: Projection) -> Loop {
    let sequence = found.initial(model)[projection.position];
    let body = model.graph_mut(found.body);
    let bias = match projection.later_bias {
        Some((total, rest, bias)) => {
            body.replace(Value { op: total, port: 0 }, rest);
            Some(bias)
        }
        None => projection.bias,
    };
    let old = Value {
        op: projection.product,
        port: 0,
    };
    let names = (
        body.info(old).name.clone(),
        body.operand(projection.product, 1).and_then(|w| body.info(w).name.clone()),
    );
    let outer = model.graph_mut(found.outer);
    let weights = outer.add_const(projection.weights);
    outer.info_mut(weights).name = names.1.clone();
    let bias = bias.map(|bias| outer.add_const(bias));
    let projected = outer.add_with_empty(product_of(true), &[Some(sequence), Some(weights), bias]);
    outer.info_mut(projected).name = names.0.clone();
    let (found, parameter) = found.add_invariant(model, projected);
    let body = model.graph_mut(found.body);
    let row = body.add(Gather { axis: 0, batch_dims: 0 }, &[parameter, projection.step]);
    let Some((rest, weights)) = projection.rest else {
        body.replace(old, row);
        return found;
    };
    let activation = Activation::None;
    let rest = match rest[..] {
        [only] => only,
        _ => body.add(Concatenation { axis: 1, activation }, &rest),
    };
    let weights = body.add_const(weights);
    body.info_mut(weights).name = names.1;
    let product = body.add(product_of(false), &[rest, weights]);
    body.info_mut(product).name = names.0;
    let sum = Add {
        activation,
        pot_scale_int16: true,
    };
    let sum = body.add(sum, &[row, product]);
    body.replace(old, sum);
    found
}

inventory::submit! { PassEntry::of::<HoistProjections>() }
