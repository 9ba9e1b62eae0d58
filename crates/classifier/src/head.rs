//! The head of a field: attention over the chunks of a text, then a linear layer.

use aprendiz_inference::SparseRow;

/// Number of parts of a text that attention distinguishes.
pub const POSITIONS: usize = 8;

/// Chunks at the beginning of a text that have a position of their own.
const FIRST_POSITIONS: usize = 4;

/// The part of a text that a chunk belongs to: each of the first four chunks, the thirds of the rest, and the last chunk.
#[must_use]
pub fn chunk_position(index: usize, count: usize) -> usize {
    match index {
        first if first < FIRST_POSITIONS => first,
        last if last + 1 == count => POSITIONS - 1,
        middle => FIRST_POSITIONS + (3 * middle / count).min(2),
    }
}

/// What a head reads of a chunk. `h` is the dimension of the vectors, `V` the size of the vocabulary, `C` the number of classes.
#[derive(Debug, Clone, Copy)]
pub struct HeadInput<'a> {
    /// `[h]`: the vector of the encoder.
    pub vector: &'a [f32],
    /// Sparse `[V]`: TF-IDF of words and pairs of words; empty for a head that does not read words.
    pub ngrams: &'a SparseRow,
    /// Sparse `[C]`: which [share](crate::LabelWords::shares) of each label's words is in the chunk; empty likewise.
    pub mentions: &'a SparseRow,
}

/// Weights of a head. `h` is the dimension of the vectors, `C` the number of classes.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldHead {
    /// `[h]`: the score of a chunk is its product with this vector, plus that of its position. With zeros, all chunks weigh the same.
    pub query: Vec<f32>,
    /// `[POSITIONS]`: the score of each [position](chunk_position).
    pub position: Vec<f32>,
    /// `[C, h]` in row-major order.
    pub weight: Vec<f32>,
    /// `[C]`.
    pub bias: Vec<f32>,
    /// How the words of a chunk count; `None` if the head reads vectors only.
    pub words: Option<WordWeights>,
}

/// Weights of the words of a chunk. `V` is the size of the vocabulary, `C` the number of classes.
#[derive(Debug, Clone, PartialEq)]
pub struct WordWeights {
    /// `[V, 1 + C]` in row-major order: what an n-gram adds to the score of its chunk, and to the logit of each class.
    pub ngrams: Vec<f32>,
    /// What a chunk with all words of a label adds to the logit of that class.
    pub mention: f32,
    /// `[1 + C]`: score and logits of a chunk without content, which takes the attention if no other chunk deserves it.
    pub absent: Vec<f32>,
}

/// What a head computes for a text.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadOutput {
    /// Logits of the classes.
    pub logits: Vec<f64>,
    /// Attention weights of the chunks. They sum up to 1, less the weight of the chunk without content.
    pub attention: Vec<f64>,
}

