//! Servers that die between two writes, and restarts of everything while work goes on.

use rustix::process::Signal;
use test_support::{Process, Server, wait_until};
use uuid::Uuid;

use super::{Training, small, training};
use crate::export::contracts;
use crate::gate::{Gate, Place};
use crate::site::{PATIENCE, Site, answered, id_of};

#[tokio::test]
async fn a_run_whose_server_died_before_the_announcement_is_announced_by_the_next() {
    let mut site = Site::with(contracts()).await;
    // a server that creates runs and announces none: what one is that dies right after the commit
    site.server = site.env.serve(&["--no-relay", "--no-reaper"]).await;
    let id = site.create_run(&small()).await;
    site.server.process.kill();
    assert_eq!(site.count("SELECT count(*) FROM outbox").await, 1);
    site.server = site.env.serve(&[]).await;
    wait_until("the announcement", PATIENCE, async || (site.count("SELECT count(*) FROM outbox").await == 0).then_some(())).await;
    let worker = site.env.worker("worker-1", &[("APRENDIZ_POLL_SECONDS", "3600")]);
    site.succeeded(id).await;
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_run_announced_twice_because_its_server_died_in_between_runs_once() {
    let mut site = Site::with(contracts()).await;
    let mut gate = Gate::close(&site, Place::Announced).await;
    let id = site.create_run(&small()).await;
    gate.reached().await;
    assert_eq!(site.env.redis.command("HLEN aprendiz:runs:data").await.as_deref(), Some(":1\r\n"));
    site.server.process.kill();
    gate.open().await;
    wait_until("the row that is back", PATIENCE, async || (site.count("SELECT count(*) FROM outbox").await == 1).then_some(())).await;
    site.server = site.env.serve(&[]).await;
    wait_until("the second announcement", PATIENCE, async || {
        (site.env.redis.command("HLEN aprendiz:runs:data").await? == ":2\r\n").then_some(())
    })
    .await;
    let worker = site.env.worker("worker-1", &[]);
    site.succeeded(id).await;
    wait_until("an empty queue", PATIENCE, async || (site.env.redis.command("LLEN aprendiz:runs:active").await? == ":0\r\n").then_some(()))
        .await;
    assert_eq!(site.attempts(id).await, ["succeeded"]);
    drop(worker);
    site.finish().await;
}

#[tokio::test]
async fn a_server_that_hangs_keeps_no_other_from_taking_back_what_is_lost() {
    let mut site = Site::with(contracts()).await;
    // the first server reaps and sweeps; the second one waits for its locks
    let next = site.env.serve(&[]).await;
    let hung = std::mem::replace(&mut site.server, next);
    hung.process.signal(Signal::STOP);
    let Training { id, mut worker, child, hold } = training(&site, &[]).await;
    worker.kill();
    worker.wait(PATIENCE).await;
    child.is_gone().await;
    drop(hold);
    site.expire_lease(id).await;
    let second = site.env.worker("worker-2", &[]);
    site.succeeded(id).await;
    assert_eq!(site.attempts(id).await, ["lost", "succeeded"]);
    hung.process.signal(Signal::CONT);
    drop((worker, second, hung));
    site.finish().await;
}

/// As a load balancer would: a server is taken out before it is told to stop.
async fn restart_server(site: &Site, server: &mut Server) {
    let next = site.env.serve(&[]).await;
    let mut old = std::mem::replace(server, next);
    old.process.terminate();
    assert!(old.process.wait(PATIENCE).await.success());
}

async fn restart_worker(site: &Site, worker: &mut Process, name: &str) {
    worker.terminate();
    assert!(worker.wait(PATIENCE).await.success());
    *worker = site.env.worker(name, &[("APRENDIZ_GRACE_SECONDS", "5")]);
}

#[tokio::test]
async fn everything_is_restarted_under_load_and_nobody_notices() {
    const ROUNDS: usize = 6;
    let site = Site::with(contracts()).await;
    let mut servers = [site.env.serve(&[]).await, site.env.serve(&[]).await];
    let names = ["worker-1", "worker-2", "worker-3"];
    let mut workers = names.map(|name| site.env.worker(name, &[("APRENDIZ_GRACE_SECONDS", "5")]));
    let mut ids: Vec<Uuid> = Vec::new();
    for round in 0..ROUNDS {
        for number in 0..6 {
            let spec = if number == 0 { serde_json::json!({ "model": "contracts", "seed": round }) } else { small() };
            // the server that stays
            let api = servers[(round + 1) % 2].api();
            ids.push(id_of(&answered(api.post("/v1/training-runs").json(&spec), 202).await));
        }
        restart_server(&site, &mut servers[round % 2]).await;
        restart_worker(&site, &mut workers[round % 3], names[round % 3]).await;
    }
    for id in &ids {
        site.succeeded(*id).await;
    }
    // every restart hands back: no attempt was lost or failed
    assert_eq!(site.count("SELECT count(*) FROM attempts WHERE status NOT IN ('succeeded', 'released')").await, 0);
    assert_eq!(site.count("SELECT count(*) FROM training_runs WHERE attempts_used <> 1").await, 0);
    drop((workers, servers));
    site.finish().await;
}
