//! Operator versions: the least version of each operator that knows the types and options in use.
//!
//! A runtime refuses an operator whose version is above what it knows, so the least one reaches the most runtimes.

use planish_core::types::{DType, Type};

use crate::schema::{BuiltinOperator as B, BuiltinOptionsT as O, FullyConnectedOptionsWeightsFormat, LSTMKernelType, TensorType};

/// One operator as far as its version depends on it.
pub(crate) struct Signature<'a> {
    /// The operator.
    pub code: B,
    /// Its options.
    pub options: &'a O,
    /// The types of its inputs, absent ones included.
    pub inputs: Vec<Option<&'a Type>>,
    /// The types of its outputs.
    pub outputs: Vec<&'a Type>,
    /// Whether its weights are stored sparsely.
    pub sparse: bool,
}

impl Signature<'_> {
    fn input(&self, i: usize) -> Option<&Type> {
        self.inputs.get(i).copied().flatten()
    }

    fn dtype(&self, i: usize) -> Option<DType> {
        self.input(i).map(|t| t.dtype)
    }

    fn out(&self) -> Option<DType> {
        self.outputs.first().map(|t| t.dtype)
    }

    fn rank(&self, i: usize) -> usize {
        self.input(i).and_then(|t| t.shape.rank()).unwrap_or(0)
    }

    fn per_axis(&self, i: usize) -> bool {
        self.input(i).and_then(|t| t.quant.as_ref()).is_some_and(|q| q.scales().len() > 1)
    }

    fn quantized(&self, i: usize) -> bool {
        self.input(i).is_some_and(|t| t.quant.is_some())
    }

    /// Whether the two operands broadcast in more dimensions than the first kernels knew.
    fn broadcasts_beyond_4d(&self) -> bool {
        let shapes = (self.input(0).map(|t| &t.shape), self.input(1).map(|t| &t.shape));
        shapes.0 != shapes.1 && self.rank(0).max(self.rank(1)) > 4
    }
}

/// The first version whose types hold `dtype`; 1 where none does.
fn by_type(dtype: Option<DType>, table: &[(&[DType], i32)]) -> i32 {
    let Some(dtype) = dtype else { return 1 };
    table
        .iter()
        .find(|(types, _)| types.contains(&dtype))
        .map_or(1, |&(_, version)| version)
}

const F8: &[DType] = &[DType::F8E4M3, DType::F8E5M2];

