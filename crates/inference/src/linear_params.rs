//! Parameters of the kind `linear`. They stand here, beside the features they describe, so that the API checks them with the very
//! type that training reads, without linking Burn.

use serde::{Deserialize, Serialize};

use crate::config::FeatureConfig;

/// Strengths that are tried when none is given, from weak to strong.
const L2_GRID: [f64; 5] = [0.01, 0.03, 0.1, 0.3, 1.0];

/// How a linear model is trained. Every parameter has a default; unknown ones are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearParams {
    /// Lengths of word n-grams, in words; `[0, 0]` = none.
    pub word_ngrams: [usize; 2],
    /// Lengths of character n-grams within words, in characters; `[0, 0]` = none.
    pub char_ngrams: [usize; 2],
    /// A word and each of the next so many are counted as a pair, whichever comes first; 0 = none. Only where most training texts are no
    /// longer than `lead_chars`: in long texts nearly all words come together somewhere.
    pub word_pairs: usize,
    /// So many characters at the beginning of a text are counted once more, beside the whole text: what a document is, its first lines
    /// say. 0 = none; without effect where most training texts are no longer.
    pub lead_chars: usize,
    /// Whether an n-gram that occurs `n` times weighs `1 + ln n` instead of `n`.
    pub sublinear_tf: bool,
    /// An n-gram in fewer training documents than this is no feature.
    pub min_df: u32,
    /// At most this many features, those in most documents first. Costs 4 bytes × classes each in the model.
    pub max_features: usize,
    /// Strength of the L2 penalty (greater = simpler model); `null` = the best of a small grid out of fold.
    pub l2: Option<f64>,
    /// Most passes of the solver over the training examples, per fit.
    pub epochs: usize,
    /// A fit ends when a pass lowers its objective by a smaller share than this.
    pub tolerance: f64,
    /// Folds for out-of-fold scores; fewer where there are fewer groups of documents.
    pub folds: usize,
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
        }
    }
}

impl LinearParams {
    /// Reads parameters from the `params` of a run spec.
    ///
    /// # Errors
    /// Names the key that is unknown or out of range, and what is allowed.
    pub fn parse(params: &serde_json::Value) -> Result<Self, String> {
        let parsed: Self = serde_json::from_value(params.clone()).map_err(|error| format!("params: {error}"))?;
        parsed.check().map_err(|reason| format!("params: {reason}"))?;
        Ok(parsed)
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
        Ok(())
    }

    /// How a text becomes features.
    #[must_use]
    pub fn features(&self) -> FeatureConfig {
        FeatureConfig {
            word_ngrams: self.word_ngrams,
            char_ngrams: self.char_ngrams,
            word_pairs: self.word_pairs,
            lead_chars: self.lead_chars,
            sublinear_tf: self.sublinear_tf,
            min_df: self.min_df,
            max_features: self.max_features,
        }
    }

    /// The strengths to try, strongest first: each solution starts from the one before, and the strongest is cheapest.
    #[must_use]
    pub fn strengths(&self) -> Vec<f64> {
        match self.l2 {
            Some(l2) => vec![l2],
            None => L2_GRID.iter().rev().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(params: serde_json::Value) -> String {
        LinearParams::parse(&params).unwrap_err()
    }

    #[test]
    fn no_parameter_at_all_gives_the_defaults() {
        assert_eq!(LinearParams::parse(&serde_json::json!({})).unwrap(), LinearParams::default());
    }

    #[test]
    fn an_unknown_parameter_is_named() {
        assert!(refusal(serde_json::json!({"learning_rate": 0.1})).contains("learning_rate"));
    }

    #[test]
    fn a_value_out_of_range_is_named_with_what_is_allowed() {
        assert!(refusal(serde_json::json!({"l2": 0})).contains("l2 must be null or from"));
        assert!(refusal(serde_json::json!({"folds": 1})).contains("folds must be from 2"));
        assert!(refusal(serde_json::json!({"epochs": 0})).contains("epochs"));
        assert!(refusal(serde_json::json!({"char_ngrams": [5, 2]})).contains("char_ngrams"));
        assert!(refusal(serde_json::json!({"word_pairs": 101})).contains("word_pairs must be from 0 to"));
        assert!(refusal(serde_json::json!({"lead_chars": 2_000_000})).contains("lead_chars must be from 0 to"));
        assert!(refusal(serde_json::json!({"char_ngrams": [0, 0], "word_ngrams": [0, 0]})).contains("no feature"));
        assert!(refusal(serde_json::json!({"max_features": -1})).contains("params"));
    }
}
