//! Background tasks of the servers: every server knows when each last succeeded, and readiness says so.

use aprendiz_test_support::{Api, wait_until};
use serde_json::Value;

use crate::fixture::{TIMEOUT, TestApp};

/// The check of a task at `/readyz`.
async fn check(api: &Api, task: &str) -> Option<Value> {
    let health: Value = api.get("/readyz").send().await.ok()?.json().await.ok()?;
    health["checks"].as_array()?.iter().find(|check| check["name"] == task).cloned()
}

async fn wait_for_state(api: &Api, task: &str, state: &str) -> Value {
    wait_until(&format!("{task} {state}"), TIMEOUT, async || check(api, task).await.filter(|check| check["state"] == state)).await
}

/// The row of a task whose last success was an hour ago, and which is overdue after a second.
async fn let_expire(app: &TestApp, task: &str) {
    let sql = format!(
        "INSERT INTO background_tasks (name, overdue_after_seconds, succeeded_at)
        VALUES ('{task}', 1, clock_timestamp() - interval '1 hour')
        ON CONFLICT (name) DO UPDATE SET overdue_after_seconds = 1, succeeded_at = excluded.succeeded_at"
    );
    app.execute(&sql).await;
}

#[tokio::test]
async fn every_server_sees_whether_any_server_reaps() {
    let app = TestApp::start_with(&["--no-reaper"], &[]).await;
    for task in ["reaper", "sweeper"] {
        let_expire(&app, task).await;
        let check = wait_for_state(&app.api(), task, "degraded").await;
        let detail = check["detail"].as_str().expect("a text");
        assert!(detail.contains("no successful round on any server for 36") && detail.contains("does not run the task"), "{detail}");
    }
    assert_eq!(app.api().json("/readyz").await["status"], "degraded");
    let queue = app.api().json("/v1/queue").await;
    let reaper = queue["background_tasks"].as_array().expect("a list").iter().find(|task| task["name"] == "reaper").expect("the reaper");
    assert!(reaper["success_age_seconds"].as_f64().is_some_and(|age| age >= 3600.0), "{queue}");
    wait_for_metric(&app.api(), "aprendiz_background_task_overdue{task=\"reaper\"} 1").await;
    let doctor = app.env.cli(&app.server, &["doctor"]);
    let report = String::from_utf8_lossy(&doctor.stdout);
    assert!(!doctor.status.success() && report.contains("reaper: no successful round for"), "{report}");

    // another server leads: the first one only stands by, and is fine
    let leader = app.env.serve(&[]).await;
    for api in [app.api(), leader.api()] {
        wait_for_state(&api, "reaper", "ok").await;
        wait_for_state(&api, "sweeper", "ok").await;
    }
    let standby = app.env.serve(&[]).await;
    wait_for_state(&standby.api(), "reaper", "ok").await;
    wait_for_metric(&app.api(), "aprendiz_background_task_overdue{task=\"reaper\"} 0").await;

    // without a leader, all servers see it
    drop((leader, standby));
    let_expire(&app, "reaper").await;
    wait_for_state(&app.api(), "reaper", "degraded").await;
    app.finish().await;
}

async fn wait_for_metric(api: &Api, line: &str) {
    wait_until(line, TIMEOUT, async || {
        let page = api.get("/metrics").send().await.ok()?.text().await.ok()?;
        page.lines().any(|found| found == line).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_task_that_cannot_work_is_named_with_its_error() {
    let app = TestApp::start().await;
    wait_for_state(&app.api(), "relay", "ok").await;
    // the relay connects anew, and its first attempt fails
    app.env.redis.lock_out().await;
    let error = wait_until("the error of the relay", TIMEOUT, async || {
        let queue = app.api().json("/v1/queue").await;
        let relay = queue["background_tasks"].as_array()?.iter().find(|task| task["name"] == "relay")?.clone();
        relay["error"].as_str().filter(|error| error.contains("authentication failed")).map(str::to_owned)
    })
    .await;
    let_expire(&app, "relay").await;
    let check = wait_for_state(&app.api(), "relay", "degraded").await;
    assert!(check["detail"].as_str().expect("a text").contains(&error), "{check}");
    app.env.redis.let_in().await;
    wait_for_state(&app.api(), "relay", "ok").await;
    app.finish().await;
}
