//! Small SavedModels and the IR that is read from them.

mod saved;

use planish_core::op::{Op, OpKind};
use planish_core::text;
use planish_core::types::Dim;
use planish_saved_model::{Error, Reader, read};
use saved::{Variable, checkpoint, saved_model, write_checkpoint};

const DENSE: &str = r#"
    node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "kernel" op: "VarHandleOp" attr { key: "shared_name" value { s: "kernel" } }
           attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "read" op: "ReadVariableOp" input: "kernel" }
    node { name: "dense/MatMul" op: "MatMul" input: "x" input: "read" }
    node { name: "y" op: "Identity" input: "dense/MatMul" }
"#;
const X_TO_Y: &str = r#"
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } dim { size: 2 } } } }
    outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } }
"#;
const KERNEL: Variable<'_> = Variable {
    key: "kernel",
    dims: &[2, 3],
    values: &[1., 2., 3., 4., 5., 6.],
};

#[test]
fn a_variable_becomes_a_constant_that_is_seen_transposed() {
    let dir = saved_model(DENSE, X_TO_Y, &[KERNEL]);
    let model = read(dir.path()).expect("the model is sound");
    let printed = text::print(&model);
    assert!(
        printed.contains("signature \"serving_default\" = @serving_default (x) -> (y)"),
        "{printed}"
    );
    assert!(printed.contains("const f32[3, 2] [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]"), "{printed}");
    assert!(
        printed.contains("%dense/MatMul = fully_connected") || printed.contains("fully_connected %x"),
        "{printed}"
    );
    planish_core::verify::verify(&model).expect("what the reader makes is valid");
}

#[test]
fn reading_twice_gives_the_same_model() {
    let dir = saved_model(DENSE, X_TO_Y, &[KERNEL]);
    let (first, second) = (read(dir.path()).expect("sound"), read(dir.path()).expect("sound"));
    assert_eq!(text::print(&first), text::print(&second));
}

#[test]
fn an_input_can_have_another_shape() {
    let dir = saved_model(DENSE, X_TO_Y, &[KERNEL]);
    let reader = Reader::new(dir.path()).shape("x", &[Dim::Known(4), Dim::Known(2)]);
    let printed = text::print(&reader.read().expect("the shape fits"));
    assert!(printed.contains("f32[4, 2]") && printed.contains("f32[4, 3]"), "{printed}");
    let wrong = Reader::new(dir.path()).shape("z", &[Dim::Known(1)]).read();
    assert!(matches!(wrong, Err(Error::Choice(what)) if what.contains('z')));
}

#[test]
fn unknown_tags_and_signatures_name_what_there_is() {
    let dir = saved_model(DENSE, X_TO_Y, &[KERNEL]);
    let tags = Reader::new(dir.path())
        .tags(["train"])
        .read()
        .expect_err("there is no such MetaGraph");
    assert!(tags.to_string().contains("{serve}"), "{tags}");
    let signature = Reader::new(dir.path())
        .signature("predict")
        .read()
        .expect_err("there is no such signature");
    assert!(signature.to_string().contains("serving_default"), "{signature}");
}

#[test]
fn an_unknown_operation_is_kept() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "y" op: "Mystery" input: "x" attr { key: "T" value { type: DT_FLOAT } } }
    "#;
    let model = read(saved_model(graph, X_TO_Y, &[]).path()).expect("reading never fails on an operation");
    let (_, graph) = model.graphs().next().expect("one signature, one graph");
    let foreign = graph.ids().into_iter().find_map(|id| match graph.op(id) {
        Op::Foreign(op) => Some(op.name.clone()),
        _ => None,
    });
    assert_eq!(foreign.as_deref(), Some("Mystery"));
}

#[test]
fn calls_are_inlined_and_weights_are_constants_inside_loops() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "kernel" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "call" op: "StatefulPartitionedCall" input: "x" input: "kernel"
               attr { key: "f" value { func { name: "run" } } } }
        node { name: "y" op: "Identity" input: "call" }
        library {
          function {
            signature { name: "run" input_arg { name: "a" type: DT_FLOAT } input_arg { name: "k" type: DT_RESOURCE }
                        output_arg { name: "out" type: DT_FLOAT } }
            node_def { name: "zero" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
                       attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 0 } } } }
            node_def { name: "loop" op: "While" input: "zero:output:0" input: "a" input: "k"
                       attr { key: "cond" value { func { name: "cond" } } }
                       attr { key: "body" value { func { name: "body" } } } }
            ret { key: "out" value: "loop:output:1" }
          }
          function {
            signature { name: "cond" input_arg { name: "i" type: DT_INT32 } input_arg { name: "s" type: DT_FLOAT }
                        input_arg { name: "k" type: DT_RESOURCE } output_arg { name: "go" type: DT_BOOL } }
            node_def { name: "three" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
                       attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 3 } } } }
            node_def { name: "less" op: "Less" input: "i" input: "three:output:0" }
            ret { key: "go" value: "less:z:0" }
          }
          function {
            signature { name: "body" input_arg { name: "i" type: DT_INT32 } input_arg { name: "s" type: DT_FLOAT }
                        input_arg { name: "k" type: DT_RESOURCE } output_arg { name: "i1" type: DT_INT32 }
                        output_arg { name: "s1" type: DT_FLOAT } output_arg { name: "k1" type: DT_RESOURCE } }
            node_def { name: "one" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
                       attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape {} int_val: 1 } } } }
            node_def { name: "next" op: "AddV2" input: "i" input: "one:output:0" }
            node_def { name: "read" op: "ReadVariableOp" input: "k" }
            node_def { name: "product" op: "MatMul" input: "s" input: "read:value:0" }
            ret { key: "i1" value: "next:z:0" } ret { key: "s1" value: "product:product:0" } ret { key: "k1" value: "k" }
          }
        }
    "#;
    let square = Variable {
        key: "kernel",
        dims: &[2, 2],
        values: &[1., 2., 3., 4.],
    };
    let model = read(saved_model(graph, X_TO_Y, &[square]).path()).expect("the model is sound");
    planish_core::verify::verify(&model).expect("what the reader makes is valid");
    let body = model
        .graphs()
        .find(|(_, g)| g.ids().iter().any(|&id| g.op(id).kind() == OpKind::FullyConnected))
        .expect("the product stands in the body");
    assert_eq!(body.1.parameters().len(), 2, "the weights are not carried");
    assert!(body.1.ids().iter().any(|&id| body.1.op(id).kind() == OpKind::Const));
}

