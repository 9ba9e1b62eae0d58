//! The system under test: commands against the database, without expectations.

use std::collections::BTreeSet;
use std::time::Duration;

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{
    AttemptId, AttemptStatus, CreateRun, DatasetId, EventKind, Failure, NewMetric, NewModelVersion, ObjectOwner, Reaped, RunId, RunPhase,
    RunStatus, RunsError, WorkerId, attach_dataset, cancel_attempt, cancel_was_requested, claim_next, confirm_object, create_run,
    declare_objects, delete_published, due_outbox_entries, enter_phase, fail_attempt, lock_attempt, publish, publish_objects,
    reap_expired_leases, record_attempt_event, record_progress, record_publication, release_attempt, renew_lease, republish_unclaimed,
};
use aprendiz_test_support::TestDatabase;
use chrono::{TimeDelta, Utc};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::command::{Cause, Crash, Files, NewRun, Step, WORKERS};
use super::model::{BACKOFF, DELAY, LEASE, UNCLAIMED};
use crate::fixture::{SHA256, request, spec};

/// The visible state of a run.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Seen {
    pub(crate) id: RunId,
    pub(crate) status: RunStatus,
    pub(crate) phase: Option<RunPhase>,
    pub(crate) attempts_used: i32,
    pub(crate) first_attempt: i32,
    pub(crate) error_code: Option<String>,
    pub(crate) has_dataset: bool,
    pub(crate) has_version: bool,
    pub(crate) attempts: Vec<AttemptStatus>,
    pub(crate) in_outbox: bool,
}

/// A database, emptied before each case, and the workers of all cases.
pub(crate) struct System {
    pub(crate) conn: PgConnection,
    /// The relay records publications on a separate connection.
    marks: PgConnection,
    workers: Vec<WorkerId>,
    dataset: DatasetId,
}

const fn minutes(minutes: i64) -> Duration {
    Duration::from_secs(minutes.unsigned_abs() * 60)
}

/// Connects with `synchronous_commit = off`: durability does not matter here.
pub(crate) async fn connect(database: &TestDatabase) -> PgConnection {
    let mut conn = PgConnection::connect(database.url()).await.unwrap();
    sqlx::raw_sql("SET synchronous_commit = off").execute(&mut conn).await.unwrap();
    conn
}

/// Keys of the objects of an attempt.
pub(crate) fn object_keys(attempt: AttemptId, files: Files) -> Vec<String> {
    let names: &[&str] = match files {
        Files::Dataset => &["examples.parquet"],
        Files::Model => &["heads.safetensors", "manifest.json"],
    };
    names.iter().map(|name| format!("run-{}/attempt-{}/{name}", attempt.run_id, attempt.number)).collect()
}

/// Executes an action as a worker does: several statements form a transaction that starts with the fence. With `trains` the run
/// publishes a model version.
pub(crate) async fn work(
    conn: &mut PgConnection,
    attempt: AttemptId,
    step: &Step,
    trains: bool,
    dataset: DatasetId,
) -> Result<(), RunsError> {
    match step {
        Step::Renew => renew_lease(conn, attempt, minutes(LEASE)).await,
        Step::AskForCancellation => cancel_was_requested(conn, attempt).await.map(drop),
        Step::EnterPhase(phase) => enter_phase(conn, attempt, uuid::Uuid::now_v7(), *phase).await,
        Step::Progress { with_event } => {
            record_progress(conn, attempt, &json!({ "step": 1 }), with_event.then_some(EventKind::Metric)).await
        }
        Step::Event => record_attempt_event(conn, attempt, uuid::Uuid::now_v7(), EventKind::Log, &json!({ "text": "working" })).await,
        Step::UseDataset => {
            let mut tx = conn.begin().await?;
            lock_attempt(&mut tx, attempt).await?;
            attach_dataset(&mut tx, attempt, dataset).await?;
            Ok(tx.commit().await?)
        }
        Step::Declare(files) => {
            let mut tx = conn.begin().await?;
            lock_attempt(&mut tx, attempt).await?;
            declare_objects(&mut tx, attempt, &object_keys(attempt, *files)).await?;
            Ok(tx.commit().await?)
        }
        Step::Confirm(files) => {
            for object_key in object_keys(attempt, *files) {
                confirm_object(conn, &object_key, SHA256, 7).await?;
            }
            Ok(())
        }
        Step::PublishDataset => {
            let mut tx = conn.begin().await?;
            lock_attempt(&mut tx, attempt).await?;
            publish_objects(&mut tx, attempt, &object_keys(attempt, Files::Dataset), ObjectOwner::Dataset(dataset)).await?;
            attach_dataset(&mut tx, attempt, dataset).await?;
            Ok(tx.commit().await?)
        }
        Step::Publish { fitting } => {
            let object_keys = object_keys(attempt, Files::Model);
            let (files, card) = (json!([]), json!({ "kind": "linear" }));
            let version = NewModelVersion {
                model: "contracts",
                dataset,
                object_prefix: "models",
                manifest_sha256: SHA256,
                files: &files,
                card: &card,
                object_keys: &object_keys,
            };
            let metric = NewMetric { split: "test", field: None, name: "accuracy".to_owned(), value: Some(1.0), details: None };
            publish(conn, attempt, (trains == *fitting).then_some(&version), &[metric]).await.map(drop)
        }
        Step::Fail { cause, jitter } => {
            let failure =
                Failure { code: cause.code().to_owned(), text: "in words".to_owned(), retryable: !matches!(cause, Cause::Permanent) };
            fail_attempt(conn, attempt, &failure, *jitter).await.map(drop)
        }
        Step::Release => release_attempt(conn, attempt).await,
        Step::CancelAttempt => cancel_attempt(conn, attempt).await,
    }
}

