//! Operations of TensorFlow that have no operator of their own, from a SavedModel to what they compute.

use std::collections::BTreeMap;

use planish::core::Model;
use planish::core::tensor::Tensor;
use planish::core::types::DType;
use planish::kernels::interpret::Interpreter;
use planish::{ConvertOptions, convert};

mod gradients;
#[path = "../graph_text/mod.rs"]
mod graph_text;
mod images;
mod sequences;
mod unknown_extents;

use graph_text::{endpoint, extents, node, save};

fn dtype_of(tensor: &Tensor) -> &'static str {
    match tensor.dtype() {
        DType::F32 => "DT_FLOAT",
        DType::I32 => "DT_INT32",
        DType::I64 => "DT_INT64",
        DType::U8 => "DT_UINT8",
        DType::Bool => "DT_BOOL",
        DType::String => "DT_STRING",
        other => unreachable!("no test has {other:?}"),
    }
}

fn constant(name: &str, tensor: &Tensor) -> String {
    let (field, values): (&str, Vec<String>) = match tensor.dtype() {
        DType::F32 => (
            "float_val",
            tensor.to_floats().expect("floats").iter().map(f64::to_string).collect(),
        ),
        DType::String => {
            let texts = tensor.to_strings().expect("strings").into_iter();
            ("string_val", texts.map(|t| format!("{:?}", String::from_utf8_lossy(t))).collect())
        }
        DType::I64 => (
            "int64_val",
            tensor.to_ints().expect("integers").iter().map(i64::to_string).collect(),
        ),
        _ => ("int_val", tensor.to_ints().expect("integers").iter().map(i64::to_string).collect()),
    };
    let values: String = values.iter().map(|v| format!("{field}: {v} ")).collect();
    let (dtype, dims) = (dtype_of(tensor), extents(tensor.dims()));
    format!(
        r#"node {{ name: "{name}" op: "Const" attr {{ key: "dtype" value {{ type: {dtype} }} }}
           attr {{ key: "value" value {{ tensor {{ dtype: {dtype} tensor_shape {{ {dims} }} {values} }} }} }} }} "#
    )
}

/// Converts a graph that reads these inputs, and computes these of its values.
fn computed(graph: &str, inputs: &[(&str, Tensor)], outputs: &[&str]) -> Vec<Tensor> {
    let model = converted(graph, inputs, outputs, |name, tensor| {
        endpoint(name, dtype_of(tensor), Some(tensor.dims()))
    });
    run(&model, inputs, outputs)
}

/// Converts a graph that reads these inputs.
fn converted(graph: &str, inputs: &[(&str, Tensor)], outputs: &[&str], declared: impl Fn(&str, &Tensor) -> String) -> Model {
    let mut nodes = graph.to_owned();
    let mut endpoints = Vec::new();
    for (name, tensor) in inputs {
        let dtype = dtype_of(tensor);
        nodes.push_str(&node(name, "Placeholder", &[], &[("dtype", &format!("type: {dtype}"))]));
        endpoints.push(declared(name, tensor));
    }
    let results: Vec<String> = outputs.iter().map(|output| endpoint(output, "DT_INVALID", None)).collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    save(dir.path(), &nodes, &endpoints, &results);
    let model = convert(dir.path(), &ConvertOptions::new()).expect("a conversion").model;
    planish::tflite::write(&model).expect("builtin operators compute it");
    model
}

fn run(model: &Model, inputs: &[(&str, Tensor)], outputs: &[&str]) -> Vec<Tensor> {
    let inputs: BTreeMap<String, Tensor> = inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    let mut results = Interpreter::new(model).run_signature("f", &inputs).expect("the inputs fit");
    outputs
        .iter()
        .map(|output| results.remove(*output).expect("it is an output"))
        .collect()
}

fn floats(dims: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_vec(dims, values.to_vec())
}

fn ints(dims: &[usize], values: &[i32]) -> Tensor {
    Tensor::from_vec(dims, values.to_vec())
}

fn longs(dims: &[usize], values: &[i64]) -> Tensor {
    Tensor::from_vec(dims, values.to_vec())
}

#[track_caller]
fn assert_floats(found: &Tensor, dims: &[usize], values: &[f64]) {
    let got = found.to_floats().expect("floats");
    assert_eq!(found.dims(), dims, "{got:?}");
    let near = got.iter().zip(values).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0));
    assert!(near && got.len() == values.len(), "{got:?} instead of {values:?}");
}

