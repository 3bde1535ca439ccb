//! What holds of every operation by itself: operands, attributes and results fit each other.

use smallvec::SmallVec;

use crate::attr::{Attr, Rounding};
use crate::graph::{Graph, OpId, Operands, ValueRef};
use crate::infer::{self, InferError};
use crate::op::{Op, OpKind, Split, SplitV, Unpack};
use crate::types::{DType, Type};
use crate::verify::Check;

pub(super) fn check(graph: &Graph, id: OpId, operands: &Operands) -> Check {
    let op = graph.op(id);
    let values: SmallVec<[Option<ValueRef<'_>>; 4]> = operands.iter().map(|v| v.map(|v| graph.value(v))).collect();
    for &state in op.kind().state_operands() {
        if values.get(state).copied().flatten().is_some_and(|v| v.constant().is_some()) {
            return Err(format!("operand {state} is state, which a constant cannot be"));
        }
    }
    let results: Vec<&Type> = graph.results_of(id).into_iter().map(|v| graph.ty(v)).collect();
    match infer::infer(op, &values) {
        Ok(inferred) => {
            count(results.len(), inferred.types.len())?;
            for (i, (found, expected)) in results.iter().zip(&inferred.types).enumerate() {
                let dtype_fits = if inferred.quant_is_open {
                    found.dtype == expected.dtype || found.dtype.is_int()
                } else {
                    found.dtype == expected.dtype || looks_up_integers(op, &values, found)
                };
                if !dtype_fits || !found.shape.compatible(&expected.shape) {
                    return Err(format!("result {i} is {found}, inferred is {expected}"));
                }
            }
            constant(op, &results)
        }
        Err(InferError::Declared(_)) => declared(op, &values, &results),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether there are as many results as an attribute says.
pub(super) fn check_counts(graph: &Graph, id: OpId) -> Check {
    match graph.op(id) {
        Op::Unpack(Unpack { num, .. }) | Op::Split(Split { num }) | Op::SplitV(SplitV { num }) => {
            count(graph.results_of(id).len(), *num as usize)
        }
        _ => Ok(()),
    }
}

fn count(results: usize, expected: usize) -> Check {
    if results == expected {
        Ok(())
    } else {
        Err(format!("there are {results} results, expected {expected}"))
    }
}

/// Whether this looks up rows of a quantized table without making them floats, which the result's type decides.
fn looks_up_integers(op: &Op, operands: &[Option<ValueRef<'_>>], result: &Type) -> bool {
    let table = match op.kind() {
        OpKind::EmbeddingLookup => operands.get(1),
        _ => None,
    };
    table.copied().flatten().is_some_and(|table| table.ty().dtype == result.dtype)
}

fn constant(op: &Op, results: &[&Type]) -> Check {
    match op {
        Op::Const(op) if *results[0] != op.value.ty() => Err(format!("the result is {}, the data {}", results[0], op.value.ty())),
        _ => Ok(()),
    }
}

/// Operations whose results do not follow from their operands.
fn declared(op: &Op, operands: &[Option<ValueRef<'_>>], results: &[&Type]) -> Check {
    let operand = |i: usize| operands.get(i).copied().flatten().map(ValueRef::ty);
    match op {
        Op::Quantize(op) => {
            count(results.len(), 1)?;
            let result = results[0];
            let Some(quant) = result.quant.as_ref().filter(|_| result.dtype.is_int()) else {
                return Err(format!("the result is {result}, expected quantized integers"));
            };
            let per_channel = result.dtype == DType::I8 && quant.is_symmetric_per_axis();
            if op.rounding == Rounding::Balanced && !per_channel {
                return Err(format!(
                    "the result is {result}, expected i8 with a scale and the zero point 0 for each channel"
                ));
            }
            match operand(0) {
                Some(input) if !input.shape.compatible(&result.shape) => {
                    Err(format!("the result is {result}, expected the shape {}", input.shape))
                }
                _ => Ok(()),
            }
        }
        Op::State(_) => {
            count(results.len(), 1)?;
            if results[0].dtype.bits() == 0 {
                return Err(format!("a state of {} cannot be zero at first", results[0].dtype));
            }
            Ok(())
        }
        Op::ReadVariable(_) => count(results.len(), 1),
        Op::HashtableFind(_) => {
            count(results.len(), 1)?;
            let (Some(keys), Some(default)) = (operand(1), operand(2)) else {
                return Ok(());
            };
            let expected = Type::new(default.dtype, keys.shape.clone());
            if results[0].dtype != expected.dtype || !results[0].shape.compatible(&expected.shape) {
                return Err(format!("the result is {}, expected {expected}", results[0]));
            }
            Ok(())
        }
        Op::HashtableLookup(_) => count(results.len(), 2),
        Op::FullyConnected(_) => at_least_one(results),
        Op::Foreign(op) => {
            let mut attrs: Vec<&Attr> = op.attrs.values().collect();
            while let Some(attr) = attrs.pop() {
                match attr {
                    Attr::List(items) => attrs.extend(items),
                    Attr::Map(map) => attrs.extend(map.values()),
                    Attr::Graph(_) => return Err("attributes of a foreign operation name no graphs".into()),
                    _ => {}
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn at_least_one(results: &[&Type]) -> Check {
    if results.is_empty() {
        return Err("there are no results".into());
    }
    Ok(())
}