/// The request for a [`NewRun`].
pub(crate) fn create_request<'a>(new: &NewRun, key: &'a str) -> CreateRun<'a> {
    let mut spec = spec("contracts");
    (spec.kind, spec.priority, spec.max_attempts) = (new.kind, new.priority, new.max_attempts);
    spec.run_after = new.delayed.then(|| Utc::now() + TimeDelta::minutes(DELAY));
    let idempotency = new.key.map(|(_, body)| (key, format!("body {body}")));
    CreateRun { idempotency, dataset_only: new.dataset_only, ..request(spec) }
}

impl System {
    pub(crate) async fn new(database: &TestDatabase) -> Self {
        Self { conn: connect(database).await, marks: connect(database).await, workers: Vec::new(), dataset: DatasetId::new_v7() }
    }

    /// Deletes the rows of the previous case.
    pub(crate) async fn empty(&mut self) {
        sqlx::raw_sql("TRUNCATE training_runs, models, datasets, workers, audit_log CASCADE").execute(&mut self.conn).await.unwrap();
        self.workers.clear();
        for _ in 0..WORKERS {
            let id = WorkerId::new_v7();
            sqlx::query("INSERT INTO workers (id, host, version, slots, backend, cpu_kernel) VALUES ($1, 'host', '0', 1, 'flex', 'avx2')")
                .bind(id)
                .execute(&mut self.conn)
                .await
                .unwrap();
            self.workers.push(id);
        }
        sqlx::query(
            "INSERT INTO datasets (id, key, selection, builder_version, position, canonical_hash, examples, counts, object_prefix, files)
             VALUES ($1, $2, '{}', 1, 0, $2, 0, '{}', 'datasets/x', '[]')",
        )
        .bind(self.dataset)
        .bind(SHA256)
        .execute(&mut self.conn)
        .await
        .unwrap();
    }

    pub(crate) const fn dataset(&self) -> DatasetId {
        self.dataset
    }

    pub(crate) fn workers(&self) -> &[WorkerId] {
        &self.workers
    }

    pub(crate) async fn create(&mut self, new: &NewRun) -> Result<(RunId, bool), RunsError> {
        let key = new.key.map_or_else(String::new, |(key, _)| key.to_string());
        let created = create_run(&mut self.conn, create_request(new, &key)).await?;
        Ok((created.run.id, created.is_new))
    }

    pub(crate) async fn claim(&mut self, worker: usize, evaluate_only: bool) -> Result<Option<AttemptId>, RunsError> {
        let kinds: &[RunKind] = if evaluate_only { &[RunKind::Evaluate] } else { &[RunKind::Linear, RunKind::Evaluate] };
        let claim = claim_next(&mut self.conn, self.workers[worker], kinds, minutes(LEASE)).await?;
        Ok(claim.map(|claim| claim.attempt))
    }

    pub(crate) async fn work(&mut self, attempt: AttemptId, step: &Step, trains: bool) -> Result<(), RunsError> {
        work(&mut self.conn, attempt, step, trains, self.dataset).await
    }

    pub(crate) async fn reap(&mut self) -> Result<Reaped, RunsError> {
        reap_expired_leases(&mut self.conn, 100).await
    }

    pub(crate) async fn republish(&mut self) -> Result<u64, RunsError> {
        republish_unclaimed(&mut self.conn, minutes(UNCLAIMED), 100).await
    }

    /// Whether an outbox entry is due: nothing is published again then.
    pub(crate) async fn has_due_wakeup(&mut self) -> bool {
        let sql = "SELECT EXISTS (SELECT FROM outbox WHERE due_at <= statement_timestamp())";
        sqlx::query_scalar(sql).fetch_one(&mut self.conn).await.unwrap()
    }

