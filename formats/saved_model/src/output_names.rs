//! The named outputs of operations that have several: functions refer to outputs by name, graphs by number.

use crate::Error;
use crate::function::Library;
use crate::proto::{Attr, NodeDef};

/// How many tensors an output stands for.
enum Length {
    One,
    /// As many as the integer attribute says.
    Number(&'static str),
    /// As many as the list attribute is long.
    List(&'static str),
}
use Length::{List, Number, One};

/// Operations with more than one output, sorted by name.
const TABLE: &[(&str, &[(&str, Length)])] = &[
    ("BlockLSTM", LSTM),
    ("BlockLSTMV2", LSTM),
    (
        "CombinedNonMaxSuppression",
        &[
            ("nmsed_boxes", One),
            ("nmsed_scores", One),
            ("nmsed_classes", One),
            ("valid_detections", One),
        ],
    ),
    (
        "CudnnRNN",
        &[("output", One), ("output_h", One), ("output_c", One), ("reserve_space", One)],
    ),
    ("CudnnRNNV2", CUDNN_RNN),
    ("CudnnRNNV3", CUDNN_RNN),
    ("FusedBatchNorm", BATCH_NORM),
    ("FusedBatchNormV2", BATCH_NORM),
    ("FusedBatchNormV3", BATCH_NORM),
    ("GRUBlockCell", &[("r", One), ("u", One), ("c", One), ("h", One)]),
    ("LSTMBlockCell", LSTM),
    ("ListDiff", &[("out", One), ("idx", One)]),
    ("LogMatrixDeterminant", &[("sign", One), ("log_abs_determinant", One)]),
    ("Lu", &[("lu", One), ("p", One)]),
    ("MaxPoolWithArgmax", &[("output", One), ("argmax", One)]),
    ("Merge", &[("output", One), ("value_index", One)]),
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
        "ParseSingleExample",
        &[
            ("sparse_indices", Number("num_sparse")),
            ("sparse_values", List("sparse_types")),
            ("sparse_shapes", Number("num_sparse")),
            ("dense_values", List("Tdense")),
        ],
    ),
    ("Qr", &[("q", One), ("r", One)]),
    ("QuantizeV2", &[("output", One), ("output_min", One), ("output_max", One)]),
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
    ("SampleDistortedBoundingBoxV2", &[("begin", One), ("size", One), ("bboxes", One)]),
    ("SelfAdjointEigV2", &[("e", One), ("v", One)]),
    ("SoftmaxCrossEntropyWithLogits", &[("loss", One), ("backprop", One)]),
    (
        "SparseFillEmptyRows",
        &[
            ("output_indices", One),
            ("output_values", One),
            ("empty_row_indicator", One),
            ("reverse_index_map", One),
        ],
    ),
    ("SparseReshape", &[("output_indices", One), ("output_shape", One)]),
    (
        "SparseSlice",
        &[("output_indices", One), ("output_values", One), ("output_shape", One)],
    ),
    ("SparseSoftmaxCrossEntropyWithLogits", &[("loss", One), ("backprop", One)]),
    ("StatelessRandomGetKeyCounter", &[("key", One), ("counter", One)]),
    ("StatelessRandomGetKeyCounterAlg", &[("key", One), ("counter", One), ("alg", One)]),
    ("StringSplit", &[("indices", One), ("values", One), ("shape", One)]),
    ("StringSplitV2", &[("indices", One), ("values", One), ("shape", One)]),
    ("Svd", &[("s", One), ("u", One), ("v", One)]),
    ("Switch", &[("output_false", One), ("output_true", One)]),
    ("TensorArrayConcatV3", &[("value", One), ("lengths", One)]),
    ("TensorArrayV3", &[("handle", One), ("flow", One)]),
    ("TensorListConcat", &[("tensor", One), ("lengths", One)]),
    ("TensorListConcatV2", &[("tensor", One), ("lengths", One)]),
    ("TensorListPopBack", &[("output_handle", One), ("tensor", One)]),
    ("TopK", &[("values", One), ("indices", One)]),
    ("TopKV2", &[("values", One), ("indices", One)]),
    (
        "UnicodeDecodeWithOffsets",
        &[("row_splits", One), ("char_values", One), ("char_to_byte_starts", One)],
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

/// The number of the first tensor of the output `name` of a node.
pub(crate) fn first_port(node: &NodeDef, name: &str, library: &Library) -> Result<usize, Error> {
    if library.contains(&node.op) {
        let function = library.get(&node.op)?;
        return function
            .results
            .iter()
            .position(|(result, _)| result == name)
            .ok_or_else(|| Error::graph(&node.name, format!("function {} has no result {name}", node.op)));
    }
    let Ok(row) = TABLE.binary_search_by(|(op, _)| op.cmp(&node.op.as_str())) else {
        return Ok(0);
    };
    let mut first = 0usize;
    for (output, length) in TABLE[row].1 {
        if *output == name {
            return Ok(first);
        }
        let length = match length {
            One => Some(1),
            Number(attr) => match node.attrs.get(*attr).and_then(|a| a.value.as_ref()) {
                Some(Attr::Int(n)) => usize::try_from(*n).ok(),
                _ => None,
            },
            List(attr) => match node.attrs.get(*attr).and_then(|a| a.value.as_ref()) {
                Some(Attr::List(list)) => Some(list.types.len()),
                _ => None,
            },
        };
        first = length
            .and_then(|n| first.checked_add(n))
            .ok_or_else(|| Error::graph(&node.name, format!("{} does not say how many outputs it has", node.op)))?;
    }
    Err(Error::graph(&node.name, format!("{} has no output {name}", node.op)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(TABLE.is_sorted_by_key(|(op, _)| *op));
    }
}
