//! Weights packed for one kernel, and the products that they take part in.

use rayon::prelude::*;

use super::conv::{self, Conv2dShape};
use super::matrix::Matrix;
use super::nest::{self, InPlace};
use super::panels::Panels;
use crate::arch::{Block, Clamp, RowScale, Tile};
use crate::hybrid;
use crate::select::{self, Kernel, Operation, Pack, Precision};

/// Packed weights of any kernel: what a registered kernel makes, and all that is asked of it.
pub trait Product: Send + Sync {
    /// `out[r, c] = clamp(bias[c] + Σ_k left[r, k] · weights[c, k])`; `out` holds the rows one after the other.
    fn multiply(&self, left: Matrix<'_, f32>, out: &mut [f32], clamp: Clamp);

    /// The convolution of NHWC images whose filters are the weights' rows. `shape` fits `input`, `out` and the weights.
    fn convolve(&self, shape: &Conv2dShape, input: &[f32], out: &mut [f32], clamp: Clamp);
}

/// Constant weights and bias, packed once for the kernel that will multiply them.
pub struct PackedWeights {
    kernel: &'static Kernel,
    product: Box<dyn Product>,
    outputs: usize,
    depth: usize,
    groups: usize,
}

impl PackedWeights {
    /// Packs float weights `[out, in]` for the best kernel of this machine. `groups` is 1 except for a grouped
    /// convolution, where each of the groups takes its share of the outputs and of the input channels.
    ///
    /// # Panics
    /// When the bias is not one an output, or the outputs do not divide into the groups.
    pub fn float(operation: Operation, weights: Matrix<'_, f32>, bias: Option<&[f32]>, groups: usize) -> Self {
        Self::float_with(select::choose(operation, Precision::Float), weights, bias, groups)
    }

    /// As [`PackedWeights::float`], for a given kernel.
    ///
    /// # Panics
    /// As [`PackedWeights::float`], and when the kernel is not a float one or this machine cannot run it.
    pub fn float_with(kernel: &'static Kernel, weights: Matrix<'_, f32>, bias: Option<&[f32]>, groups: usize) -> Self {
        check(weights.rows(), bias, groups);
        let Pack::Float(pack) = kernel.pack else {
            panic!("{} is not a float kernel", kernel.name)
        };
        let product = pack(weights, bias, groups).expect("a kernel that this machine can run");
        PackedWeights {
            kernel,
            product,
            outputs: weights.rows(),
            depth: weights.columns(),
            groups,
        }
    }

    /// Packs int8 weights `[out, in]`, whose reals are `scale · stored` with one scale or one an output.
    ///
    /// # Panics
    /// As [`PackedWeights::float`], and when the scales are neither one nor one an output.
    pub fn hybrid(operation: Operation, weights: Matrix<'_, i8>, scales: &[f32], bias: Option<&[f32]>, groups: usize) -> Self {
        Self::hybrid_with(select::choose(operation, Precision::Hybrid), weights, scales, bias, groups)
    }

    /// As [`PackedWeights::hybrid`], for a given kernel.
    ///
    /// # Panics
    /// As [`PackedWeights::hybrid`], and when the kernel is not a hybrid one or this machine cannot run it.
    pub fn hybrid_with(kernel: &'static Kernel, weights: Matrix<'_, i8>, scales: &[f32], bias: Option<&[f32]>, groups: usize) -> Self {
        check(weights.rows(), bias, groups);
        assert!(scales.len() == 1 || scales.len() == weights.rows(), "one scale, or one an output");
        let Pack::Hybrid(pack) = kernel.pack else {
            panic!("{} is not a hybrid kernel", kernel.name)
        };
        let product = pack(weights, scales, bias, groups).expect("a kernel that this machine can run");
        PackedWeights {
            kernel,
            product,
            outputs: weights.rows(),
            depth: weights.columns(),
            groups,
        }
    }

