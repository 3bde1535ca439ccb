//! The graph IR of planish: what everything else is written in terms of.
//!
//! A [`Model`] holds [`Graph`]s and [`Signature`]s. A graph holds operations ([`op`]); an operation has operands and
//! results; a result is a [`Value`] with a [`Type`]. A [`Tensor`] is bytes with a type, only ever inside a constant. A
//! [`Pass`] changes a model, a [`Rule`] is a local pass, and a [`PassManager`] runs them in order. This crate touches no
//! file and knows no format.

pub mod attr;
pub mod extents;
pub mod graph;
pub mod infer;
pub mod known;
pub mod model;
pub mod op;
pub mod options;
pub mod pass;
pub mod quant;
pub mod quantize;
pub mod registry;
pub mod report;
pub mod rule;
pub mod tensor;
pub mod text;
pub mod types;
pub mod verify;

pub use graph::{Graph, OpId, OpRef, Operands, Use, Value, ValueInfo, ValueRef};
pub use inventory;
pub use model::{GraphId, Model, Signature};
pub use op::{Op, OpKind};
pub use pass::{Changed, Context, Error, Meaning, NoOptions, Pass, PassManager, Step, Verify};
pub use quant::Quant;
pub use registry::PassEntry;
pub use report::{Choice, Report};
pub use rule::{Rule, Skip};
pub use tensor::{Bytes, Storage, Tensor};
pub use types::{DType, Dim, Shape, Type};
