//! What scores of pairs are worth: whether pairs that belong together score higher than those that do not.

/// Average precision as scikit-learn defines it: the mean precision over the recall gained at each distinct score, from the greatest down.
/// Not defined without a pair that belongs together.
///
/// Each pair is its score and whether it belongs together. Order does not matter; equal scores count as one step.
#[must_use]
pub fn average_precision(pairs: &[(f64, bool)]) -> Option<f64> {
    let positives = pairs.iter().filter(|(_, together)| *together).count();
    if positives == 0 {
        return None;
    }
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let (mut seen, mut found, mut sum) = (0_usize, 0_usize, 0.0);
    for equal in sorted.chunk_by(|(a, _), (b, _)| a == b) {
        let gained = equal.iter().filter(|(_, together)| *together).count();
        seen += equal.len();
        found += gained;
        sum += gained as f64 / positives as f64 * (found as f64 / seen as f64);
    }
    Some(sum)
}

/// Spearman's rank correlation, equal values sharing the mean of their ranks, as scipy defines it. Not defined for fewer than two values
/// or where all values of one side are equal.
///
/// # Panics
/// If the sides are not of one length: a mistake of the caller, not of the data.
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "both sides rank the same things");
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        both += (a - mean) * (b - mean);
        left += (a - mean) * (a - mean);
        right += (b - mean) * (b - mean);
    }
    (left > 0.0 && right > 0.0).then(|| both / (left * right).sqrt())
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        for place in equal {
            ranks[*place] = rank;
        }
        before += equal.len();
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
    fn average_precision_is_that_of_scikit_learn() {
        // average_precision_score([1, 0, 1, 1, 0, 0], [.9, .8, .7, .7, .2, .1])
        let scores = [0.1, 0.7, 0.9, 0.8, 0.7, 0.2];
        let together = [false, true, true, false, true, false];
        let pairs: Vec<(f64, bool)> = scores.into_iter().zip(together).collect();
        close(average_precision(&pairs), 1.0 / 3.0 + 2.0 / 3.0 * 0.75);
        close(average_precision(&[(0.5, true), (0.5, false), (0.5, false), (0.5, false)]), 0.25);
        assert_eq!(average_precision(&[(0.5, false)]), None);
    }

    #[test]
    fn rank_correlation_is_that_of_scipy() {
        // spearmanr([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]).statistic
        close(spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0]), 0.820_782_681_668_123_4);
        close(spearman(&[1.0, 2.0, 3.0], &[-3.0, -20.0, -100.0]), -1.0);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[], &[]), None);
    }
}
