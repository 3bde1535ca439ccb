//! The operations: one table from which types, names, printing and parsing are derived.
//!
//! Operations mean what TFLite's operators of the same name mean: images are NHWC, weights of a convolution OHWI, those
//! of a fully connected operation `[out, in]`. Every TFLite builtin with a kernel has its row; the rows of the table's
//! last part exist only in sources and are lowered before a file is written.

use crate::attr::{Attr, AttrError, AttrType, Attrs};
use crate::model::GraphId;

mod table;
pub use table::*;

/// How many values an operand stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arity {
    /// Exactly one.
    One,
    /// One, or none: an empty port.
    Optional,
    /// Any number; only ever the last operand.
    Many,
}

/// One operand of a kind of operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OperandSpec {
    /// What the operand is called.
    pub name: &'static str,
    /// How many values it stands for.
    pub arity: Arity,
}

macro_rules! arity {
    () => {
        crate::op::Arity::One
    };
    (optional) => {
        crate::op::Arity::Optional
    };
    (many) => {
        crate::op::Arity::Many
    };
}
pub(crate) use arity;

macro_rules! attr_default {
    ($ty:ty) => {
        None
    };
    ($ty:ty, $default:expr) => {
        Some(<$ty as crate::attr::AttrType>::to_attr(&$default))
    };
}
pub(crate) use attr_default;

/// The attribute called `name`, or its default.
pub(crate) fn take<T: AttrType>(attrs: &mut Attrs, name: &'static str, default: Option<Attr>) -> Result<T, AttrError> {
    match attrs.remove(name).or(default) {
        Some(attr) => T::from_attr(&attr).ok_or_else(|| AttrError::Kind {
            name,
            expected: T::expected(),
        }),
        None => Err(AttrError::Missing(name)),
    }
}

/// Declares every operation: its attribute struct, its place in [`Op`] and [`OpKind`], its operands and their arity,
/// and how its attributes are printed and parsed.
macro_rules! ops {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $name:literal ($($operand:ident $(: $arity:ident)?),* $(,)?)
        { $($attr:ident : $ty:ty $(= $default:expr)?),* $(,)? }
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, PartialEq, Debug)]
            #[allow(missing_docs, reason = "the operation's own text explains its attributes")]
            pub struct $variant { $(pub $attr: $ty),* }

            impl From<$variant> for Op {
                fn from(op: $variant) -> Op {
                    Op::$variant(op)
                }
            }
        )+

        /// An operation with its attributes.
        #[derive(Clone, PartialEq, Debug)]
        pub enum Op {
            $($(#[doc = $doc])+ $variant($variant),)+
        }

        /// An operation without its attributes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum OpKind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Op {
            /// Which operation this is.
            pub fn kind(&self) -> OpKind {
                match self { $(Op::$variant(_) => OpKind::$variant,)+ }
            }

            /// All attributes, in the table's order.
            pub fn attrs(&self) -> Vec<(&'static str, Attr)> {
                match self {
                    $(Op::$variant($variant { $($attr),* }) => vec![$((stringify!($attr), crate::attr::AttrType::to_attr($attr))),*],)+
                }
            }

            /// The operation of this kind with these attributes; those that are left out have their defaults.
            ///
            /// # Errors
            /// Where an attribute is missing, unknown or of another kind.
            pub fn from_attrs(kind: OpKind, mut attrs: Attrs) -> Result<Op, AttrError> {
                let op = match kind {
                    $(OpKind::$variant => Op::$variant($variant {
                        $($attr: crate::op::take::<$ty>(
                            &mut attrs, stringify!($attr), crate::op::attr_default!($ty $(, $default)?))?,)*
                    }),)+
                };
                match attrs.into_iter().next() {
                    Some((name, _)) => Err(AttrError::Unknown { name, known: kind.attr_names().join(", ") }),
                    None => Ok(op),
                }
            }
        }

        impl OpKind {
            /// Every kind of operation.
            pub const ALL: &'static [OpKind] = &[$(OpKind::$variant),+];

            /// The name in the text form.
            pub fn name(self) -> &'static str {
                match self { $(OpKind::$variant => $name,)+ }
            }

            /// The operands, in order.
            pub fn operands(self) -> &'static [crate::op::OperandSpec] {
                match self {
                    $(OpKind::$variant => &[$(crate::op::OperandSpec {
                        name: stringify!($operand), arity: crate::op::arity!($($arity)?),
                    }),*],)+
                }
            }

            /// The names of the attributes, in the table's order.
            pub fn attr_names(self) -> &'static [&'static str] {
                match self { $(OpKind::$variant => &[$(stringify!($attr)),*],)+ }
            }

            /// The default of each attribute that may be left out.
            pub fn attr_defaults(self) -> Vec<(&'static str, Attr)> {
                let all: Vec<(&'static str, Option<Attr>)> = match self {
                    $(OpKind::$variant => vec![$((stringify!($attr), crate::op::attr_default!($ty $(, $default)?))),*],)+
                };
                all.into_iter().filter_map(|(name, default)| Some((name, default?))).collect()
            }
        }
    };
}
pub(crate) use ops;