    /// Publishes one batch as the relay does. Returns the runs whose entries were due.
    pub(crate) async fn relay(&mut self, crash: Crash) -> Result<BTreeSet<RunId>, RunsError> {
        let mut tx = self.conn.begin().await?;
        let due = due_outbox_entries(&mut tx, 100).await?;
        let (outbox_ids, run_ids): (Vec<i64>, Vec<RunId>) = due.into_iter().unzip();
        if !matches!(crash, Crash::BeforeMarking) {
            record_publication(&mut self.marks, &run_ids).await?;
        }
        if matches!(crash, Crash::Never) {
            delete_published(&mut tx, &outbox_ids).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(run_ids.into_iter().collect())
    }

    /// Lets time pass: every time of every row moves into the past.
    pub(crate) async fn advance(&mut self, minutes: i64) {
        let moved: &[(&str, &[&str])] = &[
            ("training_runs", &["created_at", "run_after", "wakeup_published_at", "started_at", "finished_at", "cancel_requested_at"]),
            ("attempts", &["lease_expires_at", "heartbeat_at", "started_at", "finished_at"]),
            ("outbox", &["created_at", "due_at"]),
            ("objects", &["created_at", "live_at"]),
        ];
        for (table, columns) in moved {
            let columns: Vec<String> = columns.iter().map(|column| format!("{column} = {column} - interval '{minutes} minutes'")).collect();
            let sql = format!("UPDATE {table} SET {}", columns.join(", "));
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.conn).await.unwrap();
        }
    }

    /// A back-off of seconds is too short for a slow machine: it becomes one of minutes, longer than what was drawn at random.
    ///
    /// # Errors
    /// When the back-off is none that [`aprendiz_runs::retry_delay`] gives.
    pub(crate) async fn stretch_backoff(&mut self, run: RunId, attempts_used: i32, jitter: f64) -> Result<(), String> {
        let planned: f64 = sqlx::query_scalar(
            "SELECT (payload ->> 'seconds')::float8 FROM run_events WHERE run_id = $1 AND kind = 'state' ORDER BY sequence DESC LIMIT 1",
        )
        .bind(run)
        .fetch_one(&mut self.conn)
        .await
        .map_err(|error| error.to_string())?;
        let expected = aprendiz_runs::retry_delay(attempts_used, jitter).as_secs_f64();
        if (planned - expected).abs() > 1e-6 {
            return Err(format!("the back-off is {planned} s instead of {expected} s"));
        }
        let by = f64::from(i32::try_from(BACKOFF).unwrap()) * 60.0 - planned;
        sqlx::query("UPDATE training_runs SET run_after = run_after + make_interval(secs => $2) WHERE id = $1")
            .bind(run)
            .bind(by)
            .execute(&mut self.conn)
            .await
            .unwrap();
        sqlx::query(
            "UPDATE outbox SET due_at = due_at + make_interval(secs => $2) WHERE id = (SELECT max(id) FROM outbox WHERE run_id = $1)",
        )
        .bind(run)
        .bind(by)
        .execute(&mut self.conn)
        .await
        .unwrap();
        Ok(())
    }

    /// All runs, oldest first.
    pub(crate) async fn look(&mut self) -> Vec<Seen> {
        sqlx::query_as(
            r"
            SELECT r.id, r.status, r.phase, r.attempts_used, r.first_attempt, r.error_code, r.dataset_id IS NOT NULL AS has_dataset,
                EXISTS (SELECT FROM model_versions v WHERE v.run_id = r.id) AS has_version,
                ARRAY(SELECT a.status FROM attempts a WHERE a.run_id = r.id ORDER BY a.number) AS attempts,
                EXISTS (SELECT FROM outbox o WHERE o.run_id = r.id) AS in_outbox
            FROM training_runs r
            ORDER BY r.created_at, r.id
            ",
        )
        .fetch_all(&mut self.conn)
        .await
        .unwrap()
    }

    /// Changes when any row of any table that a run can touch changes.
    pub(crate) async fn digest(&mut self) -> Vec<String> {
        const TABLES: [&str; 12] = [
            "training_runs",
            "training_run_documents",
            "attempts",
            "run_events",
            "outbox",
            "objects",
            "models",
            "model_versions",
            "metrics",
            "checkpoints",
            "idempotency_keys",
            "audit_log",
        ];
        let each =
            TABLES.map(|table| format!("SELECT '{table} ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"));
        sqlx::query_scalar(AssertSqlSafe(each.join(" UNION ALL "))).fetch_all(&mut self.conn).await.unwrap()
    }
}
