//! Where an extent that is known only at run time comes from, and values that borrow it.
//!
//! A fill whose dimensions are computed at run time makes every later shape unknown to the runtime until then. Slicing,
//! reshaping and tiling by constants give the same value from one that has the extent, and keep shapes static.

use planish_core::op::{Add, Cast, Concatenation, Fill, Reshape, Shape as ShapeOp, Slice, Tile, ZerosLike};
use planish_core::{DType, Dim, Graph, Op, OpKind, Tensor, Type, Value};

/// Equal elements are stored in the file up to this many, and made at run time beyond.
const MOST_ELEMENTS_STORED: usize = 256;

/// One extent of a value to build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// This many.
    Known(usize),
    /// As many as this value has along this axis.
    Of(Value, usize),
    /// As many as this i32 scalar says.
    Scalar(Value),
}

impl Extent {
    /// The dimension in the type.
    pub(crate) fn dim(self) -> Dim {
        match self {
            Extent::Known(n) => Dim::Known(n),
            _ => Dim::Unknown,
        }
    }
}

/// A value of these extents whose every element is the scalar constant `element`.
pub(crate) fn filled(graph: &mut Graph, element: &Tensor, extents: &[Extent]) -> Value {
    let dtype = element.dtype();
    let known: Option<Vec<usize>> = extents.iter().map(|e| e.dim().known()).collect();
    let ty = Type::new(dtype, planish_core::Shape::new(extents.iter().map(|e| e.dim())));
    if let Some(dims) = known {
        if dims.iter().product::<usize>() <= MOST_ELEMENTS_STORED {
            return graph.add_const(Tensor::splat(element, &dims));
        }
        let dims = graph.add_ints(&dims.iter().map(|&d| d as i32).collect::<Vec<_>>());
        let element = graph.add_const(element.clone());
        return graph.add(Fill {}, &[dims, element]);
    }
    let borrowed: Vec<usize> = (0..extents.len()).filter(|&i| matches!(extents[i], Extent::Of(..))).collect();
    let computed = extents.iter().any(|e| matches!(e, Extent::Scalar(_)));
    if let ([at], false) = (&borrowed[..], computed)
        && let Extent::Of(source, axis) = extents[*at]
        && let Some(rank) = graph.ty(source).shape.rank()
        && graph.ty(source).dtype != DType::String
    {
        let one = |i: usize, here: usize| if i == here { -1 } else { 1 };
        let begin = graph.add_ints(&vec![0; rank]);
        let size = graph.add_ints(&(0..rank).map(|i| one(i, axis)).collect::<Vec<_>>());
        let mut value = graph.add(Slice {}, &[source, begin, size]);
        let shape = graph.add_ints(&(0..extents.len()).map(|i| one(i, *at)).collect::<Vec<_>>());
        value = graph.add(Reshape {}, &[value, shape]);
        if graph.ty(value).dtype != dtype {
            value = graph.add(Cast { dtype }, &[value]);
        }
        value = graph.add(ZerosLike {}, &[value]);
        if element.bytes().iter().any(|&b| b != 0) {
            let element = graph.add_const(element.clone());
            value = graph.add(
                Add {
                    activation: planish_core::attr::Activation::None,
                    pot_scale_int16: true,
                },
                &[value, element],
            );
        }
        let multiples: Vec<i32> = extents.iter().map(|e| e.dim().known().unwrap_or(1) as i32).collect();
        if multiples.iter().any(|&m| m != 1) {
            let multiples = graph.add_ints(&multiples);
            value = graph.add(Tile {}, &[value, multiples]);
        }
        graph.info_mut(value).ty = ty;
        return value;
    }
    let dims = dimensions(graph, extents);
    let element = graph.add_const(element.clone());
    let value = graph.add(Fill {}, &[dims, element]);
    graph.info_mut(value).ty = ty;
    value
}

/// The extents as an i32 vector.
pub(crate) fn dimensions(graph: &mut Graph, extents: &[Extent]) -> Value {
    let parts: Vec<Value> = extents
        .iter()
        .map(|&extent| match extent {
            Extent::Known(n) => graph.add_ints(&[n as i32]),
            Extent::Of(source, axis) => {
                let shape = graph.add(ShapeOp { dtype: DType::I32 }, &[source]);
                let (begin, size) = (graph.add_ints(&[axis as i32]), graph.add_ints(&[1]));
                graph.add(Slice {}, &[shape, begin, size])
            }
            Extent::Scalar(scalar) => {
                let shape = graph.add_ints(&[1]);
                graph.add(Reshape {}, &[scalar, shape])
            }
        })
        .collect();
    graph.add(
        Concatenation {
            axis: 0,
            activation: planish_core::attr::Activation::None,
        },
        &parts,
    )
}

/// The parameter and axis of a graph whose extent is the one of `value` along `axis`, followed through operations that
/// keep it.
pub(crate) fn parameter_dimension(graph: &Graph, value: Value, axis: usize) -> Option<(usize, usize)> {
    follow(graph, value, axis, 64)
}

