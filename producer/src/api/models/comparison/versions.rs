//! Comparison of two versions: loaded, paired and compared per field.

use std::collections::{BTreeSet, HashSet};

use aprendiz_annotations::documents::document_names;
use aprendiz_annotations::erasure::erased_documents;
use aprendiz_evaluation::{Label, PairedComparison, Resampling, compare};
use aprendiz_runs::{ModelVersion, get_dataset};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::http::error::ApiError;
use crate::api::models::comparison::deps::ComparisonDeps;
use crate::api::models::comparison::examples::{TestPredictions, load, pair};
use crate::api::models::comparison::extractor::load_extractor;
use crate::api::models::comparison::targets::{ComparedTargets, compare_targets};
use crate::api::models::thresholds::changed_thresholds;

/// Limit of listed documents per field; the counts are complete.
const MAX_DOCUMENTS: usize = 200;

/// What was compared.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedVersion {
    /// Name of the model.
    pub(crate) model: String,
    /// Number of the version.
    pub(crate) number: i32,
    /// The run that trained it.
    pub(crate) run_id: Uuid,
    /// The snapshot on which it was trained and tested.
    pub(crate) dataset_id: Uuid,
    /// Canonical hash of the snapshot.
    pub(crate) dataset_hash: String,
    /// Position of the snapshot.
    pub(crate) position: i64,
}

/// The stored predictions of the extractor, as one side of a comparison.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedExtractor {
    /// Versions of the extractor whose predictions were compared.
    pub(crate) extractor_versions: Vec<String>,
    /// Predictions that were stored later are not compared: the time of the snapshot of the version.
    pub(crate) stored_until: DateTime<Utc>,
}

/// One side of a comparison.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum ComparedSide {
    /// A version of a model.
    Version(ComparedVersion),
    /// The extractor.
    Extractor(ComparedExtractor),
}

/// A test document on which the versions differ.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DifferingDocument {
    /// The document.
    pub(crate) document_id: Uuid,
    /// Its name: `SOURCE/PROJECT/TASK`.
    pub(crate) document: String,
    /// The accepted value; null is "no value".
    pub(crate) gold: Label,
    /// Prediction of the baseline.
    pub(crate) baseline: Label,
    /// Its confidence; null if an extractor gave none.
    pub(crate) baseline_confidence: Option<f64>,
    /// Prediction of the candidate.
    pub(crate) candidate: Label,
    /// Its confidence; null if an extractor gave none.
    pub(crate) candidate_confidence: Option<f64>,
}

/// Comparison of one field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparedField {
    /// Name of the field.
    pub(crate) field: String,
    /// Test documents of the baseline that are not in the test split of the candidate: they may have been trained on.
    pub(crate) only_baseline: usize,
    /// Test documents of the candidate that are not in the test split of the baseline.
    pub(crate) only_candidate: usize,
    /// Compared documents whose accepted value changed between the snapshots; the later value counts.
    pub(crate) relabelled: usize,
    /// The comparison.
    pub(crate) comparison: PairedComparison,
    /// Number of documents on which the predictions differ.
    pub(crate) differing: usize,
    /// The first 200 of them; those that only one version predicts correctly come first.
    pub(crate) documents: Vec<DifferingDocument>,
    #[serde(skip)]
    pub(super) baseline_labels: Vec<Label>,
    #[serde(skip)]
    pub(super) candidate_labels: Vec<Label>,
}

/// Comparison of two versions, or of a version with the extractor, on common test documents: neither side was trained or selected on them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionComparison {
    /// The side that is compared with.
    pub(crate) baseline: ComparedSide,
    /// The side that may replace it.
    pub(crate) candidate: ComparedSide,
    /// Test documents of either side that were erased since, and are not compared.
    pub(crate) erased: usize,
    /// Fields of both, by name.
    pub(crate) fields: Vec<ComparedField>,
    /// Fields that only the baseline predicts.
    pub(crate) only_baseline: Vec<String>,
    /// Fields that only the candidate predicts.
    pub(crate) only_candidate: Vec<String>,
    /// Target accuracies of the fields of both, by name.
    pub(crate) targets: Vec<ComparedTargets>,
}

