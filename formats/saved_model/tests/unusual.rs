//! Graphs with tables, assignments and operations that only TensorFlow has.

mod saved;

use planish_core::model::Model;
use planish_core::op::{Op, OpKind};
use planish_core::text;
use planish_core::types::DType;
use planish_saved_model::{Reader, read};
use saved::{Variable, saved_model};

const X_TO_Y: &str = r#"
    inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: -1 } } } }
    outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } }
"#;
const TEXT_TO_Y: &str = r#"
    inputs { key: "x" value { name: "x:0" dtype: DT_STRING tensor_shape { dim { size: -1 } } } }
    outputs { key: "y" value { name: "y:0" dtype: DT_BOOL } }
"#;
const W: Variable<'_> = Variable {
    key: "w",
    dims: &[],
    values: &[3.],
};
const ROWS: Variable<'_> = Variable {
    key: "w",
    dims: &[3],
    values: &[1., 2., 3.],
};

fn kinds(model: &Model) -> Vec<OpKind> {
    let graphs = model.graphs().map(|(_, graph)| graph);
    graphs
        .flat_map(|g| g.ids().into_iter().map(|id| g.op(id).kind()).collect::<Vec<_>>())
        .collect()
}

#[test]
fn what_follows_an_operation_with_several_output_types_is_typed_rightly() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } } }
        node { name: "space" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
               attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { } string_val: " " } } } }
        node { name: "words" op: "StringSplitV2" input: "x" input: "space" attr { key: "maxsplit" value { i: -1 } } }
        node { name: "y" op: "Equal" input: "words:1" input: "space" attr { key: "T" value { type: DT_STRING } } }
    "#;
    let model = read(saved_model(graph, TEXT_TO_Y, &[]).path()).expect("strings are compared with strings");
    let (_, graph) = model.graphs().next().expect("one signature, one graph");
    let split = graph.ids().into_iter().find(|&id| graph.op(id).kind() == OpKind::Foreign);
    let types: Vec<DType> = graph
        .results_of(split.expect("it is kept"))
        .into_iter()
        .map(|v| graph.ty(v).dtype)
        .collect();
    assert_eq!(types, [DType::I64, DType::String, DType::I64]);
}

#[test]
fn a_variable_of_the_checkpoint_is_initialized() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "handle" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } }
               attr { key: "shared_name" value { s: "w" } } }
        node { name: "reference" op: "VariableV2" attr { key: "dtype" value { type: DT_FLOAT } }
               attr { key: "shared_name" value { s: "w" } } }
        node { name: "known" op: "VarIsInitializedOp" input: "handle" }
        node { name: "referred" op: "IsVariableInitialized" input: "reference" }
        node { name: "both" op: "LogicalAnd" input: "known" input: "referred" }
        node { name: "y" op: "Cast" input: "both" attr { key: "DstT" value { type: DT_FLOAT } } }
    "#;
    let model = read(saved_model(graph, X_TO_Y, &[W]).path()).expect("it is read");
    assert!(!kinds(&model).contains(&OpKind::Foreign));
}

#[test]
fn what_two_lists_do_not_share_is_found_by_comparing_all_of_their_elements() {
    let signature = r#"
        inputs { key: "x" value { name: "x:0" dtype: DT_INT32 tensor_shape { dim { size: 3 } } } }
        outputs { key: "rest" value { name: "rest:0" dtype: DT_INT32 } }
        outputs { key: "places" value { name: "rest:1" dtype: DT_INT64 } }
    "#;
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "shape" value { shape { dim { size: 3 } } } } }
        node { name: "axes" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } } int_val: 0 int_val: 2 } } } }
        node { name: "rest" op: "ListDiff" input: "x" input: "axes" attr { key: "T" value { type: DT_INT32 } }
               attr { key: "out_idx" value { type: DT_INT64 } } }
    "#;
    let model = read(saved_model(graph, signature, &[]).path()).expect("numbers are compared with numbers");
    let (_, graph) = model.graphs().next().expect("one signature, one graph");
    let operations: Vec<OpKind> = kinds(&model).into_iter().filter(|k| *k != OpKind::Const).collect();
    assert!(!operations.contains(&OpKind::Foreign), "{operations:?}");
    let order = [OpKind::Equal, OpKind::ReduceAny, OpKind::LogicalNot, OpKind::Where, OpKind::Gather];
    let found: Vec<OpKind> = operations.into_iter().filter(|k| order.contains(k)).collect();
    assert_eq!(found, order);
    let returned = graph.ids().into_iter().find(|&id| graph.op(id).kind() == OpKind::Return);
    let results = graph.operands(returned.expect("graphs return"));
    let types: Vec<DType> = results.into_iter().flatten().map(|v| graph.ty(v).dtype).collect();
    assert_eq!(types, [DType::I64, DType::I32], "outputs stand in the order of their names");
}

