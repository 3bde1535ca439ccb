//! What is claimed as a bound of quantization errors holds on random and adversarial tensors, and is nearly attained.
//!
//! A weight that `post_training_quantize` takes is at most `scale / 2` from what is stored for it, plus the float term
//! of [`planish_kernels::hybrid`]'s (1): `|w − scale · v| ≤ scale / 2 + 127 · scale · 2⁻²⁴`. A product that reads such a
//! weight and quantizes its input by row, with scale `s`, is at most
//!
//! ```text
//! Σ|x| · δw + Σ|w| · δx + n · δw · δx        δw by (1), δx by (2): s / 2 + 255 · s · 2⁻²¹
//! ```
//!
//! from the float one over n terms, plus the rounding of both sums.

use planish_core::DType;
use planish_core::attr::{Activation, WeightsFormat};
use planish_core::op::{Dequantize, FullyConnected, Quantize};
use planish_core::{Model, Op, PassManager, Quant, Shape, Tensor, Type, text};
use planish_kernels::hybrid::{activation_error, weight_error};
use planish_kernels::interpret::{Interpreter, evaluate};
use planish_passes::{PostTrainingQuantize, SelectHybridKernels};
use proptest::prelude::*;

const FEATURES: usize = 64;
const CHANNELS: usize = 32;

/// A graph of one product with these weights.
fn product(weights: &[f32]) -> Model {
    let text = format!(
        "signature \"s\" = @g (x) -> (y)\ngraph @g (%x: f32[1, {FEATURES}]) {{\n %w = const f32[{CHANNELS}, {FEATURES}] splat(0.0)\n %y = fully_connected %x, %w\n return %y\n}}"
    );
    let mut model = text::parse(&text).expect("the text form");
    for (_, graph) in model.graphs_mut() {
        for id in graph.ids() {
            if let Op::Const(constant) = graph.op_mut(id) {
                constant.value = Tensor::from_vec(&[CHANNELS, FEATURES], weights.to_vec());
            }
        }
    }
    model
}

fn run(model: &Model, input: &[f32]) -> Vec<f32> {
    let input = Tensor::from_vec(&[1, FEATURES], input.to_vec());
    let graph = model.signatures[0].graph;
    Interpreter::new(model).run(graph, &[input]).expect("the graph runs")[0].to_vec()
}

/// The quantization that the pass chose, and the weights as they come back.
fn quantized(model: &Model) -> (Quant, Vec<f32>) {
    let (_, graph) = model.graphs().next().expect("one graph");
    for id in graph.ids() {
        let Op::Quantize(_) = graph.op(id) else { continue };
        let ty = graph.ty(graph.results_of(id)[0]).clone();
        let weights = graph.at(id).operand(0).and_then(|v| v.constant()).expect("weights are constant");
        let stored = evaluate(&Quantize {}.into(), &[Some(weights)], std::slice::from_ref(&ty)).expect("a kernel");
        let reals = Type::new(DType::F32, ty.shape.clone());
        let back = evaluate(&Dequantize {}.into(), &[Some(&stored[0])], &[reals]).expect("a kernel");
        return (ty.quant.expect("integers stand for reals"), back[0].to_vec());
    }
    panic!("the pass quantizes a weight of {CHANNELS} x {FEATURES}");
}

