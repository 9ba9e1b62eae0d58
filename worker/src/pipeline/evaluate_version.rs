//! A run that evaluates a published version on the test documents of its own snapshot. Nothing is trained.

use std::collections::HashMap;

use aprendiz_artifacts::ObjectPrefix;
use aprendiz_dataset::Split;
use aprendiz_dataset::inspect::{InspectError, splits_in_snapshot};
use aprendiz_db::run_blocking;
use aprendiz_run_spec::{RunKind, ValidatedSpec};
use aprendiz_runs::{Claim, DatasetId, ModelVersion, NewEvaluation, RunPhase, list_latest_thresholds};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::dataset;
use crate::pipeline::evaluate::card::champion::PREDICTIONS_FILE;
use crate::pipeline::evaluate::published::{self, Published};
use crate::pipeline::objects::upload_files;
use crate::pipeline::phases::Phases;
use crate::pipeline::publish;
use crate::pipeline::run_log::record_log;
use crate::pipeline::used_version::{VersionUse, find_used_version};
use crate::pipeline::version_files::download_version_files;
use crate::retry::retry_on_outage;
use crate::scratch::Scratch;

const USAGE: VersionUse = VersionUse {
    kinds: &[RunKind::Linear, RunKind::FieldClassifier, RunKind::Auto],
    wrong_kind: "kind_not_evaluated",
    instead: "evaluate another version",
};

/// Executes a claimed run up to and including the publication of its evaluation.
pub(crate) async fn run(
    deps: &Deps,
    claim: &Claim,
    spec: &ValidatedSpec,
    number: i32,
    phases: &mut Phases<'_>,
    shutting_down: &CancellationToken,
) -> Result<(), Interruption> {
    let attempt = claim.attempt;
    let parent = deps.config.scratch.clone();
    let scratch = run_blocking(move || Scratch::create(&parent, attempt)).await?;
    phases.enter(RunPhase::Dataset).await?;
    // the version comes first: without it, building the dataset would be wasted
    let version = find_used_version(deps, &claim.run.model, number, USAGE).await?;
    let building = dataset::ensure_dataset(deps, claim, spec, &scratch);
    let dataset = shutting_down.run_until_cancelled(building).await.ok_or(Interruption::ShuttingDown)??;
    if claim.run.dataset_only {
        return publish::publish_metrics(&deps.database, attempt, &[], &[]).await;
    }

    phases.enter(RunPhase::Evaluate).await?;
    let event = json!({ "text": format!("evaluates {} version {number}", version.model), "manifest_sha256": version.manifest_sha256 });
    record_log(&deps.database, attempt, &event).await?;
    download_version_files(deps, &version, &scratch.model()).await?;
    let thresholds = retry_on_outage!(async { list_latest_thresholds(&mut *deps.database.read().await?, version.id).await })?;
    let documents = published::list_test_documents(&scratch).await?;
    let mut used = retry_on_outage!(find_used(deps, &version, &documents))?;
    if version.card["final_fit"]["published"] == "all" {
        // the published weights have seen these documents, too
        used.values_mut().filter(|split| **split == Split::Test).for_each(|split| *split = Split::Train);
    }
    let evaluated = Published { version: &version, spec, dataset: DatasetId(dataset.id), used: &used };
    let evaluation = published::evaluate(deps, attempt, evaluated, thresholds, &scratch).await?;

    phases.enter(RunPhase::Upload).await?;
    let prefix = ObjectPrefix::evaluation(attempt.run_id.0, attempt.number);
    let object_keys = upload_files(deps, attempt, &prefix, &scratch.reports(), &[PREDICTIONS_FILE]).await?;
    let [object_key] = object_keys.as_slice() else {
        return Err(Interruption::broken_state("one file was uploaded under several keys"));
    };

    phases.enter(RunPhase::Publish).await?;
    let published = NewEvaluation { version: version.id, dataset: DatasetId(dataset.id), object_key };
    publish::publish_evaluation(&deps.database, attempt, published, &evaluation.metrics, &evaluation.errors).await
}

/// The splits of these documents in the snapshot of the version.
async fn find_used(deps: &Deps, version: &ModelVersion, documents: &[Uuid]) -> Result<HashMap<Uuid, Split>, Interruption> {
    let mut conn = deps.dedicated_session("aprendiz-worker evaluate").connect().await?;
    splits_in_snapshot(&mut conn, version.dataset_id.0, documents).await.map_err(|error| match error {
        InspectError::Database(error) => error.into(),
        InspectError::Dataset(error) => error.into(),
        other => Interruption::broken_state(other),
    })
}
