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
