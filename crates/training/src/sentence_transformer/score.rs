//! What an encoder is worth on pairs it does not learn from.

use std::collections::HashMap;

use encoder::EncoderError;
use evaluation::{average_precision, spearman};
use serde::{Deserialize, Serialize};

use crate::{
    error::TrainingError,
    sentence_transformer::pairs::{Pair, PairSet},
};

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

/// Makes vectors of a few texts, which are word pieces already, in their order.
pub(super) type Encode<'a> = dyn FnMut(&[&[u32]]) -> Result<Vec<Vec<f32>>, EncoderError> + 'a;

/// Cosines of all pairs of a set, in their order; `None` when `go_on`, which is told how many texts are done, broke it off.
/// Memory holds a vector for each text of the pairs.
pub(super) fn cosines(
    set: &PairSet,
    encode: &mut Encode<'_>,
    mut go_on: impl FnMut(usize) -> bool,
) -> Result<Option<Vec<f64>>, TrainingError> {
    let mut places: Vec<u32> = set.pairs.iter().flat_map(|pair| [pair.a, pair.b]).collect();
    places.sort_unstable();
    places.dedup();
    // texts of similar length side by side: little is padding
    places.sort_by_key(|place| (set.texts.length(*place), *place));
    let mut vectors: HashMap<u32, Vec<f32>> = HashMap::with_capacity(places.len());
    for places in places.chunks(TEXTS_AT_ONCE) {
        let texts = places.iter().map(|place| set.texts.get(*place)).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<&[u32]> = texts.iter().map(AsRef::as_ref).collect();
        let found = encode(&texts)?;
        vectors.extend(places.iter().copied().zip(found));
        if !go_on(vectors.len()) {
            return Ok(None);
        }
    }
    Ok(Some(set.pairs.iter().map(|pair| cosine(&vectors[&pair.a], &vectors[&pair.b])).collect()))
}

/// Figures of pairs with their cosines; `None` where they are not defined.
pub(super) fn figures<'a>(scored: impl Iterator<Item = (&'a Pair, f64)>) -> Option<PairFigures> {
    let (mut cosines, mut labels, mut ranked) = (Vec::new(), Vec::new(), Vec::new());
    for (pair, cosine) in scored {
        cosines.push(cosine);
        labels.push(f64::from(pair.label));
        ranked.push((cosine, pair.is_together()));
    }
    let figures = average_precision(&ranked).zip(spearman(&cosines, &labels));
    figures.map(|(average_precision, spearman)| PairFigures { average_precision, spearman })
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)
}
