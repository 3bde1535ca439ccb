//! What has extents that only running the model tells.

use planish::core::tensor::Tensor;
use planish::core::types::DType;
use planish::core::{Model, OpKind};

use super::graph_text::node;
use super::{assert_floats, assert_ints, constant, converted, dtype_of, floats, ints, run};

/// Converts a graph whose inputs have unknown extents.
fn of_any_extents(graph: &str, inputs: &[(&str, Tensor)], outputs: &[&str]) -> Model {
    converted(graph, inputs, outputs, |name, tensor| {
        let dims = "dim { size: -1 } ".repeat(tensor.dims().len());
        let dtype = dtype_of(tensor);
        format!(r#"key: "{name}" value {{ name: "{name}" dtype: {dtype} tensor_shape {{ {dims} }} }}"#)
    })
}

#[test]
fn rolls_go_round_as_often_as_it_takes() {
    let graph = constant("five", &ints(&[1], &[5]))
        + &constant("back", &ints(&[2], &[-1, -7]))
        + &constant("first", &ints(&[1], &[0]))
        + &constant("both", &ints(&[2], &[0, 1]))
        + &node("far", "Roll", &["x", "five", "first"], &[])
        + &node("two", "Roll", &["x", "back", "both"], &[])
        + &node("told", "Roll", &["x", "shift", "first"], &[]);
    let outputs = ["far", "two", "told"];
    let of_rows = |rows: usize, shift: i32| {
        let x: Vec<f32> = (0..rows * 2).map(|i| i as f32).collect();
        [("x", floats(&[rows, 2], &x)), ("shift", ints(&[1], &[shift]))]
    };
    let model = of_any_extents(&graph, &of_rows(3, 1), &outputs);
    let found = run(&model, &of_rows(3, -4), &outputs);
    assert_floats(&found[0], &[3, 2], &[2.0, 3.0, 4.0, 5.0, 0.0, 1.0]);
    assert_floats(&found[1], &[3, 2], &[3.0, 2.0, 5.0, 4.0, 1.0, 0.0]);
    assert_floats(&found[2], &[3, 2], &[2.0, 3.0, 4.0, 5.0, 0.0, 1.0]);
    let found = run(&model, &of_rows(1, 9), &outputs);
    assert_floats(&found[0], &[1, 2], &[0.0, 1.0]);
    assert_floats(&found[2], &[1, 2], &[0.0, 1.0]);
}

#[test]
fn zeros_are_made_of_types_that_have_a_kernel() {
    let graph = constant("one", &ints(&[1], &[1]))
        + &constant("zero", &ints(&[1], &[0]))
        + &constant("nothing", &ints(&[], &[0]))
        + &node("shape", "Shape", &["x"], &[("out_type", "type: DT_INT32")])
        + &node("rows", "Slice", &["shape", "zero", "one"], &[])
        + &node(
            "none",
            "Cast",
            &["nothing"],
            &[("SrcT", "type: DT_INT32"), ("DstT", "type: DT_UINT8")],
        )
        + &node("filled", "Fill", &["rows", "none"], &[])
        + &node("like", "ZerosLike", &["x"], &[("T", "type: DT_UINT8")])
        + &node("below", "Less", &["x", "like"], &[("T", "type: DT_UINT8")])
        + &node("never", "ZerosLike", &["below"], &[("T", "type: DT_BOOL")]);
    let outputs = ["filled", "like", "never"];
    let x = Tensor::from_vec(&[2, 2], vec![3u8, 0, 255, 1]);
    let model = of_any_extents(&graph, &[("x", x.clone())], &outputs);
    let kernels = [DType::F32, DType::I32, DType::I64];
    for (_, graph) in model.graphs() {
        let zeros = graph.order().into_iter().filter(|&id| graph.op(id).kind() == OpKind::ZerosLike);
        let types: Vec<DType> = zeros.flat_map(|id| graph.results_of(id)).map(|v| graph.ty(v).dtype).collect();
        assert!(!types.is_empty() && types.iter().all(|dtype| kernels.contains(dtype)), "{types:?}");
    }
    let found = run(&model, &[("x", x)], &outputs);
    assert_ints(&found[0], &[2], &[0, 0]);
    assert_ints(&found[1], &[2, 2], &[0; 4]);
    assert_eq!((found[2].dims(), found[2].dtype()), (&[2, 2][..], DType::Bool));
}

#[test]
fn quotients_of_data_have_64_bits_and_those_of_sizes_32() {
    let cast = [("SrcT", "type: DT_INT32"), ("DstT", "type: DT_INT64")];
    let graph = constant("thousand", &super::longs(&[], &[1000]))
        + &constant("sixty", &super::longs(&[], &[60]))
        + &constant("two", &super::longs(&[], &[2]))
        + &node("long", "Cast", &["x"], &cast)
        + &node("product", "Mul", &["long", "thousand"], &[])
        + &node("quotient", "FloorDiv", &["product", "sixty"], &[])
        + &node("cut", "TruncateDiv", &["product", "sixty"], &[])
        + &node("shape", "Shape", &["x"], &[("out_type", "type: DT_INT64")])
        + &node("half", "FloorDiv", &["shape", "two"], &[]);
    let outputs = ["quotient", "cut", "half"];
    let x = ints(&[3], &[1_700_000_000, -1_700_000_001, 7]);
    let found = run(&of_any_extents(&graph, &[("x", x.clone())], &outputs), &[("x", x)], &outputs);
    assert_ints(&found[0], &[3], &[28_333_333_333, -28_333_333_350, 116]);
    assert_ints(&found[1], &[3], &[28_333_333_333, -28_333_333_350, 116]);
    assert_ints(&found[2], &[1], &[1]);
}
