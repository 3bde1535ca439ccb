//! Patches of images.

use planish_core::graph::Value;
use planish_core::op::{ArgMax, Gather, Maximum, Pack, Pad, PadV2, ReduceMax, Reshape, Slice, SpaceToDepth, StridedSlice, Unpack};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::binary::{add, mul};
use super::convolution::{Layout, floats_only};
use super::node::{Node, many, one};
use super::{Imported, Stop};

/// Patches of more pixels than this are only taken where they lie side by side.
const MAX_PIXELS: usize = 256;

/// What one axis of the image is cut into.
pub(super) struct Cut {
    pub(super) size: usize,
    pub(super) stride: usize,
    pub(super) rate: usize,
    /// How many patches there are.
    pub(super) count: usize,
    /// How far the last patch reaches.
    end: usize,
}

/// The windows that an image is looked at through.
pub(super) struct Windows {
    pub(super) cuts: [Cut; 2],
    /// How far the image is widened: before and behind, along each axis.
    pub(super) paddings: [[usize; 2]; 2],
}

impl Windows {
    /// The windows over an image.
    pub(super) fn of(node: &Node<'_>, image: Value, sizes: [usize; 2], rates: [usize; 2]) -> Result<Windows, Stop> {
        if node.known_rank(image)? != 4 {
            return Err(Stop::Foreign);
        }
        let extent = |axis: usize| node.shape(image).dim(axis).known().ok_or(Stop::Foreign);
        Windows::over(node, [extent(1)?, extent(2)?], sizes, rates)
    }

    /// The windows over images of this height and width.
    pub(super) fn over(node: &Node<'_>, extents: [usize; 2], sizes: [usize; 2], rates: [usize; 2]) -> Result<Windows, Stop> {
        let strides = spatial(node, "strides")?;
        let same = node.attr_text("padding", "") == "SAME";
        let mut paddings = [[0; 2]; 2];
        let mut cut = |axis: usize| -> Result<Cut, Stop> {
            let extent = extents[axis];
            let (size, stride, rate) = (sizes[axis], strides[axis], rates[axis]);
            let steps = size.checked_sub(1).and_then(|n| n.checked_mul(rate));
            let reach = steps.and_then(|n| n.checked_add(1)).ok_or(Stop::Foreign)?;
            let count = match same {
                true => extent.div_ceil(stride),
                false => (extent + stride).saturating_sub(reach) / stride,
            };
            if count == 0 || extent > 1 << 20 || reach > 1 << 20 {
                return Err(Stop::Foreign);
            }
            let end = (count - 1) * stride + reach;
            let border = if same { end.saturating_sub(extent) } else { 0 };
            paddings[axis] = [border / 2, border - border / 2];
            Ok(Cut {
                size,
                stride,
                rate,
                count,
                end,
            })
        };
        let cuts = [cut(0)?, cut(1)?];
        Ok(Windows { cuts, paddings })
    }

    /// The image widened by as much as the windows reach beyond it.
    pub(super) fn widened(&self, node: &mut Node<'_>, image: Value, fill: f32) -> Result<Value, Stop> {
        let [[above, below], [left, right]] = self.paddings.map(|sides| sides.map(|n| n as i32));
        if [above, below, left, right] == [0; 4] {
            return Ok(image);
        }
        let paddings = node.add_const(Tensor::from_vec(&[4, 2], vec![0, 0, above, below, left, right, 0, 0]));
        if fill == 0.0 {
            return node.add(Pad {}, &[image, paddings]);
        }
        let fill = node.number(f64::from(fill), image)?;
        node.add(PadV2 {}, &[image, paddings, fill])
    }

    /// Each pixel of all windows, row by row.
    pub(super) fn pixels(&self, node: &mut Node<'_>, image: Value) -> Result<Vec<Value>, Stop> {
        let [rows, columns] = &self.cuts;
        if rows.size.saturating_mul(columns.size) > MAX_PIXELS {
            return Err(Stop::Foreign);
        }
        let mut pixels = Vec::new();
        for row in 0..rows.size {
            for column in 0..columns.size {
                pixels.push(pixel(node, image, (rows, row), (columns, column))?);
            }
        }
        Ok(pixels)
    }
}

/// The numbers for height and width in an attribute.
pub(super) fn spatial(node: &Node<'_>, attr: &str) -> Result<[usize; 2], Stop> {
    let numbers: [u32; 2] = Layout::ChannelsLast.spatial(node, attr)?;
    Ok(numbers.map(|n| n as usize))
}

/// The pixels of each patch as channels.
pub(super) fn extract(node: &mut Node<'_>) -> Imported {
    let image = node.value(0)?;
    let windows = Windows::of(node, image, spatial(node, "ksizes")?, spatial(node, "rates")?)?;
    let image = windows.widened(node, image, 0.0)?;
    let [rows, columns] = &windows.cuts;
    let block = rows.size;
    let beside = |cut: &Cut| cut.size == block && cut.stride == block && (cut.rate == 1 || block == 1);
    if windows.cuts.iter().all(beside) {
        return one(blocks(node, image, rows, columns)?);
    }
    let pixels = windows.pixels(node, image)?;
    if let [only] = pixels[..] {
        return one(only);
    }
    one(node.concatenated(&pixels, 3)?)
}