#[test]
fn an_output_stands_there_as_often_as_an_attribute_says() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } } }
        node { name: "split" op: "SparseSplit" input: "x"
               attr { key: "num_split" value { i: 2 } } attr { key: "T" value { type: DT_BOOL } } }
        node { name: "y" op: "LogicalNot" input: "split:3" }
    "#;
    let model = read(saved_model(graph, TEXT_TO_Y, &[]).path()).expect("its values are truth values");
    assert!(kinds(&model).contains(&OpKind::LogicalNot));
}

#[test]
fn the_entries_of_a_table_may_be_computed() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_INT64 } } }
        node { name: "names" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
               attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { dim { size: 2 } } string_val: "a" string_val: "b" } } } }
        node { name: "none" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
               attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { } string_val: "?" } } } }
        node { name: "zero" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 0 } } } }
        node { name: "one" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { } int_val: 1 } } } }
        node { name: "count" op: "Size" input: "names" attr { key: "out_type" value { type: DT_INT32 } } }
        node { name: "range" op: "Range" input: "zero" input: "count" input: "one" attr { key: "Tidx" value { type: DT_INT32 } } }
        node { name: "keys" op: "Cast" input: "range" attr { key: "SrcT" value { type: DT_INT32 } }
               attr { key: "DstT" value { type: DT_INT64 } } }
        node { name: "table" op: "HashTableV2" attr { key: "key_dtype" value { type: DT_INT64 } }
               attr { key: "value_dtype" value { type: DT_STRING } } }
        node { name: "fill" op: "InitializeTableV2" input: "table" input: "keys" input: "names" }
        node { name: "y" op: "LookupTableFindV2" input: "table" input: "x" input: "none"
               attr { key: "Tin" value { type: DT_INT64 } } attr { key: "Tout" value { type: DT_STRING } } }
    "#;
    let signature = r#"
        inputs { key: "x" value { name: "x:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
        outputs { key: "y" value { name: "y:0" dtype: DT_STRING } }
    "#;
    let model = read(saved_model(graph, signature, &[]).path()).expect("the keys follow from constants");
    let (_, filled) = model
        .graphs()
        .find(|(_, g)| g.name().ends_with("/fill_tables"))
        .expect("the table is filled");
    let kinds: Vec<OpKind> = filled.ids().into_iter().map(|id| filled.op(id).kind()).collect();
    assert!(
        kinds.contains(&OpKind::HashtableImport) && kinds.contains(&OpKind::Range),
        "{kinds:?}"
    );
}

/// `y` is `x`, after which the variable `w` is changed by `op` with `arguments`.
fn changing(op: &str, arguments: &str) -> String {
    format!(
        r#"
        node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
        node {{ name: "w" op: "VariableV2" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} attr {{ key: "shape" value {{ shape {{ }} }} }} }}
        node {{ name: "step" op: "Const" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
               attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{ }} float_val: 0.5 }} }} }} }}
        node {{ name: "change" op: "{op}" input: "w" {arguments} attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
        node {{ name: "y" op: "Identity" input: "x" input: "^change" }}
        "#
    )
}

