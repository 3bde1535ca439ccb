//! Lets what can be fused into a convolution or product run before the `reshape` that stands between them.
//!
//! A convolution over one dimension is a `conv_2d` and a `reshape`, then come bias, normalization and activation.

use planish_core::{Graph, Meaning, Op, OpId, OpKind, OpRef, PassEntry, Rule, Skip, Tensor, Value, ValueRef, inventory};

use crate::affine::layout;
use crate::matching::{is_f32, read_once};

/// Moves a `reshape` behind the elementwise operations that follow it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MoveReshapes;

/// The operation to move, which of its operands is reshaped, and its constant as seen before the `reshape`.
pub struct Match {
    op: OpId,
    reshape: OpId,
    data: usize,
    constant: Option<(usize, Tensor)>,
}

/// Whether something may fuse with this operation, or has been moved here itself on its way to one.
fn is_worth_it(kind: OpKind) -> bool {
    use OpKind::*;
    layout(kind).is_some() || matches!(kind, Add | Sub | Mul | Div | BatchNorm)
}

/// The constant as a vector or scalar that means the same before the `reshape`.
fn vector(constant: ValueRef<'_>, data: ValueRef<'_>, inner: ValueRef<'_>) -> Option<Tensor> {
    let tensor = constant.constant().filter(|_| is_f32(constant))?;
    let rank = data.ty().shape.rank()?;
    let last = |v: ValueRef<'_>| v.ty().shape.dims().and_then(|d| d.last()?.known());
    if tensor.dims().len() > rank {
        return None;
    }
    if tensor.elements() == 1 {
        return tensor.reshaped(&[]);
    }
    // The last dimension may also have been taken apart, as into the heads of an attention.
    let channels = last(inner)?;
    let own = tensor
        .dims()
        .iter()
        .position(|&d| d != 1)
        .map_or(&[][..], |first| &tensor.dims()[first..]);
    let trailing = &data.ty().shape.dims()?[rank - own.len()..];
    let kept = tensor.elements() == channels && own.iter().zip(trailing).all(|(&d, t)| t.known() == Some(d));
    kept.then(|| tensor.reshaped(&[channels]))?
}

impl Rule for MoveReshapes {
    const NAME: &'static str = "move_reshapes";
    const SUMMARY: &'static str = "moves a reshape behind operations that can be fused with what is before it";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let binary = match op.op() {
            Op::Relu(_) | Op::Relu6(_) | Op::ReluN1To1(_) | Op::BatchNorm(_) => false,
            Op::Add(_) | Op::Sub(_) | Op::Mul(_) | Op::Div(_) => true,
            _ => return Err(Skip::No),
        };
        let data = if binary && op.operand(0).is_some_and(|x| x.constant().is_some()) {
            1
        } else {
            0
        };
        let value = op.operand(data).ok_or(Skip::No)?;
        let reshape = value.producer();
        let Op::Reshape(_) = reshape.op() else { return Err(Skip::No) };
        let inner = reshape.operand(0).ok_or(Skip::No)?;
        if !is_worth_it(inner.producer().kind()) || !is_f32(value) || !read_once(value) || !read_once(inner) {
            return Err(Skip::No);
        }
        let constant = if binary {
            let other = op.operand(1 - data).ok_or(Skip::No)?;
            Some((1 - data, vector(other, value, inner).ok_or(Skip::No)?))
        } else {
            None
        };
        if matches!(op.op(), Op::BatchNorm(_)) {
            let last = |v: ValueRef<'_>| v.ty().shape.dims().and_then(|d| d.last()?.known());
            if last(value).is_none() || last(value) != last(inner) {
                return Err(Skip::No);
            }
        }
        Ok(Match {
            op: op.id(),
            reshape: reshape.id(),
            data,
            constant,
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let reshape = graph.operands(found.reshape);
        let mut operands = graph.operands(found.op);
        operands[found.data] = reshape[0];
        if let Some((operand, tensor)) = found.constant {
            operands[operand] = Some(graph.add_const(tensor));
        }
        let moved = graph.add_with_empty(graph.op(found.op).clone(), &operands);
        vec![graph.add_with_empty(graph.op(found.reshape).clone(), &[Some(moved), reshape[1]])]
    }
}

inventory::submit! { PassEntry::of::<MoveReshapes>() }
