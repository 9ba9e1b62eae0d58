//! Draws positive and negative pairs from the sampled texts.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::build::pairs::pool::{Pool, PooledText, Sample};
use crate::build::pairs::similarity::{jaccard_index, word_hashes};
use crate::labels::{Label, Labels};
use crate::selection::{PairSide, PairsRequest};
use crate::split::Split;

/// Number of random texts from which a hard negative is chosen.
const HARD_NEGATIVE_CANDIDATES: usize = 16;

/// Two texts and whether they share a label.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair<'a> {
    pub(crate) text_a: &'a str,
    pub(crate) text_b: &'a str,
    pub(crate) positive: bool,
    pub(crate) field: &'a str,
    pub(crate) split: Split,
}

/// Draws the pairs of every field and split, without repetition and with as many positives as negatives. Only trainable labels are used.
pub(crate) fn draw_pairs<'a>(pool: &'a Pool, fields: &'a [String], labels: &Labels, request: &'a PairsRequest) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for ((field_index, split), sample) in pool.samples() {
        let field = &fields[*field_index];
        let Some(trainable) = labels.fields.get(field) else { continue };
        let trainable: BTreeSet<&str> =
            trainable.labels.iter().filter_map(|label| if let Label::Value(value) = label { Some(value.as_str()) } else { None }).collect();
        let drawer = PairDrawer::new(sample, &trainable, request);
        pairs.extend(drawer.pairs().into_iter().map(|(text_a, text_b, positive)| Pair { text_a, text_b, positive, field, split: *split }));
    }
    pairs
}

/// Draws the pairs of one field and split.
struct PairDrawer<'a> {
    request: &'a PairsRequest,
    labels: Vec<(&'a str, Vec<&'a PooledText>)>,
    /// Word hashes of the texts; empty unless hard negatives are requested.
    words: BTreeMap<u64, BTreeSet<u64>>,
}

impl<'a> PairDrawer<'a> {
    fn new(sample: &'a Sample, trainable: &BTreeSet<&str>, request: &'a PairsRequest) -> Self {
        let labels: Vec<(&str, Vec<&PooledText>)> = sample
            .labels
            .iter()
            .filter(|(label, _)| trainable.contains(label.as_str()))
            .map(|(label, texts)| (label.as_str(), texts.iter().collect()))
            .collect();
        let texts = labels.iter().flat_map(|(_, texts)| texts).filter(|_| request.hard_negatives);
        let words = texts.map(|text| (text.hash, word_hashes(&text.text))).collect();
        Self { request, labels, words }
    }

    fn pairs(&self) -> Vec<(&'a str, &'a str, bool)> {
        let mut pairs = Vec::new();
        let mut seen = HashSet::new();
        if self.labels.len() < 2 {
            return pairs; // a single label has no negatives
        }
        for (label_index, (label, texts)) in self.labels.iter().enumerate() {
            for (text_index, text) in texts.iter().enumerate() {
                for side in &self.request.of {
                    let next = texts[(text_index + 1) % texts.len()];
                    let (other_label, other_text) = self.negative(label_index, text, *side);
                    let (positive, negative): ((&str, &str), (&str, &str)) = match side {
                        PairSide::Values => ((label, &text.text), (other_label, &text.text)),
                        PairSide::Texts => ((&text.text, &next.text), (&text.text, &other_text.text)),
                    };
                    // equal texts carry no information, and contradict each other as a negative pair
                    if positive.0 == positive.1
                        || negative.0 == negative.1
                        || seen.contains(&unordered(positive))
                        || seen.contains(&unordered(negative))
                    {
                        continue;
                    }
                    // add both or none, which keeps positives and negatives balanced
                    seen.insert(unordered(positive));
                    seen.insert(unordered(negative));
                    pairs.push((positive.0, positive.1, true));
                    pairs.push((negative.0, negative.1, false));
                }
            }
        }
        pairs
    }