impl FieldHead {
    /// Logits of a text from its chunks, of which there is at least one. Sums are in 64 bits and in a fixed order, so that results are
    /// reproducible. Attention pooling: Ilse et al., 2018, arXiv:1802.04712, without the gate.
    #[must_use]
    pub fn forward(&self, chunks: &[HeadInput<'_>]) -> HeadOutput {
        let score = |(index, chunk): (usize, &HeadInput<'_>)| {
            let of_words = self.words.as_ref().map_or(0.0, |words| words.score(chunk.ngrams, self.bias.len()));
            product(&self.query, chunk.vector) + f64::from(self.position[chunk_position(index, chunks.len())]) + of_words
        };
        let scores: Vec<f64> = chunks.iter().enumerate().map(score).collect();
        let absent = self.words.as_ref().map(|words| f64::from(words.absent[0]));
        let largest = scores.iter().copied().chain(absent).fold(f64::NEG_INFINITY, f64::max);
        let mut attention: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let absent = absent.map_or(0.0, |score| (score - largest).exp());
        let total = attention.iter().sum::<f64>() + absent;
        attention.iter_mut().for_each(|weight| *weight /= total);
        let mut mean = vec![0.0_f64; self.query.len()];
        for (weight, chunk) in attention.iter().zip(chunks) {
            for (sum, value) in mean.iter_mut().zip(chunk.vector) {
                *sum += weight * f64::from(*value);
            }
        }
        let rows = self.weight.chunks_exact(self.query.len());
        let logit = |(row, bias): (&[f32], &f32)| {
            f64::from(*bias) + row.iter().zip(&mean).map(|(weight, value)| f64::from(*weight) * value).sum::<f64>()
        };
        let mut logits: Vec<f64> = rows.zip(&self.bias).map(logit).collect();
        if let Some(words) = &self.words {
            for (weight, chunk) in attention.iter().zip(chunks) {
                words.add_logits(chunk, *weight, &mut logits);
            }
            for (logit, value) in logits.iter_mut().zip(&words.absent[1..]) {
                *logit += absent / total * f64::from(*value);
            }
        }
        HeadOutput { logits, attention }
    }

    /// The chunk that contributes most to the logit of a class.
    #[must_use]
    pub fn deciding_chunk(&self, chunks: &[HeadInput<'_>], attention: &[f64], class: usize) -> Option<usize> {
        let row = self.weight.chunks_exact(self.query.len()).nth(class)?;
        let contributions: Vec<f64> = chunks
            .iter()
            .zip(attention)
            .map(|(chunk, weight)| {
                let of_words = self.words.as_ref().map_or(0.0, |words| words.logit(chunk, class, self.bias.len()));
                weight * (product(row, chunk.vector) + of_words)
            })
            .collect();
        // the first of equal ones
        (0..chunks.len()).rev().max_by(|one, other| contributions[*one].total_cmp(&contributions[*other]))
    }

    /// Multiplies all logits by a number, which leaves the attention as it is.
    pub fn scale_logits(&mut self, factor: f64) {
        let classes = self.bias.len();
        let of_words = self.words.iter_mut().flat_map(|words| {
            let ngrams = words.ngrams.chunks_exact_mut(1 + classes).flat_map(|row| &mut row[1..]);
            ngrams.chain(&mut words.absent[1..]).chain([&mut words.mention])
        });
        for value in self.weight.iter_mut().chain(&mut self.bias).chain(of_words) {
            *value = (f64::from(*value) * factor) as f32;
        }
    }

    /// Whether all weights are finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let of_words = self.words.iter().flat_map(|words| words.ngrams.iter().chain(&words.absent).chain([&words.mention]));
        self.query.iter().chain(&self.position).chain(&self.weight).chain(&self.bias).chain(of_words).all(|value| value.is_finite())
    }
}

impl WordWeights {
    /// What the n-grams of a chunk add to its score.
    fn score(&self, ngrams: &SparseRow, classes: usize) -> f64 {
        self.sum(ngrams, 0, classes)
    }

    /// What the words of a chunk contribute to the logit of a class.
    fn logit(&self, chunk: &HeadInput<'_>, class: usize, classes: usize) -> f64 {
        let mention = chunk.mentions.indices.iter().zip(&chunk.mentions.values).find(|(index, _)| **index as usize == class);
        let mention = mention.map_or(0.0, |(_, share)| f64::from(self.mention) * f64::from(*share));
        self.sum(chunk.ngrams, 1 + class, classes) + mention
    }

    fn sum(&self, ngrams: &SparseRow, column: usize, classes: usize) -> f64 {
        let weight = |index: u32| f64::from(self.ngrams[index as usize * (1 + classes) + column]);
        ngrams.indices.iter().zip(&ngrams.values).map(|(index, value)| weight(*index) * f64::from(*value)).sum()
    }

