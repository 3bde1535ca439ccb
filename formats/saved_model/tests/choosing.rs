//! What is read of a model: signatures, outputs cut at a value, features of examples as inputs.

mod saved;

use planish_core::text;
use planish_core::types::Dim;
use planish_saved_model::{Error, Reader, read};
use saved::saved_model;

const GRAPH: &str = r#"
    node { name: "a" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "b" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
    node { name: "net/hidden" op: "Tanh" input: "a" }
    node { name: "net/logits" op: "AddV2" input: "net/hidden" input: "b" }
    node { name: "net/probabilities" op: "Softmax" input: "net/logits" }
"#;
const SIGNATURE: &str = r#"
    inputs { key: "a" value { name: "a:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } dim { size: 2 } } } }
    inputs { key: "b" value { name: "b:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } dim { size: 2 } } } }
    outputs { key: "logits" value { name: "net/logits:0" dtype: DT_FLOAT } }
    outputs { key: "scores" value { name: "net/probabilities:0" dtype: DT_FLOAT } }
"#;

#[test]
fn a_signature_can_end_in_some_of_its_outputs() {
    let dir = saved_model(GRAPH, SIGNATURE, &[]);
    let printed = text::print(&Reader::new(dir.path()).output("logits").read().expect("it is an output"));
    assert!(printed.contains("@serving_default (a, b) -> (logits)"), "{printed}");
    assert!(!printed.contains("softmax"), "{printed}");
}

#[test]
fn a_signature_can_end_in_a_value_and_needs_then_only_what_that_needs() {
    let dir = saved_model(GRAPH, SIGNATURE, &[]);
    for name in ["net/hidden", "net/hidden:0"] {
        let reader = Reader::new(dir.path()).output(name).shape("a", &[Dim::Known(3), Dim::Known(2)]);
        let printed = text::print(&reader.read().expect("the value is there"));
        let promise = printed.lines().find(|l| l.contains("signature")).expect("there is a signature");
        assert!(promise.contains("@serving_default (a) ->") && promise.contains(name), "{printed}");
        assert!(printed.contains("f32[3, 2]") && !printed.contains(" = add "), "{printed}");
    }
}

#[test]
fn an_output_that_is_not_there_is_answered_with_those_that_are() {
    let dir = saved_model(GRAPH, SIGNATURE, &[]);
    let error = Reader::new(dir.path()).output("hidden").read().expect_err("there is no such value");
    let Error::Choice(message) = error else { panic!("{error}") };
    for name in ["hidden", "logits, scores", "net/hidden"] {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn the_same_signature_is_read_once() {
    let dir = saved_model(GRAPH, SIGNATURE, &[]);
    let reader = Reader::new(dir.path()).signature("serving_default").signature("serving_default");
    assert_eq!(reader.read().expect("it is there").signatures.len(), 1);
}

const EXAMPLES: &str = r#"
    node { name: "examples" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } } }
    node { name: "names" op: "Const" attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { dim { size: 0 } } } } } }
    node { name: "sparse" op: "Const"
           attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { dim { size: 1 } } string_val: "words" } } } }
    node { name: "dense" op: "Const" attr { key: "value" value {
           tensor { dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: "age" string_val: "pixels" } } } }
    node { name: "default" op: "Const" attr { key: "value" value { tensor { dtype: DT_FLOAT tensor_shape { dim { size: 0 } } } } } }
    node { name: "parse" op: "ParseExampleV2"
           input: "examples" input: "names" input: "sparse" input: "dense" input: "names" input: "default" input: "default"
           attr { key: "num_sparse" value { i: 1 } }
           attr { key: "sparse_types" value { list { type: DT_STRING } } }
           attr { key: "Tdense" value { list { type: DT_FLOAT type: DT_FLOAT } } }
           attr { key: "dense_shapes" value { list { shape { } shape { dim { size: 4 } } } } } }
    node { name: "y" op: "Tanh" input: "parse:4" }
    node { name: "z" op: "Identity" input: "parse:1" }
"#;

