//! Plans one subgraph: numbers its tensors, and makes an operator of each operation.

use std::collections::{BTreeMap, BTreeSet};

use planish_core::attr::Rounding;
use planish_core::graph::Operands;
use planish_core::op::{self, Op, OpKind};
use planish_core::{DType, Graph, GraphId, OpId, Tensor, Value};

use super::super::{WriteOptions, flex};
use super::{Code, Operator, Options, Subgraph, TensorPlan};
use crate::blocks;
use crate::buffers::Buffers;
use crate::error::Error;
use crate::options::encode::{Encoded, Surroundings, encode};
use crate::options::kept;
use crate::schema::{BuiltinOperator as B, QuantizationDetailsT};
use crate::sparse;
use crate::version::{Signature, version};

/// Plans one subgraph.
pub(super) struct Planner<'m, 'p> {
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
    pub(super) fn new(
        graph: &'m Graph,
        index: &'p BTreeMap<GraphId, i32>,
        options: &'p WriteOptions,
        buffers: &'p mut Buffers,
    ) -> Planner<'m, 'p> {
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

    pub(super) fn run(mut self) -> Result<Subgraph<'m>, Error> {
        let graph = self.graph;
        let order = graph.order();
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
                Op::Foreign(o) if o.name == blocks::NAME => self.blocks(id, o)?,
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
            blocks: QuantizationDetailsT::NONE,
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
            (None, Some((tensor, rounding))) => {
                let quant = self.graph.ty(value).quant.clone().expect("only a result with parameters is folded");
                Some(self.buffers.add_quantized(tensor, quant, rounding))
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

    fn blocks(&mut self, id: OpId, foreign: &op::Foreign) -> Result<(), Error> {
        let graph = self.graph;
        let problem = || Error::Model {
            place: graph.label(id),
            problem: "its quantization in blocks is damaged".into(),
        };
        let operands: Vec<Value> = graph.operands(id).into_iter().flatten().collect();
        let (stored, scales, zero_points) = match operands[..] {
            [stored, scales] => (stored, scales, None),
            [stored, scales, zero_points] => (stored, scales, Some(zero_points)),
            _ => return Err(problem()),
        };
        let data = self.buffers.add(graph.constant(stored).ok_or_else(problem)?);
        let scales = self.read(scales);
        let zero_points = zero_points.map_or(-1, |v| self.read(v));
        let details = blocks::details(foreign, scales, zero_points).ok_or_else(problem)?;
        for value in graph.results_of(id) {
            let number = self.number(value, Some(data));
            self.tensors[number as usize].blocks = details.clone();
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
                (builtin_code(code.0, version(&signature)), Options::One(options))
            }
            Encoded::Builtin2(code, options) => (builtin_code(code.0, 1), Options::Two(options)),
            Encoded::Kept(kept) => {
                let damaged = || Error::Model {
                    place: graph.label(id),
                    problem: "the options kept for it are damaged".into(),
                };
                let options = kept::options(kept, &subgraph).ok_or_else(damaged)?;
                let hidden = options.intermediates.as_ref().map_or(0, Vec::len);
                intermediates = outputs.split_off(outputs.len().checked_sub(hidden).ok_or_else(damaged)?);
                (builtin_code(kept.code, kept.version), Options::Kept(Box::new(options)))
            }
            Encoded::Custom(custom) => (
                custom_code(custom.name.clone(), custom.version),
                Options::Custom(custom.options.0.as_slice().into()),
            ),
            Encoded::Foreign(foreign) if self.options.select_tf_ops && !foreign.definition.0.is_empty() => {
                let options = flex::operator_options(&foreign.name, &foreign.definition.0);
                (custom_code(format!("Flex{}", foreign.name), 1), Options::Custom(options.into()))
            }
            Encoded::Foreign(foreign) => (
                custom_code(foreign.name.clone(), 1),
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

/// Whether an operation is a constant's data in a form that only this format knows.
pub(super) fn is_kept_constant(foreign: &op::Foreign) -> bool {
    [sparse::NAME, blocks::NAME].contains(&foreign.name.as_str())
}

fn builtin_code(code: i32, version: i32) -> Code {
    Code {
        builtin: code,
        custom: None,
        version,
    }
}

fn custom_code(name: String, version: i32) -> Code {
    Code {
        builtin: B::CUSTOM.0,
        custom: Some(name),
        version,
    }
}

/// The constant that a `quantize` rounds and how, where its result can be written instead: rounding happens on the way to
/// the file.
pub(super) fn folded(graph: &Graph, id: OpId) -> Option<(&Tensor, Rounding)> {
    let Op::Quantize(op::Quantize { rounding }) = graph.op(id) else {
        return None;
    };
    let tensor = graph.constant(graph.operand(id, 0)?)?;
    let ty = graph.ty(Value { op: id, port: 0 });
    let quant = ty.quant.as_ref()?;
    let fits = quant
        .axis()
        .is_none_or(|axis| tensor.dims().get(axis) == Some(&quant.scales().len()));
    (tensor.dtype() == DType::F32 && ty.dtype == DType::I8 && fits).then_some((tensor, *rounding))
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
