//! Products of matrices, on one core each: who calls them decides what runs side by side.

use std::{marker::PhantomData, mem::MaybeUninit, ops::Range};

use gemm::Parallelism;
use rayon::prelude::*;

/// Columns of a product, and rows of a sum of products, that are one piece of work.
const WIDE: usize = 192;
const HIGH: usize = 96;

/// A matrix that is read, or a part of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// Numbers from a row to the next, and from a column to the next.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// All of `values`, row by row.
    pub(super) fn new(values: &'a [f32], columns: usize) -> Self {
        Self { values, rows: values.len() / columns, columns, strides: [columns, 1] }
    }

    /// Some columns.
    pub(super) fn columns(self, first: usize, columns: usize) -> Self {
        let values = self.values.get(first * self.strides[1]..).unwrap_or_default();
        Self { values, columns, ..self }
    }

    pub(super) fn transposed(self) -> Self {
        let [row, column] = self.strides;
        Self { rows: self.columns, columns: self.rows, strides: [column, row], ..self }
    }

    fn is_whole(&self) -> bool {
        self.rows == 0 || self.columns == 0 || (self.rows - 1) * self.strides[0] + (self.columns - 1) * self.strides[1] < self.values.len()
    }
}

/// What becomes of the numbers that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Overwritten,
    Added,
}

/// `out = scale · a · b`, or that added to `out`, whose rows begin `stride` numbers apart.
pub(super) fn multiply(out: &mut [f32], stride: usize, before: Before, a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    Place::new(out, stride, a.rows, b.columns).multiply(before, a, b, scale);
}

/// As [`multiply`], with the columns of `out` shared out among the cores: for products with so few rows that preparing `b` is much of
/// the work. Which columns go together does not depend on how many cores there are.
pub(super) fn multiply_wide(out: &mut [f32], stride: usize, before: Before, a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    let out = Place::new(out, stride, a.rows, b.columns);
    (0..b.columns.div_ceil(WIDE)).into_par_iter().for_each(|part| {
        let (first, columns) = (part * WIDE, WIDE.min(b.columns - part * WIDE));
        out.columns(first, columns).multiply(before, a, b.columns(first, columns), scale);
    });
}

/// The sum of products `a · b`, `[rows, columns]`, some rows of it at a time on each core. `factors` says what is summed for some rows.
pub(super) fn sum_of_products<'a, I>(rows: usize, columns: usize, factors: impl Fn(Range<usize>) -> I + Sync) -> Vec<f32>
where
    I: Iterator<Item = (Matrix<'a>, Matrix<'a>)>,
{
    let mut values: Vec<f32> = Vec::with_capacity(rows * columns);
    let room = &mut values.spare_capacity_mut()[..rows * columns];
    room.par_chunks_mut(HIGH * columns).enumerate().for_each(|(piece, out)| {
        let first = piece * HIGH;
        let mut before = Before::Overwritten;
        for (a, b) in factors(first..first + out.len() / columns) {
            Place::of_room(out, columns).multiply(before, a, b, 1.0);
            before = Before::Added;
        }
        if before == Before::Overwritten {
            out.fill(MaybeUninit::new(0.0));
        }
    });
    // SAFETY: there is room for so many numbers, and each piece of it was written: by its first product, or filled where there was none.
    #[expect(unsafe_code, reason = "filling memory with zeros that are overwritten at once took a tenth of a step")]
    unsafe {
        values.set_len(rows * columns);
    }
    values
}

/// Where a product goes: `rows` × `columns` numbers, which nobody else holds as long as this lives.
#[derive(Clone, Copy)]
struct Place<'a> {
    start: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

#[expect(unsafe_code, reason = "a place is handed to several cores, each of which writes columns of its own")]
// SAFETY: a place stands for a slice that is borrowed alone; only `multiply_wide` shares one, and its pieces do not overlap.
unsafe impl Send for Place<'_> {}
#[expect(unsafe_code, reason = "as above")]
// SAFETY: as above.
unsafe impl Sync for Place<'_> {}

impl<'a> Place<'a> {
    fn new(out: &'a mut [f32], stride: usize, rows: usize, columns: usize) -> Self {
        let fits = rows == 0 || columns == 0 || columns <= stride && (rows - 1) * stride + columns <= out.len();
        assert!(fits, "the product has room");
        Self { start: out.as_mut_ptr(), rows, columns, stride, borrowed: PhantomData }
    }

