//! What the manager of passes promises: when it verifies, and what options it takes.

use planish_core::attr::{Attr, Attrs};
use planish_core::{Changed, Context, Error, Meaning, Model, NoOptions, Pass, PassEntry, PassManager, Step, Verify, text};
use serde::{Deserialize, Serialize};

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

/// What no attributes express.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
enum Mode {
    #[default]
    Slow,
    Fast,
}

/// What no attributes express by default, though they could other values.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Limit {
    most: u64,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit { most: u64::MAX }
    }
}

#[derive(Default)]
struct Configured<O>(std::marker::PhantomData<O>);

impl<O: Default + Serialize + serde::de::DeserializeOwned + Send + Sync + 'static> Pass for Configured<O> {
    type Options = O;
    const NAME: &'static str = "configured";
    const SUMMARY: &'static str = "for tests";

    fn run(&self, _: &mut Model, _: &O, _: &mut Context<'_>) -> Result<Changed, Error> {
        Ok(Changed(0))
    }
}

#[test]
fn a_pipeline_is_verified_where_it_is_stopped() {
    let run = |stop: Option<usize>| {
        PassManager::new()
            .verify(Verify::Last)
            .add(Breaks)
            .add(Configured::<NoOptions>::default())
            .stop_after(stop)
            .run(&mut model())
            .map(|report| report.passes.len())
    };
    let in_pass = |result: Result<usize, Error>| match result {
        Err(Error::InPass { pass, source }) if matches!(*source, Error::Invalid(_)) => pass,
        other => panic!("the model is not valid: {other:?}"),
    };
    assert_eq!(in_pass(run(Some(1))), "breaks");
    assert_eq!(in_pass(run(None)), "configured");
    assert_eq!(run(Some(0)).expect("nothing has run"), 0);
}

#[test]
fn options_without_a_text_form_are_not_listed_and_cannot_be_set_by_name() {
    for entry in [PassEntry::of::<Configured<Mode>>(), PassEntry::of::<Configured<Limit>>()] {
        assert!(entry.options().is_empty());
        let step = entry.step(Attrs::new()).expect("it has defaults");
        assert!(step.options().is_empty());
        let given = Attrs::from([("most".to_owned(), Attr::Int(1))]);
        assert!(matches!(entry.step(given), Err(Error::Options(_))));
    }
    let step = Step::new(Configured::<Limit>::default(), Limit { most: 7 });
    assert_eq!(step.options(), Attrs::from([("most".to_owned(), Attr::Int(7))]));
    assert!(Step::new(Configured::<Mode>::default(), Mode::Fast).options().is_empty());
}

#[test]
fn pipelines_and_what_they_keep_can_be_shown() {
    let limit = Limit { most: 7 };
    let manager = PassManager::new().add_with(Configured::<Limit>::default(), limit);
    let shown = format!("{manager:?}");
    assert!(shown.contains("configured") && shown.contains("most"), "{shown}");
    let kept = [Meaning::Exact, Meaning::Ulps, Meaning::Quantized].map(|m| m.to_string());
    assert_eq!(kept, ["bit for bit", "up to float rounding", "up to quantization errors"]);
}
