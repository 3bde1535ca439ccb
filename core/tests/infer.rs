//! Inference: what it gives where it knows, and that no operand or attribute makes it panic.

use planish_core::attr::{Activation, Attr, AttrError, Attrs, MirrorMode, Padding, Projection};
use planish_core::known::known_ints;
use planish_core::op::*;
use planish_core::{DType, Dim, Graph, Op, OpKind, Quant, Shape, Tensor, Type, Value, ValueInfo};
use proptest::prelude::*;

const UNKNOWN: usize = usize::MAX;

/// Extents in which [`UNKNOWN`] stands for an unknown one.
fn shape(dims: &[usize]) -> Shape {
    Shape::new(dims.iter().map(|&d| if d == UNKNOWN { Dim::Unknown } else { Dim::Known(d) }))
}

fn value(graph: &mut Graph, dtype: DType, dims: &[usize]) -> Value {
    graph.add_parameter(ValueInfo::new(Type::new(dtype, shape(dims))))
}

fn floats(graph: &mut Graph, dims: &[usize]) -> Value {
    value(graph, DType::F32, dims)
}

fn ty(graph: &mut Graph, op: impl Into<Op>, operands: &[Value]) -> String {
    let operands: Vec<_> = operands.iter().map(|&v| Some(v)).collect();
    match graph.try_add(op, &operands) {
        Ok(id) => graph
            .results_of(id)
            .into_iter()
            .map(|v| graph.ty(v).to_string())
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => format!("error: {error}"),
    }
}

fn add() -> Add {
    Add {
        activation: Activation::None,
        pot_scale_int16: true,
    }
}

fn conv(padding: Padding, stride: u32, dilation: u32) -> Conv2d {
    Conv2d {
        padding,
        stride: [stride; 2],
        dilation: [dilation; 2],
        activation: Activation::None,
    }
}

#[test]
fn broadcasting_takes_the_better_known_extent() {
    let mut g = Graph::new("g");
    let a = floats(&mut g, &[UNKNOWN, 1, 3, UNKNOWN]);
    let b = floats(&mut g, &[5, 1, 1]);
    let c = floats(&mut g, &[4]);
    let d = floats(&mut g, &[2]);
    assert_eq!(ty(&mut g, add(), &[a, b]), "f32[?, 5, 3, ?]");
    assert_eq!(ty(&mut g, add(), &[a, c]), "f32[?, 1, 3, 4]");
    assert_eq!(
        ty(&mut g, add(), &[c, d]),
        "error: operand `y` is f32[2], expected a shape that broadcasts with [4]"
    );
    assert_eq!(ty(&mut g, Less {}, &[a, c]), "bool[?, 1, 3, 4]");
    let i = value(&mut g, DType::I32, &[4]);
    assert_eq!(
        ty(&mut g, add(), &[c, i]),
        "error: operand `y` is i32[4], expected elements of type f32"
    );
    let anything = g.add_parameter(ValueInfo::new(Type::new(DType::F32, Shape::unranked())));
    assert_eq!(ty(&mut g, add(), &[c, anything]), "f32[..]");
}

