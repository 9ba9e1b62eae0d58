//! The head of one field, as a Burn module.

use aprendiz_inference::{FieldWeights, SparseRows};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, activation::softmax},
};

use crate::{
    error::TrainingError,
    kinds::linear::sparse,
    tensor::{tensor_from_vec, tensor_to_vec},
};

/// A linear head on sparse features, followed by softmax.
#[derive(Module, Debug)]
pub struct LinearHead {
    /// `[features, classes]`.
    weight: Param<Tensor<2>>,
    /// `[1, classes]`.
    bias: Param<Tensor<2>>,
}

impl LinearHead {
    /// A head from weights `[features, classes]` and biases `[classes]`, in row-major order.
    #[must_use]
    pub fn new(weight: Vec<f32>, bias: Vec<f32>, device: &Device) -> Self {
        let classes = bias.len();
        let features = weight.len() / classes.max(1);
        Self {
            weight: Param::from_tensor(tensor_from_vec(weight, [features, classes], device)),
            bias: Param::from_tensor(tensor_from_vec(bias, [1, classes], device)),
        }
    }

    /// Probabilities `[rows, classes]`. The rows stay sparse.
    ///
    /// # Errors
    /// `backend` if the values cannot be read from the back end.
    pub fn forward(&self, rows: &SparseRows) -> Result<Tensor<2>, TrainingError> {
        let weight = self.weight.val();
        let [_, classes] = weight.dims();
        let device = weight.device();
        let scores = tensor_from_vec(sparse::multiply(rows, &tensor_to_vec(weight)?, classes), [rows.len(), classes], &device);
        Ok(softmax(scores + self.bias.val(), 1))
    }

    /// The head in the format of the model directory.
    ///
    /// # Errors
    /// `backend` if the values cannot be read from the back end.
    pub fn into_weights(self) -> Result<FieldWeights, TrainingError> {
        Ok(FieldWeights { weight: tensor_to_vec(self.weight.into_value())?, bias: tensor_to_vec(self.bias.into_value())? })
    }
}
