//! Deletion of unreferenced objects and obsolete checkpoints.

use std::time::Duration;

use aprendiz_runs::{
    AttemptId, PendingDeletion, Reference, RunsError, cancel_run, confirm_object, declare_objects, delete_object_row, discard_checkpoints,
    discard_ended_checkpoints, find_references, list_pending_deletions, lock_attempt, mark_abandoned_objects, publish, publish_objects,
    record_upload_id, release_attempt, retry_run,
};
use sqlx::Connection as _;

use crate::fixture::{Fixture, SHA256, TIMEOUT};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn mark_abandoned(fixture: &Fixture) -> u64 {
    mark_abandoned_objects(&mut *fixture.conn().await, DAY, 100).await.unwrap()
}

async fn pending_deletions(fixture: &Fixture) -> Vec<String> {
    let objects = list_pending_deletions(&mut *fixture.conn().await, "", 100).await.unwrap();
    objects.into_iter().map(|object| object.key).collect()
}

/// Makes every object two days old.
async fn age(fixture: &Fixture) {
    fixture.execute("UPDATE objects SET created_at = created_at - interval '2 days', live_at = live_at - interval '2 days'").await.unwrap();
}

async fn lose(fixture: &Fixture, attempt: AttemptId) {
    fixture.expire(attempt).await;
    aprendiz_runs::reap_expired_leases(&mut *fixture.conn().await, 100).await.unwrap();
}

#[tokio::test]
async fn old_pending_objects_of_ended_attempts_are_marked_for_deletion() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &["manifest.json"]).await;
    age(&fixture).await;
    assert_eq!(mark_abandoned(&fixture).await, 0, "their attempt runs");

    lose(&fixture, attempt).await;
    fixture.execute("UPDATE objects SET created_at = clock_timestamp()").await.unwrap();
    assert_eq!(mark_abandoned(&fixture).await, 0, "they are young");

    age(&fixture).await;
    assert_eq!(mark_abandoned(&fixture).await, 2);
    assert_eq!(mark_abandoned(&fixture).await, 0);
    assert_eq!(pending_deletions(&fixture).await, trained.object_keys);
}

#[tokio::test]
async fn another_running_attempt_of_the_run_protects_nothing() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let first = fixture.trained(attempt, &[]).await;
    release_attempt(&mut *fixture.conn().await, attempt).await.unwrap();
    let attempt = fixture.claim_run(attempt.run_id).await;
    fixture.trained(attempt, &[]).await;
    age(&fixture).await;
    assert_eq!(mark_abandoned(&fixture).await, 2);
    assert_eq!(pending_deletions(&fixture).await, first.object_keys);
}

#[tokio::test]
async fn live_objects_are_never_marked() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    fixture.publish(attempt).await;
    age(&fixture).await;
    let before = fixture.rows().await;
    assert_eq!(mark_abandoned(&fixture).await, 0);
    let live: Vec<String> = before["objects"].clone();
    for row in &live {
        let object_key = row.trim_start_matches('(').split(',').next().unwrap();
        assert!(!delete_object_row(&mut *fixture.conn().await, object_key).await.unwrap());
    }
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn the_next_round_continues_after_a_crash() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    let mut conn = fixture.conn().await;
    record_upload_id(&mut conn, &trained.object_keys[0], Some("upload-1")).await.unwrap();
    lose(&fixture, attempt).await;
    age(&fixture).await;
    assert_eq!(mark_abandoned(&fixture).await, 2);

    // the bytes of the first are deleted but not its row: both are listed again, also page by page
    let first = PendingDeletion { key: trained.object_keys[0].clone(), upload_id: Some("upload-1".to_owned()), is_written: true };
    let second = PendingDeletion { key: trained.object_keys[1].clone(), upload_id: None, is_written: true };
    for _ in 0..2 {
        assert_eq!(list_pending_deletions(&mut conn, "", 100).await.unwrap(), [first.clone(), second.clone()]);
        assert_eq!(list_pending_deletions(&mut conn, "", 1).await.unwrap(), std::slice::from_ref(&first));
        assert_eq!(list_pending_deletions(&mut conn, &first.key, 1).await.unwrap(), std::slice::from_ref(&second));
    }
    assert!(delete_object_row(&mut conn, &first.key).await.unwrap());
    assert!(!delete_object_row(&mut conn, &first.key).await.unwrap(), "already deleted");
    assert_eq!(list_pending_deletions(&mut conn, "", 100).await.unwrap(), [second]);
}

