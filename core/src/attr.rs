//! Attribute values: what operations carry beside their operands, and what options of passes are filled from.

use std::collections::BTreeMap;
use std::fmt;

use thiserror::Error;

use crate::model::GraphId;
use crate::tensor::Tensor;
use crate::types::DType;

/// Attributes by name.
pub type Attrs = BTreeMap<String, Attr>;

/// One attribute value.
#[derive(Clone, PartialEq, Debug)]
pub enum Attr {
    /// A truth value: `true`, `false`.
    Bool(bool),
    /// An integer: `-3`.
    Int(i64),
    /// A real number, always with a point or an exponent: `0.5`, `1e-6`.
    Float(f64),
    /// A bare word, the name of a choice or an element type: `same`, `f32`.
    Word(String),
    /// Text in quotes: `"serving_default"`.
    Text(String),
    /// Bytes in hexadecimal: `hex "0a1b"`.
    Bytes(Vec<u8>),
    /// A list: `[1, 2]`.
    List(Vec<Attr>),
    /// Attributes by name: `{a = 1}`.
    Map(Attrs),
    /// A graph of the same model: `@body`.
    Graph(GraphId),
    /// The data of a constant.
    Tensor(Tensor),
}

/// Why an attribute cannot be taken.
#[derive(Clone, PartialEq, Debug, Error)]
#[non_exhaustive]
pub enum AttrError {
    /// The operation needs an attribute that is not there.
    #[error("attribute `{0}` is missing")]
    Missing(&'static str),
    /// The attribute is of another kind.
    #[error("attribute `{name}` takes {expected}")]
    Kind {
        /// The attribute's name.
        name: &'static str,
        /// What it takes.
        expected: String,
    },
    /// The operation has no such attribute.
    #[error("there is no attribute `{name}`; the attributes are {known}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: String,
    },
}

/// A Rust type that attributes of operations have.
pub trait AttrType: Sized + Clone + PartialEq + fmt::Debug {
    /// The attribute value.
    fn to_attr(&self) -> Attr;
    /// The Rust value, or `None` where the attribute is of another kind or out of range.
    fn from_attr(attr: &Attr) -> Option<Self>;
    /// What is expected, for messages: "an integer".
    fn expected() -> String;
}

macro_rules! int_attrs {
    ($($ty:ty),+) => {$(
        impl AttrType for $ty {
            fn to_attr(&self) -> Attr {
                Attr::Int(*self as i64)
            }
            fn from_attr(attr: &Attr) -> Option<Self> {
                match attr { Attr::Int(v) => (*v).try_into().ok(), _ => None }
            }
            fn expected() -> String {
                format!("an integer ({})", stringify!($ty))
            }
        }
    )+};
}
int_attrs!(u32, i32, i64, u64, usize, u8);

impl AttrType for bool {
    fn to_attr(&self) -> Attr {
        Attr::Bool(*self)
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Bool(v) => Some(*v),
            _ => None,
        }
    }
    fn expected() -> String {
        "true or false".into()
    }
}

impl AttrType for f32 {
    fn to_attr(&self) -> Attr {
        // Through the shortest decimal form, so that 0.1f32 prints as 0.1 and reads back as the same f32.
        Attr::Float(if self.is_finite() {
            self.to_string().parse().expect("a float prints as one")
        } else {
            f64::from(*self)
        })
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Float(v) => Some(*v as f32),
            Attr::Int(v) => Some(*v as f32),
            _ => None,
        }
    }
    fn expected() -> String {
        "a number".into()
    }
}

impl AttrType for String {
    fn to_attr(&self) -> Attr {
        Attr::Text(self.clone())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Text(v) => Some(v.clone()),
            _ => None,
        }
    }
    fn expected() -> String {
        "text in quotes".into()
    }
}

impl AttrType for DType {
    fn to_attr(&self) -> Attr {
        Attr::Word(self.name().into())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Word(v) => DType::from_name(v),
            _ => None,
        }
    }
    fn expected() -> String {
        "an element type".into()
    }
}

impl AttrType for GraphId {
    fn to_attr(&self) -> Attr {
        Attr::Graph(*self)
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Graph(v) => Some(*v),
            _ => None,
        }
    }
    fn expected() -> String {
        "a graph".into()
    }
}

impl AttrType for Tensor {
    fn to_attr(&self) -> Attr {
        Attr::Tensor(self.clone())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Tensor(v) => Some(v.clone()),
            _ => None,
        }
    }
    fn expected() -> String {
        "a tensor".into()
    }
}

impl AttrType for Attrs {
    fn to_attr(&self) -> Attr {
        Attr::Map(self.clone())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Map(v) => Some(v.clone()),
            _ => None,
        }
    }
    fn expected() -> String {
        "attributes in braces".into()
    }
}

