//! Lets a convolution pad its input itself where the zeros around it are those of `same`.
//!
//! `same` puts `max((⌈n / stride⌉ - 1) × stride + (k - 1) × dilation + 1 - n, 0)` zeros around n elements, the smaller half
//! in front; with a stride of 1 that does not depend on n.

use planish_core::attr::Padding;
use planish_core::{Dim, Graph, Meaning, Op, OpId, OpRef, PassEntry, Rule, Skip, Value, inventory};

use crate::matching::{integers, is_f32, number};

/// Fuses `pad` into the convolution behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FusePad;

/// The convolution, and the input before it is padded.
pub struct Match {
    conv: OpId,
    input: Value,
}

/// The zeros before and after `n` elements that `same` means.
fn same(n: Dim, kernel: usize, stride: usize, dilation: usize) -> Option<(i64, i64)> {
    let window = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    let total = match n.known() {
        _ if stride == 1 => window - 1,
        Some(n) => ((n.div_ceil(stride).max(1) - 1) * stride).checked_add(window)?.saturating_sub(n),
        None => return None,
    };
    Some(((total / 2) as i64, (total - total / 2) as i64))
}

impl Rule for FusePad {
    const NAME: &'static str = "fuse_pad";
    const SUMMARY: &'static str = "lets a convolution pad its input itself";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let (padding, stride, dilation) = match op.op() {
            Op::Conv2d(c) => (c.padding, c.stride, c.dilation),
            Op::DepthwiseConv2d(c) => (c.padding, c.stride, c.dilation),
            _ => return Err(Skip::No),
        };
        let padded = op.operand(0).ok_or(Skip::No)?;
        let pad = padded.producer();
        let zeros = match pad.op() {
            Op::Pad(_) => true,
            Op::PadV2(_) => pad.operand(2).and_then(number) == Some(0.0),
            _ => false,
        };
        if padding != Padding::Valid || !zeros || !is_f32(padded) {
            return Err(Skip::No);
        }
        let Some(paddings) = pad.operand(1).and_then(integers).filter(|p| p.len() == 8) else {
            return Err(Skip::because("the padding before it is not a constant"));
        };
        if [0, 1, 6, 7].iter().any(|&i| paddings[i] != 0) {
            return Err(Skip::because("the padding before it is not only of height and width"));
        }
        let input = pad.operand(0).ok_or(Skip::No)?;
        let weights = op.operand(1).ok_or(Skip::No)?;
        for axis in 0..2 {
            let kernel = weights.ty().shape.dim(1 + axis).known().ok_or(Skip::No)?;
            let extent = input.ty().shape.dim(1 + axis);
            let Some(wanted) = same(extent, kernel, stride[axis] as usize, dilation[axis] as usize) else {
                return Err(Skip::because("the size of its input is not known"));
            };
            if wanted != (paddings[2 + 2 * axis], paddings[3 + 2 * axis]) {
                return Err(Skip::because("the padding before it is not the one of `same`"));
            }
        }
        Ok(Match {
            conv: op.id(),
            input: input.id(),
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let mut op = graph.op(found.conv).clone();
        match &mut op {
            Op::Conv2d(c) => c.padding = Padding::Same,
            Op::DepthwiseConv2d(c) => c.padding = Padding::Same,
            _ => unreachable!("only convolutions are found"),
        }
        let mut operands = graph.operands(found.conv);
        operands[0] = Some(found.input);
        vec![graph.add_with_empty(op, &operands)]
    }
}

inventory::submit! { PassEntry::of::<FusePad>() }
