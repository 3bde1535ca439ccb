//! From the file to the IR: the operation that an operator computes.

use planish_core::attr::Rounding;
use planish_core::model::GraphId;
use planish_core::op::{self, Op};
use planish_core::types::DType;

use super::plain_ops;
use crate::codes::*;
use crate::schema::*;
use crate::schema::{BuiltinOperator as B, BuiltinOptions2T as O2, BuiltinOptionsT as O};

/// What an operation's attributes depend on beside the operator's options.
pub(crate) struct Surroundings<'a> {
    /// The element type of the first output.
    pub output: Option<DType>,
    /// How many outputs there are.
    pub outputs: usize,
    /// The graph of a subgraph.
    pub graph: &'a dyn Fn(i32) -> Option<GraphId>,
}

fn int(extent: i32) -> Option<u32> {
    u32::try_from(extent).ok()
}

/// The arms of operations without attributes, then the others.
macro_rules! arms {
    ([$($variant:ident = $code:ident),* $(,)?] $code_of:expr, { $($rest:tt)* }) => {
        match $code_of {
            $(B::$code => Op::from(op::$variant {}),)*
            $($rest)*
        }
    };
}

/// The options of this name, or the end: an operator whose options are others than its own is kept as it is.
macro_rules! of {
    ($options:expr, $name:ident) => {{
        let O::$name(options) = $options else { return None };
        options
    }};
}

macro_rules! pool {
    ($options:expr, $variant:ident) => {{
        let o = of!($options, Pool2DOptions);
        op::$variant {
            filter: [int(o.filter_height)?, int(o.filter_width)?],
            stride: [int(o.stride_h)?, int(o.stride_w)?],
            padding: padding(o.padding)?,
            activation: activation(o.fused_activation_function)?,
        }
        .into()
    }};
}

macro_rules! conv_3d {
    ($options:expr, $variant:ident) => {{
        let o = of!($options, Conv3DOptions);
        op::$variant {
            padding: padding(o.padding)?,
            stride: [int(o.stride_d)?, int(o.stride_h)?, int(o.stride_w)?],
            dilation: [int(o.dilation_d_factor)?, int(o.dilation_h_factor)?, int(o.dilation_w_factor)?],
            activation: activation(o.fused_activation_function)?,
        }
        .into()
    }};
}

macro_rules! reducer {
    ($options:expr, $variant:ident) => {
        op::$variant {
            keep_dims: of!($options, ReducerOptions).keep_dims,
        }
        .into()
    };
}

macro_rules! random {
    ($options:expr, $variant:ident, $around:expr) => {{
        let o = of!($options, RandomOptions);
        op::$variant {
            seed: o.seed,
            seed2: o.seed2,
            dtype: $around.output?,
        }
        .into()
    }};
}

