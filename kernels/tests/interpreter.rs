//! Whole graphs: control flow, state, variables, lists, limits, and fast kernels against plain loops.

use planish_core::attr::{Activation, Padding};
use planish_core::op::*;
use planish_core::{DType, Graph, GraphId, Model, Quant, Shape, Tensor, Type, Value, ValueInfo};
use planish_kernels::interpret::{Interpreter, Options, evaluate};
use proptest::prelude::*;

/// What only a kernel that counts elements, and not places for them, comes to the end of.
#[test]
fn nothing_in_many_places_is_joined_and_taken_apart_at_once() {
    let nothing = Tensor::from_vec::<f32>(&[1 << 30, 1 << 26, 0], Vec::new());
    let joined = Concatenation {
        axis: 2,
        activation: Activation::None,
    };
    let ty = Type::new(DType::F32, Shape::fixed(nothing.dims()));
    let results = evaluate(&joined.into(), &[Some(&nothing), Some(&nothing)], std::slice::from_ref(&ty)).expect("it is joined");
    assert_eq!(results[0].dims(), nothing.dims());
    let axis = Tensor::scalar(2i32);
    let parts = evaluate(&Split { num: 2 }.into(), &[Some(&axis), Some(&nothing)], &[ty.clone(), ty]).expect("it is taken apart");
    assert_eq!(parts[1].dims(), nothing.dims());
}

#[test]
fn ranges_without_levels_are_errors() {
    let x = Tensor::from_vec(&[2], vec![0.5f32, -0.5]);
    let ty = Type::new(DType::F32, Shape::fixed(&[2]));
    for (min, max) in [
        (f32::NEG_INFINITY, f32::INFINITY),
        (0.0, 0.0),
        (f32::NAN, 1.0),
        (f32::MIN, f32::MAX),
    ] {
        let op = FakeQuant {
            min,
            max,
            num_bits: 8,
            narrow_range: false,
        };
        assert!(
            evaluate(&op.into(), &[Some(&x)], std::slice::from_ref(&ty)).is_err(),
            "{min} to {max}"
        );
    }
}

fn scalar(dtype: DType) -> Type {
    Type::new(dtype, Shape::scalar())
}

fn unclamped() -> Add {
    Add {
        activation: Activation::None,
        pot_scale_int16: true,
    }
}

/// `while x < limit { x = x + 1 }`
fn counting(limit: Option<i32>) -> (Model, GraphId) {
    let mut model = Model::new();
    let mut cond = Graph::new("cond");
    let x = cond.add_parameter(ValueInfo::new(scalar(DType::I32)));
    let limit = cond.add_int(limit.unwrap_or(i32::MAX));
    let less = cond.add_typed(Less {}, &[x, limit], scalar(DType::Bool));
    cond.set_results(&[less]);
    let mut body = Graph::new("body");
    let x = body.add_parameter(ValueInfo::new(scalar(DType::I32)));
    let one = body.add_int(1);
    let next = body.add_typed(unclamped(), &[x, one], scalar(DType::I32));
    body.set_results(&[next]);
    let (cond, body) = (model.add_graph(cond), model.add_graph(body));
    let mut main = Graph::new("main");
    let x = main.add_parameter(ValueInfo::new(scalar(DType::I32)));
    let end = main.add_typed(While { cond, body }, &[x], scalar(DType::I32));
    main.set_results(&[end]);
    let main = model.add_graph(main);
    (model, main)
}

#[test]
fn loops_end_when_their_condition_does() {
    let (model, main) = counting(Some(10));
    let mut interpreter = Interpreter::new(&model);
    assert_eq!(interpreter.run(main, &[Tensor::scalar(3i32)]), Ok(vec![Tensor::scalar(10i32)]));
    assert_eq!(interpreter.run(main, &[Tensor::scalar(30i32)]), Ok(vec![Tensor::scalar(30i32)]));
}

