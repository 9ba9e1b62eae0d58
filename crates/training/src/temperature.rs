//! From scores to probabilities: one factor per field, so that out of fold a confidence means what it says.

use rayon::prelude::*;

/// The factor is sought between these.
const RANGE: (f64, f64) = (0.5, 30.0);

/// Narrowings of the range by the golden ratio: enough for four digits.
const STEPS: usize = 25;

/// Examples that one thread takes at a time.
const AT_A_TIME: usize = 512;

/// The factor under which the classes of held-out examples were least surprising, with the mean negative log probability
/// it gives them. `scores` is `[classes.len(), C]`.
pub(crate) fn fit(scores: &[f32], classes: &[usize]) -> (f64, f64) {
    let surprise = |logarithm: f64| mean_surprise(scores, classes, logarithm.exp());
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (RANGE.0.ln(), RANGE.1.ln());
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (surprise(left), surprise(right));
    for _ in 0..STEPS {
        // by the golden ratio the point that stays is one of the next two
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = surprise(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = surprise(right);
        }
    }
    let middle = (low + high) / 2.0;
    (middle.exp(), surprise(middle))
}

fn mean_surprise(scores: &[f32], classes: &[usize], factor: f64) -> f64 {
    let columns = (scores.len() / classes.len().max(1)).max(1);
    let of_chunk = |(scores, classes): (&[f32], &[usize])| {
        scores.chunks_exact(columns).zip(classes).map(|(scores, class)| -log_softmax(scores, factor, *class)).sum::<f64>()
    };
    // chunks are of one size and added in order, whatever the threads
    let sums: Vec<f64> = scores.par_chunks(columns * AT_A_TIME).zip(classes.par_chunks(AT_A_TIME)).map(of_chunk).collect();
    sums.iter().sum::<f64>() / classes.len().max(1) as f64
}

fn log_softmax(scores: &[f32], factor: f64, class: usize) -> f64 {
    let highest = f64::from(scores.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = scores.iter().map(|score| ((f64::from(*score) - highest) * factor).exp()).sum();
    (f64::from(scores[class]) - highest) * factor - sum.ln()
}

/// Probabilities of the classes.
pub(crate) fn probabilities(scores: &[f32], factor: f64) -> Vec<f64> {
    (0..scores.len()).map(|class| log_softmax(scores, factor, class).exp()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_makes_the_confidence_match_how_often_it_is_right() {
        // score 1 against 0, right in three of four: the best factor gives ln(3)
        let scores: Vec<f32> = [1.0, 0.0].repeat(4);
        let (factor, surprise) = fit(&scores, &[0, 0, 0, 1]);
        assert!((factor - 3.0_f64.ln()).abs() < 1e-3, "{factor}");
        assert!((probabilities(&[1.0, 0.0], factor)[0] - 0.75).abs() < 1e-3);
        assert!((surprise - (0.75 * (4.0_f64 / 3.0).ln() + 0.25 * 4.0_f64.ln())).abs() < 1e-4);
    }

    #[test]
    fn scores_that_are_always_right_do_not_give_an_endless_factor() {
        let (factor, _) = fit(&[1.0, -1.0, -1.0, 1.0], &[0, 1]);
        assert!(factor <= RANGE.1);
    }
}
