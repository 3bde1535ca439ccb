//! Adding operations.

use super::{Graph, OpData, OpId, Operands, Value, ValueInfo, ValueRef};
use crate::infer::{self, InferError};
use crate::op::{Const, Op};
use crate::tensor::Tensor;
use crate::types::Type;

impl Graph {
    /// Adds an operation whose results' types follow from its operands.
    ///
    /// # Errors
    /// Where the operands do not fit the operation.
    ///
    /// # Panics
    /// Where one of the values is no result in the graph.
    pub fn try_add(&mut self, op: impl Into<Op>, operands: &[Option<Value>]) -> Result<OpId, InferError> {
        let op = op.into();
        let types = {
            let operands: Vec<Option<ValueRef<'_>>> = operands.iter().map(|v| v.map(|v| self.value(v))).collect();
            infer::results(&op, &operands)?
        };
        Ok(self.add_declared(op, operands, types.into_iter().map(ValueInfo::new).collect()))
    }

    /// Adds an operation of one result whose type follows from its operands, and returns that result.
    ///
    /// For rules, whose `find` has made sure that it fits.
    ///
    /// # Panics
    /// Where the operands do not fit the operation, or it has not exactly one result.
    pub fn add(&mut self, op: impl Into<Op>, operands: &[Value]) -> Value {
        let operands: Operands = operands.iter().map(|&v| Some(v)).collect();
        self.add_with_empty(op, &operands)
    }

    /// The same as [`Graph::add`] with operands that may be empty.
    ///
    /// # Panics
    /// Where the operands do not fit the operation, or it has not exactly one result.
    pub fn add_with_empty(&mut self, op: impl Into<Op>, operands: &[Option<Value>]) -> Value {
        let op = op.into();
        let name = op.name();
        let id = match self.try_add(op, operands) {
            Ok(id) => id,
            Err(error) => panic!("a rule builds only operations that fit: {name}: {error}"),
        };
        let results = self.results_of(id);
        assert_eq!(results.len(), 1, "{name} has one result");
        results[0]
    }

    /// Adds an operation with declared results.
    ///
    /// # Panics
    /// Where one of the values is no result in the graph.
    pub fn add_declared(&mut self, op: impl Into<Op>, operands: &[Option<Value>], results: Vec<ValueInfo>) -> OpId {
        let id = OpId(self.inner.add_node(OpData::new(op.into(), results.into())));
        self.set_operands(id, operands);
        self.added.push(id);
        id
    }

    /// The operations that have been added since this was last called, or since the last sweep.
    pub(crate) fn take_added(&mut self) -> Vec<OpId> {
        std::mem::take(&mut self.added)
    }

    /// Adds an operation with one declared result, and returns that.
    ///
    /// # Panics
    /// Where one of the values is no result in the graph.
    pub fn add_typed(&mut self, op: impl Into<Op>, operands: &[Value], ty: Type) -> Value {
        let operands: Operands = operands.iter().map(|&v| Some(v)).collect();
        Value {
            op: self.add_declared(op, &operands, vec![ValueInfo::new(ty)]),
            port: 0,
        }
    }

    /// Adds a constant.
    pub fn add_const(&mut self, value: Tensor) -> Value {
        let ty = value.ty();
        self.add_typed(Const { value }, &[], ty)
    }

    /// Adds a constant vector of i32.
    pub fn add_ints(&mut self, values: &[i32]) -> Value {
        self.add_const(Tensor::from_vec(&[values.len()], values.to_vec()))
    }

    /// Adds a constant scalar of i32.
    pub fn add_int(&mut self, value: i32) -> Value {
        self.add_const(Tensor::scalar(value))
    }

    /// Adds a constant scalar of f32.
    pub fn add_float(&mut self, value: f32) -> Value {
        self.add_const(Tensor::scalar(value))
    }
}
