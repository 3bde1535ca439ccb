//! Diagonals of matrices, and what lies beside them.

use planish_core::graph::Value;
use planish_core::op::{Equal, ExpandDims, GreaterEqual, LessEqual, LogicalAnd, MatrixDiag, MatrixSetDiag, SelectV2, Sum};

use super::binary::sub;
use super::movement::part;
use super::node::{Node, one};
use super::{Imported, Stop};

pub(super) fn matrix_diag(node: &mut Node<'_>) -> Imported {
    // The newer forms have a place, a size and a fill beside the diagonal; only the plain one has a kernel.
    if node.input_count() > 1 && (node.ints(1)?.iter().any(|&k| k != 0) || node.int(2)? != -1 || node.int(3)? != -1) {
        return Err(Stop::Foreign);
    }
    node.unary(MatrixDiag {})
}

/// `Diag` and `DiagPart` of what is known as a vector or a matrix.
pub(super) fn diag(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    if node.known_rank(x)? != 1 {
        return Err(Stop::Foreign);
    }
    node.unary(MatrixDiag {})
}

pub(super) fn diag_part(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    if node.known_rank(x)? != 2 {
        return Err(Stop::Foreign);
    }
    matrix_diag_part(node)
}

pub(super) fn matrix_set_diag(node: &mut Node<'_>) -> Imported {
    if node.input_count() > 2 && node.ints(2)?.iter().any(|&k| k != 0) {
        return Err(Stop::Foreign);
    }
    node.binary(MatrixSetDiag {})
}

/// The elements at most `lower` below and `upper` above the diagonal; a negative number means all of them.
pub(super) fn matrix_band_part(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let (lower, upper) = (node.int(1)?, node.int(2)?);
    let below = below_diagonal(node, x)?;
    let mut inside: Option<Value> = None;
    if let Ok(lower) = i32::try_from(lower)
        && lower >= 0
    {
        let lower = node.add_int(lower);
        inside = Some(node.add(LessEqual {}, &[below, lower])?);
    }
    if let Ok(upper) = i32::try_from(upper)
        && upper >= 0
    {
        let upper = node.add_int(-upper);
        let near = node.add(GreaterEqual {}, &[below, upper])?;
        inside = Some(match inside {
            Some(other) => node.add(LogicalAnd {}, &[other, near])?,
            None => near,
        });
    }
    let Some(inside) = inside else { return one(x) };
    let zero = node.number(0.0, x)?;
    one(node.add(SelectV2 {}, &[inside, x, zero])?)
}

/// How far each element of a matrix lies below its diagonal.
pub(super) fn below_diagonal(node: &mut Node<'_>, x: Value) -> Result<Value, Stop> {
    let rank = node.known_rank(x)?;
    if rank < 2 {
        return Err(node.error("its input is no matrix"));
    }
    let (height, width) = (node.extent(x, rank - 2)?, node.extent(x, rank - 1)?);
    let rows = node.numbers_below(height)?;
    let axis = node.add_int(1);
    let rows = node.add(ExpandDims {}, &[rows, axis])?;
    let columns = node.numbers_below(width)?;
    sub(node, rows, columns)
}

/// One diagonal, as the sum of each row in which all else is zero; the rows that it does not reach are cut off.
pub(super) fn matrix_diag_part(node: &mut Node<'_>) -> Imported {
    let x = node.value(0)?;
    let above = match node.input_count() {
        1 => 0,
        // The newer forms may take several diagonals at once.
        _ => match node.ints(1)?[..] {
            [k] => k,
            [first, last] if first == last => first,
            _ => return Err(Stop::Foreign),
        },
    };
    let rank = node.known_rank(x)?;
    let extents = rank
        .checked_sub(2)
        .map(|row| [row, row + 1].map(|axis| node.shape(x).dim(axis).known().map(|n| n as i64)));
    let Some([Some(rows), Some(columns)]) = extents else {
        return Err(Stop::Foreign);
    };
    let (first, end) = ((-above).max(0), rows.min(columns - above));
    let (Ok(first_row), Ok(end_row), Ok(above)) = (i32::try_from(first), i32::try_from(end), i32::try_from(above)) else {
        return Err(Stop::Foreign);
    };
    if first >= end {
        return Err(node.error(format!("a matrix of {rows} rows and {columns} columns has no diagonal {above}")));
    }
    let below = below_diagonal(node, x)?;
    let place = node.add_int(-above);
    let on = node.add(Equal {}, &[below, place])?;
    let zero = node.number(0.0, x)?;
    let alone = node.add(SelectV2 {}, &[on, x, zero])?;
    let axes = node.add_ints(&[rank as i32 - 1]);
    let sums = node.add(Sum { keep_dims: false }, &[alone, axes])?;
    if first == 0 && end == rows {
        return one(sums);
    }
    one(part(node, sums, rank - 2, rank - 1, Some(first_row), Some(end_row))?)
}
