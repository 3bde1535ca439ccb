//! Element types, dimensions, shapes and the type of a value.

use std::fmt;

use crate::quant::Quant;

/// Declares [`DType`] with its textual names and sizes, so that the three cannot disagree.
macro_rules! dtypes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $bits:literal;)+) => {
        /// The element type of a value.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum DType {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl DType {
            /// Every element type.
            pub const ALL: &'static [DType] = &[$(DType::$variant),+];

            /// The name in the text form, such as `f32`.
            pub fn name(self) -> &'static str {
                match self { $(DType::$variant => $name,)+ }
            }

            /// Bits of one element; 0 where elements have no fixed size (strings, resources, variants).
            pub fn bits(self) -> usize {
                match self { $(DType::$variant => $bits,)+ }
            }
        }
    };
}

dtypes! {
    /// IEEE 754 single precision.
    F32 = "f32", 32;
    /// IEEE 754 half precision.
    F16 = "f16", 16;
    /// The upper half of an `f32`.
    BF16 = "bf16", 16;
    /// IEEE 754 double precision.
    F64 = "f64", 64;
    /// Signed 2-bit integer, four to a byte, lowest bits first.
    I2 = "i2", 2;
    /// Signed 4-bit integer, two to a byte, low half first.
    I4 = "i4", 4;
    /// Unsigned 4-bit integer, two to a byte, low half first.
    U4 = "u4", 4;
    /// Signed 8-bit integer.
    I8 = "i8", 8;
    /// Signed 16-bit integer.
    I16 = "i16", 16;
    /// Signed 32-bit integer.
    I32 = "i32", 32;
    /// Signed 64-bit integer.
    I64 = "i64", 64;
    /// Unsigned 8-bit integer.
    U8 = "u8", 8;
    /// Unsigned 16-bit integer.
    U16 = "u16", 16;
    /// Unsigned 32-bit integer.
    U32 = "u32", 32;
    /// Unsigned 64-bit integer.
    U64 = "u64", 64;
    /// A truth value in one byte, 0 or 1.
    Bool = "bool", 8;
    /// A byte string of any length.
    String = "string", 0;
    /// Two `f32`: the real part, then the imaginary one.
    Complex64 = "complex64", 64;
    /// Two `f64`: the real part, then the imaginary one.
    Complex128 = "complex128", 128;
    /// An 8-bit float with 4 exponent bits.
    F8E4M3 = "f8e4m3", 8;
    /// An 8-bit float with 5 exponent bits.
    F8E5M2 = "f8e5m2", 8;
    /// A handle of a variable or table.
    Resource = "resource", 0;
    /// A value without a fixed representation, such as a TensorFlow tensor list.
    Variant = "variant", 0;
}