#[test]
fn functions_that_call_themselves_are_refused() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "y" op: "PartitionedCall" input: "x" attr { key: "f" value { func { name: "f" } } } }
        library { function {
            signature { name: "f" input_arg { name: "a" type: DT_FLOAT } output_arg { name: "b" type: DT_FLOAT } }
            node_def { name: "again" op: "PartitionedCall" input: "a" attr { key: "f" value { func { name: "f" } } } }
            ret { key: "b" value: "again:output:0" }
        } }
    "#;
    let error = read(saved_model(graph, X_TO_Y, &[]).path()).expect_err("it never ends");
    assert!(error.to_string().contains("nested"), "{error}");
}

#[test]
fn a_graph_that_depends_on_itself_is_refused() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "a" op: "Neg" input: "y" }
        node { name: "y" op: "Neg" input: "a" }
    "#;
    let error = read(saved_model(graph, X_TO_Y, &[]).path()).expect_err("it is a cycle");
    assert!(error.to_string().contains("depends on itself"), "{error}");
}

#[test]
fn nodes_that_wait_for_each_other_or_share_a_name_are_refused() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "a" op: "Neg" input: "x" MORE }
        node { name: "y" op: "Neg" input: "a" }
    "#;
    let refusal = |more: &str| {
        let model = read(saved_model(&graph.replace("MORE", more), X_TO_Y, &[]).path());
        model.map(|_| ()).map_err(|e| e.to_string())
    };
    assert!(refusal("").is_ok());
    let error = refusal(r#"input: "^y""#).expect_err("neither can run first");
    assert!(error.contains("depends on itself"), "{error}");
    let error = refusal(r#"} node { name: "x" op: "NoOp""#).expect_err("there are two of it");
    assert!(error.contains("at x") && error.contains("several nodes"), "{error}");
}

#[test]
fn a_changed_weight_is_noticed() {
    let dir = saved_model(DENSE, X_TO_Y, &[KERNEL]);
    let (index, mut data) = checkpoint(&[KERNEL], false);
    data[5] ^= 1;
    write_checkpoint(dir.path(), &index, &data);
    let error = read(dir.path()).expect_err("the checksum differs");
    assert!(error.to_string().contains("checksum"), "{error}");
    Reader::new(dir.path()).verify_checksums(false).read().expect("nobody asked");
}

#[test]
fn a_compressed_index_is_read() {
    let dir = saved_model(DENSE, X_TO_Y, &[KERNEL]);
    let (index, data) = checkpoint(&[KERNEL], true);
    write_checkpoint(dir.path(), &index, &data);
    read(dir.path()).expect("snappy is part of the format");
}

#[test]
fn missing_parts_are_named() {
    let missing = read("/nonexistent/model").expect_err("there is no such folder");
    assert!(missing.to_string().contains("/nonexistent/model"), "{missing}");
    let empty = tempfile::tempdir().expect("there is a folder for temporary files");
    let error = read(empty.path()).expect_err("there is nothing in it");
    assert!(error.to_string().contains("saved_model.pb"), "{error}");
    let dir = saved_model(DENSE, X_TO_Y, &[KERNEL]);
    std::fs::remove_dir_all(dir.path().join("variables")).expect("the folder is ours");
    let error = read(dir.path()).expect_err("the weights are missing");
    assert!(
        error.to_string().contains("kernel") && error.to_string().contains("variables.index"),
        "{error}"
    );
}

#[test]
fn the_contents_are_listed() {
    let dir = saved_model(DENSE, X_TO_Y, &[KERNEL]);
    let contents = Reader::new(dir.path()).contents().expect("the model is sound");
    assert_eq!(contents.meta_graphs[0].tags, ["serve"]);
    assert_eq!(contents.meta_graphs[0].signatures[0].inputs[0].name, "x");
}
