//! What a runtime can execute with integer weights, and whether that is worth it.
//!
//! A target is a table: for an operation, which form its quantized weights should take. The figures behind the tables
//! are measured with LiteRT and XNNPACK on one core; ratios, not milliseconds, carry over to other machines.

use std::fmt;
use std::str::FromStr;

use planish_core::attr::AttrType;
use planish_core::{DType, Error, OpRef};
use serde::{Deserialize, Serialize};

use crate::fuse_lstm::FuseLstmOptions;
use crate::quantize_options::QuantizeOptions;
use crate::weights::Weight;

mod litert;
mod litert_builtin;
mod planish;

/// Where a model will run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// LiteRT as it comes: XNNPACK takes what it can, builtin kernels the rest.
    #[default]
    Litert,
    /// LiteRT without XNNPACK.
    LitertBuiltin,
    /// The kernels of this library.
    Planish,
}

impl Target {
    /// Every target.
    pub const ALL: &'static [Target] = &[Target::Litert, Target::LitertBuiltin, Target::Planish];

    /// The option of passes that choose for a target, as [`Pass::OPTIONS`](planish_core::Pass::OPTIONS) lists it.
    pub(crate) const OPTION: (&'static str, &'static str) = ("target", "where the model will run: litert, litert_builtin or planish");

    /// The name on command lines and in pipelines.
    pub fn name(self) -> &'static str {
        match self {
            Target::Litert => "litert",
            Target::LitertBuiltin => "litert_builtin",
            Target::Planish => "planish",
        }
    }

    /// The target of this name.
    pub fn from_name(name: &str) -> Option<Target> {
        Target::ALL.iter().copied().find(|t| t.name() == name)
    }

    /// What this runtime does with an operation whose weight is stored as integers.
    pub fn quantized(self, op: OpRef<'_>, weight: Weight) -> Verdict {
        match self {
            Target::Litert => litert::quantized(op, weight),
            Target::LitertBuiltin => litert_builtin::quantized(op, weight),
            Target::Planish => planish::quantized(op, weight),
        }
    }

    /// Which recurrent layers are better as one fused operator than as loops, in a float model or one that is going to be
    /// quantized with these options.
    pub fn fused_layers(self, quantized: Option<&QuantizeOptions>) -> FuseLstmOptions {
        match self {
            Target::Litert => litert::fused_layers(quantized),
            Target::LitertBuiltin => FuseLstmOptions::default(),
            Target::Planish => FuseLstmOptions {
                max_fan_in: 0,
                ..FuseLstmOptions::default()
            },
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(name: &str) -> Result<Target, Error> {
        let unknown = || Error::Options(format!("there is no target `{name}`; expected {}", Target::expected()));
        Target::from_name(name).ok_or_else(unknown)
    }
}

impl AttrType for Target {
    fn to_attr(&self) -> planish_core::attr::Attr {
        planish_core::attr::Attr::Word(self.name().into())
    }
    fn from_attr(attr: &planish_core::attr::Attr) -> Option<Target> {
        match attr {
            planish_core::attr::Attr::Word(word) => Target::from_name(word),
            _ => None,
        }
    }
    fn expected() -> String {
        format!("one of {}", Target::ALL.iter().map(|t| t.name()).collect::<Vec<_>>().join(", "))
    }
}

/// How a target prefers an operation's quantized weight, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A kernel reads the integers, and is faster than float.
    Hybrid(&'static str),
    /// Integers in the file, made float before they are used.
    WeightOnly(&'static str),
    /// Better left float.
    Float(&'static str),
}

/// Whether the activations of an operation are f32, which hybrid kernels ask for.
fn float_activations(op: OpRef<'_>, operand: usize) -> bool {
    op.operand(operand).is_some_and(|v| v.ty().dtype == DType::F32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_are_displayed() {
        for &target in Target::ALL {
            assert_eq!(target.to_string().parse::<Target>().expect("its own name"), target);
        }
        let error = "tpu".parse::<Target>().expect_err("there is none").to_string();
        assert_eq!(error, "there is no target `tpu`; expected one of litert, litert_builtin, planish");
    }
}
