//! Creation of runs: the run and its outbox entry in one transaction.

use std::collections::BTreeSet;

use aprendiz_db::{IDEMPOTENCY_KEY_SEED, UNIQUE_RUN_SEED};
use aprendiz_run_spec::{RunKind, RunSpec, ValidatedSpec};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::{Acquire as _, PgConnection};
use uuid::Uuid;

use crate::access::audit::record_audit;
use crate::error::RunsError;
use crate::ids::RunId;
use crate::queues::list::ensure_queue;
use crate::run::event::append;
use crate::run::outbox::enqueue_outbox;
use crate::run::position::resolve_position;
use crate::run::status::EventKind;
use crate::run::training_run::{TrainingRun, get_run};

/// A run to be created.
#[derive(Debug)]
pub struct CreateRun<'a> {
    /// What to train, and on which data.
    pub spec: ValidatedSpec,
    /// Name of the API key of the request.
    pub actor: &'a str,
    /// Person on whose behalf the client acts.
    pub on_behalf_of: Option<&'a str>,
    /// `Idempotency-Key` and the SHA-256 of the request body.
    pub idempotency: Option<(&'a str, String)>,
    /// Whether the run ends after phase `dataset`.
    pub dataset_only: bool,
    /// The parent run, for a child run.
    pub parent_run_id: Option<RunId>,
    /// Position of another run whose data is reused; `None` resolves `data.as_of`.
    pub position: Option<i64>,
    /// W3C trace context of the request: its `traceparent`.
    pub trace_parent: Option<&'a str>,
    /// And its `tracestate`, if there is one.
    pub trace_state: Option<&'a str>,
}

/// Result of [`create_run`].
#[derive(Debug)]
pub struct Created {
    /// The run.
    pub run: TrainingRun,
    /// `false` when the idempotency key had already created it, or when it is an equal run.
    pub is_new: bool,
    /// Whether an equal run was waiting or running, and the request asked for a unique one.
    pub is_equal: bool,
}

/// Creates a run and its outbox entry, in one transaction.
///
/// # Errors
/// [`RunsError::IdempotencyMismatch`] when the key was used with another body; [`RunsError::UnknownQueue`].
pub async fn create_run(conn: &mut PgConnection, request: CreateRun<'_>) -> Result<Created, RunsError> {
    let mut tx = conn.begin().await?;
    if let Some((key, body_sha256)) = &request.idempotency {
        // requests with the same key wait for each other, so that the second finds the run of the first
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", format!("{}\n{key}", request.actor), IDEMPOTENCY_KEY_SEED)
            .execute(&mut *tx)
            .await?;
        let earlier = sqlx::query!(
            r#"SELECT body_sha256, run_id AS "run_id: RunId" FROM idempotency_keys WHERE actor = $1 AND key = $2"#,
            request.actor,
            *key
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(earlier) = earlier {
            if earlier.body_sha256 != *body_sha256 {
                return Err(RunsError::IdempotencyMismatch((*key).to_owned()));
            }
            let run = get_run(&mut tx, earlier.run_id).await?;
            return Ok(Created { run, is_new: false, is_equal: false });
        }
    }

    let position = match request.position {
        Some(position) => position,
        None => resolve_position(&mut tx, request.spec.data().as_of).await?,
    };
    let requires: Vec<String> = request.spec.requirements(request.dataset_only).iter().map(ToString::to_string).collect();
    let mut spec = RunSpec::from(request.spec);
    if !spec.queue.is_default() {
        ensure_queue(&mut tx, spec.queue.as_str()).await?;
    }
    // an option of the request: the spec of the run says what it does
    let is_unique = std::mem::take(&mut spec.unique);
    // the selected documents are stored in a separate table only
    let documents = spec.data.documents.take();
    let id = RunId::new_v7();
    let spec_json = to_json(&spec, id)?;
    let spec_sha256 = hash_work(&spec_json, documents.as_deref(), position, request.dataset_only);
    if is_unique && let Some(equal) = find_equal(&mut tx, &spec_sha256).await? {
        if let Some((key, body_sha256)) = &request.idempotency {
            insert_idempotency_key(&mut tx, request.actor, key, body_sha256, equal).await?;
        }
        let run = get_run(&mut tx, equal).await?;
        tx.commit().await?;
        return Ok(Created { run, is_new: false, is_equal: true });
    }
    sqlx::query!(
        r#"
        INSERT INTO training_runs
            (id, kind, model, spec, position, priority, scheduled_for, run_after, max_attempts, dataset_only, created_by, parent_run_id,
             trace_parent, trace_state, queue, requires, spec_sha256)
        VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($7, clock_timestamp()), $8, $9, $10, $11, $12, $13, $14, $15, $16)
        "#,
        id as RunId,
        spec.kind as RunKind,
        spec.model.as_str(),
        spec_json,
        position,
        spec.priority,
        spec.run_after,
        spec.max_attempts,
        request.dataset_only,
        request.on_behalf_of.map_or_else(|| request.actor.to_owned(), |person| format!("{} for {person}", request.actor)),
        request.parent_run_id as Option<RunId>,
        request.trace_parent,
        request.trace_state,
        spec.queue.as_str(),
        &requires,
        spec_sha256,
    )
    .execute(&mut *tx)
    .await?;
    if let Some(documents) = documents {
        insert_documents(&mut tx, id, &documents).await?;
    }
    if let Some((key, body_sha256)) = &request.idempotency {
        insert_idempotency_key(&mut tx, request.actor, key, body_sha256, id).await?;
    }
    append(&mut tx, id, None, EventKind::State, &json!({ "status": "queued" })).await?;
    record_audit(&mut tx, request.actor, "training_run.create", &id.to_string(), &json!({ "kind": spec.kind, "model": spec.model }))
        .await?;
    enqueue_outbox(&mut tx, id).await?;
    let run = get_run(&mut tx, id).await?;
    tx.commit().await?;
    Ok(Created { run, is_new: true, is_equal: false })
}

