//! Predictions of a version for its test split, as its files hold them, and those that two versions have in common.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use aprendiz_artifacts::Store;
use aprendiz_evaluation::{PairedAnswer, PairedExample};
use aprendiz_inference::PublishedFields;
use aprendiz_runs::ModelVersion;
use axum::http::StatusCode;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::api::http::error::ApiError;
use crate::api::http::stored_file::key_below;
use crate::api::http::stored_file::object::read_verified;
use crate::api::models::version::model_files;

/// File with the predictions for the test split.
pub(super) const PREDICTIONS_FILE: &str = "test_predictions.jsonl";
/// File with the classes of each field.
pub(super) const CONFIG_FILE: &str = aprendiz_inference::CONFIG_FILE;
/// Size limit of each of these files: about 250,000 predictions.
pub(super) const MAX_BYTES: u64 = 64 << 20;

/// A prediction for one field of one test document.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct TestPrediction {
    pub(super) document_id: Uuid,
    #[serde(default)]
    pub(super) group: Option<String>,
    pub(super) field: String,
    pub(super) gold: Option<String>,
    pub(super) value: Option<String>,
    /// Null if an extractor gave none.
    pub(super) confidence: Option<f64>,
    pub(super) answered: bool,
    #[serde(default)]
    pub(super) no_known_feature: bool,
    /// Position of the snapshot that gives the accepted value.
    #[serde(skip)]
    pub(super) position: i64,
    /// The evaluation run that predicted it; `None` = the training run of the version.
    #[serde(skip)]
    pub(super) evaluation: Option<Uuid>,
}

/// Predictions by field, then document.
pub(super) type PredictionsByField = BTreeMap<String, BTreeMap<Uuid, TestPrediction>>;

/// What a version predicts for its test split.
pub(super) struct TestPredictions {
    /// Fields of the version, with their classes.
    pub(super) config: PublishedFields,
    /// The predictions.
    pub(super) fields: PredictionsByField,
}

impl TestPredictions {
    /// All test documents, each once.
    pub(super) fn documents(&self) -> BTreeSet<Uuid> {
        self.fields.values().flat_map(BTreeMap::keys).copied().collect()
    }

    /// Removes the predictions for these documents.
    pub(super) fn remove(&mut self, documents: &HashSet<Uuid>) {
        self.fields.values_mut().for_each(|field| field.retain(|document, _| !documents.contains(document)));
    }
}

/// Thresholds that were changed since a version was published, by field. They decide what it answers by itself.
pub(super) type ChangedThresholds = HashMap<String, Option<f64>>;

/// Loads the predictions of a version, and checks them against the hashes of its files. `position` is that of its snapshot.
pub(super) async fn load(
    store: &Store,
    version: &ModelVersion,
    thresholds: &ChangedThresholds,
    position: i64,
) -> Result<TestPredictions, ApiError> {
    let config = load_config(store, version).await?;
    let lines = read_file(store, version, PREDICTIONS_FILE).await?;
    let mut fields: PredictionsByField = config.fields.iter().map(|field| (field.name.clone(), BTreeMap::new())).collect();
    fields.extend(parse_predictions(&lines, thresholds, position, None)?);
    Ok(TestPredictions { config, fields })
}

/// Loads the fields of a version with their classes.
pub(super) async fn load_config(store: &Store, version: &ModelVersion) -> Result<PublishedFields, ApiError> {
    serde_json::from_slice(&read_file(store, version, CONFIG_FILE).await?).map_err(broken)
}

/// Parses predictions, one per line.
pub(super) fn parse_predictions(
    lines: &[u8],
    thresholds: &ChangedThresholds,
    position: i64,
    evaluation: Option<Uuid>,
) -> Result<PredictionsByField, ApiError> {
    let mut fields = PredictionsByField::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let mut prediction: TestPrediction = parse(line)?;
        (prediction.position, prediction.evaluation) = (position, evaluation);
        if let Some(threshold) = thresholds.get(&prediction.field) {
            let is_known = !prediction.no_known_feature;
            prediction.answered =
                is_known && threshold.zip(prediction.confidence).is_some_and(|(threshold, confidence)| confidence >= threshold);
        }
        fields.entry(prediction.field.clone()).or_default().insert(prediction.document_id, prediction);
    }
    Ok(fields)
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(line).map_err(broken)
}

