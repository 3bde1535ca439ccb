//! Reads one subgraph: its tensors become values and constants, its operators operations.

use planish_core::attr::Blob;
use planish_core::infer::InferError;
use planish_core::op::{self, Arity, Op, OpKind};
use planish_core::{DType, Dim, Graph, GraphId, OpId, Quant, Shape, Tensor, Type, Value, ValueInfo};

use super::{Source, inconsistent};
use crate::blocks::{self, Blocks};
use crate::codes;
use crate::error::Error;
use crate::options::decode::{Surroundings, decode};
use crate::options::kept;
use crate::quantization;
use crate::schema::{self, BuiltinOperator as B, BuiltinOptionsT as O, OperatorT};
use crate::sparse;

/// The custom operator by which LiteRT runs code that was compiled for an NPU, and the option that says where behind the model that
/// lies.
const DISPATCH: &str = "DISPATCH_OP";
const BYTE_CODE: &[u8] = b"bytecode_offset";

/// Which tensors a subgraph's inputs and outputs are.
pub(super) struct Ends {
    pub inputs: Vec<i32>,
    pub outputs: Vec<i32>,
}

/// Reads a subgraph into an empty graph.
pub(super) fn read(source: &Source<'_>, subgraph: schema::SubGraph<'_>, graphs: &[GraphId], graph: &mut Graph) -> Result<Ends, Error> {
    let tensors: Vec<_> = subgraph.tensors().into_iter().flatten().collect();
    let values = vec![None; tensors.len()];
    let mut reader = Reader {
        source,
        graphs,
        name: graph.name().into(),
        graph,
        seen: vec![false; tensors.len()],
        tensors,
        values,
    };
    let ints = |v: Option<flatbuffers::Vector<'_, i32>>| v.map(|v| v.iter().collect::<Vec<i32>>()).unwrap_or_default();
    let ends = Ends {
        inputs: ints(subgraph.inputs()),
        outputs: ints(subgraph.outputs()),
    };
    for &input in &ends.inputs {
        let index = reader.index(input, "the inputs")?;
        let info = reader.info(index)?;
        reader.values[index] = Some(reader.graph.add_parameter(info));
    }
    for (number, operator) in subgraph.operators().into_iter().flatten().enumerate() {
        reader.operator(number, operator)?;
    }
    let results = ends
        .outputs
        .iter()
        .map(|&output| reader.read(output, "the outputs"))
        .collect::<Result<Vec<_>, _>>()?;
    reader.graph.set_results(&results);
    Ok(ends)
}

struct Reader<'f, 'g> {
    source: &'g Source<'f>,
    graphs: &'g [GraphId],
    name: std::rc::Rc<str>,
    graph: &'g mut Graph,
    tensors: Vec<schema::Tensor<'f>>,
    /// The value that each tensor holds by now.
    values: Vec<Option<Value>>,
    /// Tensors that an operator has read before any has written them.
    seen: Vec<bool>,
}

impl Reader<'_, '_> {
    fn place(&self, index: usize) -> String {
        format!(
            "tensor {index} `{}` of subgraph `{}`",
            self.tensors[index].name().unwrap_or_default(),
            self.name
        )
    }

    fn index(&self, tensor: i32, reader: &str) -> Result<usize, Error> {
        usize::try_from(tensor).ok().filter(|&i| i < self.tensors.len()).ok_or_else(|| {
            inconsistent(
                format!("{reader} of subgraph `{}`", self.name),
                format!("tensor {tensor} does not exist"),
            )
        })
    }

    /// How a tensor is quantized in blocks, where it is.
    fn blocks(&self, index: usize) -> Result<Option<Blocks>, Error> {
        let blocks = self.tensors[index].quantization().map(blocks::of).transpose();
        Ok(blocks.map_err(|problem| inconsistent(self.place(index), problem))?.flatten())
    }

    /// What the file says of the type and name of a tensor that is no constant.
    fn info(&self, index: usize) -> Result<ValueInfo, Error> {
        match self.blocks(index)? {
            None => self.declared(index),
            Some(_) => Err(self.computed_in_blocks(index)),
        }
    }

    fn computed_in_blocks(&self, index: usize) -> Error {
        Error::Unsupported {
            place: self.place(index),
            feature: "quantization in blocks of what is no constant",
        }
    }

