//! Background imports: claims, leases, attempts, and the quarantine.

use std::time::Duration;

use aprendiz_annotations::import::{
    ImportStatus, Stage, StoredOptions, claim_import, declare_import_object, fail_import, finish_import, import_state, list_imports,
    quarantined_file, quarantined_tasks, release_import, renew_import, request_import,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{count, import, with_database};
use crate::task_builders::{file, reviewed, task};

const LEASE: Duration = Duration::from_secs(60);

async fn requested(pool: &PgPool) -> Uuid {
    let id = Uuid::now_v7();
    let mut conn = pool.acquire().await.unwrap();
    let key = format!("imports/{id}");
    declare_import_object(&mut conn, &key).await.unwrap();
    let options = StoredOptions { project: Some("7".to_owned()), mirror: true, ..StoredOptions::default() };
    assert!(request_import(&mut conn, id, &key, 100, &"0".repeat(64), "ana", &options).await.unwrap());
    id
}

async fn expire(pool: &PgPool) {
    sqlx::query("UPDATE import_requests SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE status = 'running'")
        .execute(pool)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_importer_is_fenced_after_its_lease_expired() {
    with_database(|pool| async move {
        let id = requested(&pool).await;
        let mut conn = pool.acquire().await.unwrap();
        let first = claim_import(&mut conn, LEASE).await.unwrap().unwrap();
        let options = first.options().unwrap();
        assert_eq!((first.id, first.attempt, options.project.as_deref(), options.mirror), (id, 1, Some("7"), true));
        assert!(claim_import(&mut conn, LEASE).await.unwrap().is_none(), "it is claimed");
        assert!(renew_import(&mut conn, id, 1, LEASE, Stage::Storing, 100, 3).await.unwrap());
        let state = import_state(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((state.status, state.stage, state.bytes_read, state.tasks), (ImportStatus::Running, Some(Stage::Storing), 100, 3));

        expire(&pool).await;
        let second = claim_import(&mut conn, LEASE).await.unwrap().unwrap();
        assert_eq!(second.attempt, 2);
        assert!(!renew_import(&mut conn, id, 1, LEASE, Stage::Reading, 0, 0).await.unwrap());
        assert!(!finish_import(&mut conn, id, 1).await.unwrap());
        assert!(!fail_import(&mut conn, id, 1, "x", "y").await.unwrap());
        assert!(finish_import(&mut conn, id, 2).await.unwrap());
        assert_eq!(import_state(&mut conn, id).await.unwrap().unwrap().status, ImportStatus::Succeeded);
        assert_eq!(count(&pool, "SELECT count(*) FROM objects WHERE state = 'deleting'").await, 1, "the file is no longer needed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn options_of_a_newer_version_are_named_and_never_dropped() {
    with_database(|pool| async move {
        requested(&pool).await;
        let newer = r#"UPDATE import_requests SET options = options || '{"dedupe": true, "keep": [1]}'"#;
        sqlx::query(newer).execute(&pool).await.unwrap();
        let claimed = claim_import(&mut pool.acquire().await.unwrap(), LEASE).await.unwrap().unwrap();
        let reason = claimed.options().unwrap_err();
        assert!(reason.contains("unknown `dedupe`, `keep`"), "{reason}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_fails_after_too_many_interrupted_attempts() {
    with_database(|pool| async move {
        let id = requested(&pool).await;
        let mut conn = pool.acquire().await.unwrap();
        for attempt in 1..=3 {
            assert_eq!(claim_import(&mut conn, LEASE).await.unwrap().unwrap().attempt, attempt);
            expire(&pool).await;
        }
        assert!(claim_import(&mut conn, LEASE).await.unwrap().is_none());
        let state = import_state(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((state.status, state.error_code.as_deref()), (ImportStatus::Failed, Some("importer_lost")));
        // a shutdown costs no attempt
        let id = requested(&pool).await;
        claim_import(&mut conn, LEASE).await.unwrap().unwrap();
        release_import(&mut conn, id, 1, false).await.unwrap();
        assert_eq!(claim_import(&mut conn, LEASE).await.unwrap().unwrap().attempt, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantined_tasks_can_be_repaired_and_imported() {
    with_database(|pool| async move {
        let mut bad = reviewed(2, &[("law", "Texas")]);
        bad["data"]["text"] = json!(7);
        let report = import(&pool, file(&[task(1), bad, json!("no task")])).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let listed = quarantined_tasks(&mut conn, report.import_id, -1, 10).await.unwrap();
        assert_eq!(
            listed.iter().map(|task| (task.task_index, task.task_id.as_deref(), task.is_kept)).collect::<Vec<_>>(),
            [(1, Some("2"), true), (2, None, true),]
        );
        assert_eq!(quarantined_tasks(&mut conn, report.import_id, 1, 10).await.unwrap().len(), 1);
        let mut tasks: Vec<Value> = serde_json::from_slice(&quarantined_file(&mut conn, report.import_id).await.unwrap()).unwrap();
        tasks[0]["data"]["text"] = json!("repaired");
        tasks.pop();
        drop(conn);
        let repaired = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((repaired.documents_created, repaired.events_created, repaired.quarantined), (1, 1, 0));

        // synchronous imports are listed as well, newest first
        let mut conn = pool.acquire().await.unwrap();
        let imports = list_imports(&mut conn, None, 10).await.unwrap();
        assert_eq!(imports.iter().map(|import| import.id).collect::<Vec<_>>(), [repaired.import_id, report.import_id]);
        let before = Some((imports[0].created_at, imports[0].id));
        assert_eq!(list_imports(&mut conn, before, 10).await.unwrap().len(), 1);
        let state = import_state(&mut conn, report.import_id).await.unwrap().unwrap();
        assert_eq!((state.status, state.tasks), (ImportStatus::Succeeded, 3));
        assert_eq!(state.report.unwrap()["quarantined"], 2);
    })
    .await;
}
