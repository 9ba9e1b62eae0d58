//! The fence: an attempt that lost its lease changes nothing.

use aprendiz_runs::{
    AttemptId, EventKind, NewMetric, RunPhase, RunsError, cancel_attempt, cancel_was_requested, confirm_object, enter_phase, fail_attempt,
    lock_attempt, publish, reap_expired_leases, record_attempt_event, record_progress, release_attempt, renew_lease,
};
use serde_json::json;

use crate::fixture::{Fixture, LEASE, SHA256, TIMEOUT, Trained, failure};

/// Tries everything that a worker may do. Every call must be rejected, and no row of any table may change.
async fn assert_fenced(fixture: &Fixture, stale: AttemptId, trained: &Trained) {
    let before = fixture.rows().await;
    let conn = &mut *fixture.conn().await;
    let metric = NewMetric { split: "test", field: None, name: "accuracy".to_owned(), value: Some(1.0), details: None };
    let outcomes = [
        ("lock_attempt", lock_attempt(conn, stale).await.map(drop)),
        ("renew_lease", renew_lease(conn, stale, LEASE).await),
        ("cancel_was_requested", cancel_was_requested(conn, stale).await.map(drop)),
        ("record_attempt_event", record_attempt_event(conn, stale, uuid::Uuid::now_v7(), EventKind::Log, &json!({ "text": "late" })).await),
        ("enter_phase", enter_phase(conn, stale, uuid::Uuid::now_v7(), RunPhase::Upload).await),
        ("record_progress", record_progress(conn, stale, &json!({ "step": 9 }), Some(EventKind::Metric)).await),
        ("publish", publish(conn, stale, Some(&trained.version()), &[metric]).await.map(drop)),
        ("publish without a model", publish(conn, stale, None, &[]).await.map(drop)),
        ("release_attempt", release_attempt(conn, stale).await),
        ("fail_attempt", fail_attempt(conn, stale, &failure("late", true), 0.5).await.map(drop)),
        ("cancel_attempt", cancel_attempt(conn, stale).await),
    ];
    for (name, outcome) in outcomes {
        let error = outcome.expect_err(name);
        assert!(
            matches!(error, RunsError::LeaseLost { run_id, number } if run_id == stale.run_id && number == stale.number),
            "{name}: {error}"
        );
        assert!(!error.is_retryable(), "a lost lease is permanent");
    }
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn an_attempt_is_fenced_after_the_run_was_reaped_and_reclaimed() {
    let fixture = Fixture::new().await;
    let stale = fixture.running().await;
    let trained = fixture.trained(stale, &[]).await;
    fixture.expire(stale).await;
    assert_eq!(reap_expired_leases(&mut *fixture.conn().await, 10).await.unwrap().requeued, 1);
    assert_fenced(&fixture, stale, &trained).await;

    let owner = fixture.claim_run(stale.run_id).await;
    assert_eq!(owner.number, stale.number + 1);
    assert_fenced(&fixture, stale, &trained).await;

    enter_phase(&mut *fixture.conn().await, owner, uuid::Uuid::now_v7(), RunPhase::Train).await.unwrap();
    assert_eq!(fixture.publish(owner).await, 1);
    assert_fenced(&fixture, stale, &trained).await;
}

#[tokio::test]
async fn an_attempt_is_fenced_after_its_end() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    release_attempt(&mut *fixture.conn().await, attempt).await.unwrap();
    assert_fenced(&fixture, attempt, &trained).await;

    let attempt = fixture.claim_run(attempt.run_id).await;
    let trained = fixture.trained(attempt, &[]).await;
    fail_attempt(&mut *fixture.conn().await, attempt, &failure("no_examples", false), 0.5).await.unwrap();
    assert_fenced(&fixture, attempt, &trained).await;
}

#[tokio::test]
async fn an_unknown_attempt_is_fenced() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    assert_fenced(&fixture, AttemptId { number: attempt.number + 1, ..attempt }, &trained).await;
}

#[tokio::test]
async fn a_lost_attempt_cannot_confirm_its_objects() {
    let fixture = Fixture::new().await;
    let stale = fixture.running().await;
    let trained = fixture.trained(stale, &["manifest.json"]).await;
    fixture.expire(stale).await;
    assert_eq!(reap_expired_leases(&mut *fixture.conn().await, 10).await.unwrap().requeued, 1);
    let before = fixture.rows().await;
    for object_key in &trained.object_keys {
        let error = confirm_object(&mut *fixture.conn().await, object_key, SHA256, 8).await.unwrap_err();
        assert!(matches!(error, RunsError::LeaseLost { number: 1, .. }), "{error}");
    }
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn an_event_of_an_attempt_waits_for_the_reaper_that_holds_the_run() {
    let fixture = Fixture::new().await;
    let stale = fixture.running().await;
    fixture.expire(stale).await;
    let mut reaper = fixture.pool().begin().await.unwrap();
    assert_eq!(reap_expired_leases(&mut reaper, 10).await.unwrap().requeued, 1);
    let (before, pool) = (fixture.events(stale.run_id).await.len(), fixture.pool().clone());
    let late = tokio::spawn(async move {
        record_attempt_event(&mut pool.acquire().await.unwrap(), stale, uuid::Uuid::now_v7(), EventKind::Log, &json!({ "text": "late" }))
            .await
    });
    fixture.wait_for_blocked_statement().await;
    reaper.commit().await.unwrap();
    let error = late.await.unwrap().unwrap_err();
    assert!(matches!(error, RunsError::LeaseLost { .. }), "{error}");
    assert_eq!(fixture.events(stale.run_id).await.len(), before + 1, "only the event of the reaper");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_event_of_an_attempt_follows_the_event_of_its_loss() {
    let fixture = Fixture::new().await;
    for _ in 0..60 {
        let attempt = fixture.running().await;
        fixture.expire(attempt).await;
        let (mut writer, mut reaper) = (fixture.conn().await, fixture.conn().await);
        let writing = tokio::spawn(async move {
            let mut written = 0;
            // until the fence rejects it
            while record_attempt_event(&mut writer, attempt, uuid::Uuid::now_v7(), EventKind::Log, &json!({ "text": "working" }))
                .await
                .is_ok()
            {
                written += 1;
            }
            written
        });
        while reap_expired_leases(&mut reaper, 10).await.unwrap().requeued == 0 {}
        let written: usize = tokio::time::timeout(TIMEOUT, writing).await.unwrap().unwrap();
        let events = fixture.events(attempt.run_id).await;
        assert_eq!(events.iter().filter(|event| event.kind == EventKind::Log).count(), written);
        assert_eq!(events.last().unwrap().payload, json!({ "status": "queued", "attempt": "lost" }));
        fixture.execute("DELETE FROM outbox; DELETE FROM training_runs").await.unwrap();
    }
}
