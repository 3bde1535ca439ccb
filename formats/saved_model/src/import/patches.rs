//! Patches of images.

use planish_core::graph::Value;
use planish_core::op::{Pad, Slice, SpaceToDepth, StridedSlice};
use planish_core::tensor::Tensor;

use super::convolution::Layout;
use super::node::{Node, one};
use super::{Imported, Stop};

/// Patches of more pixels than this are only taken where they lie side by side.
const MAX_PIXELS: usize = 256;

/// What one axis of the image is cut into.
struct Cut {
    size: usize,
    stride: usize,
    rate: usize,
    /// How many patches there are.
    count: usize,
    /// How far the last patch reaches.
    end: usize,
}

/// The pixels of each patch as channels.
pub(super) fn extract(node: &mut Node<'_>) -> Imported {
    let image = node.value(0)?;
    let layout = Layout::ChannelsLast;
    let sizes: [u32; 2] = layout.spatial(node, "ksizes")?;
    let strides: [u32; 2] = layout.spatial(node, "strides")?;
    let rates: [u32; 2] = layout.spatial(node, "rates")?;
    let same = node.attr_text("padding", "") == "SAME";
    if node.known_rank(image)? != 4 {
        return Err(Stop::Foreign);
    }
    let mut cuts = Vec::new();
    let mut paddings = vec![0; 8];
    for axis in 0..2 {
        let extent = node.shape(image).dim(axis + 1).known().ok_or(Stop::Foreign)?;
        let (size, stride, rate) = (sizes[axis] as usize, strides[axis] as usize, rates[axis] as usize);
        let reach = (size - 1).checked_mul(rate).and_then(|n| n.checked_add(1)).ok_or(Stop::Foreign)?;
        let count = match same {
            true => extent.div_ceil(stride),
            false => (extent + stride).saturating_sub(reach) / stride,
        };
        if count == 0 || extent > 1 << 20 || reach > 1 << 20 {
            return Err(Stop::Foreign);
        }
        let end = (count - 1) * stride + reach;
        let border = if same { end.saturating_sub(extent) } else { 0 };
        paddings[2 * axis + 2] = (border / 2) as i32;
        paddings[2 * axis + 3] = (border - border / 2) as i32;
        cuts.push(Cut {
            size,
            stride,
            rate,
            count,
            end,
        });
    }
    let image = if paddings.iter().any(|&p| p > 0) {
        let paddings = node.add_const(Tensor::from_vec(&[4, 2], paddings));
        node.add(Pad {}, &[image, paddings])?
    } else {
        image
    };
    let [rows, columns] = &cuts[..] else { return Err(Stop::Foreign) };
    let block = rows.size;
    if cuts
        .iter()
        .all(|cut| cut.size == block && cut.stride == block && (cut.rate == 1 || block == 1))
    {
        return one(blocks(node, image, rows, columns)?);
    }
    if rows.size.saturating_mul(columns.size) > MAX_PIXELS {
        return Err(Stop::Foreign);
    }
    let mut pixels = Vec::new();
    for row in 0..rows.size {
        for column in 0..columns.size {
            pixels.push(pixel(node, image, (rows, row), (columns, column))?);
        }
    }
    if let [only] = pixels[..] {
        return one(only);
    }
    one(node.concatenated(&pixels, 3)?)
}

/// Patches that lie side by side.
fn blocks(node: &mut Node<'_>, image: Value, rows: &Cut, columns: &Cut) -> Result<Value, Stop> {
    let (begin, size) = (
        node.add_ints(&[0; 4]),
        node.add_ints(&[-1, rows.end as i32, columns.end as i32, -1]),
    );
    let whole = node.shape(image).dim(1).known() == Some(rows.end) && node.shape(image).dim(2).known() == Some(columns.end);
    let image = if whole { image } else { node.add(Slice {}, &[image, begin, size])? };
    let block_size = rows.size as i32;
    if block_size == 1 {
        return Ok(image);
    }
    node.add(SpaceToDepth { block_size }, &[image])
}

/// One pixel of every patch.
fn pixel(node: &mut Node<'_>, image: Value, (rows, row): (&Cut, usize), (columns, column): (&Cut, usize)) -> Result<Value, Stop> {
    let begin = |cut: &Cut, at: usize| (at * cut.rate) as i32;
    let end = |cut: &Cut, at: usize| begin(cut, at) + ((cut.count - 1) * cut.stride + 1) as i32;
    let begins = node.add_ints(&[0, begin(rows, row), begin(columns, column), 0]);
    let ends = node.add_ints(&[0, end(rows, row), end(columns, column), 0]);
    let strides = node.add_ints(&[1, rows.stride as i32, columns.stride as i32, 1]);
    let op = StridedSlice {
        begin_mask: 0b1001,
        end_mask: 0b1001,
        ellipsis_mask: 0,
        new_axis_mask: 0,
        shrink_axis_mask: 0,
        offset: false,
    };
    node.add(op, &[image, begins, ends, strides])
}
