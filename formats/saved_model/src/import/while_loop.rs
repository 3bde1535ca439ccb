//! `While`: a loop whose condition and body are functions.

use planish_core::graph::Value;
use planish_core::op::{Op, While};
use planish_core::types::{DType, Shape, Type};

use super::frame::Arg;
use super::inner_graph::Inner;
use super::node::Node;
use super::{Bound, Imported, Stop};

/// After so many rounds of generalizing, shapes of carried values are given up.
const MAX_ROUNDS: usize = 4;

pub(super) fn while_(node: &mut Node<'_>) -> Imported {
    let (cond, body) = (node.function("cond")?, node.function("body")?);
    let count = node.input_count();
    if body.args.len() != count || cond.args.len() != count || body.results.len() != count {
        return Err(node.error(format!("it carries {count} values, but its functions take others")));
    }
    let inputs: Vec<Bound> = (0..count).map(|i| node.bound(i)).collect::<Result<_, _>>()?;
    let invariant = node.importer.invariants(node.frame, &body)?;
    let fixed: Vec<Option<Arg>> = inputs
        .iter()
        .zip(&invariant)
        .map(|(bound, &same)| if same { node.importer.portable(bound) } else { None })
        .collect();
    let carried: Vec<usize> = (0..count).filter(|&i| fixed[i].is_none()).collect();
    let mut state = Vec::new();
    for &i in &carried {
        match inputs[i] {
            Bound::Value(value) => state.push(value),
            _ => return Err(Stop::Foreign),
        }
    }
    let all_declared = node.declared_shapes();
    let declared: Vec<Shape> = carried
        .iter()
        .map(|&i| all_declared.get(i).cloned().unwrap_or(Shape::unranked()))
        .collect();
    let mut types: Vec<Type> = state.iter().map(|&v| node.ty(v).clone()).collect();
    let name = node.name().to_owned();
    let inner = Inner {
        body: &body,
        name: format!("{name}/body"),
        fixed: &fixed,
        wanted: carried.clone(),
    };
    let mut round = 0;
    let (body_graph, body_touched) = loop {
        let (graph, touched) = node.inner_graph(&inner, &types, &declared)?;
        let results: Vec<Type> = graph.results().into_iter().map(|v| graph.ty(v).clone()).collect();
        let general = generalize(node, &types, &results, round >= MAX_ROUNDS)?;
        if general == types {
            break (graph, touched);
        }
        types = general;
        round += 1;
    };
    let inner = Inner {
        body: &cond,
        name: format!("{name}/cond"),
        fixed: &fixed,
        wanted: vec![0],
    };
    let (mut cond_graph, cond_touched) = node.inner_graph(&inner, &types, &[])?;
    for result in cond_graph.results() {
        let ty = cond_graph.ty(result).clone();
        if ty.dtype == DType::Bool && ty.shape.elements().is_none_or(|n| n == 1) {
            continue;
        }
        // The types of an operation that is not known are a guess.
        if !matches!(cond_graph.op(result.op), Op::Foreign(_)) {
            return Err(node.error(format!("its condition gives {ty} instead of one bool")));
        }
        cond_graph.info_mut(result).ty = Type::fixed(DType::Bool, &[]);
    }
    let cond = node.importer.model.add_graph(cond_graph);
    let body = node.importer.model.add_graph(body_graph);
    let results = node.add_declared(While { cond, body }, &state, types);
    if let Some(first) = results.first()
        && (body_touched || cond_touched)
    {
        node.importer.effects.write_all(&mut node.importer.graph, first.op);
    }
    let mut outputs = inputs;
    for (&i, value) in carried.iter().zip(results) {
        outputs[i] = Bound::Value(value);
    }
    Ok(outputs)
}

impl Node<'_> {
    /// A loop that stands for this node: goes on while `cond` of the state holds, with what `body` makes of it. Shapes stay.
    pub(super) fn looped<const N: usize>(
        &mut self,
        state: [Value; N],
        cond: impl FnOnce(&mut Self, [Value; N]) -> Result<Value, Stop>,
        body: impl FnOnce(&mut Self, [Value; N]) -> Result<[Value; N], Stop>,
    ) -> Result<[Value; N], Stop> {
        let types = state.map(|v| self.ty(v).clone());
        let cond = self.graph_of("cond", &types, |node, state| Ok([cond(node, state)?]))?;
        let body = self.graph_of("body", &types, body)?;
        let results = self.add_declared(While { cond, body }, &state, types.to_vec());
        Ok(std::array::from_fn(|i| results[i]))
    }
}

/// Types that hold for both the first and all later rounds.
fn generalize(node: &Node<'_>, parameters: &[Type], results: &[Type], give_up: bool) -> Result<Vec<Type>, Stop> {
    parameters
        .iter()
        .zip(results)
        .map(|(parameter, result)| {
            if parameter.dtype != result.dtype {
                return Err(node.error(format!("it carries {} but its body gives {}", parameter.dtype, result.dtype)));
            }
            let joined = parameter.shape.join(&result.shape);
            let shape = if joined != parameter.shape && give_up {
                Shape::unranked()
            } else {
                joined
            };
            Ok(parameter.with_shape(shape))
        })
        .collect()
}
