//! Comparison of two versions: loaded, paired and compared per field.

use std::collections::{BTreeSet, HashSet};

use aprendiz_annotations::documents::document_names;
use aprendiz_annotations::erasure::erased_documents;
use aprendiz_evaluation::{Label, PairedComparison, Resampling, compare};
use aprendiz_runs::ModelVersion;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::api::http::error::ApiError;
use crate::api::models::comparison::deps::ComparisonDeps;
use crate::api::models::comparison::evaluations::{UsedEvaluation, list_used};
use crate::api::models::comparison::examples::{TestPredictions, load, pair};
use crate::api::models::comparison::exclusions::{ComparedSideName, ComparisonExclusion};
use crate::api::models::comparison::extractor::load_extractor;
use crate::api::models::comparison::sides::{
    ComparedExtractor, ComparedRun, ComparedSide, LoadedSide, describe_with_time, load_run, load_version,
};
use crate::api::models::comparison::targets::{ComparedTargets, compare_targets};
use crate::api::models::comparison::unpredicted::{SuggestedEvaluation, VersionSide, find_unpredicted};
use crate::api::models::thresholds::changed_thresholds;

/// Limit of listed documents per field; the counts are complete.
const MAX_DOCUMENTS: usize = 200;

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
    /// Those of `only_candidate` on which the baseline was neither trained nor selected: an evaluation run of it makes them comparable.
    pub(crate) unpredicted_by_baseline: usize,
    /// Those of `only_baseline` on which the candidate was neither trained nor selected.
    pub(crate) unpredicted_by_candidate: usize,
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
    /// Evaluation runs whose predictions are compared, in addition to those of the training runs.
    pub(crate) evaluations: Vec<UsedEvaluation>,
    /// What is not compared, with the reasons.
    pub(crate) exclusions: Vec<ComparisonExclusion>,
    /// Evaluation runs that make more documents comparable.
    pub(crate) suggestions: Vec<SuggestedEvaluation>,
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

/// Compares what two versions predict, which is all that the gate needs: `targets` is empty. The evaluation runs of both take part. The
/// work that takes processor time runs beside the async threads.
pub(crate) async fn compare_predictions(
    deps: &ComparisonDeps,
    baseline: &ModelVersion,
    candidate: &ModelVersion,
) -> Result<VersionComparison, ApiError> {
    let sides = futures::try_join!(
        load_version(deps, ComparedSideName::Baseline, baseline),
        load_version(deps, ComparedSideName::Candidate, candidate)
    )?;
    compare_version_sides(deps, (baseline, sides.0), (candidate, sides.1)).await
}

/// Compares the predictions of exactly two runs, each of which trained or evaluated a version, with the targets of the versions.
pub(crate) async fn compare_run_predictions(
    deps: &ComparisonDeps,
    baseline: &ComparedRun,
    candidate: &ComparedRun,
) -> Result<VersionComparison, ApiError> {
    let sides = futures::try_join!(load_run(deps, baseline), load_run(deps, candidate))?;
    let compared = compare_version_sides(deps, (&baseline.version, sides.0), (&candidate.version, sides.1)).await?;
    Ok(VersionComparison { targets: compare_targets(deps, &baseline.version, &candidate.version).await?, ..compared })
}

async fn compare_version_sides(
    deps: &ComparisonDeps,
    (baseline, mut of_baseline): (&ModelVersion, LoadedSide),
    (candidate, mut of_candidate): (&ModelVersion, LoadedSide),
) -> Result<VersionComparison, ApiError> {
    let erased = remove_erased(deps, &mut of_baseline.predictions, &mut of_candidate.predictions).await?;
    let mut evaluations = list_used(ComparedSideName::Baseline, baseline, &of_baseline.evaluations, &of_baseline.predictions);
    evaluations.extend(list_used(ComparedSideName::Candidate, candidate, &of_candidate.evaluations, &of_candidate.predictions));
    let evaluated_at = |side| evaluations.iter().filter(|used| used.side == side).map(|used| used.position).max();
    let side = |name, version| VersionSide { name, version, evaluated_at: evaluated_at(name) };
    let (left, right) = (side(ComparedSideName::Baseline, baseline), side(ComparedSideName::Candidate, candidate));
    let (left_fields, right_fields) = (&of_baseline.predictions.fields, &of_candidate.predictions.fields);
    let lacking_baseline = find_unpredicted(&deps.database, left, left_fields, right_fields).await?;
    let lacking_candidate = find_unpredicted(&deps.database, right, right_fields, left_fields).await?;
    let suggestions = [lacking_baseline.suggestion(left), lacking_candidate.suggestion(right)].into_iter().flatten().collect();
    let mut exclusions = of_baseline.exclusions;
    exclusions.extend(of_candidate.exclusions);
    exclusions.extend(lacking_baseline.exclusions);
    exclusions.extend(lacking_candidate.exclusions);

    let sides = ((of_baseline.described, of_baseline.predictions), (of_candidate.described, of_candidate.predictions));
    let mut compared = compare_sides(deps, sides.0, sides.1, erased).await?;
    for field in &mut compared.fields {
        field.unpredicted_by_baseline = lacking_baseline.fields.get(&field.field).copied().unwrap_or_default();
        field.unpredicted_by_candidate = lacking_candidate.fields.get(&field.field).copied().unwrap_or_default();
    }
    Ok(VersionComparison { evaluations, exclusions, suggestions, ..compared })
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
    let mut of_version = load(&deps.store, version, &thresholds, described.position).await?;
    let mut extractor = load_extractor(&deps.database, &of_version, stored_until).await?;
    if extractor.predictions.fields.is_empty() {
        let detail = format!(
            "no stored predictions of the extractor for the test documents of model `{}` version {} up to {stored_until}: import documents \
             with their predictions before the run",
            version.model, version.number
        );
        return Err(ApiError::unprocessable("not_comparable", detail));
    }
    let erased = remove_erased(deps, &mut of_version, &mut extractor.predictions).await?;
    let extractor_versions = extractor.versions.into_iter().collect();
    let version = (ComparedSide::Version(described), of_version);
    let extractor = (ComparedSide::Extractor(ComparedExtractor { extractor_versions, stored_until }), extractor.predictions);
    let (baseline, candidate) = if extractor_is_candidate { (version, extractor) } else { (extractor, version) };
    compare_sides(deps, baseline, candidate, erased).await
}

