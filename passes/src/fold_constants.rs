//! Computes at once what depends on constants alone, and integers that are known from shapes alone.
//!
//! Moving the elements of a constant (transposing, reshaping) makes a view and moves no byte. A result that takes more room
//! than its operands leave stays a computation, and so does the pair by which weights are quantized.

use std::collections::BTreeMap;

use planish_core::known::{MOST_ELEMENTS, known_ints};
use planish_core::{DType, Graph, Meaning, Op, OpKind, OpRef, PassEntry, Rule, Skip, Tensor, Value, inventory};
use planish_kernels::interpret::evaluate;

/// Computes at once what depends on constants alone, and integers that are known from shapes alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FoldConstants;

/// Results of up to this many bytes are folded although they are larger than the operands.
const SMALL: usize = 1024;

/// Constants of one value repeated are not computed with beyond this many bytes: they take none until they are.
const MOST_REPEATED: usize = 16 << 20;

impl Rule for FoldConstants {
    const NAME: &'static str = "fold_constants";
    const SUMMARY: &'static str = "computes what depends on constants alone";
    const MEANING: Meaning = Meaning::Exact;
    type Match = Vec<Tensor>;

    fn find(&self, op: OpRef<'_>) -> Result<Vec<Tensor>, Skip> {
        let kind = op.kind();
        if !kind.is_pure() || matches!(kind, OpKind::Const | OpKind::Quantize | OpKind::Dequantize) {
            return Err(Skip::No);
        }
        if let Some(known) = integers_known(op) {
            return Ok(vec![known]);
        }
        let operands = op.operands();
        let constants: Option<Vec<Option<&Tensor>>> = operands
            .iter()
            .map(|v| v.map(|v| op.graph().constant(v)).map_or(Some(None), |t| t.map(Some)))
            .collect();
        let constants = constants.filter(|c| c.iter().any(Option::is_some)).ok_or(Skip::No)?;
        if let Some(view) = moved(op, &constants) {
            return Ok(vec![view]);
        }
        let types: Vec<_> = op
            .graph()
            .results_of(op.id())
            .into_iter()
            .map(|v| op.graph().ty(v).clone())
            .collect();
        if constants.iter().flatten().any(|t| t.is_splat() && bytes(t) > MOST_REPEATED) {
            return Err(Skip::No);
        }
        let room = room(op).max(SMALL);
        let size = types.iter().map(|t| t.dtype.packed_len(t.shape.elements()?)).sum::<Option<usize>>();
        if size.is_none_or(|size| size > room) {
            return Err(Skip::No);
        }
        evaluate(op.op(), &constants, &types).map_err(|error| Skip::because(format!("it cannot be computed: {error}")))
    }

    fn rewrite(&self, found: Vec<Tensor>, graph: &mut Graph) -> Vec<Value> {
        found.into_iter().map(|tensor| graph.add_const(tensor)).collect()
    }
}

/// The bytes of the largest operand, or of all that nothing else reads, which go once the result is there. What others read
/// stays, so that a chain of results could double at each step.
fn room(op: OpRef<'_>) -> usize {
    let constants: BTreeMap<Value, usize> = op
        .operands()
        .into_iter()
        .flatten()
        .filter_map(|v| Some((v, bytes(op.graph().constant(v)?))))
        .collect();
    let largest = constants.values().copied().max().unwrap_or(0);
    let own = constants
        .iter()
        .filter(|&(&value, _)| op.graph().uses(value).iter().all(|u| u.op == op.id()));
    own.map(|(_, bytes)| bytes).sum::<usize>().max(largest)
}

fn bytes(tensor: &Tensor) -> usize {
    tensor.dtype().packed_len(tensor.elements()).unwrap_or(0)
}

/// The result of an operation on shapes and the like, where all of its integers are known.
fn integers_known(op: OpRef<'_>) -> Option<Tensor> {
    let results = op.graph().results_of(op.id());
    let [result] = results[..] else { return None };
    let ty = op.graph().ty(result);
    let dims = ty.shape.known()?;
    if !matches!(ty.dtype, DType::I32 | DType::I64) || dims.iter().product::<usize>() > MOST_ELEMENTS {
        return None;
    }
    let ints = known_ints(op.graph().value(result))?.into_iter().collect::<Option<Vec<i64>>>()?;
    if ints.len() != dims.iter().product::<usize>() {
        return None;
    }
    Some(match ty.dtype {
        DType::I64 => Tensor::from_vec(&dims, ints),
        _ => Tensor::from_vec(&dims, ints.into_iter().map(i32::try_from).collect::<Result<Vec<i32>, _>>().ok()?),
    })
}

/// The constant under other dimensions: a view.
fn moved(op: OpRef<'_>, constants: &[Option<&Tensor>]) -> Option<Tensor> {
    let input = (*constants.first()?)?;
    match op.op() {
        Op::Transpose(_) => {
            let permutation = (*constants.get(1)?)?.to_ints()?;
            input.transposed(&permutation.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>().ok()?)
        }
        Op::Reshape(_) | Op::Squeeze(_) | Op::ExpandDims(_) => input.reshaped(&op.result(0).ty().shape.known()?),
        Op::Identity(_) => Some(input.clone()),
        _ => None,
    }
}

inventory::submit! { PassEntry::of::<FoldConstants>() }