#[test]
fn variables_of_the_first_kind_are_counted_up_and_trained() {
    let counted = saved_model(&changing("AssignAdd", r#"input: "step""#), X_TO_Y, &[W]);
    let printed = text::print(&read(counted.path()).expect("the variable is counted up"));
    assert!(printed.contains("assign_variable") && printed.contains("add"), "{printed}");
    let trained = saved_model(&changing("ApplyGradientDescent", r#"input: "step" input: "step""#), X_TO_Y, &[W]);
    let printed = text::print(&read(trained.path()).expect("the variable is trained"));
    assert!(printed.contains("mul") && printed.contains("sub"), "{printed}");
}

#[test]
fn a_step_of_training_changes_what_it_remembers_too() {
    let [m, v] = ["m", "v"].map(|name| {
        format!(
            r#"node {{ name: "{name}" op: "VarHandleOp" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} attr {{ key: "shape" value {{ shape {{ }} }} }} }} "#
        )
    });
    let arguments = r#"input: "m" input: "v" "#.to_owned() + &r#"input: "step" "#.repeat(7);
    let graph = changing("ResourceApplyAdam", &arguments).replace("VariableV2", "VarHandleOp") + &m + &v;
    let remembered = ["m", "v"].map(|key| Variable {
        key,
        dims: &[],
        values: &[0.],
    });
    let [m, v] = remembered;
    let dir = saved_model(&graph, X_TO_Y, &[m, v, W]);
    let printed = text::print(&read(dir.path()).expect("the variable is trained"));
    assert_eq!(
        printed.matches("assign_variable").count(),
        6,
        "three when it starts, three steps: {printed}"
    );
}

#[test]
fn rows_of_a_variable_are_written() {
    let index = r#"
        node { name: "at" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 2 } } int_val: 2 int_val: 0 } } } }
        "#;
    for (op, made) in [("ScatterUpdate", "select_v2"), ("ScatterAdd", "add"), ("ScatterSub", "sub")] {
        let graph = changing(op, r#"input: "at" input: "step""#).replace("shape { } } }", "shape { dim { size: 3 } } } }");
        let dir = saved_model(&(graph + index), X_TO_Y, &[ROWS]);
        let printed = text::print(&read(dir.path()).expect("rows are written"));
        assert!(printed.contains("assign_variable") && printed.contains(made), "{op}: {printed}");
    }
}

#[test]
fn an_unknown_way_to_change_a_variable_is_not_lost() {
    let arguments = r#"input: "step" input: "step" input: "step""#;
    let dir = saved_model(&changing("ApplyMystery", arguments), X_TO_Y, &[W]);
    let mut model = read(dir.path()).expect("it is kept");
    model.sweep();
    let kept = model.graphs().any(|(_, g)| {
        g.ids()
            .into_iter()
            .any(|id| matches!(g.op(id), Op::Foreign(op) if op.name == "ApplyMystery"))
    });
    assert!(kept, "{}", text::print(&model));
}

/// Work that grew with the square of the length would take many minutes.
#[test]
fn a_long_text_is_read() {
    let graph: String = (0..200_000).map(|i| format!("node {{ name: \"n{i}\" op: \"NoOp\" }}\n")).collect();
    let x_to_x = X_TO_Y.replace("y:0", "x:0");
    let x = r#"node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }"#;
    let dir = saved_model(&format!("{x}\n{graph}"), &x_to_x, &[]);
    read(dir.path()).expect("the model is sound");
}

/// Work that grew with the square of their number would take many minutes.
#[test]
fn many_unknown_operations_are_kept() {
    let nodes = 80_000;
    let unknown = |i: usize| format!("node {{ name: \"n{i}\" op: \"Unknown\" input: \"x\" }}\n");
    let graph: String = (0..nodes).map(unknown).collect();
    let inputs: String = (0..nodes).map(|i| format!("input: \"n{i}\" ")).collect();
    let x = r#"node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }"#;
    let y = format!("node {{ name: \"y\" op: \"UnknownToo\" {inputs} }}");
    let dir = saved_model(&format!("{x}\n{graph}{y}"), X_TO_Y, &[]);
    let model = read(dir.path()).expect("they are kept");
    let kept = |(_, g): (_, &planish_core::Graph)| g.ids().into_iter().filter(|&id| matches!(g.op(id), Op::Foreign(_))).count();
    assert_eq!(model.graphs().map(kept).sum::<usize>(), nodes + 1);
}

