//! Small models that the tests write and read.

#![allow(unreachable_pub, dead_code, reason = "each test file uses some of it")]

use planish_core::attr::{Activation, Attrs, Blob, Padding, Rounding};
use planish_core::op::{self, Op};
use planish_core::{DType, Dim, Graph, Model, OpId, Quant, Shape, Signature, Tensor, Type, Value, ValueInfo};

/// Numbers that do not repeat soon.
pub fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// A model of one graph, `main`, which the signature `serving_default` calls.
pub fn model(graph: Graph, inputs: &[&str], outputs: &[&str]) -> Model {
    let mut model = Model::new();
    let graph = model.add_graph(graph);
    let owned = |names: &[&str]| names.iter().map(|&n| n.to_owned()).collect();
    let name = "serving_default".to_owned();
    model.signatures.push(Signature {
        name,
        graph,
        inputs: owned(inputs),
        outputs: owned(outputs),
    });
    model
}

/// A parameter of type f32 whose first extent is unknown.
pub fn batch(graph: &mut Graph, name: &str, dims: &[usize]) -> Value {
    let shape = Shape::new([Dim::Unknown].into_iter().chain(dims.iter().map(|&d| d.into())));
    graph.add_parameter(ValueInfo::named(Type::new(DType::F32, shape), name))
}

/// A dense layer whose weights lie transposed in memory, as in their source.
pub fn dense() -> Model {
    let mut graph = Graph::new("main");
    let x = batch(&mut graph, "serving_default_x:0", &[24]);
    let weights = Tensor::from_vec(&[24, 10], noise(240, 1)).transposed(&[1, 0]).expect("a matrix");
    let weights = graph.add_const(weights);
    let bias = graph.add_const(Tensor::from_vec(&[10], noise(10, 2)));
    let op = fully_connected(Activation::Relu);
    let y = graph.add(op, &[x, weights, bias]);
    graph.info_mut(y).name = Some("logits".into());
    graph.set_results(&[y]);
    model(graph, &["x"], &["logits"])
}

pub fn fully_connected(activation: Activation) -> Op {
    op::FullyConnected {
        activation,
        keep_num_dims: false,
        asymmetric_quantize_inputs: false,
        weights_format: planish_core::attr::WeightsFormat::Plain,
    }
    .into()
}

/// A convolution whose weights are rounded to 8 bits on the way to the file.
pub fn rounded() -> Model {
    let mut graph = Graph::new("main");
    let x = batch(&mut graph, "image", &[8, 8, 3]);
    let weights = Tensor::from_vec(&[3, 3, 3, 4], noise(108, 3))
        .transposed(&[3, 0, 1, 2])
        .expect("four dimensions");
    let weights = graph.add_const(weights);
    let quant = Quant::symmetric_per_axis(0, vec![0.01, 0.008, 0.009, 0.011]).expect("positive scales");
    let ty = Type::fixed(DType::I8, &[4, 3, 3, 3]).with_quant(Some(quant));
    let weights = graph.add_typed(
        op::Quantize {
            rounding: Rounding::Nearest,
        },
        &[weights],
        ty,
    );
    let bias = graph.add_const(Tensor::from_vec(&[4], vec![0f32; 4]));
    let conv = op::Conv2d {
        padding: Padding::Same,
        stride: [2, 1],
        dilation: [1, 1],
        activation: Activation::None,
    };
    let y = graph.add(conv, &[x, weights, bias]);
    graph.set_results(&[y]);
    model(graph, &["image"], &["features"])
}

/// A loop that doubles a value as long as it is below a limit.
pub fn looped() -> Model {
    let ty = Type::fixed(DType::F32, &[]);
    let mut model = Model::new();
    let main = model.add_graph(Graph::new("main"));
    let mut cond = Graph::new("cond");
    let x = cond.add_parameter(ValueInfo::new(ty.clone()));
    let limit = cond.add_float(100.0);
    let go = cond.add(op::Less {}, &[x, limit]);
    cond.set_results(&[go]);
    let cond = model.add_graph(cond);
    let mut body = Graph::new("body");
    let x = body.add_parameter(ValueInfo::new(ty.clone()));
    let two = body.add_float(2.0);
    let y = body.add(
        op::Mul {
            activation: Activation::None,
        },
        &[x, two],
    );
    body.set_results(&[y]);
    let body = model.add_graph(body);
    let graph = model.graph_mut(main);
    let x = graph.add_parameter(ValueInfo::named(ty.clone(), "x"));
    let y = graph.add_typed(op::While { cond, body }, &[x], ty);
    graph.set_results(&[y]);
    let names = |n: &str| vec![n.to_owned()];
    model.signatures.push(Signature {
        name: "double".into(),
        graph: main,
        inputs: names("x"),
        outputs: names("y"),
    });
    model
}