async fn insert_documents(conn: &mut PgConnection, id: RunId, documents: &[Uuid]) -> Result<(), RunsError> {
    sqlx::query!(
        "INSERT INTO training_run_documents (run_id, document_id) SELECT DISTINCT $1::uuid, document FROM unnest($2::uuid[]) AS document",
        id as RunId,
        documents
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// SHA-256 of what a run does on which data: the stored spec, the selected documents, the position, and whether it only builds a snapshot.
fn hash_work(spec: &Value, documents: Option<&[Uuid]>, position: i64, dataset_only: bool) -> String {
    let documents: Option<BTreeSet<&Uuid>> = documents.map(|documents| documents.iter().collect());
    let work = json!({ "spec": spec, "documents": documents, "position": position, "dataset_only": dataset_only });
    hex::encode(Sha256::digest(work.to_string()))
}

/// Finds the oldest waiting or running run that does the same. Until the transaction ends, other requests for a unique run with this hash
/// wait. Runs that verify a version, and those of sweeps, do something else with the same spec.
async fn find_equal(conn: &mut PgConnection, spec_sha256: &str) -> Result<Option<RunId>, RunsError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, $2))", spec_sha256, UNIQUE_RUN_SEED).execute(&mut *conn).await?;
    let equal = sqlx::query_scalar!(
        r#"
        SELECT id AS "id: RunId"
        FROM training_runs r
        WHERE spec_sha256 = $1 AND status IN ('queued', 'retrying', 'running') AND verifies_version_id IS NULL
            AND NOT EXISTS (SELECT FROM sweep_children c WHERE c.run_id = r.id)
        ORDER BY created_at, id
        LIMIT 1
        "#,
        spec_sha256
    )
    .fetch_optional(conn)
    .await?;
    Ok(equal)
}

async fn insert_idempotency_key(conn: &mut PgConnection, actor: &str, key: &str, body_sha256: &str, run: RunId) -> Result<(), RunsError> {
    sqlx::query!(
        "INSERT INTO idempotency_keys (actor, key, body_sha256, run_id) VALUES ($1, $2, $3, $4)",
        actor,
        key,
        body_sha256,
        run as RunId
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn to_json(spec: &RunSpec, id: RunId) -> Result<Value, RunsError> {
    serde_json::to_value(spec).map_err(|error| RunsError::BrokenRow { table: "training_runs", id: id.to_string(), what: error.to_string() })
}
