//! Publication: everything in one transaction, or nothing.

use aprendiz_db::Scope;
use std::sync::Arc;

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{
    AttemptStatus, CreateRun, EventKind, NewMetric, NewModelVersion, ObjectOwner, RunPhase, RunStatus, RunsError, attach_dataset,
    confirm_object, create_run, declare_objects, enter_phase, find_version, find_version_by_run, list_metrics, list_models, list_versions,
    lock_attempt, publish, publish_objects,
};
use serde_json::json;
use sqlx::Connection as _;
use tokio::sync::Barrier;

use crate::fixture::{Fixture, SHA256, TIMEOUT, request, spec};

fn metric(field: Option<&str>, name: &str, value: Option<f64>) -> NewMetric {
    NewMetric { split: "test", field: field.map(str::to_owned), name: name.to_owned(), value, details: None }
}

#[tokio::test]
async fn publishing_writes_version_objects_and_final_status() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    enter_phase(&mut *fixture.conn().await, attempt, uuid::Uuid::now_v7(), RunPhase::Publish).await.unwrap();
    let trained = fixture.trained(attempt, &[]).await;
    let number = publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), &[]).await.unwrap();
    assert_eq!(number, Some(1));

    let run = fixture.run(attempt.run_id).await;
    assert_eq!((run.status, run.phase, run.model_version), (RunStatus::Succeeded, None, Some(1)));
    assert!(run.finished_at.is_some());
    assert_eq!(fixture.attempts(run.id).await, [AttemptStatus::Succeeded]);
    let version = find_version_by_run(&mut *fixture.conn().await, run.id).await.unwrap().unwrap();
    assert_eq!((version.number, version.attempt_number, version.manifest_sha256.as_str()), (1, 1, SHA256));
    assert_eq!(version.card, json!({ "kind": "linear" }));
    assert_eq!(fixture.number("SELECT count(*) FROM objects WHERE state = 'live' AND live_at IS NOT NULL").await, 2);
    let kinds: Vec<EventKind> = fixture.events(run.id).await.iter().map(|event| event.kind).collect();
    assert!(kinds.ends_with(&[EventKind::Log, EventKind::State, EventKind::End]), "{kinds:?}");
}

#[tokio::test]
async fn a_version_of_the_same_data_and_spec_names_the_earlier_one() {
    let fixture = Fixture::new().await;
    let publish_with = async |hash: &str, weights: &str| {
        let attempt = fixture.running().await;
        let trained = fixture.trained(attempt, &[]).await;
        let card = json!({ "kind": "linear", "dataset_hash": hash, "warnings": ["few documents"] });
        let files = json!([{ "path": "model.safetensors", "bytes": 1, "sha256": weights }]);
        let version = NewModelVersion { card: &card, files: &files, ..trained.version() };
        publish(&mut *fixture.conn().await, attempt, Some(&version), &[]).await.unwrap();
        fixture.run(attempt.run_id).await.warnings
    };
    assert_eq!(publish_with("data", "a").await, ["few documents"]);
    let same = "same data and spec as version 1, and its weights are equal";
    assert_eq!(publish_with("data", "a").await, ["few documents", same]);
    assert_eq!(publish_with("data", "b").await[1], "same data and spec as version 2, but other weights");
    assert_eq!(publish_with("other", "a").await, ["few documents"]);
    let events: String = sqlx::query_scalar("SELECT string_agg(payload ->> 'text', '; ') FROM run_events WHERE kind = 'log'")
        .fetch_one(fixture.pool())
        .await
        .unwrap();
    assert!(events.contains(&format!("published contracts version 2: {same}")), "{events}");
}