/// Bytes as one attribute (a `Vec<u8>` would be a list of integers).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Blob(pub Vec<u8>);

impl AttrType for Blob {
    fn to_attr(&self) -> Attr {
        Attr::Bytes(self.0.clone())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::Bytes(v) => Some(Blob(v.clone())),
            _ => None,
        }
    }
    fn expected() -> String {
        "bytes in hexadecimal".into()
    }
}

impl<T: AttrType> AttrType for Vec<T> {
    fn to_attr(&self) -> Attr {
        Attr::List(self.iter().map(T::to_attr).collect())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        match attr {
            Attr::List(v) => v.iter().map(T::from_attr).collect(),
            _ => None,
        }
    }
    fn expected() -> String {
        format!("a list, each item {}", T::expected())
    }
}

impl<T: AttrType, const N: usize> AttrType for [T; N] {
    fn to_attr(&self) -> Attr {
        Attr::List(self.iter().map(T::to_attr).collect())
    }
    fn from_attr(attr: &Attr) -> Option<Self> {
        Vec::from_attr(attr)?.try_into().ok()
    }
    fn expected() -> String {
        format!("a list of {N}, each {}", T::expected())
    }
}

/// Declares an enumeration whose variants are words in the text form.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $(#[doc = $doc:literal] $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name {
            $(#[doc = $doc] $variant,)+
        }

        impl AttrType for $name {
            fn to_attr(&self) -> Attr {
                Attr::Word(match self { $($name::$variant => $word,)+ }.into())
            }
            fn from_attr(attr: &Attr) -> Option<Self> {
                match attr {
                    Attr::Word(w) => match w.as_str() { $($word => Some($name::$variant),)+ _ => None },
                    _ => None,
                }
            }
            fn expected() -> String {
                format!("one of {}", [$($word),+].join(", "))
            }
        }
    };
}

words! {
    /// How a window treats the border of its input.
    Padding {
        /// Zeros around the input, so that the output has `ceil(input / stride)` positions.
        Same = "same",
        /// No padding: only positions where the whole window fits.
        Valid = "valid",
    }
}

words! {
    /// How reals become integers.
    Rounding {
        /// Each to the nearest, halves away from zero.
        Nearest = "nearest",
        /// Most to the nearest, and so many of a channel's to the second nearest that its rounding errors sum to almost nothing.
        Balanced = "balanced",
    }
}

words! {
    /// A function applied to each element of an operation's result.
    Activation {
        /// The identity.
        None = "none",
        /// `max(x, 0)`.
        Relu = "relu",
        /// `min(max(x, -1), 1)`.
        ReluN1To1 = "relu_n1_to_1",
        /// `min(max(x, 0), 6)`.
        Relu6 = "relu6",
        /// The hyperbolic tangent.
        Tanh = "tanh",
        /// The sign bit.
        SignBit = "sign_bit",
    }
}

impl Activation {
    /// The interval that the result is clamped to, or `None` where the function is no clamp.
    pub fn bounds(self) -> Option<(f32, f32)> {
        match self {
            Activation::None => Some((f32::NEG_INFINITY, f32::INFINITY)),
            Activation::Relu => Some((0.0, f32::INFINITY)),
            Activation::ReluN1To1 => Some((-1.0, 1.0)),
            Activation::Relu6 => Some((0.0, 6.0)),
            Activation::Tanh | Activation::SignBit => None,
        }
    }
}

words! {
    /// How a mirrored border repeats the elements at the edge.
    MirrorMode {
        /// The edge itself is not repeated.
        Reflect = "reflect",
        /// The edge itself is repeated.
        Symmetric = "symmetric",
    }
}

words! {
    /// How embeddings of one row are combined.
    Combiner {
        /// Their sum.
        Sum = "sum",
        /// Their mean.
        Mean = "mean",
        /// Their sum divided by the root of the sum of squared weights.
        SqrtN = "sqrt_n",
    }
}

words! {
    /// The kind of a locality-sensitive hash.
    Projection {
        /// Not said.
        Unknown = "unknown",
        /// One bit a hash function.
        Sparse = "sparse",
        /// All bits in one number.
        Dense = "dense",
    }
}

words! {
    /// The order in which the weights of a fully connected operation are stored.
    WeightsFormat {
        /// Row-major `[out, in]`.
        Plain = "plain",
        /// Interleaved in blocks of 4 x 16 int8.
        Shuffled4x16 = "shuffled_4x16",
    }
}

words! {
    /// What a window is reduced by.
    WindowFunction {
        /// Not said.
        Unsupported = "unsupported",
        /// The sum.
        Add = "add",
        /// The product.
        Mul = "mul",
        /// The minimum.
        Minimum = "minimum",
        /// The maximum.
        Maximum = "maximum",
        /// The conjunction.
        All = "all",
        /// The disjunction.
        Any = "any",
    }
}
