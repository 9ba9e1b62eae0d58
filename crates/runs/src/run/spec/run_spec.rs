//! The run spec. Immutable once the run exists; unknown keys are rejected by name.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::run::spec::base_model::{BaseModelName, DEFAULT_BASE_MODEL};
use crate::run::spec::data::DataSpec;
use crate::run::spec::error::SpecError;
use crate::run::spec::model_name::ModelName;
use crate::run::status::RunKind;

/// What a run trains, and on which data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Kind of the run.
    #[serde(default = "default_kind")]
    pub kind: RunKind,
    /// Name of the model under which the version is published.
    pub model: ModelName,
    /// Data to train on.
    #[serde(default)]
    pub data: DataSpec,
    /// Parameters of the kind; `{}` = all defaults.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// Base model, for kinds that fine-tune one: a name on Hugging Face, `models:/NAME/NUMBER`, `s3://BUCKET/PREFIX` of a published
    /// version, or a directory that the worker can read; null = `all-MiniLM-L6-v2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// Target accuracy of predictions above the threshold, in (0, 1).
    #[serde(default = "default_target_accuracy")]
    pub target_accuracy: f64,
    /// Random seed.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Priority, -100 to 100; greater runs first.
    #[serde(default)]
    pub priority: i32,
    /// Earliest start time; null = now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_after: Option<DateTime<Utc>>,
    /// Number of attempts before the run fails for good, 1 to 20.
    #[serde(default = "default_max_attempts")]
    pub max_attempts: i32,
    /// Compute backend: `auto`, `flex`, `ndarray` or `cuda`.
    #[serde(default = "default_backend")]
    pub backend: String,
}

const fn default_kind() -> RunKind {
    RunKind::Linear
}
const fn default_target_accuracy() -> f64 {
    0.95
}
const fn default_seed() -> u64 {
    42
}
const fn default_max_attempts() -> i32 {
    3
}
fn default_backend() -> String {
    "auto".to_owned()
}

impl RunSpec {
    /// Writes out the defaults of the kind, so that the stored run does not depend on the defaults of a later version.
    #[must_use]
    pub fn completed(mut self) -> Self {
        if self.kind == RunKind::SentenceTransformer {
            self.base_model.get_or_insert_with(|| DEFAULT_BASE_MODEL.to_owned());
            self.data.pairs.get_or_insert_default();
        }
        self
    }

    /// The base model, for kinds that fine-tune one.
    ///
    /// # Errors
    /// [`SpecError::BaseModel`] when the name is invalid.
    pub fn base_model(&self) -> Result<BaseModelName, SpecError> {
        self.base_model.as_deref().unwrap_or(DEFAULT_BASE_MODEL).parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::spec::data::PairsSpec;

    fn parse(json: &str) -> Result<RunSpec, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_model_name_is_enough() {
        let spec = parse(r#"{"model":"contracts"}"#).unwrap();
        spec.validate().unwrap();
        assert_eq!((spec.kind, spec.seed, spec.max_attempts, spec.data.min_support), (RunKind::Linear, 42, 3, 2));
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = parse(r#"{"model":"contracts","data":{"feilds":[]}}"#).unwrap_err().to_string();
        assert!(error.contains("feilds") && error.contains("fields"), "{error}");
    }

    #[test]
    fn a_model_name_cannot_escape_its_prefix() {
        for bad in ["../x", "", "A", "-x", "a/b", &"a".repeat(64)] {
            assert!(ModelName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn kinds_that_are_not_implemented_are_rejected() {
        for kind in ["field-classifier", "auto"] {
            let spec = parse(&format!(r#"{{"model":"contracts","kind":"{kind}"}}"#)).unwrap();
            assert_eq!(spec.validate().unwrap_err().code(), "kind_not_built");
        }
    }

    #[test]
    fn a_sentence_transformer_has_a_base_model_and_pairs_by_default() {
        let spec = parse(r#"{"model":"encoder","kind":"sentence-transformer"}"#).unwrap();
        spec.validate().unwrap();
        let spec = spec.completed();
        assert_eq!((spec.base_model.as_deref(), &spec.data.pairs), (Some("all-MiniLM-L6-v2"), &Some(PairsSpec::default())));
        assert_eq!(spec.clone().completed(), spec);
        let given = r#"{"model":"m","kind":"sentence-transformer","base_model":"models:/m/2","data":{"pairs":{"per_label":8}}}"#;
        let given = parse(given).unwrap();
        assert_eq!(given.clone().completed(), given);
        let linear = parse(r#"{"model":"m"}"#).unwrap();
        assert_eq!(linear.clone().completed(), linear);
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (json, key) in [
            (r#"{"model":"m","priority":101}"#, "priority"),
            (r#"{"model":"m","target_accuracy":1.0}"#, "target_accuracy"),
            (r#"{"model":"m","max_attempts":0}"#, "max_attempts"),
            (r#"{"model":"m","backend":"tch"}"#, "backend"),
            (r#"{"model":"m","data":{"documents":[]}}"#, "data.documents"),
            (r#"{"model":"m","base_model":"x"}"#, "base_model"),
            (r#"{"model":"m","data":{"pairs":{}}}"#, "data.pairs"),
            (r#"{"model":"m","kind":"sentence-transformer","base_model":"../x"}"#, "base_model"),
            (r#"{"model":"m","kind":"sentence-transformer","data":{"pairs":{"of":[]}}}"#, "data.pairs.of"),
            (r#"{"model":"m","kind":"sentence-transformer","data":{"pairs":{"per_label":0}}}"#, "data.pairs.per_label"),
            (r#"{"model":"m","kind":"sentence-transformer","data":{"pairs":{"max_chars":100001}}}"#, "data.pairs.max_chars"),
        ] {
            let error = parse(json).unwrap().validate().unwrap_err();
            assert!(error.to_string().contains(key), "{error}");
        }
    }
}
