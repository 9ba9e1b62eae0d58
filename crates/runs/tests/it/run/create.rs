//! Creation of runs and idempotency.

use aprendiz_db::Scope;
use std::collections::HashSet;
use std::sync::Arc;

use aprendiz_run_spec::{LinearParams, TrainingParams};
use aprendiz_runs::{CreateRun, EventKind, RunFilter, RunStatus, RunsError, create_run, get_run, list_run_documents, list_runs, retry_run};
use serde_json::json;
use tokio::sync::Barrier;
use uuid::Uuid;

use crate::fixture::{Fixture, TIMEOUT, request, spec};

fn request_with_key(key: &'static str, body: &str) -> CreateRun<'static> {
    CreateRun { idempotency: Some((key, body.to_owned())), ..request(spec("contracts")) }
}

#[tokio::test]
async fn a_new_run_has_an_outbox_entry_a_first_event_and_an_audit_entry() {
    let fixture = Fixture::new().await;
    let created = create_run(&mut *fixture.conn().await, request(spec("contracts"))).await.unwrap();
    assert!(created.is_new);
    let run = fixture.run(created.run.id).await;
    assert_eq!((run.status, run.attempt_number, run.attempts_used), (RunStatus::Queued, 0, 0));
    assert_eq!((run.created_by.as_str(), run.model.as_str(), run.position), ("ana", "contracts", 0));
    assert_eq!(run.validated_spec().unwrap(), spec("contracts").validate().unwrap());
    assert_eq!(fixture.outbox_entries(run.id).await, 1);
    let events = fixture.events(run.id).await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].sequence, events[0].kind, &events[0].payload), (1, EventKind::State, &json!({ "status": "queued" })));
    let audited =
        format!("SELECT count(*) FROM audit_log WHERE actor = 'ana' AND action = 'training_run.create' AND subject = '{}'", run.id);
    assert_eq!(fixture.number(&audited).await, 1);
}

