//! The run spec: what is trained on what. Immutable once the run exists; unknown keys are errors that name them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::base_model::{BaseModelName, DEFAULT_BASE_MODEL};
use crate::status::RunKind;

const MAX_FIELDS: usize = 500;
const MAX_DOCUMENTS: usize = 100_000;

/// A name of a model: lower-case letters, digits, `.`, `_`, `-`; starts with a letter or digit; at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "contracts", pattern = "^[a-z0-9][a-z0-9._-]{0,62}$")]
pub struct ModelName(String);

impl ModelName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModelName {
    type Error = SpecError;

    fn try_from(name: String) -> Result<Self, SpecError> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-');
        let good = matches!(name.as_bytes(), [first, ..] if first.is_ascii_lowercase() || first.is_ascii_digit())
            && name.len() <= 63
            && name.bytes().all(allowed);
        if good { Ok(Self(name)) } else { Err(SpecError::ModelName(name)) }
    }
}

impl std::str::FromStr for ModelName {
    type Err = SpecError;

    fn from_str(name: &str) -> Result<Self, SpecError> {
        Self::try_from(name.to_owned())
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

impl std::fmt::Display for ModelName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run trains, and on what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// What is learned.
    #[serde(default = "default_kind")]
    pub kind: RunKind,
    /// Name under which the version is published.
    pub model: ModelName,
    /// What it learns from.
    #[serde(default)]
    pub data: DataSpec,
    /// Parameters of the kind; `{}` takes all defaults.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// Base weights, for kinds that start from some: a name on Hugging Face, `models:/NAME/NUMBER`, `s3://BUCKET/PREFIX` of a published
    /// version, or a directory that the worker may read; null = `all-MiniLM-L6-v2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// Accuracy that answers above the threshold must reach, in (0, 1).
    #[serde(default = "default_target_accuracy")]
    pub target_accuracy: f64,
    /// Seed of everything random.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Greater runs first; -100 to 100.
    #[serde(default)]
    pub priority: i32,
    /// Not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_after: Option<DateTime<Utc>>,
    /// Attempts before the run fails for good, 1 to 20.
    #[serde(default = "default_max_attempts")]
    pub max_attempts: i32,
    /// `auto`, `flex`, `ndarray` or `cuda`.
    #[serde(default = "default_backend")]
    pub backend: String,
}

/// Which annotations a run learns from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Fields to learn; empty = every categorical field.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Documents to learn from; null = all.
    #[serde(default)]
    pub documents: Option<Vec<Uuid>>,
    /// Narrows the documents.
    #[serde(default)]
    pub filter: DataFilter,
    /// State of the annotations at this time; null = now.
    #[serde(default)]
    pub as_of: Option<DateTime<Utc>>,
    /// A label with fewer examples is left out and listed.
    #[serde(default = "default_min_support")]
    pub min_support: u32,
    /// Pairs of texts in the snapshot, to train an encoder on; null = the defaults for `sentence-transformer`, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pairs: Option<PairsSpec>,
}

/// Which pairs of texts a snapshot holds: as many with the same label as with different ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PairsSpec {
    /// What a text is paired with: a label (`values`), the text of another document (`texts`).
    pub of: Vec<PairsOf>,
    /// Texts of each label of a field that take part, per split; 1 to 4,096.
    pub per_label: u32,
    /// Whether the text of another label is one that is much like it.
    pub hard_negatives: bool,
    /// Characters of a text that are kept, 1 to 100,000.
    pub max_chars: u32,
}

/// What a text is paired with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PairsOf {
    /// A label.
    Values,
    /// The text of another document.
    Texts,
}

impl Default for PairsSpec {
    fn default() -> Self {
        Self { of: vec![PairsOf::Values, PairsOf::Texts], per_label: 64, hard_negatives: false, max_chars: 2_000 }
    }
}

impl Default for DataSpec {
    fn default() -> Self {
        Self {
            fields: Vec::new(),
            documents: None,
            filter: DataFilter::default(),
            as_of: None,
            min_support: default_min_support(),
            pairs: None,
        }
    }
}

/// Conditions on documents; all given ones must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataFilter {
    /// Only documents of this source, for example `label-studio`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Only documents of this project of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
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
const fn default_min_support() -> u32 {
    2
}
fn default_backend() -> String {
    "auto".to_owned()
}

/// Why a spec cannot be run, whatever the data.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// The model name breaks the rule.
    #[error("model name `{0}`: use lower-case letters, digits, `.`, `_`, `-`, starting with a letter or digit, at most 63 characters")]
    ModelName(String),
    /// The kind is planned but this build cannot train it.
    #[error(
        "kind `{0}` is not built yet: this version trains `linear` and `sentence-transformer`, and scores stored predictions with `evaluate`"
    )]
    KindNotBuilt(RunKind),
    /// The base model is not named in a way that is understood.
    #[error(
        "base_model `{0}`: expected a name on Hugging Face such as `all-MiniLM-L6-v2`, `models:/NAME/NUMBER`, `s3://BUCKET/PREFIX` of a published version, or an absolute directory without `..`"
    )]
    BaseModel(String),
    /// A value out of its range.
    #[error("`{key}` is {value}: it must be {rule}")]
    OutOfRange {
        /// Path of the key in the spec.
        key: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
}

