//! Non-maximum suppression of boxes, hard and soft.
//!
//! Soft: Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code" (ICCV 2017), with a Gaussian.

use planish_core::Tensor;

use super::args::{Args, invalid};
use crate::error::Error;

/// A box that may be chosen.
struct Candidate {
    index: usize,
    score: f32,
    /// How many of the chosen boxes it has been compared with.
    compared: usize,
}

/// The share of two boxes' union that is in both; corners may come in any order.
fn overlap(a: &[f32], b: &[f32]) -> f32 {
    let sides = |c: &[f32]| [c[0].min(c[2]), c[1].min(c[3]), c[0].max(c[2]), c[1].max(c[3])];
    let (a, b) = (sides(a), sides(b));
    let area = |c: [f32; 4]| (c[2] - c[0]) * (c[3] - c[1]);
    if area(a) <= 0.0 || area(b) <= 0.0 {
        return 0.0;
    }
    let height = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let width = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let both = height * width;
    both / (area(a) + area(b) - both)
}

/// Indices of the chosen boxes, their scores where `soft`, and their number; padded with zeros to `max_output_size`.
pub(crate) fn non_max_suppression(args: &Args<'_>, soft: bool) -> Result<Vec<Tensor>, Error> {
    let [count, four] = args.dims::<2>(0)?;
    let (boxes, scores) = (args.elements::<f32>(0)?, args.elements::<f32>(1)?);
    if four != 4 || scores.len() != count {
        return invalid(format!("boxes {} and scores {} do not fit", args.get(0)?.ty(), args.get(1)?.ty()));
    }
    let most = usize::try_from(args.int(2)?).map_err(|_| args.bad(2, "is negative"))?;
    let (iou_threshold, score_threshold) = (args.float(3)?, args.float(4)?);
    let sigma = if soft { args.float(5)? } else { 0.0 };
    if sigma < 0.0 {
        return Err(args.bad(5, "is negative"));
    }
    let mut indices = args.alloc::<i32>(&[most], 0)?;
    let mut kept = args.alloc::<f32>(&[most], 0.0)?;
    let mut chosen: Vec<usize> = Vec::new();
    let mut open: Vec<Candidate> = (0..count)
        .filter(|&index| scores[index] > score_threshold)
        .map(|index| Candidate {
            index,
            score: scores[index],
            compared: 0,
        })
        .collect();
    // The best comes last; of equal scores the one of the smaller index.
    let order = |a: &Candidate, b: &Candidate| a.score.total_cmp(&b.score).then(b.index.cmp(&a.index));
    open.sort_by(order);
    while chosen.len() < most {
        let Some(mut best) = open.pop() else { break };
        let before = best.score;
        let mut dropped = false;
        for &other in chosen[best.compared..].iter().rev() {
            let overlap = overlap(&boxes[best.index * 4..][..4], &boxes[other * 4..][..4]);
            if sigma > 0.0 {
                best.score *= (-0.5 / sigma * overlap * overlap).exp();
            }
            dropped = overlap >= iou_threshold || best.score <= score_threshold;
            if dropped {
                break;
            }
        }
        best.compared = chosen.len();
        if dropped {
            continue;
        }
        if best.score == before {
            indices[chosen.len()] = best.index as i32;
            kept[chosen.len()] = best.score;
            chosen.push(best.index);
        } else {
            let at = open.partition_point(|c| order(c, &best).is_lt());
            open.insert(at, best);
        }
    }
    let number = Tensor::scalar(chosen.len() as i32);
    let indices = Tensor::from_vec(&[most], indices);
    Ok(if soft {
        vec![indices, Tensor::from_vec(&[most], kept), number]
    } else {
        vec![indices, number]
    })
}
