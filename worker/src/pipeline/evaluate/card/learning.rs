//! Learning curves in the metrics of a run, for the model card.

use aprendiz_evaluation::Interval;
use aprendiz_runs::NewMetric;
use serde::{Deserialize, Serialize};

use crate::pipeline::evaluate::plots::learning_curve::LearningPoint;

/// Name of the metric whose details are the curve of a field.
const METRIC: &str = "learning_curve";

/// The curve of a field.
#[derive(Debug, Serialize)]
pub(crate) struct LearningCurve {
    /// The field; null = all fields.
    pub(crate) field: Option<String>,
    pub(crate) points: Vec<LearningPoint>,
}

#[derive(Deserialize)]
struct Details {
    points: Vec<MeasuredPoint>,
}

#[derive(Deserialize)]
struct MeasuredPoint {
    train_examples: u64,
    accuracy: f64,
    interval: Interval,
}

/// The curves among the metrics; none unless the run measured them.
pub(crate) fn learning_curves(metrics: &[NewMetric]) -> Vec<LearningCurve> {
    let measured = metrics.iter().filter(|metric| metric.name == METRIC);
    let curves = measured.filter_map(|metric| {
        let details = Details::deserialize(metric.details.as_ref()?).ok()?;
        let point = |point: MeasuredPoint| LearningPoint {
            n: point.train_examples,
            value: point.accuracy,
            lower: point.interval.low,
            upper: point.interval.high,
        };
        Some(LearningCurve { field: metric.field.clone(), points: details.points.into_iter().map(point).collect() })
    });
    curves.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn curves_are_read_from_the_details_of_their_metric() {
        let point = json!({ "train_examples": 40, "examples": 9, "n": 9, "accuracy": 0.5, "interval": { "low": 0.2, "high": 0.8 } });
        let metric = |name: &str, details| NewMetric { split: "validation", field: None, name: name.to_owned(), value: None, details };
        let metrics = [
            metric("accuracy", None),
            metric(METRIC, Some(json!({ "undefined": "no validation examples" }))),
            metric(METRIC, Some(json!({ "points": [point], "fit": null }))),
        ];
        let curves = learning_curves(&metrics);
        assert_eq!(curves.len(), 1);
        assert_eq!(curves[0].points, [LearningPoint { n: 40, value: 0.5, lower: 0.2, upper: 0.8 }]);
    }
}
