//! Which element types LiteRT's kernels compute with, and how values of others are computed all the same.

use planish_core::graph::Value;
use planish_core::infer;
use planish_core::op::{Op, OpKind};
use planish_core::types::DType;

use super::Node;
use crate::import::Stop;

/// How an operation fits the element types of its operands.
pub(super) enum Fit {
    /// With the narrow ones among them held in this type, where there is one.
    As(Option<DType>),
    Not,
}

impl Node<'_> {
    pub(super) fn fit(&self, kind: OpKind, operands: &[Value]) -> Fit {
        let mut wide = None;
        for &value in operands {
            let dtype = self.dtype(value);
            if takes(kind, dtype) || self.ty(value).quant.is_some() {
                continue;
            }
            match wider(dtype) {
                Some(dtype) if takes(kind, dtype) => wide = Some(dtype),
                _ => return Fit::Not,
            }
        }
        Fit::As(wide)
    }

    /// Adds an operation that computes with integers of more bits, whose results keep as many as they have: arithmetic
    /// on fewer bits wraps around.
    pub(super) fn add_widened(&mut self, op: Op, operands: &[Value], wide: DType) -> Result<Vec<Value>, Stop> {
        let graph = &self.importer.graph;
        let refs: Vec<_> = operands.iter().map(|&v| Some(graph.value(v))).collect();
        let types = infer::results(&op, &refs).map_err(|e| self.unfit(op.name(), &e))?;
        let mut widened = Vec::new();
        for &value in operands {
            let narrow = wider(self.dtype(value)) == Some(wide);
            widened.push(if narrow { self.cast(value, wide)? } else { value });
        }
        let mut results = self.add_as_it_is(op, &widened)?;
        for (result, ty) in results.iter_mut().zip(types) {
            *result = self.cast(*result, ty.dtype)?;
        }
        Ok(results)
    }

    /// What `build` makes of two values, computed with more bits where no kernel takes as few as they have.
    pub(in crate::import) fn widened(
        &mut self,
        x: Value,
        y: Value,
        build: impl FnOnce(&mut Self, Value, Value) -> Result<Value, Stop>,
    ) -> Result<Value, Stop> {
        let dtype = self.dtype(x);
        let Some(wide) = wider(dtype).filter(|_| self.dtype(y) == dtype) else {
            return build(self, x, y);
        };
        let (x, y) = (self.cast(x, wide)?, self.cast(y, wide)?);
        let result = build(self, x, y)?;
        self.cast(result, dtype)
    }
}

/// The integers that hold truth values, or integers of fewer bits.
fn wider(dtype: DType) -> Option<DType> {
    match dtype {
        DType::Bool | DType::U8 | DType::I8 | DType::I16 | DType::U16 => Some(DType::I32),
        DType::U32 => Some(DType::I64),
        _ => None,
    }
}

/// Whether the kernel of an operation takes this element type where it stands for no quantized reals.
fn takes(kind: OpKind, dtype: DType) -> bool {
    match dtype {
        DType::String => takes_strings(kind),
        DType::U8 | DType::I8 => moves(kind) || takes_bytes(kind) || matches!(kind, OpKind::ArgMax | OpKind::ArgMin),
        DType::I16 => moves(kind) || takes_bytes(kind) && !matches!(kind, OpKind::DepthToSpace | OpKind::SpaceToDepth),
        DType::U16 | DType::U32 => moves(kind),
        DType::U64 => moves(kind) && kind != OpKind::Cast,
        DType::I64 => !lacks_longs(kind),
        DType::I32 => kind != OpKind::BatchMatmul,
        DType::Bool => !lacks_bools(kind),
        _ => true,
    }
}

/// Operations that take elements of any type, as they only move them or tell about them.
fn moves(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        AssignVariable
            | Bitcast
            | BitwiseXor
            | BroadcastTo
            | Call
            | Cast
            | Dequantize
            | ExpandDims
            | Fill
            | Foreign
            | Identity
            | If
            | Quantize
            | Rank
            | Reshape
            | RightShift
            | Select
            | SelectV2
            | Shape
            | Slice
            | Squeeze
            | StridedSlice
            | TensorListConcat
            | TensorListElementShape
            | TensorListFromTensor
            | TensorListGather
            | TensorListGetItem
            | TensorListLength
            | TensorListPopBack
            | TensorListPushBack
            | TensorListReserve
            | TensorListResize
            | TensorListSetItem
            | TensorListStack
            | Tile
            | Transpose
            | While
    )
}

/// Operations whose kernels take integers of 32 bits at most.
fn lacks_longs(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        AddN | ArgMax
            | ArgMin
            | BatchMatmul
            | BitwiseXor
            | Pow
            | ResizeBilinear
            | ResizeNearestNeighbor
            | RightShift
            | SegmentSum
            | UnsortedSegmentMax
            | UnsortedSegmentMin
            | UnsortedSegmentProd
            | UnsortedSegmentSum
    )
}

/// Operations whose kernels do not take truth values, but numbers.
fn lacks_bools(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        BatchToSpaceNd
            | DepthToSpace
            | MatrixDiag
            | MatrixSetDiag
            | MirrorPad
            | Pack
            | ReverseSequence
            | SpaceToBatchNd
            | SpaceToDepth
            | SparseToDense
            | Split
            | SplitV
            | Unique
            | ZerosLike
    )
}

/// Operations with a kernel for integers of 8 bits, and most of them for those of 16 bits.
fn takes_bytes(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        BatchToSpaceNd
            | Concatenation
            | DepthToSpace
            | Gather
            | GatherNd
            | Maximum
            | Minimum
            | MirrorPad
            | Pack
            | Pad
            | ReduceMax
            | ReduceMin
            | ResizeBilinear
            | ResizeNearestNeighbor
            | ReverseV2
            | SpaceToBatchNd
            | SpaceToDepth
            | Split
            | SplitV
            | Unpack
    )
}

/// Whether LiteRT has a kernel that computes with strings.
fn takes_strings(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::Equal
            | OpKind::ExpandDims
            | OpKind::Fill
            | OpKind::Foreign
            | OpKind::Gather
            | OpKind::GatherNd
            | OpKind::HashtableFind
            | OpKind::HashtableImport
            | OpKind::Identity
            | OpKind::NotEqual
            | OpKind::Rank
            | OpKind::Reshape
            | OpKind::Shape
            | OpKind::Slice
            | OpKind::Squeeze
            | OpKind::StridedSlice
            | OpKind::Tile
            | OpKind::Transpose
    )
}
