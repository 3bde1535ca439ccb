//! Operations of TensorFlow that have no operator of their own, from a SavedModel to what they compute.

use std::collections::BTreeMap;

use planish::core::tensor::Tensor;
use planish::core::types::DType;
use planish::kernels::interpret::Interpreter;
use planish::{ConvertOptions, convert};

mod graph_text;

use graph_text::{endpoint, extents, node, save};

fn dtype_of(tensor: &Tensor) -> &'static str {
    match tensor.dtype() {
        DType::F32 => "DT_FLOAT",
        DType::I32 => "DT_INT32",
        DType::I64 => "DT_INT64",
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
    let mut nodes = graph.to_owned();
    let mut endpoints = Vec::new();
    for (name, tensor) in inputs {
        let dtype = dtype_of(tensor);
        nodes.push_str(&node(name, "Placeholder", &[], &[("dtype", &format!("type: {dtype}"))]));
        endpoints.push(endpoint(name, dtype, Some(tensor.dims())));
    }
    let results: Vec<String> = outputs.iter().map(|output| endpoint(output, "DT_INVALID", None)).collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    save(dir.path(), &nodes, &endpoints, &results);
    let model = convert(dir.path(), &ConvertOptions::new()).expect("a conversion").model;
    planish::tflite::write(&model).expect("builtin operators compute it");
    let inputs: BTreeMap<String, Tensor> = inputs.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    let mut results = Interpreter::new(&model).run_signature("f", &inputs).expect("the inputs fit");
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
fn images_are_cut_into_patches() {
    let attrs = [
        ("ksizes", "list { i: 1 i: 2 i: 2 i: 1 }"),
        ("strides", "list { i: 1 i: 2 i: 2 i: 1 }"),
        ("rates", "list { i: 1 i: 1 i: 1 i: 1 }"),
        ("padding", r#"s: "SAME""#),
    ];
    let pixels: Vec<f32> = (1..10).map(|i| i as f32).collect();
    let image = floats(&[1, 3, 3, 1], &pixels);
    let found = computed(&node("y", "ExtractImagePatches", &["x"], &attrs), &[("x", image.clone())], &["y"]);
    let tiles = [1.0, 2.0, 4.0, 5.0, 3.0, 0.0, 6.0, 0.0, 7.0, 8.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0];
    assert_floats(&found[0], &[1, 2, 2, 4], &tiles);
    let attrs = [
        attrs[0],
        ("strides", "list { i: 1 i: 1 i: 1 i: 1 }"),
        attrs[2],
        ("padding", r#"s: "VALID""#),
    ];
    let found = computed(&node("y", "ExtractImagePatches", &["x"], &attrs), &[("x", image)], &["y"]);
    let windows = [1.0, 2.0, 4.0, 5.0, 2.0, 3.0, 5.0, 6.0, 4.0, 5.0, 7.0, 8.0, 5.0, 6.0, 8.0, 9.0];
    assert_floats(&found[0], &[1, 2, 2, 4], &windows);
}

#[test]
fn colours_are_turned() {
    let quarter = constant("quarter", &Tensor::scalar(0.25f32)) + &constant("half", &Tensor::scalar(0.5f32));
    let graph = quarter
        + &node("hsv", "RGBToHSV", &["x"], &[])
        + &node("back", "HSVToRGB", &["hsv"], &[])
        + &node("hue", "AdjustHue", &["x", "quarter"], &[])
        + &node("pale", "AdjustSaturation", &["x", "half"], &[])
        + &node("flat", "AdjustContrastv2", &["x", "half"], &[]);
    let image = floats(&[1, 2, 3], &[1.0, 0.5, 0.25, 0.5, 0.5, 0.5]);
    let outputs = ["hsv", "back", "hue", "pale", "flat"];
    let found = computed(&graph, &[("x", image)], &outputs);
    assert_floats(&found[0], &[1, 2, 3], &[1.0 / 18.0, 0.75, 1.0, 0.0, 0.0, 0.5]);
    assert_floats(&found[1], &[1, 2, 3], &[1.0, 0.5, 0.25, 0.5, 0.5, 0.5]);
    assert_floats(&found[2], &[1, 2, 3], &[0.375, 1.0, 0.25, 0.5, 0.5, 0.5]);
    assert_floats(&found[3], &[1, 2, 3], &[1.0, 0.75, 0.625, 0.5, 0.5, 0.5]);
    assert_floats(&found[4], &[1, 2, 3], &[0.875, 0.5, 0.3125, 0.625, 0.5, 0.4375]);
}

#[test]
fn images_are_resampled() {
    let row = floats(&[1, 1, 5, 1], &[0.0, 1.0, 4.0, 9.0, 16.0]);
    let triangle = [("kernel_type", r#"s: "triangle""#), ("antialias", "b: true")];
    let graph = constant("two", &ints(&[2], &[1, 2]))
        + &constant("three", &ints(&[2], &[1, 3]))
        + &constant("scale", &floats(&[2], &[1.0, 0.4]))
        + &constant("none", &floats(&[2], &[0.0, 0.0]))
        + &node("area", "ResizeArea", &["x", "two"], &[])
        + &node("cubic", "ResizeBicubic", &["x", "three"], &[("half_pixel_centers", "b: true")])
        + &node("smooth", "ScaleAndTranslate", &["x", "two", "scale", "none"], &triangle);
    let found = computed(&graph, &[("x", row)], &["area", "cubic", "smooth"]);
    assert_floats(&found[0], &[1, 1, 2, 1], &[1.2, 10.8]);
    assert_floats(&found[1], &[1, 1, 3, 1], &[0.172_211_8, 4.0, 14.243_602]);
    assert_floats(&found[2], &[1, 1, 2, 1], &[19.0 / 11.0, 107.0 / 11.0]);
}

#[test]
fn crops_are_resized() {
    let graph = constant("size", &ints(&[2], &[2, 2]))
        + &node(
            "y",
            "CropAndResize",
            &["x", "boxes", "of", "size"],
            &[("extrapolation_value", "f: -1")],
        );
    let pixels: Vec<f32> = (0..9).map(|i| i as f32).collect();
    let boxes = floats(&[2, 4], &[0.0, 0.0, 0.5, 1.0, -0.5, 0.0, 0.5, 0.25]);
    let inputs = [("x", floats(&[1, 3, 3, 1], &pixels)), ("boxes", boxes), ("of", ints(&[2], &[0, 0]))];
    let found = computed(&graph, &inputs, &["y"]);
    assert_floats(&found[0], &[2, 2, 2, 1], &[0.0, 2.0, 3.0, 5.0, -1.0, -1.0, 3.0, 3.5]);
}

#[test]
fn transforms_of_any_length() {
    let graph = constant("length", &ints(&[1], &[3]))
        + &node("spectrum", "RFFT", &["x", "length"], &[])
        + &node("re", "Real", &["spectrum"], &[])
        + &node("im", "Imag", &["spectrum"], &[]);
    let found = computed(&graph, &[("x", floats(&[1, 4], &[1.0, 2.0, 3.0, 9.0]))], &["re", "im"]);
    assert_floats(&found[0], &[1, 2], &[6.0, -1.5]);
    assert_floats(&found[1], &[1, 2], &[0.0, 0.75f64.sqrt()]);
}

#[test]
fn inverse_transforms_give_back_what_was_transformed() {
    let complex = [("T", "type: DT_FLOAT"), ("Tout", "type: DT_COMPLEX64")];
    for length in [3, 4, 5, 8] {
        let graph = constant("length", &ints(&[1], &[length]))
            + &node("whole", "Complex", &["a", "b"], &complex)
            + &node("spectrum", "FFT", &["whole"], &[])
            + &node("back", "IFFT", &["spectrum"], &[])
            + &node("re", "Real", &["back"], &[])
            + &node("im", "Imag", &["back"], &[])
            + &node("half", "RFFT", &["a", "length"], &[])
            + &node("real", "IRFFT", &["half", "length"], &[]);
        let dims = [2, length as usize];
        let series = |step: f32| floats(&dims, &(0..2 * length).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>());
        let (a, b) = (series(1.0), series(0.7));
        let found = computed(&graph, &[("a", a.clone()), ("b", b.clone())], &["re", "im", "real"]);
        for (found, wanted) in found.iter().zip([&a, &b, &a]) {
            assert_floats(found, &dims, &wanted.to_floats().expect("floats"));
        }
    }
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
fn boxes_of_several_classes_are_thinned_out() {
    let graph = constant("per_class", &Tensor::scalar(2i32))
        + &constant("total", &Tensor::scalar(3i32))
        + &constant("overlap", &Tensor::scalar(0.5f32))
        + &constant("least", &Tensor::scalar(0.1f32))
        + &node(
            "y",
            "CombinedNonMaxSuppression",
            &["boxes", "scores", "per_class", "total", "overlap", "least"],
            &[],
        );
    // The second box overlaps the first by 0.8, the third lies apart and beyond the edge.
    let boxes = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.8, 2.0, 2.0, 3.0, 3.0];
    let scores = [0.9, 0.3, 0.8, 0.7, 0.2, 0.05];
    let inputs = [("boxes", floats(&[1, 3, 1, 4], &boxes)), ("scores", floats(&[1, 3, 2], &scores))];
    let found = computed(&graph, &inputs, &["y", "y:1", "y:2", "y:3"]);
    let kept = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.8, 1.0, 1.0, 1.0, 1.0];
    assert_floats(&found[0], &[1, 3, 4], &kept);
    assert_floats(&found[1], &[1, 3], &[0.9, 0.7, 0.2]);
    assert_floats(&found[2], &[1, 3], &[0.0, 1.0, 0.0]);
    assert_ints(&found[3], &[1], &[3]);

    // One box that is the best is kept once, and what is left of the places holds zeros.
    let single = [
        ("boxes", floats(&[1, 1, 1, 4], &boxes[..4])),
        ("scores", floats(&[1, 1, 2], &[0.9, 0.05])),
    ];
    let found = computed(&graph, &single, &["y:1", "y:3"]);
    assert_floats(&found[0], &[1, 3], &[0.9, 0.0, 0.0]);
    assert_ints(&found[1], &[1], &[1]);
}

#[test]
fn best_paths_are_read_off_without_blanks_and_repetitions() {
    let attrs = [("merge_repeated", "b: true"), ("T", "type: DT_FLOAT")];
    let graph = node("y", "CTCGreedyDecoder", &["scores", "lengths"], &attrs);
    // The best labels are 0 0 2 0 of one sequence and 1 0 of the other, which ends there; 2 is the blank.
    let step = |a: usize, b: usize| [a, b].map(|best| (0..3).map(move |label| if label == best { 2.0 } else { 1.0 }));
    let scores: Vec<f32> = [step(0, 1), step(0, 0), step(2, 1), step(0, 1)]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    let inputs = [("scores", floats(&[4, 2, 3], &scores)), ("lengths", ints(&[2], &[4, 2]))];
    let found = computed(&graph, &inputs, &["y", "y:1", "y:2", "y:3"]);
    assert_ints(&found[0], &[4, 2], &[0, 0, 0, 1, 1, 0, 1, 1]);
    assert_ints(&found[1], &[4], &[0, 0, 1, 0]);
    assert_ints(&found[2], &[2], &[2, 2]);
    assert_floats(&found[3], &[2, 1], &[-8.0, -4.0]);
}

#[test]
fn cells_of_one_operation_make_their_steps() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let lstm = |gates: [f64; 4], cells: f64| {
        let [input, cell, forget, output] = gates;
        let cells = cell.tanh() * sigmoid(input) + cells * sigmoid(forget);
        (cells, cells.tanh() * sigmoid(output))
    };
    let (w, b) = ([0.5, -1.0, 0.25, 1.0, 1.5, 0.5, -0.5, 0.75], [0.1, 0.2, 0.3, 0.4]);
    let graph = constant("steps", &Tensor::scalar(2i64))
        + &constant("w", &floats(&[2, 4], &w.map(|w| w as f32)))
        + &constant("none", &floats(&[1], &[0.0]))
        + &constant("b", &floats(&[4], &b.map(|b| b as f32)))
        + &node(
            "layer",
            "BlockLSTM",
            &["steps", "x", "c", "h", "w", "none", "none", "none", "b"],
            &[("forget_bias", "f: 1"), ("cell_clip", "f: -1"), ("use_peephole", "b: false")],
        )
        + &node(
            "cell",
            "LSTMBlockCell",
            &["x0", "c", "h", "w", "none", "none", "none", "b"],
            &[("forget_bias", "f: 1"), ("cell_clip", "f: 0.1"), ("use_peephole", "b: false")],
        );
    let inputs = [
        ("x", floats(&[3, 1, 1], &[1.0, -2.0, 3.0])),
        ("x0", floats(&[1, 1], &[1.0])),
        ("c", floats(&[1, 1], &[0.5])),
        ("h", floats(&[1, 1], &[-0.25])),
    ];
    let found = computed(&graph, &inputs, &["layer:1", "layer:6", "cell:1"]);
    let gates = |x: f64, h: f64| {
        let mut gates = std::array::from_fn(|i| x * w[i] + h * w[4 + i] + b[i]);
        gates[2] += 1.0;
        gates
    };
    let first = lstm(gates(1.0, -0.25), 0.5);
    let second = lstm(gates(-2.0, first.1), first.0);
    assert_floats(&found[0], &[3, 1, 1], &[first.0, second.0, 0.0]);
    assert_floats(&found[1], &[3, 1, 1], &[first.1, second.1, 0.0]);
    assert_floats(&found[2], &[1, 1], &[first.0.clamp(-0.1, 0.1)]);
}