#[test]
fn parsed_features_become_inputs_where_they_are_read() {
    let signature = |output: &str, dtype: &str| {
        format!(
            "inputs {{ key: 'examples' value {{ name: 'examples:0' dtype: DT_STRING tensor_shape {{ dim {{ size: -1 }} }} }} }}
             outputs {{ key: 'out' value {{ name: '{output}:0' dtype: {dtype} }} }}"
        )
    };
    let dir = saved_model(EXAMPLES, &signature("y", "DT_FLOAT"), &[]);
    let printed = text::print(&read(dir.path()).expect("the examples are fed"));
    assert!(
        printed.contains("(pixels) -> (out)") && printed.contains("%pixels: f32[?, 4]"),
        "{printed}"
    );
    let dir = saved_model(EXAMPLES, &signature("z", "DT_STRING"), &[]);
    let printed = text::print(&read(dir.path()).expect("the examples are fed"));
    assert!(
        printed.contains("(words/values)") || printed.contains("(\"words/values\")"),
        "{printed}"
    );
}

/// A folder with a graph that has no signature.
fn bare(graph: &str, rest: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("there is a folder for temporary files");
    let text = format!("saved_model_schema_version: 1 meta_graphs {{ meta_info_def {{ tags: 'serve' }} graph_def {{ {graph} }} {rest} }}");
    std::fs::write(dir.path().join("saved_model.pbtxt"), text).expect("the folder is ours");
    dir
}

#[test]
fn a_graph_without_signatures_is_read_by_its_outputs() {
    let dir = bare(GRAPH, "");
    let printed = text::print(&Reader::new(dir.path()).output("net/logits").read().expect("it is there"));
    assert!(printed.contains("(a, b) -> (\"net/logits\")"), "{printed}");
    let printed = text::print(&Reader::new(dir.path()).output("net/hidden:0").read().expect("it is there"));
    assert!(printed.contains("(a) -> "), "{printed}");
    let error = Reader::new(dir.path())
        .output("nothing")
        .read()
        .expect_err("there is no such value");
    assert!(error.to_string().contains("net/probabilities"), "{error}");
    let odd = GRAPH.replace("net/hidden", "net/hidden:");
    let printed = text::print(
        &Reader::new(bare(&odd, "").path())
            .output("net/logits")
            .read()
            .expect("a colon may end a name"),
    );
    assert!(printed.contains("(a, b) -> "), "{printed}");
    let saver = r#"node { name: "file" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } } }
                   node { name: "written" op: "Identity" input: "file" }"#;
    let dir = bare(&format!("{GRAPH} {saver}"), "saver_def { filename_tensor_name: 'file:0' }");
    let error = read(dir.path()).expect_err("nobody says where it ends");
    let message = error.to_string();
    assert!(message.contains("--output") && message.ends_with(" net/probabilities"), "{message}");
}

const FUNCTION: &str = r#"
    library { function {
        signature { name: "__inference_predict_1" input_arg { name: "x" type: DT_FLOAT } output_arg { name: "y" type: DT_FLOAT } }
        node_def { name: "tanh" op: "Tanh" input: "x" attr { key: "T" value { type: DT_FLOAT } } }
        ret { key: "y" value: "tanh:y:0" } } }
"#;
const ONE_FUNCTION: &str = r#"
    object_graph_def {
        nodes { user_object { } children { node_id: 1 local_name: "predict" } children { node_id: 2 local_name: "table" } }
        nodes { function { concrete_functions: "__inference_predict_1" } }
        nodes { resource { } children { node_id: 3 local_name: "_initialize" } }
        nodes { function { concrete_functions: "__inference_predict_1" } }
        concrete_functions { key: "__inference_predict_1" value { } } }
"#;

#[test]
fn the_only_function_stands_for_a_missing_signature() {
    let printed = text::print(&read(bare(FUNCTION, ONE_FUNCTION).path()).expect("there is no other"));
    assert!(printed.contains("@predict (x) -> (y)") && printed.contains(" = tanh "), "{printed}");
}
