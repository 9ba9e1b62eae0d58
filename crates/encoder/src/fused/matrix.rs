//! Matrix products, single-threaded unless stated otherwise.

use std::{marker::PhantomData, mem::MaybeUninit, ops::Range};

use gemm::Parallelism;
use rayon::prelude::*;

/// Columns of a product, and rows of a sum of products, that form one parallel task.
const COLUMNS_PER_TASK: usize = 192;
const ROWS_PER_TASK: usize = 96;

/// A view of a matrix or of a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// Distance between rows and between columns, in values.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// All of `values`, in row-major order.
    pub(super) fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, rows: values.len() / columns, columns, strides: [columns, 1] }
    }

    /// A range of columns.
    pub(super) fn columns(self, first: usize, columns: usize) -> Self {
        let values = self.values.get(first * self.strides[1]..).unwrap_or_default();
        Self { values, columns, ..self }
    }

    pub(super) fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self { rows: self.columns, columns: self.rows, strides: [column, row], ..self }
    }

    fn is_in_bounds(&self) -> bool {
        self.rows == 0 || self.columns == 0 || (self.rows - 1) * self.strides[0] + (self.columns - 1) * self.strides[1] < self.values.len()
    }
}

/// Whether a product overwrites the output or is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Overwrite,
    Add,
}

/// Computes `out = scale · a · b`, or adds that to `out`. The rows of `out` are `stride` values apart.
pub(super) fn multiply(out: &mut [f32], stride: usize, output: Output, a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    OutputBlock::new(out, stride, a.rows, b.columns).multiply(output, a, b, scale);
}

/// [`multiply`] with the columns of `out` computed in parallel: for products with few rows, where preparing `b` dominates. The division
/// into tasks does not depend on the number of threads.
pub(super) fn multiply_wide(out: &mut [f32], stride: usize, output: Output, a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    let out = OutputBlock::new(out, stride, a.rows, b.columns);
    // the last task takes the rest, too: `gemm` divides the sums of very narrow products differently
    let tasks = (b.columns / COLUMNS_PER_TASK).max(1);
    (0..tasks).into_par_iter().for_each(|task| {
        let first = task * COLUMNS_PER_TASK;
        let columns = if task + 1 == tasks { b.columns - first } else { COLUMNS_PER_TASK };
        out.columns(first, columns).multiply(output, a, b.columns(first, columns), scale);
    });
}

/// The sum of products `a · b`, `[rows, columns]`, computed in parallel by rows. `factors` returns the factors for a range of rows.
pub(super) fn sum_of_products<'a, I>(rows: usize, columns: usize, factors: impl Fn(Range<usize>) -> I + Sync) -> Vec<f32>
where
    I: Iterator<Item = (Matrix<'a>, Matrix<'a>)>,
{
    let mut values: Vec<f32> = Vec::with_capacity(rows * columns);
    let capacity = &mut values.spare_capacity_mut()[..rows * columns];
    capacity.par_chunks_mut(ROWS_PER_TASK * columns).enumerate().for_each(|(task, out)| {
        let first = task * ROWS_PER_TASK;
        let mut output = Output::Overwrite;
        for (a, b) in factors(first..first + out.len() / columns) {
            OutputBlock::uninitialized(out, columns).multiply(output, a, b, 1.0);
            output = Output::Add;
        }
        if output == Output::Overwrite {
            out.fill(MaybeUninit::new(0.0));
        }
    });
    // SAFETY: the capacity suffices, and every task wrote all of its values: with its first product, or with zeros if it had none.
    #[expect(unsafe_code, reason = "initializing memory that is overwritten right away took a tenth of a training step")]
    unsafe {
        values.set_len(rows * columns);
    }
    values
}

/// The output of a product: `rows` × `columns` values that are exclusively borrowed.
#[derive(Clone, Copy)]
struct OutputBlock<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

