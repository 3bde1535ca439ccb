//! What quantization claims of its errors, from a model's weights to its results: the bounds of
//! `planish_kernels::hybrid` hold on random and on adversarial numbers, and are attained, so that a slack one fails too.

use planish_core::attr::{Activation, Padding, Rounding};
use planish_core::op::Quantize;
use planish_core::{DType, Graph, Model, Op, OpId, PassManager, Quant, Tensor, Value};
use planish_kernels::hybrid;
use planish_passes as _;
use proptest::prelude::*;

#[path = "bounds/linear.rs"]
mod linear;

use linear::{Linear, batch_matmul, conv_2d, depthwise_conv_2d, embedding_lookup, fully_connected, gather, run, transpose_conv};

/// Half a unit in the last place of 1.
const EPSILON: f64 = 1.0 / (1u64 << 24) as f64;

/// The model after the passes of a pipeline.
fn passed(model: &Model, pipeline: &str) -> Model {
    let mut model = model.clone();
    let manager = PassManager::parse(pipeline).expect("a pipeline of registered passes");
    manager.run(&mut model).expect("passes that run");
    model
}

/// The model with each `dequantize` of a weight left out: the operation reads the integers, whatever a target says of it.
fn forced_hybrid(model: &Model) -> Model {
    let mut model = model.clone();
    for (_, graph) in model.graphs_mut() {
        for id in graph.ids() {
            if let Op::Dequantize(_) = graph.op(id) {
                let integers = graph.operand(id, 0).expect("its operand");
                let uses = graph.uses(Value { op: id, port: 0 });
                graph.replace_uses(&uses, integers);
            }
        }
    }
    model.sweep();
    model
}

/// The model with each weight that has a scale for each channel rounded in balance, whatever reads it.
fn in_balance(model: &Model) -> Model {
    let mut model = model.clone();
    for (_, graph) in model.graphs_mut() {
        for id in graph.ids() {
            let nearest = Value { op: id, port: 0 };
            if !matches!(graph.op(id), Op::Quantize(_)) || !graph.ty(nearest).quant.as_ref().is_some_and(Quant::is_symmetric_per_axis) {
                continue;
            }
            let (weight, info) = (graph.operand(id, 0).expect("its operand"), graph.info(nearest).clone());
            let balanced = Quantize {
                rounding: Rounding::Balanced,
            };
            let op = graph.add_declared(balanced, &[Some(weight)], vec![info]);
            graph.replace(nearest, Value { op, port: 0 });
        }
    }
    model.sweep();
    model
}

/// What a `quantize` makes of a constant.
fn stored(graph: &Graph, quantize: OpId, constant: &Tensor) -> Tensor {
    let ty = graph.ty(Value { op: quantize, port: 0 });
    planish_core::quantize::quantize(constant, ty, rounding(graph, quantize)).expect("f32 to i8")
}

fn rounding(graph: &Graph, quantize: OpId) -> Rounding {
    match graph.op(quantize) {
        Op::Quantize(op) => op.rounding,
        op => panic!("{} is no quantize", op.name()),
    }
}

/// The reals that the model's weight stands for in double precision: as it is, where nothing quantizes it.
fn represented(model: &Model, weight: &[f32]) -> Vec<f64> {
    let graph = model.graph(model.signatures[0].graph);
    let quantize = graph.ids().into_iter().find(|&id| matches!(graph.op(id), Op::Quantize(_)));
    let Some(quantize) = quantize else {
        return weight.iter().copied().map(f64::from).collect();
    };
    let ty = graph.ty(Value { op: quantize, port: 0 });
    let constant = graph
        .constant(graph.operand(quantize, 0).expect("its operand"))
        .expect("a constant");
    let stored = stored(graph, quantize, constant).to_vec::<i8>();
    let quant = ty.quant.as_ref().expect("a quantization");
    let dims = constant.dims();
    let (count, inner) = quant
        .axis()
        .map_or((1, 1), |axis| (dims[axis], dims[axis + 1..].iter().product::<usize>()));
    let scale = |index: usize| f64::from(quant.scales()[index / inner % count]);
    stored.into_iter().enumerate().map(|(i, q)| scale(i) * f64::from(q)).collect()
}

