//! Training parameters of the kind `auto`.

use serde::{Deserialize, Serialize};

use crate::kind::field_classifier::FieldClassifierParams;
use crate::kind::final_fit::FinalFit;
use crate::kind::linear::LinearParams;
use crate::kind::params::{KindParams, ParamDescription};
use crate::kind::sweep_metric::SweepMetric;

/// Training parameters of a run that selects a kind for each field. Every parameter has a default; unknown parameters are rejected.
/// What is not named here has the default of the kind that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AutoParams {
    /// Minutes after which the training of field classifiers stops, so that linear models are published; `null` = no limit. The linear models are
    /// always trained.
    pub budget_minutes: Option<f64>,
    /// Maximum length of a chunk in tokens, see [`FieldClassifierParams`].
    pub chunk_tokens: usize,
    /// Tokens that neighbouring chunks share.
    pub chunk_overlap: usize,
    /// Maximum number of chunks of a document.
    pub max_chunks: usize,
    /// Number of folds for the out-of-fold scores, by which the kinds are compared.
    pub folds: usize,
    /// Which splits the published model is fitted on.
    pub final_fit: FinalFit,
}

impl Default for AutoParams {
    fn default() -> Self {
        let FieldClassifierParams { chunk_tokens, chunk_overlap, max_chunks, folds, final_fit, .. } = FieldClassifierParams::default();
        Self { budget_minutes: None, chunk_tokens, chunk_overlap, max_chunks, folds, final_fit }
    }
}

impl AutoParams {
    /// The parameters of the linear models.
    #[must_use]
    pub fn linear(&self) -> LinearParams {
        LinearParams { folds: self.folds, final_fit: self.final_fit, ..LinearParams::default() }
    }

    /// The parameters of the field classifiers.
    #[must_use]
    pub fn field_classifier(&self) -> FieldClassifierParams {
        FieldClassifierParams {
            chunk_tokens: self.chunk_tokens,
            chunk_overlap: self.chunk_overlap,
            max_chunks: self.max_chunks,
            folds: self.folds,
            final_fit: self.final_fit,
            ..FieldClassifierParams::default()
        }
    }
}

impl KindParams for AutoParams {
    fn needs_base_model(&self) -> bool {
        true
    }

    fn freezes_base_model(&self) -> bool {
        true
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
                ParamDescription::number(
                    "budget_minutes",
                    1e-6,
                    100_000.0,
                    "Minutes after which the training of field classifiers stops; null = no limit",
                )
                .nullable(),
                ParamDescription::integer(
                    "chunk_tokens",
                    16.0,
                    Some(8192.0),
                    "Maximum tokens per chunk; at most the limit of the base model",
                ),
                ParamDescription::integer("chunk_overlap", 0.0, Some(4096.0), "Tokens that neighbouring chunks share"),
                ParamDescription::integer("max_chunks", 1.0, Some(1024.0), "Maximum chunks per document; of more, evenly spaced ones"),
                ParamDescription::integer("folds", 2.0, Some(20.0), "Folds of the out-of-fold scores, by which the kinds are compared"),
                ParamDescription::choice("final_fit", &["train", "train+validation"], "Splits that the published model is fitted on"),
            ]
        }
    }

    fn check(&self) -> Result<(), String> {
        if let Some(minutes) = self.budget_minutes
            && !(1e-6..=100_000.0).contains(&minutes)
        {
            return Err(format!("budget_minutes must be from 0.000001 to 100000, not {minutes}"));
        }
        self.linear().check()?;
        self.field_classifier().check()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::params::parse;

    #[test]
    fn empty_params_give_the_defaults_of_the_kinds() {
        let params: AutoParams = parse(&serde_json::Map::new()).unwrap();
        assert_eq!(params, AutoParams::default());
        assert_eq!((params.linear(), params.field_classifier()), (LinearParams::default(), FieldClassifierParams::default()));
    }

    #[test]
    fn unknown_and_out_of_range_parameters_are_reported() {
        let parse_error = |params: Value| parse::<AutoParams>(params.as_object().unwrap()).unwrap_err();
        assert!(parse_error(json!({"l2": 1})).contains("l2"));
        assert!(parse_error(json!({"budget_minutes": 0})).contains("budget_minutes must be from 0.000001"));
        assert!(parse_error(json!({"final_fit": "all"})).contains("final_fit must be train or"));
        assert!(parse_error(json!({"chunk_tokens": 4})).contains("chunk_tokens must be from 16"));
    }
}
