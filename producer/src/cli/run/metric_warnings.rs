//! What the metrics of a run leave open, to be shown before them.

use crate::cli::run::metrics_table::Metric;

/// Warnings about the metrics of the newest attempt, the most important one first.
pub(super) fn metric_warnings(metrics: &[Metric]) -> Vec<String> {
    let Some(attempt) = metrics.iter().map(|metric| metric.attempt_number).max() else { return Vec::new() };
    let test: Vec<&Metric> =
        metrics.iter().filter(|metric| metric.attempt_number == attempt && metric.step == 0 && metric.split == "test").collect();
    let counts: Vec<f64> =
        test.iter().filter(|metric| matches!(metric.name.as_str(), "n" | "pairs")).filter_map(|metric| metric.value).collect();
    let mut warnings = Vec::new();
    if !counts.is_empty() && counts.iter().all(|count| *count == 0.0) {
        warnings.push(
            "nothing was measured: the test split has no example of the trained fields; import and review documents that are not \
             near-duplicates of these"
                .to_owned(),
        );
    }
    let overall = |name: &str| test.iter().find(|metric| metric.field.is_none() && metric.name == name).and_then(|metric| metric.value);
    if let Some((trained, base)) = overall("average_precision").zip(overall("base_average_precision")).filter(|(own, base)| own < base) {
        warnings.push(format!("training made the encoder worse: average precision on the test split {trained:.4}, base model {base:.4}"));
    }
    let copies = test.iter().find(|metric| metric.field.is_none() && metric.name == "pair_copies").and_then(|metric| metric.value);
    if let Some(copies) = copies.filter(|copies| *copies > 0.0) {
        warnings.push(format!("{copies:.0} more test pairs differ from others only in near-duplicates, and were left out"));
    }
    if let Some(excluded) = overall("excluded_documents").filter(|excluded| *excluded > 0.0) {
        warnings.push(format!("{excluded:.0} test documents were left out: the version was trained or selected on them"));
    }
    let value = |field: &str, name: &str| {
        test.iter().find(|metric| metric.field.as_deref() == Some(field) && metric.name == name).and_then(|metric| metric.value)
    };
    for metric in test.iter().filter(|metric| metric.name == "n") {
        let Some(field) = metric.field.as_deref() else { continue };
        let (Some(n), Some(examples)) = (metric.value, value(field, "examples")) else { continue };
        if let Some(unlearnable) = value(field, "unlearnable_examples") {
            warnings.push(format!("{field}: {unlearnable:.0} of {examples:.0} test examples have a label that train does not have"));
        }
        if examples > n {
            warnings.push(format!(
                "{field}: {:.0} of {examples:.0} test examples are near-duplicates of another one, so n is {n:.0}",
                examples - n
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(field: Option<&str>, name: &str, value: f64) -> Metric {
        Metric {
            attempt_number: 1,
            split: "test".to_owned(),
            field: field.map(str::to_owned),
            name: name.to_owned(),
            value: Some(value),
            step: 0,
            details: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_run_without_test_examples_measured_nothing() {
        let warnings = metric_warnings(&[metric(None, "n", 0.0), metric(Some("law"), "n", 0.0), metric(Some("law"), "examples", 0.0)]);
        assert!(warnings.len() == 1 && warnings[0].starts_with("nothing was measured: the test split"), "{warnings:?}");
        assert!(metric_warnings(&[]).is_empty());
        let excluded = metric_warnings(&[metric(None, "n", 5.0), metric(None, "excluded_documents", 3.0)]);
        assert_eq!(excluded, ["3 test documents were left out: the version was trained or selected on them"]);
    }

    #[test]
    fn an_encoder_below_its_base_model_is_reported() {
        let metrics = |trained| {
            [metric(None, "pairs", 9.0), metric(None, "average_precision", trained), metric(None, "base_average_precision", 0.823)]
        };
        assert_eq!(
            metric_warnings(&metrics(0.816)),
            ["training made the encoder worse: average precision on the test split 0.8160, base model 0.8230"]
        );
        assert!(metric_warnings(&metrics(0.83)).is_empty());
    }

    #[test]
    fn copies_and_unlearnable_labels_are_named() {
        let law = Some("law");
        let metrics =
            [metric(None, "n", 12.0), metric(law, "n", 12.0), metric(law, "examples", 18.0), metric(law, "unlearnable_examples", 8.0)];
        assert_eq!(
            metric_warnings(&metrics),
            [
                "law: 8 of 18 test examples have a label that train does not have",
                "law: 6 of 18 test examples are near-duplicates of another one, so n is 12",
            ]
        );
    }
}
