//! Progress and the order of events.

use std::collections::HashSet;
use std::sync::Arc;

use aprendiz_runs::{EventKind, RunPhase, enter_phase, events_after, record_attempt_event, record_progress};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::fixture::{Fixture, TIMEOUT};

#[tokio::test]
async fn the_latest_progress_is_stored_until_the_next_phase() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let conn = &mut *fixture.conn().await;
    enter_phase(conn, attempt, Uuid::now_v7(), RunPhase::Train).await.unwrap();
    record_progress(conn, attempt, &json!({ "step": 1 }), None).await.unwrap();
    record_progress(conn, attempt, &json!({ "step": 2, "loss": 0.5 }), Some(EventKind::Metric)).await.unwrap();
    let run = fixture.run(attempt.run_id).await;
    assert_eq!((run.phase, run.progress), (Some(RunPhase::Train), Some(json!({ "step": 2, "loss": 0.5 }))));

    enter_phase(conn, attempt, Uuid::now_v7(), RunPhase::Evaluate).await.unwrap();
    let run = fixture.run(attempt.run_id).await;
    assert_eq!((run.phase, run.progress), (Some(RunPhase::Evaluate), None));
    let kinds: Vec<EventKind> = fixture.events(attempt.run_id).await.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::State, EventKind::State, EventKind::Phase, EventKind::Metric, EventKind::Phase]);
}

#[tokio::test]
async fn a_reader_continues_after_its_last_event() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    for step in 0..5 {
        record_attempt_event(&mut *fixture.conn().await, attempt, Uuid::now_v7(), EventKind::Metric, &json!({ "step": step }))
            .await
            .unwrap();
    }
    let page = events_after(&mut *fixture.conn().await, attempt.run_id, 2, 2).await.unwrap();
    assert_eq!(page.iter().map(|event| event.sequence).collect::<Vec<_>>(), [3, 4]);
    let rest = events_after(&mut *fixture.conn().await, attempt.run_id, 4, 100).await.unwrap();
    assert_eq!(rest.iter().map(|event| event.sequence).collect::<Vec<_>>(), [5, 6, 7]);
    assert!(rest.iter().all(|event| event.attempt_number == Some(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_leave_no_gap_in_the_sequence() {
    const WRITERS: usize = 8;
    const EACH: usize = 25;
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let first = fixture.events(attempt.run_id).await.len();
    let barrier = Arc::new(Barrier::new(WRITERS));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (pool, barrier) = (fixture.pool().clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                let mut conn = pool.acquire().await.unwrap();
                barrier.wait().await;
                for number in 0..EACH {
                    let payload = json!({ "writer": writer, "number": number });
                    if number % 2 == 0 {
                        record_attempt_event(&mut conn, attempt, Uuid::now_v7(), EventKind::Log, &payload).await.unwrap();
                    } else {
                        record_progress(&mut conn, attempt, &payload, Some(EventKind::Log)).await.unwrap();
                    }
                }
            })
        })
        .collect();

    // a following reader must see consecutive sequence numbers at any time
    let pool = fixture.pool().clone();
    let reader = tokio::spawn(async move {
        let mut conn = pool.acquire().await.unwrap();
        let mut seen: Vec<Value> = Vec::new();
        let mut last = first as i64;
        while seen.len() < WRITERS * EACH {
            for event in events_after(&mut conn, attempt.run_id, last, 7).await.unwrap() {
                assert_eq!(event.sequence, last + 1);
                last = event.sequence;
                seen.push(event.payload);
            }
        }
        seen
    });
    for writer in writers {
        tokio::time::timeout(TIMEOUT, writer).await.unwrap().unwrap();
    }
    let seen = tokio::time::timeout(TIMEOUT, reader).await.unwrap().unwrap();
    assert_eq!(seen.iter().map(Value::to_string).collect::<HashSet<_>>().len(), WRITERS * EACH);
    for writer in 0..WRITERS {
        let numbers: Vec<u64> =
            seen.iter().filter(|event| event["writer"] == writer).map(|event| event["number"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted(), "each writer's events keep their order");
    }
}

#[tokio::test]
async fn a_repeated_event_is_appended_once() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let conn = &mut *fixture.conn().await;
    let before = fixture.events(attempt.run_id).await.len();
    let (log, phase) = (Uuid::now_v7(), Uuid::now_v7());
    for _ in 0..2 {
        // as a writer does that did not receive the answer of its commit
        record_attempt_event(conn, attempt, log, EventKind::Log, &json!({ "text": "working" })).await.unwrap();
        enter_phase(conn, attempt, phase, RunPhase::Train).await.unwrap();
    }
    // another event may have the same payload
    record_attempt_event(conn, attempt, Uuid::now_v7(), EventKind::Log, &json!({ "text": "working" })).await.unwrap();
    let events = fixture.events(attempt.run_id).await;
    let kinds: Vec<EventKind> = events[before..].iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Log, EventKind::Phase, EventKind::Log]);
}