/// The version to declare for an operator.
pub(crate) fn version(s: &Signature<'_>) -> i32 {
    use DType::*;
    let (in0, in1, in2) = (s.dtype(0), s.dtype(1), s.dtype(2));
    let is = |have: Option<DType>, want: DType| have == Some(want);
    let hybrid_weights = is(in0, F32) && is(in1, I8);
    match s.code {
        B::CONV_2D | B::DEPTHWISE_CONV_2D | B::FULLY_CONNECTED | B::TRANSPOSE_CONV => weighted(s),
        B::LSTM | B::UNIDIRECTIONAL_SEQUENCE_LSTM => lstm(s),
        B::BIDIRECTIONAL_SEQUENCE_LSTM | B::RNN | B::UNIDIRECTIONAL_SEQUENCE_RNN | B::BIDIRECTIONAL_SEQUENCE_RNN => {
            match is(in1, I8) && is(s.out(), F32) {
                true if asymmetric(s.options) => 3,
                true => 2,
                false => 1,
            }
        }
        B::SVDF if is(in0, I8) => 3,
        B::SVDF if hybrid_weights => {
            if asymmetric(s.options) {
                4
            } else {
                2
            }
        }
        B::BATCH_MATMUL if hybrid_weights && asymmetric(s.options) => 4,
        B::BATCH_MATMUL => by_type(in0, &[(&[I16], 3), (&[I8], 2)]),
        B::EMBEDDING_LOOKUP if is(in1, I2) => 5,
        B::EMBEDDING_LOOKUP if is(in1, I4) || s.per_axis(1) => 4,
        B::GATHER => match (&s.options, in0) {
            (_, Some(t)) if F8.contains(&t) => 8,
            (_, Some(I4)) => 7,
            _ if is(in1, I16) => 6,
            (O::GatherOptions(o), _) if o.batch_dims != 0 => 5,
            _ => by_type(in0, &[(&[I16], 4), (&[Bool], 3), (&[I8], 2)]),
        },
        B::GATHER_ND if is(in1, I16) && !matches!(in0, Some(Bool | F8E4M3 | F8E5M2)) => 4,
        B::GATHER_ND => by_type(in0, &[(F8, 6), (&[Bool], 5), (&[I16], 3), (&[String], 2)]),
        B::DEQUANTIZE if is(in0, I8) => {
            if s.per_axis(0) {
                5
            } else {
                2
            }
        }
        B::DEQUANTIZE => by_type(in0, &[(F8, 9), (&[U4], 8), (&[I2], 7), (&[I4], 6), (&[I16, F16], 3)]),
        B::QUANTIZE => {
            let per_axis = s
                .outputs
                .first()
                .and_then(|t| t.quant.as_ref())
                .is_some_and(|q| q.scales().len() > 1);
            match s.out() {
                Some(U4) => 5,
                Some(I4) => 4,
                _ if per_axis => 3,
                Some(I16) => 2,
                _ => 1,
            }
        }
        B::FAKE_QUANT => {
            if matches!(s.options, O::FakeQuantOptions(o) if o.narrow_range) {
                2
            } else {
                1
            }
        }
        B::ADD | B::SUB | B::MUL | B::DIV => arithmetic(s),
        B::MAXIMUM | B::MINIMUM if is(in0, I16) => 4,
        B::MAXIMUM | B::MINIMUM if s.broadcasts_beyond_4d() => 3,
        B::MAXIMUM | B::MINIMUM => by_type(in0, &[(&[I8], 2)]),
        B::FLOOR_DIV => by_type(in0, &[(&[I16, I8], 3), (&[F32], 2)]),
        B::FLOOR_MOD | B::EXP | B::LOG | B::SQRT | B::REDUCE_PROD => by_type(in0, &[(&[I16, I8], 2)]),
        B::ABS if is(in0, I16) => {
            if s.quantized(0) {
                3
            } else {
                4
            }
        }
        B::ABS => by_type(in0, &[(&[I32], 5), (&[I8, U8], 2)]),
        B::SIGN => by_type(in0, &[(&[I32], 2)]),
        B::SIN | B::COS => by_type(in0, &[(&[F16], 2)]),
        B::MEAN
        | B::MIRROR_PAD
        | B::REDUCE_MAX
        | B::REDUCE_MIN
        | B::RELU6
        | B::RSQRT
        | B::TANH
        | B::LOGISTIC
        | B::LESS
        | B::GREATER_EQUAL
        | B::MAX_POOL_2D
        | B::AVERAGE_POOL_2D => by_type(in0, &[(&[I16], 3), (&[I8], 2)]),
        B::RELU => by_type(in0, &[(&[I16], 3), (&[I8, U8], 2)]),
        B::LEAKY_RELU => by_type(in0, &[(&[I16], 2)]),
        B::GELU => by_type(in0, &[(&[F16], 3), (&[I8, U8], 2)]),
        B::SOFTMAX => by_type(in0, &[(&[F16], 4), (&[I16], 3), (&[I8], 2)]),
        B::LOG_SOFTMAX | B::SUM | B::SPACE_TO_DEPTH | B::DEPTH_TO_SPACE | B::GREATER | B::LESS_EQUAL | B::SQUARED_DIFFERENCE => {
            by_type(in0, &[(&[I8], 2)])
        }
        B::EQUAL => by_type(in0, &[(&[I16], 5), (&[String], 3), (&[I8], 2)]),
        B::NOT_EQUAL => by_type(in0, &[(&[I16], 4), (&[String], 3), (&[I8], 2)]),
        B::L2_NORMALIZATION => by_type(s.out(), &[(&[I8], 2)]),
        B::PAD | B::PADV2 => match in0 {
            Some(F8E4M3 | F8E5M2) => 6,
            Some(Bool) => 5,
            _ if s.rank(0) > 4 => 4,
            _ => by_type(in0, &[(&[I16], 3), (&[I8], 2)]),
        },
        B::TRANSPOSE => match (in0, s.rank(0)) {
            (Some(F16), _) => 9,
            (Some(BF16), _) | (_, 7..) => 8,
            (Some(I4), _) => 7,
            (_, 6) => 6,
            (Some(I16), _) => 5,
            (_, 5) => 4,
            _ => by_type(in0, &[(&[Bool], 3), (&[I8], 2)]),
        },
        B::STRIDED_SLICE => strided_slice(s),
        B::SLICE => match in0 {
            Some(F16) => 8,
            Some(I4) => 7,
            Some(U32) => 6,
            _ if s.rank(0) > 4 => 5,
            _ => by_type(in0, &[(&[I16], 4), (&[String], 3), (&[I8], 2)]),
        },
        B::SPLIT => by_type(in1, &[(F8, 5), (&[I16], 4), (&[I32], 3), (&[I8], 2)]),
        B::SPLIT_V => by_type(in0, &[(F8, 3), (&[I8], 2)]),
        B::CONCATENATION => by_type(in0, &[(F8, 7), (&[F16], 6), (&[I4], 5), (&[U32], 4), (&[I16], 3), (&[I8], 2)]),
        B::PACK => by_type(in0, &[(F8, 5), (&[I8], 2), (&[I16], 3), (&[U32], 4)]),
        B::UNPACK => by_type(in0, &[(F8, 6), (&[I8, U8], 2), (&[Bool], 3), (&[I16], 4), (&[F16, BF16], 5)]),
        B::RESIZE_BILINEAR if is(in0, I16) => 4,
        B::RESIZE_BILINEAR => match s.options {
            O::ResizeBilinearOptions(o) if o.half_pixel_centers => 3,
            _ => by_type(in0, &[(&[I8], 2)]),
        },
        B::RESIZE_NEAREST_NEIGHBOR if is(in0, I16) => 4,
        B::RESIZE_NEAREST_NEIGHBOR => match s.options {
            O::ResizeNearestNeighborOptions(o) if o.half_pixel_centers || o.align_corners => 3,
            _ => by_type(in0, &[(&[I8], 2)]),
        },
        B::SPACE_TO_BATCH_ND | B::BATCH_TO_SPACE_ND if is(in0, I16) => 4,
        B::SPACE_TO_BATCH_ND | B::BATCH_TO_SPACE_ND if s.rank(0) != 4 => 3,
        B::SPACE_TO_BATCH_ND | B::BATCH_TO_SPACE_ND => by_type(in0, &[(&[I8], 2)]),
        B::TILE => by_type(in0, &[(&[I8], 3), (&[String], 2)]),
        B::SQUEEZE => by_type(in0, &[(&[String], 2)]),
        B::REVERSE_V2 => by_type(in0, &[(F8, 4), (&[I8], 3), (&[Bool], 2)]),
        B::ARG_MAX | B::ARG_MIN => by_type(in0, &[(&[Bool], 3), (&[I8], 2)]),
        B::TOPK_V2 if [in0, in1, s.outputs.get(1).map(|t| t.dtype)].contains(&Some(I16)) => 3,
        B::TOPK_V2 => by_type(in0, &[(&[I8], 2)]),
        B::SELECT if is(in1, U32) => 4,
        B::SELECT if (0..3).any(|i| s.rank(i) == 5) => 3,
        B::SELECT => by_type(in1, &[(&[I8], 2)]),
        B::SELECT_V2 => by_type(in1, &[(&[U32], 2)]),
        B::FILL => by_type(in1, &[(F8, 5), (&[F16], 4), (&[I8, I16], 3), (&[Bool, String], 2)]),
        B::BROADCAST_TO => by_type(in0, &[(F8, 4), (&[I8, I16], 3)]).max(2),
        B::CAST => {
            let table: &[(&[DType], i32)] = &[
                (F8, 9),
                (&[I2, U4], 8),
                (&[BF16], 7),
                (&[I4], 6),
                (&[F64, F16], 5),
                (&[U16], 4),
                (&[I8], 3),
                (&[U32], 2),
            ];
            by_type(in0, table).max(by_type(s.out(), table))
        }
        B::WHERE => {
            if is(in0, Bool) {
                1
            } else {
                2
            }
        }
        B::RANGE => by_type(in0, &[(&[I64], 2)]),
        B::SPARSE_TO_DENSE => by_type(in2, &[(&[I8, U8], 3), (&[I64], 2)]),
        B::DYNAMIC_UPDATE_SLICE => match by_type(in0, &[(&[BF16], 6), (&[I4], 5), (&[I16], 4), (&[F16], 3)]) {
            1 if is(in2, I64) => 2,
            version => version,
        },
        _ => 1,
    }
}

