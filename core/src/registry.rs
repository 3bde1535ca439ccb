//! The registry of passes: what is linked into the program can be found by name.
//!
//! A crate registers a pass with `inventory::submit! { PassEntry::of::<FoldPad>() }`. Registered is not scheduled:
//! order lives in pipelines. A dependency that no code names is not linked, and its passes are then missing:
//! write `use that_crate as _;`.

use thiserror::Error;

use crate::attr::Attrs;
use crate::options;
use crate::pass::{Error as PassError, Meaning, Pass, Step};

/// A registered pass.
#[derive(Debug)]
pub struct PassEntry {
    /// The name in pipelines and reports.
    pub name: &'static str,
    /// One sentence for lists of passes.
    pub summary: &'static str,
    /// How close the model's results stay to what they were.
    pub meaning: Meaning,
    /// What each of its options does: the option's name and half a sentence.
    pub about_options: &'static [(&'static str, &'static str)],
    step: fn(Attrs) -> Result<Step, PassError>,
    options: fn() -> Attrs,
}

inventory::collect!(PassEntry);

impl PassEntry {
    /// The entry of a pass that is a unit struct.
    pub const fn of<P: Pass + Default>() -> PassEntry {
        PassEntry {
            name: P::NAME,
            summary: P::SUMMARY,
            meaning: P::MEANING,
            about_options: P::OPTIONS,
            step: |attrs| Step::from_attrs(P::default(), attrs),
            options: || options::listed(&P::Options::default()),
        }
    }

    /// The pass with these options; those left out have their defaults.
    ///
    /// # Errors
    /// Where an option is unknown or of another kind.
    pub fn step(&self, attrs: Attrs) -> Result<Step, PassError> {
        (self.step)(attrs)
    }

    /// The options with their defaults; none where [`options`] cannot express them.
    pub fn options(&self) -> Attrs {
        (self.options)()
    }
}

/// Why a pass cannot be had by name.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No pass has this name.
    #[error("there is no pass `{name}`; the passes are {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// Two passes have the same name.
    #[error("two passes are registered as `{0}`; rename one of them")]
    Duplicate(&'static str),
}

/// Every registered pass, by name.
///
/// # Errors
/// Where two passes have the same name.
pub fn passes() -> Result<Vec<&'static PassEntry>, RegistryError> {
    let mut entries: Vec<&'static PassEntry> = inventory::iter::<PassEntry>().collect();
    entries.sort_by_key(|e| e.name);
    match entries.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(RegistryError::Duplicate(pair[0].name)),
        None => Ok(entries),
    }
}

/// The registered pass of this name.
///
/// # Errors
/// Where there is none, or two passes have the same name.
pub fn find(name: &str) -> Result<&'static PassEntry, RegistryError> {
    let entries = passes()?;
    entries
        .iter()
        .copied()
        .find(|e| e.name == name)
        .ok_or_else(|| RegistryError::Unknown {
            name: name.to_owned(),
            known: entries.iter().map(|e| e.name).collect::<Vec<_>>().join(", "),
        })
}
