//! Clients that send the body of a request slowly, or too much of it.

use aprendiz_test_support::{TestEnv, wait_until};

use super::{check_others_are_served, count_connections};
use crate::fixture::exports::contracts;
use crate::fixture::raw_client::{RawClient, take_answered};
use crate::fixture::{TIMEOUT, TestApp, expect_json};

const UPLOADS: usize = 30;

#[tokio::test]
async fn slow_imports_use_no_database_connection_and_leave_no_file() {
    let env = TestEnv::start().await;
    let folder = env.folder().join("spool");
    std::fs::create_dir(&folder).unwrap();
    let limits = [
        ("TMPDIR", folder.to_str().unwrap()),
        ("APRENDIZ_MAX_REQUESTS", "4"),
        ("APRENDIZ_MAX_UPLOADS", "16"),
        ("APRENDIZ_DATABASE_CONNECTIONS", "4"),
        ("APRENDIZ_KEY_SHARE", "0.25"),
        ("APRENDIZ_CLIENT_IDLE_SECONDS", "600"),
    ];
    let app = TestApp { server: env.serve_with(&[], &limits).await, env };
    let (viewer, reviewer) = (app.env.create_key("viewer"), app.env.create_key("reviewer"));
    let mut slow = Vec::new();
    for (key, routes) in [(viewer, &["/v1/imports/legacy-csv/score"][..]), (reviewer, &["/v1/imports", "/v1/imports?background=true"])] {
        let mut clients = Vec::new();
        for number in 0..UPLOADS {
            let head = format!("POST {}", routes[number % routes.len()]);
            clients.push(RawClient::upload(&app, &head, &key, 1_000_000, b"[").await);
        }
        // a key may have a quarter of the uploads; before their key is known, all of them may be taken
        let statuses = take_answered(&mut clients, UPLOADS - 4).await;
        assert!(statuses.iter().all(|status| [429, 503].contains(status)), "{statuses:?}");
        assert_eq!(clients.len(), 4);
        slow.append(&mut clients);
    }
    wait_until("no open transaction", TIMEOUT, async || {
        (count_connections(&app, "application_name = 'aprendiz' AND xact_start IS NOT NULL").await == 0).then_some(())
    })
    .await;
    check_others_are_served(&app).await;
    app.import(contracts()).await;
    // files are deleted when they are created, so none is left when the server is killed
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    drop(slow);
    app.finish().await;
}

#[tokio::test]
async fn slow_json_bodies_hold_no_slots_of_others() {
    let limits = [("APRENDIZ_MAX_REQUESTS", "8"), ("APRENDIZ_REQUEST_TIMEOUT_SECONDS", "200"), ("APRENDIZ_CLIENT_IDLE_SECONDS", "600")];
    let app = TestApp::start_with(&[], &limits).await;
    let key = app.env.create_key("reviewer");
    let mut clients = Vec::new();
    for number in 0..UPLOADS {
        clients.push(RawClient::upload(&app, &format!("PUT /v1/fields/f{number}"), &key, 1000, b"{").await);
    }
    let statuses = take_answered(&mut clients, UPLOADS - 4).await;
    assert!(statuses.iter().all(|status| [429, 503].contains(status)), "{statuses:?}");
    assert_eq!(clients.len(), 4);
    check_others_are_served(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_refused() {
    let cases = [
        ("APRENDIZ_REQUEST_TIMEOUT_SECONDS", "PUT /v1/fields/f"),
        ("APRENDIZ_CLIENT_IDLE_SECONDS", "PUT /v1/fields/f"),
        ("APRENDIZ_CLIENT_IDLE_SECONDS", "POST /v1/imports"),
        ("APRENDIZ_UPLOAD_TIMEOUT_SECONDS", "POST /v1/imports/legacy-csv"),
    ];
    let env = TestEnv::start().await;
    for (variable, head) in cases {
        let server = env.serve_with(&[], &[(variable, "3")]).await;
        let key = server.admin_key().to_owned();
        let mut client = RawClient::upload_to(&server, head, &key, 1000, b"{").await;
        let (status, response) = client.status().await;
        assert_eq!(status, 408, "{variable}: {response}");
    }
    env.finish().await;
}

#[tokio::test]
async fn bodies_in_memory_are_bounded() {
    let limits = [("APRENDIZ_MAX_BODY_MEMORY_BYTES", "67108864")];
    let app = TestApp::start_with(&[], &limits).await;
    let key = app.env.create_key("viewer");
    let first = vec![b' '; 20 << 20];
    // of 64 MiB, the first body takes 40: as received and as parsed
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(RawClient::upload(&app, "POST /v1/models/m/predict", &key, 30 << 20, &first).await);
    }
    let statuses = take_answered(&mut clients, 1).await;
    assert!(statuses.iter().all(|status| [429, 503].contains(status)), "{statuses:?}");
    check_others_are_served(&app).await;
    app.finish().await;
}

#[tokio::test]
async fn the_spool_is_bounded() {
    let limits = [("APRENDIZ_MAX_IMPORT_BYTES", "1000000"), ("APRENDIZ_MAX_SPOOL_BYTES", "1500000")];
    let app = TestApp::start_with(&[], &limits).await;
    let key = app.env.create_key("reviewer");
    let mut clients = Vec::new();
    for _ in 0..2 {
        clients.push(RawClient::upload(&app, "POST /v1/imports", &key, 999_999, &vec![b' '; 900_000]).await);
    }
    let statuses = take_answered(&mut clients, 1).await;
    assert!(statuses.iter().all(|status| [429, 503].contains(status)), "{statuses:?}");
    drop(clients);
    let too_large = expect_json(app.api().post("/v1/imports").body(vec![b' '; 1_000_001]), 413).await;
    assert_eq!(too_large["code"], "too_large");
    app.finish().await;
}
