//! What a tile reads and writes: rows of the left operand, a panel of packed weights, a block of the output.
//!
//! The constructors check every extent, so that a tile may index through raw pointers.

use std::marker::PhantomData;
use std::ops::Range;

/// The bounds that a fused activation puts on the output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clamp {
    /// The least output.
    pub min: f32,
    /// The greatest output.
    pub max: f32,
}

impl Clamp {
    /// No activation.
    pub const NONE: Clamp = Clamp {
        min: f32::NEG_INFINITY,
        max: f32::INFINITY,
    };
    /// `max(x, 0)`.
    pub const RELU: Clamp = Clamp {
        min: 0.0,
        max: f32::INFINITY,
    };
    /// `min(max(x, 0), 6)`.
    pub const RELU6: Clamp = Clamp { min: 0.0, max: 6.0 };
    /// `min(max(x, −1), 1)`.
    pub const RELU_N1_TO_1: Clamp = Clamp { min: -1.0, max: 1.0 };

    /// The value moved into the bounds; NaN stays NaN.
    #[inline(always)]
    pub fn apply(self, value: f32) -> f32 {
        let raised = if self.min > value { self.min } else { value };
        if self.max < raised { self.max } else { raised }
    }
}

/// How the quantized elements of one row stand for reals: `scale · (stored − zero_point)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowScale {
    /// The real value of one step.
    pub scale: f32,
    /// The stored value that means 0, in the units of the stored values (0..=255 for a tile's left operand).
    pub zero_point: i32,
}

/// Rows of the left operand: row `r` is the `depth` elements from `r · stride`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, L> {
    data: &'a [L],
    stride: usize,
    count: usize,
    depth: usize,
    scales: &'a [RowScale],
}

impl<'a, L> Rows<'a, L> {
    /// `scales` holds one entry a row for a hybrid product and is empty for a float one.
    ///
    /// # Panics
    /// When a row reaches past the data, or the scales are neither absent nor one a row.
    #[inline]
    pub fn new(data: &'a [L], stride: usize, count: usize, depth: usize, scales: &'a [RowScale]) -> Self {
        let reach = if count == 0 {
            0
        } else {
            (count - 1)
                .checked_mul(stride)
                .and_then(|start| start.checked_add(depth))
                .expect("a row offset within the address space")
        };
        assert!(reach <= data.len(), "rows that reach past their data");
        assert!(scales.is_empty() || scales.len() == count, "one scale a row");
        Rows {
            data,
            stride,
            count,
            depth,
            scales,
        }
    }

    /// The number of rows.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The elements of a row.
    #[inline]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The distance between the starts of two rows.
    #[inline]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// One row.
    #[inline]
    pub fn row(&self, row: usize) -> &'a [L] {
        &self.data[row * self.stride..][..self.depth]
    }

    /// How each row's elements stand for reals; empty for a float product.
    #[inline]
    pub fn scales(&self) -> &'a [RowScale] {
        self.scales
    }

    /// The address of the first row.
    #[inline]
    pub fn as_ptr(&self) -> *const L {
        self.data.as_ptr()
    }
}

/// Packed weights of `width` columns: element `k` of column `c` is at `(k / KR · width + c) · KR + k % KR`.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a, R> {
    values: &'a [R],
    width: usize,
    depth: usize,
    bias: &'a [f32],
    scales: &'a [f32],
    sums: &'a [i32],
}

impl<'a, R> Panel<'a, R> {
    /// `scales` and `sums` (the sum of each column's weights) are empty for a float product.
    ///
    /// # Panics
    /// When a length differs from what `width` and `depth` say.
    #[inline]
    pub fn new(values: &'a [R], width: usize, depth: usize, bias: &'a [f32], scales: &'a [f32], sums: &'a [i32]) -> Self {
        assert!(
            Some(values.len()) == width.checked_mul(depth),
            "a panel holds width times depth weights"
        );
        assert!(bias.len() == width, "one bias a column");
        assert!(
            scales.len() == sums.len() && (scales.is_empty() || scales.len() == width),
            "one scale and one sum a column"
        );
        Panel {
            values,
            width,
            depth,
            bias,
            scales,
            sums,
        }
    }

