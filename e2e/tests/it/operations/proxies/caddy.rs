//! Aprendiz behind Caddy, with the configuration of the project.

use std::path::Path;

use aprendiz_test_support::{FaultProxy, TestCaddy};
use reqwest::{Method, RequestBuilder};

use super::{address, check, cli_at, failure};
use crate::fixture::exports::{contracts, many_contracts, reviewed};
use crate::fixture::{HeldTraining, TIMEOUT, TestApp, get_bytes, text};

/// Caddy in front of this address, or `None` if it is not installed.
async fn start(upstream: &str) -> Option<TestCaddy> {
    TestCaddy::start(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/proxy/Caddyfile"), upstream).await
}

fn request(app: &TestApp, caddy: &TestCaddy, method: Method, path: &str) -> RequestBuilder {
    reqwest::Client::new().request(method, format!("{}{path}", caddy.url())).bearer_auth(app.server.admin_key())
}

#[tokio::test]
async fn imports_exports_events_and_downloads_pass_through_caddy() {
    let app = TestApp::start().await;
    let Some(caddy) = start(address(app.server.url())).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let cli = |arguments: &[&str]| check(&cli_at(&app, &caddy.url(), arguments));
    std::fs::write(path("export.json"), many_contracts(700)).unwrap();
    cli(&["import", &path("export.json")]);
    cli(&["import", &path("export.json"), "--background"]);
    assert_eq!(app.count("SELECT count(*) FROM documents").await, 700);
    for (format, name) in [("jsonl", "a.jsonl"), ("parquet", "a.parquet"), ("label-studio", "a.json")] {
        cli(&["annotations", "export", "--format", format, "--to", &path(name)]);
    }
    let direct = get_bytes(&app.api(), "/v1/annotations/export?format=label-studio").await;
    assert!(std::fs::read(path("a.json")).unwrap() == direct);
    assert_eq!(request(&app, &caddy, Method::GET, "/metrics").send().await.unwrap().status(), 404);

    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&app, &[]).await;
    let mut stream = request(&app, &caddy, Method::GET, &format!("/v1/training-runs/{id}/events")).send().await.unwrap();
    let mut events = Vec::new();
    // the run is held: nothing more is written, so a buffer would keep the events for ever
    while !String::from_utf8_lossy(&events).contains("\"train\"") {
        events.extend(
            tokio::time::timeout(TIMEOUT, stream.chunk()).await.expect("events are not buffered").unwrap().expect("the run has not ended"),
        );
    }
    drop(hold);
    while let Some(chunk) = stream.chunk().await.unwrap() {
        events.extend(chunk);
    }
    assert!(String::from_utf8_lossy(&events).contains("event: end"));
    app.wait_for_success(id).await;
    cli(&["dataset", "download", &id.to_string(), "--dir", &path("dataset")]);

    // a range of a file continues it
    let dataset = text(&app.run(id).await["dataset_id"]);
    let files = app.api().json(&format!("/v1/datasets/{dataset}")).await;
    let file = format!("/v1/datasets/{dataset}/files/{}", text(&files["files"][0]["path"]));
    let whole = get_bytes(&app.api(), &file).await;
    let rest = request(&app, &caddy, Method::GET, &file).header("range", "bytes=10-").send().await.unwrap();
    assert_eq!(rest.status(), 206);
    assert!(rest.bytes().await.unwrap() == whole[10..]);
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn an_export_that_broke_off_behind_caddy_is_never_taken_for_a_complete_one() {
    let app = TestApp::with_import(reviewed(300, |_| "red")).await;
    let cutter = FaultProxy::start(address(app.server.url()));
    let Some(caddy) = start(&cutter.address()).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export").to_str().unwrap().to_owned();
    let export = |format: &str| cli_at(&app, &caddy.url(), &["annotations", "export", "--format", format, "--to", &file]);
    cutter.truncate();
    for format in ["label-studio", "parquet", "jsonl"] {
        let (code, error) = failure(&export(format));
        assert_eq!(code, Some(5), "{format}: {error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{format}: no file is left");
    }
    cutter.pass();
    check(&export("jsonl"));
    app.finish().await;
}

#[tokio::test]
async fn the_absence_of_the_server_is_explained_behind_caddy() {
    let app = TestApp::with_import(contracts()).await;
    let Some(caddy) = start(address(app.server.url())).await else { return };
    check(&cli_at(&app, &caddy.url(), &["model", "list"]));
    app.server.process.kill();
    let (code, error) = failure(&cli_at(&app, &caddy.url(), &["model", "list"]));
    assert!(code == Some(5) && error.contains("does not reach Aprendiz (502)"), "{code:?}: {error}");
}
