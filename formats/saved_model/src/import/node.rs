//! What the import of one node has at hand: its inputs as values, and ways to add operations for it.

use std::rc::Rc;
use std::sync::Arc;

use planish_core::attr::Activation;
use planish_core::graph::{OpId, Value, ValueInfo};
use planish_core::infer::InferError;
use planish_core::known::known_ints;
use planish_core::op::{Cast, Concatenation, Gather, Op, OpKind, Pack, Range, Reshape, Shape as ShapeOf, Transpose};
use planish_core::tensor::Tensor;
use planish_core::types::{DType, Shape, Type};

use crate::Error;
use crate::function::Body;
use crate::proto::NodeDef;

use super::frame::Place;
use super::{Bound, Imported, Importer, Stop};
use kernels::Fit;

mod foreign;
mod kernels;
mod naming;

/// One node while it is imported.
pub(super) struct Node<'i> {
    pub(super) importer: &'i mut Importer,
    pub(super) frame: usize,
    pub(super) index: usize,
    pub(super) body: Rc<Body>,
    inputs: Rc<[Place]>,
    name: String,
    created: Vec<OpId>,
    /// What stands in the place of the first input.
    pub(super) first: Option<Value>,
}

impl<'i> Node<'i> {
    pub(super) fn new(importer: &'i mut Importer, frame: usize, index: usize) -> Result<Self, Error> {
        let inputs = importer.inputs(frame, index)?;
        let name = importer.public_name(frame, index);
        let body = importer.frames[frame].body.clone();
        Ok(Self {
            importer,
            frame,
            index,
            body,
            inputs,
            name,
            created: Vec::new(),
            first: None,
        })
    }

    pub(super) fn def(&self) -> &NodeDef {
        &self.body.nodes[self.index]
    }

    /// The name that people know the node by.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// An error at this node.
    pub(super) fn error(&self, what: impl Into<String>) -> Stop {
        Stop::Error(Error::graph(format!("{} ({})", self.name, self.def().op), what))
    }

    /// How many data inputs there are.
    pub(super) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// The operation that an input comes from.
    pub(super) fn input_op(&self, input: usize) -> Option<&str> {
        match *self.inputs.get(input)? {
            Place::Node { frame, node, .. } => Some(&self.importer.frames[frame].body.nodes[node].op),
            Place::Arg { .. } => None,
        }
    }

    /// What an input stands for.
    pub(super) fn bound(&mut self, input: usize) -> Result<Bound, Stop> {
        if let (0, Some(value)) = (input, self.first) {
            return Ok(Bound::Value(value));
        }
        let place = *self
            .inputs
            .get(input)
            .ok_or_else(|| self.error(format!("it has no input {input}")))?;
        Ok(self.importer.bound(place)?)
    }

    /// The value of an input.
    pub(super) fn value(&mut self, input: usize) -> Result<Value, Stop> {
        match self.bound(input)? {
            Bound::Value(value) => Ok(value),
            Bound::Complex(parts) => Ok(self.importer.complex_value(parts)),
            Bound::Variable(variable) => Ok(self.importer.read_variable(variable)?),
            Bound::Table(_) | Bound::Array(_) | Bound::Nothing => Err(self.error(format!("input {input} is not a value"))),
        }
    }

    /// The values of the inputs from `first` on.
    pub(super) fn values(&mut self, inputs: std::ops::Range<usize>) -> Result<Vec<Value>, Stop> {
        inputs.map(|i| self.value(i)).collect()
    }

    pub(super) fn ty(&self, value: Value) -> &Type {
        self.importer.graph.ty(value)
    }

    pub(super) fn dtype(&self, value: Value) -> DType {
        self.ty(value).dtype
    }

    pub(super) fn shape(&self, value: Value) -> &Shape {
        &self.ty(value).shape
    }

    pub(super) fn rank(&self, value: Value) -> Option<usize> {
        self.shape(value).rank()
    }

    /// The rank, which this use of the operation has to know.
    pub(super) fn known_rank(&self, value: Value) -> Result<usize, Stop> {
        self.rank(value).ok_or(Stop::Foreign)
    }

