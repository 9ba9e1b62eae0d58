//! Databases whose sessions are not what a fresh PostgreSQL gives: other isolation levels, and a pooler in transaction mode.
//!
//! Each test is a whole installation: imports, runs, reviews, exports, event streams and cancellations.

use std::process::Output;

use aprendiz_test_support::{PoolMode, TestEnv, TestPooler, wait_until};
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::check_published_once;
use crate::fixture::exports::{DOCUMENTS, contracts, gzip, unreviewed};
use crate::fixture::{
    HeldTraining, LONG_LEASE, TIMEOUT, TestApp, evaluation_spec, expect_json, get_bytes, parse_exported_rows, parse_id, training_spec,
};

/// Fewer than the connections of one process, so that clients get each other's sessions all the time.
const SESSIONS: u32 = 4;
/// The load that a transaction at another isolation level does not survive without repetitions.
const RUNS: u64 = 100;
const WORKERS: usize = 6;
const REVIEWS: u64 = 240;
const REVIEWERS: u64 = 6;
const IMPORTS: usize = 12;

/// An installation whose database begins every transaction at this level, unless the client says otherwise.
async fn start_with_isolation(level: &str) -> TestApp {
    let env = TestEnv::start().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(env.pool()).await.unwrap();
    let alter = format!("ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{level}'");
    sqlx::raw_sql(AssertSqlSafe(alter)).execute(env.pool()).await.unwrap();
    TestApp::start_on(env).await
}

/// An installation behind a pooler in transaction mode, or `None` if PgBouncer is not installed.
async fn start_behind_pooler() -> Option<TestApp> {
    Some(TestApp::start_on(TestEnv::with_pooler(SESSIONS).await?).await)
}

#[tokio::test]
async fn everything_works_where_transactions_are_serializable_by_default() {
    use_everything(start_with_isolation("serializable").await).await;
}

#[tokio::test]
async fn everything_works_where_transactions_are_repeatable_read_by_default() {
    use_everything(start_with_isolation("repeatable read").await).await;
}

#[tokio::test]
async fn everything_works_behind_a_pooler_in_transaction_mode() {
    let Some(app) = start_behind_pooler().await else { return };
    use_everything(app).await;
}

#[tokio::test]
#[ignore = "minutes: ./dev faults"]
async fn no_transaction_fails_under_load_where_transactions_are_serializable_by_default() {
    load(start_with_isolation("serializable").await).await;
}

#[tokio::test]
#[ignore = "minutes: ./dev faults"]
async fn no_transaction_fails_under_load_behind_a_pooler_in_transaction_mode() {
    let Some(app) = start_behind_pooler().await else { return };
    load(app).await;
}

/// Imports, trains, downloads, predicts, reviews, exports, erases, follows a run and cancels one.
pub(super) async fn use_everything(app: TestApp) {
    app.import(contracts()).await;
    app.import(unreviewed(1)).await;
    let background = app.api().post("/v1/imports?background=true&project=9").body(gzip(&contracts())).send().await.unwrap();
    assert_eq!(background.status(), StatusCode::ACCEPTED);
    let import = parse_id(&background.json().await.unwrap());
    wait_until("the background import", TIMEOUT, async || {
        let state = app.api().json(&format!("/v1/imports/{import}")).await;
        assert_ne!(state["status"], "failed", "{state}");
        (state["status"] == "succeeded").then_some(())
    })
    .await;

    // a run is followed, and then cancelled in the middle of its training
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[LONG_LEASE]).await;
    let mut stream = app.api().get(&format!("/v1/training-runs/{id}/events")).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let cancelling = expect_json(app.api().post(&format!("/v1/training-runs/{id}/cancel")), 200).await;
    assert_eq!(cancelling["status"], "cancelling");
    let mut events = String::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        events += &String::from_utf8_lossy(&chunk);
    }
    assert!(events.contains("event: phase") && events.contains("event: end"), "{events}");
    assert_eq!(app.wait_for_end(id).await["status"], "cancelled");
    drop(hold);

    let trained = app.create_run(&training_spec()).await;
    app.wait_for_success(trained).await;
    check_published_once(&app, trained).await;
    app.cli(&["dataset", "verify", &trained.to_string(), "--files"]);
    app.cli(&["run", "explain", &trained.to_string()]);
    let folder = |name: &str| app.env.folder().join(name).to_str().expect("a plain path").to_owned();
    let downloaded = app.cli(&["dataset", "download", &trained.to_string(), "--dir", &folder("dataset")]);
    assert!(!downloaded["files"].as_array().expect("a list").is_empty(), "{downloaded}");
    assert_eq!(app.cli(&["model", "download", "contracts", "--dir", &folder("model")])["number"], 1);
    let predicted = app.api().post("/v1/models/contracts/predict").json(&json!({ "texts": ["a lease of a warehouse"] }));
    assert!(!expect_json(predicted, 200).await["predictions"][0]["fields"].as_array().expect("a list").is_empty());
    app.cli(&["queue", "stats"]);
    app.cli(&["document", "index"]);
    app.cli(&["doctor"]);

    let documents: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM documents ORDER BY id").fetch_all(app.pool()).await.unwrap();
    for document in &documents[..5] {
        let reviewed = review(&app, *document, "reviewer").await;
        assert_eq!(reviewed, StatusCode::OK);
    }
    let exported = parse_exported_rows(&get_bytes(&app.api(), "/v1/annotations/export").await);
    assert_eq!(i64::try_from(exported.len()).unwrap(), app.count("SELECT count(*) FROM annotations").await);
    let erased = app.api().post(&format!("/v1/documents/{}/erase", documents[0])).json(&json!({ "reason": "requested" }));
    expect_json(erased, 200).await;
    expect_json(app.api().get(&format!("/v1/documents/{}", documents[0])), 410).await;
    drop(worker);
    check_no_conflict_was_seen(&app);
    app.finish().await;
}

