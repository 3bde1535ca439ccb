//! The outputs of TensorFlow's operations that have several, as their definitions name them.

/// How many tensors an output stands for.
pub(super) enum Length {
    One,
    /// As many as the integer attribute says.
    Number(&'static str),
    /// As many as the list attribute is long.
    List(&'static str),
}
use Length::{List, Number, One};

/// Operations with more than one output, sorted by name.
pub(super) const TABLE: &[(&str, &[(&str, Length)])] = &[
    (
        "AllCandidateSampler",
        &[
            ("sampled_candidates", One),
            ("true_expected_count", One),
            ("sampled_expected_count", One),
        ],
    ),
    ("ApproxTopK", &[("values", One), ("indices", One)]),
    ("Batch", &[("batched_tensors", List("T")), ("batch_index", One), ("id", One)]),
    (
        "BatchNormWithGlobalNormalizationGrad",
        &[("dx", One), ("dm", One), ("dv", One), ("db", One), ("dg", One)],
    ),
    ("BatchSelfAdjointEigV2", &[("e", One), ("v", One)]),
    ("BatchSvd", &[("s", One), ("u", One), ("v", One)]),
    ("BlockLSTM", LSTM),
    ("BlockLSTMGrad", LSTM_GRAD),
    ("BlockLSTMGradV2", LSTM_GRAD),
    ("BlockLSTMV2", LSTM),
    ("BroadcastGradientArgs", &[("r0", One), ("r1", One)]),
    (
        "CSRSparseMatrixComponents",
        &[("row_ptrs", One), ("col_inds", One), ("values", One)],
    ),
    (
        "CSRSparseMatrixToSparseTensor",
        &[("indices", One), ("values", One), ("dense_shape", One)],
    ),
    (
        "CTCBeamSearchDecoder",
        &[
            ("decoded_indices", Number("top_paths")),
            ("decoded_values", Number("top_paths")),
            ("decoded_shape", Number("top_paths")),
            ("log_probability", One),
        ],
    ),
    (
        "CTCGreedyDecoder",
        &[
            ("decoded_indices", One),
            ("decoded_values", One),
            ("decoded_shape", One),
            ("log_probability", One),
        ],
    ),
    ("CTCLoss", &[("loss", One), ("gradient", One)]),
    ("CTCLossV2", &[("loss", One), ("gradient", One)]),
    (
        "CombinedNonMaxSuppression",
        &[
            ("nmsed_boxes", One),
            ("nmsed_scores", One),
            ("nmsed_classes", One),
            ("valid_detections", One),
        ],
    ),
    ("ComputeAccidentalHits", &[("indices", One), ("ids", One), ("weights", One)]),
    (
        "CudnnRNN",
        &[("output", One), ("output_h", One), ("output_c", One), ("reserve_space", One)],
    ),
    ("CudnnRNNBackprop", CUDNN_RNN_GRAD),
    ("CudnnRNNBackpropV2", CUDNN_RNN_GRAD),
    ("CudnnRNNBackpropV3", CUDNN_RNN_GRAD),
    (
        "CudnnRNNParamsToCanonical",
        &[("weights", Number("num_params")), ("biases", Number("num_params"))],
    ),
    (
        "CudnnRNNParamsToCanonicalV2",
        &[("weights", Number("num_params_weights")), ("biases", Number("num_params_biases"))],
    ),
    ("CudnnRNNV2", CUDNN_RNN),
    ("CudnnRNNV3", CUDNN_RNN),
    ("DecodeProtoV2", &[("sizes", One), ("values", List("output_types"))]),
    ("DecodeWav", &[("audio", One), ("sample_rate", One)]),
    (
        "DenseCountSparseOutput",
        &[("output_indices", One), ("output_values", One), ("output_dense_shape", One)],
    ),
    (
        "DenseToDenseSetOperation",
        &[("result_indices", One), ("result_values", One), ("result_shape", One)],
    ),
    (
        "DenseToSparseSetOperation",
        &[("result_indices", One), ("result_values", One), ("result_shape", One)],
    ),
    (
        "DeserializeManySparse",
        &[("sparse_indices", One), ("sparse_values", One), ("sparse_shape", One)],
    ),
    (
        "DeserializeSparse",
        &[("sparse_indices", One), ("sparse_values", One), ("sparse_shape", One)],
    ),
    ("Eig", &[("e", One), ("v", One)]),
    (
        "FakeQuantWithMinMaxVarsGradient",
        &[("backprops_wrt_input", One), ("backprop_wrt_min", One), ("backprop_wrt_max", One)],
    ),
    (
        "FakeQuantWithMinMaxVarsPerChannelGradient",
        &[("backprops_wrt_input", One), ("backprop_wrt_min", One), ("backprop_wrt_max", One)],
    ),
    (
        "FixedUnigramCandidateSampler",
        &[
            ("sampled_candidates", One),
            ("true_expected_count", One),
            ("sampled_expected_count", One),
        ],
    ),
    (
        "FractionalAvgPool",
        &[("output", One), ("row_pooling_sequence", One), ("col_pooling_sequence", One)],
    ),
    (
        "FractionalMaxPool",
        &[("output", One), ("row_pooling_sequence", One), ("col_pooling_sequence", One)],
    ),
    ("FusedBatchNorm", BATCH_NORM),
    (
        "FusedBatchNormGrad",
        &[
            ("x_backprop", One),
            ("scale_backprop", One),
            ("offset_backprop", One),
            ("reserve_space_3", One),
            ("reserve_space_4", One),
        ],
    ),
    (
        "FusedBatchNormGradV2",
        &[
            ("x_backprop", One),
            ("scale_backprop", One),
            ("offset_backprop", One),
            ("reserve_space_3", One),
            ("reserve_space_4", One),
        ],
    ),
    (
        "FusedBatchNormGradV3",
        &[
            ("x_backprop", One),
            ("scale_backprop", One),
            ("offset_backprop", One),
            ("reserve_space_4", One),
            ("reserve_space_5", One),
        ],
    ),
    ("FusedBatchNormV2", BATCH_NORM),
    ("FusedBatchNormV3", BATCH_NORM),
    ("GRUBlockCell", &[("r", One), ("u", One), ("c", One), ("h", One)]),
    (
        "GRUBlockCellGrad",
        &[("d_x", One), ("d_h_prev", One), ("d_c_bar", One), ("d_r_bar_u_bar", One)],
    ),
    ("GenerateBoundingBoxProposals", &[("rois", One), ("roi_probabilities", One)]),
    ("GenerateVocabRemapping", &[("remapping", One), ("num_present", One)]),
    ("IsotonicRegression", &[("output", One), ("segments", One)]),
    ("LSTMBlockCell", LSTM),
    (
        "LSTMBlockCellGrad",
        &[
            ("cs_prev_grad", One),
            ("dicfo", One),
            ("wci_grad", One),
            ("wcf_grad", One),
            ("wco_grad", One),
        ],
    ),
    (
        "LearnedUnigramCandidateSampler",
        &[
            ("sampled_candidates", One),
            ("true_expected_count", One),
            ("sampled_expected_count", One),
        ],
    ),
    ("ListDiff", &[("out", One), ("idx", One)]),
    ("LogMatrixDeterminant", &[("sign", One), ("log_abs_determinant", One)]),
    (
        "LogUniformCandidateSampler",
        &[
            ("sampled_candidates", One),
            ("true_expected_count", One),
            ("sampled_expected_count", One),
        ],
    ),
    ("LookupTableExport", &[("keys", One), ("values", One)]),
    ("LookupTableExportV2", &[("keys", One), ("values", One)]),
    ("Lu", &[("lu", One), ("p", One)]),
    ("MaxPoolWithArgmax", &[("output", One), ("argmax", One)]),
    ("Merge", &[("output", One), ("value_index", One)]),
    (
        "NearestNeighbors",
        &[("nearest_center_indices", One), ("nearest_center_distances", One)],
    ),
    ("NonMaxSuppressionV4", &[("selected_indices", One), ("valid_outputs", One)]),
    (
        "NonMaxSuppressionV5",
        &[("selected_indices", One), ("selected_scores", One), ("valid_outputs", One)],
    ),
    (
        "ParseExample",
        &[
            ("sparse_indices", Number("Nsparse")),
            ("sparse_values", List("sparse_types")),
            ("sparse_shapes", Number("Nsparse")),
            ("dense_values", List("Tdense")),
        ],
    ),
    (
        "ParseExampleV2",
        &[
            ("sparse_indices", Number("num_sparse")),
            ("sparse_values", List("sparse_types")),
            ("sparse_shapes", Number("num_sparse")),
            ("dense_values", List("Tdense")),
            ("ragged_values", List("ragged_value_types")),
            ("ragged_row_splits", List("ragged_split_types")),
        ],
    ),
    (
        "ParseSequenceExample",
        &[
            ("context_sparse_indices", Number("Ncontext_sparse")),
            ("context_sparse_values", List("context_sparse_types")),
            ("context_sparse_shapes", Number("Ncontext_sparse")),
            ("context_dense_values", List("Tcontext_dense")),
            ("feature_list_sparse_indices", Number("Nfeature_list_sparse")),
            ("feature_list_sparse_values", List("feature_list_sparse_types")),
            ("feature_list_sparse_shapes", Number("Nfeature_list_sparse")),
            ("feature_list_dense_values", List("feature_list_dense_types")),
            ("feature_list_dense_lengths", Number("Nfeature_list_dense")),
        ],
    ),
    (
        "ParseSequenceExampleV2",
        &[
            ("context_sparse_indices", Number("Ncontext_sparse")),
            ("context_sparse_values", List("context_sparse_types")),
            ("context_sparse_shapes", Number("Ncontext_sparse")),
            ("context_dense_values", List("Tcontext_dense")),
            ("context_ragged_values", List("context_ragged_value_types")),
            ("context_ragged_row_splits", List("context_ragged_split_types")),
            ("feature_list_sparse_indices", Number("Nfeature_list_sparse")),
            ("feature_list_sparse_values", List("feature_list_sparse_types")),
            ("feature_list_sparse_shapes", Number("Nfeature_list_sparse")),
            ("feature_list_dense_values", List("feature_list_dense_types")),
            ("feature_list_dense_lengths", Number("Nfeature_list_dense")),
            ("feature_list_ragged_values", List("feature_list_ragged_value_types")),
            ("feature_list_ragged_outer_splits", List("feature_list_ragged_split_types")),
            ("feature_list_ragged_inner_splits", List("feature_list_ragged_split_types")),
        ],
    ),
    (
        "ParseSingleExample",
        &[
            ("sparse_indices", Number("num_sparse")),
            ("sparse_values", List("sparse_types")),
            ("sparse_shapes", Number("num_sparse")),
            ("dense_values", List("Tdense")),
        ],
    ),
    (
        "ParseSingleSequenceExample",
        &[
            ("context_sparse_indices", Number("Ncontext_sparse")),
            ("context_sparse_values", List("context_sparse_types")),
            ("context_sparse_shapes", Number("Ncontext_sparse")),
            ("context_dense_values", List("Tcontext_dense")),
            ("feature_list_sparse_indices", Number("Nfeature_list_sparse")),
            ("feature_list_sparse_values", List("feature_list_sparse_types")),
            ("feature_list_sparse_shapes", Number("Nfeature_list_sparse")),
            ("feature_list_dense_values", List("feature_list_dense_types")),
        ],
    ),
    ("Qr", &[("q", One), ("r", One)]),
    (
        "QuantizeAndDequantizeV4Grad",
        &[("input_backprop", One), ("input_min_backprop", One), ("input_max_backprop", One)],
    ),
    (
        "QuantizeDownAndShrinkRange",
        &[("output", One), ("output_min", One), ("output_max", One)],
    ),
    ("QuantizeV2", &[("output", One), ("output_min", One), ("output_max", One)]),
    ("QuantizedAdd", &[("z", One), ("min_z", One), ("max_z", One)]),
    ("QuantizedAvgPool", &[("output", One), ("min_output", One), ("max_output", One)]),
    (
        "QuantizedBatchNormWithGlobalNormalization",
        &[("result", One), ("result_min", One), ("result_max", One)],
    ),
    ("QuantizedBiasAdd", &[("output", One), ("min_out", One), ("max_out", One)]),
    ("QuantizedConcat", &[("output", One), ("output_min", One), ("output_max", One)]),
    ("QuantizedConv2D", &[("output", One), ("min_output", One), ("max_output", One)]),
    (
        "QuantizedConv2DAndRelu",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DAndReluAndRequantize",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DAndRequantize",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DPerChannel",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DWithBias",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DWithBiasAndRelu",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DWithBiasAndReluAndRequantize",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DWithBiasAndRequantize",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DWithBiasSignedSumAndReluAndRequantize",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DWithBiasSumAndRelu",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedConv2DWithBiasSumAndReluAndRequantize",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedDepthwiseConv2D",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedDepthwiseConv2DWithBias",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedDepthwiseConv2DWithBiasAndRelu",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    (
        "QuantizedDepthwiseConv2DWithBiasAndReluAndRequantize",
        &[("output", One), ("min_output", One), ("max_output", One)],
    ),
    ("QuantizedInstanceNorm", &[("y", One), ("y_min", One), ("y_max", One)]),
    ("QuantizedMatMul", &[("out", One), ("min_out", One), ("max_out", One)]),
    ("QuantizedMatMulWithBias", &[("out", One), ("min_out", One), ("max_out", One)]),
    (
        "QuantizedMatMulWithBiasAndRelu",
        &[("out", One), ("min_out", One), ("max_out", One)],
    ),
    (
        "QuantizedMatMulWithBiasAndReluAndRequantize",
        &[("out", One), ("min_out", One), ("max_out", One)],
    ),
    (
        "QuantizedMatMulWithBiasAndRequantize",
        &[("out", One), ("min_out", One), ("max_out", One)],
    ),
    ("QuantizedMaxPool", &[("output", One), ("min_output", One), ("max_output", One)]),
    ("QuantizedMul", &[("z", One), ("min_z", One), ("max_z", One)]),
    (
        "QuantizedRelu",
        &[("activations", One), ("min_activations", One), ("max_activations", One)],
    ),
    (
        "QuantizedRelu6",
        &[("activations", One), ("min_activations", One), ("max_activations", One)],
    ),
    (
        "QuantizedReluX",
        &[("activations", One), ("min_activations", One), ("max_activations", One)],
    ),
    ("QuantizedReshape", &[("output", One), ("output_min", One), ("output_max", One)]),
    (
        "QuantizedResizeBilinear",
        &[("resized_images", One), ("out_min", One), ("out_max", One)],
    ),
    (
        "RaggedCountSparseOutput",
        &[("output_indices", One), ("output_values", One), ("output_dense_shape", One)],
    ),
    ("RaggedCross", &[("output_values", One), ("output_row_splits", One)]),
    (
        "RaggedFillEmptyRows",
        &[
            ("output_value_rowids", One),
            ("output_values", One),
            ("empty_row_indicator", One),
            ("reverse_index_map", One),
        ],
    ),
    ("RaggedFillEmptyRowsGrad", &[("d_values", One), ("d_default_value", One)]),
    (
        "RaggedGather",
        &[("output_nested_splits", Number("OUTPUT_RAGGED_RANK")), ("output_dense_values", One)],
    ),
    ("RaggedRange", &[("rt_nested_splits", One), ("rt_dense_values", One)]),
    (
        "RaggedTensorFromVariant",
        &[("output_nested_splits", Number("output_ragged_rank")), ("output_dense_values", One)],
    ),
    (
        "RaggedTensorToSparse",
        &[("sparse_indices", One), ("sparse_values", One), ("sparse_dense_shape", One)],
    ),
    ("RefMerge", &[("output", One), ("value_index", One)]),
    ("RefSwitch", &[("output_false", One), ("output_true", One)]),
    ("RequantizationRange", &[("output_min", One), ("output_max", One)]),
    ("RequantizationRangePerChannel", &[("output_min", One), ("output_max", One)]),
    ("Requantize", &[("output", One), ("output_min", One), ("output_max", One)]),
    ("RequantizePerChannel", &[("output", One), ("output_min", One), ("output_max", One)]),
    ("SampleDistortedBoundingBox", &[("begin", One), ("size", One), ("bboxes", One)]),
    ("SampleDistortedBoundingBoxV2", &[("begin", One), ("size", One), ("bboxes", One)]),
    ("SelfAdjointEigV2", &[("e", One), ("v", One)]),
    ("SoftmaxCrossEntropyWithLogits", &[("loss", One), ("backprop", One)]),
    (
        "SparseAccumulatorTakeGradient",
        &[("indices", One), ("values", One), ("shape", One)],
    ),
    ("SparseAdd", &[("sum_indices", One), ("sum_values", One), ("sum_shape", One)]),
    ("SparseAddGrad", &[("a_val_grad", One), ("b_val_grad", One)]),
    (
        "SparseConcat",
        &[("output_indices", One), ("output_values", One), ("output_shape", One)],
    ),
    (
        "SparseCountSparseOutput",
        &[("output_indices", One), ("output_values", One), ("output_dense_shape", One)],
    ),
    (
        "SparseCross",
        &[("output_indices", One), ("output_values", One), ("output_shape", One)],
    ),
    (
        "SparseCrossHashed",
        &[("output_indices", One), ("output_values", One), ("output_shape", One)],
    ),
    (
        "SparseCrossV2",
        &[("output_indices", One), ("output_values", One), ("output_shape", One)],
    ),
    (
        "SparseFillEmptyRows",
        &[
            ("output_indices", One),
            ("output_values", One),
            ("empty_row_indicator", One),
            ("reverse_index_map", One),
        ],
    ),
    ("SparseFillEmptyRowsGrad", &[("d_values", One), ("d_default_value", One)]),
    (
        "SparseReduceMaxSparse",
        &[("output_indices", One), ("output_values", One), ("output_shape", One)],
    ),
    (
        "SparseReduceSumSparse",
        &[("output_indices", One), ("output_values", One), ("output_shape", One)],
    ),
    ("SparseReorder", &[("output_indices", One), ("output_values", One)]),
    ("SparseReshape", &[("output_indices", One), ("output_shape", One)]),
    ("SparseSegmentMeanGradV2", &[("output", One), ("sorted_unique_indices", One)]),
    ("SparseSegmentSqrtNGradV2", &[("output", One), ("sorted_unique_indices", One)]),
    ("SparseSegmentSumGradV2", &[("output", One), ("sorted_unique_indices", One)]),
    (
        "SparseSlice",
        &[("output_indices", One), ("output_values", One), ("output_shape", One)],
    ),
    ("SparseSoftmaxCrossEntropyWithLogits", &[("loss", One), ("backprop", One)]),
    ("SparseSparseMaximum", &[("output_indices", One), ("output_values", One)]),
    ("SparseSparseMinimum", &[("output_indices", One), ("output_values", One)]),
    (
        "SparseSplit",
        &[
            ("output_indices", Number("num_split")),
            ("output_values", Number("num_split")),
            ("output_shape", Number("num_split")),
        ],
    ),
    (
        "SparseToSparseSetOperation",
        &[("result_indices", One), ("result_values", One), ("result_shape", One)],
    ),
    ("StatelessRandomGetKeyCounter", &[("key", One), ("counter", One)]),
    ("StatelessRandomGetKeyCounterAlg", &[("key", One), ("counter", One), ("alg", One)]),
    (
        "StatelessSampleDistortedBoundingBox",
        &[("begin", One), ("size", One), ("bboxes", One)],
    ),
    ("StringNGrams", &[("ngrams", One), ("ngrams_splits", One)]),
    ("StringSplit", &[("indices", One), ("values", One), ("shape", One)]),
    ("StringSplitV2", &[("indices", One), ("values", One), ("shape", One)]),
    ("Svd", &[("s", One), ("u", One), ("v", One)]),
    ("Switch", &[("output_false", One), ("output_true", One)]),
    ("TensorArrayConcat", &[("value", One), ("lengths", One)]),
    ("TensorArrayConcatV2", &[("value", One), ("lengths", One)]),
    ("TensorArrayConcatV3", &[("value", One), ("lengths", One)]),
    ("TensorArrayGradV3", &[("grad_handle", One), ("flow_out", One)]),
    ("TensorArrayGradWithShape", &[("grad_handle", One), ("flow_out", One)]),
    ("TensorArrayV3", &[("handle", One), ("flow", One)]),
    ("TensorListConcat", &[("tensor", One), ("lengths", One)]),
    ("TensorListConcatV2", &[("tensor", One), ("lengths", One)]),
    ("TensorListPopBack", &[("output_handle", One), ("tensor", One)]),
    (
        "ThreadUnsafeUnigramCandidateSampler",
        &[
            ("sampled_candidates", One),
            ("true_expected_count", One),
            ("sampled_expected_count", One),
        ],
    ),
    ("TopK", &[("values", One), ("indices", One)]),
    ("TopKV2", &[("values", One), ("indices", One)]),
    ("UnicodeDecode", &[("row_splits", One), ("char_values", One)]),
    (
        "UnicodeDecodeWithOffsets",
        &[("row_splits", One), ("char_values", One), ("char_to_byte_starts", One)],
    ),
    (
        "UniformCandidateSampler",
        &[
            ("sampled_candidates", One),
            ("true_expected_count", One),
            ("sampled_expected_count", One),
        ],
    ),
    ("Unique", &[("y", One), ("idx", One)]),
    ("UniqueV2", &[("y", One), ("idx", One)]),
    ("UniqueWithCounts", &[("y", One), ("idx", One), ("count", One)]),
    ("UniqueWithCountsV2", &[("y", One), ("idx", One), ("count", One)]),
];

const LSTM: &[(&str, Length)] = &[
    ("i", One),
    ("cs", One),
    ("f", One),
    ("o", One),
    ("ci", One),
    ("co", One),
    ("h", One),
];

const CUDNN_RNN: &[(&str, Length)] = &[
    ("output", One),
    ("output_h", One),
    ("output_c", One),
    ("reserve_space", One),
    ("host_reserved", One),
];

const BATCH_NORM: &[(&str, Length)] = &[
    ("y", One),
    ("batch_mean", One),
    ("batch_variance", One),
    ("reserve_space_1", One),
    ("reserve_space_2", One),
    ("reserve_space_3", One),
];

const LSTM_GRAD: &[(&str, Length)] = &[
    ("x_grad", One),
    ("cs_prev_grad", One),
    ("h_prev_grad", One),
    ("w_grad", One),
    ("wci_grad", One),
    ("wcf_grad", One),
    ("wco_grad", One),
    ("b_grad", One),
];

const CUDNN_RNN_GRAD: &[(&str, Length)] = &[
    ("input_backprop", One),
    ("input_h_backprop", One),
    ("input_c_backprop", One),
    ("params_backprop", One),
];
