//! Operations that give the same elements another shape or order.

use planish_core::attr::MirrorMode;
use planish_core::graph::Value;
use planish_core::op::{
    BatchToSpaceNd, BroadcastArgs, BroadcastTo, DepthToSpace, ExpandDims, Fill, FloorMod, Gather, Maximum, MirrorPad, Pack, Pad, PadV2,
    Range, Rank, ReduceProd, Reshape, ReverseSequence, ReverseV2, Shape, SpaceToBatchNd, SpaceToDepth, Split, SplitV, Squeeze,
    StridedSlice, Tile, Transpose, Unpack,
};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::binary::sub;
use super::convolution::Layout;
use super::node::{Node, many, one};
use super::{Bound, Imported, Stop};

pub(super) fn reshape(node: &mut Node<'_>) -> Imported {
    let (x, shape) = (node.value(0)?, node.index_input(1)?);
    one(node.add(Reshape {}, &[x, shape])?)
}

pub(super) fn squeeze(node: &mut Node<'_>) -> Imported {
    let name = if node.attr("squeeze_dims").is_some() {
        "squeeze_dims"
    } else {
        "axis"
    };
    let axes: Vec<i32> = node.attr_ints(name).iter().map(|&a| a.clamp(-64, 64) as i32).collect();
    node.unary(Squeeze { axes })
}

pub(super) fn expand_dims(node: &mut Node<'_>) -> Imported {
    let (x, axis) = (node.value(0)?, node.index_input(1)?);
    one(node.add(ExpandDims {}, &[x, axis])?)
}

pub(super) fn transpose(node: &mut Node<'_>) -> Imported {
    let (x, permutation) = (node.value(0)?, node.index_input(1)?);
    one(node.add(Transpose {}, &[x, permutation])?)
}

pub(super) fn shape(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("out_type", DType::I32)?;
    node.unary(Shape { dtype })
}

pub(super) fn shape_n(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("out_type", DType::I32)?;
    let inputs = node.values(0..node.input_count())?;
    many(
        inputs
            .into_iter()
            .map(|x| node.add(Shape { dtype }, &[x]))
            .collect::<Result<_, _>>()?,
    )
}

/// The number of elements.
pub(super) fn size(node: &mut Node<'_>) -> Imported {
    let dtype = node.attr_dtype("out_type", DType::I32)?;
    let x = node.value(0)?;
    if let Some(count) = node.shape(x).elements() {
        let tensor = if dtype == DType::I64 {
            Tensor::scalar(count as i64)
        } else {
            Tensor::scalar(count as i32)
        };
        return one(node.add_const(tensor));
    }
    let shape = node.add(Shape { dtype }, &[x])?;
    let axes = node.add_ints(&[0]);
    one(node.add(ReduceProd { keep_dims: false }, &[shape, axes])?)
}

pub(super) fn rank(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    match node.rank(x) {
        Some(rank) => one(node.add_int(rank as i32)),
        None => one(node.add(Rank {}, &[x])?),
    }
}

pub(super) fn fill(node: &mut Node<'_>) -> Imported {
    let (dims, value) = (node.index_input(0)?, node.value(1)?);
    one(node.add(Fill {}, &[dims, value])?)
}

pub(super) fn range(node: &mut Node<'_>) -> Imported {
    let inputs = node.values(0..3)?;
    one(node.add(Range {}, &inputs)?)
}

/// Computed here, since everything is constant wherever it is used.
pub(super) fn lin_space(node: &mut Node<'_>) -> Imported {
    let (start, stop, count) = (node.float(0)?, node.float(1)?, node.int(2)?);
    let count = usize::try_from(count)
        .ok()
        .filter(|n| (1..1 << 24).contains(n))
        .ok_or(Stop::Foreign)?;
    let step = if count > 1 { (stop - start) / (count - 1) as f32 } else { 0.0 };
    let values = (0..count)
        .map(|i| if i > 0 && i + 1 == count { stop } else { start + step * i as f32 })
        .collect();
    one(node.add_const(Tensor::from_vec(&[count], values)))
}

pub(super) fn tile(node: &mut Node<'_>) -> Imported {
    let (x, multiples) = (node.value(0)?, node.index_input(1)?);
    one(node.add(Tile {}, &[x, multiples])?)
}