fn follow(graph: &Graph, value: Value, axis: usize, depth: usize) -> Option<(usize, usize)> {
    let depth = depth.checked_sub(1)?;
    if value.op == graph.parameters_op() {
        return Some((value.port as usize, axis));
    }
    let op = graph.at(value.op);
    let rank = graph.ty(value).shape.rank()?;
    let operand = |i: usize| op.operand(i);
    let through = |i: usize, axis: usize| follow(graph, operand(i)?.id(), axis, depth);
    use OpKind::*;
    match op.kind() {
        Abs | Ceil | Cos | Elu | Exp | Floor | Gelu | HardSwish | LeakyRelu | Log | LogicalNot | Logistic | Neg | Relu | Relu6
        | Relu0To1 | ReluN1To1 | Round | Rsqrt | Sign | Sin | Sqrt | Square | Tanh | ZerosLike | Cast | Identity | Softmax | LogSoftmax
        | Prelu | Erf | Quantize | Dequantize | BatchNorm => through(0, axis),
        Add | Sub | Mul | Div | FloorDiv | FloorMod | Pow | Maximum | Minimum | SquaredDifference | Equal | NotEqual | Less | LessEqual
        | Greater | GreaterEqual | LogicalAnd | LogicalOr | SelectV2 | Select => {
            let count = if matches!(op.kind(), SelectV2 | Select) { 3 } else { 2 };
            (0..count).find_map(|i| {
                let other = operand(i)?;
                let at = axis.checked_sub(rank - other.ty().shape.rank()?)?;
                (other.ty().shape.dim(at) == Dim::Unknown).then(|| follow(graph, other.id(), at, depth))?
            })
        }
        FullyConnected if axis + 1 < rank && operand(0)?.ty().shape.rank() == Some(rank) => through(0, axis),
        BatchMatmul if axis + 2 < rank && operand(0)?.ty().shape.rank() == Some(rank) => through(0, axis),
        BatchMatmul if axis + 2 == rank => match op.op() {
            Op::BatchMatmul(m) if !m.adj_x => through(0, operand(0)?.ty().shape.rank()?.checked_sub(2)?),
            _ => None,
        },
        Split => {
            let along = operand(0)?.constant()?.to_ints()?[0];
            (along.rem_euclid(rank as i64) as usize != axis).then(|| through(1, axis))?
        }
        Concatenation => match op.op() {
            Op::Concatenation(c) if i64::from(c.axis).rem_euclid(rank as i64) as usize != axis => through(0, axis),
            _ => None,
        },
        Slice | StridedSlice if operand(0)?.ty().shape.rank() == Some(rank) => {
            let sizes = operand(2)?.constant()?.to_ints()?;
            let begins = operand(1)?.constant()?.to_ints()?;
            let whole = match op.op() {
                Op::Slice(_) => begins[axis] == 0 && sizes[axis] == -1,
                Op::StridedSlice(s) => {
                    s.begin_mask >> axis & 1 == 1 && s.end_mask >> axis & 1 == 1 && s.ellipsis_mask == 0 && s.new_axis_mask == 0
                }
                _ => false,
            };
            whole.then(|| through(0, axis))?
        }
        Transpose => {
            let permutation = operand(1)?.constant()?.to_ints()?;
            through(0, usize::try_from(*permutation.get(axis)?).ok()?)
        }
        ExpandDims => {
            let at = operand(1)?.constant()?.to_ints()?[0].rem_euclid(rank as i64) as usize;
            match axis.cmp(&at) {
                std::cmp::Ordering::Less => through(0, axis),
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Greater => through(0, axis - 1),
            }
        }
        Gather => match op.op() {
            Op::Gather(g) if g.axis == 0 && g.batch_dims == 0 => {
                let indices = operand(1)?.ty().shape.rank()?;
                if axis < indices {
                    through(1, axis)
                } else {
                    through(0, axis - indices + 1)
                }
            }
            _ => None,
        },
        Reshape => {
            let from = operand(0)?;
            let unknown: Vec<usize> = (0..from.ty().shape.rank()?)
                .filter(|&a| from.ty().shape.dim(a) == Dim::Unknown)
                .collect();
            let product =
                |shape: &planish_core::Shape| shape.dims().unwrap_or_default().iter().filter_map(|d| d.known()).product::<usize>();
            match unknown[..] {
                [only] if product(&from.ty().shape) == product(&graph.ty(value).shape) => through(0, only),
                _ => None,
            }
        }
        // What goes along one axis takes that one away.
        ArgMax | ArgMin => {
            let along = *operand(1)?.constant()?.to_ints()?.first()?;
            let from = operand(0)?.ty().shape.rank()?;
            let along = along.rem_euclid(from as i64) as usize;
            through(0, if axis < along { axis } else { axis + 1 })
        }
        TensorListGetItem => through(0, axis + 1),
        DynamicUpdateSlice | TensorListSetItem | ScatterNd => through(0, axis),
        Mean | Sum | ReduceMax | ReduceMin if operand(0)?.ty().shape.rank() == Some(rank) => through(0, axis),
        _ => None,
    }
}
