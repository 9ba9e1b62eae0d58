//! The head of a field: attention over the chunks of a text, then a linear layer.

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
}

/// What a head computes for a text.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadOutput {
    /// Logits of the classes.
    pub logits: Vec<f64>,
    /// Attention weights of the chunks, which sum up to 1.
    pub attention: Vec<f64>,
}

impl FieldHead {
    /// Logits of a text from the vectors of its chunks, `h` values each, of which there is at least one. Sums are in 64 bits and in a fixed
    /// order, so that results are reproducible. Attention pooling: Ilse et al., 2018, arXiv:1802.04712, without the gate.
    #[must_use]
    pub fn forward(&self, chunks: &[Vec<f32>]) -> HeadOutput {
        let score = |(index, chunk): (usize, &Vec<f32>)| {
            product(&self.query, chunk) + f64::from(self.position[chunk_position(index, chunks.len())])
        };
        let scores: Vec<f64> = chunks.iter().enumerate().map(score).collect();
        let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut attention: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
        let total: f64 = attention.iter().sum();
        attention.iter_mut().for_each(|weight| *weight /= total);
        let mut mean = vec![0.0_f64; self.query.len()];
        for (weight, chunk) in attention.iter().zip(chunks) {
            for (sum, value) in mean.iter_mut().zip(chunk) {
                *sum += weight * f64::from(*value);
            }
        }
        let rows = self.weight.chunks_exact(self.query.len());
        let logit = |(row, bias): (&[f32], &f32)| {
            f64::from(*bias) + row.iter().zip(&mean).map(|(weight, value)| f64::from(*weight) * value).sum::<f64>()
        };
        HeadOutput { logits: rows.zip(&self.bias).map(logit).collect(), attention }
    }

    /// The chunk that contributes most to the logit of a class.
    #[must_use]
    pub fn deciding_chunk(&self, chunks: &[Vec<f32>], attention: &[f64], class: usize) -> Option<usize> {
        let row = self.weight.chunks_exact(self.query.len()).nth(class)?;
        let contribution = |index: &usize| attention[*index] * product(row, &chunks[*index]);
        // the first of equal ones
        (0..chunks.len()).rev().max_by(|one, other| contribution(one).total_cmp(&contribution(other)))
    }
}

fn product(left: &[f32], right: &[f32]) -> f64 {
    left.iter().zip(right).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_weighs_the_chunks_and_the_linear_layer_follows() {
        let head = FieldHead {
            query: vec![0.0, 3.0_f32.ln()],
            position: vec![0.0; POSITIONS],
            weight: vec![1.0, 0.0, 0.0, 2.0],
            bias: vec![0.5, 0.0],
        };
        // scores 0 and ln 3: weights 1/4 and 3/4
        let chunks = [vec![1.0, 0.0], vec![0.0, 1.0]];
        let HeadOutput { logits, attention } = head.forward(&chunks);
        for (found, expected) in attention.iter().chain(&logits).zip([0.25, 0.75, 0.75, 1.5]) {
            assert!((found - expected).abs() < 1e-7, "{found} {expected}");
        }
        assert_eq!(head.deciding_chunk(&chunks, &attention, 0), Some(0));
        assert_eq!(head.deciding_chunk(&chunks, &attention, 1), Some(1));
    }

    #[test]
    fn without_a_query_all_chunks_weigh_the_same() {
        let head = FieldHead { query: vec![0.0; 2], position: vec![0.0; POSITIONS], weight: vec![1.0, 1.0], bias: vec![0.0] };
        assert_eq!(head.forward(&[vec![1.0, 0.0], vec![0.0, 5.0]]).attention, [0.5, 0.5]);
    }

    #[test]
    fn the_position_of_a_chunk_changes_its_weight() {
        let mut head = FieldHead { query: vec![0.0], position: vec![0.0; POSITIONS], weight: vec![1.0], bias: vec![0.0] };
        head.position[0] = 3.0_f32.ln();
        let attention = head.forward(&[vec![1.0], vec![0.0]]).attention;
        assert!((attention[0] - 0.75).abs() < 1e-7, "{attention:?}");
        let positions = |count: usize| (0..count).map(|index| chunk_position(index, count)).collect::<Vec<_>>();
        assert_eq!((positions(1), positions(5)), (vec![0], vec![0, 1, 2, 3, 7]));
        assert_eq!(positions(12), [0, 1, 2, 3, 5, 5, 5, 5, 6, 6, 6, 7]);
    }
}
