//! The steps that random models are made of: single operations with operands of every usual kind.

use planish_core::attr::{Activation, Padding};
use planish_core::op::*;
use planish_core::{DType, Op, Tensor};

use super::{Bound, Builder, EPSILON, Known, Step};

impl Builder {
    pub(super) fn step(&mut self, [kind, operand, c, d]: Step) {
        let (c, d) = (usize::from(c), usize::from(d));
        let recent = usize::from(operand) % self.known.len().min(3);
        let x = self.known[self.known.len() - 1 - recent].clone();
        let found = match kind % 36 {
            0 => self.unary(&x, c),
            1 | 2 => self.with_constant(&x, c, d),
            3 => self.with_another(&x, c),
            4 | 5 => self.convolution(&x, c, d),
            6 => self.depthwise(&x, c, d),
            7 | 8 => self.fully_connected(&x, c, d),
            9 => self.matmul(&x, c, d),
            10 => self.reshape(&x, c),
            11 => self.transpose(&x, c),
            12 => self.batch_norm(&x),
            13 => self.pad(&x, c),
            14 => self.rename_dimensions(&x, c),
            15 => self.concatenation(&x, c),
            16 => self.reduction(&x, c, d),
            17 => self.pool(&x, c),
            18 => self.again(),
            19 => self.dilated(&x, c),
            _ => self.motif(&x, c),
        };
        self.known.extend(found);
    }

    fn unary(&mut self, x: &Known, c: usize) -> Option<Known> {
        match c % 9 {
            0 => self.simple(Relu {}, &[x], 1.0, 0.0),
            1 => self.simple(Relu6 {}, &[x], 1.0, 0.0),
            2 => self.simple(Tanh {}, &[x], 1.0, 16.0),
            3 => self.simple(Logistic {}, &[x], 1.0, 16.0),
            4 => self.simple(Neg {}, &[x], 1.0, 0.0),
            5 => self.simple(Abs {}, &[x], 1.0, 0.0),
            6 => self.simple(Identity {}, &[x], 1.0, 0.0),
            7 => self.simple(Softmax { beta: 1.0 }, &[x], 1.0, 64.0),
            _ => self.simple(Cast { dtype: DType::F32 }, &[x], 1.0, 0.0),
        }
    }

    fn with_constant(&mut self, x: &Known, c: usize, d: usize) -> Option<Known> {
        let channels = *x.dims().last()?;
        let tensor = match d % 4 {
            0 => self.numbers(&[channels]),
            1 => Tensor::scalar([0.0f32, 1.0, 6.0, -1.0][d / 4 % 4]),
            2 => self.numbers(x.dims()),
            _ => self.numbers(&[]),
        };
        let y = self.constant(tensor);
        let activation = [Activation::None, Activation::Relu, Activation::None, Activation::Relu6][c / 8 % 4];
        let most = y.peak();
        match c % 7 {
            0 | 1 => self.simple(
                Add {
                    activation,
                    pot_scale_int16: true,
                },
                &[x, &y],
                1.0,
                4.0,
            ),
            2 => self.simple(
                Sub {
                    activation,
                    pot_scale_int16: true,
                },
                &[x, &y],
                1.0,
                4.0,
            ),
            3 => self.simple(Mul { activation }, &[x, &y], most, 4.0),
            4 => {
                let two = self.constant(Tensor::scalar([2.0f32, 3.0][d % 2]));
                self.simple(Div { activation }, &[x, &two], 0.5, 4.0)
            }
            5 => self.simple(Maximum {}, &[x, &y], 1.0, 0.0),
            _ => self.simple(Minimum {}, &[x, &y], 1.0, 0.0),
        }
    }

    fn with_another(&mut self, x: &Known, c: usize) -> Option<Known> {
        let y = self.known.iter().find(|k| k.dims() == x.dims())?.clone();
        let activation = Activation::None;
        let moved = y
            .bound
            .rounding
            .max(y.bound.quantizing)
            .max(x.bound.rounding)
            .max(x.bound.quantizing);
        match c % 3 {
            0 => self.simple(
                Add {
                    activation,
                    pot_scale_int16: true,
                },
                &[x, &y],
                2.0,
                4.0,
            ),
            1 => self.simple(Mul { activation }, &[x, &y], x.peak() + y.peak() + moved, 4.0),
            _ => self.simple(
                Sub {
                    activation,
                    pot_scale_int16: true,
                },
                &[&y, x],
                2.0,
                4.0,
            ),
        }
    }