/// How far what a row's integers stand for may be from the row.
fn activation_error(row: &[f32]) -> f64 {
    let error = |scale: f32| hybrid::activation_error(f64::from(scale));
    let known = error(hybrid::row_scale_qd8(row).scale).max(error(hybrid::row_scale_asymmetric(row).scale));
    // Steps of narrower rows are too small for single precision.
    let range = row.iter().fold(0.0f64, |most, x| most.max(f64::from(x.abs())));
    known + if range < 1e-35 { 2.0 * range } else { 0.0 }
}

/// The two terms of (3) and the float term, for each result.
struct Bounds {
    weight: Vec<f64>,
    activation: Vec<f64>,
    float: Vec<f64>,
}

impl Bounds {
    fn of(linear: &Linear, input: &[f32], weight: &[f32], represented: &[f64]) -> Bounds {
        let magnitudes: Vec<f64> = if linear.looks_up() {
            input.iter().copied().map(f64::from).collect()
        } else {
            input.iter().map(|x| f64::from(x.abs())).collect()
        };
        let residuals: Vec<f64> = weight.iter().zip(represented).map(|(w, r)| (f64::from(*w) - r).abs()).collect();
        let stored: Vec<f64> = represented.iter().map(|r| r.abs()).collect();
        let weights: Vec<f64> = weight.iter().map(|w| f64::from(w.abs())).collect();
        let absolute = linear.apply(&magnitudes, &weights);
        let (activation, moved) = if linear.looks_up() {
            (vec![0.0; absolute.len()], linear.apply(&magnitudes, &stored))
        } else {
            let errors: Vec<f64> = input
                .chunks(linear.unit.max(1))
                .flat_map(|row| vec![activation_error(row); row.len()])
                .collect();
            let wider: Vec<f64> = magnitudes.iter().zip(&errors).map(|(x, e)| x + e).collect();
            (linear.apply(&errors, &stored), linear.apply(&wider, &stored))
        };
        let terms = linear.terms(&magnitudes);
        let rounding = |j: usize| (terms[j] + 8.0) * EPSILON;
        let float = (0..terms.len())
            .map(|j| rounding(j) * (absolute[j] + moved[j]) + (terms[j] + 1.0) * f64::from(f32::MIN_POSITIVE))
            .collect();
        // The terms are computed in single precision themselves.
        let outward = |sums: Vec<f64>| sums.into_iter().enumerate().map(|(j, t)| t * (1.0 + 2.0 * rounding(j))).collect();
        Bounds {
            weight: outward(linear.apply(&magnitudes, &residuals)),
            activation: outward(activation),
            float,
        }
    }
}

const WEIGHT_ONLY: &str = "post_training_quantize {min_elements = 0, halves = never}";

/// Every way to a quantized model: its name, the model, and whether it may quantize activations.
fn quantized(linear: &Linear, model: &Model, granularity: &str) -> Vec<(String, Model, bool)> {
    let weight_only = format!("post_training_quantize {{granularity = {granularity}, min_elements = 0, halves = never}}");
    let mut all = vec![(weight_only.clone(), passed(model, &weight_only), false)];
    all.push(("in balance".into(), in_balance(&all[0].1), false));
    if !linear.looks_up() {
        all.push(("every hybrid kernel".into(), forced_hybrid(&all[0].1), true));
        all.push(("every hybrid kernel, in balance".into(), forced_hybrid(&all[1].1), true));
    }
    for target in ["litert", "litert_builtin", "planish"] {
        let select = format!("{weight_only}, select_hybrid_kernels {{target = {target}}}");
        let whole = format!("{select}, fall_back_to_float {{target = {target}}}");
        all.push((select.clone(), passed(model, &select), true));
        all.push((whole.clone(), passed(model, &whole), true));
    }
    all
}

