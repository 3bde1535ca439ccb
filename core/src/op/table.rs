//! The operation table: the one source of truth about which operations there are.

use super::ops;
use crate::attr::{
    Activation, Attr, AttrError, Attrs, Blob, Combiner, MirrorMode, Padding, Projection, Rounding, WeightsFormat, WindowFunction,
};
use crate::model::GraphId;
use crate::tensor::Tensor;
use crate::types::DType;

ops! {
    // Structure.

    /// The beginning of a graph; its results are the graph's parameters.
    Parameters = "parameters" () {}
    /// The end of a graph; its operands are the graph's results.
    Return = "return" (results: many) {}
    /// A constant.
    Const = "const" () { value: Tensor }
    /// A value that is zero at first and keeps, from call to call, what operations with state operands write into it.
    State = "state" () {}
    /// Runs one of two graphs of equal parameters and results.
    If = "if" (condition, arguments: many) { then_graph: GraphId, else_graph: GraphId }
    /// Runs `body` on the state as long as `cond`, which sees the same state, gives true.
    While = "while" (state: many) { cond: GraphId, body: GraphId }
    /// Runs a graph.
    Call = "call" (arguments: many) { graph: GraphId }
    /// Runs a graph without parameters and results, once in the life of an interpreter.
    CallOnce = "call_once" () { graph: GraphId }
    /// An operation of a source that has no row in this table, kept as it was: TensorFlow's `name` and its attributes.
    /// `definition` is the serialized NodeDef where there is one.
    Foreign = "foreign" (operands: many) { name: String, attrs: Attrs = Attrs::new(), definition: Blob = Blob::default() }
    /// A custom operator of a TFLite file, with its options as they were.
    Custom = "custom" (operands: many) { name: String, options: Blob = Blob::default(), version: i32 = 1 }
    /// A TFLite builtin that has no row in this table, kept as it was: its code and its serialized options.
    Builtin = "builtin" (operands: many) { code: i32, version: i32 = 1, options: Blob = Blob::default(), graphs: Vec<GraphId> = Vec::new() }

    // Products.

    /// Convolution over NHWC images with weights `[out, height, width, in / groups]`; stride and dilation are (height, width).
    Conv2d = "conv_2d" (input, weights, bias: optional) {
        padding: Padding, stride: [u32; 2] = [1, 1], dilation: [u32; 2] = [1, 1], activation: Activation = Activation::None,
    }
    /// Convolution of each channel on its own, with weights `[1, height, width, channels × depth_multiplier]`.
    DepthwiseConv2d = "depthwise_conv_2d" (input, weights, bias: optional) {
        padding: Padding, stride: [u32; 2] = [1, 1], dilation: [u32; 2] = [1, 1], depth_multiplier: u32,
        activation: Activation = Activation::None,
    }
    /// The transpose of a convolution: scatters each input pixel; `output_shape` is i32 `[4]`, weights `[out, height, width, in]`.
    TransposeConv = "transpose_conv" (output_shape, weights, input, bias: optional) {
        padding: Padding, stride: [u32; 2] = [1, 1], activation: Activation = Activation::None,
    }
    /// Convolution over NDHWC volumes with weights `[depth, height, width, in, out]`; stride and dilation are (depth, height, width).
    Conv3d = "conv_3d" (input, weights, bias: optional) {
        padding: Padding, stride: [u32; 3] = [1, 1, 1], dilation: [u32; 3] = [1, 1, 1], activation: Activation = Activation::None,
    }
    /// The transpose of a convolution over volumes; weights `[depth, height, width, out, in]`.
    Conv3dTranspose = "conv_3d_transpose" (output_shape, weights, input, bias: optional) {
        padding: Padding, stride: [u32; 3] = [1, 1, 1], dilation: [u32; 3] = [1, 1, 1], activation: Activation = Activation::None,
    }
    /// `input · weightsᵀ + bias` with weights `[out, in]`. The input is seen as `[n, in]`; the result is `[n, out]`, or
    /// has the input's leading dimensions where `keep_num_dims` is set.
    FullyConnected = "fully_connected" (input, weights, bias: optional) {
        activation: Activation = Activation::None, keep_num_dims: bool = false, asymmetric_quantize_inputs: bool = false,
        weights_format: WeightsFormat = WeightsFormat::Plain,
    }
    /// The product of the last two dimensions, the others broadcast; `adj_x`, `adj_y` transpose an operand first.
    BatchMatmul = "batch_matmul" (x, y) { adj_x: bool = false, adj_y: bool = false, asymmetric_quantize_inputs: bool = false }

    // Windows.

    /// The mean of each window, counting only elements inside the input.
    AveragePool2d = "average_pool_2d" (input) { filter: [u32; 2], stride: [u32; 2], padding: Padding, activation: Activation = Activation::None }
    /// The maximum of each window.
    MaxPool2d = "max_pool_2d" (input) { filter: [u32; 2], stride: [u32; 2], padding: Padding, activation: Activation = Activation::None }
    /// The root of the mean square of each window.
    L2Pool2d = "l2_pool_2d" (input) { filter: [u32; 2], stride: [u32; 2], padding: Padding, activation: Activation = Activation::None }
    /// Inserts `init` between elements, `dilations[i] - 1` of them along axis i.
    Dilate = "dilate" (input, dilations, padding_value) {}
    /// Reduces each window of any rank with a function.
    ReduceWindow = "reduce_window" (input, init, window_shape, window_strides, window_dilations) { function: WindowFunction }

    // One element to one element.

    /// `|x|`.
    Abs = "abs" (input) {}
    /// The least integer not below.
    Ceil = "ceil" (input) {}
    /// The cosine.
    Cos = "cos" (input) {}
    /// `x` where positive, else `exp(x) - 1`.
    Elu = "elu" (input) {}
    /// The exponential.
    Exp = "exp" (input) {}
    /// The greatest integer not above.
    Floor = "floor" (input) {}
    /// The Gaussian error linear unit, exact or with the tanh approximation.
    Gelu = "gelu" (input) { approximate: bool = false }
    /// `x × relu6(x + 3) / 6`.
    HardSwish = "hard_swish" (input) {}
    /// `x` where positive, else `alpha × x`.
    LeakyRelu = "leaky_relu" (input) { alpha: f32 }
    /// The natural logarithm.
    Log = "log" (input) {}
    /// The negation of a truth value.
    LogicalNot = "logical_not" (input) {}
    /// `1 / (1 + exp(-x))`.
    Logistic = "logistic" (input) {}
    /// `-x`.
    Neg = "neg" (input) {}
    /// `x` where positive, else `alpha × x` with `alpha` broadcast.
    Prelu = "prelu" (input, alpha) {}
    /// `max(x, 0)`.
    Relu = "relu" (input) {}
    /// `min(max(x, 0), 6)`.
    Relu6 = "relu6" (input) {}
    /// `min(max(x, 0), 1)`.
    Relu0To1 = "relu_0_to_1" (input) {}
    /// `min(max(x, -1), 1)`.
    ReluN1To1 = "relu_n1_to_1" (input) {}
    /// The nearest integer, halves to even.
    Round = "round" (input) {}
    /// `1 / √x`.
    Rsqrt = "rsqrt" (input) {}
    /// -1, 0 or 1.
    Sign = "sign" (input) {}
    /// The sine.
    Sin = "sin" (input) {}
    /// The square root.
    Sqrt = "sqrt" (input) {}
    /// `x²`.
    Square = "square" (input) {}
    /// The hyperbolic tangent.
    Tanh = "tanh" (input) {}
    /// Zeros of the input's type.
    ZerosLike = "zeros_like" (input) {}
    /// Another element type, values converted; floats are cut towards zero.
    Cast = "cast" (input) { dtype: DType }
    /// Another element type, bits kept.
    Bitcast = "bitcast" (input) { dtype: DType }
    /// The real part.
    Real = "real" (input) {}
    /// The imaginary part.
    Imag = "imag" (input) {}
    /// The absolute value of a complex number.
    ComplexAbs = "complex_abs" (input) {}
    /// Reals to integers as the declared result's quantization says, or integers to another quantization.
    /// In balance only i8 with a scale for each channel.
    Quantize = "quantize" (input) { rounding: Rounding = Rounding::Nearest }
    /// Integers to the reals that they stand for; also f16 to f32.
    Dequantize = "dequantize" (input) {}
    /// Rounds to one of `2^num_bits` levels between `min` and `max`.
    FakeQuant = "fake_quant" (input) { min: f32, max: f32, num_bits: i32 = 8, narrow_range: bool = false }

    // Two elements to one, broadcast.

    /// `x + y`.
    Add = "add" (x, y) { activation: Activation = Activation::None, pot_scale_int16: bool = true }
    /// `x - y`.
    Sub = "sub" (x, y) { activation: Activation = Activation::None, pot_scale_int16: bool = true }
    /// `x × y`.
    Mul = "mul" (x, y) { activation: Activation = Activation::None }
    /// `x / y`; integers are cut towards zero.
    Div = "div" (x, y) { activation: Activation = Activation::None }
    /// The greatest integer not above `x / y`.
    FloorDiv = "floor_div" (x, y) {}
    /// `x - y × floor(x / y)`.
    FloorMod = "floor_mod" (x, y) {}
    /// `x^y`.
    Pow = "pow" (x, y) {}
    /// The greater one.
    Maximum = "maximum" (x, y) {}
    /// The smaller one.
    Minimum = "minimum" (x, y) {}
    /// `(x - y)²`.
    SquaredDifference = "squared_difference" (x, y) {}
    /// The angle of the point (y, x): operand `y` comes first.
    Atan2 = "atan2" (y, x) {}
    /// `x = y`.
    Equal = "equal" (x, y) {}
    /// `x ≠ y`.
    NotEqual = "not_equal" (x, y) {}
    /// `x < y`.
    Less = "less" (x, y) {}
    /// `x ≤ y`.
    LessEqual = "less_equal" (x, y) {}
    /// `x > y`.
    Greater = "greater" (x, y) {}
    /// `x ≥ y`.
    GreaterEqual = "greater_equal" (x, y) {}
    /// The conjunction.
    LogicalAnd = "logical_and" (x, y) {}
    /// The disjunction.
    LogicalOr = "logical_or" (x, y) {}
    /// The bitwise exclusive or.
    BitwiseXor = "bitwise_xor" (x, y) {}
    /// `x` shifted right by `y` bits.
    RightShift = "right_shift" (x, y) {}
    /// The sum of any number of values of one shape.
    AddN = "add_n" (inputs: many) {}
    /// `x` where the condition holds, else `y`; equal shapes, or a condition of rank 1 over the first axis.
    Select = "select" (condition, x, y) {}
    /// `x` where the condition holds, else `y`; all broadcast.
    SelectV2 = "select_v2" (condition, x, y) {}

    // Along the last axis, and normalization.

    /// `exp(beta × x)` divided by its sum over the last axis.
    Softmax = "softmax" (input) { beta: f32 = 1.0 }
    /// The logarithm of softmax over the last axis.
    LogSoftmax = "log_softmax" (input) {}
    /// Divided by the Euclidean norm over the last axis, which is at least 1e-6.
    L2Normalization = "l2_normalization" (input) { activation: Activation = Activation::None }
    /// Divided by `(bias + alpha × sum of squares within radius channels)^beta`.
    LocalResponseNormalization = "local_response_normalization" (input) { radius: i32, bias: f32, alpha: f32, beta: f32 }

    // Reductions over `axes`, an i32 constant or value.

    /// The mean.
    Mean = "mean" (input, axes) { keep_dims: bool = false }
    /// The sum.
    Sum = "sum" (input, axes) { keep_dims: bool = false }
    /// The product.
    ReduceProd = "reduce_prod" (input, axes) { keep_dims: bool = false }
    /// The maximum.
    ReduceMax = "reduce_max" (input, axes) { keep_dims: bool = false }
    /// The minimum.
    ReduceMin = "reduce_min" (input, axes) { keep_dims: bool = false }
    /// The disjunction.
    ReduceAny = "reduce_any" (input, axes) { keep_dims: bool = false }
    /// The conjunction.
    ReduceAll = "reduce_all" (input, axes) { keep_dims: bool = false }
    /// The index of the greatest element along the axis, the first one where several are equal; i32 or i64.
    ArgMax = "arg_max" (input, axis) { dtype: DType }
    /// The index of the smallest element along the axis; i32 or i64.
    ArgMin = "arg_min" (input, axis) { dtype: DType }
    /// Running sums along the axis.
    Cumsum = "cumsum" (input, axis) { exclusive: bool = false, reverse: bool = false }
    /// The `k` greatest elements of the last axis, and their indices.
    TopkV2 = "topk_v2" (input, k) {}
    /// The distinct elements of a vector in order of appearance, and each element's place among them.
    Unique = "unique" (input) { dtype: DType = DType::I32 }
    /// The indices of elements that are not zero, i64 `[n, rank]`.
    Where = "where" (condition) {}
    /// For each element the number of `boundaries` that are not above it.
    Bucketize = "bucketize" (input) { boundaries: Vec<f32> }

    // Moving elements.

    /// The same elements under another shape; -1 in `shape` stands for what is left.
    Reshape = "reshape" (input, shape) {}
    /// Without these dimensions of 1, all of them where the list is empty.
    Squeeze = "squeeze" (input) { axes: Vec<i32> = Vec::new() }
    /// With a dimension of 1 at `axis`.
    ExpandDims = "expand_dims" (input, axis) {}
    /// Dimension i of the result is dimension `permutation[i]` of the input.
    Transpose = "transpose" (input, permutation) {}
    /// One after the other along `axis`.
    Concatenation = "concatenation" (inputs: many) { axis: i32, activation: Activation = Activation::None }
    /// Stacked along a new `axis`.
    Pack = "pack" (inputs: many) { axis: i32 }
    /// The `num` slices along `axis`, without it.
    Unpack = "unpack" (input) { num: u32, axis: i32 }
    /// `num` equal parts along `axis`, which is the first operand.
    Split = "split" (axis, input) { num: u32 }
    /// `num` parts of the given sizes along `axis`.
    SplitV = "split_v" (input, sizes, axis) { num: u32 }
    /// The part from `begin` on, `size` long; -1 stands for what is left.
    Slice = "slice" (input, begin, size) {}
    /// The elements from `begin` to `end` by `strides`, with TensorFlow's masks; with `offset`, `end` counts from `begin`.
    StridedSlice = "strided_slice" (input, begin, end, strides) {
        begin_mask: i32 = 0, end_mask: i32 = 0, ellipsis_mask: i32 = 0, new_axis_mask: i32 = 0, shrink_axis_mask: i32 = 0,
        offset: bool = false,
    }
    /// The slices of `axis` that the indices name, after `batch_dims` common dimensions.
    Gather = "gather" (input, indices) { axis: i32 = 0, batch_dims: i32 = 0 }
    /// The slices at index tuples along the indices' last axis.
    GatherNd = "gather_nd" (input, indices) {}
    /// Zeros of the given shape with updates added at index tuples.
    ScatterNd = "scatter_nd" (indices, updates, shape) {}
    /// `input` with `update` written from `start` on, moved inside where it would reach out.
    DynamicUpdateSlice = "dynamic_update_slice" (input, update, start) {}
    /// Repeated `multiples[i]` times along axis i.
    Tile = "tile" (input, multiples) {}
    /// Surrounded by zeros, `paddings[i]` = (before, after).
    Pad = "pad" (input, paddings) {}
    /// Surrounded by `value`.
    PadV2 = "padv2" (input, paddings, value) {}
    /// Surrounded by its own mirror image.
    MirrorPad = "mirror_pad" (input, paddings) { mode: MirrorMode }
    /// Blocks of pixels to channels.
    SpaceToDepth = "space_to_depth" (input) { block_size: i32 }
    /// Channels to blocks of pixels.
    DepthToSpace = "depth_to_space" (input) { block_size: i32 }
    /// Interleaved pixels, after padding, to batches.
    SpaceToBatchNd = "space_to_batch_nd" (input, block, paddings) {}
    /// Batches to interleaved pixels, then cropped.
    BatchToSpaceNd = "batch_to_space_nd" (input, block, crops) {}
    /// Reversed along the axes.
    ReverseV2 = "reverse_v2" (input, axes) {}
    /// The first `lengths[b]` elements along `seq_dim` reversed in each batch entry.
    ReverseSequence = "reverse_sequence" (input, lengths) { seq_dim: i32, batch_dim: i32 = 0 }
    /// Repeated along dimensions of 1 to the given shape.
    BroadcastTo = "broadcast_to" (input, shape) {}
    /// The shape that two shapes broadcast to.
    BroadcastArgs = "broadcast_args" (x, y) {}
    /// The given shape filled with one value.
    Fill = "fill" (dims, value) {}
    /// The numbers from `start` up to `limit` by `delta`.
    Range = "range" (start, limit, delta) {}
    /// `on` at the index along a new axis of length `depth`, `off` elsewhere.
    OneHot = "one_hot" (indices, depth, on, off) { axis: i32 = -1 }
    /// The dimensions of the input; i32 or i64.
    Shape = "shape" (input) { dtype: DType = DType::I32 }
    /// The number of dimensions of the input, i32.
    Rank = "rank" (input) {}
    /// A matrix with this diagonal.
    MatrixDiag = "matrix_diag" (diagonal) {}
    /// The matrix with its diagonal replaced.
    MatrixSetDiag = "matrix_set_diag" (input, diagonal) {}
    /// `values` at index tuples of the given shape, `default` elsewhere.
    SparseToDense = "sparse_to_dense" (indices, output_shape, values, default) { validate_indices: bool = false }
    /// A sparse constant, unpacked.
    Densify = "densify" (input) {}
    /// Resized by linear interpolation to `size` = (height, width).
    ResizeBilinear = "resize_bilinear" (input, size) { align_corners: bool = false, half_pixel_centers: bool = false }
    /// Resized by the nearest pixel to `size` = (height, width).
    ResizeNearestNeighbor = "resize_nearest_neighbor" (input, size) { align_corners: bool = false, half_pixel_centers: bool = false }
    /// The real Fourier transform over the last two axes.
    Rfft2d = "rfft2d" (input, fft_length) {}

    // Look-up, segments, detection, random numbers.

    /// Rows of a table; ids are i32 of rank 1.
    EmbeddingLookup = "embedding_lookup" (ids, table) {}
    /// Weighted sums of rows of a table.
    EmbeddingLookupSparse = "embedding_lookup_sparse" (ids, indices, dense_shape, weights, table) { combiner: Combiner }
    /// Rows of a table by key, and whether each key was there.
    HashtableLookup = "hashtable_lookup" (lookup, key, value) {}
    /// Hashes of the input.
    LshProjection = "lsh_projection" (hash, input, weight: optional) { projection: Projection }
    /// N-grams of words with gaps.
    SkipGram = "skip_gram" (input) { ngram_size: i32, max_skip_size: i32, include_all_ngrams: bool = false }
    /// Sums of runs of rows with equal, ascending ids.
    SegmentSum = "segment_sum" (data, segment_ids) {}
    /// Sums of rows with equal ids.
    UnsortedSegmentSum = "unsorted_segment_sum" (data, segment_ids, num_segments) {}
    /// Products of rows with equal ids.
    UnsortedSegmentProd = "unsorted_segment_prod" (data, segment_ids, num_segments) {}
    /// Maxima of rows with equal ids.
    UnsortedSegmentMax = "unsorted_segment_max" (data, segment_ids, num_segments) {}
    /// Minima of rows with equal ids.
    UnsortedSegmentMin = "unsorted_segment_min" (data, segment_ids, num_segments) {}
    /// The best boxes that overlap little, padded, and their number.
    NonMaxSuppressionV4 = "non_max_suppression_v4" (boxes, scores, max_output_size, iou_threshold, score_threshold) {}
    /// The best boxes that overlap little, padded, their scores, and their number.
    NonMaxSuppressionV5 = "non_max_suppression_v5" (boxes, scores, max_output_size, iou_threshold, score_threshold, soft_nms_sigma) {}
    /// Uniform random numbers in [0, 1).
    RandomUniform = "random_uniform" (shape) { seed: i64 = 0, seed2: i64 = 0, dtype: DType = DType::F32 }
    /// Normal random numbers.
    RandomStandardNormal = "random_standard_normal" (shape) { seed: i64 = 0, seed2: i64 = 0, dtype: DType = DType::F32 }
    /// Random classes drawn from unnormalized log-probabilities.
    Multinomial = "multinomial" (logits, num_samples) { seed: i64 = 0, seed2: i64 = 0, dtype: DType = DType::I64 }

    // Recurrent layers. State operands are read and written in place.

    /// One step of an LSTM cell.
    Lstm = "lstm" (
        input, input_to_input: optional, input_to_forget, input_to_cell, input_to_output,
        recurrent_to_input: optional, recurrent_to_forget, recurrent_to_cell, recurrent_to_output,
        cell_to_input: optional, cell_to_forget: optional, cell_to_output: optional,
        input_bias: optional, forget_bias, cell_bias, output_bias, projection: optional, projection_bias: optional,
        output_state, cell_state,
        input_norm: optional, forget_norm: optional, cell_norm: optional, output_norm: optional,
    ) { activation: Activation = Activation::Tanh, cell_clip: f32 = 0.0, proj_clip: f32 = 0.0, asymmetric_quantize_inputs: bool = false }
    /// The basic LSTM kernel: weights of all gates in one matrix; results are activation, state, the concatenated inputs and the gates.
    BasicLstm = "basic_lstm" (input, previous_activation, weights, bias, previous_state) {
        activation: Activation = Activation::Tanh, cell_clip: f32 = 0.0, proj_clip: f32 = 0.0,
    }
    /// An LSTM layer over a sequence `[batch, time, features]`, or `[time, batch, features]` where `time_major`.
    UnidirectionalSequenceLstm = "unidirectional_sequence_lstm" (
        input, input_to_input: optional, input_to_forget, input_to_cell, input_to_output,
        recurrent_to_input: optional, recurrent_to_forget, recurrent_to_cell, recurrent_to_output,
        cell_to_input: optional, cell_to_forget: optional, cell_to_output: optional,
        input_bias: optional, forget_bias, cell_bias, output_bias, projection: optional, projection_bias: optional,
        output_state, cell_state,
        input_norm: optional, forget_norm: optional, cell_norm: optional, output_norm: optional,
    ) {
        activation: Activation = Activation::Tanh, cell_clip: f32 = 0.0, proj_clip: f32 = 0.0, time_major: bool = false,
        asymmetric_quantize_inputs: bool = false, diagonal_recurrent_tensors: bool = false,
    }
    /// Two LSTM layers over a sequence, one of them backwards; 48 operands in TFLite's order.
    BidirectionalSequenceLstm = "bidirectional_sequence_lstm" (operands: many) {
        activation: Activation = Activation::Tanh, cell_clip: f32 = 0.0, proj_clip: f32 = 0.0, merge_outputs: bool = false,
        time_major: bool = true, asymmetric_quantize_inputs: bool = false,
    }
    /// One step of a plain recurrent cell.
    Rnn = "rnn" (input, weights, recurrent_weights, bias, hidden_state) {
        activation: Activation = Activation::None, asymmetric_quantize_inputs: bool = false,
    }
    /// A plain recurrent layer over a sequence.
    UnidirectionalSequenceRnn = "unidirectional_sequence_rnn" (input, weights, recurrent_weights, bias, hidden_state) {
        time_major: bool = false, activation: Activation = Activation::None, asymmetric_quantize_inputs: bool = false,
    }
    /// Two plain recurrent layers over a sequence, one of them backwards; 12 operands in TFLite's order.
    BidirectionalSequenceRnn = "bidirectional_sequence_rnn" (operands: many) {
        time_major: bool = false, activation: Activation = Activation::None, merge_outputs: bool = false,
        asymmetric_quantize_inputs: bool = false,
    }
    /// A singular-value-decomposition filter.
    Svdf = "svdf" (input, feature_weights, time_weights, bias: optional, state) {
        rank: i32, activation: Activation = Activation::None, asymmetric_quantize_inputs: bool = false,
    }

    // Variables and tables.

    /// The handle of a variable.
    VarHandle = "var_handle" () { container: String = String::new(), shared_name: String }
    /// The variable's value; its type is declared.
    ReadVariable = "read_variable" (handle) {}
    /// Gives the variable another value.
    AssignVariable = "assign_variable" (handle, value) {}
    /// The handle of a hash table.
    Hashtable = "hashtable" () { table_id: i32, key_dtype: DType, value_dtype: DType }
    /// The table's value for each key, `default` where there is none.
    HashtableFind = "hashtable_find" (handle, keys, default) {}
    /// Fills the table.
    HashtableImport = "hashtable_import" (handle, keys, values) {}
    /// The number of entries, i64 `[1]`.
    HashtableSize = "hashtable_size" (handle) {}

    // Only in sources.

    /// The input itself.
    Identity = "identity" (input) {}
    /// `scale × (input - mean) / √(variance + epsilon) + offset` over the last axis.
    BatchNorm = "batch_norm" (input, scale, offset, mean, variance) { epsilon: f32 }
    /// The error function.
    Erf = "erf" (input) {}
    /// TensorFlow's `Einsum`.
    Einsum = "einsum" (inputs: many) { equation: String }
    /// A list of `size` elements, all of them unset; `element_shape` is an integer vector or scalar -1.
    TensorListReserve = "tensor_list_reserve" (element_shape, size) { dtype: DType }
    /// The list of slices along the first axis.
    TensorListFromTensor = "tensor_list_from_tensor" (tensor, element_shape) {}
    /// Element `index` of a list.
    TensorListGetItem = "tensor_list_get_item" (list, index, element_shape) { dtype: DType }
    /// The list with element `index` replaced; `resize` grows it where the index lies behind its end.
    TensorListSetItem = "tensor_list_set_item" (list, index, item) { resize: bool = false }
    /// The elements, stacked along a new first axis.
    TensorListStack = "tensor_list_stack" (list, element_shape) { dtype: DType, num_elements: i64 = -1 }
    /// The number of elements, i32.
    TensorListLength = "tensor_list_length" (list) {}
    /// The list with one element more.
    TensorListPushBack = "tensor_list_push_back" (list, item) {}
    /// The list without its last element, and that element.
    TensorListPopBack = "tensor_list_pop_back" (list, element_shape) { dtype: DType }
    /// The list with another number of elements.
    TensorListResize = "tensor_list_resize" (list, size) {}
    /// The elements, one after the other along their first axis, and their lengths.
    TensorListConcat = "tensor_list_concat" (list, element_shape, leading_dims) { dtype: DType }
    /// The elements at the indices, stacked.
    TensorListGather = "tensor_list_gather" (list, indices, element_shape) { dtype: DType }
    /// The shape of the elements.
    TensorListElementShape = "tensor_list_element_shape" (list) { dtype: DType = DType::I32 }
}
