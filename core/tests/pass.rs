//! What the manager of passes promises.

use planish_core::{Changed, Context, Error, Model, NoOptions, Pass, PassManager, Verify, text};

fn model() -> Model {
    text::parse("graph @main (%x: f32[2]) {\n  %y = abs %x\n  return %y\n}").expect("it parses")
}

/// Leaves a graph behind whose result is missing.
#[derive(Default)]
struct Breaks;

impl Pass for Breaks {
    type Options = NoOptions;
    const NAME: &'static str = "breaks";
    const SUMMARY: &'static str = "for tests";

    fn run(&self, model: &mut Model, _: &NoOptions, cx: &mut Context<'_>) -> Result<Changed, Error> {
        for (_, graph) in model.graphs_mut() {
            if cx.allow_change() {
                graph.set_operand(graph.return_op(), 0, None);
            }
        }
        Ok(Changed(1))
    }
}

/// Leaves the model as it is.
struct Keeps;

impl Pass for Keeps {
    type Options = NoOptions;
    const NAME: &'static str = "keeps";
    const SUMMARY: &'static str = "for tests";

    fn run(&self, _: &mut Model, _: &NoOptions, _: &mut Context<'_>) -> Result<Changed, Error> {
        Ok(Changed(0))
    }
}

#[test]
fn a_pipeline_is_verified_where_it_is_stopped() {
    let run = |stop: Option<usize>| {
        PassManager::new()
            .verify(Verify::Last)
            .add(Breaks)
            .add(Keeps)
            .stop_after(stop)
            .run(&mut model())
            .map(|report| report.passes.len())
    };
    let in_pass = |result: Result<usize, Error>| match result {
        Err(Error::InPass { pass, source }) if matches!(*source, Error::Invalid(_)) => pass,
        other => panic!("the model is not valid: {other:?}"),
    };
    assert_eq!(in_pass(run(Some(1))), "breaks");
    assert_eq!(in_pass(run(None)), "keeps");
    assert_eq!(run(Some(0)).expect("nothing has run"), 0);
}
