//! Compares the metrics and thresholds with those of scikit-learn and SciPy on the same examples (`reference/make_*.py`).

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use aprendiz_evaluation::{
    PairedAnswer, PairedExample, ReportOptions, Resampling, ScoreCurve, ScoreStep, ScoredExample, ThresholdPlan, clopper_pearson_lower,
    compare, mcnemar_exact, report,
};
use serde::Deserialize;

/// Both sides compute in 64 bits; they differ in the order of summation.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Reference {
    examples: Vec<ScoredExample>,
    accuracy: f64,
    macro_f1: f64,
    weighted_f1: f64,
    log_loss: f64,
    confusion: Vec<Vec<u64>>,
    classes: Vec<Class>,
    clopper_pearson: Vec<(u64, u64, f64)>,
    mcnemar: Vec<(u64, u64, f64)>,
    improved: Averages,
}

#[derive(Deserialize)]
struct Averages {
    accuracy: f64,
    macro_f1: f64,
    weighted_f1: f64,
}

#[derive(Deserialize)]
struct Class {
    precision: f64,
    recall: f64,
    f1: f64,
    support: u64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("../reference/reference.json")).unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < TOLERANCE
}

#[test]
fn averages_and_confusion_match_scikit_learn() {
    let reference = reference();
    let report = report("law", &reference.examples, &ReportOptions::default());
    assert!(close(report.accuracy.unwrap(), reference.accuracy));
    assert!(close(report.macro_f1.unwrap(), reference.macro_f1));
    assert!(close(report.weighted_f1.unwrap(), reference.weighted_f1));
    assert!(close(report.log_loss.unwrap(), reference.log_loss));
    assert_eq!(report.confusion.unwrap().counts, reference.confusion);
}

#[test]
fn per_class_metrics_match_scikit_learn() {
    let reference = reference();
    let report = report("law", &reference.examples, &ReportOptions::default());
    assert_eq!(report.classes.len(), reference.classes.len());
    for (actual, expected) in report.classes.iter().zip(&reference.classes) {
        assert!(close(actual.precision, expected.precision) && close(actual.recall, expected.recall), "{:?}", actual.label);
        assert!(close(actual.f1, expected.f1) && actual.support == expected.support, "{:?}", actual.label);
    }
}

#[test]
fn exact_lower_bounds_match_scipy() {
    for (correct, n, bound) in reference().clopper_pearson {
        let actual = clopper_pearson_lower(correct, n, 0.95).unwrap();
        assert!(close(actual, bound), "{correct} of {n}: {actual} instead of {bound}");
    }
}

#[test]
fn p_values_match_scipy() {
    for (wins, losses, p_value) in reference().mcnemar {
        let actual = mcnemar_exact(wins, losses);
        assert!(close(actual, p_value), "{wins} to {losses}: {actual} instead of {p_value}");
    }
}

#[test]
fn paired_metrics_of_both_sides_match_scikit_learn() {
    let reference = reference();
    let answer = |predicted: &Option<String>| PairedAnswer { predicted: predicted.clone(), answered: true };
    let paired = |(number, example): (usize, &ScoredExample)| PairedExample {
        gold: example.gold.clone(),
        baseline: answer(&example.predicted),
        candidate: answer(if number % 5 == 0 { &example.gold } else { &example.predicted }),
        group: None,
    };
    let examples: Vec<PairedExample> = reference.examples.iter().enumerate().map(paired).collect();
    let comparison = compare(&examples, Resampling::default());
    let improved = &reference.improved;
    let expected = [
        ("accuracy", reference.accuracy, improved.accuracy),
        ("macro_f1", reference.macro_f1, improved.macro_f1),
        ("weighted_f1", reference.weighted_f1, improved.weighted_f1),
    ];
    for (name, baseline, candidate) in expected {
        let metric = comparison.metric(name).unwrap();
        assert!(close(metric.baseline.unwrap(), baseline) && close(metric.candidate.unwrap(), candidate), "{metric:?}");
    }
}

#[derive(Deserialize)]
struct Thresholds {
    cases: Vec<ThresholdCase>,
    /// Errors, answers, target, and the probability of at most so many errors.
    tails: Vec<(u64, u64, f64, f64)>,
}

#[derive(Deserialize)]
struct ThresholdCase {
    n: u64,
    target: f64,
    /// Ranks of the errors, from 1.
    wrong: Vec<u64>,
    /// Number of answers at the accepted threshold; 0 = none.
    accepted: u64,
}

#[test]
fn thresholds_match_a_fallback_procedure_with_the_binomial_distribution_of_scipy() {
    let thresholds: Thresholds = serde_json::from_str(include_str!("../reference/thresholds.json")).unwrap();
    for ThresholdCase { n, target, wrong, accepted } in thresholds.cases {
        let step = |answered: u64| {
            let errors = wrong.iter().filter(|rank| **rank <= answered).count() as u64;
            ScoreStep { confidence: 1.0 - answered as f64 / 1e4, answered, correct: answered - errors }
        };
        let curve = ScoreCurve { n, steps: (1..=n).map(step).collect() };
        assert_eq!(ThresholdPlan::new(n, target).accepted_answers(&curve), accepted, "{n} at {target}: {wrong:?}");
    }
    // the test at the bound is the same as the tail at the target
    for (errors, answered, target, tail) in thresholds.tails {
        let bound = clopper_pearson_lower(answered - errors, answered, 1.0 - tail).unwrap();
        assert!((bound - target).abs() < 1e-7, "{errors} of {answered}: {bound} instead of {target}");
    }
}