#[test]
fn complex_numbers_are_computed_by_their_parts_and_spectra_turned_back() {
    let complex = r#"attr { key: "T" value { type: DT_COMPLEX64 } }"#;
    let graph = format!(
        r#"
        node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
               attr {{ key: "shape" value {{ shape {{ dim {{ size: 2 }} dim {{ size: 5 }} }} }} }} }}
        node {{ name: "turn" op: "Const" attr {{ key: "dtype" value {{ type: DT_COMPLEX64 }} }}
               attr {{ key: "value" value {{ tensor {{ dtype: DT_COMPLEX64 tensor_shape {{ }} scomplex_val: 0.0 scomplex_val: 1.0 }} }} }} }}
        node {{ name: "length" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
               attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ dim {{ size: 1 }} }} int_val: 8 }} }} }} }}
        node {{ name: "wide" op: "Cast" input: "x" attr {{ key: "SrcT" value {{ type: DT_FLOAT }} }}
               attr {{ key: "DstT" value {{ type: DT_COMPLEX64 }} }} }}
        node {{ name: "phase" op: "Mul" input: "wide" input: "turn" {complex} }}
        node {{ name: "unit" op: "Exp" input: "phase" {complex} }}
        node {{ name: "angle" op: "Angle" input: "unit" {complex} attr {{ key: "Tout" value {{ type: DT_FLOAT }} }} }}
        node {{ name: "y" op: "IRFFT" input: "unit" input: "length" }}
        "#
    );
    let signature = r#"
        inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { dim { size: 2 } dim { size: 5 } } } }
        outputs { key: "angle" value { name: "angle:0" dtype: DT_FLOAT } }
        outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } }
    "#;
    let model = read(saved_model(&graph, signature, &[]).path()).expect("it is read");
    let found = kinds(&model);
    assert!(!found.contains(&OpKind::Foreign), "{}", text::print(&model));
    for kind in [OpKind::Sin, OpKind::Cos, OpKind::Atan2, OpKind::Rfft2d] {
        assert!(found.contains(&kind), "{kind:?} is missing in {}", text::print(&model));
    }
    let (_, graph) = model.graphs().next().expect("one signature, one graph");
    let returned = graph.ids().into_iter().find(|&id| graph.op(id).kind() == OpKind::Return);
    let results = graph.operands(returned.expect("graphs return"));
    let shapes: Vec<_> = results.into_iter().flatten().map(|v| graph.ty(v).shape.known()).collect();
    assert_eq!(shapes, [Some(vec![2, 5]), Some(vec![2, 8])]);
}

