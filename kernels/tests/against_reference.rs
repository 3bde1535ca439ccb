//! Every kernel that this machine can run against plain loops: seeds, random shapes, tails and extremes.

use planish_kernels::gemm::{Clamp, Conv2dShape, Matrix, PackedWeights};
use planish_kernels::reference::matmul;
use planish_kernels::select::{self, Kernel, Operation, Precision};
use proptest::prelude::*;

/// The kernels of a kind that can run here; never none.
fn available(operations: &[Operation], precision: Precision) -> Vec<&'static Kernel> {
    let found: Vec<_> = select::kernels()
        .into_iter()
        .filter(|kernel| operations.contains(&kernel.operation) && kernel.precision == precision && (kernel.available)())
        .collect();
    assert!(!found.is_empty());
    found
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn float(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }

    fn bytes(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| self.bits() as i8).collect()
    }

    fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }
}

/// Left operands that stress quantization: zeros, one sign, one spike, constants, huge and tiny magnitudes.
fn left(random: &mut Random, rows: usize, depth: usize) -> Vec<f32> {
    let mut data = random.floats(rows * depth);
    for row in data.chunks_exact_mut(depth.max(1)) {
        match random.below(9) {
            0 => row.fill(0.0),
            1 => row.iter_mut().for_each(|x| *x = x.abs()),
            2 => row.iter_mut().for_each(|x| *x = -x.abs()),
            3 => row[random.below(depth)] = 1e4,
            4 => row.fill(random.float()),
            5 => row.iter_mut().for_each(|x| *x *= 1e15),
            6 => row.iter_mut().for_each(|x| *x *= 1e-15),
            _ => {}
        }
    }
    data
}

fn weights(random: &mut Random, count: usize) -> Vec<i8> {
    match random.below(5) {
        0 => vec![-128; count],
        1 => vec![127; count],
        _ => random.bytes(count),
    }
}

/// One scale, or one an output.
fn scales(random: &mut Random, outputs: usize) -> Vec<f32> {
    let count = if random.below(3) == 0 { 1 } else { outputs };
    random.floats(count).iter().map(|x| x.abs() * 0.01 + 1e-4).collect()
}

fn clamp(random: &mut Random) -> Clamp {
    [Clamp::NONE, Clamp::RELU, Clamp::RELU6, Clamp::RELU_N1_TO_1][random.below(4)]
}

fn bits(values: &[f32]) -> Vec<u32> {
    // A sum of zero may have either sign: which one depends on products with the padding.
    values.iter().map(|x| if *x == 0.0 { 0 } else { x.to_bits() }).collect()
}

/// Whether float sums are fused multiply-adds in this kernel; one that rounds products too is compared with a tolerance.
fn is_fused(kernel: &Kernel) -> bool {
    !kernel.name.ends_with("/generic") || cfg!(any(target_arch = "aarch64", target_feature = "fma"))
}

/// Compares a float result: exactly, or within `2 · depth` roundings of the sum of magnitudes.
fn check_float(kernel: &Kernel, got: &[f32], want: &[f32], magnitudes: &[f32], depth: usize, what: &str) {
    if is_fused(kernel) {
        assert_eq!(bits(got), bits(want), "{} {what}", kernel.name);
        return;
    }
    for ((got, want), magnitude) in got.iter().zip(want).zip(magnitudes) {
        let bound = 2.0 * (depth + 1) as f32 * f32::EPSILON * magnitude;
        assert!((got - want).abs() <= bound, "{} {what}: {got} instead of {want}", kernel.name);
    }
}

fn absolute(values: &[f32]) -> Vec<f32> {
    values.iter().map(|x| x.abs()).collect()
}

const PRODUCTS: [Operation; 2] = [Operation::FullyConnected, Operation::BatchMatmul];

fn check_product(seed: u64, rows: usize, outputs: usize, depth: usize) {
    let mut random = Random(seed);
    let what = format!("seed {seed}, {rows} x {outputs} x {depth}");
    let left = left(&mut random, rows, depth);
    let bias = (random.below(2) == 1).then(|| random.floats(outputs));
    let (bias, clamp) = (bias.as_deref(), clamp(&mut random));
    let transposed = random.below(3) == 0;

    let stored = random.floats(outputs * depth);
    let view = |stored| {
        if transposed {
            Matrix::new(stored, depth, outputs).transposed()
        } else {
            Matrix::new(stored, outputs, depth)
        }
    };
    let matrix = Matrix::new(&left, rows, depth);
    let want = matmul::multiply_float(matrix, view(&stored), bias, clamp);
    let (left_size, stored_size, bias_size) = (absolute(&left), absolute(&stored), bias.map(absolute));
    let magnitudes = matmul::multiply_float(
        Matrix::new(&left_size, rows, depth),
        view(&stored_size),
        bias_size.as_deref(),
        Clamp::NONE,
    );
    for kernel in available(&PRODUCTS, Precision::Float) {
        let packed = PackedWeights::float_with(kernel, view(&stored), bias, 1);
        let mut got = vec![f32::NAN; rows * outputs];
        packed.multiply(matrix, &mut got, clamp);
        check_float(kernel, &got, &want, &magnitudes, depth, &what);
    }

    let stored = weights(&mut random, outputs * depth);
    let view = |stored| {
        if transposed {
            Matrix::new(stored, depth, outputs).transposed()
        } else {
            Matrix::new(stored, outputs, depth)
        }
    };
    let scales = scales(&mut random, outputs);
    let want = matmul::multiply_hybrid(matrix, view(&stored), &scales, bias, clamp);
    for kernel in available(&PRODUCTS, Precision::Hybrid) {
        let packed = PackedWeights::hybrid_with(kernel, view(&stored), &scales, bias, 1);
        let mut got = vec![f32::NAN; rows * outputs];
        packed.multiply(matrix, &mut got, clamp);
        assert_eq!(bits(&got), bits(&want), "{} {what}", kernel.name);
    }
}

