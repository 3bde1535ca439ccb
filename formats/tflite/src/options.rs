//! Operations of the IR and operators of the file with their options, in both directions.
//!
//! [`plain_ops`] lists the operations that carry no attributes; [`encode`] and [`decode`] know the others, one arm each.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod kept;

/// Calls a macro with the operations without attributes: the IR's name and the file's.
macro_rules! plain_ops {
    ($with:ident $($args:tt)*) => {
        $with! { [
            Abs = ABS, Ceil = CEIL, Cos = COS, Elu = ELU, Exp = EXP, Floor = FLOOR, HardSwish = HARD_SWISH, Log = LOG,
            LogicalNot = LOGICAL_NOT, Logistic = LOGISTIC, Neg = NEG, Prelu = PRELU, Relu = RELU, Relu6 = RELU6,
            Relu0To1 = RELU_0_TO_1, ReluN1To1 = RELU_N1_TO_1, Round = ROUND, Rsqrt = RSQRT, Sign = SIGN, Sin = SIN,
            Sqrt = SQRT, Square = SQUARE, Tanh = TANH, ZerosLike = ZEROS_LIKE, Real = REAL, Imag = IMAG,
            ComplexAbs = COMPLEX_ABS, Dequantize = DEQUANTIZE, FloorDiv = FLOOR_DIV,
            FloorMod = FLOOR_MOD, Pow = POW, Maximum = MAXIMUM, Minimum = MINIMUM,
            SquaredDifference = SQUARED_DIFFERENCE, Atan2 = ATAN2, Equal = EQUAL, NotEqual = NOT_EQUAL, Less = LESS,
            LessEqual = LESS_EQUAL, Greater = GREATER, GreaterEqual = GREATER_EQUAL, LogicalAnd = LOGICAL_AND,
            LogicalOr = LOGICAL_OR, BitwiseXor = BITWISE_XOR, RightShift = RIGHT_SHIFT, AddN = ADD_N, Select = SELECT,
            SelectV2 = SELECT_V2, LogSoftmax = LOG_SOFTMAX, TopkV2 = TOPK_V2, Where = WHERE, ExpandDims = EXPAND_DIMS,
            Transpose = TRANSPOSE, Slice = SLICE, GatherNd = GATHER_ND, ScatterNd = SCATTER_ND,
            DynamicUpdateSlice = DYNAMIC_UPDATE_SLICE, Tile = TILE, Pad = PAD, PadV2 = PADV2,
            SpaceToBatchNd = SPACE_TO_BATCH_ND, BatchToSpaceNd = BATCH_TO_SPACE_ND, ReverseV2 = REVERSE_V2,
            BroadcastTo = BROADCAST_TO, BroadcastArgs = BROADCAST_ARGS, Fill = FILL, Range = RANGE, Rank = RANK,
            MatrixDiag = MATRIX_DIAG, MatrixSetDiag = MATRIX_SET_DIAG, Densify = DENSIFY, Rfft2d = RFFT2D,
            EmbeddingLookup = EMBEDDING_LOOKUP, HashtableLookup = HASHTABLE_LOOKUP, SegmentSum = SEGMENT_SUM,
            UnsortedSegmentSum = UNSORTED_SEGMENT_SUM, UnsortedSegmentProd = UNSORTED_SEGMENT_PROD,
            UnsortedSegmentMax = UNSORTED_SEGMENT_MAX, UnsortedSegmentMin = UNSORTED_SEGMENT_MIN,
            NonMaxSuppressionV4 = NON_MAX_SUPPRESSION_V4, NonMaxSuppressionV5 = NON_MAX_SUPPRESSION_V5,
            ReadVariable = READ_VARIABLE, AssignVariable = ASSIGN_VARIABLE, HashtableFind = HASHTABLE_FIND,
            HashtableImport = HASHTABLE_IMPORT, HashtableSize = HASHTABLE_SIZE,
        ] $($args)* }
    };
}
pub(crate) use plain_ops;

