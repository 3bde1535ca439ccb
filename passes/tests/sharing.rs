//! Models in which little is shared by much: there are more paths through them than any pass may follow.

use std::fmt::Write;

use planish_core::{Model, PassManager, text};
use planish_passes as _;

fn passed(source: &str, pass: &str) -> Model {
    let mut model = text::parse(source).unwrap_or_else(|e| panic!("{e}\n{source}"));
    let pipeline = PassManager::parse(pass).expect("a registered pass");
    pipeline.run(&mut model).unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    model
}

/// Every sum can be followed along both of its operands, to a value whose extents come from nowhere.
#[test]
fn an_extent_that_is_followed_in_vain() {
    let mut lines = String::from("%axis = const i32[1] [0]\n%v0 = reverse_v2 %x, %axis\n");
    for i in 0..60 {
        writeln!(lines, "%v{} = add %v{i}, %v{i}", i + 1).expect("a string grows");
    }
    let source = format!(
        "graph @main (%x: f32[?, ?, 3]) {{
{lines}%shape = shape %v60
%zero = const i32[1] [0]
%one = const i32[1] [1]
%two = const i32[1] [2]
%rows = strided_slice %shape, %zero, %one, %one {{shrink_axis_mask = 1}}
%columns = strided_slice %shape, %one, %two, %one {{shrink_axis_mask = 1}}
%four = const i32[] 4
%dims = pack %rows, %columns, %four {{axis = 0}}
%w = const f32[4, 3] random(1)
%p = fully_connected %x, %w : f32[?, 4]
%r = reshape %p, %dims
return %r
}}"
    );
    let printed = text::print(&passed(&source, "canonicalize_matmul"));
    assert!(!printed.contains("keep_num_dims"), "{printed}");
}

/// Two parts of a loop's state that are computed alike, by sums of many times the same.
#[test]
fn parts_of_a_state_that_are_alike() {
    let tower = |part: &str| {
        let mut lines = String::new();
        let mut last = format!("%{part}");
        for level in 0..7 {
            let next = format!("%{part}{level}");
            writeln!(lines, "{next} = add_n {}", vec![last.as_str(); 40].join(", ")).expect("a string grows");
            last = next;
        }
        (lines, last)
    };
    let ((a, a_next), (b, b_next)) = (tower("a"), tower("b"));
    let source = format!(
        "graph @main () {{
%zero = const i32[] 0
%start = const f32[2] [0.0, 0.5]
%i, %a, %b = while %zero, %start, %start {{cond = @cond, body = @body}} : i32[], f32[2], f32[2]
return %a, %b
}}
graph @cond (%i: i32[], %a: f32[2], %b: f32[2]) {{
%steps = const i32[] 2
%go = less %i, %steps
return %go
}}
graph @body (%i: i32[], %a: f32[2], %b: f32[2]) {{
%one = const i32[] 1
%next = add %i, %one
{a}{b}return %next, {a_next}, {b_next}
}}"
    );
    let model = passed(&source, "simplify_loops");
    let body = model.graph_named("body").expect("the loop's body");
    assert_eq!(model.graph(body).parameters().len(), 2, "{}", text::print(&model));
}

/// Each graph calls the next one in both of its branches.
#[test]
fn graphs_that_are_called_from_many_places() {
    const DEPTH: usize = 48;
    let mut source = String::new();
    for i in 0..DEPTH {
        let next = i + 1;
        writeln!(
            source,
            "graph @g{i} (%c: bool[], %x: f32[2]) {{\n%r = if %c, %c, %x {{then_graph = @g{next}, else_graph = @g{next}}} : f32[2]\nreturn %r\n}}"
        )
        .expect("a string grows");
    }
    writeln!(source, "graph @g{DEPTH} (%c: bool[], %x: f32[2]) {{\n%r = neg %x\nreturn %r\n}}").expect("a string grows");
    assert_eq!(passed(&source, "lower_tensor_lists").graphs().count(), DEPTH + 1);
}
