//! Kinds of runs with their typed parameters. A new kind of training is a file here, and a variant of [`TrainingParams`].

mod auto;
mod field_classifier;
mod final_fit;
mod linear;
mod params;
mod predict;
mod sentence_transformer;
mod sweep_metric;

pub use auto::AutoParams;
pub use field_classifier::FieldClassifierParams;
pub use final_fit::FinalFit;
pub use linear::LinearParams;
pub use params::ParamType;
pub use predict::PredictParams;
pub use sentence_transformer::{PairLoss, SentenceTransformerParams};
pub use sweep_metric::SweepMetric;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::SpecError;
pub(crate) use crate::kind::params::ParamDescription;
use crate::kind::params::{KindParams, parse};
use crate::run_kind::RunKind;

/// Parameters of a training, by kind of model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TrainingParams {
    /// Linear models and field classifiers, of which each field gets the better one.
    Auto(AutoParams),
    /// One linear head per field on n-gram features.
    Linear(LinearParams),
    /// One head per field with attention over chunks, on vectors of an encoder.
    FieldClassifier(FieldClassifierParams),
    /// A sentence encoder, fine-tuned from a base model.
    SentenceTransformer(SentenceTransformerParams),
}

impl TrainingParams {
    /// Parses and checks the `params` of a run spec; `None` = the kind trains nothing.
    ///
    /// # Errors
    /// A parameter is unknown or out of range.
    pub fn parse(kind: RunKind, params: &Map<String, Value>) -> Result<Option<Self>, SpecError> {
        let parsed = match kind {
            RunKind::Linear => parse(params).map(Self::Linear),
            RunKind::SentenceTransformer => parse(params).map(Self::SentenceTransformer),
            RunKind::FieldClassifier => parse(params).map(Self::FieldClassifier),
            RunKind::Evaluate | RunKind::Predict | RunKind::Sweep => return Ok(None),
            RunKind::Auto => parse(params).map(Self::Auto),
        };
        parsed.map(Some).map_err(SpecError::BadParams)
    }

    /// Kind of the run that trains with these parameters.
    #[must_use]
    pub const fn kind(&self) -> RunKind {
        match self {
            Self::Auto(_) => RunKind::Auto,
            Self::FieldClassifier(_) => RunKind::FieldClassifier,
            Self::Linear(_) => RunKind::Linear,
            Self::SentenceTransformer(_) => RunKind::SentenceTransformer,
        }
    }

    fn as_params(&self) -> &dyn KindParams {
        match self {
            Self::Auto(params) => params,
            Self::FieldClassifier(params) => params,
            Self::Linear(params) => params,
            Self::SentenceTransformer(params) => params,
        }
    }

    pub(crate) fn descriptions(&self) -> &'static [ParamDescription] {
        self.as_params().descriptions()
    }

    /// Whether training starts from a base model.
    #[must_use]
    pub fn needs_base_model(&self) -> bool {
        self.as_params().needs_base_model()
    }

    /// Whether training computes vectors of texts with the unchanged base model, which a cache can keep.
    #[must_use]
    pub fn freezes_base_model(&self) -> bool {
        self.as_params().freezes_base_model()
    }

    /// Which splits the published model is fitted on; an encoder learns from pairs of train only.
    #[must_use]
    pub const fn final_fit(&self) -> FinalFit {
        match self {
            Self::Auto(params) => params.final_fit,
            Self::FieldClassifier(params) => params.final_fit,
            Self::Linear(params) => params.final_fit,
            Self::SentenceTransformer(_) => FinalFit::Train,
        }
    }

    /// The parameters of a trial of a sweep: it is fitted on train, and compared on validation.
    #[must_use]
    pub fn for_trial(&self) -> Self {
        match self.clone() {
            Self::Auto(params) => Self::Auto(AutoParams { final_fit: FinalFit::Train, ..params }),
            Self::FieldClassifier(params) => Self::FieldClassifier(FieldClassifierParams { final_fit: FinalFit::Train, ..params }),
            Self::Linear(params) => Self::Linear(LinearParams { final_fit: FinalFit::Train, ..params }),
            encoder @ Self::SentenceTransformer(_) => encoder,
        }
    }

    /// Whether training reads the text pairs of the snapshot.
    #[must_use]
    pub fn trains_on_pairs(&self) -> bool {
        self.as_params().trains_on_pairs()
    }

    /// Metrics of a trained model on the validation split by which trials can be compared; the first is the default.
    pub(crate) fn sweep_metrics(&self) -> &'static [SweepMetric] {
        self.as_params().sweep_metrics()
    }

    /// Checks the ranges of parameters that [`Self::parse`] has not checked.
    ///
    /// # Errors
    /// [`SpecError::BadParams`] names the parameter and the allowed range.
    pub fn check(&self) -> Result<(), SpecError> {
        self.as_params().check().map_err(SpecError::BadParams)
    }

    /// The parameters without the kind, with all defaults written out.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(mut params)) => {
                params.remove("kind");
                params
            }
            _ => unreachable!("parameters are structs of plain values, which always serialize to an object"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_written_default_is_read_back_as_the_same_number() {
        for kind in RunKind::ALL {
            let Some(params) = TrainingParams::parse(kind, &Map::new()).unwrap() else { continue };
            let written: Map<String, Value> = serde_json::from_str(&serde_json::to_string(&params.to_json()).unwrap()).unwrap();
            assert_eq!(TrainingParams::parse(kind, &written).unwrap(), Some(params));
        }
    }

    #[test]
    fn a_parameter_may_not_be_called_kind() {
        let params = json!({ "kind": "linear" });
        let error = TrainingParams::parse(RunKind::Linear, params.as_object().unwrap()).unwrap_err();
        assert!(error.code() == "bad_params" && error.to_string().contains("`kind`"), "{error}");
    }

    #[test]
    fn tagged_parameters_reject_unknown_keys_and_complete_the_others() {
        let parse = |json: Value| serde_json::from_value::<TrainingParams>(json);
        let params = parse(json!({ "kind": "sentence-transformer", "epochs": 3 })).unwrap();
        let expected = SentenceTransformerParams { epochs: 3, ..SentenceTransformerParams::default() };
        assert_eq!(params, TrainingParams::SentenceTransformer(expected));
        assert_eq!(parse(serde_json::to_value(&params).unwrap()).unwrap(), params);
        assert!(parse(json!({ "kind": "linear", "layers": 3 })).unwrap_err().to_string().contains("layers"));
        assert_eq!(parse(json!({ "kind": "linear", "folds": 1 })).unwrap().check().unwrap_err().code(), "bad_params");
    }
}
