//! A strided view of a matrix, so that a transposed operand costs nothing until it is packed.

/// A view of `rows × columns` elements, of which element `(r, c)` is at `r · row_stride + c · column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T: Copy> Matrix<'a, T> {
    /// Rows one after the other.
    ///
    /// # Panics
    /// When `data` is not `rows · columns` elements.
    pub fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert!(
            rows.checked_mul(columns) == Some(data.len()),
            "a matrix of {rows} by {columns} over {} elements",
            data.len()
        );
        Matrix {
            data,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// Any strides.
    ///
    /// # Panics
    /// When an element lies outside `data`.
    pub fn strided(data: &'a [T], rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> Self {
        if rows > 0 && columns > 0 {
            let row = (rows - 1).checked_mul(row_stride);
            let column = (columns - 1).checked_mul(column_stride);
            let last = row.zip(column).and_then(|(row, column)| row.checked_add(column));
            assert!(last.is_some_and(|last| last < data.len()), "a matrix that reaches past its data");
        }
        Matrix {
            data,
            rows,
            columns,
            row_stride,
            column_stride,
        }
    }

    /// Rows for columns; moves nothing.
    pub fn transposed(self) -> Self {
        Matrix {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The distance between the starts of two rows.
    pub(crate) fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// One element.
    #[inline(always)]
    pub fn at(&self, row: usize, column: usize) -> T {
        self.data[row * self.row_stride + column * self.column_stride]
    }

    /// One row, if its elements lie side by side.
    #[inline]
    pub fn row(&self, row: usize) -> Option<&'a [T]> {
        if self.columns == 0 {
            return Some(&[]);
        }
        (self.column_stride == 1 || self.columns == 1).then(|| &self.data[row * self.row_stride..][..self.columns])
    }

    /// The elements from the first on, if every row's elements lie side by side.
    pub(crate) fn as_rows(&self) -> Option<&'a [T]> {
        (self.column_stride == 1 || self.columns <= 1).then_some(self.data)
    }

    /// Some of the rows.
    pub(crate) fn rows_from(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.rows, "rows inside the matrix");
        let start = if count == 0 || self.columns == 0 {
            0
        } else {
            first * self.row_stride
        };
        Matrix {
            data: &self.data[start..],
            rows: count,
            ..self
        }
    }
}
