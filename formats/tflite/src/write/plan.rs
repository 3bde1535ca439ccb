//! Decides everything about a file but its bytes: which subgraphs, tensors, operators and data there will be.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::graph::ValueInfo;
use planish_core::{Graph, GraphId, Model};

use super::WriteOptions;
use crate::buffers::Buffers;
use crate::error::{Error, NoOperator};
use crate::options::encode::{Encoded, Surroundings, encode};
use crate::runtime::min_runtime;
use crate::schema::{BuiltinOperator as B, BuiltinOptions2T, BuiltinOptionsT, OperatorT, QuantizationDetailsT, SparsityParametersT};

mod subgraph;

use subgraph::{Planner, folded, is_kept_constant};

/// A file before it has bytes.
pub(crate) struct Plan<'m> {
    pub description: &'m str,
    pub subgraphs: Vec<Subgraph<'m>>,
    pub signatures: Vec<SignaturePlan<'m>>,
    /// The operator codes in use and their indices.
    pub codes: BTreeMap<Code, u32>,
    /// The metadata's names and which data they have.
    pub metadata: Vec<(&'m str, usize)>,
    pub buffers: Buffers,
}

/// An entry of the operator codes' table; a builtin has no custom name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Code {
    pub builtin: i32,
    pub custom: Option<String>,
    pub version: i32,
}

pub(crate) struct SignaturePlan<'m> {
    pub name: &'m str,
    pub subgraph: u32,
    pub inputs: Vec<(&'m str, i32)>,
    pub outputs: Vec<(&'m str, i32)>,
}

pub(crate) struct Subgraph<'m> {
    pub graph: &'m Graph,
    pub tensors: Vec<TensorPlan<'m>>,
    pub operators: Vec<Operator<'m>>,
    pub inputs: Vec<i32>,
    pub outputs: Vec<i32>,
}

pub(crate) struct TensorPlan<'m> {
    pub info: &'m ValueInfo,
    pub data: Option<usize>,
    pub variable: bool,
    pub sparsity: Option<SparsityParametersT>,
    /// How its integers are quantized in blocks, where they are.
    pub blocks: QuantizationDetailsT,
}

pub(crate) struct Operator<'m> {
    pub code: Code,
    pub inputs: Vec<i32>,
    pub outputs: Vec<i32>,
    pub intermediates: Vec<i32>,
    pub options: Options<'m>,
}

pub(crate) enum Options<'m> {
    One(BuiltinOptionsT),
    Two(BuiltinOptions2T),
    Kept(Box<OperatorT>),
    Custom(std::borrow::Cow<'m, [u8]>),
}

