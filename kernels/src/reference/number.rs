//! Arithmetic on elements of any numeric type: integers wrap, small floats are computed in f32.

use half::{bf16, f16};
use planish_core::tensor::Element;

/// Elements that can be computed with.
pub(crate) trait Number: Element + PartialOrd + Copy {
    const ZERO: Self;
    const ONE: Self;
    /// The least finite value.
    const LOWEST: Self;
    /// The greatest finite value.
    const HIGHEST: Self;
    const IS_FLOAT: bool;

    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The quotient, cut towards zero for integers; `None` where an integer is divided by 0.
    fn over(self, other: Self) -> Option<Self>;
    /// The greatest integer not above the quotient.
    fn floor_over(self, other: Self) -> Option<Self>;
    /// What is left of `floor_over`, with the sign of `other`.
    fn floor_rest(self, other: Self) -> Option<Self>;
    fn magnitude(self) -> Self;
    fn to_f64(self) -> f64;
    /// The nearest value of this type; integers are rounded to the nearest and saturate.
    fn from_f64(value: f64) -> Self;
    /// The power; `None` for an integer to a negative one.
    fn power(self, exponent: Self) -> Option<Self>;
}

macro_rules! integers {
    ($($ty:ident),+) => {$(
        impl Number for $ty {
            const ZERO: $ty = 0;
            const ONE: $ty = 1;
            const LOWEST: $ty = $ty::MIN;
            const HIGHEST: $ty = $ty::MAX;
            const IS_FLOAT: bool = false;

            fn plus(self, other: $ty) -> $ty { self.wrapping_add(other) }
            fn minus(self, other: $ty) -> $ty { self.wrapping_sub(other) }
            fn times(self, other: $ty) -> $ty { self.wrapping_mul(other) }
            fn over(self, other: $ty) -> Option<$ty> {
                (other != 0).then(|| self.wrapping_div(other))
            }
            #[allow(unused_comparisons, reason = "unsigned elements are never below 0")]
            fn floor_over(self, other: $ty) -> Option<$ty> {
                let quotient = self.over(other)?;
                let rest = self.wrapping_rem(other);
                Some(if rest != 0 && (rest < 0) != (other < 0) { quotient.wrapping_sub(1) } else { quotient })
            }
            #[allow(unused_comparisons, reason = "unsigned elements are never below 0")]
            fn floor_rest(self, other: $ty) -> Option<$ty> {
                if other == 0 {
                    return None;
                }
                let rest = self.wrapping_rem(other);
                Some(if rest != 0 && (rest < 0) != (other < 0) { rest.wrapping_add(other) } else { rest })
            }
            #[allow(unused_comparisons, reason = "unsigned elements are never below 0")]
            fn magnitude(self) -> $ty {
                if self < 0 { (0 as $ty).wrapping_sub(self) } else { self }
            }
            fn to_f64(self) -> f64 { self as f64 }
            fn from_f64(value: f64) -> $ty { value.round() as $ty }
            #[allow(irrefutable_let_patterns, reason = "small elements always convert")]
            fn power(self, exponent: $ty) -> Option<$ty> {
                let mut exponent = u64::try_from(exponent).ok()?;
                let (mut base, mut power) = (self, 1 as $ty);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        power = power.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    exponent >>= 1;
                }
                Some(power)
            }
        }
    )+};
}
integers!(i8, i16, i32, i64, u8, u16, u32, u64);

