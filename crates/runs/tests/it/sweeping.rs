//! What becomes of objects that belong to nothing, and of checkpoints that nobody needs.

use std::time::Duration;

use runs::{
    AttemptKey, CondemnedObject, Reference, RunsError, cancel_run, condemn_pending_objects, condemned_objects, confirm_object,
    declare_objects, discard_checkpoints, discard_ended_checkpoints, forget_object, hold_fence, note_upload, publish, publish_objects,
    references_to, release_attempt, retry_run,
};
use sqlx::Connection as _;

use crate::fixture::{Fixture, LIMIT, SHA256};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn condemn(fixture: &Fixture) -> u64 {
    condemn_pending_objects(&mut *fixture.conn().await, DAY, 100).await.unwrap()
}

async fn condemned(fixture: &Fixture) -> Vec<String> {
    let objects = condemned_objects(&mut *fixture.conn().await, "", 100).await.unwrap();
    objects.into_iter().map(|object| object.key).collect()
}

/// Lets every object be two days old.
async fn age(fixture: &Fixture) {
    fixture.execute("UPDATE objects SET created_at = created_at - interval '2 days', live_at = live_at - interval '2 days'").await.unwrap();
}

async fn lose(fixture: &Fixture, key: AttemptKey) {
    fixture.expire(key).await;
    runs::reap_expired_leases(&mut *fixture.conn().await, 100).await.unwrap();
}

#[tokio::test]
async fn pending_objects_are_condemned_once_they_are_old_and_their_attempt_has_ended() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    let trained = fixture.trained(key, &["manifest.json"]).await;
    age(&fixture).await;
    assert_eq!(condemn(&fixture).await, 0, "their attempt runs");

    lose(&fixture, key).await;
    fixture.execute("UPDATE objects SET created_at = clock_timestamp()").await.unwrap();
    assert_eq!(condemn(&fixture).await, 0, "they are young");

    age(&fixture).await;
    assert_eq!(condemn(&fixture).await, 2);
    assert_eq!(condemn(&fixture).await, 0);
    assert_eq!(condemned(&fixture).await, trained.object_keys);
}

#[tokio::test]
async fn what_another_attempt_of_the_run_does_protects_nothing() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    let first = fixture.trained(key, &[]).await;
    release_attempt(&mut *fixture.conn().await, key).await.unwrap();
    let key = fixture.claim_of(key.run_id).await;
    fixture.trained(key, &[]).await;
    age(&fixture).await;
    assert_eq!(condemn(&fixture).await, 2);
    assert_eq!(condemned(&fixture).await, first.object_keys);
}

#[tokio::test]
async fn live_objects_are_never_touched() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    fixture.publish(key).await;
    age(&fixture).await;
    let before = fixture.rows().await;
    assert_eq!(condemn(&fixture).await, 0);
    let live: Vec<String> = before["objects"].clone();
    for row in &live {
        let object_key = row.trim_start_matches('(').split(',').next().unwrap();
        assert!(!forget_object(&mut *fixture.conn().await, object_key).await.unwrap());
    }
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn a_crash_between_two_steps_leaves_what_the_next_round_finds() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    let trained = fixture.trained(key, &[]).await;
    let mut conn = fixture.conn().await;
    note_upload(&mut conn, &trained.object_keys[0], Some("upload-1")).await.unwrap();
    lose(&fixture, key).await;
    age(&fixture).await;
    assert_eq!(condemn(&fixture).await, 2);

    // the bytes of the first are deleted, its row is not: both are found again, in pages too
    let first = CondemnedObject { key: trained.object_keys[0].clone(), upload_id: Some("upload-1".to_owned()) };
    let second = CondemnedObject { key: trained.object_keys[1].clone(), upload_id: None };
    for _ in 0..2 {
        assert_eq!(condemned_objects(&mut conn, "", 100).await.unwrap(), [first.clone(), second.clone()]);
        assert_eq!(condemned_objects(&mut conn, "", 1).await.unwrap(), std::slice::from_ref(&first));
        assert_eq!(condemned_objects(&mut conn, &first.key, 1).await.unwrap(), std::slice::from_ref(&second));
    }
    assert!(forget_object(&mut conn, &first.key).await.unwrap());
    assert!(!forget_object(&mut conn, &first.key).await.unwrap(), "it is gone");
    assert_eq!(condemned_objects(&mut conn, "", 100).await.unwrap(), [second]);
}

