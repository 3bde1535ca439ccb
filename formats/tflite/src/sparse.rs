//! Sparse constants, kept as they are in an operation that only readers and writers of TFLite know.

use flatbuffers::{FlatBufferBuilder, VerifierOptions};
use planish_core::attr::{Attr, Attrs, Blob};
use planish_core::op;

use crate::schema::{SparsityParameters, SparsityParametersT};

/// The name of the `foreign` operation whose result is a sparse constant.
pub(crate) const NAME: &str = "tflite.sparse_constant";

/// The operation that keeps a sparse constant: how it is laid out, and its data.
pub(crate) fn keep(sparsity: SparsityParameters<'_>, data: &[u8]) -> op::Foreign {
    let mut builder = FlatBufferBuilder::new();
    let root = sparsity.unpack().pack(&mut builder);
    builder.finish_minimal(root);
    let attrs = Attrs::from([
        ("data".to_owned(), Attr::Bytes(data.to_vec())),
        ("sparsity".to_owned(), Attr::Bytes(builder.finished_data().to_vec())),
    ]);
    op::Foreign {
        name: NAME.into(),
        attrs,
        definition: Blob::default(),
    }
}

/// What such an operation keeps; `None` where it is damaged.
pub(crate) fn parts(foreign: &op::Foreign) -> Option<(SparsityParametersT, &[u8])> {
    let (Attr::Bytes(sparsity), Attr::Bytes(data)) = (foreign.attrs.get("sparsity")?, foreign.attrs.get("data")?) else {
        return None;
    };
    let limits = VerifierOptions {
        max_apparent_size: sparsity.len().saturating_mul(8),
        ..VerifierOptions::default()
    };
    let sparsity = flatbuffers::root_with_opts::<SparsityParameters<'_>>(&limits, sparsity).ok()?;
    Some((sparsity.unpack(), data))
}
