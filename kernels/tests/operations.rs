//! Operations on small operands whose results are worked out by hand, and operands that have to be refused.

use planish_core::attr::{Activation, Padding, Rounding};
use planish_core::op::*;
use planish_core::{DType, Op, Quant, Shape, Tensor, Type};
use planish_kernels::error::Error;
use planish_kernels::interpret::{evaluate, evaluate_limited};

fn run(op: impl Into<Op>, operands: &[&Tensor]) -> Result<Vec<Tensor>, Error> {
    let operands: Vec<Option<&Tensor>> = operands.iter().map(|&t| Some(t)).collect();
    evaluate(&op.into(), &operands, &[])
}

fn one(op: impl Into<Op>, operands: &[&Tensor]) -> Tensor {
    let mut results = run(op, operands).expect("operands that fit");
    assert_eq!(results.len(), 1);
    results.remove(0)
}

fn f32s(dims: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_vec(dims, values.to_vec())
}

fn i32s(dims: &[usize], values: &[i32]) -> Tensor {
    Tensor::from_vec(dims, values.to_vec())
}

#[test]
fn sums_broadcast_and_clamp() {
    let x = f32s(&[2, 1], &[-3.0, 5.0]);
    let y = f32s(&[3], &[1.0, 2.0, 3.0]);
    let add = Add {
        activation: Activation::Relu6,
        pot_scale_int16: true,
    };
    assert_eq!(one(add, &[&x, &y]), f32s(&[2, 3], &[0.0, 0.0, 0.0, 6.0, 6.0, 6.0]));
}

#[test]
fn integers_divide_and_leave_rests() {
    let (x, y) = (i32s(&[4], &[7, -7, 7, -7]), i32s(&[4], &[2, 2, -2, -2]));
    assert_eq!(
        one(
            Div {
                activation: Activation::None
            },
            &[&x, &y]
        ),
        i32s(&[4], &[3, -3, -3, 3])
    );
    assert_eq!(one(FloorDiv {}, &[&x, &y]), i32s(&[4], &[3, -4, -4, 3]));
    assert_eq!(one(FloorMod {}, &[&x, &y]), i32s(&[4], &[1, 1, -1, -1]));
    let error = run(FloorDiv {}, &[&x, &i32s(&[], &[0])]).expect_err("a division by 0");
    assert_eq!(error.to_string(), "operand `y` holds a 0 to divide by");
}

#[test]
fn halves_round_to_even() {
    let x = f32s(&[4], &[0.5, 1.5, -0.5, 2.5]);
    assert_eq!(one(Round {}, &[&x]), f32s(&[4], &[0.0, 2.0, -0.0, 2.0]));
}

#[test]
fn convolution_pads_as_tensorflow_does() {
    // Two pixels of padding are needed, one of them above and to the left.
    let x = f32s(&[1, 3, 3, 1], &[1., 2., 3., 4., 5., 6., 7., 8., 9.]);
    let w = f32s(&[1, 3, 3, 1], &[1.0; 9]);
    let conv = Conv2d {
        padding: Padding::Same,
        stride: [2, 2],
        dilation: [1, 1],
        activation: Activation::None,
    };
    assert_eq!(
        one(conv, &[&x, &w, &f32s(&[1], &[0.5])]),
        f32s(&[1, 2, 2, 1], &[12.5, 16.5, 24.5, 28.5])
    );
}

#[test]
fn depthwise_channels_stay_apart() {
    let x = f32s(&[1, 1, 2, 2], &[1., 10., 2., 20.]);
    let w = f32s(&[1, 1, 2, 4], &[1., 2., 3., 4., 5., 6., 7., 8.]);
    let op = DepthwiseConv2d {
        padding: Padding::Valid,
        stride: [1, 1],
        dilation: [1, 1],
        depth_multiplier: 2,
        activation: Activation::None,
    };
    // Channel 0: 1 and 2 by (1, 5) and (2, 6); channel 1: 10 and 20 by (3, 7) and (4, 8).
    assert_eq!(one(op, &[&x, &w]), f32s(&[1, 1, 1, 4], &[11., 14., 170., 200.]));
}

#[test]
fn transposed_convolution_scatters() {
    let x = f32s(&[1, 1, 2, 1], &[1., 2.]);
    let w = f32s(&[1, 1, 2, 1], &[3., 4.]);
    let op = TransposeConv {
        padding: Padding::Valid,
        stride: [1, 2],
        activation: Activation::None,
    };
    assert_eq!(
        one(op.clone(), &[&i32s(&[4], &[1, 1, 4, 1]), &w, &x]),
        f32s(&[1, 1, 4, 1], &[3., 4., 6., 8.])
    );
    assert!(run(op, &[&i32s(&[4], &[1, 1, 9, 1]), &w, &x]).is_err());
}

#[test]
fn averages_count_only_what_is_inside() {
    let x = f32s(&[1, 2, 2, 1], &[1., 2., 3., 4.]);
    let pool = AveragePool2d {
        filter: [2, 2],
        stride: [1, 1],
        padding: Padding::Same,
        activation: Activation::None,
    };
    assert_eq!(one(pool, &[&x]), f32s(&[1, 2, 2, 1], &[2.5, 3., 3.5, 4.]));
}

