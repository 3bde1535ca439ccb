//! What `hybrid` claims of quantization: error bounds, exact zero, symmetry, and that none of it is slack.

use planish_core::attr::Rounding;
use planish_core::quantize::quantize_part;
use planish_core::{Quant, Tensor};
use planish_kernels::gemm::{Clamp, Matrix, PackedWeights, hybrid_bound};
use planish_kernels::hybrid::{self, Channels, RowScale};
use planish_kernels::select::{self, Precision};
use proptest::prelude::*;

/// Weights of any ordinary magnitude, with zeros and exact multiples of steps among them.
fn weights() -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![
        8 => -1.0f32..1.0,
        1 => Just(0.0f32),
        1 => (-254i32..=254).prop_map(|halves| halves as f32 / 254.0),
    ];
    (prop::collection::vec(value, 1..400), -60i32..40)
        .prop_map(|(values, power)| values.into_iter().map(|x| x * 2f32.powi(power)).collect())
}

/// Any finite float.
fn finite() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |x| x.is_finite())
}

/// The scales of weights, or the first channel that has none.
fn scales(values: &[f32], layout: Channels) -> Result<Vec<f64>, usize> {
    hybrid::weight_scales(&hybrid::weight_peaks(values, layout)).map_err(|error| error.channel)
}

/// The scales of weights, and the integers that stand for them.
fn quantized(values: &[f32], layout: Channels, rounding: Rounding) -> (Vec<f64>, Vec<i8>) {
    let scales = scales(values, layout).expect("finite weights");
    let quant = Quant::symmetric_per_axis(1, scales.iter().map(|scale| *scale as f32).collect()).expect("scales");
    let tensor = Tensor::from_vec(&[layout.outer, layout.count, layout.inner], values.to_vec());
    let mut stored = vec![0; values.len()];
    quantize_part(&tensor, &quant, rounding, 0, &mut stored).expect("floats");
    (scales, stored)
}

/// The definition of a stored weight.
fn store(weight: f32, scale: f64) -> i8 {
    (f64::from(weight) / scale).round().clamp(-127.0, 127.0) as i8
}

/// A shape, its weights, and which of `outer`, `count`, `inner` is 1.
fn layout() -> impl Strategy<Value = (Channels, Vec<f32>)> {
    (1..5usize, 1..70usize, 1..140usize, 0..4u8).prop_flat_map(|(outer, count, inner, kind)| {
        let layout = match kind {
            0 => Channels { outer: 1, count, inner },
            1 => Channels {
                outer: inner,
                count,
                inner: 1,
            },
            2 => Channels::whole(outer * count * inner),
            _ => Channels {
                outer,
                count: count.min(9),
                inner: inner.min(20),
            },
        };
        let elements = layout.outer * layout.count * layout.inner;
        (
            Just(layout),
            prop::collection::vec(prop_oneof![9 => -2.0f32..2.0, 1 => finite()], elements),
        )
    })
}

fn channel(layout: Channels, index: usize) -> usize {
    index / layout.inner % layout.count
}

type Quantizer = fn(&[f32], &mut [i8]) -> RowScale;

const QUANTIZERS: [(&str, Quantizer); 3] = [
    ("symmetric", hybrid::quantize_row_symmetric),
    ("asymmetric", hybrid::quantize_row_asymmetric),
    ("qd8", hybrid::quantize_row_qd8),
];

fn real(how: RowScale, stored: i8) -> f64 {
    f64::from(how.scale) * f64::from(i32::from(stored) - how.zero_point)
}