fn asymmetric(options: &O) -> bool {
    match options {
        O::FullyConnectedOptions(o) => o.asymmetric_quantize_inputs,
        O::BatchMatMulOptions(o) => o.asymmetric_quantize_inputs,
        O::SVDFOptions(o) => o.asymmetric_quantize_inputs,
        O::RNNOptions(o) => o.asymmetric_quantize_inputs,
        O::SequenceRNNOptions(o) => o.asymmetric_quantize_inputs,
        O::BidirectionalSequenceRNNOptions(o) => o.asymmetric_quantize_inputs,
        O::LSTMOptions(o) => o.asymmetric_quantize_inputs,
        O::UnidirectionalSequenceLSTMOptions(o) => o.asymmetric_quantize_inputs,
        O::BidirectionalSequenceLSTMOptions(o) => o.asymmetric_quantize_inputs,
        _ => false,
    }
}

/// Operators with a filter as input 1.
fn weighted(s: &Signature<'_>) -> i32 {
    use DType::*;
    let all = |t: DType| s.dtype(0) == Some(t) && s.dtype(1) == Some(t) && s.out() == Some(t);
    let pair = |a: DType, b: DType| s.dtype(0) == Some(a) && s.dtype(1) == Some(b);
    match s.options {
        O::Conv2DOptions(o) => {
            let channels = |i: usize| s.input(i).and_then(|t| t.shape.dim(3).known());
            let grouped = channels(0).zip(channels(1)).is_some_and(|(data, filter)| data != filter);
            match () {
                () if pair(I16, I8) && o.quantized_bias_type != TensorType::FLOAT32 => 8,
                () if grouped => 6,
                () if all(I16) => 4,
                () if all(I8) => 3,
                () if pair(I8, I4) => 7,
                () if pair(F32, I8) => {
                    if s.per_axis(1) {
                        5
                    } else {
                        2
                    }
                }
                () => 1,
            }
        }
        O::DepthwiseConv2DOptions(o) => match () {
            () if all(I16) => 5,
            () if pair(F32, I8) => {
                if s.per_axis(1) {
                    6
                } else {
                    4
                }
            }
            () if all(I8) => 3,
            () if pair(I8, I4) => 7,
            () if (o.dilation_w_factor, o.dilation_h_factor) != (1, 1) => 2,
            () => 1,
        },
        O::FullyConnectedOptions(o) => match () {
            () if s.dtype(1) == Some(I2) => 14,
            () if pair(I16, I4) => 13,
            () if pair(F32, I8) && s.per_axis(1) => 12,
            () if pair(I16, I8) && o.quantized_bias_type != TensorType::FLOAT32 => 11,
            () if s.sparse => 8,
            () if all(I16) => 7,
            () if s.inputs.len() == 2 => 6,
            () if o.keep_num_dims => 5,
            () if all(I8) => 4,
            () if pair(I8, I4) => 10,
            () if pair(F32, I8) => {
                if o.asymmetric_quantize_inputs {
                    9
                } else {
                    3
                }
            }
            () if o.weights_format == FullyConnectedOptionsWeightsFormat::SHUFFLED4x16INT8 => 2,
            () => 1,
        },
        O::TransposeConvOptions(o) => match () {
            () if matches!(s.dtype(2), Some(I8 | I16)) && o.quantized_bias_type != TensorType::FLOAT32 => 5,
            () if o.fused_activation_function.0 != 0 => 4,
            () if s.input(3).is_some() => 3,
            () if s.dtype(1) == Some(I8) => 2,
            () => 1,
        },
        _ => 1,
    }
}