#[test]
fn products_transpose_their_operands() {
    let x = f32s(&[2, 2], &[1., 2., 3., 4.]);
    let y = f32s(&[2, 2], &[5., 6., 7., 8.]);
    let op = |adj_x, adj_y| BatchMatmul {
        adj_x,
        adj_y,
        asymmetric_quantize_inputs: false,
    };
    assert_eq!(one(op(false, false), &[&x, &y]), f32s(&[2, 2], &[19., 22., 43., 50.]));
    assert_eq!(one(op(true, false), &[&x, &y]), f32s(&[2, 2], &[26., 30., 38., 44.]));
    assert_eq!(one(op(false, true), &[&x, &y]), f32s(&[2, 2], &[17., 23., 39., 53.]));
}

#[test]
fn reductions_keep_or_drop_axes() {
    let x = f32s(&[2, 3], &[1., 2., 3., 4., 5., 6.]);
    assert_eq!(one(Mean { keep_dims: false }, &[&x, &i32s(&[1], &[-1])]), f32s(&[2], &[2., 5.]));
    assert_eq!(one(Sum { keep_dims: true }, &[&x, &i32s(&[1], &[0])]), f32s(&[1, 3], &[5., 7., 9.]));
    assert_eq!(one(ReduceMax { keep_dims: false }, &[&x, &i32s(&[2], &[0, 1])]), f32s(&[], &[6.]));
    assert!(run(Sum { keep_dims: true }, &[&x, &i32s(&[1], &[2])]).is_err());
    assert_eq!(
        one(ArgMax { dtype: DType::I64 }, &[&f32s(&[3], &[1., 4., 4.]), &i32s(&[], &[0])]),
        Tensor::scalar(1i64)
    );
    let cumsum = Cumsum {
        exclusive: true,
        reverse: true,
    };
    assert_eq!(one(cumsum, &[&x, &i32s(&[], &[1])]), f32s(&[2, 3], &[5., 3., 0., 11., 6., 0.]));
}

