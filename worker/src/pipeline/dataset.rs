//! Phase `dataset`: the snapshot a run learns from, built or found.

use std::path::Path;

use ::artifacts::ObjectPrefix;
use ::dataset::{Dataset, Format, NewDataset, PairSide, PairsRequest, Selection, SelectionRequest};
use runs::{
    AttemptKey, Claim, DatasetBuild, DatasetId, EventKind, ObjectOwner, PairsOf, PairsSpec, RunSpec, RunsError, begin_dataset_build,
};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
use crate::pipeline::artifacts::upload_files;
use crate::pipeline::scratch::Scratch;

/// Files that training and evaluation read, as far as there are any; the Parquet files are for people and other programs.
const NEEDED: [&str; 7] = [
    "jsonl/train.jsonl",
    "jsonl/validation.jsonl",
    "jsonl/test.jsonl",
    "labels.json",
    "pairs/train.jsonl",
    "pairs/validation.jsonl",
    "pairs/test.jsonl",
];

/// The selection of a run: what it asked for, made explicit.
pub(crate) async fn selection_of(conn: &mut PgConnection, run: &runs::TrainingRun, spec: &RunSpec) -> Result<Selection, Stop> {
    let request = SelectionRequest {
        fields: spec.data.fields.clone(),
        documents: runs::documents_of(conn, run.id).await?,
        source: spec.data.filter.source.clone(),
        project: spec.data.filter.project.clone(),
        min_support: spec.data.min_support,
        pairs: spec.data.pairs.as_ref().map(|pairs| pairs_request(pairs, spec.seed)),
        position: run.position,
    };
    Ok(Selection::resolve(conn, request).await?)
}

fn pairs_request(pairs: &PairsSpec, seed: u64) -> PairsRequest {
    let side = |of: &PairsOf| match of {
        PairsOf::Values => PairSide::Values,
        PairsOf::Texts => PairSide::Texts,
    };
    let PairsSpec { of, per_label, hard_negatives, max_chars } = pairs;
    PairsRequest { of: of.iter().map(side).collect(), per_label: *per_label, hard_negatives: *hard_negatives, max_chars: *max_chars, seed }
}

/// Makes sure that the snapshot exists, lies in the scratch folder, and is tied to the run. One that another run builds is waited for
/// without this slot.
pub(crate) async fn provide(context: &WorkerContext, claim: &Claim, spec: &RunSpec, scratch: &Scratch) -> Result<Dataset, Stop> {
    patiently!(provide_once(context, claim, spec, scratch))
}

async fn provide_once(context: &WorkerContext, claim: &Claim, spec: &RunSpec, scratch: &Scratch) -> Result<Dataset, Stop> {
    let key = claim.attempt;
    // a connection of its own: dropped in the middle of an answer, it must not go back to the pool
    let database = context.long_statement("aprendiz-worker dataset");
    let mut conn = database.connect().await?;
    let selection = selection_of(&mut conn, &claim.run, spec).await?;
    let extent = ::dataset::extent(&mut conn, &selection).await?;
    let dataset_key = ::dataset::key(&selection, extent);
    let mut found = ::dataset::find_by_key(&mut conn, &dataset_key).await?;
    if found.is_none() {
        if let DatasetBuild::BuiltBy(builder) =
            patiently!(async { begin_dataset_build(&mut *context.pool.acquire().await?, key, &dataset_key).await })?
        {
            tracing::info!(builder = %builder, "another run builds the snapshot: waiting for it without a slot");
            return Err(Stop::Waits);
        }
        // it may have been finished between the look and the right to build it
        found = ::dataset::find_by_key(&mut conn, &dataset_key).await?;
    }
    drop(conn);
    let (dataset, built) = match found {
        Some(dataset) => {
            if !claim.run.dataset_only {
                fetch(context, &dataset, &scratch.snapshot()).await?;
            }
            patiently!(tie(context, key, &dataset))?;
            (dataset, false)
        }
        None => (build(context, key, &database, &selection, &scratch.snapshot()).await?, true),
    };
    let note = json!({
        "text": format!("dataset snapshot {} with {} examples {}", dataset.id, dataset.examples, if built { "built" } else { "reused" }),
        "dataset_id": dataset.id,
        "left_out": dataset.left_out,
    });
    patiently!(async { runs::record_attempt_event(&mut *context.pool.acquire().await?, key, EventKind::Log, &note).await })?;
    Ok(dataset)
}

async fn fetch(context: &WorkerContext, dataset: &Dataset, dir: &Path) -> Result<(), Stop> {
    let prefix = ObjectPrefix::stored(&dataset.object_prefix);
    for file in dataset.files.iter().filter(|file| NEEDED.contains(&file.path.as_str())) {
        let key = prefix.file(&file.path).map_err(|error| Stop::permanent("broken_state", error.to_string()))?;
        context.store.download(&key, &dir.join(&file.path), &file.sha256).await?;
    }
    Ok(())
}

async fn build(
    context: &WorkerContext,
    key: AttemptKey,
    database: &PgConnectOptions,
    selection: &Selection,
    dir: &Path,
) -> Result<Dataset, Stop> {
    let (progress, newest) = tokio::sync::watch::channel(json!({}));
    let mut report = |built: ::dataset::BuildProgress| {
        let fraction = built.documents_read as f64 / built.documents_total.max(1) as f64;
        progress.send_replace(
            json!({ "stage": "dataset", "documents": built.documents_read, "documents_total": built.documents_total, "fraction": fraction }),
        );
    };
    let cancel = CancellationToken::new();
    let snapshot = tokio::select! {
        snapshot = ::dataset::build(database, selection, &Format::ALL, dir, &mut report, &cancel) => snapshot?,
        stop = super::train::tell_progress(context, key, newest, None) => return Err(stop),
    };
    let id = Uuid::now_v7();
    let prefix = ObjectPrefix::dataset(id, key.run_id.0, key.number);
    let paths: Vec<&str> = snapshot.files.iter().map(|file| file.path.as_str()).collect();
    let object_keys = upload_files(context, key, &prefix, dir, &paths).await?;
    let new = NewDataset { id, selection, snapshot: &snapshot, object_prefix: prefix.as_str() };
    patiently!(record(context, key, new, &object_keys))
}

/// Makes the uploaded snapshot known, and wakes the runs that wait for it.
async fn record(context: &WorkerContext, key: AttemptKey, new: NewDataset<'_>, object_keys: &[String]) -> Result<Dataset, Stop> {
    let mut conn = context.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    runs::hold_fence(&mut tx, key).await?;
    let dataset = ::dataset::record(&mut tx, new).await?;
    if dataset.id == new.id {
        runs::publish_objects(&mut tx, key, object_keys, ObjectOwner::Dataset(DatasetId(new.id))).await?;
    }
    runs::use_dataset(&mut tx, key, DatasetId(dataset.id)).await?;
    runs::end_dataset_builds(&mut tx, key).await?;
    tx.commit().await?;
    Ok(dataset)
}

async fn tie(context: &WorkerContext, key: AttemptKey, dataset: &Dataset) -> Result<(), RunsError> {
    let mut conn = context.pool.acquire().await?;
    let mut tx = conn.begin().await?;
    runs::hold_fence(&mut tx, key).await?;
    runs::use_dataset(&mut tx, key, DatasetId(dataset.id)).await?;
    runs::end_dataset_builds(&mut tx, key).await?;
    Ok(tx.commit().await?)
}
