//! Gradients, and what is computed for them.

use super::*;

#[test]
fn gradients_of_rectifiers_choose_by_sign() {
    let graph = node("relu", "ReluGrad", &["g", "x"], &[])
        + &node("relu6", "Relu6Grad", &["g", "x"], &[])
        + &node("leaky", "LeakyReluGrad", &["g", "x"], &[("alpha", "f: 0.5")])
        + &node("elu", "EluGrad", &["g", "x"], &[])
        + &node("selu", "SeluGrad", &["g", "x"], &[]);
    let inputs = [
        ("g", floats(&[4], &[1.0, 2.0, 3.0, 4.0])),
        ("x", floats(&[4], &[-0.5, 0.0, 5.0, 7.0])),
    ];
    let found = computed(&graph, &inputs, &["relu", "relu6", "leaky", "elu", "selu"]);
    assert_floats(&found[0], &[4], &[0.0, 0.0, 3.0, 4.0]);
    assert_floats(&found[1], &[4], &[0.0, 0.0, 3.0, 0.0]);
    assert_floats(&found[2], &[4], &[0.5, 1.0, 3.0, 4.0]);
    assert_floats(&found[3], &[4], &[0.5, 2.0, 3.0, 4.0]);
    let (scale, slope) = (1.050_700_987, 1.758_099_341);
    assert_floats(&found[4], &[4], &[slope - 0.5, 2.0 * scale, 3.0 * scale, 4.0 * scale]);
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

/// Small whole numbers that look random: sums of their products are exact.
fn scattered(dims: &[usize], seed: usize) -> Tensor {
    let number = |i: usize| ((i + 1).wrapping_mul(2_654_435_761) >> 7 ^ seed.wrapping_mul(40_503)) % 7;
    floats(
        dims,
        &(0..dims.iter().product()).map(|i| number(i) as f32 - 3.0).collect::<Vec<f32>>(),
    )
}

fn inner(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    a.to_vec::<f32>().iter().zip(b.to_vec::<f32>()).map(|(a, b)| a * b).sum()
}

/// The gradients of what is linear are its transposes: `<g, f(x, w)> = <∂w, w> = <∂x, x>`, whatever `g`, `x` and `w` are.
#[test]
fn gradients_of_convolutions_and_averages_are_their_transposes() {
    for (extent, size, stride, rate, padding) in [
        (6, 3, 1, 1, "SAME"),
        (7, 3, 2, 1, "SAME"),
        (8, 3, 2, 1, "VALID"),
        (9, 3, 3, 1, "VALID"),
        (8, 2, 2, 1, "VALID"),
        (7, 3, 1, 2, "SAME"),
        (8, 1, 2, 1, "SAME"),
    ] {
        let reach = (size - 1) * rate + 1;
        let count = if padding == "SAME" {
            usize::div_ceil(extent, stride)
        } else {
            (extent - reach) / stride + 1
        };
        let padding = format!("s: \"{padding}\"");
        let window = |n: usize| format!("list {{ i: 1 i: {n} i: {n} i: 1 }}");
        let (strides, rates, sizes) = (window(stride), window(rate), window(size));
        let attrs = [("strides", &*strides), ("dilations", &*rates), ("padding", &*padding)];
        let pool = [("strides", &*strides), ("ksize", &*sizes), ("padding", &*padding)];
        let dims = |shape: [usize; 4]| ints(&[4], &shape.map(|n| n as i32));
        let (image, full, single) = ([2, extent, extent, 2], [size, size, 2, 3], [size, size, 2, 2]);
        let graph = constant("image", &dims(image))
            + &constant("full", &dims(full))
            + &constant("single", &dims(single))
            + &node("y", "Conv2D", &["x", "w"], &attrs)
            + &node("yw", "Conv2DBackpropFilter", &["x", "full", "g"], &attrs)
            + &node("z", "DepthwiseConv2dNative", &["x", "v"], &attrs)
            + &node("zv", "DepthwiseConv2dNativeBackpropFilter", &["x", "single", "h"], &attrs)
            + &node("zx", "DepthwiseConv2dNativeBackpropInput", &["image", "v", "h"], &attrs)
            + &node("p", "AvgPool", &["x"], &pool)
            + &node("px", "AvgPoolGrad", &["image", "k"], &pool);
        for seed in 0..3 {
            let inputs = [
                ("x", scattered(&image, seed)),
                ("w", scattered(&full, seed + 1)),
                ("v", scattered(&single, seed + 2)),
                ("g", scattered(&[2, count, count, 3], seed + 3)),
                ("h", scattered(&[2, count, count, 4], seed + 4)),
                ("k", scattered(&[2, count, count, 2], seed + 5)),
            ];
            let [x, w, v, g, h, k] = [0, 1, 2, 3, 4, 5].map(|i| &inputs[i].1);
            let found = computed(&graph, &inputs, &["y", "yw", "z", "zv", "zx", "p", "px"]);
            let case = format!("{extent} {size} {stride} {rate} {padding}");
            assert_eq!(inner(&found[0], g), inner(&found[1], w), "{case}");
            assert_eq!(inner(&found[2], h), inner(&found[3], v), "{case}");
            assert_eq!(inner(&found[2], h), inner(&found[4], x), "{case}");
            let (forwards, back) = (inner(&found[5], k), inner(&found[6], x));
            assert!((forwards - back).abs() < 1e-3, "{case}: {forwards}, {back}");
        }
    }
}

#[test]
fn training_normalizes_by_the_batch_and_averages_what_it_suggests() {
    let attrs = [
        ("is_training", "b: true"),
        ("epsilon", "f: 0.0"),
        ("exponential_avg_factor", "f: 0.25"),
    ];
    let graph = constant("scale", &floats(&[1], &[3.0]))
        + &constant("offset", &floats(&[1], &[1.0]))
        + &constant("mean", &floats(&[1], &[8.0]))
        + &constant("variance", &floats(&[1], &[4.0]))
        + &node("f", "FusedBatchNormV3", &["x", "scale", "offset", "mean", "variance"], &attrs)
        + &node("d", "FusedBatchNormGradV3", &["g", "x", "scale", "f:3", "f:4", "f:5"], &attrs[..2]);
    let inputs = [("x", floats(&[1, 1, 2, 1], &[2.0, 6.0])), ("g", floats(&[1, 1, 2, 1], &[5.0, 1.0]))];
    let found = computed(&graph, &inputs, &["f:0", "f:1", "f:2", "d:0", "d:1", "d:2"]);
    // The batch has the mean 4 and the variance 4, which suggests 8 for all.
    assert_floats(&found[0], &[1, 1, 2, 1], &[-2.0, 4.0]);
    assert_floats(&found[1], &[1], &[7.0]);
    assert_floats(&found[2], &[1], &[5.0]);
    // Two inputs always become -1 and 1.
    assert_floats(&found[3], &[1, 1, 2, 1], &[0.0, 0.0]);
    assert_floats(&found[4], &[1], &[-4.0]);
    assert_floats(&found[5], &[1], &[6.0]);
}
