//! Temperature scaling: one inverse temperature per field, calibrated on out-of-fold scores.

use rayon::prelude::*;

/// Search range of the inverse temperature.
const INVERSE_TEMPERATURE_RANGE: (f64, f64) = (0.5, 30.0);

/// Steps of golden-section search: enough for four digits.
const SEARCH_STEPS: usize = 25;

/// Examples per parallel task.
const EXAMPLES_PER_TASK: usize = 512;

/// The inverse temperature with the lowest mean log loss on held-out examples, and that loss. `scores` is `[classes.len(), C]`.
pub(crate) fn fit(scores: &[f32], classes: &[usize]) -> (f64, f64) {
    let log_loss = |logarithm: f64| mean_log_loss(scores, classes, logarithm.exp());
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (INVERSE_TEMPERATURE_RANGE.0.ln(), INVERSE_TEMPERATURE_RANGE.1.ln());
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (log_loss(left), log_loss(right));
    for _ in 0..SEARCH_STEPS {
        // the golden ratio makes one of the two inner points reusable
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = log_loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = log_loss(right);
        }
    }
    let middle = (low + high) / 2.0;
    (middle.exp(), log_loss(middle))
}

fn mean_log_loss(scores: &[f32], classes: &[usize], inverse_temperature: f64) -> f64 {
    let columns = (scores.len() / classes.len().max(1)).max(1);
    let chunk_loss = |(scores, classes): (&[f32], &[usize])| {
        scores.chunks_exact(columns).zip(classes).map(|(scores, class)| -log_softmax(scores, inverse_temperature, *class)).sum::<f64>()
    };
    // chunks have a fixed size and are summed in order, so the result does not depend on the number of threads
    let sums: Vec<f64> =
        scores.par_chunks(columns * EXAMPLES_PER_TASK).zip(classes.par_chunks(EXAMPLES_PER_TASK)).map(chunk_loss).collect();
    sums.iter().sum::<f64>() / classes.len().max(1) as f64
}

fn log_softmax(scores: &[f32], inverse_temperature: f64, class: usize) -> f64 {
    let max = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = scores.iter().map(|score| ((f64::from(*score) - max) * inverse_temperature).exp()).sum();
    (f64::from(scores[class]) - max) * inverse_temperature - sum.ln()
}

/// Probabilities of the classes.
pub(crate) fn probabilities(scores: &[f32], inverse_temperature: f64) -> Vec<f64> {
    (0..scores.len()).map(|class| log_softmax(scores, inverse_temperature, class).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_confidence_matches_the_accuracy() {
        // scores 1 and 0, correct in three of four cases: the optimum is ln(3)
        let scores: Vec<f32> = [1.0, 0.0].repeat(4);
        let (inverse_temperature, log_loss) = fit(&scores, &[0, 0, 0, 1]);
        assert!((inverse_temperature - 3.0_f64.ln()).abs() < 1e-3, "{inverse_temperature}");
        assert!((probabilities(&[1.0, 0.0], inverse_temperature)[0] - 0.75).abs() < 1e-3);
        assert!((log_loss - (0.75 * (4.0_f64 / 3.0).ln() + 0.25 * 4.0_f64.ln())).abs() < 1e-4);
    }

    #[test]
    fn perfect_scores_give_a_finite_inverse_temperature() {
        let (inverse_temperature, _) = fit(&[1.0, -1.0, -1.0, 1.0], &[0, 1]);
        assert!(inverse_temperature <= INVERSE_TEMPERATURE_RANGE.1);
    }
}