    /// What the file says of a tensor's type and name.
    fn declared(&self, index: usize) -> Result<ValueInfo, Error> {
        let tensor = self.tensors[index];
        let dtype = self.dtype(index)?;
        let extents: Vec<i32> = tensor.shape().map(|s| s.iter().collect()).unwrap_or_default();
        let signature: Vec<i32> = tensor.shape_signature().map(|s| s.iter().collect()).unwrap_or_default();
        let mut dims = if signature.len() == extents.len() {
            signature
        } else {
            extents.clone()
        };
        let decoded = match tensor.quantization() {
            Some(table) => quantization::decode(table, &extents).map_err(|p| inconsistent(self.place(index), p))?,
            None => quantization::Decoded::default(),
        };
        // Runtimes look at it only where integers are stored.
        let quant = decoded.quant.filter(|_| dtype.is_int());
        // There is a slice for each scale, whatever the signature leaves open.
        if let Some(axis) = quant.as_ref().and_then(Quant::axis) {
            dims[axis] = extents[axis];
        }
        let shape = if dims.is_empty() && !tensor.has_rank() {
            Shape::unranked()
        } else {
            Shape::new(dims.iter().map(|&d| usize::try_from(d).map_or(Dim::Unknown, Dim::Known)))
        };
        let mut info = ValueInfo::new(Type::new(dtype, shape));
        info.name = tensor.name().filter(|name| !name.is_empty()).map(Into::into);
        info.ty.quant = quant;
        info.range = decoded.range;
        Ok(info)
    }

    fn dtype(&self, index: usize) -> Result<DType, Error> {
        let code = self.tensors[index].type_();
        codes::dtype(code).ok_or_else(|| inconsistent(self.place(index), format!("element type {} is unknown", code.0)))
    }

    /// The value of a tensor that is read: what an operator has written, a constant, or state.
    fn read(&mut self, tensor: i32, reader: &str) -> Result<Value, Error> {
        let index = self.index(tensor, reader)?;
        if let Some(value) = self.values[index] {
            return Ok(value);
        }
        let value = self.first_read(index)?;
        self.values[index] = Some(value);
        Ok(value)
    }

    fn first_read(&mut self, index: usize) -> Result<Value, Error> {
        let tensor = self.tensors[index];
        let blocks = self.blocks(index)?;
        let mut info = self.declared(index)?;
        if tensor.external_buffer() != 0 {
            return Err(Error::Unsupported {
                place: self.place(index),
                feature: "data in a separate file",
            });
        }
        let extents: Vec<i32> = tensor.shape().map(|s| s.iter().collect()).unwrap_or_default();
        let dims: Option<Vec<usize>> = extents.iter().map(|&d| usize::try_from(d).ok()).collect();
        let empty = extents.contains(&0);
        let data = self
            .source
            .data(tensor.buffer(), &|| self.place(index))?
            .filter(|data| empty || !data.is_empty());
        if let (Some(sparsity), Some(data)) = (tensor.sparsity(), &data) {
            let op = sparse::keep(sparsity, data.as_slice());
            let id = self.graph.add_declared(op, &[], vec![info]);
            return Ok(Value { op: id, port: 0 });
        }
        if let (Some(blocks), Some(data), Some(dims)) = (&blocks, &data, &dims) {
            let stored = Tensor::new(info.ty.dtype, dims, data.clone());
            let stored = stored.map_err(|e| inconsistent(self.place(index), e.to_string()))?;
            return self.constant_in_blocks(index, stored, info, blocks);
        }
        if blocks.is_some() {
            return Err(self.computed_in_blocks(index));
        }
        let empty_constant = empty && !tensor.is_variable() && info.ty.dtype.bits() > 0;
        let (Some(data), Some(dims)) = (data.or_else(|| empty_constant.then(|| Vec::new().into())), dims) else {
            self.seen[index] = true;
            let id = self.graph.add_declared(op::State {}, &[], vec![info]);
            return Ok(Value { op: id, port: 0 });
        };
        let constant = Tensor::new(info.ty.dtype, &dims, data).map_err(|e| inconsistent(self.place(index), e.to_string()))?;
        let constant = constant.with_quant(info.ty.quant.take());
        info.ty = constant.ty();
        let id = self.graph.add_declared(op::Const { value: constant }, &[], vec![info]);
        Ok(Value { op: id, port: 0 })
    }

