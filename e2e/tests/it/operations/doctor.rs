//! `aprendiz doctor`, and what it says about Redis and the background tasks.

use std::process::Command;

use aprendiz_test_support::{TestEnv, TestRedis, wait_until};
use serde_json::Value;

use crate::fixture::{TIMEOUT, TestApp};

/// Runs `aprendiz doctor` with additional environment variables; returns its checks by name.
fn doctor(env: &TestEnv, url: &str, key: &str, variables: &[(&str, &str)]) -> Value {
    let mut command: Command = env.command("aprendiz");
    command.args(["doctor", "-o", "json"]).env("APRENDIZ_URL", url).env("APRENDIZ_API_KEY", key).envs(variables.iter().copied());
    let output = command.output().expect("aprendiz can be started");
    let checks: Vec<Value> = serde_json::from_slice(&output.stdout).expect("doctor prints JSON");
    let is_healthy = checks.iter().all(|check| check["ok"] == true);
    assert_eq!(output.status.success(), is_healthy, "{checks:?}");
    checks.into_iter().map(|check| (check["name"].as_str().expect("a name").to_owned(), check)).collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn a_healthy_installation_passes_every_check() {
    let app = TestApp::start().await;
    let checks = doctor(&app.env, app.server.url(), app.server.admin_key(), &[]);
    for name in ["database", "sessions", "redis", "bucket", "api", "tasks"] {
        assert_eq!(checks[name]["ok"], true, "{checks}");
    }
    app.finish().await;
}

#[tokio::test]
async fn a_redis_that_demands_a_client_certificate_accepts_the_configured_one() {
    let app = TestApp::start().await;
    let redis = TestRedis::start_with_tls().await;
    let (url, ca) = (redis.url(), redis.tls_file("ca.crt"));
    let (certificate, key) = (redis.tls_file("client.crt"), redis.tls_file("client.key"));
    let mut variables = vec![("REDIS_URL", url.as_str()), ("SSL_CERT_FILE", ca.as_str())];
    let check = |variables: &[(&str, &str)]| doctor(&app.env, app.server.url(), app.server.admin_key(), variables)["redis"].clone();
    let without = check(&variables);
    assert_eq!(without["ok"], false, "{without}");
    assert!(without["detail"].as_str().expect("a text").contains("REDIS_CLIENT_CERT"), "{without}");

    variables.extend([("REDIS_CLIENT_CERT_FILE", certificate.as_str()), ("REDIS_CLIENT_KEY_FILE", key.as_str())]);
    let with = check(&variables);
    assert_eq!(with["ok"], true, "{with}");
    app.finish().await;
}

#[tokio::test]
async fn with_a_url_and_a_key_only_the_api_is_asked() {
    let app = TestApp::start().await;
    let doctor = |key: &str| {
        let mut command = app.env.command("aprendiz");
        command.args(["doctor", "-o", "json"]).env("APRENDIZ_URL", app.server.url()).env("APRENDIZ_API_KEY", key);
        for variable in ["DATABASE_URL", "REDIS_URL", "APRENDIZ_BUCKET", "PGHOST", "PGDATABASE"] {
            command.env_remove(variable);
        }
        let output = command.output().expect("aprendiz can be started");
        let checks: Vec<Value> = serde_json::from_slice(&output.stdout).expect("doctor prints JSON");
        (output.status.success(), checks)
    };
    let (healthy, checks) = doctor(&app.env.create_key("viewer"));
    let states: Vec<(&str, &str)> =
        checks.iter().map(|check| (check["name"].as_str().expect("a name"), check["state"].as_str().expect("a state"))).collect();
    assert_eq!(states, [("api", "ok"), ("clock", "ok"), ("workers", "warning")], "{checks:?}");
    assert!(healthy && checks[2]["detail"].as_str().expect("a text").contains("no worker is alive"), "{checks:?}");
    let (healthy, checks) = doctor("apz_wrong");
    assert!(!healthy && checks[0]["state"] == "failed", "{checks:?}");
    app.finish().await;
}

#[tokio::test]
async fn workers_report_their_disk_and_base_models() {
    let app = TestApp::start().await;
    let worker = app.env.worker("worker", &[]);
    let workers = wait_until("the first report of the worker", TIMEOUT, async || {
        let checks = doctor(&app.env, app.server.url(), app.server.admin_key(), &[]);
        checks["scratch"].is_object().then_some(checks)
    })
    .await;
    assert_eq!(workers["workers"]["state"], "ok", "{workers}");
    assert!(workers["base models"].is_object() && workers["disk"].is_object(), "{workers}");
    drop(worker);
    app.finish().await;
}
