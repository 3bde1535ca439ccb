//! The element types that graphs compute with: builtin kernels know no arithmetic on half and double precision.

use planish_core::types::DType;

/// The type in which values of `dtype` are held inside a graph.
///
/// Half precision, bfloat16 and double precision are computed in single precision; parameters and results keep their
/// declared types and are converted at the graph's border.
pub(super) fn computed(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 | DType::F64 => DType::F32,
        other => other,
    }
}