    fn constant_in_blocks(&mut self, index: usize, stored: Tensor, mut info: ValueInfo, blocks: &Blocks) -> Result<Value, Error> {
        info.ty = stored.ty();
        let mut operands = vec![Some(self.graph.add_typed(op::Const { value: stored }, &[], info.ty.clone()))];
        let zero_points = Some(blocks.zero_points).filter(|&tensor| tensor >= 0);
        for parameters in [Some(blocks.scales), zero_points].into_iter().flatten() {
            let reader = format!("the blocks of {}", self.place(index));
            let tensor = self.index(parameters, &reader)?;
            if self.blocks(tensor)?.is_some() {
                return Err(inconsistent(reader, "their parameters are quantized in blocks again"));
            }
            operands.push(Some(self.read(parameters, &reader)?));
        }
        let id = self.graph.add_declared(blocks.keep(), &operands, vec![info]);
        Ok(Value { op: id, port: 0 })
    }

    fn operator(&mut self, number: usize, operator: schema::Operator<'_>) -> Result<(), Error> {
        let codes = self.source.file.operator_codes();
        let index = operator.opcode_index() as usize;
        let Some(code) = codes.filter(|c| index < c.len()).map(|c| c.get(index)) else {
            let place = format!("operator {number} of subgraph `{}`", self.name);
            return Err(inconsistent(place, format!("operator code {index} does not exist")));
        };
        let builtin = B(code.builtin_code().0.max(code.deprecated_builtin_code().into()));
        let label = match (builtin.variant_name(), code.custom_code()) {
            (_, Some(custom)) if builtin == B::CUSTOM => custom.to_owned(),
            (Some(name), _) => name.to_owned(),
            (None, _) => format!("operator code {}", builtin.0),
        };
        let label = format!("operator {number} ({label})");
        let subgraph = self.name.clone();
        let place = || format!("{label} of subgraph `{subgraph}`");
        let fail = |problem: &str| inconsistent(place(), problem);
        let mut operands = Vec::new();
        for tensor in operator.inputs().into_iter().flatten() {
            operands.push(if tensor == -1 { None } else { Some(self.read(tensor, &label)?) });
        }
        let mut results = Vec::new();
        let outputs = operator.outputs().map(|o| o.iter().collect::<Vec<_>>()).unwrap_or_default();
        let hidden = operator.intermediates().map(|i| i.iter().collect::<Vec<_>>()).unwrap_or_default();
        for &tensor in outputs.iter().chain(&hidden) {
            results.push(self.index(tensor, &label)?);
        }
        let infos = results.iter().map(|&i| self.info(i)).collect::<Result<Vec<_>, _>>()?;
        let op: Op = if builtin == B::CUSTOM {
            let name = code.custom_code().ok_or_else(|| fail("a custom operator has no name"))?.to_owned();
            let options = match operator.large_custom_options_offset() {
                0 | 1 => operator.custom_options().map(|o| o.bytes().to_vec()).unwrap_or_default(),
                offset => self
                    .source
                    .range(offset, operator.large_custom_options_size(), &place)?
                    .as_slice()
                    .to_vec(),
            };
            if name == DISPATCH && options.windows(BYTE_CODE.len()).any(|part| part == BYTE_CODE) {
                return Err(Error::Unsupported {
                    place: place(),
                    feature: "code compiled for an NPU, which is bound to its place in the file,",
                });
            }
            op::Custom {
                name,
                options: Blob(options),
                version: code.version(),
            }
            .into()
        } else {
            let options = operator.unpack();
            let graphs = self.graphs;
            let graph = |i: i32| usize::try_from(i).ok().and_then(|i| graphs.get(i).copied());
            let around = Surroundings {
                output: infos.first().map(|i| i.ty.dtype),
                outputs: outputs.len(),
                graph: &graph,
            };
            let decoded = decode(builtin, &options.builtin_options, &options.builtin_options_2, &around);
            if decoded.is_some() && builtin == B::RESHAPE && operands.len() == 1 {
                operands.extend(self.shape_option(&options));
            }
            match decoded.filter(|op| hidden.is_empty() && fits(op, &operands, infos.len())) {
                Some(op) => op,
                None => kept::keep(builtin, code.version(), options, &graph)
                    .ok_or_else(|| fail("it calls a subgraph that does not exist"))?
                    .into(),
            }
        };
        if let Some(&early) = results.iter().find(|&&i| self.seen[i]) {
            return Err(Error::Unsupported {
                place: self.place(early),
                feature: "a tensor that is read before it is written",
            });
        }
        let id = self.graph.add_declared(op, &operands, infos);
        self.settle(id, builtin, code.version(), operator)
            .ok_or_else(|| fail("it calls a subgraph that does not exist"))?;
        for (index, value) in results.into_iter().zip(self.graph.results_of(id)) {
            self.values[index] = Some(value);
        }
        Ok(())
    }

