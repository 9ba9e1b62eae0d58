//! Texts that go through the network together.

use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::fused::Packed;

/// Word pieces of some texts, one text after the other.
#[derive(Debug, Clone)]
pub struct Batch {
    ids: Vec<u32>,
    lengths: Vec<usize>,
    pad: u32,
}

impl Batch {
    /// Puts texts together; `pad` fills up the shorter ones where they must be as long as the longest.
    #[must_use]
    pub fn new<T: AsRef<[u32]>>(texts: &[T], pad: u32) -> Self {
        let texts = || texts.iter().map(AsRef::as_ref);
        Self { ids: texts().flatten().copied().collect(), lengths: texts().map(<[u32]>::len).collect(), pad }
    }

    /// Texts.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.lengths.len()
    }

    /// Word pieces of the longest text.
    #[must_use]
    pub fn width(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    pub(crate) fn packed(&self) -> Arc<Packed> {
        Arc::new(Packed::new(&self.ids, self.lengths.iter().copied()))
    }

    /// Word pieces as a matrix.
    pub(crate) fn ids(&self, device: &Device) -> Tensor<2, Int> {
        let width = self.width();
        let mut ids = Vec::with_capacity(self.rows() * width);
        let mut rest = self.ids.as_slice();
        for length in &self.lengths {
            let (text, after) = rest.split_at(*length);
            ids.extend(text.iter().map(|id| *id as i32));
            ids.resize(ids.len() + width - length, self.pad as i32);
            rest = after;
        }
        Tensor::from_data(TensorData::new(ids, [self.rows(), width]), device)
    }

    /// 1 for word pieces, 0 for padding; `None` where nothing is padding.
    pub(crate) fn mask(&self, device: &Device) -> Option<Tensor<2>> {
        let width = self.width();
        if self.lengths.iter().all(|length| *length == width) {
            return None;
        }
        let mask = self.lengths.iter().flat_map(|length| (0..width).map(move |place| if place < *length { 1.0 } else { 0.0 }));
        Some(Tensor::from_data(TensorData::new(mask.collect::<Vec<f32>>(), [self.rows(), width]), device))
    }
}
