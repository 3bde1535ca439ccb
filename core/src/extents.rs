//! Where an extent that only running the model tells comes from: which of them are equal at every run.

use std::collections::BTreeSet;

use crate::attr::Padding;
use crate::graph::{Graph, OpRef, Value, ValueRef};
use crate::op::{Op, OpKind};
use crate::types::{Dim, Type};

/// How many values are looked at for one answer: where operands are shared, there are more paths than values.
const MOST_VALUES: usize = 1024;

/// Through so many operations is an integer followed: a shape is packed, converted, cut and reshaped a few times, whatever
/// model it is of, and each of these has one operand to go on with.
const MOST_MOVES: usize = 16;

/// The value and axis whose extent is element `at` of an integer vector, followed through what moves integers.
pub fn extent_of(ints: ValueRef<'_>, at: usize) -> Option<(Value, usize)> {
    origin(ints, at, MOST_MOVES)
}

fn origin(ints: ValueRef<'_>, at: usize, depth: usize) -> Option<(Value, usize)> {
    let depth = depth.checked_sub(1)?;
    let op = ints.producer();
    // Elements of a matrix are not counted along one axis.
    if ints.ty().shape.rank()? > 1 {
        return None;
    }
    let constant = |i: usize| op.operand(i)?.constant()?.to_ints();
    match op.op() {
        Op::Shape(_) => Some((op.operand(0)?.id(), at)),
        Op::Cast(_) | Op::Identity(_) => origin(op.operand(0)?, at, depth),
        Op::Pack(_) => origin(op.operand(at)?, 0, depth),
        Op::Concatenation(_) => {
            let mut rest = at;
            for i in 0..op.operands().len() {
                let part = op.operand(i)?;
                let len = part.ty().shape.known()?.iter().product::<usize>();
                if rest < len {
                    return origin(part, rest, depth);
                }
                rest -= len;
            }
            None
        }
        Op::Reshape(_) | Op::Squeeze(_) | Op::ExpandDims(_) => origin(op.operand(0)?, at, depth),
        Op::Slice(_) => origin(
            op.operand(0)?,
            at.checked_add(usize::try_from(*constant(1)?.first()?).ok()?)?,
            depth,
        ),
        Op::StridedSlice(s) if s.ellipsis_mask == 0 && s.new_axis_mask == 0 && !s.offset => {
            let input = op.operand(0)?;
            let len = input.ty().shape.known()?.first().copied()? as i64;
            let (begin, stride) = (*constant(1)?.first()?, *constant(3)?.first()?);
            let begin = if s.begin_mask & 1 == 1 {
                0
            } else if begin < 0 {
                begin + len
            } else {
                begin
            };
            (stride == 1).then(|| origin(input, at.checked_add(usize::try_from(begin).ok()?)?, depth))?
        }
        Op::Gather(g) if g.axis == 0 => {
            let index = *constant(1)?.get(at)?;
            origin(op.operand(0)?, usize::try_from(index).ok()?, depth)
        }
        _ => None,
    }
}

/// Whether the extents of two values along these axes are the same at every run.
///
/// What is broadcast has the extent of a parameter only if all operands whose extent is not known have it: any of them may be
/// one at run time.
pub fn same_extent(graph: &Graph, (a, i): (Value, usize), (b, j): (Value, usize)) -> bool {
    let known = |value: Value, axis: usize| graph.ty(value).shape.dim(axis).known();
    let source = |value: Value, axis: usize| match parameter_dimensions(graph, value, axis)[..] {
        [Some(only)] => Some(only),
        _ => None,
    };
    (a, i) == (b, j) || known(a, i).is_some() && known(a, i) == known(b, j) || source(a, i).is_some() && source(a, i) == source(b, j)
}

/// The parameter and axis of a graph whose extent is the one of `value` along `axis`, followed through operations that
/// keep it; where values of several such extents are combined, the first of them, as they have to be equal or one.
pub fn parameter_dimension(graph: &Graph, value: Value, axis: usize) -> Option<(usize, usize)> {
    parameter_dimensions(graph, value, axis).into_iter().flatten().next()
}

/// Where all extents come from that meet in `value` along `axis`, each once: a parameter and axis, or `None` for another place.
fn parameter_dimensions(graph: &Graph, value: Value, axis: usize) -> Vec<Option<(usize, usize)>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut todo = vec![(value, axis)];
    while let Some((value, axis)) = todo.pop() {
        if !seen.insert((value, axis)) {
            continue;
        }
        let from = if value.op == graph.parameters_op() {
            Some((value.port as usize, axis))
        } else {
            let sources = sources(graph.value(value), axis);
            if !sources.is_empty() && seen.len() <= MOST_VALUES {
                todo.extend(sources.into_iter().rev());
                continue;
            }
            None
        };
        if !found.contains(&from) {
            found.push(from);
        }
    }
    found
}