/// A variable that each call reads before it is given the next value.
pub fn counter() -> Model {
    let mut graph = Graph::new("main");
    let step = graph.add_parameter(ValueInfo::named(Type::fixed(DType::F32, &[]), "step"));
    let handle = op::VarHandle {
        container: String::new(),
        shared_name: "count".into(),
    };
    let handle = graph.add_typed(handle, &[], Type::fixed(DType::Resource, &[]));
    let before = graph.add_typed(op::ReadVariable {}, &[handle], Type::fixed(DType::F32, &[]));
    let sum = graph.add(
        op::Add {
            activation: Activation::None,
            pot_scale_int16: true,
        },
        &[before, step],
    );
    let assign: OpId = graph.add_declared(op::AssignVariable {}, &[Some(handle), Some(sum)], Vec::new());
    graph.add_after(before.op, assign);
    let after = graph.add_typed(op::ReadVariable {}, &[handle], Type::fixed(DType::F32, &[]));
    graph.add_after(assign, after.op);
    graph.set_results(&[before, after]);
    model(graph, &["step"], &["before", "after"])
}

/// A recurrent layer whose state begins as zeros and stays from call to call.
pub fn recurrent() -> Model {
    let (inputs, units) = (3, 5);
    let mut graph = Graph::new("main");
    let x = graph.add_parameter(ValueInfo::named(Type::fixed(DType::F32, &[1, 7, inputs]), "x"));
    let mut operands = vec![Some(x)];
    let matrix =
        |graph: &mut Graph, columns: usize, seed| Some(graph.add_const(Tensor::from_vec(&[units, columns], noise(units * columns, seed))));
    for seed in 0..4 {
        operands.push(matrix(&mut graph, inputs, seed));
    }
    for seed in 4..8 {
        operands.push(matrix(&mut graph, units, seed));
    }
    operands.extend([None; 3]);
    for _ in 0..4 {
        operands.push(Some(graph.add_const(Tensor::from_vec(&[units], vec![0f32; units]))));
    }
    operands.extend([None; 2]);
    for _ in 0..2 {
        operands.push(Some(graph.add_typed(op::State {}, &[], Type::fixed(DType::F32, &[1, units]))));
    }
    let lstm = op::UnidirectionalSequenceLstm {
        activation: Activation::Tanh,
        cell_clip: 0.0,
        proj_clip: 0.0,
        time_major: false,
        asymmetric_quantize_inputs: false,
        diagonal_recurrent_tensors: false,
    };
    let out = ValueInfo::new(Type::fixed(DType::F32, &[1, 7, units]));
    let lstm = graph.add_declared(lstm, &operands, vec![out]);
    let results = graph.results_of(lstm);
    graph.set_results(&results);
    model(graph, &["x"], &["y"])
}

/// Types that need care: strings, half floats, packed nibbles, no elements, ranges, unknown ranks.
pub fn odd_types() -> Model {
    let mut graph = Graph::new("main");
    let any = graph.add_parameter(ValueInfo::named(Type::new(DType::F32, Shape::unranked()), "any"));
    graph.info_mut(any).range = Some((-1.0, 2.5));
    let strings = graph.add_const(Tensor::from_strings(&[2], &["yes", "no"]).expect("short strings"));
    let nibbles = Tensor::new(DType::I4, &[3], vec![0x21, 0x0f].into()).expect("three nibbles");
    let quant = Quant::per_tensor(0.5, 1).expect("a positive scale");
    let nibbles = graph.add_const(nibbles.with_quant(Some(quant)));
    let none = graph.add_const(Tensor::from_vec::<i32>(&[0], vec![]));
    let yes = graph.add_const(Tensor::from_bools(&[], &[true]));
    let custom = op::Custom {
        name: "Mine".into(),
        options: Blob(vec![1, 2, 3]),
        version: 4,
    };
    let operands = [Some(any), Some(strings), None, Some(nibbles), Some(none), Some(yes)];
    let infos = vec![ValueInfo::named(Type::new(DType::F16, Shape::of_rank(2)), "half")];
    let custom = graph.add_declared(custom, &operands, infos);
    let results = [graph.results_of(custom), vec![strings]].concat();
    graph.set_results(&results);
    model(graph, &["any"], &["half", "words"])
}

/// Operations that no builtin operator computes.
pub fn foreign() -> Model {
    let mut graph = Graph::new("main");
    let x = batch(&mut graph, "x", &[4]);
    let ty = graph.ty(x).clone();
    let attrs = Attrs::from([("N".to_owned(), planish_core::attr::Attr::Int(300))]);
    let first = op::Foreign {
        name: "Bincount".into(),
        attrs,
        definition: Blob(vec![10, 1, 65]),
    };
    let first = graph.add_typed(first, &[x], ty.clone());
    graph.info_mut(first).name = Some("counts".into());
    let second = op::Foreign {
        name: "Unheard".into(),
        attrs: Attrs::new(),
        definition: Blob::default(),
    };
    let second = graph.add_typed(second, &[first], ty);
    graph.info_mut(second).name = Some("silence".into());
    graph.set_results(&[second]);
    model(graph, &["x"], &["y"])
}

/// Every model that can be written as builtin and custom operators.
pub fn all() -> Vec<(&'static str, Model)> {
    vec![
        ("dense", dense()),
        ("rounded", rounded()),
        ("looped", looped()),
        ("counter", counter()),
        ("recurrent", recurrent()),
        ("odd_types", odd_types()),
    ]
}
