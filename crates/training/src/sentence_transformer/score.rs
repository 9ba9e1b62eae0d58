//! What an encoder is worth on pairs it does not learn from.

use burn::tensor::Device;
use encoder::{Bert, Encoder};
use evaluation::{average_precision, spearman};
use serde::{Deserialize, Serialize};

use crate::{error::TrainingError, sentence_transformer::pairs::PairSet};

/// Texts that are encoded at a time.
pub(super) const TEXTS_AT_ONCE: usize = 16;

/// Figures of an encoder on held-out pairs, by the cosine of their vectors.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairFigures {
    /// How well pairs that belong together stand before those that do not; 1 = perfectly.
    pub average_precision: f64,
    /// Rank correlation of cosine and label.
    pub spearman: f64,
}

/// Figures of a network on pairs; `None` when `go_on` broke it off, or where they are not defined.
pub(super) fn figures(
    encoder: &Encoder,
    model: &Bert,
    set: &PairSet,
    device: &Device,
    go_on: impl FnMut(usize) -> bool,
) -> Result<Option<PairFigures>, TrainingError> {
    let vectors = encoder.encode_with(model, &set.texts, TEXTS_AT_ONCE, device, go_on)?;
    if vectors.len() < set.texts.len() {
        return Ok(None);
    }
    let cosines: Vec<f64> = set.pairs.iter().map(|pair| cosine(&vectors[pair.a], &vectors[pair.b])).collect();
    let labels: Vec<f64> = set.pairs.iter().map(|pair| f64::from(pair.label)).collect();
    let scored: Vec<(f64, bool)> = cosines.iter().copied().zip(set.pairs.iter().map(|pair| pair.is_together())).collect();
    let figures = average_precision(&scored).zip(spearman(&cosines, &labels));
    Ok(figures.map(|(average_precision, spearman)| PairFigures { average_precision, spearman }))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
}
