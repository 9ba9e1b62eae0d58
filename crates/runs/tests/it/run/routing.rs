//! Labels of workers and requirements of runs; queues with weights and limits.

use std::collections::HashSet;
use std::sync::Arc;

use aprendiz_run_spec::{Backend, Requirement, RunKind, RunSpec};
use aprendiz_runs::{
    QueueChange, RunId, RunsError, claim_next, create_run, get_queue, list_workers, load_run_facts, release_attempt, render_explanation,
    set_queue,
};
use tokio::sync::Barrier;

use crate::fixture::{Fixture, LEASE, TIMEOUT, request, spec};

fn requires(spec: &mut RunSpec, requirements: &[&str]) {
    spec.requires = requirements.iter().map(|text| Requirement::try_from((*text).to_owned()).unwrap()).collect();
}

async fn set(fixture: &Fixture, queue: &str, change: QueueChange) {
    set_queue(&mut *fixture.conn().await, &queue.parse().unwrap(), change, "ana").await.unwrap();
}

const fn at_most(runs: i32) -> QueueChange {
    QueueChange { weight: None, max_running: Some(Some(runs)), max_running_per_model: None }
}

async fn queued(fixture: &Fixture, queue: &str) -> RunId {
    fixture.create_run_with(|spec| spec.queue = queue.parse().unwrap()).await
}

async fn summary(fixture: &Fixture, id: RunId) -> String {
    render_explanation(&load_run_facts(&mut *fixture.conn().await, id, None).await.unwrap()).summary
}

#[tokio::test]
async fn a_worker_claims_only_runs_whose_requirements_it_meets() {
    let fixture = Fixture::new().await;
    let large = fixture.create_run_with(|spec| requires(spec, &["memory>=64", "gpu"])).await;
    let gpu = fixture.create_run_with(|spec| requires(spec, &["gpu"])).await;
    let any = fixture.create_run().await;
    assert_eq!(fixture.run(large).await.requires, ["gpu", "memory>=64"]);
    let (plain, small) = (fixture.worker().await, fixture.worker_with("gpu=a100,memory=32").await);
    assert_eq!(fixture.claim_for(plain).await, Some(any));
    assert_eq!(fixture.claim_for(plain).await, None);
    assert_eq!(summary(&fixture, large).await, "2 workers are alive, but none has `memory>=64`");
    assert_eq!(fixture.claim_for(small).await, Some(gpu));
    assert_eq!(fixture.claim_for(small).await, None);
    let able = fixture.worker_with("gpu,memory=128").await;
    assert_eq!(fixture.claim_for(able).await, Some(large));
    let workers = list_workers(&mut *fixture.conn().await, aprendiz_runs::WorkerFilter::default(), 10).await.unwrap();
    assert_eq!(workers[0].labels, ["backend=flex", "gpu", "memory=128"]);
}

#[tokio::test]
async fn a_run_for_a_backend_waits_for_a_build_that_includes_it() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run_with(|spec| spec.backend = Backend::Cuda).await;
    assert!(fixture.claim().await.is_none());
    let facts = load_run_facts(&mut *fixture.conn().await, id, None).await.unwrap();
    let explanation = render_explanation(&facts);
    assert_eq!(explanation.summary, "1 worker is alive, but none has `backend=cuda`");
    assert!(explanation.next_steps[0].contains("feature `cuda`"), "{explanation:?}");
    assert!(explanation.next_steps[0].contains(&format!("aprendiz run clone {id} --set backend=auto")), "{explanation:?}");
    fixture.execute("UPDATE workers SET labels = '{backend=cuda,backend=flex}'").await.unwrap();
    let worker = list_workers(&mut *fixture.conn().await, aprendiz_runs::WorkerFilter::default(), 1).await.unwrap()[0].id;
    assert_eq!(fixture.claim_for(worker).await, Some(id));
    // a snapshot is built by any worker
    let mut snapshot = spec("contracts");
    snapshot.backend = Backend::Cuda;
    let dataset_only = aprendiz_runs::CreateRun { dataset_only: true, ..request(snapshot) };
    let built = create_run(&mut *fixture.conn().await, dataset_only).await.unwrap().run;
    assert!(built.requires.is_empty());
}

