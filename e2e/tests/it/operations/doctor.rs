//! `aprendiz doctor`, and what it says about Redis and the background tasks.

use std::process::Command;

use aprendiz_test_support::{TestEnv, TestRedis};
use serde_json::Value;

use crate::fixture::TestApp;

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
