//! Folds batch normalization by constant statistics into the weights and bias of the operation before it.
//!
//! With `m = scale / √(variance + epsilon)`: `m × (w · x + b - mean) + offset = (m × w) · x + m × (b - mean) + offset`,
//! computed in float64.

use planish_core::attr::Activation;
use planish_core::{Graph, Op, OpRef, PassEntry, Rule, Skip, Tensor, Value, inventory};

use crate::affine::Affine;

/// Folds `batch_norm` into the convolution or product before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FoldBatchNorm;

/// The operation with its new weights and bias.
pub struct Match(Affine);

/// Batch normalization by constants as `factors × x + shift`.
pub(crate) struct Statistics {
    /// What each channel is multiplied with.
    pub(crate) factors: Vec<f64>,
    /// What is then added to each channel.
    pub(crate) shift: Vec<f64>,
}

impl Statistics {
    /// The statistics of a `batch_norm`, where all of them are constants.
    pub(crate) fn of(op: OpRef<'_>) -> Option<Statistics> {
        let Op::BatchNorm(norm) = op.op() else { return None };
        let vector = |operand| op.operand(operand)?.constant().and_then(Tensor::to_floats);
        let (scale, offset, mean, variance) = (vector(1)?, vector(2)?, vector(3)?, vector(4)?);
        let channels = variance.len();
        if [&scale, &offset, &mean].iter().any(|v| v.len() != channels) {
            return None;
        }
        let epsilon = f64::from(norm.epsilon);
        let factors: Vec<f64> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
        let shift = factors.iter().zip(mean).zip(offset).map(|((f, m), o)| o - f * m).collect();
        Some(Statistics { factors, shift })
    }
}

impl Rule for FoldBatchNorm {
    const NAME: &'static str = "fold_batch_norm";
    const SUMMARY: &'static str = "folds batch normalization into the weights and bias of the operation before it";
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        if !matches!(op.op(), Op::BatchNorm(_)) {
            return Err(Skip::No);
        }
        let Some(statistics) = Statistics::of(op) else {
            return Err(Skip::because("its statistics are not constants"));
        };
        let affine = match Affine::behind(op.operand(0).ok_or(Skip::No)?) {
            Err(Skip::No) => return Err(Skip::because("no convolution or product is before it")),
            other => other?,
        };
        if affine.channels() != statistics.factors.len() {
            return Err(Skip::because("its channels are not the ones of the operation before it"));
        }
        let affine = affine.scaled(op.graph(), &statistics.factors)?;
        Ok(Match(affine.shifted(&statistics.shift)))
    }

    fn rewrite(&self, Match(found): Match, graph: &mut Graph) -> Vec<Value> {
        vec![found.build(Activation::None, graph)]
    }
}

inventory::submit! { PassEntry::of::<FoldBatchNorm>() }