/// `MaxPoolWithArgmax`: the greatest pixel of each window, and its place among the elements of the image.
pub(super) fn max_pool_with_places(node: &mut Node<'_>) -> Imported {
    let image = node.value(0)?;
    let (greatest, place) = greatest_and_place(node, image, node.attr_bool("include_batch_in_index"))?;
    let dtype = node.attr_dtype("Targmax", DType::I64)?;
    many(vec![greatest, node.cast(place, dtype)?])
}

/// The greatest pixel of each window, the first where several are, and its place among the elements of its image or of
/// all images, as an i32.
pub(super) fn greatest_and_place(node: &mut Node<'_>, image: Value, among_all: bool) -> Result<(Value, Value), Stop> {
    floats_only(node, image)?;
    let windows = Windows::of(node, image, spatial(node, "ksize")?, [1, 1])?;
    let extent = |axis: usize| {
        node.shape(image)
            .dim(axis)
            .known()
            .and_then(|n| i32::try_from(n).ok())
            .map(i64::from)
    };
    let (Some(height), Some(width), Some(channels)) = (extent(1), extent(2), extent(3)) else {
        return Err(Stop::Foreign);
    };
    let elements = height.saturating_mul(width).saturating_mul(channels);
    let elements = i32::try_from(elements).map_err(|_| node.error("its image has more elements than an index can count"))?;
    let wide = windows.widened(node, image, f32::MIN)?;
    let pixels = windows.pixels(node, wide)?;
    let pixels = node.add(Pack { axis: 3 }, &pixels)?;
    let (axis, axes) = (node.add_int(3), node.add_ints(&[3]));
    let greatest = node.add(ReduceMax { keep_dims: false }, &[pixels, axes])?;
    let number = node.add(ArgMax { dtype: DType::I32 }, &[pixels, axis])?;

    // The number of an element is what its row, its column and channel, and its place in the window add up to; a window's first
    // element may lie before the image.
    let [rows, columns] = &windows.cuts;
    let [[above, _], [left, _]] = windows.paddings;
    let row = |row: usize| row as i64 * width * channels;
    let column = |column: usize| column as i64 * channels;
    // Their sum is an i32, and they may wrap on the way.
    let wrapped = |numbers: &mut dyn Iterator<Item = i64>| -> Vec<i32> { numbers.map(|n| n as i32).collect() };
    let by_row = wrapped(&mut (0..rows.count).map(|at| row(at * rows.stride) - row(above)));
    let by_column = (0..columns.count).map(|at| column(at * columns.stride) - column(left));
    let by_column = wrapped(&mut by_column.flat_map(|first| (0..channels).map(move |channel| first + channel)));
    let within = (0..rows.size).flat_map(|at| (0..columns.size).map(move |beside| row(at) + column(beside)));
    let within = wrapped(&mut { within });
    let within = node.add_ints(&within);
    let by_row = node.add_const(Tensor::from_vec(&[1, rows.count, 1, 1], by_row));
    let by_column = node.add_const(Tensor::from_vec(&[1, 1, columns.count, channels as usize], by_column));
    let within = node.add(Gather { axis: 0, batch_dims: 0 }, &[within, number])?;
    let place = add(node, within, by_column)?;
    let mut place = add(node, place, by_row)?;
    if among_all {
        let batch = node.extent(image, 0)?;
        let images = node.numbers_below(batch)?;
        let elements = node.add_int(elements);
        let images = mul(node, images, elements)?;
        let dims = node.add_ints(&[-1, 1, 1, 1]);
        let images = node.add(Reshape {}, &[images, dims])?;
        place = add(node, place, images)?;
    }
    Ok((greatest, place))
}

/// `Dilation2D`: the greatest sum of a window's pixels and the filter's.
pub(super) fn dilation(node: &mut Node<'_>) -> Imported {
    let (image, filter) = (node.value(0)?, node.value(1)?);
    floats_only(node, image)?;
    let &[height, width, channels] = &node.shape(filter).known().ok_or(Stop::Foreign)?[..] else {
        return Err(node.error("its filter is not of rank 3"));
    };
    let windows = Windows::of(node, image, [height, width], spatial(node, "rates")?)?;
    let wide = windows.widened(node, image, f32::MIN)?;
    let pixels = windows.pixels(node, wide)?;
    let rows = node.reshaped(filter, &[height * width, channels])?;
    let num = pixels.len() as u32;
    let filter = node.add_many(Unpack { num, axis: 0 }, &[rows])?;
    let mut greatest: Option<Value> = None;
    for (pixel, filter) in pixels.into_iter().zip(filter) {
        let sum = add(node, pixel, filter)?;
        greatest = Some(match greatest {
            Some(other) => node.add(Maximum {}, &[other, sum])?,
            None => sum,
        });
    }
    one(greatest.ok_or(Stop::Foreign)?)
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
