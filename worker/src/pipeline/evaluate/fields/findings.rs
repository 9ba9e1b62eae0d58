//! What a reader of the metrics must know first: what was not measured, and what could not be answered.

use aprendiz_evaluation::FieldReport;
use aprendiz_inference::FieldConfig;
use aprendiz_runs::NewMetric;
use serde_json::json;

/// Maximum number of labels listed in a finding.
const MAX_LISTED_LABELS: usize = 10;

/// Name of the metric that counts the examples whose label train does not have.
const UNLEARNABLE: &str = "unlearnable_examples";

/// Findings about the metrics on the test split.
pub(in crate::pipeline::evaluate) struct Findings {
    /// Sentences without a full stop, the most important one first.
    pub(in crate::pipeline::evaluate) sentences: Vec<String>,
    /// The same as metrics.
    pub(in crate::pipeline::evaluate) metrics: Vec<NewMetric>,
}

impl Findings {
    pub(in crate::pipeline::evaluate) fn new(fields: &[FieldConfig], test: &[FieldReport]) -> Self {
        let mut findings = Self { sentences: Vec::new(), metrics: Vec::new() };
        let unmeasured: Vec<&str> = test.iter().filter(|report| report.examples == 0).map(|report| report.field.as_str()).collect();
        if unmeasured.len() == test.len() {
            findings.sentences.push(
                "nothing was measured: the test split has no example of the trained fields; import and review documents that are not \
                 near-duplicates of these"
                    .to_owned(),
            );
        } else if !unmeasured.is_empty() {
            findings.sentences.push(format!("nothing was measured about {}: the test split has no example", unmeasured.join(", ")));
        }
        for report in test.iter().filter(|report| report.examples > 0) {
            findings.add_unlearnable(fields, report);
            findings.add_copies(report);
            if report.no_known_feature > 0 {
                findings.sentences.push(format!(
                    "{}: {} of {} test examples have no known feature and are never answered",
                    report.field, report.no_known_feature, report.examples
                ));
            }
        }
        findings
    }

    fn add_unlearnable(&mut self, fields: &[FieldConfig], report: &FieldReport) {
        let Some(field) = fields.iter().find(|field| field.name == report.field) else { return };
        let unlearnable: Vec<_> = report.classes.iter().filter(|class| class.support > 0 && !field.labels.contains(&class.label)).collect();
        let examples: u64 = unlearnable.iter().map(|class| class.support).sum();
        if examples == 0 {
            return;
        }
        let mut names: Vec<&str> = unlearnable.iter().map(|class| class.label.as_deref().unwrap_or("∅ (no value)")).collect();
        let more = names.len().saturating_sub(MAX_LISTED_LABELS);
        names.truncate(MAX_LISTED_LABELS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        self.sentences.push(format!(
            "{}: {examples} of {} test examples have a label that train does not have, so no answer about them can be right: {}{more}",
            report.field,
            report.examples,
            names.join(", ")
        ));
        self.metrics.push(NewMetric {
            split: "test",
            field: Some(report.field.clone()),
            name: UNLEARNABLE.to_owned(),
            value: Some(examples as f64),
            details: Some(json!({ "labels": unlearnable.iter().map(|class| &class.label).collect::<Vec<_>>() })),
        });
    }

    fn add_copies(&mut self, report: &FieldReport) {
        let copies = report.examples - report.n;
        if copies > 0 {
            self.sentences.push(format!(
                "{}: {copies} of {} test examples are near-duplicates of another one, so n is {}",
                report.field, report.examples, report.n
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use aprendiz_evaluation::{ReportOptions, ScoredExample, report};
    use aprendiz_inference::ThresholdStatus;

    use super::*;

    fn fields() -> Vec<FieldConfig> {
        vec![FieldConfig {
            name: "kind".to_owned(),
            labels: vec![Some("lease".to_owned()), Some("supply".to_owned())],
            train_counts: vec![2, 2],
            unlearnable: vec![Some("rare".to_owned())],
            l2: 1.0,
            threshold: None,
            threshold_status: ThresholdStatus::TargetUnreachable,
        }]
    }

    fn example(gold: &str, group: &str) -> ScoredExample {
        ScoredExample {
            gold: Some(gold.to_owned()),
            predicted: Some("lease".to_owned()),
            confidence: 0.9,
            gold_probability: None,
            group: Some(group.to_owned()),
            never_answered: gold == "supply",
        }
    }

    #[test]
    fn an_empty_test_split_is_the_first_finding() {
        let findings = Findings::new(&fields(), &[report("kind", &[], &ReportOptions::default())]);
        assert!(findings.sentences[0].starts_with("nothing was measured: the test split has no example"), "{:?}", findings.sentences);
        assert!(findings.metrics.is_empty());
    }

    #[test]
    fn examples_that_no_answer_can_be_right_about_are_counted() {
        let examples = [example("lease", "a"), example("supply", "b"), example("rare", "c"), example("rare", "c")];
        let findings = Findings::new(&fields(), &[report("kind", &examples, &ReportOptions::default())]);
        assert_eq!(
            findings.sentences,
            [
                "kind: 2 of 4 test examples have a label that train does not have, so no answer about them can be right: rare",
                "kind: 1 of 4 test examples are near-duplicates of another one, so n is 3",
                "kind: 1 of 4 test examples have no known feature and are never answered",
            ]
        );
        assert_eq!((findings.metrics[0].name.as_str(), findings.metrics[0].value), ("unlearnable_examples", Some(2.0)));
    }
}
