//! Addresses that try keys.

use aprendiz_test_support::Api;
use reqwest::Response;

use crate::fixture::TestApp;

const LIMIT: &str = "5";

async fn list_models(api: &Api, address: &str) -> Response {
    api.get("/v1/models").header("x-forwarded-for", address).send().await.expect("the API answers")
}

#[tokio::test]
async fn an_address_with_many_unknown_keys_is_refused_but_not_its_valid_keys() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE", LIMIT)]).await;
    app.api().json("/v1/models").await;
    let attacker = app.server.api_as("apz_guess");
    let mut statuses = Vec::new();
    for _ in 0..20 {
        // without a trusted proxy the header is ignored
        statuses.push(list_models(&attacker, "198.51.100.1").await.status().as_u16());
    }
    assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
    let refused = list_models(&attacker, "198.51.100.2").await;
    assert_eq!(refused.status(), 429);
    let delay: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&delay), "{delay}");
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "too_many_auth_failures");
    app.api().json("/v1/models").await;
    app.finish().await;
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_distinguished() {
    let variables = [("APRENDIZ_MAX_AUTH_FAILURES_PER_MINUTE", LIMIT), ("APRENDIZ_TRUSTED_PROXIES", "127.0.0.0/8, ::1")];
    let app = TestApp::start_with(&[], &variables).await;
    let attacker = app.server.api_as("apz_guess");
    let mut status = 401;
    for _ in 0..20 {
        status = list_models(&attacker, "198.51.100.1").await.status().as_u16();
    }
    assert_eq!(status, 429);
    assert_eq!(list_models(&attacker, "198.51.100.1, 198.51.100.2").await.status(), 401);
    app.finish().await;
}

#[tokio::test]
async fn a_key_that_sends_too_many_requests_is_refused_until_later() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_MAX_REQUESTS_PER_MINUTE", "1"), ("APRENDIZ_REQUEST_BURST", "10")]).await;
    let mut refused = None;
    for _ in 0..20 {
        let response = list_models(&app.api(), "198.51.100.1").await;
        if response.status() == 429 {
            refused = Some(response);
            break;
        }
        assert_eq!(response.status(), 200);
    }
    let refused = refused.expect("the allowance is used up");
    let delay: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&delay), "{delay}");
    let problem: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "rate_limited");
    app.finish().await;
}
