//! A validated spec, with typed parameters and all defaults.

use chrono::{DateTime, Utc};
use serde_json::Map;

use crate::backend::Backend;
use crate::base_model::{BaseModelName, DEFAULT_BASE_MODEL};
use crate::data::{DataSpec, PairsSpec};
use crate::error::SpecError;
use crate::kind::{PredictParams, TrainingParams};
use crate::kind_spec::KindSpec;
use crate::model_name::ModelName;
use crate::queue_name::QueueName;
use crate::requirement::{Requirement, normalize_requirements};
use crate::run_kind::RunKind;
use crate::run_spec::RunSpec;
use crate::sweep::{SweepParams, Trial};

const MAX_FIELDS: usize = 500;
const MAX_DOCUMENTS: usize = 100_000;
const MAX_SLICE_KEYS: usize = 10;
const MAX_SLICE_KEY_CHARS: usize = 100;

/// A valid spec with all defaults. The only constructor is [`RunSpec::validate`].
///
/// As JSON it is a [`RunSpec`] again, in which every default is written out, so that a run does not depend on the defaults of a later
/// version.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedSpec {
    kind: KindSpec,
    model: ModelName,
    data: DataSpec,
    slices: Vec<String>,
    target_accuracy: f64,
    seed: u64,
    priority: i32,
    run_after: Option<DateTime<Utc>>,
    max_attempts: i32,
    backend: Backend,
    requires: Vec<Requirement>,
    queue: QueueName,
    unique: bool,
}

impl RunSpec {
    /// Validates everything that does not depend on the database, and completes the spec with all defaults.
    ///
    /// # Errors
    /// Names the key, the given value and the allowed values.
    pub fn validate(self) -> Result<ValidatedSpec, SpecError> {
        let Self {
            kind,
            model,
            mut data,
            params,
            base_model,
            model_version,
            slices,
            target_accuracy,
            seed,
            priority,
            run_after,
            max_attempts,
            backend,
            requires,
            queue,
            unique,
        } = self;
        if !matches!(kind, RunKind::Evaluate | RunKind::Predict) {
            check_absent(model_version.as_ref(), "model_version", "absent: only runs of kind `evaluate` and `predict` name a version")?;
        }
        if let Some(number) = model_version {
            check(number >= 1, "model_version", || number.to_string(), "null, or the number of a version, from 1")?;
        }
        let kind = match TrainingParams::parse(kind, &params)? {
            None if kind == RunKind::Sweep => {
                let params = SweepParams::parse(&params, seed)?;
                // all trials are of one kind
                let first = &params.trials()[0].params;
                let base_model = check_base_model(first, base_model)?;
                complete_pairs(first, &mut data)?;
                KindSpec::Sweep { params, base_model }
            }
            Some(params) => {
                let base_model = check_base_model(&params, base_model)?;
                complete_pairs(&params, &mut data)?;
                KindSpec::Train { params, base_model }
            }
            None if kind == RunKind::Predict => {
                let params = PredictParams::parse(&params)?;
                check_no_training(base_model.as_ref(), &data)?;
                let absent = || SpecError::OutOfRange {
                    key: "model_version",
                    value: "absent".to_owned(),
                    rule: "the number of the version of `model` that predicts",
                };
                KindSpec::Predict { model_version: model_version.ok_or_else(absent)?, params }
            }
            None => {
                check(params.is_empty(), "params", || "given".to_owned(), "empty for this kind")?;
                check_no_training(base_model.as_ref(), &data)?;
                KindSpec::Evaluate { model_version }
            }
        };
        check((-100..=100).contains(&priority), "priority", || priority.to_string(), "between -100 and 100")?;
        check((1..=20).contains(&max_attempts), "max_attempts", || max_attempts.to_string(), "between 1 and 20")?;
        let is_fraction = target_accuracy > 0.0 && target_accuracy < 1.0;
        check(is_fraction, "target_accuracy", || target_accuracy.to_string(), "greater than 0 and less than 1")?;
        check_data(&data)?;
        check_slices(kind.trained_kind().unwrap_or_else(|| kind.kind()), &slices)?;
        let requires = normalize_requirements(requires)?;
        Ok(ValidatedSpec {
            kind,
            model,
            data,
            slices,
            target_accuracy,
            seed,
            priority,
            run_after,
            max_attempts,
            backend,
            requires,
            queue,
            unique,
        })
    }
}