/// The operands that have the extent of `value` along `axis`, each with the axis that it is along there.
fn sources(value: ValueRef<'_>, axis: usize) -> Vec<(Value, usize)> {
    use OpKind::*;
    let op = value.producer();
    let rank = value.ty().shape.rank();
    let broadcast = match op.kind() {
        // A vector as condition chooses rows, and is not broadcast.
        Select if op.operand(0).and_then(|condition| condition.ty().shape.rank()) != rank => 1..3,
        Select | SelectV2 => 0..3,
        BatchMatmul if rank.is_some_and(|rank| axis + 2 < rank) => 0..2,
        Add | Sub | Mul | Div | FloorDiv | FloorMod | Pow | Maximum | Minimum | SquaredDifference | Equal | NotEqual | Less | LessEqual
        | Greater | GreaterEqual | LogicalAnd | LogicalOr => 0..2,
        _ => return source(op, value.ty(), axis).into_iter().collect(),
    };
    let mut from = Vec::new();
    for operand in broadcast.filter_map(|operand| op.operand(operand)) {
        let shape = &operand.ty().shape;
        let (Some(own), Some(rank)) = (shape.rank(), rank) else {
            return Vec::new();
        };
        if let Some(axis) = (axis + own).checked_sub(rank)
            && shape.dim(axis) == Dim::Unknown
        {
            from.push((operand.id(), axis));
        }
    }
    from
}