fn lstm(s: &Signature<'_>) -> i32 {
    use DType::*;
    let pair = (s.dtype(0), s.dtype(2));
    match s.options {
        O::LSTMOptions(o) if o.kernel_type == LSTMKernelType::BASIC => 2,
        O::LSTMOptions(o) => match pair {
            (Some(I16), Some(I8)) => 5,
            (Some(F32), Some(I8)) => {
                if o.asymmetric_quantize_inputs {
                    4
                } else {
                    3
                }
            }
            _ => 1,
        },
        O::UnidirectionalSequenceLSTMOptions(o) => match pair {
            (Some(I16), Some(I8)) => 5,
            _ if o.diagonal_recurrent_tensors => 4,
            (Some(F32), Some(I8)) => {
                if o.asymmetric_quantize_inputs {
                    3
                } else {
                    2
                }
            }
            _ => 1,
        },
        _ => 1,
    }
}

fn arithmetic(s: &Signature<'_>) -> i32 {
    use DType::*;
    let plain_i16 = s.dtype(0) == Some(I16) && !s.quantized(0);
    match (s.code, s.dtype(0)) {
        (B::ADD, Some(F16)) => 6,
        (B::ADD, _) if plain_i16 => 5,
        (B::ADD, Some(I64)) => 4,
        (B::ADD, Some(I16)) if matches!(s.options, O::AddOptions(o) if !o.pot_scale_int16) => 3,
        (B::SUB, Some(I16)) if matches!(s.options, O::SubOptions(o) if !o.pot_scale_int16) => 5,
        (B::SUB, Some(I64)) => 4,
        (B::SUB, _) if s.broadcasts_beyond_4d() => 3,
        (B::MUL, Some(F16)) => 8,
        (B::MUL, _) if plain_i16 || s.dtype(0) == Some(U32) => 7,
        (B::MUL, Some(Complex64)) => 6,
        (B::MUL, Some(I64)) => 5,
        (B::MUL, Some(I16)) => 4,
        (B::MUL, _) if product_scale(s).is_some_and(|scale| scale >= 1.0) => 3,
        (B::DIV, _) if s.broadcasts_beyond_4d() => 2,
        (B::ADD | B::SUB | B::MUL, Some(I8)) => 2,
        _ => 1,
    }
}

