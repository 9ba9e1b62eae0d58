//! The words of a text that speak for and against a predicted value.
//!
//! A feature contributes its value times the difference of its weights for the predicted class and for the second most probable one. All
//! contributions and the difference of the biases sum up to the logarithm of the ratio of the two probabilities. The contribution of an
//! n-gram is divided among its occurrences, and among its words.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::features::{NgramCounter, SparseRow, Vectorizer};
use crate::prediction::FieldPrediction;
use crate::{config::FieldConfig, weights::FieldWeights};

/// Maximum number of words for a value, and of words against it.
const MAX_WORDS: usize = 5;

/// Maximum number of characters of a word that are shown.
const MAX_CHARS: usize = 60;

/// A word that speaks for or against a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WordEvidence {
    /// The word as the text has it, without punctuation at its ends, at most 60 characters.
    pub text: String,
    /// Its contribution, over all of its occurrences: positive for the value, negative for the second most probable one.
    pub contribution: f64,
    /// Offsets, in characters, of the occurrence that contributes most; the end is exclusive. `None` if the text is not stored as the model
    /// reads it.
    pub place: Option<(usize, usize)>,
}

/// A word of the text.
struct Word<'a> {
    text: &'a str,
    place: Option<(usize, usize)>,
}

/// The words of a text, and the part of each feature that occurs in each of them.
pub(crate) struct TextWords {
    /// As the features see them, to group equal words.
    lowered: Vec<String>,
    /// Position of the feature in the row, word, and part of the feature.
    parts: Vec<(u32, u32, f64)>,
}

impl TextWords {
    pub(crate) fn new(vectorizer: &Vectorizer, counter: &mut NgramCounter, row: &SparseRow, text: &str) -> Self {
        let (lowered, found) = counter.occurrences(vectorizer.config(), text);
        let known = found.into_iter().filter_map(|occurrence| {
            let feature = vectorizer.index_of(occurrence.key)?;
            let position = row.indices.binary_search(&feature).ok()?;
            Some((position as u32, occurrence.word, f64::from(occurrence.share)))
        });
        let mut parts: Vec<(u32, u32, f64)> = known.collect();
        let mut totals = vec![0.0; row.indices.len()];
        parts.iter().for_each(|(position, _, share)| totals[*position as usize] += share);
        parts.iter_mut().for_each(|(position, _, share)| *share /= totals[*position as usize]);
        Self { lowered, parts }
    }

    /// The words that contribute most for and against the value of a field, the strongest first, those for it before those against it.
    pub(crate) fn explain(
        &self,
        (field, head): (&FieldConfig, &FieldWeights),
        row: &SparseRow,
        prediction: &FieldPrediction,
        text: &str,
    ) -> Vec<WordEvidence> {
        let class = |label: &Option<String>| field.labels.iter().position(|other| other == label);
        let [Some(first), Some(second)] = [0, 1].map(|rank| prediction.top.get(rank).and_then(|ranked| class(&ranked.label))) else {
            return Vec::new();
        };
        let classes = field.labels.len();
        let contribution = |position: usize| {
            let weights = &head.weight[row.indices[position] as usize * classes..][..classes];
            f64::from(row.values[position]) * (f64::from(weights[first]) - f64::from(weights[second]))
        };
        let contributions: Vec<f64> = (0..row.indices.len()).map(contribution).collect();
        let mut by_word = vec![0.0; self.lowered.len()];
        for (position, word, share) in &self.parts {
            by_word[*word as usize] += contributions[*position as usize] * share;
        }
        // equal words together: the sum, and the occurrence that contributes most
        let mut groups: HashMap<&str, (f64, usize)> = HashMap::new();
        for (number, (word, value)) in self.lowered.iter().zip(&by_word).enumerate() {
            let name = trimmed(word);
            if name.is_empty() {
                continue;
            }
            let (sum, strongest) = groups.entry(name).or_insert((0.0, number));
            *sum += value;
            if value.abs() > by_word[*strongest].abs() {
                *strongest = number;
            }
        }
        let mut ranked: Vec<(f64, usize)> = groups.into_values().filter(|(sum, _)| *sum != 0.0).collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let positive = ranked.iter().take_while(|(sum, _)| *sum > 0.0).take(MAX_WORDS);
        let negative = ranked.iter().rev().take_while(|(sum, _)| *sum < 0.0).take(MAX_WORDS);
        let words = self.original(text);
        let show = |(contribution, number): &(f64, usize)| {
            let Word { text, place } = words.as_ref().map_or(Word { text: trimmed(&self.lowered[*number]), place: None }, |words| Word {
                text: words[*number].text,
                place: words[*number].place,
            });
            WordEvidence { text: text.chars().take(MAX_CHARS).collect(), contribution: *contribution, place }
        };
        positive.chain(negative).map(show).collect()
    }

    /// The words as the text has them; `None` if the text was changed so much that they do not correspond.
    fn original<'a>(&self, text: &'a str) -> Option<Vec<Word<'a>>> {
        let (mut words, mut offset, mut chars) = (Vec::with_capacity(self.lowered.len()), 0, 0);
        for word in text.split_whitespace() {
            let begin = word.as_ptr() as usize - text.as_ptr() as usize;
            let shown = trimmed(word);
            let skipped = shown.as_ptr() as usize - word.as_ptr() as usize;
            chars += text[offset..begin + skipped].chars().count();
            let end = chars + shown.chars().count();
            words.push(Word { text: shown, place: Some((chars, end)) });
            (offset, chars) = (begin + skipped + shown.len(), end);
        }
        (words.len() == self.lowered.len()).then_some(words)
    }
}

/// The word without punctuation at its ends.
fn trimmed(word: &str) -> &str {
    word.trim_matches(|character: char| !character.is_alphanumeric() && character != '_')
}
