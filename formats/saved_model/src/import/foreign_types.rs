//! The results of operations that are kept as they are: how many there are, and of which types.

use planish_core::types::{DType, Shape, Type};

use crate::contents;
use crate::function::{Body, Library, Source};
use crate::proto::Attr;

use super::frame::data_inputs;
use super::node::Node;
use super::numeric_type::computed;

mod outputs;

use outputs::OUTPUTS;

/// No operation has more outputs than this.
const MAX_OUTPUTS: usize = 4096;

/// Attributes that tell the element type of the outputs of most operations, the surest first.
const TYPE_ATTRIBUTES: [&str; 10] = [
    "dtype",
    "Tout",
    "out_type",
    "output_type",
    "DstT",
    "Tcomplex",
    "Treal",
    "T",
    "element_dtype",
    "Tparams",
];

/// Attributes that list the element types of all outputs.
const LIST_ATTRIBUTES: [&str; 5] = ["Tout", "out_types", "output_types", "dtypes", "Tdense"];

impl Node<'_> {
    /// The types of an unknown operation's outputs, at least as many as other nodes read.
    pub(super) fn foreign_types(&mut self) -> Vec<Type> {
        let read = self.highest_port();
        let shapes = match self.attribute("_output_shapes") {
            Some(Attr::List(list)) => list.shapes.clone(),
            _ => Vec::new(),
        };
        let dtypes = self.output_dtypes();
        let count = read.max(shapes.len()).max(dtypes.len());
        let rest = self.single_dtype();
        (0..count)
            .map(|port| {
                let dtype = dtypes.get(port).copied().flatten().or(rest).unwrap_or(DType::F32);
                let shape = shapes.get(port).map_or(Shape::unranked(), |s| contents::shape(Some(s)));
                Type::new(computed(dtype), shape)
            })
            .collect()
    }

    fn attribute(&self, name: &str) -> Option<&Attr> {
        self.def().attrs.get(name)?.value.as_ref()
    }

    /// The element types that the operation's definition or a list among its attributes tells.
    fn output_dtypes(&self) -> Vec<Option<DType>> {
        let Ok(row) = OUTPUTS.binary_search_by(|(name, _)| (*name).cmp(self.def().op.as_str())) else {
            let listed = LIST_ATTRIBUTES.iter().map(|name| self.listed_dtypes(name));
            return listed.into_iter().find(|l| !l.is_empty()).unwrap_or_default();
        };
        let mut dtypes = Vec::new();
        for output in OUTPUTS[row].1.split_whitespace() {
            let (count, what) = match output.split_once('*') {
                Some((count, what)) => (self.count(count), what),
                None => (1, output),
            };
            let fixed = DType::from_name(what);
            match (fixed, self.attribute(what)) {
                (None, Some(Attr::List(_))) => dtypes.extend(self.listed_dtypes(what)),
                (None, Some(Attr::Type(code))) => dtypes.extend(vec![crate::dtype::from_code(*code); count]),
                _ => dtypes.extend(vec![fixed; count]),
            }
            dtypes.truncate(MAX_OUTPUTS);
        }
        dtypes
    }

    fn listed_dtypes(&self, name: &str) -> Vec<Option<DType>> {
        match self.attribute(name) {
            Some(Attr::List(list)) => list
                .types
                .iter()
                .take(MAX_OUTPUTS)
                .map(|&code| crate::dtype::from_code(code))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// How often an output stands there, by the attribute that tells it.
    fn count(&self, name: &str) -> usize {
        match self.attribute(name) {
            Some(Attr::Int(count)) => usize::try_from(*count).unwrap_or(0).min(MAX_OUTPUTS),
            _ => 0,
        }
    }

    fn single_dtype(&self) -> Option<DType> {
        TYPE_ATTRIBUTES.iter().find_map(|name| match self.attribute(name)? {
            Attr::Type(code) => crate::dtype::from_code(*code),
            _ => None,
        })
    }

    /// One more than the highest output of this node that its body reads.
    fn highest_port(&mut self) -> usize {
        let frame = &mut self.importer.frames[self.frame];
        let read = frame
            .ports_read
            .get_or_insert_with(|| ports_read(&self.body, &self.importer.library));
        read[self.index].max(1)
    }
}

/// For each node of a body one more than its highest output that the body reads.
fn ports_read(body: &Body, library: &Library) -> Vec<usize> {
    let inputs = body.nodes.iter().flat_map(data_inputs);
    let mut read = vec![0; body.nodes.len()];
    for text in inputs.chain(body.results.iter().map(|r| r.1.as_str())) {
        if let Ok(Source::Node { node, port }) = body.source(text, library) {
            read[node] = read[node].max(port.min(MAX_OUTPUTS) + 1);
        }
    }
    read
}