pub(super) fn broken(error: serde_json::Error) -> ApiError {
    ApiError::internal(anyhow::Error::new(error).context("a file of a model version cannot be read"))
}

/// Reads a file of a version, and checks it against its recorded hash.
pub(super) async fn read_file(store: &Store, version: &ModelVersion, path: &str) -> Result<Bytes, ApiError> {
    let files = model_files(version)?;
    let Some(file) = files.iter().find(|file| file.path == path) else {
        let detail =
            format!("model `{}` version {} has no {path}: versions of this kind cannot be compared", version.model, version.number);
        return Err(ApiError::unprocessable("not_comparable", detail));
    };
    if file.bytes > MAX_BYTES {
        let detail = format!(
            "{path} of model `{}` version {} has {} bytes: more than {MAX_BYTES} are not compared",
            version.model, version.number, file.bytes
        );
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "not_comparable", detail));
    }
    if file.bytes == 0 {
        return Ok(Bytes::new());
    }
    let key = key_below(&version.object_prefix, path)?;
    read_verified(store, &key, &file.sha256, MAX_BYTES, &format!("{path} of model version {}", version.id)).await
}

/// The examples of one field that both versions have in their test splits.
pub(super) struct CommonExamples {
    pub(super) documents: Vec<Uuid>,
    pub(super) examples: Vec<PairedExample>,
    /// Test documents of the baseline that are none of the candidate, and so cannot be compared.
    pub(super) only_baseline: usize,
    /// Test documents of the candidate that are none of the baseline.
    pub(super) only_candidate: usize,
    /// Compared documents whose accepted value differs between the two snapshots. The later snapshot decides.
    pub(super) relabelled: usize,
}

/// Pairs the predictions of two versions. Of two accepted values, that of the later snapshot counts.
pub(super) fn pair(baseline: &BTreeMap<Uuid, TestPrediction>, candidate: &BTreeMap<Uuid, TestPrediction>) -> CommonExamples {
    let answer = |prediction: &TestPrediction| PairedAnswer { predicted: prediction.value.clone(), answered: prediction.answered };
    let mut common = CommonExamples {
        documents: Vec::new(),
        examples: Vec::new(),
        only_baseline: baseline.keys().filter(|document| !candidate.contains_key(document)).count(),
        only_candidate: 0,
        relabelled: 0,
    };
    for (document, candidate) in candidate {
        let Some(baseline) = baseline.get(document) else {
            common.only_candidate += 1;
            continue;
        };
        let later = if candidate.position >= baseline.position { candidate } else { baseline };
        common.relabelled += usize::from(baseline.gold != candidate.gold);
        common.documents.push(*document);
        common.examples.push(PairedExample {
            gold: later.gold.clone(),
            baseline: answer(baseline),
            candidate: answer(candidate),
            group: later.group.clone(),
        });
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions(position: i64, given: &[(u128, &str, &str)]) -> BTreeMap<Uuid, TestPrediction> {
        let prediction = |(document, gold, value): &(u128, &str, &str)| {
            let document_id = Uuid::from_u128(*document);
            let prediction = TestPrediction {
                document_id,
                group: None,
                field: "law".to_owned(),
                gold: Some((*gold).to_owned()),
                value: Some((*value).to_owned()),
                confidence: Some(0.9),
                answered: true,
                no_known_feature: false,
                position,
                evaluation: None,
            };
            (document_id, prediction)
        };
        given.iter().map(prediction).collect()
    }

    #[test]
    fn only_common_test_documents_are_compared_with_the_later_value() {
        let baseline = predictions(5, &[(1, "a", "a"), (2, "a", "b"), (3, "a", "a")]);
        let given = [(2, "b", "b"), (3, "a", "a"), (4, "a", "a")];
        let common = pair(&baseline, &predictions(6, &given));
        assert_eq!(common.documents, [Uuid::from_u128(2), Uuid::from_u128(3)]);
        assert_eq!((common.only_baseline, common.only_candidate, common.relabelled), (1, 1, 1));
        assert_eq!(common.examples[0].gold.as_deref(), Some("b"));
        assert_eq!(pair(&baseline, &predictions(4, &given)).examples[0].gold.as_deref(), Some("a"));
    }
}
