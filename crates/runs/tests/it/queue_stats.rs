//! Statistics of the queue.

use aprendiz_runs::{
    AttemptCounts, RunCounts, SlotCounts, WorkerCounts, cancel_run, fail_attempt, queue_stats, release_attempt, request_drain,
};

use crate::fixture::{Fixture, failure};

#[tokio::test]
async fn an_empty_queue_has_no_durations() {
    let fixture = Fixture::new().await;
    let stats = queue_stats(&mut *fixture.conn().await).await.unwrap();
    assert_eq!((stats.runs, stats.runnable, stats.deferred, stats.unpublished), (RunCounts::default(), 0, 0, 0));
    assert!(stats.next_due_at.is_none() && stats.oldest_runnable_seconds.is_none() && stats.wait.is_none() && stats.duration.is_none());
    assert_eq!((stats.workers, stats.slots), (WorkerCounts::default(), SlotCounts::default()));
}

#[tokio::test]
async fn every_count_is_correct() {
    let fixture = Fixture::new().await;
    // one run per outcome, and one released
    let succeeded = fixture.running().await;
    fixture.publish(succeeded).await;
    let failed = fixture.running().await;
    fail_attempt(&mut *fixture.conn().await, failed, &failure("no_examples", false), 0.5).await.unwrap();
    let released = fixture.running().await;
    release_attempt(&mut *fixture.conn().await, released).await.unwrap();
    cancel_run(&mut *fixture.conn().await, released.run_id, "ana").await.unwrap();
    // one retrying, one running, one cancelling, two waiting, one of them scheduled
    let retrying = fixture.running().await;
    fail_attempt(&mut *fixture.conn().await, retrying, &failure("io", true), 0.5).await.unwrap();
    let running = fixture.running().await;
    let cancelling = fixture.running().await;
    cancel_run(&mut *fixture.conn().await, cancelling.run_id, "ana").await.unwrap();
    let waiting = fixture.create_run().await;
    let later = "2100-01-01T00:00:00Z".parse().unwrap();
    fixture.create_run_with(|spec| spec.run_after = Some(later)).await;
    fixture
        .execute(&format!("UPDATE training_runs SET run_after = clock_timestamp() - interval '90 s' WHERE id = '{waiting}'"))
        .await
        .unwrap();
    // of the eight workers one is listening, one is draining, and the one of the first attempt is silent
    let worker =
        |attempt: aprendiz_runs::AttemptId| format!("id = (SELECT worker_id FROM attempts WHERE run_id = '{}' LIMIT 1)", attempt.run_id);
    fixture.execute(&format!("UPDATE workers SET listening = true, slots = 3 WHERE {}", worker(running))).await.unwrap();
    fixture.execute(&format!("UPDATE workers SET heartbeat_at = now() - interval '1 min' WHERE {}", worker(succeeded))).await.unwrap();
    let draining = fixture.worker().await;
    request_drain(&mut *fixture.conn().await, draining, false, "ana").await.unwrap();
    fixture.relay().await;
    fixture.execute(&format!("INSERT INTO outbox (run_id) VALUES ('{waiting}')")).await.unwrap();
    fixture.execute(&format!("INSERT INTO outbox (run_id, due_at) VALUES ('{waiting}', '2100-01-01')")).await.unwrap();

    let stats = queue_stats(&mut *fixture.conn().await).await.unwrap();
    assert_eq!(stats.runs, RunCounts { queued: 2, running: 1, retrying: 1, cancelling: 1, succeeded: 1, failed: 1, cancelled: 1 });
    assert_eq!((stats.runnable, stats.deferred, stats.unpublished), (1, 2, 1));
    let retry_at = fixture.run(retrying.run_id).await.run_after;
    assert_eq!(stats.next_due_at, Some(retry_at));
    assert!((90.0..150.0).contains(&stats.oldest_runnable_seconds.unwrap()), "{stats:?}");
    assert_eq!(stats.workers, WorkerCounts { alive: 6, listening: 1, draining: 1 });
    assert_eq!(stats.slots, SlotCounts { total: 8, busy: 2 });
    assert_eq!(stats.attempts_last_hour, AttemptCounts { succeeded: 1, failed: 2, cancelled: 0, released: 1, lost: 0 });
    assert_eq!((stats.wait.unwrap().runs, stats.duration.unwrap().runs), (3, 3));
}

#[tokio::test]
async fn durations_cover_the_last_day_and_exclude_scheduled_waiting() {
    let fixture = Fixture::new().await;
    // created, scheduled for, started, finished: seconds ago
    for (created, after, started, finished) in
        [(100, 100, 90, 70), (100, 50, 48, 47), (100, 100, 60, 30), (200_000, 200_000, 199_000, 100_000)]
    {
        let id = fixture.create_run().await;
        let sql = format!(
            "UPDATE training_runs SET created_at = now() - interval '{created} s', started_at = now() - interval '{started} s',
                finished_at = now() - interval '{finished} s', status = 'failed', error_code = 'io', error_text = 'x',
                scheduled_for = now() - interval '{after} s'
             WHERE id = '{id}'"
        );
        fixture.execute(&sql).await.unwrap();
    }
    let stats = queue_stats(&mut *fixture.conn().await).await.unwrap();
    let (wait, duration) = (stats.wait.unwrap(), stats.duration.unwrap());
    // waits of 10, 2 and 40 s; durations of 20, 1 and 30 s
    assert_eq!((wait.median_seconds, wait.p90_seconds, wait.runs), (10.0, 34.0, 3));
    assert_eq!((duration.median_seconds, duration.p90_seconds), (20.0, 28.0));
}

#[tokio::test]
async fn durations_do_not_read_times_in_the_text_of_a_spec() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run().await;
    let sql = format!(
        "UPDATE training_runs SET started_at = created_at, finished_at = now(), status = 'failed', error_code = 'io', error_text = 'x',
            spec = spec || '{{\"run_after\": \"-0001-01-01T00:00:00Z\"}}'
         WHERE id = '{id}'"
    );
    fixture.execute(&sql).await.unwrap();
    assert_eq!(queue_stats(&mut *fixture.conn().await).await.unwrap().wait.unwrap().runs, 1);
}
