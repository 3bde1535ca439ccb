//! How integers stand for reals: `real = scale × (stored − zero_point)`.
//!
//! The affine scheme of Jacob et al., "Quantization and Training of Neural Networks for Efficient
//! Integer-Arithmetic-Only Inference" (CVPR 2018), equation 1; per axis as in Krishnamoorthi,
//! "Quantizing deep convolutional networks for efficient inference" (2018), section 2.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Why parameters cannot be a quantization.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum QuantError {
    /// A scale is zero, negative, infinite or not a number.
    #[error("scale {0} is not a positive finite number")]
    Scale(f32),
    /// Scales and zero points differ in number.
    #[error("{scales} scales but {zero_points} zero points")]
    Lengths {
        /// How many scales there are.
        scales: usize,
        /// How many zero points there are.
        zero_points: usize,
    },
}

/// real = scale × (stored − zero_point), with one pair for all elements or one for each slice along an axis.
#[derive(Clone, PartialEq, Debug)]
pub struct Quant(Form);

#[derive(Clone, PartialEq, Debug)]
enum Form {
    PerTensor {
        scale: f32,
        zero_point: i64,
    },
    PerAxis {
        axis: usize,
        scales: Arc<[f32]>,
        zero_points: Arc<[i64]>,
    },
}

fn checked(scale: f32) -> Result<f32, QuantError> {
    if scale.is_finite() && scale > 0.0 {
        Ok(scale)
    } else {
        Err(QuantError::Scale(scale))
    }
}

impl Quant {
    /// One scale and zero point for all elements.
    ///
    /// # Errors
    /// Where the scale is not a positive finite number.
    pub fn per_tensor(scale: f32, zero_point: i64) -> Result<Quant, QuantError> {
        Ok(Quant(Form::PerTensor {
            scale: checked(scale)?,
            zero_point,
        }))
    }

    /// Whether each slice along an axis has a scale of its own and the zero point 0.
    pub fn is_symmetric_per_axis(&self) -> bool {
        self.axis().is_some() && self.zero_points().iter().all(|&zero| zero == 0)
    }

    /// One scale and zero point for each slice along `axis`.
    ///
    /// # Errors
    /// Where a scale is not a positive finite number, or there is not one zero point a scale.
    pub fn per_axis(axis: usize, scales: Vec<f32>, zero_points: Vec<i64>) -> Result<Quant, QuantError> {
        if scales.len() != zero_points.len() {
            return Err(QuantError::Lengths {
                scales: scales.len(),
                zero_points: zero_points.len(),
            });
        }
        for &scale in &scales {
            checked(scale)?;
        }
        Ok(Quant(Form::PerAxis {
            axis,
            scales: scales.into(),
            zero_points: zero_points.into(),
        }))
    }

    /// One scale for each slice along `axis`, zero points 0.
    ///
    /// # Errors
    /// Where a scale is not a positive finite number.
    pub fn symmetric_per_axis(axis: usize, scales: Vec<f32>) -> Result<Quant, QuantError> {
        let zero_points = vec![0; scales.len()];
        Quant::per_axis(axis, scales, zero_points)
    }

    /// The axis along which parameters vary, or `None` where one pair serves all elements.
    pub fn axis(&self) -> Option<usize> {
        match self.0 {
            Form::PerTensor { .. } => None,
            Form::PerAxis { axis, .. } => Some(axis),
        }
    }

    /// The same parameters along another axis; nothing changes where one pair serves all elements.
    pub fn with_axis(&self, axis: usize) -> Quant {
        match &self.0 {
            Form::PerTensor { .. } => self.clone(),
            Form::PerAxis { scales, zero_points, .. } => Quant(Form::PerAxis {
                axis,
                scales: scales.clone(),
                zero_points: zero_points.clone(),
            }),
        }
    }

    /// The scales: one, or one for each slice along the axis.
    pub fn scales(&self) -> &[f32] {
        match &self.0 {
            Form::PerTensor { scale, .. } => std::slice::from_ref(scale),
            Form::PerAxis { scales, .. } => scales,
        }
    }

    /// The zero points, one for each scale.
    pub fn zero_points(&self) -> &[i64] {
        match &self.0 {
            Form::PerTensor { zero_point, .. } => std::slice::from_ref(zero_point),
            Form::PerAxis { zero_points, .. } => zero_points,
        }
    }

    /// Whether stored 0 is real 0 everywhere.
    pub fn is_symmetric(&self) -> bool {
        self.zero_points().iter().all(|&z| z == 0)
    }
}

impl fmt::Display for Quant {
    /// `quant(scale 0.5, zero 3)` or `quant(axis 0, scales [0.5, 0.25], zeros [0, 0])`; zero points of 0 are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::PerTensor { scale, zero_point } => {
                write!(f, "quant(scale {scale:?}")?;
                if *zero_point != 0 {
                    write!(f, ", zero {zero_point}")?;
                }
            }
            Form::PerAxis { axis, scales, zero_points } => {
                write!(f, "quant(axis {axis}, scales {scales:?}")?;
                if !self.is_symmetric() {
                    write!(f, ", zeros {zero_points:?}")?;
                }
            }
        }
        f.write_str(")")
    }
}
