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
            ComplexAbs = COMPLEX_ABS, Quantize = QUANTIZE, Dequantize = DEQUANTIZE, FloorDiv = FLOOR_DIV,
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
