//! Predictions for the fields of a text.

use serde::{Deserialize, Serialize};

use crate::config::{FieldConfig, ThresholdStatus};

/// Prediction for a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldPrediction {
    /// Field name.
    pub field: String,
    /// The most probable class; `None` is `∅` (no value).
    pub value: Option<String>,
    /// Probability of `value`, from 0 to 1.
    pub confidence: f64,
    /// Whether the confidence reaches the threshold of the field. If not, or without a threshold, the value is only a suggestion.
    pub answered: bool,
    /// Whether the model knows no feature of the text. Then the probabilities are the shares of the classes in train, and the field is not
    /// answered, whatever its threshold.
    #[serde(default)]
    pub no_known_feature: bool,
    /// All classes with their probabilities, most probable first.
    pub top: Vec<RankedLabel>,
}

/// A class and its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedLabel {
    /// The class; `None` is `∅`.
    pub label: Option<String>,
    /// Probability, from 0 to 1.
    pub probability: f64,
}

impl FieldPrediction {
    /// Probability of a class; 0 for an unseen class.
    #[must_use]
    pub fn probability(&self, label: Option<&str>) -> f64 {
        self.top.iter().find(|ranked| ranked.label.as_deref() == label).map_or(0.0, |ranked| ranked.probability)
    }

    /// Computes a prediction from the logits of a head. Ties go to the first class.
    #[must_use]
    pub fn from_logits(field: &FieldConfig, logits: &[f64]) -> Self {
        let mut prediction = Self::from_probabilities(field, softmax(logits));
        prediction.decide(if field.threshold_status == ThresholdStatus::Ok { field.threshold } else { None });
        prediction
    }

    /// Decides whether the field is answered at a threshold; `None` = nothing is answered.
    pub fn decide(&mut self, threshold: Option<f64>) {
        self.answered = !self.no_known_feature && threshold.is_some_and(|threshold| self.confidence >= threshold);
    }

    /// The prediction for a text without any known feature: the shares of the classes in train. The intercepts of the head would give
    /// probabilities that calibration on other texts has sharpened.
    #[must_use]
    pub fn without_features(field: &FieldConfig) -> Self {
        let total = field.train_counts.iter().sum::<u64>().max(1) as f64;
        let shares = field.train_counts.iter().map(|count| *count as f64 / total).collect();
        Self { no_known_feature: true, ..Self::from_probabilities(field, shares) }
    }

    /// An unanswered prediction. Ties go to the first class.
    fn from_probabilities(field: &FieldConfig, probabilities: Vec<f64>) -> Self {
        let ranked = field.labels.iter().zip(probabilities);
        let mut top: Vec<RankedLabel> = ranked.map(|(label, probability)| RankedLabel { label: label.clone(), probability }).collect();
        // a stable sort: ties keep the order of the labels
        top.sort_by(|a, b| b.probability.total_cmp(&a.probability));
        let (value, confidence) = top.first().map_or((None, 0.0), |best| (best.label.clone(), best.probability));
        Self { field: field.name.clone(), value, confidence, answered: false, no_known_feature: false, top }
    }
}

/// Softmax, summed in a fixed order so that results are reproducible.
fn softmax(logits: &[f64]) -> Vec<f64> {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut exponentials: Vec<f64> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    for exponential in &mut exponentials {
        *exponential /= sum;
    }
    exponentials
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(threshold: Option<f64>, threshold_status: ThresholdStatus) -> FieldConfig {
        FieldConfig {
            name: "law".into(),
            labels: vec![Some("a".into()), Some("b".into()), None],
            train_counts: vec![1, 1, 1],
            unlearnable: vec![],
            l2: 1.0,
            threshold,
            threshold_status,
        }
    }

    #[test]
    fn probabilities_are_the_softmax_and_sum_to_one() {
        let prediction = FieldPrediction::from_logits(&field(None, ThresholdStatus::NotCalibrated), &[0.0, 2.0_f64.ln(), 0.0]);
        assert_eq!(prediction.value.as_deref(), Some("b"));
        assert!((prediction.confidence - 0.5).abs() < 1e-12);
        assert!((prediction.probability(None) - 0.25).abs() < 1e-12);
        assert_eq!(prediction.probability(Some("unseen")), 0.0);
    }

    #[test]
    fn no_value_can_win_and_ties_go_to_the_first_label() {
        let no_threshold = field(None, ThresholdStatus::NotCalibrated);
        assert_eq!(FieldPrediction::from_logits(&no_threshold, &[0.0, 0.0, 1.0]).value, None);
        assert_eq!(FieldPrediction::from_logits(&no_threshold, &[0.0, 0.0, -1.0]).value.as_deref(), Some("a"));
    }

    #[test]
    fn only_confidences_at_the_threshold_are_answered() {
        let logits = [0.0, 2.0_f64.ln(), 0.0];
        assert!(FieldPrediction::from_logits(&field(Some(0.4), ThresholdStatus::Ok), &logits).answered);
        assert!(!FieldPrediction::from_logits(&field(Some(0.6), ThresholdStatus::Ok), &logits).answered);
        let unreachable = FieldPrediction::from_logits(&field(None, ThresholdStatus::TargetUnreachable), &logits);
        assert!(!unreachable.answered && unreachable.value.is_some());
    }

    #[test]
    fn another_threshold_changes_the_answer_but_not_for_a_text_without_known_features() {
        let field = field(Some(0.6), ThresholdStatus::Ok);
        let mut prediction = FieldPrediction::from_logits(&field, &[0.0, 2.0_f64.ln(), 0.0]);
        prediction.decide(Some(0.4));
        assert!(prediction.answered);
        prediction.decide(None);
        assert!(!prediction.answered);
        let mut unknown = FieldPrediction::without_features(&field);
        unknown.decide(Some(0.1));
        assert!(!unknown.answered);
    }

    #[test]
    fn a_text_without_known_features_gets_the_shares_of_train_and_no_answer() {
        let field = FieldConfig { train_counts: vec![3, 1, 1], ..field(Some(0.1), ThresholdStatus::Ok) };
        let prediction = FieldPrediction::without_features(&field);
        assert!(prediction.no_known_feature && !prediction.answered);
        assert_eq!((prediction.value.as_deref(), prediction.confidence), (Some("a"), 0.6));
        assert_eq!(prediction.probability(None), 0.2);
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let prediction = FieldPrediction::from_logits(&field(None, ThresholdStatus::NotCalibrated), &[1e9, -1e9, 0.0]);
        assert_eq!(prediction.confidence, 1.0);
    }
}
