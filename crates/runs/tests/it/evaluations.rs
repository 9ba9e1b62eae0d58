//! Evaluations of published versions: their publication, and what an erasure leaves.

use aprendiz_run_spec::RunKind;
use aprendiz_runs::{
    AttemptId, DatasetId, ModelVersion, NewEvaluation, RunStatus, RunsError, cancel_run, confirm_object, declare_objects, find_evaluation,
    find_version, list_evaluations, lock_attempt, publish_evaluation,
};

use crate::fixture::{Fixture, SHA256};

async fn published(fixture: &Fixture) -> ModelVersion {
    let attempt = fixture.running().await;
    let number = fixture.publish(attempt).await;
    find_version(&mut *fixture.conn().await, "contracts", Some(number)).await.unwrap().unwrap()
}

/// A claimed run that evaluates version 1, with uploaded predictions.
async fn evaluated(fixture: &Fixture) -> (AttemptId, String) {
    let change = |spec: &mut aprendiz_run_spec::RunSpec| {
        spec.kind = RunKind::Evaluate;
        spec.model_version = Some(1);
    };
    let id = fixture.create_run_with(change).await;
    let attempt = fixture.claim_run(id).await;
    let key = format!("evaluations/run-{}/attempt-{}/test_predictions.jsonl", attempt.run_id, attempt.number);
    let mut conn = fixture.conn().await;
    lock_attempt(&mut conn, attempt).await.unwrap();
    declare_objects(&mut conn, attempt, std::slice::from_ref(&key)).await.unwrap();
    confirm_object(&mut conn, &key, SHA256, 7).await.unwrap();
    (attempt, key)
}

async fn publish(
    fixture: &Fixture,
    attempt: AttemptId,
    version: &ModelVersion,
    dataset: DatasetId,
    object_key: &str,
) -> Result<(), RunsError> {
    let evaluation = NewEvaluation { version: version.id, dataset, object_key };
    publish_evaluation(&mut *fixture.conn().await, attempt, evaluation, &[]).await
}

#[tokio::test]
async fn an_evaluation_and_its_predictions_are_published_together_or_not_at_all() {
    let fixture = Fixture::new().await;
    let version = published(&fixture).await;
    let (attempt, key) = evaluated(&fixture).await;
    assert_eq!(fixture.run(attempt.run_id).await.evaluated_version(), Some(1));
    let dataset = fixture.dataset().await;

    let before = fixture.rows().await;
    let unwritten = publish(&fixture, attempt, &version, dataset, "evaluations/other").await.unwrap_err();
    assert!(matches!(unwritten, RunsError::BrokenRow { .. }), "{unwritten}");
    fixture.execute(&format!("UPDATE datasets SET erased_at = now() WHERE id = '{dataset}'")).await.unwrap();
    let erased = publish(&fixture, attempt, &version, dataset, &key).await.unwrap_err();
    assert!(matches!(erased, RunsError::DatasetErased(_)), "{erased}");
    fixture.execute(&format!("UPDATE datasets SET erased_at = NULL WHERE id = '{dataset}'")).await.unwrap();
    assert_eq!(fixture.rows().await, before);
    assert!(find_evaluation(&mut *fixture.conn().await, attempt.run_id).await.unwrap().is_none());

    publish(&fixture, attempt, &version, dataset, &key).await.unwrap();
    assert_eq!(fixture.run(attempt.run_id).await.status, RunStatus::Succeeded);
    let found = find_evaluation(&mut *fixture.conn().await, attempt.run_id).await.unwrap().unwrap();
    assert_eq!((found.version_id, found.dataset_id), (version.id, dataset));
    let predictions = found.predictions.as_ref().unwrap();
    assert_eq!((&predictions.object_key, predictions.sha256.as_str(), predictions.bytes), (&key, SHA256, 7));
    assert_eq!(list_evaluations(&mut *fixture.conn().await, version.id, 5).await.unwrap(), [found]);
    let again = publish(&fixture, attempt, &version, dataset, &key).await.unwrap_err();
    assert!(matches!(again, RunsError::LeaseLost { .. }), "{again}");
}

#[tokio::test]
async fn a_cancelled_evaluation_publishes_nothing() {
    let fixture = Fixture::new().await;
    let version = published(&fixture).await;
    let (attempt, key) = evaluated(&fixture).await;
    let dataset = fixture.dataset().await;
    cancel_run(&mut *fixture.conn().await, attempt.run_id, "ana").await.unwrap();
    let error = publish(&fixture, attempt, &version, dataset, &key).await.unwrap_err();
    assert!(matches!(error, RunsError::CancelRequested { .. }), "{error}");
    assert_eq!(fixture.number("SELECT count(*) FROM evaluations").await, 0);
    assert_eq!(fixture.number("SELECT count(*) FROM objects WHERE key LIKE 'evaluations/%' AND state = 'pending'").await, 1);
}

#[tokio::test]
async fn an_evaluation_stays_without_its_predictions_after_an_erasure() {
    let fixture = Fixture::new().await;
    let version = published(&fixture).await;
    let (attempt, key) = evaluated(&fixture).await;
    let dataset = fixture.dataset().await;
    publish(&fixture, attempt, &version, dataset, &key).await.unwrap();
    // what an erasure does with the objects of a snapshot, and the sweeper afterwards
    let marked = fixture.execute(&format!("UPDATE objects SET state = 'deleting' WHERE dataset_id = '{dataset}' AND state = 'live'")).await;
    assert_eq!(marked.unwrap(), 1);
    let found = find_evaluation(&mut *fixture.conn().await, attempt.run_id).await.unwrap().unwrap();
    assert_eq!(found.predictions, None);
    fixture.execute("DELETE FROM objects WHERE state = 'deleting'").await.unwrap();
    let found = find_evaluation(&mut *fixture.conn().await, attempt.run_id).await.unwrap().unwrap();
    assert_eq!((found.version_id, found.predictions), (version.id, None));
}
