//! Conventions of the command line: parts of IDs, formats, IDs on standard output, errors as JSON, request IDs.

use std::process::Output;

use aprendiz_test_support::Process;
use rustix::process::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::unreviewed;
use crate::fixture::{TIMEOUT, TestApp, expect_json, text};

fn run(app: &TestApp, arguments: &[&str]) -> Output {
    app.env.cli(&app.server, arguments)
}

/// Standard output of a command that must succeed.
fn stdout(app: &TestApp, arguments: &[&str]) -> String {
    let output = run(app, arguments);
    assert!(output.status.success(), "aprendiz {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn runs_are_found_by_parts_of_their_id_and_as_the_newest() {
    let app = TestApp::start().await;
    let first = app.create_run(&json!({ "model": "a" })).await;
    let second = app.create_run(&json!({ "model": "b" })).await;
    let get = |id: &str| text(&app.cli(&["run", "get", id])["id"]);
    let group = second.to_string().rsplit('-').next().unwrap().to_owned();
    for part in [second.to_string(), second.to_string().to_uppercase(), group.to_uppercase(), group[4..].to_owned(), "@latest".to_owned()] {
        assert_eq!(get(&part), second.to_string(), "{part}");
    }
    assert_eq!(get("@latest:a"), first.to_string());
    // both were made within weeks of each other, so their first digits are equal
    let ambiguous = run(&app, &["run", "get", &first.to_string()[..4]]);
    let error = stderr(&ambiguous);
    assert_eq!(ambiguous.status.code(), Some(2), "{error}");
    assert!(error.contains("ambiguous") && error.contains(&first.to_string()) && error.contains(&second.to_string()), "{error}");
    let unknown = run(&app, &["run", "get", "@latest:other"]);
    assert!(unknown.status.code() == Some(3) && stderr(&unknown).contains("no run of model other"), "{unknown:?}");
    let none = run(&app, &["dataset", "report", "@latest"]);
    assert!(none.status.code() == Some(3) && stderr(&none).contains("there is no dataset yet"), "{none:?}");

    let import = app.import(unreviewed(2)).await;
    assert_eq!(app.cli(&["imports", "show", "@latest"])["id"], import["import_id"]);
    let part = text(&import["import_id"])[24..].to_owned();
    assert_eq!(app.cli(&["imports", "show", &part])["id"], import["import_id"]);
    let keys = app.cli(&["api-key", "list"]);
    let key = text(&keys[0]["id"]);
    assert_eq!(app.cli(&["api-key", "revoke", &key[24..]])["id"], json!(key));

    let viewer = app.env.create_key("viewer");
    for (path, status) in [("run?part=01", 422), ("run?part=zzzz", 422), ("worker?model=a", 422), ("model", 400)] {
        let found = app.server.api_as(&viewer).get(&format!("/v1/ids/{path}")).send().await.unwrap();
        assert!(found.status().is_client_error(), "{path}: {} instead of about {status}", found.status());
    }
    app.execute("UPDATE training_runs SET status = 'cancelled', cancel_requested_at = now(), finished_at = now()").await;
    app.finish().await;
}

#[tokio::test]
async fn formats_are_for_people_and_for_programs() {
    let app = TestApp::start().await;
    // standard output of a command that creates something is its ID
    let created = run(&app, &["run", "create", "--model", "a"]);
    let id = String::from_utf8(created.stdout.clone()).unwrap();
    assert!(id.trim().parse::<Uuid>().is_ok() && stderr(&created).contains("aprendiz run watch"), "{created:?}");
    let id = id.trim();
    let other = stdout(&app, &["run", "create", "--model", "b", "-q"]);
    assert_eq!(stdout(&app, &["run", "list", "-q"]), format!("{other}{id}\n"));
    assert_eq!(stdout(&app, &["run", "list", "-o", "name", "--model", "a"]), format!("{id}\n"));
    let lines = stdout(&app, &["run", "list", "-o", "jsonl"]);
    assert!(lines.lines().count() == 2 && lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");
    let yaml = stdout(&app, &["run", "get", id, "-o", "yaml"]);
    assert!(yaml.lines().any(|line| line.starts_with("id: ") && line.contains(id)), "{yaml}");
    let table = stdout(&app, &["run", "list", "--columns", "status,run"]);
    assert!(table.starts_with("status  run\nqueued  "), "{table}");
    assert!(!table.contains('\u{1b}'), "no colours in a pipe: {table}");
    let colored = stdout(&app, &["run", "list", "--color", "always"]);
    assert!(colored.contains("\u{1b}[33mqueued\u{1b}[0m"), "{colored:?}");
    let unknown = run(&app, &["run", "list", "--columns", "nothing"]);
    assert!(unknown.status.code() == Some(2) && stderr(&unknown).contains("no column `nothing`: available: created"), "{unknown:?}");

    // several statuses, a limit with a hint, a time
    assert_eq!(app.cli(&["run", "cancel", id, "--wait"])["status"], "cancelled");
    let both = app.cli(&["run", "list", "--status", "queued,cancelled", "--since", "1h"]);
    assert_eq!(both.as_array().unwrap().len(), 2, "{both}");
    let limited = run(&app, &["run", "ls", "-n", "1"]);
    assert!(stderr(&limited).contains("1 shown, there are more: --limit 0 shows all"), "{limited:?}");
    assert!(!stderr(&run(&app, &["run", "ls", "-n", "2"])).contains("more"));
    assert_eq!(app.cli(&["run", "list", "--since", "2099-01-01"]), json!([]));

    let logs = stdout(&app, &["run", "logs", id, "-f"]);
    assert!(logs.lines().last().unwrap().contains("cancelled"), "{logs}");
    app.execute("UPDATE training_runs SET status = 'cancelled', cancel_requested_at = now(), finished_at = now() WHERE status = 'queued'")
        .await;
    app.finish().await;
}

#[tokio::test]
async fn ctrl_c_ends_the_wait_and_not_the_run() {
    let app = TestApp::start().await;
    let mut command = app.env.command("aprendiz");
    command.args(["run", "create", "--model", "a", "-w"]);
    command.env("APRENDIZ_URL", app.server.url()).env("APRENDIZ_API_KEY", app.server.admin_key());
    let mut waiting = Process::start("waiting", &mut command, app.env.folder());
    // the ID comes first, before any progress
    app.wait_for_log(&waiting, "queued").await;
    let id: Uuid = sqlx::query_scalar("SELECT id FROM training_runs").fetch_one(app.pool()).await.unwrap();
    assert!(waiting.log().lines().next().unwrap().contains(&id.to_string()), "{}", waiting.log());
    app.wait_for_log(&waiting, "state").await;
    waiting.signal(Signal::INT);
    assert_eq!(waiting.wait(TIMEOUT).await.code(), Some(130), "{}", waiting.log());
    assert!(waiting.log().contains(&format!("run {id} continues; watch it with `aprendiz run watch {id}`")), "{}", waiting.log());
    assert_eq!(app.run(id).await["status"], "queued");
    assert_eq!(app.cli(&["run", "cancel", "@latest"])["status"], "cancelled");
    app.finish().await;
}

#[tokio::test]
async fn errors_are_json_on_request_and_name_the_request() {
    let app = TestApp::start().await;
    let missing = run(&app, &["run", "get", &Uuid::nil().to_string(), "-o", "json"]);
    assert!(missing.status.code() == Some(3) && missing.stdout.is_empty(), "{missing:?}");
    let error: Value = serde_json::from_slice(&missing.stderr).unwrap_or_else(|error| panic!("{error}: {missing:?}"));
    assert_eq!((&error["error"]["code"], &error["error"]["exit_code"]), (&json!("unknown_run"), &json!(3)), "{error}");
    assert!(error["error"]["request_id"].is_string(), "{error}");
    let usage = run(&app, &["run", "create", "-o", "json"]);
    let error: Value = serde_json::from_slice(&usage.stderr).unwrap_or_else(|error| panic!("{error}: {usage:?}"));
    assert_eq!((&error["error"]["code"], usage.status.code()), (&json!("usage"), Some(2)), "{error}");

    let traced = run(&app, &["model", "list", "-v"]);
    let trace = stderr(&traced);
    assert!(trace.contains("> GET ") && trace.contains("< 200 OK after ") && trace.contains(", request "), "{trace}");
    assert!(trace.contains("authorization: (secret)") && !trace.contains(app.server.admin_key()), "{trace}");

    // the ID of a proxy is kept, an unusable one is replaced
    for (sent, kept) in [("proxy-1", true), ("a b", false)] {
        let response = app.api().get("/v1/models").header("x-request-id", sent).send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"] == sent, kept, "{sent}");
    }
    let version = app.cli(&["version"]);
    assert!(version["client"] == version["server"] && text(&version["remark"]).contains("same version"), "{version}");
    let kinds = expect_json(app.api().get("/v1/run-kinds"), 200).await;
    assert_eq!(kinds["items"], app.cli(&["run", "kinds"]));
    app.finish().await;
}
