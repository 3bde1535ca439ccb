//! The loop nest around the tiles, written once for every operation, precision and instruction set.

use std::ops::Range;

use super::panels::Panels;
use crate::arch::{Block, Clamp, RowScale, Rows, Tile};

/// Products of fewer multiplications than this are not worth a second thread.
const PARALLEL_WORK: usize = 1 << 21;

/// The bytes of left operand that one chunk of rows may take: a part of the second-level cache.
const CHUNK_BYTES: usize = 128 << 10;

/// The most rows of any tile.
const MOST_ROWS: usize = 16;

/// Where the rows of the left operand come from.
pub(crate) trait Source<L>: Sync {
    /// Some rows as a slice and the distance between their starts; they may be gathered into `scratch` first.
    fn rows<'s>(&'s self, rows: Range<usize>, scratch: &'s mut Vec<L>) -> (&'s [L], usize);

    /// How the elements of a row stand for reals, for a hybrid product.
    fn scale(&self, row: usize) -> Option<RowScale>;
}

/// Rows that lie in memory as the tile wants them.
pub(crate) struct InPlace<'a, L> {
    /// The elements from the first row on.
    pub(crate) data: &'a [L],
    /// The distance between the starts of two rows.
    pub(crate) stride: usize,
    /// One entry for each `rows_per_scale` rows; empty for a float product.
    pub(crate) scales: &'a [RowScale],
    /// How many rows share a scale.
    pub(crate) rows_per_scale: usize,
}

impl<L: Sync> Source<L> for InPlace<'_, L> {
    fn rows<'s>(&'s self, rows: Range<usize>, _: &'s mut Vec<L>) -> (&'s [L], usize) {
        (&self.data[rows.start * self.stride..], self.stride)
    }

    fn scale(&self, row: usize) -> Option<RowScale> {
        self.scales.get(row / self.rows_per_scale).copied()
    }
}

/// Multiplies all rows of `out` by all panels.
pub(crate) fn product<T: Tile>(source: &impl Source<T::Left>, panels: &Panels<T>, out: Block<'_>, clamp: Clamp) {
    let rows = out.rows();
    if rows == 0 || panels.outputs() == 0 {
        return;
    }
    assert!(out.columns() == panels.outputs(), "an output as wide as the weights");
    let work = rows.saturating_mul(panels.outputs()).saturating_mul(panels.depth());
    let threads = if work < PARALLEL_WORK { 1 } else { rayon::current_num_threads() };
    let pieces = if threads == 1 { 1 } else { (work / PARALLEL_WORK).min(4 * threads) };
    split(source, panels, 0..rows, 0..panels.count(), out, clamp, pieces);
}

/// Halves the longer side until there are as many pieces as wanted. Every element is computed the same way in any piece.
fn split<T: Tile>(
    source: &impl Source<T::Left>,
    panels: &Panels<T>,
    rows: Range<usize>,
    columns: Range<usize>,
    out: Block<'_>,
    clamp: Clamp,
    pieces: usize,
) {
    let blocks = rows.len().div_ceil(T::MR);
    if pieces < 2 || (blocks < 2 && columns.len() < 2) {
        return chunks(source, panels, rows, columns, out, clamp);
    }
    if blocks >= columns.len() {
        let half = blocks / 2 * T::MR;
        let (top, bottom) = out.split_rows(half);
        let middle = rows.start + half;
        rayon::join(
            || split(source, panels, rows.start..middle, columns.clone(), top, clamp, pieces / 2),
            || split(source, panels, middle..rows.end, columns.clone(), bottom, clamp, pieces / 2),
        );
    } else {
        let half = columns.len() / 2;
        let (left, right) = out.split_columns(half * T::NR);
        let middle = columns.start + half;
        rayon::join(
            || split(source, panels, rows.clone(), columns.start..middle, left, clamp, pieces / 2),
            || split(source, panels, rows.clone(), middle..columns.end, right, clamp, pieces / 2),
        );
    }
}

/// The loops of one thread; `out` starts at the first of `rows` and of `columns` (counted in panels).
fn chunks<T: Tile>(
    source: &impl Source<T::Left>,
    panels: &Panels<T>,
    rows: Range<usize>,
    columns: Range<usize>,
    mut out: Block<'_>,
    clamp: Clamp,
) {
    let row_bytes = (panels.depth() * std::mem::size_of::<T::Left>()).max(1);
    let chunk = (CHUNK_BYTES / row_bytes / T::MR).clamp(4, 64) * T::MR;
    let mut scratch = Vec::new();
    let mut scales = [RowScale::default(); MOST_ROWS];
    for start in rows.clone().step_by(chunk) {
        let end = rows.end.min(start + chunk);
        let (left, stride) = source.rows(start..end, &mut scratch);
        for index in columns.clone() {
            let panel = panels.panel(index);
            let first = (index - columns.start) * T::NR;
            let width = T::NR.min(out.columns() - first);
            for row in (start..end).step_by(T::MR) {
                let count = T::MR.min(end - row);
                let mut known = 0;
                while let Some(scale) = source.scale(row + known).filter(|_| known < count) {
                    scales[known] = scale;
                    known += 1;
                }
                let from = if panels.depth() == 0 { 0 } else { (row - start) * stride };
                let block = Rows::new(&left[from..], stride, count, panels.depth(), &scales[..known]);
                let place = row - rows.start;
                panels
                    .tile
                    .run(block, panel, out.part(place..place + count, first..first + width), clamp);
            }
        }
    }
}