#[test]
fn convolutions_count_positions() {
    let mut g = Graph::new("g");
    let x = floats(&mut g, &[UNKNOWN, 224, 225, 3]);
    let w = floats(&mut g, &[32, 3, 3, 3]);
    let b = floats(&mut g, &[32]);
    assert_eq!(ty(&mut g, conv(Padding::Same, 2, 1), &[x, w, b]), "f32[?, 112, 113, 32]");
    assert_eq!(ty(&mut g, conv(Padding::Valid, 2, 1), &[x, w, b]), "f32[?, 111, 112, 32]");
    assert_eq!(ty(&mut g, conv(Padding::Valid, 1, 4), &[x, w, b]), "f32[?, 216, 217, 32]");
    assert_eq!(
        ty(&mut g, conv(Padding::Same, 0, 1), &[x, w, b]),
        "error: strides and dilations are at least 1"
    );
    let grouped = floats(&mut g, &[32, 3, 3, 2]);
    assert!(ty(&mut g, conv(Padding::Same, 1, 1), &[x, grouped]).starts_with("error: operand `weights`"));
    let short = floats(&mut g, &[31]);
    assert_eq!(
        ty(&mut g, conv(Padding::Same, 1, 1), &[x, w, short]),
        "error: operand `bias` is f32[31], expected 32 elements"
    );
    let depthwise = DepthwiseConv2d {
        padding: Padding::Same,
        stride: [1, 1],
        dilation: [1, 1],
        depth_multiplier: 2,
        activation: Activation::None,
    };
    let w = floats(&mut g, &[1, 3, 3, 6]);
    assert_eq!(ty(&mut g, depthwise, &[x, w]), "f32[?, 224, 225, 6]");
    let pool = MaxPool2d {
        filter: [3, 3],
        stride: [2, 2],
        padding: Padding::Valid,
        activation: Activation::None,
    };
    assert_eq!(ty(&mut g, pool, &[x]), "f32[?, 111, 112, 3]");
    let scatter = TransposeConv {
        padding: Padding::Same,
        stride: [2, 2],
        activation: Activation::None,
    };
    let (dims, small) = (g.add_ints(&[1, 28, 28, 8]), floats(&mut g, &[UNKNOWN, 14, 14, 3]));
    let w = floats(&mut g, &[8, 3, 3, 3]);
    assert_eq!(ty(&mut g, scatter, &[dims, w, small]), "f32[1, 28, 28, 8]");
}

#[test]
fn products_of_matrices() {
    let mut g = Graph::new("g");
    let fully = |keep_num_dims| FullyConnected {
        activation: Activation::None,
        keep_num_dims,
        asymmetric_quantize_inputs: false,
        weights_format: planish_core::attr::WeightsFormat::Plain,
    };
    let x = floats(&mut g, &[UNKNOWN, 7, 64]);
    let w = floats(&mut g, &[10, 64]);
    assert_eq!(ty(&mut g, fully(true), &[x, w]), "f32[?, 7, 10]");
    assert_eq!(ty(&mut g, fully(false), &[x, w]), "f32[?, 10]");
    let fixed = floats(&mut g, &[2, 7, 32]);
    assert_eq!(ty(&mut g, fully(false), &[fixed, w]), "f32[7, 10]");
    let quantized = Type::fixed(DType::I8, &[10, 64]).with_quant(Some(Quant::per_tensor(0.1, 0).unwrap()));
    let w = g.add_parameter(ValueInfo::new(quantized));
    assert_eq!(ty(&mut g, fully(true), &[x, w]), "f32[?, 7, 10]");
    let matmul = |adj_x, adj_y| BatchMatmul {
        adj_x,
        adj_y,
        asymmetric_quantize_inputs: false,
    };
    let (x, y) = (floats(&mut g, &[UNKNOWN, 1, 5, 6]), floats(&mut g, &[3, 7, 6]));
    assert_eq!(ty(&mut g, matmul(false, true), &[x, y]), "f32[?, 3, 5, 7]");
    assert!(ty(&mut g, matmul(false, false), &[x, y]).starts_with("error"));
}

#[test]
fn shapes_are_followed_to_where_they_come_from() {
    let mut g = Graph::new("g");
    let x = floats(&mut g, &[UNKNOWN, 7, 7, 64]);
    let dims = g.add(Shape_ {}.op(), &[x]);
    let (zero, one) = (g.add_ints(&[0]), g.add_ints(&[1]));
    let first = StridedSlice {
        begin_mask: 0,
        end_mask: 0,
        ellipsis_mask: 0,
        new_axis_mask: 0,
        shrink_axis_mask: 1,
        offset: false,
    };
    let batch = g.add(first.clone(), &[dims, zero, one, one]);
    let second = g.add(first, &[dims, one, one, one]);
    let rest = g.add_int(-1);
    let packed = g.add(Pack { axis: 0 }, &[batch, second, rest]);
    assert_eq!(known_ints(g.value(packed)), Some(vec![None, Some(7), Some(-1)]));
    assert_eq!(ty(&mut g, Reshape {}, &[x, packed]), "f32[?, 7, ?]");
    let flat = g.add_ints(&[-1, 3136]);
    assert_eq!(ty(&mut g, Reshape {}, &[x, flat]), "f32[?, 3136]");
    let fixed = floats(&mut g, &[4, 6]);
    let three = g.add_ints(&[3, -1]);
    assert_eq!(ty(&mut g, Reshape {}, &[fixed, three]), "f32[3, 8]");
    let five = g.add_ints(&[5, -1]);
    assert!(ty(&mut g, Reshape {}, &[fixed, five]).starts_with("error: operand `input`"));
    let value = g.add_float(0.0);
    assert_eq!(ty(&mut g, Fill {}, &[packed, value]), "error: -1 is no extent");
}

