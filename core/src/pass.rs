//! Passes, their manager, and the context they run in.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::time::Instant;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

use crate::attr::Attrs;
use crate::graph::{Graph, OpId};
use crate::model::Model;
use crate::options;
use crate::registry::{self, RegistryError};
use crate::report::{Choice, Decision, PassRun, Report, Skipped};
use crate::text;
use crate::verify::{self, VerifyError};

/// How many changes a pass made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changed(pub usize);

/// How close a pass keeps a model's results to what they were: what property tests hold it to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Meaning {
    /// Bit for bit.
    Exact,
    /// Up to rounding of float arithmetic done in another order.
    Ulps,
    /// Up to the error of quantized arithmetic.
    Quantized,
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Meaning::Exact => "bit for bit",
            Meaning::Ulps => "up to float rounding",
            Meaning::Quantized => "up to quantization errors",
        })
    }
}

/// The options of a pass that has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

/// Why a pass, or the pipeline around it, failed.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// An operation stands in the way.
    #[error("graph `{graph}`, op `{operation}`: {reason}")]
    Operation {
        /// The graph's name.
        graph: String,
        /// The operation's name.
        operation: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A rule offered a stand-in of another type.
    #[error("graph `{graph}`, op `{operation}`: the rewrite changes the type {before} to {after}; this is a bug of the rule")]
    TypeChanged {
        /// The graph's name.
        graph: String,
        /// The operation's name.
        operation: String,
        /// The type that it had.
        before: String,
        /// The type of what should stand in.
        after: String,
    },
    /// A rule offered another number of stand-ins than there are results.
    #[error(
        "graph `{graph}`, op `{operation}`: the rewrite offers {offered} stand-ins where {results} are needed; this is a bug of the rule"
    )]
    StandIns {
        /// The graph's name.
        graph: String,
        /// The operation's name.
        operation: String,
        /// How many results it has.
        results: usize,
        /// How many stand-ins there are.
        offered: usize,
    },
    /// A rule finds something to rewrite again and again.
    #[error("graph `{graph}`, op `{operation}`: the rule does not come to rest; this is a bug of the rule")]
    Restless {
        /// The graph's name.
        graph: String,
        /// The operation's name.
        operation: String,
    },
    /// A signature's names were changed.
    #[error("the pass changed the signatures; their names are promises")]
    Signatures,
    /// The graph is not valid any more.
    #[error("the model is not valid")]
    Invalid(#[source] VerifyError),
    /// An option is wrong.
    #[error("{0}")]
    Options(String),
    /// The pass's own reason.
    #[error("{0}")]
    Other(String),
    /// What failed, and in which pass.
    #[error("in `{pass}`: {source}")]
    InPass {
        /// The pass's name.
        pass: &'static str,
        /// What failed.
        source: Box<Error>,
    },
}

/// Changes a model.
///
/// A pass is a unit struct; what configures it is a type of its own, filled from text. It carries no state from run to
/// run, and neither times, verifies nor sweeps: the manager does.
pub trait Pass: Send + Sync + 'static {
    /// What configures it: a struct with named fields of what [`options`] lists, integers not beyond `i64`. Others configure
    /// a pass that is added to a pipeline in Rust, but have no text form: they are not listed, and cannot be set by name.
    type Options: Default + Serialize + DeserializeOwned + Send + Sync;
    /// The name in pipelines and reports, an imperative in snake case.
    const NAME: &'static str;
    /// One sentence for lists of passes.
    const SUMMARY: &'static str;
    /// How close the model's results stay to what they were.
    const MEANING: Meaning = Meaning::Ulps;
    /// What each of its options does, for lists of passes: the option's name and half a sentence.
    const OPTIONS: &'static [(&'static str, &'static str)] = &[];

    /// Changes the model, and says how often.
    ///
    /// # Errors
    /// Where the model cannot be changed as the pass promises.
    fn run(&self, model: &mut Model, options: &Self::Options, cx: &mut Context<'_>) -> Result<Changed, Error>;
}

