//! The order of reading and assigning variables where functions do it.

mod saved;

use planish_core::op::OpKind;
use planish_core::text;
use planish_saved_model::read;
use saved::{Variable, saved_model};

const W: Variable<'_> = Variable {
    key: "w",
    dims: &[],
    values: &[3.],
};

/// A call of a function.
fn call(field: &str, name: &str, function: &str, inputs: &[&str]) -> String {
    let inputs: String = inputs.iter().map(|i| format!(r#"input: "{i}" "#)).collect();
    format!(
        r#"{field} {{ name: "{name}" op: "StatefulPartitionedCall" {inputs} attr {{ key: "f" value {{ func {{ name: "{function}" }} }} }} }} "#
    )
}

/// A function of a variable and a number.
fn function(name: &str, nodes: &str, results: &[&str], effect: &str) -> String {
    let outputs: String = (0..results.len())
        .map(|i| format!(r#"output_arg {{ name: "r{i}" type: DT_FLOAT }} "#))
        .collect();
    let ret: String = results
        .iter()
        .enumerate()
        .map(|(i, result)| format!(r#"ret {{ key: "r{i}" value: "{result}" }} "#))
        .collect();
    let effect = match effect {
        "" => String::new(),
        node => format!(r#"control_ret {{ key: "{node}" value: "{node}" }}"#),
    };
    format!(
        r#"function {{ signature {{ name: "{name}" input_arg {{ name: "v" type: DT_RESOURCE }} input_arg {{ name: "x" type: DT_FLOAT }} {outputs} }}
           {nodes} {ret} {effect} }} "#
    )
}

#[test]
fn what_a_call_waits_for_has_run_before_all_of_its_function() {
    let reading = |name: &str| {
        format!(r#"node_def {{ name: "{name}" op: "ReadVariableOp" input: "v" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }} "#)
    };
    let adding =
        r#"node_def { name: "add" op: "AssignAddVariableOp" input: "v" input: "x" attr { key: "dtype" value { type: DT_FLOAT } } }"#;
    let step = reading("old")
        + &call("node_def", "more", "add", &["v", "x", "^old"])
        + &call("node_def", "nothing", "pass", &["v", "x", "^more"])
        + &call("node_def", "new", "get", &["v", "x", "^nothing"]);
    let library = function("add", adding, &[], "add")
        + &function("pass", "", &["x"], "")
        + &function("read", &reading("read"), &["read:value:0"], "read")
        + &function("get", &call("node_def", "inner", "read", &["v", "x"]), &["inner:output:0"], "inner")
        + &function("step", &step, &["old:value:0", "new:output:0"], "more");
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "w" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { } } } }
    "#;
    let graph = format!("{graph} {} library {{ {library} }}", call("node", "step", "step", &["w", "x"]));
    let signature = r#"
        inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { } } }
        outputs { key: "a" value { name: "step:0" dtype: DT_FLOAT } }
        outputs { key: "b" value { name: "step:1" dtype: DT_FLOAT } }
    "#;
    let model = read(saved_model(&graph, signature, &[W]).path()).expect("functions read and assign");
    let printed = text::print(&model);
    let of_signature = model.graphs().find(|(_, g)| !g.name().ends_with("/initialize"));
    let (_, graph) = of_signature.expect("one signature, one graph");
    let of_kind = |kind| {
        graph
            .ids()
            .into_iter()
            .filter(|&id| graph.op(id).kind() == kind)
            .collect::<Vec<_>>()
    };
    let [assigned] = of_kind(OpKind::AssignVariable)[..] else {
        panic!("{printed}")
    };
    let returned = of_kind(OpKind::Return)[0];
    let [old, new] = graph.operands(returned).into_iter().flatten().map(|v| v.op).collect::<Vec<_>>()[..] else {
        panic!("{printed}");
    };
    assert!(graph.after(assigned).contains(&old), "{printed}");
    assert!(graph.after(new).contains(&assigned), "{printed}");
}
