//! The model of one field as a Burn module.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, activation::softmax},
};
use inference::{FieldWeights, SparseRows};

use crate::{
    error::TrainingError,
    gram::{matrix, read},
    sparse,
};

/// A softmax head on sparse features.
#[derive(Module, Debug)]
pub struct LinearHead {
    /// `[features, classes]`.
    weight: Param<Tensor<2>>,
    /// `[1, classes]`.
    bias: Param<Tensor<2>>,
}

impl LinearHead {
    /// A head from its weights `[features, classes]` and biases `[classes]`, row by row.
    #[must_use]
    pub fn new(weight: Vec<f32>, bias: Vec<f32>, device: &Device) -> Self {
        let classes = bias.len();
        let features = weight.len() / classes.max(1);
        Self {
            weight: Param::from_tensor(matrix(weight, [features, classes], device)),
            bias: Param::from_tensor(matrix(bias, [1, classes], device)),
        }
    }

    /// Probabilities `[rows, classes]`. The rows stay sparse.
    ///
    /// # Errors
    /// If the back end cannot give back its numbers.
    pub fn forward(&self, rows: &SparseRows) -> Result<Tensor<2>, TrainingError> {
        let weight = self.weight.val();
        let [_, classes] = weight.dims();
        let device = weight.device();
        let scores = matrix(sparse::multiply(rows, &read(weight)?, classes), [rows.len(), classes], &device);
        Ok(softmax(scores + self.bias.val(), 1))
    }

    /// The head as the model directory stores it.
    ///
    /// # Errors
    /// If the back end cannot give back its numbers.
    pub fn into_weights(self) -> Result<FieldWeights, TrainingError> {
        Ok(FieldWeights { weight: read(self.weight.into_value())?, bias: read(self.bias.into_value())? })
    }
}
