//! How integers stand for reals, in the file and in the IR.

use flatbuffers::WIPOffset;
use planish_core::{Quant, ValueInfo};

use crate::schema;
use crate::write::emit::Builder;

/// The file's table for a value's quantization, its quantization in blocks and its calibrated range, where it has any.
pub(crate) fn encode<'b>(
    builder: &mut Builder<'b>,
    info: &ValueInfo,
    blocks: &schema::QuantizationDetailsT,
) -> Option<WIPOffset<schema::QuantizationParameters<'b>>> {
    if info.ty.quant.is_none() && info.range.is_none() && *blocks == schema::QuantizationDetailsT::NONE {
        return None;
    }
    let details = blocks.pack(&mut builder.inner);
    let min = info.range.map(|(min, _)| builder.floats(&[min]));
    let max = info.range.map(|(_, max)| builder.floats(&[max]));
    let quant = info.ty.quant.as_ref();
    let scale = quant.map(|q| builder.floats(q.scales()));
    let zero_point = quant.map(|q| builder.longs(q.zero_points()));
    let quantized_dimension = quant.and_then(Quant::axis).map_or(0, |axis| axis as i32);
    let args = schema::QuantizationParametersArgs {
        min,
        max,
        scale,
        zero_point,
        quantized_dimension,
        details_type: blocks.quantization_details_type(),
        details,
    };
    Some(schema::QuantizationParameters::create(&mut builder.inner, &args))
}

/// What the file says of how integers stand for reals, and of the range seen in calibration.
#[derive(Default)]
pub(crate) struct Decoded {
    pub quant: Option<Quant>,
    pub range: Option<(f32, f32)>,
}

/// Reads the file's table for a tensor of these extents.
///
/// Runtimes take a scale of zero for no quantization, and so does this. Where the declared dimension has not as many slices
/// as there are scales, the only one that has is meant: runtimes know from the operator which one it is.
pub(crate) fn decode(table: schema::QuantizationParameters<'_>, extents: &[i32]) -> Result<Decoded, String> {
    let one = |v: Option<flatbuffers::Vector<'_, f32>>| v.filter(|v| v.len() == 1).map(|v| v.get(0)).filter(|x| x.is_finite());
    let range = one(table.min()).zip(one(table.max())).filter(|(min, max)| min <= max);
    let scales: Vec<f32> = table.scale().map(|v| v.iter().collect()).unwrap_or_default();
    let mut zero_points: Vec<i64> = table.zero_point().map(|v| v.iter().collect()).unwrap_or_default();
    if scales.iter().all(|&scale| scale == 0.0) {
        return Ok(Decoded { quant: None, range });
    }
    if zero_points.len() <= 1 {
        zero_points = vec![zero_points.first().copied().unwrap_or(0); scales.len()];
    }
    let quant = match scales[..] {
        [scale] => Quant::per_tensor(scale, zero_points[0]),
        _ => {
            let fits = |axis: &usize| extents.get(*axis).is_some_and(|&n| usize::try_from(n) == Ok(scales.len()));
            let declared = usize::try_from(table.quantized_dimension()).ok().filter(fits);
            let mut fitting = (0..extents.len()).filter(fits);
            let axis = declared.or(fitting.next().filter(|_| fitting.next().is_none()));
            let axis = axis.ok_or_else(|| {
                format!(
                    "{} scales along dimension {} of {extents:?}",
                    scales.len(),
                    table.quantized_dimension()
                )
            })?;
            Quant::per_axis(axis, scales, zero_points)
        }
    };
    Ok(Decoded {
        quant: Some(quant.map_err(|e| e.to_string())?),
        range,
    })
}
