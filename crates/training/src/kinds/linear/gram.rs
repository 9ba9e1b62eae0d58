//! Gram matrices: training examples as the solver sees them, through the inner products of their features.
//!
//! The L2 penalty makes the best head a weighted sum of the training rows. The solver therefore searches one weight per example and class,
//! `[N, C]`, instead of one per feature and class, `[V, C]`: texts have far more n-grams than there are examples. Every row has an extra
//! constant feature of 1, whose weight is the bias.

use aprendiz_inference::SparseRows;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{
    error::TrainingError,
    kinds::linear::sparse::{self, Lanes, times_panel},
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// Maximum number of examples whose inner products are stored as a matrix (256 MiB).
const MAX_DENSE_EXAMPLES: usize = 8192;

/// Cost of a stored feature, in entries of a dense Gram matrix: sparse access is slower.
const SPARSE_COST: usize = 8;

/// The train split, from which the Gram matrix of any subset can be taken.
pub(crate) struct Examples<'a> {
    rows: &'a SparseRows,
    products: Option<Tensor<2>>,
    device: Device,
}

/// `XXᵀ + 1` over the examples of one solve. The current solution is stored as `sums`: its scores on all examples if the matrix is dense,
/// otherwise the head itself.
pub(crate) enum Gram {
    /// A dense matrix, `[N, N]`. Sums are scores, `[N]`.
    Dense { products: Vec<f32>, examples: usize },
    /// Sparse rows. Sums are heads, `[V + 1]`, the bias last.
    Sparse(SparseRows),
}

impl<'a> Examples<'a> {
    pub(crate) fn new(rows: &'a SparseRows, device: Device) -> Self {
        let count = rows.len();
        let is_dense = count <= MAX_DENSE_EXAMPLES && count * count <= rows.nnz() * SPARSE_COST;
        let products = is_dense.then(|| tensor_from_vec(sparse::inner_products(rows), [count, count], &device) + 1.0);
        Self { rows, products, device }
    }

    /// Whether an example has no feature.
    pub(crate) fn is_empty_row(&self, example: usize) -> bool {
        self.rows.row(example).0.is_empty()
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The Gram matrix of a subset of the examples.
    pub(crate) fn gram(&self, examples: &[usize]) -> Result<Gram, TrainingError> {
        Ok(match &self.products {
            Some(products) => Gram::Dense { products: tensor_to_vec(self.select(products, examples, examples))?, examples: examples.len() },
            None => Gram::Sparse(self.rows.select(examples)),
        })
    }

    /// Scores `[held_out, C]` of held-out examples, from the weights of the fitted examples.
    pub(crate) fn scores(&self, held_out: &[usize], fitted: &[usize], weights: &Tensor<2>) -> Result<Vec<f32>, TrainingError> {
        if let Some(products) = &self.products {
            return tensor_to_vec(self.select(products, held_out, fitted).matmul(weights.clone()));
        }
        let (weight, bias) = self.head(fitted, weights)?;
        let mut scores = sparse::multiply(&self.rows.select(held_out), &weight, bias.len());
        for scores in scores.chunks_exact_mut(bias.len()) {
            for (score, bias) in scores.iter_mut().zip(&bias) {
                *score += bias;
            }
        }
        Ok(scores)
    }

    /// The head `([V, C], [C])` for the weights of the fitted examples.
    pub(crate) fn head(&self, fitted: &[usize], weights: &Tensor<2>) -> Result<(Vec<f32>, Vec<f32>), TrainingError> {
        let [_, classes] = weights.dims();
        let weights = tensor_to_vec(weights.clone())?;
        let weight = sparse::multiply(&self.rows.select(fitted).transposed(), &weights, classes);
        Ok((weight, column_sums(&weights, classes)))
    }

    fn select(&self, products: &Tensor<2>, rows: &[usize], columns: &[usize]) -> Tensor<2> {
        let indices = |examples: &[usize]| {
            let indices: Vec<i64> = examples.iter().map(|example| *example as i64).collect();
            Tensor::<1, Int>::from_data(TensorData::new(indices, [examples.len()]), &self.device)
        };
        products.clone().select(0, indices(rows)).select(1, indices(columns))
    }
}

impl Gram {
    /// Number of rows of the sums.
    pub(crate) fn sum_rows(&self) -> usize {
        match self {
            Self::Dense { examples, .. } => *examples,
            Self::Sparse(rows) => rows.columns() + 1,
        }
    }