/// Stands for [`planish_core::op::Shape`], whose name the type of shapes has.
struct Shape_ {}

impl Shape_ {
    fn op(self) -> planish_core::op::Shape {
        planish_core::op::Shape { dtype: DType::I32 }
    }
}

#[test]
fn slices_follow_masks() {
    let mut g = Graph::new("g");
    let x = floats(&mut g, &[UNKNOWN, 10, 20, 3]);
    let slice = |begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask| StridedSlice {
        begin_mask,
        end_mask,
        ellipsis_mask,
        new_axis_mask,
        shrink_axis_mask,
        offset: false,
    };
    let mut with = |op: StridedSlice, begin: &[i32], end: &[i32], strides: &[i32]| {
        let operands = [x, g.add_ints(begin), g.add_ints(end), g.add_ints(strides)];
        ty(&mut g, op, &operands)
    };
    // x[:, 1:9:3]
    assert_eq!(with(slice(1, 1, 0, 0, 0), &[0, 1], &[0, 9], &[1, 3]), "f32[?, 3, 20, 3]");
    // x[:, ::-1]
    assert_eq!(with(slice(3, 3, 0, 0, 0), &[0, 0], &[0, 0], &[1, -1]), "f32[?, 10, 20, 3]");
    // x[:, -3:-1]
    assert_eq!(with(slice(1, 1, 0, 0, 0), &[0, -3], &[0, -1], &[1, 1]), "f32[?, 2, 20, 3]");
    // x[..., 1]
    assert_eq!(with(slice(0, 0, 1, 0, 2), &[0, 1], &[0, 2], &[1, 1]), "f32[?, 10, 20]");
    // x[..., None, 0:2]
    assert_eq!(
        with(slice(0, 0, 1, 2, 0), &[0, 0, 0], &[0, 0, 2], &[1, 1, 1]),
        "f32[?, 10, 20, 1, 2]"
    );
    // x[:, 10]
    assert_eq!(
        with(slice(1, 1, 0, 0, 2), &[0, 10], &[0, 11], &[1, 1]),
        "error: index 10 is outside 10 elements"
    );
    // x[0:1] of an unknown batch may be empty.
    assert_eq!(with(slice(0, 0, 0, 0, 0), &[0], &[1], &[1]), "f32[?, 10, 20, 3]");
    assert!(with(slice(0, 0, 0, 0, 0), &[0; 5], &[1; 5], &[1; 5]).starts_with("error"));
    let (begin, size) = (g.add_ints(&[0, 2, 0, 0]), g.add_ints(&[-1, -1, 5, 3]));
    assert_eq!(ty(&mut g, Slice {}, &[x, begin, size]), "f32[?, 8, 5, 3]");
}

