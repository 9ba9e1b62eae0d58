//! Named tensors and numbers, the content of checkpoints.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::interrupt::Interrupt;

/// Named tensors and numbers, stored without rounding. Clones share the tensors.
#[derive(Debug, Clone, Default)]
pub(crate) struct StateDict {
    pub(crate) tensors: BTreeMap<String, Tensor<2>>,
    pub(crate) numbers: BTreeMap<String, f64>,
}

impl StateDict {
    #[must_use]
    pub(crate) fn with_tensor(mut self, name: &str, tensor: &Tensor<2>) -> Self {
        self.tensors.insert(name.to_owned(), tensor.clone());
        self
    }

    #[must_use]
    pub(crate) fn with_number(mut self, name: &str, number: f64) -> Self {
        self.numbers.insert(name.to_owned(), number);
        self
    }

    /// The tensor of a name. It must have the given shape.
    pub(crate) fn tensor(&self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, Interrupt> {
        match self.tensors.get(name) {
            Some(tensor) if tensor.dims() == shape => Ok(tensor.clone()),
            Some(tensor) => {
                Err(Interrupt::IncompatibleCheckpoint(format!("its tensor `{name}` has shape {:?}, not {shape:?}", tensor.dims())))
            }
            None => Err(Interrupt::IncompatibleCheckpoint(format!("it has no tensor `{name}`"))),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64, Interrupt> {
        self.numbers.get(name).copied().ok_or_else(|| Interrupt::IncompatibleCheckpoint(format!("it has no number `{name}`")))
    }

    /// A number that must be a non-negative integer.
    pub(crate) fn count(&self, name: &str) -> Result<usize, Interrupt> {
        let number = self.number(name)?;
        let count = number as usize;
        if count as f64 == number {
            Ok(count)
        } else {
            Err(Interrupt::IncompatibleCheckpoint(format!("its number `{name}` is {number}, expected a non-negative integer")))
        }
    }
}
