//! What is imported of element types and sizes that few kernels take.

mod saved;

use planish_core::op::OpKind;
use planish_saved_model::read;
use saved::saved_model;

/// The operations that a graph from `x` to `y`, both of one element type, becomes.
fn kinds(dtype: &str, dims: &[usize], nodes: &str) -> Vec<OpKind> {
    let dims: String = dims.iter().map(|d| format!("dim {{ size: {d} }} ")).collect();
    let x = format!(r#"node {{ name: "x" op: "Placeholder" attr {{ key: "dtype" value {{ type: {dtype} }} }} }}"#);
    let signature = format!(
        r#"inputs {{ key: "x" value {{ name: "x:0" dtype: {dtype} tensor_shape {{ {dims} }} }} }}
           outputs {{ key: "y" value {{ name: "y:0" dtype: {dtype} }} }}"#
    );
    let model = read(saved_model(&format!("{x} {nodes}"), &signature, &[]).path()).expect("the model is sound");
    let (_, graph) = model.graphs().next().expect("one signature, one graph");
    graph.ids().into_iter().map(|id| graph.op(id).kind()).collect()
}

fn number(name: &str, value: i32) -> String {
    format!(
        r#"node {{ name: "{name}" op: "Const" attr {{ key: "dtype" value {{ type: DT_INT32 }} }}
           attr {{ key: "value" value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: {value} }} }} }} }} "#
    )
}

#[test]
fn integers_are_widened_only_to_what_a_kernel_takes() {
    let sums = r#"
        node { name: "ids" op: "Const" attr { key: "dtype" value { type: DT_INT32 } }
               attr { key: "value" value { tensor { dtype: DT_INT32 tensor_shape { dim { size: 3 } } int_val: 0 int_val: 1 int_val: 0 } } } }
        node { name: "y" op: "UnsortedSegmentSum" input: "x" input: "ids" input: "two" }
    "#;
    let sums = number("two", 2) + sums;
    assert!(kinds("DT_UINT32", &[3], &sums).contains(&OpKind::Foreign));
    assert!(!kinds("DT_INT16", &[3], &sums).contains(&OpKind::Foreign));
    let sum = r#"node { name: "y" op: "AddN" input: "x" input: "x" input: "x" attr { key: "N" value { i: 3 } } }"#;
    assert!(!kinds("DT_UINT32", &[3], sum).contains(&OpKind::Foreign));
}

#[test]
fn blocks_of_16_bits_are_moved_with_32() {
    for op in ["SpaceToDepth", "DepthToSpace"] {
        let moved = format!(r#"node {{ name: "y" op: "{op}" input: "x" attr {{ key: "block_size" value {{ i: 2 }} }} }}"#);
        let casts = |dtype| {
            kinds(dtype, &[1, 2, 2, 4], &moved)
                .into_iter()
                .filter(|&k| k == OpKind::Cast)
                .count()
        };
        assert_eq!((casts("DT_INT16"), casts("DT_INT8")), (2, 0), "{op}");
    }
}

#[test]
fn lists_are_not_added() {
    let list = |name: &str| {
        format!(
            r#"node {{ name: "{name}" op: "TensorListReserve" input: "two" input: "two"
               attr {{ key: "element_dtype" value {{ type: DT_FLOAT }} }} }} "#
        )
    };
    let sum = r#"
        node { name: "sum" op: "AddN" input: "a" input: "b" attr { key: "N" value { i: 2 } } attr { key: "T" value { type: DT_VARIANT } } }
        node { name: "y" op: "TensorListStack" input: "sum" input: "two" attr { key: "element_dtype" value { type: DT_FLOAT } } }
    "#;
    let nodes = number("two", 2) + &list("a") + &list("b") + sum;
    assert!(kinds("DT_FLOAT", &[2], &nodes).contains(&OpKind::Foreign));
}

#[test]
fn many_ones_are_made_when_the_model_runs() {
    let angle = r#"node { name: "y" op: "Atan" input: "x" }"#;
    assert!(kinds("DT_FLOAT", &[257], angle).contains(&OpKind::Fill));
    assert!(!kinds("DT_FLOAT", &[256], angle).contains(&OpKind::Fill));
}
