//! Aprendiz behind nginx: with the configuration of the project, and with the settings that nginx has by itself.

use std::path::Path;
use std::process::Output;

use aprendiz_test_support::{FaultProxy, Process, TestNginx, wait_until};
use flate2::read::GzDecoder;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::json;

use super::{address, check, cli_at, command_at, failure};
use crate::fixture::exports::{contracts, many_contracts, reviewed};
use crate::fixture::{HeldTraining, TIMEOUT, TestApp, get_bytes, parse_exported_rows, parse_json_lines, text};

/// A server with nginx in front of it.
struct Site {
    app: TestApp,
    nginx: TestNginx,
}

impl Site {
    /// Starts both, with the configuration of the project. `None` if nginx is not installed.
    async fn start() -> Option<Self> {
        let app = TestApp::start().await;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/proxy/nginx.conf");
        let nginx = TestNginx::start(&file, address(app.server.url())).await?;
        Some(Self { app, nginx })
    }

    /// A request through nginx.
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        reqwest::Client::new().request(method, format!("{}{path}", self.nginx.url())).bearer_auth(self.app.server.admin_key())
    }

    /// A request of a browser, which accepts compressed responses.
    fn browser(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("accept-encoding", "gzip")
    }

    fn cli(&self, arguments: &[&str]) -> Output {
        cli_at(&self.app, &self.nginx.url(), arguments)
    }
}

/// The body of a response as a browser reads it.
async fn unzipped(response: Response) -> Vec<u8> {
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let mut body = Vec::new();
    std::io::copy(&mut GzDecoder::new(&*response.bytes().await.unwrap()), &mut body).unwrap();
    body
}

#[tokio::test]
async fn imports_exports_and_reviews_pass_through_nginx() {
    let Some(site) = Site::start().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let export = many_contracts(700);
    assert!(export.len() > 2 << 20, "larger than the default limit of nginx: {}", export.len());
    std::fs::write(path("export.json"), &export).unwrap();
    check(&site.cli(&["import", &path("export.json")]));
    assert_eq!(site.app.count("SELECT count(*) FROM documents").await, 700);
    check(&site.cli(&["import", &path("export.json"), "--background", "--wait"]));

    for (format, name) in [("jsonl", "a.jsonl"), ("parquet", "a.parquet"), ("label-studio", "a.json")] {
        check(&site.cli(&["annotations", "export", "--format", format, "--to", &path(name)]));
    }
    let direct = get_bytes(&site.app.api(), "/v1/annotations/export?format=label-studio").await;
    assert!(std::fs::read(path("a.json")).unwrap() == direct);
    assert!(unzipped(site.browser(Method::GET, "/v1/annotations/export?format=label-studio").send().await.unwrap()).await == direct);
    check(&site.cli(&["import", &path("a.json")]));

    // compression makes the ETag weak, and a browser sends it back as it is
    let document: String =
        sqlx::query_scalar("SELECT document_id::text FROM annotations LIMIT 1").fetch_one(site.app.pool()).await.unwrap();
    let field: String = sqlx::query_scalar("SELECT field FROM annotations WHERE document_id = $1::uuid LIMIT 1")
        .bind(&document)
        .fetch_one(site.app.pool())
        .await
        .unwrap();
    let path = format!("/v1/documents/{document}/annotations/{field}");
    let shown = site.browser(Method::GET, &path).send().await.unwrap();
    let etag = shown.headers()["etag"].clone();
    assert!(etag.as_bytes().starts_with(b"W/"), "{etag:?}");
    let review = |etag| site.browser(Method::PUT, &path).header("if-match", etag).json(&json!({ "value": [] }));
    assert_eq!(review(etag.clone()).send().await.unwrap().status(), 200);
    assert_eq!(review(etag).send().await.unwrap().status(), 412, "the version has changed");
    site.app.finish().await;
}

