//! Missing objects, buckets and files.

use aprendiz_artifacts::StoreError;

use crate::fixture::{Fixture, sha256, store};

#[tokio::test]
async fn missing_objects_are_named_and_not_retryable() {
    let fixture = Fixture::new().await;
    let target = fixture.path("directory/target");
    for error in [
        fixture.store.get("models/none", None).await.unwrap_err(),
        fixture.store.download("models/none", &target, &sha256(b"")).await.unwrap_err(),
    ] {
        assert!(matches!(&error, StoreError::MissingObject(key) if key == "models/none"), "{error}");
        assert!(!error.is_retryable());
    }
    assert!(!target.exists());
}

#[tokio::test]
async fn missing_buckets_are_reported_by_check() {
    let fixture = Fixture::new().await;
    fixture.store.check().await.unwrap();
    let absent = format!("{}-absent", fixture.bucket.name());
    let error = store(&absent, "").await.check().await.unwrap_err();
    assert!(matches!(&error, StoreError::MissingBucket(name) if *name == absent), "{error}");
    assert!(error.to_string().contains("APRENDIZ_BUCKET"), "{error}");
}

#[tokio::test]
async fn unreadable_files_upload_nothing() {
    let fixture = Fixture::new().await;
    let error = fixture.store.upload("key", &fixture.path("absent")).await.unwrap_err();
    assert!(matches!(&error, StoreError::File { path, .. } if path.ends_with("absent")), "{error}");
    let error = fixture.store.upload("key", &fixture.path("")).await.unwrap_err();
    assert!(matches!(&error, StoreError::File { .. }), "a directory is not a file: {error}");
    assert!(fixture.bucket.keys().await.is_empty());
}
