//! A server that dies while it stores the file of a background import: the sweeper removes what is left.

use aprendiz_test_support::{FaultProxy, ObjectServer, wait_until};
use aws_sdk_s3::Client;
use uuid::Uuid;

use crate::fixture::{Gate, HeldStatement, TIMEOUT, TestApp};

/// More than one part of a multipart upload.
const LARGE: usize = 20 * 1024 * 1024;
const NO_SWEEP: &[&str] = &["--no-reaper"];
/// Sweeps every second, regardless of age.
const SWEEP_ALL: [(&str, &str); 2] = [("APRENDIZ_SWEEP_EVERY_SECONDS", "1"), ("APRENDIZ_SWEEP_AFTER_SECONDS", "0")];

/// Ids of the incomplete uploads below a prefix.
async fn uploads(client: &Client, prefix: &str) -> Vec<String> {
    let listed = client.list_multipart_uploads().bucket(ObjectServer::BUCKET).prefix(prefix).send().await.unwrap();
    listed.uploads().iter().filter_map(|upload| upload.upload_id().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_killed_upload_is_aborted_recorded_or_not() {
    let app = TestApp::start_with(NO_SWEEP, &[]).await;
    let store = ObjectServer::start(&[]).await;
    let client = Client::from_conf(app.env.bucket.client().config().to_builder().endpoint_url(store.endpoint()).build());
    let proxy = FaultProxy::start(store.address());
    let endpoint = format!("http://{}", proxy.address());
    let settings = [("AWS_ENDPOINT_URL_S3", endpoint.as_str()), ("APRENDIZ_BUCKET", ObjectServer::BUCKET)];
    let mut uploading = app.env.serve_with(NO_SWEEP, &settings).await;
    let mut gate = Gate::close(&app, HeldStatement::ImportUpload).await;
    // the client of the import waits for the server, so it runs beside the test
    let pending = tokio::spawn(uploading.api().post("/v1/imports?background=true").body(vec![b' '; LARGE]).send());
    gate.wait_until_reached().await;
    proxy.stall();
    gate.open().await;
    let recorded = "SELECT count(*) FROM objects WHERE key LIKE 'imports/%' AND upload_id IS NOT NULL";
    wait_until("a recorded upload", TIMEOUT, async || (app.count(recorded).await == 1).then_some(())).await;
    uploading.process.kill();
    uploading.process.wait(TIMEOUT).await;
    assert!(pending.await.unwrap().is_err());
    assert_eq!(uploads(&client, "imports/").await.len(), 1);

    // one whose id was never recorded, and one of another installation
    let unrecorded = format!("imports/{}", Uuid::now_v7());
    let foreign = format!("imports/{}", Uuid::now_v7());
    for key in [&unrecorded, &foreign] {
        client.create_multipart_upload().bucket(ObjectServer::BUCKET).key(key).send().await.unwrap();
    }
    client.put_object().bucket(ObjectServer::BUCKET).key(&foreign).body(b"bytes".to_vec().into()).send().await.unwrap();
    app.execute(&format!("INSERT INTO objects (key) VALUES ('{unrecorded}')")).await;

    let settings = [("AWS_ENDPOINT_URL_S3", store.endpoint()), ("APRENDIZ_BUCKET", ObjectServer::BUCKET.to_owned())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).chain(SWEEP_ALL).collect();
    let sweeping = app.env.serve_with(&[], &settings).await;
    wait_until("no rows", TIMEOUT, async || (app.count("SELECT count(*) FROM objects").await == 0).then_some(())).await;
    wait_until("a warning about unknown keys", TIMEOUT, async || {
        sweeping.process.log().contains("bucket contains objects of unknown runs or imports").then_some(())
    })
    .await;
    let left = uploads(&client, "imports/").await;
    assert_eq!(left, uploads(&client, &foreign).await, "those of another installation stay");
    assert_eq!(left.len(), 1);
    drop(sweeping);
    app.finish().await;
}

#[tokio::test]
async fn files_without_a_row_are_deleted_only_if_their_import_has_ended() {
    let app = TestApp::start_with(NO_SWEEP, &[]).await;
    let ids: Vec<Uuid> = (0..3).map(|_| Uuid::now_v7()).collect();
    let key = |id: &Uuid| format!("imports/{id}");
    for id in &ids {
        app.put_object(&key(id), b"bytes").await;
    }
    // the first has ended, the second waits for an import worker that does not exist, the third is unknown
    for (id, status, ended) in [(ids[0], "succeeded", "clock_timestamp()"), (ids[1], "queued", "NULL")] {
        app.execute(&format!(
            "INSERT INTO import_requests (id, actor, options, object_key, bytes, status, finished_at, created_at)
             VALUES ('{id}', 'tester', '{{}}', '{}', 5, '{status}', {ended}, clock_timestamp())",
            key(&id)
        ))
        .await;
    }
    // no import worker may take the second one meanwhile
    app.execute(
        "UPDATE import_requests SET status = 'running', lease_expires_at = clock_timestamp() + interval '1 day' WHERE status = 'queued'",
    )
    .await;
    let sweeping = app.env.serve_with(&[], &SWEEP_ALL).await;
    wait_until("a warning about unknown keys", TIMEOUT, async || {
        sweeping.process.log().contains("bucket contains objects of unknown runs or imports").then_some(())
    })
    .await;
    let mut kept = vec![key(&ids[1]), key(&ids[2])];
    kept.sort();
    assert_eq!(app.env.bucket.keys().await, kept);
    drop(sweeping);
    app.finish().await;
}
