//! Damaged files give errors, never panics, and never weights that were not saved.

mod saved;

use planish_saved_model::read;
use proptest::prelude::*;
use saved::{Variable, checkpoint, saved_model, write_checkpoint};

const GRAPH: &str = r#"
    node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "kernel" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "read" op: "ReadVariableOp" input: "kernel" }
    node { name: "y" op: "MatMul" input: "x" input: "read" }
"#;
const SIGNATURE: &str = r#"
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } dim { size: 2 } } } }
    outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } }
"#;
const VARIABLES: [Variable<'_>; 2] = [
    Variable {
        key: "bias",
        dims: &[3],
        values: &[0.5; 3],
    },
    Variable {
        key: "kernel",
        dims: &[2, 3],
        values: &[1., 2., 3., 4., 5., 6.],
    },
];

fn text() -> String {
    let dir = saved_model(GRAPH, SIGNATURE, &VARIABLES);
    std::fs::read_to_string(dir.path().join("saved_model.pbtxt")).expect("it was written")
}

#[test]
fn a_checkpoint_of_another_model_is_an_error() {
    let declared = |extents: &str| {
        let shape = format!(r#"attr {{ key: "shape" value {{ shape {{ {extents} }} }} }} }}"#);
        let graph = GRAPH.replace(
            "{ type: DT_FLOAT } } }\n    node { name: \"read\"",
            &format!("{{ type: DT_FLOAT }} }} {shape}\n    node {{ name: \"read\""),
        );
        assert!(graph.contains("shape"), "{graph}");
        read(saved_model(&graph, SIGNATURE, &VARIABLES).path()).map_err(|e| e.to_string())
    };
    for fitting in [
        "dim { size: 2 } dim { size: 3 }",
        "dim { size: -1 } dim { size: 3 }",
        "unknown_rank: true",
    ] {
        assert!(declared(fitting).is_ok(), "{fitting}");
    }
    for other in ["dim { size: 4 } dim { size: 3 }", "dim { size: 6 }"] {
        let error = declared(other).expect_err(other);
        assert!(
            error.contains("kernel is [2, 3] there") && error.contains("different models"),
            "{error}"
        );
    }
}

/// A link to itself is there, and nobody may follow it, not even who may read everything.
#[cfg(unix)]
#[test]
fn what_cannot_be_looked_at_is_not_called_missing() {
    for part in ["saved_model.pb", "variables/variables.index"] {
        let dir = saved_model(GRAPH, SIGNATURE, &VARIABLES);
        let place = dir.path().join(part);
        let _ = std::fs::remove_file(&place);
        std::os::unix::fs::symlink(&place, &place).expect("a link");
        let error = read(dir.path()).expect_err(part);
        let planish_saved_model::Error::Read { path, source } = &error else {
            panic!("{part}: {error}");
        };
        assert_eq!(path, &place);
        assert_ne!(source.kind(), std::io::ErrorKind::NotFound, "{part}: {source}");
    }
}

#[test]
fn a_bare_graph_is_called_one() {
    let dir = saved_model(GRAPH, SIGNATURE, &VARIABLES);
    std::fs::remove_file(dir.path().join("saved_model.pbtxt")).expect("the file is ours");
    std::fs::write(dir.path().join("saved_model.pb"), b"\x0a\x05\x0a\x01x\x12\x00").expect("the folder is ours");
    let error = read(dir.path()).expect_err("no SavedModel").to_string();
    assert!(error.contains("bare graph"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_truncated_index_is_an_error(compress: bool, keep in 0.0..1.0f64) {
        let dir = saved_model(GRAPH, SIGNATURE, &VARIABLES);
        let (index, data) = checkpoint(&VARIABLES, compress);
        let kept = (index.len() as f64 * keep) as usize;
        write_checkpoint(dir.path(), &index[..kept], &data);
        prop_assert!(read(dir.path()).is_err());
    }

    #[test]
    fn a_flipped_index_is_an_error_or_means_the_same(compress: bool, place: prop::sample::Index, bit in 0u8..8) {
        let dir = saved_model(GRAPH, SIGNATURE, &VARIABLES);
        let (mut index, data) = checkpoint(&VARIABLES, compress);
        let place = place.index(index.len());
        index[place] ^= 1 << bit;
        let whole = planish_core::text::print(&read(dir.path()).expect("it was sound"));
        write_checkpoint(dir.path(), &index, &data);
        if let Ok(model) = read(dir.path()) {
            prop_assert_eq!(planish_core::text::print(&model), whole);
        }
    }

    #[test]
    fn bytes_that_are_no_index_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = saved_model(GRAPH, SIGNATURE, &VARIABLES);
        write_checkpoint(dir.path(), &bytes, &[0; 64]);
        prop_assert!(read(dir.path()).is_err());
    }

    #[test]
    fn a_damaged_graph_never_panics(place: prop::sample::Index, byte: u8, cut: bool) {
        let dir = saved_model(GRAPH, SIGNATURE, &VARIABLES);
        let mut bytes = text().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        if cut {
            bytes.truncate(place + 1);
        }
        std::fs::write(dir.path().join("saved_model.pbtxt"), bytes).expect("the folder is ours");
        let _ = read(dir.path());
    }

    #[test]
    fn bytes_that_are_no_graph_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let dir = saved_model(GRAPH, SIGNATURE, &VARIABLES);
        std::fs::write(dir.path().join("saved_model.pb"), bytes).expect("the folder is ours");
        let _ = read(dir.path());
    }
}
