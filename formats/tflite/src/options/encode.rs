//! From the IR to the file: the operator for an operation, and its options.

use planish_core::attr::{Activation, Padding, Rounding};
use planish_core::model::GraphId;
use planish_core::op::{self, Op};
use planish_core::types::DType;

use super::plain_ops;
use crate::codes::*;
use crate::schema::*;
use crate::schema::{BuiltinOperator as B, BuiltinOptions2T as O2, BuiltinOptionsT as O};

/// What an operation becomes in a file.
pub(crate) enum Encoded<'a> {
    /// A builtin operator.
    Builtin(B, O),
    /// A builtin operator with options of the second kind.
    Builtin2(B, O2),
    /// A builtin operator without a row in the IR.
    Kept(&'a op::Builtin),
    /// A custom operator.
    Custom(&'a op::Custom),
    /// An operation of a source, for which there may be a custom or Flex operator.
    Foreign(&'a op::Foreign),
    /// No operator: parameters, results, constants and state are tensors.
    Tensors,
    /// Nothing: the operation exists only in sources.
    SourceOnly,
}

/// What options depend on beside the operation's attributes.
pub(crate) struct Surroundings<'a> {
    /// How many operands there are.
    pub operands: usize,
    /// The element type of the first operand.
    pub input: Option<DType>,
    /// The index of a graph's subgraph in the file.
    pub subgraph: &'a dyn Fn(GraphId) -> i32,
}

/// Extents beyond the file's integers mean the same as the greatest one: nothing is that large.
fn int(extent: u32) -> i32 {
    i32::try_from(extent).unwrap_or(i32::MAX)
}

fn pool(filter: [u32; 2], stride: [u32; 2], padding: Padding, activation: Activation) -> O {
    O::Pool2DOptions(
        Pool2DOptionsT {
            padding: padding_code(padding),
            stride_w: int(stride[1]),
            stride_h: int(stride[0]),
            filter_width: int(filter[1]),
            filter_height: int(filter[0]),
            fused_activation_function: activation_code(activation),
        }
        .into(),
    )
}

fn conv_3d(padding: Padding, stride: [u32; 3], dilation: [u32; 3], activation: Activation) -> O {
    O::Conv3DOptions(
        Conv3DOptionsT {
            padding: padding_code(padding),
            stride_d: int(stride[0]),
            stride_h: int(stride[1]),
            stride_w: int(stride[2]),
            fused_activation_function: activation_code(activation),
            dilation_d_factor: int(dilation[0]),
            dilation_h_factor: int(dilation[1]),
            dilation_w_factor: int(dilation[2]),
        }
        .into(),
    )
}

fn reducer(keep_dims: bool) -> O {
    O::ReducerOptions(ReducerOptionsT { keep_dims }.into())
}

fn random(seed: i64, seed2: i64) -> O {
    O::RandomOptions(RandomOptionsT { seed, seed2 }.into())
}

/// The arms of operations without attributes, then the others.
macro_rules! arms {
    ([$($variant:ident = $code:ident),* $(,)?] $op:expr, { $($rest:tt)* }) => {
        match $op {
            $(Op::$variant(_) => Encoded::Builtin(B::$code, O::NONE),)*
            $($rest)*
        }
    };
}

/// The operator that computes `op`.
pub(crate) fn encode<'a>(op: &'a Op, around: &Surroundings<'_>) -> Encoded<'a> {
    use Encoded::{Builtin, Builtin2};
    let subgraph = around.subgraph;
    plain_ops! { arms op, {
        Op::Parameters(_) | Op::Return(_) | Op::Const(_) | Op::State(_) => Encoded::Tensors,
        Op::Foreign(o) => Encoded::Foreign(o),
        Op::Custom(o) => Encoded::Custom(o),
        Op::Builtin(o) => Encoded::Kept(o),
        Op::If(o) => Builtin(B::IF, O::IfOptions(IfOptionsT {
            then_subgraph_index: subgraph(o.then_graph), else_subgraph_index: subgraph(o.else_graph),
        }.into())),
        Op::While(o) => Builtin(B::WHILE, O::WhileOptions(WhileOptionsT {
            cond_subgraph_index: subgraph(o.cond), body_subgraph_index: subgraph(o.body),
        }.into())),
        Op::Call(o) => Builtin(B::CALL, O::CallOptions(CallOptionsT { subgraph: subgraph(o.graph) as u32 }.into())),
        Op::CallOnce(o) => {
            Builtin(B::CALL_ONCE, O::CallOnceOptions(CallOnceOptionsT { init_subgraph_index: subgraph(o.graph) }.into()))
        }

        Op::Quantize(op::Quantize { rounding: Rounding::Nearest }) => Builtin(B::QUANTIZE, O::NONE),
        // The file has its result: only constants are rounded in balance.
        Op::Quantize(op::Quantize { rounding: Rounding::Balanced }) => Encoded::SourceOnly,
        Op::Conv2d(o) => Builtin(B::CONV_2D, O::Conv2DOptions(Conv2DOptionsT {
            padding: padding_code(o.padding), stride_w: int(o.stride[1]), stride_h: int(o.stride[0]),
            fused_activation_function: activation_code(o.activation),
            dilation_w_factor: int(o.dilation[1]), dilation_h_factor: int(o.dilation[0]),
            quantized_bias_type: TensorType::FLOAT32,
        }.into())),
        Op::DepthwiseConv2d(o) => Builtin(B::DEPTHWISE_CONV_2D, O::DepthwiseConv2DOptions(DepthwiseConv2DOptionsT {
            padding: padding_code(o.padding), stride_w: int(o.stride[1]), stride_h: int(o.stride[0]),
            depth_multiplier: int(o.depth_multiplier), fused_activation_function: activation_code(o.activation),
            dilation_w_factor: int(o.dilation[1]), dilation_h_factor: int(o.dilation[0]),
        }.into())),
        Op::TransposeConv(o) => Builtin(B::TRANSPOSE_CONV, O::TransposeConvOptions(TransposeConvOptionsT {
            padding: padding_code(o.padding), stride_w: int(o.stride[1]), stride_h: int(o.stride[0]),
            fused_activation_function: activation_code(o.activation), quantized_bias_type: TensorType::FLOAT32,
        }.into())),
        Op::Conv3d(o) => Builtin(B::CONV_3D, conv_3d(o.padding, o.stride, o.dilation, o.activation)),
        Op::Conv3dTranspose(o) => Builtin(B::CONV_3D_TRANSPOSE, conv_3d(o.padding, o.stride, o.dilation, o.activation)),
        Op::FullyConnected(o) => Builtin(B::FULLY_CONNECTED, O::FullyConnectedOptions(FullyConnectedOptionsT {
            fused_activation_function: activation_code(o.activation), weights_format: weights_format_code(o.weights_format),
            keep_num_dims: o.keep_num_dims, asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
            quantized_bias_type: TensorType::FLOAT32,
        }.into())),
        Op::BatchMatmul(o) => Builtin(B::BATCH_MATMUL, O::BatchMatMulOptions(BatchMatMulOptionsT {
            adj_x: o.adj_x, adj_y: o.adj_y, asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
        }.into())),

        Op::AveragePool2d(o) => Builtin(B::AVERAGE_POOL_2D, pool(o.filter, o.stride, o.padding, o.activation)),
        Op::MaxPool2d(o) => Builtin(B::MAX_POOL_2D, pool(o.filter, o.stride, o.padding, o.activation)),
        Op::L2Pool2d(o) => Builtin(B::L2_POOL_2D, pool(o.filter, o.stride, o.padding, o.activation)),
        Op::Dilate(_) => Builtin2(B::DILATE, O2::DilateOptions(DilateOptionsT {}.into())),
        Op::ReduceWindow(o) => Builtin2(B::REDUCE_WINDOW, O2::ReduceWindowOptions(ReduceWindowOptionsT {
            reduce_function: window_function_code(o.function),
        }.into())),

        Op::Gelu(o) => Builtin(B::GELU, O::GeluOptions(GeluOptionsT { approximate: o.approximate }.into())),
        Op::LeakyRelu(o) => Builtin(B::LEAKY_RELU, O::LeakyReluOptions(LeakyReluOptionsT { alpha: o.alpha }.into())),
        Op::Cast(o) => Builtin(B::CAST, O::CastOptions(CastOptionsT {
            in_data_type: tensor_type(around.input.unwrap_or(DType::F32)), out_data_type: tensor_type(o.dtype),
        }.into())),
        Op::Bitcast(_) => Builtin(B::BITCAST, O::NONE),
        Op::FakeQuant(o) => Builtin(B::FAKE_QUANT, O::FakeQuantOptions(FakeQuantOptionsT {
            min: o.min, max: o.max, num_bits: o.num_bits, narrow_range: o.narrow_range,
        }.into())),

        Op::Add(o) => Builtin(B::ADD, O::AddOptions(AddOptionsT {
            fused_activation_function: activation_code(o.activation), pot_scale_int16: o.pot_scale_int16,
        }.into())),
        Op::Sub(o) => Builtin(B::SUB, O::SubOptions(SubOptionsT {
            fused_activation_function: activation_code(o.activation), pot_scale_int16: o.pot_scale_int16,
        }.into())),
        Op::Mul(o) => {
            Builtin(B::MUL, O::MulOptions(MulOptionsT { fused_activation_function: activation_code(o.activation) }.into()))
        }
        Op::Div(o) => {
            Builtin(B::DIV, O::DivOptions(DivOptionsT { fused_activation_function: activation_code(o.activation) }.into()))
        }

        Op::Softmax(o) => Builtin(B::SOFTMAX, O::SoftmaxOptions(SoftmaxOptionsT { beta: o.beta }.into())),
        Op::L2Normalization(o) => Builtin(B::L2_NORMALIZATION, O::L2NormOptions(L2NormOptionsT {
            fused_activation_function: activation_code(o.activation),
        }.into())),
        Op::LocalResponseNormalization(o) => {
            Builtin(B::LOCAL_RESPONSE_NORMALIZATION, O::LocalResponseNormalizationOptions(LocalResponseNormalizationOptionsT {
                radius: o.radius, bias: o.bias, alpha: o.alpha, beta: o.beta,
            }.into()))
        }

        Op::Mean(o) => Builtin(B::MEAN, reducer(o.keep_dims)),
        Op::Sum(o) => Builtin(B::SUM, reducer(o.keep_dims)),
        Op::ReduceProd(o) => Builtin(B::REDUCE_PROD, reducer(o.keep_dims)),
        Op::ReduceMax(o) => Builtin(B::REDUCE_MAX, reducer(o.keep_dims)),
        Op::ReduceMin(o) => Builtin(B::REDUCE_MIN, reducer(o.keep_dims)),
        Op::ReduceAny(o) => Builtin(B::REDUCE_ANY, reducer(o.keep_dims)),
        Op::ReduceAll(o) => Builtin(B::REDUCE_ALL, reducer(o.keep_dims)),
        Op::ArgMax(o) => Builtin(B::ARG_MAX, O::ArgMaxOptions(ArgMaxOptionsT { output_type: tensor_type(o.dtype) }.into())),
        Op::ArgMin(o) => Builtin(B::ARG_MIN, O::ArgMinOptions(ArgMinOptionsT { output_type: tensor_type(o.dtype) }.into())),
        Op::Cumsum(o) => {
            Builtin(B::CUMSUM, O::CumsumOptions(CumsumOptionsT { exclusive: o.exclusive, reverse: o.reverse }.into()))
        }
        Op::Unique(o) => Builtin(B::UNIQUE, O::UniqueOptions(UniqueOptionsT { idx_out_type: tensor_type(o.dtype) }.into())),
        Op::Bucketize(o) => {
            Builtin(B::BUCKETIZE, O::BucketizeOptions(BucketizeOptionsT { boundaries: Some(o.boundaries.clone()) }.into()))
        }

        Op::Reshape(_) => Builtin(B::RESHAPE, O::NONE),
        Op::Squeeze(o) => {
            Builtin(B::SQUEEZE, O::SqueezeOptions(SqueezeOptionsT { squeeze_dims: Some(o.axes.clone()) }.into()))
        }
        Op::Concatenation(o) => Builtin(B::CONCATENATION, O::ConcatenationOptions(ConcatenationOptionsT {
            axis: o.axis, fused_activation_function: activation_code(o.activation),
        }.into())),
        Op::Pack(o) => {
            let values_count = i32::try_from(around.operands).unwrap_or(i32::MAX);
            Builtin(B::PACK, O::PackOptions(PackOptionsT { values_count, axis: o.axis }.into()))
        }
        Op::Unpack(o) => Builtin(B::UNPACK, O::UnpackOptions(UnpackOptionsT { num: int(o.num), axis: o.axis }.into())),
        Op::Split(o) => Builtin(B::SPLIT, O::SplitOptions(SplitOptionsT { num_splits: int(o.num) }.into())),
        Op::SplitV(o) => Builtin(B::SPLIT_V, O::SplitVOptions(SplitVOptionsT { num_splits: int(o.num) }.into())),
        Op::StridedSlice(o) => Builtin(B::STRIDED_SLICE, O::StridedSliceOptions(StridedSliceOptionsT {
            begin_mask: o.begin_mask, end_mask: o.end_mask, ellipsis_mask: o.ellipsis_mask,
            new_axis_mask: o.new_axis_mask, shrink_axis_mask: o.shrink_axis_mask, offset: o.offset,
        }.into())),
        Op::Gather(o) => {
            Builtin(B::GATHER, O::GatherOptions(GatherOptionsT { axis: o.axis, batch_dims: o.batch_dims }.into()))
        }
        Op::MirrorPad(o) => {
            Builtin(B::MIRROR_PAD, O::MirrorPadOptions(MirrorPadOptionsT { mode: mirror_code(o.mode) }.into()))
        }
        Op::SpaceToDepth(o) => {
            Builtin(B::SPACE_TO_DEPTH, O::SpaceToDepthOptions(SpaceToDepthOptionsT { block_size: o.block_size }.into()))
        }
        Op::DepthToSpace(o) => {
            Builtin(B::DEPTH_TO_SPACE, O::DepthToSpaceOptions(DepthToSpaceOptionsT { block_size: o.block_size }.into()))
        }
        Op::ReverseSequence(o) => Builtin(B::REVERSE_SEQUENCE, O::ReverseSequenceOptions(ReverseSequenceOptionsT {
            seq_dim: o.seq_dim, batch_dim: o.batch_dim,
        }.into())),
        Op::OneHot(o) => Builtin(B::ONE_HOT, O::OneHotOptions(OneHotOptionsT { axis: o.axis }.into())),
        Op::Shape(o) => Builtin(B::SHAPE, O::ShapeOptions(ShapeOptionsT { out_type: tensor_type(o.dtype) }.into())),
        Op::SparseToDense(o) => Builtin(B::SPARSE_TO_DENSE, O::SparseToDenseOptions(SparseToDenseOptionsT {
            validate_indices: o.validate_indices,
        }.into())),
        Op::ResizeBilinear(o) => Builtin(B::RESIZE_BILINEAR, O::ResizeBilinearOptions(ResizeBilinearOptionsT {
            align_corners: o.align_corners, half_pixel_centers: o.half_pixel_centers,
        }.into())),
        Op::ResizeNearestNeighbor(o) => {
            Builtin(B::RESIZE_NEAREST_NEIGHBOR, O::ResizeNearestNeighborOptions(ResizeNearestNeighborOptionsT {
                align_corners: o.align_corners, half_pixel_centers: o.half_pixel_centers,
            }.into()))
        }

        Op::EmbeddingLookupSparse(o) => {
            Builtin(B::EMBEDDING_LOOKUP_SPARSE, O::EmbeddingLookupSparseOptions(EmbeddingLookupSparseOptionsT {
                combiner: combiner_code(o.combiner),
            }.into()))
        }
        Op::LshProjection(o) => Builtin(B::LSH_PROJECTION, O::LSHProjectionOptions(LSHProjectionOptionsT {
            type_: projection_code(o.projection),
        }.into())),
        Op::SkipGram(o) => Builtin(B::SKIP_GRAM, O::SkipGramOptions(SkipGramOptionsT {
            ngram_size: o.ngram_size, max_skip_size: o.max_skip_size, include_all_ngrams: o.include_all_ngrams,
        }.into())),
        Op::RandomUniform(o) => Builtin(B::RANDOM_UNIFORM, random(o.seed, o.seed2)),
        Op::RandomStandardNormal(o) => Builtin(B::RANDOM_STANDARD_NORMAL, random(o.seed, o.seed2)),
        Op::Multinomial(o) => Builtin(B::MULTINOMIAL, random(o.seed, o.seed2)),

        Op::Lstm(o) => Builtin(B::LSTM, O::LSTMOptions(LSTMOptionsT {
            fused_activation_function: activation_code(o.activation), cell_clip: o.cell_clip, proj_clip: o.proj_clip,
            kernel_type: LSTMKernelType::FULL, asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
        }.into())),
        Op::BasicLstm(o) => Builtin(B::LSTM, O::LSTMOptions(LSTMOptionsT {
            fused_activation_function: activation_code(o.activation), cell_clip: o.cell_clip, proj_clip: o.proj_clip,
            kernel_type: LSTMKernelType::BASIC, asymmetric_quantize_inputs: false,
        }.into())),
        Op::UnidirectionalSequenceLstm(o) => {
            Builtin(B::UNIDIRECTIONAL_SEQUENCE_LSTM, O::UnidirectionalSequenceLSTMOptions(UnidirectionalSequenceLSTMOptionsT {
                fused_activation_function: activation_code(o.activation), cell_clip: o.cell_clip, proj_clip: o.proj_clip,
                time_major: o.time_major, asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
                diagonal_recurrent_tensors: o.diagonal_recurrent_tensors,
            }.into()))
        }
        Op::BidirectionalSequenceLstm(o) => {
            Builtin(B::BIDIRECTIONAL_SEQUENCE_LSTM, O::BidirectionalSequenceLSTMOptions(BidirectionalSequenceLSTMOptionsT {
                fused_activation_function: activation_code(o.activation), cell_clip: o.cell_clip, proj_clip: o.proj_clip,
                merge_outputs: o.merge_outputs, time_major: o.time_major,
                asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
            }.into()))
        }
        Op::Rnn(o) => Builtin(B::RNN, O::RNNOptions(RNNOptionsT {
            fused_activation_function: activation_code(o.activation),
            asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
        }.into())),
        Op::UnidirectionalSequenceRnn(o) => Builtin(B::UNIDIRECTIONAL_SEQUENCE_RNN, O::SequenceRNNOptions(SequenceRNNOptionsT {
            time_major: o.time_major, fused_activation_function: activation_code(o.activation),
            asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
        }.into())),
        Op::BidirectionalSequenceRnn(o) => {
            Builtin(B::BIDIRECTIONAL_SEQUENCE_RNN, O::BidirectionalSequenceRNNOptions(BidirectionalSequenceRNNOptionsT {
                time_major: o.time_major, fused_activation_function: activation_code(o.activation),
                merge_outputs: o.merge_outputs, asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
            }.into()))
        }
        Op::Svdf(o) => Builtin(B::SVDF, O::SVDFOptions(SVDFOptionsT {
            rank: o.rank, fused_activation_function: activation_code(o.activation),
            asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
        }.into())),

        Op::VarHandle(o) => Builtin(B::VAR_HANDLE, O::VarHandleOptions(VarHandleOptionsT {
            container: Some(o.container.clone()), shared_name: Some(o.shared_name.clone()),
        }.into())),
        Op::Hashtable(o) => Builtin(B::HASHTABLE, O::HashtableOptions(HashtableOptionsT {
            table_id: o.table_id, key_dtype: tensor_type(o.key_dtype), value_dtype: tensor_type(o.value_dtype),
        }.into())),

        Op::Identity(_) | Op::BatchNorm(_) | Op::Erf(_) | Op::Einsum(_) | Op::TensorListReserve(_)
        | Op::TensorListFromTensor(_) | Op::TensorListGetItem(_) | Op::TensorListSetItem(_) | Op::TensorListStack(_)
        | Op::TensorListLength(_) | Op::TensorListPushBack(_) | Op::TensorListPopBack(_) | Op::TensorListResize(_)
        | Op::TensorListConcat(_) | Op::TensorListGather(_) | Op::TensorListElementShape(_) => Encoded::SourceOnly,
    } }
}