#[test]
fn products_at_the_edges_of_tiles() {
    for rows in [0, 1, 2, 5, 6, 7, 13] {
        for outputs in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 48, 63, 64, 65, 130] {
            for depth in [0, 1, 2, 3, 4, 5, 8, 31] {
                check_product((rows * 1000 + outputs * 10 + depth) as u64, rows, outputs, depth);
            }
        }
    }
}

#[test]
fn products_large_enough_for_chunks_and_threads() {
    check_product(1, 150, 200, 300);
    check_product(2, 1, 1031, 2100);
    check_product(3, 3, 700, 1024);
    check_product(4, 1000, 40, 64);
    check_product(5, 37, 19, 9001);
}

#[test]
fn a_transposed_left_operand() {
    let mut random = Random(3);
    let (rows, outputs, depth) = (11, 21, 34);
    let (left, stored, bytes) = (
        random.floats(rows * depth),
        random.floats(outputs * depth),
        random.bytes(outputs * depth),
    );
    let across = Matrix::new(&left, depth, rows).transposed();
    let mut along = Vec::new();
    for r in 0..rows {
        along.extend((0..depth).map(|k| across.at(r, k)));
    }
    for kernel in available(&PRODUCTS, Precision::Float) {
        let packed = PackedWeights::float_with(kernel, Matrix::new(&stored, outputs, depth), None, 1);
        let (mut first, mut second) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
        packed.multiply(across, &mut first, Clamp::NONE);
        packed.multiply(Matrix::new(&along, rows, depth), &mut second, Clamp::NONE);
        assert_eq!(first, second, "{}", kernel.name);
    }
    for kernel in available(&PRODUCTS, Precision::Hybrid) {
        let packed = PackedWeights::hybrid_with(kernel, Matrix::new(&bytes, outputs, depth), &[0.01], None, 1);
        let (mut first, mut second) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
        packed.multiply(across, &mut first, Clamp::NONE);
        packed.multiply(Matrix::new(&along, rows, depth), &mut second, Clamp::NONE);
        assert_eq!(first, second, "{}", kernel.name);
    }
}

#[test]
fn the_deepest_product_that_cannot_overflow() {
    let depth = 66_311;
    for (value, weight) in [(1.0f32, 127i8), (1.0, -127), (-1.0, 127), (-1.0, -127)] {
        let left = vec![value; depth];
        let stored = vec![weight; depth];
        let want = matmul::multiply_hybrid(
            Matrix::new(&left, 1, depth),
            Matrix::new(&stored, 1, depth),
            &[1.0 / 127.0],
            None,
            Clamp::NONE,
        );
        assert!((f64::from(want[0]) / (f64::from(value) * f64::from(weight) / 127.0 * depth as f64) - 1.0).abs() < 1e-5);
        for kernel in available(&PRODUCTS, Precision::Hybrid) {
            let mut got = [0.0];
            PackedWeights::hybrid_with(kernel, Matrix::new(&stored, 1, depth), &[1.0 / 127.0], None, 1).multiply(
                Matrix::new(&left, 1, depth),
                &mut got,
                Clamp::NONE,
            );
            assert_eq!(got[..], want[..], "{}", kernel.name);
        }
    }
}

fn check_convolution(seed: u64, shape: &Conv2dShape) {
    let mut random = Random(seed);
    let what = format!("seed {seed}, {shape:?}");
    let size = shape.input[0] * shape.input[1] * shape.channels;
    let input = left(&mut random, shape.batch, size);
    let bias = (random.below(2) == 1).then(|| random.floats(shape.filters));
    let (bias, clamp) = (bias.as_deref(), clamp(&mut random));
    let results = shape.batch * shape.output[0] * shape.output[1] * shape.filters;

    let stored = random.floats(shape.filters * shape.depth());
    let matrix = Matrix::new(&stored, shape.filters, shape.depth());
    let want = matmul::conv_2d_float(shape, &input, matrix, bias, clamp);
    let (input_size, stored_size, bias_size) = (absolute(&input), absolute(&stored), bias.map(absolute));
    let magnitudes = matmul::conv_2d_float(
        shape,
        &input_size,
        Matrix::new(&stored_size, shape.filters, shape.depth()),
        bias_size.as_deref(),
        Clamp::NONE,
    );
    for kernel in available(&[Operation::Conv2d], Precision::Float) {
        let mut got = vec![f32::NAN; results];
        PackedWeights::float_with(kernel, matrix, bias, shape.groups).convolve(shape, &input, &mut got, clamp);
        check_float(kernel, &got, &want, &magnitudes, shape.depth(), &what);
    }

    let stored = weights(&mut random, shape.filters * shape.depth());
    let matrix = Matrix::new(&stored, shape.filters, shape.depth());
    let scales = scales(&mut random, shape.filters);
    let want = matmul::conv_2d_hybrid(shape, &input, matrix, &scales, bias, clamp);
    for kernel in available(&[Operation::Conv2d], Precision::Hybrid) {
        let mut got = vec![f32::NAN; results];
        PackedWeights::hybrid_with(kernel, matrix, &scales, bias, shape.groups).convolve(shape, &input, &mut got, clamp);
        assert_eq!(bits(&got), bits(&want), "{} {what}", kernel.name);
    }
}

