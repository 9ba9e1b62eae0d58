//! What checkpoints are made of: named tensors and numbers, kept to the last bit.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::halt::Halt;

/// Something that was computed and need not be computed again. Copies share the tensors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    pub(crate) tensors: BTreeMap<String, Tensor<2>>,
    pub(crate) numbers: BTreeMap<String, f64>,
}

impl Record {
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

    /// The tensor of a name, which must have that shape.
    pub(crate) fn tensor(&self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>, Halt> {
        match self.tensors.get(name) {
            Some(tensor) if tensor.dims() == shape => Ok(tensor.clone()),
            Some(tensor) => Err(Halt::Unfit(format!("its tensor `{name}` has the shape {:?}, not {shape:?}", tensor.dims()))),
            None => Err(Halt::Unfit(format!("it has no tensor `{name}`"))),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64, Halt> {
        self.numbers.get(name).copied().ok_or_else(|| Halt::Unfit(format!("it has no number `{name}`")))
    }

    /// A number that counts something.
    pub(crate) fn count(&self, name: &str) -> Result<usize, Halt> {
        let number = self.number(name)?;
        let count = number as usize;
        if count as f64 == number { Ok(count) } else { Err(Halt::Unfit(format!("its number `{name}` is {number}, which counts nothing"))) }
    }
}
