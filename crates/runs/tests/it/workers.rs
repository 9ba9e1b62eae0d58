//! Workers as operators see them.

use aprendiz_runs::{
    RunsError, WorkerFilter, WorkerId, WorkerInfo, WorkerReport, WorkerState, get_worker, heartbeat_worker, list_workers, request_drain,
    stop_worker,
};

use crate::fixture::Fixture;

/// Moves the last heartbeat of a worker into the past.
async fn set_heartbeat_age(fixture: &Fixture, id: WorkerId, seconds: u32) {
    let sql = format!("UPDATE workers SET heartbeat_at = clock_timestamp() - interval '{seconds} seconds' WHERE id = '{id}'");
    assert_eq!(fixture.execute(&sql).await.unwrap(), 1);
}

async fn listed(fixture: &Fixture, all: bool) -> Vec<WorkerInfo> {
    list_workers(&mut *fixture.conn().await, WorkerFilter { all, after: None }, 100).await.unwrap()
}

async fn state(fixture: &Fixture, id: WorkerId) -> WorkerState {
    get_worker(&mut *fixture.conn().await, id).await.unwrap().state
}

#[tokio::test]
async fn a_worker_is_listed_with_its_runs() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let workers = listed(&fixture, false).await;
    let [worker] = workers.as_slice() else { panic!("{workers:?}") };
    assert_eq!((worker.state, worker.host.as_str(), worker.slots), (WorkerState::Working, "host", 1));
    let [run] = worker.runs.as_slice() else { panic!("{worker:?}") };
    assert_eq!((run.run_id, run.attempt_number, run.model.as_str()), (attempt.run_id, 1, "contracts"));
    assert_eq!(run.phase, Some(aprendiz_runs::RunPhase::Dataset));

    fixture.publish(attempt).await;
    let workers = listed(&fixture, false).await;
    assert_eq!((workers[0].state, workers[0].runs.len()), (WorkerState::Idle, 0));
}

#[tokio::test]
async fn a_heartbeat_reports_disk_and_base_models() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    let conn = &mut *fixture.conn().await;
    let worker = get_worker(conn, id).await.unwrap();
    assert_eq!((worker.scratch_free_bytes, worker.base_models.len(), worker.listening), (None, 0, false));
    let report = WorkerReport { listening: true, scratch_free_bytes: Some(7), base_models: vec!["all-MiniLM-L6-v2".to_owned()] };
    heartbeat_worker(conn, id, &report).await.unwrap();
    let worker = get_worker(conn, id).await.unwrap();
    assert_eq!((worker.scratch_free_bytes, worker.base_models, worker.listening), (Some(7), report.base_models, true));
}

#[tokio::test]
async fn a_worker_without_heartbeat_is_silent_and_later_hidden() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    set_heartbeat_age(&fixture, id, 29).await;
    assert_eq!(state(&fixture, id).await, WorkerState::Idle);
    set_heartbeat_age(&fixture, id, 31).await;
    assert_eq!(listed(&fixture, false).await[0].state, WorkerState::Silent);
    set_heartbeat_age(&fixture, id, 3_601).await;
    assert!(listed(&fixture, false).await.is_empty());
    assert_eq!(listed(&fixture, true).await[0].state, WorkerState::Silent);

    stop_worker(&mut *fixture.conn().await, id).await.unwrap();
    assert!(listed(&fixture, false).await.is_empty());
    assert_eq!(listed(&fixture, true).await[0].state, WorkerState::Stopped);
}

#[tokio::test]
async fn pages_have_no_gaps_or_duplicates() {
    let fixture = Fixture::new().await;
    let mut started = Vec::new();
    for _ in 0..5 {
        started.push(fixture.worker().await);
    }
    started.reverse();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = list_workers(&mut *fixture.conn().await, WorkerFilter { all: true, after }, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.started_at, last.id));
        seen.extend(page.iter().map(|worker| worker.id));
    }
    assert_eq!(seen, started, "newest first");
}

#[tokio::test]
async fn a_drain_request_is_idempotent_and_release_runs_can_be_added() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    let conn = &mut *fixture.conn().await;
    let worker = request_drain(conn, id, false, "ana").await.unwrap();
    assert_eq!(
        (worker.state, worker.drain_requested_by.as_deref(), worker.drain_release_runs),
        (WorkerState::Draining, Some("ana"), false)
    );

    let before = fixture.rows().await;
    request_drain(conn, id, false, "bela").await.unwrap();
    assert_eq!(fixture.rows().await, before, "repeating the request changes nothing");

    let stronger = request_drain(conn, id, true, "bela").await.unwrap();
    assert!(stronger.drain_release_runs);
    assert_eq!((stronger.drain_requested_at, stronger.drain_requested_by), (worker.drain_requested_at, worker.drain_requested_by));
    let before = fixture.rows().await;
    assert!(request_drain(conn, id, false, "ana").await.unwrap().drain_release_runs, "release_runs is not removed again");
    assert_eq!(fixture.rows().await, before);
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'worker.drain'").await, 2);
}

#[tokio::test]
async fn an_unknown_or_stopped_worker_cannot_be_drained() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    stop_worker(&mut *fixture.conn().await, id).await.unwrap();
    let before = fixture.rows().await;
    let error = request_drain(&mut *fixture.conn().await, id, true, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::WorkerStopped(stopped) if stopped == id), "{error}");
    let unknown = WorkerId::new_v7();
    let error = request_drain(&mut *fixture.conn().await, unknown, true, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::UnknownWorker(found) if found == unknown), "{error}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn a_silent_worker_can_be_drained_in_case_it_returns() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    set_heartbeat_age(&fixture, id, 600).await;
    let worker = request_drain(&mut *fixture.conn().await, id, false, "ana").await.unwrap();
    assert_eq!(worker.state, WorkerState::Silent);
    set_heartbeat_age(&fixture, id, 0).await;
    assert_eq!(state(&fixture, id).await, WorkerState::Draining);
}
