//! Random models that run: small networks, with a bound on how far rounding may move each value.

mod motifs;
mod steps;

use planish_core::attr::Rounding;
use planish_core::op::{Dequantize, Quantize};
use planish_core::{DType, Dim, Graph, Model, Op, Quant, Shape, Signature, Tensor, Type, Value, ValueInfo};
use planish_kernels::interpret::evaluate;

/// What one step is made from: its kind, the operand, and two numbers for the rest.
pub type Step = [u16; 4];

/// A value of a larger magnitude than this is not used on: squares would leave the range of floats.
const MOST: f64 = 1e4;

/// Half a unit in the last place of 1.
const EPSILON: f64 = 1.0 / (1u64 << 24) as f64;

/// Rounding to 255 levels moves a number by no more than this part of the greatest one; a little is left for the
/// rounding of the scale itself.
const HALF_STEP: f64 = 1.001 / 254.0;

/// How far a value may move at most, in the maximum norm.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Bound {
    /// Where float arithmetic is done in another order.
    pub rounding: f64,
    /// Where products are done with quantized weights and inputs.
    pub quantizing: f64,
}

/// A model that runs on these inputs.
#[derive(Clone, Debug)]
pub struct RandomModel {
    /// The model: one graph, one signature.
    pub model: Model,
    /// One tensor for each parameter.
    pub inputs: Vec<Tensor>,
    /// For each result, how far it may move.
    pub bounds: Vec<Bound>,
}

/// A value of the graph, and what the model computes for it.
#[derive(Clone)]
struct Known {
    value: Value,
    tensor: Tensor,
    bound: Bound,
}

impl Known {
    fn dims(&self) -> &[usize] {
        self.tensor.dims()
    }

    fn rank(&self) -> usize {
        self.dims().len()
    }

    fn peak(&self) -> f64 {
        peak(&self.tensor)
    }
}

fn peak(tensor: &Tensor) -> f64 {
    tensor.to_vec::<f32>().iter().fold(0.0, |most, v| most.max(f64::from(v.abs())))
}

/// Whether steps can go on from these numbers.
fn usable(tensor: &Tensor) -> bool {
    tensor.dtype() == DType::F32
        && (1..=4096).contains(&tensor.elements())
        && peak(tensor) <= MOST
        && tensor.to_vec::<f32>().iter().all(|v| v.is_finite())
}

struct Builder {
    /// The graphs that loops call.
    model: Model,
    graph: Graph,
    known: Vec<Known>,
    random: u64,
}

impl RandomModel {
    /// The model of this recipe. Every recipe gives one; steps that do not fit what is there are left out.
    pub fn build(recipe: &[Step]) -> RandomModel {
        let first = recipe.first().copied().unwrap_or_default();
        let shapes: [&[usize]; 8] = [
            &[2, 4],
            &[1, 6, 6, 3],
            &[2, 5, 4, 2],
            &[1, 32],
            &[2, 3, 4],
            &[1, 4, 4, 1],
            &[3, 1, 5],
            &[2, 6, 6, 2],
        ];
        let mut b = Builder {
            model: Model::new(),
            graph: Graph::new("main"),
            known: Vec::new(),
            random: u64::from(first[3]),
        };
        // Whether only running the model tells how many examples there are.
        let open = first[2] / 2 % 2 == 1;
        let mut inputs = Vec::new();
        for number in 0..1 + usize::from(first[2] % 2) {
            let dims = shapes[usize::from(first[1]) % shapes.len()];
            let tensor = b.numbers(dims);
            let mut ty = tensor.ty();
            if open {
                ty.shape = Shape::new(std::iter::once(Dim::Unknown).chain(dims[1..].iter().map(|&d| Dim::Known(d))));
            }
            let value = b.graph.add_parameter(ValueInfo::named(ty, &format!("input{number}")));
            inputs.push(tensor.clone());
            b.known.push(Known {
                value,
                tensor,
                bound: Bound::default(),
            });
        }
        for &step in recipe {
            b.random ^= u64::from(step[2]) << 32 | u64::from(step[3]) << 16;
            b.step(step);
        }
        let last = b.known.len() - 1;
        // What nothing reads is a result, and sometimes a value that is read as well.
        let read = |i: usize| !b.graph.uses(b.known[i].value).is_empty();
        let mut results: Vec<usize> = (0..last).filter(|&i| !read(i)).chain([last]).collect();
        if first[3] % 4 == 0 && last > 1 && read(last - 1) {
            results.push(last - 1);
        }
        let values: Vec<Value> = results.iter().map(|&i| b.known[i].value).collect();
        let bounds = results.iter().map(|&i| b.known[i].bound).collect();
        b.graph.set_results(&values);
        let mut model = b.model;
        let names = |stem: &str, n: usize| (0..n).map(|i| format!("{stem}{i}")).collect();
        let graph = model.add_graph(b.graph);
        model.signatures.push(Signature {
            name: "serving_default".into(),
            graph,
            inputs: names("input", inputs.len()),
            outputs: names("output", results.len()),
        });
        model.sweep();
        RandomModel { model, inputs, bounds }
    }
}