#[track_caller]
fn assert_ints(found: &Tensor, dims: &[usize], values: &[i64]) {
    assert_eq!((found.dims(), found.to_ints().expect("integers").as_slice()), (dims, values));
}

#[test]
fn kernels_that_take_few_types_are_not_asked_for_others() {
    let graph = node("sign", "Sign", &["x"], &[]) + &node("square", "SquaredDifference", &["x", "y"], &[]);
    let (x, y) = (longs(&[3], &[-5_000_000_000, 0, 7]), longs(&[3], &[-5_000_000_003, 1, -1]));
    let found = computed(&graph, &[("x", x), ("y", y)], &["sign", "square"]);
    assert_ints(&found[0], &[3], &[-1, 0, 1]);
    assert_ints(&found[1], &[3], &[9, 1, 64]);
}

#[test]
fn empty_rows_get_a_default() {
    let graph = constant("default", &Tensor::scalar(7i64)) + &node("f", "SparseFillEmptyRows", &["i", "v", "s", "default"], &[]);
    let inputs = [
        ("i", longs(&[3, 2], &[2, 1, 0, 3, 2, 0])),
        ("v", longs(&[3], &[4, 5, 6])),
        ("s", longs(&[2], &[4, 5])),
    ];
    let found = computed(&graph, &inputs, &["f:0", "f:1", "f:3"]);
    assert_ints(&found[0], &[5, 2], &[0, 3, 1, 0, 2, 1, 2, 0, 3, 0]);
    assert_ints(&found[1], &[5], &[5, 7, 4, 6, 7]);
    assert_ints(&found[2], &[3], &[2, 0, 3]);
}

#[test]
fn many_rows_of_many_entries_are_put_in_order() {
    const COUNT: usize = 50_000;
    let graph = constant("default", &Tensor::scalar(7i64)) + &node("f", "SparseFillEmptyRows", &["i", "v", "s", "default"], &[]);
    // Row 0 has two entries, and the last one none.
    let rows = (0..COUNT as i64).map(|entry| (entry - 1).max(0));
    let indices: Vec<i64> = rows.flat_map(|row| [row, 0]).collect();
    let values: Vec<i64> = (0..COUNT as i64).collect();
    let inputs = [
        ("i", longs(&[COUNT, 2], &indices)),
        ("v", longs(&[COUNT], &values)),
        ("s", longs(&[2], &[COUNT as i64, 1])),
    ];
    let found = computed(&graph, &inputs, &["f:1"]);
    let filled = values.into_iter().chain([7]).collect::<Vec<i64>>();
    assert_ints(&found[0], &[COUNT + 1], &filled);
}

#[test]
fn sparse_tensors_are_reshaped_and_multiplied() {
    let graph = constant("shape", &longs(&[2], &[2, 6]))
        + &constant("wanted", &longs(&[3], &[-1, 2, 3]))
        + &node("r", "SparseReshape", &["i", "shape", "wanted"], &[])
        + &node("p", "SparseTensorDenseMatMul", &["i", "v", "shape", "d"], &[]);
    let dense: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let inputs = [
        ("i", longs(&[3, 2], &[0, 4, 1, 2, 1, 5])),
        ("v", floats(&[3], &[1.0, 2.0, 3.0])),
        ("d", floats(&[6, 2], &dense)),
    ];
    let found = computed(&graph, &inputs, &["r:0", "r:1", "p"]);
    assert_ints(&found[0], &[3, 3], &[0, 1, 1, 1, 0, 2, 1, 1, 2]);
    assert_ints(&found[1], &[3], &[2, 2, 3]);
    assert_floats(&found[2], &[2, 2], &[8.0, 9.0, 38.0, 43.0]);
}