fn linear() -> impl Strategy<Value = Linear> {
    let activation = || prop_oneof![Just(Activation::None), Just(Activation::Relu), Just(Activation::Relu6)];
    let padding = || prop_oneof![Just(Padding::Same), Just(Padding::Valid)];
    prop_oneof![
        (0..4usize, 1..80usize, 1..9usize, activation()).prop_map(|(rows, depth, outputs, a)| fully_connected(rows, depth, outputs, a)),
        (0..4usize, 1..80usize, 1..9usize, any::<bool>()).prop_map(|(rows, depth, outputs, adj)| batch_matmul(rows, depth, outputs, adj)),
        (0..3usize, 1..3usize, 1..5usize, 1..4usize, padding(), activation())
            .prop_map(|(images, groups, outputs, kernel, p, a)| conv_2d(images, groups, outputs, kernel, p, a)),
        (0..3usize, 1..4usize, 1..3usize, padding(), activation()).prop_map(|(images, c, m, p, a)| depthwise_conv_2d(images, c, m, p, a)),
        (1..3usize, 1..4usize, 1..4usize).prop_map(|(images, channels, outputs)| transpose_conv(images, channels, outputs)),
        (4..20usize, 1..9usize).prop_map(|(rows, width)| gather(rows, width)),
        (4..20usize, 1..9usize).prop_map(|(rows, width)| embedding_lookup(rows, width)),
    ]
}

/// The 16-bit floats that a model holds, if it does.
fn halves(model: &Model) -> Option<Vec<f64>> {
    let graph = model.graph(model.signatures[0].graph);
    let constants = graph.ids().into_iter().filter_map(|id| graph.constant(Value { op: id, port: 0 }));
    constants.filter(|t| t.dtype() == DType::F16).find_map(Tensor::to_floats)
}

/// Numbers of one kind: ordinary ones, or such as quantization may stumble over.
fn numbers(count: usize) -> BoxedStrategy<Vec<f32>> {
    let many = move |one: BoxedStrategy<f32>| prop::collection::vec(one, count);
    prop_oneof![
        4 => (many((-1.0f32..1.0).boxed()), -20i32..20).prop_map(scaled),
        1 => (many((0.9f32..1.0).boxed()), -20i32..20).prop_map(scaled),
        1 => (-1e3f32..1e3).prop_map(move |x| vec![x; count]),
        1 => Just(vec![0.0; count]),
        1 => many((0u32..0x0080_0000).prop_map(f32::from_bits).boxed()),
        1 => many((-1.0f32..1.0, -20i32..20).prop_map(|(x, power)| x * 2f32.powi(power)).boxed()),
        1 => (many((-1e-4f32..1e-4).boxed()), any::<prop::sample::Index>(), -1e6f32..1e6).prop_map(|(mut numbers, at, outlier)| {
            if !numbers.is_empty() {
                let at = at.index(numbers.len());
                numbers[at] = outlier;
            }
            numbers
        }),
    ]
    .boxed()
}

fn scaled((numbers, power): (Vec<f32>, i32)) -> Vec<f32> {
    numbers.into_iter().map(|x| x * 2f32.powi(power)).collect()
}