/// Three signatures of one variable: `y` adds to it, `z` gives what it holds, `s` writes it to a file.
fn shared() -> tempfile::TempDir {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "file" op: "Placeholder" attr { key: "dtype" value { type: DT_STRING } } }
        node { name: "w" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } attr { key: "shape" value { shape { } } } }
        node { name: "z" op: "ReadVariableOp" input: "w" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "more" op: "AssignAddVariableOp" input: "w" input: "x" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "y" op: "Identity" input: "x" input: "^more" attr { key: "T" value { type: DT_FLOAT } } }
        node { name: "write" op: "SaveV2" input: "file" input: "file" input: "file" input: "z" }
        node { name: "s" op: "Identity" input: "file" input: "^write" attr { key: "T" value { type: DT_STRING } } }
    "#;
    let signature = r#"
        outputs { key: "z" value { name: "z:0" dtype: DT_FLOAT tensor_shape { } } } } }
        signature_def { key: "adds" value {
            inputs { key: "x" value { name: "x:0" dtype: DT_FLOAT tensor_shape { } } }
            outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } } } }
        signature_def { key: "saves" value {
            inputs { key: "file" value { name: "file:0" dtype: DT_STRING tensor_shape { } } }
            outputs { key: "s" value { name: "s:0" dtype: DT_STRING } }
    "#;
    saved_model(graph, signature, &[W])
}

#[test]
fn what_one_signature_assigns_another_reads() {
    let dir = shared();
    let model = Reader::new(dir.path())
        .signature("serving_default")
        .signature("adds")
        .read()
        .expect("a variable is read and assigned");
    let started: Vec<_> = model
        .graphs()
        .flat_map(|(_, g)| {
            g.ids().into_iter().filter_map(|id| match g.op(id) {
                Op::CallOnce(once) => Some(once.graph),
                _ => None,
            })
        })
        .collect();
    assert!(
        matches!(started[..], [a, b] if a == b),
        "both start with the same graph: {started:?}"
    );
    let reads = kinds(&model);
    let count = |kind| reads.iter().filter(|&&k| k == kind).count();
    assert_eq!(count(OpKind::ReadVariable), 2, "to give it and to add to it: {reads:?}");
    assert_eq!(count(OpKind::AssignVariable), 2, "when it starts and when it adds: {reads:?}");
    let alone = Reader::new(dir.path()).signature("serving_default").read();
    let alone = kinds(&alone.expect("nothing assigns it"));
    assert!(
        alone.contains(&OpKind::Const) && !alone.contains(&OpKind::ReadVariable),
        "{alone:?}"
    );
}

#[test]
fn a_file_that_is_written_is_not_lost() {
    let dir = shared();
    let mut model = Reader::new(dir.path()).signature("saves").read().expect("it is kept");
    model.sweep();
    let printed = text::print(&model);
    assert!(printed.contains("SaveV2"), "{printed}");
}

#[test]
fn damage_is_found_though_signatures_are_imported_again() {
    let dir = shared();
    let data = dir.path().join("variables/variables.data-00000-of-00001");
    let mut bytes = std::fs::read(&data).expect("the checkpoint was written");
    bytes[0] ^= 1;
    std::fs::write(&data, bytes).expect("the folder is ours");
    // The first one reads what the second one assigns.
    let read = Reader::new(dir.path()).signature("serving_default").signature("adds").read();
    let error = read.expect_err("the variable is damaged").to_string();
    assert!(error.contains("checksum"), "{error}");
}

#[test]
fn bits_are_not_taken_of_types_that_are_held_as_wider_ones() {
    let signature = r#"
        inputs { key: "x" value { name: "x:0" dtype: DT_HALF tensor_shape { dim { size: 2 } } } }
        outputs { key: "y" value { name: "y:0" dtype: DT_INT16 } }
    "#;
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_HALF } } }
        node { name: "y" op: "Bitcast" input: "x" attr { key: "T" value { type: DT_HALF } }
               attr { key: "type" value { type: DT_INT16 } } }
    "#;
    let kept = |from: &str, to: &str| {
        let graph = graph.replace("DT_HALF", from).replace("DT_INT16", to);
        let signature = signature.replace("DT_HALF", from).replace("DT_INT16", to);
        kinds(&read(saved_model(&graph, &signature, &[]).path()).expect("it is read")).contains(&OpKind::Foreign)
    };
    for (from, to) in [
        ("DT_HALF", "DT_INT16"),
        ("DT_INT16", "DT_HALF"),
        ("DT_DOUBLE", "DT_INT64"),
        ("DT_BFLOAT16", "DT_UINT16"),
    ] {
        assert!(kept(from, to), "{from} {to}");
    }
    assert!(!kept("DT_FLOAT", "DT_INT32") && !kept("DT_INT32", "DT_FLOAT"));
}

/// Nodes that a saver restores variables of f32 by, each from a key.
fn saver(scope: &str, keys_and_variables: &[(&str, &str)]) -> String {
    let mut nodes = String::new();
    let mut waits = String::new();
    for (key, variable) in keys_and_variables {
        let name = format!("{scope}/{variable}");
        nodes += &format!(
            r#"
            node {{ name: "{name}/key" op: "Const" attr {{ key: "dtype" value {{ type: DT_STRING }} }}
                   attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING tensor_shape {{ dim {{ size: 1 }} }} string_val: "{key}" }} }} }} }}
            node {{ name: "{name}/slice" op: "Const" attr {{ key: "dtype" value {{ type: DT_STRING }} }}
                   attr {{ key: "value" value {{ tensor {{ dtype: DT_STRING tensor_shape {{ dim {{ size: 1 }} }} string_val: "" }} }} }} }}
            node {{ name: "{name}/restored" op: "RestoreV2" input: "file" input: "{name}/key" input: "{name}/slice" }}
            node {{ name: "{name}/assign" op: "AssignVariableOp" input: "{variable}" input: "{name}/restored" }}"#
        );
        waits += &format!(r#"input: "^{name}/assign" "#);
    }
    format!(r#"{nodes} node {{ name: "{scope}/all" op: "NoOp" {waits} }}"#)
}

