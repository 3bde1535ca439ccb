//! Options of passes from attribute values and back, so that a pipeline has a text form.
//!
//! | Rust | attribute |
//! |---|---|
//! | `bool`, integers, floats | `true`, `3`, `0.5` (an integer is taken for a float as well) |
//! | `String`, `char` | `"text"`; a bare word is taken as well |
//! | a variant without data | its name as serde knows it: `per_tensor` |
//! | a variant with data | `{name = data}` |
//! | `Option` | `none`, or what is inside |
//! | lists, tuples | `[1, 2]` |
//! | structs, maps by text | `{a = 1}` |

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::attr::{Attr, Attrs};

mod from_attr;
mod to_attr;

use from_attr::AttrDeserializer;
use to_attr::AttrSerializer;

/// The word that stands for an `Option` without a value.
const NONE: &str = "none";

/// Why attributes do not make options.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct OptionsError(String);

impl OptionsError {
    /// The same error, said to be about the option of this name.
    fn of(self, name: &str) -> OptionsError {
        match self.0.strip_prefix("option `") {
            Some(inner) => OptionsError(format!("option `{name}.{inner}")),
            None => OptionsError(format!("option `{name}`: {}", self.0)),
        }
    }
}

impl serde::ser::Error for OptionsError {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        OptionsError(problem.to_string())
    }
}

impl serde::de::Error for OptionsError {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        OptionsError(problem.to_string())
    }
}

/// The attributes that these options consist of.
///
/// # Errors
/// Where the options are not plain data: truth values, numbers, text, variants, lists and structs of these.
pub fn to_attrs<T: Serialize>(options: &T) -> Result<Attrs, OptionsError> {
    match options.serialize(AttrSerializer)? {
        Attr::Map(attrs) => Ok(attrs),
        Attr::Word(word) if word == NONE => Ok(Attrs::new()),
        _ => Err(OptionsError("options are a struct with named fields".into())),
    }
}

/// The same for lists of options, where those that no attributes express are not listed.
pub(crate) fn listed<T: Serialize>(options: &T) -> Attrs {
    to_attrs(options).unwrap_or_default()
}

/// The options that these attributes describe; those left out have their defaults, at every depth.
///
/// # Errors
/// Where an attribute is unknown or of another kind; the message names it, and the legal ones.
pub fn from_attrs<T: Serialize + DeserializeOwned + Default>(attrs: Attrs) -> Result<T, OptionsError> {
    if attrs.is_empty() {
        return Ok(T::default());
    }
    let mut filled = to_attrs(&T::default())?;
    overlay(&mut filled, attrs);
    T::deserialize(AttrDeserializer(Attr::Map(filled)))
}

fn overlay(defaults: &mut Attrs, given: Attrs) {
    for (name, attr) in given {
        match (defaults.get_mut(&name), attr) {
            (Some(Attr::Map(inner)), Attr::Map(given)) if !inner.is_empty() => overlay(inner, given),
            (_, attr) => {
                defaults.insert(name, attr);
            }
        }
    }
}