#[cfg(test)]
mod tests {
    use planish_core::attr::{Attr, AttrError, Attrs};
    use planish_core::{DType, GraphId, Model, Op, OpKind};

    use super::decode::decode;
    use super::encode::{Encoded, encode};
    use super::{decode, encode};
    use crate::schema::{BuiltinOptions2T, BuiltinOptionsT};

    /// The operation of this kind whose attributes all differ from each other and from their defaults, as far as they can.
    fn distinct(kind: OpKind, graphs: &[GraphId]) -> Op {
        let mut tries: Vec<(&'static str, usize)> = kind.attr_names().iter().map(|&name| (name, 0)).collect();
        let defaults = kind.attr_defaults();
        loop {
            let attrs: Attrs = tries
                .iter()
                .enumerate()
                .map(|(i, &(name, n))| {
                    let number = 2 + i as i64;
                    let word = |w: &str| Attr::Word(w.into());
                    let candidates = [
                        Attr::Int(number),
                        Attr::Float(0.25 * number as f64),
                        Attr::Bool(!matches!(defaults.iter().find(|d| d.0 == name), Some((_, Attr::Bool(true))))),
                        Attr::List(vec![Attr::Int(number), Attr::Int(number + 10)]),
                        Attr::List(vec![Attr::Int(number), Attr::Int(number + 10), Attr::Int(number + 20)]),
                        Attr::List(vec![Attr::Float(0.5)]),
                        Attr::Text(format!("text {i}")),
                        word("valid"),
                        word("relu6"),
                        word("symmetric"),
                        word("mean"),
                        word("dense"),
                        word("shuffled_4x16"),
                        word("maximum"),
                        word("nearest"),
                        word("i64"),
                        Attr::Graph(graphs[i % graphs.len()]),
                        Attr::Bytes(vec![1, 2, 3]),
                        Attr::Map(Attrs::new()),
                        Attr::List(Vec::new()),
                        Attr::Tensor(planish_core::Tensor::scalar(1f32)),
                    ];
                    (name.to_owned(), candidates[n].clone())
                })
                .collect();
            match Op::from_attrs(kind, attrs) {
                Ok(op) => return op,
                Err(AttrError::Kind { name, .. }) => tries.iter_mut().find(|t| t.0 == name).expect("its own attribute").1 += 1,
                Err(error) => panic!("{}: {error}", kind.name()),
            }
        }
    }

    #[test]
    fn every_operation_survives_its_options() {
        let mut model = Model::new();
        let graphs: Vec<GraphId> = ["a", "b", "c"].map(|name| model.add_graph(planish_core::Graph::new(name))).into();
        let subgraph = |g: GraphId| graphs.iter().position(|&h| h == g).map_or(-1, |i| i as i32);
        let graph = |i: i32| usize::try_from(i).ok().and_then(|i| graphs.get(i).copied());
        let mut builtins = 0;
        for &kind in OpKind::ALL {
            let op = distinct(kind, &graphs);
            let around = encode::Surroundings {
                operands: 2,
                input: Some(DType::F32),
                subgraph: &subgraph,
            };
            let (code, one, two) = match encode(&op, &around) {
                Encoded::Builtin(code, one) => (code, one, BuiltinOptions2T::NONE),
                Encoded::Builtin2(code, two) => (code, BuiltinOptionsT::NONE, two),
                _ => continue,
            };
            builtins += 1;
            let outputs = match &op {
                Op::Split(o) => o.num,
                Op::SplitV(o) => o.num,
                Op::Unpack(o) => o.num,
                _ => 1,
            };
            let around = decode::Surroundings {
                output: Some(DType::I64),
                outputs: outputs as usize,
                graph: &graph,
            };
            assert_eq!(decode(code, &one, &two, &around), Some(op), "{}", kind.name());
        }
        assert!(builtins > 150, "{builtins}");
    }
}
