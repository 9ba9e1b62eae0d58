//! Texts side by side, filled up to the longest of them.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Word pieces of some texts as a matrix.
#[derive(Debug, Clone)]
pub struct Batch {
    rows: usize,
    width: usize,
    ids: Vec<i32>,
    /// 1 for word pieces, 0 for padding.
    mask: Vec<f32>,
}

impl Batch {
    /// Puts texts side by side; `pad` fills up the shorter ones.
    #[must_use]
    pub fn new<T: AsRef<[u32]>>(texts: &[T], pad: u32) -> Self {
        let width = texts.iter().map(|text| text.as_ref().len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(texts.len() * width);
        let mut mask = Vec::with_capacity(texts.len() * width);
        for text in texts {
            let text = text.as_ref();
            ids.extend(text.iter().map(|id| *id as i32));
            ids.resize(ids.len() + width - text.len(), pad as i32);
            mask.resize(mask.len() + text.len(), 1.0);
            mask.resize(mask.len() + width - text.len(), 0.0);
        }
        Self { rows: texts.len(), width, ids, mask }
    }

    /// Texts.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Word pieces of the longest text.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn ids(&self, device: &Device) -> Tensor<2, Int> {
        Tensor::from_data(TensorData::new(self.ids.clone(), [self.rows, self.width]), device)
    }

    /// `None` where nothing is padding.
    pub(crate) fn mask(&self, device: &Device) -> Option<Tensor<2>> {
        let padded = self.mask.contains(&0.0);
        padded.then(|| Tensor::from_data(TensorData::new(self.mask.clone(), [self.rows, self.width]), device))
    }
}
