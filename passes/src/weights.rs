//! Which operands are weights: what post-training quantization looks at, and along which axis scales may vary.

use planish_core::{DType, Graph, Op, OpId, OpRef, Value, ValueRef};

/// One operand that is a weight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weight {
    /// Which operand it is.
    pub operand: usize,
    /// The axis along which each slice may have its own scale; `None` where the kernels take one scale only.
    pub axis: Option<usize>,
}

/// The operands of an operation that are weights, constant or not.
///
/// Axes are those that LiteRT's kernels read scales along: output channels of convolutions and fully connected
/// operations, columns of a matrix product, rows of a table.
pub fn weights(op: OpRef<'_>) -> Vec<Weight> {
    let one = |operand, axis| vec![Weight { operand, axis }];
    match op.op() {
        Op::Conv2d(_) | Op::TransposeConv(_) | Op::FullyConnected(_) => one(1, Some(0)),
        Op::DepthwiseConv2d(_) => one(1, Some(3)),
        Op::Conv3d(_) => one(1, Some(4)),
        Op::Conv3dTranspose(_) => one(1, Some(3)),
        Op::BatchMatmul(product) => {
            let rank = op.operand(1).and_then(|y| y.ty().shape.rank()).unwrap_or(0);
            one(1, rank.checked_sub(if product.adj_y { 2 } else { 1 }))
        }
        Op::Gather(gather) if gather.axis == 0 && gather.batch_dims == 0 => one(0, Some(0)),
        Op::EmbeddingLookup(_) => one(1, Some(0)),
        Op::Lstm(_) | Op::UnidirectionalSequenceLstm(_) => some_of(op, (1..=8).chain([16])),
        Op::BidirectionalSequenceLstm(_) => some_of(op, (1..=8).chain([16]).chain(18..=25).chain([33]).chain(40..=47)),
        Op::Rnn(_) | Op::UnidirectionalSequenceRnn(_) | Op::Svdf(_) => some_of(op, 1..=2),
        Op::BidirectionalSequenceRnn(_) => some_of(op, [1, 2, 5, 6]),
        _ => Vec::new(),
    }
}

/// The names by which people may choose an operation: its own, with its graph's and without, and its weight's.
pub fn names(graph: &Graph, op: OpId, weight: Value) -> Vec<String> {
    let label = graph.label(op);
    let names = [
        Some(format!("{}/{label}", graph.name())),
        Some(label),
        graph.info(weight).name.as_deref().map(str::to_owned),
    ];
    names.into_iter().flatten().collect()
}

fn some_of(op: OpRef<'_>, operands: impl IntoIterator<Item = usize>) -> Vec<Weight> {
    let present = |&operand: &usize| op.operand(operand).is_some();
    operands
        .into_iter()
        .filter(present)
        .map(|operand| Weight { operand, axis: None })
        .collect()
}

/// Whether an operation is a recurrent cell: its kernel takes all of its weights quantized or none.
pub fn all_or_none(op: &Op) -> bool {
    matches!(
        op,
        Op::Lstm(_)
            | Op::UnidirectionalSequenceLstm(_)
            | Op::BidirectionalSequenceLstm(_)
            | Op::Rnn(_)
            | Op::UnidirectionalSequenceRnn(_)
            | Op::BidirectionalSequenceRnn(_)
            | Op::Svdf(_)
    )
}

/// Whether an operation reads this weight as integers.
pub fn reads_integers(op: OpRef<'_>, weight: Weight) -> bool {
    op.operand(weight.operand)
        .is_some_and(|v| v.ty().dtype == DType::I8 && v.ty().quant.is_some())
}

/// Whether an operation reads this weight through a `dequantize` of integers.
pub fn reads_dequantized(op: OpRef<'_>, weight: Weight) -> bool {
    behind_dequantize(op, weight).is_some_and(|stored| stored.ty().quant.is_some())
}

/// Whether an operation reads this weight through a `dequantize` of 16-bit floats.
pub fn reads_halves(op: OpRef<'_>, weight: Weight) -> bool {
    behind_dequantize(op, weight).is_some_and(|stored| stored.ty().dtype == DType::F16)
}

/// What a weight is stored as, where an operation reads it through a `dequantize`.
fn behind_dequantize(op: OpRef<'_>, weight: Weight) -> Option<ValueRef<'_>> {
    let producer = op.operand(weight.operand)?.producer();
    matches!(producer.op(), Op::Dequantize(_)).then(|| producer.operand(0)).flatten()
}
