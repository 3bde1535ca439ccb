//! The steps of a graph one after the other, and the operations that run other graphs.

use std::collections::BTreeMap;
use std::rc::Rc;

use planish_core::{GraphId, Op, OpKind, Tensor, Type, Value};

use super::datum::Datum;
use super::plan::{Plan, Step};
use super::{Interpreter, Observer, lists};
use crate::error::Error;
use crate::reference;
use crate::reference::products::Engine;

/// The values of a graph that are there at a moment.
type Values = BTreeMap<Value, Datum>;

impl Interpreter<'_> {
    fn plan(&mut self, graph: GraphId) -> Result<Rc<Plan>, Error> {
        if let Some(plan) = self.plans.get(&graph) {
            return Ok(plan.clone());
        }
        let Some(found) = self.model.get_graph(graph) else {
            return Err(Error::Invalid("the model has no such graph".to_owned()));
        };
        let plan = Rc::new(Plan::new(found)?);
        self.plans.insert(graph, plan.clone());
        Ok(plan)
    }

    /// Runs a graph for one input a parameter.
    pub(super) fn execute(
        &mut self,
        id: GraphId,
        inputs: Vec<Datum>,
        depth: usize,
        observer: &mut Observer<'_>,
    ) -> Result<Vec<Datum>, Error> {
        if depth > self.options.max_depth {
            return Err(Error::TooDeep(self.options.max_depth));
        }
        let plan = self.plan(id)?;
        let graph = self.model.graph(id);
        let parameters = graph.parameters();
        if parameters.len() != inputs.len() {
            return Err(Error::Graph {
                graph: graph.name().to_owned(),
                problem: format!("it takes {} inputs, its caller gives {}", parameters.len(), inputs.len()),
            });
        }
        let mut values: Values = parameters.into_iter().zip(inputs).collect();
        for step in &plan.steps {
            self.ops += 1;
            if self.ops > self.options.max_ops {
                return Err(Error::TooManyOps(self.options.max_ops));
            }
            let kind = graph.op(step.op).kind();
            if kind == OpKind::Return {
                let results = step.operands.iter().map(|v| v.and_then(|v| values.get(&v).cloned()));
                return results
                    .collect::<Option<Vec<Datum>>>()
                    .ok_or_else(|| Error::Missing("results".to_owned()));
            }
            if kind != OpKind::Parameters {
                self.step(id, step, &mut values, depth, observer).map_err(|cause| match cause {
                    at @ Error::At { .. } => at,
                    cause => Error::At {
                        graph: graph.name().to_owned(),
                        label: graph.label(step.op),
                        kind: kind.name(),
                        cause: Box::new(cause),
                    },
                })?;
            }
            for value in graph.results_of(step.op) {
                if let Some(Datum::Tensor(tensor)) = values.get(&value) {
                    observer(graph, value, tensor);
                }
            }
            for value in &step.finished {
                values.remove(value);
            }
        }
        Err(Error::Graph {
            graph: graph.name().to_owned(),
            problem: "it has no end".to_owned(),
        })
    }

    fn step(&mut self, id: GraphId, step: &Step, values: &mut Values, depth: usize, observer: &mut Observer<'_>) -> Result<(), Error> {
        let graph = self.model.graph(id);
        let op = graph.op(step.op);
        let results = graph.results_of(step.op);
        if step.constant
            && let Some(known) = results.first().and_then(|v| self.constants.get(&(id, *v)))
        {
            values.insert(results[0], known.clone());
            return Ok(());
        }
        let operands: Vec<Option<Datum>> = step.operands.iter().map(|v| v.and_then(|v| values.get(&v).cloned())).collect();
        let types: Vec<Type> = results.iter().map(|&v| graph.ty(v).clone()).collect();
        let data = match op {
            Op::State(_) => vec![Datum::Tensor(self.state(id, step, &types)?)],
            Op::Identity(_) => operands.into_iter().flatten().collect(),
            Op::If(op) => {
                let branch = if truth(operands.first(), "condition")? {
                    op.then_graph
                } else {
                    op.else_graph
                };
                self.execute(branch, all(operands.into_iter().skip(1))?, depth + 1, observer)?
            }
            Op::Call(op) => self.execute(op.graph, all(operands)?, depth + 1, observer)?,
            Op::CallOnce(op) => {
                if self.called.insert(op.graph) {
                    self.execute(op.graph, Vec::new(), depth + 1, observer)?;
                }
                Vec::new()
            }
            Op::While(op) => {
                let mut state = all(operands)?;
                loop {
                    let goes_on = self.execute(op.cond, state.clone(), depth + 1, observer)?;
                    if !truth(goes_on.into_iter().next().map(Some).as_ref(), "the loop's condition")? {
                        break state;
                    }
                    state = self.execute(op.body, state, depth + 1, observer)?;
                }
            }
            op => {
                if let Some(stored) = self.stored(op, &operands, &types, step.op)? {
                    values.extend(stored);
                    return Ok(());
                }
                match lists::run(op, &operands, &types, self.options.max_bytes)? {
                    Some(data) => data,
                    None => self.compute(id, step, op, operands, &types, values)?,
                }
            }
        };
        if data.len() < results.len() {
            return Err(Error::Invalid(format!(
                "it has {} results, {} are declared",
                data.len(),
                results.len()
            )));
        }
        if step.constant && results.len() == 1 {
            self.constants.insert((id, results[0]), data[0].clone());
        }
        values.extend(results.into_iter().zip(data));
        Ok(())
    }

    /// What a state holds; zeros at first.
    fn state(&self, id: GraphId, step: &Step, types: &[Type]) -> Result<Tensor, Error> {
        if let Some(kept) = self.states.get(&(id, step.op)) {
            return Ok(kept.clone());
        }
        let ty = types.first().ok_or_else(|| Error::Invalid("a state has one result".to_owned()))?;
        let Some(dims) = ty.shape.known() else {
            return Err(Error::Invalid(format!("a state of type {ty} has no fixed extents")));
        };
        let bytes = ty
            .shape
            .elements()
            .and_then(|n| ty.dtype.packed_len(n))
            .filter(|&n| n <= self.options.max_bytes);
        let bytes = bytes.ok_or_else(|| Error::TooLarge {
            dtype: ty.dtype,
            dims: dims.clone(),
            limit: self.options.max_bytes,
        })?;
        let zeros = Tensor::new(ty.dtype, &dims, vec![0; bytes].into()).map_err(|e| Error::Invalid(e.to_string()))?;
        Ok(zeros.with_quant(ty.quant.clone()))
    }

    /// Runs an operation on tensors; results behind the declared ones are new contents of its state operands.
    fn compute(
        &mut self,
        id: GraphId,
        step: &Step,
        op: &Op,
        operands: Vec<Option<Datum>>,
        types: &[Type],
        values: &mut Values,
    ) -> Result<Vec<Datum>, Error> {
        let mut tensors: Vec<Option<&Tensor>> = Vec::with_capacity(operands.len());
        for (i, operand) in operands.iter().enumerate() {
            tensors.push(match operand {
                Some(Datum::Tensor(tensor)) => Some(tensor),
                None => None,
                Some(other) => {
                    return Err(Error::Operand {
                        operand: op.kind().operands().get(i).map_or_else(|| i.to_string(), |o| o.name.to_owned()),
                        problem: format!("is {}, expected a tensor", other.describe()),
                    });
                }
            });
        }
        let product = matches!(op.kind(), OpKind::FullyConnected | OpKind::Conv2d | OpKind::BatchMatmul);
        let mut engine = if self.options.reference_only {
            Engine::Loops
        } else if product && step.constant_weights {
            Engine::Kept(self.packed.entry((id, step.op)).or_default())
        } else {
            Engine::Packed
        };
        let mut results = reference::run(op, &tensors, types, self.options.max_bytes, &mut engine)?;
        let states = op.kind().state_operands();
        if !states.is_empty() && results.len() >= states.len() {
            let news = results.split_off(results.len() - states.len());
            for (&operand, new) in states.iter().zip(news) {
                let Some(value) = step.operands.get(operand).copied().flatten() else {
                    continue;
                };
                if let Op::State(_) = self.model.graph(id).op(value.op) {
                    self.states.insert((id, value.op), new.clone());
                }
                values.insert(value, Datum::Tensor(new));
            }
        }
        Ok(results.into_iter().map(Datum::Tensor).collect())
    }
}

fn all(operands: impl IntoIterator<Item = Option<Datum>>) -> Result<Vec<Datum>, Error> {
    operands
        .into_iter()
        .collect::<Option<_>>()
        .ok_or_else(|| Error::Missing("arguments".to_owned()))
}

fn truth(datum: Option<&Option<Datum>>, operand: &str) -> Result<bool, Error> {
    let bad = |found: String| Error::Operand {
        operand: operand.to_owned(),
        problem: format!("is {found}, expected one truth value"),
    };
    match datum {
        Some(Some(Datum::Tensor(tensor))) => match tensor.to_ints().as_deref() {
            Some(&[value]) => Ok(value != 0),
            _ => Err(bad(tensor.ty().to_string())),
        },
        Some(Some(other)) => Err(bad(other.describe())),
        _ => Err(Error::Missing(operand.to_owned())),
    }
}