    /// The data of a constant.
    pub(super) fn constant(&self, value: Value) -> Option<&Tensor> {
        self.importer.graph.constant(value)
    }

    /// The integers of a constant of integers.
    pub(super) fn constant_ints(&self, value: Value) -> Option<Vec<i64>> {
        self.constant(value).filter(|t| t.dtype().is_int())?.to_ints()
    }

    /// The integers of a value that is constant or follows from shapes.
    pub(super) fn known_ints(&self, value: Value) -> Option<Vec<i64>> {
        self.constant_ints(value)
            .or_else(|| known_ints(self.importer.graph.value(value))?.into_iter().collect())
    }

    /// The integers of an input that has to be constant.
    pub(super) fn ints(&mut self, input: usize) -> Result<Vec<i64>, Stop> {
        let value = self.value(input)?;
        self.known_ints(value).ok_or(Stop::Foreign)
    }

    /// The integer of an input that has to be a constant scalar.
    pub(super) fn int(&mut self, input: usize) -> Result<i64, Stop> {
        match self.ints(input)?[..] {
            [only] => Ok(only),
            _ => Err(Stop::Foreign),
        }
    }

    /// The number of an input that has to be a constant scalar.
    pub(super) fn float(&mut self, input: usize) -> Result<f32, Stop> {
        let value = self.value(input)?;
        let floats = self.constant(value).and_then(Tensor::to_floats);
        match floats.as_deref() {
            Some([only]) => Ok(*only as f32),
            _ => Err(Stop::Foreign),
        }
    }

