//! Copies elements of a strided view into row-major order, as fast as memory gives them where the view is a transposition.

/// Rows and columns of a transposition that are turned together: a cache line of 4-byte elements either way.
const TILE: usize = 16;
/// Rows of a transposition that are read together: some neighbouring cache lines, which memory gives faster than single ones.
pub(super) const BAND: usize = 4 * TILE;

/// How many elements a row of the transposed matrix has that a view's last two dimensions are, if they are one.
pub(super) fn turned_columns(dims: &[usize], strides: &[isize]) -> Option<usize> {
    match merged(dims, strides)[..] {
        [.., (_, 1), (columns, step)] if step > 1 => Some(columns),
        _ => None,
    }
}

/// The rows, the columns and the distance of these in memory where a view is one transposed matrix.
pub(super) fn turned_matrix(dims: &[usize], strides: &[isize]) -> Option<[usize; 3]> {
    match merged(dims, strides)[..] {
        [(rows, 1), (columns, step)] if step >= rows as isize => Some([rows, columns, step as usize]),
        _ => None,
    }
}

/// Copies the elements from `first` on, in row-major order, until `out` is full. Extents and strides count elements.
pub(super) fn gather<const SIZE: usize>(dims: &[usize], strides: &[isize], origin: usize, data: &[u8], first: usize, out: &mut [u8]) {
    let axes = merged(dims, strides);
    let (data, _) = data.as_chunks::<SIZE>();
    let (out, _) = out.as_chunks_mut::<SIZE>();
    let (outer, block) = match axes[..] {
        // The last two dimensions are a matrix that lies transposed.
        [ref outer @ .., (rows, 1), (columns, step)] if step > 1 => (outer, Block { rows, columns, step }),
        [ref outer @ .., (columns, step)] => (outer, Block { rows: 1, columns, step }),
        [] => (
            &axes[..],
            Block {
                rows: 1,
                columns: 1,
                step: 1,
            },
        ),
    };
    let len = block.rows * block.columns;
    let (mut number, mut from, mut done) = (first / len, first % len, 0);
    while done < out.len() {
        let count = (len - from).min(out.len() - done);
        let base = origin as isize + offset(outer, number);
        block.copy(data, base, from, &mut out[done..done + count]);
        done += count;
        number += 1;
        from = 0;
    }
}

/// Extents and strides without dimensions of 1, neighbours that lie one after the other taken as one dimension.
fn merged(dims: &[usize], strides: &[isize]) -> Vec<(usize, isize)> {
    let mut axes: Vec<(usize, isize)> = Vec::with_capacity(dims.len());
    for (&extent, &stride) in dims.iter().zip(strides).filter(|(extent, _)| **extent != 1) {
        match axes.last_mut() {
            Some(last) if last.1 == stride * extent as isize => *last = (last.0 * extent, stride),
            _ => axes.push((extent, stride)),
        }
    }
    axes
}

/// How far from the first the block `number` lies.
fn offset(outer: &[(usize, isize)], mut number: usize) -> isize {
    let mut offset = 0;
    for &(extent, stride) in outer.iter().rev() {
        offset += (number % extent) as isize * stride;
        number /= extent;
    }
    offset
}

/// Rows whose first elements are neighbours, if there is more than one, and whose elements lie `step` apart.
#[derive(Clone, Copy)]
struct Block {
    rows: usize,
    columns: usize,
    step: isize,
}

impl Block {
    /// Copies elements `from ..` of the block whose first one is `data[base]`.
    fn copy<const SIZE: usize>(self, data: &[[u8; SIZE]], base: isize, from: usize, out: &mut [[u8; SIZE]]) {
        let (mut row, column) = (from / self.columns, from % self.columns);
        let mut rest = out;
        if column > 0 {
            let (head, tail) = rest.split_at_mut(rest.len().min(self.columns - column));
            self.copy_row(data, base + row as isize, column, head);
            (rest, row) = (tail, row + 1);
        }
        while rest.len() >= TILE * self.columns && self.rows > 1 {
            let tiles = (rest.len() / (TILE * self.columns)).min(BAND / TILE);
            let (rows, tail) = rest.split_at_mut(tiles * TILE * self.columns);
            self.turn(data, base as usize + row, rows);
            (rest, row) = (tail, row + tiles * TILE);
        }
        for part in rest.chunks_mut(self.columns) {
            self.copy_row(data, base + row as isize, 0, part);
            row += 1;
        }
    }

    fn copy_row<const SIZE: usize>(self, data: &[[u8; SIZE]], base: isize, column: usize, out: &mut [[u8; SIZE]]) {
        let mut at = base + column as isize * self.step;
        if self.step == 1 {
            out.copy_from_slice(&data[at as usize..at as usize + out.len()]);
            return;
        }
        for cell in out {
            *cell = data[at as usize];
            at += self.step;
        }
    }

    /// Copies some times [`TILE`] whole rows: tile by tile, so that each cache line is used up when it is read.
    fn turn<const SIZE: usize>(self, data: &[[u8; SIZE]], base: usize, out: &mut [[u8; SIZE]]) {
        let mut column = 0;
        while column + TILE <= self.columns {
            for (band, out) in out.chunks_exact_mut(TILE * self.columns).enumerate() {
                let mut tile = [[[0u8; SIZE]; TILE]; TILE];
                for (c, line) in tile.iter_mut().enumerate() {
                    let start = base + band * TILE + (column + c) * self.step as usize;
                    line.copy_from_slice(&data[start..start + TILE]);
                }
                for r in 0..TILE {
                    let start = r * self.columns + column;
                    let cells = &mut out[start..start + TILE];
                    for c in 0..TILE {
                        cells[c] = tile[c][r];
                    }
                }
            }
            column += TILE;
        }
        let rows = out.len() / self.columns;
        for c in column..self.columns {
            let start = base + c * self.step as usize;
            for (r, cell) in data[start..start + rows].iter().enumerate() {
                out[r * self.columns + c] = *cell;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_view_is_gathered_element_by_element(
            dims in prop::collection::vec(1usize..90, 1..4),
            turn in 0usize..6,
            drop_axis in prop::option::of(0usize..3),
            range in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        ) {
            let rank = dims.len();
            let mut natural = vec![1isize; rank];
            for axis in (0..rank - 1).rev() {
                natural[axis] = natural[axis + 1] * dims[axis + 1] as isize;
            }
            if let Some(axis) = drop_axis.filter(|&a| a < rank) {
                natural[axis] = 0;
            }
            let mut order: Vec<usize> = (0..rank).collect();
            order.rotate_left(turn % rank);
            if turn > 2 {
                order.reverse();
            }
            let (extents, strides): (Vec<usize>, Vec<isize>) = order.iter().map(|&a| (dims[a], natural[a])).unzip();
            let count: usize = dims.iter().product();
            let data: Vec<u8> = (0..count as u32 + 7).flat_map(u32::to_le_bytes).collect();
            let (a, b) = (range.0.index(count + 1), range.1.index(count + 1));
            let (first, last) = (a.min(b), a.max(b));
            let mut out = vec![0u8; (last - first) * 4];
            gather::<4>(&extents, &strides, 7, &data, first, &mut out);
            for (i, cell) in (first..last).zip(out.chunks(4)) {
                let mut rest = i;
                let mut at = 7;
                for (&extent, &stride) in extents.iter().zip(&strides).rev() {
                    at += (rest % extent) as isize * stride;
                    rest /= extent;
                }
                prop_assert_eq!(u32::from_le_bytes(cell.try_into().unwrap()), at as u32);
            }
        }
    }
}
