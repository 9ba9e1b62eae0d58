//! Calibration metrics: expected calibration error and log loss.

use crate::example::ScoredExample;

/// Number of equal-width bins of [`ece`].
pub const ECE_BINS: usize = 15;

/// Expected calibration error: mean gap between confidence and accuracy over [`ECE_BINS`] equal-width bins, weighted by bin size.
/// Bins are `(k/15, (k+1)/15]`; 0 is in the first bin. Lower is better.
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
    // |mean confidence - accuracy| * bin size equals the difference of the sums
    let gap: f64 = bins.iter().map(|(confidence, correct)| (confidence - correct).abs()).sum();
    Some(gap / examples.len() as f64)
}

/// Log loss: mean negative natural logarithm of the probability of the accepted value. Probabilities are clipped to at least
/// `f64::EPSILON`, as in scikit-learn. Lower is better. `None` if an example lacks the probability.
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
    fn ece_weights_bins_by_size() {
        // bin of 0.95: two examples, one right: |1.9 - 1| ; bin of 0.5: one wrong: |0.5 - 0|
        let examples = [scored("a", "a", 0.95), scored("a", "b", 0.95), scored("a", "b", 0.5)];
        let expected = (0.9 + 0.5) / 3.0;
        assert!((ece(&examples).unwrap() - expected).abs() < 1e-12);
        assert_eq!(ece(&[]), None);
    }

    #[test]
    fn confidences_zero_and_one_are_in_the_outer_bins() {
        assert_eq!(ece(&[scored("a", "a", 1.0), scored("a", "b", 0.0)]), Some(0.0));
    }

    #[test]
    fn log_loss_is_the_mean_negative_log_probability() {
        let examples = [scored("a", "a", 0.5), scored("a", "b", 0.5)];
        let expected = -(0.5_f64.ln() + 0.25_f64.ln()) / 2.0;
        assert!((log_loss(&examples).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn log_loss_of_an_unseen_class_is_clipped() {
        let mut example = scored("a", "b", 1.0);
        example.gold_probability = Some(0.0);
        assert!((log_loss(&[example.clone()]).unwrap() - 36.04365338911715).abs() < 1e-9);
        example.gold_probability = None;
        assert_eq!(log_loss(&[example]), None);
        assert_eq!(log_loss(&[]), None);
    }
}
