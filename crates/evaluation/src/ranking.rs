//! Ranking metrics of scored pairs: average precision and rank correlation.

/// Average precision as defined by scikit-learn: precision at each distinct score in descending order, weighted by the gain in recall.
/// `None` without positive pairs.
///
/// Each pair is its score and whether it is positive. The order does not matter; equal scores are one step.
#[must_use]
pub fn average_precision(pairs: &[(f64, bool)]) -> Option<f64> {
    let positives = pairs.iter().filter(|(_, is_positive)| *is_positive).count();
    if positives == 0 {
        return None;
    }
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut retrieved, mut true_positives, mut sum) = (0_usize, 0_usize, 0.0);
    for ties in sorted.chunk_by(|(a, _), (b, _)| a == b) {
        let gained = ties.iter().filter(|(_, is_positive)| *is_positive).count();
        retrieved += ties.len();
        true_positives += gained;
        sum += gained as f64 / positives as f64 * (true_positives as f64 / retrieved as f64);
    }
    Some(sum)
}

/// Spearman's rank correlation as defined by SciPy; tied values share their mean rank. `None` for fewer than two values, or if all
/// values of one side are equal.
///
/// # Panics
/// The sides have different lengths.
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "both sides must have the same length");
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let (mut covariance, mut variance_a, mut variance_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        covariance += (a - mean) * (b - mean);
        variance_a += (a - mean) * (a - mean);
        variance_b += (b - mean) * (b - mean);
    }
    (variance_a > 0.0 && variance_b > 0.0).then(|| covariance / (variance_a * variance_b).sqrt())
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for ties in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        for index in ties {
            ranks[*index] = rank;
        }
        before += ties.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }

    #[test]
    fn average_precision_matches_scikit_learn() {
        // average_precision_score([1, 0, 1, 1, 0, 0], [.9, .8, .7, .7, .2, .1])
        let scores = [0.1, 0.7, 0.9, 0.8, 0.7, 0.2];
        let is_positive = [false, true, true, false, true, false];
        let pairs: Vec<(f64, bool)> = scores.into_iter().zip(is_positive).collect();
        close(average_precision(&pairs), 1.0 / 3.0 + 2.0 / 3.0 * 0.75);
        close(average_precision(&[(0.5, true), (0.5, false), (0.5, false), (0.5, false)]), 0.25);
        assert_eq!(average_precision(&[(0.5, false)]), None);
    }

    #[test]
    fn spearman_matches_scipy() {
        // spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).statistic
        close(spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0]), 0.820_782_681_668_123_4);
        close(spearman(&[1.0, 2.0, 3.0], &[-3.0, -20.0, -100.0]), -1.0);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[], &[]), None);
    }
}