#[tokio::test]
async fn events_arrive_at_once_and_downloads_resume_through_nginx() {
    let Some(site) = Site::start().await else { return };
    site.app.import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&site.app, &[]).await;
    let mut stream = site.browser(Method::GET, &format!("/v1/training-runs/{id}/events")).send().await.unwrap();
    assert!(stream.headers().get("content-encoding").is_none());
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
    site.app.wait_for_success(id).await;

    let run = site.app.run(id).await;
    let dataset = site.app.api().json(&format!("/v1/datasets/{}", text(&run["dataset_id"]))).await;
    let file = dataset["files"].as_array().unwrap().iter().find(|file| text(&file["path"]).ends_with(".json")).unwrap();
    let path = format!("/v1/datasets/{}/files/{}", text(&run["dataset_id"]), text(&file["path"]));
    let whole = get_bytes(&site.app.api(), &path).await;
    let etag = format!("\"{}\"", text(&file["sha256"]));
    let part = |if_range: String| site.browser(Method::GET, &path).header("range", "bytes=10-").header("if-range", if_range);
    let rest = part(etag.clone()).send().await.unwrap();
    assert_eq!((rest.status().as_u16(), rest.headers()["etag"].to_str().unwrap()), (206, etag.as_str()));
    assert_eq!(rest.bytes().await.unwrap(), whole[10..]);
    // the weak ETag is that of compressed bytes, which this range does not continue
    let again = part(format!("W/{etag}")).send().await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(again.bytes().await.unwrap(), whole);
    let folder = tempfile::tempdir().unwrap();
    check(&site.cli(&["dataset", "download", &id.to_string(), "--dir", folder.path().join("dataset").to_str().unwrap()]));
    assert_eq!(site.request(Method::GET, "/metrics").send().await.unwrap().status(), 404);
    drop(worker);
    site.app.finish().await;
}

#[tokio::test]
async fn watch_survives_a_restart_of_the_server_behind_nginx() {
    let Some(mut site) = Site::start().await else { return };
    site.app.import(contracts()).await;
    let HeldTraining { id, worker, hold, .. } = HeldTraining::start(&site.app, &[]).await;
    let mut command = command_at(&site.app, &site.nginx.url(), &["run", "watch", &id.to_string()]);
    let mut watch = Process::start("watch", &mut command, site.app.env.folder());
    site.app.wait_for_log(&watch, "train").await;
    site.app.server.process.kill();
    wait_until("an answer of nginx for the server", TIMEOUT, async || {
        site.nginx.access_log().lines().any(|line| line.starts_with("502 GET") && line.contains("/events")).then_some(())
    })
    .await;
    site.app.server = site.app.env.serve(&[]).await;
    site.nginx.set_upstream(address(site.app.server.url()));
    drop(hold);
    let status = watch.wait(TIMEOUT).await;
    assert!(status.success(), "{status}: {}", watch.log());
    drop((watch, worker));
    site.app.finish().await;
}

#[tokio::test]
async fn an_export_that_a_proxy_cut_off_is_never_taken_for_a_complete_one() {
    let app = TestApp::with_import(reviewed(300, |number| if number % 2 == 0 { "red" } else { "blue" })).await;
    let cutter = FaultProxy::start(address(app.server.url()));
    // to the server nginx speaks HTTP/1.0, in which the end of the connection is the end of the response
    let Some(nginx) = TestNginx::start_with_defaults(&cutter.address()).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let export = |format: &str, to: &str| cli_at(&app, &nginx.url(), &["annotations", "export", "--format", format, "--to", &path(to)]);
    cutter.truncate();
    let cut = reqwest::Client::new().get(format!("{}/v1/annotations/export", nginx.url())).bearer_auth(app.server.admin_key());
    let cut = cut.send().await.unwrap().bytes().await.expect("the framing of HTTP is correct");
    assert!(!String::from_utf8_lossy(&cut).contains("{\"end\":"));
    for format in ["label-studio", "parquet", "jsonl"] {
        let (code, error) = failure(&export(format, "none"));
        assert!(code == Some(5) && error.contains("cut off"), "{format}: {code:?}: {error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{format}: no file is left");
    }
    let piped = cli_at(&app, &nginx.url(), &["annotations", "export", "--format", "label-studio"]);
    assert_eq!(failure(&piped).0, Some(5));
    cutter.pass();
    check(&export("jsonl", "all.jsonl"));
    let rows = parse_json_lines(&std::fs::read(path("all.jsonl")).unwrap());
    assert_eq!(rows.len(), 300);
    assert!(rows == parse_exported_rows(&get_bytes(&app.api(), "/v1/annotations/export").await));
    app.finish().await;
}

#[tokio::test]
async fn answers_of_a_proxy_are_explained_with_the_setting_to_change() {
    let app = TestApp::start().await;
    let Some(nginx) = TestNginx::start_with_defaults(address(app.server.url())).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.json");
    std::fs::write(&file, many_contracts(700)).unwrap();
    let file = file.to_str().unwrap();
    for arguments in [&["import", file][..], &["import", file, "--background"], &["ingest", "--legacy-csv", file]] {
        let (code, error) = failure(&cli_at(&app, &nginx.url(), arguments));
        assert!(code == Some(3) && error.contains("client_max_body_size"), "{arguments:?}: {code:?}: {error}");
    }
    app.server.process.kill();
    let (code, error) = failure(&cli_at(&app, &nginx.url(), &["model", "list"]));
    assert!(code == Some(5) && error.contains("does not reach Aprendiz (502)"), "{code:?}: {error}");
}