/// Where in the report the decision about an operation stands, by its graph, its name and its kind.
type Decided = BTreeMap<(String, String, &'static str), usize>;

/// What a pass may know and tell while it runs.
pub struct Context<'a> {
    pass: &'static str,
    report: &'a mut Report,
    decided: &'a mut Decided,
    changes_left: &'a mut Option<usize>,
}

impl Context<'_> {
    /// Whether one more change is allowed; counts it. Rules need not ask, their driver does.
    pub fn allow_change(&mut self) -> bool {
        match self.changes_left {
            Some(0) => false,
            Some(n) => {
                *n -= 1;
                true
            }
            None => true,
        }
    }

    /// Tells that an operation was looked at and left alone.
    pub fn skip(&mut self, graph: &Graph, op: OpId, because: impl Into<String>) {
        self.report.skipped.push(Skipped {
            pass: self.pass.into(),
            graph: graph.name().into(),
            operation: graph.label(op),
            kind: graph.op(op).name().into(),
            because: because.into(),
        });
    }

    /// Tells what was decided about an operation with weights. A later decision about the same operation counts.
    pub fn decide(&mut self, graph: &Graph, op: OpId, choice: Choice, because: impl Into<String>) {
        let decision = Decision {
            graph: graph.name().into(),
            operation: graph.label(op),
            kind: graph.op(op).name().into(),
            choice,
            because: because.into(),
        };
        let decisions = &mut self.report.decisions;
        match self
            .decided
            .entry((decision.graph.clone(), decision.operation.clone(), graph.op(op).name()))
        {
            Entry::Occupied(place) => decisions[*place.get()] = decision,
            Entry::Vacant(place) => {
                place.insert(decisions.len());
                decisions.push(decision);
            }
        }
    }
}

/// A pass with its options, the options' type forgotten.
trait ConfiguredPass: Send + Sync {
    fn name(&self) -> &'static str;
    fn options(&self) -> Attrs;
    fn run(&self, model: &mut Model, cx: &mut Context<'_>) -> Result<Changed, Error>;
}

struct Configured<P: Pass> {
    pass: P,
    options: P::Options,
}

impl<P: Pass> ConfiguredPass for Configured<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }
    fn options(&self) -> Attrs {
        options::listed(&self.options)
    }
    fn run(&self, model: &mut Model, cx: &mut Context<'_>) -> Result<Changed, Error> {
        self.pass.run(model, &self.options, cx)
    }
}

/// One step of a pipeline: a pass with its options.
pub struct Step(Box<dyn ConfiguredPass>);

impl Step {
    /// A pass with these options.
    pub fn new<P: Pass>(pass: P, options: P::Options) -> Step {
        Step(Box::new(Configured { pass, options }))
    }

    /// A pass with options given as attributes; those left out have their defaults.
    ///
    /// # Errors
    /// Where an option is unknown or of another kind; the message names the legal ones.
    pub fn from_attrs<P: Pass>(pass: P, attrs: Attrs) -> Result<Step, Error> {
        let options = options::from_attrs(attrs).map_err(|e| Error::Options(format!("pass `{}`: {e}", P::NAME)))?;
        Ok(Step::new(pass, options))
    }

    /// The pass's name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// The pass's options, all of them; none where [`options`] cannot express them.
    pub fn options(&self) -> Attrs {
        self.0.options()
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step")
            .field("pass", &self.name())
            .field("options", &self.options())
            .finish()
    }
}

/// When the manager verifies the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verify {
    /// After every pass.
    EveryPass,
    /// After the last pass that runs.
    Last,
}

/// Watches a pipeline: called after each pass with its run and the model as it left it.
pub type Observer<'a> = dyn FnMut(&PassRun, &Model) + 'a;

/// Runs passes in order, and owns what is the same for all of them: timing, verifying, sweeping, counting, and the
/// context of errors.
#[derive(Debug)]
pub struct PassManager {
    steps: Vec<Step>,
    verify: Verify,
    stop_after: Option<usize>,
}

impl Default for PassManager {
    fn default() -> PassManager {
        PassManager::new()
    }
}

