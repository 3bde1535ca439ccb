//! Boxes of which those that overlap better ones are dropped.

use planish_core::graph::Value;
use planish_core::op::{
    Cast, DynamicUpdateSlice, Fill, FloorDiv, Gather, Greater, Less, Maximum, Minimum, NonMaxSuppressionV4, NonMaxSuppressionV5, Pad,
    Reshape, SelectV2, Sum, TopkV2,
};
use planish_core::tensor::Tensor;
use planish_core::types::{DType, Shape};

use super::binary::{add, mul};
use super::index::first_entries;
use super::node::{Node, many};
use super::unary::plus;
use super::{Bound, Imported, Stop};

/// The score of a place that no box took: every box's is above it.
const NO_SCORE: f32 = f32::MIN;

/// `NonMaxSuppression` and `NonMaxSuppressionV2`, which take boxes of any score.
pub(super) fn of_any_score(node: &mut Node<'_>) -> Imported {
    let mut inputs = node.values(0..3)?;
    inputs.push(if node.input_count() > 3 {
        node.value(3)?
    } else {
        let threshold = node.attr_float("iou_threshold", 0.5);
        node.add_const(Tensor::scalar(threshold))
    });
    inputs.push(node.add_const(Tensor::scalar(NO_SCORE)));
    let results = suppressed(node, inputs)?;
    Ok(vec![first_entries(node, results[0], results[1])?])
}

/// The kernel pads its results; TensorFlow's shortest form does not.
pub(super) fn non_max_suppression_v3(node: &mut Node<'_>) -> Imported {
    let inputs = node.values(0..5)?;
    let results = suppressed(node, inputs)?;
    Ok(vec![first_entries(node, results[0], results[1])?])
}

pub(super) fn non_max_suppression_v4(node: &mut Node<'_>) -> Imported {
    let padded = node.attr_bool("pad_to_max_output_size");
    let inputs = node.values(0..5)?;
    let results = suppressed(node, inputs)?;
    if padded {
        return many(results);
    }
    Ok(vec![first_entries(node, results[0], results[1])?, Bound::Value(results[1])])
}

pub(super) fn non_max_suppression_v5(node: &mut Node<'_>) -> Imported {
    let padded = node.attr_bool("pad_to_max_output_size");
    let mut inputs = node.values(0..6)?;
    let sigma = node.constant(inputs[5]).and_then(Tensor::to_floats);
    // What is made less by its overlap is not dropped for it.
    inputs[3] = match sigma.as_deref() {
        Some(&[sigma]) if sigma > 0.0 => node.add_const(Tensor::scalar(1.0f32)),
        _ => overlap_above(node, inputs[3]),
    };
    let results = node.add_many(NonMaxSuppressionV5 {}, &inputs)?;
    if padded {
        return many(results);
    }
    let indices = first_entries(node, results[0], results[2])?;
    let scores = first_entries(node, results[1], results[2])?;
    Ok(vec![indices, scores, Bound::Value(results[2])])
}

/// Boxes, scores, the most results and two thresholds: the indices of what is left, and their number.
pub(super) fn suppressed(node: &mut Node<'_>, mut inputs: Vec<Value>) -> Result<Vec<Value>, Stop> {
    inputs[3] = overlap_above(node, inputs[3]);
    node.add_many(NonMaxSuppressionV4 {}, &inputs)
}

/// The threshold that makes LiteRT drop what TensorFlow drops. TensorFlow drops what overlaps more than the threshold,
/// LiteRT also what overlaps as much, which the next number leaves out; LiteRT needs a threshold that a box and itself reach.
/// One that is known only at run time stays as it is.
fn overlap_above(node: &mut Node<'_>, threshold: Value) -> Value {
    match node.constant(threshold).and_then(Tensor::to_floats).as_deref() {
        Some(&[number]) => {
            let above = (number as f32).next_up().clamp(f32::MIN_POSITIVE, 1.0);
            node.add_const(Tensor::scalar(above))
        }
        _ => threshold,
    }
}

/// What `CombinedNonMaxSuppression` knows of its operands.
struct Combined {
    /// Extent of the batch, an i32 scalar.
    batch: Value,
    classes: i32,
    /// Boxes that are looked at, an i32 scalar.
    boxes: Value,
    /// How many boxes stand in one place: one for all classes, or one for each.
    own: i32,
    /// The most boxes kept of one class.
    most: i32,
}

