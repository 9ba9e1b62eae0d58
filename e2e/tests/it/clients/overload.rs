//! Requests that wait, and what the probes say meanwhile.

use aprendiz_test_support::wait_until;
use sqlx::Connection as _;
use uuid::Uuid;

use super::{check_others_are_served, statuses};
use crate::fixture::{TIMEOUT, TestApp, expect_json};

#[tokio::test]
async fn verifications_wait_for_a_limited_time_and_hold_no_slots_of_others() {
    let limits = [("APRENDIZ_MAX_REQUESTS", "4"), ("APRENDIZ_MAX_LONG_READS", "20"), ("APRENDIZ_ADMISSION_WAIT_SECONDS", "2")];
    let app = TestApp::start_with(&[], &limits).await;
    let path = format!("/v1/datasets/{}/verify?files=true", Uuid::nil());
    let viewer = app.server.api_as(&app.env.create_key("viewer"));
    // holds the first verification
    let mut conn = sqlx::PgConnection::connect(app.env.database.url()).await.unwrap();
    let mut lock = conn.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE datasets").execute(&mut *lock).await.unwrap();
    let first = tokio::spawn(viewer.post(&path).send());
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
        AND application_name = 'aprendiz inspect'";
    wait_until("the first verification", TIMEOUT, async || (app.count(waiting).await == 1).then_some(())).await;
    let found = statuses(&viewer, 40, |api| api.post(&path)).await;
    // one key has one verification
    assert!(found.iter().all(|status| *status == 429), "{found:?}");
    // of two verifications, the second one is for another key
    let second = tokio::spawn(app.api().post(&path).send());
    wait_until("the second verification", TIMEOUT, async || (app.count(waiting).await == 2).then_some(())).await;
    let third = app.server.api_as(&app.env.create_key("reviewer"));
    assert_eq!(expect_json(third.post(&path), 503).await["code"], "overloaded");
    check_others_are_served(&app).await;
    lock.rollback().await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().status(), 404);
    assert_eq!(second.await.unwrap().unwrap().status(), 404);
    assert_eq!(expect_json(viewer.post(&path), 404).await["code"], "not_found");
    app.finish().await;
}

#[tokio::test]
async fn a_server_without_free_slots_is_not_ready() {
    let app = TestApp::start_with(&[], &[("APRENDIZ_MAX_REQUESTS", "1")]).await;
    let mut conn = sqlx::PgConnection::connect(app.env.database.url()).await.unwrap();
    let mut lock = conn.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE fields").execute(&mut *lock).await.unwrap();
    let held = tokio::spawn(app.api().get("/v1/fields").send());
    let probe = app.server.api_as("");
    let health = wait_until("an overloaded server", TIMEOUT, async || {
        let response = probe.get("/readyz").send().await.ok()?;
        if response.status() == 503 { response.json::<serde_json::Value>().await.ok() } else { None }
    })
    .await;
    let checks = health["checks"].as_array().expect("a list");
    let requests = checks.iter().find(|check| check["name"] == "requests").expect("the check exists");
    assert_eq!(requests["state"], "failed", "{health}");
    assert_eq!(expect_json(app.api().get("/v1/models"), 503).await["code"], "overloaded");
    lock.rollback().await.unwrap();
    assert_eq!(held.await.unwrap().unwrap().status(), 200);
    app.wait_for_server().await;
    app.finish().await;
}