#[test]
fn segments_may_be_empty() {
    let pairs = ["SegmentSum", "SegmentMean", "SegmentMax", "SegmentProd"];
    let mut graph = constant("rows", &ints(&[4], &[3, 0, 1, 2]));
    for op in pairs {
        graph += &node(op, op, &["x", "ids"], &[]);
    }
    graph += &node("SparseSegmentMean", "SparseSegmentMean", &["x", "rows", "ids"], &[]);
    graph += &node("SparseSegmentSqrtN", "SparseSegmentSqrtN", &["x", "rows", "ids"], &[]);
    let inputs = [
        ("x", floats(&[4, 1], &[-1.0, -2.0, -3.0, -4.0])),
        ("ids", ints(&[4], &[1, 1, 1, 3])),
    ];
    let outputs = [
        "SegmentSum",
        "SegmentMean",
        "SegmentMax",
        "SegmentProd",
        "SparseSegmentMean",
        "SparseSegmentSqrtN",
    ];
    let found = computed(&graph, &inputs, &outputs);
    assert_floats(&found[0], &[4, 1], &[0.0, -6.0, 0.0, -4.0]);
    assert_floats(&found[1], &[4, 1], &[0.0, -2.0, 0.0, -4.0]);
    assert_floats(&found[2], &[4, 1], &[0.0, -1.0, 0.0, -4.0]);
    assert_floats(&found[3], &[4, 1], &[1.0, -6.0, 1.0, -4.0]);
    assert_floats(&found[4], &[4, 1], &[0.0, -7.0 / 3.0, 0.0, -3.0]);
    assert_floats(&found[5], &[4, 1], &[0.0, -7.0 / 3f64.sqrt(), 0.0, -3.0]);
}

#[test]
fn an_empty_segment_has_the_last_number_of_its_type() {
    let graph = constant("count", &Tensor::scalar(3i32))
        + &node("max", "UnsortedSegmentMax", &["x", "ids", "count"], &[("T", "type: DT_UINT8")])
        + &node("min", "UnsortedSegmentMin", &["x", "ids", "count"], &[("T", "type: DT_UINT8")])
        + &node("half", "Cast", &["r"], &[("SrcT", "type: DT_FLOAT"), ("DstT", "type: DT_HALF")])
        + &node("least", "UnsortedSegmentMax", &["half", "ids", "count"], &[("T", "type: DT_HALF")])
        + &node("bytes", "Cast", &["r"], &[("SrcT", "type: DT_FLOAT"), ("DstT", "type: DT_INT8")])
        + &node("byte", "UnsortedSegmentMax", &["bytes", "ids", "count"], &[("T", "type: DT_INT8")]);
    let inputs = [
        ("x", Tensor::from_vec(&[3], vec![7u8, 200, 9])),
        ("ids", ints(&[3], &[0, 2, 2])),
        ("r", floats(&[3], &[-3.0, 1.0, 2.0])),
    ];
    let found = computed(&graph, &inputs, &["max", "min", "least", "byte"]);
    assert_ints(&found[0], &[3], &[7, 0, 200]);
    assert_ints(&found[1], &[3], &[7, 255, 9]);
    assert_floats(&found[2], &[3], &[-3.0, -65504.0, 2.0]);
    assert_ints(&found[3], &[3], &[-3, -128, 2]);
}

#[test]
fn rows_are_dealt_out_and_gathered() {
    let graph = node("p", "DynamicPartition", &["x", "part"], &[("num_partitions", "i: 2")])
        + &constant("first", &ints(&[2], &[0, 2]))
        + &constant("second", &ints(&[2], &[1, 2]))
        + &node("s", "DynamicStitch", &["first", "second", "a", "b"], &[])
        + &node("t", "ParallelDynamicStitch", &["first", "places", "a", "b"], &[]);
    let inputs = [
        ("places", ints(&[2], &[1, 0])),
        ("x", floats(&[3, 1], &[1.0, 2.0, 3.0])),
        ("part", ints(&[3], &[1, 0, 1])),
        ("a", floats(&[2, 1], &[5.0, 6.0])),
        ("b", floats(&[2, 1], &[7.0, 8.0])),
    ];
    let found = computed(&graph, &inputs, &["p:0", "p:1", "s", "t"]);
    assert_floats(&found[0], &[1, 1], &[2.0]);
    assert_floats(&found[1], &[2, 1], &[1.0, 3.0]);
    assert_floats(&found[2], &[3, 1], &[5.0, 7.0, 8.0]);
    assert_floats(&found[3], &[3, 1], &[8.0, 7.0, 6.0]);
}

