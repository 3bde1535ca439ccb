//! Computes fake quantization of constants, and writes that of other values with integers.
//!
//! The range is moved so that 0 is one of the levels: with levels `l` to `h` and `scale = (max - min) / (h - l)`, level
//! `z = round(clamp(l - min / scale, l, h))` stands for 0. With 8 bits the levels are those of int8, so that the pair of
//! `quantize` and `dequantize` does the same, which runtimes have fast kernels for; narrower levels need a clamp before.

use planish_core::attr::Rounding;
use planish_core::op::{Dequantize, Maximum, Minimum, Quantize, Round};
use planish_core::{DType, Graph, Meaning, Op, OpRef, PassEntry, Quant, Rule, Skip, Tensor, Value, ValueInfo, inventory};

use crate::arithmetic::mul;
use crate::matching::is_f32;

/// Folds `fake_quant` of constants, and turns others into `quantize` and `dequantize`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LowerFakeQuant;

/// The levels that values are rounded to.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Levels {
    lowest: i64,
    highest: i64,
    zero: i64,
    scale: f32,
    inverse: f32,
}

impl Levels {
    fn new(min: f32, max: f32, num_bits: i32, narrow_range: bool) -> Option<Levels> {
        if !(2..=16).contains(&num_bits) || !min.is_finite() || !max.is_finite() || min >= max {
            return None;
        }
        let (lowest, highest) = (i64::from(narrow_range), (1i64 << num_bits) - 1);
        let steps = (highest - lowest) as f32;
        let (scale, inverse) = ((max - min) / steps, steps / (max - min));
        let zero = (lowest as f32 - min / scale).clamp(lowest as f32, highest as f32).round() as i64;
        (scale.is_normal() && inverse.is_normal()).then_some(Levels {
            lowest,
            highest,
            zero,
            scale,
            inverse,
        })
    }

    /// What the lowest and highest levels stand for.
    fn bounds(self) -> (f32, f32) {
        let at = |level: i64| (level - self.zero) as f32 * self.scale;
        (at(self.lowest), at(self.highest))
    }

    fn round(self, x: f32) -> f32 {
        let (low, high) = self.bounds();
        let steps = (x.max(low).min(high) - low) * self.inverse + (self.lowest - self.zero) as f32;
        (steps + 0.5).floor() * self.scale
    }
}

/// The levels and the input, and its data where that is constant.
pub struct Match {
    levels: Levels,
    input: Value,
    constant: Option<Tensor>,
}

impl Rule for LowerFakeQuant {
    const NAME: &'static str = "lower_fake_quant";
    const SUMMARY: &'static str = "folds fake quantization of constants and writes others as quantize and dequantize";
    /// Halves between two levels may be rounded to the other one.
    const MEANING: Meaning = Meaning::Quantized;
    type Match = Match;

    fn find(&self, op: OpRef<'_>) -> Result<Match, Skip> {
        let Op::FakeQuant(fake) = op.op() else { return Err(Skip::No) };
        let input = op.operand(0).filter(|v| is_f32(*v)).ok_or(Skip::No)?;
        let levels = Levels::new(fake.min, fake.max, fake.num_bits, fake.narrow_range).ok_or_else(|| {
            Skip::because(format!(
                "{} bits between {} and {} have no levels",
                fake.num_bits, fake.min, fake.max
            ))
        })?;
        let constant = input.constant().cloned();
        if constant.is_none() && fake.num_bits > 8 && !fake.narrow_range {
            return Err(Skip::No);
        }
        Ok(Match {
            levels,
            input: input.id(),
            constant,
        })
    }

    fn rewrite(&self, found: Match, graph: &mut Graph) -> Vec<Value> {
        let levels = found.levels;
        if let Some(constant) = found.constant {
            let rounded = constant.to_vec::<f32>().into_iter().map(|x| levels.round(x)).collect();
            let name = graph.info(found.input).name.clone();
            let folded = graph.add_const(Tensor::from_vec(constant.dims(), rounded));
            graph.info_mut(folded).name = name;
            return vec![folded];
        }
        let (low, high) = levels.bounds();
        let wide = levels.highest > 255;
        let mut value = found.input;
        if wide || levels.lowest > 0 {
            let low = graph.add_float(low);
            value = graph.add(Maximum {}, &[value, low]);
        }
        if wide || levels.highest < 255 {
            let high = graph.add_float(high);
            value = graph.add(Minimum {}, &[value, high]);
        }
        if wide {
            let (inverse, scale) = (graph.add_float(levels.inverse), graph.add_float(levels.scale));
            let steps = mul(graph, value, inverse);
            let rounded = graph.add(Round {}, &[steps]);
            return vec![mul(graph, rounded, scale)];
        }
        let quant = Quant::per_tensor(levels.scale, levels.zero - 128).expect("the scale is normal and positive");
        let real = graph.ty(found.input).clone();
        let stored = ValueInfo::new(real.with_dtype(DType::I8).with_quant(Some(quant)));
        let op = graph.add_declared(
            Quantize {
                rounding: Rounding::Nearest,
            },
            &[Some(value)],
            vec![stored],
        );
        let quantized = Value { op, port: 0 };
        vec![graph.add_typed(Dequantize {}, &[quantized], real)]
    }
}

inventory::submit! { PassEntry::of::<LowerFakeQuant>() }