/// Creates runs, reviews and imports at the same time. Every request succeeds, and every attempt.
async fn load(app: TestApp) {
    app.import(contracts()).await;
    let workers: Vec<_> =
        (0..WORKERS).map(|number| app.env.worker(&format!("worker-{number}"), &[("APRENDIZ_THREADS", "1"), LONG_LEASE])).collect();
    let documents: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM documents ORDER BY id").fetch_all(app.pool()).await.unwrap();
    assert_eq!(documents.len() as u64, DOCUMENTS);
    let runs = async {
        let mut ids = Vec::new();
        for number in 0..RUNS {
            // most runs are over at once, so that claims, attempts and publications collide
            let spec = if number % 10 == 0 { json!({ "model": "contracts", "seed": number }) } else { evaluation_spec() };
            ids.push(app.create_run(&spec).await);
        }
        ids
    };
    let reviewing = futures::future::join_all((0..REVIEWERS).map(|reviewer| {
        let (app, documents) = (&app, &documents);
        async move {
            let mut written = 0;
            for number in 0..REVIEWS / REVIEWERS {
                // each document is reviewed by two clients, which meet in some of them
                let document = documents[((reviewer / 2 * 31 + number) % DOCUMENTS) as usize];
                match review(app, document, &format!("reviewer-{reviewer}")).await {
                    StatusCode::OK => written += 1,
                    StatusCode::PRECONDITION_FAILED => {}
                    status => panic!("a review: {status}"),
                }
            }
            written
        }
    }));
    let importing = async {
        for _ in 0..IMPORTS {
            app.import(contracts()).await;
        }
    };
    let (ids, written, ()) = tokio::join!(runs, reviewing, importing);
    for id in &ids {
        app.wait_for_success(*id).await;
    }
    let written: i64 = written.iter().sum();
    assert!(written > 0);
    assert_eq!(app.count("SELECT count(*) FROM annotation_events WHERE source = 'api'").await, written);
    let other = "SELECT count(*) FROM attempts WHERE status NOT IN ('succeeded', 'released')";
    assert_eq!(app.count(other).await, 0, "an attempt failed");
    let once = "SELECT count(*) FROM (SELECT run_id FROM attempts WHERE status = 'succeeded' GROUP BY run_id HAVING count(*) = 1) t";
    assert_eq!(app.count(once).await, RUNS as i64);
    // runs of one snapshot and one seed have one result
    let different = "SELECT count(DISTINCT m.value) FROM metrics m JOIN training_runs r ON r.id = m.run_id
        WHERE r.kind = 'evaluate' AND m.name = 'examples' AND m.field IS NULL GROUP BY r.position HAVING count(DISTINCT m.value) > 1";
    let different: Vec<i64> = sqlx::query_scalar(different).fetch_all(app.pool()).await.unwrap();
    assert!(different.is_empty(), "{different:?}");
    drop(workers);
    check_no_conflict_was_seen(&app);
    app.finish().await;
}

