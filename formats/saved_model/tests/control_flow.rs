//! Loops and branches as TensorFlow 1 writes them: `Enter`, `Merge`, `Switch`, `NextIteration`, `Exit`.

mod saved;

use planish_core::{Model, text, verify};
use planish_saved_model::read;
use saved::saved_model;

/// One node of a graph in text.
fn node(name: &str, op: &str, inputs: &[&str], attrs: &str) -> String {
    let inputs: String = inputs.iter().map(|i| format!("input: '{i}' ")).collect();
    format!("node {{ name: '{name}' op: '{op}' {inputs} {attrs} }}\n")
}

fn frame(name: &str, constant: bool) -> String {
    format!("attr {{ key: 'frame_name' value {{ s: '{name}' }} }} attr {{ key: 'is_constant' value {{ b: {constant} }} }}")
}

fn number(name: &str, value: i32, waits: &[&str]) -> String {
    let value = format!("attr {{ key: 'value' value {{ tensor {{ dtype: DT_INT32 tensor_shape {{ }} int_val: {value} }} }} }}");
    node(name, "Const", waits, &value)
}

fn placeholder(name: &str) -> String {
    node(name, "Placeholder", &[], "attr { key: 'dtype' value { type: DT_FLOAT } }")
}

/// `scope`: while i < limit { i += 1; v = step }, with `step` reading `scope/i` and `scope/v`.
fn counted(scope: &str, limit: i32, start: &str, steps: &str, step: &str) -> String {
    let s = |name: &str| format!("{scope}/{name}");
    let around = scope.rsplit_once('/').map(|(around, _)| format!("^{around}/i"));
    let mut graph = number(&s("zero"), 0, &around.iter().map(String::as_str).collect::<Vec<_>>());
    for (value, first, next) in [("i", s("zero"), s("more")), ("v", start.to_owned(), step.to_owned())] {
        let part = |name: &str| s(&format!("{value}_{name}"));
        graph += &node(&part("enter"), "Enter", &[&first], &frame(scope, false));
        graph += &node(&part("merge"), "Merge", &[&part("enter"), &part("next")], "");
        graph += &node(&part("switch"), "Switch", &[&part("merge"), &s("decide")], "");
        graph += &node(&s(value), "Identity", &[&format!("{}:1", part("switch"))], "");
        graph += &node(&part("next"), "NextIteration", &[&next], "");
        graph += &node(&part("exit"), "Exit", &[&part("switch")], "");
    }
    graph += &number(&s("limit"), limit, &[&format!("^{}", s("i_merge"))]);
    graph += &node(&s("less"), "Less", &[&s("i_merge"), &s("limit")], "");
    graph += &node(&s("decide"), "LoopCond", &[&s("less")], "");
    graph += &number(&s("one"), 1, &[&format!("^{}", s("i"))]);
    graph += &node(&s("more"), "AddV2", &[&s("i"), &s("one")], "");
    graph + steps
}

fn signature(inputs: &[(&str, &str)], outputs: &[(&str, &str)]) -> String {
    let port = |kind: &str, name: &str, rest: &str| format!("{kind} {{ key: '{name}' value {{ {rest} }} }}\n");
    let shape = |dtype: &str| match dtype {
        "DT_BOOL" => "tensor_shape { }",
        _ => "tensor_shape { dim { size: -1 } dim { size: 2 } }",
    };
    let inputs = inputs
        .iter()
        .map(|(n, t)| port("inputs", n, &format!("name: '{n}:0' dtype: {t} {}", shape(t))));
    let outputs = outputs
        .iter()
        .map(|(n, source)| port("outputs", n, &format!("name: '{source}' dtype: DT_FLOAT")));
    inputs.chain(outputs).collect()
}

const X: (&str, &str) = ("x", "DT_FLOAT");

fn imported(graph: &str, signature: &str) -> (Model, String) {
    let dir = saved_model(graph, signature, &[]);
    let model = read(dir.path()).expect("the model is sound");
    verify::verify(&model).expect("what the reader makes is valid");
    let printed = text::print(&model);
    (model, printed)
}

fn count(printed: &str, part: &str) -> usize {
    printed.matches(part).count()
}

#[test]
fn a_ring_becomes_a_loop() {
    let step = node("loop/step", "Tanh", &["loop/v"], "");
    let graph = placeholder("x") + &counted("loop", 5, "x", &step, "loop/step");
    let (_, printed) = imported(&graph, &signature(&[X], &[("y", "loop/v_exit:0")]));
    assert_eq!(count(&printed, " = while "), 1, "{printed}");
    assert_eq!(count(&printed, " = tanh "), 1, "{printed}");
    assert!(printed.contains("graph @loop/body"), "{printed}");
}

#[test]
fn loops_stand_in_loops_and_see_what_is_outside() {
    let inner = counted("loop/inner", 3, "loop/v", "", "loop/inner/step")
        + &node("loop/inner/w", "Enter", &["loop/w"], &frame("loop/inner", true))
        + &node("loop/inner/step", "AddV2", &["loop/inner/v", "loop/inner/w"], "");
    let steps = node("loop/w", "Enter", &["w"], &frame("loop", true)) + &inner;
    let graph = placeholder("x") + &placeholder("w") + &counted("loop", 5, "x", &steps, "loop/inner/v_exit");
    let (_, printed) = imported(&graph, &signature(&[X, ("w", "DT_FLOAT")], &[("y", "loop/v_exit:0")]));
    assert_eq!(count(&printed, " = while "), 2, "{printed}");
    let outer = printed.split("graph @loop/body").nth(1).expect("there is an outer body");
    assert!(outer.split('}').next().is_some_and(|body| body.contains(" = while ")), "{printed}");
}

