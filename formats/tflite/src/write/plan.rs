//! Decides everything about a file but its bytes: which subgraphs, tensors, operators and data there will be.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::graph::{Operands, ValueInfo};
use planish_core::op::{self, Op, OpKind};
use planish_core::{DType, Graph, GraphId, Model, OpId, Tensor, Value};

use super::{WriteOptions, flex};
use crate::buffers::Buffers;
use crate::error::{Error, NoOperator};
use crate::options::encode::{Encoded, Surroundings, encode};
use crate::options::kept;
use crate::runtime::min_runtime;
use crate::schema::{BuiltinOperator as B, BuiltinOptions2T, BuiltinOptionsT, OperatorT, SparsityParametersT};
use crate::sparse;
use crate::version::{Signature, version};

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

/// Plans the file of a model.
pub(crate) fn plan<'m>(model: &'m Model, options: &WriteOptions) -> Result<Plan<'m>, Error> {
    let order = subgraph_order(model);
    if order.is_empty() {
        return Err(Error::Model {
            place: "the model".into(),
            problem: "it has no graph".into(),
        });
    }
    let index: BTreeMap<GraphId, i32> = order.iter().enumerate().map(|(i, &id)| (id, i as i32)).collect();
    for &id in &order {
        for op in model.graph(id).ids() {
            if let Some(unknown) = model.graph(id).op(op).graphs().iter().find(|g| !index.contains_key(g)) {
                let place = model.graph(id).label(op);
                return Err(Error::Model {
                    place,
                    problem: format!("it calls {unknown:?}, which the model does not have"),
                });
            }
        }
    }
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
            Encoded::SourceOnly => (op.name(), false),
            Encoded::Foreign(o) if o.name == sparse::NAME || options.allows(o) => continue,
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

/// Plans one subgraph.
struct Planner<'m, 'p> {
    graph: &'m Graph,
    index: &'p BTreeMap<GraphId, i32>,
    options: &'p WriteOptions,
    buffers: &'p mut Buffers,
    numbers: BTreeMap<Value, i32>,
    tensors: Vec<TensorPlan<'m>>,
    /// Values that operations write in place.
    states: BTreeSet<Value>,
}

impl<'m, 'p> Planner<'m, 'p> {
    fn new(graph: &'m Graph, index: &'p BTreeMap<GraphId, i32>, options: &'p WriteOptions, buffers: &'p mut Buffers) -> Planner<'m, 'p> {
        let mut states = BTreeSet::new();
        for id in graph.ids() {
            let operands = graph.operands(id);
            states.extend(
                state_operands(graph.op(id))
                    .iter()
                    .filter_map(|&i| operands.get(i).copied().flatten()),
            );
        }
        Planner {
            graph,
            index,
            options,
            buffers,
            numbers: BTreeMap::new(),
            tensors: Vec::new(),
            states,
        }
    }

