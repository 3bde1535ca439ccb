//! Property tests for passes: run on random models, a pass keeps what they compute.
//!
//! A crate that registers passes tests them with one line:
//!
//! ```no_run
//! #[test]
//! fn passes_keep_meaning() {
//!     planish_passes::testing::check_registered_passes();
//! }
//! ```
//!
//! Each pass is held to the [`Meaning`] that it states. A random model is small, verified, and built from what networks
//! are built from, with constants where passes look for constants; it is interpreted before and after. The tolerance is
//! not tuned but follows from the model:
//!
//! - **Exact**: every bit, except that any NaN is as good as another and 0 as -0.
//! - **Ulps**: a float sum of n terms in another order differs by at most `2nε Σ|terms|`. With the error of its operands
//!   passed on by each operation's gain (its Lipschitz constant in the maximum norm, over the values that the run met),
//!   this bounds every value of the graph; see [`random_model`].
//! - **Quantized**: the same walk, where each product adds what rounding its weights (half a step of `max|w| / 127`) and
//!   its input (half a step of `max|x| / 127`, which no row's own scale exceeds) can add, and what the two do together.
//!
//! When a pass fails, proptest shrinks the model; the message prints it before and after.

mod compare;
pub mod random_model;

use std::collections::BTreeMap;

use planish_core::{Meaning, Model, PassEntry, PassManager, Tensor, Verify, registry, text, verify};
use planish_kernels::interpret::{Interpreter, Options};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use random_model::RandomModel;

/// How many random models [`check_registered_passes`] runs each pass on.
pub const CASES: u32 = 256;

/// The most steps of one random model.
const MOST_STEPS: usize = 16;

/// Runs every registered pass on the same [`CASES`] random models, and says on how many of them each changed something.
///
/// # Panics
/// Where one does not keep to the meaning that it states, fails, or leaves an invalid model behind.
pub fn check_registered_passes() -> BTreeMap<&'static str, usize> {
    let mut changed = BTreeMap::new();
    let mut failures = Vec::new();
    for entry in registry::passes().expect("no two passes have one name") {
        match check(entry, CASES) {
            Ok(models) => drop(changed.insert(entry.name, models)),
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    changed
}

/// Runs one pass on random models and says on how many of them it changed something.
///
/// # Errors
/// Where the pass does not keep to the meaning that it states, fails, or leaves an invalid model behind: the smallest
/// such model that was found.
pub fn check(entry: &PassEntry, cases: u32) -> Result<usize, String> {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let changed = std::cell::Cell::new(0);
    let recipes = proptest::collection::vec(any::<[u16; 4]>(), 1..MOST_STEPS);
    let result =
        TestRunner::new_with_rng(config, proptest::test_runner::TestRng::deterministic_rng(Default::default())).run(&recipes, |recipe| {
            let random = RandomModel::build(&recipe);
            changed.set(changed.get() + usize::from(keeps_meaning(entry, &random).map_err(TestCaseError::fail)?));
            Ok(())
        });
    match result {
        Ok(()) => Ok(changed.get()),
        Err(TestError::Fail(reason, _)) => Err(format!("pass `{}`: {reason}", entry.name)),
        Err(TestError::Abort(reason)) => Err(format!("pass `{}`: {reason}", entry.name)),
    }
}

/// Runs the pass on one model and says whether it changed something.
fn keeps_meaning(entry: &PassEntry, random: &RandomModel) -> Result<bool, String> {
    let before = text::print(&random.model);
    verify::verify(&random.model).map_err(|e| format!("the random model is not valid: {e}\n{before}"))?;
    let expected = run(&random.model, &random.inputs).map_err(|e| format!("the random model does not run: {e}\n{before}"))?;
    let mut model = random.model.clone();
    let manager = PassManager::parse(entry.name).map_err(|e| e.to_string())?;
    manager
        .verify(Verify::EveryPass)
        .run(&mut model)
        .map_err(|e| format!("{}\n{before}", chain(&e)))?;
    let after = text::print(&model);
    if after == before {
        return Ok(false);
    }
    let found = run(&model, &random.inputs).map_err(|e| format!("the result does not run: {e}\nbefore:\n{before}after:\n{after}"))?;
    for (number, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let tolerance = match entry.meaning {
            Meaning::Exact => None,
            Meaning::Ulps => Some(random.bounds[number].rounding),
            Meaning::Quantized => Some(random.bounds[number].rounding + random.bounds[number].quantizing),
        };
        compare::compare(expected, found, tolerance)
            .map_err(|difference| format!("result {number} changes: {difference}\nbefore:\n{before}after:\n{after}"))?;
    }
    Ok(true)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn run(model: &Model, inputs: &[Tensor]) -> Result<Vec<Tensor>, String> {
    let graph = model.signatures[0].graph;
    let options = Options {
        max_bytes: 1 << 24,
        max_ops: 10_000,
        ..Options::default()
    };
    Interpreter::with_options(model, options)
        .run(graph, inputs)
        .map_err(|e| e.to_string())
}
