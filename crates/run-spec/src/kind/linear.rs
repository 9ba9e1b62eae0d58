//! Training parameters of the kind `linear`.

use aprendiz_inference::{FEATURES_VERSION, FeatureConfig};
use serde::{Deserialize, Serialize};

use crate::kind::final_fit::FinalFit;
use crate::kind::params::{KindParams, ParamDescription};
use crate::kind::sweep_metric::SweepMetric;

/// L2 regularization strengths to try if none is given, in ascending order.
const L2_GRID: [f64; 5] = [0.01, 0.03, 0.1, 0.3, 1.0];

/// Training parameters of a linear model. Every parameter has a default; unknown parameters are rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearParams {
    /// Range of word n-gram lengths, in words; `[0, 0]` = none.
    pub word_ngrams: [usize; 2],
    /// Range of character n-gram lengths within words, in characters; `[0, 0]` = none.
    pub char_ngrams: [usize; 2],
    /// Maximum distance of unordered word pairs, in words; 0 = no pairs. Used only if most training texts are no longer than `lead_chars`:
    /// in long texts, nearly all words occur together somewhere.
    pub word_pairs: usize,
    /// Number of leading characters that form additional features, because the first lines often identify a document. 0 = none. No effect
    /// if most training texts are shorter.
    pub lead_chars: usize,
    /// Whether a term frequency `n` is weighted `1 + ln n` instead of `n`.
    pub sublinear_tf: bool,
    /// Minimum document frequency of a feature.
    pub min_df: u32,
    /// Maximum number of features; those with the highest document frequency are kept. Each needs 4 bytes per class in the model.
    pub max_features: usize,
    /// L2 regularization strength (higher = simpler model); `null` = chosen from a small grid by out-of-fold log loss.
    pub l2: Option<f64>,
    /// Maximum number of epochs per fit.
    pub epochs: usize,
    /// Relative decrease of the objective per epoch below which a fit stops.
    pub tolerance: f64,
    /// Number of folds for out-of-fold scores; fewer if there are fewer document groups.
    pub folds: usize,
    /// Number of partitions into folds. Out-of-fold scores are averaged over them, so that thresholds depend less on one partition.
    pub fold_repeats: usize,
    /// Whether models of nested parts of the train split (20, 40, 60 and 80 %) are trained and scored on the validation split, to estimate
    /// what more labels would bring. The model itself does not depend on it.
    pub learning_curve: bool,
    /// Which splits the published model is fitted on.
    pub final_fit: FinalFit,
}

impl Default for LinearParams {
    fn default() -> Self {
        Self {
            word_ngrams: [1, 2],
            char_ngrams: [3, 4],
            word_pairs: 20,
            lead_chars: 500,
            sublinear_tf: true,
            min_df: 2,
            max_features: 1 << 18,
            l2: None,
            epochs: 500,
            tolerance: 1e-3,
            folds: 5,
            fold_repeats: 5,
            learning_curve: false,
            final_fit: FinalFit::default(),
        }
    }
}

impl KindParams for LinearParams {
    fn needs_base_model(&self) -> bool {
        false
    }

    fn freezes_base_model(&self) -> bool {
        false
    }

    fn trains_on_pairs(&self) -> bool {
        false
    }

