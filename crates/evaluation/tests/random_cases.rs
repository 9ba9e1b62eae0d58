//! Compares intervals and tests with those of SciPy and scikit-learn on random cases (`reference/make_random_cases.py`).

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::collections::BTreeMap;

use aprendiz_evaluation::{PairedAnswer, PairedExample, Resampling, clopper_pearson_lower, compare, mcnemar_exact, wilson};
use serde::Deserialize;

/// Both sides compute in 64 bits.
const TOLERANCE: f64 = 1e-9;
/// Tolerance of a bound of the bootstrap as a fraction of the width of its interval. The standard error of the 2.5 % percentile of 10,000
/// resamples of a normal distribution is 0.027 standard deviations, which is 0.7 % of the width: five standard errors.
const BOOTSTRAP_TOLERANCE: f64 = 0.035;

#[derive(Deserialize)]
struct RandomCases {
    labels: Vec<String>,
    paired: Vec<PairedCase>,
    proportions: Vec<Proportion>,
    /// Wins, losses and the two-sided p-value.
    mcnemar: Vec<(u64, u64, f64)>,
}

/// Two models on the same examples, as indexes of labels.
#[derive(Deserialize)]
struct PairedCase {
    gold: Vec<usize>,
    baseline: Vec<usize>,
    candidate: Vec<usize>,
    metrics: BTreeMap<String, Difference>,
    wins: u64,
    losses: u64,
    p_value: f64,
}

#[derive(Deserialize)]
struct Difference {
    difference: f64,
    interval: [f64; 2],
}

#[derive(Deserialize)]
struct Proportion {
    correct: u64,
    n: u64,
    wilson: [f64; 2],
    level: f64,
    clopper_pearson_lower: f64,
}

fn cases() -> RandomCases {
    serde_json::from_str(include_str!("../reference/random_cases.json")).unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < TOLERANCE
}

#[test]
fn paired_bootstraps_match_scipy() {
    let RandomCases { labels, paired, .. } = cases();
    assert!(paired.len() >= 20);
    let label = |index: usize| Some(labels[index].clone());
    let answer = |index: usize| PairedAnswer { predicted: label(index), answered: true };
    for case in paired {
        let n = case.gold.len();
        let example = |number: usize| PairedExample {
            gold: label(case.gold[number]),
            baseline: answer(case.baseline[number]),
            candidate: answer(case.candidate[number]),
            group: None,
        };
        let examples: Vec<PairedExample> = (0..n).map(example).collect();
        let comparison = compare(&examples, Resampling::default());
        assert_eq!((comparison.wins, comparison.losses), (case.wins, case.losses));
        assert!(close(comparison.p_value, case.p_value), "{} instead of {}", comparison.p_value, case.p_value);
        for (name, expected) in &case.metrics {
            let metric = comparison.metric(name).unwrap();
            assert!(close(metric.difference.unwrap(), expected.difference), "{metric:?} instead of {}", expected.difference);
            let interval = metric.interval.unwrap();
            let [low, high] = expected.interval;
            // a percentile of accuracies is a multiple of 1/n, and may be the next one
            let step = if name == "accuracy" { 1.0 / n as f64 } else { 0.0 };
            let tolerance = BOOTSTRAP_TOLERANCE * (high - low) + step;
            for (bound, expected) in [(interval.low, low), (interval.high, high)] {
                assert!((bound - expected).abs() <= tolerance, "{name} of {n}: {interval:?} instead of {low} to {high}");
            }
        }
    }
}

#[test]
fn exact_p_values_match_scipy() {
    for (wins, losses, p_value) in cases().mcnemar {
        let actual = mcnemar_exact(wins, losses);
        assert!(close(actual, p_value), "{wins} to {losses}: {actual} instead of {p_value}");
    }
}

#[test]
fn intervals_of_proportions_match_scipy() {
    for case in cases().proportions {
        let Proportion { correct, n, wilson: [low, high], level, clopper_pearson_lower: bound } = case;
        let interval = wilson(correct, n).unwrap();
        assert!(close(interval.low, low) && close(interval.high, high), "{correct} of {n}: {interval:?} instead of {low} to {high}");
        let actual = clopper_pearson_lower(correct, n, level).unwrap();
        assert!(close(actual, bound), "{correct} of {n} at {level}: {actual} instead of {bound}");
    }
}
