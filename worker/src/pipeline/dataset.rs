//! Phase `dataset`: builds the dataset snapshot of a run, or reuses an existing one.

use std::path::Path;

use aprendiz_artifacts::ObjectPrefix;
use aprendiz_dataset::{Dataset, Format, NewDataset, Selection};
use aprendiz_db::{Database, Session};
use aprendiz_run_spec::ValidatedSpec;
use aprendiz_runs::{AttemptId, Claim, DatasetBuild, DatasetId, ObjectOwner, RunsError, begin_dataset_build};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::objects::upload_files;
use crate::pipeline::progress::report_progress;
use crate::pipeline::run_log::record_log;
use crate::pipeline::selection::resolve_selection;
use crate::retry::{in_transaction, retry_on_outage};
use crate::scratch::Scratch;

/// Snapshot files that training and evaluation read. The Parquet files are meant for people and other programs.
const REQUIRED_FILES: [&str; 7] = [
    "jsonl/train.jsonl",
    "jsonl/validation.jsonl",
    "jsonl/test.jsonl",
    "labels.json",
    "pairs/train.jsonl",
    "pairs/validation.jsonl",
    "pairs/test.jsonl",
];

/// Ensures that the snapshot exists, is in the scratch folder and is attached to the run.
///
/// If another run is building it, the attempt is released instead of waiting in its slot.
pub(crate) async fn ensure_dataset(deps: &Deps, claim: &Claim, spec: &ValidatedSpec, scratch: &Scratch) -> Result<Dataset, Interruption> {
    retry_on_outage!(ensure_dataset_once(deps, claim, spec, scratch))
}

async fn ensure_dataset_once(deps: &Deps, claim: &Claim, spec: &ValidatedSpec, scratch: &Scratch) -> Result<Dataset, Interruption> {
    let attempt = claim.attempt;
    // a dedicated connection: if dropped while it receives a result, it must not return to the pool
    let session = deps.dedicated_session("aprendiz-worker dataset");
    let mut conn = session.connect().await?;
    let selection = resolve_selection(&mut conn, &claim.run, spec).await?;
    let watermark = aprendiz_dataset::watermark(&mut conn, &selection).await?;
    let dataset_key = aprendiz_dataset::snapshot_key(&selection, watermark);
    let mut existing = aprendiz_dataset::find_by_key(&mut conn, &dataset_key).await?;
    if existing.is_none() {
        if let DatasetBuild::BuiltBy(builder) =
            retry_on_outage!(in_transaction!(deps.database, tx => begin_dataset_build(&mut tx, attempt, &dataset_key)))?
        {
            tracing::info!(builder = %builder, "another run is building the dataset, releasing the slot");
            return Err(Interruption::AwaitingDataset);
        }
        // another run may have finished the build between the lookup and the build lock
        existing = aprendiz_dataset::find_by_key(&mut conn, &dataset_key).await?;
    }
    drop(conn);
    let (dataset, built) = match existing {
        Some(dataset) => {
            if !claim.run.dataset_only {
                download(deps, &dataset, &scratch.snapshot()).await?;
            }
            retry_on_outage!(attach_dataset(&deps.database, attempt, &dataset))?;
            (dataset, false)
        }
        None => (build(deps, attempt, &session, &selection, &scratch.snapshot()).await?, true),
    };
    let event = json!({
        "text": format!("dataset snapshot {} with {} examples {}", dataset.id, dataset.examples, if built { "built" } else { "reused" }),
        "dataset_id": dataset.id,
        "left_out": dataset.left_out,
    });
    record_log(&deps.database, attempt, &event).await?;
    for warning in dataset.warnings() {
        record_log(&deps.database, attempt, &json!({ "text": format!("warning: {warning}"), "dataset_id": dataset.id })).await?;
    }
    Ok(dataset)
}

async fn download(deps: &Deps, dataset: &Dataset, folder: &Path) -> Result<(), Interruption> {
    let prefix = ObjectPrefix::stored(&dataset.object_prefix);
    for file in dataset.files.iter().filter(|file| REQUIRED_FILES.contains(&file.path.as_str())) {
        let object_key = prefix.file(&file.path).map_err(Interruption::broken_state)?;
        deps.store.download(&object_key, &folder.join(&file.path), &file.sha256).await?;
    }
    Ok(())
}

async fn build(deps: &Deps, attempt: AttemptId, session: &Session, selection: &Selection, folder: &Path) -> Result<Dataset, Interruption> {
    let (progress, latest) = tokio::sync::watch::channel(json!({}));
    let mut on_progress = |built: aprendiz_dataset::BuildProgress| {
        let fraction = built.documents_read as f64 / built.documents_total.max(1) as f64;
        progress.send_replace(json!({
            "stage": "dataset", "documents": built.documents_read, "documents_total": built.documents_total, "fraction": fraction,
        }));
    };
    let cancel = CancellationToken::new();
    let snapshot = tokio::select! {
        snapshot = aprendiz_dataset::build(session, selection, &Format::ALL, folder, &mut on_progress, &cancel) => snapshot?,
        interruption = report_progress(&deps.database, attempt, latest, None) => return Err(interruption),
    };
    let id = Uuid::now_v7();
    let prefix = ObjectPrefix::dataset(id, attempt.run_id.0, attempt.number);
    let paths: Vec<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
    let object_keys = upload_files(deps, attempt, &prefix, folder, &paths).await?;
    let new = NewDataset { id, selection, snapshot: &snapshot, object_prefix: prefix.as_str() };
    retry_on_outage!(record(&deps.database, attempt, new, &object_keys))
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

/// Attaches an existing snapshot to the run.
async fn attach_dataset(database: &Database, attempt: AttemptId, dataset: &Dataset) -> Result<(), RunsError> {
    let mut tx = database.begin().await?;
    aprendiz_runs::lock_attempt(&mut tx, attempt).await?;
    aprendiz_runs::attach_dataset(&mut tx, attempt, DatasetId(dataset.id)).await?;
    aprendiz_runs::end_dataset_builds(&mut tx, attempt).await?;
    Ok(tx.commit().await?)
}
