//! The pass does what it says, and planish's property tests hold it to its meaning like any other.

use custom_pass as _;
use planish::core::text;
use planish::prelude::*;

#[test]
fn powers_of_two_are_multiplied_and_others_left_alone() {
    let model = |divisor: &str| {
        let text = format!("graph @main (%x: f32[2]) {{\n  %c = const f32[] {divisor}\n  %y = div %x, %c\n  return %y\n}}");
        text::parse(&text).expect("the text is a model")
    };
    let pipeline = PassManager::parse("multiply_by_reciprocal").expect("the pass is registered");
    let mut changed = model("4.0");
    pipeline.run(&mut changed).expect("the pass runs");
    assert!(text::print(&changed).contains("mul %x"), "{}", text::print(&changed));
    let mut left = model("3.0");
    let report = pipeline.run(&mut left).expect("the pass runs");
    assert!(text::print(&left).contains("div"));
    assert_eq!(report.skipped[0].because, "the reciprocal of a divisor is not exact");
}

#[test]
fn every_registered_pass_keeps_its_meaning() {
    let changed = planish::passes::testing::check_registered_passes();
    assert!(
        changed["multiply_by_reciprocal"] > 0,
        "random models hold divisions by powers of two: {changed:?}"
    );
}