#[test]
fn integers_that_no_kernel_divides() {
    let graph = constant("mask", &Tensor::scalar(7i64))
        + &node("rest", "TruncateMod", &["x", "y"], &[])
        + &node("low", "BitwiseAnd", &["x", "mask"], &[])
        + &node("cut", "TruncateDiv", &["x", "y"], &[])
        + &node("floor", "FloorDiv", &["x", "y"], &[]);
    let (x_values, y_values) = ([7_000_000_000_000, -7_000_000_000_001, 5], [1_000_000_007, 1_000_000_007, -3]);
    let (x, y) = (longs(&[3], &x_values), longs(&[3], &y_values));
    let found = computed(&graph, &[("x", x), ("y", y)], &["rest", "low", "cut", "floor"]);
    assert_ints(&found[2], &[3], &[6999, -6999, -1]);
    assert_ints(&found[3], &[3], &[6999, -7000, -2]);
    let (x_values, y_values) = ([i64::MAX, i64::MAX - 5, -1_234_567_890_123_456_789, 8], [3, 1, 7, 2]);
    let graph = node("cut", "TruncateDiv", &["x", "y"], &[]);
    let large = computed(&graph, &[("x", longs(&[4], &x_values)), ("y", longs(&[4], &y_values))], &["cut"]);
    let wanted: Vec<i64> = x_values.iter().zip(y_values).map(|(x, y)| x / y).collect();
    assert_ints(&large[0], &[4], &wanted);
    assert_ints(
        &found[0],
        &[3],
        &[7_000_000_000_000 % 1_000_000_007, -7_000_000_000_001 % 1_000_000_007, 2],
    );
    assert_ints(&found[1], &[3], &[7_000_000_000_000 & 7, -7_000_000_000_001 & 7, 5]);
}

#[test]
fn quotients_of_floats_are_cut_towards_zero() {
    let graph = node("f", "TruncateDiv", &["x", "y"], &[("T", "type: DT_FLOAT")]);
    let inputs = [
        ("x", floats(&[4], &[7.0, -7.0, 1.0, 6.0])),
        ("y", floats(&[4], &[2.0, 2.0, -4.0, -3.0])),
    ];
    let found = computed(&graph, &inputs, &["f"]);
    assert_floats(&found[0], &[4], &[3.0, -3.0, 0.0, -2.0]);
}

#[test]
fn products_places_diagonals_and_losses() {
    let graph = constant("axis", &Tensor::scalar(1i32))
        + &constant("sorted", &floats(&[2, 3], &[1.0, 2.0, 2.0, 0.0, 1.0, 5.0]))
        + &constant("label", &ints(&[2], &[2, 0]))
        + &node(
            "product",
            "Cumprod",
            &["x", "axis"],
            &[("exclusive", "b: true"), ("reverse", "b: true")],
        )
        + &node("below", "LowerBound", &["sorted", "x"], &[])
        + &node("upto", "UpperBound", &["sorted", "x"], &[])
        + &node("diagonal", "MatrixDiagPart", &["x"], &[])
        + &node("upright", "Cross", &["x", "sorted"], &[])
        + &node("loss", "SparseSoftmaxCrossEntropyWithLogits", &["x", "label"], &[]);
    let x = floats(&[2, 3], &[2.0, 3.0, 4.0, 1.0, -1.0, 6.0]);
    let outputs = ["product", "below", "upto", "diagonal", "upright", "loss"];
    let found = computed(&graph, &[("x", x)], &outputs);
    assert_floats(&found[0], &[2, 3], &[12.0, 4.0, 1.0, -6.0, 6.0, 1.0]);
    assert_ints(&found[1], &[2, 3], &[1, 3, 3, 1, 0, 3]);
    assert_ints(&found[2], &[2, 3], &[3, 3, 3, 2, 0, 3]);
    assert_floats(&found[3], &[2], &[2.0, -1.0]);
    assert_floats(&found[4], &[2, 3], &[-2.0, 0.0, 1.0, -11.0, -5.0, 1.0]);
    let sum = |row: [f64; 3]| row.iter().map(|v| v.exp()).sum::<f64>().ln();
    assert_floats(&found[5], &[2], &[sum([2.0, 3.0, 4.0]) - 4.0, sum([1.0, -1.0, 6.0]) - 1.0]);
}

