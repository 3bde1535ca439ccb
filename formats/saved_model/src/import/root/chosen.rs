//! Outputs chosen by name, a signature's own or any value on the way to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::Error;
use crate::import::Importer;
use crate::import::frame::Place;

use super::Output;

/// So many names like the one that is missing are shown.
const MAX_SIMILAR: usize = 12;

impl Importer {
    /// The outputs in the chosen order: those that are the signature's own, and values by the names that people know them by.
    pub(super) fn chosen_outputs(
        &mut self,
        frame: usize,
        root: &str,
        chosen: &[String],
        found: Vec<Output>,
        own: &[(&str, &str)],
    ) -> Result<Vec<Output>, Error> {
        let mut outputs = Vec::new();
        let mut found: BTreeMap<String, Output> = found.into_iter().map(|o| (o.name.clone(), o)).collect();
        for name in chosen {
            if let Some(output) = found.remove(name) {
                outputs.push(output);
                continue;
            }
            let direct = self.frames[frame].body.clone().source(name, &self.library).is_ok();
            let place = if direct {
                self.resolve(frame, name)?
            } else {
                self.place_called(frame, root, name, own)?
            };
            outputs.push(Output {
                name: name.clone(),
                place,
                dtype: None,
            });
        }
        Ok(outputs)
    }

    /// The value of this name among those that the signature's own outputs depend on.
    fn place_called(&mut self, frame: usize, root: &str, name: &str, own: &[(&str, &str)]) -> Result<Place, Error> {
        let (base, port) = match name.rsplit_once(':').map(|(base, port)| (base, port.parse())) {
            Some((base, Ok(port))) => (base, port),
            _ => (name, 0),
        };
        let mut todo = Vec::new();
        for (_, source) in own.iter().filter(|(_, source)| !source.is_empty()) {
            todo.push(self.resolve(frame, source)?);
        }
        let mut seen = BTreeSet::new();
        let mut similar = BTreeSet::new();
        while let Some(place) = todo.pop() {
            let Place::Node { frame, node, .. } = place else { continue };
            if !seen.insert((frame, node)) {
                continue;
            }
            let public = self.public_name(frame, node);
            if public == base || self.frames[frame].body.nodes[node].name == base {
                return Ok(Place::Node { frame, node, port });
            }
            if public.contains(base) || public.rsplit('/').next() == base.rsplit('/').next() {
                similar.insert(public);
            }
            todo.extend(self.inputs(frame, node)?.iter().copied());
        }
        let own: Vec<&str> = own.iter().map(|(name, _)| *name).collect();
        let similar: Vec<String> = similar.into_iter().take(MAX_SIMILAR).collect();
        Err(Error::Choice(format!(
            "no output or value of {root} is called {name}; its outputs are: {}{}; `planish inspect --text --raw` shows all values",
            own.join(", "),
            if similar.is_empty() {
                String::new()
            } else {
                format!("; similar values: {}", similar.join(", "))
            },
        )))
    }
}
