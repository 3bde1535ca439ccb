//! Functions fused behind an operation.

use planish_core::Tensor;
use planish_core::attr::Activation;

use super::number::{Narrow, Number};

/// Applies a fused activation to elements in place.
pub(crate) fn activate<T: Narrow>(activation: Activation, values: &mut [T]) {
    match activation {
        Activation::None => {}
        Activation::Tanh => values.iter_mut().for_each(|v| *v = v.map(f32::tanh, f64::tanh)),
        Activation::SignBit => values.iter_mut().for_each(|v| {
            *v = if v.to_f64().is_sign_negative() { T::ONE } else { T::ZERO };
        }),
        clamp => clamp_all(clamp, values),
    }
}

/// Applies a fused activation that is a clamp; what is no clamp is left out, as integers have no other.
pub(crate) fn clamp_all<T: Number>(activation: Activation, values: &mut [T]) {
    let Some((low, high)) = activation.bounds() else { return };
    if low == f32::NEG_INFINITY && high == f32::INFINITY {
        return;
    }
    let low = T::from_f64(f64::from(low));
    if high == f32::INFINITY {
        values.iter_mut().for_each(|v| *v = if *v < low { low } else { *v });
    } else {
        let high = T::from_f64(f64::from(high));
        values.iter_mut().for_each(|v| *v = clamp(*v, low, high));
    }
}

/// `x` moved into an interval; what is not a number stays so.
pub(crate) fn clamp<T: Number>(x: T, low: T, high: T) -> T {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

/// A float result with its fused activation.
pub(crate) fn finish<T: Narrow>(activation: Activation, dims: &[usize], mut values: Vec<T>) -> Tensor {
    activate(activation, &mut values);
    Tensor::from_vec(dims, values)
}