/// The operation that the operator `code` computes with these options, or `None` where the IR has none for it.
pub(crate) fn decode(code: B, options: &O, options_2: &O2, around: &Surroundings<'_>) -> Option<Op> {
    let graph = around.graph;
    Some(plain_ops! { arms code, {
        B::IF => {
            let o = of!(options, IfOptions);
            op::If { then_graph: graph(o.then_subgraph_index)?, else_graph: graph(o.else_subgraph_index)? }.into()
        }
        B::WHILE => {
            let o = of!(options, WhileOptions);
            op::While { cond: graph(o.cond_subgraph_index)?, body: graph(o.body_subgraph_index)? }.into()
        }
        B::CALL => op::Call { graph: graph(i32::try_from(of!(options, CallOptions).subgraph).ok()?)? }.into(),
        B::CALL_ONCE => op::CallOnce { graph: graph(of!(options, CallOnceOptions).init_subgraph_index)? }.into(),

        B::QUANTIZE => op::Quantize { rounding: Rounding::Nearest }.into(),
        B::CONV_2D => {
            let o = of!(options, Conv2DOptions);
            plain_bias(o.quantized_bias_type)?;
            op::Conv2d {
                padding: padding(o.padding)?,
                stride: [int(o.stride_h)?, int(o.stride_w)?],
                dilation: [int(o.dilation_h_factor)?, int(o.dilation_w_factor)?],
                activation: activation(o.fused_activation_function)?,
            }.into()
        }
        B::DEPTHWISE_CONV_2D => {
            let o = of!(options, DepthwiseConv2DOptions);
            op::DepthwiseConv2d {
                padding: padding(o.padding)?,
                stride: [int(o.stride_h)?, int(o.stride_w)?],
                dilation: [int(o.dilation_h_factor)?, int(o.dilation_w_factor)?],
                depth_multiplier: int(o.depth_multiplier)?,
                activation: activation(o.fused_activation_function)?,
            }.into()
        }
        B::TRANSPOSE_CONV => {
            let o = of!(options, TransposeConvOptions);
            plain_bias(o.quantized_bias_type)?;
            op::TransposeConv {
                padding: padding(o.padding)?,
                stride: [int(o.stride_h)?, int(o.stride_w)?],
                activation: activation(o.fused_activation_function)?,
            }.into()
        }
        B::CONV_3D => conv_3d!(options, Conv3d),
        B::CONV_3D_TRANSPOSE => conv_3d!(options, Conv3dTranspose),
        B::FULLY_CONNECTED => {
            let o = of!(options, FullyConnectedOptions);
            plain_bias(o.quantized_bias_type)?;
            op::FullyConnected {
                activation: activation(o.fused_activation_function)?,
                keep_num_dims: o.keep_num_dims,
                asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
                weights_format: weights_format(o.weights_format)?,
            }.into()
        }
        B::BATCH_MATMUL => {
            let o = of!(options, BatchMatMulOptions);
            op::BatchMatmul { adj_x: o.adj_x, adj_y: o.adj_y, asymmetric_quantize_inputs: o.asymmetric_quantize_inputs }.into()
        }

        B::AVERAGE_POOL_2D => pool!(options, AveragePool2d),
        B::MAX_POOL_2D => pool!(options, MaxPool2d),
        B::L2_POOL_2D => pool!(options, L2Pool2d),
        B::DILATE => op::Dilate {}.into(),
        B::REDUCE_WINDOW => {
            let O2::ReduceWindowOptions(o) = options_2 else { return None };
            op::ReduceWindow { function: window_function(o.reduce_function)? }.into()
        }

        B::GELU => op::Gelu { approximate: of!(options, GeluOptions).approximate }.into(),
        B::LEAKY_RELU => op::LeakyRelu { alpha: of!(options, LeakyReluOptions).alpha }.into(),
        B::CAST => op::Cast { dtype: around.output? }.into(),
        B::BITCAST => op::Bitcast { dtype: around.output? }.into(),
        B::FAKE_QUANT => {
            let o = of!(options, FakeQuantOptions);
            op::FakeQuant { min: o.min, max: o.max, num_bits: o.num_bits, narrow_range: o.narrow_range }.into()
        }

        B::ADD => {
            let o = of!(options, AddOptions);
            op::Add { activation: activation(o.fused_activation_function)?, pot_scale_int16: o.pot_scale_int16 }.into()
        }
        B::SUB => {
            let o = of!(options, SubOptions);
            op::Sub { activation: activation(o.fused_activation_function)?, pot_scale_int16: o.pot_scale_int16 }.into()
        }
        B::MUL => op::Mul { activation: activation(of!(options, MulOptions).fused_activation_function)? }.into(),
        B::DIV => op::Div { activation: activation(of!(options, DivOptions).fused_activation_function)? }.into(),

        B::SOFTMAX => op::Softmax { beta: of!(options, SoftmaxOptions).beta }.into(),
        B::L2_NORMALIZATION => {
            op::L2Normalization { activation: activation(of!(options, L2NormOptions).fused_activation_function)? }.into()
        }
        B::LOCAL_RESPONSE_NORMALIZATION => {
            let o = of!(options, LocalResponseNormalizationOptions);
            op::LocalResponseNormalization { radius: o.radius, bias: o.bias, alpha: o.alpha, beta: o.beta }.into()
        }

        B::MEAN => reducer!(options, Mean),
        B::SUM => reducer!(options, Sum),
        B::REDUCE_PROD => reducer!(options, ReduceProd),
        B::REDUCE_MAX => reducer!(options, ReduceMax),
        B::REDUCE_MIN => reducer!(options, ReduceMin),
        B::REDUCE_ANY => reducer!(options, ReduceAny),
        B::REDUCE_ALL => reducer!(options, ReduceAll),
        B::ARG_MAX => op::ArgMax { dtype: dtype(of!(options, ArgMaxOptions).output_type)? }.into(),
        B::ARG_MIN => op::ArgMin { dtype: dtype(of!(options, ArgMinOptions).output_type)? }.into(),
        B::CUMSUM => {
            let o = of!(options, CumsumOptions);
            op::Cumsum { exclusive: o.exclusive, reverse: o.reverse }.into()
        }
        B::UNIQUE => op::Unique { dtype: dtype(of!(options, UniqueOptions).idx_out_type)? }.into(),
        B::BUCKETIZE => {
            op::Bucketize { boundaries: of!(options, BucketizeOptions).boundaries.clone().unwrap_or_default() }.into()
        }

        B::RESHAPE => op::Reshape {}.into(),
        B::SQUEEZE => {
            let axes = match options {
                O::SqueezeOptions(o) => o.squeeze_dims.clone().unwrap_or_default(),
                _ => Vec::new(),
            };
            op::Squeeze { axes }.into()
        }
        B::CONCATENATION => {
            let o = of!(options, ConcatenationOptions);
            op::Concatenation { axis: o.axis, activation: activation(o.fused_activation_function)? }.into()
        }
        B::PACK => op::Pack { axis: of!(options, PackOptions).axis }.into(),
        B::UNPACK => {
            let o = of!(options, UnpackOptions);
            op::Unpack { num: same_number(o.num, around.outputs)?, axis: o.axis }.into()
        }
        B::SPLIT => op::Split { num: same_number(of!(options, SplitOptions).num_splits, around.outputs)? }.into(),
        B::SPLIT_V => op::SplitV { num: same_number(of!(options, SplitVOptions).num_splits, around.outputs)? }.into(),
        B::STRIDED_SLICE => {
            let o = of!(options, StridedSliceOptions);
            op::StridedSlice {
                begin_mask: o.begin_mask,
                end_mask: o.end_mask,
                ellipsis_mask: o.ellipsis_mask,
                new_axis_mask: o.new_axis_mask,
                shrink_axis_mask: o.shrink_axis_mask,
                offset: o.offset,
            }.into()
        }
        B::GATHER => {
            let o = of!(options, GatherOptions);
            op::Gather { axis: o.axis, batch_dims: o.batch_dims }.into()
        }
        B::MIRROR_PAD => op::MirrorPad { mode: mirror(of!(options, MirrorPadOptions).mode)? }.into(),
        B::SPACE_TO_DEPTH => op::SpaceToDepth { block_size: of!(options, SpaceToDepthOptions).block_size }.into(),
        B::DEPTH_TO_SPACE => op::DepthToSpace { block_size: of!(options, DepthToSpaceOptions).block_size }.into(),
        B::REVERSE_SEQUENCE => {
            let o = of!(options, ReverseSequenceOptions);
            op::ReverseSequence { seq_dim: o.seq_dim, batch_dim: o.batch_dim }.into()
        }
        B::ONE_HOT => op::OneHot { axis: of!(options, OneHotOptions).axis }.into(),
        B::SHAPE => op::Shape { dtype: dtype(of!(options, ShapeOptions).out_type)? }.into(),
        B::SPARSE_TO_DENSE => {
            op::SparseToDense { validate_indices: of!(options, SparseToDenseOptions).validate_indices }.into()
        }
        B::RESIZE_BILINEAR => {
            let o = of!(options, ResizeBilinearOptions);
            op::ResizeBilinear { align_corners: o.align_corners, half_pixel_centers: o.half_pixel_centers }.into()
        }
        B::RESIZE_NEAREST_NEIGHBOR => {
            let o = of!(options, ResizeNearestNeighborOptions);
            op::ResizeNearestNeighbor { align_corners: o.align_corners, half_pixel_centers: o.half_pixel_centers }.into()
        }

        B::EMBEDDING_LOOKUP_SPARSE => {
            op::EmbeddingLookupSparse { combiner: combiner(of!(options, EmbeddingLookupSparseOptions).combiner)? }.into()
        }
        B::LSH_PROJECTION => op::LshProjection { projection: projection(of!(options, LSHProjectionOptions).type_)? }.into(),
        B::SKIP_GRAM => {
            let o = of!(options, SkipGramOptions);
            op::SkipGram {
                ngram_size: o.ngram_size,
                max_skip_size: o.max_skip_size,
                include_all_ngrams: o.include_all_ngrams,
            }.into()
        }
        B::RANDOM_UNIFORM => random!(options, RandomUniform, around),
        B::RANDOM_STANDARD_NORMAL => random!(options, RandomStandardNormal, around),
        B::MULTINOMIAL => random!(options, Multinomial, around),

        B::LSTM => {
            let o = of!(options, LSTMOptions);
            let activation = activation(o.fused_activation_function)?;
            match o.kernel_type {
                LSTMKernelType::FULL => op::Lstm {
                    activation,
                    cell_clip: o.cell_clip,
                    proj_clip: o.proj_clip,
                    asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
                }.into(),
                LSTMKernelType::BASIC => {
                    op::BasicLstm { activation, cell_clip: o.cell_clip, proj_clip: o.proj_clip }.into()
                }
                _ => return None,
            }
        }
        B::UNIDIRECTIONAL_SEQUENCE_LSTM => {
            let o = of!(options, UnidirectionalSequenceLSTMOptions);
            op::UnidirectionalSequenceLstm {
                activation: activation(o.fused_activation_function)?,
                cell_clip: o.cell_clip,
                proj_clip: o.proj_clip,
                time_major: o.time_major,
                asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
                diagonal_recurrent_tensors: o.diagonal_recurrent_tensors,
            }.into()
        }
        B::BIDIRECTIONAL_SEQUENCE_LSTM => {
            let o = of!(options, BidirectionalSequenceLSTMOptions);
            op::BidirectionalSequenceLstm {
                activation: activation(o.fused_activation_function)?,
                cell_clip: o.cell_clip,
                proj_clip: o.proj_clip,
                merge_outputs: o.merge_outputs,
                time_major: o.time_major,
                asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
            }.into()
        }
        B::RNN => {
            let o = of!(options, RNNOptions);
            op::Rnn {
                activation: activation(o.fused_activation_function)?,
                asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
            }.into()
        }
        B::UNIDIRECTIONAL_SEQUENCE_RNN => {
            let o = of!(options, SequenceRNNOptions);
            op::UnidirectionalSequenceRnn {
                time_major: o.time_major,
                activation: activation(o.fused_activation_function)?,
                asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
            }.into()
        }
        B::BIDIRECTIONAL_SEQUENCE_RNN => {
            let o = of!(options, BidirectionalSequenceRNNOptions);
            op::BidirectionalSequenceRnn {
                time_major: o.time_major,
                activation: activation(o.fused_activation_function)?,
                merge_outputs: o.merge_outputs,
                asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
            }.into()
        }
        B::SVDF => {
            let o = of!(options, SVDFOptions);
            op::Svdf {
                rank: o.rank,
                activation: activation(o.fused_activation_function)?,
                asymmetric_quantize_inputs: o.asymmetric_quantize_inputs,
            }.into()
        }

        B::VAR_HANDLE => {
            let o = of!(options, VarHandleOptions);
            op::VarHandle {
                container: o.container.clone().unwrap_or_default(),
                shared_name: o.shared_name.clone().unwrap_or_default(),
            }.into()
        }
        B::HASHTABLE => {
            let o = of!(options, HashtableOptions);
            op::Hashtable { table_id: o.table_id, key_dtype: dtype(o.key_dtype)?, value_dtype: dtype(o.value_dtype)? }.into()
        }
        _ => return None,
    } })
}

/// The IR has no other type for the bias of quantized arithmetic than the usual one.
fn plain_bias(dtype: TensorType) -> Option<()> {
    (dtype == TensorType::FLOAT32).then_some(())
}

/// The number of parts, where the operator has as many outputs.
fn same_number(declared: i32, outputs: usize) -> Option<u32> {
    let declared = int(declared)?;
    (declared as usize == outputs).then_some(declared)
}
