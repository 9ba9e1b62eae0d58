//! Metrics of an encoder on held-out pairs.

use std::collections::HashMap;

use aprendiz_encoder::EncoderError;
use aprendiz_evaluation::{average_precision, spearman};

use crate::{
    error::TrainingError,
    kinds::sentence_transformer::{pair::Pair, pairs::PairSet},
    protocol::encoder_report::PairMetrics,
};

/// Texts per batch of encoding.
pub(super) const ENCODE_BATCH: usize = 16;

/// Encodes a few tokenized texts, in their order.
pub(super) type Encode<'a> = dyn FnMut(&[&[u32]]) -> Result<Vec<Vec<f32>>, EncoderError> + 'a;

/// Cosine similarities of all pairs of a set, in their order. Calls `go_on` with the number of encoded texts after each batch; `None` if it
/// returns false. Memory holds one vector per text.
pub(super) fn cosine_similarities(
    set: &PairSet,
    encode: &mut Encode<'_>,
    mut go_on: impl FnMut(usize) -> bool,
) -> Result<Option<Vec<f64>>, TrainingError> {
    let mut texts: Vec<u32> = set.pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
    texts.sort_unstable();
    texts.dedup();
    // batches of similar length need little padding
    texts.sort_by_key(|text| (set.texts.length(*text), *text));
    let mut vectors: HashMap<u32, Vec<f32>> = HashMap::with_capacity(texts.len());
    for batch in texts.chunks(ENCODE_BATCH) {
        let tokens = batch.iter().map(|text| set.texts.get(*text)).collect::<Result<Vec<_>, _>>()?;
        let tokens: Vec<&[u32]> = tokens.iter().map(AsRef::as_ref).collect();
        let encoded = encode(&tokens)?;
        vectors.extend(batch.iter().copied().zip(encoded));
        if !go_on(vectors.len()) {
            return Ok(None);
        }
    }
    Ok(Some(set.pairs.iter().map(|pair| cosine(&vectors[&pair.a], &vectors[&pair.b])).collect()))
}

/// Metrics of pairs with their cosine similarities; `None` if they are undefined.
pub(super) fn pair_metrics<'a>(scored: impl Iterator<Item = (&'a Pair, f64)>) -> Option<PairMetrics> {
    let (mut cosines, mut labels, mut ranked) = (Vec::new(), Vec::new(), Vec::new());
    for (pair, cosine) in scored {
        cosines.push(cosine);
        labels.push(f64::from(pair.label));
        ranked.push((cosine, pair.is_positive()));
    }
    let metrics = average_precision(&ranked).zip(spearman(&cosines, &labels));
    metrics.map(|(average_precision, spearman)| PairMetrics { average_precision, spearman })
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
}