pub(super) fn broadcast_to(node: &mut Node<'_>) -> Imported {
    let (x, shape) = (node.value(0)?, node.index_input(1)?);
    one(node.add(BroadcastTo {}, &[x, shape])?)
}

pub(super) fn broadcast_args(node: &mut Node<'_>) -> Imported {
    node.binary(BroadcastArgs {})
}

/// The axis comes last.
pub(super) fn concat_v2(node: &mut Node<'_>) -> Imported {
    let last = node.input_count().checked_sub(1).ok_or(Stop::Foreign)?;
    concat(node, 0..last, last)
}

/// The axis comes first.
pub(super) fn concat_v1(node: &mut Node<'_>) -> Imported {
    let count = node.input_count();
    concat(node, 1..count, 0)
}

fn concat(node: &mut Node<'_>, inputs: std::ops::Range<usize>, axis: usize) -> Imported {
    let axis = i32::try_from(node.int(axis)?).map_err(|_| node.error("its axis does not exist"))?;
    let inputs = node.values(inputs)?;
    match inputs[..] {
        [] => Err(node.error("it has no inputs")),
        [only] => one(only),
        _ => one(node.concatenated(&inputs, axis)?),
    }
}

fn axis_attr(node: &Node<'_>) -> Result<i32, Stop> {
    i32::try_from(node.attr_int("axis", 0)).map_err(|_| node.error("its axis does not exist"))
}

pub(super) fn pack(node: &mut Node<'_>) -> Imported {
    let axis = axis_attr(node)?;
    let inputs = node.values(0..node.input_count())?;
    one(node.add(Pack { axis }, &inputs)?)
}

fn count_attr(node: &Node<'_>, name: &str) -> Result<u32, Stop> {
    u32::try_from(node.attr_int(name, 0))
        .ok()
        .filter(|&n| n <= 1 << 16)
        .ok_or_else(|| node.error(format!("its {name} is impossible")))
}

pub(super) fn unpack(node: &mut Node<'_>) -> Imported {
    let (num, axis) = (count_attr(node, "num")?, axis_attr(node)?);
    let x = node.value(0)?;
    if num == 0 {
        return Ok(Vec::new());
    }
    if !matches!(node.dtype(x), DType::I64 | DType::U32) {
        return many(node.add_many(Unpack { num, axis }, &[x])?);
    }
    // The kernel of `unpack` takes no integers of 64 bits.
    let parts = (0..num as i32).map(|i| {
        let i = node.add_int(i);
        node.add(Gather { axis, batch_dims: 0 }, &[x, i])
    });
    many(parts.collect::<Result<_, _>>()?)
}

pub(super) fn split(node: &mut Node<'_>) -> Imported {
    let num = count_attr(node, "num_split")?;
    let (axis, x) = (node.index_input(0)?, node.value(1)?);
    if num == 1 {
        return one(x);
    }
    many(node.add_many(Split { num }, &[axis, x])?)
}

pub(super) fn split_v(node: &mut Node<'_>) -> Imported {
    let num = count_attr(node, "num_split")?;
    let (x, sizes, axis) = (node.value(0)?, node.index_input(1)?, node.index_input(2)?);
    if num == 1 {
        return one(x);
    }
    many(node.add_many(SplitV { num }, &[x, sizes, axis])?)
}

pub(super) fn pad(node: &mut Node<'_>) -> Imported {
    let (x, paddings) = (node.value(0)?, node.index_input(1)?);
    one(node.add(Pad {}, &[x, paddings])?)
}

pub(super) fn pad_v2(node: &mut Node<'_>) -> Imported {
    let (x, paddings, value) = (node.value(0)?, node.index_input(1)?, node.value(2)?);
    one(node.add(PadV2 {}, &[x, paddings, value])?)
}

pub(super) fn mirror_pad(node: &mut Node<'_>) -> Imported {
    let mode = match node.attr_text("mode", "REFLECT") {
        "REFLECT" => MirrorMode::Reflect,
        "SYMMETRIC" => MirrorMode::Symmetric,
        _ => return Err(Stop::Foreign),
    };
    let (x, paddings) = (node.value(0)?, node.index_input(1)?);
    one(node.add(MirrorPad { mode }, &[x, paddings])?)
}

pub(super) fn space_to_depth(node: &mut Node<'_>) -> Imported {
    blocks(node, |node, x, block_size| node.add(SpaceToDepth { block_size }, &[x]))
}

