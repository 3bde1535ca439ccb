//! Values that borrow an extent that is known only at run time from another value.
//!
//! A fill whose dimensions are computed at run time makes every later shape unknown to the runtime until then. Slicing,
//! reshaping and tiling by constants give the same value from one that has the extent, and keep shapes static.

use planish_core::op::{Add, Cast, Concatenation, Fill, Reshape, Shape as ShapeOp, Slice, Tile, ZerosLike};
use planish_core::{DType, Dim, Graph, Tensor, Type, Value};

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

/// Whether a slice of one element along every other axis has the extent of `source` along `axis`: not where there is no such element.
pub(crate) fn lends(graph: &Graph, source: Value, axis: usize) -> bool {
    let ty = graph.ty(source);
    let holds_one = |dims: &[Dim]| dims.iter().enumerate().all(|(i, dim)| i == axis || *dim != Dim::Known(0));
    ty.dtype != DType::String && ty.shape.dims().is_some_and(holds_one)
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
    if let (Some(own), [at], false) = (computable(element), &borrowed[..], computed)
        && let Extent::Of(source, axis) = extents[*at]
        && lends(graph, source, axis)
        && let Some(rank) = graph.ty(source).shape.rank()
    {
        let one = |i: usize, here: usize| if i == here { -1 } else { 1 };
        let begin = graph.add_ints(&vec![0; rank]);
        let size = graph.add_ints(&(0..rank).map(|i| one(i, axis)).collect::<Vec<_>>());
        let mut value = graph.add(Slice {}, &[source, begin, size]);
        let shape = graph.add_ints(&(0..extents.len()).map(|i| one(i, *at)).collect::<Vec<_>>());
        value = graph.add(Reshape {}, &[value, shape]);
        let wide = own.dtype();
        if graph.ty(value).dtype != wide {
            value = graph.add(Cast { dtype: wide }, &[value]);
        }
        value = graph.add(ZerosLike {}, &[value]);
        if own.bytes().iter().any(|&b| b != 0) {
            let own = graph.add_const(own);
            let sum = Add {
                activation: planish_core::attr::Activation::None,
                pot_scale_int16: true,
            };
            value = graph.add(sum, &[value, own]);
        }
        let multiples: Vec<i32> = extents.iter().map(|e| e.dim().known().unwrap_or(1) as i32).collect();
        if multiples.iter().any(|&m| m != 1) {
            let multiples = graph.add_ints(&multiples);
            value = graph.add(Tile {}, &[value, multiples]);
        }
        if wide != dtype {
            value = graph.add(Cast { dtype }, &[value]);
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

/// An element as a type that the kernels of `zeros_like` and `add` take, if there is one that holds it.
pub(crate) fn computable(element: &Tensor) -> Option<Tensor> {
    match element.dtype() {
        DType::F32 | DType::I32 | DType::I64 => Some(element.clone()),
        _ if element.bytes().iter().all(|&b| b == 0) => Some(Tensor::scalar(0i32)),
        DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::Bool => {
            Some(Tensor::scalar(i32::try_from(*element.to_ints()?.first()?).ok()?))
        }
        _ => None,
    }
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
