//! Attention within each text of a part: no text looks at another, and nothing is padding.

use std::ops::Range;

use crate::fused::{
    matrix::{Before, Matrix, multiply},
    vector,
};

/// How the numbers of a word piece are shared out among the heads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Numbers of a word piece.
    pub(crate) size: usize,
    pub(crate) count: usize,
}

impl Heads {
    fn width(self) -> usize {
        self.size / self.count
    }

    /// Scores are divided by the root of the width. Vaswani et al., 2017, arXiv:1706.03762.
    fn scale(self) -> f32 {
        1.0 / (self.width() as f32).sqrt()
    }
}

/// Queries, keys and values `[t, 3h]` of the word pieces of some texts to what each piece takes from the others of its text, `[t, h]`.
pub(super) fn forward(projected: &[f32], texts: impl Iterator<Item = Range<usize>>, heads: Heads, out: &mut [f32]) {
    let (size, width) = (heads.size, heads.width());
    let mut shares = Vec::new();
    for text in texts {
        let pieces = text.len();
        let rows = Matrix::new(&projected[text.start * 3 * size..text.end * 3 * size], 3 * size);
        let out = &mut out[text.start * size..text.end * size];
        for head in 0..heads.count {
            let first = head * width;
            let [query, key, value] = [0, size, 2 * size].map(|from| rows.columns(from + first, width));
            attend(query, key, pieces, heads.scale(), &mut shares);
            multiply(&mut out[first..], size, Before::Overwritten, Matrix::new(&shares, pieces), value, 1.0);
        }
    }
}

/// The shares `[s, s]` that each piece of a text takes of the others.
fn attend(query: Matrix<'_>, key: Matrix<'_>, pieces: usize, scale: f32, shares: &mut Vec<f32>) {
    shares.resize(pieces * pieces, 0.0);
    multiply(shares, pieces, Before::Overwritten, query, key.transposed(), scale);
    vector::softmax(shares, pieces);
}

/// What flows back: gradients `[t, h]` of the results to those of queries, keys and values, `[t, 3h]`. The shares are computed once
/// more, which costs less than to keep them.
pub(super) fn backward(
    projected: &[f32],
    gradients: &[f32],
    texts: impl Iterator<Item = Range<usize>>,
    heads: Heads,
    projected_gradients: &mut [f32],
) {
    let (size, width) = (heads.size, heads.width());
    let (mut shares, mut flows) = (Vec::new(), Vec::new());
    for text in texts {
        let pieces = text.len();
        let rows = Matrix::new(&projected[text.start * 3 * size..text.end * 3 * size], 3 * size);
        let gradients = Matrix::new(&gradients[text.start * size..text.end * size], size);
        let out = &mut projected_gradients[text.start * 3 * size..text.end * 3 * size];
        for head in 0..heads.count {
            let first = head * width;
            let [query, key, value] = [0, size, 2 * size].map(|from| rows.columns(from + first, width));
            let gradient = gradients.columns(first, width);
            attend(query, key, pieces, heads.scale(), &mut shares);
            flows.resize(pieces * pieces, 0.0);
            multiply(&mut flows, pieces, Before::Overwritten, gradient, value.transposed(), 1.0);
            vector::softmax_backward(&shares, &mut flows, pieces, heads.scale());
            let (shares, flows) = (Matrix::new(&shares, pieces), Matrix::new(&flows, pieces));
            multiply(&mut out[first..], 3 * size, Before::Overwritten, flows, key, 1.0);
            multiply(&mut out[size + first..], 3 * size, Before::Overwritten, flows.transposed(), query, 1.0);
            multiply(&mut out[2 * size + first..], 3 * size, Before::Overwritten, shares.transposed(), gradient, 1.0);
        }
    }
}
