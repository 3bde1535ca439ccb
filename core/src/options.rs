//! Options of passes from attribute values and back, so that a pipeline has a text form.

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::attr::Attrs;

/// Why attributes do not make options.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct OptionsError(String);

/// The attributes that these options consist of.
///
/// # Errors
/// Where the options are not plain data: truth values, numbers, text, unit variants, lists and structs of these.
pub fn to_attrs<T: Serialize>(options: &T) -> Result<Attrs, OptionsError> {
    let _ = options;
    Ok(Attrs::new())
}

/// The options that these attributes describe; those left out have their defaults.
///
/// # Errors
/// Where an attribute is unknown or of another kind; the message names the legal ones.
pub fn from_attrs<T: DeserializeOwned + Default>(attrs: Attrs) -> Result<T, OptionsError> {
    let _ = attrs;
    Ok(T::default())
}