#[test]
fn elements_move() {
    let mut g = Graph::new("g");
    let x = floats(&mut g, &[UNKNOWN, 4, 6]);
    let order = g.add_ints(&[2, 0, 1]);
    assert_eq!(ty(&mut g, Transpose {}, &[x, order]), "f32[6, ?, 4]");
    let y = floats(&mut g, &[2, 4, 5]);
    let join = Concatenation {
        axis: -1,
        activation: Activation::None,
    };
    assert_eq!(ty(&mut g, join, &[x, y]), "f32[2, 4, 11]");
    assert_eq!(ty(&mut g, Unpack { num: 4, axis: 1 }, &[x]), ["f32[?, 6]"; 4].join(" "));
    let axis = g.add_int(2);
    assert_eq!(ty(&mut g, Split { num: 3 }, &[axis, x]), ["f32[?, 4, 2]"; 3].join(" "));
    let sizes = g.add_ints(&[1, -1]);
    assert_eq!(ty(&mut g, SplitV { num: 2 }, &[x, sizes, axis]), "f32[?, 4, 1] f32[?, 4, 5]");
    let paddings = g.add_const(Tensor::from_vec(&[3, 2], vec![0, 0, 1, 2, 0, 3]));
    assert_eq!(ty(&mut g, MirrorPad { mode: MirrorMode::Reflect }, &[x, paddings]), "f32[?, 7, 9]");
    let places = value(&mut g, DType::I32, &[8, 9]);
    assert_eq!(ty(&mut g, Gather { axis: 1, batch_dims: 0 }, &[x, places]), "f32[?, 8, 9, 6]");
    assert_eq!(ty(&mut g, Gather { axis: 1, batch_dims: 1 }, &[x, places]), "f32[8, 9, 6]");
    let axes = g.add_ints(&[-1, 0]);
    assert_eq!(ty(&mut g, Mean { keep_dims: true }, &[x, axes]), "f32[1, 4, 1]");
    assert_eq!(ty(&mut g, Mean { keep_dims: false }, &[x, axes]), "f32[4]");
    let far = g.add_int(3);
    assert_eq!(
        ty(&mut g, Sum { keep_dims: false }, &[x, far]),
        "error: axis 3 is outside a value of rank 3"
    );
    let multiples = g.add_ints(&[2, 2, i32::MAX]);
    assert_eq!(ty(&mut g, Tile {}, &[x, multiples]), "f32[?, 8, 12884901882]");
    assert_eq!(
        ty(
            &mut g,
            Einsum {
                equation: "...ij,kj->k...i".into()
            },
            &[x, y]
        ),
        "error: operand `inputs` is f32[2, 4, 5], expected a dimension for each label of `kj`"
    );
    let z = floats(&mut g, &[9, 6]);
    assert_eq!(
        ty(
            &mut g,
            Einsum {
                equation: "...ij,kj->k...i".into()
            },
            &[x, z]
        ),
        "f32[9, ?, 4]"
    );
    let (start, limit, delta) = (g.add_int(10), g.add_int(0), g.add_int(-3));
    assert_eq!(ty(&mut g, Range {}, &[start, limit, delta]), "i32[4]");
    assert_eq!(
        ty(&mut g, Range {}, &[start, limit, limit]),
        "error: steps of 0 do not lead from 10 to 0"
    );
}

#[test]
fn quantization_is_handed_on_where_elements_only_move() {
    let mut g = Graph::new("g");
    let tensor = Quant::per_tensor(0.5, 3).unwrap();
    let axis = Quant::symmetric_per_axis(1, vec![0.5, 0.25]).unwrap();
    let whole = g.add_parameter(ValueInfo::new(Type::fixed(DType::I8, &[3, 2]).with_quant(Some(tensor))));
    let sliced = g.add_parameter(ValueInfo::new(Type::fixed(DType::I8, &[3, 2]).with_quant(Some(axis))));
    let order = g.add_ints(&[1, 0]);
    assert_eq!(ty(&mut g, Transpose {}, &[whole, order]), "i8[2, 3] quant(scale 0.5, zero 3)");
    assert_eq!(
        ty(&mut g, Transpose {}, &[sliced, order]),
        "i8[2, 3] quant(axis 0, scales [0.5, 0.25])"
    );
    let around = g.add_ints(&[1, 3, 1, 2]);
    assert_eq!(
        ty(&mut g, Reshape {}, &[sliced, around]),
        "i8[1, 3, 1, 2] quant(axis 3, scales [0.5, 0.25])"
    );
    let flat = g.add_ints(&[6]);
    let open = "error: the results of `reshape` cannot be inferred and have to be declared";
    assert_eq!(ty(&mut g, Reshape {}, &[sliced, flat]), open);
    assert!(ty(&mut g, add(), &[whole, whole]).starts_with("error: the results of `add` cannot"));
    assert_eq!(ty(&mut g, Equal {}, &[whole, whole]), "bool[3, 2]");
    assert_eq!(ty(&mut g, Dequantize {}, &[sliced]), "f32[3, 2]");
    assert_eq!(ty(&mut g, Relu {}, &[whole]), "i8[3, 2] quant(scale 0.5, zero 3)");
}