/// Rows whose range single precision can divide into steps.
fn row() -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![8 => -1.0f32..1.0, 1 => 0.0f32..1.0, 1 => Just(0.0f32)];
    let shape = prop_oneof![
        Just((-1.0f32, 1.0f32)),
        Just((0.0, 1.0)),
        Just((-1.0, 0.0)),
        Just((-0.01, 1.0)),
        Just((0.9, 1.0))
    ];
    (prop::collection::vec(value, 1..300), -100i32..120, shape).prop_map(|(values, power, (low, high))| {
        values
            .into_iter()
            .map(|x| (low + (high - low) * (x + 1.0) / 2.0) * 2f32.powi(power))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_weight_is_at_most_half_a_step_off_or_three_quarters_in_balance(
        values in weights(),
        rounding in prop_oneof![Just(Rounding::Nearest), Just(Rounding::Balanced)],
    ) {
        let (scales, stored) = quantized(&values, Channels::whole(values.len()), rounding);
        let filed = f64::from(scales[0] as f32);
        for (&x, &v) in values.iter().zip(&stored) {
            prop_assert!((f64::from(x) - filed * f64::from(v)).abs() <= hybrid::weight_error(filed, rounding), "{x} as {v} of {filed}");
            prop_assert!(v != -128);
            prop_assert!(x != 0.0 || v == 0);
        }
    }

    #[test]
    fn weights_are_stored_as_defined((layout, values) in layout()) {
        let (scales, stored) = quantized(&values, layout, Rounding::Nearest);
        for (index, &scale) in scales.iter().enumerate() {
            let peak = values.iter().enumerate().filter(|(at, _)| channel(layout, *at) == index).map(|(_, x)| f64::from(x.abs())).fold(0.0, f64::max);
            prop_assert_eq!(scale, peak.max(5e-7) / 127.0);
        }
        for (index, (&x, &v)) in values.iter().zip(&stored).enumerate() {
            let scale = scales[channel(layout, index)];
            // Files hold the scale in single precision, which two neighbouring magnitudes may have in common.
            let magnitude = f64::from((f64::from(scale as f32) * 127.0) as f32);
            let near = (f64::from(x) / scale).abs().fract() - 0.5;
            prop_assert!(v == store(x, scale) || magnitude / 127.0 != scale && near.abs() < 1e-4, "{x} of {scale}");
        }
    }

    #[test]
    fn negated_weights_are_stored_negated(values in weights()) {
        let negated: Vec<f32> = values.iter().map(|x| -x).collect();
        let layout = Channels::whole(values.len());
        let ((scales, first), (same, second)) = (quantized(&values, layout, Rounding::Nearest), quantized(&negated, layout, Rounding::Nearest));
        prop_assert_eq!(scales, same);
        prop_assert!(first.iter().zip(&second).all(|(a, b)| *a == -*b));
    }

    #[test]
    fn scaling_by_a_power_of_two_changes_the_scale_alone(values in prop::collection::vec(-1.0f32..1.0, 1..100), power in -10i32..10) {
        let scaled: Vec<f32> = values.iter().map(|x| x * 2f32.powi(power)).collect();
        let layout = Channels::whole(values.len());
        let ((first, a), (second, b)) = (quantized(&values, layout, Rounding::Nearest), quantized(&scaled, layout, Rounding::Nearest));
        prop_assume!(first[0] > 1e-4);
        prop_assert_eq!(first[0] * 2f64.powi(power), second[0]);
        prop_assert_eq!(a, b);
    }

    #[test]
    fn an_activation_is_within_its_bound(row in row()) {
        for (name, quantize) in QUANTIZERS {
            let mut stored = vec![0; row.len()];
            let how = quantize(&row, &mut stored);
            prop_assert!((-128..=127).contains(&how.zero_point));
            for (&x, &q) in row.iter().zip(&stored) {
                prop_assert!((f64::from(x) - real(how, q)).abs() <= hybrid::activation_error(f64::from(how.scale)), "{name}: {x} as {q} of {how:?}");
                prop_assert!(x != 0.0 || real(how, q) == 0.0, "{name}: zero as {q} of {how:?}");
            }
        }
    }

    #[test]
    fn larger_activations_are_stored_no_smaller(row in row()) {
        let mut sorted = row;
        sorted.sort_by(f32::total_cmp);
        for (name, quantize) in QUANTIZERS {
            let mut stored = vec![0; sorted.len()];
            quantize(&sorted, &mut stored);
            prop_assert!(stored.is_sorted(), "{name}");
        }
    }

    #[test]
    fn a_negated_row_is_stored_negated_symmetrically(row in row()) {
        let negated: Vec<f32> = row.iter().map(|x| -x).collect();
        let (mut first, mut second) = (vec![0; row.len()], vec![0; row.len()]);
        prop_assert_eq!(hybrid::quantize_row_symmetric(&row, &mut first), hybrid::quantize_row_symmetric(&negated, &mut second));
        prop_assert!(first.iter().zip(&second).all(|(a, b)| *a == -*b));
    }

    #[test]
    fn any_floats_make_a_row(bits in prop::collection::vec(any::<u32>(), 0..100)) {
        let row: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        for (_, quantize) in QUANTIZERS {
            quantize(&row, &mut vec![0; row.len()]);
        }
        let how = hybrid::row_scale_qd8(&row.iter().map(|x| if x.is_finite() { *x } else { 0.0 }).collect::<Vec<_>>());
        prop_assert!(how.scale.is_finite() && how.scale > 0.0);
    }

    #[test]
    fn a_hybrid_product_is_within_its_bound(row in row(), seed: u32, power in -20i32..10) {
        let depth = row.len();
        let values: Vec<f32> = (0..depth).map(|index| ((index as u32).wrapping_mul(2_654_435_761) ^ seed) as i32 as f32 * 2f32.powi(power - 31)).collect();
        prop_assume!(row.iter().any(|x| *x != 0.0));
        let (scales, stored) = quantized(&values, Channels::whole(depth), Rounding::Nearest);
        let scale = scales[0] as f32;
        let how = hybrid::row_scale_qd8(&row);
        let exact: f64 = row.iter().zip(&values).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
        for kernel in select::kernels().into_iter().filter(|kernel| kernel.precision == Precision::Hybrid && (kernel.available)()) {
            let mut out = [0.0];
            PackedWeights::hybrid_with(kernel, Matrix::new(&stored, 1, depth), &[scale], None, 1).multiply(Matrix::new(&row, 1, depth), &mut out, Clamp::NONE);
            let bound = hybrid_bound(&row, &stored, how.scale, scale, out[0], 0.0);
            prop_assert!((exact - f64::from(out[0])).abs() <= bound, "{}: {} for {exact}, bound {bound}", kernel.name, out[0]);
        }
    }
}

/// The adversary's row: each activation as large as it may be, with the sign of its weight's rounding error.
#[test]
fn the_weight_term_of_the_bound_is_attained() {
    let depth = 256;
    let scale = 1.0 / 127.0;
    // Every weight half a step from the grid, so that each error is the greatest possible.
    let values: Vec<f32> = (0..depth)
        .map(|index| if index == 0 { 1.0 } else { ((index % 100) as f32 + 0.5) / 127.0 })
        .collect();
    let (scales, stored) = quantized(&values, Channels::whole(depth), Rounding::Nearest);
    assert_eq!(scales, [scale]);
    let row: Vec<f32> = values
        .iter()
        .zip(&stored)
        .map(|(w, v)| if f64::from(*w) > f64::from(*v) * scale { 1.0 } else { -1.0 })
        .collect();
    let exact: f64 = row.iter().zip(&values).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
    let rounded: f64 = row.iter().zip(&stored).map(|(x, v)| f64::from(*x) * f64::from(*v) * scale).sum();
    let claimed = hybrid::weight_error(scale, Rounding::Nearest) * depth as f64;
    assert!(
        (exact - rounded).abs() <= claimed && (exact - rounded).abs() >= 0.99 * claimed,
        "{} of {claimed}",
        (exact - rounded).abs()
    );
}

#[test]
fn channels_that_are_zero_or_tiny_get_the_least_scale() {
    let data = [0.0, 0.0, 1e-9, -4e-7, 1e-30, f32::from_bits(1)];
    let found = scales(
        &data,
        Channels {
            outer: 1,
            count: 3,
            inner: 2,
        },
    )
    .expect("finite weights");
    assert_eq!(found, [5e-7 / 127.0; 3]);
    assert_eq!(
        scales(
            &[],
            Channels {
                outer: 1,
                count: 2,
                inner: 0
            }
        ),
        Ok(vec![5e-7 / 127.0; 2])
    );
}

#[test]
fn weights_that_are_not_finite_are_refused_with_their_channel() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (layout, at) in [
            (
                Channels {
                    outer: 1,
                    count: 3,
                    inner: 40,
                },
                85,
            ),
            (
                Channels {
                    outer: 40,
                    count: 3,
                    inner: 1,
                },
                83,
            ),
        ] {
            let mut data = vec![0.5; 120];
            data[at] = bad;
            assert_eq!(scales(&data, layout), Err(2));
        }
    }
}

