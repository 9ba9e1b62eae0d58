//! How the vectors of the tokens of a text become one vector.

/// The value of a text without tokens that count, as in sentence-transformers.
pub(crate) const EMPTY_MAXIMUM: f32 = -1e9;

/// A pooling of sentence-transformers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PoolingMode {
    /// The mean.
    #[default]
    Mean,
    /// The vector of the first token that counts.
    Cls,
    /// The maximum of each dimension.
    Max,
    /// The mean, weighted by the position of the token: 1, 2, 3, …
    WeightedMean,
    /// The sum, divided by the square root of the number of tokens.
    MeanSqrtLength,
}

impl PoolingMode {
    pub(crate) const ALL: [Self; 5] = [Self::Mean, Self::Cls, Self::Max, Self::WeightedMean, Self::MeanSqrtLength];

    /// The name in files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Max => "max",
            Self::WeightedMean => "weightedmean",
            Self::MeanSqrtLength => "mean_sqrt_len_tokens",
        }
    }

    /// The key in files of older versions, which have a switch for each pooling.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Mean => "pooling_mode_mean_tokens",
            Self::Cls => "pooling_mode_cls_token",
            Self::Max => "pooling_mode_max_tokens",
            Self::WeightedMean => "pooling_mode_weightedmean_tokens",
            Self::MeanSqrtLength => "pooling_mode_mean_sqrt_len_tokens",
        }
    }

    /// The factor of each of the `length` tokens of a text in its sum, if the first `left_out` do not count. Not for [`Max`](Self::Max).
    pub(crate) fn weights(self, length: usize, left_out: usize) -> impl Iterator<Item = f32> {
        let counted = left_out.min(length)..length;
        let number = counted.len().max(1) as f32;
        let positions = counted.clone().map(|position| position + 1).sum::<usize>().max(1) as f32;
        // a text that is cut within the prompt has no token that counts
        let first = if counted.is_empty() { 0 } else { counted.start };
        (0..length).map(move |position| match self {
            Self::Cls => f32::from(u8::from(position == first)),
            _ if !counted.contains(&position) => 0.0,
            Self::Mean => 1.0 / number,
            Self::MeanSqrtLength => 1.0 / number.sqrt(),
            Self::WeightedMean => (position + 1) as f32 / positions,
            Self::Max => 1.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_tokens_that_count() {
        let weights = |mode: PoolingMode, length, left_out| mode.weights(length, left_out).collect::<Vec<f32>>();
        assert_eq!(weights(PoolingMode::Mean, 4, 0), [0.25; 4]);
        assert_eq!(weights(PoolingMode::Mean, 4, 2), [0.0, 0.0, 0.5, 0.5]);
        assert_eq!(weights(PoolingMode::MeanSqrtLength, 4, 0), [0.5; 4]);
        assert_eq!(weights(PoolingMode::WeightedMean, 3, 1), [0.0, 0.4, 0.6]);
        assert_eq!(weights(PoolingMode::Cls, 3, 0), [1.0, 0.0, 0.0]);
        assert_eq!(weights(PoolingMode::Cls, 3, 1), [0.0, 1.0, 0.0]);
        assert_eq!(weights(PoolingMode::Cls, 3, 7), [1.0, 0.0, 0.0]);
        assert_eq!(weights(PoolingMode::Mean, 3, 7), [0.0; 3]);
    }
}
