//! Comparing what a model computes before and after a pass.

use planish_core::{DType, Tensor};

/// Compares element by element, with a tolerance, or bit for bit where there is none.
///
/// # Errors
/// The first element that differs by more.
pub(super) fn compare(expected: &Tensor, found: &Tensor, tolerance: Option<f64>) -> Result<(), String> {
    if (expected.dtype(), expected.dims()) != (found.dtype(), found.dims()) {
        return Err(format!("it was {}, it is {}", expected.ty(), found.ty()));
    }
    if expected.dtype() != DType::F32 {
        return match expected == found {
            true => Ok(()),
            false => Err(format!("elements of {} differ", expected.ty())),
        };
    }
    let pairs = expected.to_vec::<f32>().into_iter().zip(found.to_vec::<f32>());
    for (place, (expected, found)) in pairs.enumerate() {
        let same = expected == found || expected.is_nan() && found.is_nan();
        let near = tolerance.is_some_and(|t| f64::from((expected - found).abs()) <= t || !expected.is_finite() || t.is_infinite());
        if !same && !near {
            return Err(match tolerance {
                Some(t) => format!("element {place} was {expected:?}, is {found:?}, tolerance {t:e}"),
                None => format!("element {place} was {expected:?}, is {found:?}, and every bit counts"),
            });
        }
    }
    Ok(())
}
