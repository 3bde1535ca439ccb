//! Branches of TensorFlow 1: `Switch` sends a value to one of two sides, `Merge` takes what arrives.
//!
//! Both sides are computed and the merge selects, which gives the same value since neither side has effects.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::op::SelectV2;

use crate::Error;

use super::frame::Place;
use super::node::{Node, many};
use super::{Bound, Imported, Importer, Stop};

/// How far back from a merge its switches are looked for.
const MAX_SEARCH: usize = 100_000;

/// Both sides see the value.
pub(super) fn switch(node: &mut Node<'_>) -> Imported {
    let data = node.bound(0)?;
    Ok(vec![data.clone(), data])
}

pub(super) fn merge(node: &mut Node<'_>) -> Imported {
    if node.input_count() != 2 {
        return Err(Stop::Foreign);
    }
    let (frame, places) = (node.frame, node.inputs().to_vec());
    let sides = [node.importer.sides(frame, places[0])?, node.importer.sides(frame, places[1])?];
    let only = |sides: &BTreeMap<Place, BTreeSet<usize>>, predicate: &Place| match sides.get(predicate) {
        Some(ports) if ports.len() == 1 => ports.first().copied(),
        _ => None,
    };
    let found = sides[0].keys().find_map(|predicate| {
        let (first, second) = (only(&sides[0], predicate)?, only(&sides[1], predicate)?);
        (first != second).then_some((*predicate, first))
    });
    let Some((predicate, first)) = found else {
        return Err(Stop::Foreign);
    };
    node.importer.want(&[predicate])?;
    let Bound::Value(condition) = node.importer.bound(predicate)? else {
        return Err(Stop::Foreign);
    };
    let (x, y) = (node.value(0)?, node.value(1)?);
    let (when_true, when_false) = if first == 1 { (x, y) } else { (y, x) };
    let known = node.constant(condition).map(|t| t.bytes().iter().any(|&b| b != 0));
    let value = match known {
        Some(true) => when_true,
        Some(false) => when_false,
        None => node.add(SelectV2 {}, &[condition, when_true, when_false])?,
    };
    let taken = node.add_int(0);
    many(vec![value, taken])
}

impl Importer {
    /// The predicates of all switches before a place, and the sides through which it is reached.
    fn sides(&mut self, frame: usize, place: Place) -> Result<BTreeMap<Place, BTreeSet<usize>>, Error> {
        let mut sides: BTreeMap<Place, BTreeSet<usize>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut todo = vec![place];
        while let Some(place) = todo.pop() {
            if !seen.insert(place) {
                continue;
            }
            if seen.len() > MAX_SEARCH {
                return Err(Error::unsupported(
                    self.frames[frame].body.shown(),
                    "branches too large to be told apart",
                ));
            }
            let Place::Node { frame, node, port } = place else { continue };
            let inputs = self.inputs(frame, node)?;
            if self.frames[frame].body.nodes[node].op == "Switch"
                && let Some(&predicate) = inputs.get(1)
            {
                let predicate = self.origin(predicate)?;
                sides.entry(predicate).or_default().insert(port);
            }
            todo.extend(inputs.iter().copied());
            todo.extend(self.control_places(frame, node)?);
        }
        Ok(sides)
    }
}