/// An operation, its input and its weight.
fn case() -> impl Strategy<Value = (Linear, Vec<f32>, Vec<f32>)> {
    linear().prop_flat_map(|linear| {
        let (inputs, weights) = linear.elements();
        let input = if linear.looks_up() {
            prop::collection::vec((0..linear.weight[0]).prop_map(|row| row as f32), inputs).boxed()
        } else {
            numbers(inputs)
        };
        (Just(linear), input, numbers(weights))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_quantized_weight_is_within_its_bound((linear, _, weight) in case(), granularity in prop_oneof![Just("per_channel"), Just("per_tensor")]) {
        let nearest = passed(&linear.model(&weight), &format!("post_training_quantize {{granularity = {granularity}, min_elements = 0, halves = never}}"));
        for model in [in_balance(&nearest), nearest] {
        let graph = model.graph(model.signatures[0].graph);
        let Some(id) = graph.ids().into_iter().find(|&id| matches!(graph.op(id), Op::Quantize(_))) else {
            return Err(TestCaseError::fail("every weight of finite numbers is quantized"));
        };
        let ty = graph.ty(Value { op: id, port: 0 });
        let constant = Tensor::from_vec(&linear.weight, weight.clone());
        let back = planish_core::quantize::dequantize(&stored(graph, id, &constant)).expect("i8 to f32").to_vec::<f32>();
        let quant = ty.quant.as_ref().expect("a quantization");
        let (count, inner) = quant.axis().map_or((1, 1), |axis| (linear.weight[axis], linear.weight[axis + 1..].iter().product::<usize>()));
        for (i, (w, r)) in weight.iter().zip(back).enumerate() {
            let bound = hybrid::weight_error(f64::from(quant.scales()[i / inner % count]), rounding(graph, id)) + EPSILON * f64::from(r.abs());
            prop_assert!((f64::from(*w) - f64::from(r)).abs() <= bound, "{w} as {r}, bound {bound}");
        }
        }
    }

    #[test]
    fn halves_round_no_more_coarsely_than_int8(
        (weight, channels) in (1..4usize).prop_flat_map(|channels| (numbers(9 * channels), Just(channels))),
    ) {
        let linear = depthwise_conv_2d(1, channels, 1, Padding::Same, Activation::None);
        let [halved, integers] = ["", ", halves = never"]
            .map(|halves| passed(&linear.model(&weight), &format!("post_training_quantize {{min_elements = 0{halves}}}")));
        let graph = integers.graph(integers.signatures[0].graph);
        let id = graph.ids().into_iter().find(|&id| matches!(graph.op(id), Op::Quantize(_))).expect("int8");
        let quant = graph.ty(Value { op: id, port: 0 }).quant.clone().expect("a quantization");
        match halves(&halved) {
            Some(halves) => for (i, (w, h)) in weight.iter().zip(halves).enumerate() {
                let bound = hybrid::weight_error(f64::from(quant.scales()[i % channels]), Rounding::Nearest);
                prop_assert!((f64::from(*w) - h).abs() <= bound, "{w} as {h}, bound {bound}");
            },
            None => {
                let fits = |scale: &f32| *scale >= 2f32.powi(-24) && 127.0 * scale <= 65504.0;
                prop_assert!(!quant.scales().iter().all(fits), "{weight:?}");
            }
        }
    }

    #[test]
    fn a_quantized_operation_is_within_its_bound((linear, input, weight) in case(), granularity in prop_oneof![Just("per_channel"), Just("per_tensor")]) {
        let model = linear.model(&weight);
        let float = run(&model, linear.input_tensor(&input));
        prop_assume!(float.iter().all(|y| y.is_finite()));
        for (what, model, hybrid) in quantized(&linear, &model, granularity) {
            let bounds = Bounds::of(&linear, &input, &weight, &represented(&model, &weight));
            let found = run(&model, linear.input_tensor(&input));
            for (j, (y, q)) in float.iter().zip(&found).enumerate() {
                let bound = bounds.weight[j] + if hybrid { bounds.activation[j] } else { 0.0 } + bounds.float[j];
                let distance = (f64::from(*y) - f64::from(*q)).abs();
                prop_assert!(distance <= bound, "{what}: {q} for {y}, bound {bound} of {} + {} + {}", bounds.weight[j], bounds.activation[j], bounds.float[j]);
            }
        }
    }
}

/// One of each operation, with results that depend on enough of the input.
fn each_operation() -> Vec<Linear> {
    vec![
        fully_connected(2, 64, 3, Activation::None),
        batch_matmul(2, 64, 3, false),
        batch_matmul(2, 64, 3, true),
        conv_2d(2, 2, 2, 4, Padding::Valid, Activation::None),
        depthwise_conv_2d(1, 2, 1, Padding::Valid, Activation::None),
        transpose_conv(1, 30, 2),
    ]
}

/// Numbers in [-1, 1) that look random.
fn scattered(count: usize) -> Vec<f32> {
    let spread = |index: usize| (index as u32 + 1).wrapping_mul(2_654_435_761) ^ (index as u32) << 13;
    (0..count).map(|index| spread(index) as i32 as f32 / 2f32.powi(31)).collect()
}

/// How result `j` grows with each element of the input.
fn gradient(linear: &Linear, weight: &[f64], j: usize) -> Vec<f64> {
    let inputs = linear.elements().0;
    let unit = |i: usize| (0..inputs).map(|k| f64::from(u8::from(k == i))).collect::<Vec<f64>>();
    (0..inputs).map(|i| linear.apply(&unit(i), weight)[j]).collect()
}

fn greatest(terms: &[f64]) -> usize {
    (0..terms.len())
        .max_by(|&a, &b| terms[a].total_cmp(&terms[b]))
        .expect("some results")
}

/// The adversary's input for the first term: all elements as large as they may be, with the sign of the rounding error.
#[test]
fn the_weight_term_is_attained() {
    for linear in each_operation() {
        let (inputs, weights) = linear.elements();
        let weight = scattered(weights);
        let model = linear.model(&weight);
        let weight_only = passed(&model, WEIGHT_ONLY);
        let represented = represented(&weight_only, &weight);
        let j = greatest(&Bounds::of(&linear, &vec![1.0; inputs], &weight, &represented).weight);
        let residuals: Vec<f64> = weight.iter().zip(&represented).map(|(w, r)| f64::from(*w) - r).collect();
        let input: Vec<f32> = gradient(&linear, &residuals, j)
            .into_iter()
            .map(|g| if g < 0.0 { -1.0 } else { 1.0 })
            .collect();
        let bounds = Bounds::of(&linear, &input, &weight, &represented);
        let bound = bounds.weight[j] + bounds.float[j];
        let [float, found] = [&model, &weight_only].map(|m| f64::from(run(m, linear.input_tensor(&input))[j]));
        assert!(
            (float - found).abs() >= 0.99 * bound,
            "{}: {} of {bound}",
            linear.op.name(),
            (float - found).abs()
        );
    }
}

/// The adversary's input for the second term: weights without rounding errors, and each activation almost half a step
/// from the grid, to the side that its weight asks for.
#[test]
fn the_activation_term_is_attained() {
    for linear in each_operation() {
        let (inputs, weights) = linear.elements();
        let step = 1.0 / 128.0;
        // Every channel holds weights of 127 steps, so that a step is a channel's scale.
        let weight: Vec<f32> = scattered(weights)
            .into_iter()
            .map(|x| step * if x.abs() > 0.5 { 127.0 * x.signum() } else { (x * 127.0).round() })
            .collect();
        let model = linear.model(&weight);
        let weight_only = passed(&model, WEIGHT_ONLY);
        let represented = represented(&weight_only, &weight);
        assert!(
            weight.iter().zip(&represented).all(|(w, r)| f64::from(*w) == *r),
            "weights on the grid"
        );
        let j = greatest(&Bounds::of(&linear, &vec![1.0; inputs], &weight, &represented).activation);
        let gradient = gradient(&linear, &represented, j);
        let mut input: Vec<f32> = scattered(inputs)
            .into_iter()
            .zip(gradient)
            .map(|(x, g)| step * ((x * 100.0).round() + if g < 0.0 { -0.499 } else { 0.499 }))
            .collect();
        // The ends of each unit's range make its step the one above, and its zero point 0.
        for unit in input.chunks_mut(linear.unit) {
            (unit[0], unit[1]) = (-128.0 * step, 127.0 * step);
        }
        let bounds = Bounds::of(&linear, &input, &weight, &represented);
        let bound = bounds.weight[j] + bounds.activation[j] + bounds.float[j];
        let [float, found] = [model, forced_hybrid(&weight_only)].map(|m| f64::from(run(&m, linear.input_tensor(&input))[j]));
        assert!(
            (float - found).abs() >= 0.9 * bound,
            "{}: {} of {bound}",
            linear.op.name(),
            (float - found).abs()
        );
    }
}

/// What balance is for: where features are the same everywhere, so that rounding errors add up, results hardly move.
#[test]
fn errors_of_filters_do_not_add_up() {
    let filters = [
        "const f32[6, 3, 3, 4] random(1)\n  %y = conv_2d %a, %w {padding = valid}",
        "const f32[1, 3, 3, 4] random(2)\n  %y = depthwise_conv_2d %a, %w {padding = valid, depth_multiplier = 1}",
        "const f32[5, 80] random(3)\n  %dims = const i32[2] [1, 80]\n  %r = reshape %a, %dims\n  %y = fully_connected %r, %w",
    ];
    for filter in filters {
        // The first convolution hands its input on.
        let text = format!(
            "graph @main (%x: f32[1, 5, 4, 4]) {{
  %one = const f32[4, 1, 1, 4] [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
  %a = conv_2d %x, %one {{padding = valid, activation = relu}}
  %w = {filter}
  return %y
}}
"
        );
        let model = planish_core::text::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let input = Tensor::from_vec(&[1, 5, 4, 4], vec![1.0f32; 80]);
        let real = run(&model, input.clone());
        let off = |options: &str| -> f64 {
            let quantized = passed(
                &model,
                &format!("post_training_quantize {{min_elements = 0, halves = never{options}}}"),
            );
            let results = run(&quantized, input.clone());
            results.iter().zip(&real).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
        };
        let (balanced, nearest) = (off(", balance = always"), off(", balance = never"));
        // Half a step of the greatest scale, 1 / 127 or less, where as many errors as wanted can be turned.
        assert!(balanced <= 0.51 / 127.0 && balanced < nearest, "{filter}: {balanced}, {nearest}");
    }
}

/// A row of a table is off by no more and no less than what its weights were rounded by.
#[test]
fn the_bound_of_a_table_is_the_error() {
    for linear in [gather(9, 7), embedding_lookup(9, 7)] {
        let weight = scattered(63);
        let input = [0.0, 4.0, 8.0];
        let model = linear.model(&weight);
        for (what, quantized, _) in quantized(&linear, &model, "per_channel") {
            let bounds = Bounds::of(&linear, &input, &weight, &represented(&quantized, &weight));
            let [float, found] = [&model, &quantized].map(|m| run(m, linear.input_tensor(&input)));
            for (j, (y, q)) in float.iter().zip(found).enumerate() {
                let distance = (f64::from(*y) - f64::from(q)).abs();
                assert!(
                    (distance - bounds.weight[j]).abs() <= bounds.float[j],
                    "{what}: {distance}, not {}",
                    bounds.weight[j]
                );
            }
        }
    }
}

/// Which kernels these bounds have been about: a target that stopped choosing hybrid ones would make them hold trivially.
#[test]
fn targets_choose_hybrid_kernels() {
    for linear in each_operation() {
        let model = linear.model(&scattered(linear.elements().1));
        let hybrid: Vec<&str> = ["litert", "litert_builtin", "planish"]
            .into_iter()
            .filter(|target| {
                let model = passed(&model, &format!("{WEIGHT_ONLY}, select_hybrid_kernels {{target = {target}}}"));
                let graph = model.graph(model.signatures[0].graph);
                graph.ids().into_iter().all(|id| !matches!(graph.op(id), Op::Dequantize(_)))
            })
            .collect();
        let expected: &[&str] = match linear.op {
            Op::DepthwiseConv2d(_) => &[],
            Op::TransposeConv(_) => &["litert"],
            _ => &["litert", "litert_builtin", "planish"],
        };
        assert_eq!(hybrid, expected, "{}", linear.op.name());
    }
}