#[tokio::test]
async fn what_was_condemned_cannot_be_published() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    let trained = fixture.trained(key, &[]).await;
    // as if the attempt had looked ended to the sweeper
    fixture.execute("UPDATE objects SET state = 'deleting'").await.unwrap();
    let before = fixture.rows().await;
    let error = publish(&mut *fixture.conn().await, key, Some(&trained.version()), &[]).await.unwrap_err();
    assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    let error = confirm_object(&mut *fixture.conn().await, &trained.object_keys[0], SHA256, 7).await.unwrap_err();
    assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn of_a_sweep_and_a_publication_only_one_gets_the_object() {
    let fixture = Fixture::new().await;
    // the publication comes first: the sweeper passes over its rows, and afterwards they are live
    let key = fixture.running().await;
    let trained = fixture.trained(key, &[]).await;
    age(&fixture).await;
    let mut publication = fixture.pool().begin().await.unwrap();
    hold_fence(&mut publication, key).await.unwrap();
    publish_objects(&mut publication, key, &trained.object_keys, runs::ObjectOwner::Model).await.unwrap();
    // the sweeper believes that the attempt has ended: only the rows themselves protect them now
    fixture.execute("UPDATE attempts SET status = 'lost', finished_at = clock_timestamp()").await.unwrap();
    assert_eq!(condemn(&fixture).await, 0);
    publication.commit().await.unwrap();
    assert_eq!(condemn(&fixture).await, 0);
    assert_eq!(fixture.number("SELECT count(*) FROM objects WHERE state = 'live'").await, 2);
    cancel_run(&mut *fixture.conn().await, key.run_id, "ana").await.unwrap();

    // the sweeper comes first: the publication waits for it, and fails
    let key = fixture.running().await;
    let trained = fixture.trained(key, &[]).await;
    age(&fixture).await;
    let mut sweep = fixture.conn().await;
    let mut sweep = sweep.begin().await.unwrap();
    sqlx::query("UPDATE attempts SET status = 'lost', finished_at = clock_timestamp() WHERE status = 'running'")
        .execute(&mut *sweep)
        .await
        .unwrap();
    assert_eq!(condemn_pending_objects(&mut sweep, DAY, 100).await.unwrap(), 2);
    let pool = fixture.pool().clone();
    let keys = trained.object_keys.clone();
    let publication = tokio::spawn(async move {
        let mut tx = pool.begin().await.unwrap();
        publish_objects(&mut tx, key, &keys, runs::ObjectOwner::Model).await
    });
    fixture.someone_waits().await;
    sweep.commit().await.unwrap();
    let error = tokio::time::timeout(LIMIT, publication).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    assert_eq!(condemned(&fixture).await, trained.object_keys);
}

#[tokio::test]
async fn an_upload_is_noted_for_a_pending_object_only() {
    let fixture = Fixture::new().await;
    let key = fixture.running().await;
    let trained = fixture.trained(key, &[]).await;
    let mut conn = fixture.conn().await;
    let noted = "SELECT count(*) FROM objects WHERE upload_id = 'upload-1'";
    note_upload(&mut conn, &trained.object_keys[0], Some("upload-1")).await.unwrap();
    assert_eq!(fixture.number(noted).await, 1);
    note_upload(&mut conn, &trained.object_keys[0], None).await.unwrap();
    assert_eq!(fixture.number(noted).await, 0);
    publish(&mut conn, key, Some(&trained.version()), &[]).await.unwrap();
    for object_key in ["models/undeclared", &trained.object_keys[0]] {
        let error = note_upload(&mut conn, object_key, Some("upload-1")).await.unwrap_err();
        assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    }
}

