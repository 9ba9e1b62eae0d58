//! Clients that do not read what they have requested.

use aprendiz_test_support::wait_until;

use super::{check_others_are_served, count_connections, long_documents};
use crate::fixture::raw_client::RawClient;
use crate::fixture::{TIMEOUT, TestApp, get_bytes};

const READERS: usize = 30;
const EXPORT: &str = "/v1/annotations/export?format=label-studio";
const INSPECTING: &str = "application_name = 'aprendiz inspect'";

/// Opens readers that read no more than the head of the response; returns the statuses too.
async fn open_readers(app: &TestApp, path: &str) -> (Vec<RawClient>, Vec<u16>) {
    let key = app.env.create_key("viewer");
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(RawClient::request(app, &format!("GET {path}"), &key).await);
    }
    let mut statuses = Vec::new();
    for reader in &mut readers {
        statuses.push(reader.status().await.0);
    }
    (readers, statuses)
}

async fn wait_for_no_connection(app: &TestApp, condition: &str) {
    wait_until(condition, TIMEOUT, async || (count_connections(app, condition).await == 0).then_some(())).await;
}

#[tokio::test]
async fn slow_exports_take_a_bounded_number_of_connections() {
    let limits = [
        ("APRENDIZ_MAX_REQUESTS", "4"),
        ("APRENDIZ_MAX_LONG_READS", "10"),
        ("APRENDIZ_DEDICATED_CONNECTIONS", "4"),
        ("APRENDIZ_ADMISSION_WAIT_SECONDS", "1"),
        ("APRENDIZ_CLIENT_IDLE_SECONDS", "600"),
    ];
    let app = TestApp::start_with(&[], &limits).await;
    app.import(long_documents(5)).await;
    let (readers, statuses) = open_readers(&app, EXPORT).await;
    // of four connections, one key may have a quarter
    assert!(statuses.contains(&200), "{statuses:?}");
    // before their key is known, all slots may be taken
    assert!(statuses.iter().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
    assert!(count_connections(&app, INSPECTING).await <= 1);
    // while a client makes it wait, an export gives its connection back
    wait_for_no_connection(&app, INSPECTING).await;
    check_others_are_served(&app).await;
    assert!(get_bytes(&app.api(), EXPORT).await.ends_with(b"]\n"));
    drop(readers);
    app.finish().await;
}

#[tokio::test]
async fn an_export_goes_on_with_another_connection_when_its_client_reads_again() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_CLIENT_IDLE_SECONDS", "600")]).await;
    app.import(long_documents(12)).await;
    let expected = get_bytes(&app.api(), EXPORT).await;
    let mut response = app.api().get(EXPORT).send().await.unwrap();
    let mut received = response.chunk().await.unwrap().expect("the export has begun").to_vec();
    wait_for_no_connection(&app, INSPECTING).await;
    while let Some(chunk) = response.chunk().await.unwrap() {
        received.extend_from_slice(&chunk);
    }
    assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
    app.finish().await;
}

#[tokio::test]
async fn an_export_has_a_total_time() {
    let limits = [("APRENDIZ_LONG_READ_TIMEOUT_SECONDS", "3"), ("APRENDIZ_CLIENT_IDLE_SECONDS", "600")];
    let app = TestApp::start_with(&[], &limits).await;
    app.import(long_documents(12)).await;
    let mut response = app.api().get(EXPORT).send().await.unwrap();
    response.chunk().await.unwrap().expect("the export has begun");
    // the client does not read, and does not close the connection either
    app.wait_for_log(&app.server.process, "APRENDIZ_LONG_READ_TIMEOUT_SECONDS: closing its connection").await;
    let ended = async {
        while response.chunk().await?.is_some() {}
        Ok::<_, reqwest::Error>(())
    };
    assert!(ended.await.is_err(), "the export is cut off, so that it cannot be taken for a whole one");
    app.finish().await;
}

#[tokio::test]
async fn a_reader_that_stops_is_cut_off() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_CLIENT_IDLE_SECONDS", "2")]).await;
    app.import(long_documents(5)).await;
    let (readers, statuses) = open_readers(&app, EXPORT).await;
    assert!(statuses.contains(&200), "{statuses:?}");
    wait_for_no_connection(&app, INSPECTING).await;
    drop(readers);
    app.finish().await;
}

#[tokio::test]
async fn slow_readers_of_ordinary_responses_hold_no_slots_of_others() {
    let limits = [("APRENDIZ_MAX_REQUESTS", "4"), ("APRENDIZ_MAX_BODY_MEMORY_BYTES", "134217728"), ("APRENDIZ_CLIENT_IDLE_SECONDS", "600")];
    let app = TestApp::start_with(&[], &limits).await;
    app.import(long_documents(1)).await;
    let documents = app.api().json("/v1/documents").await;
    let path = format!("/v1/documents/{}", documents["items"][0]["id"].as_str().expect("a document"));
    let (readers, statuses) = open_readers(&app, &path).await;
    // half of the memory holds twelve responses of 5 MiB
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..=12).contains(&served), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
    check_others_are_served(&app).await;
    app.api().json(&path).await;
    drop(readers);
    app.finish().await;
}
