//! What a graph takes in a TFLite file, nearly: known before it is written.

use planish_core::{Graph, Op, Value};

use crate::scales::Wanted;

/// Bytes of a file beside its graph: a signature and what else there is once.
const FILE: usize = 2000;

/// Bytes of an operation: a table with its operands, results and options.
const OPERATION: usize = 56;

/// Bytes of a value beside its name: a table and what refers to it.
const VALUE: usize = 34;

/// Bytes of a constant beside its data: a table, a length and the gap to what is aligned.
const CONSTANT: usize = 16;

/// Bytes of a `dequantize` and its nameless result.
pub(crate) const DEQUANTIZE: usize = 64;

/// Bytes of a quantization beside its scales.
const QUANTIZATION: usize = 24;

/// What a graph takes in a TFLite file, in bytes.
pub(crate) fn stored_size(graph: &Graph) -> usize {
    let of_value = |value: Value| VALUE + graph.info(value).name.as_ref().map_or(0, |name| name.len() + 5);
    let of_operation = |id| match graph.op(id) {
        Op::Const(constant) => CONSTANT + constant.value.dtype().packed_len(constant.value.elements()).unwrap_or(0),
        _ => OPERATION,
    };
    let with_results = |id| of_operation(id) + graph.results_of(id).into_iter().map(of_value).sum::<usize>();
    FILE + graph.order().into_iter().map(with_results).sum::<usize>()
}

/// How many bytes less a float weight takes as int8 with so many scales.
pub(crate) fn saved_as_int8(wanted: &Wanted<'_>, scales: usize) -> f64 {
    let made_real = if wanted.one_will_do && wanted.rather_float.is_none() {
        0
    } else {
        DEQUANTIZE
    };
    3.0 * wanted.weight.elements() as f64 - (made_real + QUANTIZATION) as f64 - scales_size(scales)
}

/// How many bytes less a float weight takes as 16-bit floats.
pub(crate) fn saved_as_halves(wanted: &Wanted<'_>) -> f64 {
    2.0 * wanted.weight.elements() as f64 - DEQUANTIZE as f64
}

/// How many bytes more a weight takes as 16-bit floats than as int8 with so many scales, both dequantized.
pub(crate) fn more_as_halves(wanted: &Wanted<'_>, scales: usize) -> f64 {
    wanted.weight.elements() as f64 - QUANTIZATION as f64 - scales_size(scales)
}

/// The bytes of a quantization of so many channels, the only one of its zero points.
pub(crate) fn quantization_size(channels: usize) -> usize {
    QUANTIZATION + channels * (size_of::<f32>() + size_of::<i64>())
}

/// The bytes of so many scales.
pub(crate) fn scales_size(scales: usize) -> f64 {
    (scales * size_of::<f32>()) as f64
}

/// The bytes of zero points: a file has them once for each number of channels.
pub(crate) fn zero_points_size(channels: impl IntoIterator<Item = usize>) -> f64 {
    channels.into_iter().map(|n| n * size_of::<i64>()).sum::<usize>() as f64
}