    /// Inner product of an example with itself.
    pub(crate) fn squared_norm(&self, example: usize) -> f32 {
        match self {
            Self::Dense { products, examples } => products[example * examples + example],
            Self::Sparse(rows) => 1.0 + rows.row(example).1.iter().map(|value| value * value).sum::<f32>(),
        }
    }

    /// Scores of an example under the solution that `sums` represent.
    pub(crate) fn scores(&self, example: usize, sums: &[Lanes]) -> Lanes {
        match self {
            Self::Dense { .. } => sums[example],
            Self::Sparse(rows) => {
                let scores = times_panel(rows.row(example), sums);
                let bias = &sums[rows.columns()];
                std::array::from_fn(|lane| scores[lane] + bias[lane])
            }
        }
    }

    /// Adds an example to the sums, multiplied by `weights`.
    pub(crate) fn add(&self, example: usize, weights: &Lanes, sums: &mut [Lanes]) {
        let add = |sum: &mut Lanes, value: f32| {
            for (sum, weight) in sum.iter_mut().zip(weights) {
                *sum += value * weight;
            }
        };
        match self {
            Self::Dense { products, examples } => {
                for (sum, value) in sums.iter_mut().zip(&products[example * examples..][..*examples]) {
                    add(sum, *value);
                }
            }
            Self::Sparse(rows) => {
                let (indices, values) = rows.row(example);
                for (index, value) in indices.iter().zip(values) {
                    add(&mut sums[*index as usize], *value);
                }
                add(&mut sums[rows.columns()], 1.0);
            }
        }
    }
}

fn column_sums(values: &[f32], columns: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; columns];
    for row in values.chunks_exact(columns) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += f64::from(*value);
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::linear::sparse::PANEL;
    use aprendiz_inference::SparseRow;

    fn rows() -> SparseRows {
        let mut rows = SparseRows::new(4);
        for row in 0..6_u32 {
            rows.push(&SparseRow { indices: vec![row % 3, 3], values: vec![0.5 + row as f32 * 0.1, 0.25] });
        }
        rows
    }

    #[test]
    fn dense_and_sparse_gram_matrices_give_the_same_scores() {
        let rows = rows();
        let examples = Examples { rows: &rows, products: None, device: Device::flex() };
        let dense = tensor_from_vec(sparse::inner_products(&rows), [6, 6], &Device::flex()) + 1.0;
        let dense = Examples { rows: &rows, products: Some(dense), device: Device::flex() };
        let chosen = [0, 2, 3, 5];
        let weights = tensor_from_vec((0..8).map(|value| value as f32 - 3.5).collect(), [4, 2], &Device::flex());
        let [sparse, dense] = [&examples, &dense].map(|examples| {
            let gram = examples.gram(&chosen).unwrap();
            let mut sums = vec![[0.0; PANEL]; gram.sum_rows()];
            for example in 0..4 {
                gram.add(example, &std::array::from_fn(|lane| (example + lane) as f32 - 2.5), &mut sums);
            }
            let mut scores: Vec<f32> = (0..4).flat_map(|example| gram.scores(example, &sums)).collect();
            scores.extend((0..4).map(|example| gram.squared_norm(example)));
            scores.extend(examples.scores(&[1, 4], &chosen, &weights).unwrap());
            scores
        });
        assert!(sparse.iter().zip(&dense).all(|(a, b)| (a - b).abs() < 1e-5), "{sparse:?} {dense:?}");
    }
}
