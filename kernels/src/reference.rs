//! The meaning of each operation, in plain loops.
//!
//! A kernel takes the operands of one operation and gives its results. All are checked here and in the kernels: whatever
//! the operands are, the answer is a result or an error. Small floats (f16, bf16) that an operation has no loops for are
//! computed in f32; quantized integers are turned to the reals that they stand for, and the result is rounded back.

pub(crate) mod activation;
pub(crate) mod args;
mod binary;
mod blocks;
pub(crate) mod cells;
mod complex;
mod convert;
mod convolution;
mod creation;
mod detection;
mod einsum;
mod elementwise;
mod error_function;
mod fft;
mod indexing;
mod joining;
mod lookup;
pub mod matmul;
mod movement;
mod normalization;
mod number;
mod pooling;
pub(crate) mod products;
mod quantization;
mod random;
mod recurrent;
mod reduction;
mod resize;
mod segments;
mod select;
mod shape;
mod slicing;
mod sorting;

use planish_core::attr::Rounding;
use planish_core::op::{Op, OpKind};
use planish_core::{DType, Tensor, Type};

use crate::error::Error;
use args::Args;
use products::Engine;

/// The results of one operation.
pub(crate) fn run(
    op: &Op,
    operands: &[Option<&Tensor>],
    types: &[Type],
    limit: usize,
    engine: &mut Engine<'_>,
) -> Result<Vec<Tensor>, Error> {
    if let Some(results) = in_reals(op, operands, types, limit)? {
        return Ok(results);
    }
    let args = Args::new(op.kind(), operands, types, limit);
    let results = match dispatch(op, &args, engine) {
        Err(Error::ElementType { dtype, .. }) if computed_in_f32(op, dtype) => {
            let wide = widened(operands, limit)?;
            let wide: Vec<Option<&Tensor>> = wide.iter().map(Option::as_ref).collect();
            let results = dispatch(op, &Args::new(op.kind(), &wide, types, limit), &mut Engine::once())?;
            narrowed(results, dtype, limit)?
        }
        results => results?,
    };
    Ok(labelled(results, types))
}

/// Results with the quantization that is declared for them.
fn labelled(results: Vec<Tensor>, types: &[Type]) -> Vec<Tensor> {
    let label = |(i, result): (usize, Tensor)| match types.get(i) {
        Some(ty) if ty.dtype == result.dtype() && ty.quant.is_some() => result.with_quant(ty.quant.clone()),
        _ => result,
    };
    results.into_iter().enumerate().map(label).collect()
}

fn computed_in_f32(op: &Op, dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16 | DType::F64) && !matches!(op, Op::Cast(_) | Op::Bitcast(_))
}

fn cast(tensor: &Tensor, to: DType, limit: usize) -> Result<Tensor, Error> {
    convert::cast(to, &Args::new(OpKind::Cast, &[Some(tensor)], &[], limit))
}

fn widened(operands: &[Option<&Tensor>], limit: usize) -> Result<Vec<Option<Tensor>>, Error> {
    let widen = |tensor: &Tensor| match tensor.dtype() {
        DType::F16 | DType::BF16 | DType::F64 => cast(tensor, DType::F32, limit),
        _ => Ok(tensor.clone()),
    };
    operands.iter().map(|operand| operand.map(widen).transpose()).collect()
}

fn narrowed(results: Vec<Tensor>, to: DType, limit: usize) -> Result<Vec<Tensor>, Error> {
    let narrow = |result: Tensor| {
        if result.dtype() == DType::F32 {
            cast(&result, to, limit)
        } else {
            Ok(result)
        }
    };
    results.into_iter().map(narrow).collect()
}

/// Whether an operation moves integers without computing with what they stand for.
fn moves(kind: OpKind) -> bool {
    use OpKind::*;
    matches!(
        kind,
        Quantize
            | Dequantize
            | Identity
            | Reshape
            | Squeeze
            | ExpandDims
            | Transpose
            | Gather
            | GatherNd
            | Slice
            | StridedSlice
            | Pad
            | Tile
            | Unpack
            | Split
            | SplitV
            | ReverseV2
            | ReverseSequence
            | SpaceToDepth
            | DepthToSpace
            | BroadcastTo
            | Bitcast
            | Shape
            | Rank
            | ZerosLike
            | Densify
            | SpaceToBatchNd
            | BatchToSpaceNd
            | MirrorPad
            | EmbeddingLookup
            | ArgMax
            | ArgMin
            | Cast
    )
}

