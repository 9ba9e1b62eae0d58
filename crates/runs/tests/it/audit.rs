//! The audit log.

use aprendiz_runs::{AuditFilter, RunId, cancel_run, list_audit, request_drain, retry_run};

use crate::fixture::Fixture;

async fn actions(fixture: &Fixture, filter: &AuditFilter) -> Vec<String> {
    list_audit(&mut *fixture.conn().await, filter, 100).await.unwrap().into_iter().map(|entry| entry.action).collect()
}

async fn changed(fixture: &Fixture) -> RunId {
    let id = fixture.create_run().await;
    cancel_run(&mut *fixture.conn().await, id, "bela").await.unwrap();
    retry_run(&mut *fixture.conn().await, id, "ana").await.unwrap();
    let worker = fixture.worker().await;
    request_drain(&mut *fixture.conn().await, worker, false, "bela").await.unwrap();
    id
}

#[tokio::test]
async fn changes_are_listed_newest_first_and_by_every_condition() {
    let fixture = Fixture::new().await;
    let id = changed(&fixture).await;
    let all = ["worker.drain", "training_run.retry", "training_run.cancel", "training_run.create"];
    assert_eq!(actions(&fixture, &AuditFilter::default()).await, all);
    let by = |actor: &str| AuditFilter { actor: Some(actor.to_owned()), ..AuditFilter::default() };
    assert_eq!(actions(&fixture, &by("bela")).await, ["worker.drain", "training_run.cancel"]);
    let of = |action: &str| AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
    assert_eq!(actions(&fixture, &of("training_run.cancel")).await, ["training_run.cancel"]);
    assert_eq!(actions(&fixture, &of("training_run.")).await, all[1..]);
    assert!(actions(&fixture, &of("training_run")).await.is_empty(), "an exact action is no prefix");
    let to = AuditFilter { subject: Some(id.to_string()), actor: Some("ana".to_owned()), ..AuditFilter::default() };
    assert_eq!(actions(&fixture, &to).await, ["training_run.retry", "training_run.create"]);
    let entries = list_audit(&mut *fixture.conn().await, &AuditFilter::default(), 100).await.unwrap();
    let since = AuditFilter { since: Some(entries[1].at), ..AuditFilter::default() };
    assert_eq!(actions(&fixture, &since).await, all[..2]);
}

#[tokio::test]
async fn pages_continue_after_the_cursor() {
    let fixture = Fixture::new().await;
    changed(&fixture).await;
    let conn = &mut *fixture.conn().await;
    let first = list_audit(conn, &AuditFilter::default(), 3).await.unwrap();
    fixture.create_run().await;
    let rest = list_audit(conn, &AuditFilter { after: Some(first[2].id), ..AuditFilter::default() }, 3).await.unwrap();
    assert_eq!(rest.iter().map(|entry| entry.action.as_str()).collect::<Vec<_>>(), ["training_run.create"]);
    assert!(rest[0].id < first[2].id, "newer entries are not in it");
}