impl DType {
    /// The element type of this textual name.
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.iter().copied().find(|d| d.name() == name)
    }

    /// Bytes of one element, or `None` where elements are smaller than a byte or have no fixed size.
    pub fn size(self) -> Option<usize> {
        (self.bits() >= 8).then_some(self.bits() / 8)
    }

    /// Bytes that `elements` packed elements take, or `None` where elements have no fixed size or the count overflows.
    pub fn packed_len(self, elements: usize) -> Option<usize> {
        if self.bits() == 0 {
            return None;
        }
        elements.checked_mul(self.bits()).map(|bits| bits.div_ceil(8))
    }

    /// Whether this is a real floating-point type.
    pub fn is_float(self) -> bool {
        use DType::*;
        matches!(self, F32 | F16 | BF16 | F64 | F8E4M3 | F8E5M2)
    }

    /// Whether this is an integer type (not `bool`).
    pub fn is_int(self) -> bool {
        use DType::*;
        matches!(self, I2 | I4 | U4 | I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64)
    }

    /// The least and greatest integer of an integer type, as far as an i64 can say them.
    pub(crate) fn int_range(self) -> Option<(i64, i64)> {
        use DType::*;
        let bits = self.bits() as u32;
        match self {
            I2 | I4 | I8 | I16 | I32 | I64 => Some((-1 << (bits - 1), !(-1 << (bits - 1)))),
            U4 | U8 | U16 | U32 => Some((0, (1 << bits) - 1)),
            U64 => Some((0, i64::MAX)),
            _ => None,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One dimension: its extent, or unknown until the model runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Dim {
    /// This many elements.
    Known(usize),
    /// Known only when the model runs; printed `?`.
    Unknown,
}

impl Dim {
    /// The extent, where it is known.
    pub fn known(self) -> Option<usize> {
        match self {
            Dim::Known(n) => Some(n),
            Dim::Unknown => None,
        }
    }

    /// Whether some extent satisfies both.
    pub fn compatible(self, other: Dim) -> bool {
        self == other || self == Dim::Unknown || other == Dim::Unknown
    }

    /// The better known of two dimensions that describe the same extent.
    pub fn meet(self, other: Dim) -> Dim {
        if self == Dim::Unknown { other } else { self }
    }
}

impl From<usize> for Dim {
    fn from(n: usize) -> Dim {
        Dim::Known(n)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(n) => write!(f, "{n}"),
            Dim::Unknown => f.write_str("?"),
        }
    }
}

/// The dimensions of a value, outermost first, or an unknown rank.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Shape(Option<Vec<Dim>>);

impl Shape {
    /// The shape of a scalar: rank 0.
    pub fn scalar() -> Shape {
        Shape(Some(Vec::new()))
    }

    /// A shape of which not even the rank is known; printed `..`.
    pub fn unranked() -> Shape {
        Shape(None)
    }

    /// A shape of known rank.
    pub fn new(dims: impl IntoIterator<Item = Dim>) -> Shape {
        Shape(Some(dims.into_iter().collect()))
    }

    /// A shape of known extents.
    pub fn fixed(dims: &[usize]) -> Shape {
        Shape(Some(dims.iter().map(|&n| Dim::Known(n)).collect()))
    }

    /// A shape of this rank with unknown extents.
    pub fn of_rank(rank: usize) -> Shape {
        Shape(Some(vec![Dim::Unknown; rank]))
    }

    /// The dimensions, or `None` where the rank is unknown.
    pub fn dims(&self) -> Option<&[Dim]> {
        self.0.as_deref()
    }

    /// The number of dimensions, where it is known.
    pub fn rank(&self) -> Option<usize> {
        self.0.as_ref().map(Vec::len)
    }

    /// Dimension `axis`; unknown where the rank is unknown or too small.
    pub fn dim(&self, axis: usize) -> Dim {
        self.0.as_ref().and_then(|d| d.get(axis).copied()).unwrap_or(Dim::Unknown)
    }

    /// All extents, where every one is known.
    pub fn known(&self) -> Option<Vec<usize>> {
        self.0.as_ref()?.iter().map(|d| d.known()).collect()
    }

    /// The number of elements, where every extent is known and the product fits.
    pub fn elements(&self) -> Option<usize> {
        self.0.as_ref()?.iter().try_fold(1usize, |n, d| n.checked_mul(d.known()?))
    }

    /// Whether some shape satisfies both.
    pub fn compatible(&self, other: &Shape) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.compatible(*b)),
            _ => true,
        }
    }

    /// What is known of a shape that both describe, or `None` where they contradict each other.
    pub fn meet(&self, other: &Shape) -> Option<Shape> {
        if !self.compatible(other) {
            return None;
        }
        Some(match (&self.0, &other.0) {
            (Some(a), Some(b)) => Shape::new(a.iter().zip(b).map(|(a, b)| a.meet(*b))),
            (Some(_), None) => self.clone(),
            _ => other.clone(),
        })
    }

    /// What holds of a shape that is either of the two: extents that agree stay known.
    pub fn join(&self, other: &Shape) -> Shape {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) if a.len() == b.len() => Shape::new(a.iter().zip(b).map(|(a, b)| if a == b { *a } else { Dim::Unknown })),
            _ => Shape::unranked(),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(dims) = &self.0 else { return f.write_str("[..]") };
        f.write_str("[")?;
        for (i, d) in dims.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str("]")
    }
}

/// What is known of a value before the model runs: its element type, its shape, and how integers stand for reals.
#[derive(Clone, PartialEq, Debug)]
pub struct Type {
    /// The element type.
    pub dtype: DType,
    /// The dimensions.
    pub shape: Shape,
    /// How stored integers stand for real numbers; `None` where elements stand for themselves.
    pub quant: Option<Quant>,
}

impl Type {
    /// A type without quantization.
    pub fn new(dtype: DType, shape: Shape) -> Type {
        Type { dtype, shape, quant: None }
    }

    /// A type of known extents without quantization.
    pub fn fixed(dtype: DType, dims: &[usize]) -> Type {
        Type::new(dtype, Shape::fixed(dims))
    }

    /// The same type with another shape.
    pub fn with_shape(&self, shape: Shape) -> Type {
        Type { shape, ..self.clone() }
    }

    /// The same type with another element type and no quantization.
    pub fn with_dtype(&self, dtype: DType) -> Type {
        Type::new(dtype, self.shape.clone())
    }

    /// The same element type and shape with this quantization.
    pub fn with_quant(&self, quant: Option<Quant>) -> Type {
        Type { quant, ..self.clone() }
    }

    /// Whether a value can have both types: equal element type and quantization, compatible shapes.
    pub fn compatible(&self, other: &Type) -> bool {
        self.dtype == other.dtype && self.quant == other.quant && self.shape.compatible(&other.shape)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)?;
        match &self.quant {
            Some(quant) => write!(f, " {quant}"),
            None => Ok(()),
        }
    }
}