#[test]
fn slices_follow_their_masks() {
    let x = i32s(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let slice = |shrink, new_axis, ellipsis| StridedSlice {
        begin_mask: 0,
        end_mask: 0,
        ellipsis_mask: ellipsis,
        new_axis_mask: new_axis,
        shrink_axis_mask: shrink,
        offset: false,
    };
    let vector = |v: &[i32]| i32s(&[v.len()], v);
    let reversed = one(slice(1, 0, 0), &[&x, &vector(&[-1, -1]), &vector(&[0, -9]), &vector(&[1, -2])]);
    assert_eq!(reversed, vector(&[6, 4]));
    let last = one(slice(2, 4, 1), &[&x, &vector(&[0, 1, 0]), &vector(&[0, 0, 0]), &vector(&[1, 1, 1])]);
    assert_eq!(last, i32s(&[2, 1], &[2, 5]));
    assert!(run(slice(1, 0, 0), &[&x, &vector(&[2]), &vector(&[3]), &vector(&[1])]).is_err());
}

#[test]
fn elements_move() {
    let x = i32s(&[2, 2], &[1, 2, 3, 4]);
    assert_eq!(one(Transpose {}, &[&x, &i32s(&[2], &[1, 0])]), i32s(&[2, 2], &[1, 3, 2, 4]));
    assert_eq!(one(Tile {}, &[&x, &i32s(&[2], &[1, 2])]), i32s(&[2, 4], &[1, 2, 1, 2, 3, 4, 3, 4]));
    assert_eq!(
        one(Pad {}, &[&x, &i32s(&[2, 2], &[1, 0, 0, 1])]),
        i32s(&[3, 3], &[0, 0, 0, 1, 2, 0, 3, 4, 0])
    );
    let mirror = MirrorPad {
        mode: planish_core::attr::MirrorMode::Reflect,
    };
    assert_eq!(
        one(mirror, &[&i32s(&[3], &[1, 2, 3]), &i32s(&[1, 2], &[2, 1])]),
        i32s(&[6], &[3, 2, 1, 2, 3, 2])
    );
    assert_eq!(one(Reshape {}, &[&x, &i32s(&[1], &[-1])]), i32s(&[4], &[1, 2, 3, 4]));
    assert_eq!(
        one(DynamicUpdateSlice {}, &[&x, &i32s(&[1, 1], &[9]), &i32s(&[2], &[5, -3])]),
        i32s(&[2, 2], &[1, 2, 9, 4])
    );
}

#[test]
fn indices_are_checked() {
    let table = i32s(&[3], &[10, 20, 30]);
    let gather = Gather { axis: 0, batch_dims: 0 };
    assert_eq!(one(gather.clone(), &[&table, &i32s(&[2], &[2, 0])]), i32s(&[2], &[30, 10]));
    let error = run(gather, &[&table, &i32s(&[1], &[3])]).expect_err("an index behind the end");
    assert_eq!(error.to_string(), "index 3 is out of bounds for an extent of 3");
    assert_eq!(
        one(
            ScatterNd {},
            &[&i32s(&[3, 1], &[1, 1, 0]), &i32s(&[3], &[1, 2, 4]), &i32s(&[1], &[3])]
        ),
        i32s(&[3], &[4, 3, 0])
    );
}

#[test]
fn images_are_resized() {
    let x = f32s(&[1, 1, 2, 1], &[0., 10.]);
    let size = i32s(&[2], &[1, 4]);
    let plain = ResizeBilinear {
        align_corners: false,
        half_pixel_centers: false,
    };
    assert_eq!(one(plain, &[&x, &size]), f32s(&[1, 1, 4, 1], &[0., 5., 10., 10.]));
    let half = ResizeBilinear {
        align_corners: false,
        half_pixel_centers: true,
    };
    assert_eq!(one(half, &[&x, &size]), f32s(&[1, 1, 4, 1], &[0., 2.5, 7.5, 10.]));
    let corners = ResizeNearestNeighbor {
        align_corners: true,
        half_pixel_centers: false,
    };
    assert_eq!(one(corners, &[&x, &size]), f32s(&[1, 1, 4, 1], &[0., 0., 10., 10.]));
}

#[test]
fn boxes_that_overlap_are_suppressed() {
    let boxes = f32s(&[3, 4], &[0., 0., 1., 1., 0., 0.1, 1., 1.1, 0., 2., 1., 3.]);
    let scores = f32s(&[3], &[0.5, 0.9, 0.7]);
    let scalar = |v: f32| f32s(&[], &[v]);
    let results = run(
        NonMaxSuppressionV4 {},
        &[&boxes, &scores, &i32s(&[], &[3]), &scalar(0.5), &scalar(0.1)],
    )
    .expect("operands that fit");
    assert_eq!(results, [i32s(&[3], &[1, 2, 0]), i32s(&[], &[2])]);
}

#[test]
fn integers_stand_for_reals_and_back() {
    let quant = Quant::symmetric_per_axis(0, vec![0.5, 2.0]).expect("positive scales");
    let ty = Type::new(DType::I8, Shape::fixed(&[2, 2])).with_quant(Some(quant));
    let x = f32s(&[2, 2], &[0.25, -100.0, 3.0, -4.0]);
    let stored = evaluate(
        &Quantize {
            rounding: Rounding::Nearest,
        }
        .into(),
        &[Some(&x)],
        std::slice::from_ref(&ty),
    )
    .expect("a declared type")
    .remove(0);
    assert_eq!(stored.to_vec::<i8>(), [1, -128, 2, -2]);
    assert_eq!(one(Dequantize {}, &[&stored]), f32s(&[2, 2], &[0.5, -64.0, 4.0, -4.0]));
}

#[test]
fn the_best_come_first_and_the_first_of_equals() {
    let results = run(TopkV2 {}, &[&f32s(&[4], &[1., 3., 3., 2.]), &i32s(&[], &[3])]).expect("operands that fit");
    assert_eq!(results, [f32s(&[3], &[3., 3., 2.]), i32s(&[3], &[1, 2, 3])]);
}

#[test]
fn letters_name_what_is_summed() {
    let x = f32s(&[2, 1, 2], &[1., 2., 3., 4.]);
    let y = f32s(&[2, 3], &[1., 0., 2., 0., 1., 3.]);
    let einsum = Einsum {
        equation: "...ab,bc->...ca".into(),
    };
    assert_eq!(one(einsum, &[&x, &y]), f32s(&[2, 3, 1], &[1., 2., 8., 3., 4., 18.]));
}

#[test]
fn absurd_shapes_are_refused() {
    let dims = i32s(&[2], &[i32::MAX, i32::MAX]);
    let error = run(Fill {}, &[&dims, &Tensor::scalar(1.0f32)]).expect_err("more than any memory");
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    let fill: Op = Fill {}.into();
    let (dims, value) = (i32s(&[1], &[100]), Tensor::scalar(1.0f32));
    assert!(evaluate_limited(&fill, &[Some(&dims), Some(&value)], &[], 400).is_ok());
    assert!(evaluate_limited(&fill, &[Some(&dims), Some(&value)], &[], 399).is_err());
}

#[test]
fn unknown_operations_are_refused_by_name() {
    let foreign = Foreign {
        name: "Betainc".into(),
        attrs: Default::default(),
        definition: Default::default(),
    };
    let error = run(foreign, &[]).expect_err("no kernel");
    assert!(error.to_string().starts_with("there is no kernel for `Betainc`; "), "{error}");
    let error = run(Sin {}, &[&i32s(&[1], &[1])]).expect_err("no sine of integers");
    assert!(
        error.to_string().contains("`sin` has no kernel for elements of type i32"),
        "{error}"
    );
    assert_eq!(run(Sin {}, &[]).expect_err("no operand").to_string(), "operand `input` is missing");
}