/// The results of an operation on quantized integers, computed in reals; `None` where it computes with none.
///
/// Int8 weights beside a float input are not turned to reals: such operations have kernels of their own.
fn in_reals(op: &Op, operands: &[Option<&Tensor>], types: &[Type], limit: usize) -> Result<Option<Vec<Tensor>>, Error> {
    let kind = op.kind();
    let quantized = |t: &Tensor| t.quant().is_some() && t.dtype().is_int();
    let has_hybrid = {
        use OpKind::*;
        matches!(
            kind,
            FullyConnected
                | Conv2d
                | DepthwiseConv2d
                | TransposeConv
                | BatchMatmul
                | Lstm
                | UnidirectionalSequenceLstm
                | BidirectionalSequenceLstm
                | Rnn
                | UnidirectionalSequenceRnn
                | BidirectionalSequenceRnn
                | Svdf
                | EmbeddingLookupSparse
        )
    };
    let input = if kind == OpKind::TransposeConv { 2 } else { 0 };
    let float_input = operands.get(input).copied().flatten().is_some_and(|t| t.dtype().is_float());
    if moves(kind) || !operands.iter().flatten().any(|t| quantized(t)) || has_hybrid && float_input {
        return Ok(None);
    }
    let args = Args::new(kind, operands, types, limit);
    let real = |t: &Tensor| {
        if quantized(t) {
            quantization::dequantized(&args, t)
        } else {
            Ok(t.clone())
        }
    };
    let reals: Vec<Option<Tensor>> = operands.iter().map(|t| t.map(real).transpose()).collect::<Result<_, _>>()?;
    let reals: Vec<Option<&Tensor>> = reals.iter().map(Option::as_ref).collect();
    let real_types: Vec<Type> = types
        .iter()
        .map(|t| if t.quant.is_some() { t.with_dtype(DType::F32) } else { t.clone() })
        .collect();
    let results = run(op, &reals, &real_types, limit, &mut Engine::once())?;
    let round = |(i, result): (usize, Tensor)| match types.get(i) {
        Some(ty) if ty.quant.is_some() && result.dtype() == DType::F32 => quantization::quantize_to(&args, &result, ty, Rounding::Nearest),
        _ => Ok(result),
    };
    results.into_iter().enumerate().map(round).collect::<Result<_, _>>().map(Some)
}

fn no_kernel<T>(op: &str, advice: &'static str) -> Result<T, Error> {
    Err(Error::NoKernel { op: op.to_owned(), advice })
}

