//! Operations of the form `weights · input + bias`: where their operands and output channels are, and the same
//! operation with its channels scaled and shifted.

use planish_core::attr::Activation;
use planish_core::{Graph, OpId, OpKind, OpRef, Skip, Tensor, Value, ValueRef};

use crate::matching::{activation, is_f32, read_once, with_activation};

/// Where an affine operation has what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Layout {
    /// Which operand the input is.
    pub(crate) input: usize,
    /// Which operand the weights are.
    pub(crate) weights: usize,
    /// Which operand the bias is.
    pub(crate) bias: usize,
    /// The axis of the weights along which output channels lie; the result's are always last.
    pub(crate) channel_axis: usize,
}

/// The layout of a kind of operation, where it is affine.
pub(crate) fn layout(kind: OpKind) -> Option<Layout> {
    let (input, bias, channel_axis) = match kind {
        OpKind::Conv2d | OpKind::FullyConnected => (0, 2, 0),
        OpKind::DepthwiseConv2d => (0, 2, 3),
        OpKind::Conv3d => (0, 2, 4),
        OpKind::TransposeConv => (2, 3, 0),
        OpKind::Conv3dTranspose => (2, 3, 3),
        _ => return None,
    };
    Some(Layout {
        input,
        weights: 1,
        bias,
        channel_axis,
    })
}

/// A number for each channel from a constant that is broadcast against a value with channels along its last axis, `None`
/// where it varies otherwise.
pub(crate) fn per_channel(constant: ValueRef<'_>, value: ValueRef<'_>, channels: usize) -> Option<Vec<f64>> {
    let tensor = constant.constant().filter(|_| is_f32(constant))?;
    let rank = value.ty().shape.rank()?;
    let (last, leading) = match tensor.dims().split_last() {
        Some((last, leading)) => (*last, leading),
        None => (1, &[][..]),
    };
    if tensor.dims().len() > rank || leading.iter().any(|&d| d != 1) {
        return None;
    }
    let numbers = tensor.to_floats()?;
    match last {
        1 => Some(vec![numbers[0]; channels]),
        n if n == channels => Some(numbers),
        _ => None,
    }
}

/// An affine operation whose channels can be scaled and shifted: `factors × result + shift` is the same operation
/// with other weights and another bias.
pub(crate) struct Affine {
    op: OpId,
    layout: Layout,
    channels: usize,
    bias: Option<Vec<f64>>,
    factors: Option<Vec<f64>>,
}

impl Affine {
    /// The affine operation that computes a value, if it is one.
    ///
    /// # Errors
    /// `Skip::No` where the value is computed otherwise, a reason where something stands in the way.
    pub(crate) fn behind(value: ValueRef<'_>) -> Result<Affine, Skip> {
        let op: OpRef<'_> = value.producer();
        let layout = layout(op.kind()).ok_or(Skip::No)?;
        let name = op.op().name();
        let weights = op.operand(layout.weights).ok_or(Skip::No)?;
        if !is_f32(value) || !is_f32(weights) {
            return Err(Skip::No);
        }
        let channels = weights.ty().shape.dim(layout.channel_axis).known().ok_or(Skip::No)?;
        if activation(op.op()) != Some(Activation::None) {
            return Err(Skip::because(format!("the {name} before it has an activation already")));
        }
        if !read_once(value) {
            return Err(Skip::because(format!("the {name} before it has other readers")));
        }
        let bias = match op.operand(layout.bias) {
            None => None,
            Some(bias) => {
                let floats = bias.constant().and_then(Tensor::to_floats).filter(|b| b.len() == channels);
                Some(floats.ok_or_else(|| Skip::because(format!("the bias of the {name} before it is not a constant")))?)
            }
        };
        Ok(Affine {
            op: op.id(),
            layout,
            channels,
            bias,
            factors: None,
        })
    }

    /// How many output channels there are.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// With every channel multiplied by its factor.
    ///
    /// # Errors
    /// A reason, where the weights are no constant or a factor is not finite.
    pub(crate) fn scaled(mut self, graph: &Graph, factors: &[f64]) -> Result<Affine, Skip> {
        let weights = graph.operand(self.op, self.layout.weights).expect("found with weights");
        if graph.constant(weights).is_none() {
            return Err(Skip::because(format!(
                "the weights of the {} before it are not a constant",
                graph.op(self.op).name()
            )));
        }
        if factors.iter().any(|f| !f.is_finite()) {
            return Err(Skip::because("a factor is not finite"));
        }
        if let Some(bias) = &mut self.bias {
            bias.iter_mut().zip(factors).for_each(|(b, f)| *b *= f);
        }
        let old = self.factors.unwrap_or_else(|| vec![1.0; self.channels]);
        self.factors = Some(old.iter().zip(factors).map(|(a, b)| a * b).collect());
        Ok(self)
    }

    /// With a number added to every channel.
    pub(crate) fn shifted(mut self, shift: &[f64]) -> Affine {
        let old = self.bias.unwrap_or_else(|| vec![0.0; self.channels]);
        self.bias = Some(old.iter().zip(shift).map(|(a, b)| a + b).collect());
        self
    }

    /// Adds the operation with its new weights, bias and activation, and returns its result.
    pub(crate) fn build(self, activation: Activation, graph: &mut Graph) -> Value {
        let op = with_activation(graph.op(self.op).clone(), activation);
        let mut operands = graph.operands(self.op);
        if let Some(factors) = &self.factors {
            let old = operands[self.layout.weights].expect("found with weights");
            let weights = graph.constant(old).expect("only constants are scaled");
            let weights = weights
                .scaled(self.layout.channel_axis, factors)
                .expect("f32 weights, and a factor for each channel");
            let name = graph.info(old).name.clone();
            let new = graph.add_const(weights);
            graph.info_mut(new).name = name;
            operands[self.layout.weights] = Some(new);
        }
        if let Some(bias) = self.bias {
            if operands.len() <= self.layout.bias {
                operands.resize(self.layout.bias + 1, None);
            }
            let name = operands[self.layout.bias].and_then(|old| graph.info(old).name.clone());
            let bias = bias.into_iter().map(|b| b as f32).collect();
            let new = graph.add_const(Tensor::from_vec(&[self.channels], bias));
            graph.info_mut(new).name = name;
            operands[self.layout.bias] = Some(new);
        }
        graph.add_with_empty(op, &operands)
    }
}
