//! Images: pixels, patches, colours and boxes.

use planish::core::tensor::Tensor;

use super::graph_text::node;
use super::{assert_floats, assert_ints, computed, constant, floats, ints};

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
fn the_greatest_pixels_are_found_with_their_places() {
    let attrs = [
        ("ksize", "list { i: 1 i: 2 i: 2 i: 1 }"),
        ("strides", "list { i: 1 i: 2 i: 2 i: 1 }"),
        ("padding", r#"s: "SAME""#),
        ("include_batch_in_index", "b: true"),
    ];
    let graph = node("y", "MaxPoolWithArgmax", &["x"], &attrs);
    // Two images of 3 x 2 pixels; of equal pixels the first one counts.
    let pixels = [1.0, 4.0, 4.0, 2.0, -3.0, -2.0, 0.0, 0.0, 0.0, 0.0, 5.0, 6.0];
    let found = computed(&graph, &[("x", floats(&[2, 3, 2, 1], &pixels))], &["y", "y:1"]);
    assert_floats(&found[0], &[2, 2, 1, 1], &[4.0, -2.0, 0.0, 6.0]);
    assert_ints(&found[1], &[2, 2, 1, 1], &[1, 5, 6, 11]);
}

#[test]
fn images_are_dilated() {
    let attrs = [
        ("strides", "list { i: 1 i: 1 i: 1 i: 1 }"),
        ("rates", "list { i: 1 i: 1 i: 1 i: 1 }"),
        ("padding", r#"s: "SAME""#),
    ];
    let filter = constant("filter", &floats(&[1, 2, 1], &[0.5, -1.0]));
    let graph = filter + &node("y", "Dilation2D", &["x", "filter"], &attrs);
    let found = computed(&graph, &[("x", floats(&[1, 1, 3, 1], &[1.0, 4.0, -2.0]))], &["y"]);
    assert_floats(&found[0], &[1, 1, 3, 1], &[3.0, 4.5, -1.5]);
}

#[test]
fn a_transposed_convolution_may_be_dilated() {
    let graph = constant("sizes", &ints(&[4], &[1, 1, 5, 1]))
        + &constant("filter", &floats(&[1, 3, 1, 1], &[1.0, 2.0, 3.0]))
        + &node(
            "f",
            "Conv2DBackpropInput",
            &["sizes", "filter", "x"],
            &[
                ("strides", "list { i: 1 i: 1 i: 1 i: 1 }"),
                ("dilations", "list { i: 1 i: 1 i: 2 i: 1 }"),
                ("padding", r#"s: "VALID""#),
            ],
        );
    let found = computed(&graph, &[("x", floats(&[1, 1, 1, 1], &[4.0]))], &["f"]);
    assert_floats(&found[0], &[1, 1, 5, 1], &[4.0, 0.0, 8.0, 0.0, 12.0]);
}
