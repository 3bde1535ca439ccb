//! A fill whose one unknown extent is that of another value becomes slicing, reshaping and tiling by constants, so that
//! shapes stay static at run time.

use planish_core::extents::extent_of;
use planish_core::known::known_dims;
use planish_core::{Dim, Graph, Meaning, Op, OpRef, PassEntry, Rule, Skip, Tensor, Value, inventory};

use crate::dimensions::{Extent, computable, filled, lends};

/// Writes a fill whose one unknown extent is that of another value with operations that keep shapes static at run time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LowerFill;

impl Rule for LowerFill {
    const NAME: &'static str = "lower_fill";
    const SUMMARY: &'static str = "makes fills of a run-time extent static, by borrowing that extent";
    const MEANING: Meaning = Meaning::Exact;
    type Match = (Tensor, Vec<Extent>);

    fn find(&self, op: OpRef<'_>) -> Result<(Tensor, Vec<Extent>), Skip> {
        let Op::Fill(_) = op.op() else { return Err(Skip::No) };
        let (dims, value) = (op.operand(0).ok_or(Skip::No)?, op.operand(1).ok_or(Skip::No)?);
        let value = value
            .constant()
            .filter(|t| (t.dtype().is_float() || t.dtype().is_int()) && computable(t).is_some())
            .ok_or(Skip::No)?;
        let known = known_dims(dims).ok_or(Skip::No)?;
        let unknown: Vec<usize> = (0..known.len()).filter(|&i| known[i] == Dim::Unknown).collect();
        let [at] = unknown[..] else { return Err(Skip::No) };
        let (source, axis) = extent_of(dims, at).ok_or(Skip::because("its run-time extent is computed, not borrowed"))?;
        if !lends(op.graph(), source, axis) {
            return Err(Skip::because("the value that has its run-time extent holds no element to borrow"));
        }
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

inventory::submit! { PassEntry::of::<LowerFill>() }
