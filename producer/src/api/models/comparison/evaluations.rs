//! Predictions of evaluation runs, which make more test documents of a version comparable.

use std::collections::{BTreeMap, BTreeSet};

use aprendiz_artifacts::Store;
use aprendiz_runs::{EvaluationPredictions, ModelVersion, StoredEvaluation};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::http::error::ApiError;
use crate::api::http::stored_file::object::read_verified;
use crate::api::models::comparison::examples::{ChangedThresholds, MAX_BYTES, PredictionsByField, TestPredictions, parse_predictions};
use crate::api::models::comparison::exclusions::{ComparedSideName, ComparisonExclusion, ComparisonExclusionReason};

/// Evaluation runs of a version that a comparison reads, those with the latest snapshot first.
const MAX_EVALUATIONS: usize = 5;

/// More than are read, to say that there are more.
pub(super) const LISTED_EVALUATIONS: i64 = 50;

/// An evaluation run whose predictions were compared.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct UsedEvaluation {
    /// Side of the comparison.
    pub(crate) side: ComparedSideName,
    /// The run.
    pub(crate) run_id: Uuid,
    /// Name of the evaluated model.
    pub(crate) model: String,
    /// Number of the evaluated version.
    pub(crate) number: i32,
    /// The snapshot with the test documents.
    pub(crate) dataset_id: Uuid,
    /// Position of that snapshot.
    pub(crate) position: i64,
    /// Test documents about which it has the newest prediction of its side.
    pub(crate) documents: usize,
}

/// Reads the predictions of an evaluation run, and checks them against their recorded hash.
pub(super) async fn load_evaluation(
    store: &Store,
    evaluation: &StoredEvaluation,
    thresholds: &ChangedThresholds,
) -> Result<PredictionsByField, ApiError> {
    let run = evaluation.run_id;
    let Some(EvaluationPredictions { object_key, sha256, bytes }) = &evaluation.predictions else {
        let detail =
            format!("the predictions of run {run} were deleted because a document in its snapshot was erased: evaluate the version again");
        return Err(ApiError::new(StatusCode::GONE, "evaluation_erased", detail));
    };
    if *bytes > MAX_BYTES {
        let detail = format!("the predictions of run {run} have {bytes} bytes: more than {MAX_BYTES} are not compared");
        return Err(ApiError::unprocessable("not_comparable", detail));
    }
    let lines = read_verified(store, object_key, sha256, MAX_BYTES, &format!("predictions of run {run}")).await?;
    parse_predictions(&lines, thresholds, evaluation.position, Some(run.0))
}

/// Adds the predictions of the evaluation runs of a version to its own ones: the newest of a document counts. Returns what was left out.
///
/// An evaluation predicts no document on which the version was trained or selected.
pub(super) async fn add_evaluations(
    store: &Store,
    side: ComparedSideName,
    evaluations: &[StoredEvaluation],
    thresholds: &ChangedThresholds,
    predictions: &mut TestPredictions,
) -> Result<Vec<ComparisonExclusion>, ApiError> {
    let mut exclusions = Vec::new();
    let mut exclude = |evaluation: &StoredEvaluation, reason| {
        exclusions.push(ComparisonExclusion { side, reason, documents: None, run_id: Some(evaluation.run_id.0) });
    };
    let mut read = 0;
    for evaluation in evaluations {
        match &evaluation.predictions {
            None => exclude(evaluation, ComparisonExclusionReason::EvaluationErased),
            Some(stored) if stored.bytes > MAX_BYTES => exclude(evaluation, ComparisonExclusionReason::EvaluationTooLarge),
            Some(_) if read >= MAX_EVALUATIONS => exclude(evaluation, ComparisonExclusionReason::EvaluationNotRead),
            Some(_) => {
                read += 1;
                match load_evaluation(store, evaluation, thresholds).await {
                    Ok(found) => merge(&mut predictions.fields, found),
                    // one that is not in the bucket costs only itself
                    Err(error) => {
                        tracing::warn!(run.id = %evaluation.run_id, error = ?error, "the predictions of an evaluation cannot be read");
                        exclude(evaluation, ComparisonExclusionReason::EvaluationUnreadable);
                    }
                }
            }
        }
    }
    Ok(exclusions)
}

/// Adds predictions; the one of the later snapshot counts. Fields that the version does not have are left out.
fn merge(fields: &mut PredictionsByField, found: PredictionsByField) {
    for (field, predictions) in found {
        let Some(known) = fields.get_mut(&field) else { continue };
        for (document, prediction) in predictions {
            match known.get(&document) {
                Some(existing) if existing.position >= prediction.position => {}
                _ => drop(known.insert(document, prediction)),
            }
        }
    }
}

/// The evaluation runs whose predictions are among these, with the number of their documents.
pub(super) fn list_used(
    side: ComparedSideName,
    version: &ModelVersion,
    evaluations: &[StoredEvaluation],
    predictions: &TestPredictions,
) -> Vec<UsedEvaluation> {
    let mut documents: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
    for prediction in predictions.fields.values().flat_map(BTreeMap::values) {
        if let Some(run) = prediction.evaluation {
            documents.entry(run).or_default().insert(prediction.document_id);
        }
    }
    let used = |evaluation: &StoredEvaluation| {
        Some(UsedEvaluation {
            side,
            run_id: evaluation.run_id.0,
            model: version.model.clone(),
            number: version.number,
            dataset_id: evaluation.dataset_id.0,
            position: evaluation.position,
            documents: documents.get(&evaluation.run_id.0)?.len(),
        })
    };
    evaluations.iter().filter_map(used).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(position: i64, evaluation: Option<u128>, lines: &[(u128, &str)]) -> PredictionsByField {
        let line = |(document, field): &(u128, &str)| {
            serde_json::json!({
                "document_id": Uuid::from_u128(*document), "field": field, "gold": "a", "value": "a", "confidence": 0.6, "answered": true,
            })
            .to_string()
        };
        let lines: Vec<String> = lines.iter().map(line).collect();
        let changed = ChangedThresholds::from([("law".to_owned(), Some(0.7))]);
        parse_predictions(lines.join("\n").as_bytes(), &changed, position, evaluation.map(Uuid::from_u128)).unwrap()
    }

    #[test]
    fn the_prediction_of_the_later_snapshot_counts_and_thresholds_are_the_current_ones() {
        let mut fields = parsed(5, None, &[(1, "law"), (2, "law")]);
        merge(&mut fields, parsed(9, Some(7), &[(2, "law"), (3, "law"), (3, "unknown")]));
        merge(&mut fields, parsed(4, Some(8), &[(1, "law"), (4, "law")]));
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["law"]);
        let sources: Vec<Option<u128>> = fields["law"].values().map(|prediction| prediction.evaluation.map(|run| run.as_u128())).collect();
        assert_eq!(sources, [None, Some(7), Some(7), Some(8)]);
        assert!(fields["law"].values().all(|prediction| !prediction.answered), "0.6 is below the changed threshold");
    }
}
