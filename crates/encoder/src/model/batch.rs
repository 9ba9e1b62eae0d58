//! A batch of tokenized texts.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{fused::PackedBatch, pooling_mode::PoolingMode};

/// Token ids of several texts, one text after the other.
#[derive(Debug, Clone)]
pub struct Batch {
    ids: Vec<u32>,
    lengths: Vec<usize>,
    pad: u32,
    /// Number of tokens at the start of each text that do not count in its mean.
    left_out: usize,
}

impl Batch {
    /// Builds a batch. `pad` is the token id that fills short texts wherever padding is needed.
    #[must_use]
    pub fn new<T: AsRef<[u32]>>(texts: &[T], pad: u32) -> Self {
        let texts = || texts.iter().map(AsRef::as_ref);
        Self { ids: texts().flatten().copied().collect(), lengths: texts().map(<[u32]>::len).collect(), pad, left_out: 0 }
    }

    /// Leaves the first tokens of each text out of its mean.
    pub(crate) fn leave_out(self, tokens: usize) -> Self {
        Self { left_out: tokens, ..self }
    }

    /// Number of texts.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Number of tokens of the longest text.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    pub(crate) fn packed(&self) -> Arc<PackedBatch> {
        Arc::new(PackedBatch::new(&self.ids, self.lengths.iter().copied(), self.left_out))
    }

    /// Token ids as a padded matrix.
    pub(crate) fn ids(&self, device: &Device) -> Tensor<2, Int> {
        let max_length = self.max_length();
        let mut ids = Vec::with_capacity(self.rows() * max_length);
        let mut rest = self.ids.as_slice();
        for length in &self.lengths {
            let (text, after) = rest.split_at(*length);
            ids.extend(text.iter().map(|id| *id as i32));
            ids.resize(ids.len() + max_length - length, self.pad as i32);
            rest = after;
        }
        Tensor::from_data(TensorData::new(ids, [self.rows(), max_length]), device)
    }

    /// 1 for tokens that count in the pooling, 0 for others.
    pub(crate) fn counted(&self, device: &Device) -> Tensor<2> {
        self.tensor(device, |length| PoolingMode::Max.weights(length, self.left_out))
    }

    /// The factor of each token in a pooling that is a weighted sum.
    pub(crate) fn pooling_weights(&self, mode: PoolingMode, device: &Device) -> Tensor<2> {
        self.tensor(device, |length| mode.weights(length, self.left_out))
    }

    /// 1 for tokens, 0 for padding; `None` if there is no padding.
    pub(crate) fn mask(&self, device: &Device) -> Option<Tensor<2>> {
        let max_length = self.max_length();
        let is_padded = self.lengths.iter().any(|length| *length != max_length);
        is_padded.then(|| self.tensor(device, |length| PoolingMode::Max.weights(length, 0)))
    }

    /// A value for each token of each text, and 0 for padding. `values` gets the length of the text.
    fn tensor<I: Iterator<Item = f32>>(&self, device: &Device, values: impl Fn(usize) -> I) -> Tensor<2> {
        let max_length = self.max_length();
        let padded = |length: &usize| values(*length).chain(std::iter::repeat_n(0.0, max_length - length));
        let all: Vec<f32> = self.lengths.iter().flat_map(padded).collect();
        Tensor::from_data(TensorData::new(all, [self.rows(), max_length]), device)
    }
}
