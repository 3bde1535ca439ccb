//! Formulas and constructs that passes look for, in the text form, and how far rounding moves their results.

use std::collections::BTreeMap;

use planish_core::{Op, Tensor, Value, text};
use planish_kernels::interpret::Interpreter;

use super::{Bound, Builder, EPSILON, Known, peak, usable};

/// A graph of one parameter `%x` and one result.
///
/// In the text, `$x` is the type of the parameter, `$0` to `$3` are its extents and `$n` the last one.
struct Motif {
    /// Whether it can be made for an input of these extents.
    fits: fn(&[usize]) -> bool,
    /// How far the result moves at most for a move of the input, in the maximum norm.
    gain: fn(&Tensor) -> f64,
    /// How many times the result is rounded at most.
    roundings: f64,
    /// How far apart the levels are that results are rounded to.
    step: f64,
    text: &'static str,
}

impl Motif {
    /// What does not enlarge a move of its input.
    const fn new(fits: fn(&[usize]) -> bool, roundings: f64, text: &'static str) -> Motif {
        Motif {
            fits,
            gain: |_| 1.0,
            roundings,
            step: 0.0,
            text,
        }
    }

    const fn gain(self, gain: fn(&Tensor) -> f64) -> Motif {
        Motif { gain, ..self }
    }

    fn written(&self, x: &Known, ty: &str) -> String {
        let mut text = self.text.replace("$x", ty);
        for (axis, extent) in x.dims().iter().enumerate() {
            text = text.replace(&format!("${axis}"), &extent.to_string());
        }
        text.replace("$n", &x.dims().last().copied().unwrap_or(1).to_string())
    }
}

fn any(_: &[usize]) -> bool {
    true
}

fn vectors(dims: &[usize]) -> bool {
    !dims.is_empty()
}

fn matrix(dims: &[usize]) -> bool {
    dims.len() == 2
}

fn cube(dims: &[usize]) -> bool {
    dims.len() == 3
}

fn image(dims: &[usize]) -> bool {
    matches!(*dims, [_, height, width, channels] if height >= 3 && width >= 3 && channels <= 16)
}

fn features(x: &Tensor) -> f64 {
    x.dims().last().copied().unwrap_or(1) as f64
}

/// How much normalizing the shortest row enlarges a move.
fn normalizing(x: &Tensor) -> f64 {
    let features = x.dims().last().copied().unwrap_or(1).max(1);
    let norm = |row: &[f32]| row.iter().map(|v| f64::from(v * v)).sum::<f64>().sqrt();
    let least = x.to_vec::<f32>().chunks(features).map(norm).fold(f64::INFINITY, f64::min);
    2.0 * (features as f64).sqrt() / least.max(1e-6)
}

