//! A table of weights that is multiplied with sparse rows, trained with Adam. Burn has no sparse product.

use aprendiz_inference::SparseRow;
use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use crate::{
    checkpoint::state_dict::StateDict,
    interrupt::Interrupt,
    kinds::field_classifier::adam::AdamStep,
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// Values of a table that are updated by one parallel task.
const VALUES_PER_TASK: usize = 1 << 14;

/// Rows of a product that are computed by one parallel task.
const ROWS_PER_TASK: usize = 64;

/// `[V, columns]` in row-major order, with the moments of Adam.
#[derive(Debug, Clone)]
pub(super) struct SparseTable {
    pub(super) values: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    columns: usize,
}

impl SparseTable {
    pub(super) fn zeros(features: usize, columns: usize) -> Self {
        let zeros = || vec![0.0; features * columns];
        Self { values: zeros(), first: zeros(), second: zeros(), columns }
    }

    /// The product `[rows.len(), columns]` of sparse rows with the table; `None` is a row of zeros.
    pub(super) fn product(&self, rows: &[Option<&SparseRow>]) -> Vec<f32> {
        let mut product = vec![0.0; rows.len() * self.columns];
        let tasks = product.par_chunks_mut(ROWS_PER_TASK * self.columns).zip(rows.par_chunks(ROWS_PER_TASK));
        tasks.for_each(|(product, rows)| {
            for (sums, row) in product.chunks_exact_mut(self.columns).zip(rows) {
                let Some(SparseRow { indices, values }) = row else { continue };
                for (index, value) in indices.iter().zip(values) {
                    let weights = &self.values[*index as usize * self.columns..(*index as usize + 1) * self.columns];
                    sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
                }
            }
        });
        product
    }

    /// One step of Adam. `gradient` is that of [`product`](Self::product) with these rows; `decay` times a value is added to its gradient,
    /// but not in the first column.
    pub(super) fn update(&mut self, rows: &[Option<&SparseRow>], gradient: &[f32], decay: f32, step: AdamStep) {
        let mut of_values = vec![0.0_f32; self.values.len()];
        for (row, gradient) in rows.iter().zip(gradient.chunks_exact(self.columns)) {
            let Some(SparseRow { indices, values }) = row else { continue };
            for (index, value) in indices.iter().zip(values) {
                let sums = &mut of_values[*index as usize * self.columns..(*index as usize + 1) * self.columns];
                sums.iter_mut().zip(gradient).for_each(|(sum, gradient)| *sum += value * gradient);
            }
        }
        let columns = self.columns;
        let size = (VALUES_PER_TASK / columns).max(1) * columns;
        let parts = (self.values.par_chunks_mut(size), self.first.par_chunks_mut(size), self.second.par_chunks_mut(size));
        let parts = parts.0.zip(parts.1).zip(parts.2).zip(of_values.par_chunks(size));
        parts.for_each(|(((values, first), second), gradient)| {
            let moments = first.iter_mut().zip(second);
            for (index, ((value, (first, second)), gradient)) in values.iter_mut().zip(moments).zip(gradient).enumerate() {
                let decay = if index % columns == 0 { 0.0 } else { decay };
                step.apply(value, first, second, gradient + decay * *value);
            }
        });
    }

    /// Adds the table to a checkpoint.
    pub(super) fn save(&self, state_dict: StateDict, name: &str, device: &Device) -> StateDict {
        let shape = [self.values.len() / self.columns, self.columns];
        let tensor = |values: &Vec<f32>| tensor_from_vec(values.clone(), shape, device);
        let state_dict = state_dict.with_tensor(name, &tensor(&self.values));
        let state_dict = state_dict.with_tensor(&format!("{name}.first"), &tensor(&self.first));
        state_dict.with_tensor(&format!("{name}.second"), &tensor(&self.second))
    }

    /// Restores a table from a checkpoint.
    pub(super) fn restore(state_dict: &StateDict, name: &str, features: usize, columns: usize) -> Result<Self, Interrupt> {
        let read = |name: &str| {
            let tensor: Tensor<2> = state_dict.tensor(name, [features, columns])?;
            Ok::<_, Interrupt>(tensor_to_vec(tensor)?)
        };
        Ok(Self { values: read(name)?, first: read(&format!("{name}.first"))?, second: read(&format!("{name}.second"))?, columns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(indices: &[u32], values: &[f32]) -> SparseRow {
        SparseRow { indices: indices.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn the_product_sums_the_weights_of_the_indices() {
        let mut table = SparseTable::zeros(3, 2);
        table.values = vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let rows = [row(&[0, 2], &[1.0, 10.0]), row(&[1], &[0.5])];
        assert_eq!(table.product(&[Some(&rows[0]), None, Some(&rows[1])]), [51.0, 62.0, 0.0, 0.0, 1.5, 2.0]);
    }

    #[test]
    fn a_step_goes_against_the_gradient_and_decays_all_columns_but_the_first() {
        let mut table = SparseTable::zeros(2, 2);
        table.values = vec![1.0; 4];
        let rows = [row(&[0], &[1.0])];
        // the first step of Adam has the size of the learning rate
        table.update(&[Some(&rows[0])], &[1.0, 0.0], 0.5, AdamStep::new(0.1, 1));
        let expected = [0.9, 0.9, 1.0, 0.9];
        assert!(table.values.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-4), "{:?}", table.values);
    }
}
