//! `aprendiz doctor` finds what is wrong with the object store before a run does.

use std::process::Output;

use aprendiz_test_support::ObjectServer;
use serde_json::{Value, json};

use crate::fixture::TestApp;

/// Runs `aprendiz doctor` with another object store. Returns its output and the check of the bucket.
fn doctor(app: &TestApp, server: &ObjectServer, variables: &[(&str, &str)]) -> (Output, Value) {
    let mut command = app.env.command("aprendiz");
    command.args(["doctor", "-o", "json"]).env("APRENDIZ_URL", app.server.url()).env("APRENDIZ_API_KEY", app.server.admin_key());
    command.env("AWS_ENDPOINT_URL_S3", server.endpoint()).env("APRENDIZ_BUCKET", ObjectServer::BUCKET).envs(variables.iter().copied());
    let output = command.output().expect("aprendiz is built");
    let checks: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let bucket = checks.as_array().unwrap().iter().find(|check| check["name"] == "bucket").cloned().expect("a check of the bucket");
    (output, bucket)
}

#[tokio::test]
async fn a_missing_permission_and_unknown_checksums_are_named() {
    let app = TestApp::start().await;
    let usable = ObjectServer::start(&[]).await;
    let (output, bucket) = doctor(&app, &usable, &[]);
    assert!(output.status.success() && bucket["ok"] == json!(true), "{bucket}");

    let narrow = ObjectServer::start(&["--deny", "DeleteObject", "--deny", "AbortMultipartUpload"]).await;
    let (output, bucket) = doctor(&app, &narrow, &[]);
    assert_eq!((output.status.code(), &bucket["ok"]), (Some(1), &json!(false)));
    let detail = bucket["detail"].as_str().unwrap();
    assert!(detail.contains("s3:DeleteObject on `models/*`") && detail.contains("s3:AbortMultipartUpload"), "{detail}");

    let old = ObjectServer::start(&["--reject-checksums"]).await;
    let (_, bucket) = doctor(&app, &old, &[]);
    let detail = bucket["detail"].as_str().unwrap();
    assert!(bucket["ok"] == json!(false) && detail.contains("AWS_REQUEST_CHECKSUM_CALCULATION=when_required"), "{detail}");
    let variables = [("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required"), ("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")];
    let (output, bucket) = doctor(&app, &old, &variables);
    assert!(output.status.success() && bucket["ok"] == json!(true), "{bucket}");
    app.finish().await;
}
