//! Gradients, which models hold that differentiate (saliency maps, forces, a signature that trains), and training's steps.
//!
//! The gradient of a function comes with the gradient `g` of what follows it, and with the input `x` of the function or
//! its result `y`.

use planish_core::extents::{extent_of, same_extent};
use planish_core::graph::Value;
use planish_core::known::known_ints;
use planish_core::op::{
    Abs, Equal, Greater, GreaterEqual, Less, LessEqual, LogicalAnd, LogicalNot, LogicalOr, Logistic, Mean, ReduceProd, Reshape, Rsqrt,
    ScatterNd, SelectV2, Shape, Sqrt, Sum, Where,
};
use planish_core::types::DType;

use super::batch_norm::statistics;
use super::binary::{add, div, mul, sub, zero_where};
use super::convolution::implicit_padding;
use super::node::{Node, many, one};
use super::patches::greatest_and_place;
use super::resource::{changed, target, write};
use super::scatter::chosen_places;
use super::unary::{SELU_ALPHA, SELU_SCALE, plus, times};
use super::{Bound, Imported, Stop};

/// No tensor has more axes than this.
const MOST_AXES: usize = 64;

/// The gradient and the input or result, as operations take them that name the gradient first.
fn gradient_first(node: &mut Node<'_>) -> Result<(Value, Value), Stop> {
    Ok((node.value(0)?, node.value(1)?))
}

/// The result and the gradient, as operations take them that name the gradient last.
fn gradient_last(node: &mut Node<'_>) -> Result<(Value, Value), Stop> {
    Ok((node.value(1)?, node.value(0)?))
}

/// `g` where `x > 0`
pub(super) fn relu(node: &mut Node<'_>) -> Imported {
    let (g, x) = gradient_first(node)?;
    let zero = node.number(0.0, x)?;
    let off = node.add(LessEqual {}, &[x, zero])?;
    one(zero_where(node, off, g)?)
}

/// `g` where `0 < x < 6`
pub(super) fn relu6(node: &mut Node<'_>) -> Imported {
    let (g, x) = gradient_first(node)?;
    let (zero, six) = (node.number(0.0, x)?, node.number(6.0, x)?);
    let below = node.add(LessEqual {}, &[x, zero])?;
    let above = node.add(GreaterEqual {}, &[x, six])?;
    let off = node.add(LogicalOr {}, &[below, above])?;
    one(zero_where(node, off, g)?)
}

/// `g` where `x > 0`, and `g × alpha` elsewhere
pub(super) fn leaky_relu(node: &mut Node<'_>) -> Imported {
    let (g, x) = gradient_first(node)?;
    let alpha = f64::from(node.attr_float("alpha", 0.2));
    let small = times(node, g, alpha)?;
    chosen_by_sign(node, x, g, small)
}

/// `g` where `y > 0`, and `g × (y + 1)` elsewhere
pub(super) fn elu(node: &mut Node<'_>) -> Imported {
    let (g, y) = gradient_first(node)?;
    let slope = plus(node, y, 1.0)?;
    let negative = mul(node, g, slope)?;
    chosen_by_sign(node, y, g, negative)
}

/// `g × (y + scale × alpha)` where `y < 0`, and `g × scale` elsewhere
pub(super) fn selu(node: &mut Node<'_>) -> Imported {
    let (g, y) = gradient_first(node)?;
    let slope = plus(node, y, SELU_SCALE * SELU_ALPHA)?;
    let (positive, negative) = (times(node, g, SELU_SCALE)?, mul(node, g, slope)?);
    let zero = node.number(0.0, y)?;
    let below = node.add(Less {}, &[y, zero])?;
    one(node.add(SelectV2 {}, &[below, negative, positive])?)
}

fn chosen_by_sign(node: &mut Node<'_>, x: Value, positive: Value, other: Value) -> Imported {
    let zero = node.number(0.0, x)?;
    let on = node.add(Greater {}, &[x, zero])?;
    one(node.add(SelectV2 {}, &[on, positive, other])?)
}

/// `g × sigmoid(x)`
pub(super) fn softplus(node: &mut Node<'_>) -> Imported {
    let (g, x) = gradient_first(node)?;
    let slope = node.add(Logistic {}, &[x])?;
    one(mul(node, g, slope)?)
}

/// `g / (1 + |x|)²`
pub(super) fn softsign(node: &mut Node<'_>) -> Imported {
    let (g, x) = gradient_first(node)?;
    let size = node.add(Abs {}, &[x])?;
    let below = plus(node, size, 1.0)?;
    let squared = mul(node, below, below)?;
    one(div(node, g, squared)?)
}

