//! Learning curves of a linear model: accuracy on the validation split by the number of labels, as metrics and as a section of the card.

use std::fmt::Write as _;

use aprendiz_evaluation::{LearningCurve, LearningPoint};
use aprendiz_runs::NewMetric;
use aprendiz_training::{CurveCounts, TrainingSummary};
use serde::Serialize;
use serde_json::json;

use crate::interruption::Interruption;

/// Name of the metric: its value is the extrapolated change of the accuracy with twice as many labels, its details are the curve.
const METRIC: &str = "learning_curve";

/// The multiple of the labels in the value of the metric.
const DOUBLED: f64 = 2.0;

/// What every reader of an extrapolation must know.
const REMARK: &str = "An extrapolation by a power law from a few points, which all have the same validation examples: it assumes more labels \
                      of the same kind, no new classes, and the penalty of today. The interval of the measured accuracy is a lower limit of \
                      its uncertainty";

/// The curves of a model.
#[derive(Debug, Serialize)]
pub(in crate::pipeline::evaluate) struct LearningCurves {
    /// One per field, by name, then that of all fields together.
    curves: Vec<NamedCurve>,
}

#[derive(Debug, Serialize)]
struct NamedCurve {
    /// The field; null = all fields.
    field: Option<String>,
    /// Measured parts of the train split, in percent of its groups of near-duplicates; as many as the curve has points.
    percents: Vec<u64>,
    curve: LearningCurve,
}

impl LearningCurves {
    /// The curves that the training measured; `None` unless the parameters requested them.
    pub(in crate::pipeline::evaluate) fn new(summary: &TrainingSummary) -> Option<Self> {
        let measured = summary.learning_curve.as_ref()?;
        let curve = |field: Option<&str>| {
            let counts = measured.parts.iter().filter_map(|part| {
                let found = match field {
                    Some(name) => part.fields.iter().find(|counts| counts.field == name).map(|counts| counts.counts),
                    None => part.overall,
                };
                Some((part.percent, point(found?)?))
            });
            let (percents, points) = counts.unzip();
            NamedCurve { field: field.map(ToOwned::to_owned), percents, curve: LearningCurve::new(points) }
        };
        let fields = summary.fields.iter().map(|field| curve(Some(&field.field)));
        Some(Self { curves: fields.chain([curve(None)]).collect() })
    }

    /// One metric per field, and one of all fields.
    pub(in crate::pipeline::evaluate) fn metrics(&self) -> Result<Vec<NewMetric>, Interruption> {
        let metric = |named: &NamedCurve| {
            let mut details = serde_json::to_value(&named.curve).map_err(Interruption::broken_state)?;
            details["percents"] = json!(named.percents);
            details["remark"] = json!(REMARK);
            let value = named.curve.gain(DOUBLED);
            if value.is_none() {
                details["undefined"] = json!(named.obstacle());
            }
            Ok(NewMetric { split: "validation", field: named.field.clone(), name: METRIC.to_owned(), value, details: Some(details) })
        };
        self.curves.iter().map(metric).collect()
    }

    /// A section of the model card.
    pub(in crate::pipeline::evaluate) fn section(&self) -> String {
        let mut text =
            "\n## Learning curve\n\nAccuracy on the validation split of models that were trained on nested parts of the train split; \
                        100 % is this model. In brackets: labels, and Wilson's 95 % interval (near-duplicates count once).\n"
                .to_owned();
        for named in &self.curves {
            // writing to a String cannot fail
            let _ = writeln!(text, "\n**{}**\n", named.field.as_deref().unwrap_or("All fields"));
            for (percent, point) in named.percents.iter().zip(&named.curve.points) {
                let LearningPoint { train_examples, accuracy, interval, .. } = point;
                let _ =
                    writeln!(text, "- {percent} %: {accuracy:.3} ({train_examples} labels, {:.3} to {:.3})", interval.low, interval.high);
            }
            match named.curve.fit {
                None => {
                    let _ = writeln!(text, "- No extrapolation: {}", named.obstacle());
                }
                Some(law) => {
                    let forecasts = named.curve.forecasts.iter().map(|forecast| {
                        let more = 100.0 * (forecast.factor - 1.0);
                        format!("{more:.0} % more labels {:.3} ({:+.1} points)", forecast.accuracy, 100.0 * forecast.gain)
                    });
                    let forecasts: Vec<String> = forecasts.collect();
                    let _ = writeln!(
                        text,
                        "- Expected with {}, by {:.3} − {:.3} · n^−{:.2} (root mean square residual {:.4})",
                        forecasts.join(", with "),
                        law.a,
                        law.b,
                        law.c,
                        law.residual
                    );
                }
            }
        }
        let _ = write!(text, "\n{REMARK}.\n");
        text
    }
}

