//! What ran, what changed, and what was left alone and why: data, with a text form for people.

use std::fmt;

use serde::Serialize;

/// What a pipeline did to a model.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Report {
    /// The passes that ran, in order.
    pub passes: Vec<PassRun>,
    /// For each operation that could have been quantized, what was decided about it.
    pub decisions: Vec<Decision>,
    /// Operations that a pass left alone although it looked at them, each with its reason.
    pub skipped: Vec<Skipped>,
}

/// One pass that ran.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct PassRun {
    /// The pass's name.
    pub pass: String,
    /// How many changes it made.
    pub changes: usize,
    /// Operations in the model before it.
    pub operations_before: usize,
    /// Operations in the model after it.
    pub operations_after: usize,
    /// How long it took.
    pub seconds: f64,
}

/// How an operation computes with its weights.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Integer weights, activations quantized on the fly, integer products.
    Hybrid,
    /// Integer weights, made float again before float arithmetic.
    WeightOnly,
    /// Float weights, or none.
    Float,
    /// Integer weights and integer activations, whose scales the source states.
    Integer,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Choice::Hybrid => "hybrid",
            Choice::WeightOnly => "weight-only",
            Choice::Float => "float",
            Choice::Integer => "integer",
        })
    }
}

/// What was decided about one operation.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Decision {
    /// The graph that holds the operation.
    pub graph: String,
    /// The operation, as [`Graph::label`](crate::Graph::label) names it.
    pub operation: String,
    /// The kind of operation.
    pub kind: String,
    /// How it computes with its weights.
    pub choice: Choice,
    /// Why.
    pub because: String,
}

/// One operation that a pass left alone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Skipped {
    /// The pass.
    pub pass: String,
    /// The graph that holds the operation.
    pub graph: String,
    /// The operation, as [`Graph::label`](crate::Graph::label) names it.
    pub operation: String,
    /// The kind of operation.
    pub kind: String,
    /// Why it was left alone.
    pub because: String,
}

impl Report {
    /// How many operations were decided this way.
    pub fn count(&self, choice: Choice) -> usize {
        self.decisions.iter().filter(|d| d.choice == choice).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in self.passes.iter().filter(|run| run.changes > 0) {
            writeln!(
                f,
                "{:32} {:6} changes {:6} -> {} operations",
                run.pass, run.changes, run.operations_before, run.operations_after
            )?;
        }
        for d in &self.decisions {
            writeln!(f, "{:11} {} {} because {}", d.choice.to_string(), d.kind, d.operation, d.because)?;
        }
        for s in &self.skipped {
            writeln!(f, "left alone by {}: {} {} because {}", s.pass, s.kind, s.operation, s.because)?;
        }
        Ok(())
    }
}
