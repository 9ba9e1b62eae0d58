//! Fixture: a database and helpers that the tests share.

use std::collections::BTreeMap;
use std::time::Duration;

use aprendiz_run_spec::{Backend, RunKind, RunSpec, WorkerLabels};
use aprendiz_runs::{
    AttemptId, AttemptStatus, Claim, CreateRun, DatasetId, Failure, NewModelVersion, NewWorker, RunEvent, RunId, TrainingRun, WorkerId,
    claim_next, confirm_object, create_run, declare_objects, events_after, get_run, list_attempts, lock_attempt, publish, register_worker,
};
use aprendiz_test_support::{TestDatabase, wait_until};
use serde_json::{Value, json};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool, Postgres};
use uuid::Uuid;

/// Longer than any test; [`Fixture::expire`] ends a lease.
pub(crate) const LEASE: Duration = Duration::from_secs(3600);
/// Time limit for something that must happen.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);
/// Any SHA-256 in hex.
pub(crate) const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A database; its connections are closed before it is dropped.
pub(crate) struct Fixture {
    pool: PgPool,
    _database: TestDatabase,
}

/// The smallest spec.
pub(crate) fn spec(model: &str) -> RunSpec {
    serde_json::from_value(json!({ "model": model })).unwrap()
}

/// A request for a run of this spec, without options.
pub(crate) fn request(spec: RunSpec) -> CreateRun<'static> {
    CreateRun {
        spec: spec.validate().expect("the spec is valid"),
        actor: "ana",
        on_behalf_of: None,
        idempotency: None,
        dataset_only: false,
        parent_run_id: None,
        position: None,
        trace_parent: None,
        trace_state: None,
    }
}