/// Removes erased documents from both sides. Returns their number.
async fn remove_erased(
    deps: &ComparisonDeps,
    of_baseline: &mut TestPredictions,
    of_candidate: &mut TestPredictions,
) -> Result<usize, ApiError> {
    // the files of a version keep the values of a document that was erased after its publication
    let documents: Vec<Uuid> = of_baseline.documents().union(&of_candidate.documents()).copied().collect();
    let erased = erased_documents(&mut *deps.database.read().await?, &documents).await?;
    let erased: HashSet<Uuid> = erased.into_iter().collect();
    of_baseline.remove(&erased);
    of_candidate.remove(&erased);
    Ok(erased.len())
}

async fn compare_sides(
    deps: &ComparisonDeps,
    (baseline, of_baseline): (ComparedSide, TestPredictions),
    (candidate, of_candidate): (ComparedSide, TestPredictions),
    erased: usize,
) -> Result<VersionComparison, ApiError> {
    let fields = deps.compute.run(move || compare_fields(&of_baseline, &of_candidate)).await?;
    let (mut fields, only_baseline, only_candidate) = fields;
    let listed: BTreeSet<Uuid> = fields.iter().flat_map(|field| &field.documents).map(|document| document.document_id).collect();
    let listed: Vec<Uuid> = listed.into_iter().collect();
    let names = document_names(&mut *deps.database.read().await?, &listed).await?;
    for document in fields.iter_mut().flat_map(|field| &mut field.documents) {
        // an unknown document keeps its id as its name
        document.document = names.get(&document.document_id).cloned().unwrap_or_else(|| document.document_id.to_string());
    }
    Ok(VersionComparison {
        baseline,
        candidate,
        erased,
        fields,
        only_baseline,
        only_candidate,
        evaluations: Vec::new(),
        exclusions: Vec::new(),
        suggestions: Vec::new(),
        targets: Vec::new(),
    })
}

type Fields = (Vec<ComparedField>, Vec<String>, Vec<String>);

fn compare_fields(baseline: &TestPredictions, candidate: &TestPredictions) -> Fields {
    let names = |predictions: &TestPredictions| predictions.fields.keys().cloned().collect::<BTreeSet<String>>();
    let (of_baseline, of_candidate) = (names(baseline), names(candidate));
    let common = of_baseline.intersection(&of_candidate);
    let fields = common.map(|field| compare_field(field, baseline, candidate)).collect();
    let only = |left: &BTreeSet<String>, right: &BTreeSet<String>| left.difference(right).cloned().collect();
    (fields, only(&of_baseline, &of_candidate), only(&of_candidate, &of_baseline))
}

fn compare_field(field: &str, baseline: &TestPredictions, candidate: &TestPredictions) -> ComparedField {
    let labels = |predictions: &TestPredictions| -> Vec<Label> {
        predictions.config.fields.iter().filter(|config| config.name == field).flat_map(|config| config.labels.clone()).collect()
    };
    let (of_baseline, of_candidate) = (&baseline.fields[field], &candidate.fields[field]);
    let common = pair(of_baseline, of_candidate);
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
        unpredicted_by_baseline: 0,
        unpredicted_by_candidate: 0,
        relabelled: common.relabelled,
        comparison: compare(&common.examples, Resampling::default()),
        differing,
        documents,
        baseline_labels: labels(baseline),
        candidate_labels: labels(candidate),
    }
}
