//! What configures post-training quantization.

use serde::{Deserialize, Serialize};

use crate::target::Target;

/// How many scales a weight has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// One for each channel, where the kernels that read the weight take that; one for some weights of many channels where a
    /// large network would not become small enough otherwise.
    #[default]
    PerChannel,
    /// One for the whole weight.
    PerTensor,
}

/// Which networks' weights are rounded in balance, so that the errors of a channel that reads features sum to almost nothing, and
/// single ones are up to three quarters of a step instead of a half.
///
/// Results move less on average, but may move more for one input or another than those of weights rounded to nearest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// None's: every weight is rounded to nearest.
    Never,
    /// Those of networks with depthwise convolutions, which quantization costs most; others have TensorFlow's integers.
    #[default]
    WithDepthwise,
    /// All networks'.
    Always,
}

/// Which networks have 16-bit floats for weights that the target makes real before it reads them, such as filters of depthwise and
/// narrow convolutions: few weights, early ones first, as far as they add no more than a fiftieth and 6 KiB to the bytes, a tenth
/// at most. A network of at least 8 MiB still becomes `times_smaller` smaller.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Halves {
    /// None: such weights are int8, too.
    Never,
    /// Those with depthwise convolutions, which quantization costs most.
    #[default]
    WithDepthwise,
}

/// What configures [`PostTrainingQuantize`](crate::PostTrainingQuantize).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuantizeOptions {
    /// How many scales a weight has.
    pub granularity: Granularity,
    /// Weights of fewer elements stay float, as far as the network becomes small enough so.
    pub min_elements: usize,
    /// How many times smaller than in float a network of at least 8 MiB is to become: where it would not, late weights and
    /// those of gates have one scale instead of many, and weights of few elements are rounded too, except in first layers.
    /// Rounding noise may be doubled for it; where that is not enough, nothing is given up. 1 turns it off.
    pub times_smaller: f64,
    /// A recurrent cell of fewer inputs and units together has one scale for each of its two weights, and a table of shorter rows
    /// that are looked up one scale for all, if rows are of like range: one for each row would take more than a hundredth of
    /// their room.
    pub per_tensor_fan_in: usize,
    /// Which networks' weights that meet the features of convolutions are rounded in balance.
    pub balance: Balance,
    /// Which networks have 16-bit floats where the target has no kernel for integers.
    pub halves: Halves,
    /// Where the model will run, which says what is made real. [`pipelines::quantize`](crate::pipelines::quantize) sets it to the
    /// target of its other passes.
    pub target: Target,
    /// Operations whose name, or whose weight's name, matches one of these regular expressions stay float.
    pub skip: Vec<String>,
}

impl Default for QuantizeOptions {
    fn default() -> QuantizeOptions {
        QuantizeOptions {
            granularity: Granularity::PerChannel,
            min_elements: 1024,
            times_smaller: 3.8,
            per_tensor_fan_in: 1500,
            balance: Balance::default(),
            halves: Halves::default(),
            skip: Vec::new(),
            target: Target::default(),
        }
    }
}