impl Builder {
    fn bits(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Numbers in [-1, 1), some of them exactly 0.
    fn numbers(&mut self, dims: &[usize]) -> Tensor {
        let count = dims.iter().product();
        let number = |b: &mut Self| match b.bits() {
            bits if bits % 16 == 0 => 0.0,
            bits => (bits >> 40) as f32 / (1 << 23) as f32 - 1.0,
        };
        Tensor::from_vec(dims, (0..count).map(|_| number(self)).collect())
    }

    fn constant(&mut self, tensor: Tensor) -> Known {
        Known {
            value: self.graph.add_const(tensor.clone()),
            tensor,
            bound: Bound::default(),
        }
    }

    fn ints(&mut self, values: &[i32]) -> Known {
        self.constant(Tensor::from_vec(&[values.len()], values.to_vec()))
    }

    /// Adds an operation if it fits and runs: its result may move by `gain` times what an operand may, and by `own`.
    fn add(&mut self, op: impl Into<Op>, operands: &[&Known], gain: f64, own: Bound) -> Option<Known> {
        let op = op.into();
        let values: Vec<Option<Value>> = operands.iter().map(|k| Some(k.value)).collect();
        let tensors: Vec<Option<&Tensor>> = operands.iter().map(|k| Some(&k.tensor)).collect();
        let id = self.graph.try_add(op.clone(), &values).ok()?;
        let value = self.graph.results_of(id)[0];
        let tensor = evaluate(&op, &tensors, &[self.graph.ty(value).clone()]).ok()?.into_iter().next()?;
        if !usable(&tensor) {
            return None;
        }
        let worst = |of: fn(&Bound) -> f64| operands.iter().map(|k| of(&k.bound)).fold(0.0, f64::max);
        let number = self.graph.len();
        self.graph.info_mut(value).name = Some(format!("v{number}").into());
        Some(Known {
            value,
            tensor,
            bound: Bound {
                rounding: gain * worst(|b| b.rounding) + own.rounding,
                quantizing: gain * worst(|b| b.quantizing) + own.quantizing,
            },
        })
    }

    /// Adds an operation that moves elements or takes them apart one by one, each rounded `roundings` times.
    fn simple(&mut self, op: impl Into<Op>, operands: &[&Known], gain: f64, roundings: f64) -> Option<Known> {
        let floats = operands.iter().filter(|k| k.tensor.dtype() == DType::F32);
        let size: f64 = floats.map(|k| k.peak()).sum::<f64>() * gain.max(1.0) + 1.0;
        let own = Bound {
            rounding: roundings * EPSILON * size,
            quantizing: 0.0,
        };
        self.add(op, operands, gain, own)
    }

    /// What a product of `input` with constant weights adds, and its gain: the greatest sum of magnitudes of a row.
    fn product(&self, input: &Known, weights: &Tensor, channel_axis: usize) -> (f64, Bound) {
        let dims = weights.dims();
        let inner: usize = dims[channel_axis + 1..].iter().product();
        let mut rows = vec![0.0f64; dims[channel_axis]];
        for (place, w) in weights.to_vec::<f32>().into_iter().enumerate() {
            rows[place / inner % dims[channel_axis]] += f64::from(w.abs());
        }
        let terms = (weights.elements() / rows.len()) as f64;
        let gain = rows.into_iter().fold(0.0, f64::max);
        let x = input.peak() + input.bound.quantizing;
        // In balance an error is up to three quarters of a step.
        let weight_error = 1.5 * HALF_STEP * peak(weights);
        let own = Bound {
            rounding: 4.0 * (terms + 8.0) * EPSILON * (gain * x + 1.0),
            quantizing: terms * weight_error * x + HALF_STEP * x * (gain + terms * weight_error),
        };
        (gain, own)
    }

    /// The weights as they are, or behind `quantize` and `dequantize`.
    fn weights(&mut self, tensor: Tensor, quantized: bool) -> Known {
        let weights = self.constant(tensor);
        let scale = (weights.peak() / 127.0) as f32;
        let (true, Ok(quant)) = (quantized, Quant::per_tensor(scale, 0)) else {
            return weights;
        };
        let ty = Type::new(DType::I8, Shape::fixed(weights.dims())).with_quant(Some(quant));
        let quantize = Quantize {
            rounding: Rounding::Nearest,
        };
        let stored = self.graph.add_typed(quantize.clone(), &[weights.value], ty.clone());
        let Ok(rounded) = evaluate(&quantize.into(), &[Some(&weights.tensor)], std::slice::from_ref(&ty)) else {
            return weights;
        };
        let back = Type::new(DType::F32, ty.shape);
        let Ok(mut reals) = evaluate(&Dequantize {}.into(), &[rounded.first()], std::slice::from_ref(&back)) else {
            return weights;
        };
        Known {
            value: self.graph.add_typed(Dequantize {}, &[stored], back),
            tensor: reals.remove(0),
            bound: Bound::default(),
        }
    }
}
