//! The life of a version after its publication: deletion of its files, and verification.

use aprendiz_runs::{
    DatasetId, ModelVersion, RunStatus, RunsError, Verification, VerificationResult, create_verification, delete_version_files,
    find_version, list_metrics, publish_verification, retire_version,
};
use serde_json::json;

use crate::fixture::{Fixture, request, spec};

async fn published(fixture: &Fixture) -> ModelVersion {
    let attempt = fixture.running().await;
    let number = fixture.publish(attempt).await;
    find_version(&mut *fixture.conn().await, "contracts", Some(number)).await.unwrap().unwrap()
}

async fn delete(fixture: &Fixture, number: i32) -> Result<ModelVersion, RunsError> {
    delete_version_files(&mut *fixture.conn().await, "contracts", number, "ana", "no longer needed").await
}

/// Checks that the deletion is refused for these reasons and changes nothing.
async fn assert_refused(fixture: &Fixture, number: i32, expected: &[&str]) {
    let before = fixture.rows().await;
    let RunsError::VersionInUse { references, .. } = delete(fixture, number).await.unwrap_err() else { panic!("another error") };
    assert_eq!(references.len(), expected.len(), "{references:?}");
    for (reference, expected) in references.iter().zip(expected) {
        assert!(reference.contains(expected), "{reference}: {expected}");
    }
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn files_are_deleted_only_when_nothing_refers_to_the_version() {
    let fixture = Fixture::new().await;
    let first = published(&fixture).await;
    let second = published(&fixture).await;
    // the first version became champion by rule
    assert_refused(&fixture, 1, &["not retired", "alias champion"]).await;
    retire_version(&mut *fixture.conn().await, "contracts", 1, true, "ana", "old").await.unwrap();

    let request_id = uuid::Uuid::now_v7();
    let sql = format!(
        "INSERT INTO promotion_requests (id, model, alias, number, alias_revision, requested_by, requested_by_key)
         VALUES ('{request_id}', 'contracts', 'champion', 1, 0, 'ana', '{request_id}')"
    );
    fixture.execute(&sql).await.unwrap();
    assert_refused(&fixture, 1, &[&request_id.to_string()]).await;
    fixture.execute("DELETE FROM promotion_requests").await.unwrap();

    let run = fixture.create_run().await;
    for reads in [
        json!({ "base_model": "models:/contracts/1" }),
        json!({ "base_model": format!("s3://bucket/{}", first.object_prefix) }),
        json!({ "model_version": { "model": "contracts", "number": 1 } }),
        json!({ "model_version": 1 }),
    ] {
        fixture.execute(&format!("UPDATE training_runs SET spec = '{reads}' WHERE id = '{run}'")).await.unwrap();
        assert_refused(&fixture, 1, &[&run.to_string()]).await;
    }
    fixture
        .execute(&format!("UPDATE training_runs SET spec = '{{\"base_model\": \"models:/contracts/11\"}}' WHERE id = '{run}'"))
        .await
        .unwrap();

    let card = json!({ "base_model": { "version": { "model": "contracts", "number": 1 } } });
    fixture.execute(&format!("UPDATE model_versions SET card = '{card}' WHERE id = '{}'", second.id)).await.unwrap();
    assert_refused(&fixture, 1, &["contracts version 2 was trained from it"]).await;
    retire_version(&mut *fixture.conn().await, "contracts", 2, false, "ana", "old").await.unwrap();
    delete(&fixture, 2).await.unwrap();

    let deleted = delete(&fixture, 1).await.unwrap();
    assert_eq!((deleted.files_deleted_by.as_deref(), deleted.files_deleted_reason.as_deref()), (Some("ana"), Some("no longer needed")));
    assert_eq!(fixture.number("SELECT count(*) FROM objects WHERE state = 'deleting'").await, 4);
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'model.delete_files'").await, 2);
    let before = fixture.rows().await;
    assert_eq!(delete(&fixture, 1).await.unwrap().files_deleted_at, deleted.files_deleted_at, "a repetition changes nothing");
    assert_eq!(fixture.rows().await, before);
}

#[tokio::test]
async fn unknown_versions_have_no_files_to_delete() {
    let fixture = Fixture::new().await;
    assert!(matches!(delete(&fixture, 1).await, Err(RunsError::UnknownModel(_))));
    published(&fixture).await;
    assert!(matches!(delete(&fixture, 2).await, Err(RunsError::UnknownVersion { number: 2, .. })));
}

fn verification(result: VerificationResult) -> Verification {
    Verification { result, compared: 5, files: Vec::new(), reasons: Vec::new() }
}

#[tokio::test]
async fn a_verification_records_its_result_and_publishes_nothing() {
    let fixture = Fixture::new().await;
    let version = published(&fixture).await;
    for (result, value) in
        [(VerificationResult::Different, Some(0.0)), (VerificationResult::Identical, Some(1.0)), (VerificationResult::NotComparable, None)]
    {
        let created = create_verification(&mut *fixture.conn().await, &version, request(spec("contracts"))).await.unwrap();
        assert_eq!(created.run.verifies_version_id, Some(version.id));
        let attempt = fixture.claim_run(created.run.id).await;
        let found = verification(result);
        publish_verification(&mut *fixture.conn().await, attempt, version.id, Some(version.dataset_id), &found, &[]).await.unwrap();
        let run = fixture.run(created.run.id).await;
        assert_eq!((run.status, run.model_version), (RunStatus::Succeeded, None));
        let metrics = list_metrics(&mut *fixture.conn().await, run.id).await.unwrap();
        assert_eq!((metrics.len(), metrics[0].name.as_str(), metrics[0].value), (1, "verification_identical", value));
        let recorded = find_version(&mut *fixture.conn().await, "contracts", Some(1)).await.unwrap().unwrap();
        assert_eq!(recorded.verification.unwrap()["result"], serde_json::to_value(result).unwrap());
        assert_eq!((recorded.verified_run_id, recorded.verified_at.is_some()), (Some(run.id), true));
    }
    assert_eq!(fixture.number("SELECT count(*) FROM model_versions").await, 1);
    assert_eq!(fixture.number("SELECT count(*) FROM audit_log WHERE action = 'model.verify'").await, 3);
}

#[tokio::test]
async fn a_verification_is_recorded_only_by_its_run_and_on_an_existing_snapshot() {
    let fixture = Fixture::new().await;
    let version = published(&fixture).await;
    let other = fixture.running().await;
    let result = verification(VerificationResult::Identical);
    let error = publish_verification(&mut *fixture.conn().await, other, version.id, None, &result, &[]).await.unwrap_err();
    assert!(error.to_string().contains("does not verify"), "{error}");

    let created = create_verification(&mut *fixture.conn().await, &version, request(spec("contracts"))).await.unwrap();
    let attempt = fixture.claim_run(created.run.id).await;
    let publish = async |dataset: Option<DatasetId>| {
        publish_verification(&mut *fixture.conn().await, attempt, version.id, dataset, &result, &[]).await
    };
    fixture.execute(&format!("UPDATE datasets SET erased_at = clock_timestamp() WHERE id = '{}'", version.dataset_id)).await.unwrap();
    assert!(matches!(publish(Some(version.dataset_id)).await, Err(RunsError::DatasetErased(_))));
    let unverified = "SELECT count(*) FROM model_versions WHERE verified_at IS NOT NULL";
    assert_eq!(fixture.number(unverified).await, 0);
    publish(None).await.unwrap();
    assert!(matches!(publish(None).await, Err(RunsError::LeaseLost { .. })), "the attempt has ended");
    assert_eq!(fixture.number(unverified).await, 1);
}
