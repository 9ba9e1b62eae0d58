//! Pooling of packed texts: vectors of tokens to vectors of texts.

use std::ops::Range;

use crate::{
    fused::{kernels, packed::PackedBatch},
    pooling_mode::{EMPTY_MAXIMUM, PoolingMode},
};

/// Forward pass: `[T, h]` to `[b, h]`.
pub(super) fn forward(hidden: &[f32], size: usize, packed: &PackedBatch, pooling: PoolingMode) -> Vec<f32> {
    let mut out = vec![0.0; packed.ends.len() * size];
    for (text, out) in out.chunks_exact_mut(size).enumerate() {
        let (all, counted) = (packed.text(text), packed.pooled(text));
        match pooling {
            PoolingMode::Mean => {
                kernels::add_rows(out, &hidden[counted.start * size..counted.end * size]);
                for value in out {
                    *value /= counted.len().max(1) as f32;
                }
            }
            PoolingMode::Max => {
                out.fill(EMPTY_MAXIMUM);
                for vector in rows(hidden, size, counted) {
                    for (out, value) in out.iter_mut().zip(vector) {
                        *out = out.max(*value);
                    }
                }
            }
            mode => {
                for (weight, vector) in mode.weights(all.len(), all.len() - counted.len()).zip(rows(hidden, size, all.clone())) {
                    for (out, value) in out.iter_mut().zip(vector) {
                        *out += weight * value;
                    }
                }
            }
        }
    }
    out
}

/// Backward pass: gradients `[b, h]` of the vectors of texts to those of tokens, `[T, h]`.
pub(super) fn backward(hidden: &[f32], gradients: &[f32], size: usize, packed: &PackedBatch, pooling: PoolingMode) -> Vec<f32> {
    let mut out = Vec::with_capacity(packed.tokens() * size);
    for (text, gradient) in gradients.chunks_exact(size).enumerate() {
        let (all, counted) = (packed.text(text), packed.pooled(text));
        match pooling {
            PoolingMode::Mean => {
                out.resize(out.len() + (all.len() - counted.len()) * size, 0.0);
                let gradient: Vec<f32> = gradient.iter().map(|value| value / counted.len() as f32).collect();
                out.extend(gradient.repeat(counted.len()));
            }
            PoolingMode::Max => {
                let start = out.len();
                out.resize(start + all.len() * size, 0.0);
                for (dimension, gradient) in gradient.iter().enumerate() {
                    let value = |token: usize| hidden[token * size + dimension];
                    // the first of equal values, as in Burn
                    let largest = counted.clone().reduce(|best, token| if value(token) > value(best) { token } else { best });
                    if let Some(token) = largest {
                        out[start + (token - all.start) * size + dimension] = *gradient;
                    }
                }
            }
            mode => {
                for weight in mode.weights(all.len(), all.len() - counted.len()) {
                    out.extend(gradient.iter().map(|value| weight * value));
                }
            }
        }
    }
    out
}

fn rows(hidden: &[f32], size: usize, tokens: Range<usize>) -> impl Iterator<Item = &[f32]> {
    hidden[tokens.start * size..tokens.end * size].chunks_exact(size)
}
