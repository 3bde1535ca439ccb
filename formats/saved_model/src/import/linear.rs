//! Systems of linear equations, by elimination and by factors of Cholesky: a loop takes one column after the other.
//!
//! Golub and Van Loan, "Matrix Computations" (4th edition, 2013), 3.4 (elimination with partial pivoting) and 4.2.

use planish_core::graph::Value;
use planish_core::op::{
    Abs, ArgMax, Equal, ExpandDims, Fill, Gather, GreaterEqual, Less, LessEqual, Log, MatrixDiag, OneHot, Reshape, Rsqrt, SelectV2, Shape,
    Sign, ZerosLike,
};
use planish_core::tensor::Tensor;
use planish_core::types::DType;

use super::binary::{add, div, mul, sub};
use super::diagonal::below_diagonal;
use super::movement::part;
use super::node::{Node, many, one};
use super::unary::plus;
use super::{Imported, Stop};

/// Matrices `[batch, rows, columns]`, whatever their leading dimensions were.
struct Batch {
    matrices: Value,
    rows: usize,
    columns: usize,
    /// What the matrices were made of, and its rank.
    source: (Value, usize),
}

impl Batch {
    fn of(node: &mut Node<'_>, source: Value) -> Result<Batch, Stop> {
        let rank = node.known_rank(source)?;
        if node.dtype(source) != DType::F32 || rank < 2 {
            return Err(Stop::Foreign);
        }
        let extent = |axis| node.shape(source).dim(axis).known().filter(|&n| n > 0).ok_or(Stop::Foreign);
        let (rows, columns) = (extent(rank - 2)?, extent(rank - 1)?);
        let matrices = if rank == 3 {
            source
        } else {
            let dims = node.add_ints(&[-1, rows as i32, columns as i32]);
            node.add(Reshape {}, &[source, dims])?
        };
        Ok(Batch {
            matrices,
            rows,
            columns,
            source: (source, rank),
        })
    }

    /// Square matrices.
    fn square(node: &mut Node<'_>, source: Value) -> Result<Batch, Stop> {
        let batch = Batch::of(node, source)?;
        if batch.rows == batch.columns {
            Ok(batch)
        } else {
            Err(node.error(format!("its matrix has {} rows and {} columns", batch.rows, batch.columns)))
        }
    }

    fn transposed(mut self, node: &mut Node<'_>) -> Result<Batch, Stop> {
        self.matrices = node.transposed(self.matrices, &[0, 2, 1])?;
        Ok(self)
    }

    /// A result for each matrix, with these dimensions of its own, under the leading dimensions of what the matrices were made of.
    fn spread(&self, node: &mut Node<'_>, value: Value, own: &[usize]) -> Result<Value, Stop> {
        let (source, rank) = self.source;
        if rank == 3 {
            return Ok(value);
        }
        let own: Vec<i32> = own.iter().map(|&n| n as i32).collect();
        let mut dims = node.add_ints(&own);
        if rank > 3 {
            let all = node.add(Shape { dtype: DType::I32 }, &[source])?;
            let leading = part(node, all, 0, 1, None, Some(-2))?;
            dims = if own.is_empty() {
                leading
            } else {
                node.concatenated(&[leading, dims], 0)?
            };
        }
        node.add(Reshape {}, &[value, dims])
    }
}

/// What elimination leaves: the identity with what stood beside the matrix solved for, and the determinant of the matrix.
struct Eliminated {
    matrices: Value,
    determinant: Value,
    /// The sign of the determinant, and the logarithm of its amount.
    sign: Value,
    log: Value,
}

/// Adds an axis of one element.
fn widened(node: &mut Node<'_>, x: Value, axis: i32) -> Result<Value, Stop> {
    let axis = node.add_int(axis);
    node.add(ExpandDims {}, &[x, axis])
}

/// The numbers of rows, `[1, rows]`.
fn numbers(node: &mut Node<'_>, rows: usize) -> Value {
    node.add_const(Tensor::from_vec(&[1, rows], (0..rows as i32).collect()))
}

/// One number for each matrix.
fn each(node: &mut Node<'_>, matrices: Value, number: f32) -> Result<Value, Stop> {
    let count = node.extent(matrices, 0)?;
    let dims = node.packed(&[count])?;
    let number = node.add_const(Tensor::scalar(number));
    node.add(Fill {}, &[dims, number])
}

