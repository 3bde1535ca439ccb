//! Gradients of convolutions and of average pooling, which signatures that train are made of.

use planish_core::attr::{Activation, Padding};
use planish_core::graph::Value;
use planish_core::op::{BatchMatmul, DepthwiseConv2d, Pack, Pad, Reshape, Slice, Sum};
use planish_core::tensor::Tensor;

use super::binary::mul;
use super::convolution::{floats_only, implicit_padding};
use super::gradients::extents_of;
use super::movement::reversed;
use super::node::{Node, one};
use super::patches::{Cut, Windows, spatial};
use super::{Imported, Stop};

/// Windows of average pooling that have more elements are not made a filter.
const MOST_ELEMENTS: usize = 1 << 24;

/// Padding and channels as these gradients take them: extents decide the one, and the others come last.
fn check(node: &Node<'_>) -> Result<(), Stop> {
    implicit_padding(node)?;
    match node.attr_text("data_format", "NHWC") {
        "NHWC" => Ok(()),
        _ => Err(Stop::Foreign),
    }
}

/// The extents of a filter: of the one that is given, or those that are given instead of it.
fn filter_extents(extents: Option<Vec<usize>>) -> Result<[usize; 4], Stop> {
    extents.and_then(|extents| extents.try_into().ok()).ok_or(Stop::Foreign)
}

/// The extents that an input lists.
fn listed(node: &mut Node<'_>, input: usize) -> Result<Vec<Option<usize>>, Stop> {
    let shape = node.value(input)?;
    let extents = extents_of(node, shape)?;
    Ok(extents.into_iter().map(|extent| usize::try_from(extent?).ok()).collect())
}

/// The image as each element of a filter sees it, `[height × width]` of `[places, channels]`, the gradient as
/// `[places, outputs]`, and the filter's extents.
fn seen(node: &mut Node<'_>) -> Result<(Vec<Value>, Value, [usize; 4]), Stop> {
    check(node)?;
    let (image, g) = (node.value(0)?, node.value(2)?);
    floats_only(node, image)?;
    let extents = filter_extents(listed(node, 1)?.into_iter().collect())?;
    let [height, width, channels, _] = extents;
    if node.shape(image).dim(3).known() != Some(channels) {
        // Groups of channels.
        return Err(Stop::Foreign);
    }
    let outputs = node.shape(g).dim(3).known().ok_or(Stop::Foreign)?;
    let windows = Windows::of(node, image, [height, width], spatial(node, "dilations")?)?;
    let wide = windows.widened(node, image, 0.0)?;
    let mut pixels = windows.pixels(node, wide)?;
    for pixel in &mut pixels {
        *pixel = lines(node, *pixel, channels)?;
    }
    Ok((pixels, lines(node, g, outputs)?, extents))
}

/// All places below each other.
fn lines(node: &mut Node<'_>, image: Value, channels: usize) -> Result<Value, Stop> {
    let dims = node.add_ints(&[-1, channels as i32]);
    node.add(Reshape {}, &[image, dims])
}

/// The gradient towards a convolution's filter: for each of its elements, what the image has there times the gradient, summed
/// over all places.
pub(super) fn conv_2d_filter(node: &mut Node<'_>) -> Imported {
    let (pixels, g, extents) = seen(node)?;
    let product = BatchMatmul {
        adj_x: true,
        adj_y: false,
        asymmetric_quantize_inputs: false,
    };
    let mut elements = Vec::new();
    for pixel in pixels {
        elements.push(node.add(product.clone(), &[pixel, g])?);
    }
    let filter = node.add(Pack { axis: 0 }, &elements)?;
    one(node.reshaped(filter, &extents)?)
}

/// The gradient towards the filter of a convolution of each channel on its own.
pub(super) fn depthwise_filter(node: &mut Node<'_>) -> Imported {
    let (pixels, g, extents) = seen(node)?;
    let [_, _, channels, multiplier] = extents.map(|n| n as i32);
    let (by_output, by_input) = (node.add_ints(&[-1, channels, multiplier]), node.add_ints(&[-1, channels, 1]));
    let g = node.add(Reshape {}, &[g, by_output])?;
    let first = node.add_ints(&[0]);
    let mut elements = Vec::new();
    for pixel in pixels {
        let pixel = node.add(Reshape {}, &[pixel, by_input])?;
        let each = mul(node, pixel, g)?;
        elements.push(node.add(Sum { keep_dims: false }, &[each, first])?);
    }
    let filter = node.add(Pack { axis: 0 }, &elements)?;
    one(node.reshaped(filter, &extents)?)
}

/// The gradient towards the input of a convolution of each channel on its own.
pub(super) fn depthwise_input(node: &mut Node<'_>) -> Imported {
    check(node)?;
    let (filter, g) = (node.value(1)?, node.value(2)?);
    floats_only(node, g)?;
    let [height, width, channels, multiplier] = filter_extents(node.shape(filter).known())?;
    let extents = height_and_width(&listed(node, 0)?)?;
    let windows = Windows::over(node, extents, [height, width], spatial(node, "dilations")?)?;
    let outputs = channels.checked_mul(multiplier).ok_or(Stop::Foreign)?;
    let filter = node.reshaped(filter, &[1, height, width, outputs])?;
    let filter = reversed(node, filter, [1, 2])?;
    let spread = spread(node, &windows, extents, g, filter)?;
    if multiplier == 1 {
        return one(spread);
    }
    let [rows, columns] = extents;
    let dims = [-1, rows as i32, columns as i32, channels as i32, multiplier as i32];
    let (dims, last) = (node.add_ints(&dims), node.add_ints(&[4]));
    let apart = node.add(Reshape {}, &[spread, dims])?;
    one(node.add(Sum { keep_dims: false }, &[apart, last])?)
}

