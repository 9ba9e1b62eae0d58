//! Phase `dataset`: builds the dataset snapshot of a run, or reuses an existing one. If files of an existing one have disappeared from the
//! bucket, it is built again.

use aprendiz_text::count;
use std::path::Path;

use aprendiz_artifacts::ObjectPrefix;
use aprendiz_dataset::{Dataset, Format, NewDataset, Selection, Snapshot};
use aprendiz_db::{Database, Session};
use aprendiz_run_spec::{RunKind, ValidatedSpec};
use aprendiz_runs::{AttemptId, Claim, DatasetBuild, DatasetId, ObjectOwner, RunsError, SweepRole, begin_dataset_build};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::objects::upload_files;
use crate::pipeline::progress::report_progress;
use crate::pipeline::run_log::record_log;
use crate::pipeline::selection::resolve_selection;
use crate::pipeline::snapshot_files::{MissingFile, Wanted, fetch};
use crate::retry::{in_transaction, retry_on_outage};
use crate::scratch::Scratch;

/// Ensures that the snapshot exists, is in the scratch folder and is attached to the run.
///
/// If another run is building it, the attempt is released instead of waiting in its slot.
pub(crate) async fn ensure_dataset(deps: &Deps, claim: &Claim, spec: &ValidatedSpec, scratch: &Scratch) -> Result<Dataset, Interruption> {
    retry_on_outage!(ensure_dataset_once(deps, claim, spec, scratch))
}

/// Where the snapshot of a run comes from.
enum Origin {
    Built,
    Reused,
    /// Built again, because the named object was missing.
    Rebuilt(String),
}

impl Origin {
    fn describe(&self) -> String {
        match self {
            Self::Built => "built".to_owned(),
            Self::Reused => "reused".to_owned(),
            Self::Rebuilt(object_key) => {
                format!("rebuilt with the same canonical hash: its object `{object_key}` was missing from the bucket")
            }
        }
    }
}

async fn ensure_dataset_once(deps: &Deps, claim: &Claim, spec: &ValidatedSpec, scratch: &Scratch) -> Result<Dataset, Interruption> {
    let attempt = claim.attempt;
    // a dedicated connection: if dropped while it receives a result, it must not return to the pool
    let session = deps.dedicated_session("aprendiz-worker dataset");
    let mut conn = session.connect().await?;
    let selection = resolve_selection(&mut conn, &claim.run, spec).await?;
    let watermark = aprendiz_dataset::watermark(&mut conn, &selection).await?;
    drop(conn);
    let dataset_key = aprendiz_dataset::snapshot_key(&selection, watermark);
    let folder = scratch.snapshot();
    let wanted = match claim.run.sweep_role {
        _ if claim.run.dataset_only => Wanted::Nothing,
        Some(SweepRole::Trial) => Wanted::WithoutTest,
        None if claim.run.kind == RunKind::Evaluate => Wanted::TestOnly,
        _ => Wanted::All,
    };
    let mut missing: Option<MissingFile> = None;
    let mut owns_build = false;
    let (dataset, origin) = loop {
        // looked up again when the build is locked: another run may have finished it since
        let existing = aprendiz_dataset::find_by_key(&mut *deps.database.read().await?, &dataset_key).await?;
        match (existing, missing.take()) {
            (Some(dataset), Some(file)) if file.object_prefix == dataset.object_prefix => {
                if owns_build {
                    break (rebuild(deps, attempt, &session, &dataset, &folder).await?, Origin::Rebuilt(file.object_key));
                }
                missing = Some(file);
            }
            (Some(dataset), _) => match fetch(deps, &dataset, &folder, wanted).await? {
                None => {
                    retry_on_outage!(attach_dataset(&deps.database, attempt, &dataset))?;
                    break (dataset, Origin::Reused);
                }
                Some(file) => {
                    tracing::warn!(dataset.id = %dataset.id, object.key = file.object_key, "snapshot is missing a file");
                    missing = Some(file);
                }
            },
            (None, _) if owns_build => break (build_new(deps, attempt, &session, &selection, &folder).await?, Origin::Built),
            (None, _) => {}
        }
        if !std::mem::replace(&mut owns_build, true) {
            lock_build(deps, attempt, &dataset_key).await?;
        }
    };
    let event = json!({
        "text": format!("dataset snapshot {} with {} {}", dataset.id, count(dataset.examples.unsigned_abs(), "example"), origin.describe()),
        "dataset_id": dataset.id,
        "left_out": dataset.left_out,
    });
    record_log(&deps.database, attempt, &event).await?;
    for warning in dataset.warnings() {
        record_log(&deps.database, attempt, &json!({ "text": format!("warning: {warning}"), "dataset_id": dataset.id })).await?;
    }
    Ok(dataset)
}

/// Locks the build of the snapshot. If another run has locked it, the attempt is released.
async fn lock_build(deps: &Deps, attempt: AttemptId, dataset_key: &str) -> Result<(), Interruption> {
    let build = retry_on_outage!(in_transaction!(deps.database, tx => begin_dataset_build(&mut tx, attempt, dataset_key)))?;
    if let DatasetBuild::BuiltBy(builder) = build {
        tracing::info!(builder = %builder, "another run is building the dataset, releasing the slot");
        return Err(Interruption::AwaitingDataset);
    }
    Ok(())
}