pub(super) fn depth_to_space(node: &mut Node<'_>) -> Imported {
    blocks(node, |node, x, block_size| node.add(DepthToSpace { block_size }, &[x]))
}

fn blocks(node: &mut Node<'_>, build: fn(&mut Node<'_>, Value, i32) -> Result<Value, Stop>) -> Imported {
    let layout = Layout::of(node)?;
    let size = i32::try_from(node.attr_int("block_size", 0)).map_err(|_| node.error("its block size is too large"))?;
    let x = node.value(0)?;
    let x = layout.enter(node, x)?;
    let result = build(node, x, size)?;
    one(layout.leave(node, result)?)
}

/// Blocks are moved in tensors of up to four dimensions.
fn kernel_takes(node: &Node<'_>, x: Value) -> Result<(), Stop> {
    match node.rank(x) {
        Some(rank) if rank > 4 => Err(Stop::Foreign),
        _ => Ok(()),
    }
}

pub(super) fn space_to_batch_nd(node: &mut Node<'_>) -> Imported {
    let (x, block, paddings) = (node.value(0)?, node.index_input(1)?, node.index_input(2)?);
    kernel_takes(node, x)?;
    one(node.add(SpaceToBatchNd {}, &[x, block, paddings])?)
}

pub(super) fn batch_to_space_nd(node: &mut Node<'_>) -> Imported {
    let (x, block, crops) = (node.value(0)?, node.index_input(1)?, node.index_input(2)?);
    kernel_takes(node, x)?;
    one(node.add(BatchToSpaceNd {}, &[x, block, crops])?)
}

/// The older forms have square blocks over height and width.
fn square_block(node: &mut Node<'_>) -> Result<Value, Stop> {
    let size = i32::try_from(node.attr_int("block_size", 0)).map_err(|_| node.error("its block size is too large"))?;
    Ok(node.add_ints(&[size, size]))
}

pub(super) fn space_to_batch(node: &mut Node<'_>) -> Imported {
    let (x, paddings) = (node.value(0)?, node.index_input(1)?);
    let block = square_block(node)?;
    one(node.add(SpaceToBatchNd {}, &[x, block, paddings])?)
}

pub(super) fn batch_to_space(node: &mut Node<'_>) -> Imported {
    let (x, crops) = (node.value(0)?, node.index_input(1)?);
    let block = square_block(node)?;
    one(node.add(BatchToSpaceNd {}, &[x, block, crops])?)
}

