//! Writes matrix products in the form that runtimes are best at.
//!
//! By a constant matrix: `fully_connected`, whose weights are a transposed view of the constant. A constant matrix by a column is the same, as
//! a column is a row in another shape. By anything else:
//! `batch_matmul`. Reshapes around `fully_connected` that only fold and unfold leading dimensions go, and transposes
//! before `batch_matmul` become its attributes.

use std::sync::Arc;

use planish_core::attr::{Activation, WeightsFormat};
use planish_core::extents::{extent_of, same_extent};
use planish_core::op::{BatchMatmul, FullyConnected, Relu, Relu6, ReluN1To1, Reshape, Tanh, Transpose};
use planish_core::{Graph, Op, OpId, OpRef, PassEntry, Rule, Skip, Tensor, Value, ValueRef, inventory};

use crate::arithmetic::add;
use crate::matching::{is_f32, read_once};
use crate::reshaping::{permutation, surely_same};

/// Chooses between `fully_connected` and `batch_matmul`, and removes what stands around them for shape's sake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CanonicalizeMatmul;

/// What is to be done.
pub enum Match {
    /// `batch_matmul` by a constant becomes `fully_connected`.
    Connect { product: OpId, weights: Tensor },
    /// `batch_matmul` of a constant by a column becomes `fully_connected` of the column as a row.
    Turn { product: OpId, weights: Tensor },
    /// A `transpose` before `batch_matmul` becomes an attribute.
    Absorb { product: OpId, operand: usize, input: Value },
    /// `fully_connected` by computed weights becomes `batch_matmul`.
    Multiply {
        product: OpId,
        /// How many elements a row of the first operand has, where it has to be reshaped to rows first.
        rows: Option<i32>,
    },
    /// The `reshape` before `fully_connected` goes.
    Unfold { product: OpId, input: Value },
    /// The `reshape` after `fully_connected` goes.
    KeepDims { product: OpId },
}

/// Whether a value is a constant or made from constants by moving and converting elements.
fn is_weight(value: ValueRef<'_>) -> bool {
    let mut value = value;
    for _ in 0..8 {
        match value.producer().op() {
            Op::Const(_) => return true,
            Op::Dequantize(_) | Op::Quantize(_) | Op::Cast(_) | Op::Transpose(_) | Op::Reshape(_) | Op::Densify(_) => {}
            _ => return false,
        }
        let Some(next) = value.producer().operand(0) else { return false };
        value = next;
    }
    false
}

/// The constant as weights `[out, in]`.
fn as_weights(constant: &Tensor, transposed: bool) -> Option<Tensor> {
    let (rows, columns) = match constant.dims() {
        [leading @ .., rows, columns] if leading.iter().all(|&d| d == 1) => (*rows, *columns),
        _ => return None,
    };
    let matrix = constant.reshaped(&[rows, columns])?;
    if transposed { Some(matrix) } else { matrix.transposed(&[1, 0]) }
}

fn product(op: OpRef<'_>, attributes: &BatchMatmul) -> Result<Match, Skip> {
    let (x, y) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
    if !is_f32(x) || !is_f32(y) {
        return Err(Skip::No);
    }
    if let Some(constant) = y.constant() {
        let rank = x.ty().shape.rank().unwrap_or(0);
        if let Some(weights) =
            as_weights(constant, attributes.adj_y).filter(|w| rank >= 2 && rank >= constant.dims().len() && w.elements() > 0)
        {
            if attributes.adj_x && rank != 2 {
                return Err(Skip::because("its first operand is transposed"));
            }
            return Ok(Match::Connect { product: op.id(), weights });
        }
    }
    if let Some(weights) = weights_of_column(x, y, attributes) {
        return Ok(Match::Turn { product: op.id(), weights });
    }
    for (operand, value) in [(0, x), (1, y)] {
        let transpose = value.producer();
        let Op::Transpose(_) = transpose.op() else { continue };
        let Some(axes) = permutation(transpose).filter(|p| p.len() >= 2) else {
            continue;
        };
        let rank = axes.len();
        let swapped = (0..rank - 2).chain([rank - 1, rank - 2]);
        if axes.iter().copied().eq(swapped) {
            let input = transpose.operand(0).ok_or(Skip::No)?.id();
            return Ok(Match::Absorb {
                product: op.id(),
                operand,
                input,
            });
        }
    }
    Err(Skip::No)
}