#[test]
fn endless_loops_are_stopped() {
    let (model, main) = counting(None);
    let options = Options {
        max_ops: 1000,
        ..Options::default()
    };
    let error = Interpreter::with_options(&model, options)
        .run(main, &[Tensor::scalar(0i32)])
        .expect_err("no end in sight");
    assert!(error.to_string().contains("stopped after 1000 operations"), "{error}");
}

#[test]
fn graphs_that_call_themselves_are_stopped() {
    let mut model = Model::new();
    let id = model.add_graph(Graph::new("main"));
    let graph = model.graph_mut(id);
    let result = graph.add_typed(Call { graph: id }, &[], scalar(DType::F32));
    graph.set_results(&[result]);
    let error = Interpreter::new(&model).run(id, &[]).expect_err("no end in sight");
    assert!(error.to_string().contains("more than 64 deep"), "{error}");
}

#[test]
fn variables_keep_their_value_until_a_reset() {
    let mut model = Model::new();
    let handle = |graph: &mut Graph| {
        graph.add_typed(
            VarHandle {
                container: String::new(),
                shared_name: "n".into(),
            },
            &[],
            scalar(DType::Resource),
        )
    };
    let mut init = Graph::new("init");
    let variable = handle(&mut init);
    let zero = init.add_int(0);
    init.add_declared(AssignVariable {}, &[Some(variable), Some(zero)], Vec::new());
    let init = model.add_graph(init);
    let mut main = Graph::new("main");
    let once = main.add_declared(CallOnce { graph: init }, &[], Vec::new());
    let variable = handle(&mut main);
    let old = main.add_typed(ReadVariable {}, &[variable], scalar(DType::I32));
    main.add_after(once, old.op);
    let one = main.add_int(1);
    let new = main.add_typed(unclamped(), &[old, one], scalar(DType::I32));
    main.add_declared(AssignVariable {}, &[Some(variable), Some(new)], Vec::new());
    main.set_results(&[new]);
    let main = model.add_graph(main);
    let mut interpreter = Interpreter::new(&model);
    assert_eq!(interpreter.run(main, &[]), Ok(vec![Tensor::scalar(1i32)]));
    assert_eq!(interpreter.run(main, &[]), Ok(vec![Tensor::scalar(2i32)]));
    interpreter.reset();
    assert_eq!(interpreter.run(main, &[]), Ok(vec![Tensor::scalar(1i32)]));
}

#[test]
fn lists_stack_what_was_set_and_zeros() {
    let mut model = Model::new();
    let mut main = Graph::new("main");
    let (shape, size, index) = (main.add_ints(&[2]), main.add_int(2), main.add_int(1));
    let variant = scalar(DType::Variant);
    let list = main.add_typed(TensorListReserve { dtype: DType::F32 }, &[shape, size], variant.clone());
    let item = main.add_const(Tensor::from_vec(&[2], vec![1f32, 2.0]));
    let list = main.add_typed(TensorListSetItem { resize: false }, &[list, index, item], variant);
    let stack = TensorListStack {
        dtype: DType::F32,
        num_elements: -1,
    };
    let all = main.add_typed(stack, &[list, shape], Type::fixed(DType::F32, &[2, 2]));
    main.set_results(&[all]);
    let main = model.add_graph(main);
    assert_eq!(
        Interpreter::new(&model).run(main, &[]),
        Ok(vec![Tensor::from_vec(&[2, 2], vec![0f32, 0.0, 1.0, 2.0])])
    );
}

#[test]
fn errors_name_graph_and_operation() {
    let mut model = Model::new();
    let mut main = Graph::new("main");
    let x = main.add_parameter(ValueInfo::named(scalar(DType::I32), "x"));
    let y = main.add_typed(Sin {}, &[x], scalar(DType::I32));
    main.info_mut(y).name = Some("wave".into());
    main.set_results(&[y]);
    let main = model.add_graph(main);
    let mut interpreter = Interpreter::new(&model);
    let error = interpreter
        .run(main, &[Tensor::scalar(1i32)])
        .expect_err("no sine of integers")
        .to_string();
    assert!(error.starts_with("in graph `main`, op `wave` (sin): "), "{error}");
    let error = interpreter
        .run(main, &[Tensor::scalar(1f32)])
        .expect_err("an input of another type")
        .to_string();
    assert_eq!(error, "input `x` is f32[], expected i32[]");
}