#[expect(unsafe_code, reason = "several threads write disjoint columns of one output")]
// SAFETY: an `OutputBlock` stands for an exclusively borrowed slice. Only `multiply_wide` shares one, and its column ranges are disjoint.
unsafe impl Send for OutputBlock<'_> {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Sync for OutputBlock<'_> {}

impl<'a> OutputBlock<'a> {
    fn new(out: &'a mut [f32], stride: usize, rows: usize, columns: usize) -> Self {
        let fits = rows == 0 || columns == 0 || columns <= stride && (rows - 1) * stride + columns <= out.len();
        assert!(fits, "the product must fit in the output");
        Self { start: out.as_mut_ptr(), rows, columns, stride, borrowed: PhantomData }
    }

    /// Uninitialized rows.
    fn uninitialized(out: &'a mut [MaybeUninit<f32>], columns: usize) -> Self {
        let rows = out.len() / columns;
        Self { start: out.as_mut_ptr().cast(), rows, columns, stride: columns, borrowed: PhantomData }
    }

    fn columns(self, first: usize, columns: usize) -> Self {
        assert!(first + columns <= self.columns, "the columns must be within the output");
        Self { start: self.start.wrapping_add(first), columns, ..self }
    }

    fn multiply(self, output: Output, a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
        if self.rows == 0 || self.columns == 0 {
            return;
        }
        if self.rows == 1 && a.rows == 1 {
            return self.multiply_row(output, a, b, scale);
        }
        assert_eq!((self.rows, a.columns, b.columns), (a.rows, b.rows, self.columns), "the shapes of the matrices must match");
        assert!(a.is_in_bounds() && b.is_in_bounds(), "the factors must be within their slices");
        let strides = |matrix: &Matrix<'_>| matrix.strides.map(usize::cast_signed);
        let ([a_row, a_column], [b_row, b_column]) = (strides(&a), strides(&b));
        // SAFETY: `OutputBlock` covers all rows and columns exclusively; the assertions guarantee that the last value of each factor lies
        // within its slice. Strides are not negative. `gemm` accesses nothing else (it does not read outputs that it overwrites, and writes
        // zeros if the inner dimension is 0), and selects instructions that this machine supports.
        #[expect(unsafe_code, reason = "`gemm` takes pointers, whose bounds are checked here")]
        unsafe {
            gemm::gemm(
                self.rows,
                self.columns,
                a.columns,
                self.start,
                1,
                self.stride.cast_signed(),
                output == Output::Add,
                a.values.as_ptr(),
                a_column,
                a_row,
                b.values.as_ptr(),
                b_column,
                b_row,
                1.0,
                scale,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }

    /// Computes a single row as one of two: `gemm` adds up the terms of a single row in another order, and a row must not depend on the
    /// number of rows.
    fn multiply_row(self, output: Output, a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
        // SAFETY: `OutputBlock` covers all columns of its row exclusively. The row is initialized if a product is added to it.
        #[expect(unsafe_code, reason = "the row may be uninitialized if it is overwritten")]
        let read = |column: usize| match output {
            Output::Overwrite => 0.0,
            Output::Add => unsafe { self.start.add(column).read() },
        };
        let row: Vec<f32> = (0..self.columns).map(read).collect();
        let mut both = row.repeat(2);
        // both rows are read from the same values
        let twice = Matrix { rows: 2, strides: [0, a.strides[1]], ..a };
        OutputBlock::new(&mut both, self.columns, 2, self.columns).multiply(output, twice, b, scale);
        for (column, value) in both[..self.columns].iter().enumerate() {
            // SAFETY: as above.
            #[expect(unsafe_code, reason = "as above")]
            unsafe {
                self.start.add(column).write(*value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_parts_and_transposes_match_a_manual_computation() {
        let a: Vec<f32> = (0..6).map(|value| value as f32).collect();
        let b: Vec<f32> = (0..12).map(|value| value as f32 - 3.0).collect();
        let (a, b) = (Matrix::new(&a, 3), Matrix::new(&b, 4));
        // [0 1 2; 3 4 5] · the middle two columns of [-3 -2 -1 0; 1 2 3 4; 5 6 7 8]
        let mut out = vec![1.0; 2 * 3];
        multiply(&mut out, 3, Output::Overwrite, a, b.columns(1, 2), 2.0);
        assert_eq!(out, [28.0, 34.0, 1.0, 64.0, 88.0, 1.0]);
        multiply(&mut out, 3, Output::Add, a, b.columns(1, 2), -2.0);
        assert_eq!(out, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        let mut gram = vec![0.0; 9];
        multiply(&mut gram, 3, Output::Overwrite, a.transposed(), a, 1.0);
        assert_eq!(gram, [9.0, 12.0, 15.0, 12.0, 17.0, 22.0, 15.0, 22.0, 29.0]);
    }

    #[test]
    fn parallel_products_equal_sequential_ones() {
        let (rows, inner, columns) = (5, 7, 2 * COLUMNS_PER_TASK + 3);
        let a: Vec<f32> = (0..rows * inner).map(|value| (value % 5) as f32).collect();
        let b: Vec<f32> = (0..inner * columns).map(|value| (value % 7) as f32).collect();
        let (a, b) = (Matrix::new(&a, inner), Matrix::new(&b, columns));
        let [mut one, mut wide] = [(); 2].map(|()| vec![1.0; rows * columns]);
        multiply(&mut one, columns, Output::Add, a, b, 1.0);
        multiply_wide(&mut wide, columns, Output::Add, a, b, 1.0);
        assert_eq!(one, wide);

        // bᵀ · b, twice: more rows than one task has
        let twice = sum_of_products(columns, columns, |rows| std::iter::repeat_n((b.columns(rows.start, rows.len()).transposed(), b), 2));
        let mut expected = vec![0.0; columns * columns];
        multiply(&mut expected, columns, Output::Overwrite, b.transposed(), b, 2.0);
        assert_eq!(twice, expected);
        assert_eq!(sum_of_products(2, 3, |_| std::iter::empty()), [0.0; 6]);
        let nothing = Matrix { values: &[], rows: 2, columns: 0, strides: [0, 1] };
        assert_eq!(sum_of_products(2, 3, |_| std::iter::once((nothing, Matrix::new(&[], 3)))), [0.0; 6]);
    }

    /// A vector of a text must not depend on the other texts of its batch, which only change the number of rows.
    #[test]
    fn a_row_of_a_product_does_not_depend_on_the_number_of_rows() {
        for (inner, columns) in [(32, 32), (32, 96), (384, 1152), (1536, 384), (768, 3072), (1024, 1024), (4096, 1024), (1024, 4096)] {
            let mut state = 1_u32;
            let mut random = |count: usize| -> Vec<f32> {
                let mut next = || {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 8) as f32 / (1 << 24) as f32 - 0.5
                };
                (0..count).map(|_| next()).collect()
            };
            let rows = 257;
            let (a, b) = (random(rows * inner), random(inner * columns));
            let product = |rows: usize, is_wide: bool| {
                let mut out = vec![0.25; rows * columns];
                let multiply = if is_wide { multiply_wide } else { multiply };
                multiply(&mut out, columns, Output::Add, Matrix::new(&a[..rows * inner], inner), Matrix::new(&b, columns), 1.0);
                out
            };
            let all = product(rows, false);
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            for rows in [1, 2, 3, 7, 8, 16, 31, 64, 65, 128, 200, 256, 257] {
                for is_wide in [false, true] {
                    let found = product(rows, is_wide);
                    assert!(bits(&found) == bits(&all[..rows * columns]), "{rows}x{inner} by {columns} columns, wide: {is_wide}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "the factors must be within their slices")]
    fn a_matrix_beyond_its_slice_is_rejected() {
        let a = [1.0_f32; 4];
        let short = Matrix { values: &a, rows: 3, columns: 2, strides: [2, 1] };
        multiply(&mut [0.0; 6], 2, Output::Overwrite, short, Matrix::new(&a, 2), 1.0);
    }
}