    /// The kernel that the weights are packed for.
    pub fn kernel(&self) -> &'static Kernel {
        self.kernel
    }

    /// Multiplies the rows of `left` (`[rows, in]`) into `out` (`[rows, out]`). A hybrid kernel quantizes each row
    /// as XNNPACK does.
    ///
    /// # Panics
    /// When the shapes do not fit, or the weights are in groups.
    pub fn multiply(&self, left: Matrix<'_, f32>, out: &mut [f32], clamp: Clamp) {
        assert!(self.groups == 1, "a matrix product has no groups");
        assert!(
            left.columns() == self.depth,
            "rows of {} elements for weights of {}",
            left.columns(),
            self.depth
        );
        assert!(
            left.rows().checked_mul(self.outputs) == Some(out.len()),
            "an output of {} elements for {} rows of {}",
            out.len(),
            left.rows(),
            self.outputs
        );
        self.product.multiply(left, out, clamp);
    }

    /// Convolves NHWC images with the weights, `[filters, kernel height · kernel width · channels / groups]`. A hybrid
    /// kernel quantizes each image as a whole, as XNNPACK does.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn convolve(&self, shape: &Conv2dShape, input: &[f32], out: &mut [f32], clamp: Clamp) {
        shape.check(input.len(), out.len());
        assert!(
            shape.filters == self.outputs && shape.groups == self.groups && shape.depth() == self.depth,
            "a shape for other weights"
        );
        self.product.convolve(shape, input, out, clamp);
    }
}

fn check(outputs: usize, bias: Option<&[f32]>, groups: usize) {
    assert!(groups > 0 && outputs.is_multiple_of(groups), "outputs that divide into the groups");
    assert!(bias.is_none_or(|bias| bias.len() == outputs), "one bias an output");
}

/// Packs float weights for one tile, if this CPU can run it.
pub(crate) fn pack_float<T: Tile<Left = f32, Right = f32>>(
    weights: Matrix<'_, f32>,
    bias: Option<&[f32]>,
    groups: usize,
) -> Option<Box<dyn Product>> {
    let tile = T::new()?;
    let share = weights.rows() / groups;
    let group = |group: usize| {
        Panels::new(
            tile,
            weights.rows_from(group * share, share),
            bias.map(|bias| &bias[group * share..][..share]),
        )
    };
    Some(Box::new(Float {
        groups: (0..groups).map(group).collect(),
    }))
}