#[tokio::test]
async fn an_object_marked_for_deletion_cannot_be_published() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    // as if the sweeper had seen the attempt as ended
    fixture.execute("UPDATE objects SET state = 'deleting'").await.unwrap();
    let before = fixture.rows().await;
    let error = publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), &[]).await.unwrap_err();
    assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    let error = confirm_object(&mut *fixture.conn().await, &trained.object_keys[0], SHA256, 7).await.unwrap_err();
    assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn only_one_of_sweep_and_publication_gets_the_object() {
    let fixture = Fixture::new().await;
    // the publication comes first: the sweeper skips its rows, and afterwards they are live
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    age(&fixture).await;
    let mut publication = fixture.pool().begin().await.unwrap();
    lock_attempt(&mut publication, attempt).await.unwrap();
    publish_objects(&mut publication, attempt, &trained.object_keys, aprendiz_runs::ObjectOwner::Model).await.unwrap();
    // the sweeper sees the attempt as ended: only the state of the rows protects them
    fixture.execute("UPDATE attempts SET status = 'lost', finished_at = clock_timestamp()").await.unwrap();
    assert_eq!(mark_abandoned(&fixture).await, 0);
    publication.commit().await.unwrap();
    assert_eq!(mark_abandoned(&fixture).await, 0);
    assert_eq!(fixture.number("SELECT count(*) FROM objects WHERE state = 'live'").await, 2);
    cancel_run(&mut *fixture.conn().await, attempt.run_id, "ana").await.unwrap();

    // the sweeper comes first: the publication waits for it and fails
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    age(&fixture).await;
    let mut sweep = fixture.conn().await;
    let mut sweep = sweep.begin().await.unwrap();
    sqlx::query("UPDATE attempts SET status = 'lost', finished_at = clock_timestamp() WHERE status = 'running'")
        .execute(&mut *sweep)
        .await
        .unwrap();
    assert_eq!(mark_abandoned_objects(&mut sweep, DAY, 100).await.unwrap(), 2);
    let pool = fixture.pool().clone();
    let keys = trained.object_keys.clone();
    let publication = tokio::spawn(async move {
        let mut tx = pool.begin().await.unwrap();
        publish_objects(&mut tx, attempt, &keys, aprendiz_runs::ObjectOwner::Model).await
    });
    fixture.wait_for_blocked_statement().await;
    sweep.commit().await.unwrap();
    let error = tokio::time::timeout(TIMEOUT, publication).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    assert_eq!(pending_deletions(&fixture).await, trained.object_keys);
}

#[tokio::test]
async fn an_upload_id_is_recorded_for_pending_objects_only() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    let mut conn = fixture.conn().await;
    let noted = "SELECT count(*) FROM objects WHERE upload_id = 'upload-1'";
    record_upload_id(&mut conn, &trained.object_keys[0], Some("upload-1")).await.unwrap();
    assert_eq!(fixture.number(noted).await, 1);
    record_upload_id(&mut conn, &trained.object_keys[0], None).await.unwrap();
    assert_eq!(fixture.number(noted).await, 0);
    publish(&mut conn, attempt, Some(&trained.version()), &[]).await.unwrap();
    for object_key in ["models/undeclared", &trained.object_keys[0]] {
        let error = record_upload_id(&mut conn, object_key, Some("upload-1")).await.unwrap_err();
        assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    }
}

/// Records checkpoints of an attempt at these steps, as its worker would.
async fn record_checkpoints(fixture: &Fixture, attempt: AttemptId, steps: &[i64]) -> Vec<String> {
    let mut keys = Vec::new();
    for step in steps {
        let object_key = format!("checkpoints/run-{}/attempt-{}/step-{step}", attempt.run_id, attempt.number);
        let mut tx = fixture.pool().begin().await.unwrap();
        lock_attempt(&mut tx, attempt).await.unwrap();
        declare_objects(&mut tx, attempt, std::slice::from_ref(&object_key)).await.unwrap();
        confirm_object(&mut tx, &object_key, SHA256, 7).await.unwrap();
        publish_objects(&mut tx, attempt, std::slice::from_ref(&object_key), aprendiz_runs::ObjectOwner::Model).await.unwrap();
        let sql = "INSERT INTO checkpoints (run_id, attempt_number, step, object_key, fingerprint, cpu_kernel) VALUES ($1, $2, $3, $4, $5, 'avx2')";
        sqlx::query(sql)
            .bind(attempt.run_id)
            .bind(attempt.number)
            .bind(step)
            .bind(&object_key)
            .bind(SHA256)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        keys.push(object_key);
    }
    keys
}