    /// Adds a constant bias to the operands, or none.
    fn with_bias<'k>(operands: &mut Vec<&'k Known>, bias: &'k Known, d: usize) {
        if !d.is_multiple_of(3) {
            operands.push(bias);
        }
    }

    fn convolution(&mut self, x: &Known, c: usize, d: usize) -> Option<Known> {
        let &[_, height, width, channels] = x.dims() else { return None };
        let out = [1, 3, 4, 64][c % 4];
        let kernel = [1, 3, 2][c / 4 % 3].min(height).min(width);
        let tensor = self.numbers(&[out, kernel, kernel, channels]);
        let weights = self.weights(tensor, d / 3 % 4 == 1);
        let tensor = self.numbers(&[out]);
        let bias = self.constant(tensor);
        let mut operands = vec![x, &weights];
        Self::with_bias(&mut operands, &bias, d);
        let (gain, own) = self.product(x, &weights.tensor, 0);
        let op = Conv2d {
            padding: if (c / 12).is_multiple_of(2) {
                Padding::Same
            } else {
                Padding::Valid
            },
            stride: [1 + (c / 24 % 2) as u32; 2],
            dilation: [1, 1],
            activation: if d / 12 % 4 == 1 { Activation::Relu } else { Activation::None },
        };
        self.add(op, &operands, gain, own)
    }

    fn depthwise(&mut self, x: &Known, c: usize, d: usize) -> Option<Known> {
        let &[_, height, width, channels] = x.dims() else { return None };
        let kernel = [3, 1, 2][c % 3].min(height).min(width);
        let tensor = self.numbers(&[1, kernel, kernel, channels]);
        let weights = self.weights(tensor, d / 3 % 4 == 1);
        let tensor = self.numbers(&[channels]);
        let bias = self.constant(tensor);
        let mut operands = vec![x, &weights];
        Self::with_bias(&mut operands, &bias, d);
        let (gain, own) = self.product(x, &weights.tensor, 3);
        let op = DepthwiseConv2d {
            padding: if (c / 3).is_multiple_of(2) { Padding::Same } else { Padding::Valid },
            stride: [1, 1],
            dilation: [1, 1],
            depth_multiplier: 1,
            activation: Activation::None,
        };
        self.add(op, &operands, gain, own)
    }

    fn fully_connected(&mut self, x: &Known, c: usize, d: usize) -> Option<Known> {
        let &[.., features] = x.dims() else { return None };
        // Some weights are as large as quantization asks for.
        let out = [2, 5, 1024usize.div_ceil(features), 32][c % 4].min(512);
        let tensor = self.numbers(&[out, features]);
        let weights = self.weights(tensor, d / 3 % 4 == 1);
        let tensor = self.numbers(&[out]);
        let bias = self.constant(tensor);
        let mut operands = vec![x, &weights];
        Self::with_bias(&mut operands, &bias, d);
        let (gain, own) = self.product(x, &weights.tensor, 0);
        let op = FullyConnected {
            activation: Activation::None,
            keep_num_dims: (c / 4).is_multiple_of(2),
            asymmetric_quantize_inputs: false,
            weights_format: planish_core::attr::WeightsFormat::Plain,
        };
        self.add(op, &operands, gain, own)
    }

    fn matmul(&mut self, x: &Known, c: usize, d: usize) -> Option<Known> {
        let &[.., features] = x.dims() else { return None };
        if x.rank() < 2 {
            return None;
        }
        let plain = BatchMatmul {
            adj_x: false,
            adj_y: c % 2 == 1,
            asymmetric_quantize_inputs: false,
        };
        if d % 2 == 1 {
            let own = Bound {
                rounding: 4.0 * (features as f64 + 8.0) * EPSILON * (x.peak() * x.peak() * features as f64 + 1.0),
                quantizing: 0.0,
            };
            let moved = x.bound.rounding.max(x.bound.quantizing);
            let gain = features as f64 * (2.0 * x.peak() + moved);
            return self.add(BatchMatmul { adj_y: true, ..plain }, &[x, x], gain, own);
        }
        let out = [3, 1024usize.div_ceil(features)][c / 2 % 2].min(512);
        let weights = self.numbers(&if plain.adj_y { [out, features] } else { [features, out] });
        let (gain, own) = self.product(x, &weights, usize::from(!plain.adj_y));
        let weights = self.constant(weights);
        self.add(plain, &[x, &weights], gain, own)
    }

    fn reshape(&mut self, x: &Known, c: usize) -> Option<Known> {
        let elements = x.tensor.elements();
        let first = x.dims().first().copied().unwrap_or(1);
        let last = x.dims().last().copied().unwrap_or(1);
        let dims = match c % 4 {
            0 => vec![first as i32, -1],
            1 => vec![1, (elements / last) as i32, 1, last as i32],
            2 => vec![-1],
            _ => vec![(elements / last) as i32, last as i32],
        };
        let shape = self.ints(&dims);
        self.simple(Reshape {}, &[x, &shape], 1.0, 0.0)
    }

    fn transpose(&mut self, x: &Known, c: usize) -> Option<Known> {
        let rank = x.rank();
        let mut permutation: Vec<i32> = (0..rank as i32).collect();
        match c % 3 {
            0 => permutation.reverse(),
            1 => permutation.rotate_left(usize::from(rank > 1)),
            _ if rank > 1 => permutation.swap(rank - 1, rank - 2),
            _ => {}
        }
        let permutation = self.ints(&permutation);
        self.simple(Transpose {}, &[x, &permutation], 1.0, 0.0)
    }

    fn batch_norm(&mut self, x: &Known) -> Option<Known> {
        let channels = *x.dims().last()?;
        let [scale, offset, mean] = [0; 3].map(|_| {
            let tensor = self.numbers(&[channels]);
            self.constant(tensor)
        });
        let variance = self.numbers(&[channels]).to_vec::<f32>();
        let variance = self.constant(Tensor::from_vec(
            &[channels],
            variance.iter().map(|v| v.abs() + 0.25).collect::<Vec<f32>>(),
        ));
        // The variance is at least 1/4, so a factor is at most 2.
        let own = Bound {
            rounding: 32.0 * EPSILON * (2.0 * x.peak() + 4.0),
            quantizing: 0.0,
        };
        self.add(BatchNorm { epsilon: 0.001 }, &[x, &scale, &offset, &mean, &variance], 2.0, own)
    }

    fn pad(&mut self, x: &Known, c: usize) -> Option<Known> {
        let &[_, _, _, _] = x.dims() else { return None };
        let [a, b] = [[1, 1], [0, 1], [1, 0], [2, 1]][c % 4];
        let tensor = Tensor::from_vec(&[4, 2], vec![0, 0, a, b, a, b, 0, i32::from(c / 4 % 4 == 3)]);
        let paddings = self.constant(tensor);
        self.simple(Pad {}, &[x, &paddings], 1.0, 0.0)
    }

    fn rename_dimensions(&mut self, x: &Known, c: usize) -> Option<Known> {
        if c.is_multiple_of(2) {
            return self.simple(Squeeze { axes: Vec::new() }, &[x], 1.0, 0.0);
        }
        let axis = self.constant(Tensor::scalar((c / 2 % (x.rank() + 1)) as i32));
        match x.rank() {
            0..=3 => self.simple(ExpandDims {}, &[x, &axis], 1.0, 0.0),
            _ => None,
        }
    }

    fn concatenation(&mut self, x: &Known, c: usize) -> Option<Known> {
        let y = self.known.iter().find(|k| k.dims() == x.dims())?.clone();
        let axis = (c % x.rank().max(1)) as i32;
        let activation = Activation::None;
        self.simple(Concatenation { axis, activation }, &[x, &y], 1.0, 0.0)
    }

    fn reduction(&mut self, x: &Known, c: usize, d: usize) -> Option<Known> {
        let axis = d % x.rank().max(1);
        let extent = *x.dims().get(axis)? as f64;
        let axes = self.ints(&[axis as i32]);
        let keep_dims = (c / 3).is_multiple_of(2);
        match c % 3 {
            0 => self.simple(Mean { keep_dims }, &[x, &axes], 1.0, 4.0 * extent + 8.0),
            1 => self.simple(Sum { keep_dims }, &[x, &axes], extent, 4.0 * extent + 8.0),
            _ => self.simple(ReduceMax { keep_dims }, &[x, &axes], 1.0, 0.0),
        }
    }

    fn pool(&mut self, x: &Known, c: usize) -> Option<Known> {
        let &[_, height, width, _] = x.dims() else { return None };
        if height < 2 || width < 2 {
            return None;
        }
        let (filter, stride, padding, activation) = ([2, 2], [1 + (c / 2 % 2) as u32; 2], Padding::Same, Activation::None);
        if c.is_multiple_of(2) {
            let op = MaxPool2d {
                filter,
                stride,
                padding,
                activation,
            };
            return self.simple(op, &[x], 1.0, 0.0);
        }
        let op = AveragePool2d {
            filter,
            stride,
            padding,
            activation,
        };
        self.simple(op, &[x], 1.0, 32.0)
    }

    /// The last operation once more, on the same operands.
    fn again(&mut self) -> Option<Known> {
        let last = self.known.last()?.clone();
        if matches!(self.graph.op(last.value.op), Op::Parameters(_)) {
            return None;
        }
        let operands = self.graph.operands(last.value.op);
        let id = self.graph.try_add(self.graph.op(last.value.op).clone(), &operands).ok()?;
        Some(Known {
            value: self.graph.results_of(id)[0],
            ..last
        })
    }

    /// A convolution between blocks: a dilated one, written in three operations.
    fn dilated(&mut self, x: &Known, c: usize) -> Option<Known> {
        let &[_, height, width, channels] = x.dims() else { return None };
        if height % 2 + width % 2 > 0 || height < 6 || width < 6 {
            return None;
        }
        let block = self.ints(&[2, 2]);
        let none = self.constant(Tensor::from_vec(&[2, 2], vec![0; 4]));
        let blocks = self.simple(SpaceToBatchNd {}, &[x, &block, &none], 1.0, 0.0)?;
        let weights = self.numbers(&[1 + c % 3, 3, 3, channels]);
        let (gain, own) = self.product(&blocks, &weights, 0);
        let weights = self.constant(weights);
        let op = Conv2d {
            padding: Padding::Valid,
            stride: [1, 1],
            dilation: [1, 1],
            activation: Activation::None,
        };
        let products = self.add(op, &[&blocks, &weights], gain, own)?;
        self.simple(BatchToSpaceNd {}, &[&products, &block, &none], 1.0, 0.0)
    }
}