#[tokio::test]
async fn versions_of_a_model_are_numbered_in_order() {
    let fixture = Fixture::new().await;
    for number in 1..=3 {
        let attempt = fixture.running().await;
        assert_eq!(fixture.publish(attempt).await, number);
    }
    let versions = list_versions(&mut *fixture.conn().await, "contracts", None, 10).await.unwrap();
    assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [3, 2, 1]);
    let older = list_versions(&mut *fixture.conn().await, "contracts", Some(3), 1).await.unwrap();
    assert_eq!(older.iter().map(|version| version.number).collect::<Vec<_>>(), [2]);
    let newest = find_version(&mut *fixture.conn().await, "contracts", None).await.unwrap().unwrap();
    assert_eq!(newest.number, 3);
    assert!(find_version(&mut *fixture.conn().await, "contracts", Some(4)).await.unwrap().is_none());
    let models = list_models(&mut *fixture.conn().await, &Scope::All, None, 10).await.unwrap();
    assert_eq!(models.iter().map(|model| (model.name.as_str(), model.newest_version)).collect::<Vec<_>>(), [("contracts", 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrently_published_versions_get_distinct_numbers() {
    const RUNS: usize = 10;
    let fixture = Fixture::new().await;
    let barrier = Arc::new(Barrier::new(RUNS));
    let mut workers = Vec::new();
    for _ in 0..RUNS {
        let attempt = fixture.running().await;
        let trained = fixture.trained(attempt, &[]).await;
        let (pool, barrier) = (fixture.pool().clone(), Arc::clone(&barrier));
        workers.push(tokio::spawn(async move {
            let mut conn = pool.acquire().await.unwrap();
            barrier.wait().await;
            publish(&mut conn, attempt, Some(&trained.version()), &[]).await.unwrap().unwrap()
        }));
    }
    let mut numbers = Vec::new();
    for worker in workers {
        numbers.push(tokio::time::timeout(TIMEOUT, worker).await.unwrap().unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=RUNS as i32).collect::<Vec<_>>());
}

#[tokio::test]
async fn nothing_is_published_while_an_object_is_missing() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &["manifest.json"]).await;
    let before = fixture.rows().await;
    let metrics = [metric(None, "accuracy", Some(1.0))];
    let error = publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), &metrics).await.unwrap_err();
    assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    assert_eq!(fixture.rows().await, before);

    confirm_object(&mut *fixture.conn().await, &trained.object_keys[1], SHA256, 7).await.unwrap();
    assert_eq!(publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), &metrics).await.unwrap(), Some(1));
}

#[tokio::test]
async fn the_objects_of_an_earlier_attempt_are_not_published() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let earlier = fixture.trained(attempt, &[]).await;
    aprendiz_runs::release_attempt(&mut *fixture.conn().await, attempt).await.unwrap();
    let attempt = fixture.claim_run(attempt.run_id).await;
    let error = publish(&mut *fixture.conn().await, attempt, Some(&earlier.version()), &[]).await.unwrap_err();
    assert!(matches!(error, RunsError::BrokenRow { table: "objects", .. }), "{error}");
    assert_eq!(fixture.run(attempt.run_id).await.status, RunStatus::Running);
}

#[tokio::test]
async fn an_object_is_confirmed_only_between_its_declaration_and_its_publication() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    let undeclared = confirm_object(&mut *fixture.conn().await, "models/other", SHA256, 7).await.unwrap_err();
    assert!(matches!(undeclared, RunsError::BrokenRow { table: "objects", .. }), "{undeclared}");
    publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), &[]).await.unwrap();
    let published = confirm_object(&mut *fixture.conn().await, &trained.object_keys[0], SHA256, 9).await.unwrap_err();
    assert!(matches!(published, RunsError::BrokenRow { table: "objects", .. }), "{published}");
}

#[tokio::test]
async fn metrics_keep_undefined_values_and_details() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    let confusion = NewMetric {
        details: Some(json!({ "labels": ["NDA", null], "rows": [[1, 0], [0, 2]] })),
        ..metric(Some("kind"), "confusion", None)
    };
    let undefined = NewMetric { details: Some(json!({ "reason": "no answers" })), ..metric(Some("kind"), "selective_accuracy", None) };
    let metrics = [metric(Some("kind"), "accuracy", Some(0.75)), confusion.clone(), undefined, metric(None, "n", Some(0.1 + 0.2))];
    publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), &metrics).await.unwrap();

    let read = list_metrics(&mut *fixture.conn().await, attempt.run_id).await.unwrap();
    let shown: Vec<_> = read.iter().map(|metric| (metric.field.as_deref(), metric.name.as_str(), metric.value)).collect();
    let kind = Some("kind");
    assert_eq!(
        shown,
        [(None, "n", Some(0.1 + 0.2)), (kind, "accuracy", Some(0.75)), (kind, "confusion", None), (kind, "selective_accuracy", None)]
    );
    assert_eq!(read[2].details, confusion.details);
    assert_eq!(read[3].details, Some(json!({ "reason": "no answers" })));
    assert!(read.iter().all(|metric| metric.attempt_number == 1 && metric.split == "test"));
    assert_eq!(fixture.number("SELECT count(*) FROM metrics WHERE model_version_id IS NOT NULL").await, 4);
}

