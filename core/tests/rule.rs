//! What the rule driver does with the order of effects, and what it leaves alone.

use planish_core::op::{Abs, Identity};
use planish_core::{Error, Graph, Model, Op, OpRef, PassManager, Rule, Skip, Value, Verify, text};

/// Replaces each `neg` by a new `abs`.
struct NegToAbs;

impl Rule for NegToAbs {
    const NAME: &'static str = "neg_to_abs";
    const SUMMARY: &'static str = "for tests";
    type Match = Value;
    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        match op.op() {
            Op::Neg(_) => op.operand(0).map(|v| v.id()).ok_or(Skip::No),
            _ => Err(Skip::No),
        }
    }
    fn rewrite(&self, found: Value, graph: &mut Graph) -> Vec<Value> {
        vec![graph.add(Abs {}, &[found])]
    }
}

/// Replaces each `identity`, `tile` and `assign_variable` by its first operand.
struct TakeOperand;

impl Rule for TakeOperand {
    const NAME: &'static str = "take_operand";
    const SUMMARY: &'static str = "for tests";
    type Match = Value;
    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        match op.op() {
            Op::Identity(_) | Op::Tile(_) => op.operand(0).map(|v| v.id()).ok_or(Skip::No),
            Op::AssignVariable(_) => panic!("no rule is asked about an operation with effects"),
            _ => Err(Skip::No),
        }
    }
    fn rewrite(&self, found: Value, _: &mut Graph) -> Vec<Value> {
        vec![found]
    }
}

/// Wraps every `abs` in one more `identity`, for ever.
struct Restless;

impl Rule for Restless {
    const NAME: &'static str = "restless";
    const SUMMARY: &'static str = "for tests";
    type Match = Value;
    fn find(&self, op: OpRef<'_>) -> Result<Value, Skip> {
        match op.op() {
            Op::Abs(_) | Op::Identity(_) => op.operand(0).map(|v| v.id()).ok_or(Skip::No),
            _ => Err(Skip::No),
        }
    }
    fn rewrite(&self, found: Value, graph: &mut Graph) -> Vec<Value> {
        vec![graph.add(Identity {}, &[found])]
    }
}

/// Gives nothing for the results of `abs`.
struct TooFew;

impl Rule for TooFew {
    const NAME: &'static str = "too_few";
    const SUMMARY: &'static str = "for tests";
    type Match = ();
    fn find(&self, op: OpRef<'_>) -> Result<(), Skip> {
        matches!(op.op(), Op::Abs(_)).then_some(()).ok_or(Skip::No)
    }
    fn rewrite(&self, (): (), _: &mut Graph) -> Vec<Value> {
        Vec::new()
    }
}

fn run<R: Rule>(rule: R, source: &str) -> Result<String, Error> {
    let mut model = parse(source);
    PassManager::new().add(rule).verify(Verify::EveryPass).run(&mut model)?;
    Ok(text::print(&model))
}

fn parse(source: &str) -> Model {
    text::parse(source).unwrap_or_else(|e| panic!("{e}\n{source}"))
}

#[track_caller]
fn becomes<R: Rule>(rule: R, before: &str, after: &str) {
    let found = run(rule, before).expect("the rule runs");
    assert_eq!(found, text::print(&parse(after)));
}

#[test]
fn what_stands_in_takes_the_place_in_the_order_of_effects() {
    becomes(
        NegToAbs,
        r#"model {
  graph @main (%x: f32[2]) {
    %handle = var_handle {shared_name = "v"} : resource[]
    %old = read_variable %handle : f32[2]
    %n = neg %x after %old
    ^0 = assign_variable %handle, %x after %n
    return %n, %old
  }
}"#,
        r#"model {
  graph @main (%x: f32[2]) {
    %handle = var_handle {shared_name = "v"} : resource[]
    %old = read_variable %handle : f32[2]
    %n = abs %x after %old
    ^0 = assign_variable %handle, %x after %n
    return %n, %old
  }
}"#,
    );
}

