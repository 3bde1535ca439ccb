//! How small a large network becomes: what the pass promises, in bytes of the files that are written.

use planish::core::attr::{Activation, WeightsFormat};
use planish::core::op::{FullyConnected, Relu};
use planish::prelude::*;

const LAYERS: usize = 40;
const WIDTH: usize = 240;

/// Layers of a network of 9 MB one after the other, each of as many inputs as outputs.
fn network() -> Model {
    let mut graph = Graph::new("main");
    let mut x = graph.add_parameter(ValueInfo::named(Type::new(DType::F32, Shape::fixed(&[1, WIDTH])), "x"));
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    for _ in 0..LAYERS {
        let weight = graph.add_const(Tensor::from_vec(&[WIDTH, WIDTH], (0..WIDTH * WIDTH).map(|_| next()).collect()));
        let product = FullyConnected {
            activation: Activation::None,
            keep_num_dims: false,
            asymmetric_quantize_inputs: false,
            weights_format: WeightsFormat::Plain,
        };
        let y = graph.add(product, &[x, weight]);
        x = graph.add(Relu {}, &[y]);
    }
    graph.set_results(&[x]);
    let mut model = Model::default();
    let graph = model.add_graph(graph);
    model.signatures.push(Signature {
        name: "serving_default".into(),
        graph,
        inputs: vec!["x".into()],
        outputs: vec!["y".into()],
    });
    model
}

/// The network quantized so that it is to become so many times smaller.
fn quantized(times_smaller: f64) -> Model {
    let mut model = network();
    let options = QuantizeOptions {
        times_smaller,
        ..QuantizeOptions::default()
    };
    let passes = PassManager::new().add_with(PostTrainingQuantize, options).add(SelectHybridKernels);
    passes.run(&mut model).expect("the passes run");
    model
}

fn size(model: &Model) -> usize {
    planish::tflite::write(model).expect("the model is written").len()
}

/// How many scales each layer's weight has, from the first layer to the last.
fn scales(model: &Model) -> Vec<usize> {
    let (_, graph) = model.graphs().next().expect("a graph");
    let layers = graph
        .order()
        .into_iter()
        .map(|id| graph.at(id))
        .filter(|op| op.kind() == planish::core::OpKind::FullyConnected);
    let weights = layers.map(|op| op.operand(1).expect("a weight").ty().quant.clone().expect("an int8 weight"));
    weights.map(|quant| quant.scales().len()).collect()
}

#[test]
fn a_large_network_becomes_as_small_as_it_is_to() {
    let float = size(&network());
    let smaller = |model: &Model| float as f64 / size(model) as f64;
    let most_scales = quantized(1.0);
    assert_eq!(scales(&most_scales), [WIDTH; LAYERS]);
    assert!(smaller(&most_scales) < 3.95, "{}", smaller(&most_scales));

    let goal = quantized(3.95);
    assert!((3.95..3.96).contains(&smaller(&goal)), "{}", smaller(&goal));
    let many = scales(&goal).into_iter().take_while(|&n| n == WIDTH).count();
    assert!((1..LAYERS).contains(&many), "some layers give up scales");
    assert_eq!(scales(&goal)[many..], vec![1; LAYERS - many], "the last do");
}

#[test]
fn a_network_that_cannot_become_so_small_gives_up_nothing() {
    assert_eq!(scales(&quantized(4.0)), [WIDTH; LAYERS]);
}
