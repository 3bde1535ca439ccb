//! Runs graphs: a model's, or one operation on constants.
//!
//! An [`Interpreter`] keeps, from run to run, what the model keeps: state, variables and tables; and what costs time to
//! make anew: the order of operations, results that depend on constants alone, and packed weights.

mod datum;
mod execute;
mod lists;
mod plan;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use planish_core::{Graph, GraphId, Model, Op, OpId, Tensor, Type, Value};

use crate::error::Error;
use crate::gemm::PackedWeights;
use crate::reference;
use crate::reference::products::Engine;
use datum::Datum;
use plan::Plan;
use tables::Table;

/// The largest result that is made where nothing else is said: 4 GiB.
const MAX_BYTES: usize = 4 << 30;

/// How a model is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Products of matrices are computed in plain loops too.
    pub reference_only: bool,
    /// The most bytes of one result.
    pub max_bytes: usize,
    /// The most operations of one run, those of called graphs included.
    pub max_ops: u64,
    /// How deeply graphs may call each other.
    pub max_depth: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reference_only: false,
            max_bytes: MAX_BYTES,
            max_ops: u64::MAX,
            max_depth: 64,
        }
    }
}

/// Sees every value that is a tensor, as soon as it is computed; a value inside a loop as often as that runs.
pub type Observer<'o> = dyn FnMut(&Graph, Value, &Tensor) + 'o;

/// Runs the graphs of one model.
pub struct Interpreter<'m> {
    model: &'m Model,
    options: Options,
    plans: BTreeMap<GraphId, std::rc::Rc<Plan>>,
    packed: BTreeMap<(GraphId, OpId), Option<PackedWeights>>,
    constants: BTreeMap<Place, Datum>,
    states: BTreeMap<(GraphId, OpId), Tensor>,
    variables: BTreeMap<(String, String), Tensor>,
    tables: BTreeMap<i32, Table>,
    called: BTreeSet<GraphId>,
    ops: u64,
}

impl fmt::Debug for Interpreter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interpreter")
            .field("options", &self.options)
            .field("variables", &self.variables.keys())
            .field("ops", &self.ops)
            .finish_non_exhaustive()
    }
}

/// A value of one of the model's graphs.
type Place = (GraphId, Value);

impl<'m> Interpreter<'m> {
    /// An interpreter without limits that a proper model meets.
    pub fn new(model: &'m Model) -> Interpreter<'m> {
        Interpreter::with_options(model, Options::default())
    }

    /// An interpreter with these options.
    pub fn with_options(model: &'m Model, options: Options) -> Interpreter<'m> {
        Interpreter {
            model,
            options,
            plans: BTreeMap::new(),
            packed: BTreeMap::new(),
            constants: BTreeMap::new(),
            states: BTreeMap::new(),
            variables: BTreeMap::new(),
            tables: BTreeMap::new(),
            called: BTreeSet::new(),
            ops: 0,
        }
    }

    /// Forgets state, variables and tables, as if nothing had run yet.
    pub fn reset(&mut self) {
        self.states.clear();
        self.variables.clear();
        self.tables.clear();
        self.called.clear();
    }

    /// The results of a graph for one input a parameter.
    ///
    /// # Errors
    /// Where the inputs do not fit the parameters, or an operation fails.
    pub fn run(&mut self, graph: GraphId, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        self.run_observed(graph, inputs, &mut |_, _, _| {})
    }

    /// The same as [`Interpreter::run`]; `observer` sees every value.
    ///
    /// # Errors
    /// As [`Interpreter::run`].
    pub fn run_observed(&mut self, graph: GraphId, inputs: &[Tensor], observer: &mut Observer<'_>) -> Result<Vec<Tensor>, Error> {
        let Some(found) = self.model.get_graph(graph) else {
            return Err(Error::Invalid("the model has no such graph".to_owned()));
        };
        let parameters = found.parameters();
        if parameters.len() != inputs.len() {
            return Err(Error::Invalid(format!(
                "graph `{}` takes {} inputs, {} were given",
                found.name(),
                parameters.len(),
                inputs.len()
            )));
        }
        for (i, (input, parameter)) in inputs.iter().zip(parameters).enumerate() {
            let info = found.info(parameter);
            if input.dtype() != info.ty.dtype || !input.ty().shape.compatible(&info.ty.shape) {
                return Err(Error::Input {
                    input: info.name.as_deref().map_or_else(|| i.to_string(), str::to_owned),
                    problem: format!("is {}, expected {}", input.ty(), info.ty),
                });
            }
        }
        self.ops = 0;
        let parameters = found.parameters().into_iter().map(|parameter| found.ty(parameter).quant.clone());
        // What integers stand for is said by the model.
        let inputs = inputs
            .iter()
            .cloned()
            .zip(parameters)
            .map(|(input, quant)| Datum::Tensor(input.with_quant(quant)));
        let results = self.execute(graph, inputs.collect(), 0, observer)?;
        let tensor = |(i, result): (usize, Datum)| match result {
            Datum::Tensor(tensor) => Ok(tensor),
            other => Err(Error::Invalid(format!(
                "result {i} of graph `{}` is {}, not a tensor",
                found.name(),
                other.describe()
            ))),
        };
        results.into_iter().enumerate().map(tensor).collect()
    }

    /// The results of a signature, by name, for inputs by name.
    ///
    /// # Errors
    /// Where there is no such signature, an input is missing, unknown or does not fit, or an operation fails.
    pub fn run_signature(&mut self, name: &str, inputs: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, Error> {
        self.run_signature_observed(name, inputs, &mut |_, _, _| {})
    }

    /// The same as [`Interpreter::run_signature`]; `observer` sees every value.
    ///
    /// # Errors
    /// As [`Interpreter::run_signature`].
    pub fn run_signature_observed(
        &mut self,
        name: &str,
        inputs: &BTreeMap<String, Tensor>,
        observer: &mut Observer<'_>,
    ) -> Result<BTreeMap<String, Tensor>, Error> {
        let Some(signature) = self.model.signature(name) else {
            let known: Vec<String> = self.model.signatures.iter().map(|s| format!("`{}`", s.name)).collect();
            return Err(Error::Signature {
                name: name.to_owned(),
                known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
            });
        };
        if let Some(unknown) = inputs.keys().find(|k| !signature.inputs.contains(k)) {
            return Err(Error::Input {
                input: unknown.clone(),
                problem: format!("does not exist; the inputs are {}", signature.inputs.join(", ")),
            });
        }
        let mut ordered = Vec::with_capacity(signature.inputs.len());
        for input in &signature.inputs {
            let tensor = inputs.get(input).ok_or_else(|| Error::Input {
                input: input.clone(),
                problem: "is missing".to_owned(),
            })?;
            ordered.push(tensor.clone());
        }
        let results = self.run_observed(signature.graph, &ordered, observer)?;
        Ok(signature.outputs.iter().cloned().zip(results).collect())
    }
}

/// The results of one operation on constants.
///
/// # Errors
/// Where the operands do not fit, a result would exceed 4 GiB, or the operation needs an interpreter: control flow, state,
/// variables, tables, lists.
pub fn evaluate(op: &Op, operands: &[Option<&Tensor>], result_types: &[Type]) -> Result<Vec<Tensor>, Error> {
    evaluate_limited(op, operands, result_types, MAX_BYTES)
}

/// The same as [`evaluate`] with another limit to the bytes of one result.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_limited(op: &Op, operands: &[Option<&Tensor>], result_types: &[Type], max_bytes: usize) -> Result<Vec<Tensor>, Error> {
    reference::run(op, operands, result_types, max_bytes, &mut Engine::once())
}
