//! From TensorFlow's graph to IR graphs: walks back from the wanted outputs and imports what they reach.
//!
//! A *frame* is one activation of a function (or the top graph). Calls are looked through instead of imported: an
//! output of a call is what the function's result is, an argument what the caller passes, so functions come out
//! inlined and unused results cost nothing. The bodies of loops and branches become graphs of their own, with frames of
//! their own. The walk keeps its own stack, so deep graphs do not exhaust the thread's.

mod array;
mod attributes;
mod batch_norm;
mod binary;
mod branch;
mod cells;
mod color;
mod complex;
mod composite;
mod constant;
mod convolution;
mod convolution_gradients;
mod crop;
mod cudnn;
mod decoding;
mod detection;
mod diagonal;
mod division;
mod effects;
mod examples;
mod foreign_types;
mod fourier;
mod frame;
mod gradients;
mod index;
mod inner_graph;
mod linear;
mod list;
mod matrix;
mod movement;
mod node;
mod numeric_type;
mod partition;
mod patches;
mod pool;
mod quantization;
mod ragged;
mod random;
mod reduction;
mod resampling;
mod resource;
mod root;
mod scatter;
mod segment;
mod select;
mod sparse;
mod table;
mod tables;
mod unary;
mod walk;
mod while_loop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use planish_core::graph::{Graph, Value};
use planish_core::model::Model;
use planish_core::types::Shape;

use crate::Error;
use crate::bundle::Check;
use crate::function::{Body, Library};
use crate::open::Opened;
use crate::proto::{AssetFileDef, MetaGraph};
use crate::variables::Variables;

use array::Array;
pub(crate) use effects::assigns;
use effects::{Effects, Shared};
use frame::Frame;
pub(crate) use frame::data_inputs;
use resource::Variable;
pub(crate) use root::Root;
use tables::Table;

/// What an output of a node stands for while a graph is imported.
#[derive(Clone, Debug)]
enum Bound {
    /// A value of the graph being built.
    Value(Value),
    /// A complex value, by its parts.
    Complex(complex::Parts),
    /// The handle of a variable.
    Variable(usize),
    /// The handle of a hash table.
    Table(usize),
    /// The handle of an array of tensors.
    Array(usize),
    /// Nothing that another node could read.
    Nothing,
}

/// Imports signatures of one MetaGraph into one model.
pub(crate) struct Importer {
    library: Library,
    variables: Variables,
    top: Rc<Body>,
    assets: Vec<AssetFileDef>,
    init: Vec<String>,
    dir: PathBuf,
    file: PathBuf,
    model: Model,
    /// The graph being built.
    graph: Graph,
    frames: Vec<Frame>,
    /// How many bytes constants of one repeated value will take.
    repeated: usize,
    /// How many nodes the frames have.
    entered_nodes: usize,
    known: Vec<Variable>,
    tables: Vec<Table>,
    arrays: Vec<Array>,
    /// Transposed and reshaped constants of the graph being built, by their source and form.
    rearranged: BTreeMap<(Value, Vec<usize>), Value>,
    /// Constants and handles that the graph being built already has for variables and tables.
    reads: BTreeMap<usize, Value>,
    handles: BTreeMap<usize, Value>,
    table_handles: BTreeMap<usize, Value>,
    reached_tables: BTreeSet<usize>,
    /// The names of the inputs of the signature that is imported, and shapes that they are given.
    inputs: Vec<String>,
    shapes: BTreeMap<String, Shape>,
    /// Inputs that examples are parsed into, and those that hold the examples: they are only inputs where something reads them.
    parsed: BTreeSet<String>,
    effects: Effects,
    shared: Shared,
    /// How many graphs enclose the one being built.
    nesting: usize,
}

impl Importer {
    pub(crate) fn new(top: Body, library: Library, variables: Variables, meta: &MetaGraph, opened: &Opened) -> Self {
        Self {
            library,
            variables,
            top: Rc::new(top),
            assets: meta.asset_files.clone(),
            init: tables::init_nodes(meta),
            dir: opened.dir.clone(),
            file: opened.file.clone(),
            model: Model::new(),
            graph: Graph::new(""),
            frames: Vec::new(),
            repeated: 0,
            entered_nodes: 0,
            known: Vec::new(),
            tables: Vec::new(),
            arrays: Vec::new(),
            rearranged: BTreeMap::new(),
            reads: BTreeMap::new(),
            handles: BTreeMap::new(),
            table_handles: BTreeMap::new(),
            reached_tables: BTreeSet::new(),
            inputs: Vec::new(),
            shapes: BTreeMap::new(),
            parsed: BTreeSet::new(),
            effects: Effects::default(),
            shared: Shared::default(),
            nesting: 0,
        }
    }

    /// The imported model, and the checksums that its weights must have.
    pub(crate) fn finish(mut self) -> (Model, Vec<Check>) {
        self.model.sweep();
        let checks = self.variables.take_checks();
        (self.model, checks)
    }
}

/// Why a node is not imported by the function for its operation.
enum Stop {
    /// The model cannot be read.
    Error(Error),
    /// The IR cannot express this use of the operation, which is kept as it is.
    Foreign,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// The outputs of an imported node.
type Imported = Result<Vec<Bound>, Stop>;
