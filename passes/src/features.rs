//! Which weights meet the features that convolutions make: values of mostly one sign, much alike from place to place.

use planish_core::{Op, OpRef, ValueRef};

/// How many operations may lie between a convolution and a product of its features.
const FARTHEST: usize = 16;

/// Whether the operation is a convolution over images, or a product of what one made, pooled or flattened.
pub(crate) fn meets_features(op: OpRef<'_>) -> bool {
    match op.op() {
        Op::Conv2d(_) | Op::DepthwiseConv2d(_) => true,
        Op::FullyConnected(_) => op.operand(0).is_some_and(is_features),
        _ => false,
    }
}

fn is_features(mut value: ValueRef<'_>) -> bool {
    for _ in 0..FARTHEST {
        let producer = value.producer();
        match producer.op() {
            Op::Conv2d(_) | Op::DepthwiseConv2d(_) => return true,
            Op::Relu(_) | Op::Relu6(_) | Op::HardSwish(_) | Op::AveragePool2d(_) | Op::MaxPool2d(_) | Op::Mean(_) | Op::ReduceMax(_) => {}
            Op::Reshape(_) | Op::Squeeze(_) | Op::ExpandDims(_) | Op::Transpose(_) | Op::Slice(_) | Op::StridedSlice(_) | Op::Pad(_) => {}
            _ => return false,
        }
        let Some(input) = producer.operand(0) else { return false };
        value = input;
    }
    false
}