/// The kernel of each operation.
fn dispatch(op: &Op, args: &Args<'_>, engine: &mut Engine<'_>) -> Result<Vec<Tensor>, Error> {
    const INTERPRETER: &str = "it is run by the interpreter, not on constants alone";
    Ok(vec![match op {
        Op::Const(op) => op.value.clone(),
        Op::Identity(_) | Op::Densify(_) => args.get(0)?.clone(),
        Op::Conv2d(op) => products::conv_2d(op, args, engine)?,
        Op::FullyConnected(op) => products::fully_connected(op, args, engine)?,
        Op::BatchMatmul(op) => products::batch_matmul(op, args, engine)?,
        Op::DepthwiseConv2d(op) => convolution::depthwise_conv_2d(op, args)?,
        Op::TransposeConv(op) => convolution::transpose_conv(op, args)?,
        Op::Conv3d(op) => convolution::conv_3d(op, args)?,
        Op::Conv3dTranspose(op) => convolution::conv_3d_transpose(op, args)?,
        Op::AveragePool2d(_) | Op::MaxPool2d(_) | Op::L2Pool2d(_) => pooling::pool_2d(op, args)?,
        Op::Dilate(_) => pooling::dilate(args)?,
        Op::ReduceWindow(op) => pooling::reduce_window(op, args)?,
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
        | Op::Relu(_)
        | Op::Relu6(_)
        | Op::Relu0To1(_)
        | Op::ReluN1To1(_)
        | Op::Round(_)
        | Op::Rsqrt(_)
        | Op::Sign(_)
        | Op::Sin(_)
        | Op::Sqrt(_)
        | Op::Square(_)
        | Op::Tanh(_)
        | Op::Erf(_) => elementwise::elementwise(op, args)?,
        Op::LogicalNot(_) => elementwise::logical_not(args)?,
        Op::ZerosLike(_) => elementwise::zeros_like(args)?,
        Op::Prelu(_) => binary::prelu(args)?,
        Op::Cast(op) => convert::cast(op.dtype, args)?,
        Op::Bitcast(op) => convert::bitcast(op.dtype, args)?,
        Op::Real(_) => complex::real(args)?,
        Op::Imag(_) => complex::imag(args)?,
        Op::ComplexAbs(_) => complex::abs(args)?,
        Op::Quantize(op) => quantization::quantize(op, args)?,
        Op::Dequantize(_) => quantization::dequantize(args)?,
        Op::FakeQuant(op) => quantization::fake_quant(op, args)?,
        Op::Add(_)
        | Op::Sub(_)
        | Op::Mul(_)
        | Op::Div(_)
        | Op::FloorDiv(_)
        | Op::FloorMod(_)
        | Op::Pow(_)
        | Op::Maximum(_)
        | Op::Minimum(_)
        | Op::SquaredDifference(_) => binary::arithmetic(op, args)?,
        Op::Atan2(_) => binary::atan2(args)?,
        Op::Equal(_) | Op::NotEqual(_) | Op::Less(_) | Op::LessEqual(_) | Op::Greater(_) | Op::GreaterEqual(_) => {
            binary::comparison(op, args)?
        }
        Op::LogicalAnd(_) | Op::LogicalOr(_) => binary::logical(op, args)?,
        Op::BitwiseXor(_) | Op::RightShift(_) => binary::bitwise(op, args)?,
        Op::AddN(_) => binary::add_n(args)?,
        Op::Select(_) | Op::SelectV2(_) => select::select(op, args)?,
        Op::Softmax(op) => normalization::softmax(op, args)?,
        Op::LogSoftmax(_) => normalization::log_softmax(args)?,
        Op::L2Normalization(op) => normalization::l2_normalization(op, args)?,
        Op::LocalResponseNormalization(op) => normalization::local_response_normalization(op, args)?,
        Op::BatchNorm(op) => normalization::batch_norm(op, args)?,
        Op::Mean(_) | Op::Sum(_) | Op::ReduceProd(_) | Op::ReduceMax(_) | Op::ReduceMin(_) | Op::ReduceAny(_) | Op::ReduceAll(_) => {
            reduction::reduce(op, args)?
        }
        Op::ArgMax(_) | Op::ArgMin(_) => reduction::arg_extreme(op, args)?,
        Op::Cumsum(op) => reduction::cumsum(op, args)?,
        Op::Where(_) => indexing::indices_where(args)?,
        Op::Reshape(_) => movement::reshape(args)?,
        Op::Squeeze(op) => movement::squeeze(op, args)?,
        Op::ExpandDims(_) => movement::expand_dims(args)?,
        Op::Transpose(_) => movement::transpose(args)?,
        Op::Concatenation(op) => joining::concatenation(op, args)?,
        Op::Pack(op) => joining::pack(op, args)?,
        Op::Unpack(op) => return joining::unpack(op, args),
        Op::Split(op) => return joining::split(op, args),
        Op::SplitV(op) => return joining::split_v(op, args),
        Op::Slice(_) => slicing::slice(args)?,
        Op::StridedSlice(op) => slicing::strided_slice(op, args)?,
        Op::DynamicUpdateSlice(_) => slicing::dynamic_update_slice(args)?,
        Op::Pad(_) => slicing::pad(args)?,
        Op::PadV2(_) => slicing::padv2(args)?,
        Op::MirrorPad(op) => slicing::mirror_pad(op, args)?,
        Op::Gather(op) => indexing::gather(op, args)?,
        Op::GatherNd(_) => indexing::gather_nd(args)?,
        Op::ScatterNd(_) => indexing::scatter_nd(args)?,
        Op::OneHot(op) => indexing::one_hot(op, args)?,
        Op::SparseToDense(_) => indexing::sparse_to_dense(args)?,
        Op::Tile(_) => movement::tile(args)?,
        Op::SpaceToDepth(op) => blocks::space_to_depth(op.block_size, args)?,
        Op::DepthToSpace(op) => blocks::depth_to_space(op.block_size, args)?,
        Op::SpaceToBatchNd(_) => blocks::space_to_batch_nd(args)?,
        Op::BatchToSpaceNd(_) => blocks::batch_to_space_nd(args)?,
        Op::ReverseV2(_) => movement::reverse_v2(args)?,
        Op::ReverseSequence(op) => movement::reverse_sequence(op, args)?,
        Op::BroadcastTo(_) => movement::broadcast_to(args)?,
        Op::BroadcastArgs(_) => creation::broadcast_args(args)?,
        Op::Fill(_) => creation::fill(args)?,
        Op::Range(_) => creation::range(args)?,
        Op::Shape(op) => creation::shape(op.dtype, args)?,
        Op::Rank(_) => creation::rank(args)?,
        Op::MatrixDiag(_) => creation::matrix_diag(args, false)?,
        Op::MatrixSetDiag(_) => creation::matrix_diag(args, true)?,
        Op::ResizeBilinear(op) => resize::bilinear(op.align_corners, op.half_pixel_centers, args)?,
        Op::ResizeNearestNeighbor(op) => resize::nearest(op.align_corners, op.half_pixel_centers, args)?,
        Op::TopkV2(_) => return sorting::topk_v2(args),
        Op::Unique(op) => return sorting::unique(op, args),
        Op::Bucketize(op) => sorting::bucketize(op, args)?,
        Op::EmbeddingLookup(_) => lookup::embedding_lookup(args)?,
        Op::EmbeddingLookupSparse(op) => lookup::embedding_lookup_sparse(op, args)?,
        Op::HashtableLookup(_) => return lookup::hashtable_lookup(args),
        Op::SkipGram(op) => lookup::skip_gram(op.ngram_size, op.max_skip_size, op.include_all_ngrams, args)?,
        Op::SegmentSum(_)
        | Op::UnsortedSegmentSum(_)
        | Op::UnsortedSegmentProd(_)
        | Op::UnsortedSegmentMax(_)
        | Op::UnsortedSegmentMin(_) => segments::segments(op, args)?,
        Op::NonMaxSuppressionV4(_) => return detection::non_max_suppression(args, false),
        Op::NonMaxSuppressionV5(_) => return detection::non_max_suppression(args, true),
        Op::Rfft2d(_) => fft::rfft2d(args)?,
        Op::RandomUniform(_) | Op::RandomStandardNormal(_) => random::random(op, args)?,
        Op::Multinomial(op) => random::multinomial(op, args)?,
        Op::Einsum(op) => einsum::einsum(op, args)?,
        Op::LshProjection(_) => {
            return no_kernel(
                "lsh_projection",
                "its hash function is not part of planish; leave it out of the graph that is run",
            );
        }
        Op::Lstm(op) => return recurrent::lstm(op, args),
        Op::BasicLstm(op) => return recurrent::basic_lstm(op, args),
        Op::UnidirectionalSequenceLstm(op) => return recurrent::sequence_lstm(op, args),
        Op::BidirectionalSequenceLstm(op) => return recurrent::bidirectional_lstm(op, args),
        Op::Rnn(op) => return recurrent::rnn(op, args),
        Op::UnidirectionalSequenceRnn(op) => return recurrent::sequence_rnn(op, args),
        Op::BidirectionalSequenceRnn(op) => return recurrent::bidirectional_rnn(op, args),
        Op::Svdf(op) => return recurrent::svdf(op, args),
        Op::Foreign(op) => {
            return no_kernel(
                &op.name,
                "it is an operation of the source format; lower it to others or leave it out of the graph",
            );
        }
        Op::Custom(op) => return no_kernel(&op.name, "it is a custom operator; leave it out of the graph that is run"),
        Op::Builtin(op) => {
            return no_kernel(
                &format!("builtin {}", op.code),
                "it is kept as it was read; leave it out of the graph that is run",
            );
        }
        other => return no_kernel(other.name(), INTERPRETER),
    }])
}