    fn sweep_metrics(&self) -> &'static [SweepMetric] {
        const { &[SweepMetric::Accuracy, SweepMetric::MacroF1, SweepMetric::LogLoss] }
    }

    fn descriptions(&self) -> &'static [ParamDescription] {
        const {
            &[
                ParamDescription::number("l2", 1e-6, 1e6, "L2 regularization strength; null = chosen by out-of-fold log loss").nullable(),
                ParamDescription::integer("epochs", 1.0, Some(10_000.0), "Maximum number of epochs per fit"),
                ParamDescription::number("tolerance", 1e-6, 0.5, "Relative decrease of the objective below which a fit stops"),
                ParamDescription::integer("folds", 2.0, Some(20.0), "Number of folds for out-of-fold scores"),
                ParamDescription::integer(
                    "fold_repeats",
                    1.0,
                    Some(20.0),
                    "Number of partitions over which out-of-fold scores are averaged",
                ),
                ParamDescription::integer_range("word_ngrams", 1.0, 5.0, "Lengths of word n-grams; [0, 0] = none"),
                ParamDescription::integer_range("char_ngrams", 1.0, 10.0, "Lengths of character n-grams within words; [0, 0] = none"),
                ParamDescription::integer("word_pairs", 0.0, Some(100.0), "Maximum distance of word pairs in short texts; 0 = no pairs"),
                ParamDescription::integer(
                    "lead_chars",
                    0.0,
                    Some(1_048_576.0),
                    "Leading characters that are features of their own; 0 = none",
                ),
                ParamDescription::boolean("sublinear_tf", "Whether a term frequency n counts as 1 + ln n"),
                ParamDescription::integer("min_df", 1.0, None, "Minimum number of documents that contain a feature"),
                ParamDescription::integer("max_features", 1.0, Some(16_777_216.0), "Maximum number of features"),
                ParamDescription::boolean(
                    "learning_curve",
                    "Also train on 20, 40, 60 and 80 % of the train split, to estimate what more labels would bring",
                ),
                ParamDescription::choice(
                    "final_fit",
                    FinalFit::NAMES,
                    "Splits that the published model is fitted on; the test metrics are of a model without the test split",
                ),
            ]
        }
    }

    fn check(&self) -> Result<(), String> {
        self.features().check()?;
        if let Some(l2) = self.l2
            && !(l2.is_finite() && (1e-6..=1e6).contains(&l2))
        {
            return Err(format!("l2 must be null or from 0.000001 to 1000000, not {l2}"));
        }
        if !(1..=10_000).contains(&self.epochs) {
            return Err(format!("epochs must be from 1 to 10000, not {}", self.epochs));
        }
        if !(1e-6..=0.5).contains(&self.tolerance) {
            return Err(format!("tolerance must be from 0.000001 to 0.5, not {}", self.tolerance));
        }
        if !(2..=20).contains(&self.folds) {
            return Err(format!("folds must be from 2 to 20, not {}", self.folds));
        }
        if !(1..=20).contains(&self.fold_repeats) {
            return Err(format!("fold_repeats must be from 1 to 20, not {}", self.fold_repeats));
        }
        Ok(())
    }
}

impl LinearParams {
    /// The feature extraction settings.
    #[must_use]
    pub fn features(&self) -> FeatureConfig {
        FeatureConfig {
            version: FEATURES_VERSION,
            word_ngrams: self.word_ngrams,
            char_ngrams: self.char_ngrams,
            word_pairs: self.word_pairs,
            lead_chars: self.lead_chars,
            sublinear_tf: self.sublinear_tf,
            min_df: self.min_df,
            max_features: self.max_features,
        }
    }

    /// L2 strengths to try, in descending order: each solution is the starting point of the next, and the strongest is the cheapest.
    #[must_use]
    pub fn l2_candidates(&self) -> Vec<f64> {
        match self.l2 {
            Some(l2) => vec![l2],
            None => L2_GRID.iter().rev().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::params::parse;

    fn parse_error(params: &Value) -> String {
        parse::<LinearParams>(params.as_object().unwrap()).unwrap_err()
    }

    #[test]
    fn empty_params_give_the_defaults() {
        assert_eq!(parse::<LinearParams>(&serde_json::Map::new()).unwrap(), LinearParams::default());
    }

    #[test]
    fn unknown_parameters_are_named() {
        assert!(parse_error(&json!({"learning_rate": 0.1})).contains("learning_rate"));
    }

    #[test]
    fn out_of_range_values_are_reported_with_the_range() {
        assert!(parse_error(&json!({"l2": 0})).contains("l2 must be null or from"));
        assert!(parse_error(&json!({"folds": 1})).contains("folds must be from 2"));
        assert!(parse_error(&json!({"fold_repeats": 0})).contains("fold_repeats must be from 1"));
        assert!(parse_error(&json!({"epochs": 0})).contains("epochs"));
        assert!(parse_error(&json!({"char_ngrams": [5, 2]})).contains("char_ngrams"));
        assert!(parse_error(&json!({"word_pairs": 101})).contains("word_pairs must be from 0 to"));
        assert!(parse_error(&json!({"lead_chars": 2_000_000})).contains("lead_chars must be from 0 to"));
        assert!(parse_error(&json!({"char_ngrams": [0, 0], "word_ngrams": [0, 0]})).contains("no feature"));
        assert!(parse_error(&json!({"max_features": -1})).contains("integer `-1`"));
    }
}