#[test]
fn operands_are_counted() {
    let mut g = Graph::new("g");
    let x = floats(&mut g, &[2]);
    assert_eq!(ty(&mut g, Reshape {}, &[x]), "error: operand `shape` is missing");
    assert_eq!(ty(&mut g, Relu {}, &[x, x]), "error: there are 2 operands, at most 1 are taken");
    assert_eq!(ty(&mut g, Pack { axis: 0 }, &[]), "error: operand `inputs` is missing");
    assert!(g.try_add(Pack { axis: 0 }, &[Some(x), None]).is_err());
}

/// Attribute values of every kind, ordinary and extreme.
fn attr() -> impl Strategy<Value = Attr> {
    let number = prop_oneof![
        -3i64..6,
        Just(i64::MAX),
        Just(i64::MIN),
        Just(i64::from(i32::MAX)),
        Just(i64::from(i32::MIN)),
        Just(70_000)
    ];
    let small = prop_oneof![0i64..4, Just(i64::from(u32::MAX))];
    prop_oneof![
        any::<bool>().prop_map(Attr::Bool),
        number.clone().prop_map(Attr::Int),
        any::<f32>().prop_map(|f| Attr::Float(f.into())),
        prop::sample::select(vec![
            "same", "valid", "none", "relu", "f32", "i32", "i64", "i8", "string", "plain", "reflect", "sum", "add", "sparse", "dense",
            "nearest", "balanced"
        ])
        .prop_map(|w| Attr::Word(w.into())),
        prop::sample::select(vec!["ij,jk->ik", "...i,i", "->", "", "a,b,c->...", "....", "iij->j", "é"]).prop_map(|t| Attr::Text(t.into())),
        prop::collection::vec(small.prop_map(Attr::Int), 2..4).prop_map(Attr::List),
        prop::collection::vec(number.prop_map(Attr::Int), 0..4).prop_map(Attr::List),
        Just(Attr::Tensor(Tensor::scalar(1i32))),
        Just(Attr::Map(Attrs::new())),
        Just(Attr::Bytes(vec![1])),
    ]
}

/// An operation of this kind with attributes from `pool`, as far as that has fitting ones.
fn op_of(kind: OpKind, pool: &[Attr]) -> Option<Op> {
    let mut choice: Vec<usize> = (0..kind.attr_names().len()).collect();
    let ordinary = [
        Attr::Word("same".into()),
        Attr::Word("f32".into()),
        Attr::List(vec![Attr::Int(2), Attr::Int(2)]),
        Attr::List(vec![Attr::Int(2); 3]),
        Attr::Int(1),
        Attr::Float(1.0),
        Attr::Text("x".into()),
        Attr::Bool(true),
        Attr::Tensor(Tensor::scalar(1i32)),
        Attr::Word("none".into()),
        Attr::Word("plain".into()),
        Attr::Word("reflect".into()),
        Attr::Word("sum".into()),
        Attr::Word("add".into()),
        Attr::Word("sparse".into()),
        Attr::Word("nearest".into()),
        Attr::Map(Attrs::new()),
        Attr::Bytes(vec![1]),
        Attr::List(Vec::new()),
    ];
    let all: Vec<&Attr> = pool.iter().chain(&ordinary).collect();
    loop {
        let attrs = kind
            .attr_names()
            .iter()
            .zip(&choice)
            .map(|(name, &i)| ((*name).to_owned(), all[i % all.len()].clone()));
        match Op::from_attrs(kind, attrs.collect()) {
            Ok(op) => return Some(op),
            Err(AttrError::Kind { name, .. }) => {
                let place = kind.attr_names().iter().position(|n| *n == name)?;
                choice[place] += 1;
                if choice[place] > 2 * all.len() {
                    return None;
                }
            }
            Err(_) => return None,
        }
    }
}

