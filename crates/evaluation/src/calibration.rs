//! Whether a confidence means what it says.

use crate::example::ScoredExample;

/// Number of equal-width bins of [`ece`].
pub const ECE_BINS: usize = 15;

/// Expected calibration error: mean distance between confidence and accuracy over [`ECE_BINS`] equal-width bins
/// (`(k/15, (k+1)/15]`, 0 in the first), weighted by bin size; lower is better.
#[must_use]
pub fn ece(examples: &[ScoredExample]) -> Option<f64> {
    if examples.is_empty() {
        return None;
    }
    let mut bins = [(0.0_f64, 0.0_f64); ECE_BINS];
    for example in examples {
        let bin = ((example.confidence * ECE_BINS as f64).ceil() as usize).clamp(1, ECE_BINS) - 1;
        bins[bin].0 += example.confidence;
        bins[bin].1 += f64::from(u8::from(example.is_correct()));
    }
    // |mean confidence - accuracy| * bin size is the difference of the sums
    let distance: f64 = bins.iter().map(|(confidence, correct)| (confidence - correct).abs()).sum();
    Some(distance / examples.len() as f64)
}

/// Mean negative natural logarithm of the probability of the accepted value, clipped to at least `f64::EPSILON` as
/// scikit-learn does; lower is better. `None` if an example does not know that probability.
#[must_use]
pub fn log_loss(examples: &[ScoredExample]) -> Option<f64> {
    if examples.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    for example in examples {
        sum -= example.gold_probability?.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
    }
    Some(sum / examples.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::testing::scored;

    #[test]
    fn ece_weighs_the_gap_of_each_bin_by_its_size() {
        // bin of 0.95: two examples, one right: |1.9 - 1| ; bin of 0.5: one wrong: |0.5 - 0|
        let examples = [scored("a", "a", 0.95), scored("a", "b", 0.95), scored("a", "b", 0.5)];
        let expected = (0.9 + 0.5) / 3.0;
        assert!((ece(&examples).unwrap() - expected).abs() < 1e-12);
        assert_eq!(ece(&[]), None);
    }

    #[test]
    fn confidences_of_zero_and_one_fall_into_the_outer_bins() {
        assert_eq!(ece(&[scored("a", "a", 1.0), scored("a", "b", 0.0)]), Some(0.0));
    }

    #[test]
    fn log_loss_is_the_mean_surprise_at_the_accepted_value() {
        let examples = [scored("a", "a", 0.5), scored("a", "b", 0.5)];
        let expected = -(0.5_f64.ln() + 0.25_f64.ln()) / 2.0;
        assert!((log_loss(&examples).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn log_loss_of_a_class_never_seen_is_clipped_not_infinite() {
        let mut example = scored("a", "b", 1.0);
        example.gold_probability = Some(0.0);
        assert!((log_loss(&[example.clone()]).unwrap() - 36.04365338911715).abs() < 1e-9);
        example.gold_probability = None;
        assert_eq!(log_loss(&[example]), None);
        assert_eq!(log_loss(&[]), None);
    }
}