/// The constant first operand of a product by a single column as weights.
fn weights_of_column(x: ValueRef<'_>, y: ValueRef<'_>, attributes: &BatchMatmul) -> Option<Tensor> {
    let constant = x.constant().filter(|c| c.dims().len() == 2 && c.elements() > 0)?;
    let shape = &y.ty().shape;
    let columns = shape.dim(usize::from(!attributes.adj_y)).known();
    let is_column = shape.rank() == Some(2) && columns == Some(1) && y.constant().is_none();
    let weights = as_weights(constant, !attributes.adj_x).filter(|_| is_column)?;
    weights.dims().iter().all(|&d| i32::try_from(d).is_ok()).then_some(weights)
}

fn connected(op: OpRef<'_>, attributes: &FullyConnected) -> Result<Match, Skip> {
    let (x, weights) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
    if !is_f32(x) || !is_f32(weights) || attributes.weights_format != WeightsFormat::Plain {
        return Err(Skip::No);
    }
    let last = |v: ValueRef<'_>| v.ty().shape.dims().and_then(|d| d.last()?.known());
    if let Some(last) = last(x)
        && !is_weight(weights)
        && attributes.activation != Activation::SignBit
    {
        if op.operand(2).is_some_and(|bias| bias.ty().shape.rank() != Some(1)) {
            return Err(Skip::because("the bias of its product is no vector"));
        }
        let depth = weights.ty().shape.dim(1).known().unwrap_or(last);
        let flat = attributes.keep_num_dims || x.ty().shape.rank() == Some(2) && last == depth;
        let rows = if flat {
            None
        } else {
            Some(i32::try_from(depth).ok().filter(|&d| d > 0).ok_or(Skip::No)?)
        };
        return Ok(Match::Multiply { product: op.id(), rows });
    }
    if let Op::Reshape(_) = x.producer().op()
        && !attributes.keep_num_dims
    {
        let input = x.producer().operand(0).ok_or(Skip::No)?;
        let depth = weights.ty().shape.dim(1).known();
        if depth.is_some() && last(input) == depth && last(x) == depth && input.ty().shape.rank() >= Some(2) {
            return Ok(Match::Unfold {
                product: op.id(),
                input: input.id(),
            });
        }
    }
    Err(Skip::No)
}

fn unfolded(op: OpRef<'_>) -> Result<Match, Skip> {
    let flat = op.operand(0).ok_or(Skip::No)?;
    let Op::FullyConnected(product) = flat.producer().op() else {
        return Err(Skip::No);
    };
    let (Some(input), Some(weights)) = (flat.producer().operand(0), flat.producer().operand(1)) else {
        return Err(Skip::No);
    };
    let (from, to) = (&input.ty().shape, &op.result(0).ty().shape);
    let (Some(channels), Some(dims)) = (flat.ty().shape.dims().and_then(|d| d.last()), from.dims()) else {
        return Err(Skip::No);
    };
    let Some((depth, leading)) = dims.split_last() else {
        return Err(Skip::No);
    };
    if depth.known().is_none() || *depth != weights.ty().shape.dim(1) {
        return Err(Skip::No);
    }
    let kept = planish_core::Shape::new(leading.iter().copied().chain([*channels]));
    let shaped = surely_same(&kept, to) || leading_extents_of(op, input, leading.len()) && to.dim(leading.len()) == *channels;
    if product.keep_num_dims || !is_f32(flat) || dims.len() < 2 || channels.known().is_none() || !shaped {
        return Err(Skip::No);
    }
    if !read_once(flat) {
        return Err(Skip::because("the product before it has other readers"));
    }
    Ok(Match::KeepDims {
        product: flat.producer().id(),
    })
}

/// Whether a `reshape` to `leading` dimensions and one more takes the former from `input`, whatever they are at run time.
fn leading_extents_of(reshape: OpRef<'_>, input: ValueRef<'_>, leading: usize) -> bool {
    let (graph, result) = (reshape.graph(), reshape.result(0));
    let taken = |axis: usize| {
        let known = result.ty().shape.dim(axis).known();
        let source = || extent_of(reshape.operand(1)?, axis);
        known.is_some() && known == input.ty().shape.dim(axis).known()
            || source().is_some_and(|source| same_extent(graph, source, (input.id(), axis)))
    };
    result.ty().shape.rank() == Some(leading + 1) && (0..leading).all(taken)
}