/// `CombinedNonMaxSuppression`: of each class of each image the boxes that do not overlap better ones, then the best of all
/// classes. A loop goes through images and classes.
pub(super) fn combined(node: &mut Node<'_>) -> Imported {
    let (boxes, scores) = (node.value(0)?, node.value(1)?);
    let (per_class, total) = (node.int(2)?, node.int(3)?);
    let thresholds = [node.value(4)?, node.value(5)?];
    let thresholds = [overlap_above(node, thresholds[0]), thresholds[1]];
    let extent = |dims: &Shape, axis| dims.dim(axis).known().and_then(|n| i32::try_from(n).ok());
    if node.known_rank(boxes)? != 4 || node.known_rank(scores)? != 3 {
        return Err(node.error("boxes are of rank 4, and scores of rank 3"));
    }
    let count = extent(node.shape(scores), 1).or(extent(node.shape(boxes), 1));
    let (own, classes) = (extent(node.shape(boxes), 2), extent(node.shape(scores), 2));
    let (Some(own), Some(classes)) = (own, classes) else {
        return Err(Stop::Foreign);
    };
    let most = count.map_or(per_class, |count| per_class.min(count.into()));
    let (Ok(most), Ok(total)) = (i32::try_from(most), i32::try_from(total)) else {
        return Err(Stop::Foreign);
    };
    let all = per_class.saturating_mul(classes.into()).min(total.into()) as i32;
    let Some(places) = most.checked_mul(classes).filter(|&places| places > 0 && total > 0) else {
        return Err(Stop::Foreign);
    };
    let about = Combined {
        batch: node.extent(scores, 0)?,
        classes,
        boxes: node.extent(scores, 1)?,
        own,
        most,
    };
    let (kept, kept_scores) = about.kept(node, [boxes, scores], thresholds)?;

    let flat = node.add_ints(&[-1, places]);
    let (kept, kept_scores) = (node.add(Reshape {}, &[kept, flat])?, node.add(Reshape {}, &[kept_scores, flat])?);
    let best = total.min(places);
    let count = node.add_int(best);
    let found = node.add_many(TopkV2 {}, &[kept_scores, count])?;
    let (best_scores, place) = (found[0], found[1]);
    let none = node.number(f64::from(NO_SCORE), best_scores)?;
    let valid = node.add(Greater {}, &[best_scores, none])?;
    let ones = node.cast(valid, DType::I32)?;
    let axis = node.add_ints(&[1]);
    let number = node.add(Sum { keep_dims: false }, &[ones, axis])?;
    let most = node.add_int(most);
    let class = node.add(FloorDiv {}, &[place, most])?;
    let best_boxes = about.boxes_at(node, boxes, [kept, place, class])?;
    let best_boxes = if node.attr_bool_or("clip_boxes", true) {
        let (low, high) = (node.number(0.0, best_boxes)?, node.number(1.0, best_boxes)?);
        let below = node.add(Minimum {}, &[best_boxes, high])?;
        node.add(Maximum {}, &[below, low])?
    } else {
        best_boxes
    };

    let class = node.add(Cast { dtype: DType::F32 }, &[class])?;
    let zero = node.number(0.0, class)?;
    let dims = node.add_ints(&[-1, best, 1]);
    let valid_box = node.add(Reshape {}, &[valid, dims])?;
    let wanted = if node.attr_bool("pad_per_class") { all } else { total };
    let mut finished = |condition: Value, value: Value, rank: usize| -> Result<Value, Stop> {
        let value = node.add(SelectV2 {}, &[condition, value, zero])?;
        if wanted == best {
            return Ok(value);
        }
        let mut borders = vec![0; 2 * rank];
        borders[3] = wanted - best;
        let borders = node.add_const(Tensor::from_vec(&[rank, 2], borders));
        node.add(Pad {}, &[value, borders])
    };
    let results = [
        finished(valid_box, best_boxes, 3)?,
        finished(valid, best_scores, 2)?,
        finished(valid, class, 2)?,
    ];
    many([&results[..], &[number]].concat())
}