/// A failure with this code.
pub(crate) fn failure(code: &str, retryable: bool) -> Failure {
    Failure { code: code.to_owned(), text: format!("{code} in words"), retryable }
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::create().await;
        // at least the number of tasks of any test, so that none waits for a connection
        let pool = PgPoolOptions::new().max_connections(24).connect(database.url()).await.unwrap();
        Self { pool, _database: database }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) async fn conn(&self) -> PoolConnection<Postgres> {
        self.pool.acquire().await.unwrap()
    }

    /// Executes a statement for which the crate has no function.
    pub(crate) async fn execute(&self, sql: &str) -> Result<u64, sqlx::Error> {
        Ok(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await?.rows_affected())
    }

    /// The number that a query returns.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.pool).await.unwrap()
    }

    /// Every row of every table, to check that nothing changed.
    pub(crate) async fn rows(&self) -> BTreeMap<String, Vec<String>> {
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'").fetch_all(&self.pool).await.unwrap();
        let mut rows = BTreeMap::new();
        for table in tables {
            let sql = format!("SELECT t::text FROM {table} t ORDER BY 1");
            rows.insert(table, sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&self.pool).await.unwrap());
        }
        rows
    }

    /// Registers a worker.
    pub(crate) async fn worker(&self) -> WorkerId {
        self.worker_with("").await
    }

    /// Registers a worker with labels, and the backend of every build.
    pub(crate) async fn worker_with(&self, labels: &str) -> WorkerId {
        let labels = &WorkerLabels::parse(labels).unwrap().with_backends(&[Backend::Flex]);
        let worker = NewWorker {
            id: WorkerId::new_v7(),
            host: "host",
            pid: 1,
            version: "0",
            slots: 1,
            kinds: &[RunKind::Linear, RunKind::Evaluate, RunKind::Sweep],
            backend: "flex",
            cpu_kernel: "avx2",
            memory_bytes: None,
            labels,
        };
        register_worker(&mut *self.conn().await, &worker).await.unwrap();
        // it sends no heartbeats, and must not count as late however long a test takes
        self.execute(&format!("UPDATE workers SET heartbeat_at = clock_timestamp() + interval '1 hour' WHERE id = '{}'", worker.id))
            .await
            .unwrap();
        worker.id
    }

    /// Creates a run of model `contracts` with a modified spec.
    pub(crate) async fn create_run_with(&self, change: impl FnOnce(&mut RunSpec)) -> RunId {
        let mut spec = spec("contracts");
        change(&mut spec);
        create_run(&mut *self.conn().await, request(spec)).await.unwrap().run.id
    }

    /// Creates a queued run.
    pub(crate) async fn create_run(&self) -> RunId {
        self.create_run_with(|_| {}).await
    }

    /// Claims a run for a new worker.
    pub(crate) async fn claim(&self) -> Option<Claim> {
        let worker = self.worker().await;
        claim_next(&mut *self.conn().await, worker, &[RunKind::Linear, RunKind::Evaluate, RunKind::Sweep], LEASE).await.unwrap()
    }

    /// Claims a run for this worker.
    pub(crate) async fn claim_for(&self, worker: WorkerId) -> Option<RunId> {
        claim_next(&mut *self.conn().await, worker, &[RunKind::Linear], LEASE).await.unwrap().map(|claim| claim.run.id)
    }

    /// Creates a run and claims it.
    pub(crate) async fn running(&self) -> AttemptId {
        let id = self.create_run().await;
        self.claim_run(id).await
    }

    /// Claims a run, which must be this one.
    pub(crate) async fn claim_run(&self, id: RunId) -> AttemptId {
        let attempt = self.claim().await.expect("the run can be claimed").attempt;
        assert_eq!(attempt.run_id, id);
        attempt
    }

    /// Expires the lease of an attempt.
    pub(crate) async fn expire(&self, attempt: AttemptId) {
        let sql = "UPDATE attempts SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE run_id = $1 AND number = $2";
        let changed = sqlx::query(sql).bind(attempt.run_id).bind(attempt.number).execute(&self.pool).await.unwrap();
        assert_eq!(changed.rows_affected(), 1);
    }

    /// Makes a retrying run due.
    pub(crate) async fn make_due(&self, id: RunId) {
        let sql = "UPDATE training_runs SET run_after = clock_timestamp() WHERE id = $1 AND status = 'retrying'";
        assert_eq!(sqlx::query(sql).bind(id).execute(&self.pool).await.unwrap().rows_affected(), 1);
        self.execute(&format!("UPDATE outbox SET due_at = clock_timestamp() WHERE run_id = '{id}'")).await.unwrap();
    }

    pub(crate) async fn run(&self, id: RunId) -> TrainingRun {
        get_run(&mut *self.conn().await, id).await.unwrap()
    }

    /// The status of each attempt of a run, oldest first.
    pub(crate) async fn attempts(&self, id: RunId) -> Vec<AttemptStatus> {
        list_attempts(&mut *self.conn().await, id).await.unwrap().into_iter().map(|attempt| attempt.status).collect()
    }

    /// All events of a run.
    pub(crate) async fn events(&self, id: RunId) -> Vec<RunEvent> {
        events_after(&mut *self.conn().await, id, 0, 10_000).await.unwrap()
    }

    /// Number of outbox entries of a run.
    pub(crate) async fn outbox_entries(&self, id: RunId) -> i64 {
        self.number(&format!("SELECT count(*) FROM outbox WHERE run_id = '{id}'")).await
    }

    /// Empties the outbox, as the relay would.
    pub(crate) async fn relay(&self) {
        self.execute("DELETE FROM outbox").await.unwrap();
    }

    /// Records a dataset snapshot without examples.
    pub(crate) async fn dataset(&self) -> DatasetId {
        let id = DatasetId::new_v7();
        sqlx::query(
            "INSERT INTO datasets (id, key, selection, builder_version, position, canonical_hash, examples, counts, object_prefix, files)
             VALUES ($1, encode(sha256($1::text::bytea), 'hex'), '{}', 1, 0, $2, 0, '{}', 'datasets/x', '[]')",
        )
        .bind(id)
        .bind(SHA256)
        .execute(&self.pool)
        .await
        .unwrap();
        id
    }

    /// Prepares a model version: declares its objects and writes all but those named in `unwritten`.
    pub(crate) async fn trained(&self, attempt: AttemptId, unwritten: &[&str]) -> Trained {
        let prefix = format!("models/contracts/run-{}/attempt-{}", attempt.run_id, attempt.number);
        let object_keys: Vec<String> = ["heads.safetensors", "manifest.json"].iter().map(|name| format!("{prefix}/{name}")).collect();
        let mut tx = self.pool.begin().await.unwrap();
        lock_attempt(&mut tx, attempt).await.unwrap();
        declare_objects(&mut tx, attempt, &object_keys).await.unwrap();
        for object_key in object_keys.iter().filter(|object_key| !unwritten.iter().any(|name| object_key.ends_with(name))) {
            confirm_object(&mut tx, object_key, SHA256, 7).await.unwrap();
        }
        tx.commit().await.unwrap();
        Trained { dataset: self.dataset().await, prefix, object_keys, files: json!([]), card: json!({ "kind": "linear" }) }
    }

    /// Trains and publishes a version of model `contracts`. Returns its number.
    pub(crate) async fn publish(&self, attempt: AttemptId) -> i32 {
        let trained = self.trained(attempt, &[]).await;
        publish(&mut *self.conn().await, attempt, Some(&trained.version()), &[]).await.unwrap().expect("a version was published")
    }

    /// Waits until a statement in this database waits for a lock.
    pub(crate) async fn wait_for_blocked_statement(&self) {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        wait_until("a blocked statement", TIMEOUT, async || (self.number(sql).await > 0).then_some(())).await;
    }

    /// Creates a document without text.
    pub(crate) async fn document(&self) -> Uuid {
        let id = Uuid::now_v7();
        sqlx::query("INSERT INTO documents (id, source, project, task_id, checksum) VALUES ($1, 'test', '1', $1::text, $2)")
            .bind(id)
            .bind(SHA256)
            .execute(&self.pool)
            .await
            .unwrap();
        id
    }
}

/// The results of an attempt.
pub(crate) struct Trained {
    dataset: DatasetId,
    prefix: String,
    pub(crate) object_keys: Vec<String>,
    files: Value,
    card: Value,
}

impl Trained {
    pub(crate) fn version(&self) -> NewModelVersion<'_> {
        NewModelVersion {
            model: "contracts",
            dataset: self.dataset,
            object_prefix: &self.prefix,
            manifest_sha256: SHA256,
            files: &self.files,
            card: &self.card,
            object_keys: &self.object_keys,
        }
    }
}
