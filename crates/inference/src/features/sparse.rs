//! Sparse feature vectors and matrices.

/// Sparse feature vector of a text. Its L2 norm is 1, or 0 if no feature occurs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseRow {
    /// Feature indices, ascending.
    pub indices: Vec<u32>,
    /// Feature values, parallel to the indices.
    pub values: Vec<f32>,
}

/// Sparse matrix in CSR format: row `i` is `offsets[i]..offsets[i + 1]` of `indices` and `values`.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    offsets: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
    columns: usize,
}

impl SparseRows {
    /// An empty matrix with the given number of columns.
    #[must_use]
    pub fn new(columns: usize) -> Self {
        Self { offsets: vec![0], indices: Vec::new(), values: Vec::new(), columns }
    }

    /// Appends a row.
    ///
    /// # Panics
    /// The row has an index beyond the number of columns.
    pub fn push(&mut self, row: &SparseRow) {
        assert!(row.indices.last().is_none_or(|last| (*last as usize) < self.columns), "feature index exceeds the number of columns");
        self.indices.extend_from_slice(&row.indices);
        self.values.extend_from_slice(&row.values);
        self.offsets.push(self.indices.len());
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether the matrix has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of columns (features).
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of stored (non-zero) values.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.indices.len()
    }

    /// Indices and values of a row.
    #[must_use]
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Selects rows in the given order.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut selected = Self::new(self.columns);
        for row in rows {
            let (indices, values) = self.row(*row);
            selected.indices.extend_from_slice(indices);
            selected.values.extend_from_slice(values);
            selected.offsets.push(selected.indices.len());
        }
        selected
    }

    /// The transposed matrix. The indices of each row are ascending.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut offsets = vec![0; self.columns + 1];
        for index in &self.indices {
            offsets[*index as usize + 1] += 1;
        }
        for column in 0..self.columns {
            offsets[column + 1] += offsets[column];
        }
        let mut next = offsets.clone();
        let mut indices = vec![0; self.indices.len()];
        let mut values = vec![0.0; self.values.len()];
        for row in 0..self.len() {
            let (columns, weights) = self.row(row);
            for (column, weight) in columns.iter().zip(weights) {
                let position = &mut next[*column as usize];
                indices[*position] = row as u32;
                values[*position] = *weight;
                *position += 1;
            }
        }
        Self { offsets, indices, values, columns: self.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> SparseRows {
        let mut rows = SparseRows::new(3);
        rows.push(&SparseRow { indices: vec![0, 2], values: vec![1.0, 2.0] });
        rows.push(&SparseRow::default());
        rows.push(&SparseRow { indices: vec![2], values: vec![3.0] });
        rows
    }

    #[test]
    fn transposing_twice_is_the_identity() {
        let transposed = rows().transposed();
        assert_eq!((transposed.len(), transposed.columns()), (3, 3));
        assert_eq!(transposed.row(2), (&[0, 2][..], &[2.0, 3.0][..]));
        assert_eq!(transposed.transposed(), rows());
    }

    #[test]
    fn rows_are_selected_in_the_given_order() {
        let selected = rows().select(&[2, 0]);
        assert_eq!((selected.row(0).0, selected.row(1).0), (&[2][..], &[0, 2][..]));
    }
}
