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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{DimensionMetadataT, DimensionType, Int32VectorT, SparseIndexVectorT};
    use planish_core::{DType, Graph, Model, Op, OpKind, Type};

    #[test]
    fn a_sparse_constant_survives_a_file() {
        let indices = |values: Vec<i32>| SparseIndexVectorT::Int32Vector(Int32VectorT { values: Some(values) }.into());
        let dense = DimensionMetadataT {
            dense_size: 2,
            ..Default::default()
        };
        let sparse = DimensionMetadataT {
            format: DimensionType::SPARSE_CSR,
            array_segments: indices(vec![0, 1, 2]),
            array_indices: indices(vec![3, 0]),
            ..Default::default()
        };
        let sparsity = SparsityParametersT {
            traversal_order: Some(vec![0, 1]),
            dim_metadata: Some(vec![dense, sparse]),
            ..Default::default()
        };
        let mut builder = FlatBufferBuilder::new();
        let root = sparsity.pack(&mut builder);
        builder.finish_minimal(root);
        let bytes = builder.finished_data();
        let data = [1.5f32, 2.5].map(f32::to_le_bytes).concat();
        let kept = keep(flatbuffers::root::<SparsityParameters<'_>>(bytes).expect("just built"), &data);
        let mut graph = Graph::new("main");
        let ty = Type::fixed(DType::F32, &[2, 4]);
        let constant = graph.add_typed(kept.clone(), &[], ty.clone());
        let unpacked = graph.add_typed(op::Densify {}, &[constant], ty);
        graph.set_results(&[unpacked]);
        let mut model = Model::new();
        model.add_graph(graph);
        let back = crate::read(crate::write(&model).expect("it can be written")).expect("it can be read");
        let (_, graph) = back.graphs().next().expect("one graph");
        let found = graph
            .ids()
            .into_iter()
            .find(|&id| graph.op(id).kind() == OpKind::Foreign)
            .expect("it is kept");
        assert_eq!(graph.op(found), &Op::Foreign(kept));
        let (sparsity_back, data_back) = parts(match graph.op(found) {
            Op::Foreign(foreign) => foreign,
            _ => unreachable!("found as such"),
        })
        .expect("it is whole");
        assert_eq!((sparsity_back, data_back), (sparsity, data.as_slice()));
    }
}