/// Compares two versions, with their targets.
pub(crate) async fn compare_versions(
    deps: &ComparisonDeps,
    baseline: &ModelVersion,
    candidate: &ModelVersion,
) -> Result<VersionComparison, ApiError> {
    let compared = compare_predictions(deps, baseline, candidate).await?;
    Ok(VersionComparison { targets: compare_targets(deps, baseline, candidate).await?, ..compared })
}

/// Compares what two versions predict, which is all that the gate needs: `targets` is empty. The work that takes processor time runs beside
/// the async threads.
pub(crate) async fn compare_predictions(
    deps: &ComparisonDeps,
    baseline: &ModelVersion,
    candidate: &ModelVersion,
) -> Result<VersionComparison, ApiError> {
    let mut conn = deps.database.read().await?;
    let described = (describe(&mut conn, baseline).await?, describe(&mut conn, candidate).await?);
    let baseline_thresholds = changed_thresholds(&mut conn, baseline.id).await?;
    let candidate_thresholds = changed_thresholds(&mut conn, candidate.id).await?;
    drop(conn);
    let (of_baseline, of_candidate) =
        futures::try_join!(load(&deps.store, baseline, &baseline_thresholds), load(&deps.store, candidate, &candidate_thresholds))?;
    let candidate_is_later = described.1.position >= described.0.position;
    let sides = ((ComparedSide::Version(described.0), of_baseline), (ComparedSide::Version(described.1), of_candidate));
    compare_sides(deps, sides.0, sides.1, candidate_is_later).await
}

/// Compares a version with the stored predictions of the extractor for its test documents, as of the time of its snapshot.
pub(crate) async fn compare_with_extractor(
    deps: &ComparisonDeps,
    version: &ModelVersion,
    extractor_is_candidate: bool,
) -> Result<VersionComparison, ApiError> {
    let mut conn = deps.database.read().await?;
    let (described, stored_until) = describe_with_time(&mut conn, version).await?;
    let thresholds = changed_thresholds(&mut conn, version.id).await?;
    drop(conn);
    let of_version = load(&deps.store, version, &thresholds).await?;
    let extractor = load_extractor(&deps.database, &of_version, stored_until).await?;
    if extractor.predictions.fields.is_empty() {
        let detail = format!(
            "no stored predictions of the extractor for the test documents of model `{}` version {} up to {stored_until}: import documents \
             with their predictions before the run",
            version.model, version.number
        );
        return Err(ApiError::unprocessable("not_comparable", detail));
    }
    let extractor_versions = extractor.versions.into_iter().collect();
    let version = (ComparedSide::Version(described), of_version);
    let extractor = (ComparedSide::Extractor(ComparedExtractor { extractor_versions, stored_until }), extractor.predictions);
    let (baseline, candidate) = if extractor_is_candidate { (version, extractor) } else { (extractor, version) };
    // both sides have the accepted values of the version
    compare_sides(deps, baseline, candidate, true).await
}

async fn compare_sides(
    deps: &ComparisonDeps,
    (baseline, mut of_baseline): (ComparedSide, TestPredictions),
    (candidate, mut of_candidate): (ComparedSide, TestPredictions),
    candidate_is_later: bool,
) -> Result<VersionComparison, ApiError> {
    // the files of a version keep the values of a document that was erased after its publication
    let documents: Vec<Uuid> = of_baseline.documents().union(&of_candidate.documents()).copied().collect();
    let erased = erased_documents(&mut *deps.database.read().await?, &documents).await?;
    let erased: HashSet<Uuid> = erased.into_iter().collect();
    of_baseline.remove(&erased);
    of_candidate.remove(&erased);
    let fields = deps.compute.run(move || compare_fields(&of_baseline, &of_candidate, candidate_is_later)).await?;
    let (mut fields, only_baseline, only_candidate) = fields;
    let listed: BTreeSet<Uuid> = fields.iter().flat_map(|field| &field.documents).map(|document| document.document_id).collect();
    let listed: Vec<Uuid> = listed.into_iter().collect();
    let names = document_names(&mut *deps.database.read().await?, &listed).await?;
    for document in fields.iter_mut().flat_map(|field| &mut field.documents) {
        // an unknown document keeps its id as its name
        document.document = names.get(&document.document_id).cloned().unwrap_or_else(|| document.document_id.to_string());
    }
    Ok(VersionComparison { baseline, candidate, erased: erased.len(), fields, only_baseline, only_candidate, targets: Vec::new() })
}

