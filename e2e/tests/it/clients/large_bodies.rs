//! Bodies that are refused before they are sent: the client reads why.

use aprendiz_test_support::wait_until;
use reqwest::Body;

use crate::fixture::raw_client::RawClient;
use crate::fixture::{TIMEOUT, TestApp};

/// More than the buffers of a connection hold.
const FILE_BYTES: usize = 64 << 20;

#[tokio::test]
async fn an_announced_body_over_the_limit_is_refused_at_once() {
    // a client that sends nothing would otherwise be refused after this time, with 408
    let app = TestApp::start_with(&[], &[("APRENDIZ_CLIENT_IDLE_SECONDS", "600"), ("APRENDIZ_REQUEST_TIMEOUT_SECONDS", "600")]).await;
    for (route, length) in [("POST /v1/training-runs", 9 << 20), ("POST /v1/documents", 33 << 20), ("POST /v1/models/m/predict", 33 << 20)]
    {
        let mut client = RawClient::upload(&app, route, app.server.admin_key(), length, b"{").await;
        let (status, head) = client.status().await;
        assert_eq!(status, 413, "{route}: {head}");
    }
    let mut client = RawClient::upload(&app, "POST /v1/documents", app.server.admin_key(), 9 << 20, b"{").await;
    assert!(!client.has_response().await, "the limit of this route is larger");
    client.send(b" ").await;
    drop(client);
    app.finish().await;
}

#[tokio::test]
async fn a_refused_upload_is_explained_to_a_client_that_is_still_sending() {
    let app = TestApp::start().await;
    let stranger = app.server.api_as("apz_unknown");
    for path in ["/v1/imports", "/v1/imports?background=true", "/v1/imports/legacy-csv", "/v1/training-runs"] {
        let chunks = (0..FILE_BYTES / (64 << 10)).map(|_| std::io::Result::Ok(vec![b' '; 64 << 10]));
        let body = Body::wrap_stream(futures::stream::iter(chunks));
        let response = stranger.post(path).header("content-type", "application/json").body(body).send().await;
        assert_eq!(response.unwrap_or_else(|error| panic!("{path}: {error:?}")).status(), 401, "{path}");
    }
    // a client that reads the response only after it has sent everything
    let mut client = RawClient::upload(&app, "POST /v1/imports", "apz_unknown", FILE_BYTES, b"[").await;
    client.send(&vec![b' '; FILE_BYTES - 1]).await;
    assert_eq!(client.status().await.0, 401);
    app.finish().await;
}

#[tokio::test]
async fn the_command_line_names_a_wrong_key_of_a_large_import() {
    let app = TestApp::start().await;
    let file = app.env.folder().join("export.json");
    std::fs::write(&file, vec![b' '; FILE_BYTES]).unwrap();
    let output = app.env.cli(&app.server, &["import", file.to_str().unwrap(), "--api-key", "apz_unknown"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("the API key is unknown or revoked"), "{text}");
    app.finish().await;
}

#[tokio::test]
async fn an_import_of_invalid_tasks_only_fails_on_the_command_line() {
    let app = TestApp::start().await;
    let file = app.env.folder().join("export.json");
    std::fs::write(&file, r#"[{"id": 1}, {"id": 2}]"#).unwrap();
    for arguments in [&["import"][..], &["import", "--background", "--wait"]] {
        let output = app.env.cli(&app.server, &[arguments, &[file.to_str().unwrap()]].concat());
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.trim_end().lines().last().unwrap().starts_with("error: nothing was imported: all 2 tasks"), "{text}");
    }
    wait_until("both imports", TIMEOUT, async || (app.count("SELECT count(*) FROM imports").await == 2).then_some(())).await;
    app.finish().await;
}
