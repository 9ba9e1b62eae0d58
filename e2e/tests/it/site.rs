//! An installation of one test: its services, `aprendiz serve` on them, and what a test asks of them.

use std::time::Duration;

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use test_support::{Api, Process, Server, TestEnv, wait_until};
use uuid::Uuid;

/// How long anything may take on a busy machine. Only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// For a worker that is to be lost while it hangs: soon over, and still longer than a busy machine keeps a worker from renewing it.
pub(crate) const SHORT_LEASE: (&str, &str) = ("APRENDIZ_LEASE_SECONDS", "6");

/// For a worker that must keep its run although nobody can renew its lease for a while.
pub(crate) const LONG_LEASE: (&str, &str) = ("APRENDIZ_LEASE_SECONDS", "600");

/// Declare workers after it, so that they end before what they use.
pub(crate) struct Site {
    // first, so that it ends before the services
    pub(crate) server: Server,
    pub(crate) env: TestEnv,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::on(TestEnv::start().await).await
    }

    pub(crate) async fn on(env: TestEnv) -> Self {
        Self { server: env.serve(&[]).await, env }
    }

    /// With documents to learn from.
    pub(crate) async fn with(export: Vec<u8>) -> Self {
        let site = Self::start().await;
        site.import(export).await;
        site
    }

    pub(crate) fn api(&self) -> Api {
        self.server.api()
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.env.pool()
    }

    /// A count, by the statement that gives it.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(self.pool()).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The command line with `-o json`; it must succeed.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Value {
        let output = self.env.cli(&self.server, &[arguments, &["-o", "json"]].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "aprendiz {arguments:?}: {}: {errors}", output.status);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("aprendiz {arguments:?}: {error}: {errors}"))
    }

    /// Imports an export; it must go in without a quarantined task.
    pub(crate) async fn import(&self, export: Vec<u8>) -> Value {
        let report = answered(self.api().post("/v1/imports").body(export), 201).await;
        assert_eq!(report["quarantined"], 0, "{report}");
        report
    }

    /// Creates a run and gives its id.
    pub(crate) async fn create_run(&self, spec: &Value) -> Uuid {
        id_of(&answered(self.api().post("/v1/training-runs").json(spec), 202).await)
    }

    pub(crate) async fn run(&self, id: Uuid) -> Value {
        self.api().json(&format!("/v1/training-runs/{id}")).await
    }

    /// The run, if the server can tell just now.
    pub(crate) async fn try_run(&self, id: Uuid) -> Option<Value> {
        let answer = self.api().get(&format!("/v1/training-runs/{id}")).send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// Waits until the server is ready again after something was away.
    pub(crate) async fn wait_for_server(&self) {
        wait_until("a ready server", PATIENCE, async || {
            let answer = self.api().get("/readyz").send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Waits for the end of a run, whatever it is.
    pub(crate) async fn ended(&self, id: Uuid) -> Value {
        wait_until(&format!("the end of run {id}"), PATIENCE, async || self.try_run(id).await.filter(|run| run["finished_at"].is_string()))
            .await
    }

    /// Waits for the end of a run that must succeed.
    pub(crate) async fn succeeded(&self, id: Uuid) -> Value {
        let run = self.ended(id).await;
        assert_eq!(run["status"], "succeeded", "{run}");
        run
    }

    /// Waits for the end of a run that must fail.
    pub(crate) async fn failed(&self, id: Uuid) -> (String, String) {
        let run = self.ended(id).await;
        assert_eq!(run["status"], "failed", "{run}");
        (text(&run["error_code"]), text(&run["error_text"]))
    }

    /// Makes the lease of a running attempt expire, as if its worker had been silent for long enough. Only for workers that cannot
    /// renew it: dead ones, or stopped ones.
    pub(crate) async fn expire_lease(&self, id: Uuid) {
        let sql = "UPDATE attempts SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE run_id = $1 AND status = 'running'";
        let expired = sqlx::query(sql).bind(id).execute(self.pool()).await.expect("the attempt can be changed").rows_affected();
        assert_eq!(expired, 1, "one attempt is running");
    }

    /// Waits until the run waits for its next attempt.
    pub(crate) async fn retrying(&self, id: Uuid) -> Value {
        wait_until("the retry", PATIENCE, async || {
            let run = self.try_run(id).await?;
            assert!(run["finished_at"].is_null(), "the run ended instead of waiting for another attempt: {run}");
            Some(run).filter(|run| run["status"] == "retrying")
        })
        .await
    }

    /// Lets waiting retries come at once, as if their delay were over.
    pub(crate) async fn end_retry_delays(&self) {
        let sql = "UPDATE training_runs SET run_after = clock_timestamp() WHERE status = 'retrying';
            UPDATE outbox SET due_at = clock_timestamp()";
        sqlx::raw_sql(sql).execute(self.pool()).await.expect("the delays can be ended");
    }

    /// Waits until the log of a process contains the words.
    pub(crate) async fn logged(&self, process: &Process, words: &str) {
        wait_until(&format!("`{words}` in a log"), PATIENCE, async || process.log().contains(words).then_some(())).await;
    }

    /// Outcomes of the attempts, oldest first.
    pub(crate) async fn attempts(&self, id: Uuid) -> Vec<String> {
        let attempts = self.api().json(&format!("/v1/training-runs/{id}/attempts")).await;
        attempts["items"].as_array().expect("a list").iter().map(|attempt| text(&attempt["status"])).collect()
    }

    /// Everything of runs that a worker may write, in one text a table.
    pub(crate) async fn state(&self) -> Vec<String> {
        let mut state = Vec::new();
        for table in
            ["training_runs", "attempts", "run_events", "metrics", "model_versions", "datasets", "checkpoints", "objects", "outbox"]
        {
            let sql = format!("SELECT coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '') FROM {table} t");
            state.push(
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(self.pool()).await.unwrap_or_else(|error| panic!("{table}: {error}")),
            );
        }
        state
    }

    /// Ends the test: every run must have ended.
    pub(crate) async fn finish(self) {
        drop(self.server);
        self.env.finish().await;
    }
}

/// The JSON body of an answer that must have the status.
pub(crate) async fn answered(request: reqwest::RequestBuilder, status: u16) -> Value {
    let answer = request.send().await.expect("the API answers");
    let found = answer.status().as_u16();
    let body = answer.text().await.expect("the answer has a body");
    assert_eq!(found, status, "{body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

/// The bytes of a GET that must succeed.
pub(crate) async fn bytes(api: &Api, path: &str) -> Vec<u8> {
    let answer = api.get(path).send().await.expect("the API answers");
    assert!(answer.status().is_success(), "GET {path}: {}", answer.status());
    answer.bytes().await.expect("the body arrives whole").to_vec()
}

/// A body in JSON lines.
pub(crate) fn lines(body: &[u8]) -> Vec<Value> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("every line is JSON")).collect()
}

pub(crate) fn id_of(value: &Value) -> Uuid {
    value["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no id: {value}"))
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
