//! Functions that say what they compute, where one operation computes the same.

use crate::function::Body;
use crate::proto::Attr;

use super::node::{Node, many};
use super::{Imported, Stop, detection};

const PADDED_SUPPRESSION: &str = "non_max_suppression_padded_v2";

/// Whether an operation stands for the function, so that calls of it are not looked through.
pub(super) fn is_kernel(body: &Body) -> bool {
    // Boxes of a whole batch are of rank 3, and have no kernel.
    let boxes = body.arg_attrs.get(&0).and_then(|a| a.attrs.get("_output_shapes")?.value.as_ref());
    let unbatched = matches!(boxes, Some(Attr::List(list)) if list.shapes.first().is_some_and(|s| s.dims.len() == 2));
    body.implements.as_deref() == Some(PADDED_SUPPRESSION) && body.results.len() == 2 && unbatched
}

/// Boxes, scores, the number of results and two thresholds; what else is passed only tells how to compute it.
pub(super) fn call(node: &mut Node<'_>) -> Imported {
    if node.input_count() < 5 {
        return Err(Stop::Foreign);
    }
    let inputs = node.values(0..5)?;
    many(detection::suppressed(node, inputs)?)
}