#[test]
fn a_key_that_is_the_name_of_another_variable_is_restored_as_the_saver_says() {
    let graph = r#"
        node { name: "x" op: "Placeholder" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "file" op: "Const" attr { key: "dtype" value { type: DT_STRING } }
               attr { key: "value" value { tensor { dtype: DT_STRING tensor_shape { } string_val: "file" } } } }
        node { name: "u" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "w" op: "VarHandleOp" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "read" op: "ReadVariableOp" input: "w" attr { key: "dtype" value { type: DT_FLOAT } } }
        node { name: "y" op: "Mul" input: "x" input: "read" attr { key: "T" value { type: DT_FLOAT } } }
    "#;
    let savers = saver("save", &[("w", "u"), ("u", "w")]) + &saver("other", &[("u", "u"), ("w", "w")]);
    let stored = [("u", &[5.0_f32]), ("w", &[3.0_f32])].map(|(key, values)| Variable { key, dims: &[], values });
    for (saver, held) in [("save", "5"), ("other", "3")] {
        let dir = saved_model(&format!("{graph} {savers}"), X_TO_Y, &stored);
        let file = dir.path().join("saved_model.pbtxt");
        let written = std::fs::read_to_string(&file).expect("it was written");
        let chosen = written.replace(
            "signature_def",
            &format!("saver_def {{ restore_op_name: '{saver}/all' }} signature_def"),
        );
        std::fs::write(&file, chosen).expect("the folder is ours");
        let printed = text::print(&read(dir.path()).expect("both are in the checkpoint"));
        assert!(printed.contains(&format!("const f32[] {held}")), "{printed}");
    }
}

#[test]
fn a_variable_holds_what_loading_the_model_assigns_after_the_checkpoint() {
    let graph = |value: &str| {
        format!(
            r#"
            node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "w" op: "VarHandleOp" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "read" op: "ReadVariableOp" input: "w" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "y" op: "Mul" input: "x" input: "read" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "seven" op: "Const" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }}
                   attr {{ key: "value" value {{ tensor {{ dtype: DT_FLOAT tensor_shape {{ }} float_val: 7 }} }} }} }}
            node {{ name: "same" op: "Identity" input: "seven" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "double" op: "AddV2" input: "read" input: "read" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "none" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
                   attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ dim {{ }} }} }} }} }} }}
            node {{ name: "full" op: "Fill" input: "none" input: "seven" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "drawn" op: "RandomUniform" input: "none" attr {{ key: "dtype" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "scaled" op: "Mul" input: "drawn" input: "seven" attr {{ key: "T" value {{ type: DT_FLOAT }} }} }}
            node {{ name: "set" op: "AssignVariableOp" input: "w" input: "{value}" }}
            node {{ name: "init" op: "NoOp" input: "^set" }}"#
        )
    };
    let loaded = |value: &str, collection: &str, stored: &[Variable<'_>]| {
        let dir = saved_model(&graph(value), X_TO_Y, stored);
        let file = dir.path().join("saved_model.pbtxt");
        let written = std::fs::read_to_string(&file).expect("it was written");
        let nodes = format!("collection_def {{ key: '{collection}' value {{ node_list {{ value: 'init' }} }} }} signature_def");
        std::fs::write(&file, written.replace("signature_def", &nodes)).expect("the folder is ours");
        read(dir.path()).map(|model| text::print(&model)).map_err(|e| e.to_string())
    };
    for collection in ["saved_model_main_op", "legacy_init_op"] {
        for stored in [&[W][..], &[]] {
            for value in ["same", "full"] {
                let printed = loaded(value, collection, stored).expect("the value is known");
                assert!(printed.contains("const f32[] 7"), "{printed}");
            }
        }
        let printed = loaded("scaled", collection, &[W]).expect("what is drawn anew means nothing");
        assert!(printed.contains("const f32[] 3"), "{printed}");
        let error = loaded("double", collection, &[W]).expect_err("the value is not known");
        assert!(error.contains("variable w") && error.contains("double"), "{error}");
    }
    let printed = loaded("same", "trainable_variables", &[W]).expect("nothing assigns it");
    assert!(printed.contains("const f32[] 3"), "{printed}");
}