/// Checks that the keys of trainings are absent.
fn check_no_training(base_model: Option<&String>, data: &DataSpec) -> Result<(), SpecError> {
    check_absent(base_model, "base_model", "absent: this kind has no base model")?;
    check_absent(data.pairs.as_ref(), "data.pairs", "absent: this kind does not train on pairs")
}

fn check(is_valid: bool, key: &'static str, value: impl FnOnce() -> String, rule: &'static str) -> Result<(), SpecError> {
    if is_valid { Ok(()) } else { Err(SpecError::OutOfRange { key, value: value(), rule }) }
}

fn check_absent<T>(value: Option<&T>, key: &'static str, rule: &'static str) -> Result<(), SpecError> {
    check(value.is_none(), key, || "given".to_owned(), rule)
}

fn check_base_model(params: &TrainingParams, name: Option<String>) -> Result<Option<BaseModelName>, SpecError> {
    if params.needs_base_model() {
        return Ok(Some(name.as_deref().unwrap_or(DEFAULT_BASE_MODEL).parse()?));
    }
    check_absent(name.as_ref(), "base_model", "absent: this kind has no base model")?;
    Ok(None)
}

fn complete_pairs(params: &TrainingParams, data: &mut DataSpec) -> Result<(), SpecError> {
    if params.trains_on_pairs() {
        data.pairs.get_or_insert_default();
        return Ok(());
    }
    check_absent(data.pairs.as_ref(), "data.pairs", "absent: this kind does not train on pairs")
}

fn check_data(data: &DataSpec) -> Result<(), SpecError> {
    let documents = data.documents.as_ref().map_or(1, Vec::len);
    check(data.fields.len() <= MAX_FIELDS, "data.fields", || format!("{} names", data.fields.len()), "at most 500 names")?;
    check((1..=MAX_DOCUMENTS).contains(&documents), "data.documents", || format!("{documents} ids"), "null, or 1 to 100000 ids")?;
    let min_support = data.min_support;
    check((1..=1_000_000).contains(&min_support), "data.min_support", || min_support.to_string(), "between 1 and 1000000")?;
    if let Some(PairsSpec { of, per_label, hard_negatives: _, max_chars }) = &data.pairs {
        check(!of.is_empty(), "data.pairs.of", || "empty".to_owned(), "one or both of values and texts")?;
        check((1..=4_096).contains(per_label), "data.pairs.per_label", || per_label.to_string(), "between 1 and 4096")?;
        check((1..=100_000).contains(max_chars), "data.pairs.max_chars", || max_chars.to_string(), "between 1 and 100000")?;
    }
    Ok(())
}

fn check_slices(kind: RunKind, slices: &[String]) -> Result<(), SpecError> {
    let value = || format!("{} keys", slices.len());
    check(
        slices.is_empty() || kind.has_slices(),
        "slices",
        || "given".to_owned(),
        "absent: an encoder predicts no values, and a run of kind `predict` scores none",
    )?;
    check(slices.len() <= MAX_SLICE_KEYS, "slices", value, "at most 10 keys of metadata")?;
    let is_key =
        |key: &&String| (1..=MAX_SLICE_KEY_CHARS).contains(&key.chars().count()) && !key.contains(|c: char| c == ':' || c.is_control());
    let bad = slices.iter().find(|key| !is_key(key));
    check(
        bad.is_none(),
        "slices",
        || bad.map_or_else(String::new, |key| format!("`{key}`")),
        "keys of 1 to 100 characters without `:` and control characters",
    )?;
    let twice = slices.iter().enumerate().find(|(index, key)| slices[..*index].contains(key));
    check(twice.is_none(), "slices", || twice.map_or_else(String::new, |(_, key)| format!("`{key}` twice")), "different keys")
}

impl ValidatedSpec {
    /// What the run does.
    #[must_use]
    pub const fn kind(&self) -> &KindSpec {
        &self.kind
    }

