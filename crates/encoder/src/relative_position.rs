//! Distances between tokens, in buckets: those of MPNet, which are those of T5. Raffel et al., 2019, arXiv:1910.10683.

/// Distances from here on share a bucket.
const MAX_DISTANCE: f32 = 128.0;

/// The bucket of the distance from a token to the one that it attends to, of `buckets`: half of them for tokens before it, half for those
/// after it. Short distances have a bucket each, long ones share them on a logarithmic scale.
pub(crate) fn distance_bucket(distance: i64, buckets: usize) -> usize {
    let half = buckets / 2;
    let first = if distance > 0 { half } else { 0 };
    let length = distance.unsigned_abs() as usize;
    let exact = half / 2;
    if length < exact {
        return first + length;
    }
    // in single precision, as transformers does
    let position = (length as f32 / exact as f32).ln() / (MAX_DISTANCE / exact as f32).ln() * (half - exact) as f32;
    first + (exact + position as usize).min(half - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_transformers() {
        // MPNetEncoder.relative_position_bucket of transformers 5.24 for these distances
        let distances =
            [-200, -128, -127, -91, -64, -32, -16, -12, -8, -7, -1, 0, 1, 7, 8, 11, 12, 16, 22, 23, 45, 46, 64, 90, 91, 128, 999];
        let expected = [15, 15, 15, 15, 14, 12, 10, 9, 8, 7, 1, 0, 17, 23, 24, 24, 25, 26, 26, 27, 28, 29, 30, 30, 31, 31, 31];
        assert_eq!(distances.map(|distance| distance_bucket(distance, 32)), expected);
    }
}
