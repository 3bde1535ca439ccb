//! The results of operations that are kept as they are: how many there are, and of which types.

use planish_core::types::{DType, Shape, Type};

use crate::contents;
use crate::function::{Body, Library, Source};
use crate::proto::Attr;

use super::frame::data_inputs;
use super::node::Node;
use super::numeric_type::computed;

/// No operation has more outputs than this.
const MAX_OUTPUTS: usize = 4096;

/// Attributes that tell the element type of the outputs of most operations, the surest first.
const TYPE_ATTRIBUTES: [&str; 10] = [
    "dtype",
    "Tout",
    "out_type",
    "output_type",
    "DstT",
    "Tcomplex",
    "Treal",
    "T",
    "element_dtype",
    "Tparams",
];

/// Attributes that list the element types of all outputs.
const LIST_ATTRIBUTES: [&str; 5] = ["Tout", "out_types", "output_types", "dtypes", "Tdense"];

impl Node<'_> {
    /// The types of an unknown operation's outputs, at least as many as other nodes read.
    pub(super) fn foreign_types(&mut self) -> Vec<Type> {
        let read = self.highest_port();
        let shapes = match self.attribute("_output_shapes") {
            Some(Attr::List(list)) => list.shapes.clone(),
            _ => Vec::new(),
        };
        let dtypes = self.output_dtypes();
        let count = read.max(shapes.len()).max(dtypes.len());
        let rest = self.single_dtype();
        (0..count)
            .map(|port| {
                let dtype = dtypes.get(port).copied().flatten().or(rest).unwrap_or(DType::F32);
                let shape = shapes.get(port).map_or(Shape::unranked(), |s| contents::shape(Some(s)));
                Type::new(computed(dtype), shape)
            })
            .collect()
    }

    fn attribute(&self, name: &str) -> Option<&Attr> {
        self.def().attrs.get(name)?.value.as_ref()
    }

    /// The element types that the operation's definition or a list among its attributes tells.
    fn output_dtypes(&self) -> Vec<Option<DType>> {
        let Ok(row) = OUTPUTS.binary_search_by(|(name, _)| (*name).cmp(self.def().op.as_str())) else {
            let listed = LIST_ATTRIBUTES.iter().map(|name| self.listed_dtypes(name));
            return listed.into_iter().find(|l| !l.is_empty()).unwrap_or_default();
        };
        let mut dtypes = Vec::new();
        for output in OUTPUTS[row].1.split_whitespace() {
            let (count, what) = match output.split_once('*') {
                Some((count, what)) => (self.count(count), what),
                None => (1, output),
            };
            let fixed = DType::from_name(what);
            match (fixed, self.attribute(what)) {
                (None, Some(Attr::List(_))) => dtypes.extend(self.listed_dtypes(what)),
                (None, Some(Attr::Type(code))) => dtypes.extend(vec![crate::dtype::from_code(*code); count]),
                _ => dtypes.extend(vec![fixed; count]),
            }
            dtypes.truncate(MAX_OUTPUTS);
        }
        dtypes
    }

    fn listed_dtypes(&self, name: &str) -> Vec<Option<DType>> {
        match self.attribute(name) {
            Some(Attr::List(list)) => list
                .types
                .iter()
                .take(MAX_OUTPUTS)
                .map(|&code| crate::dtype::from_code(code))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// How often an output stands there, by the attribute that tells it.
    fn count(&self, name: &str) -> usize {
        match self.attribute(name) {
            Some(Attr::Int(count)) => usize::try_from(*count).unwrap_or(0).min(MAX_OUTPUTS),
            _ => 0,
        }
    }

    fn single_dtype(&self) -> Option<DType> {
        TYPE_ATTRIBUTES.iter().find_map(|name| match self.attribute(name)? {
            Attr::Type(code) => crate::dtype::from_code(*code),
            _ => None,
        })
    }

    /// One more than the highest output of this node that its body reads.
    fn highest_port(&mut self) -> usize {
        let frame = &mut self.importer.frames[self.frame];
        let read = frame
            .ports_read
            .get_or_insert_with(|| ports_read(&self.body, &self.importer.library));
        read[self.index].max(1)
    }
}

/// For each node of a body one more than its highest output that the body reads.
fn ports_read(body: &Body, library: &Library) -> Vec<usize> {
    let inputs = body.nodes.iter().flat_map(data_inputs);
    let mut read = vec![0; body.nodes.len()];
    for text in inputs.chain(body.results.iter().map(|r| r.1.as_str())) {
        if let Ok(Source::Node { node, port }) = body.source(text, library) {
            read[node] = read[node].max(port.min(MAX_OUTPUTS) + 1);
        }
    }
    read
}

/// Outputs of operations whose attributes alone do not tell the types, in order: an element type, or the attribute that
/// holds one or several; before an asterisk the attribute that tells how often. Sorted by name.
const OUTPUTS: &[(&str, &str)] = &[
    ("AdjustContrast", "f32"),
    ("ApproxTopK", "T i32"),
    ("AsString", "string"),
    ("AudioSpectrogram", "f32"),
    ("BatchFFT", "complex64"),
    ("BatchFFT2D", "complex64"),
    ("BatchIFFT", "complex64"),
    ("BatchIFFT2D", "complex64"),
    ("CTCBeamSearchDecoder", "top_paths*i64 top_paths*i64 top_paths*i64 T"),
    ("CTCGreedyDecoder", "i64 i64 i64 T"),
    ("CaseFoldUTF8", "string"),
    ("CombinedNonMaxSuppression", "f32 f32 f32 i32"),
    ("CropAndResize", "f32"),
    ("DecodeAndCropJpeg", "u8"),
    ("DecodeBase64", "string"),
    ("DecodeBmp", "u8"),
    ("DecodeCSV", "OUT_TYPE"),
    ("DecodeCompressed", "string"),
    ("DecodeGif", "u8"),
    ("DecodeImage", "dtype"),
    ("DecodeJSONExample", "string"),
    ("DecodeJpeg", "u8"),
    ("DecodePaddedRaw", "out_type"),
    ("DecodePng", "dtype"),
    ("DecodeProtoV2", "i32 output_types"),
    ("DecodeRaw", "out_type"),
    ("DecodeWav", "f32 i32"),
    ("DenseToDenseSetOperation", "i64 T i64"),
    ("DenseToSparseSetOperation", "i64 T i64"),
    ("DeserializeManySparse", "i64 dtype i64"),
    ("DeserializeSparse", "i64 dtype i64"),
    ("DynamicPartition", "num_partitions*T"),
    ("EditDistance", "f32"),
    ("EncodeBase64", "string"),
    ("EncodeJpeg", "string"),
    ("EncodeJpegVariableQuality", "string"),
    ("EncodePng", "string"),
    ("EncodeWav", "string"),
    ("Fact", "string"),
    ("Fingerprint", "u8"),
    ("FractionalAvgPool", "T i64 i64"),
    ("FractionalMaxPool", "T i64 i64"),
    ("GenerateBoundingBoxProposals", "f32 f32"),
    ("IRFFT", "Treal"),
    ("IRFFT2D", "Treal"),
    ("IRFFT3D", "Treal"),
    ("InTopK", "bool"),
    ("InTopKV2", "bool"),
    ("ListDiff", "T out_idx"),
    ("LookupTableExport", "Tkeys Tvalues"),
    ("LookupTableExportV2", "Tkeys Tvalues"),
    ("LookupTableFind", "Tout"),
    ("LookupTableFindV2", "Tout"),
    ("LookupTableSize", "i64"),
    ("LookupTableSizeV2", "i64"),
    ("MatchingFiles", "string"),
    ("MaxPoolWithArgmax", "T Targmax"),
    ("Mfcc", "f32"),
    ("NearestNeighbors", "i64 f32"),
    ("NonMaxSuppression", "i32"),
    ("NonMaxSuppressionV2", "i32"),
    ("NonMaxSuppressionV3", "i32"),
    ("NonMaxSuppressionV4", "i32 i32"),
    ("NonMaxSuppressionV5", "i32 T i32"),
    ("NonMaxSuppressionWithOverlaps", "i32"),
    ("NormalizeUTF8", "string"),
    ("NormalizeUTF8WithOffsetsMap", "string variant"),
    ("ParseExample", "Nsparse*i64 sparse_types Nsparse*i64 Tdense"),
    (
        "ParseExampleV2",
        "num_sparse*i64 sparse_types num_sparse*i64 Tdense ragged_value_types ragged_split_types",
    ),
    ("ParseSingleExample", "num_sparse*i64 sparse_types num_sparse*i64 Tdense"),
    ("PopulationCount", "u8"),
    ("QuantizeV2", "T f32 f32"),
    ("RaggedCross", "out_values_type out_row_splits_type"),
    ("RaggedFillEmptyRows", "i64 T bool i64"),
    ("RaggedRange", "Tsplits T"),
    ("RaggedTensorFromVariant", "output_nested_splits Tvalues"),
    ("RaggedTensorToSparse", "i64 T i64"),
    ("RaggedTensorToVariant", "variant"),
    ("RandomPoisson", "R_dtype"),
    ("ReadFile", "string"),
    ("ReduceJoin", "string"),
    ("RegexFullMatch", "bool"),
    ("RegexReplace", "string"),
    ("RegexSplitWithOffsets", "string i64 i64 i64"),
    ("ResizeArea", "f32"),
    ("ResizeBicubic", "f32"),
    ("RngReadAndSkip", "i64"),
    ("SampleDistortedBoundingBoxV2", "T T f32"),
    ("ScaleAndTranslate", "f32"),
    ("SentencepieceOp", "resource"),
    ("SerializeTensor", "string"),
    ("SetSize", "i32"),
    ("SimpleMLCreateModelResource", "resource"),
    ("SimpleMLInferenceOp", "f32 string"),
    ("SimpleMLInferenceOpWithHandle", "f32 string"),
    ("SparseAdd", "i64 T i64"),
    ("SparseConcat", "i64 T i64"),
    ("SparseCross", "i64 out_type i64"),
    ("SparseCrossHashed", "i64 i64 i64"),
    ("SparseCrossV2", "i64 string i64"),
    ("SparseFillEmptyRows", "i64 T bool i64"),
    ("SparseReduceMaxSparse", "i64 T i64"),
    ("SparseReduceSumSparse", "i64 T i64"),
    ("SparseReorder", "i64 T"),
    ("SparseReshape", "i64 i64"),
    ("SparseSlice", "i64 T i64"),
    ("SparseSparseMaximum", "i64 T"),
    ("SparseSparseMinimum", "i64 T"),
    ("SparseSplit", "num_split*i64 num_split*T num_split*i64"),
    ("SparseToSparseSetOperation", "i64 T i64"),
    ("StatelessRandomGetAlg", "i32"),
    ("StatelessRandomGetKeyCounter", "u64 u64"),
    ("StatelessRandomGetKeyCounterAlg", "u64 u64 i32"),
    ("StaticRegexFullMatch", "bool"),
    ("StaticRegexReplace", "string"),
    ("StringFormat", "string"),
    ("StringJoin", "string"),
    ("StringLength", "i32"),
    ("StringLower", "string"),
    ("StringNGrams", "string Tsplits"),
    ("StringSplit", "i64 string i64"),
    ("StringSplitV2", "i64 string i64"),
    ("StringStrip", "string"),
    ("StringToHashBucket", "i64"),
    ("StringToHashBucketFast", "i64"),
    ("StringToHashBucketStrong", "i64"),
    ("StringToNumber", "out_type"),
    ("StringUpper", "string"),
    ("Substr", "string"),
    ("TensorArrayReadV3", "dtype"),
    ("Timestamp", "f64"),
    ("UnicodeDecode", "Tsplits i32"),
    ("UnicodeDecodeWithOffsets", "Tsplits i32 i64"),
    ("UnicodeEncode", "string"),
    ("UnicodeScript", "i32"),
    ("UnicodeTranscode", "string"),
    ("Unique", "T out_idx"),
    ("UniqueV2", "T out_idx"),
    ("UniqueWithCounts", "T out_idx out_idx"),
    ("UniqueWithCountsV2", "T out_idx out_idx"),
    ("UnravelIndex", "Tidx"),
    ("UnsortedSegmentJoin", "string"),
    ("Where", "i64"),
    ("WhitespaceTokenizeWithOffsetsV2", "string Tsplits i32 i32"),
    ("WordpieceTokenizeWithOffsets", "string i64 i64 i64"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(OUTPUTS.is_sorted_by_key(|(op, _)| *op));
    }

    #[test]
    fn the_table_names_types_and_attributes() {
        const ATTRIBUTES: [&str; 26] = [
            "Nsparse",
            "OUT_TYPE",
            "R_dtype",
            "T",
            "Targmax",
            "Tdense",
            "Tidx",
            "Tkeys",
            "Tout",
            "Treal",
            "Tsplits",
            "Tvalues",
            "dtype",
            "num_partitions",
            "num_sparse",
            "num_split",
            "out_idx",
            "out_row_splits_type",
            "out_type",
            "out_values_type",
            "output_nested_splits",
            "output_types",
            "ragged_split_types",
            "ragged_value_types",
            "sparse_types",
            "top_paths",
        ];
        for word in OUTPUTS.iter().flat_map(|(_, outputs)| outputs.split([' ', '*'])) {
            assert!(DType::from_name(word).is_some() || ATTRIBUTES.contains(&word), "{word}");
        }
    }
}
