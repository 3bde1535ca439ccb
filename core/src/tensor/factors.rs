//! Factors along one axis of a tensor, applied to elements when they are read.

use std::sync::Arc;

/// One factor for each slice of an f32 tensor along an axis.
#[derive(Clone, Debug)]
pub(super) struct Factors {
    pub(super) axis: usize,
    pub(super) values: Arc<[f64]>,
}

impl Factors {
    /// The same factors where axes have other numbers; none where theirs is gone.
    pub(super) fn moved(&self, number: impl FnOnce(usize) -> Option<usize>) -> Option<Factors> {
        number(self.axis).map(|axis| Factors {
            axis,
            values: self.values.clone(),
        })
    }

    /// The factors of a part of the slices along `axis`.
    pub(super) fn sliced(&self, axis: usize, start: usize, len: usize) -> Factors {
        match axis == self.axis {
            true => Factors {
                axis,
                values: self.values[start..start + len].into(),
            },
            false => self.clone(),
        }
    }

    /// Multiplies elements `first ..` of a tensor of these extents, each product rounded once.
    pub(super) fn apply(&self, dims: &[usize], first: usize, out: &mut [u8]) {
        let (mut rest, _) = out.as_chunks_mut::<4>();
        let run: usize = dims[self.axis + 1..].iter().product();
        let mut channel = first / run % self.values.len();
        if run == 1 {
            while !rest.is_empty() {
                let factors = &self.values[channel..];
                let (row, tail) = rest.split_at_mut(rest.len().min(factors.len()));
                row.iter_mut().zip(factors).for_each(|(x, &factor)| times(x, factor));
                (rest, channel) = (tail, 0);
            }
            return;
        }
        let mut left = run - first % run;
        while !rest.is_empty() {
            let (slice, tail) = rest.split_at_mut(rest.len().min(left));
            let factor = self.values[channel];
            slice.iter_mut().for_each(|x| times(x, factor));
            (rest, left, channel) = (tail, run, (channel + 1) % self.values.len());
        }
    }
}

#[inline(always)]
fn times(x: &mut [u8; 4], factor: f64) {
    *x = ((f64::from(f32::from_le_bytes(*x)) * factor) as f32).to_le_bytes();
}

#[cfg(test)]
mod tests {
    use crate::Tensor;
    use proptest::prelude::*;

    /// The elements, multiplied one by one.
    fn multiplied(tensor: &Tensor, axis: usize, factors: &[f64]) -> Vec<f32> {
        let run: usize = tensor.dims()[axis + 1..].iter().product();
        let product = |(i, x): (usize, f32)| (f64::from(x) * factors[i / run % factors.len()]) as f32;
        tensor.to_vec::<f32>().into_iter().enumerate().map(product).collect()
    }

    proptest! {
        #[test]
        fn views_of_a_scaled_tensor_are_views_of_its_elements(
            dims in prop::collection::vec(1usize..7, 3),
            axis in 0usize..3,
            turn in 0usize..3,
            cut in (0usize..3, any::<prop::sample::Index>(), any::<prop::sample::Index>()),
            start in any::<prop::sample::Index>(),
        ) {
            let count: usize = dims.iter().product();
            let plain = Tensor::from_vec(&dims, (0..count).map(|i| i as f32 - 7.3).collect::<Vec<f32>>());
            let factors: Vec<f64> = (0..dims[axis]).map(|c| 0.3 + c as f64).collect();
            let scaled = plain.scaled(axis, &factors).unwrap();
            prop_assert!(!scaled.is_packed() && scaled.packed_bytes().is_none() && scaled.as_slice::<f32>().is_none());
            let expected = multiplied(&plain, axis, &factors);
            prop_assert_eq!(scaled.to_vec::<f32>(), expected.clone());
            let expected = Tensor::from_vec(&dims, expected);
            prop_assert_eq!(&scaled, &expected);

            let mut order = vec![0, 1, 2];
            order.rotate_left(turn);
            prop_assert_eq!(scaled.transposed(&order), expected.transposed(&order));
            let (cut_axis, a, b) = cut;
            let (a, b) = (a.index(dims[cut_axis] + 1), b.index(dims[cut_axis] + 1));
            prop_assert_eq!(scaled.sliced(cut_axis, a.min(b), a.abs_diff(b)), expected.sliced(cut_axis, a.min(b), a.abs_diff(b)));
            let (flat, wide) = ([count], [dims[0], 1, dims[1], dims[2], 1]);
            prop_assert_eq!(scaled.reshaped(&flat), expected.reshaped(&flat));
            prop_assert_eq!(scaled.reshaped(&wide), expected.reshaped(&wide));
            let turned = scaled.transposed(&order).unwrap();
            prop_assert_eq!(turned.reshaped(&flat), expected.transposed(&order).unwrap().reshaped(&flat));
            let first = start.index(count);
            let mut part = vec![0f32; count - first];
            turned.gather_into(first, bytemuck::cast_slice_mut(&mut part));
            prop_assert_eq!(&part, &turned.to_vec::<f32>()[first..]);

            let twice = scaled.scaled(axis, &factors).unwrap();
            let squares: Vec<f64> = factors.iter().map(|f| f * f).collect();
            prop_assert_eq!(twice.to_vec::<f32>(), multiplied(&plain, axis, &squares));
            let other = (axis + 1) % 3;
            let more: Vec<f64> = (0..dims[other]).map(|c| 1.7 - c as f64).collect();
            prop_assert_eq!(scaled.scaled(other, &more).unwrap().to_vec::<f32>(), multiplied(&expected, other, &more));
        }
    }

    #[test]
    fn a_scaled_splat_differs_from_slice_to_slice() {
        let ones = Tensor::splat(&Tensor::scalar(1f32), &[2, 3]);
        let scaled = ones.scaled(1, &[1.0, 2.0, 3.0]).unwrap();
        assert!(!scaled.is_splat());
        assert_eq!(scaled.reshaped(&[6]).unwrap().to_vec::<f32>(), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        assert_ne!(ones.view_key(), scaled.view_key());
        assert!(ones.scaled(1, &[1.0]).is_none() && ones.scaled(2, &[1.0]).is_none());
    }
}