macro_rules! float_numbers {
    ($($ty:ident in $wide:ident, $lowest:expr, $highest:expr, $zero:expr, $one:expr;)+) => {$(
        impl Number for $ty {
            const ZERO: $ty = $zero;
            const ONE: $ty = $one;
            const LOWEST: $ty = $lowest;
            const HIGHEST: $ty = $highest;
            const IS_FLOAT: bool = true;

            fn plus(self, other: $ty) -> $ty { Narrow::narrow(self.wide() + other.wide()) }
            fn minus(self, other: $ty) -> $ty { Narrow::narrow(self.wide() - other.wide()) }
            fn times(self, other: $ty) -> $ty { Narrow::narrow(self.wide() * other.wide()) }
            fn over(self, other: $ty) -> Option<$ty> { Some(Narrow::narrow(self.wide() / other.wide())) }
            fn floor_over(self, other: $ty) -> Option<$ty> { Some(Narrow::narrow((self.wide() / other.wide()).floor())) }
            fn floor_rest(self, other: $ty) -> Option<$ty> {
                let (x, y) = (self.wide(), other.wide());
                let rest = x % y;
                Some(Narrow::narrow(if rest != 0.0 && (rest < 0.0) != (y < 0.0) { rest + y } else { rest }))
            }
            fn magnitude(self) -> $ty { Narrow::narrow(self.wide().abs()) }
            fn to_f64(self) -> f64 { self.wide() as f64 }
            fn from_f64(value: f64) -> $ty { Narrow::narrow(value as $wide) }
            fn power(self, exponent: $ty) -> Option<$ty> { Some(Narrow::narrow(self.wide().powf(exponent.wide()))) }
        }
    )+};
}
float_numbers! {
    f32 in f32, f32::MIN, f32::MAX, 0.0, 1.0;
    f64 in f64, f64::MIN, f64::MAX, 0.0, 1.0;
    f16 in f32, f16::MIN, f16::MAX, f16::ZERO, f16::ONE;
    bf16 in f32, bf16::MIN, bf16::MAX, bf16::ZERO, bf16::ONE;
}

/// A float and the one that it is computed in.
pub(crate) trait Narrow: Number {
    type Wide;
    fn wide(self) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self;
    /// Applies one of two versions of a function, by the precision that this type is computed in.
    fn map(self, single: impl Fn(f32) -> f32, double: impl Fn(f64) -> f64) -> Self;
}

macro_rules! half {
    ($($ty:ident),+) => {$(
        impl Narrow for $ty {
            type Wide = f32;
            fn wide(self) -> f32 { self.to_f32() }
            fn narrow(wide: f32) -> $ty { $ty::from_f32(wide) }
            fn map(self, single: impl Fn(f32) -> f32, _: impl Fn(f64) -> f64) -> $ty { $ty::from_f32(single(self.to_f32())) }
        }
    )+};
}
half!(f16, bf16);

impl Narrow for f32 {
    type Wide = f32;
    fn wide(self) -> f32 {
        self
    }
    fn narrow(wide: f32) -> f32 {
        wide
    }
    fn map(self, single: impl Fn(f32) -> f32, _: impl Fn(f64) -> f64) -> f32 {
        single(self)
    }
}

impl Narrow for f64 {
    type Wide = f64;
    fn wide(self) -> f64 {
        self
    }
    fn narrow(wide: f64) -> f64 {
        wide
    }
    fn map(self, _: impl Fn(f32) -> f32, double: impl Fn(f64) -> f64) -> f64 {
        double(self)
    }
}

/// Runs an expression with `$T` standing for the Rust type of a numeric element type.
macro_rules! numbers {
    ($dtype:expr, $T:ident => $body:expr, $other:expr) => {{
        use planish_core::DType as D;
        match $dtype {
            D::F32 => {
                type $T = f32;
                $body
            }
            D::F64 => {
                type $T = f64;
                $body
            }
            D::F16 => {
                type $T = half::f16;
                $body
            }
            D::BF16 => {
                type $T = half::bf16;
                $body
            }
            D::I8 => {
                type $T = i8;
                $body
            }
            D::I16 => {
                type $T = i16;
                $body
            }
            D::I32 => {
                type $T = i32;
                $body
            }
            D::I64 => {
                type $T = i64;
                $body
            }
            D::U8 => {
                type $T = u8;
                $body
            }
            D::U16 => {
                type $T = u16;
                $body
            }
            D::U32 => {
                type $T = u32;
                $body
            }
            D::U64 => {
                type $T = u64;
                $body
            }
            _ => $other,
        }
    }};
}
pub(crate) use numbers;

/// Runs an expression with `$T` standing for the Rust type of a float element type.
macro_rules! floats {
    ($dtype:expr, $T:ident => $body:expr, $other:expr) => {{
        use planish_core::DType as D;
        match $dtype {
            D::F32 => {
                type $T = f32;
                $body
            }
            D::F64 => {
                type $T = f64;
                $body
            }
            D::F16 => {
                type $T = half::f16;
                $body
            }
            D::BF16 => {
                type $T = half::bf16;
                $body
            }
            _ => $other,
        }
    }};
}
pub(crate) use floats;