    /// The spec of a run that trains with the parameters of a trial of this sweep.
    #[must_use]
    pub fn for_trial(&self, trial: &Trial) -> Self {
        let kind = KindSpec::Train { params: trial.params.clone(), base_model: self.kind.base_model().cloned() };
        Self { kind, run_after: None, unique: false, ..self.clone() }
    }

    /// Name of the model under which the version is published.
    #[must_use]
    pub const fn model(&self) -> &ModelName {
        &self.model
    }

    /// Data to train on.
    #[must_use]
    pub const fn data(&self) -> &DataSpec {
        &self.data
    }

    /// Keys of metadata by whose values the metrics are also computed.
    #[must_use]
    pub fn slices(&self) -> &[String] {
        &self.slices
    }

    /// Target accuracy of predictions above the threshold.
    #[must_use]
    pub const fn target_accuracy(&self) -> f64 {
        self.target_accuracy
    }

    /// Random seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Compute backend.
    #[must_use]
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// What the worker must have: the required labels and, to train, the backend. With `dataset_only` nothing is trained.
    #[must_use]
    pub fn requirements(&self, dataset_only: bool) -> Vec<Requirement> {
        let trains = matches!(self.kind, KindSpec::Train { .. }) && !dataset_only;
        let mut requirements = self.requires.clone();
        requirements.extend(Requirement::backend(self.backend).filter(|_| trains));
        requirements.sort_unstable();
        requirements
    }

    /// Queue whose limits and weight apply.
    #[must_use]
    pub const fn queue(&self) -> &QueueName {
        &self.queue
    }
}

