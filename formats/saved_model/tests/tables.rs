//! Hash tables: entries from the checkpoint, and keys and values that no kernel of a table takes.

mod saved;

use planish_core::graph::Graph;
use planish_core::model::Model;
use planish_core::op::OpKind;
use planish_core::tensor::Tensor;
use planish_core::text;
use planish_saved_model::{Error, read};
use saved::{Stored, checkpoint, checkpoint_of, saved_model, write_checkpoint};

fn ints(key: &str, dims: &[i64], values: &[i64]) -> Stored {
    Stored {
        key: key.to_owned(),
        dtype: 9,
        dims: dims.to_vec(),
        bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

fn floats(key: &str, dims: &[i64], values: &[f32]) -> Stored {
    Stored {
        key: key.to_owned(),
        dtype: 1,
        dims: dims.to_vec(),
        bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    }
}

/// A node with these element types of keys and values, or of what is looked up.
fn node(name: &str, op: &str, inputs: &[&str], types: &[(&str, &str)]) -> String {
    let inputs: String = inputs.iter().map(|i| format!(r#"input: "{i}" "#)).collect();
    let types: String = types
        .iter()
        .map(|(name, dtype)| format!(r#"attr {{ key: "{name}" value {{ type: {dtype} }} }} "#))
        .collect();
    format!(r#"node {{ name: "{name}" op: "{op}" {inputs} {types} }}"#)
}

fn constant(name: &str, dtype: &str, dims: &str, values: &str) -> String {
    format!(
        r#"node {{ name: "{name}" op: "Const" attr {{ key: "dtype" value {{ type: {dtype} }} }}
           attr {{ key: "value" value {{ tensor {{ dtype: {dtype} tensor_shape {{ {dims} }} {values} }} }} }} }}"#
    )
}

const TYPES: [(&str, &str); 2] = [("key_dtype", "DT_INT64"), ("value_dtype", "DT_FLOAT")];
const SIGNATURE: &str = r#"
    inputs { key: "x" value { name: "x:0" dtype: DT_INT64 tensor_shape { dim { size: -1 } } } }
    outputs { key: "y" value { name: "y:0" dtype: DT_FLOAT } }
"#;

/// A table of this kind that is restored from `t-keys` and `t-values`, and what it says to `x`.
fn restored(table: &str) -> String {
    [
        node("x", "Placeholder", &[], &[("dtype", "DT_INT64")]),
        constant("none", "DT_FLOAT", "", "float_val: -1"),
        table.to_owned(),
        node("y", "LookupTableFindV2", &["table", "x", "none"], &[]),
        constant("file", "DT_STRING", "", r#"string_val: "file""#),
        constant(
            "names",
            "DT_STRING",
            "dim { size: 2 }",
            r#"string_val: "t-keys" string_val: "t-values""#,
        ),
        constant("slices", "DT_STRING", "dim { size: 2 }", r#"string_val: "" string_val: """#),
        node("restored", "RestoreV2", &["file", "names", "slices"], &[]),
        node("import", "LookupTableImportV2", &["table", "restored", "restored:1"], &[]),
    ]
    .concat()
}

/// The elements of all constants that are as long as that.
fn constants(graph: &Graph, elements: usize) -> Vec<Vec<f64>> {
    let values = graph.ids().into_iter().flat_map(|id| graph.results_of(id));
    let tensors = values.filter_map(|value| graph.constant(value));
    let numbers = |t: &Tensor| t.to_floats().or_else(|| Some(t.to_ints()?.iter().map(|&i| i as f64).collect()));
    tensors.filter(|t| t.elements() == elements).filter_map(numbers).collect()
}

fn only_graph(model: &Model) -> &Graph {
    let mut graphs = model.graphs();
    let (_, graph) = graphs.next().expect("there is a graph");
    assert!(graphs.next().is_none(), "nothing has to be initialized");
    graph
}

#[test]
fn a_table_that_the_checkpoint_fills_is_constant() {
    let dir = saved_model(&restored(&node("table", "MutableHashTableV2", &[], &TYPES)), SIGNATURE, &[]);
    let tensors = [ints("t-keys", &[3], &[7, -5, 9]), floats("t-values", &[3], &[0.5, 1.5, 2.5])];
    let (index, data) = checkpoint_of(&tensors, false);
    write_checkpoint(dir.path(), &index, &data);
    let model = read(dir.path()).expect("the entries are in the checkpoint");
    let held = constants(only_graph(&model), 3);
    assert!(
        held.contains(&vec![7.0, -5.0, 9.0]) && held.contains(&vec![0.5, 1.5, 2.5]),
        "{held:?}"
    );
}

#[test]
fn empty_places_of_a_dense_table_are_no_entries() {
    let marks = [
        constant("empty", "DT_INT64", "", "int64_val: -1"),
        constant("deleted", "DT_INT64", "", "int64_val: -2"),
        node("table", "MutableDenseHashTableV2", &["empty", "deleted"], &TYPES),
    ];
    let dir = saved_model(&restored(&marks.concat()), SIGNATURE, &[]);
    let tensors = [
        ints("t-keys", &[5, 1], &[-1, 7, -2, 9, -1]),
        floats("t-values", &[5, 1], &[0.0, 1.5, 0.0, 2.5, 0.0]),
    ];
    let (index, data) = checkpoint_of(&tensors, false);
    write_checkpoint(dir.path(), &index, &data);
    let model = read(dir.path()).expect("the entries are in the checkpoint");
    let held = constants(only_graph(&model), 2);
    assert!(held.contains(&vec![7.0, 9.0]) && held.contains(&vec![1.5, 2.5]), "{held:?}");
}

#[test]
fn entries_that_the_checkpoint_lacks_or_holds_damaged_are_refused() {
    let dir = saved_model(&restored(&node("table", "MutableHashTableV2", &[], &TYPES)), SIGNATURE, &[]);
    let error = read(dir.path()).expect_err("there are no entries");
    assert!(error.to_string().contains("t-keys"), "{error}");
    let (index, data) = checkpoint(&[], false);
    write_checkpoint(dir.path(), &index, &data);
    let error = read(dir.path()).expect_err("there are no entries");
    assert!(matches!(error, Error::Variable { .. }), "{error}");
    let tensors = [ints("t-keys", &[2], &[7, 9]), floats("t-values", &[2], &[1.5, 2.5])];
    let (index, mut data) = checkpoint_of(&tensors, false);
    data[0] ^= 1;
    write_checkpoint(dir.path(), &index, &data);
    let error = read(dir.path()).expect_err("a byte is wrong");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[test]
fn a_signature_that_changes_the_table_is_refused() {
    let graph = [
        node("x", "Placeholder", &[], &[("dtype", "DT_INT64")]),
        constant("none", "DT_FLOAT", "", "float_val: -1"),
        node("table", "MutableHashTableV2", &[], &TYPES),
        node("insert", "LookupTableInsertV2", &["table", "x", "none"], &[]),
        node("y", "LookupTableFindV2", &["table", "x", "none", "^insert"], &[]),
    ];
    let error = read(saved_model(&graph.concat(), SIGNATURE, &[]).path()).expect_err("what it finds depends on what was inserted");
    assert!(error.to_string().contains("hash table table"), "{error}");
}

/// A table from constants, and what it says to `x`.
fn filled(keys: (&str, String), values: (&str, String), count: usize, default: &str) -> String {
    let dims = format!("dim {{ size: {count} }}");
    let types = [("key_dtype", keys.0), ("value_dtype", values.0)];
    [
        node("x", "Placeholder", &[], &[("dtype", keys.0)]),
        constant("none", values.0, "", default),
        constant("keys", keys.0, &dims, &keys.1),
        constant("values", values.0, &dims, &values.1),
        node("table", "HashTableV2", &[], &types),
        node("fill", "LookupTableImportV2", &["table", "keys", "values"], &[]),
        node("y", "LookupTableFindV2", &["table", "x", "none"], &[]),
    ]
    .concat()
}

fn kinds(model: &Model) -> Vec<OpKind> {
    let graphs = model
        .graphs()
        .flat_map(|(_, g)| g.ids().into_iter().map(|id| g.op(id).kind()).collect::<Vec<_>>());
    graphs.collect()
}

#[test]
fn strings_are_looked_up_by_position_where_the_values_are_no_integers() {
    let signature = SIGNATURE.replace("DT_INT64", "DT_STRING");
    let keys = ("DT_STRING", r#"string_val: "a" string_val: "b""#.to_owned());
    let graph = filled(keys, ("DT_FLOAT", "float_val: 0.5 float_val: 1.5".to_owned()), 2, "float_val: -1");
    let model = read(saved_model(&graph, &signature, &[]).path()).expect("positions are integers");
    let kinds = kinds(&model);
    let count = |kind: OpKind| kinds.iter().filter(|&&k| k == kind).count();
    let shape = [
        OpKind::HashtableImport,
        OpKind::HashtableFind,
        OpKind::Gather,
        OpKind::Concatenation,
    ];
    assert!(shape.into_iter().all(|kind| count(kind) == 1), "{}", text::print(&model));

    let signature = signature.replace("DT_FLOAT", "DT_STRING");
    let keys = ("DT_STRING", r#"string_val: "a" string_val: "b""#.to_owned());
    let values = ("DT_STRING", r#"string_val: "x" string_val: "y""#.to_owned());
    let model = read(saved_model(&filled(keys, values, 2, r#"string_val: "?""#), &signature, &[]).path()).expect("positions are integers");
    let printed = text::print(&model);
    assert!(printed.contains("gather") && !printed.contains("concatenation"), "{printed}");
}

#[test]
fn many_integers_are_looked_up_by_the_names_of_their_positions() {
    let count = 2000;
    let list = |name: &str| (0..count).map(|i| format!("{name}: {} ", 3 * i)).collect::<String>();
    let graph = filled(
        ("DT_INT64", list("int64_val")),
        ("DT_FLOAT", list("float_val")),
        count,
        "float_val: -1",
    );
    let model = read(saved_model(&graph, SIGNATURE, &[]).path()).expect("tables of names hold any number");
    let kinds = kinds(&model);
    let count = |kind: OpKind| kinds.iter().filter(|&&k| k == kind).count();
    assert_eq!((count(OpKind::HashtableImport), count(OpKind::HashtableFind)), (2, 2));
}

#[test]
fn a_table_without_entries_says_the_default() {
    let graph = filled(("DT_INT64", String::new()), ("DT_FLOAT", String::new()), 0, "float_val: -1");
    let printed = text::print(&read(saved_model(&graph, SIGNATURE, &[]).path()).expect("there is a default"));
    assert!(printed.contains(" = fill "), "{printed}");
}

#[test]
fn entries_that_are_counted_are_constant() {
    let graph = [
        node("x", "Placeholder", &[], &[("dtype", "DT_INT64")]),
        constant("none", "DT_FLOAT", "", "float_val: -1"),
        constant("list", "DT_INT32", "dim { size: 3 }", "int_val: 7 int_val: -5 int_val: 9"),
        constant("zero", "DT_INT32", "", "int_val: 0"),
        constant("one", "DT_INT32", "", "int_val: 1"),
        node("size", "Size", &["list"], &[("out_type", "DT_INT32")]),
        node("range", "Range", &["zero", "size", "one"], &[]),
        node("keys", "Cast", &["list"], &[("SrcT", "DT_INT32"), ("DstT", "DT_INT64")]),
        node("values", "Cast", &["range"], &[("SrcT", "DT_INT32"), ("DstT", "DT_FLOAT")]),
        node("table", "HashTableV2", &[], &TYPES),
        node("fill", "LookupTableImportV2", &["table", "keys", "values"], &[]),
        node("y", "LookupTableFindV2", &["table", "x", "none"], &[]),
    ];
    let model = read(saved_model(&graph.concat(), SIGNATURE, &[]).path()).expect("the entries follow from constants");
    let held = constants(only_graph(&model), 3);
    assert!(
        held.contains(&vec![7.0, -5.0, 9.0]) && held.contains(&vec![0.0, 1.0, 2.0]),
        "{held:?}"
    );
}