/// `g × (1 - y²)`
pub(super) fn tanh(node: &mut Node<'_>) -> Imported {
    let (g, y) = gradient_last(node)?;
    let squared = mul(node, y, y)?;
    let negated = times(node, squared, -1.0)?;
    let slope = plus(node, negated, 1.0)?;
    one(mul(node, g, slope)?)
}

/// `g × y × (1 - y)`
pub(super) fn sigmoid(node: &mut Node<'_>) -> Imported {
    let (g, y) = gradient_last(node)?;
    let negated = times(node, y, -1.0)?;
    let rest = plus(node, negated, 1.0)?;
    let slope = mul(node, y, rest)?;
    one(mul(node, g, slope)?)
}

/// `g / 2 / y`
pub(super) fn sqrt(node: &mut Node<'_>) -> Imported {
    let (g, y) = gradient_last(node)?;
    let half = times(node, g, 0.5)?;
    one(div(node, half, y)?)
}

/// `-g / 2 × y³`
pub(super) fn rsqrt(node: &mut Node<'_>) -> Imported {
    let (g, y) = gradient_last(node)?;
    let squared = mul(node, y, y)?;
    let cubed = mul(node, squared, y)?;
    let half = times(node, g, -0.5)?;
    one(mul(node, half, cubed)?)
}

/// `-g × y²`
pub(super) fn reciprocal(node: &mut Node<'_>) -> Imported {
    let (g, y) = gradient_last(node)?;
    let squared = mul(node, y, y)?;
    let negated = times(node, g, -1.0)?;
    one(mul(node, negated, squared)?)
}

/// The gradient of a bias: the sums for each channel.
pub(super) fn bias(node: &mut Node<'_>) -> Imported {
    let g = node.value(0)?;
    let rank = node.known_rank(g)?;
    let channels = match node.attr_text("data_format", "NHWC").starts_with("NC") {
        true => 1,
        false => rank.saturating_sub(1),
    };
    let axes: Vec<i32> = (0..rank).filter(|&axis| axis != channels).map(|axis| axis as i32).collect();
    let axes = node.add_ints(&axes);
    one(node.add(Sum { keep_dims: false }, &[g, axes])?)
}

/// The gradients of a batch normalization: towards its input, its scale and its offset. While it is trained, the batch's
/// mean and variance move with each input (Ioffe and Szegedy, "Batch normalization", 2015, section 3).
pub(super) fn batch_norm(node: &mut Node<'_>) -> Imported {
    if node.attr_text("data_format", "NHWC") != "NHWC" {
        return Err(Stop::Foreign);
    }
    let (g, x, scale) = (node.value(0)?, node.value(1)?, node.value(2)?);
    let trained = node.attr_bool_or("is_training", true);
    let (mean, variance) = match trained {
        true => statistics(node, x)?,
        false => (node.value(3)?, node.value(4)?),
    };
    let axes: Vec<i32> = (0..node.known_rank(x)?.saturating_sub(1) as i32).collect();
    let axes = node.add_ints(&axes);
    let raised = plus(node, variance, f64::from(node.attr_float("epsilon", 1e-4)))?;
    let deviation = node.add(Rsqrt {}, &[raised])?;
    let slope = mul(node, scale, deviation)?;
    let centered = sub(node, x, mean)?;
    let normal = mul(node, centered, deviation)?;
    let each = mul(node, g, normal)?;
    let own = match trained {
        true => {
            let common = node.add(Mean { keep_dims: false }, &[g, axes])?;
            let along = node.add(Mean { keep_dims: false }, &[each, axes])?;
            let along = mul(node, normal, along)?;
            let rest = sub(node, g, common)?;
            sub(node, rest, along)?
        }
        false => g,
    };
    let to_input = mul(node, own, slope)?;
    let to_scale = node.add(Sum { keep_dims: false }, &[each, axes])?;
    let to_offset = node.add(Sum { keep_dims: false }, &[g, axes])?;
    many(vec![to_input, to_scale, to_offset])
}

/// The gradient of a window's maximum goes to the first of its greatest pixels.
pub(super) fn max_pool(node: &mut Node<'_>) -> Imported {
    implicit_padding(node)?;
    if node.attr_text("data_format", "NHWC") != "NHWC" {
        return Err(Stop::Foreign);
    }
    let (image, g) = (node.value(0)?, node.value(2)?);
    let (_, place) = greatest_and_place(node, image, true)?;
    let shape = node.add(Shape { dtype: DType::I32 }, &[image])?;
    let (line, column) = (node.add_ints(&[-1]), node.add_ints(&[-1, 1]));
    let flat = node.add(Reshape {}, &[image, line])?;
    let count = node.add(Shape { dtype: DType::I32 }, &[flat])?;
    let place = node.add(Reshape {}, &[place, column])?;
    let g = node.add(Reshape {}, &[g, line])?;
    let sums = node.add(ScatterNd {}, &[place, g, count])?;
    one(node.add(Reshape {}, &[sums, shape])?)
}