pub(super) fn reverse_v2(node: &mut Node<'_>) -> Imported {
    let (x, axes) = (node.value(0)?, node.index_input(1)?);
    match node.constant_ints(axes) {
        Some(axes) => {
            let rank = node.known_rank(x)?;
            let axes = axes.into_iter().map(|a| node.axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
            one(reversed(node, x, axes)?)
        }
        None => one(node.add(ReverseV2 {}, &[x, axes])?),
    }
}

/// The kernel takes several axes only where they lie side by side.
pub(super) fn reversed(node: &mut Node<'_>, mut x: Value, axes: impl IntoIterator<Item = usize>) -> Result<Value, Stop> {
    for axis in axes {
        let axis = node.add_ints(&[axis as i32]);
        x = node.add(ReverseV2 {}, &[x, axis])?;
    }
    Ok(x)
}

/// `Reverse`: axes where a vector of truth values says so.
pub(super) fn reverse(node: &mut Node<'_>) -> Imported {
    let (x, turned) = (node.value(0)?, node.value(1)?);
    let turned = node.constant(turned).and_then(Tensor::to_ints).ok_or(Stop::Foreign)?;
    let axes = (0..).zip(turned).filter_map(|(axis, turned)| (turned != 0).then_some(axis));
    one(reversed(node, x, axes)?)
}

/// `Empty`: what is in it is not said, or zeros.
pub(super) fn empty(node: &mut Node<'_>) -> Imported {
    let dims = node.index_input(0)?;
    let zero = match node.attr_dtype("dtype", DType::F32)? {
        DType::F32 => Tensor::scalar(0.0f32),
        DType::I32 => Tensor::scalar(0i32),
        DType::I64 => Tensor::scalar(0i64),
        DType::Bool => Tensor::from_bools(&[], &[false]),
        _ => return Err(Stop::Foreign),
    };
    let zero = node.add_const(zero);
    one(node.add(Fill {}, &[dims, zero])?)
}

pub(super) fn reverse_sequence(node: &mut Node<'_>) -> Imported {
    let axis = |name: &str| i32::try_from(node.attr_int(name, 0)).map_err(|_| node.error("its axis does not exist"));
    let (seq_dim, batch_dim) = (axis("seq_dim")?, axis("batch_dim")?);
    let (x, lengths) = (node.value(0)?, node.value(1)?);
    one(node.add(ReverseSequence { seq_dim, batch_dim }, &[x, lengths])?)
}

/// The end of each axis moves to its beginning.
pub(super) fn roll(node: &mut Node<'_>) -> Imported {
    let mut x = node.value(0)?;
    let axes = node.ints(2)?;
    let rank = node.known_rank(x)?;
    let shifts = node.value(1)?;
    let shifts: Vec<Option<i64>> = match node.known_ints(shifts) {
        Some(shifts) => shifts.into_iter().map(Some).collect(),
        None => vec![None; axes.len()],
    };
    if shifts.len() != axes.len() {
        return Err(node.error("it has not one shift for each axis"));
    }
    for (i, (&shift, &axis)) in shifts.iter().zip(&axes).enumerate() {
        let axis = node.axis(axis, rank)?;
        let cut = match (shift, node.shape(x).dim(axis).known()) {
            (_, Some(0)) => continue,
            (Some(shift), Some(extent)) => -shift.rem_euclid(extent as i64),
            // Right whatever the extent is.
            (Some(shift @ -1..=1), None) => -shift,
            _ => {
                x = rolled_at_run_time(node, x, i, axis)?;
                continue;
            }
        };
        if cut == 0 {
            continue;
        }
        let cut = i32::try_from(cut).map_err(|_| node.error("its shift is too large"))?;
        let end = part(node, x, axis, rank, Some(cut), None)?;
        let start = part(node, x, axis, rank, None, Some(cut))?;
        x = node.concatenated(&[end, start], axis as i32)?;
    }
    one(x)
}

/// Elements rolled along an axis by the shift of this number: taken from where each comes from.
fn rolled_at_run_time(node: &mut Node<'_>, x: Value, number: usize, axis: usize) -> Result<Value, Stop> {
    let shifts = node.index_input(1)?;
    let any = node.add_ints(&[-1]);
    let shifts = node.add(Reshape {}, &[shifts, any])?;
    let number = node.add_int(number as i32);
    let shift = node.add(Gather { axis: 0, batch_dims: 0 }, &[shifts, number])?;
    let extent = node.extent(x, axis)?;
    let places = node.numbers_below(extent)?;
    let from = sub(node, places, shift)?;
    // Nothing is taken where there is nothing, but the kernel must not divide by zero there either.
    let one = node.add_int(1);
    let extent = node.add(Maximum {}, &[extent, one])?;
    let from = node.add(FloorMod {}, &[from, extent])?;
    node.add(
        Gather {
            axis: axis as i32,
            batch_dims: 0,
        },
        &[x, from],
    )
}

/// The elements of one axis from `begin` to `end`, all of them in the others.
pub(super) fn part(node: &mut Node<'_>, x: Value, axis: usize, rank: usize, begin: Option<i32>, end: Option<i32>) -> Result<Value, Stop> {
    let mut begins = vec![0; rank];
    let mut ends = vec![0; rank];
    let all = (1i32 << rank) - 1;
    let mut op = StridedSlice {
        begin_mask: all,
        end_mask: all,
        ellipsis_mask: 0,
        new_axis_mask: 0,
        shrink_axis_mask: 0,
        offset: false,
    };
    if let Some(begin) = begin {
        begins[axis] = begin;
        op.begin_mask &= !(1 << axis);
    }
    if let Some(end) = end {
        ends[axis] = end;
        op.end_mask &= !(1 << axis);
    }
    let begins = node.add_ints(&begins);
    let ends = node.add_ints(&ends);
    let strides = node.add_ints(&vec![1; rank]);
    node.add(op, &[x, begins, ends, strides])
}

/// What is checked at run time only, and gives nothing.
pub(super) fn nothing(_: &mut Node<'_>) -> Imported {
    Ok(vec![Bound::Nothing])
}
