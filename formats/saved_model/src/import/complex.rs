//! Complex numbers that are computed: no builtin kernel makes one of two reals, so their parts are values of their own.

use planish_core::attr::{Attrs, Blob};
use planish_core::graph::{Value, ValueInfo};
use planish_core::op::{Abs, Atan2, ComplexAbs, Cos, Exp, Foreign, Imag, Neg, Real, Sin, Sqrt, ZerosLike};
use planish_core::tensor::Tensor;
use planish_core::types::{DType, Type};
use prost::Message as _;

use crate::proto::{Attr, AttrValue, NodeDef};

use super::binary::{add, div, mul, sub};
use super::node::{Node, one};
use super::{Bound, Imported, Importer, Stop};

/// The code of the element type in TensorFlow's enumeration.
const COMPLEX64: i32 = 8;

/// A complex value as its parts, of one shape; a part that is zero everywhere may be missing, but not both.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub(super) re: Option<Value>,
    pub(super) im: Option<Value>,
}

/// Imports with `import`, once for each part where the first input is complex: for operations that move elements or add them up.
pub(super) fn by_parts(node: &mut Node<'_>, import: fn(&mut Node<'_>) -> Imported) -> Imported {
    let Ok(Bound::Complex(parts)) = node.bound(0) else {
        return import(node);
    };
    let mut of = |part: Option<Value>| -> Result<Option<Value>, Stop> {
        let Some(part) = part else { return Ok(None) };
        node.first = Some(part);
        let result = import(node);
        node.first = None;
        match result?[..] {
            [Bound::Value(value)] => Ok(Some(value)),
            _ => Err(Stop::Foreign),
        }
    };
    let (re, im) = (of(parts.re)?, of(parts.im)?);
    both(re, im)
}

/// Whether the node computes with complex numbers.
pub(super) fn computes(node: &Node<'_>) -> bool {
    matches!(node.attr("T"), Some(Attr::Type(COMPLEX64)))
}

pub(super) fn both(re: Option<Value>, im: Option<Value>) -> Imported {
    Ok(vec![Bound::Complex(Parts { re, im })])
}

pub(super) fn parts(node: &mut Node<'_>, input: usize) -> Result<Parts, Stop> {
    let value = match node.bound(input)? {
        Bound::Complex(parts) => return Ok(parts),
        Bound::Value(value) => value,
        _ => node.value(input)?,
    };
    if node.dtype(value) != DType::Complex64 {
        return Err(Stop::Foreign);
    }
    if let Some(tensor) = node.constant(value) {
        let (dims, bytes) = (tensor.dims().to_vec(), tensor.bytes().into_owned());
        let floats: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        let part = |first: usize| floats.iter().skip(first).step_by(2).copied().collect::<Vec<f32>>();
        let (re, im) = (part(0), part(1));
        let mut stored = |values: Vec<f32>| node.add_const(Tensor::from_vec(&dims, values));
        let im = im.iter().any(|&v| v != 0.0).then(|| stored(im));
        let re = (im.is_none() || re.iter().any(|&v| v != 0.0)).then(|| stored(re));
        return Ok(Parts { re, im });
    }
    Ok(Parts {
        re: Some(node.add(Real {}, &[value])?),
        im: Some(node.add(Imag {}, &[value])?),
    })
}

/// Both parts as values.
pub(super) fn filled(node: &mut Node<'_>, parts: Parts) -> Result<(Value, Value), Stop> {
    Ok(match (parts.re, parts.im) {
        (Some(re), Some(im)) => (re, im),
        (Some(re), None) => (re, node.add(ZerosLike {}, &[re])?),
        (None, Some(im)) => (node.add(ZerosLike {}, &[im])?, im),
        (None, None) => return Err(Stop::Foreign),
    })
}