const MOTIFS: &[Motif] = &[
    Motif::new(
        any,
        4.0,
        "graph @motif (%x: $x) {
  %one = const f32[] 1.0
  %zero = const f32[] 0.0
  %scaled = mul %x, %one
  %y = sub %scaled, %zero
  return %y
}",
    ),
    Motif::new(
        any,
        32.0,
        "graph @motif (%x: $x) {
  %half = const f32[] 0.5
  %one = const f32[] 1.0
  %root = const f32[] 1.4142135
  %scaled = div %x, %root
  %erf = erf %scaled
  %sum = add %one, %erf
  %left = mul %half, %x
  %y = mul %left, %sum
  return %y
}",
    )
    .gain(|_| 1.2),
    Motif::new(
        any,
        64.0,
        "graph @motif (%x: $x) {
  %y = erf %x
  return %y
}",
    )
    .gain(|_| 1.2),
    Motif::new(
        any,
        32.0,
        "graph @motif (%x: $x) {
  %three = const f32[] 3.0
  %sixth = const f32[] 0.16666667
  %sum = add %x, %three
  %gate = relu6 %sum
  %product = mul %x, %gate
  %y = mul %product, %sixth
  return %y
}",
    )
    .gain(|_| 1.5),
    Motif::new(
        any,
        4.0,
        "graph @motif (%x: $x) {
  %zero = const f32[] 0.0
  %slope = const f32[] 0.2
  %positive = greater %x, %zero
  %small = mul %slope, %x
  %y = select_v2 %positive, %x, %small
  return %y
}",
    ),
    Motif::new(
        vectors,
        4.0,
        "graph @motif (%x: $x) {
  %slopes = const f32[$n] random(3)
  %positive = relu %x
  %negated = neg %x
  %mirrored = relu %negated
  %negative = mul %slopes, %mirrored
  %y = add %positive, %negative
  return %y
}",
    ),
    Motif::new(
        any,
        4.0,
        "graph @motif (%x: $x) {
  %slope = const f32[] 0.25
  %part = mul %x, %slope
  %y = maximum %x, %part
  return %y
}",
    ),
    Motif::new(
        vectors,
        64.0,
        "graph @motif (%x: $x) {
  %axis = const i32[1] [-1]
  %bound = const f32[] 1e-12
  %squares = square %x
  %sum = sum %squares, %axis {keep_dims = true}
  %bounded = maximum %sum, %bound
  %factor = rsqrt %bounded
  %y = mul %x, %factor
  return %y
}",
    )
    .gain(normalizing),
    Motif::new(
        vectors,
        128.0,
        "graph @motif (%x: $x) {
  %last = const i32[1] [-1]
  %most = reduce_max %x, %last {keep_dims = true}
  %below = sub %x, %most
  %powers = exp %below
  %sum = sum %powers, %last {keep_dims = true}
  %y = div %powers, %sum
  return %y
}",
    ),
    Motif::new(
        any,
        0.0,
        "graph @motif (%x: $x) {
  %least = const f32[] 0.0
  %most = const f32[] 6.0
  %a = maximum %x, %least
  %y = minimum %a, %most
  return %y
}",
    ),
    Motif::new(
        any,
        16.0,
        "graph @motif (%x: $x) {
  %two = const f32[] 2.0
  %y = pow %x, %two
  return %y
}",
    )
    .gain(|x| 2.0 * peak(x) + 1.0),
    Motif::new(
        vectors,
        4.0,
        "graph @motif (%x: $x) {
  %a = const f32[$n] random(5)
  %b = const f32[$n] random(6)
  %c = mul %a, %b
  %y = add %x, %c
  return %y
}",
    ),
    Motif {
        fits: any,
        gain: |_| 1.0,
        roundings: 4.0,
        step: 4.0 / 255.0,
        text: "graph @motif (%x: $x) {
  %y = fake_quant %x {max = 3.0, min = -1.0}
  return %y
}",
    },
    Motif::new(
        matrix,
        64.0,
        "graph @motif (%x: $x) {
  %w = const f32[$1, 3] random(7)
  %y = einsum %x, %w {equation = \"ij,jk->ik\"}
  return %y
}",
    )
    .gain(features),
    Motif::new(
        cube,
        64.0,
        "graph @motif (%x: $x) {
  %w = const f32[2, $2] random(7)
  %y = einsum %x, %w {equation = \"bij,kj->bik\"}
  return %y
}",
    )
    .gain(features),
    Motif::new(
        matrix,
        256.0,
        "graph @motif (%x: $x) {
  %w = const f32[3, $1] random(8)
  %b = const f32[3] random(9)
  %product = fully_connected %x, %w
  %sum = add %product, %b
  %y = relu %sum
  return %y
}",
    )
    .gain(features),
    Motif::new(
        image,
        1024.0,
        "graph @motif (%x: $x) {
  %w = const f32[2, 3, 3, $3] random(10)
  %b = const f32[2] random(11)
  %product = conv_2d %x, %w, %b {padding = same}
  %y = relu6 %product
  return %y
}",
    )
    .gain(|x| 9.0 * features(x)),
    Motif::new(
        image,
        1024.0,
        "graph @motif (%x: $x) {
  %paddings = const i32[4, 2] [0, 0, 1, 1, 1, 1, 0, 0]
  %w = const f32[2, 3, 3, $3] random(12)
  %padded = pad %x, %paddings
  %y = conv_2d %padded, %w {padding = valid}
  return %y
}",
    )
    .gain(|x| 9.0 * features(x)),
    Motif::new(
        image,
        1024.0,
        "graph @motif (%x: $x) {
  %w = const f32[2, 3, 3, $3] random(21)
  %scale = const f32[2] random(22)
  %offset = const f32[2] random(23)
  %mean = const f32[2] random(24)
  %variance = const f32[2] splat(1.0)
  %product = conv_2d %x, %w {padding = same}
  %y = batch_norm %product, %scale, %offset, %mean, %variance {epsilon = 0.001}
  return %y
}",
    )
    .gain(|x| 9.0 * features(x)),
    Motif::new(
        matrix,
        512.0,
        "graph @motif (%x: $x) {
  %scale = const f32[$1] random(26)
  %offset = const f32[$1] random(27)
  %w = const f32[3, $1] random(28)
  %scaled = mul %x, %scale
  %moved = add %scaled, %offset
  %y = fully_connected %moved, %w
  return %y
}",
    )
    .gain(features),
    Motif::new(
        matrix,
        256.0,
        "graph @motif (%x: $x) {
  %w = const f32[4, $1] random(25)
  %pairs = const i32[3] [-1, 1, 4]
  %product = fully_connected %x, %w
  %rows = reshape %product, %pairs
  %y = relu %rows
  return %y
}",
    )
    .gain(features),
    Motif::new(
        image,
        256.0,
        "graph @motif (%x: $x) {
  %w = const f32[4, 1, 1, $3] random(13)
  %b = const f32[4] random(14)
  %shape = const i32[3] [-1, $2, 4]
  %product = conv_2d %x, %w {padding = same}
  %rows = reshape %product, %shape
  %sum = add %rows, %b
  %y = relu %sum
  return %y
}",
    )
    .gain(features),
    Motif::new(
        image,
        4.0,
        "graph @motif (%x: $x) {
  %to_nchw = const i32[4] [0, 3, 1, 2]
  %to_nhwc = const i32[4] [0, 2, 3, 1]
  %shift = const f32[$3, 1, 1] random(15)
  %nchw = transpose %x, %to_nchw
  %sum = add %nchw, %shift
  %relu = relu %sum
  %y = transpose %relu, %to_nhwc
  return %y
}",
    ),
    Motif::new(
        cube,
        0.0,
        "graph @motif (%x: $x) {
  %turn = const i32[3] [2, 0, 1]
  %swap = const i32[3] [1, 0, 2]
  %turned = transpose %x, %turn
  %y = transpose %turned, %swap
  return %y
}",
    ),
    Motif::new(
        matrix,
        0.0,
        "graph @motif (%x: $x) {
  %swap = const i32[2] [1, 0]
  %turned = transpose %x, %swap
  %positive = relu %turned
  %y = transpose %positive, %swap
  return %y
}",
    ),
    Motif::new(
        vectors,
        0.0,
        "graph @motif (%x: $x) {
  %shape = shape %x
  %from = const i32[1] [0]
  %to = const i32[1] [1]
  %rows = strided_slice %shape, %from, %to, %to {shrink_axis_mask = 1}
  %rest = const i32[] -1
  %dims = pack %rows, %rest {axis = 0}
  %y = reshape %x, %dims
  return %y
}",
    ),
    Motif::new(
        matrix,
        4.0,
        "graph @motif (%x: $x) {
  %shape = shape %x
  %from = const i32[1] [0]
  %to = const i32[1] [1]
  %rows = strided_slice %shape, %from, %to, %to {shrink_axis_mask = 1}
  %columns = const i32[] $1
  %dims = pack %rows, %columns {axis = 0}
  %half = const f32[] 0.5
  %halves = fill %dims, %half
  %y = add %x, %halves
  return %y
}",
    ),
    Motif::new(
        cube,
        4.0,
        "graph @motif (%x: $x) {
  %shape = shape %x
  %from = const i32[1] [0]
  %to = const i32[1] [1]
  %rows = strided_slice %shape, %from, %to, %to
  %rest = const i32[2] [1, $2]
  %dims = concatenation %rows, %rest {axis = 0}
  %half = const f32[] 0.5
  %halves = fill %dims, %half
  %y = mul %x, %halves
  return %y
}",
    ),
    Motif::new(
        matrix,
        0.0,
        "graph @motif (%x: $x) {
  %shape = const i32[1] [$1]
  %zero = const i32[] 0
  %list = tensor_list_from_tensor %x, %shape : variant[]
  %y = tensor_list_get_item %list, %zero, %shape {dtype = f32} : f32[$1]
  return %y
}",
    ),
    Motif::new(
        vectors,
        0.0,
        "graph @motif (%x: $x) {
  %flat = const i32[1] [-1]
  %rows = const i32[2] [-1, $n]
  %all = reshape %x, %flat
  %y = reshape %all, %rows
  return %y
}",
    ),
    // A recurrent layer that feels its state of two steps before.
    Motif::new(
        cube,
        4096.0,
        "graph @motif (%x: $x) {
  %zero = const i32[] 0
  %half = const f32[] 0.5
  %start = const f32[$1, 3] splat(0.0)
  %i, %f, %rows, %y, %before = while %zero, %half, %x, %start, %start {cond = @motif_cond, body = @motif_body} : i32[], f32[], $x, f32[$1, 3], f32[$1, 3]
  return %y
}
graph @motif_cond (%i: i32[], %f: f32[], %x: $x, %h: f32[$1, 3], %before: f32[$1, 3]) {
  %steps = const i32[] $0
  %go = less %i, %steps
  return %go
}
graph @motif_body (%i: i32[], %f: f32[], %x: $x, %h: f32[$1, 3], %before: f32[$1, 3]) {
  %one = const i32[] 1
  %next = add %i, %one
  %w = const f32[3, $2] random(16)
  %b = const f32[3] random(17)
  %step = gather %x, %i
  %p = fully_connected %step, %w, %b
  %kept = mul %before, %f
  %s = add %p, %kept
  %t = tanh %s
  return %next, %f, %x, %t, %h
}",
    )
    .gain(|x| 2.0 * features(x)),
    // A long short-term memory layer that reads the same three times.
    Motif::new(
        matrix,
        4096.0,
        "graph @motif (%x: $x) {
  %sequence = pack %x, %x, %x {axis = 0}
  %w = const f32[8, $1] random(18)
  %b = const f32[8] random(19)
  %p = fully_connected %sequence, %w, %b {keep_num_dims = true} : f32[3, $0, 8]
  %start = const f32[$0, 2] splat(0.0)
  %none = const f32[3, $0, 2] splat(0.0)
  %zero = const i32[] 0
  %i, %all, %h, %c, %rows = while %zero, %none, %start, %start, %p {cond = @motif_cond, body = @motif_body} : i32[], f32[3, $0, 2], f32[$0, 2], f32[$0, 2], f32[3, $0, 8]
  return %all
}
graph @motif_cond (%i: i32[], %all: f32[3, $0, 2], %h: f32[$0, 2], %c: f32[$0, 2], %p: f32[3, $0, 8]) {
  %steps = const i32[] 3
  %go = less %i, %steps
  return %go
}
graph @motif_body (%i: i32[], %all: f32[3, $0, 2], %h: f32[$0, 2], %c: f32[$0, 2], %p: f32[3, $0, 8]) {
  %one = const i32[] 1
  %next = add %i, %one
  %row = gather %p, %i
  %r = const f32[8, 2] random(20)
  %q = fully_connected %h, %r
  %z = add %row, %q
  %zi, %zf, %zc, %zo = split %one, %z {num = 4}
  %gi = logistic %zi
  %gf = logistic %zf
  %gc = tanh %zc
  %go = logistic %zo
  %kept = mul %gf, %c
  %new = mul %gi, %gc
  %c2 = add %kept, %new
  %squashed = tanh %c2
  %h2 = mul %go, %squashed
  %row_shape = const i32[3] [1, -1, 2]
  %written = reshape %h2, %row_shape
  %one_place = const i32[1] [1]
  %at = reshape %i, %one_place
  %rest = const i32[2] [0, 0]
  %place = concatenation %at, %rest {axis = 0}
  %all2 = dynamic_update_slice %all, %written, %place
  return %next, %all2, %h2, %c2, %p
}",
    )
    .gain(|x| 64.0 * features(x)),
];