impl SpecError {
    /// Stable code for machines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::KindNotBuilt(_) => "kind_not_built",
            Self::ModelName(_) | Self::BaseModel(_) | Self::OutOfRange { .. } => "invalid_spec",
        }
    }
}

impl RunSpec {
    /// Checks what can be checked without the database.
    ///
    /// # Errors
    /// Names the key, what was given and what is allowed.
    pub fn validate(&self) -> Result<(), SpecError> {
        let check = |good: bool, key: &'static str, value: String, rule: &'static str| {
            if good { Ok(()) } else { Err(SpecError::OutOfRange { key, value, rule }) }
        };
        if !matches!(self.kind, RunKind::Linear | RunKind::SentenceTransformer | RunKind::Evaluate) {
            return Err(SpecError::KindNotBuilt(self.kind));
        }
        let documents = self.data.documents.as_ref().map_or(1, Vec::len);
        let target = self.target_accuracy;
        check((-100..=100).contains(&self.priority), "priority", self.priority.to_string(), "between -100 and 100")?;
        check((1..=20).contains(&self.max_attempts), "max_attempts", self.max_attempts.to_string(), "between 1 and 20")?;
        check(target > 0.0 && target < 1.0, "target_accuracy", target.to_string(), "greater than 0 and less than 1")?;
        check(
            matches!(self.backend.as_str(), "auto" | "flex" | "ndarray" | "cuda"),
            "backend",
            self.backend.clone(),
            "auto, flex, ndarray or cuda",
        )?;
        check(self.data.fields.len() <= MAX_FIELDS, "data.fields", format!("{} names", self.data.fields.len()), "at most 500 names")?;
        check((1..=MAX_DOCUMENTS).contains(&documents), "data.documents", format!("{documents} ids"), "null, or 1 to 100000 ids")?;
        check(
            (1..=1_000_000).contains(&self.data.min_support),
            "data.min_support",
            self.data.min_support.to_string(),
            "between 1 and 1000000",
        )?;
        if let Some(PairsSpec { of, per_label, hard_negatives: _, max_chars }) = &self.data.pairs {
            check(!of.is_empty(), "data.pairs.of", "empty".to_owned(), "one or both of values and texts")?;
            check((1..=4_096).contains(per_label), "data.pairs.per_label", per_label.to_string(), "between 1 and 4096")?;
            check((1..=100_000).contains(max_chars), "data.pairs.max_chars", max_chars.to_string(), "between 1 and 100000")?;
        }
        if self.kind == RunKind::SentenceTransformer {
            self.base_model()?;
        } else {
            check(self.base_model.is_none(), "base_model", "given".to_owned(), "absent for this kind, which starts from nothing")?;
            let pairs = &self.data.pairs;
            check(
                pairs.is_none(),
                "data.pairs",
                "given".to_owned(),
                "absent for this kind: only `sentence-transformer` learns from pairs",
            )?;
        }
        check(self.kind != RunKind::Evaluate || self.params.is_empty(), "params", "given".to_owned(), "empty for kind `evaluate`")
    }

    /// The spec with what its kind starts from written out, so that it stands in the run whatever a later version takes by default.
    #[must_use]
    pub fn completed(mut self) -> Self {
        if self.kind == RunKind::SentenceTransformer {
            self.base_model.get_or_insert_with(|| DEFAULT_BASE_MODEL.to_owned());
            self.data.pairs.get_or_insert_default();
        }
        self
    }

    /// What a run of a kind that starts from weights starts from.
    ///
    /// # Errors
    /// [`SpecError::BaseModel`] when it is not named in a way that is understood.
    pub fn base_model(&self) -> Result<BaseModelName, SpecError> {
        self.base_model.as_deref().unwrap_or(DEFAULT_BASE_MODEL).parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_model_name_cannot_climb_out_of_its_prefix() {
        for bad in ["../x", "", "A", "-x", "a/b", &"a".repeat(64)] {
            assert!(ModelName::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn kinds_that_are_not_built_say_so() {
        for kind in ["field-classifier", "auto"] {
            let spec = parse(&format!(r#"{{"model":"contracts","kind":"{kind}"}}"#)).unwrap();
            assert_eq!(spec.validate().unwrap_err().code(), "kind_not_built");
        }
    }

    #[test]
    fn a_sentence_transformer_says_what_it_starts_from_and_learns_from_pairs() {
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