#[tokio::test]
async fn priority_and_age_decide_among_all_runs_that_a_worker_can_claim() {
    let fixture = Fixture::new().await;
    let old = fixture.create_run().await;
    let gpu = fixture.create_run_with(|spec| requires(spec, &["gpu"])).await;
    let urgent = fixture.create_run_with(|spec| (spec.priority, spec.requires) = (5, vec!["gpu".to_owned().try_into().unwrap()])).await;
    let young = fixture.create_run().await;
    let worker = fixture.worker_with("gpu").await;
    for expected in [urgent, old, gpu, young] {
        assert_eq!(fixture.claim_for(worker).await, Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_claims_never_exceed_the_limit_of_a_queue() {
    const CLAIMERS: usize = 12;
    let fixture = Fixture::new().await;
    set(&fixture, "nightly", at_most(3)).await;
    for _ in 0..CLAIMERS {
        queued(&fixture, "nightly").await;
    }
    let barrier = Arc::new(Barrier::new(CLAIMERS));
    let mut claimers = Vec::new();
    for _ in 0..CLAIMERS {
        let (pool, barrier, worker) = (fixture.pool().clone(), Arc::clone(&barrier), fixture.worker().await);
        claimers.push(tokio::spawn(async move {
            let mut conn = pool.acquire().await.unwrap();
            barrier.wait().await;
            claim_next(&mut conn, worker, &[RunKind::Linear], LEASE).await.unwrap().map(|claim| claim.attempt)
        }));
    }
    let mut attempts = Vec::new();
    for claimer in claimers {
        attempts.extend(tokio::time::timeout(TIMEOUT, claimer).await.unwrap().unwrap());
    }
    assert_eq!(attempts.iter().map(|attempt| attempt.run_id).collect::<HashSet<_>>().len(), 3);
    // one place becomes free, and the workers are woken for it
    fixture.relay().await;
    release_attempt(&mut *fixture.conn().await, attempts[0]).await.unwrap();
    assert_eq!(fixture.number("SELECT count(DISTINCT run_id) FROM outbox").await, 2, "the released run, and the next one");
    assert!(fixture.claim().await.is_some());
    assert!(fixture.claim().await.is_none());
}

#[tokio::test]
async fn a_model_at_its_limit_lets_others_go_first() {
    let fixture = Fixture::new().await;
    set(&fixture, "default", QueueChange { max_running_per_model: Some(Some(1)), ..QueueChange::default() }).await;
    let first = fixture.create_run().await;
    let second = fixture.create_run_with(|spec| spec.priority = -1).await;
    let other = fixture.create_run_with(|spec| (spec.model, spec.priority) = ("other".parse().unwrap(), -2)).await;
    let attempt = fixture.claim_run(first).await;
    fixture.claim_run(other).await;
    assert!(fixture.claim().await.is_none());
    assert_eq!(summary(&fixture, second).await, "model `contracts` is at the limit of its queue `default`: 1 of 1 run running");
    fixture.publish(attempt).await;
    fixture.claim_run(second).await;
}

#[tokio::test]
async fn queues_share_the_running_runs_by_weight() {
    let fixture = Fixture::new().await;
    set(&fixture, "interactive", QueueChange { weight: Some(3), ..QueueChange::default() }).await;
    for _ in 0..8 {
        queued(&fixture, "default").await;
    }
    for _ in 0..8 {
        queued(&fixture, "interactive").await;
    }
    for _ in 0..8 {
        fixture.claim().await.unwrap();
    }
    let running = async |queue: &str| get_queue(&mut *fixture.conn().await, queue).await.unwrap().running;
    assert_eq!((running("interactive").await, running("default").await), (6, 2));
}

#[tokio::test]
async fn a_queue_with_limit_zero_starts_nothing_until_it_is_raised() {
    let fixture = Fixture::new().await;
    set(&fixture, "default", at_most(0)).await;
    let id = fixture.create_run().await;
    fixture.worker().await;
    assert!(fixture.claim().await.is_none());
    assert_eq!(summary(&fixture, id).await, "its queue `default` starts no runs: its limit is 0");
    fixture.relay().await;
    set(&fixture, "default", QueueChange { max_running: Some(None), ..QueueChange::default() }).await;
    assert_eq!(fixture.outbox_entries(id).await, 1);
    fixture.claim_run(id).await;
}

#[tokio::test]
async fn an_unknown_queue_is_rejected_and_a_change_keeps_what_it_does_not_name() {
    let fixture = Fixture::new().await;
    let mut unknown = spec("contracts");
    unknown.queue = "nihgtly".parse().unwrap();
    let error = create_run(&mut *fixture.conn().await, request(unknown)).await.unwrap_err();
    assert!(matches!(&error, RunsError::UnknownQueue { known, .. } if known == &["default"]), "{error}");
    assert!(error.to_string().contains("there are default"), "{error}");
    set(&fixture, "nightly", QueueChange { weight: Some(2), max_running: Some(Some(4)), ..QueueChange::default() }).await;
    set(&fixture, "nightly", QueueChange { max_running_per_model: Some(Some(1)), ..QueueChange::default() }).await;
    let queue = get_queue(&mut *fixture.conn().await, "nightly").await.unwrap();
    assert_eq!((queue.weight, queue.max_running, queue.max_running_per_model), (2, Some(4), Some(1)));
    assert_eq!(queue.changed_by.as_deref(), Some("ana"));
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'queue.set' AND subject = 'nightly'").await, 2);
}
