//! Extents and positions: broadcasting, axes, windows and walks over strided elements.

use planish_core::attr::Padding;

use super::args::invalid;
use crate::error::Error;

/// Strides of packed row-major elements.
pub(crate) fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; dims.len()];
    for axis in (0..dims.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * dims[axis + 1];
    }
    strides
}

/// The axis that a possibly negative number names.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, Error> {
    let found = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    match usize::try_from(found) {
        Ok(found) if found < rank => Ok(found),
        _ => invalid(format!("axis {axis} does not exist in rank {rank}")),
    }
}

/// The extents before an axis, its own, and those behind it, each multiplied together.
pub(crate) fn around(dims: &[usize], axis: usize) -> (usize, usize, usize) {
    (dims[..axis].iter().product(), dims[axis], dims[axis + 1..].iter().product())
}

/// The extents that two broadcast to.
pub(crate) fn broadcast(x: &[usize], y: &[usize]) -> Result<Vec<usize>, Error> {
    let rank = x.len().max(y.len());
    let at = |dims: &[usize], i: usize| if i + dims.len() < rank { 1 } else { dims[i + dims.len() - rank] };
    (0..rank)
        .map(|i| match (at(x, i), at(y, i)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            _ => invalid(format!("extents {x:?} and {y:?} do not broadcast")),
        })
        .collect()
}

/// For each dimension of `to` how far apart elements of packed `from` lie when broadcast to it.
pub(crate) fn broadcast_strides(from: &[usize], to: &[usize]) -> Vec<usize> {
    let natural = strides(from);
    let skipped = to.len() - from.len();
    (0..to.len())
        .map(|i| {
            if i < skipped || from[i - skipped] == 1 {
                0
            } else {
                natural[i - skipped]
            }
        })
        .collect()
}

/// Calls `f` with the offsets of each row of the innermost dimension, in row-major order, for several strided operands.
pub(crate) fn for_each_row<const N: usize>(dims: &[usize], strides: [&[usize]; N], mut f: impl FnMut([usize; N])) {
    if dims.contains(&0) {
        return;
    }
    let outer = dims.len().saturating_sub(1);
    let mut index = vec![0usize; outer];
    let mut offsets = [0usize; N];
    loop {
        f(offsets);
        let mut axis = outer;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            (0..N).for_each(|n| offsets[n] += strides[n][axis]);
            if index[axis] < dims[axis] {
                break;
            }
            (0..N).for_each(|n| offsets[n] -= strides[n][axis] * dims[axis]);
            index[axis] = 0;
        }
    }
}

/// One dimension of a sliding window: how many positions it has, and where the first one begins.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Window {
    pub(crate) extent: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    /// Elements of padding before the first one.
    pub(crate) before: usize,
    pub(crate) positions: usize,
}

impl Window {
    pub(crate) fn new(input: usize, extent: usize, stride: u32, dilation: u32, padding: Padding) -> Result<Window, Error> {
        let (stride, dilation) = (stride as usize, dilation as usize);
        if stride == 0 || dilation == 0 || extent == 0 {
            return invalid(format!(
                "a window of {extent} by stride {stride} and dilation {dilation} goes nowhere"
            ));
        }
        let reach = match (extent - 1).checked_mul(dilation) {
            Some(reach) if reach < usize::MAX / 4 => reach + 1,
            _ => return invalid(format!("a window of {extent} with dilation {dilation} is too large")),
        };
        let (positions, before) = match padding {
            Padding::Same => {
                let positions = input.div_ceil(stride);
                let needed = positions.saturating_sub(1).saturating_mul(stride).saturating_add(reach);
                (positions, needed.saturating_sub(input) / 2)
            }
            Padding::Valid => ((input + 1).saturating_sub(reach).div_ceil(stride), 0),
        };
        Ok(Window {
            extent,
            stride,
            dilation,
            before,
            positions,
        })
    }

    /// The taps whose input position lies inside `input` elements, at window position `position`.
    pub(crate) fn taps(&self, position: usize, input: usize) -> std::ops::Range<usize> {
        let start = position * self.stride;
        let first = self.before.saturating_sub(start).div_ceil(self.dilation);
        let end = (input + self.before).saturating_sub(start).div_ceil(self.dilation);
        first.min(self.extent)..end.min(self.extent).max(first.min(self.extent))
    }
}