impl OpKind {
    /// The kind of this textual name.
    pub fn from_name(name: &str) -> Option<OpKind> {
        OpKind::ALL.iter().copied().find(|k| k.name() == name)
    }

    /// Whether running it does more than compute its results, or its results depend on more than its operands.
    ///
    /// Such operations are kept in order by *after* edges, survive a sweep, and are neither merged nor folded.
    pub fn has_effects(self) -> bool {
        use OpKind::*;
        matches!(self, AssignVariable | HashtableImport | CallOnce)
    }

    /// Whether two operations of this kind with equal operands always give equal results, so that they can be folded and merged.
    pub fn is_pure(self) -> bool {
        use OpKind::*;
        !self.has_effects()
            && !matches!(
                self,
                Parameters
                    | Return
                    | State
                    | ReadVariable
                    | VarHandle
                    | Hashtable
                    | HashtableFind
                    | HashtableSize
                    | RandomUniform
                    | RandomStandardNormal
                    | Multinomial
                    | While
                    | If
                    | Call
                    | Foreign
                    | Builtin
                    | Custom
                    | Lstm
                    | Rnn
                    | Svdf
                    | UnidirectionalSequenceLstm
                    | UnidirectionalSequenceRnn
                    | BidirectionalSequenceLstm
                    | BidirectionalSequenceRnn
            )
    }

    /// Operands that are state: read and written in place by the operation.
    pub fn state_operands(self) -> &'static [usize] {
        use OpKind::*;
        match self {
            Lstm | UnidirectionalSequenceLstm => &[18, 19],
            BidirectionalSequenceLstm => &[35, 36, 37, 38],
            Rnn | UnidirectionalSequenceRnn | Svdf => &[4],
            BidirectionalSequenceRnn => &[4, 8],
            _ => &[],
        }
    }
}

impl Op {
    /// The name in the text form.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The graphs that this operation calls.
    pub fn graphs(&self) -> Vec<GraphId> {
        match self {
            Op::If(op) => vec![op.then_graph, op.else_graph],
            Op::While(op) => vec![op.cond, op.body],
            Op::Call(op) => vec![op.graph],
            Op::CallOnce(op) => vec![op.graph],
            Op::Builtin(op) => op.graphs.clone(),
            _ => Vec::new(),
        }
    }

    /// Calls `f` on each graph id that this operation holds, to change it.
    pub fn for_each_graph_mut(&mut self, mut f: impl FnMut(&mut GraphId)) {
        match self {
            Op::If(op) => {
                f(&mut op.then_graph);
                f(&mut op.else_graph);
            }
            Op::While(op) => {
                f(&mut op.cond);
                f(&mut op.body);
            }
            Op::Call(op) => f(&mut op.graph),
            Op::CallOnce(op) => f(&mut op.graph),
            Op::Builtin(op) => op.graphs.iter_mut().for_each(f),
            _ => {}
        }
    }
}