impl Combined {
    /// The indices of the boxes kept of each class of each image, and their scores: `[batch * classes, most]`.
    fn kept(&self, node: &mut Node<'_>, [boxes, scores]: [Value; 2], thresholds: [Value; 2]) -> Result<(Value, Value), Stop> {
        let turned = node.transposed(scores, &[0, 2, 1])?;
        let any = node.add_int(-1);
        let dims = node.packed(&[any, self.boxes])?;
        let scores = node.add(Reshape {}, &[turned, dims])?;
        let boxes = self.box_rows(node, boxes, 1)?;
        let (classes, most) = (node.add_int(self.classes), node.add_int(self.most));
        let rounds = mul(node, self.batch, classes)?;
        let dims = node.packed(&[rounds, most])?;
        let (no_index, no_score) = (node.add_int(0), node.add_const(Tensor::scalar(NO_SCORE)));
        let (kept, kept_scores) = (node.add(Fill {}, &[dims, no_index])?, node.add(Fill {}, &[dims, no_score])?);
        let first = node.add_int(0);
        let [overlap, least] = thresholds;
        let [.., kept, kept_scores] = node.looped(
            [first, rounds, boxes, scores, overlap, least, kept, kept_scores],
            |node, [round, rounds, ..]| node.add(Less {}, &[round, rounds]),
            |node, [round, rounds, boxes, scores, overlap, least, kept, kept_scores]| {
                let [found, found_scores] = self.of_one_class(node, round, [boxes, scores], [overlap, least])?;
                let zero = node.add_int(0);
                let start = node.packed(&[round, zero])?;
                let mut written = |all: Value, row: Value| -> Result<Value, Stop> {
                    let row = node.reshaped(row, &[1, self.most as usize])?;
                    node.add(DynamicUpdateSlice {}, &[all, row, start])
                };
                let (kept, kept_scores) = (written(kept, found)?, written(kept_scores, found_scores)?);
                let next = plus(node, round, 1.0)?;
                Ok([next, rounds, boxes, scores, overlap, least, kept, kept_scores])
            },
        )?;
        Ok((kept, kept_scores))
    }

    /// The indices and scores of what is kept of one class of one image, whose number this is.
    fn of_one_class(
        &self,
        node: &mut Node<'_>,
        round: Value,
        [boxes, scores]: [Value; 2],
        [overlap, least]: [Value; 2],
    ) -> Result<[Value; 2], Stop> {
        let row = Gather { axis: 0, batch_dims: 0 };
        let scores = node.add(row.clone(), &[scores, round])?;
        let box_row = if self.own == 1 {
            let classes = node.add_int(self.classes);
            node.add(FloorDiv {}, &[round, classes])?
        } else {
            round
        };
        let boxes = node.add(row.clone(), &[boxes, box_row])?;
        let most = node.add_int(self.most);
        let found = node.add_many(NonMaxSuppressionV4 {}, &[boxes, scores, most, overlap, least])?;
        let scores = node.add(row, &[scores, found[0]])?;
        let numbers = node.numbers_below(most)?;
        let taken = node.add(Less {}, &[numbers, found[1]])?;
        let none = node.number(f64::from(NO_SCORE), scores)?;
        Ok([found[0], node.add(SelectV2 {}, &[taken, scores, none])?])
    }

    /// The boxes in these places of what was kept, whose classes are known.
    fn boxes_at(&self, node: &mut Node<'_>, boxes: Value, [kept, place, class]: [Value; 3]) -> Result<Value, Stop> {
        let of_each = Gather { axis: 1, batch_dims: 1 };
        let mut index = node.add(of_each.clone(), &[kept, place])?;
        if self.own > 1 {
            let first = mul(node, class, self.boxes)?;
            index = add(node, index, first)?;
        }
        let rows = self.box_rows(node, boxes, self.own)?;
        node.add(of_each, &[rows, index])
    }

    /// `[batch, boxes, 1 or classes, 4]` in rows of the boxes of so many classes each.
    fn box_rows(&self, node: &mut Node<'_>, boxes: Value, classes: i32) -> Result<Value, Stop> {
        let turned = if self.own > 1 {
            node.transposed(boxes, &[0, 2, 1, 3])?
        } else {
            boxes
        };
        let count = match node.known_ints(self.boxes).as_deref() {
            Some(&[boxes]) => node.number(boxes as f64 * f64::from(classes), self.boxes)?,
            _ if classes == 1 => self.boxes,
            _ => {
                let classes = node.add_int(classes);
                mul(node, self.boxes, classes)?
            }
        };
        let (any, corners) = (node.add_int(-1), node.add_int(4));
        let dims = node.packed(&[any, count, corners])?;
        node.add(Reshape {}, &[turned, dims])
    }
}