/// Elimination in square matrices with what stands to the right of them.
fn eliminated(node: &mut Node<'_>, matrices: Value, rows: usize) -> Result<Eliminated, Stop> {
    let (first, ones, zeros) = (node.add_int(0), each(node, matrices, 1.0)?, each(node, matrices, 0.0)?);
    let [_, matrices, determinant, sign, log] = node.looped(
        [first, matrices, ones, ones, zeros],
        |node, [at, ..]| {
            let rows = node.add_int(rows as i32);
            node.add(Less {}, &[at, rows])
        },
        |node, [at, matrices, determinant, sign, log]| {
            let rows = numbers(node, rows);
            let column = Gather { axis: 2, batch_dims: 0 };
            let row = Gather { axis: 1, batch_dims: 0 };
            // The row with the greatest amount in this column, of those that have not been taken.
            let amounts = node.add(column.clone(), &[matrices, at])?;
            let amounts = node.add(Abs {}, &[amounts])?;
            let open = node.add(GreaterEqual {}, &[rows, at])?;
            let never = node.number(-1.0, amounts)?;
            let amounts = node.add(SelectV2 {}, &[open, amounts, never])?;
            let axis = node.add_int(1);
            let best = node.add(ArgMax { dtype: DType::I32 }, &[amounts, axis])?;
            let best = widened(node, best, 1)?;
            // It changes places with the row whose turn it is.
            let here = node.add(Equal {}, &[rows, at])?;
            let there = node.add(Equal {}, &[rows, best])?;
            let order = node.add(SelectV2 {}, &[there, at, rows])?;
            let order = node.add(SelectV2 {}, &[here, best, order])?;
            let swapped = node.add(Gather { axis: 1, batch_dims: 1 }, &[matrices, order])?;
            let stays = node.add(Equal {}, &[best, at])?;
            let (same, turned) = (node.number(1.0, log)?, node.number(-1.0, log)?);
            let turn = node.add(SelectV2 {}, &[stays, same, turned])?;
            let flat = node.add_ints(&[-1]);
            let turn = node.add(Reshape {}, &[turn, flat])?;
            // The row divided by its pivot is subtracted from all others.
            let all = node.add(row.clone(), &[swapped, at])?;
            let pivot = node.add(row, &[all, at])?;
            let divisor = widened(node, pivot, 1)?;
            let unit = div(node, all, divisor)?;
            let factors = node.add(column, &[swapped, at])?;
            let zero = node.number(0.0, factors)?;
            let factors = node.add(SelectV2 {}, &[here, zero, factors])?;
            let (factors, unit, here) = (widened(node, factors, 2)?, widened(node, unit, 1)?, widened(node, here, 2)?);
            let less = mul(node, factors, unit)?;
            let rest = sub(node, swapped, less)?;
            let rest = node.add(SelectV2 {}, &[here, unit, rest])?;

            let signed = mul(node, pivot, turn)?;
            let pivot_sign = node.add(Sign {}, &[signed])?;
            let amount = node.add(Abs {}, &[pivot])?;
            let amount = node.add(Log {}, &[amount])?;
            Ok([
                plus(node, at, 1.0)?,
                rest,
                mul(node, determinant, signed)?,
                mul(node, sign, pivot_sign)?,
                add(node, log, amount)?,
            ])
        },
    )?;
    Ok(Eliminated {
        matrices,
        determinant,
        sign,
        log,
    })
}

/// The solutions of square systems.
fn solved(node: &mut Node<'_>, systems: &Batch, right: &Batch) -> Imported {
    if systems.rows != right.rows || systems.source.1 != right.source.1 {
        return Err(Stop::Foreign);
    }
    let both = node.concatenated(&[systems.matrices, right.matrices], 2)?;
    let done = eliminated(node, both, systems.rows)?;
    let solution = part(node, done.matrices, 2, 3, Some(systems.columns as i32), None)?;
    one(right.spread(node, solution, &[right.rows, right.columns])?)
}

