//! Integers that are known before the model runs, followed through the operations that shapes are computed with.

use planish_core::known::{known_dims, known_ints};
use planish_core::{Dim, Model, text};

/// What is known of the first result of a graph whose parameter is `%x: f32[?, 7, 5]`.
fn known(operations: &str) -> String {
    let model = parse(operations);
    let (_, graph) = model.graphs().next().expect("the graph");
    let Some(ints) = known_ints(graph.value(graph.results()[0])) else {
        return "nothing".into();
    };
    let words: Vec<String> = ints.into_iter().map(|n| n.map_or("?".into(), |n| n.to_string())).collect();
    words.join(" ")
}

fn parse(operations: &str) -> Model {
    let common = "%s = shape %x : i32[3]
        %0 = const i32[] 0
        %1 = const i32[] 1
        %v0 = const i32[1] [0]
        %v1 = const i32[1] [1]
        %v3 = const i32[1] [3]";
    let text = format!("graph @g (%x: f32[?, 7, 5], %c: bool[], %n: i32[]) {{\n{common}\n{operations}\nreturn %r\n}}");
    text::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn shapes_and_parts_of_them() {
    assert_eq!(known("%r = identity %s : i32[3]"), "? 7 5");
    assert_eq!(known("%r = rank %x : i32[]"), "3");
    assert_eq!(known("%r = cast %s {dtype = i64} : i64[3]"), "? 7 5");
    assert_eq!(known("%r = cast %x {dtype = i32} : i32[?, 7, 5]"), "nothing");
    assert_eq!(known("%r = strided_slice %s, %v1, %v3, %v1 : i32[2]"), "7 5");
    assert_eq!(known("%r = strided_slice %s, %v1, %v3, %v1 {shrink_axis_mask = 1} : i32[]"), "7");
    assert_eq!(
        known("%m = const i32[1] [-1]\n%r = strided_slice %s, %v0, %v0, %m {begin_mask = 1, end_mask = 1} : i32[3]"),
        "5 7 ?"
    );
    assert_eq!(known("%z = const i32[1] [2]\n%r = slice %s, %v1, %z : i32[2]"), "7 5");
    assert_eq!(known("%i = const i32[2] [2, 1]\n%r = gather %s, %i : i32[2]"), "5 7");
    assert_eq!(known("%i = const i32[2] [2, 3]\n%r = gather %s, %i : i32[2]"), "5 ?");
    assert_eq!(known("%a, %r, %b = unpack %s {axis = 0, num = 3} : i32[], i32[], i32[]"), "7");
    assert_eq!(known("%a, %r, %b = split %0, %s {num = 3} : i32[1], i32[1], i32[1]"), "7");
    assert_eq!(
        known("%z = const i32[2] [1, 2]\n%a, %r = split_v %s, %z, %0 {num = 2} : i32[1], i32[2]"),
        "7 5"
    );
}

#[test]
fn shapes_that_are_put_together() {
    assert_eq!(known("%r = pack %1, %n, %0 {axis = 0} : i32[3]"), "1 ? 0");
    assert_eq!(known("%r = pack %s, %s {axis = 0} : i32[2, 3]"), "? 7 5 ? 7 5");
    assert_eq!(known("%r = pack %s, %s {axis = 1} : i32[3, 2]"), "? ? ? ? ? ?");
    assert_eq!(known("%r = concatenation %v3, %s, %v1 {axis = 0} : i32[5]"), "3 ? 7 5 1");
    assert_eq!(known("%r = fill %v3, %1 : i32[3]"), "1 1 1");
    assert_eq!(
        known("%e = const i32[] 9\n%t = const i32[] 4\n%r = range %1, %e, %t : i32[2]"),
        "1 5"
    );
    assert_eq!(known("%r = broadcast_to %1, %v3 : i32[3]"), "1 1 1");
    assert_eq!(
        known("%o = const i32[4] [8, 2, 7, 1]\n%r = broadcast_args %o, %s : i32[4]"),
        "8 2 7 5"
    );
    assert_eq!(known("%r = expand_dims %n, %0 : i32[1]"), "?");
}

#[test]
fn arithmetic() {
    assert_eq!(known("%r = mul %s, %s : i32[3]"), "? 49 25");
    assert_eq!(known("%r = sub %1, %s : i32[3]"), "? -6 -4");
    assert_eq!(known("%t = const i32[] -2\n%r = floor_div %s, %t : i32[3]"), "? -4 -3");
    assert_eq!(known("%t = const i32[] -2\n%r = floor_mod %s, %t : i32[3]"), "? -1 -1");
    assert_eq!(known("%t = const i32[] -2\n%r = div %s, %t : i32[3]"), "? -3 -2");
    assert_eq!(known("%r = div %s, %0 : i32[3]"), "? ? ?");
    assert_eq!(known("%t = const i32[] 2147483647\n%r = mul %s, %t : i32[3]"), "? ? ?");
    assert_eq!(known("%t = const i32[] 6\n%r = maximum %s, %t : i32[3]"), "? 7 6");
    assert_eq!(known("%r = reduce_prod %s, %0 : i32[]"), "?");
    assert_eq!(
        known("%k = strided_slice %s, %v1, %v3, %v1 : i32[2]\n%r = reduce_prod %k, %0 : i32[]"),
        "35"
    );
    assert_eq!(
        known("%t = const i32[] 6\n%b = greater %s, %t : bool[3]\n%r = select_v2 %b, %s, %1 : i32[3]"),
        "? 7 1"
    );
    assert_eq!(known("%r = select_v2 %c, %s, %s : i32[3]"), "? 7 5");
    assert_eq!(known("%r = select_v2 %c, %s, %1 : i32[3]"), "? ? ?");
}

#[test]
fn paths_are_followed_only_so_far() {
    let mut doubling = String::from("%a0 = add %1, %1 : i32[]\n");
    for i in 1..200 {
        doubling.push_str(&format!("%a{i} = minimum %a{}, %a{} : i32[]\n", i - 1, i - 1));
    }
    assert_eq!(known(&format!("{doubling}%r = identity %a199 : i32[]")), "?");
    assert_eq!(known(&format!("{doubling}%r = identity %a3 : i32[]")), "2");
}

#[test]
fn negative_integers_are_no_dimensions() {
    let model = parse("%r = const i32[2] [-1, 4]");
    let (_, graph) = model.graphs().next().expect("the graph");
    assert_eq!(known_dims(graph.value(graph.results()[0])), Some(vec![Dim::Unknown, Dim::Known(4)]));
}