/// The multiplier that brings a quantized product to its output's scale.
fn product_scale(s: &Signature<'_>) -> Option<f32> {
    let scale = |t: &Type| t.quant.as_ref().map(|q| q.scales().first().copied().unwrap_or(1.0));
    Some(scale(s.input(0)?)? * scale(s.input(1)?)? / scale(s.outputs.first()?)?)
}

fn strided_slice(s: &Signature<'_>) -> i32 {
    use DType::*;
    let O::StridedSliceOptions(o) = s.options else { return 1 };
    match s.dtype(0) {
        _ if o.offset => 8,
        Some(U32) => 7,
        _ if o.ellipsis_mask != 0 || o.new_axis_mask != 0 => 6,
        Some(String) => 5,
        _ if s.rank(0) > 4 => 4,
        dtype => by_type(dtype, &[(&[Bool], 3), (&[I8], 2)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{BatchMatMulOptionsT, FullyConnectedOptionsT, TransposeConvOptionsT};
    use planish_core::{Quant, Shape};

    fn float(rank: usize) -> Type {
        Type::new(DType::F32, Shape::of_rank(rank))
    }

    fn int8(dims: &[usize], scales: usize) -> Type {
        let quant = match scales {
            1 => Quant::per_tensor(0.1, 0),
            _ => Quant::symmetric_per_axis(0, vec![0.1; scales]),
        };
        Type::fixed(DType::I8, dims).with_quant(quant.ok())
    }

    fn of(code: B, options: O, inputs: &[Option<&Type>]) -> i32 {
        let out = float(2);
        version(&Signature {
            code,
            options: &options,
            inputs: inputs.to_vec(),
            outputs: vec![&out],
            sparse: false,
        })
    }

    #[test]
    fn versions_are_those_of_the_kernels_in_use() {
        let (matrix, image) = (float(2), float(4));
        let per_tensor = int8(&[4, 8], 1);
        let per_axis = int8(&[4, 8], 4);
        let dense = || O::FullyConnectedOptions(Box::default());
        assert_eq!(of(B::FULLY_CONNECTED, dense(), &[Some(&matrix), Some(&matrix), None]), 1);
        assert_eq!(of(B::FULLY_CONNECTED, dense(), &[Some(&matrix), Some(&matrix)]), 6);
        assert_eq!(of(B::FULLY_CONNECTED, dense(), &[Some(&matrix), Some(&per_axis), None]), 12);
        let asymmetric = FullyConnectedOptionsT {
            asymmetric_quantize_inputs: true,
            ..Default::default()
        };
        let asymmetric = O::FullyConnectedOptions(asymmetric.into());
        assert_eq!(of(B::FULLY_CONNECTED, asymmetric, &[Some(&matrix), Some(&per_tensor), None]), 9);
        let conv = || O::Conv2DOptions(Box::default());
        let filter = int8(&[4, 1, 1, 8], 4);
        let channels = |n: usize| Type::new(DType::F32, Shape::new([1.into(), 4.into(), 4.into(), n.into()]));
        assert_eq!(of(B::CONV_2D, conv(), &[Some(&channels(8)), Some(&filter)]), 5);
        assert_eq!(of(B::CONV_2D, conv(), &[Some(&channels(16)), Some(&filter)]), 6);
        let depthwise = O::DepthwiseConv2DOptions(Box::default());
        assert_eq!(of(B::DEPTHWISE_CONV_2D, depthwise, &[Some(&image), Some(&filter)]), 6);
        let transpose = || O::TransposeConvOptions(Box::<TransposeConvOptionsT>::default());
        let shape = Type::fixed(DType::I32, &[4]);
        assert_eq!(of(B::TRANSPOSE_CONV, transpose(), &[Some(&shape), Some(&filter), Some(&image)]), 2);
        assert_eq!(
            of(
                B::TRANSPOSE_CONV,
                transpose(),
                &[Some(&shape), Some(&filter), Some(&image), Some(&matrix)]
            ),
            3
        );
        let matmul = BatchMatMulOptionsT {
            asymmetric_quantize_inputs: true,
            ..Default::default()
        };
        let matmul = || O::BatchMatMulOptions(matmul.clone().into());
        assert_eq!(of(B::BATCH_MATMUL, matmul(), &[Some(&matrix), Some(&per_tensor)]), 4);
        assert_eq!(of(B::BATCH_MATMUL, matmul(), &[Some(&matrix), Some(&matrix)]), 1);
        assert_eq!(of(B::DEQUANTIZE, O::NONE, &[Some(&per_tensor)]), 2);
        assert_eq!(of(B::DEQUANTIZE, O::NONE, &[Some(&per_axis)]), 5);
        assert_eq!(of(B::BROADCAST_TO, O::NONE, &[Some(&matrix)]), 2);
    }
}
