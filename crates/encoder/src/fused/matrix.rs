//! Products of matrices, on one core each: who calls them decides what runs side by side.

use gemm::Parallelism;

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
#[expect(unsafe_code, reason = "`gemm` takes pointers; what they point to is checked here")]
pub(super) fn multiply(out: &mut [f32], stride: usize, before: Before, a: Matrix<'_>, b: Matrix<'_>, scale: f32) {
    let (rows, columns, inner) = (a.rows, b.columns, a.columns);
    if rows == 0 || columns == 0 {
        return;
    }
    assert_eq!(inner, b.rows, "as many columns as rows");
    assert!(columns <= stride && (rows - 1) * stride + columns <= out.len(), "the product has room");
    assert!(a.is_whole() && b.is_whole(), "the factors are all there");
    let strides = |matrix: &Matrix<'_>| matrix.strides.map(usize::cast_signed);
    let ([a_row, a_column], [b_row, b_column]) = (strides(&a), strides(&b));
    // SAFETY: the assertions above say that the last number of each of the three matrices lies within its slice, strides are not
    // negative, and `out` is borrowed alone. `gemm` reads and writes nothing else, and chooses instructions that this machine has.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            stride.cast_signed(),
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
    #[should_panic(expected = "the factors are all there")]
    fn a_matrix_that_ends_too_soon_is_not_read_beyond_its_end() {
        let a = [1.0_f32; 4];
        let short = Matrix { values: &a, rows: 3, columns: 2, strides: [2, 1] };
        multiply(&mut [0.0; 6], 2, Before::Overwritten, short, Matrix::new(&a, 2), 1.0);
    }
}