impl Builder {
    /// One of the motifs that fit.
    pub(super) fn motif(&mut self, x: &Known, c: usize) -> Option<Known> {
        let fitting: Vec<&Motif> = MOTIFS.iter().filter(|motif| (motif.fits)(x.dims())).collect();
        let motif = fitting[c % fitting.len()];
        let written = motif.written(x, &self.graph.ty(x.value).to_string());
        let parsed = text::parse(&written).unwrap_or_else(|error| panic!("a motif is in the text form: {error}\n{written}"));
        let (main, source) = parsed.graphs().next().expect("a motif has a graph");
        let results = Interpreter::new(&parsed).run(main, std::slice::from_ref(&x.tensor));
        let results = results.unwrap_or_else(|error| panic!("a motif runs: {error}\n{written}"));
        let tensor = results.into_iter().next().filter(usable)?;
        let graphs: BTreeMap<_, _> = parsed
            .graphs()
            .skip(1)
            .map(|(id, graph)| (id, self.model.add_graph(graph.clone())))
            .collect();
        let mut values: BTreeMap<Value, Value> = BTreeMap::from([(source.parameters()[0], x.value)]);
        for id in source.order() {
            let mut op = source.op(id).clone();
            if matches!(op, Op::Parameters(_) | Op::Return(_)) {
                continue;
            }
            op.for_each_graph_mut(|graph| *graph = graphs[graph]);
            let operands: Vec<Option<Value>> = source.operands(id).iter().map(|v| v.map(|v| values[&v])).collect();
            let results = source.results_of(id);
            let infos = results.iter().map(|&v| source.info(v).clone()).collect();
            let new = self.graph.add_declared(op, &operands, infos);
            values.extend(results.into_iter().zip(self.graph.results_of(new)));
        }
        let gain = (motif.gain)(&x.tensor);
        let size = x.peak() * gain.max(1.0) + 4.0;
        let flipped = if x.bound.rounding > 0.0 { motif.step } else { 0.0 };
        Some(Known {
            value: values[&source.results()[0]],
            tensor,
            bound: Bound {
                rounding: gain * x.bound.rounding + motif.roundings * EPSILON * size + flipped,
                quantizing: gain * x.bound.quantizing + motif.step,
            },
        })
    }
}
