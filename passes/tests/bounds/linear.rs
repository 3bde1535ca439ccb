//! Operations that are linear in their input and in their weight, as models of one operation.

use planish_core::attr::{Activation, Padding, WeightsFormat};
use planish_core::op::{BatchMatmul, Conv2d, DepthwiseConv2d, EmbeddingLookup, FullyConnected, Gather, TransposeConv};
use planish_core::{DType, Graph, Model, Op, Shape, Signature, Tensor, Type, Value, ValueInfo};
use planish_kernels::interpret::Interpreter;

/// An operation that is linear in its input and in its weight, and what its shapes are.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub(crate) op: Op,
    pub(crate) input: Vec<usize>,
    pub(crate) weight: Vec<usize>,
    /// The shape of the result, where the operation is told.
    pub(crate) output: Option<[i32; 4]>,
    /// How many elements of the input are quantized together.
    pub(crate) unit: usize,
}

impl Linear {
    /// The model of this one operation.
    pub(crate) fn model(&self, weight: &[f32]) -> Model {
        let mut graph = Graph::new("main");
        let dtype = if self.looks_up() { DType::I32 } else { DType::F32 };
        let input = graph.add_parameter(ValueInfo::named(Type::new(dtype, Shape::fixed(&self.input)), "input"));
        let weight = graph.add_const(Tensor::from_vec(&self.weight, weight.to_vec()));
        let operands: Vec<Value> = match (&self.op, self.output) {
            (Op::Gather(_), _) => vec![weight, input],
            (_, Some(output)) => vec![graph.add_const(Tensor::from_vec(&[4], output.to_vec())), weight, input],
            _ => vec![input, weight],
        };
        let result = graph.add(self.op.clone(), &operands);
        graph.set_results(&[result]);
        let mut model = Model::new();
        let graph = model.add_graph(graph);
        model.signatures.push(Signature {
            name: "serving_default".into(),
            graph,
            inputs: vec!["input".into()],
            outputs: vec!["output".into()],
        });
        model
    }

    pub(crate) fn looks_up(&self) -> bool {
        matches!(self.op, Op::Gather(_) | Op::EmbeddingLookup(_))
    }

    pub(crate) fn input_tensor(&self, input: &[f32]) -> Tensor {
        if self.looks_up() {
            Tensor::from_vec(&self.input, input.iter().map(|&x| x as i32).collect())
        } else {
            Tensor::from_vec(&self.input, input.to_vec())
        }
    }

    /// The results for this input and weight, without an activation.
    pub(crate) fn apply(&self, input: &[f64], weight: &[f64]) -> Vec<f64> {
        let float = |numbers: &[f64]| numbers.iter().map(|&x| x as f32).collect::<Vec<f32>>();
        let plain = Linear {
            op: without_activation(self.op.clone()),
            ..self.clone()
        };
        run(&plain.model(&float(weight)), plain.input_tensor(&float(input)))
            .into_iter()
            .map(f64::from)
            .collect()
    }

    /// How many products each result is a sum of: the sum of ones.
    pub(crate) fn terms(&self, input: &[f64]) -> Vec<f64> {
        let ones = |count: usize| vec![1.0; count];
        let (_, weights) = self.elements();
        self.apply(&if self.looks_up() { input.to_vec() } else { ones(input.len()) }, &ones(weights))
    }

    pub(crate) fn elements(&self) -> (usize, usize) {
        (self.input.iter().product(), self.weight.iter().product())
    }
}

fn without_activation(mut op: Op) -> Op {
    match &mut op {
        Op::FullyConnected(op) => op.activation = Activation::None,
        Op::Conv2d(op) => op.activation = Activation::None,
        Op::DepthwiseConv2d(op) => op.activation = Activation::None,
        Op::TransposeConv(op) => op.activation = Activation::None,
        _ => {}
    }
    op
}

pub(crate) fn run(model: &Model, input: Tensor) -> Vec<f32> {
    let results = Interpreter::new(model).run(model.graph_ids()[0], &[input]);
    results.expect("a model of one operation runs")[0].to_vec()
}

pub(crate) fn fully_connected(rows: usize, depth: usize, outputs: usize, activation: Activation) -> Linear {
    Linear {
        op: FullyConnected {
            activation,
            keep_num_dims: true,
            asymmetric_quantize_inputs: false,
            weights_format: WeightsFormat::Plain,
        }
        .into(),
        input: vec![rows, depth],
        weight: vec![outputs, depth],
        output: None,
        unit: depth,
    }
}

pub(crate) fn batch_matmul(rows: usize, depth: usize, outputs: usize, adj_y: bool) -> Linear {
    Linear {
        op: BatchMatmul {
            adj_x: false,
            adj_y,
            asymmetric_quantize_inputs: false,
        }
        .into(),
        input: vec![rows, depth],
        weight: if adj_y { vec![outputs, depth] } else { vec![depth, outputs] },
        output: None,
        unit: depth,
    }
}

/// A convolution of images of 5 by 4, with weights for the channels of one of `groups`.
pub(crate) fn conv_2d(images: usize, groups: usize, outputs: usize, kernel: usize, padding: Padding, activation: Activation) -> Linear {
    let channels = 2 * groups;
    Linear {
        op: Conv2d {
            padding,
            stride: [1, 2],
            dilation: [1, 1],
            activation,
        }
        .into(),
        input: vec![images, 5, 4, channels],
        weight: vec![outputs * groups, kernel, kernel, channels / groups],
        output: None,
        unit: 20 * channels,
    }
}

pub(crate) fn depthwise_conv_2d(images: usize, channels: usize, multiplier: usize, padding: Padding, activation: Activation) -> Linear {
    Linear {
        op: DepthwiseConv2d {
            padding,
            stride: [1, 1],
            dilation: [1, 1],
            depth_multiplier: multiplier as u32,
            activation,
        }
        .into(),
        input: vec![images, 4, 5, channels],
        weight: vec![1, 3, 3, channels * multiplier],
        output: None,
        unit: 20 * channels,
    }
}

pub(crate) fn transpose_conv(images: usize, channels: usize, outputs: usize) -> Linear {
    Linear {
        op: TransposeConv {
            padding: Padding::Same,
            stride: [2, 2],
            activation: Activation::None,
        }
        .into(),
        input: vec![images, 3, 2, channels],
        weight: vec![outputs, 3, 3, channels],
        output: Some([images as i32, 6, 4, outputs as i32]),
        unit: 6 * channels,
    }
}

pub(crate) fn gather(rows: usize, width: usize) -> Linear {
    Linear {
        op: Gather { axis: 0, batch_dims: 0 }.into(),
        input: vec![3],
        weight: vec![rows, width],
        output: None,
        unit: 0,
    }
}

pub(crate) fn embedding_lookup(rows: usize, width: usize) -> Linear {
    Linear {
        op: EmbeddingLookup {}.into(),
        ..gather(rows, width)
    }
}