async fn describe(conn: &mut PgConnection, version: &ModelVersion) -> Result<ComparedVersion, ApiError> {
    Ok(describe_with_time(conn, version).await?.0)
}

/// The version, and the time of its snapshot.
async fn describe_with_time(conn: &mut PgConnection, version: &ModelVersion) -> Result<(ComparedVersion, DateTime<Utc>), ApiError> {
    let dataset = get_dataset(conn, version.dataset_id).await?;
    let dataset = dataset.ok_or_else(|| ApiError::internal(anyhow::anyhow!("model version {} has no dataset", version.id)))?;
    let described = ComparedVersion {
        model: version.model.clone(),
        number: version.number,
        run_id: version.run_id.0,
        dataset_id: version.dataset_id.0,
        dataset_hash: dataset.canonical_hash,
        position: dataset.position,
    };
    Ok((described, dataset.created_at))
}

type Fields = (Vec<ComparedField>, Vec<String>, Vec<String>);

fn compare_fields(baseline: &TestPredictions, candidate: &TestPredictions, candidate_is_later: bool) -> Fields {
    let names = |predictions: &TestPredictions| predictions.fields.keys().cloned().collect::<BTreeSet<String>>();
    let (of_baseline, of_candidate) = (names(baseline), names(candidate));
    let common = of_baseline.intersection(&of_candidate);
    let fields = common.map(|field| compare_field(field, baseline, candidate, candidate_is_later)).collect();
    let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| left.difference(right).cloned().collect();
    (fields, only(&of_baseline, &of_candidate), only(&of_candidate, &of_baseline))
}

fn compare_field(field: &str, baseline: &TestPredictions, candidate: &TestPredictions, candidate_is_later: bool) -> ComparedField {
    let labels = |predictions: &TestPredictions| -> Vec<Label> {
        predictions.config.fields.iter().filter(|config| config.name == field).flat_map(|config| config.labels.clone()).collect()
    };
    let (of_baseline, of_candidate) = (&baseline.fields[field], &candidate.fields[field]);
    let common = pair(of_baseline, of_candidate, candidate_is_later);
    let mut documents: Vec<DifferingDocument> = common
        .documents
        .iter()
        .zip(&common.examples)
        .filter(|(_, example)| example.baseline.predicted != example.candidate.predicted)
        .map(|(document, example)| DifferingDocument {
            document_id: *document,
            document: String::new(),
            gold: example.gold.clone(),
            baseline: example.baseline.predicted.clone(),
            baseline_confidence: of_baseline[document].confidence,
            candidate: example.candidate.predicted.clone(),
            candidate_confidence: of_candidate[document].confidence,
        })
        .collect();
    // both wrong comes last
    documents.sort_by_key(|document| document.gold != document.baseline && document.gold != document.candidate);
    let differing = documents.len();
    documents.truncate(MAX_DOCUMENTS);
    ComparedField {
        field: field.to_owned(),
        only_baseline: common.only_baseline,
        only_candidate: common.only_candidate,
        relabelled: common.relabelled,
        comparison: compare(&common.examples, Resampling::default()),
        differing,
        documents,
        baseline_labels: labels(baseline),
        candidate_labels: labels(candidate),
    }
}