#[test]
fn what_is_removed_leaves_the_order_of_its_neighbours() {
    becomes(
        TakeOperand,
        r#"model {
  graph @main (%x: f32[2]) {
    %handle = var_handle {shared_name = "v"} : resource[]
    %old = read_variable %handle : f32[2]
    %n = identity %x after %old
    ^0 = assign_variable %handle, %x after %n
    return %n, %old
  }
}"#,
        r#"model {
  graph @main (%x: f32[2]) {
    %handle = var_handle {shared_name = "v"} : resource[]
    %old = read_variable %handle : f32[2]
    ^0 = assign_variable %handle, %x after %old
    return %x, %old
  }
}"#,
    );
}

#[test]
fn state_that_is_written_in_place_stays() {
    let source = r#"model {
  graph @main (%x: f32[1, 3], %s: f32[1, 2]) {
    %wi = const f32[2, 3] random(1)
    %wr = const f32[2, 2] random(2)
    %b = const f32[2] splat(0.0)
    %once = const i32[2] [1, 1]
    %state = tile %s, %once
    %other = tile %s, %once
    %y = rnn %x, %wi, %wr, %b, %state {activation = tanh}
    return %y, %other
  }
}"#;
    let found = run(TakeOperand, source).expect("the rule runs");
    assert_eq!(found.matches("= tile ").count(), 1, "{found}");
    assert!(found.contains("%state = tile %s"), "{found}");
}

#[test]
fn a_rule_that_never_rests_is_an_error() {
    let source = "model {\n  graph @main (%x: f32[2]) {\n    %y = abs %x\n    return %y\n  }\n}";
    let error = run(Restless, source).expect_err("it never rests");
    assert!(
        std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
            .any(|e| e.to_string().contains("@main") || e.to_string().contains("`main`")),
        "{error}"
    );
}

#[test]
fn a_rule_that_forgets_a_result_is_an_error() {
    let source = "model {\n  graph @main (%x: f32[2]) {\n    %y = abs %x\n    return %y\n  }\n}";
    let error = run(TooFew, source).expect_err("it gives no stand-in");
    assert_eq!(
        error.to_string(),
        "in `too_few`: graph `main`, op `y`: the rewrite offers 0 stand-ins where 1 are needed; this is a bug of the rule"
    );
}

#[test]
fn what_readers_cannot_take_is_not_shown_to_them() {
    // Alone, each line fits the ones before it. That `%x` has three rows and four is seen once `%three` is gone.
    let contradicting = r#"model {
  graph @main (%x: f32[?]) {
    %three = identity %x : f32[3]
    %four = abs %x : f32[4]
    %y = neg %three : f32[3]
    return %y, %four
  }
}"#;
    becomes(TakeOperand, contradicting, contradicting);
    let called = |length: &str| {
        format!(
            r#"model {{
  graph @main (%x: f32[{length}]) {{
    %y = call %x {{graph = @called}} : f32[?]
    return %y
  }}
  graph @called (%x: f32[?]) {{
    %three = identity %x : f32[3]
    return %three
  }}
}}"#
        )
    };
    assert!(run(TakeOperand, &called("4")).expect("it is left alone").contains("identity"));
    assert!(!run(TakeOperand, &called("3")).expect("it fits").contains("identity"));
}

#[test]
fn what_is_added_in_the_place_of_something_swept_is_seen() {
    let source = r#"model {
  graph @main (%x: f32[2]) {
    %unused = exp %x
    %unused_too = sin %x
    %handle = var_handle {shared_name = "v"} : resource[]
    %old = read_variable %handle : f32[2]
    %n = neg %x after %old
    %m = neg %n
    ^0 = assign_variable %handle, %x after %n
    return %m, %old
  }
}"#;
    let mut model = parse(source);
    for (_, graph) in model.graphs_mut() {
        graph.sweep();
    }
    PassManager::new()
        .add(NegToAbs)
        .verify(Verify::EveryPass)
        .run(&mut model)
        .expect("the rule runs");
    let found = text::print(&model);
    assert!(!found.contains("neg"), "{found}");
    assert!(found.contains("%n = abs %x after %old") && found.contains("after %n"), "{found}");
}