    fn run(mut self) -> Result<Subgraph<'m>, Error> {
        let graph = self.graph;
        let order = graph.order();
        if order.len() != graph.len() {
            return Err(Error::Model {
                place: format!("graph `{}`", graph.name()),
                problem: "operations wait for each other in a circle".into(),
            });
        }
        let inputs = graph.parameters().into_iter().map(|v| self.number(v, None)).collect();
        let mut operators = Vec::new();
        for &id in &order {
            match graph.op(id) {
                Op::Parameters(_) | Op::Return(_) | Op::Const(_) => {}
                Op::State(_) => {
                    graph.results_of(id).into_iter().for_each(|v| {
                        self.number(v, None);
                    });
                }
                Op::Foreign(o) if o.name == sparse::NAME => self.sparse(id, o)?,
                Op::Quantize(_) if folded(graph, id).is_some() => {}
                op => operators.push(self.operator(id, op)?),
            }
        }
        let outputs = graph.results().into_iter().map(|v| self.read(v)).collect();
        Ok(Subgraph {
            graph,
            tensors: self.tensors,
            operators,
            inputs,
            outputs,
        })
    }

    /// Gives a value its tensor.
    fn number(&mut self, value: Value, data: Option<usize>) -> i32 {
        let number = self.tensors.len() as i32;
        let state = matches!(self.graph.op(value.op), Op::State(_)) || self.states.contains(&value);
        let variable = data.is_none() && state;
        self.tensors.push(TensorPlan {
            info: self.graph.info(value),
            data,
            variable,
            sparsity: None,
        });
        self.numbers.insert(value, number);
        number
    }

    /// The tensor of a value that is read; constants get theirs here, so that unread ones are not written.
    fn read(&mut self, value: Value) -> i32 {
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let data = match (self.graph.constant(value), folded(self.graph, value.op)) {
            (Some(tensor), _) => Some(self.buffers.add(tensor)),
            (None, Some(tensor)) => {
                let quant = self.graph.ty(value).quant.clone().expect("only a result with parameters is folded");
                Some(self.buffers.add_quantized(tensor, quant))
            }
            (None, None) => None,
        };
        self.number(value, data)
    }

    fn sparse(&mut self, id: OpId, foreign: &op::Foreign) -> Result<(), Error> {
        let problem = || Error::Model {
            place: self.graph.label(id),
            problem: "its sparse data is damaged".into(),
        };
        let (sparsity, data) = sparse::parts(foreign).ok_or_else(problem)?;
        let data = self.buffers.add_bytes(data.to_vec());
        for value in self.graph.results_of(id) {
            let number = self.number(value, Some(data));
            self.tensors[number as usize].sparsity = Some(sparsity.clone());
        }
        Ok(())
    }

    fn operator(&mut self, id: OpId, op: &'m Op) -> Result<Operator<'m>, Error> {
        let graph = self.graph;
        let operands = padded(op.kind(), graph.operands(id));
        let inputs: Vec<i32> = operands.iter().map(|v| v.map_or(-1, |v| self.read(v))).collect();
        let mut outputs: Vec<i32> = graph.results_of(id).into_iter().map(|v| self.number(v, None)).collect();
        let index = self.index;
        let subgraph = |g: GraphId| index.get(&g).copied().unwrap_or(-1);
        let input = operands.first().copied().flatten().map(|v| graph.ty(v).dtype);
        let around = Surroundings {
            operands: operands.len(),
            input,
            subgraph: &subgraph,
        };
        let mut intermediates = Vec::new();
        let (code, options) = match encode(op, &around) {
            Encoded::Builtin(code, options) => {
                let inputs: Vec<_> = operands.iter().map(|v| v.map(|v| graph.ty(v))).collect();
                let is_sparse = |v: Value| matches!(graph.op(v.op), Op::Foreign(o) if o.name == sparse::NAME);
                let signature = Signature {
                    code,
                    options: &options,
                    inputs,
                    outputs: graph.results_of(id).into_iter().map(|v| graph.ty(v)).collect(),
                    sparse: operands.get(1).copied().flatten().is_some_and(is_sparse),
                };
                (builtin(code.0, version(&signature)), Options::One(options))
            }
            Encoded::Builtin2(code, options) => (builtin(code.0, 1), Options::Two(options)),
            Encoded::Kept(kept) => {
                let damaged = || Error::Model {
                    place: graph.label(id),
                    problem: "the options kept for it are damaged".into(),
                };
                let options = kept::options(kept, &subgraph).ok_or_else(damaged)?;
                let hidden = options.intermediates.as_ref().map_or(0, Vec::len);
                intermediates = outputs.split_off(outputs.len().checked_sub(hidden).ok_or_else(damaged)?);
                (builtin(kept.code, kept.version), Options::Kept(Box::new(options)))
            }
            Encoded::Custom(custom) => (
                self::custom(custom.name.clone(), custom.version),
                Options::Custom(custom.options.0.as_slice().into()),
            ),
            Encoded::Foreign(foreign) if self.options.select_tf_ops && !foreign.definition.0.is_empty() => {
                let options = flex::operator_options(&foreign.name, &foreign.definition.0);
                (self::custom(format!("Flex{}", foreign.name), 1), Options::Custom(options.into()))
            }
            Encoded::Foreign(foreign) => (
                self::custom(foreign.name.clone(), 1),
                Options::Custom(flex::attributes(&foreign.attrs).into()),
            ),
            Encoded::Tensors | Encoded::SourceOnly => unreachable!("reported before planning"),
        };
        Ok(Operator {
            code,
            inputs,
            outputs,
            intermediates,
            options,
        })
    }
}

fn builtin(code: i32, version: i32) -> Code {
    Code {
        builtin: code,
        custom: None,
        version,
    }
}

fn custom(name: String, version: i32) -> Code {
    Code {
        builtin: B::CUSTOM.0,
        custom: Some(name),
        version,
    }
}

/// The constant that a `quantize` rounds, where its result can be written instead: rounding happens on the way to the file.
fn folded(graph: &Graph, id: OpId) -> Option<&Tensor> {
    if graph.op(id).kind() != OpKind::Quantize {
        return None;
    }
    let tensor = graph.constant(graph.operand(id, 0)?)?;
    let ty = graph.ty(Value { op: id, port: 0 });
    let quant = ty.quant.as_ref()?;
    let fits = quant
        .axis()
        .is_none_or(|axis| tensor.dims().get(axis) == Some(&quant.scales().len()));
    (tensor.dtype() == DType::F32 && ty.dtype == DType::I8 && fits).then_some(tensor)
}

/// Operands with absent ones where kernels count on their number.
fn padded(kind: OpKind, mut operands: Operands) -> Operands {
    let least = match kind {
        OpKind::FullyConnected | OpKind::Conv3d => 3,
        OpKind::Lstm | OpKind::UnidirectionalSequenceLstm => {
            if operands.len() > 20 {
                24
            } else {
                20
            }
        }
        OpKind::Svdf => 5,
        _ => 0,
    };
    if operands.len() < least {
        operands.resize(least, None);
    }
    operands
}

/// Which operands the operation writes in place.
fn state_operands(op: &Op) -> &'static [usize] {
    let kind = match op {
        Op::Builtin(kept) => match B(kept.code) {
            B::LSTM => OpKind::Lstm,
            B::UNIDIRECTIONAL_SEQUENCE_LSTM => OpKind::UnidirectionalSequenceLstm,
            B::BIDIRECTIONAL_SEQUENCE_LSTM => OpKind::BidirectionalSequenceLstm,
            B::RNN => OpKind::Rnn,
            B::UNIDIRECTIONAL_SEQUENCE_RNN => OpKind::UnidirectionalSequenceRnn,
            B::BIDIRECTIONAL_SEQUENCE_RNN => OpKind::BidirectionalSequenceRnn,
            B::SVDF => OpKind::Svdf,
            _ => OpKind::Builtin,
        },
        _ => op.kind(),
    };
    kind.state_operands()
}
