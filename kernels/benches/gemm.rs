//! Float beside hybrid kernels on the shapes of real models, one thread: time, rate, and how many times as fast as the
//! portable float kernel. `cargo bench -p planish-kernels --bench gemm [-- PART-OF-A-NAME]`.

use std::time::{Duration, Instant};

use planish_core::attr::Rounding;
use planish_core::quantize::quantize_part;
use planish_core::{Quant, Tensor};
use planish_kernels::gemm::{Clamp, Conv2dShape, Matrix, PackedWeights};
use planish_kernels::hybrid::{self, Channels};
use planish_kernels::select::{self, Kernel, Operation, Precision};

/// The least time of a run, over at least a fifth of a second.
fn least(mut run: impl FnMut()) -> Duration {
    let start = Instant::now();
    let mut best = Duration::MAX;
    while start.elapsed() < Duration::from_millis(200) {
        let before = Instant::now();
        run();
        best = best.min(before.elapsed());
    }
    best
}

fn floats(count: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 7919 % 1009) as f32 - 504.0) / 504.0).collect()
}

enum Work {
    /// Rows, outputs, depth.
    Product(usize, usize, usize),
    Convolution(Conv2dShape),
}

fn time(kernel: &'static Kernel, work: &Work) -> (Duration, usize) {
    let (outputs, depth, rows, inputs) = match work {
        Work::Product(rows, outputs, depth) => (*outputs, *depth, *rows, rows * depth),
        Work::Convolution(shape) => (
            shape.filters,
            shape.depth(),
            shape.batch * shape.output[0] * shape.output[1],
            shape.batch * shape.input[0] * shape.input[1] * shape.channels,
        ),
    };
    let weights = floats(outputs * depth);
    let packed = match kernel.precision {
        Precision::Float => PackedWeights::float_with(kernel, Matrix::new(&weights, outputs, depth), None, 1),
        Precision::Hybrid => {
            let layout = Channels {
                outer: 1,
                count: outputs,
                inner: depth,
            };
            let scales = hybrid::weight_scales(&hybrid::weight_peaks(&weights, layout)).expect("finite weights");
            let scales: Vec<f32> = scales.iter().map(|scale| *scale as f32).collect();
            let mut stored = vec![0; weights.len()];
            let quant = Quant::symmetric_per_axis(0, scales.clone()).expect("scales");
            quantize_part(
                &Tensor::from_vec(&[outputs, depth], weights),
                &quant,
                Rounding::Nearest,
                0,
                &mut stored,
            )
            .expect("floats");
            PackedWeights::hybrid_with(kernel, Matrix::new(&stored, outputs, depth), &scales, None, 1)
        }
    };
    let input = floats(inputs);
    let mut out = vec![0.0; rows * outputs];
    let elapsed = least(|| match work {
        Work::Product(..) => packed.multiply(Matrix::new(&input, rows, depth), &mut out, Clamp::NONE),
        Work::Convolution(shape) => packed.convolve(shape, &input, &mut out, Clamp::NONE),
    });
    (elapsed, rows * outputs * depth)
}

fn image(size: usize, channels: usize, filters: usize, kernel: usize, stride: usize) -> Work {
    let out = size / stride;
    Work::Convolution(Conv2dShape {
        batch: 1,
        input: [size, size],
        channels,
        output: [out, out],
        filters,
        kernel: [kernel, kernel],
        stride: [stride, stride],
        dilation: [1, 1],
        padding: [kernel / 2, kernel / 2],
        groups: 1,
    })
}

fn weights() {
    let (rows, columns) = (2048, 4096);
    let data = floats(rows * columns);
    let mut out = vec![0; data.len()];
    let rate = |elapsed: Duration| (data.len() * 4) as f64 / elapsed.as_secs_f64() / 1e9;
    let tensor = Tensor::from_vec(&[rows, columns], data.clone());
    let transposed = tensor.transposed(&[1, 0]).expect("two axes");
    for (what, axis, tensor) in [
        ("per tensor", None, &tensor),
        ("axis 0", Some(0), &tensor),
        ("last axis", Some(1), &tensor),
        ("transposed", Some(0), &transposed),
    ] {
        // Scales are found where the data lie, a transposed view's along its other axis.
        let layout = match what {
            "per tensor" => Channels::whole(data.len()),
            "axis 0" => Channels {
                outer: 1,
                count: rows,
                inner: columns,
            },
            _ => Channels {
                outer: rows,
                count: columns,
                inner: 1,
            },
        };
        let find = || hybrid::weight_scales(&hybrid::weight_peaks(&data, layout)).expect("finite weights");
        let scales = find();
        let find = least(|| drop(find()));
        let scales: Vec<f32> = scales.into_iter().map(|scale| scale as f32).collect();
        let quant = match axis {
            None => Quant::per_tensor(scales[0], 0),
            Some(axis) => Quant::symmetric_per_axis(axis, scales),
        };
        let quant = quant.expect("scales");
        let mut store = |rounding| least(|| quantize_part(tensor, &quant, rounding, 0, &mut out).expect("floats"));
        print!(
            "weights 2048 x 4096, {what:<12} scales {:6.1} GB/s   quantize {:6.1} GB/s",
            rate(find),
            rate(store(Rounding::Nearest))
        );
        match axis {
            Some(_) => println!("   in balance {:6.1} GB/s", rate(store(Rounding::Balanced))),
            None => println!(),
        }
    }
    let copy = least(|| out.iter_mut().zip(&data).for_each(|(out, x)| *out = x.to_bits() as i8));
    println!(
        "weights 2048 x 4096, truncated, for comparison                {:6.1} GB/s\n",
        rate(copy)
    );
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a pool of one thread");
    pool.install(|| {
        if wanted.is_empty() || wanted.iter().any(|part| part == "weights") {
            weights();
        }
        let works = [
            ("square 512", Work::Product(512, 512, 512)),
            ("rows 100, 2048 x 1024", Work::Product(100, 2048, 1024)),
            ("one row, 4096 x 1024", Work::Product(1, 4096, 1024)),
            ("one row, 1000 x 512", Work::Product(1, 1000, 512)),
            ("pointwise 56, 128 to 128", image(56, 128, 128, 1, 1)),
            ("pointwise 14, 512 to 512", image(14, 512, 512, 1, 1)),
            ("3 x 3 of 56, 64 to 64", image(56, 64, 64, 3, 1)),
            ("3 x 3 of 7, 512 to 512", image(7, 512, 512, 3, 1)),
            ("7 x 7 of 224 by 2, 3 to 64", image(224, 3, 64, 7, 2)),
        ];
        for (name, work) in works
            .iter()
            .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())))
        {
            let operation = if matches!(work, Work::Product(..)) {
                Operation::FullyConnected
            } else {
                Operation::Conv2d
            };
            let mut kernels: Vec<_> = select::kernels()
                .into_iter()
                .filter(|kernel| kernel.operation == operation && (kernel.available)())
                .collect();
            kernels.sort_by_key(|kernel| kernel.rank);
            let mut base = None;
            for kernel in kernels {
                let (elapsed, products) = time(kernel, work);
                let base = *base.get_or_insert(elapsed);
                println!(
                    "{name:<28} {:<34} {:9.1} us {:7.1} Gmul/s {:6.2}x",
                    kernel.name,
                    elapsed.as_secs_f64() * 1e6,
                    products as f64 / elapsed.as_secs_f64() / 1e9,
                    base.as_secs_f64() / elapsed.as_secs_f64()
                );
            }
            println!();
        }
    });
}