    /// An axis counted from the front.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, Stop> {
        let from_front = if axis < 0 { axis + rank as i64 } else { axis };
        usize::try_from(from_front)
            .ok()
            .filter(|&a| a < rank)
            .ok_or_else(|| self.error(format!("axis {axis} does not exist in rank {rank}")))
    }

    /// Adds an operation of one result.
    pub(super) fn add(&mut self, op: impl Into<Op>, operands: &[Value]) -> Result<Value, Stop> {
        Ok(self.add_many(op, operands)?[0])
    }

    /// Adds an operation, and returns all of its results, at least one.
    pub(super) fn add_many(&mut self, op: impl Into<Op>, operands: &[Value]) -> Result<Vec<Value>, Stop> {
        let op = op.into();
        match self.fit(op.kind(), operands) {
            Fit::As(None) => {}
            Fit::As(Some(wide)) => return self.add_widened(op, operands, wide),
            Fit::Not => return Err(Stop::Foreign),
        }
        self.add_as_it_is(op, operands)
    }

    fn add_as_it_is(&mut self, op: Op, operands: &[Value]) -> Result<Vec<Value>, Stop> {
        let optional: Vec<Option<Value>> = operands.iter().map(|&v| Some(v)).collect();
        let kind = op.name();
        let id = match self.importer.graph.try_add(op, &optional) {
            Ok(id) => id,
            // The result types of an unknown operation are a guess.
            Err(_) if operands.iter().any(|v| self.is_foreign(*v)) => return Err(Stop::Foreign),
            Err(e) => return Err(self.unfit(kind, &e)),
        };
        self.created.push(id);
        let results = self.importer.graph.results_of(id);
        if results.is_empty() {
            return Err(self.error(format!("{kind} has no results")));
        }
        Ok(results)
    }

    /// Adds an operation whose results are declared.
    pub(super) fn add_declared(&mut self, op: impl Into<Op>, operands: &[Value], types: Vec<Type>) -> Vec<Value> {
        let operands: Vec<Option<Value>> = operands.iter().map(|&v| Some(v)).collect();
        let results = types.into_iter().map(ValueInfo::new).collect();
        let id = self.importer.graph.add_declared(op, &operands, results);
        self.created.push(id);
        self.importer.graph.results_of(id)
    }

    /// Says of a result what is known of its shape beyond what follows from the operands.
    pub(super) fn declare(&mut self, value: Value, shape: &Shape) {
        let info = self.importer.graph.info_mut(value);
        if let Some(shape) = info.ty.shape.meet(shape) {
            info.ty.shape = shape;
        }
    }

    /// The numbers of a value that is constant, or a quotient of constants and of what follows from shapes.
    pub(super) fn known_reals(&self, value: Value) -> Option<Vec<f64>> {
        if let Some(numbers) = self.constant(value).and_then(Tensor::to_floats) {
            return Some(numbers);
        }
        let op = self.importer.graph.at(value.op);
        match op.op() {
            Op::Cast(_) => {
                let ints = self.known_ints(op.operand(0)?.id())?;
                Some(ints.into_iter().map(|n| n as f64).collect())
            }
            Op::Div(_) => {
                let [above, below] = [self.known_reals(op.operand(0)?.id())?, self.known_reals(op.operand(1)?.id())?];
                (above.len() == below.len()).then(|| above.iter().zip(&below).map(|(a, b)| f64::from((a / b) as f32)).collect())
            }
            _ => None,
        }
    }

    fn is_foreign(&self, value: Value) -> bool {
        matches!(self.importer.graph.op(value.op).kind(), OpKind::Foreign)
    }

    fn unfit(&self, kind: &str, error: &InferError) -> Stop {
        self.error(format!("it does not fit {kind}: {error}"))
    }

    /// An operation of one operand, with this node's first input as that.
    pub(super) fn unary(&mut self, op: impl Into<Op>) -> Imported {
        let x = self.value(0)?;
        one(self.add(op, &[x])?)
    }

    /// An operation of two operands, this node's first inputs.
    pub(super) fn binary(&mut self, op: impl Into<Op>) -> Imported {
        let (x, y) = (self.value(0)?, self.value(1)?);
        one(self.add(op, &[x, y])?)
    }

    /// A constant.
    pub(super) fn add_const(&mut self, tensor: Tensor) -> Value {
        let value = self.importer.graph.add_const(tensor);
        self.created.push(value.op);
        value
    }

    /// A constant vector of i32.
    pub(super) fn add_ints(&mut self, values: &[i32]) -> Value {
        self.add_const(Tensor::from_vec(&[values.len()], values.to_vec()))
    }

    /// A constant scalar of i32.
    pub(super) fn add_int(&mut self, value: i32) -> Value {
        self.add_const(Tensor::scalar(value))
    }

    /// A constant scalar of the element type of `like`.
    pub(super) fn number(&mut self, value: f64, like: Value) -> Result<Value, Stop> {
        let tensor = match self.dtype(like) {
            DType::F32 => Tensor::scalar(value as f32),
            DType::I64 => Tensor::scalar(value as i64),
            DType::I32 => Tensor::scalar(value as i32),
            DType::I16 => Tensor::scalar(value as i16),
            DType::I8 => Tensor::scalar(value as i8),
            DType::U8 => Tensor::scalar(value as u8),
            DType::U16 => Tensor::scalar(value as u16),
            DType::U32 => Tensor::scalar(value as u32),
            DType::U64 => Tensor::scalar(value as u64),
            DType::Bool => Tensor::from_bools(&[], &[value != 0.0]),
            _ => return Err(Stop::Foreign),
        };
        Ok(self.add_const(tensor))
    }

    /// An input that tells sizes or positions, as i32.
    pub(super) fn index_input(&mut self, input: usize) -> Result<Value, Stop> {
        let value = self.value(input)?;
        self.as_i32(value)
    }

    /// Sizes or positions as i32; what lies beyond is cut to the nearest.
    pub(super) fn as_i32(&mut self, value: Value) -> Result<Value, Stop> {
        if self.dtype(value) == DType::I32 {
            return Ok(value);
        }
        if let (Some(ints), Some(tensor)) = (self.constant_ints(value), self.constant(value)) {
            let dims = tensor.dims().to_vec();
            let cut = |v: i64| v.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
            return Ok(self.add_const(Tensor::from_vec(&dims, ints.into_iter().map(cut).collect())));
        }
        self.add(Cast { dtype: DType::I32 }, &[value])
    }

    /// Another element type, if it is not that already.
    pub(super) fn cast(&mut self, value: Value, dtype: DType) -> Result<Value, Stop> {
        if self.dtype(value) == dtype {
            Ok(value)
        } else {
            self.add(Cast { dtype }, &[value])
        }
    }

    /// Transposed: a constant is seen in another order, anything else moved when the model runs.
    pub(super) fn transposed(&mut self, value: Value, permutation: &[usize]) -> Result<Value, Stop> {
        let moved = |t: &Tensor| t.transposed(permutation);
        if let Some(value) = self.importer.rearranged(value, permutation, moved) {
            return Ok(value);
        }
        let permutation: Vec<i32> = permutation.iter().map(|&p| p as i32).collect();
        let permutation = self.add_ints(&permutation);
        self.add(Transpose {}, &[value, permutation])
    }

    /// One behind the other along an axis, which counts from the back where it is negative.
    pub(super) fn concatenated(&mut self, parts: &[Value], axis: i32) -> Result<Value, Stop> {
        let op = Concatenation {
            axis,
            activation: Activation::None,
        };
        self.add(op, parts)
    }

    /// The extent of one axis, an i32 scalar.
    pub(super) fn extent(&mut self, x: Value, axis: usize) -> Result<Value, Stop> {
        if let Some(extent) = self.shape(x).dim(axis).known().and_then(|n| i32::try_from(n).ok()) {
            return Ok(self.add_int(extent));
        }
        let shape = self.add(ShapeOf { dtype: DType::I32 }, &[x])?;
        let axis = self.add_int(axis as i32);
        self.add(Gather { axis: 0, batch_dims: 0 }, &[shape, axis])
    }

    /// A vector of scalars of one type.
    pub(super) fn packed(&mut self, scalars: &[Value]) -> Result<Value, Stop> {
        self.add(Pack { axis: 0 }, scalars)
    }

    /// The numbers from 0 that are below a limit, all i32.
    pub(super) fn numbers_below(&mut self, limit: Value) -> Result<Value, Stop> {
        let (first, step) = (self.add_int(0), self.add_int(1));
        self.add(Range {}, &[first, limit, step])
    }

    /// Reshaped, where the extents are known.
    pub(super) fn reshaped(&mut self, value: Value, dims: &[usize]) -> Result<Value, Stop> {
        // Extents and permutations share one table; the marker keeps them apart.
        let mut key = vec![usize::MAX];
        key.extend_from_slice(dims);
        if let Some(value) = self.importer.rearranged(value, &key, |t| t.reshaped(dims)) {
            return Ok(value);
        }
        let dims: Vec<i32> = dims.iter().map(|&d| d as i32).collect();
        let dims = self.add_ints(&dims);
        self.add(Reshape {}, &[value, dims])
    }

    /// Sets aside what was added for this node, while operations are added to another graph.
    pub(super) fn begin_part(&mut self) -> Vec<OpId> {
        std::mem::take(&mut self.created)
    }

    /// Goes back to what was set aside.
    pub(super) fn end_part(&mut self, created: Vec<OpId>) {
        self.created = created;
    }
}

impl Importer {
    /// A constant with the name that people know it by.
    pub(super) fn add_const(&mut self, tensor: Tensor, name: Option<Arc<str>>) -> Value {
        let value = self.graph.add_const(tensor);
        self.graph.info_mut(value).name = name;
        value
    }

    /// Another view of a constant, the same one for the same `key`.
    fn rearranged(&mut self, value: Value, key: &[usize], view: impl FnOnce(&Tensor) -> Option<Tensor>) -> Option<Value> {
        if let Some(&found) = self.rearranged.get(&(value, key.to_vec())) {
            return Some(found);
        }
        let tensor = view(self.graph.constant(value)?)?;
        let name = self.graph.info(value).name.clone();
        let new = self.add_const(tensor, name);
        self.rearranged.insert((value, key.to_vec()), new);
        Some(new)
    }
}

/// One value as a node's only output.
pub(super) fn one(value: Value) -> Imported {
    Ok(vec![Bound::Value(value)])
}

/// Values as a node's outputs.
pub(super) fn many(values: Vec<Value>) -> Imported {
    Ok(values.into_iter().map(Bound::Value).collect())
}