#[test]
fn tables_of_any_types_find_their_values() {
    let many: Vec<i64> = (0..2000).map(|i| 3 * i).collect();
    let halves: Vec<f32> = (0..2000).map(|i| i as f32 / 2.0).collect();
    let words = |list: &[&str]| Tensor::from_strings(&[list.len()], list).expect("they are short");
    let types = |key: &str, value: &str| [("key_dtype", format!("type: {key}")), ("value_dtype", format!("type: {value}"))];
    let table = |name: &str, types: [(&str, String); 2]| {
        let types: Vec<(&str, &str)> = types.iter().map(|(k, v)| (*k, v.as_str())).collect();
        node(name, "HashTableV2", &[], &types)
    };
    let graph = constant("many", &longs(&[2000], &many))
        + &constant("halves", &floats(&[2000], &halves))
        + &constant("words", &words(&["a", "b"]))
        + &constant("names", &words(&["x", "y"]))
        + &constant("few", &floats(&[2], &[0.5, 1.5]))
        + &constant("none", &Tensor::scalar(-1f32))
        + &constant("unknown", &Tensor::from_strings(&[], &["?"]).expect("it is short"))
        + &table("t", types("DT_INT64", "DT_FLOAT"))
        + &table("u", types("DT_STRING", "DT_FLOAT"))
        + &table("v", types("DT_STRING", "DT_STRING"))
        + &node("ft", "LookupTableImportV2", &["t", "many", "halves"], &[])
        + &node("fu", "LookupTableImportV2", &["u", "words", "few"], &[])
        + &node("fv", "LookupTableImportV2", &["v", "words", "names"], &[])
        + &node("at", "LookupTableFindV2", &["t", "n", "none"], &[])
        + &node("au", "LookupTableFindV2", &["u", "w", "none"], &[])
        + &node("av", "LookupTableFindV2", &["v", "w", "unknown"], &[])
        + &node("size", "LookupTableSizeV2", &["t"], &[]);
    let inputs = [("n", longs(&[3], &[5997, 1, 6])), ("w", words(&["b", "c"]))];
    let found = computed(&graph, &inputs, &["at", "au", "av", "size"]);
    assert_floats(&found[0], &[3], &[999.5, -1.0, 1.0]);
    assert_floats(&found[1], &[2], &[1.5, -1.0]);
    assert_eq!(found[2].to_strings().expect("strings"), [&b"y"[..], b"?"]);
    assert_ints(&found[3], &[], &[2000]);
}

