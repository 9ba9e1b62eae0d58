//! Workers as operators see them.

use runs::{FleetWorker, RunsError, WorkerFilter, WorkerId, WorkerState, ask_to_drain, get_worker, list_workers, stop_worker};

use crate::fixture::Fixture;

/// Lets the last sign of life of a worker be so long ago.
async fn heard_ago(fixture: &Fixture, id: WorkerId, seconds: u32) {
    let sql = format!("UPDATE workers SET heartbeat_at = clock_timestamp() - interval '{seconds} seconds' WHERE id = '{id}'");
    assert_eq!(fixture.execute(&sql).await.unwrap(), 1);
}

async fn listed(fixture: &Fixture, all: bool) -> Vec<FleetWorker> {
    list_workers(&mut *fixture.conn().await, WorkerFilter { all, after: None }, 100).await.unwrap()
}

async fn state(fixture: &Fixture, id: WorkerId) -> WorkerState {
    get_worker(&mut *fixture.conn().await, id).await.unwrap().state
}

#[tokio::test]
async fn a_worker_is_shown_with_what_it_does() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    let workers = listed(&fixture, false).await;
    let [worker] = workers.as_slice() else { panic!("{workers:?}") };
    assert_eq!((worker.state, worker.host.as_str(), worker.slots), (WorkerState::Working, "host", 1));
    let [run] = worker.runs.as_slice() else { panic!("{worker:?}") };
    assert_eq!((run.run_id, run.attempt_number, run.model.as_str()), (key.run_id, 1, "contracts"));
    assert_eq!(run.phase, Some(runs::RunPhase::Dataset));

    fixture.publish(key).await;
    let workers = listed(&fixture, false).await;
    assert_eq!((workers[0].state, workers[0].runs.len()), (WorkerState::Idle, 0));
}

#[tokio::test]
async fn a_worker_without_heartbeat_is_silent_and_forgotten_in_the_end() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    heard_ago(&fixture, id, 29).await;
    assert_eq!(state(&fixture, id).await, WorkerState::Idle);
    heard_ago(&fixture, id, 31).await;
    assert_eq!(listed(&fixture, false).await[0].state, WorkerState::Silent);
    heard_ago(&fixture, id, 3_601).await;
    assert!(listed(&fixture, false).await.is_empty());
    assert_eq!(listed(&fixture, true).await[0].state, WorkerState::Silent);

    stop_worker(&mut *fixture.conn().await, id).await.unwrap();
    assert!(listed(&fixture, false).await.is_empty());
    assert_eq!(listed(&fixture, true).await[0].state, WorkerState::Stopped);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
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
async fn a_drain_is_asked_for_once_and_can_be_made_stronger() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    let conn = &mut *fixture.conn().await;
    let worker = ask_to_drain(conn, id, false, "ana").await.unwrap();
    assert_eq!((worker.state, worker.drain_requested_by.as_deref(), worker.drain_hand_back), (WorkerState::Draining, Some("ana"), false));

    let before = fixture.rows().await;
    ask_to_drain(conn, id, false, "bela").await.unwrap();
    assert_eq!(fixture.rows().await, before, "asking again changes nothing");

    let stronger = ask_to_drain(conn, id, true, "bela").await.unwrap();
    assert!(stronger.drain_hand_back);
    assert_eq!((stronger.drain_requested_at, stronger.drain_requested_by), (worker.drain_requested_at, worker.drain_requested_by));
    let before = fixture.rows().await;
    assert!(ask_to_drain(conn, id, false, "ana").await.unwrap().drain_hand_back, "it is not made weaker again");
    assert_eq!(fixture.rows().await, before);
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'worker.drain'").await, 2);
}

#[tokio::test]
async fn nothing_is_asked_of_a_worker_that_is_not_there() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    stop_worker(&mut *fixture.conn().await, id).await.unwrap();
    let before = fixture.rows().await;
    let error = ask_to_drain(&mut *fixture.conn().await, id, true, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::WorkerStopped(stopped) if stopped == id), "{error}");
    let unknown = WorkerId::fresh();
    let error = ask_to_drain(&mut *fixture.conn().await, unknown, true, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::UnknownWorker(found) if found == unknown), "{error}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn a_silent_worker_can_be_asked_in_case_it_comes_back() {
    let fixture = Fixture::new().await;
    let id = fixture.worker().await;
    heard_ago(&fixture, id, 600).await;
    let worker = ask_to_drain(&mut *fixture.conn().await, id, false, "ana").await.unwrap();
    assert_eq!(worker.state, WorkerState::Silent);
    heard_ago(&fixture, id, 0).await;
    assert_eq!(state(&fixture, id).await, WorkerState::Draining);
}