    /// Whole rows that hold nothing yet.
    fn of_room(out: &'a mut [MaybeUninit<f32>], columns: usize) -> Self {
        let rows = out.len() / columns;
        Self { start: out.as_mut_ptr().cast(), rows, columns, stride: columns, borrowed: PhantomData }
    }

    fn columns(self, first: usize, columns: usize) -> Self {
        assert!(first + columns <= self.columns, "the columns are there");
        Self { start: self.start.wrapping_add(first), columns, ..self }
    }

    fn multiply(self, before: Before, a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
        if self.rows == 0 || self.columns == 0 {
            return;
        }
        assert_eq!((self.rows, a.columns, b.columns), (a.rows, b.rows, self.columns), "the matrices fit together");
        assert!(a.is_whole() && b.is_whole(), "the factors are all there");
        let strides = |matrix: &Matrix<'_>| matrix.strides.map(usize::cast_signed);
        let ([a_row, a_column], [b_row, b_column]) = (strides(&a), strides(&b));
        // SAFETY: `Place` has room for all rows and columns, and nobody else holds them; the assertions say that the last number of each
        // factor lies within its slice. Strides are not negative. `gemm` reads and writes nothing else (what is to be overwritten it does
        // not read, and without anything to multiply it writes zeros), and chooses instructions that this machine has.
        #[expect(unsafe_code, reason = "`gemm` takes pointers; what they point to is checked here")]
        unsafe {
            gemm::gemm(
                self.rows,
                self.columns,
                a.columns,
                self.start,
                1,
                self.stride.cast_signed(),
                before == Before::Added,
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_transposes_multiply_as_by_hand() {
        let a: Vec<f32> = (0..6).map(|value| value as f32).collect();
        let b: Vec<f32> = (0..12).map(|value| value as f32 - 3.0).collect();
        let (a, b) = (Matrix::new(&a, 3), Matrix::new(&b, 4));
        // [0 1 2; 3 4 5] · the middle two columns of [-3 -2 -1 0; 1 2 3 4; 5 6 7 8]
        let mut out = vec![1.0; 2 * 3];
        multiply(&mut out, 3, Before::Overwritten, a, b.columns(1, 2), 2.0);
        assert_eq!(out, [28.0, 34.0, 1.0, 64.0, 88.0, 1.0]);
        multiply(&mut out, 3, Before::Added, a, b.columns(1, 2), -2.0);
        assert_eq!(out, [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        let mut gram = vec![0.0; 9];
        multiply(&mut gram, 3, Before::Overwritten, a.transposed(), a, 1.0);
        assert_eq!(gram, [9.0, 12.0, 15.0, 12.0, 17.0, 22.0, 15.0, 22.0, 29.0]);
    }

    #[test]
    fn columns_and_rows_that_are_shared_out_give_the_whole() {
        let (rows, inner, columns) = (5, 7, 2 * WIDE + 3);
        let a: Vec<f32> = (0..rows * inner).map(|value| (value % 5) as f32).collect();
        let b: Vec<f32> = (0..inner * columns).map(|value| (value % 7) as f32).collect();
        let (a, b) = (Matrix::new(&a, inner), Matrix::new(&b, columns));
        let [mut one, mut wide] = [(); 2].map(|()| vec![1.0; rows * columns]);
        multiply(&mut one, columns, Before::Added, a, b, 1.0);
        multiply_wide(&mut wide, columns, Before::Added, a, b, 1.0);
        assert_eq!(one, wide);

        // bᵀ · b, twice: more rows than one piece has
        let twice = sum_of_products(columns, columns, |rows| std::iter::repeat_n((b.columns(rows.start, rows.len()).transposed(), b), 2));
        let mut expected = vec![0.0; columns * columns];
        multiply(&mut expected, columns, Before::Overwritten, b.transposed(), b, 2.0);
        assert_eq!(twice, expected);
        assert_eq!(sum_of_products(2, 3, |_| std::iter::empty()), [0.0; 6]);
        let nothing = Matrix { values: &[], rows: 2, columns: 0, strides: [0, 1] };
        assert_eq!(sum_of_products(2, 3, |_| std::iter::once((nothing, Matrix::new(&[], 3)))), [0.0; 6]);
    }

    #[test]
    #[should_panic(expected = "the factors are all there")]
    fn a_matrix_that_ends_too_soon_is_not_read_beyond_its_end() {
        let a = [1.0_f32; 4];
        let short = Matrix { values: &a, rows: 3, columns: 2, strides: [2, 1] };
        multiply(&mut [0.0; 6], 2, Before::Overwritten, short, Matrix::new(&a, 2), 1.0);
    }
}
