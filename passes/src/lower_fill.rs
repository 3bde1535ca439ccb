//! A fill whose one unknown extent is that of another value becomes slicing, reshaping and tiling by constants, so that
//! shapes stay static at run time.

use planish_core::known::known_dims;
use planish_core::{Dim, Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Tensor, Value, ValueRef};

use crate::dimensions::{Extent, filled};

/// See the module's description.
#[derive(Clone, Copy, Debug, Default)]
pub struct LowerFill;

impl Rule for LowerFill {
    const NAME: &'static str = "lower_fill";
    const SUMMARY: &'static str = "make fills of a run-time extent static, by borrowing that extent";
    const MEANING: Meaning = Meaning::Exact;
    type Match = (Tensor, Vec<Extent>);

    fn find(&self, op: OpRef<'_>) -> Result<(Tensor, Vec<Extent>), Skip> {
        let Op::Fill(_) = op.op() else { return Err(Skip::No) };
        let (dims, value) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
        let value = value
            .constant()
            .filter(|t| t.dtype().is_float() || t.dtype().is_int())
            .ok_or(Skip::No)?;
        let known = known_dims(dims).ok_or(Skip::No)?;
        let unknown: Vec<usize> = (0..known.len()).filter(|&i| known[i] == Dim::Unknown).collect();
        let [at] = unknown[..] else { return Err(Skip::No) };
        let (source, axis) = origin(dims, at, 16).ok_or(Skip::because("its run-time extent is computed, not borrowed"))?;
        let extents = known
            .iter()
            .map(|d| d.known().map_or(Extent::Of(source, axis), Extent::Known))
            .collect();
        Ok((value.clone(), extents))
    }

    fn rewrite(&self, (element, extents): (Tensor, Vec<Extent>), graph: &mut Graph) -> Vec<Value> {
        vec![filled(graph, &element, &extents)]
    }
}

/// The value and axis whose extent is element `at` of an integer vector.
fn origin(ints: ValueRef<'_>, at: usize, depth: usize) -> Option<(Value, usize)> {
    let depth = depth.checked_sub(1)?;
    let op = ints.producer();
    let constant = |i: usize| op.operand(i)?.constant()?.to_ints();
    match op.op() {
        Op::Shape(_) => Some((op.operand(0)?.id(), at)),
        Op::Cast(_) | Op::Identity(_) => origin(op.operand(0)?, at, depth),
        Op::Pack(_) => origin(op.operand(at)?, 0, depth),
        Op::Concatenation(_) => {
            let mut rest = at;
            for i in 0..op.operands().len() {
                let part = op.operand(i)?;
                let len = part.ty().shape.known()?.iter().product::<usize>();
                if rest < len {
                    return origin(part, rest, depth);
                }
                rest -= len;
            }
            None
        }
        Op::Reshape(_) | Op::Squeeze(_) | Op::ExpandDims(_) => origin(op.operand(0)?, at, depth),
        Op::Slice(_) => origin(op.operand(0)?, at + usize::try_from(constant(1)?[0]).ok()?, depth),
        Op::StridedSlice(s) if s.ellipsis_mask == 0 && s.new_axis_mask == 0 && !s.offset => {
            let input = op.operand(0)?;
            let len = input.ty().shape.known()?.first().copied()? as i64;
            let (begin, stride) = (*constant(1)?.first()?, *constant(3)?.first()?);
            let begin = if s.begin_mask & 1 == 1 {
                0
            } else if begin < 0 {
                begin + len
            } else {
                begin
            };
            (stride == 1).then(|| origin(input, at + usize::try_from(begin).ok()?, depth))?
        }
        Op::Gather(g) if g.axis == 0 => {
            let index = *constant(1)?.get(at)?;
            origin(op.operand(0)?, usize::try_from(index).ok()?, depth)
        }
        _ => None,
    }
}

planish_core::inventory::submit! { PassEntry::of::<LowerFill>() }
