//! Attributes of nodes; what is left out has TensorFlow's default, given at each use.

use planish_core::attr::Padding;
use planish_core::types::DType;

use crate::contents;
use crate::dtype;
use crate::proto::Attr;

use super::Stop;
use super::node::Node;
use super::numeric_type::computed;

impl Node<'_> {
    pub(super) fn attr(&self, name: &str) -> Option<&Attr> {
        self.def().attrs.get(name)?.value.as_ref()
    }

    pub(super) fn attr_int(&self, name: &str, default: i64) -> i64 {
        match self.attr(name) {
            Some(Attr::Int(value)) => *value,
            _ => default,
        }
    }

    pub(super) fn attr_float(&self, name: &str, default: f32) -> f32 {
        match self.attr(name) {
            Some(Attr::Float(value)) => *value,
            _ => default,
        }
    }

    pub(super) fn attr_bool(&self, name: &str) -> bool {
        self.attr_bool_or(name, false)
    }

    pub(super) fn attr_bool_or(&self, name: &str, default: bool) -> bool {
        match self.attr(name) {
            Some(Attr::Bool(value)) => *value,
            _ => default,
        }
    }

    pub(super) fn attr_text(&self, name: &str, default: &'static str) -> &str {
        match self.attr(name) {
            Some(Attr::Bytes(bytes)) => std::str::from_utf8(bytes).unwrap_or(default),
            _ => default,
        }
    }

    pub(super) fn attr_texts(&self, name: &str) -> Vec<&str> {
        match self.attr(name) {
            Some(Attr::List(list)) => list
                .bytes
                .iter()
                .map(|bytes| std::str::from_utf8(bytes).unwrap_or_default())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// An element type as graphs compute with it.
    pub(super) fn attr_dtype(&self, name: &str, default: DType) -> Result<DType, Stop> {
        Ok(computed(self.declared_dtype(name, default)?))
    }

    /// An element type as it is written.
    pub(super) fn declared_dtype(&self, name: &str, default: DType) -> Result<DType, Stop> {
        match self.attr(name) {
            Some(Attr::Type(code)) => dtype::from_code(*code).ok_or(Stop::Foreign),
            _ => Ok(default),
        }
    }

    pub(super) fn attr_ints(&self, name: &str) -> &[i64] {
        match self.attr(name) {
            Some(Attr::List(list)) => &list.ints,
            _ => &[],
        }
    }

    /// The rank of a shape, where it is known.
    pub(super) fn attr_rank(&self, name: &str) -> Option<usize> {
        match self.attr(name) {
            Some(Attr::Shape(shape)) => contents::shape(Some(shape)).rank(),
            _ => None,
        }
    }

    pub(super) fn attr_floats(&self, name: &str) -> &[f32] {
        match self.attr(name) {
            Some(Attr::List(list)) => &list.floats,
            _ => &[],
        }
    }

    /// The border treatment, `None` where paddings are given explicitly.
    pub(super) fn attr_padding(&self) -> Result<Option<Padding>, Stop> {
        match self.attr_text("padding", "") {
            "SAME" => Ok(Some(Padding::Same)),
            "VALID" => Ok(Some(Padding::Valid)),
            "EXPLICIT" => Ok(None),
            other => Err(self.error(format!("its padding {other:?} is unknown"))),
        }
    }
}
