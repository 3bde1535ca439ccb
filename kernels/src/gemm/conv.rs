//! Convolution through the loop nest of the matrix product: its rows are patches of the images.

use std::ops::Range;

use super::nest::{self, InPlace, Source};
use super::panels::Panels;
use super::weights::row_stride;
use crate::arch::{Block, Clamp, RowScale, Tile};

/// The extents of a two-dimensional convolution of NHWC images with OHWI filters; pairs are height, width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv2dShape {
    /// The number of images.
    pub batch: usize,
    /// Of an image.
    pub input: [usize; 2],
    /// Channels of an image, over all groups.
    pub channels: usize,
    /// Of a result image.
    pub output: [usize; 2],
    /// Channels of a result image, over all groups.
    pub filters: usize,
    /// Of a filter.
    pub kernel: [usize; 2],
    /// The distance between neighbouring patches.
    pub stride: [usize; 2],
    /// The distance between neighbouring elements of a patch.
    pub dilation: [usize; 2],
    /// Rows of zeros above and columns of zeros to the left of an image; to the other sides, whatever the output needs.
    pub padding: [usize; 2],
    /// Each group of filters sees its share of the channels.
    pub groups: usize,
}

impl Conv2dShape {
    /// The elements of a filter.
    pub fn depth(&self) -> usize {
        self.kernel[0] * self.kernel[1] * (self.channels / self.groups)
    }

    /// Panics unless the extents fit each other and the numbers of elements.
    pub(super) fn check(&self, input: usize, output: usize) {
        assert!(
            self.groups > 0 && self.channels.is_multiple_of(self.groups) && self.filters.is_multiple_of(self.groups),
            "channels and filters that divide into the groups"
        );
        let elements =
            |[height, width]: [usize; 2], channels: usize| self.batch.checked_mul(height)?.checked_mul(width)?.checked_mul(channels);
        assert!(
            elements(self.input, self.channels) == Some(input),
            "an input of the convolution's shape"
        );
        assert!(
            elements(self.output, self.filters) == Some(output),
            "an output of the convolution's shape"
        );
    }

    /// Each patch is one pixel, and each pixel a patch.
    fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0] && self.input == self.output
    }
}

/// Convolves; `padding` is what stands for zero in each image, `scales` one an image for a hybrid product.
pub(super) fn run<T: Tile>(
    shape: &Conv2dShape,
    input: &[T::Left],
    padding: &[T::Left],
    scales: &[RowScale],
    groups: &[Panels<T>],
    out: &mut [f32],
    clamp: Clamp,
) {
    let pixels = shape.output[0] * shape.output[1];
    let rows = shape.batch * pixels;
    if out.is_empty() {
        return;
    }
    let share = shape.channels / shape.groups;
    let mut block = Block::new(out, rows, shape.filters, shape.filters);
    for (group, panels) in groups.iter().enumerate() {
        let columns = group * panels.outputs()..(group + 1) * panels.outputs();
        let out = block.part(0..rows, columns);
        if shape.is_pointwise() && panels.depth() == share {
            let data = if share == 0 { input } else { &input[group * share..] };
            nest::product(
                &InPlace {
                    data,
                    stride: shape.channels,
                    scales,
                    rows_per_scale: pixels,
                },
                panels,
                out,
                clamp,
            );
        } else {
            let patches = Patches {
                shape,
                input,
                padding,
                scales,
                pixels,
                first_channel: group * share,
                share,
                depth: panels.depth(),
            };
            nest::product(&patches, panels, out, clamp);
        }
    }
}

/// Rows gathered from the images chunk by chunk.
struct Patches<'a, L> {
    shape: &'a Conv2dShape,
    input: &'a [L],
    padding: &'a [L],
    scales: &'a [RowScale],
    pixels: usize,
    first_channel: usize,
    /// The channels of the group.
    share: usize,
    /// The elements of a patch, padded as the tile wants.
    depth: usize,
}

impl<L: Copy + Default + Sync> Source<L> for Patches<'_, L> {
    fn rows<'s>(&'s self, rows: Range<usize>, scratch: &'s mut Vec<L>) -> (&'s [L], usize) {
        let stride = row_stride::<L>(self.depth);
        scratch.resize(rows.len() * stride, L::default());
        for (row, to) in rows.zip(scratch.chunks_exact_mut(stride.max(1))) {
            self.gather(row, to);
        }
        (scratch, stride)
    }

    fn scale(&self, row: usize) -> Option<RowScale> {
        self.scales.get(row / self.pixels).copied()
    }
}

impl<L: Copy> Patches<'_, L> {
    /// Copies the patch of one output pixel, in ascending order, so that what a copy writes too much is written over.
    fn gather(&self, row: usize, to: &mut [L]) {
        let Conv2dShape {
            input: [height, width],
            channels,
            output,
            kernel: [kernel_height, kernel_width],
            stride,
            dilation,
            padding,
            ..
        } = *self.shape;
        let (image, pixel) = (row / self.pixels, row % self.pixels);
        let (top, left) = (pixel / output[1] * stride[0], pixel % output[1] * stride[1]);
        let zero = self.padding[image];
        let line = kernel_width * self.share;
        if line == 0 {
            return;
        }
        for ky in 0..kernel_height {
            let to = &mut to[ky * line..];
            let Some(y) = (top + ky * dilation[0]).checked_sub(padding[0]).filter(|y| *y < height) else {
                to[..line].fill(zero);
                continue;
            };
            let from = &self.input[(image * height + y) * width * channels..];
            if dilation[1] == 1 && self.share == channels {
                let before = padding[1].saturating_sub(left).min(kernel_width);
                let start = left.saturating_sub(padding[1]).min(width);
                let inside = (kernel_width - before).min(width - start);
                to[..before * channels].fill(zero);
                copy(&from[start * channels..], &mut to[before * channels..], inside * channels);
                to[(before + inside) * channels..line].fill(zero);
                continue;
            }
            for kx in 0..kernel_width {
                let to = &mut to[kx * self.share..];
                match (left + kx * dilation[1]).checked_sub(padding[1]).filter(|x| *x < width) {
                    Some(x) => copy(&from[x * channels + self.first_channel..], to, self.share),
                    None => to[..self.share].fill(zero),
                }
            }
        }
    }
}

/// Copies `count` elements from the front; a few more may follow them, which costs less than a call for a few bytes.
#[inline(always)]
fn copy<L: Copy>(from: &[L], to: &mut [L], count: usize) {
    const SHORT: usize = 32;
    match (from.first_chunk::<SHORT>(), to.first_chunk_mut::<SHORT>()) {
        (Some(from), Some(to)) if count <= SHORT => *to = *from,
        _ => to[..count].copy_from_slice(&from[..count]),
    }
}
