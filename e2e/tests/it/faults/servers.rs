//! Servers that are killed between two writes, and rolling restarts under load.

use aprendiz_test_support::{Process, Server, wait_until};
use rustix::process::Signal;
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{Gate, HeldStatement, HeldTraining, TIMEOUT, TestApp, evaluation_spec, expect_json, parse_id};

#[tokio::test]
async fn the_wake_up_of_a_killed_server_is_published_by_the_next_one() {
    let mut app = TestApp::with_import(contracts()).await;
    // without relay, like a server that is killed right after the commit
    app.server = app.env.serve(&["--no-relay", "--no-reaper"]).await;
    let id = app.create_run(&evaluation_spec()).await;
    app.server.process.kill();
    assert_eq!(app.count("SELECT count(*) FROM outbox").await, 1);
    app.server = app.env.serve(&[]).await;
    wait_until("the wake-up", TIMEOUT, async || (app.count("SELECT count(*) FROM outbox").await == 0).then_some(())).await;
    let worker = app.env.worker("worker-1", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    app.wait_for_success(id).await;
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_wake_up_published_twice_by_a_killed_server_executes_its_run_once() {
    let mut app = TestApp::with_import(contracts()).await;
    let mut gate = Gate::close(&app, HeldStatement::WakeUpPublished).await;
    let id = app.create_run(&evaluation_spec()).await;
    gate.wait_until_reached().await;
    assert_eq!(app.env.redis.command("HLEN aprendiz:runs:data").await.as_deref(), Some(":1\r\n"));
    app.server.process.kill();
    gate.open().await;
    wait_until("the row after the rollback", TIMEOUT, async || (app.count("SELECT count(*) FROM outbox").await == 1).then_some(())).await;
    app.server = app.env.serve(&[]).await;
    wait_until("the second wake-up", TIMEOUT, async || (app.env.redis.command("HLEN aprendiz:runs:data").await? == ":2\r\n").then_some(()))
        .await;
    let worker = app.env.worker("worker-1", &[]);
    app.wait_for_success(id).await;
    wait_until("an empty queue", TIMEOUT, async || (app.env.redis.command("LLEN aprendiz:runs:active").await? == ":0\r\n").then_some(()))
        .await;
    assert_eq!(app.attempt_statuses(id).await, ["succeeded"]);
    drop(worker);
    app.finish().await;
}

#[tokio::test]
async fn a_hanging_server_does_not_keep_another_one_from_recovering_runs() {
    let mut app = TestApp::with_import(contracts()).await;
    // the first server runs reaper and sweeper; the second one waits for their locks
    let next = app.env.serve(&[]).await;
    let hung = std::mem::replace(&mut app.server, next);
    hung.process.signal(Signal::STOP);
    let HeldTraining { id, mut worker, child, hold } = HeldTraining::start(&app, &[]).await;
    worker.kill();
    worker.wait(TIMEOUT).await;
    child.wait_for_exit().await;
    drop(hold);
    app.expire_lease(id).await;
    let second = app.env.worker("worker-2", &[]);
    app.wait_for_success(id).await;
    assert_eq!(app.attempt_statuses(id).await, ["lost", "succeeded"]);
    hung.process.signal(Signal::CONT);
    drop((worker, second, hung));
    app.finish().await;
}

/// Replaces a server before it terminates, as a load balancer does.
async fn restart_server(app: &TestApp, server: &mut Server) {
    let next = app.env.serve(&[]).await;
    let mut old = std::mem::replace(server, next);
    old.process.terminate();
    assert!(old.process.wait(TIMEOUT).await.success());
}

async fn restart_worker(app: &TestApp, worker: &mut Process, name: &str) {
    worker.terminate();
    assert!(worker.wait(TIMEOUT).await.success());
    *worker = app.env.worker(name, &[("APRENDIZ_GRACE_SECONDS", "5")]);
}

#[tokio::test]
async fn a_rolling_restart_under_load_fails_no_run_and_no_request() {
    const ROUNDS: usize = 6;
    let app = TestApp::with_import(contracts()).await;
    let mut servers = [app.env.serve(&[]).await, app.env.serve(&[]).await];
    let names = ["worker-1", "worker-2", "worker-3"];
    let mut workers = names.map(|name| app.env.worker(name, &[("APRENDIZ_GRACE_SECONDS", "5")]));
    let mut ids: Vec<Uuid> = Vec::new();
    for round in 0..ROUNDS {
        for number in 0..6 {
            let spec = if number == 0 { serde_json::json!({ "model": "contracts", "seed": round }) } else { evaluation_spec() };
            // the server that is not restarted in this round
            let api = servers[(round + 1) % 2].api();
            ids.push(parse_id(&expect_json(api.post("/v1/training-runs").json(&spec), 202).await));
        }
        restart_server(&app, &mut servers[round % 2]).await;
        restart_worker(&app, &mut workers[round % 3], names[round % 3]).await;
    }
    for id in &ids {
        app.wait_for_success(*id).await;
    }
    // terminated workers release their runs: no attempt was lost or failed
    assert_eq!(app.count("SELECT count(*) FROM attempts WHERE status NOT IN ('succeeded', 'released')").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM training_runs WHERE attempts_used <> 1").await, 0);
    drop((workers, servers));
    app.finish().await;
}