#[test]
fn observers_see_every_value() {
    let (model, main) = counting(Some(2));
    let mut seen = Vec::new();
    let mut observe = |graph: &Graph, _: Value, tensor: &Tensor| seen.push((graph.name().to_owned(), tensor.clone()));
    Interpreter::new(&model)
        .run_observed(main, &[Tensor::scalar(0i32)], &mut observe)
        .expect("a loop that ends");
    assert_eq!(
        seen.iter()
            .filter(|(name, tensor)| name == "body" && *tensor == Tensor::scalar(2i32))
            .count(),
        1
    );
    assert_eq!(
        seen.iter()
            .filter(|(name, tensor)| name == "cond" && tensor.dtype() == DType::Bool)
            .count(),
        3
    );
}

/// A graph of one convolution with constant weights, float or int8.
fn convolution(input: &[usize; 4], weights: Tensor, bias: Tensor, op: Conv2d, output: Type) -> (Model, GraphId) {
    let mut model = Model::new();
    let mut main = Graph::new("main");
    let x = main.add_parameter(ValueInfo::new(Type::fixed(DType::F32, input)));
    let (w, b) = (main.add_const(weights), main.add_const(bias));
    let y = main.add_typed(op, &[x, w, b], output);
    main.set_results(&[y]);
    let main = model.add_graph(main);
    (model, main)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn fast_convolutions_agree_with_loops(
        (batch, height, width, groups, share, per_group) in (1usize..3, 1usize..8, 1usize..8, 1usize..3, 1usize..5, 1usize..5),
        (kh, kw, stride, dilation) in (1usize..4, 1usize..4, 1u32..3, 1u32..3),
        same in any::<bool>(), hybrid in any::<bool>(), seed in any::<u32>(),
    ) {
        let (channels, filters) = (groups * share, groups * per_group);
        let mut state = seed | 1;
        let mut random = |count: usize| -> Vec<f32> {
            (0..count).map(|_| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            }).collect()
        };
        let dims = [filters, kh, kw, share];
        let values = random(dims.iter().product());
        let weights = if hybrid {
            let quant = Quant::symmetric_per_axis(0, vec![0.01; filters]).expect("positive scales");
            Tensor::from_vec(&dims, values.iter().map(|v| (v * 127.0) as i8).collect()).with_quant(Some(quant))
        } else {
            Tensor::from_vec(&dims, values)
        };
        let bias = Tensor::from_vec(&[filters], random(filters));
        let op = Conv2d {
            padding: if same { Padding::Same } else { Padding::Valid },
            stride: [stride; 2], dilation: [dilation; 2], activation: Activation::Relu,
        };
        let input = [batch, height, width, channels];
        let (model, main) = convolution(&input, weights, bias, op, Type::new(DType::F32, Shape::of_rank(4)));
        let x = Tensor::from_vec(&input, random(input.iter().product()));
        let loops = Options { reference_only: true, ..Options::default() };
        let expected = Interpreter::with_options(&model, loops).run(main, std::slice::from_ref(&x)).expect("extents that fit");
        let mut fast = Interpreter::new(&model);
        for _ in 0..2 {
            let found = fast.run(main, std::slice::from_ref(&x)).expect("extents that fit");
            prop_assert_eq!(found[0].dims(), expected[0].dims());
            for (a, b) in found[0].to_vec::<f32>().iter().zip(expected[0].to_vec::<f32>()) {
                prop_assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{a} {b}");
            }
        }
    }
}