impl Options<'_> {
    /// Bytes that a custom operator carries.
    fn len(&self) -> usize {
        match self {
            Options::Custom(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// What options may take up of the flatbuffer, which ends at 2 GiB.
const OPTIONS_LIMIT: usize = 1 << 30;

/// The metadata entry that names the least runtime. It is written anew each time, and not at all where a model's own entry
/// of this name is empty: so says a file that was read and has none.
pub(crate) const MIN_RUNTIME: &str = "min_runtime_version";

/// The operations of a model that no TFLite operator computes, with these options.
pub(crate) fn no_operators(model: &Model, options: &WriteOptions) -> Vec<NoOperator> {
    let mut missing = Vec::new();
    for id in subgraph_order(model) {
        unwritable(model.graph(id), options, &mut missing);
    }
    missing
}

/// Plans the file of a model whose structure has been verified.
pub(crate) fn plan<'m>(model: &'m Model, options: &WriteOptions) -> Result<Plan<'m>, Error> {
    let order = subgraph_order(model);
    if order.is_empty() {
        return Err(Error::Model {
            place: "the model".into(),
            problem: "it has no graph".into(),
        });
    }
    let index: BTreeMap<GraphId, i32> = order.iter().enumerate().map(|(i, &id)| (id, i as i32)).collect();
    let missing = no_operators(model, options);
    if !missing.is_empty() {
        return Err(Error::NoOperator(missing));
    }
    let mut buffers = Buffers::default();
    let mut subgraphs = Vec::new();
    for &id in &order {
        subgraphs.push(Planner::new(model.graph(id), &index, options, &mut buffers).run()?);
    }
    let options: usize = subgraphs.iter().flat_map(|s| &s.operators).map(|o| o.options.len()).sum();
    if options > OPTIONS_LIMIT {
        return Err(Error::TooLarge {
            place: "what custom operators carry".into(),
        });
    }
    let codes: BTreeSet<Code> = subgraphs.iter().flat_map(|s| s.operators.iter().map(|o| o.code.clone())).collect();
    let signatures = model
        .signatures
        .iter()
        .map(|s| signature(s, &index, &subgraphs))
        .collect::<Result<_, _>>()?;
    let mut metadata = Vec::new();
    let known = codes.iter().filter(|c| c.custom.is_none()).map(|c| (B(c.builtin), c.version));
    let wanted = model.metadata.get(MIN_RUNTIME).is_none_or(|text| !text.is_empty());
    if let Some(runtime) = min_runtime(known).filter(|_| wanted) {
        let mut text = runtime.as_bytes().to_vec();
        text.resize(16, 0);
        metadata.push((MIN_RUNTIME, buffers.add_bytes(text)));
    }
    for (name, data) in &model.metadata {
        if name != MIN_RUNTIME && name != super::ASSOCIATED_FILES {
            metadata.push((name, buffers.add_bytes(data.clone())));
        }
    }
    let codes = codes.into_iter().zip(0..).collect();
    Ok(Plan {
        description: &model.description,
        subgraphs,
        signatures,
        codes,
        metadata,
        buffers,
    })
}

/// The primary graph first, the others by id. The primary graph is the first one that a signature calls.
fn subgraph_order(model: &Model) -> Vec<GraphId> {
    let mut order = model.graph_ids();
    let called: BTreeSet<GraphId> = model.signatures.iter().map(|s| s.graph).collect();
    if let Some(main) = order.iter().position(|id| called.contains(id)) {
        order[..=main].rotate_right(1);
    }
    order
}

fn unwritable(graph: &Graph, options: &WriteOptions, missing: &mut Vec<NoOperator>) {
    for id in graph.order() {
        let op = graph.op(id);
        let around = Surroundings {
            operands: 0,
            input: None,
            subgraph: &|_| 0,
        };
        let (name, flex) = match encode(op, &around) {
            Encoded::SourceOnly if folded(graph, id).is_some() => continue,
            Encoded::SourceOnly => (op.name(), false),
            Encoded::Foreign(o) if is_kept_constant(o) || options.allows(o) => continue,
            Encoded::Foreign(o) => (o.name.as_str(), true),
            _ => continue,
        };
        missing.push(NoOperator {
            op: name.to_owned(),
            label: graph.label(id),
            graph: graph.name().to_owned(),
            flex,
        });
    }
}

fn signature<'m>(
    signature: &'m planish_core::Signature,
    index: &BTreeMap<GraphId, i32>,
    subgraphs: &[Subgraph<'_>],
) -> Result<SignaturePlan<'m>, Error> {
    let problem = |problem: &str| Error::Model {
        place: format!("signature `{}`", signature.name),
        problem: problem.into(),
    };
    let &subgraph = index
        .get(&signature.graph)
        .ok_or_else(|| problem("the model does not have its graph"))?;
    let s = &subgraphs[subgraph as usize];
    if signature.inputs.len() != s.inputs.len() || signature.outputs.len() != s.outputs.len() {
        return Err(problem("it does not name each parameter and result of its graph"));
    }
    let named = |names: &'m [String], tensors: &[i32]| -> Vec<(&'m str, i32)> {
        names
            .iter()
            .map(String::as_str)
            .zip(tensors.iter().copied())
            .filter(|(name, _)| !name.is_empty())
            .collect()
    };
    Ok(SignaturePlan {
        name: &signature.name,
        subgraph: subgraph as u32,
        inputs: named(&signature.inputs, &s.inputs),
        outputs: named(&signature.outputs, &s.outputs),
    })
}