/// The axes over which the gradients of two operands are summed up again, after one was stretched to the other.
pub(super) fn broadcast_axes(node: &mut Node<'_>) -> Imported {
    let shapes = [node.value(0)?, node.value(1)?];
    let mut extents = Vec::new();
    for shape in shapes {
        extents.push(extents_of(node, shape)?);
    }
    let rank = extents.iter().map(Vec::len).max().unwrap_or(0);
    let dtype = node.attr_dtype("T", DType::I32)?;
    let ranks = [extents[0].len(), extents[1].len()];
    // An operand of lower rank is stretched along the first axes.
    for extents in &mut extents {
        extents.splice(0..0, vec![Some(1); rank - extents.len()]);
    }
    let same = |node: &Node<'_>, axis: usize| {
        let graph = &node.importer.graph;
        let source = |i: usize| extent_of(graph.value(shapes[i]), (axis + ranks[i]).checked_sub(rank)?);
        source(0).zip(source(1)).is_some_and(|(a, b)| same_extent(graph, a, b))
    };
    let mut results = Vec::new();
    for (this, other) in [(0, 1), (1, 0)] {
        // Sums over an extent of 1 change nothing, so those of which neither operand has more do not matter.
        let stretched: Option<Vec<bool>> = (0..rank)
            .map(|axis| match (extents[this][axis], extents[other][axis]) {
                (Some(extent), _) => Some(extent == 1),
                (None, Some(1)) => Some(false),
                (None, None) if same(node, axis) => Some(false),
                (None, _) => None,
            })
            .collect();
        let axes = match stretched {
            Some(stretched) => {
                let axes: Vec<i32> = (0..).zip(stretched).filter_map(|(axis, yes)| yes.then_some(axis)).collect();
                node.add_ints(&axes)
            }
            None => stretched_axes(node, shapes[this], shapes[other], rank)?,
        };
        results.push(node.cast(axes, dtype)?);
    }
    many(results)
}

/// What is known of the extents in a shape.
pub(super) fn extents_of(node: &Node<'_>, shape: Value) -> Result<Vec<Option<i64>>, Stop> {
    let rank = node.shape(shape).dim(0).known().filter(|&rank| rank <= MOST_AXES);
    let unknown = || rank.map(|rank| vec![None; rank]);
    known_ints(node.importer.graph.value(shape)).or_else(unknown).ok_or(Stop::Foreign)
}

/// The axes along which `this` is 1 and `other` is not.
fn stretched_axes(node: &mut Node<'_>, this: Value, other: Value, rank: usize) -> Result<Value, Stop> {
    let unit = node.add_int(1);
    let is_one = |node: &mut Node<'_>, shape: Value| -> Result<Value, Stop> {
        let missing = rank - node.shape(shape).dim(0).known().ok_or(Stop::Foreign)?;
        let shape = node.as_i32(shape)?;
        let ones = node.add_ints(&vec![1; missing]);
        let extents = if missing == 0 {
            shape
        } else {
            node.concatenated(&[ones, shape], 0)?
        };
        node.add(Equal {}, &[extents, unit])
    };
    let (this, other) = (is_one(node, this)?, is_one(node, other)?);
    let long = node.add(LogicalNot {}, &[other])?;
    let stretched = node.add(LogicalAnd {}, &[this, long])?;
    let axes = node.add(Where {}, &[stretched])?;
    let line = node.add_ints(&[-1]);
    let axes = node.add(Reshape {}, &[axes, line])?;
    node.as_i32(axes)
}

/// The gradient of a slice: zeros of the shape that input 0 is, with the gradient where the slice lies.
pub(super) fn strided_slice(node: &mut Node<'_>) -> Imported {
    let (shape, g) = (node.index_input(0)?, node.value(4)?);
    let first = node.add_ints(&[0]);
    let count = node.add(ReduceProd { keep_dims: false }, &[shape, first])?;
    let numbers = node.numbers_below(count)?;
    let positions = node.add(Reshape {}, &[numbers, shape])?;
    let (_, indices) = chosen_places(node, positions)?;
    let (line, one_extent) = (node.add_ints(&[-1]), node.add_ints(&[1]));
    let updates = node.add(Reshape {}, &[g, line])?;
    let count = node.add(Reshape {}, &[count, one_extent])?;
    let sums = node.add(ScatterNd {}, &[indices, updates, count])?;
    one(node.add(Reshape {}, &[sums, shape])?)
}

