//! A batch of tokenized texts.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::fused::PackedBatch;

/// Token ids of several texts, one text after the other.
#[derive(Debug, Clone)]
pub struct Batch {
    ids: Vec<u32>,
    lengths: Vec<usize>,
    pad: u32,
}

impl Batch {
    /// Builds a batch. `pad` is the token id that fills short texts wherever padding is needed.
    #[must_use]
    pub fn new<T: AsRef<[u32]>>(texts: &[T], pad: u32) -> Self {
        let texts = || texts.iter().map(AsRef::as_ref);
        Self { ids: texts().flatten().copied().collect(), lengths: texts().map(<[u32]>::len).collect(), pad }
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
        Arc::new(PackedBatch::new(&self.ids, self.lengths.iter().copied()))
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

    /// 1 for tokens, 0 for padding; `None` if there is no padding.
    pub(crate) fn mask(&self, device: &Device) -> Option<Tensor<2>> {
        let max_length = self.max_length();
        if self.lengths.iter().all(|length| *length == max_length) {
            return None;
        }
        let mask = self.lengths.iter().flat_map(|length| (0..max_length).map(move |position| if position < *length { 1.0 } else { 0.0 }));
        Some(Tensor::from_data(TensorData::new(mask.collect::<Vec<f32>>(), [self.rows(), max_length]), device))
    }
}
