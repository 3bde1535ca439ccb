//! Writes a convolution between `space_to_batch_nd` and `batch_to_space_nd` as a dilated convolution.
//!
//! Interleaving pixels into batches by blocks of d, convolving, and going back is a convolution of dilation d on the
//! padded input, cropped: what of the padding is not cropped again is the convolution's own. No batch size is needed.

use planish_core::attr::Padding;
use planish_core::op::{ExpandDims, Pad, Squeeze};
use planish_core::{Dim, Graph, Op, OpId, OpRef, PassEntry, Rule, Skip, Tensor, Value, ValueRef, inventory};

use crate::matching::{integers, is_f32, read_once};

/// Fuses `space_to_batch_nd`, a convolution and `batch_to_space_nd` into a dilated convolution.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FuseDilation;

/// The convolution, its new input, dilation and padding (before, after) of height and width; `line` where the data has
/// one spatial dimension.
pub struct Match {
    conv: OpId,
    input: Value,
    dilation: [u32; 2],
    padding: [(i64, i64); 2],
    line: bool,
}

fn constant(value: Option<ValueRef<'_>>) -> Result<Vec<i64>, Skip> {
    value
        .and_then(integers)
        .ok_or_else(|| Skip::because("blocks, paddings and crops are not all constants"))
}

/// What a height of one is put into or taken from, where the data has one spatial dimension.
fn behind<'g>(value: ValueRef<'g>, line: bool) -> Result<ValueRef<'g>, Skip> {
    let op = value.producer();
    if !line || !matches!(op.op(), Op::Reshape(_) | Op::Squeeze(_) | Op::ExpandDims(_)) {
        return Ok(value);
    }
    let before = op.operand(0).ok_or(Skip::No)?;
    let (flat, image) = match value.ty().shape.rank() {
        Some(3) => (value, before),
        _ => (before, value),
    };
    let by_axis = match op.op() {
        Op::Squeeze(squeeze) => squeeze.axes == [1] || squeeze.axes == [-3],
        Op::ExpandDims(_) => op.operand(1).and_then(integers).is_some_and(|axis| axis == [1] || axis == [-3]),
        _ => false,
    };
    match (flat.ty().shape.dims(), image.ty().shape.dims()) {
        (Some(&[batch, width, depth]), Some(&[image_batch, Dim::Known(1), image_width, image_depth])) => {
            let pairs = [(batch, image_batch), (width, image_width), (depth, image_depth)];
            let unlike = pairs.iter().filter(|(a, b)| a.known().is_none() || a != b).count();
            // One extent that is not known is what the others leave.
            let as_many = unlike == 0 || unlike == 1 && pairs.iter().any(|(a, b)| a.known().is_none() && b.known().is_none());
            if by_axis || as_many { Ok(before) } else { Err(Skip::No) }
        }
        _ => Err(Skip::No),
    }
}

impl Rule for FuseDilation {
    const NAME: &'static str = "fuse_dilation";
    const SUMMARY: &'static str = "writes a convolution of interleaved pixels as a dilated convolution";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let Op::BatchToSpaceNd(_) = op.op() else { return Err(Skip::No) };
        let after = op.operand(0).ok_or(Skip::No)?;
        let line = match after.ty().shape.rank() {
            Some(3) => true,
            Some(4) => false,
            _ => return Err(Skip::No),
        };
        if !read_once(after) {
            return Err(Skip::because("the convolution before it has other readers"));
        }
        let product = behind(after, line)?;
        let conv = product.producer();
        let (stride, dilation, padding) = match conv.op() {
            Op::Conv2d(c) => (c.stride, c.dilation, c.padding),
            Op::DepthwiseConv2d(c) => (c.stride, c.dilation, c.padding),
            _ => return Err(Skip::No),
        };
        if stride != [1, 1] || dilation != [1, 1] || padding != Padding::Valid || !is_f32(product) || !read_once(product) {
            return Err(Skip::because(
                "the convolution before it has a stride, a dilation, padding or other readers",
            ));
        }
        let before = behind(conv.operand(0).ok_or(Skip::No)?, line)?;
        let spread = before.producer();
        let Op::SpaceToBatchNd(_) = spread.op() else { return Err(Skip::No) };
        if !read_once(spread.result(0)) {
            return Err(Skip::because("its interleaved input has other readers, which need it anyway"));
        }
        let input = spread.operand(0).ok_or(Skip::No)?;
        let (block, back) = (constant(spread.operand(1))?, constant(op.operand(1))?);
        let (paddings, crops) = (constant(spread.operand(2))?, constant(op.operand(2))?);
        let spatial = if line { 1 } else { 2 };
        if block != back || block.len() != spatial || paddings.len() != 2 * spatial || crops.len() != 2 * spatial {
            return Err(Skip::because("pixels come back in other blocks"));
        }
        if input.ty().shape.rank() != after.ty().shape.rank() {
            return Err(Skip::No);
        }
        let kernel = conv.operand(1).ok_or(Skip::No)?;
        if line && kernel.ty().shape.dim(1).known() != Some(1) {
            return Err(Skip::No);
        }
        let net: Vec<(i64, i64)> = (0..spatial)
            .map(|a| (paddings[2 * a] - crops[2 * a], paddings[2 * a + 1] - crops[2 * a + 1]))
            .collect();
        if net.iter().any(|&(b, a)| b < 0 || a < 0) {
            return Err(Skip::because("more is cropped than was padded"));
        }
        let extent = |a: usize| u32::try_from(block[a]).map_err(|_| Skip::No);
        let (dilation, padding) = if line {
            ([1, extent(0)?], [(0, 0), net[0]])
        } else {
            ([extent(0)?, extent(1)?], [net[0], net[1]])
        };
        Ok(Match {
            conv: conv.id(),
            input: input.id(),
            dilation,
            padding,
            line,
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let mut operands = graph.operands(found.conv);
        let kernel = operands[1].expect("a convolution has weights");
        let own = |axis: usize| {
            let kernel = graph.ty(kernel).shape.dim(1 + axis).known()?;
            let total = kernel.checked_sub(1)? as i64 * i64::from(found.dilation[axis]);
            Some((total / 2, total - total / 2))
        };
        let none = found.padding == [(0, 0); 2];
        let same = !none && (0..2).all(|axis| own(axis) == Some(found.padding[axis]));
        let mut input = found.input;
        if found.line {
            let axis = graph.add_int(1);
            input = graph.add(ExpandDims {}, &[input, axis]);
        }
        if !none && !same {
            let [(top, bottom), (left, right)] = found.padding;
            let zeros = [0, 0, top, bottom, left, right, 0, 0].map(|p| p as i32);
            let zeros = graph.add_const(Tensor::from_vec(&[4, 2], zeros.to_vec()));
            input = graph.add(Pad {}, &[input, zeros]);
        }
        operands[0] = Some(input);
        let mut op = graph.op(found.conv).clone();
        let padding = if same { Padding::Same } else { Padding::Valid };
        match &mut op {
            Op::Conv2d(c) => (c.dilation, c.padding) = (found.dilation, padding),
            Op::DepthwiseConv2d(c) => (c.dilation, c.padding) = (found.dilation, padding),
            _ => unreachable!("only convolutions are found"),
        }
        let mut result = graph.add_with_empty(op, &operands);
        if found.line {
            result = graph.add(Squeeze { axes: vec![1] }, &[result]);
        }
        vec![result]
    }
}

inventory::submit! { PassEntry::of::<FuseDilation>() }