#[tokio::test]
async fn a_stored_spec_has_every_default_and_is_not_read_by_a_version_that_lacks_a_key() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run_with(|spec| spec.params = json!({ "l2": 0.3 }).as_object().unwrap().clone()).await;
    let run = fixture.run(id).await;
    let expected = TrainingParams::Linear(LinearParams { l2: Some(0.3), ..LinearParams::default() });
    assert_eq!(run.spec["params"], json!(expected.to_json()));
    assert_eq!((&run.spec["seed"], &run.spec["backend"], &run.spec["data"]["min_support"]), (&json!(42), &json!("auto"), &json!(2)));

    for (change, named) in [
        (r#"{"deadline": 1}"#, "deadline"),
        (r#"{"params": {"layers": 3}}"#, "layers"),
        (r#"{"backend": "tpu"}"#, "tpu"),
        (r#"{"kind": "forest"}"#, "forest"),
    ] {
        let mut newer = fixture.run(id).await;
        newer.spec.as_object_mut().unwrap().extend(serde_json::from_str::<serde_json::Map<_, _>>(change).unwrap());
        let error = newer.validated_spec().unwrap_err();
        assert!(matches!(error, RunsError::BrokenRow { .. }) && !error.is_retryable());
        let text = error.to_string();
        assert!(text.contains(&id.to_string()) && text.contains(named) && text.contains("not valid in version"), "{text}");
    }
}

#[tokio::test]
async fn a_failed_creation_leaves_nothing() {
    let fixture = Fixture::new().await;
    let before = fixture.rows().await;
    let mut spec = spec("contracts");
    spec.data.documents = Some(vec![Uuid::now_v7()]);
    let error = create_run(&mut *fixture.conn().await, request(spec)).await.unwrap_err();
    assert!(matches!(&error, RunsError::Database(_)), "{error}");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn selected_documents_are_stored_once_and_counted() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.document().await, fixture.document().await);
    let id = fixture.create_run_with(|spec| spec.data.documents = Some(vec![second, first, second])).await;
    assert_eq!(fixture.run(id).await.chosen_documents, Some(2));
    let mut expected = vec![first, second];
    expected.sort();
    assert_eq!(list_run_documents(&mut *fixture.conn().await, id).await.unwrap(), Some(expected));
    let all = fixture.create_run().await;
    assert_eq!(list_run_documents(&mut *fixture.conn().await, all).await.unwrap(), None);
}

#[tokio::test]
async fn an_unknown_run_has_its_own_error() {
    let fixture = Fixture::new().await;
    let id = aprendiz_runs::RunId::new_v7();
    let error = get_run(&mut *fixture.conn().await, id).await.unwrap_err();
    assert!(matches!(error, RunsError::UnknownRun(unknown) if unknown == id), "{error}");
    let error = retry_run(&mut *fixture.conn().await, id, "ana").await.unwrap_err();
    assert!(matches!(error, RunsError::UnknownRun(_)), "{error}");
}

#[tokio::test]
async fn one_idempotency_key_creates_one_run() {
    let fixture = Fixture::new().await;
    let first = create_run(&mut *fixture.conn().await, request_with_key("k", "body")).await.unwrap();
    let before = fixture.rows().await;
    let second = create_run(&mut *fixture.conn().await, request_with_key("k", "body")).await.unwrap();
    assert_eq!((first.is_new, second.is_new, second.run.id), (true, false, first.run.id));
    let error = create_run(&mut *fixture.conn().await, request_with_key("k", "other body")).await.unwrap_err();
    assert!(matches!(&error, RunsError::IdempotencyMismatch(key) if key == "k"), "{error}");
    assert_eq!(fixture.rows().await, before, "neither the repeated nor the rejected request wrote anything");
}

#[tokio::test]
async fn idempotency_keys_belong_to_one_actor() {
    let fixture = Fixture::new().await;
    let ana = create_run(&mut *fixture.conn().await, request_with_key("k", "body")).await.unwrap();
    let bela = CreateRun { actor: "bela", ..request_with_key("k", "other body") };
    let bela = create_run(&mut *fixture.conn().await, bela).await.unwrap();
    assert!(bela.is_new);
    assert_ne!(ana.run.id, bela.run.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_requests_with_one_key_create_one_run() {
    const REQUESTS: usize = 12;
    let fixture = Fixture::new().await;
    let barrier = Arc::new(Barrier::new(REQUESTS));
    let requests: Vec<_> = (0..REQUESTS)
        .map(|_| {
            let (pool, barrier) = (fixture.pool().clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                let mut conn = pool.acquire().await.unwrap();
                barrier.wait().await;
                let created = create_run(&mut conn, request_with_key("k", "body")).await.unwrap();
                (created.run.id, created.is_new)
            })
        })
        .collect();
    let mut ids = HashSet::new();
    let mut new = 0;
    for request in requests {
        let (id, is_new) = tokio::time::timeout(TIMEOUT, request).await.unwrap().unwrap();
        ids.insert(id);
        new += usize::from(is_new);
    }
    assert_eq!((ids.len(), new), (1, 1));
    assert_eq!(fixture.number("SELECT count(*) FROM training_runs").await, 1);
    assert_eq!(fixture.number("SELECT count(*) FROM outbox").await, 1);
}

#[tokio::test]
async fn pages_of_the_list_show_every_run_once_newest_first() {
    let fixture = Fixture::new().await;
    let mut expected = Vec::new();
    for _ in 0..7 {
        expected.push(fixture.create_run().await);
    }
    // the id orders runs with the same time
    fixture.execute("UPDATE training_runs SET created_at = date_trunc('day', created_at)").await.unwrap();
    expected.sort();
    expected.reverse();
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = list_runs(&mut *fixture.conn().await, &Scope::All, &RunFilter { after, ..RunFilter::default() }, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.created_at, last.id));
        listed.extend(page.iter().map(|run| run.id));
    }
    assert_eq!(listed, expected);

    let attempt = fixture.claim().await.unwrap().attempt;
    let filter = RunFilter { status: Some(RunStatus::Running), model: Some("contracts".to_owned()), ..RunFilter::default() };
    let running = list_runs(&mut *fixture.conn().await, &Scope::All, &filter, 10).await.unwrap();
    assert_eq!(running.iter().map(|run| run.id).collect::<Vec<_>>(), [attempt.run_id]);
}