/// Records checkpoints of an attempt at these steps, as its worker would: their objects are live.
async fn keep_checkpoints(fixture: &Fixture, key: AttemptKey, steps: &[i64]) -> Vec<String> {
    let mut keys = Vec::new();
    for step in steps {
        let object_key = format!("checkpoints/run-{}/attempt-{}/step-{step}", key.run_id, key.number);
        let mut tx = fixture.pool().begin().await.unwrap();
        hold_fence(&mut tx, key).await.unwrap();
        declare_objects(&mut tx, key, std::slice::from_ref(&object_key)).await.unwrap();
        confirm_object(&mut tx, &object_key, SHA256, 7).await.unwrap();
        publish_objects(&mut tx, key, std::slice::from_ref(&object_key), runs::ObjectOwner::Model).await.unwrap();
        let sql = "INSERT INTO checkpoints (run_id, attempt_number, step, object_key, fingerprint, cpu_kernel) VALUES ($1, $2, $3, $4, $5, 'avx2')";
        sqlx::query(sql).bind(key.run_id).bind(key.number).bind(step).bind(&object_key).bind(SHA256).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        keys.push(object_key);
    }
    keys
}

#[tokio::test]
async fn the_newest_checkpoints_of_a_run_are_kept() {
    let fixture = Fixture::new().await;
    let other = fixture.running().await;
    keep_checkpoints(&fixture, other, &[10, 20]).await;
    let key = fixture.running().await;
    let first = keep_checkpoints(&fixture, key, &[10, 20, 30]).await;
    release_attempt(&mut *fixture.conn().await, key).await.unwrap();
    // the second attempt began anew: its steps are smaller, yet newer
    let key = fixture.claim_of(key.run_id).await;
    keep_checkpoints(&fixture, key, &[5, 15]).await;

    assert_eq!(discard_checkpoints(&mut *fixture.conn().await, key.run_id, 3).await.unwrap(), 2);
    assert_eq!(condemned(&fixture).await, first[..2], "without waiting for any age");
    assert_eq!(discard_checkpoints(&mut *fixture.conn().await, key.run_id, 3).await.unwrap(), 0);
    assert_eq!(fixture.number("SELECT count(*) FROM checkpoints").await, 5);
    assert_eq!(fixture.number("SELECT count(*) FROM objects WHERE state = 'live'").await, 5);
    // their rows can go, since nothing names them any more
    assert!(forget_object(&mut *fixture.conn().await, &first[0]).await.unwrap());
}

#[tokio::test]
async fn checkpoints_go_at_once_with_success_and_later_with_failure() {
    let fixture = Fixture::new().await;
    let mut conn = fixture.conn().await;
    let succeeded = fixture.running().await;
    keep_checkpoints(&fixture, succeeded, &[10]).await;
    fixture.publish(succeeded).await;
    let failed = fixture.running().await;
    keep_checkpoints(&fixture, failed, &[10, 20]).await;
    runs::fail_attempt(&mut conn, failed, &crate::fixture::failure("no_examples", false), 0.5).await.unwrap();
    let running = fixture.running().await;
    keep_checkpoints(&fixture, running, &[10]).await;

    assert_eq!(discard_ended_checkpoints(&mut conn, DAY, 100).await.unwrap(), 1);
    assert_eq!(discard_ended_checkpoints(&mut conn, DAY, 100).await.unwrap(), 0);
    fixture.execute("UPDATE training_runs SET finished_at = finished_at - interval '2 days' WHERE status = 'failed'").await.unwrap();
    assert_eq!(discard_ended_checkpoints(&mut conn, DAY, 1).await.unwrap(), 1, "so many at once");
    // retried by hand, it keeps what is left
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
    let running = fixture.claim_of(ended.run_id).await;
    let run_id = ended.run_id.0;
    let listed = [
        (trained.object_keys[0].clone(), run_id, 1),
        ("models/late".to_owned(), run_id, 1),
        ("models/now".to_owned(), run_id, running.number),
        ("models/of a newer state of the database".to_owned(), run_id, 3),
        ("models/of another database".to_owned(), uuid::Uuid::nil(), 1),
    ];
    let references = references_to(&mut *fixture.conn().await, &listed).await.unwrap();
    let expected = [Reference::Row, Reference::None, Reference::Running, Reference::Unknown, Reference::Unknown];
    assert_eq!(references, expected);
    assert_eq!(references_to(&mut *fixture.conn().await, &[]).await.unwrap(), []);
}