impl Rule for CanonicalizeMatmul {
    const NAME: &'static str = "canonicalize_matmul";
    const SUMMARY: &'static str = "writes products by constants as fully_connected and all others as batch_matmul";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        match op.op() {
            Op::BatchMatmul(attributes) => product(op, attributes),
            Op::FullyConnected(attributes) => connected(op, attributes),
            Op::Reshape(_) => unfolded(op),
            _ => Err(Skip::No),
        }
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        vec![match found {
            Match::Connect { product, weights } => connect(graph, product, weights),
            Match::Turn { product, weights } => turn(graph, product, weights),
            Match::Absorb { product, operand, input } => {
                let mut op = graph.op(product).clone();
                if let Op::BatchMatmul(op) = &mut op {
                    let adjoint = if operand == 0 { &mut op.adj_x } else { &mut op.adj_y };
                    *adjoint = !*adjoint;
                }
                let mut operands = graph.operands(product);
                operands[operand] = Some(input);
                graph.add_with_empty(op, &operands)
            }
            Match::Multiply { product, rows } => multiply(graph, product, rows),
            Match::Unfold { product, input } => {
                let mut operands = graph.operands(product);
                operands[0] = Some(input);
                graph.add_with_empty(graph.op(product).clone(), &operands)
            }
            Match::KeepDims { product } => keep_dims(graph, product),
        }]
    }
}

/// The same `fully_connected` with its input's leading dimensions kept.
pub(crate) fn keep_dims(graph: &mut Graph, product: OpId) -> Value {
    let mut op = graph.op(product).clone();
    if let Op::FullyConnected(op) = &mut op {
        op.keep_num_dims = true;
    }
    let operands = graph.operands(product);
    graph.add_with_empty(op, &operands)
}

fn connect(graph: &mut Graph, product: OpId, weights: Tensor) -> Value {
    let operands = graph.operands(product);
    let (mut x, y) = (operands[0].expect("found with both"), operands[1].expect("found with both"));
    if matches!(graph.op(product), Op::BatchMatmul(op) if op.adj_x) {
        let axes = graph.add_ints(&[1, 0]);
        x = graph.add(Transpose {}, &[x, axes]);
    }
    let name = graph.info(y).name.clone();
    fully_connected(graph, x, weights, name)
}

fn turn(graph: &mut Graph, product: OpId, weights: Tensor) -> Value {
    let operands = graph.operands(product);
    let (x, y) = (operands[0].expect("found with both"), operands[1].expect("found with both"));
    let name = graph.info(x).name.clone();
    let [rows, depth] = [0, 1].map(|axis| i32::try_from(weights.dims()[axis]).expect("found so"));
    let (row, column) = (graph.add_ints(&[1, depth]), graph.add_ints(&[rows, 1]));
    let row = graph.add(Reshape {}, &[y, row]);
    let product = fully_connected(graph, row, weights, name);
    graph.add(Reshape {}, &[product, column])
}

fn fully_connected(graph: &mut Graph, x: Value, weights: Tensor, name: Option<Arc<str>>) -> Value {
    let weights = graph.add_const(weights);
    graph.info_mut(weights).name = name;
    let op = FullyConnected {
        activation: Activation::None,
        keep_num_dims: graph.ty(x).shape.rank() > Some(2),
        asymmetric_quantize_inputs: false,
        weights_format: WeightsFormat::Plain,
    };
    graph.add(op, &[x, weights])
}

fn multiply(graph: &mut Graph, product: OpId, rows: Option<i32>) -> Value {
    let operands = graph.operands(product);
    let (mut x, weights) = (operands[0].expect("found with both"), operands[1].expect("found with both"));
    let Op::FullyConnected(attributes) = graph.op(product).clone() else {
        unreachable!("found as one")
    };
    if let Some(elements) = rows {
        let shape = graph.add_ints(&[-1, elements]);
        x = graph.add(Reshape {}, &[x, shape]);
    }
    let op = BatchMatmul {
        adj_x: false,
        adj_y: true,
        asymmetric_quantize_inputs: attributes.asymmetric_quantize_inputs,
    };
    let mut result = graph.add(op, &[x, weights]);
    if let Some(bias) = operands.get(2).copied().flatten() {
        result = add(graph, result, bias);
    }
    match attributes.activation {
        Activation::Relu => graph.add(Relu {}, &[result]),
        Activation::Relu6 => graph.add(Relu6 {}, &[result]),
        Activation::ReluN1To1 => graph.add(ReluN1To1 {}, &[result]),
        Activation::Tanh => graph.add(Tanh {}, &[result]),
        Activation::None | Activation::SignBit => result,
    }
}

inventory::submit! { PassEntry::of::<CanonicalizeMatmul>() }
