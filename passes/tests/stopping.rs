//! Pipelines that stop after some changes leave valid models behind.

use planish_core::{PassManager, Verify, text};
use planish_passes::LowerTensorLists;

/// Two lists, one of which a loop fills.
const LISTS: &str = "graph @main (%x: f32[4, 2], %i: i32[]) {
%zero = const i32[] 0
%four = const i32[] 4
%shape = const i32[1] [2]
%made = tensor_list_from_tensor %x, %shape : variant[]
%y = tensor_list_get_item %made, %i, %shape {dtype = f32} : f32[2]
%list = tensor_list_reserve %shape, %four {dtype = f32} : variant[]
%n, %x2, %out = while %zero, %x, %list {cond = @cond, body = @body} : i32[], f32[4, 2], variant[]
%z = tensor_list_stack %out, %shape {dtype = f32} : f32[4, 2]
return %y, %z
}
graph @cond (%i: i32[], %x: f32[4, 2], %list: variant[]) {
%four = const i32[] 4
%go = less %i, %four
return %go
}
graph @body (%i: i32[], %x: f32[4, 2], %list: variant[]) {
%one = const i32[] 1
%next = add %i, %one
%item = gather %x, %i
%longer = tensor_list_set_item %list, %i, %item : variant[]
return %next, %x, %longer
}";

#[test]
fn all_lists_are_lowered_or_none() {
    let lists_left = |changes: usize| {
        let mut model = text::parse(LISTS).expect("it parses");
        let pipeline = PassManager::new()
            .verify(Verify::EveryPass)
            .add(LowerTensorLists)
            .add(LowerTensorLists)
            .stop_after(Some(changes));
        let report = pipeline.run(&mut model).expect("it is valid at every step");
        (text::print(&model).matches("= tensor_list").count(), report.passes.len())
    };
    assert_eq!(lists_left(0), (5, 0));
    assert_eq!(lists_left(1), (0, 1));
    assert_eq!(lists_left(2), (0, 2));
}