/// Packs int8 weights for one tile, if this CPU can run it.
pub(crate) fn pack_hybrid<T>(weights: Matrix<'_, i8>, scales: &[f32], bias: Option<&[f32]>, groups: usize) -> Option<Box<dyn Product>>
where
    T: Tile<Right = i8>,
    T::Left: From<u8>,
{
    let tile = T::new()?;
    let share = weights.rows() / groups;
    let group = |group: usize| {
        let scales = if scales.len() == 1 {
            scales
        } else {
            &scales[group * share..][..share]
        };
        Panels::quantized(
            tile,
            weights.rows_from(group * share, share),
            scales,
            bias.map(|bias| &bias[group * share..][..share]),
        )
    };
    Some(Box::new(Hybrid {
        groups: (0..groups).map(group).collect(),
    }))
}

/// A distance between rows that keeps them from falling into the same sets of the cache.
pub(super) fn row_stride<L>(depth: usize) -> usize {
    let line = 64 / std::mem::size_of::<L>();
    let stride = depth.next_multiple_of(line);
    if stride.is_multiple_of(16 * line) { stride + line } else { stride }
}

struct Float<T: Tile> {
    groups: Vec<Panels<T>>,
}

impl<T: Tile<Left = f32, Right = f32>> Product for Float<T> {
    fn multiply(&self, left: Matrix<'_, f32>, out: &mut [f32], clamp: Clamp) {
        let [panels] = &self.groups[..] else {
            panic!("a matrix product has one group")
        };
        let block = Block::new(out, left.rows(), panels.outputs(), panels.outputs());
        let run = |data: &[f32], stride| {
            nest::product(
                &InPlace {
                    data,
                    stride,
                    scales: &[],
                    rows_per_scale: 1,
                },
                panels,
                block,
                clamp,
            )
        };
        match left.as_rows() {
            Some(data) if panels.depth() == left.columns() => run(data, left.row_stride()),
            _ => {
                let stride = row_stride::<f32>(panels.depth());
                let mut rows = vec![0.0; left.rows() * stride];
                for (row, to) in rows.chunks_exact_mut(stride.max(1)).enumerate() {
                    for (k, to) in to[..left.columns()].iter_mut().enumerate() {
                        *to = left.at(row, k);
                    }
                }
                run(&rows, stride);
            }
        }
    }

    fn convolve(&self, shape: &Conv2dShape, input: &[f32], out: &mut [f32], clamp: Clamp) {
        let padding = vec![0.0; shape.batch];
        conv::run(shape, input, &padding, &[], &self.groups, out, clamp);
    }
}

struct Hybrid<T: Tile> {
    groups: Vec<Panels<T>>,
}

impl<T> Product for Hybrid<T>
where
    T: Tile<Right = i8>,
    T::Left: From<u8>,
{
    fn multiply(&self, left: Matrix<'_, f32>, out: &mut [f32], clamp: Clamp) {
        let [panels] = &self.groups[..] else {
            panic!("a matrix product has one group")
        };
        let stride = row_stride::<T::Left>(panels.depth());
        let mut rows = vec![T::Left::default(); left.rows() * stride];
        let mut scales = vec![RowScale::default(); left.rows()];
        let quantize = |((row, to), scale): ((usize, &mut [T::Left]), &mut RowScale)| {
            let to = &mut to[..left.columns()];
            *scale = match left.row(row) {
                Some(row) => hybrid::quantize_row_biased(row, to),
                None => hybrid::quantize_row_biased(&(0..left.columns()).map(|k| left.at(row, k)).collect::<Vec<f32>>(), to),
            };
        };
        if left.rows() * left.columns() < PARALLEL_ELEMENTS || left.rows() < 2 {
            rows.chunks_exact_mut(stride.max(1)).enumerate().zip(&mut scales).for_each(quantize);
        } else {
            rows.par_chunks_exact_mut(stride).enumerate().zip(&mut scales).for_each(quantize);
        }
        let block = Block::new(out, left.rows(), panels.outputs(), panels.outputs());
        nest::product(
            &InPlace {
                data: &rows,
                stride,
                scales: &scales,
                rows_per_scale: 1,
            },
            panels,
            block,
            clamp,
        );
    }

    fn convolve(&self, shape: &Conv2dShape, input: &[f32], out: &mut [f32], clamp: Clamp) {
        let image = shape.input[0] * shape.input[1] * shape.channels;
        let mut quantized = vec![T::Left::default(); input.len()];
        let quantize = |index: usize, to: &mut [T::Left]| hybrid::quantize_row_biased(&input[index * image..][..image], to);
        let scales: Vec<RowScale> = if image == 0 {
            vec![hybrid::quantize_row_biased::<T::Left>(&[], &mut []); shape.batch]
        } else if input.len() < PARALLEL_ELEMENTS {
            quantized
                .chunks_exact_mut(image)
                .enumerate()
                .map(|(index, to)| quantize(index, to))
                .collect()
        } else {
            quantized
                .par_chunks_exact_mut(image)
                .enumerate()
                .map(|(index, to)| quantize(index, to))
                .collect()
        };
        let padding: Vec<T::Left> = scales.iter().map(|scale| T::Left::from(scale.zero_point as u8)).collect();
        conv::run(shape, &quantized, &padding, &scales, &self.groups, out, clamp);
    }
}

/// Fewer activations than this are quantized on one thread.
const PARALLEL_ELEMENTS: usize = 1 << 17;
