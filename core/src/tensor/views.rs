//! Views of a tensor: other extents and orders of the same bytes.

use super::{Factors, Tensor, row_major};
use crate::quant::Quant;
use crate::types::DType;

impl Tensor {
    /// The view whose dimension `i` is this one's dimension `permutation[i]`; no byte moves.
    ///
    /// Per-axis quantization follows its axis. Elements smaller than a byte and strings cannot be transposed as a view:
    /// `None`, as where `permutation` is not one.
    pub fn transposed(&self, permutation: &[usize]) -> Option<Tensor> {
        let mut seen = vec![false; self.dims.len()];
        if permutation.len() != self.dims.len() || self.dtype.size().is_none() {
            return None;
        }
        for &axis in permutation {
            if axis >= seen.len() || std::mem::replace(&mut seen[axis], true) {
                return None;
            }
        }
        let quant = self.quant.as_ref().map(|q| match q.axis() {
            Some(axis) => q.with_axis(permutation.iter().position(|&p| p == axis).unwrap_or(axis)),
            None => q.clone(),
        });
        Some(Tensor {
            dims: permutation.iter().map(|&a| self.dims[a]).collect(),
            strides: permutation.iter().map(|&a| self.strides[a]).collect(),
            factors: self
                .factors
                .as_ref()
                .and_then(|f| f.moved(|axis| permutation.iter().position(|&p| p == axis))),
            quant,
            ..self.clone()
        })
    }

    /// The same elements in row-major order under other extents, or `None` where their product differs.
    ///
    /// A view where the elements lie packed or the extents differ only by dimensions of 1; gathered otherwise.
    /// Quantization is kept where it is per tensor and dropped where it is per axis.
    pub fn reshaped(&self, dims: &[usize]) -> Option<Tensor> {
        let elements = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if elements != self.elements() {
            return None;
        }
        let quant = self.quant.clone().filter(|q| q.axis().is_none());
        if self.factors.is_none() && self.strides.iter().all(|&s| s == 0) && self.elements() > 0 {
            return Some(Tensor {
                dims: dims.to_vec(),
                strides: vec![0; dims.len()],
                quant,
                ..self.clone()
            });
        }
        if !self.is_packed() {
            let kept: Vec<usize> = (0..self.dims.len()).filter(|&a| self.dims[a] != 1).collect();
            let wanted: Vec<usize> = dims.iter().copied().filter(|&d| d != 1).collect();
            let place = |n: usize| (0..dims.len()).filter(|&a| dims[a] != 1).nth(n);
            let factors = self
                .factors
                .as_ref()
                .map(|f| f.moved(|axis| place(kept.iter().position(|&a| a == axis)?)));
            if kept.iter().map(|&a| self.dims[a]).eq(wanted.iter().copied()) && !matches!(factors, Some(None)) {
                let mut rest = kept.iter().map(|&a| self.strides[a]);
                let strides = dims
                    .iter()
                    .map(|&d| if d == 1 { 0 } else { rest.next().expect("as many") })
                    .collect();
                return Some(Tensor {
                    dims: dims.to_vec(),
                    strides,
                    factors: factors.flatten(),
                    quant,
                    ..self.clone()
                });
            }
        }
        let packed = self.to_packed();
        Some(Tensor {
            dims: dims.to_vec(),
            strides: row_major(dims),
            quant,
            ..packed
        })
    }

    /// The view of `len` slices along `axis` from `start` on, or `None` where they do not exist.
    ///
    /// Elements smaller than a byte and strings cannot be sliced as a view: `None`. Per-axis parameters are sliced along.
    pub fn sliced(&self, axis: usize, start: usize, len: usize) -> Option<Tensor> {
        let extent = *self.dims.get(axis)?;
        if start.checked_add(len)? > extent || self.dtype.size().is_none() {
            return None;
        }
        let mut dims = self.dims.clone();
        dims[axis] = len;
        let quant = self.quant.as_ref().map(|q| match q.axis() {
            Some(a) if a == axis => {
                let range = start..start + len;
                Quant::per_axis(a, q.scales()[range.clone()].to_vec(), q.zero_points()[range].to_vec())
                    .expect("a part of valid parameters is valid")
            }
            _ => q.clone(),
        });
        let origin = if len == 0 {
            self.origin
        } else {
            (self.origin as isize + start as isize * self.strides[axis]) as usize
        };
        Some(Tensor {
            dims,
            origin,
            factors: self.factors.as_ref().map(|f| f.sliced(axis, start, len)),
            quant,
            ..self.clone()
        })
    }

    /// The view of an f32 tensor whose slices along `axis` are multiplied by their factors when they are read; each
    /// product is computed in float64 and rounded once. `None` for other elements, and where there is not a factor for
    /// each slice.
    pub fn scaled(&self, axis: usize, factors: &[f64]) -> Option<Tensor> {
        if self.dtype != DType::F32 || self.dims.get(axis) != Some(&factors.len()) {
            return None;
        }
        let (plain, values) = match &self.factors {
            Some(own) if own.axis == axis => (self.clone(), own.values.iter().zip(factors).map(|(a, b)| a * b).collect()),
            Some(_) => (self.to_packed(), factors.into()),
            None => (self.clone(), factors.into()),
        };
        Some(Tensor {
            factors: Some(Factors { axis, values }),
            ..plain
        })
    }
}
