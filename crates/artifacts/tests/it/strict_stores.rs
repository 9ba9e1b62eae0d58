//! Stores that are stricter or older than the one of the other tests.

use aprendiz_artifacts::{ChecksumUse, Store, StoreConfig, StoreError};
use aprendiz_test_support::ObjectServer;

use crate::fixture::{PART_BYTES, bytes, sha256};

fn config(server: &ObjectServer) -> StoreConfig {
    StoreConfig { endpoint: Some(server.endpoint()), ..StoreConfig::new(ObjectServer::BUCKET) }
}

/// Uploads and downloads a file of several parts and one of a single request.
async fn round_trip(store: &Store) -> Result<(), StoreError> {
    let folder = tempfile::tempdir().unwrap();
    for size in [2 * PART_BYTES + 5, 1_000] {
        let (key, content) = (format!("models/{size}"), bytes(size));
        let (source, target) = (folder.path().join("source"), folder.path().join("target"));
        std::fs::write(&source, &content).unwrap();
        let uploaded = store.upload(&key, &source).await?;
        assert_eq!(uploaded.sha256, sha256(&content));
        store.download(&key, &target, &uploaded.sha256).await?;
    }
    Ok(())
}

#[tokio::test]
async fn parts_carry_the_checksums_that_their_upload_announces() {
    let server = ObjectServer::start(&[]).await;
    for request_checksums in [None, Some(ChecksumUse::WhenSupported), Some(ChecksumUse::WhenRequired)] {
        let store = Store::connect(&StoreConfig { request_checksums, ..config(&server) }).await.unwrap();
        round_trip(&store).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_without_checksums_names_the_variables_and_works_with_them() {
    let server = ObjectServer::start(&["--reject-checksums"]).await;
    let error = round_trip(&Store::connect(&config(&server)).await.unwrap()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("AWS_REQUEST_CHECKSUM_CALCULATION=when_required"), "{text}");
    assert!(text.contains("AWS_RESPONSE_CHECKSUM_VALIDATION=when_required"), "{text}");
    assert!(text.contains("501 NotImplemented: Header 'x-amz-"), "{text}");
    assert!(!error.is_retryable() && !text.contains('{'), "{text}");

    let checksums = Some(ChecksumUse::WhenRequired);
    let config = StoreConfig { request_checksums: checksums, response_checksums: checksums, ..config(&server) };
    let store = Store::connect(&config).await.unwrap();
    round_trip(&store).await.unwrap();
    assert!(store.probe().await.is_empty());
}

#[tokio::test]
async fn a_store_without_path_style_names_the_variable() {
    let server = ObjectServer::start(&["--domain", "127.0.0.1", "--virtual-only"]).await;
    let error = Store::connect(&config(&server)).await.unwrap().check().await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("403 SecondLevelDomainForbidden") && text.contains("APRENDIZ_BUCKET_ADDRESSING=virtual"), "{text}");
    assert!(!error.is_retryable());
}
