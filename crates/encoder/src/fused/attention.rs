//! Multi-head self-attention over packed texts.

use std::ops::Range;

use crate::{
    fused::{
        kernels,
        matrix::{Matrix, Output, multiply},
    },
    relative_position::distance_bucket,
};

/// The division of a token vector into attention heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Dimension of a token vector.
    pub(crate) size: usize,
    pub(crate) count: usize,
    /// Number of buckets of distances between tokens, for which attention scores have a bias; 0 = none.
    pub(crate) distance_buckets: usize,
}

impl Heads {
    fn width(self) -> usize {
        self.size / self.count
    }

    /// Attention scores are divided by the square root of the head dimension. Vaswani et al., 2017, arXiv:1706.03762.
    fn scale(self) -> f32 {
        1.0 / (self.width() as f32).sqrt()
    }
}

/// The buckets of all distances between the tokens of a text.
struct Distances(Vec<usize>);

impl Distances {
    /// None if scores have no bias.
    fn new(tokens: usize, heads: Heads) -> Option<Self> {
        let tokens = tokens as i64;
        (heads.distance_buckets > 0)
            .then(|| Self((1 - tokens..tokens).map(|distance| distance_bucket(distance, heads.distance_buckets)).collect()))
    }

    /// The buckets from a token to all tokens.
    fn of_token(&self, token: usize) -> &[usize] {
        let tokens = self.0.len() / 2 + 1;
        &self.0[tokens - 1 - token..][..tokens]
    }

    /// Adds the bias of a head to the scores `[s, s]`. `table` is `[k, heads]`.
    fn add_bias(&self, scores: &mut [f32], table: &[f32], heads: usize, head: usize) {
        let tokens = self.0.len() / 2 + 1;
        for (token, scores) in scores.chunks_exact_mut(tokens).enumerate() {
            for (score, bucket) in scores.iter_mut().zip(self.of_token(token)) {
                *score += table[bucket * heads + head];
            }
        }
    }

    /// Adds the gradients `[s, s]` of the scores of a head, multiplied by `factor`, to those of the table.
    fn add_gradients(&self, score_gradients: &[f32], factor: f32, heads: usize, head: usize, table: &mut [f32]) {
        let tokens = self.0.len() / 2 + 1;
        for (token, gradients) in score_gradients.chunks_exact(tokens).enumerate() {
            for (gradient, bucket) in gradients.iter().zip(self.of_token(token)) {
                table[bucket * heads + head] += gradient * factor;
            }
        }
    }
}

/// Forward pass: queries, keys and values `[t, 3h]` of the tokens of some texts to their attention outputs `[t, h]`.
/// `distance_bias` is the table of the bias, `[k, heads]`.
pub(super) fn forward(projected: &[f32], distance_bias: &[f32], texts: impl Iterator<Item = Range<usize>>, heads: Heads, out: &mut [f32]) {
    let (size, width) = (heads.size, heads.width());
    let mut weights = Vec::new();
    for text in texts {
        let tokens = text.len();
        let rows = Matrix::new(&projected[text.start * 3 * size..text.end * 3 * size], 3 * size);
        let out = &mut out[text.start * size..text.end * size];
        let distances = Distances::new(tokens, heads);
        for head in 0..heads.count {
            let first = head * width;
            let [query, key, value] = [0, size, 2 * size].map(|from| rows.columns(from + first, width));
            attention_weights(query, key, tokens, heads.scale(), &mut weights, |scores| {
                if let Some(distances) = &distances {
                    distances.add_bias(scores, distance_bias, heads.count, head);
                }
            });
            multiply(&mut out[first..], size, Output::Overwrite, Matrix::new(&weights, tokens), value, 1.0);
        }
    }
}

/// Computes the attention weights `[s, s]` of a text. `change` may change the scores.
fn attention_weights(
    query: Matrix<'_>,
    key: Matrix<'_>,
    tokens: usize,
    scale: f32,
    weights: &mut Vec<f32>,
    change: impl FnOnce(&mut [f32]),
) {
    weights.resize(tokens * tokens, 0.0);
    multiply(weights, tokens, Output::Overwrite, query, key.transposed(), scale);
    change(weights);
    kernels::softmax(weights, tokens);
}

/// Backward pass: gradients `[t, h]` of the outputs to those of queries, keys and values, `[t, 3h]`. Attention weights are recomputed,
/// which is cheaper than storing them. Returns the gradients of the table of the bias.
pub(super) fn backward(
    projected: &[f32],
    distance_bias: &[f32],
    gradients: &[f32],
    texts: impl Iterator<Item = Range<usize>>,
    heads: Heads,
    projected_gradients: &mut [f32],
) -> Vec<f32> {
    let (size, width) = (heads.size, heads.width());
    let (mut weights, mut weight_gradients) = (Vec::new(), Vec::new());
    let mut bias_gradients = vec![0.0; distance_bias.len()];
    for text in texts {
        let tokens = text.len();
        let rows = Matrix::new(&projected[text.start * 3 * size..text.end * 3 * size], 3 * size);
        let gradients = Matrix::new(&gradients[text.start * size..text.end * size], size);
        let out = &mut projected_gradients[text.start * 3 * size..text.end * 3 * size];
        let distances = Distances::new(tokens, heads);
        for head in 0..heads.count {
            let first = head * width;
            let [query, key, value] = [0, size, 2 * size].map(|from| rows.columns(from + first, width));
            let gradient = gradients.columns(first, width);
            attention_weights(query, key, tokens, heads.scale(), &mut weights, |scores| {
                if let Some(distances) = &distances {
                    distances.add_bias(scores, distance_bias, heads.count, head);
                }
            });
            weight_gradients.resize(tokens * tokens, 0.0);
            multiply(&mut weight_gradients, tokens, Output::Overwrite, gradient, value.transposed(), 1.0);
            kernels::softmax_backward(&weights, &mut weight_gradients, tokens, heads.scale());
            if let Some(distances) = &distances {
                // the bias is added after scaling
                distances.add_gradients(&weight_gradients, 1.0 / heads.scale(), heads.count, head, &mut bias_gradients);
            }
            let (weights, weight_gradients) = (Matrix::new(&weights, tokens), Matrix::new(&weight_gradients, tokens));
            multiply(&mut out[first..], 3 * size, Output::Overwrite, weight_gradients, key, 1.0);
            multiply(&mut out[size + first..], 3 * size, Output::Overwrite, weight_gradients.transposed(), query, 1.0);
            multiply(&mut out[2 * size + first..], 3 * size, Output::Overwrite, weights.transposed(), gradient, 1.0);
        }
    }
    bias_gradients
}
