//! SavedModels in the text form of protobuf.

use std::path::Path;

/// A node with attributes as `name: text of the value`.
pub(crate) fn node(name: &str, op: &str, inputs: &[&str], attrs: &[(&str, &str)]) -> String {
    let inputs: String = inputs.iter().map(|i| format!(r#"input: "{i}" "#)).collect();
    let attrs: String = attrs
        .iter()
        .map(|(key, value)| format!(r#"attr {{ key: "{key}" value {{ {value} }} }} "#))
        .collect();
    format!(r#"node {{ name: "{name}" op: "{op}" {inputs} {attrs} }} "#)
}

/// An input or output of a signature: the name of both it and its value, its type, and its shape where it is known.
pub(crate) fn endpoint(name: &str, dtype: &str, dims: Option<&[usize]>) -> String {
    let shape = dims.map_or_else(String::new, |dims| format!("tensor_shape {{ {} }}", extents(dims)));
    format!(r#"key: "{name}" value {{ name: "{name}" dtype: {dtype} {shape} }}"#)
}

/// The extents of a shape.
pub(crate) fn extents(dims: &[usize]) -> String {
    dims.iter().map(|d| format!("dim {{ size: {d} }} ")).collect()
}

/// Writes a SavedModel of these nodes and the inputs and outputs of its one signature.
pub(crate) fn save(dir: &Path, nodes: &str, inputs: &[String], outputs: &[String]) {
    let inputs: String = inputs.iter().map(|input| format!("inputs {{ {input} }} ")).collect();
    let outputs: String = outputs.iter().map(|output| format!("outputs {{ {output} }} ")).collect();
    let model = format!(
        r#"saved_model_schema_version: 1 meta_graphs {{ meta_info_def {{ tags: "serve" }} graph_def {{ {nodes} }}
           signature_def {{ key: "f" value {{ {inputs} {outputs} }} }} }}"#
    );
    std::fs::write(dir.join("saved_model.pbtxt"), model).expect("the folder is ours");
}
