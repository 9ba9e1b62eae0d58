//! Conversions between Burn tensors and vectors of `f32`.

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::TrainingError;

/// A matrix from its values in row-major order.
pub(crate) fn tensor_from_vec(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The values of a tensor in row-major order. Moves them out if nothing else holds the tensor.
pub(crate) fn tensor_to_vec<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, TrainingError> {
    tensor.try_into_vec_as::<f32>().map_err(|error| TrainingError::Backend { backend: "burn", reason: error.to_string() })
}
