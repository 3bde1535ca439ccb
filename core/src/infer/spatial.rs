//! Operations on images: blocks of pixels, resizing, Fourier transforms.

use crate::infer::dims::{add, divide, extent, moved, moved_in_place, mul};
use crate::infer::operands::Args;
use crate::infer::{InferError, MOST_DIMS, Types};
use crate::types::{DType, Dim, Shape, Type};

fn block(block_size: i32) -> Result<usize, InferError> {
    usize::try_from(block_size)
        .ok()
        .filter(|&b| b > 0)
        .ok_or_else(|| InferError::Attribute("a block is at least 1 wide".into()))
}

pub(super) fn space_to_depth(args: &Args<'_, '_>, block_size: i32) -> Types {
    let dims = args.of_rank(0, 4)?;
    let size = block(block_size)?;
    let channels = mul(mul(dims[3], Dim::Known(size))?, Dim::Known(size))?;
    let out = [
        dims[0],
        divide(dims[1], size, "a height")?,
        divide(dims[2], size, "a width")?,
        channels,
    ];
    Ok(vec![moved(args.ty(0)?, Shape::new(out), |axis| (axis == 0).then_some(0))])
}

pub(super) fn depth_to_space(args: &Args<'_, '_>, block_size: i32) -> Types {
    let dims = args.of_rank(0, 4)?;
    let size = block(block_size)?;
    let channels = divide(divide(dims[3], size, "a depth")?, size, "a depth")?;
    let out = [dims[0], mul(dims[1], Dim::Known(size))?, mul(dims[2], Dim::Known(size))?, channels];
    Ok(vec![moved(args.ty(0)?, Shape::new(out), |axis| (axis == 0).then_some(0))])
}

/// The block's extents and the two borders of each of its dimensions, or `None` where not even their number is known.
struct Blocks {
    sizes: Vec<Option<i64>>,
    borders: Vec<Option<i64>>,
}

fn blocks(args: &Args<'_, '_>) -> Result<Option<Blocks>, InferError> {
    let len = args.int_vector(1)?;
    args.integers(2)?;
    let borders = args.of_rank(2, 2)?;
    if !borders[0].compatible(len) || !borders[1].compatible(Dim::Known(2)) {
        return Err(args.unfit(2, format!("the shape [{len}, 2]")));
    }
    let Dim::Known(count) = len.meet(borders[0]) else { return Ok(None) };
    if count > MOST_DIMS {
        return Err(args.unfit(1, "fewer dimensions"));
    }
    let ints = |i: usize, wanted: usize| args.ints(i).filter(|v| v.len() == wanted).unwrap_or_else(|| vec![None; wanted]);
    let blocks = Blocks {
        sizes: ints(1, count),
        borders: ints(2, 2 * count),
    };
    match blocks.sizes.iter().flatten().find(|&&n| n < 1) {
        Some(n) => Err(InferError::Attribute(format!("a block is at least 1 wide, not {n}"))),
        None => Ok(Some(blocks)),
    }
}

/// The input's dimensions, of which there are more than the block has; `None` where one of the two is unknown.
fn blocked<'g>(args: &Args<'_, 'g>, blocks: &Option<Blocks>) -> Result<Option<&'g [Dim]>, InferError> {
    let (Some(dims), Some(blocks)) = (args.ty(0)?.shape.dims(), blocks) else {
        return Ok(None);
    };
    if dims.len() <= blocks.sizes.len() {
        return Err(args.unfit(0, format!("rank {} or more", blocks.sizes.len() + 1)));
    }
    Ok(Some(dims))
}

fn unblocked(input: &Type) -> Types {
    let shape = input.shape.rank().map_or_else(Shape::unranked, Shape::of_rank);
    Ok(vec![moved(input, shape, |_| None)])
}

/// Where dimensions behind the block's keep their places.
fn behind(blocks: &Blocks) -> impl FnOnce(usize) -> Option<usize> {
    let count = blocks.sizes.len();
    move |axis| (axis > count).then_some(axis)
}

pub(super) fn space_to_batch(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let blocks = blocks(args)?;
    let (Some(dims), Some(blocks)) = (blocked(args, &blocks)?, &blocks) else {
        return unblocked(input);
    };
    let mut out = dims.to_vec();
    for (i, &size) in blocks.sizes.iter().enumerate() {
        let size = extent(size)?;
        out[0] = mul(out[0], size)?;
        let padded = add(
            add(dims[i + 1], extent(blocks.borders[2 * i])?)?,
            extent(blocks.borders[2 * i + 1])?,
        )?;
        out[i + 1] = match size {
            Dim::Known(size) => divide(padded, size, "a padded extent")?,
            Dim::Unknown => Dim::Unknown,
        };
    }
    Ok(vec![moved(input, Shape::new(out), behind(blocks))])
}

pub(super) fn batch_to_space(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let blocks = blocks(args)?;
    let (Some(dims), Some(blocks)) = (blocked(args, &blocks)?, &blocks) else {
        return unblocked(input);
    };
    let mut out = dims.to_vec();
    for (i, &size) in blocks.sizes.iter().enumerate() {
        let size = extent(size)?;
        out[0] = match size {
            Dim::Known(size) => divide(out[0], size, "a batch")?,
            Dim::Unknown => Dim::Unknown,
        };
        let cropped = add(extent(blocks.borders[2 * i])?, extent(blocks.borders[2 * i + 1])?)?;
        out[i + 1] = match (mul(dims[i + 1], size)?, cropped) {
            (Dim::Known(n), Dim::Known(gone)) => match n.checked_sub(gone) {
                Some(left) => Dim::Known(left),
                None => return Err(InferError::Attribute(format!("{gone} elements cannot be cropped from {n}"))),
            },
            _ => Dim::Unknown,
        };
    }
    Ok(vec![moved(input, Shape::new(out), behind(blocks))])
}

/// The extents of two dimensions that operand 1 says.
fn two_extents(args: &Args<'_, '_>) -> Result<[Dim; 2], InferError> {
    if !args.int_vector(1)?.compatible(Dim::Known(2)) {
        return Err(args.unfit(1, "2 integers"));
    }
    match args.ints(1).as_deref() {
        Some(&[a, b]) => Ok([extent(a)?, extent(b)?]),
        _ => Ok([Dim::Unknown; 2]),
    }
}

pub(super) fn resize(args: &Args<'_, '_>) -> Types {
    let input = args.numbers(0)?;
    let dims = args.of_rank(0, 4)?;
    let [height, width] = two_extents(args)?;
    Ok(vec![moved_in_place(input, Shape::new([dims[0], height, width, dims[3]]))])
}

pub(super) fn rfft2d(args: &Args<'_, '_>) -> Types {
    let input = args.ty(0)?;
    let [height, width] = two_extents(args)?;
    let dtype = match input.dtype {
        DType::F32 => DType::Complex64,
        DType::F64 => DType::Complex128,
        _ => return Err(args.unfit(0, "f32 or f64")),
    };
    let Some(dims) = input.shape.dims() else {
        return Ok(vec![Type::new(dtype, Shape::unranked())]);
    };
    if dims.len() < 2 {
        return Err(args.unfit(0, "rank 2 or more"));
    }
    let half = width.known().map_or(Dim::Unknown, |w| Dim::Known(w / 2 + 1));
    let leading = dims[..dims.len() - 2].iter().copied();
    Ok(vec![Type::new(dtype, Shape::new(leading.chain([height, half])))])
}