/// Magnitudes of every size, and the ones where rounding is least sure of itself: halves of steps and their neighbours.
fn weights() -> impl Strategy<Value = Vec<f32>> {
    let plain = || -1.0f32..1.0;
    let wide = || (-1.0f32..1.0, -20i32..20).prop_map(|(m, e)| m * (e as f32).exp2());
    let half = || {
        (-127i32..127, -1i32..=1).prop_map(|(step, ulps)| {
            let at = (step as f32 + 0.5) / 127.0;
            f32::from_bits((at.to_bits() as i32 + ulps) as u32)
        })
    };
    let all = CHANNELS * FEATURES;
    prop_oneof![
        proptest::collection::vec(plain(), all),
        proptest::collection::vec(wide(), all),
        proptest::collection::vec(prop_oneof![9 => half(), 1 => Just(1.0f32)], all),
        proptest::collection::vec(prop_oneof![Just(0.0f32), Just(-0.0), Just(1e-30), Just(1e30), Just(-1e30)], all),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn weights_move_by_half_a_step(weights in weights()) {
        let mut model = product(&weights);
        PassManager::new().add(PostTrainingQuantize).run(&mut model).expect("the pass runs");
        let (quant, back) = quantized(&model);
        for (place, (w, v)) in weights.iter().zip(&back).enumerate() {
            let scales = quant.scales();
            let scale = scales[if quant.axis().is_some() { place / FEATURES } else { 0 }];
            let error = (f64::from(*w) - f64::from(*v)).abs();
            // Giving the real value back rounds once more.
            let bound = weight_error(f64::from(scale)) + f64::from(v.abs()) * (0.5f64).powi(24);
            prop_assert!(error <= bound, "{w:?} came back as {v:?}, which is {error:e} away; {bound:e} is allowed");
        }
    }

    #[test]
    fn hybrid_products_stay_within_their_bound(weights in proptest::collection::vec(-1.0f32..1.0, CHANNELS * FEATURES), input in proptest::collection::vec(-8.0f32..8.0, FEATURES)) {
        let model = product(&weights);
        let expected = run(&model, &input);
        let mut hybrid = model.clone();
        PassManager::new().add(PostTrainingQuantize).add(SelectHybridKernels).run(&mut hybrid).expect("the passes run");
        let found = run(&hybrid, &input);
        let (quant, _) = quantized(&hybrid);
        let (least, most) = input.iter().fold((0.0f64, 0.0f64), |(l, m), &x| (l.min(f64::from(x)), m.max(f64::from(x))));
        // The wider of the two ways to quantize a row.
        let step = ((most - least) / 255.0).max(most.max(-least) / 127.0);
        let moved_input = activation_error(step);
        for (channel, (expected, found)) in expected.iter().zip(&found).enumerate() {
            let moved_weight = weight_error(f64::from(quant.scales()[if quant.axis().is_some() { channel } else { 0 }]));
            let row = &weights[channel * FEATURES..(channel + 1) * FEATURES];
            let inputs: f64 = input.iter().map(|x| f64::from(x.abs())).sum();
            let row_sum: f64 = row.iter().map(|w| f64::from(w.abs())).sum();
            let terms: f64 = row.iter().zip(&input).map(|(w, x)| f64::from((w * x).abs())).sum();
            let rounding = 2.0 * FEATURES as f64 * terms * (0.5f64).powi(24);
            let bound = inputs * moved_weight + row_sum * moved_input + FEATURES as f64 * moved_weight * moved_input + rounding;
            let error = f64::from((expected - found).abs());
            prop_assert!(error <= bound, "channel {channel} was {expected}, is {found}; {bound:e} is allowed");
        }
    }
}

/// Weights half a step from what can be stored are off by nearly all that the bound allows: it is slack by less than 1 %.
#[test]
fn the_bound_of_weights_is_nearly_attained() {
    let weights: Vec<f32> = (0..CHANNELS * FEATURES)
        .map(|i| if i % FEATURES == 0 { 127.0 } else { (i % 100) as f32 + 0.499 })
        .collect();
    let mut model = product(&weights);
    PassManager::new().add(PostTrainingQuantize).run(&mut model).expect("the pass runs");
    let (quant, back) = quantized(&model);
    let bound = weight_error(f64::from(quant.scales()[0]));
    let worst = weights.iter().zip(&back).map(|(w, v)| f64::from((w - v).abs())).fold(0.0, f64::max);
    assert!(worst <= bound && worst >= 0.99 * bound, "{worst} of {bound}");
}

/// All errors of one sign: the bound of a product is slack by less than a factor of 3.
#[test]
fn the_bound_of_products_is_nearly_attained() {
    let weights: Vec<f32> = (0..CHANNELS * FEATURES)
        .map(|i| if i % FEATURES == 0 { 127.0 } else { 40.499 })
        .collect();
    let input: Vec<f32> = (0..FEATURES).map(|i| if i == 0 { 127.0 } else { 40.499 }).collect();
    let scale = 1.0;
    let stored = evaluate(
        &Quantize {}.into(),
        &[Some(&Tensor::from_vec(&[CHANNELS, FEATURES], weights.clone()))],
        &[Type::new(DType::I8, Shape::fixed(&[CHANNELS, FEATURES])).with_quant(Quant::per_tensor(scale, 0).ok())],
    )
    .expect("a kernel");
    let op: Op = FullyConnected {
        activation: Activation::None,
        keep_num_dims: false,
        asymmetric_quantize_inputs: false,
        weights_format: WeightsFormat::Plain,
    }
    .into();
    let input = Tensor::from_vec(&[1, FEATURES], input);
    let ty = Type::new(DType::F32, Shape::fixed(&[1, CHANNELS]));
    let found = evaluate(&op, &[Some(&input), Some(&stored[0])], std::slice::from_ref(&ty)).expect("a kernel")[0].to_vec::<f32>();
    let expected = evaluate(
        &op,
        &[Some(&input), Some(&Tensor::from_vec(&[CHANNELS, FEATURES], weights.clone()))],
        &[ty],
    )
    .expect("a kernel")[0]
        .to_vec::<f32>();
    let inputs: f64 = input.to_vec::<f32>().iter().map(|x| f64::from(x.abs())).sum();
    let (moved_weight, moved_input) = (weight_error(1.0), activation_error(1.0));
    let row: f64 = weights[..FEATURES].iter().map(|w| f64::from(w.abs())).sum();
    let bound = inputs * moved_weight + row * moved_input + FEATURES as f64 * moved_weight * moved_input;
    let error = f64::from((expected[0] - found[0]).abs());
    assert!(error <= bound * 1.001 && error >= bound / 3.0, "{error} of {bound}");
}