/// The same for an operation whose result of type `ty` takes each extent from one operand.
fn source(op: OpRef<'_>, ty: &Type, axis: usize) -> Option<(Value, usize)> {
    let rank = ty.shape.rank()?;
    let through = |operand: usize, axis: usize| Some((op.operand(operand)?.id(), axis));
    use OpKind::*;
    match op.kind() {
        Abs | Ceil | Cos | Elu | Exp | Floor | Gelu | HardSwish | LeakyRelu | Log | LogicalNot | Logistic | Neg | Relu | Relu6
        | Relu0To1 | ReluN1To1 | Round | Rsqrt | Sign | Sin | Sqrt | Square | Tanh | ZerosLike | Cast | Identity | Softmax | LogSoftmax
        | Prelu | Erf | Cumsum | Quantize | Dequantize | BatchNorm => through(0, axis),
        FullyConnected if axis + 1 < rank && op.operand(0)?.ty().shape.rank() == Some(rank) => through(0, axis),
        BatchMatmul if axis + 2 == rank => match op.op() {
            Op::BatchMatmul(m) if !m.adj_x => through(0, op.operand(0)?.ty().shape.rank()?.checked_sub(2)?),
            _ => None,
        },
        Split => {
            let along = *op.operand(0)?.constant()?.to_ints()?.first()?;
            (along.rem_euclid(rank as i64) as usize != axis).then(|| through(1, axis))?
        }
        Concatenation => match op.op() {
            Op::Concatenation(c) if i64::from(c.axis).rem_euclid(rank as i64) as usize != axis => through(0, axis),
            _ => None,
        },
        Slice => {
            let begins = op.operand(1)?.constant()?.to_ints()?;
            let sizes = op.operand(2)?.constant()?.to_ints()?;
            let whole = begins.get(axis) == Some(&0) && sizes.get(axis) == Some(&-1);
            whole.then(|| through(0, axis))?
        }
        StridedSlice => match op.op() {
            Op::StridedSlice(s) if s.ellipsis_mask == 0 && s.new_axis_mask == 0 => {
                let strides = op.operand(3)?.constant()?.to_ints()?;
                let set = |mask: i32, a: usize| a < 31 && mask >> a & 1 == 1;
                let mut left = (0..op.operand(0)?.ty().shape.rank()?).filter(|&a| a >= strides.len() || !set(s.shrink_axis_mask, a));
                let from = left.nth(axis)?;
                let whole = from >= strides.len() || set(s.begin_mask, from) && set(s.end_mask, from) && strides[from] == 1;
                whole.then(|| through(0, from))?
            }
            _ => None,
        },
        Conv2d | DepthwiseConv2d | MaxPool2d | AveragePool2d if axis == 0 => through(0, 0),
        Conv2d | DepthwiseConv2d if axis < 3 => {
            let (stride, padding) = match op.op() {
                Op::Conv2d(c) => (c.stride, c.padding),
                Op::DepthwiseConv2d(c) => (c.stride, c.padding),
                _ => return None,
            };
            (stride == [1, 1] && padding == Padding::Same).then(|| through(0, axis))?
        }
        TopkV2 if axis + 1 < rank => through(0, axis),
        GatherNd if axis + 1 < op.operand(1)?.ty().shape.rank()? => through(1, axis),
        Transpose => {
            let permutation = op.operand(1)?.constant()?.to_ints()?;
            through(0, usize::try_from(*permutation.get(axis)?).ok()?)
        }
        ExpandDims => {
            let at = op.operand(1)?.constant()?.to_ints()?.first()?.rem_euclid(rank as i64) as usize;
            match axis.cmp(&at) {
                std::cmp::Ordering::Less => through(0, axis),
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Greater => through(0, axis - 1),
            }
        }
        Gather => {
            let Op::Gather(gather) = op.op() else { return None };
            let (data, indices) = (op.operand(0)?.ty().shape.rank()?, op.operand(1)?.ty().shape.rank()?);
            let batch = match gather.batch_dims {
                behind @ ..0 => indices.checked_sub(behind.unsigned_abs() as usize)?,
                before => (before as usize).min(indices),
            };
            let at = i64::from(gather.axis).rem_euclid(data.max(1) as i64) as usize;
            // In front of and behind the axis stand the extents of the data, in its place those of the indices.
            if axis < batch {
                through(1, axis)
            } else if axis < at {
                through(0, axis)
            } else if axis - at < indices - batch {
                through(1, axis - at + batch)
            } else {
                through(0, (axis + 1).checked_sub(indices - batch)?)
            }
        }
        OneHot => {
            let Op::OneHot(one_hot) = op.op() else { return None };
            let at = i64::from(one_hot.axis).rem_euclid(rank as i64) as usize;
            match axis.cmp(&at) {
                std::cmp::Ordering::Less => through(0, axis),
                std::cmp::Ordering::Equal => None,
                std::cmp::Ordering::Greater => through(0, axis - 1),
            }
        }
        Reshape => {
            let from = op.operand(0)?;
            let unknown = |ty: &Type| -> Vec<usize> {
                let axes = 0..ty.shape.rank().unwrap_or(0);
                axes.filter(|&a| ty.shape.dim(a) == Dim::Unknown).collect()
            };
            from.ty().shape.rank()?;
            let product = |ty: &Type| {
                let dims = ty.shape.dims().unwrap_or_default();
                dims.iter().filter_map(|d| d.known()).product::<usize>()
            };
            match (&unknown(from.ty())[..], &unknown(ty)[..]) {
                (&[only], &[result]) if result == axis && product(from.ty()) == product(ty) => through(0, only),
                _ => None,
            }
        }
        // What goes along one axis takes that one away.
        ArgMax | ArgMin => {
            let along = *op.operand(1)?.constant()?.to_ints()?.first()?;
            let from = op.operand(0)?.ty().shape.rank()?;
            let along = along.rem_euclid(from as i64) as usize;
            through(0, if axis < along { axis } else { axis + 1 })
        }
        TensorListGetItem => through(0, axis + 1),
        DynamicUpdateSlice | TensorListSetItem => through(0, axis),
        ScatterNd => extent_of(op.operand(2)?, axis),
        Mean | Sum | ReduceProd | ReduceMax | ReduceMin | ReduceAny | ReduceAll => {
            let from = op.operand(0)?.ty().shape.rank()?;
            if from == rank {
                return through(0, axis);
            }
            let along = op.operand(1)?.constant()?.to_ints()?;
            let gone = |a: usize| along.iter().any(|&n| n.rem_euclid(from as i64) as usize == a);
            through(0, (0..from).filter(|&a| !gone(a)).nth(axis)?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    /// Where the extents of each axis of the graph's results come from.
    fn dimensions(text: &str) -> Vec<Vec<Option<(usize, usize)>>> {
        let model = text::parse(text).expect("it parses");
        let (_, graph) = model.graphs().next().expect("a graph");
        let axes = |value: Value| (0..graph.ty(value).shape.rank().expect("a rank")).map(move |axis| (value, axis));
        let results = graph.results().into_iter();
        results
            .map(|value| axes(value).map(|(value, axis)| parameter_dimension(graph, value, axis)).collect())
            .collect()
    }

    #[test]
    fn reshapes_keep_an_extent_only_where_none_is_split() {
        let found = dimensions(
            "graph @main (%x: f32[?, 8], %dims: i32[3]) {
               %split = reshape %x, %dims : f32[?, ?, 8]
               %kept = reshape %x, %dims : f32[?, 2, 4]
               return %split, %kept
             }",
        );
        assert_eq!(found[0], [None, None, None]);
        assert_eq!(found[1][0], Some((0, 0)));
    }

    #[test]
    fn slices_with_a_stride_and_scatters_of_rows_have_extents_of_their_own() {
        let found = dimensions(
            "graph @main (%x: f32[?, ?], %at: i32[?, 1], %rows: f32[?, ?]) {
               %zeros = const i32[2] [0, 0]
               %steps = const i32[2] [1, 2]
               %thin = strided_slice %x, %zeros, %zeros, %steps {begin_mask = 3, end_mask = 3} : f32[?, ?]
               %shape = shape %x
               %scattered = scatter_nd %at, %rows, %shape : f32[?, ?]
               return %thin, %scattered
             }",
        );
        assert_eq!(found[0], [Some((0, 0)), None]);
        assert_eq!(found[1], [Some((0, 0)), Some((0, 1))]);
    }

    #[test]
    fn gathers_in_batches_classes_and_sums_keep_the_extents_of_what_is_left() {
        let found = dimensions(
            "graph @main (%x: f32[?, ?, ?, ?], %at: i32[?, ?]) {
               %axes = const i32[2] [-3, 3]
               %depth = const i32[] 5
               %on = const f32[] 1.0
               %off = const f32[] 0.0
               %taken = gather %x, %at {axis = 2, batch_dims = 1} : f32[?, ?, ?, ?]
               %each = gather %x, %at {axis = 2, batch_dims = 2} : f32[?, ?, ?]
               %classes = one_hot %at, %depth, %on, %off {axis = 1} : f32[?, 5, ?]
               %summed = sum %x, %axes {keep_dims = false} : f32[?, ?]
               return %taken, %classes, %summed, %each
             }",
        );
        assert_eq!(found[0], [Some((1, 0)), Some((0, 1)), Some((1, 1)), Some((0, 3))]);
        assert_eq!(found[1], [Some((1, 0)), None, Some((1, 1))]);
        assert_eq!(found[2], [Some((0, 0)), Some((0, 2))]);
        assert_eq!(found[3], [Some((1, 0)), Some((1, 1)), Some((0, 3))]);
    }

    #[test]
    fn slices_that_take_an_axis_away_keep_the_others() {
        let found = dimensions(
            "graph @main (%x: f32[?, ?, ?], %i: i32[3], %at: i32[?, 2]) {
               %steps = const i32[3] [1, 1, 1]
               %row = strided_slice %x, %i, %i, %steps {begin_mask = 5, end_mask = 5, shrink_axis_mask = 2} : f32[?, ?]
               %part = strided_slice %x, %i, %i, %steps {begin_mask = 4, end_mask = 4, shrink_axis_mask = 2} : f32[?, ?]
               %places = gather_nd %x, %at : f32[?, ?]
               return %row, %part, %places
             }",
        );
        assert_eq!(found[0], [Some((0, 0)), Some((0, 2))]);
        assert_eq!(found[1], [None, Some((0, 2))]);
        assert_eq!(found[2], [Some((2, 0)), None]);
    }

    #[test]
    fn a_vector_of_conditions_chooses_rows() {
        let found = dimensions(
            "graph @main (%c: bool[?], %x: f32[?, ?], %y: f32[?, ?]) {
               %chosen = select %c, %x, %y : f32[?, ?]
               return %chosen
             }",
        );
        assert_eq!(found[0], [Some((1, 0)), Some((1, 1))]);
    }

    #[test]
    fn batches_of_matrices_are_broadcast() {
        let model = text::parse(
            "graph @main (%x: f32[?, 3, 4], %y: f32[?, 4, 2], %z: f32[4, 2]) {
               %both = batch_matmul %x, %y : f32[?, 3, 2]
               %one = batch_matmul %x, %z : f32[?, 3, 2]
               return %both, %one
             }",
        )
        .expect("it parses");
        let (_, graph) = model.graphs().next().expect("a graph");
        let x = graph.parameters()[0];
        let same: Vec<bool> = graph.results().into_iter().map(|v| same_extent(graph, (x, 0), (v, 0))).collect();
        assert_eq!(same, [false, true]);
    }

    #[test]
    fn extents_of_what_is_broadcast_are_the_same_only_if_all_are() {
        let model = text::parse(
            "graph @main (%x: f32[?, 3], %y: f32[?, 3]) {
               %own = add %x, %x
               %both = add %x, %y
               return %own, %both
             }",
        )
        .expect("it parses");
        let (_, graph) = model.graphs().next().expect("a graph");
        let x = graph.parameters()[0];
        let same: Vec<bool> = graph.results().into_iter().map(|v| same_extent(graph, (x, 0), (v, 0))).collect();
        assert_eq!(same, [true, false]);
    }
}