#[tokio::test]
async fn the_newest_checkpoints_of_a_run_are_kept() {
    let fixture = Fixture::new().await;
    let other = fixture.running().await;
    record_checkpoints(&fixture, other, &[10, 20]).await;
    let attempt = fixture.running().await;
    let first = record_checkpoints(&fixture, attempt, &[10, 20, 30]).await;
    release_attempt(&mut *fixture.conn().await, attempt).await.unwrap();
    // the second attempt started from scratch: its steps are smaller but newer
    let attempt = fixture.claim_run(attempt.run_id).await;
    record_checkpoints(&fixture, attempt, &[5, 15]).await;

    assert_eq!(discard_checkpoints(&mut *fixture.conn().await, attempt.run_id, 3).await.unwrap(), 2);
    assert_eq!(pending_deletions(&fixture).await, first[..2], "regardless of their age");
    assert_eq!(discard_checkpoints(&mut *fixture.conn().await, attempt.run_id, 3).await.unwrap(), 0);
    assert_eq!(fixture.number("SELECT count(*) FROM checkpoints").await, 5);
    assert_eq!(fixture.number("SELECT count(*) FROM objects WHERE state = 'live'").await, 5);
    // their rows can be deleted, since nothing refers to them
    assert!(delete_object_row(&mut *fixture.conn().await, &first[0]).await.unwrap());
}

#[tokio::test]
async fn checkpoints_are_discarded_at_once_after_success_and_later_after_failure() {
    let fixture = Fixture::new().await;
    let mut conn = fixture.conn().await;
    let succeeded = fixture.running().await;
    record_checkpoints(&fixture, succeeded, &[10]).await;
    fixture.publish(succeeded).await;
    let failed = fixture.running().await;
    record_checkpoints(&fixture, failed, &[10, 20]).await;
    aprendiz_runs::fail_attempt(&mut conn, failed, &crate::fixture::failure("no_examples", false), 0.5).await.unwrap();
    let running = fixture.running().await;
    record_checkpoints(&fixture, running, &[10]).await;

    assert_eq!(discard_ended_checkpoints(&mut conn, DAY, 100).await.unwrap(), 1);
    assert_eq!(discard_ended_checkpoints(&mut conn, DAY, 100).await.unwrap(), 0);
    fixture.execute("UPDATE training_runs SET finished_at = finished_at - interval '2 days' WHERE status = 'failed'").await.unwrap();
    assert_eq!(discard_ended_checkpoints(&mut conn, DAY, 1).await.unwrap(), 1, "the limit applies");
    // after a manual retry it keeps the remaining checkpoints
    retry_run(&mut conn, failed.run_id, "ana").await.unwrap();
    assert_eq!(discard_ended_checkpoints(&mut conn, DAY, 100).await.unwrap(), 0);
    assert_eq!(fixture.number("SELECT count(*) FROM checkpoints").await, 2);
}

#[tokio::test]
async fn only_an_object_without_a_row_whose_attempt_has_ended_is_unreferenced() {
    let fixture = Fixture::new().await;
    let ended = fixture.running().await;
    let trained = fixture.trained(ended, &[]).await;
    lose(&fixture, ended).await;
    let running = fixture.claim_run(ended.run_id).await;
    let run_id = ended.run_id.0;
    let listed = [
        (trained.object_keys[0].clone(), run_id, 1),
        ("models/late".to_owned(), run_id, 1),
        ("models/now".to_owned(), run_id, running.number),
        ("models/of a newer state of the database".to_owned(), run_id, 3),
        ("models/of another database".to_owned(), uuid::Uuid::nil(), 1),
    ];
    let references = find_references(&mut *fixture.conn().await, &listed).await.unwrap();
    let expected = [Reference::Row, Reference::None, Reference::Running, Reference::Unknown, Reference::Unknown];
    assert_eq!(references, expected);
    assert_eq!(find_references(&mut *fixture.conn().await, &[]).await.unwrap(), []);
}