/// Reviews one field of a document as a client does that has just read it.
async fn review(app: &TestApp, document: Uuid, reviewer: &str) -> StatusCode {
    let path = format!("/v1/documents/{document}/annotations/contract_type");
    let shown = app.api().get(&path).send().await.unwrap();
    assert_eq!(shown.status(), StatusCode::OK);
    let version = shown.headers()[header::ETAG].clone();
    let body = json!({ "value": ["License Agreement"], "reviewer": reviewer });
    app.api().request(Method::PUT, &path).header(header::IF_MATCH, version).json(&body).send().await.unwrap().status()
}

/// The server logged no conflict: its transactions run at the level for which they are written.
fn check_no_conflict_was_seen(app: &TestApp) {
    let log = app.server.process.log();
    for sign in ["could not serialize", "deadlock detected", "prepared statement", "unexpected message"] {
        assert!(!log.contains(sign), "{sign}: {log}");
    }
}

#[tokio::test]
async fn a_conflict_costs_no_attempt_and_is_answered_with_503() {
    let app = TestApp::with_import(contracts()).await;
    // a sequence is not rolled back, so that a repeated transaction gets further
    app.execute(
        "CREATE SEQUENCE conflicts;
         CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('conflicts') % 7 = 1 THEN
                 RAISE EXCEPTION 'could not serialize access' USING ERRCODE = 'serialization_failure';
             END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER conflict BEFORE INSERT ON run_events FOR EACH ROW EXECUTE FUNCTION conflict()",
    )
    .await;
    let refused = app.api().post("/v1/training-runs").json(&training_spec()).send().await.unwrap();
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json::<serde_json::Value>().await.unwrap()["code"], "database_conflict");
    let id = app.create_run(&training_spec()).await;
    let worker = app.env.worker("worker-1", &[LONG_LEASE]);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    assert!(app.count("SELECT last_value FROM conflicts").await > 7, "the worker met a conflict");
    check_published_once(&app, id).await;
    drop(worker);
    app.finish().await;
}

/// Runs a command that must fail, and returns what it says.
fn refusal(env: &TestEnv, binary: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = env.command(binary);
    let command = command.args(arguments).env("APRENDIZ_LISTEN", "127.0.0.1:0").envs(variables.iter().copied());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let output_text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(!status.success(), "{binary} {arguments:?}: {output_text}");
    output_text
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_refused_where_sessions_are_needed() {
    let env = TestEnv::start().await;
    let direct = env.database.url().to_owned();
    let Some(pooler) = TestPooler::start(&direct, PoolMode::Transaction, SESSIONS).await else { return };
    let other = TestEnv::start().await;
    let through = [("DATABASE_URL", pooler.url())];
    for (binary, arguments) in
        [("aprendiz", &["serve"][..]), ("aprendiz", &["migrate"]), ("aprendiz", &["doctor"]), ("aprendiz-worker", &[])]
    {
        let output_text = refusal(&env, binary, arguments, &through);
        assert!(
            output_text.contains("pooler in transaction mode") && output_text.contains("APRENDIZ_DATABASE_DIRECT_URL"),
            "{output_text}"
        );
        let both = [("DATABASE_URL", pooler.url()), ("APRENDIZ_DATABASE_DIRECT_URL", pooler.url())];
        let output_text = refusal(&env, binary, arguments, &both);
        assert!(output_text.contains("APRENDIZ_DATABASE_DIRECT_URL leads to a pooler in transaction mode"), "{output_text}");
        let elsewhere = [("DATABASE_URL", pooler.url()), ("APRENDIZ_DATABASE_DIRECT_URL", other.database.url())];
        let output_text = refusal(&env, binary, arguments, &elsewhere);
        assert!(output_text.contains("different databases"), "{output_text}");
    }
    // a pooler in session mode is as good as a direct connection
    let session = TestPooler::start(&direct, PoolMode::Session, 30).await.expect("it is installed");
    drop(env.serve_with(&[], &[("DATABASE_URL", session.url())]).await);
}

#[tokio::test]
async fn a_read_only_database_is_refused_at_the_start() {
    let env = TestEnv::start().await;
    let read_only = format!("{}?options=-c%20default_transaction_read_only%3Don", env.database.url().split('?').next().unwrap());
    for (binary, arguments) in [("aprendiz", &["serve"][..]), ("aprendiz", &["migrate"]), ("aprendiz-worker", &[])] {
        let output_text = refusal(&env, binary, arguments, &[("DATABASE_URL", &read_only)]);
        assert!(output_text.contains("is read-only") && output_text.contains("default_transaction_read_only"), "{output_text}");
    }
}
