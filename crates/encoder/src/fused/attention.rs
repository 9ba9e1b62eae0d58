//! Multi-head self-attention over packed texts.

use std::ops::Range;

use crate::fused::{
    kernels,
    matrix::{Matrix, Output, multiply},
};

/// The division of a token vector into attention heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Dimension of a token vector.
    pub(crate) size: usize,
    pub(crate) count: usize,
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

/// Forward pass: queries, keys and values `[t, 3h]` of the tokens of some texts to their attention outputs `[t, h]`.
pub(super) fn forward(projected: &[f32], texts: impl Iterator<Item = Range<usize>>, heads: Heads, out: &mut [f32]) {
    let (size, width) = (heads.size, heads.width());
    let mut weights = Vec::new();
    for text in texts {
        let tokens = text.len();
        let rows = Matrix::new(&projected[text.start * 3 * size..text.end * 3 * size], 3 * size);
        let out = &mut out[text.start * size..text.end * size];
        for head in 0..heads.count {
            let first = head * width;
            let [query, key, value] = [0, size, 2 * size].map(|from| rows.columns(from + first, width));
            attention_weights(query, key, tokens, heads.scale(), &mut weights);
            multiply(&mut out[first..], size, Output::Overwrite, Matrix::new(&weights, tokens), value, 1.0);
        }
    }
}

/// Computes the attention weights `[s, s]` of a text.
fn attention_weights(query: Matrix<'_>, key: Matrix<'_>, tokens: usize, scale: f32, weights: &mut Vec<f32>) {
    weights.resize(tokens * tokens, 0.0);
    multiply(weights, tokens, Output::Overwrite, query, key.transposed(), scale);
    kernels::softmax(weights, tokens);
}

/// Backward pass: gradients `[t, h]` of the outputs to those of queries, keys and values, `[t, 3h]`. Attention weights are recomputed,
/// which is cheaper than storing them.
pub(super) fn backward(
    projected: &[f32],
    gradients: &[f32],
    texts: impl Iterator<Item = Range<usize>>,
    heads: Heads,
    projected_gradients: &mut [f32],
) {
    let (size, width) = (heads.size, heads.width());
    let (mut weights, mut weight_gradients) = (Vec::new(), Vec::new());
    for text in texts {
        let tokens = text.len();
        let rows = Matrix::new(&projected[text.start * 3 * size..text.end * 3 * size], 3 * size);
        let gradients = Matrix::new(&gradients[text.start * size..text.end * size], size);
        let out = &mut projected_gradients[text.start * 3 * size..text.end * 3 * size];
        for head in 0..heads.count {
            let first = head * width;
            let [query, key, value] = [0, size, 2 * size].map(|from| rows.columns(from + first, width));
            let gradient = gradients.columns(first, width);
            attention_weights(query, key, tokens, heads.scale(), &mut weights);
            weight_gradients.resize(tokens * tokens, 0.0);
            multiply(&mut weight_gradients, tokens, Output::Overwrite, gradient, value.transposed(), 1.0);
            kernels::softmax_backward(&weights, &mut weight_gradients, tokens, heads.scale());
            let (weights, weight_gradients) = (Matrix::new(&weights, tokens), Matrix::new(&weight_gradients, tokens));
            multiply(&mut out[first..], 3 * size, Output::Overwrite, weight_gradients, key, 1.0);
            multiply(&mut out[size + first..], 3 * size, Output::Overwrite, weight_gradients.transposed(), query, 1.0);
            multiply(&mut out[2 * size + first..], 3 * size, Output::Overwrite, weights.transposed(), gradient, 1.0);
        }
    }
}
