//! Gradients, and what is computed for them.

use super::*;

#[test]
fn gradients_of_rectifiers_choose_by_sign() {
    let graph = node("relu", "ReluGrad", &["g", "x"], &[])
        + &node("relu6", "Relu6Grad", &["g", "x"], &[])
        + &node("leaky", "LeakyReluGrad", &["g", "x"], &[("alpha", "f: 0.5")])
        + &node("elu", "EluGrad", &["g", "x"], &[]);
    let inputs = [
        ("g", floats(&[4], &[1.0, 2.0, 3.0, 4.0])),
        ("x", floats(&[4], &[-0.5, 0.0, 5.0, 7.0])),
    ];
    let found = computed(&graph, &inputs, &["relu", "relu6", "leaky", "elu"]);
    assert_floats(&found[0], &[4], &[0.0, 0.0, 3.0, 4.0]);
    assert_floats(&found[1], &[4], &[0.0, 0.0, 3.0, 0.0]);
    assert_floats(&found[2], &[4], &[0.5, 1.0, 3.0, 4.0]);
    assert_floats(&found[3], &[4], &[0.5, 2.0, 3.0, 4.0]);
}

#[test]
fn gradients_follow_from_results() {
    let graph = node("tanh", "TanhGrad", &["y", "g"], &[])
        + &node("sigmoid", "SigmoidGrad", &["y", "g"], &[])
        + &node("sqrt", "SqrtGrad", &["y", "g"], &[])
        + &node("rsqrt", "RsqrtGrad", &["y", "g"], &[])
        + &node("reciprocal", "ReciprocalGrad", &["y", "g"], &[])
        + &node("bias", "BiasAddGrad", &["wide"], &[]);
    let inputs = [
        ("y", floats(&[1], &[0.5])),
        ("g", floats(&[1], &[8.0])),
        ("wide", floats(&[2, 2], &[1.0, 2.0, 3.0, 4.0])),
    ];
    let found = computed(&graph, &inputs, &["tanh", "sigmoid", "sqrt", "rsqrt", "reciprocal", "bias"]);
    for (result, value) in found.iter().zip([6.0, 2.0, 8.0, -0.5, -2.0]) {
        assert_floats(result, &[1], &[value]);
    }
    assert_floats(&found[5], &[2], &[4.0, 6.0]);
}

#[test]
fn stretched_axes_are_told_at_run_time_where_only_that_tells_them() {
    let graph = node("axes", "BroadcastGradientArgs", &["a", "b"], &[("T", "type: DT_INT32")]);
    let inputs = [("a", ints(&[3], &[2, 1, 4])), ("b", ints(&[2], &[3, 1]))];
    let found = computed(&graph, &inputs, &["axes:0", "axes:1"]);
    assert_ints(&found[0], &[1], &[1]);
    assert_ints(&found[1], &[2], &[0, 2]);
    let shapes = node("s", "Shape", &["x"], &[]) + &node("t", "Shape", &["y"], &[]);
    let graph = shapes + &node("axes", "BroadcastGradientArgs", &["s", "t"], &[("T", "type: DT_INT32")]);
    let inputs = [("x", floats(&[2, 3], &[0.0; 6])), ("y", floats(&[1], &[0.0]))];
    let found = computed(&graph, &inputs, &["axes:0", "axes:1"]);
    assert_ints(&found[0], &[0], &[]);
    assert_ints(&found[1], &[2], &[0, 1]);
}

#[test]
fn the_gradient_of_a_slice_lies_where_the_slice_was() {
    let graph = constant("begin", &ints(&[1], &[1]))
        + &constant("end", &ints(&[1], &[4]))
        + &constant("strides", &ints(&[1], &[2]))
        + &node("f", "StridedSliceGrad", &["shape", "begin", "end", "strides", "g"], &[]);
    let inputs = [("shape", ints(&[1], &[5])), ("g", floats(&[2], &[7.0, 8.0]))];
    assert_floats(&computed(&graph, &inputs, &["f"])[0], &[5], &[0.0, 7.0, 0.0, 8.0, 0.0]);
}

#[test]
fn parts_begin_where_the_ones_before_them_end() {
    let graph = constant("axis", &ints(&[], &[1])) + &node("f", "ConcatOffset", &["axis", "a", "b"], &[("N", "i: 2")]);
    let inputs = [("a", ints(&[2], &[2, 3])), ("b", ints(&[2], &[2, 4]))];
    let found = computed(&graph, &inputs, &["f:0", "f:1"]);
    assert_ints(&found[0], &[2], &[0, 0]);
    assert_ints(&found[1], &[2], &[0, 3]);
}

#[test]
fn the_gradient_of_a_maximum_goes_to_its_first_pixel() {
    let window = [
        ("ksize", "list { i: 1 i: 2 i: 2 i: 1 }"),
        ("strides", "list { i: 1 i: 2 i: 2 i: 1 }"),
        ("padding", r#"s: "VALID""#),
    ];
    let graph = node("f", "MaxPoolGrad", &["x", "y", "g"], &window);
    let inputs = [
        ("x", floats(&[1, 2, 4, 1], &[1.0, 5.0, 2.0, 2.0, 5.0, 0.0, 2.0, 9.0])),
        ("y", floats(&[1, 1, 2, 1], &[5.0, 9.0])),
        ("g", floats(&[1, 1, 2, 1], &[3.0, 4.0])),
    ];
    let found = computed(&graph, &inputs, &["f"]);
    assert_floats(&found[0], &[1, 2, 4, 1], &[0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0]);
}

#[test]
fn a_normalization_that_is_not_trained_scales_its_gradient() {
    let attrs = [("is_training", "b: false"), ("epsilon", "f: 0.0")];
    let graph = constant("scale", &floats(&[1], &[3.0]))
        + &constant("mean", &floats(&[1], &[1.0]))
        + &constant("variance", &floats(&[1], &[4.0]))
        + &node(
            "f",
            "FusedBatchNormGradV3",
            &["g", "x", "scale", "mean", "variance", "variance"],
            &attrs,
        );
    let inputs = [("g", floats(&[1, 1, 2, 1], &[2.0, 4.0])), ("x", floats(&[1, 1, 2, 1], &[3.0, 5.0]))];
    let found = computed(&graph, &inputs, &["f:0", "f:1", "f:2"]);
    assert_floats(&found[0], &[1, 1, 2, 1], &[3.0, 6.0]);
    assert_floats(&found[1], &[1], &[10.0]);
    assert_floats(&found[2], &[1], &[6.0]);
}