#[tokio::test]
async fn an_empty_metric_rolls_back_all_of_them() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let trained = fixture.trained(attempt, &[]).await;
    let before = fixture.rows().await;
    let metrics = [metric(None, "accuracy", Some(1.0)), metric(None, "accuracy", None)];
    assert!(publish(&mut *fixture.conn().await, attempt, Some(&trained.version()), &metrics).await.is_err());
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn an_evaluate_run_publishes_metrics_and_no_version() {
    let fixture = Fixture::new().await;
    let id = fixture.create_run_with(|spec| spec.kind = RunKind::Evaluate).await;
    let attempt = fixture.claim_run(id).await;
    let accuracy = NewMetric { split: "reviewed", ..metric(Some("kind"), "accuracy", Some(0.5)) };
    assert_eq!(publish(&mut *fixture.conn().await, attempt, None, &[accuracy]).await.unwrap(), None);
    let run = fixture.run(id).await;
    assert_eq!((run.status, run.model_version), (RunStatus::Succeeded, None));
    assert_eq!(list_metrics(&mut *fixture.conn().await, id).await.unwrap().len(), 1);
    assert!(list_models(&mut *fixture.conn().await, &Scope::All, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_training_run_cannot_succeed_without_a_model_version() {
    let fixture = Fixture::new().await;
    let attempt = fixture.running().await;
    let before = fixture.rows().await;
    assert!(matches!(publish(&mut *fixture.conn().await, attempt, None, &[]).await, Err(RunsError::BrokenRow { .. })));
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn a_dataset_only_run_keeps_its_dataset() {
    let fixture = Fixture::new().await;
    let id = create_run(&mut *fixture.conn().await, CreateRun { dataset_only: true, ..request(spec("m")) }).await.unwrap().run.id;
    let attempt = fixture.claim_run(id).await;
    let dataset = fixture.dataset().await;
    let object = ["datasets/x/examples.parquet".to_owned()];
    let mut tx = fixture.pool().begin().await.unwrap();
    lock_attempt(&mut tx, attempt).await.unwrap();
    declare_objects(&mut tx, attempt, &object).await.unwrap();
    confirm_object(&mut tx, &object[0], SHA256, 7).await.unwrap();
    publish_objects(&mut tx, attempt, &object, ObjectOwner::Dataset(dataset)).await.unwrap();
    attach_dataset(&mut tx, attempt, dataset).await.unwrap();
    tx.commit().await.unwrap();
    publish(&mut *fixture.conn().await, attempt, None, &[]).await.unwrap();
    let run = fixture.run(attempt.run_id).await;
    assert_eq!((run.status, run.dataset_id, run.model_version), (RunStatus::Succeeded, Some(dataset), None));
    assert_eq!(fixture.number("SELECT count(*) FROM objects WHERE state = 'live' AND dataset_id IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_second_publication_of_a_model_waits_and_gets_the_next_number() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.running().await, fixture.running().await);
    let (one, two) = (fixture.trained(first, &[]).await, fixture.trained(second, &[]).await);
    // the first has its number and is not committed: other publications of that model wait
    let mut conn = fixture.conn().await;
    let mut held = conn.begin().await.unwrap();
    assert_eq!(publish(&mut held, first, Some(&one.version()), &[]).await.unwrap(), Some(1));
    let pool = fixture.pool().clone();
    let waiting = tokio::spawn(async move {
        let mut conn = pool.acquire().await.unwrap();
        publish(&mut conn, second, Some(&two.version()), &[]).await.unwrap()
    });
    fixture.wait_for_blocked_statement().await;
    held.commit().await.unwrap();
    assert_eq!(tokio::time::timeout(TIMEOUT, waiting).await.unwrap().unwrap(), Some(2));
    let in_order = "SELECT count(*) FROM model_versions v JOIN training_runs r ON r.id = v.run_id WHERE v.number = CASE
        WHEN r.finished_at = (SELECT min(finished_at) FROM training_runs) THEN 1 ELSE 2 END";
    assert_eq!(fixture.number(in_order).await, 2);
}

#[tokio::test]
async fn a_rolled_back_publication_leaves_no_gap() {
    let fixture = Fixture::new().await;
    let (first, second) = (fixture.running().await, fixture.running().await);
    let (one, two) = (fixture.trained(first, &[]).await, fixture.trained(second, &[]).await);
    let mut conn = fixture.conn().await;
    let mut lost = conn.begin().await.unwrap();
    assert_eq!(publish(&mut lost, first, Some(&one.version()), &[]).await.unwrap(), Some(1));
    lost.rollback().await.unwrap();
    assert_eq!(publish(&mut *fixture.conn().await, second, Some(&two.version()), &[]).await.unwrap(), Some(1));
    assert_eq!(publish(&mut *fixture.conn().await, first, Some(&one.version()), &[]).await.unwrap(), Some(2));
}