type Pair = fn(&mut Node<'_>, Value, Value) -> Result<Value, Stop>;

/// A sum or difference of terms of one shape, of which zeros may be missing.
fn combined(node: &mut Node<'_>, x: Option<Value>, y: Option<Value>, minus: bool) -> Result<Option<Value>, Stop> {
    Ok(match (x, y) {
        (Some(x), Some(y)) => Some(if minus { sub(node, x, y)? } else { add(node, x, y)? }),
        (None, Some(y)) if minus => Some(node.add(Neg {}, &[y])?),
        (x, y) => x.or(y),
    })
}

/// The product of two complex values, of which `product` multiplies the parts.
pub(super) fn multiplied(
    node: &mut Node<'_>,
    x: Parts,
    y: Parts,
    product: &dyn Fn(&mut Node<'_>, Value, Value) -> Result<Value, Stop>,
) -> Result<Parts, Stop> {
    let mut of = |x: Option<Value>, y: Option<Value>| x.zip(y).map(|(x, y)| product(node, x, y)).transpose();
    let (a, b) = (of(x.re, y.re)?, of(x.im, y.im)?);
    let (c, d) = (of(x.re, y.im)?, of(x.im, y.re)?);
    Ok(Parts {
        re: combined(node, a, b, true)?,
        im: combined(node, c, d, false)?,
    })
}

/// The kernel multiplies complex values that are whole.
pub(super) fn multiply(node: &mut Node<'_>) -> Imported {
    if let (Bound::Value(x), Bound::Value(y)) = (node.bound(0)?, node.bound(1)?) {
        return one(mul(node, x, y)?);
    }
    let (x, y) = (parts(node, 0)?, parts(node, 1)?);
    Ok(vec![Bound::Complex(multiplied(node, x, y, &mul)?)])
}

pub(super) fn sum(node: &mut Node<'_>) -> Imported {
    termwise(node, add)
}

pub(super) fn difference(node: &mut Node<'_>) -> Imported {
    termwise(node, sub)
}

fn termwise(node: &mut Node<'_>, build: Pair) -> Imported {
    let (x, y) = (parts(node, 0)?, parts(node, 1)?);
    if x.im.is_none() && y.im.is_none() {
        let (x, y) = (filled(node, x)?.0, filled(node, y)?.0);
        let re = build(node, x, y)?;
        return both(Some(re), None);
    }
    let (x, y) = (filled(node, x)?, filled(node, y)?);
    let (re, im) = (build(node, x.0, y.0)?, build(node, x.1, y.1)?);
    both(Some(re), Some(im))
}

/// `x × conj(y) / |y|²`
pub(super) fn quotient(node: &mut Node<'_>) -> Imported {
    let (x, y) = (parts(node, 0)?, parts(node, 1)?);
    let (above, below) = match (y.re, y.im) {
        (Some(re), None) => (x, re),
        _ => {
            let (re, im) = filled(node, y)?;
            let negated = node.add(Neg {}, &[im])?;
            let conjugate = Parts { im: Some(negated), ..y };
            let above = multiplied(node, x, conjugate, &mul)?;
            let (a, b) = (mul(node, re, re)?, mul(node, im, im)?);
            (above, add(node, a, b)?)
        }
    };
    let mut over = |part: Option<Value>| part.map(|part| div(node, part, below)).transpose();
    let (re, im) = (over(above.re)?, over(above.im)?);
    both(re, im)
}

pub(super) fn negated(node: &mut Node<'_>) -> Imported {
    let x = parts(node, 0)?;
    let mut flip = |part: Option<Value>| part.map(|part| node.add(Neg {}, &[part])).transpose();
    let (re, im) = (flip(x.re)?, flip(x.im)?);
    both(re, im)
}

pub(super) fn conjugate(node: &mut Node<'_>) -> Imported {
    // Other than for most operations, complex numbers are the default here.
    if node.attr("T").is_some() && !computes(node) {
        return Err(Stop::Foreign);
    }
    let x = parts(node, 0)?;
    let im = x.im.map(|im| node.add(Neg {}, &[im])).transpose()?;
    both(x.re, im)
}

/// `exp(re) × (cos(im) + i sin(im))`
pub(super) fn exponential(node: &mut Node<'_>) -> Imported {
    let x = parts(node, 0)?;
    let size = x.re.map(|re| node.add(Exp {}, &[re])).transpose()?;
    let Some(im) = x.im else { return both(size, None) };
    let (mut re, mut im) = (node.add(Cos {}, &[im])?, node.add(Sin {}, &[im])?);
    if let Some(size) = size {
        re = mul(node, size, re)?;
        im = mul(node, size, im)?;
    }
    both(Some(re), Some(im))
}

pub(super) fn made(node: &mut Node<'_>) -> Imported {
    let (re, im) = (node.value(0)?, node.value(1)?);
    if node.dtype(re) != DType::F32 || !matches!(node.attr("Tout"), None | Some(Attr::Type(COMPLEX64))) {
        return Err(Stop::Foreign);
    }
    // Of two shapes each part has to get the one that both make.
    if node.shape(re).known().is_none() || node.shape(re) != node.shape(im) {
        let (none_re, none_im) = (node.add(ZerosLike {}, &[re])?, node.add(ZerosLike {}, &[im])?);
        let (re, im) = (add(node, re, none_im)?, add(node, none_re, im)?);
        return both(Some(re), Some(im));
    }
    both(Some(re), Some(im))
}

/// A real number as a complex one, or the real part of a complex one.
pub(super) fn cast(node: &mut Node<'_>) -> Option<Imported> {
    let of = |name: &str, node: &Node<'_>| matches!(node.attr(name), Some(Attr::Type(COMPLEX64)));
    match (of("SrcT", node), of("DstT", node)) {
        (true, true) => Some(node.bound(0).map(|bound| vec![bound])),
        (false, true) => Some(widened(node)),
        (true, false) => Some(narrowed(node)),
        (false, false) => None,
    }
}

fn widened(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    if !node.dtype(x).is_int() && !matches!(node.dtype(x), DType::F32 | DType::Bool) {
        return Err(Stop::Foreign);
    }
    let re = node.cast(x, DType::F32)?;
    both(Some(re), None)
}

fn narrowed(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("DstT", DType::F32)?;
    let x = parts(node, 0)?;
    let re = filled(node, x)?.0;
    one(node.cast(re, dtype)?)
}

pub(super) fn real(node: &mut Node<'_>) -> Imported {
    match node.bound(0)? {
        Bound::Complex(x) => one(filled(node, x)?.0),
        _ => node.unary(Real {}),
    }
}

pub(super) fn imaginary(node: &mut Node<'_>) -> Imported {
    match node.bound(0)? {
        Bound::Complex(x) => one(filled(node, x)?.1),
        _ => node.unary(Imag {}),
    }
}

pub(super) fn absolute(node: &mut Node<'_>) -> Imported {
    let Bound::Complex(x) = node.bound(0)? else {
        return node.unary(ComplexAbs {});
    };
    match (x.re, x.im) {
        (Some(re), Some(im)) => {
            let (a, b) = (mul(node, re, re)?, mul(node, im, im)?);
            let sum = add(node, a, b)?;
            one(node.add(Sqrt {}, &[sum])?)
        }
        (Some(only), None) | (None, Some(only)) => one(node.add(Abs {}, &[only])?),
        (None, None) => Err(Stop::Foreign),
    }
}

pub(super) fn angle(node: &mut Node<'_>) -> Imported {
    let x = parts(node, 0)?;
    let (re, im) = filled(node, x)?;
    one(node.add(Atan2 {}, &[im, re])?)
}

impl Importer {
    /// The one value that the parts make, as the operation of TensorFlow that joins them.
    pub(super) fn complex_value(&mut self, parts: Parts) -> Value {
        let Some(known) = parts.re.or(parts.im) else {
            unreachable!("one of the parts is there");
        };
        let mut whole = |part: Option<Value>| {
            part.unwrap_or_else(|| {
                let ty = self.graph.ty(known).clone();
                self.graph.add_typed(ZerosLike {}, &[known], ty)
            })
        };
        let (re, im) = (whole(parts.re), whole(parts.im));
        let code = |code| AttrValue {
            value: Some(Attr::Type(code)),
        };
        let definition = NodeDef {
            name: "complex".into(),
            op: "Complex".into(),
            attrs: [("T".to_owned(), code(1)), ("Tout".to_owned(), code(COMPLEX64))].into(),
            ..NodeDef::default()
        };
        let op = Foreign {
            name: definition.op.clone(),
            attrs: Attrs::new(),
            definition: Blob(definition.encode_to_vec()),
        };
        let ty: Type = self.graph.ty(known).with_dtype(DType::Complex64);
        let op = self.graph.add_declared(op, &[Some(re), Some(im)], vec![ValueInfo::new(ty)]);
        Value { op, port: 0 }
    }
}