impl PassManager {
    /// A pipeline without passes. It verifies after every pass in debug builds, and after the last one in release builds.
    pub fn new() -> PassManager {
        let verify = if cfg!(debug_assertions) { Verify::EveryPass } else { Verify::Last };
        PassManager {
            steps: Vec::new(),
            verify,
            stop_after: None,
        }
    }

    /// The pipeline that this text describes, of registered passes:
    /// `fold_batch_norm, post_training_quantize {granularity = per_tensor}`.
    ///
    /// # Errors
    /// Where the text is no pipeline, or names a pass or an option that does not exist.
    pub fn parse(pipeline: &str) -> Result<PassManager, Error> {
        let mut manager = PassManager::new();
        for (name, attrs) in text::parse_pipeline(pipeline).map_err(|e| Error::Options(e.to_string()))? {
            let entry = registry::find(&name).map_err(|e: RegistryError| Error::Options(e.to_string()))?;
            manager.steps.push(entry.step(attrs)?);
        }
        Ok(manager)
    }

    /// Adds a pass with its default options.
    #[allow(clippy::should_implement_trait, reason = "adding a pass to a pipeline is not arithmetic")]
    pub fn add<P: Pass>(self, pass: P) -> PassManager {
        self.add_with(pass, P::Options::default())
    }

    /// Adds a pass with these options.
    pub fn add_with<P: Pass>(mut self, pass: P, options: P::Options) -> PassManager {
        self.steps.push(Step::new(pass, options));
        self
    }

    /// Adds all passes of another pipeline.
    pub fn add_all(mut self, other: PassManager) -> PassManager {
        self.steps.extend(other.steps);
        self
    }

    /// Verifies at these times.
    pub fn verify(mut self, verify: Verify) -> PassManager {
        self.verify = verify;
        self
    }

    /// Allows only this many changes, then stops: for finding the rewrite that goes wrong by bisection.
    pub fn stop_after(mut self, changes: Option<usize>) -> PassManager {
        self.stop_after = changes;
        self
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Runs all passes on the model.
    ///
    /// # Errors
    /// Where a pass fails or leaves an invalid model behind; the error names the pass.
    pub fn run(&self, model: &mut Model) -> Result<Report, Error> {
        self.run_observed(model, &mut |_, _| {})
    }

    /// Runs all passes on the model and shows it to the observer after each.
    ///
    /// # Errors
    /// Where a pass fails or leaves an invalid model behind; the error names the pass.
    pub fn run_observed(&self, model: &mut Model, observer: &mut Observer<'_>) -> Result<Report, Error> {
        let mut report = Report::default();
        let mut decided = Decided::new();
        let mut changes_left = self.stop_after;
        let last = self.steps.len().saturating_sub(1);
        for (index, step) in self.steps.iter().enumerate() {
            if changes_left == Some(0) {
                break;
            }
            let in_pass = |source| Error::InPass {
                pass: step.name(),
                source: Box::new(source),
            };
            let started = Instant::now();
            let signatures = model
                .signatures
                .iter()
                .map(|s| (s.name.clone(), s.inputs.clone(), s.outputs.clone()))
                .collect::<Vec<_>>();
            let operations_before = count(model);
            let mut cx = Context {
                pass: step.name(),
                report: &mut report,
                decided: &mut decided,
                changes_left: &mut changes_left,
            };
            let Changed(changes) = step.0.run(model, &mut cx).map_err(in_pass)?;
            let kept = model.signatures.iter().map(|s| (&s.name, &s.inputs, &s.outputs));
            if !kept.eq(signatures.iter().map(|(a, b, c)| (a, b, c))) {
                return Err(in_pass(Error::Signatures));
            }
            if changes > 0 {
                model.sweep();
            }
            if self.verify == Verify::EveryPass || index == last || changes_left == Some(0) {
                verify::verify(model).map_err(|e| in_pass(Error::Invalid(e)))?;
            }
            let run = PassRun {
                pass: step.name().into(),
                changes,
                operations_before,
                operations_after: count(model),
                seconds: started.elapsed().as_secs_f64(),
            };
            observer(&run, model);
            report.passes.push(run);
        }
        Ok(report)
    }
}

fn count(model: &Model) -> usize {
    model.graphs().map(|(_, g)| g.len() - 2).sum()
}