/// Worked by hand from the definitions.
#[test]
fn known_rows() {
    let row = [-1.0, 0.0, 3.0];
    let mut stored = [0; 3];
    assert_eq!(
        hybrid::quantize_row_symmetric(&row, &mut stored),
        RowScale {
            scale: 3.0 / 127.0,
            zero_point: 0
        }
    );
    assert_eq!(stored, [-42, 0, 127]);
    assert_eq!(
        hybrid::quantize_row_asymmetric(&row, &mut stored),
        RowScale {
            scale: (4.0f64 / 255.0) as f32,
            zero_point: -64
        }
    );
    assert_eq!(stored, [-128, -64, 127]);
    assert_eq!(
        hybrid::quantize_row_qd8(&row, &mut stored),
        RowScale {
            scale: 1.0 / 63.75,
            zero_point: -64
        }
    );
    assert_eq!(stored, [-128, -64, 127]);
    for (_, quantize) in QUANTIZERS {
        assert_eq!(quantize(&[0.0; 3], &mut stored).scale, 1.0);
    }
}

#[test]
fn several_threads_find_the_same_scales() {
    let (rows, columns) = (300, 700);
    let data: Vec<f32> = (0..rows * columns)
        .map(|index: usize| (index as u32).wrapping_mul(2_654_435_761) as i32 as f32)
        .collect();
    let layouts = [(1, 1, rows * columns), (1, rows, columns), (rows, columns, 1), (3, 100, columns)];
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool of threads")
            .install(|| layouts.map(|(outer, count, inner)| scales(&data, Channels { outer, count, inner })))
    };
    assert_eq!(run(1), run(4));
}