#[test]
fn merges_of_one_condition_are_one_branch() {
    let graph = placeholder("x")
        + &node("go", "Placeholder", &[], "attr { key: 'dtype' value { type: DT_BOOL } }")
        + &node("cond/id", "Identity", &["go"], "")
        + &node("cond/switch", "Switch", &["x", "cond/id"], "")
        + &node("cond/tanh", "Tanh", &["cond/switch:1"], "")
        + &node("cond/exp", "Exp", &["cond/tanh"], "")
        + &node("cond/abs", "Abs", &["cond/switch"], "")
        + &node("cond/m", "Merge", &["cond/abs", "cond/tanh"], "")
        + &node("cond/n", "Merge", &["cond/abs", "cond/exp"], "");
    let (model, printed) = imported(&graph, &signature(&[X, ("go", "DT_BOOL")], &[("y", "cond/m:0"), ("z", "cond/n:0")]));
    assert_eq!(count(&printed, " = if "), 1, "{printed}");
    assert_eq!((count(&printed, " = tanh "), count(&printed, " = abs ")), (1, 1), "{printed}");
    assert_eq!(model.graphs().count(), 3);
    let then = printed.split("graph @cond/then").nth(1).expect("there is a then");
    assert!(then.split('}').next().is_some_and(|graph| graph.contains("tanh")), "{printed}");
}

#[test]
fn a_constant_condition_takes_its_side_alone() {
    let truth = "attr { key: 'value' value { tensor { dtype: DT_BOOL tensor_shape { } bool_val: false } } }";
    let graph = placeholder("x")
        + &node("training", "Const", &[], truth)
        + &node("cond/switch", "Switch", &["x", "training"], "")
        + &node("cond/noise", "SomethingUnknown", &["cond/switch:1"], "")
        + &node("cond/abs", "Abs", &["cond/switch"], "")
        + &node("cond/m", "Merge", &["cond/noise", "cond/abs"], "");
    let (_, printed) = imported(&graph, &signature(&[X], &[("y", "cond/m:0")]));
    assert!(printed.contains(" = abs ") && !printed.contains("SomethingUnknown"), "{printed}");
    assert_eq!(count(&printed, " = if "), 0, "{printed}");
}

#[test]
fn loops_stand_in_branches_and_branches_in_loops() {
    let inside = node("loop/odd/switch", "Switch", &["loop/v", "loop/odd/id"], "")
        + &node("loop/odd/id", "Identity", &["loop/go"], "")
        + &node("loop/go", "Enter", &["go"], &frame("loop", true))
        + &node("loop/odd/abs", "Abs", &["loop/odd/switch:1"], "")
        + &node("loop/odd/neg", "Neg", &["loop/odd/switch"], "")
        + &node("loop/odd/m", "Merge", &["loop/odd/neg", "loop/odd/abs"], "");
    let graph = placeholder("x")
        + &node("go", "Placeholder", &[], "attr { key: 'dtype' value { type: DT_BOOL } }")
        + &node("cond/switch", "Switch", &["x", "go"], "")
        + &counted("loop", 4, "cond/switch:1", &inside, "loop/odd/m")
        + &node("cond/exp", "Exp", &["cond/switch"], "")
        + &node("cond/m", "Merge", &["cond/exp", "loop/v_exit"], "");
    let (_, printed) = imported(&graph, &signature(&[X, ("go", "DT_BOOL")], &[("y", "cond/m:0")]));
    assert_eq!((count(&printed, " = if "), count(&printed, " = while ")), (2, 1), "{printed}");
}

#[test]
fn arrays_are_lists() {
    let dtype = "attr { key: 'dtype' value { type: DT_FLOAT } }";
    let input = node("all", "Range", &["first", "five", "by"], "")
        + &number("first", 0, &[])
        + &number("five", 5, &[])
        + &number("by", 1, &[])
        + &node("in", "TensorArrayV3", &["five"], dtype)
        + &node("rows", "TensorArrayScatterV3", &["in", "all", "x", "in:1"], "")
        + &node("out", "TensorArrayV3", &["five"], dtype);
    let steps = node("loop/in", "Enter", &["in"], &frame("loop", true))
        + &node("loop/rows", "Enter", &["rows"], &frame("loop", true))
        + &node("loop/out", "Enter", &["out"], &frame("loop", true))
        + &node("loop/row", "TensorArrayReadV3", &["loop/in", "loop/i", "loop/rows"], dtype)
        + &node("loop/tanh", "Tanh", &["loop/row"], "")
        + &node(
            "loop/write",
            "TensorArrayWriteV3",
            &["loop/out", "loop/i", "loop/tanh", "loop/v"],
            "",
        );
    let graph = placeholder("x")
        + &input
        + &counted("loop", 5, "out:1", &steps, "loop/write")
        + &node("y", "TensorArrayGatherV3", &["out", "all", "loop/v_exit"], dtype);
    let (_, printed) = imported(&graph, &signature(&[X], &[("y", "y:0")]));
    for op in [
        "tensor_list_reserve",
        "tensor_list_from_tensor",
        "tensor_list_get_item",
        "tensor_list_set_item",
        "tensor_list_stack",
    ] {
        assert_eq!(count(&printed, &format!(" = {op} ")), 1, "{op} in\n{printed}");
    }
}

#[test]
fn a_ring_without_a_condition_is_refused() {
    let step = node("loop/step", "Tanh", &["loop/v"], "");
    let graph = placeholder("x") + &counted("loop", 5, "x", &step, "loop/step").replace("'LoopCond'", "'Identity'");
    let dir = saved_model(&graph, &signature(&[X], &[("y", "loop/v_exit:0")]), &[]);
    let error = read(dir.path()).expect_err("nothing decides").to_string();
    assert!(error.contains("loop") && error.contains("LoopCond"), "{error}");
}