    /// The number of columns.
    #[inline]
    pub fn width(&self) -> usize {
        self.width
    }

    /// The elements of a column.
    #[inline]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The packed weights.
    #[inline]
    pub fn values(&self) -> &'a [R] {
        self.values
    }

    /// One bias a column.
    #[inline]
    pub fn bias(&self) -> &'a [f32] {
        self.bias
    }

    /// One scale a column; empty for a float product.
    #[inline]
    pub fn scales(&self) -> &'a [f32] {
        self.scales
    }

    /// The sum of each column's weights; empty for a float product.
    #[inline]
    pub fn sums(&self) -> &'a [i32] {
        self.sums
    }
}

/// A rectangle of a row-major output, exclusively borrowed; splits along both directions.
#[derive(Debug)]
pub struct Block<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: a block is an exclusive borrow of its elements, as `&mut [f32]` is, and `f32` may be sent.
unsafe impl Send for Block<'_> {}

impl<'a> Block<'a> {
    /// The rectangle whose row `r` is the `columns` elements from `r · stride`.
    ///
    /// # Panics
    /// When rows overlap or reach past the data.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize, stride: usize) -> Self {
        let reach = if rows == 0 {
            0
        } else {
            (rows - 1)
                .checked_mul(stride)
                .and_then(|start| start.checked_add(columns))
                .expect("a row offset within the address space")
        };
        assert!(columns <= stride && reach <= data.len(), "a block that its data does not hold");
        Block {
            start: data.as_mut_ptr(),
            rows,
            columns,
            stride,
            owner: PhantomData,
        }
    }

    /// The number of rows.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    #[inline]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The distance between the starts of two rows.
    #[inline]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The address of the first element.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.start
    }

    /// One row.
    ///
    /// # Panics
    /// When there is no such row.
    #[inline]
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.rows, "no such row");
        // SAFETY: `new` saw that row `row` of `columns` elements lies inside the borrowed data, and `&mut self` is the
        // only way to it while the result lives.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns) }
    }

    /// A part of the block.
    ///
    /// # Panics
    /// When the ranges are not inside the block.
    #[inline]
    pub fn part(&mut self, rows: Range<usize>, columns: Range<usize>) -> Block<'_> {
        assert!(
            rows.start <= rows.end && rows.end <= self.rows && columns.start <= columns.end && columns.end <= self.columns,
            "a part outside its block"
        );
        let start = if rows.is_empty() || columns.is_empty() {
            self.start
        } else {
            // SAFETY: the part is not empty and inside the block, so its first element is one of the block's.
            unsafe { self.start.add(rows.start * self.stride + columns.start) }
        };
        Block {
            start,
            rows: rows.len(),
            columns: columns.len(),
            stride: self.stride,
            owner: PhantomData,
        }
    }

    /// The rows before `row` and the others.
    ///
    /// # Panics
    /// When the block has fewer rows.
    pub fn split_rows(mut self, row: usize) -> (Block<'a>, Block<'a>) {
        let (rows, columns) = (self.rows, self.columns);
        let (top, bottom) = (self.part(0..row, 0..columns).start, self.part(row..rows, 0..columns).start);
        (
            Block {
                start: top,
                rows: row,
                ..self.shape()
            },
            Block {
                start: bottom,
                rows: rows - row,
                ..self.shape()
            },
        )
    }

    /// The columns before `column` and the others.
    ///
    /// # Panics
    /// When the block has fewer columns.
    pub fn split_columns(mut self, column: usize) -> (Block<'a>, Block<'a>) {
        let (rows, columns) = (self.rows, self.columns);
        let (left, right) = (self.part(0..rows, 0..column).start, self.part(0..rows, column..columns).start);
        (
            Block {
                start: left,
                columns: column,
                ..self.shape()
            },
            Block {
                start: right,
                columns: columns - column,
                ..self.shape()
            },
        )
    }

    /// The same extents for the halves of a split, which take over the borrow of the block that is given up.
    fn shape(&self) -> Block<'a> {
        Block {
            start: self.start,
            rows: self.rows,
            columns: self.columns,
            stride: self.stride,
            owner: PhantomData,
        }
    }
}