    /// Adds what the words of a chunk with this attention weight contribute to all logits.
    fn add_logits(&self, chunk: &HeadInput<'_>, weight: f64, logits: &mut [f64]) {
        let columns = 1 + logits.len();
        for (index, value) in chunk.ngrams.indices.iter().zip(&chunk.ngrams.values) {
            let row = &self.ngrams[*index as usize * columns + 1..(*index as usize + 1) * columns];
            for (logit, of_ngram) in logits.iter_mut().zip(row) {
                *logit += weight * f64::from(*value) * f64::from(*of_ngram);
            }
        }
        for (class, share) in chunk.mentions.indices.iter().zip(&chunk.mentions.values) {
            logits[*class as usize] += weight * f64::from(self.mention) * f64::from(*share);
        }
    }
}

fn product(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WORDS: &SparseRow = &SparseRow { indices: Vec::new(), values: Vec::new() };

    fn inputs<'a>(vectors: &'a [Vec<f32>]) -> Vec<HeadInput<'a>> {
        vectors.iter().map(|vector| HeadInput { vector, ngrams: NO_WORDS, mentions: NO_WORDS }).collect()
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-7), "{found:?} {expected:?}");
    }

    #[test]
    fn attention_weighs_the_chunks_and_the_linear_layer_follows() {
        let head = FieldHead {
            query: vec![0.0, 3.0_f32.ln()],
            position: vec![0.0; POSITIONS],
            weight: vec![1.0, 0.0, 0.0, 2.0],
            bias: vec![0.5, 0.0],
            words: None,
        };
        // scores 0 and ln 3: weights 1/4 and 3/4
        let vectors = [vec![1.0, 0.0], vec![0.0, 1.0]];
        let chunks = inputs(&vectors);
        let HeadOutput { logits, attention } = head.forward(&chunks);
        assert_close(&attention, &[0.25, 0.75]);
        assert_close(&logits, &[0.75, 1.5]);
        assert_eq!(head.deciding_chunk(&chunks, &attention, 0), Some(0));
        assert_eq!(head.deciding_chunk(&chunks, &attention, 1), Some(1));
    }

    #[test]
    fn words_add_to_scores_and_logits_and_the_absent_chunk_takes_its_part() {
        let row = |index: u32, value: f32| SparseRow { indices: vec![index], values: vec![value] };
        let mut head = FieldHead {
            query: vec![0.0],
            position: vec![0.0; POSITIONS],
            weight: vec![0.0, 0.0],
            bias: vec![0.0, 0.0],
            words: Some(WordWeights {
                // the second n-gram of the vocabulary adds ln 2 to the score, and 1 to the logit of the second class
                ngrams: vec![0.0, 0.0, 0.0, 2.0_f32.ln(), 0.0, 1.0],
                mention: 4.0,
                absent: vec![0.0, 8.0, 0.0],
            }),
        };
        let (ngrams, mentions) = (row(1, 1.0), row(0, 0.5));
        let chunks = [
            HeadInput { vector: &[0.0], ngrams: &ngrams, mentions: NO_WORDS },
            HeadInput { vector: &[0.0], ngrams: NO_WORDS, mentions: &mentions },
        ];
        // scores ln 2, 0, and 0 of the absent chunk: weights 1/2, 1/4 and 1/4
        let HeadOutput { logits, attention } = head.forward(&chunks);
        assert_close(&attention, &[0.5, 0.25]);
        assert_close(&logits, &[0.25 * 4.0 * 0.5 + 0.25 * 8.0, 0.5]);
        assert_eq!(head.deciding_chunk(&chunks, &attention, 0), Some(1));
        assert_eq!(head.deciding_chunk(&chunks, &attention, 1), Some(0));
        head.scale_logits(2.0);
        let scaled = head.forward(&chunks);
        assert_close(&scaled.attention, &attention);
        assert_close(&scaled.logits, &[5.0, 1.0]);
    }

    #[test]
    fn without_a_query_all_chunks_weigh_the_same() {
        let head = FieldHead { query: vec![0.0; 2], position: vec![0.0; POSITIONS], weight: vec![1.0, 1.0], bias: vec![0.0], words: None };
        assert_eq!(head.forward(&inputs(&[vec![1.0, 0.0], vec![0.0, 5.0]])).attention, [0.5, 0.5]);
    }

    #[test]
    fn the_position_of_a_chunk_changes_its_weight() {
        let mut head = FieldHead { query: vec![0.0], position: vec![0.0; POSITIONS], weight: vec![1.0], bias: vec![0.0], words: None };
        head.position[0] = 3.0_f32.ln();
        let attention = head.forward(&inputs(&[vec![1.0], vec![0.0]])).attention;
        assert!((attention[0] - 0.75).abs() < 1e-7, "{attention:?}");
        let positions = |count: usize| (0..count).map(|index| chunk_position(index, count)).collect::<Vec<_>>();
        assert_eq!((positions(1), positions(5)), (vec![0], vec![0, 1, 2, 3, 7]));
        assert_eq!(positions(12), [0, 1, 2, 3, 5, 5, 5, 5, 6, 6, 6, 7]);
    }
}