/// Builds the snapshot in the folder, and reports the progress.
async fn build(deps: &Deps, attempt: AttemptId, session: &Session, selection: &Selection, folder: &Path) -> Result<Snapshot, Interruption> {
    let (progress, latest) = tokio::sync::watch::channel(json!({}));
    let mut on_progress = |built: aprendiz_dataset::BuildProgress| {
        let fraction = built.documents_read as f64 / built.documents_total.max(1) as f64;
        progress.send_replace(json!({
            "stage": "dataset", "documents": built.documents_read, "documents_total": built.documents_total, "fraction": fraction,
        }));
    };
    let cancel = CancellationToken::new();
    tokio::select! {
        snapshot = aprendiz_dataset::build(session, selection, &Format::ALL, folder, &mut on_progress, &cancel) => Ok(snapshot?),
        interruption = report_progress(&deps.database, attempt, latest, None) => Err(interruption),
    }
}

async fn build_new(
    deps: &Deps,
    attempt: AttemptId,
    session: &Session,
    selection: &Selection,
    folder: &Path,
) -> Result<Dataset, Interruption> {
    let snapshot = build(deps, attempt, session, selection, folder).await?;
    let id = Uuid::now_v7();
    let (prefix, object_keys) = upload(deps, attempt, id, &snapshot, folder).await?;
    let new = NewDataset { id, selection, snapshot: &snapshot, object_prefix: prefix.as_str() };
    retry_on_outage!(record(&deps.database, attempt, new, &object_keys))
}

/// Builds a recorded snapshot again. Events are never changed, so the result must be the same.
async fn rebuild(deps: &Deps, attempt: AttemptId, session: &Session, dataset: &Dataset, folder: &Path) -> Result<Dataset, Interruption> {
    let snapshot = build(deps, attempt, session, &dataset.selection, folder).await?;
    aprendiz_dataset::ensure_same(dataset, &snapshot)?;
    let (prefix, object_keys) = upload(deps, attempt, dataset.id, &snapshot, folder).await?;
    retry_on_outage!(restore(&deps.database, attempt, dataset, &snapshot, &prefix, &object_keys))
}

async fn upload(
    deps: &Deps,
    attempt: AttemptId,
    id: Uuid,
    snapshot: &Snapshot,
    folder: &Path,
) -> Result<(ObjectPrefix, Vec<String>), Interruption> {
    let prefix = ObjectPrefix::dataset(id, attempt.run_id.0, attempt.number);
    let paths: Vec<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
    let object_keys = upload_files(deps, attempt, &prefix, folder, &paths).await?;
    Ok((prefix, object_keys))
}

/// Records the uploaded snapshot and wakes the runs that wait for it.
async fn record(database: &Database, attempt: AttemptId, new: NewDataset<'_>, object_keys: &[String]) -> Result<Dataset, Interruption> {
    let mut tx = database.begin().await?;
    aprendiz_runs::lock_attempt(&mut tx, attempt).await?;
    let dataset = aprendiz_dataset::record(&mut tx, new).await?;
    if dataset.id == new.id {
        aprendiz_runs::publish_objects(&mut tx, attempt, object_keys, ObjectOwner::Dataset(DatasetId(new.id))).await?;
    }
    aprendiz_runs::attach_dataset(&mut tx, attempt, DatasetId(dataset.id)).await?;
    aprendiz_runs::end_dataset_builds(&mut tx, attempt).await?;
    tx.commit().await?;
    Ok(dataset)
}

/// Records the new files of a snapshot and wakes the runs that wait for it.
async fn restore(
    database: &Database,
    attempt: AttemptId,
    dataset: &Dataset,
    snapshot: &Snapshot,
    prefix: &ObjectPrefix,
    object_keys: &[String],
) -> Result<Dataset, Interruption> {
    let mut tx = database.begin().await?;
    aprendiz_runs::lock_attempt(&mut tx, attempt).await?;
    let current = aprendiz_dataset::restore(&mut tx, dataset, snapshot, prefix.as_str(), object_keys).await?;
    if current.object_prefix == prefix.as_str() {
        aprendiz_runs::publish_objects(&mut tx, attempt, object_keys, ObjectOwner::Dataset(DatasetId(dataset.id))).await?;
    }
    aprendiz_runs::attach_dataset(&mut tx, attempt, DatasetId(dataset.id)).await?;
    aprendiz_runs::end_dataset_builds(&mut tx, attempt).await?;
    tx.commit().await?;
    Ok(current)
}

/// Attaches an existing snapshot to the run.
async fn attach_dataset(database: &Database, attempt: AttemptId, dataset: &Dataset) -> Result<(), RunsError> {
    let mut tx = database.begin().await?;
    aprendiz_runs::lock_attempt(&mut tx, attempt).await?;
    aprendiz_runs::attach_dataset(&mut tx, attempt, DatasetId(dataset.id)).await?;
    aprendiz_runs::end_dataset_builds(&mut tx, attempt).await?;
    Ok(tx.commit().await?)
}
