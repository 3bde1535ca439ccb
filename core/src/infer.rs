//! Result types from operand types: what TFLite's operators of the same names give.
//!
//! Inference is never wrong, only sometimes unknowing: an extent that depends on data is unknown, and so is everything
//! about a value of unknown rank. Extents of operands that have to be equal are taken for equal, so that the better known
//! one counts. Integers that hold shapes, axes and paddings are followed to where they come from ([`crate::known`]).
//!
//! Quantization: operations that only move elements, or choose among them, hand it on. Per-axis parameters follow their
//! axis where the result still has it; where it has not, and for operations that compute with quantized integers, the
//! result's quantization is no function of the operands and has to be declared ([`InferError::Declared`]). A float input
//! with quantized weights gives a float result.

use thiserror::Error;

use crate::graph::ValueRef;
use crate::op::Op;
use crate::types::Type;

mod creation;
mod dims;
mod elementwise;
mod indexing;
mod lookup;
mod movement;
mod operands;
mod products;
mod recurrent;
mod reductions;
mod sources;
mod spatial;
pub(crate) mod strided;
mod windows;

use operands::Args;

/// Why operands do not fit an operation.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum InferError {
    /// An operand that has to be there is not.
    #[error("operand `{0}` is missing")]
    Missing(&'static str),
    /// There are more operands than the operation takes.
    #[error("there are {found} operands, at most {most} are taken")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many are taken.
        most: usize,
    },
    /// An operand's type does not fit.
    #[error("operand `{operand}` is {found}, expected {expected}")]
    Operand {
        /// The operand's name.
        operand: &'static str,
        /// What it is.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// An attribute does not fit the operands.
    #[error("{0}")]
    Attribute(String),
    /// The results of this operation have to be declared.
    #[error("the results of `{0}` cannot be inferred and have to be declared")]
    Declared(&'static str),
}

/// The most results that an operation can have; more are taken for damage.
const MOST_RESULTS: usize = 1 << 16;

/// The most dimensions that a value can have; more are taken for damage.
pub const MOST_DIMS: usize = 64;

/// What follows from the operands, or an error where they do not fit.
type Types = Result<Vec<Type>, InferError>;

/// The types of an operation's results.
///
/// # Errors
/// Where the operands do not fit the operation, or its results have to be declared.
pub fn results(op: &Op, operands: &[Option<ValueRef<'_>>]) -> Result<Vec<Type>, InferError> {
    let inferred = infer(op, operands)?;
    if inferred.quant_is_open {
        return Err(InferError::Declared(op.name()));
    }
    Ok(inferred.types)
}

/// Result types as far as they follow from operands.
pub(crate) struct Inferred {
    /// One type for each result.
    pub(crate) types: Vec<Type>,
    /// Whether the operation computes with quantized integers, so that only the shapes of `types` hold.
    pub(crate) quant_is_open: bool,
}

/// The same as [`results`], for checking declared types: shapes are inferred even where quantization cannot be.
pub(crate) fn infer(op: &Op, operands: &[Option<ValueRef<'_>>]) -> Result<Inferred, InferError> {
    let args = Args::new(op.kind(), operands)?;
    let types = dispatch(op, &args)?;
    if types.iter().any(|ty| ty.shape.rank() > Some(MOST_DIMS)) {
        return Err(InferError::Attribute(format!("a result has more than {MOST_DIMS} dimensions")));
    }
    let loses_quant = |ty: &Type| {
        let mut present = operands.iter().flatten();
        ty.quant.is_none() && present.any(|v| v.ty().quant.is_some() && v.ty().dtype == ty.dtype)
    };
    let quant_is_open = types.iter().any(loses_quant);
    Ok(Inferred { types, quant_is_open })
}

fn dispatch(op: &Op, args: &Args<'_, '_>) -> Types {
    let declared = || Err(InferError::Declared(op.name()));
    match op {
        Op::Const(op) => Ok(vec![op.value.ty()]),
        Op::Return(_) | Op::CallOnce(_) => Ok(Vec::new()),
        Op::Parameters(_) | Op::State(_) | Op::Call(_) | Op::Foreign(_) | Op::Custom(_) | Op::Builtin(_) | Op::While(_) => declared(),
        Op::If(_) => args.condition(0).and_then(|()| declared()),
        Op::Quantize(_) => elementwise::quantize(args).and_then(|()| declared()),

        Op::Conv2d(op) => products::conv_2d(args, op),
        Op::DepthwiseConv2d(op) => products::depthwise_conv_2d(args, op),
        Op::TransposeConv(op) => products::transpose_conv(args, op),
        Op::Conv3d(op) => products::conv_3d(args, op),
        Op::Conv3dTranspose(op) => products::conv_3d_transpose(args, op),
        Op::FullyConnected(op) => products::fully_connected(args, op),
        Op::BatchMatmul(op) => products::batch_matmul(args, op),

        Op::AveragePool2d(op) => windows::pool(args, op.filter, op.stride, op.padding),
        Op::MaxPool2d(op) => windows::pool(args, op.filter, op.stride, op.padding),
        Op::L2Pool2d(op) => windows::pool(args, op.filter, op.stride, op.padding),
        Op::Dilate(_) => windows::dilate(args),
        Op::ReduceWindow(_) => windows::reduce_window(args),

        Op::Abs(_)
        | Op::Ceil(_)
        | Op::Cos(_)
        | Op::Elu(_)
        | Op::Exp(_)
        | Op::Floor(_)
        | Op::Gelu(_)
        | Op::HardSwish(_)
        | Op::LeakyRelu(_)
        | Op::Log(_)
        | Op::Logistic(_)
        | Op::Neg(_)
        | Op::Round(_)
        | Op::Rsqrt(_)
        | Op::Sign(_)
        | Op::Sin(_)
        | Op::Sqrt(_)
        | Op::Square(_)
        | Op::Tanh(_)
        | Op::FakeQuant(_)
        | Op::Erf(_) => elementwise::computes(args),
        Op::Relu(_) | Op::Relu6(_) | Op::Relu0To1(_) | Op::ReluN1To1(_) => elementwise::clamps(args),
        Op::LogicalNot(_) => elementwise::logical_not(args),
        Op::Identity(_) | Op::ZerosLike(_) | Op::Densify(_) => elementwise::same(args),
        Op::Prelu(_) => elementwise::arithmetic(args),
        Op::Cast(op) => elementwise::cast(args, op.dtype),
        Op::Bitcast(op) => elementwise::bitcast(args, op.dtype),
        Op::Real(_) | Op::Imag(_) | Op::ComplexAbs(_) => elementwise::real(args),
        Op::Dequantize(_) => elementwise::dequantize(args),

        Op::Add(_)
        | Op::Sub(_)
        | Op::Mul(_)
        | Op::Div(_)
        | Op::FloorDiv(_)
        | Op::FloorMod(_)
        | Op::Pow(_)
        | Op::SquaredDifference(_)
        | Op::Atan2(_)
        | Op::BitwiseXor(_)
        | Op::RightShift(_) => elementwise::arithmetic(args),
        Op::Maximum(_) | Op::Minimum(_) => elementwise::chooses(args),
        Op::Equal(_) | Op::NotEqual(_) | Op::Less(_) | Op::LessEqual(_) | Op::Greater(_) | Op::GreaterEqual(_) => {
            elementwise::compares(args)
        }
        Op::LogicalAnd(_) | Op::LogicalOr(_) => elementwise::logical(args),
        Op::AddN(_) => elementwise::add_n(args),
        Op::Select(_) => elementwise::select(args),
        Op::SelectV2(_) => elementwise::select_v2(args),

        Op::Softmax(_) | Op::LogSoftmax(_) | Op::L2Normalization(_) => reductions::along_last_axis(args),
        Op::LocalResponseNormalization(_) => reductions::local_response_normalization(args),
        Op::BatchNorm(_) => reductions::batch_norm(args),
        Op::Mean(op) => reductions::computes(args, op.keep_dims),
        Op::Sum(op) => reductions::computes(args, op.keep_dims),
        Op::ReduceProd(op) => reductions::computes(args, op.keep_dims),
        Op::ReduceMax(op) => reductions::chooses(args, op.keep_dims),
        Op::ReduceMin(op) => reductions::chooses(args, op.keep_dims),
        Op::ReduceAny(op) => reductions::logical(args, op.keep_dims),
        Op::ReduceAll(op) => reductions::logical(args, op.keep_dims),
        Op::ArgMax(op) => reductions::arg(args, op.dtype),
        Op::ArgMin(op) => reductions::arg(args, op.dtype),
        Op::Cumsum(_) => reductions::cumsum(args),
        Op::TopkV2(_) => reductions::topk(args),
        Op::Unique(op) => reductions::unique(args, op.dtype),
        Op::Where(_) => reductions::places(args),
        Op::Bucketize(_) => reductions::bucketize(args),

        Op::Reshape(_) => movement::reshape(args),
        Op::Squeeze(op) => movement::squeeze(args, &op.axes),
        Op::ExpandDims(_) => movement::expand_dims(args),
        Op::Transpose(_) => movement::transpose(args),
        Op::Concatenation(op) => movement::concatenation(args, op.axis),
        Op::Pack(op) => movement::pack(args, op.axis),
        Op::Unpack(op) => movement::unpack(args, op.num, op.axis),
        Op::Split(op) => movement::split(args, op.num),
        Op::SplitV(op) => movement::split_v(args, op.num),
        Op::Tile(_) => movement::tile(args),
        Op::Pad(_) | Op::PadV2(_) | Op::MirrorPad(_) => movement::pad(args),
        Op::ReverseV2(_) => movement::reverse(args),
        Op::ReverseSequence(op) => movement::reverse_sequence(args, op.seq_dim, op.batch_dim),
        Op::BroadcastTo(_) => movement::broadcast_to(args),

        Op::Slice(_) => indexing::slice(args),
        Op::StridedSlice(op) => strided::strided_slice(args, op),
        Op::Gather(op) => indexing::gather(args, op.axis, op.batch_dims),
        Op::GatherNd(_) => indexing::gather_nd(args),
        Op::ScatterNd(_) => indexing::scatter_nd(args),
        Op::DynamicUpdateSlice(_) => indexing::dynamic_update_slice(args),
        Op::SparseToDense(_) => indexing::sparse_to_dense(args),
        Op::MatrixDiag(_) => indexing::matrix_diag(args),
        Op::MatrixSetDiag(_) => indexing::matrix_set_diag(args),

        Op::SpaceToDepth(op) => spatial::space_to_depth(args, op.block_size),
        Op::DepthToSpace(op) => spatial::depth_to_space(args, op.block_size),
        Op::SpaceToBatchNd(_) => spatial::space_to_batch(args),
        Op::BatchToSpaceNd(_) => spatial::batch_to_space(args),
        Op::ResizeBilinear(_) | Op::ResizeNearestNeighbor(_) => spatial::resize(args),
        Op::Rfft2d(_) => spatial::rfft2d(args),

        Op::BroadcastArgs(_) => creation::broadcast_args(args),
        Op::Fill(_) => creation::fill(args),
        Op::Range(_) => creation::range(args),
        Op::OneHot(op) => creation::one_hot(args, op.axis),
        Op::Shape(op) => creation::shape(args, op.dtype),
        Op::Rank(_) => creation::rank(args),
        Op::RandomUniform(op) => creation::random(args, op.dtype),
        Op::RandomStandardNormal(op) => creation::random(args, op.dtype),
        Op::Multinomial(op) => creation::multinomial(args, op.dtype),

        Op::EmbeddingLookup(_) => lookup::embedding_lookup(args),
        Op::EmbeddingLookupSparse(_) => lookup::embedding_lookup_sparse(args),
        Op::LshProjection(op) => lookup::lsh_projection(args, op.projection),
        Op::SkipGram(_) => lookup::skip_gram(args),
        Op::SegmentSum(_) => lookup::segment_sum(args),
        Op::UnsortedSegmentSum(_) | Op::UnsortedSegmentProd(_) | Op::UnsortedSegmentMax(_) | Op::UnsortedSegmentMin(_) => {
            lookup::unsorted_segment(args)
        }
        Op::NonMaxSuppressionV4(_) => lookup::non_max_suppression(args, false),
        Op::NonMaxSuppressionV5(_) => lookup::non_max_suppression(args, true),
        Op::HashtableLookup(_) => declared(),

        Op::Lstm(_) => recurrent::lstm(args),
        Op::BasicLstm(_) => recurrent::basic_lstm(args),
        Op::UnidirectionalSequenceLstm(op) => recurrent::sequence_lstm(args, op.diagonal_recurrent_tensors),
        Op::BidirectionalSequenceLstm(op) => recurrent::bidirectional_lstm(args, op.merge_outputs),
        Op::Rnn(_) => recurrent::rnn(args),
        Op::UnidirectionalSequenceRnn(_) => recurrent::sequence_rnn(args),
        Op::BidirectionalSequenceRnn(op) => recurrent::bidirectional_rnn(args, op.merge_outputs),
        Op::Svdf(op) => recurrent::svdf(args, op.rank),

        Op::VarHandle(_) => Ok(vec![lookup::handle(&[])]),
        Op::Hashtable(_) => Ok(vec![lookup::handle(&[1])]),
        Op::ReadVariable(_) | Op::HashtableFind(_) => args.resource(0).and_then(|()| declared()),
        Op::AssignVariable(_) | Op::HashtableImport(_) => args.resource(0).map(|()| Vec::new()),
        Op::HashtableSize(_) => lookup::hashtable_size(args),

        Op::Einsum(op) => sources::einsum(args, &op.equation),
        Op::TensorListReserve(_)
        | Op::TensorListFromTensor(_)
        | Op::TensorListSetItem(_)
        | Op::TensorListPushBack(_)
        | Op::TensorListResize(_) => sources::list(args),
        Op::TensorListGetItem(op) => sources::list_get_item(args, op.dtype),
        Op::TensorListStack(op) => sources::list_stack(args, op.dtype, op.num_elements),
        Op::TensorListLength(_) => sources::list_length(args),
        Op::TensorListPopBack(op) => sources::list_pop_back(args, op.dtype),
        Op::TensorListConcat(op) => sources::list_concat(args, op.dtype),
        Op::TensorListGather(op) => sources::list_gather(args, op.dtype),
        Op::TensorListElementShape(op) => sources::list_element_shape(args, op.dtype),
    }
}
