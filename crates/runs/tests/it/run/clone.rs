//! Clones of runs.

use aprendiz_runs::{CreateRun, EventKind, clone_run, create_run, list_run_documents};
use serde_json::json;

use crate::fixture::{Fixture, request, spec};

#[tokio::test]
async fn a_clone_is_a_new_run_that_records_its_origin() {
    let fixture = Fixture::new().await;
    let document = fixture.document().await;
    let origin = fixture.create_run_with(|spec| spec.data.documents = Some(vec![document])).await;
    let mut changed = spec("contracts");
    changed.seed = 7;
    changed.data.documents = Some(vec![document]);
    let conn = &mut *fixture.conn().await;
    let created = clone_run(conn, origin, CreateRun { position: Some(3), ..request(changed) }).await.unwrap();
    assert!(created.is_new && created.run.id != origin);
    assert_eq!((created.run.position, created.run.parent_run_id), (3, None));
    assert_eq!(list_run_documents(conn, created.run.id).await.unwrap(), Some(vec![document]));
    let events = fixture.events(created.run.id).await;
    let log = events.iter().find(|event| event.kind == EventKind::Log).unwrap();
    assert_eq!(log.payload, json!({ "text": format!("cloned from run {origin}, with the same data"), "origin": origin }));
    let details: serde_json::Value =
        sqlx::query_scalar("SELECT details FROM audit_log WHERE action = 'training_run.clone' AND subject = $1")
            .bind(created.run.id.to_string())
            .fetch_one(fixture.pool())
            .await
            .unwrap();
    assert_eq!(details, json!({ "origin": origin, "same_data": true }));
    assert_eq!(fixture.outbox_entries(created.run.id).await, 1);
}

#[tokio::test]
async fn the_same_key_and_body_clone_once() {
    let fixture = Fixture::new().await;
    let origin = create_run(&mut *fixture.conn().await, request(spec("contracts"))).await.unwrap().run.id;
    let conn = &mut *fixture.conn().await;
    let build_request = || CreateRun { idempotency: Some(("key", "0".repeat(64))), ..request(spec("contracts")) };
    let first = clone_run(conn, origin, build_request()).await.unwrap();
    let before = fixture.rows().await;
    let second = clone_run(conn, origin, build_request()).await.unwrap();
    assert!(first.is_new && !second.is_new && first.run.id == second.run.id);
    assert_eq!(fixture.rows().await, before);
}