    /// Draws a text of another label.
    fn negative(&self, label_index: usize, text: &PooledText, side: PairSide) -> (&'a str, &'a PooledText) {
        let draw = |number: usize| {
            let hash = xxh3_64_with_seed(
                &[text.hash.to_le_bytes(), (number as u64).to_le_bytes(), (side as u64).to_le_bytes()].concat(),
                self.request.seed,
            );
            let (upper, lower) = ((hash >> 32) as usize, (hash & 0xffff_ffff) as usize);
            let (label, texts) = &self.labels[(label_index + 1 + upper % (self.labels.len() - 1)) % self.labels.len()];
            (*label, texts[lower % texts.len()])
        };
        if !self.request.hard_negatives {
            return draw(0);
        }
        let similarity = |other: &PooledText| jaccard_index(&self.words[&text.hash], &self.words[&other.hash]);
        let candidates = (0..HARD_NEGATIVE_CANDIDATES).map(draw).map(|(label, other)| (label, other, similarity(other)));
        let hardest = candidates.reduce(|best, next| if next.2 > best.2 { next } else { best });
        let (label, other, _) = hardest.expect("there is at least one candidate");
        (label, other)
    }
}

fn unordered<'a>((one, other): (&'a str, &'a str)) -> (&'a str, &'a str) {
    if one <= other { (one, other) } else { (other, one) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn texts(texts: &[&str]) -> Vec<PooledText> {
        texts.iter().map(|text| PooledText { hash: xxh3_64_with_seed(text.as_bytes(), 1), text: Arc::from(*text) }).collect()
    }

    fn drawn(request: &PairsRequest, labels: &[(&'static str, Vec<PooledText>)]) -> Vec<(String, String, bool)> {
        let labels = labels.iter().map(|(label, texts)| (*label, texts.iter().collect::<Vec<_>>())).collect::<Vec<_>>();
        let words = labels.iter().flat_map(|(_, texts)| texts).map(|text| (text.hash, word_hashes(&text.text))).collect();
        let pairs = PairDrawer { request, labels, words }.pairs();
        pairs.into_iter().map(|(a, b, same)| (a.to_owned(), b.to_owned(), same)).collect()
    }

    #[test]
    fn positives_and_negatives_are_balanced_and_no_pair_repeats() {
        let labels = [("lease", texts(&["a", "b", "c"])), ("loan", texts(&["d", "e"])), ("sale", texts(&["f"]))];
        let pairs = drawn(&PairsRequest::default(), &labels);
        let same = pairs.iter().filter(|pair| pair.2).count();
        assert_eq!(2 * same, pairs.len());
        assert!(pairs.len() >= 16, "{pairs:?}");
        let distinct: HashSet<(&str, &str)> = pairs.iter().map(|(a, b, _)| unordered((a, b))).collect();
        assert_eq!(distinct.len(), pairs.len());
        let find_label =
            |text: &str| labels.iter().find(|(label, texts)| *label == text || texts.iter().any(|t| &*t.text == text)).unwrap().0;
        for (a, b, same) in &pairs {
            assert_eq!(find_label(a) == find_label(b), *same, "{a} {b}");
        }
    }

    #[test]
    fn a_hard_negative_is_the_most_similar_of_the_candidates() {
        let labels = [("lease", texts(&["lease of land in utah"])), ("loan", texts(&["loan of money", "lease of land in ohio"]))];
        let request = PairsRequest { hard_negatives: true, of: vec![PairSide::Texts], ..PairsRequest::default() };
        let others: Vec<_> = {
            let labels = labels.iter().map(|(label, texts)| (*label, texts.iter().collect::<Vec<_>>())).collect::<Vec<_>>();
            let words = labels.iter().flat_map(|(_, texts)| texts).map(|text| (text.hash, word_hashes(&text.text))).collect();
            let drawer = PairDrawer { request: &request, labels, words };
            vec![drawer.negative(0, drawer.labels[0].1[0], PairSide::Texts).1.text.to_string()]
        };
        assert_eq!(others, ["lease of land in ohio"]);
    }

    #[test]
    fn one_label_gives_no_pairs() {
        assert_eq!(drawn(&PairsRequest::default(), &[("lease", texts(&["a", "b"]))]), []);
    }
}