fn any_type() -> impl Strategy<Value = Type> {
    let extent = prop_oneof![
        4 => (0usize..6).prop_map(Dim::Known),
        2 => Just(Dim::Unknown),
        1 => prop::sample::select(vec![usize::MAX, usize::MAX / 2, 1 << 40, 1 << 31]).prop_map(Dim::Known),
    ];
    let shape = prop_oneof![
        9 => prop::collection::vec(extent, 0..6).prop_map(Shape::new),
        1 => Just(Shape::unranked()),
    ];
    let dtype = prop_oneof![
        4 => Just(DType::F32),
        3 => Just(DType::I32),
        1 => Just(DType::I8),
        1 => Just(DType::Bool),
        1 => prop::sample::select(DType::ALL.to_vec()),
    ];
    let quant = prop_oneof![
        6 => Just(None),
        1 => Just(Some(Quant::per_tensor(0.5, 1).unwrap())),
        1 => Just(Some(Quant::symmetric_per_axis(1, vec![0.5, 0.25]).unwrap())),
        1 => Just(Some(Quant::symmetric_per_axis(9, vec![]).unwrap())),
    ];
    (dtype, shape, quant).prop_map(|(dtype, shape, quant)| Type::new(dtype, shape).with_quant(quant))
}

#[derive(Clone, Debug)]
enum Operand {
    Empty,
    Typed(Type),
    Ints(Vec<i64>, bool),
    Int(i64),
}

fn operand() -> impl Strategy<Value = Operand> {
    let int = prop_oneof![6 => -2i64..5, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    prop_oneof![
        1 => Just(Operand::Empty),
        6 => any_type().prop_map(Operand::Typed),
        4 => (prop::collection::vec(int.clone(), 0..6), any::<bool>()).prop_map(|(v, pairs)| Operand::Ints(v, pairs)),
        2 => int.prop_map(Operand::Int),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_makes_inference_panic(
        operands in prop::collection::vec(operand(), 0..8),
        many in 0usize..3,
        pool in prop::collection::vec(attr(), 8),
    ) {
        let mut g = Graph::new("g");
        let mut values = Vec::new();
        for operand in operands {
            values.push(match operand {
                Operand::Empty => None,
                Operand::Typed(ty) => Some(g.add_parameter(ValueInfo::new(ty))),
                Operand::Ints(ints, true) if ints.len() % 2 == 0 => {
                    let dims = [ints.len() / 2, 2];
                    Some(g.add_const(Tensor::from_vec(&dims, ints.into_iter().map(|n| n as i32).collect())))
                }
                Operand::Ints(ints, _) => Some(g.add_const(Tensor::from_vec(&[ints.len()], ints))),
                Operand::Int(n) => Some(g.add_int(n as i32)),
            });
        }
        if many > 0 {
            values = values.iter().copied().cycle().take(values.len() * many * 4).collect();
        }
        for &kind in OpKind::ALL {
            let Some(op) = op_of(kind, &pool) else {
                prop_assert!(matches!(kind, OpKind::If | OpKind::While | OpKind::Call | OpKind::CallOnce), "{}", kind.name());
                continue;
            };
            let specs = kind.operands().len();
            for count in [specs, values.len()] {
                let operands: Vec<_> = values.iter().copied().cycle().take(if values.is_empty() { 0 } else { count }).collect();
                if let Ok(id) = g.try_add(op.clone(), &operands) {
                    for result in g.results_of(id) {
                        let _ = known_ints(g.value(result));
                    }
                }
            }
        }
    }
}

#[test]
fn ranks_do_not_grow_without_bound() {
    let mut g = Graph::new("g");
    let mut x = value(&mut g, DType::I32, &[2, 2]);
    for _ in 0..5 {
        x = g.add(Gather { axis: 0, batch_dims: 0 }, &[x, x]);
    }
    let more = ty(&mut g, Gather { axis: 0, batch_dims: 0 }, &[x, x]);
    assert_eq!(more, "error: a result has more than 64 dimensions");
}

#[test]
fn hashes_are_counted() {
    let mut g = Graph::new("g");
    let (hash, x) = (floats(&mut g, &[3, 8]), floats(&mut g, &[UNKNOWN]));
    let project = LshProjection {
        projection: Projection::Dense,
    };
    assert_eq!(ty(&mut g, project, &[hash, x]), "i32[24]");
}