    /// Lets declared shapes give way where they contradict what follows from the operands, as they do in runtimes, and keeps
    /// an operator as it is where its operands are none that the IR's operation takes.
    fn settle(&mut self, id: OpId, builtin: B, version: i32, operator: schema::Operator<'_>) -> Option<()> {
        if matches!(self.graph.op(id), Op::Builtin(_) | Op::Custom(_)) {
            return Some(());
        }
        match self.graph.infer(id) {
            Ok(types) => {
                for (value, inferred) in self.graph.results_of(id).into_iter().zip(types) {
                    let declared = &mut self.graph.info_mut(value).ty;
                    if !declared.shape.compatible(&inferred.shape) {
                        declared.shape = inferred.shape;
                        // Scales were there for slices that it does not have.
                        declared.quant = declared.quant.take().filter(|quant| quant.axis().is_none());
                    }
                }
            }
            Err(InferError::Declared(_)) => {}
            Err(_) => {
                let graphs = self.graphs;
                let graph = |i: i32| usize::try_from(i).ok().and_then(|i| graphs.get(i).copied());
                *self.graph.op_mut(id) = kept::keep(builtin, version, operator.unpack(), &graph)?.into();
            }
        }
        Some(())
    }

    /// The shape that a RESHAPE of old gives as an option, as a constant. There, `[0]` stood for a scalar.
    fn shape_option(&mut self, options: &OperatorT) -> Option<Option<Value>> {
        let O::ReshapeOptions(options) = &options.builtin_options else {
            return None;
        };
        let shape = options.new_shape.as_deref()?;
        Some(Some(self.graph.add_ints(if shape == [0] { &[] } else { shape })))
    }
}

/// Whether an operation takes these operands and gives this many results.
fn fits(op: &Op, operands: &[Option<Value>], results: usize) -> bool {
    let kind = op.kind();
    let specs = kind.operands();
    let many = specs.last().is_some_and(|s| s.arity == Arity::Many);
    let may_be_empty = matches!(kind, OpKind::BidirectionalSequenceLstm | OpKind::BidirectionalSequenceRnn);
    let present = |i: usize| operands.get(i).is_some_and(Option::is_some);
    let taken = specs.iter().enumerate().all(|(i, spec)| match spec.arity {
        Arity::One => present(i),
        Arity::Optional => true,
        Arity::Many => may_be_empty || (i..operands.len()).all(present),
    });
    let given = match op {
        Op::AssignVariable(_) | Op::HashtableImport(_) | Op::CallOnce(_) => 0,
        Op::TopkV2(_) | Op::Unique(_) | Op::HashtableLookup(_) | Op::NonMaxSuppressionV4(_) => 2,
        Op::NonMaxSuppressionV5(_) => 3,
        Op::BasicLstm(_) => 4,
        Op::Split(o) => o.num as usize,
        Op::SplitV(o) => o.num as usize,
        Op::Unpack(o) => o.num as usize,
        Op::While(_) => operands.len(),
        Op::If(_) | Op::Call(_) => results,
        Op::BidirectionalSequenceLstm(planish_core::op::BidirectionalSequenceLstm { merge_outputs, .. })
        | Op::BidirectionalSequenceRnn(planish_core::op::BidirectionalSequenceRnn { merge_outputs, .. }) => {
            if *merge_outputs {
                1
            } else {
                2
            }
        }
        _ => 1,
    };
    taken && given == results && (many || operands.len() <= specs.len())
}
