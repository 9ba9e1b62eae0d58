//! The training examples as the solver sees them: through the inner products of their features.
//!
//! The best head is a weighted sum of the training rows (its penalty punishes anything else), so it is sought as one
//! weight per example and class, `[N, C]`, instead of one per feature and class, `[V, C]`: texts have far more n-grams
//! than there are examples. Every row carries a constant feature of 1 besides, whose weight is the bias.

use burn::tensor::{Device, Int, Tensor, TensorData};
use inference::SparseRows;

use crate::{error::TrainingError, sparse};

/// Most examples whose inner products are kept as a matrix (256 MiB).
const MAX_DENSE: usize = 8192;

/// Stored features that cost as much as this many entries of a matrix of inner products: sparse access is slower.
const SPARSE_COST: usize = 8;

/// The train split, ready to be solved for any subset of its examples.
pub(crate) struct Examples<'a> {
    rows: &'a SparseRows,
    products: Option<Tensor<2>>,
    device: Device,
}

/// `XXᵀ + 1` of the examples of one fit.
pub(crate) enum Gram {
    /// As a matrix.
    Dense(Tensor<2>),
    /// As rows and columns; the matrix is never made.
    Sparse { rows: SparseRows, columns: SparseRows, device: Device },
}

impl<'a> Examples<'a> {
    pub(crate) fn new(rows: &'a SparseRows, device: Device) -> Self {
        let count = rows.len();
        let is_dense = count <= MAX_DENSE && count * count <= rows.stored() * SPARSE_COST;
        let products = is_dense.then(|| matrix(sparse::inner_products(rows), [count, count], &device) + 1.0);
        Self { rows, products, device }
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// The Gram matrix of some examples.
    pub(crate) fn gram(&self, examples: &[usize]) -> Gram {
        match &self.products {
            Some(products) => Gram::Dense(self.select(products, examples, examples)),
            None => {
                let rows = self.rows.select(examples);
                Gram::Sparse { columns: rows.transposed(), rows, device: self.device.clone() }
            }
        }
    }

    /// Scores `[held, C]` of examples that were held out, from the weights of the examples of a fit.
    pub(crate) fn scores(&self, held: &[usize], fitted: &[usize], weights: &Tensor<2>) -> Result<Vec<f32>, TrainingError> {
        if let Some(products) = &self.products {
            return read(self.select(products, held, fitted).matmul(weights.clone()));
        }
        let (weight, bias) = self.head(fitted, weights)?;
        let mut scores = sparse::multiply(&self.rows.select(held), &weight, bias.len());
        for scores in scores.chunks_exact_mut(bias.len()) {
            for (score, bias) in scores.iter_mut().zip(&bias) {
                *score += bias;
            }
        }
        Ok(scores)
    }

    /// The head `([V, C], [C])` that the weights of the examples of a fit stand for.
    pub(crate) fn head(&self, fitted: &[usize], weights: &Tensor<2>) -> Result<(Vec<f32>, Vec<f32>), TrainingError> {
        let [_, classes] = weights.dims();
        let weights = read(weights.clone())?;
        let weight = sparse::multiply(&self.rows.select(fitted).transposed(), &weights, classes);
        Ok((weight, column_sums(&weights, classes)))
    }

    fn select(&self, products: &Tensor<2>, rows: &[usize], columns: &[usize]) -> Tensor<2> {
        let numbers = |examples: &[usize]| {
            let numbers: Vec<i64> = examples.iter().map(|example| *example as i64).collect();
            Tensor::<1, Int>::from_data(TensorData::new(numbers, [examples.len()]), &self.device)
        };
        products.clone().select(0, numbers(rows)).select(1, numbers(columns))
    }
}

impl Gram {
    /// Scores `[N, C]` of the examples under weights `[N, C]`.
    pub(crate) fn product(&self, weights: &Tensor<2>) -> Result<Tensor<2>, TrainingError> {
        match self {
            Self::Dense(products) => Ok(products.clone().matmul(weights.clone())),
            Self::Sparse { rows, columns, device } => {
                let shape @ [_, classes] = weights.dims();
                let weights = read(weights.clone())?;
                let head = sparse::multiply(columns, &weights, classes);
                let scores = matrix(sparse::multiply(rows, &head, classes), shape, device);
                Ok(scores + matrix(column_sums(&weights, classes), [1, classes], device))
            }
        }
    }
}

pub(crate) fn matrix(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainingError> {
    tensor.try_into_vec_as::<f32>().map_err(|error| TrainingError::Backend { backend: "burn", reason: error.to_string() })
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
    use inference::SparseRow;

    fn rows() -> SparseRows {
        let mut rows = SparseRows::new(4);
        for row in 0..6_u32 {
            rows.push(&SparseRow { indices: vec![row % 3, 3], values: vec![0.5 + row as f32 * 0.1, 0.25] });
        }
        rows
    }

    #[test]
    fn the_matrix_and_the_sparse_product_give_the_same_scores() {
        let rows = rows();
        let examples = Examples { rows: &rows, products: None, device: Device::flex() };
        let dense = matrix(sparse::inner_products(&rows), [6, 6], &Device::flex()) + 1.0;
        let dense = Examples { rows: &rows, products: Some(dense), device: Device::flex() };
        let chosen = [0, 2, 3, 5];
        let weights = matrix((0..8).map(|value| value as f32 - 3.5).collect(), [4, 2], &Device::flex());
        let pairs = [
            (
                read(examples.gram(&chosen).product(&weights).unwrap()).unwrap(),
                read(dense.gram(&chosen).product(&weights).unwrap()).unwrap(),
            ),
            (examples.scores(&[1, 4], &chosen, &weights).unwrap(), dense.scores(&[1, 4], &chosen, &weights).unwrap()),
        ];
        for (sparse, dense) in pairs {
            assert!(sparse.iter().zip(&dense).all(|(a, b)| (a - b).abs() < 1e-5), "{sparse:?} {dense:?}");
        }
    }
}
