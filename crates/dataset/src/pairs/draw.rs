//! Pairs drawn from a pool.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::label::{Label, Labels};
use crate::pairs::pool::{Pool, PooledText, Sample};
use crate::pairs::request::{PairSide, PairsRequest};
use crate::pairs::words::{likeness, words};
use crate::split::Split;

/// Texts that are looked at for a hard negative.
const CANDIDATES: usize = 16;

/// Two texts and whether they belong together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair<'a> {
    pub(crate) text_a: &'a str,
    pub(crate) text_b: &'a str,
    pub(crate) same: bool,
    pub(crate) field: &'a str,
    pub(crate) split: Split,
}

/// All pairs of a pool by field and split, as many that belong together as not; each once. Labels that are not learned give none.
pub(crate) fn draw<'a>(pool: &'a Pool, fields: &'a [String], labels: &Labels, request: &'a PairsRequest) -> Vec<Pair<'a>> {
    let mut pairs = Vec::new();
    for ((place, split), sample) in pool.samples() {
        let field = &fields[*place];
        let Some(trainable) = labels.fields.get(field) else { continue };
        let learned: BTreeSet<&str> =
            trainable.labels.iter().filter_map(|label| if let Label::Value(value) = label { Some(value.as_str()) } else { None }).collect();
        let drawing = Drawing::new(sample, &learned, request);
        pairs.extend(drawing.pairs().into_iter().map(|(text_a, text_b, same)| Pair { text_a, text_b, same, field, split: *split }));
    }
    pairs
}

/// The draw of one field in one split.
struct Drawing<'a> {
    request: &'a PairsRequest,
    labels: Vec<(&'a str, Vec<&'a PooledText>)>,
    /// Of the texts, when negatives are to be hard.
    words: BTreeMap<u64, BTreeSet<u64>>,
}

impl<'a> Drawing<'a> {
    fn new(sample: &'a Sample, learned: &BTreeSet<&str>, request: &'a PairsRequest) -> Self {
        let labels: Vec<(&str, Vec<&PooledText>)> = sample
            .labels
            .iter()
            .filter(|(label, _)| learned.contains(label.as_str()))
            .map(|(label, texts)| (label.as_str(), texts.iter().collect()))
            .collect();
        let texts = labels.iter().flat_map(|(_, texts)| texts).filter(|_| request.hard_negatives);
        let words = texts.map(|text| (text.hash, words(&text.text))).collect();
        Self { request, labels, words }
    }

    fn pairs(&self) -> Vec<(&'a str, &'a str, bool)> {
        let mut pairs = Vec::new();
        let mut seen = HashSet::new();
        if self.labels.len() < 2 {
            return pairs; // nothing to tell apart
        }
        for (place, (label, texts)) in self.labels.iter().enumerate() {
            for (number, text) in texts.iter().enumerate() {
                for side in &self.request.of {
                    let next = texts[(number + 1) % texts.len()];
                    let (other_label, other_text) = self.other(place, text, *side);
                    let (same, different): ((&str, &str), (&str, &str)) = match side {
                        PairSide::Values => ((label, &text.text), (other_label, &text.text)),
                        PairSide::Texts => ((&text.text, &next.text), (&text.text, &other_text.text)),
                    };
                    // equal texts teach nothing, and under two labels they contradict each other
                    if same.0 == same.1
                        || different.0 == different.1
                        || seen.contains(&unordered(same))
                        || seen.contains(&unordered(different))
                    {
                        continue;
                    }
                    // both or none: so there are as many of one as of the other
                    seen.insert(unordered(same));
                    seen.insert(unordered(different));
                    pairs.push((same.0, same.1, true));
                    pairs.push((different.0, different.1, false));
                }
            }
        }
        pairs
    }

    /// A text of another label.
    fn other(&self, place: usize, text: &PooledText, side: PairSide) -> (&'a str, &'a PooledText) {
        let drawn = |number: usize| {
            let hash = xxh3_64_with_seed(
                &[text.hash.to_le_bytes(), (number as u64).to_le_bytes(), (side as u64).to_le_bytes()].concat(),
                self.request.seed,
            );
            let (upper, lower) = ((hash >> 32) as usize, (hash & 0xffff_ffff) as usize);
            let (label, texts) = &self.labels[(place + 1 + upper % (self.labels.len() - 1)) % self.labels.len()];
            (*label, texts[lower % texts.len()])
        };
        if !self.request.hard_negatives {
            return drawn(0);
        }
        let alike = |other: &PooledText| likeness(&self.words[&text.hash], &self.words[&other.hash]);
        let candidates = (0..CANDIDATES).map(drawn).map(|(label, other)| (label, other, alike(other)));
        let hardest = candidates.reduce(|best, next| if next.2 > best.2 { next } else { best });
        let (label, other, _) = hardest.expect("there is more than one candidate");
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
        let words = labels.iter().flat_map(|(_, texts)| texts).map(|text| (text.hash, words(&text.text))).collect();
        let pairs = Drawing { request, labels, words }.pairs();
        pairs.into_iter().map(|(a, b, same)| (a.to_owned(), b.to_owned(), same)).collect()
    }

    #[test]
    fn there_are_as_many_pairs_of_one_label_as_of_two_and_none_twice() {
        let labels = [("lease", texts(&["a", "b", "c"])), ("loan", texts(&["d", "e"])), ("sale", texts(&["f"]))];
        let pairs = drawn(&PairsRequest::default(), &labels);
        let same = pairs.iter().filter(|pair| pair.2).count();
        assert_eq!(2 * same, pairs.len());
        assert!(pairs.len() >= 16, "{pairs:?}");
        let distinct: HashSet<(&str, &str)> = pairs.iter().map(|(a, b, _)| unordered((a, b))).collect();
        assert_eq!(distinct.len(), pairs.len());
        let label_of =
            |text: &str| labels.iter().find(|(label, texts)| *label == text || texts.iter().any(|t| &*t.text == text)).unwrap().0;
        for (a, b, same) in &pairs {
            assert_eq!(label_of(a) == label_of(b), *same, "{a} {b}");
        }
    }

    #[test]
    fn a_hard_negative_is_the_most_alike_of_those_drawn() {
        let labels = [("lease", texts(&["lease of land in utah"])), ("loan", texts(&["loan of money", "lease of land in ohio"]))];
        let request = PairsRequest { hard_negatives: true, of: vec![PairSide::Texts], ..PairsRequest::default() };
        let others: Vec<_> = {
            let labels = labels.iter().map(|(label, texts)| (*label, texts.iter().collect::<Vec<_>>())).collect::<Vec<_>>();
            let words = labels.iter().flat_map(|(_, texts)| texts).map(|text| (text.hash, words(&text.text))).collect();
            let drawing = Drawing { request: &request, labels, words };
            vec![drawing.other(0, drawing.labels[0].1[0], PairSide::Texts).1.text.to_string()]
        };
        assert_eq!(others, ["lease of land in ohio"]);
    }

    #[test]
    fn one_label_gives_no_pairs() {
        assert_eq!(drawn(&PairsRequest::default(), &[("lease", texts(&["a", "b"]))]), []);
    }
}
