//! Blocks of pixels to channels or batches, and back.

use planish_core::Tensor;

use super::args::{Args, invalid};
use super::cells::{Builder, Cells};
use super::shape::strides;
use crate::error::Error;

fn block(size: i32) -> Result<usize, Error> {
    match usize::try_from(size) {
        Ok(size) if size > 0 => Ok(size),
        _ => invalid(format!("a block of {size} pixels does not exist")),
    }
}

/// `space_to_depth`.
pub(crate) fn space_to_depth(size: i32, args: &Args<'_>) -> Result<Tensor, Error> {
    let size = block(size)?;
    let input = args.get(0)?;
    let [batch, height, width, channels] = args.dims::<4>(0)?;
    if !height.is_multiple_of(size) || !width.is_multiple_of(size) {
        return Err(args.bad(0, format!("is {}, which has no whole blocks of {size}", input.ty())));
    }
    let Some(depth) = size.checked_mul(size).and_then(|s| s.checked_mul(channels)) else {
        return invalid(format!("a block of {size} pixels is too large"));
    };
    let dims = [batch, height / size, width / size, depth];
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    for row in 0..batch * dims[1] {
        for x in 0..dims[2] {
            for by in 0..size {
                builder.push(&cells, ((row * size + by) * width + x * size) * channels, size * channels);
            }
        }
    }
    builder.finish()
}

/// `depth_to_space`.
pub(crate) fn depth_to_space(size: i32, args: &Args<'_>) -> Result<Tensor, Error> {
    let size = block(size)?;
    let input = args.get(0)?;
    let [batch, height, width, depth] = args.dims::<4>(0)?;
    let pixels = size.saturating_mul(size);
    if !depth.is_multiple_of(pixels) {
        return Err(args.bad(0, format!("is {}, whose channels are no blocks of {size}", input.ty())));
    }
    let channels = depth / pixels;
    let dims = [batch, height.saturating_mul(size), width.saturating_mul(size), channels];
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    for row in 0..batch * height {
        for by in 0..size {
            for x in 0..width {
                builder.push(&cells, (row * width + x) * depth + by * size * channels, size * channels);
            }
        }
    }
    builder.finish()
}

/// Block sizes and pairs of paddings or crops.
fn block_operands(args: &Args<'_>) -> Result<(Vec<usize>, Vec<[usize; 2]>), Error> {
    let blocks = args.extents(1)?;
    let borders = args.extents(2)?;
    let rank = args.get(0)?.dims().len();
    if blocks.contains(&0) || borders.len() != 2 * blocks.len() || rank < blocks.len() + 1 {
        return invalid(format!(
            "blocks {blocks:?} and borders {borders:?} do not fit {}",
            args.get(0)?.ty()
        ));
    }
    Ok((blocks, borders.as_chunks::<2>().0.to_vec()))
}

/// `space_to_batch_nd`.
pub(crate) fn space_to_batch_nd(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let (blocks, pads) = block_operands(args)?;
    let mut dims = input.dims().to_vec();
    for (i, &block) in blocks.iter().enumerate() {
        let padded = dims[i + 1].saturating_add(pads[i][0]).saturating_add(pads[i][1]);
        if !padded.is_multiple_of(block) {
            return Err(args.bad(2, format!("pads axis {} to {padded}, which is no multiple of {block}", i + 1)));
        }
        dims[i + 1] = padded / block;
        dims[0] = dims[0].saturating_mul(block);
    }
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    let (from, to) = (strides(input.dims()), strides(&dims));
    let slice: usize = dims[blocks.len() + 1..].iter().product();
    for at in (0..dims.iter().product::<usize>()).step_by(slice.max(1)) {
        let mut phase = at / to[0] / input.dims()[0].max(1);
        let mut place = Some(at / to[0] % input.dims()[0].max(1) * from[0]);
        for i in (0..blocks.len()).rev() {
            let offset = phase % blocks[i];
            phase /= blocks[i];
            let position = (at / to[i + 1] % dims[i + 1] * blocks[i] + offset)
                .checked_sub(pads[i][0])
                .filter(|&p| p < input.dims()[i + 1]);
            place = place.zip(position).map(|(place, position)| place + position * from[i + 1]);
        }
        match place {
            Some(place) => builder.push(&cells, place, slice),
            None => builder.push_zeros(slice),
        }
    }
    builder.finish()
}

/// `batch_to_space_nd`.
pub(crate) fn batch_to_space_nd(args: &Args<'_>) -> Result<Tensor, Error> {
    let input = args.get(0)?;
    let (blocks, crops) = block_operands(args)?;
    let mut dims = input.dims().to_vec();
    for (i, &block) in blocks.iter().enumerate() {
        let cropped = dims[i + 1]
            .saturating_mul(block)
            .checked_sub(crops[i][0].saturating_add(crops[i][1]));
        let (Some(cropped), true) = (cropped, dims[0].is_multiple_of(block)) else {
            return Err(args.bad(
                2,
                format!("crops more of axis {} than there is, or the batch has no blocks of {block}", i + 1),
            ));
        };
        dims[i + 1] = cropped;
        dims[0] /= block;
    }
    let cells = Cells::of(input);
    let mut builder = Builder::new(args, input, &dims)?;
    let (from, to) = (strides(input.dims()), strides(&dims));
    let slice: usize = dims[blocks.len() + 1..].iter().product();
    for at in (0..dims.iter().product::<usize>()).step_by(slice.max(1)) {
        let mut phase = 0;
        let mut place = 0;
        for i in 0..blocks.len() {
            let position = at / to[i + 1] % dims[i + 1] + crops[i][0];
            phase = phase * blocks[i] + position % blocks[i];
            place += position / blocks[i] * from[i + 1];
        }
        builder.push(&cells, (phase * dims[0] + at / to[0]) * from[0] + place, slice);
    }
    builder.finish()
}