pub(super) fn solve(node: &mut Node<'_>) -> Imported {
    let (systems, right) = (node.value(0)?, node.value(1)?);
    let mut systems = Batch::square(node, systems)?;
    if node.attr_bool("adjoint") {
        systems = systems.transposed(node)?;
    }
    let right = Batch::of(node, right)?;
    solved(node, &systems, &right)
}

/// Of the matrix only one triangle counts.
pub(super) fn triangular_solve(node: &mut Node<'_>) -> Imported {
    let (systems, right) = (node.value(0)?, node.value(1)?);
    let mut systems = Batch::square(node, systems)?;
    let below = below_diagonal(node, systems.matrices)?;
    let zero = node.add_int(0);
    let counts = if node.attr_bool_or("lower", true) {
        node.add(GreaterEqual {}, &[below, zero])?
    } else {
        node.add(LessEqual {}, &[below, zero])?
    };
    let zero = node.number(0.0, systems.matrices)?;
    systems.matrices = node.add(SelectV2 {}, &[counts, systems.matrices, zero])?;
    if node.attr_bool("adjoint") {
        systems = systems.transposed(node)?;
    }
    let right = Batch::of(node, right)?;
    solved(node, &systems, &right)
}

pub(super) fn inverse(node: &mut Node<'_>) -> Imported {
    let systems = node.value(0)?;
    let mut systems = Batch::square(node, systems)?;
    if node.attr_bool("adjoint") {
        systems = systems.transposed(node)?;
    }
    let count = node.extent(systems.matrices, 0)?;
    let rows = node.add_int(systems.rows as i32);
    let dims = node.packed(&[count, rows])?;
    let unit = node.add_const(Tensor::scalar(1.0f32));
    let ones = node.add(Fill {}, &[dims, unit])?;
    let identity = Batch {
        matrices: node.add(MatrixDiag {}, &[ones])?,
        ..systems
    };
    solved(node, &systems, &identity)
}

pub(super) fn determinant(node: &mut Node<'_>) -> Imported {
    let systems = node.value(0)?;
    let systems = Batch::square(node, systems)?;
    let done = eliminated(node, systems.matrices, systems.rows)?;
    one(systems.spread(node, done.determinant, &[])?)
}

pub(super) fn log_determinant(node: &mut Node<'_>) -> Imported {
    let systems = node.value(0)?;
    let systems = Batch::square(node, systems)?;
    let done = eliminated(node, systems.matrices, systems.rows)?;
    many(vec![systems.spread(node, done.sign, &[])?, systems.spread(node, done.log, &[])?])
}

/// `Cholesky`: the lower triangular factor of a positive definite matrix, of which the lower triangle counts.
pub(super) fn cholesky(node: &mut Node<'_>) -> Imported {
    let systems = node.value(0)?;
    let systems = Batch::square(node, systems)?;
    let count = systems.rows;
    let (first, none) = (node.add_int(0), node.add(ZerosLike {}, &[systems.matrices])?);
    let [_, _, factor] = node.looped(
        [first, systems.matrices, none],
        |node, [at, ..]| {
            let rows = node.add_int(count as i32);
            node.add(Less {}, &[at, rows])
        },
        |node, [at, rest, factor]| {
            let column = node.add(Gather { axis: 2, batch_dims: 0 }, &[rest, at])?;
            let pivot = node.add(Gather { axis: 1, batch_dims: 0 }, &[column, at])?;
            let scale = node.add(Rsqrt {}, &[pivot])?;
            let scale = widened(node, scale, 1)?;
            let column = mul(node, column, scale)?;
            let rows = numbers(node, count);
            let open = node.add(GreaterEqual {}, &[rows, at])?;
            let zero = node.number(0.0, column)?;
            let column = node.add(SelectV2 {}, &[open, column, zero])?;
            let (down, across) = (widened(node, column, 2)?, widened(node, column, 1)?);
            let product = mul(node, down, across)?;
            let (columns, on) = (node.add_int(count as i32), node.number(1.0, column)?);
            let place = node.add(OneHot { axis: -1 }, &[at, columns, on, zero])?;
            let placed = mul(node, down, place)?;
            Ok([plus(node, at, 1.0)?, sub(node, rest, product)?, add(node, factor, placed)?])
        },
    )?;
    one(systems.spread(node, factor, &[count, count])?)
}