#[test]
fn rows_of_different_lengths_become_dense() {
    let dense = |name: &str, kinds: &str, partitions: &[&str]| {
        let inputs = [&["shape", "values", "default"], partitions].concat();
        node(
            name,
            "RaggedTensorToTensor",
            &inputs,
            &[("row_partition_types", &format!("list {{ {kinds} }}"))],
        )
    };
    let graph = constant("shape", &longs(&[2], &[-1, -1]))
        + &constant("default", &Tensor::scalar(7i32))
        + &constant("count", &Tensor::scalar(4i64))
        + &dense("by_splits", r#"s: "ROW_SPLITS""#, &["splits"])
        + &dense("by_rows", r#"s: "FIRST_DIM_SIZE" s: "VALUE_ROWIDS""#, &["count", "rows"]);
    let inputs = [
        ("values", ints(&[4], &[1, 2, 3, 4])),
        ("splits", longs(&[4], &[0, 2, 2, 4])),
        ("rows", longs(&[4], &[1, 1, 1, 3])),
    ];
    let found = computed(&graph, &inputs, &["by_splits", "by_rows"]);
    assert_ints(&found[0], &[3, 2], &[1, 2, 7, 7, 3, 4]);
    assert_ints(&found[1], &[4, 3], &[7, 7, 7, 1, 2, 3, 7, 7, 7, 4, 7, 7]);
    let none = [
        ("values", ints(&[0], &[])),
        ("splits", longs(&[1], &[0])),
        ("rows", longs(&[0], &[])),
    ];
    let found = computed(&graph, &none, &["by_splits", "by_rows"]);
    assert_ints(&found[0], &[0, 0], &[]);
    assert_ints(&found[1], &[4, 0], &[]);
}

#[test]
fn systems_of_equations_are_solved() {
    let graph = node("inverse", "MatrixInverse", &["a"], &[])
        + &node("solution", "MatrixSolve", &["a", "b"], &[("adjoint", "b: true")])
        + &node("below", "MatrixTriangularSolve", &["a", "b"], &[("lower", "b: true")])
        + &node("determinant", "MatrixDeterminant", &["a"], &[])
        + &node("log", "LogMatrixDeterminant", &["a"], &[])
        + &node("factor", "Cholesky", &["c"], &[]);
    // The first pivot is zero in one matrix, so that rows change places.
    let inputs = [
        ("a", floats(&[2, 1, 2, 2], &[0.0, 2.0, 4.0, 1.0, 2.0, 0.0, 1.0, -1.0])),
        ("b", floats(&[2, 1, 2, 1], &[8.0, 2.0, 4.0, 6.0])),
        ("c", floats(&[2, 2], &[4.0, 99.0, 2.0, 10.0])),
    ];
    let outputs = ["inverse", "solution", "below", "determinant", "log", "log:1", "factor"];
    let found = computed(&graph, &inputs, &outputs);
    assert_floats(&found[0], &[2, 1, 2, 2], &[-0.125, 0.25, 0.5, 0.0, 0.5, 0.0, 0.5, -1.0]);
    assert_floats(&found[1], &[2, 1, 2, 1], &[0.0, 2.0, 5.0, -6.0]);
    assert_floats(&found[3], &[2, 1], &[-8.0, -2.0]);
    assert_floats(&found[4], &[2, 1], &[-1.0, -1.0]);
    assert_floats(&found[5], &[2, 1], &[8f64.ln(), 2f64.ln()]);
    assert_floats(&found[6], &[2, 2], &[2.0, 0.0, 1.0, 3.0]);
    let below = found[2].to_floats().expect("floats");
    assert_eq!(below[2..], [2.0, -4.0]);
}

#[test]
fn a_slice_takes_other_values() {
    let graph = constant("begin", &ints(&[2], &[0, -1]))
        + &constant("end", &ints(&[2], &[0, 0]))
        + &constant("strides", &ints(&[2], &[2, 1]))
        + &node(
            "f",
            "TensorStridedSliceUpdate",
            &["x", "begin", "end", "strides", "v"],
            &[("begin_mask", "i: 1"), ("end_mask", "i: 1"), ("shrink_axis_mask", "i: 2")],
        );
    let inputs = [
        ("x", floats(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("v", floats(&[2], &[0.0, -1.0])),
    ];
    let found = computed(&graph, &inputs, &["f"]);
    assert_floats(&found[0], &[3, 2], &[1.0, 0.0, 3.0, 4.0, 5.0, -1.0]);
}

#[test]
fn a_slice_at_a_place_that_running_tells_takes_other_values() {
    let graph = node("f", "XlaDynamicUpdateSlice", &["x", "v", "at"], &[]);
    let (x, v) = (ints(&[2, 3], &[1, 2, 3, 4, 5, 6]), ints(&[1, 2], &[-1, -2]));
    for (at, written) in [([0, 1], [1, -1, -2, 4, 5, 6]), ([1, 2], [1, 2, 3, 4, -1, -2])] {
        let inputs = [("x", x.clone()), ("v", v.clone()), ("at", longs(&[2], &at))];
        let found = computed(&graph, &inputs, &["f"]);
        assert_ints(&found[0], &[2, 3], &written);
    }
}

#[test]
fn integers_of_64_bits_are_unstacked() {
    let graph = node("f", "Unpack", &["x"], &[("num", "i: 2"), ("axis", "i: 1")]);
    let found = computed(&graph, &[("x", longs(&[2, 2], &[1, 2, 3, 4]))], &["f:0", "f:1"]);
    assert_ints(&found[0], &[2], &[1, 3]);
    assert_ints(&found[1], &[2], &[2, 4]);
}

#[test]
fn integers_of_8_bits_wrap_around_and_are_compared() {
    let graph = node("sum", "AddV2", &["x", "y"], &[])
        + &node("product", "Mul", &["x", "y"], &[])
        + &node("quotient", "FloorDiv", &["x", "y"], &[])
        + &node("greater", "Greater", &["x", "y"], &[]);
    let bytes = |values: &[u8]| Tensor::from_vec(&[3], values.to_vec());
    let inputs = [("x", bytes(&[200, 7, 3])), ("y", bytes(&[100, 2, 9]))];
    let found = computed(&graph, &inputs, &["sum", "product", "quotient", "greater"]);
    assert!(found[..3].iter().all(|t| t.dtype() == DType::U8));
    assert_ints(&found[0], &[3], &[44, 9, 12]);
    assert_ints(&found[1], &[3], &[32, 14, 27]);
    assert_ints(&found[2], &[3], &[2, 3, 0]);
    assert_eq!(*found[3].bytes(), [1, 1, 0]);
}

#[test]
fn integers_of_64_bits_have_a_greatest_one_and_powers() {
    let graph = constant("axis", &ints(&[], &[0]))
        + &constant("short_three", &ints(&[], &[3]))
        + &constant("short_seven", &ints(&[], &[7]))
        + &node(
            "three",
            "Cast",
            &["short_three"],
            &[("SrcT", "type: DT_INT32"), ("DstT", "type: DT_INT64")],
        )
        + &node(
            "seven",
            "Cast",
            &["short_seven"],
            &[("SrcT", "type: DT_INT32"), ("DstT", "type: DT_INT64")],
        )
        + &node("first", "ArgMax", &["x", "axis"], &[])
        + &node("last", "ArgMin", &["x", "axis"], &[])
        + &node("cube", "Pow", &["x", "three"], &[])
        + &node("low", "BitwiseAnd", &["x", "seven"], &[])
        + &node("sum", "AddN", &["x", "x", "x"], &[("N", "i: 3")]);
    let large = 1 << 40;
    let inputs = [("x", longs(&[3], &[1 << 20, large, large - 1]))];
    let found = computed(&graph, &inputs, &["first", "last", "sum"]);
    assert_ints(&found[0], &[], &[1]);
    assert_ints(&found[1], &[], &[0]);
    assert_ints(&found[2], &[3], &[3 << 20, 3 * large, 3 * large - 3]);
    let found = computed(&graph, &[("x", longs(&[2], &[-2, 1 << 20]))], &["cube", "low"]);
    assert_ints(&found[0], &[2], &[-8, 1 << 60]);
    assert_ints(&found[1], &[2], &[6, 0]);
}

#[test]
fn the_sign_bit_is_masked() {
    let graph = constant("least", &Tensor::scalar(i32::MIN))
        + &node("bits", "Bitcast", &["x"], &[("T", "type: DT_FLOAT"), ("type", "type: DT_INT32")])
        + &node("sign", "BitwiseAnd", &["bits", "least"], &[("T", "type: DT_INT32")])
        + &node("swapped", "BitwiseAnd", &["least", "bits"], &[("T", "type: DT_INT32")]);
    let found = computed(&graph, &[("x", floats(&[4], &[1.0, 0.0, -0.0, -2.0]))], &["sign", "swapped"]);
    let least = i64::from(i32::MIN);
    for signs in &found {
        assert_ints(signs, &[4], &[0, 0, least, least]);
    }
}

#[test]
fn truth_values_are_packed() {
    let graph = node("no", "Less", &["x", "x"], &[])
        + &node("yes", "Equal", &["x", "x"], &[])
        + &node("f", "Pack", &["no", "yes"], &[("N", "i: 2"), ("axis", "i: 0")]);
    let found = computed(&graph, &[("x", ints(&[1], &[5]))], &["f"]);
    assert_eq!(
        (found[0].dtype(), found[0].dims(), &*found[0].bytes()),
        (DType::Bool, &[2, 1][..], &[0, 1][..])
    );
}

#[test]
fn a_place_that_is_written_twice_holds_what_was_written_last() {
    let graph = constant("places", &ints(&[4, 1], &[2, 0, 2, 2]))
        + &constant("reals", &floats(&[4], &[7.0, 5.0, 8.0, 9.0]))
        + &constant("integers", &ints(&[4, 2], &[-7, 1, 5, 2, -8, 3, -9, 4]))
        + &constant("bytes", &Tensor::from_vec::<u8>(&[2, 2], vec![1, 2, 3, 4]))
        + &node("x_written", "TensorScatterUpdate", &["x", "places", "reals"], &[])
        + &node("n_written", "TensorScatterUpdate", &["n", "places", "integers"], &[])
        + &node("b_written", "TensorScatterUpdate", &["b", "tuples", "bytes"], &[]);
    let inputs = [
        ("x", floats(&[3], &[1.0, 2.0, 3.0])),
        ("n", ints(&[3, 2], &[1, 2, 3, 4, 5, 6])),
        ("b", Tensor::from_vec::<u8>(&[2, 3], vec![9; 6])),
        ("tuples", ints(&[2, 2, 2], &[0, 2, 1, 0, 0, 2, 1, 1])),
    ];
    let found = computed(&graph, &inputs, &["x_written", "n_written", "b_written"]);
    assert_floats(&found[0], &[3], &[5.0, 2.0, 9.0]);
    assert_ints(&found[1], &[3, 2], &[5, 2, 3, 4, -9, 4]);
    assert_ints(&found[2], &[2, 3], &[9, 9, 3, 2, 4, 9]);
}
