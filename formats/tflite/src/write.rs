//! The writer: from a model to a TFLite file.
//!
//! A plan says which subgraphs, tensors and operators there will be; the flatbuffer is built from it without constant
//! data; the data is laid out behind it and streamed from where it is. Below 2 GiB data lies in the flatbuffer's reach, as
//! every runtime expects; above, buffers say where in the file it lies.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use planish_core::{Model, op, verify};

use crate::buffers::Layout;
use crate::error::{Error, NoOperator};
use crate::new_file::NewFile;

pub(crate) mod emit;
mod flex;
pub(crate) mod plan;
mod zip;

use emit::Skeleton;
use plan::Plan;

pub use zip::ASSOCIATED_FILES;
pub(crate) use zip::start as zip_start;

/// The end of what offsets of a flatbuffer reach.
const REACH: u64 = i32::MAX as u64;
/// Data shorter than this lies in the flatbuffer's reach even where the rest does not.
const SMALL: usize = 4096;

/// What may be written beside builtin operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WriteOptions {
    /// Writes operations of TensorFlow that no builtin computes as Flex operators, which a runtime with TensorFlow's
    /// kernels runs.
    pub select_tf_ops: bool,
    /// Writes such operations as custom operators, for which the runtime is given kernels.
    pub custom_ops: bool,
}

impl WriteOptions {
    pub(crate) fn allows(&self, foreign: &op::Foreign) -> bool {
        self.custom_ops || self.select_tf_ops && !foreign.definition.0.is_empty()
    }
}

/// Writes a model to a TFLite file of builtin operators.
///
/// The file appears complete or not at all: it is written beside its place and moved there once it is whole. What was there
/// before goes only then.
///
/// # Errors
/// Where operations have no TFLite operator (all are listed), the model contradicts itself, or the file cannot be written.
pub fn write_file(model: &Model, path: impl AsRef<Path>) -> Result<(), Error> {
    write_file_with(model, path, &WriteOptions::default())
}

/// The same as [`write_file`] with other than builtin operators where these options allow them.
///
/// # Errors
/// As [`write_file`].
pub fn write_file_with(model: &Model, path: impl AsRef<Path>, options: &WriteOptions) -> Result<(), Error> {
    let path = path.as_ref();
    let prepared = Prepared::new(model, options, REACH)?;
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    let file = NewFile::create(path).map_err(failed)?;
    match file.is_stream() {
        true => prepared.stream(&mut file.file()),
        false => prepared.write(file.file()),
    }
    .map_err(failed)?;
    file.place().map_err(failed)
}

/// The operations that stand in the way of writing a model with these options: no TFLite operator computes them.
pub fn no_operators(model: &Model, options: &WriteOptions) -> Vec<NoOperator> {
    plan::no_operators(model, options)
}

/// The bytes of a model's TFLite file.
///
/// # Errors
/// Where operations have no TFLite operator (all are listed), or the model contradicts itself.
pub fn write(model: &Model) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    write_to(model, &WriteOptions::default(), &mut out)?;
    Ok(out)
}

/// Writes a model's TFLite file to `out`, from its first byte to its last.
///
/// # Errors
/// As [`write()`], and where `out` fails.
pub fn write_to(model: &Model, options: &WriteOptions, out: &mut dyn Write) -> Result<(), Error> {
    Prepared::new(model, options, REACH)?.stream(out).map_err(Error::Output)
}

/// All of a file but its constant data, and where that goes.
struct Prepared<'m> {
    plan: Plan<'m>,
    skeleton: Skeleton,
    layout: Layout,
    associated: Vec<u8>,
}

impl<'m> Prepared<'m> {
    fn new(model: &'m Model, options: &WriteOptions, reach: u64) -> Result<Prepared<'m>, Error> {
        verify::verify_structure(model)?;
        let plan = plan::plan(model, options)?;
        let mut inline = vec![true; plan.buffers.len()];
        let mut skeleton = emit::skeleton(&plan, &inline)?;
        let mut layout = plan.buffers.layout(skeleton.bytes.len() as u64, &inline);
        if layout.end > reach {
            inline = (0..plan.buffers.len()).map(|i| plan.buffers.len_of(i) < SMALL).collect();
            skeleton = emit::skeleton(&plan, &inline)?;
            layout = plan.buffers.layout(skeleton.bytes.len() as u64, &inline);
        }
        skeleton.patch(&layout)?;
        let associated = model
            .metadata
            .get(ASSOCIATED_FILES)
            .map(|archive| zip::moved(archive, layout.end))
            .unwrap_or_default();
        Ok(Prepared {
            plan,
            skeleton,
            layout,
            associated,
        })
    }

    fn stream(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.skeleton.bytes)?;
        self.plan.buffers.stream(&self.layout, out)?;
        out.write_all(&self.associated)?;
        out.flush()
    }

    fn write(&self, mut file: &File) -> io::Result<()> {
        file.write_all(&self.skeleton.bytes)?;
        self.plan.buffers.write_file(&self.layout, file)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(self.layout.end))?;
        file.write_all(&self.associated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use planish_core::{Graph, Tensor};

    #[test]
    fn data_beyond_the_reach_of_offsets_is_found_by_its_place() {
        let mut graph = Graph::new("main");
        let large = Tensor::from_vec(&[3000], (0..3000).map(|i| i as f32).collect::<Vec<f32>>());
        let small = Tensor::from_vec(&[2], vec![1i32, 2]);
        let values = [graph.add_const(large.clone()), graph.add_const(small.clone())];
        graph.set_results(&values);
        let mut model = Model::new();
        model.add_graph(graph);
        let prepared = Prepared::new(&model, &WriteOptions::default(), 0).expect("it can be written");
        let mut file = Vec::new();
        prepared.stream(&mut file).expect("memory takes all");
        assert_eq!(file[file.len() - 16..], [0; 16]);
        let back = crate::read(file).expect("it can be read");
        let (_, graph) = back.graphs().next().expect("one graph");
        let values = graph.results();
        assert_eq!(graph.constant(values[0]), Some(&large));
        assert_eq!(graph.constant(values[1]), Some(&small));
        assert_eq!(
            values
                .iter()
                .map(|&v| graph.constant(v).unwrap().bytes().as_ptr() as usize % 16)
                .max(),
            Some(0)
        );
    }
}