/// Any convolution: patches may lie wholly or partly outside the image on every side.
fn convolution() -> impl Strategy<Value = Conv2dShape> {
    let pair = |range: std::ops::Range<usize>| [range.clone(), range];
    (
        1..3usize,
        pair(1..9),
        1..6usize,
        pair(1..8),
        1..12usize,
        pair(1..5),
        pair(1..4),
        pair(1..4),
        pair(0..4),
        1..4usize,
    )
        .prop_map(
            |(batch, input, channels, output, filters, kernel, stride, dilation, padding, groups)| Conv2dShape {
                batch,
                input,
                channels: channels * groups,
                output,
                filters: filters * groups,
                kernel,
                stride,
                dilation,
                padding,
                groups,
            },
        )
}

#[test]
fn convolutions_of_common_shapes() {
    let base = Conv2dShape {
        batch: 1,
        input: [20, 18],
        channels: 16,
        output: [20, 18],
        filters: 72,
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [0, 0],
        groups: 1,
    };
    check_convolution(1, &base);
    check_convolution(
        2,
        &Conv2dShape {
            kernel: [3, 3],
            padding: [1, 1],
            ..base.clone()
        },
    );
    check_convolution(
        3,
        &Conv2dShape {
            batch: 2,
            kernel: [7, 7],
            stride: [2, 2],
            padding: [2, 2],
            channels: 3,
            output: [10, 9],
            ..base.clone()
        },
    );
    check_convolution(4, &Conv2dShape { groups: 4, ..base.clone() });
    check_convolution(
        5,
        &Conv2dShape {
            groups: 16,
            filters: 32,
            kernel: [3, 3],
            padding: [1, 1],
            ..base.clone()
        },
    );
    check_convolution(6, &Conv2dShape { batch: 0, ..base.clone() });
    check_convolution(
        7,
        &Conv2dShape {
            output: [0, 18],
            ..base.clone()
        },
    );
    check_convolution(
        8,
        &Conv2dShape {
            channels: 0,
            ..base.clone()
        },
    );
    check_convolution(9, &Conv2dShape { filters: 0, ..base });
}

#[test]
fn one_thread_and_four_give_the_same_bits() {
    let mut random = Random(11);
    let (rows, outputs, depth) = (97, 330, 512);
    let left = random.floats(rows * depth);
    let (stored, bytes) = (random.floats(outputs * depth), random.bytes(outputs * depth));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool of threads");
        pool.install(|| {
            let mut all = Vec::new();
            for kernel in available(&PRODUCTS, Precision::Float) {
                let mut out = vec![0.0; rows * outputs];
                PackedWeights::float_with(kernel, Matrix::new(&stored, outputs, depth), None, 1).multiply(
                    Matrix::new(&left, rows, depth),
                    &mut out,
                    Clamp::NONE,
                );
                all.push(bits(&out));
            }
            for kernel in available(&PRODUCTS, Precision::Hybrid) {
                let mut out = vec![0.0; rows * outputs];
                PackedWeights::hybrid_with(kernel, Matrix::new(&bytes, outputs, depth), &[0.02], None, 1).multiply(
                    Matrix::new(&left, rows, depth),
                    &mut out,
                    Clamp::NONE,
                );
                all.push(bits(&out));
            }
            all
        })
    };
    assert_eq!(run(1), run(4));
}

#[test]
fn names_are_unique_and_the_best_comes_first() {
    let kernels = select::kernels();
    for (index, kernel) in kernels.iter().enumerate() {
        assert!(
            kernels[..index].iter().all(|other| other.name != kernel.name),
            "{} is registered twice",
            kernel.name
        );
        assert!(std::ptr::eq(select::find(kernel.name).expect("a kernel by its name"), *kernel));
        assert!(std::ptr::eq(
            select::choose(kernel.operation, kernel.precision),
            available(&[kernel.operation], kernel.precision)[0]
        ));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 200 }))]

    #[test]
    fn random_products(seed: u64, rows in 0..40usize, outputs in 0..150usize, depth in 0..90usize) {
        check_product(seed, rows, outputs, depth);
    }

    #[test]
    fn random_convolutions(seed: u64, shape in convolution()) {
        check_convolution(seed, &shape);
    }
}