/// Where each of the parts begins that were put together along an axis.
pub(super) fn concat_offsets(node: &mut Node<'_>) -> Imported {
    let axis = node.int(0)?;
    let shapes = node.values(1..node.input_count())?;
    let rank = node.shape(*shapes.first().ok_or(Stop::Foreign)?).dim(0).known();
    let rank = rank.filter(|&rank| rank <= MOST_AXES).ok_or(Stop::Foreign)?;
    let axis = node.axis(axis, rank)?;
    let dtype = node.attr_dtype("shape_type", DType::I32)?;
    // 1 along the axis and 0 along others.
    let along: Vec<i32> = (0..rank).map(|a| i32::from(a == axis)).collect();
    let along = node.add_ints(&along);
    let mut begin = node.add_ints(&vec![0; rank]);
    let mut results = Vec::new();
    for shape in shapes {
        results.push(node.cast(begin, dtype)?);
        let shape = node.as_i32(shape)?;
        let extent = mul(node, shape, along)?;
        begin = add(node, begin, extent)?;
    }
    many(results)
}

/// The variable less a step against its gradient.
pub(super) fn descent(node: &mut Node<'_>) -> Imported {
    changed(node, |node, old| {
        let (rate, gradient) = (node.value(1)?, node.value(2)?);
        let step = mul(node, rate, gradient)?;
        sub(node, old, step)
    })
}

/// A step with momentum as Keras takes it: the momentum is what is added to the variable.
pub(super) fn momentum(node: &mut Node<'_>) -> Imported {
    let (variable, moving) = (target(node, 0)?, target(node, 1)?);
    let (old, speed) = (node.value(0)?, node.value(1)?);
    let (rate, gradient, momentum) = (node.value(2)?, node.value(3)?, node.value(4)?);
    let (kept, step) = (mul(node, speed, momentum)?, mul(node, rate, gradient)?);
    let speed = sub(node, kept, step)?;
    let change = match node.attr_bool("use_nesterov") {
        true => {
            let ahead = mul(node, speed, momentum)?;
            sub(node, ahead, step)?
        }
        false => speed,
    };
    let new = add(node, old, change)?;
    write(node, moving, speed);
    write(node, variable, new);
    Ok(vec![Bound::Variable(variable)])
}

/// A step of Adam (Kingma and Ba, "Adam: a method for stochastic optimization", 2015, the order of computation that ends
/// its section 2).
pub(super) fn adam(node: &mut Node<'_>) -> Imported {
    let [variable, first, second] = [target(node, 0)?, target(node, 1)?, target(node, 2)?];
    let [old, m, v] = [node.value(0)?, node.value(1)?, node.value(2)?];
    let [power_1, power_2, rate] = [node.value(3)?, node.value(4)?, node.value(5)?];
    let [beta_1, beta_2, epsilon, g] = [node.value(6)?, node.value(7)?, node.value(8)?, node.value(9)?];
    let (rest_1, rest_2) = (rest_of_one(node, power_1)?, rest_of_one(node, power_2)?);
    let root = node.add(Sqrt {}, &[rest_2])?;
    let scaled = mul(node, rate, root)?;
    let rate = div(node, scaled, rest_1)?;
    let m = moved_towards(node, m, g, beta_1)?;
    let squared = mul(node, g, g)?;
    let v = moved_towards(node, v, squared, beta_2)?;
    let above = match node.attr_bool("use_nesterov") {
        true => moved_towards(node, m, g, beta_1)?,
        false => m,
    };
    let above = mul(node, rate, above)?;
    let root = node.add(Sqrt {}, &[v])?;
    let below = add(node, root, epsilon)?;
    let step = div(node, above, below)?;
    let new = sub(node, old, step)?;
    write(node, first, m);
    write(node, second, v);
    write(node, variable, new);
    Ok(vec![Bound::Variable(variable)])
}

/// `1 - x`
fn rest_of_one(node: &mut Node<'_>, x: Value) -> Result<Value, Stop> {
    let unit = node.number(1.0, x)?;
    sub(node, unit, x)
}

/// `beta × mean + (1 - beta) × x`
fn moved_towards(node: &mut Node<'_>, mean: Value, x: Value, beta: Value) -> Result<Value, Stop> {
    let rest = rest_of_one(node, beta)?;
    let (kept, new) = (mul(node, mean, beta)?, mul(node, x, rest)?);
    add(node, kept, new)
}