impl From<ValidatedSpec> for RunSpec {
    fn from(spec: ValidatedSpec) -> Self {
        let ValidatedSpec {
            kind,
            model,
            data,
            slices,
            target_accuracy,
            seed,
            priority,
            run_after,
            max_attempts,
            backend,
            requires,
            queue,
            unique,
        } = spec;
        Self {
            kind: kind.kind(),
            base_model: kind.base_model().map(ToString::to_string),
            model_version: kind.used_version(),
            params: match kind {
                KindSpec::Train { params, .. } => params.to_json(),
                KindSpec::Evaluate { .. } => Map::new(),
                KindSpec::Predict { params, .. } => params.to_json(),
                KindSpec::Sweep { params, .. } => params.to_json(),
            },
            model,
            data,
            slices,
            target_accuracy,
            seed,
            priority,
            run_after,
            max_attempts,
            backend,
            requires,
            queue,
            unique,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(json: &str) -> RunSpec {
        serde_json::from_str(json).unwrap()
    }

    fn written(json: &str) -> Value {
        serde_json::to_value(RunSpec::from(parse(json).validate().unwrap())).unwrap()
    }

    #[test]
    fn a_model_name_is_enough() {
        let spec = parse(r#"{"model":"contracts"}"#).validate().unwrap();
        assert_eq!((spec.kind().kind(), spec.seed, spec.max_attempts, spec.data.min_support), (RunKind::Linear, 42, 3, 2));
    }

    #[test]
    fn every_default_is_written_out() {
        let expected = json!({
            "kind": "linear", "model": "contracts",
            "data": { "fields": [], "documents": null, "filter": {}, "as_of": null, "min_support": 2 },
            "params": {
                "word_ngrams": [1, 2], "char_ngrams": [3, 4], "word_pairs": 20, "lead_chars": 500, "sublinear_tf": true, "min_df": 2,
                "max_features": 262_144, "l2": 0.5, "epochs": 500, "tolerance": 0.001, "folds": 5, "fold_repeats": 5,
                "learning_curve": false, "final_fit": "train+validation"
            },
            "target_accuracy": 0.95, "seed": 42, "priority": 0, "max_attempts": 3, "backend": "auto"
        });
        assert_eq!(written(r#"{"model":"contracts","params":{"l2":0.5}}"#), expected);
    }

    #[test]
    fn a_written_spec_is_read_back_unchanged() {
        for json in [
            r#"{"model":"m","run_after":"2030-01-01T00:00:00Z","priority":-3,"backend":"flex","target_accuracy":0.9}"#,
            r#"{"model":"m","kind":"sentence-transformer","data":{"pairs":{"per_label":8}},"params":{"loss":"multiple-negatives"}}"#,
            r#"{"model":"m","kind":"sentence-transformer","base_model":"models:/m/2"}"#,
            r#"{"model":"m","kind":"evaluate"}"#,
            r#"{"model":"m","requires":["zone=eu","gpu"],"queue":"nightly","unique":true}"#,
            r#"{"model":"m","kind":"evaluate","model_version":3}"#,
            r#"{"model":"m","kind":"predict","model_version":3,"params":{"projects":["7"],"unreviewed":true}}"#,
            r#"{"model":"m","kind":"evaluate","slices":["customer","pages"]}"#,
            r#"{"model":"m","kind":"sweep","params":{"space":{"l2":[0.1,1]}}}"#,
            r#"{"model":"m","kind":"sweep","params":{"kind":"sentence-transformer","space":{"epochs":[1,2]}}}"#,
        ] {
            let spec = parse(json).validate().unwrap();
            let again: RunSpec = serde_json::from_value(written(json)).unwrap();
            assert_eq!(again.validate().unwrap(), spec, "{json}");
        }
    }

    #[test]
    fn every_kind_has_valid_defaults() {
        for kind in RunKind::ALL {
            let params = if kind == RunKind::Sweep { r#"{"space":{"l2":[1]}}"# } else { "{}" };
            let version = if kind == RunKind::Predict { 1.to_string() } else { "null".to_owned() };
            let spec = parse(&format!(r#"{{"model":"contracts","kind":"{kind}","params":{params},"model_version":{version}}}"#));
            assert_eq!(spec.validate().unwrap().kind().kind(), kind);
        }
    }

    #[test]
    fn a_sentence_transformer_has_a_base_model_and_pairs_by_default() {
        let spec = parse(r#"{"model":"encoder","kind":"sentence-transformer"}"#).validate().unwrap();
        assert_eq!((spec.kind().base_model(), &spec.data.pairs), (DEFAULT_BASE_MODEL.parse().ok().as_ref(), &Some(PairsSpec::default())));
        let given = r#"{"model":"m","kind":"sentence-transformer","base_model":"models:/m/2","data":{"pairs":{"per_label":8}}}"#;
        let completed = RunSpec::from(parse(given).validate().unwrap());
        assert_eq!((completed.base_model.as_deref(), &completed.data), (Some("models:/m/2"), &parse(given).data));
        let linear = RunSpec::from(parse(r#"{"model":"m"}"#).validate().unwrap());
        assert_eq!((linear.base_model, linear.data.pairs), (None, None));
    }

    #[test]
    fn a_sweep_completes_the_data_of_its_kind_and_derives_specs() {
        let json = r#"{"model":"m","kind":"sweep","seed":7,"run_after":"2030-01-01T00:00:00Z",
            "params":{"kind":"sentence-transformer","space":{"epochs":[1,2]}}}"#;
        let spec = parse(json).validate().unwrap();
        assert_eq!((spec.kind().kind(), spec.kind().trained_kind()), (RunKind::Sweep, Some(RunKind::SentenceTransformer)));
        assert_eq!(spec.data.pairs, Some(PairsSpec::default()));
        let KindSpec::Sweep { params, .. } = spec.kind() else { panic!("a sweep") };
        let trial = RunSpec::from(spec.for_trial(&params.trials()[1]));
        let expected = r#"{"model":"m","kind":"sentence-transformer","seed":7,"params":{"epochs":2}}"#;
        assert_eq!(trial, RunSpec::from(parse(expected).validate().unwrap()));
        let linear = parse(r#"{"model":"m","kind":"sweep","base_model":"x","params":{"space":{"l2":[1]}}}"#);
        assert!(linear.validate().unwrap_err().to_string().contains("base_model"));
    }

    #[test]
    fn a_run_requires_its_labels_and_the_backend_that_it_trains_with() {
        let required = |json: &str, dataset_only| {
            parse(json).validate().unwrap().requirements(dataset_only).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let gpu = r#"{"model":"m","backend":"cuda","requires":["gpu","memory>=32","gpu"]}"#;
        assert_eq!(required(gpu, false), ["backend=cuda", "gpu", "memory>=32"]);
        assert_eq!(required(gpu, true), ["gpu", "memory>=32"]);
        assert!(required(r#"{"model":"m","backend":"flex"}"#, false).is_empty());
        assert!(required(r#"{"model":"m","kind":"evaluate","backend":"cuda"}"#, false).is_empty());
        // its trials train, and have requirements of their own
        let sweep = r#"{"model":"m","kind":"sweep","backend":"cuda","requires":["gpu"],"params":{"space":{"l2":[1]}}}"#;
        assert_eq!(required(sweep, false), ["gpu"]);
    }

    #[test]
    fn invalid_parameters_are_named() {
        for (json, key) in [
            (r#"{"model":"m","params":{"max_depth":3}}"#, "max_depth"),
            (r#"{"model":"m","params":{"folds":1}}"#, "folds"),
            (r#"{"model":"m","kind":"sentence-transformer","params":{"l2":1}}"#, "l2"),
        ] {
            let error = parse(json).validate().unwrap_err();
            assert!(error.code() == "bad_params" && error.to_string().contains(key), "{error}");
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (json, key) in [
            (r#"{"model":"m","priority":101}"#, "priority"),
            (r#"{"model":"m","target_accuracy":1.0}"#, "target_accuracy"),
            (r#"{"model":"m","max_attempts":0}"#, "max_attempts"),
            (r#"{"model":"m","data":{"documents":[]}}"#, "data.documents"),
            (r#"{"model":"m","base_model":"x"}"#, "base_model"),
            (r#"{"model":"m","requires":["backend=cuda"]}"#, "backend"),
            (r#"{"model":"m","requires":["a","b","c","d","e","f","g","h","i","j","k","l","m","n","o","p","q"]}"#, "requires"),
            (r#"{"model":"m","slices":["a:b"]}"#, "slices"),
            (r#"{"model":"m","slices":["a","b","a"]}"#, "`a` twice"),
            (r#"{"model":"m","slices":[""]}"#, "slices"),
            (r#"{"model":"m","slices":["1","2","3","4","5","6","7","8","9","10","11"]}"#, "11 keys"),
            (r#"{"model":"m","kind":"sentence-transformer","slices":["a"]}"#, "slices"),
            (r#"{"model":"m","kind":"sweep","slices":["a"],"params":{"kind":"sentence-transformer","space":{"epochs":[1]}}}"#, "slices"),
            (r#"{"model":"m","data":{"pairs":{}}}"#, "data.pairs"),
            (r#"{"model":"m","kind":"evaluate","params":{"l2":1}}"#, "params"),
            (r#"{"model":"m","kind":"predict"}"#, "model_version"),
            (r#"{"model":"m","kind":"predict","model_version":1,"slices":["a"]}"#, "slices"),
            (r#"{"model":"m","kind":"evaluate","base_model":"x"}"#, "base_model"),
            (r#"{"model":"m","kind":"evaluate","model_version":0}"#, "model_version"),
            (r#"{"model":"m","model_version":1}"#, "model_version"),
            (r#"{"model":"m","kind":"evaluate","data":{"pairs":{}}}"#, "data.pairs"),
            (r#"{"model":"m","kind":"sentence-transformer","base_model":"../x"}"#, "base_model"),
            (r#"{"model":"m","kind":"sentence-transformer","data":{"pairs":{"of":[]}}}"#, "data.pairs.of"),
            (r#"{"model":"m","kind":"sentence-transformer","data":{"pairs":{"per_label":0}}}"#, "data.pairs.per_label"),
            (r#"{"model":"m","kind":"sentence-transformer","data":{"pairs":{"max_chars":100001}}}"#, "data.pairs.max_chars"),
        ] {
            let error = parse(json).validate().unwrap_err();
            assert!(error.code() == "invalid_spec" && error.to_string().contains(key), "{error}");
        }
    }
}