impl NamedCurve {
    /// Why there is no extrapolation.
    fn obstacle(&self) -> &'static str {
        if self.curve.points.is_empty() { "no validation examples" } else { "fewer than three distinct numbers of labels" }
    }
}

fn point(counts: CurveCounts) -> Option<LearningPoint> {
    LearningPoint::new(counts.train_examples, counts.correct, counts.examples, counts.n)
}

#[cfg(test)]
mod tests {
    use aprendiz_training::{CurvePart, FieldCounts, FieldSummary, TrainingCurve};

    use super::*;

    fn summary(parts: Vec<CurvePart>) -> TrainingSummary {
        let field = FieldSummary {
            field: "law".to_owned(),
            train_examples: 16,
            classes: 2,
            l2: 0.3,
            folds: 2,
            fold_repeats: 1,
            out_of_fold_accuracy: None,
            out_of_fold_log_loss: None,
            validation_examples: 10,
            validation_accuracy: None,
            validation_log_loss: None,
        };
        TrainingSummary {
            settings: serde_json::Value::Null,
            train_documents: 16,
            measured_documents: 16,
            published_documents: 16,
            validation_documents: 10,
            features: 1,
            fields: vec![field],
            skipped: Vec::new(),
            encoder: None,
            learning_curve: Some(TrainingCurve { parts }),
            backend: "flex".to_owned(),
            cpu_kernel: "none".to_owned(),
            steps: 1,
            resumed_from_step: None,
            seconds: 0.0,
        }
    }

    fn part(percent: u64, train_examples: u64, correct: u64, trained: bool) -> CurvePart {
        let counts = CurveCounts { train_examples, examples: 10, n: 10, correct };
        let fields = if trained { vec![FieldCounts { field: "law".to_owned(), counts }] } else { Vec::new() };
        CurvePart { percent, train_documents: train_examples, fields, overall: trained.then_some(counts) }
    }

    #[test]
    fn every_field_and_all_together_have_a_metric_with_the_gain_of_twice_the_labels() {
        let parts = vec![part(20, 1, 0, false), part(40, 1, 5, true), part(60, 4, 7, true), part(100, 16, 8, true)];
        let curves = LearningCurves::new(&summary(parts)).unwrap();
        let metrics = curves.metrics().unwrap();
        assert_eq!(metrics.iter().map(|metric| metric.field.as_deref()).collect::<Vec<_>>(), [Some("law"), None]);
        // 0.9 − 0.4 / √n: from 16 to 32 labels
        let gain = 0.1 - 0.4 / 32.0_f64.sqrt();
        assert!((metrics[0].value.unwrap() - gain).abs() < 1e-9, "{:?}", metrics[0].value);
        let details = metrics[0].details.as_ref().unwrap();
        assert_eq!((&details["percents"], &details["points"][0]["correct"]), (&json!([40, 60, 100]), &json!(5)), "{details}");
        let section = curves.section();
        assert!(
            section.contains("- 100 %: 0.800 (16 labels,") && section.contains("with 100 % more labels 0.829 (+2.9 points)"),
            "{section}"
        );
    }

    #[test]
    fn what_was_not_measured_has_a_reason() {
        let curves = LearningCurves::new(&summary(Vec::new())).unwrap();
        let metrics = curves.metrics().unwrap();
        assert_eq!(metrics[1].value, None);
        assert_eq!(metrics[1].details.as_ref().unwrap()["undefined"], "no validation examples");
        assert!(curves.section().contains("No extrapolation: no validation examples"));
        let few = LearningCurves::new(&summary(vec![part(80, 4, 7, true), part(100, 16, 8, true)])).unwrap();
        assert_eq!(few.metrics().unwrap()[0].details.as_ref().unwrap()["undefined"], "fewer than three distinct numbers of labels");
        let mut plain = summary(Vec::new());
        plain.learning_curve = None;
        assert!(LearningCurves::new(&plain).is_none());
    }
}
