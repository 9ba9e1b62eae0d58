//! The run spec as JSON. Immutable once the run exists; unknown keys are rejected by name.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::backend::Backend;
use crate::data::DataSpec;
use crate::model_name::ModelName;
use crate::queue_name::QueueName;
use crate::requirement::Requirement;
use crate::run_kind::RunKind;

/// What a run trains, and on which data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Kind of the run.
    #[serde(default)]
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
    /// Of kind `evaluate`: number of the version of `model` that is evaluated on the test documents; null = the stored predictions of the
    /// extractor are evaluated. Of kind `predict`: number of the version that predicts; required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub model_version: Option<i32>,
    /// Keys of the metadata of documents by whose values the metrics are also computed, at most 10; kinds `linear` and `evaluate`, and
    /// sweeps of `linear`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 10)]
    pub slices: Vec<String>,
    /// Target accuracy of predictions above the threshold, in (0, 1).
    #[serde(default = "default_target_accuracy")]
    #[schema(exclusive_minimum = 0, exclusive_maximum = 1)]
    pub target_accuracy: f64,
    /// Random seed.
    #[serde(default = "default_seed")]
    #[schema(format = "uint64")]
    pub seed: u64,
    /// Priority, -100 to 100; greater runs first.
    #[serde(default)]
    #[schema(minimum = -100, maximum = 100)]
    pub priority: i32,
    /// Earliest start time, at most a hundred years from now; null = now.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "aprendiz_annotation_types::deserialize_time")]
    pub run_after: Option<DateTime<Utc>>,
    /// Number of attempts before the run fails for good, 1 to 20.
    #[serde(default = "default_max_attempts")]
    #[schema(minimum = 1, maximum = 20)]
    pub max_attempts: i32,
    /// Compute backend. Only workers whose build includes it claim the run.
    #[serde(default)]
    pub backend: Backend,
    /// Labels that the worker must have, at most 16: `gpu`, `zone=eu`, or `memory>=32` for a number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub requires: Vec<Requirement>,
    /// Queue whose limits and weight apply.
    // left out of stored specs if it is the default, so that workers of the previous version can read them
    #[serde(default, skip_serializing_if = "QueueName::is_default")]
    pub queue: QueueName,
    /// Of a request: returns the waiting or running run with the same spec and data, if there is one, instead of creating another. Not
    /// part of the stored spec.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
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
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
const fn is_false(value: &bool) -> bool {
    !*value
}

impl RunSpec {
    /// The same spec for another kind, without what belongs to the previous one: parameters, base model, evaluated version and pairs, and
    /// slices if the kind has none. The spec of the same kind is returned unchanged.
    #[must_use]
    pub fn with_kind(self, kind: RunKind) -> Self {
        if kind == self.kind {
            return self;
        }
        let slices = if kind.has_slices() { self.slices } else { Vec::new() };
        let data = DataSpec { pairs: None, ..self.data };
        Self { kind, params: Map::new(), base_model: None, model_version: None, data, slices, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<RunSpec, serde_json::Error> {
        serde_json::from_str(json)
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
    fn another_kind_keeps_the_data_and_drops_what_belongs_to_the_kind() {
        let encoder = r#"{"model":"m","kind":"sentence-transformer","base_model":"x","params":{"epochs":2},
            "data":{"fields":["a"],"pairs":{}},"seed":7}"#;
        let sliced = parse(r#"{"model":"m","slices":["customer"]}"#).unwrap();
        assert_eq!(sliced.clone().with_kind(RunKind::Evaluate).slices, sliced.slices);
        assert!(sliced.with_kind(RunKind::SentenceTransformer).slices.is_empty());
        let encoder = parse(encoder).unwrap();
        assert_eq!(encoder.clone().with_kind(RunKind::SentenceTransformer), encoder);
        assert_eq!(encoder.with_kind(RunKind::Linear), parse(r#"{"model":"m","data":{"fields":["a"]},"seed":7}"#).unwrap());
    }
}