/// The gradient towards the input of average pooling: each window's is shared by its pixels inside the image.
pub(super) fn avg_pool(node: &mut Node<'_>) -> Imported {
    check(node)?;
    let g = node.value(1)?;
    floats_only(node, g)?;
    let extents = height_and_width(&listed(node, 0)?)?;
    let channels = node.shape(g).dim(3).known().ok_or(Stop::Foreign)?;
    let windows = Windows::over(node, extents, spatial(node, "ksize")?, [1, 1])?;
    let inside = [0, 1].map(|axis| {
        let (cut, [before, _], extent) = (&windows.cuts[axis], windows.paddings[axis], extents[axis]);
        let pixels = move |at: usize| {
            let begin = at * cut.stride;
            (begin + cut.size).min(before + extent) - begin.max(before)
        };
        (0..cut.count).map(pixels).collect::<Vec<usize>>()
    });
    let shares = inside[0]
        .iter()
        .flat_map(|rows| inside[1].iter().map(move |columns| 1.0 / (rows * columns) as f32));
    let shares = Tensor::from_vec(&[1, inside[0].len(), inside[1].len(), 1], shares.collect());
    let shares = node.add_const(shares);
    let g = mul(node, g, shares)?;
    let [height, width] = [windows.cuts[0].size, windows.cuts[1].size];
    let elements = height.saturating_mul(width).saturating_mul(channels);
    if elements > MOST_ELEMENTS {
        return Err(Stop::Foreign);
    }
    let filter = node.add_const(Tensor::splat(&Tensor::scalar(1f32), &[1, height, width, channels]));
    one(spread(node, &windows, extents, g, filter)?)
}

fn height_and_width(extents: &[Option<usize>]) -> Result<[usize; 2], Stop> {
    match extents {
        &[_, Some(height), Some(width), _] => Ok([height, width]),
        _ => Err(Stop::Foreign),
    }
}

/// What each pixel of an image of these extents gets from all windows that see it: a convolution of the windows' values,
/// with zeros between them where windows lie farther apart, and a filter that is turned around.
fn spread(node: &mut Node<'_>, windows: &Windows, extents: [usize; 2], g: Value, filter: Value) -> Result<Value, Stop> {
    let mut g = g;
    let mut paddings = vec![0i32; 8];
    let too_large = |node: &Node<'_>| node.error("its image is too large");
    for axis in 0..2 {
        let cut = &windows.cuts[axis];
        let reach = (cut.size - 1) * cut.rate;
        let before = reach.checked_sub(windows.paddings[axis][0]).ok_or(Stop::Foreign)?;
        g = apart(node, g, axis + 1, cut)?;
        let (wanted, there) = (extents[axis] + reach, before + cut.count * cut.stride);
        if there > wanted {
            let size = i32::try_from(wanted - before).map_err(|_| too_large(node))?;
            let (mut begins, mut sizes) = ([0; 4], [-1; 4]);
            (begins[axis + 1], sizes[axis + 1]) = (0, size);
            let (begins, sizes) = (node.add_ints(&begins), node.add_ints(&sizes));
            g = node.add(Slice {}, &[g, begins, sizes])?;
        }
        let sides = [before, wanted.saturating_sub(there)];
        for (side, count) in sides.into_iter().enumerate() {
            paddings[2 * axis + 2 + side] = i32::try_from(count).map_err(|_| too_large(node))?;
        }
    }
    let paddings = node.add_const(Tensor::from_vec(&[4, 2], paddings));
    let g = node.add(Pad {}, &[g, paddings])?;
    let rates = [&windows.cuts[0], &windows.cuts[1]].map(|cut| cut.rate as u32);
    let op = DepthwiseConv2d {
        padding: Padding::Valid,
        stride: [1, 1],
        dilation: rates,
        depth_multiplier: 1,
        activation: Activation::None,
    };
    node.add(op, &[g, filter])
}

/// The image with zeros behind each of its rows or columns, as far as windows lie apart.
fn apart(node: &mut Node<'_>, image: Value, axis: usize, cut: &Cut) -> Result<Value, Stop> {
    if cut.stride == 1 {
        return Ok(image);
    }
    let dims = node.shape(image).clone();
    let extent = |axis: usize| dims.dim(axis).known().and_then(|n| i32::try_from(n).ok());
    let (Some(mut height), Some(mut width), Some(channels)) = (extent(1), extent(2), extent(3)) else {
        return Err(Stop::Foreign);
    };
    let stride = cut.stride as i32;
    // Rows or columns, one of each, and what lies within them.
    let within = if axis == 1 {
        width.checked_mul(channels).ok_or(Stop::Foreign)?
    } else {
        channels
    };
    let (dims, paddings) = (
        node.add_ints(&[-1, 1, within]),
        node.add_const(Tensor::from_vec(&[3, 2], vec![0, 0, 0, stride - 1, 0, 0])),
    );
    let single = node.add(Reshape {}, &[image, dims])?;
    let spaced = node.add(Pad {}, &[single, paddings])?;
    let longer = if axis == 1 { &mut height } else { &mut width };
    *longer = longer.checked_mul(stride).ok_or(Stop::Foreign)?;
    let dims = node.add_ints(&[-1, height, width, channels]);
    node.add(Reshape {}, &[spaced, dims])
}
