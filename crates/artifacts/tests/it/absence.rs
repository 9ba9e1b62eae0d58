//! Objects, buckets and files that are not there.

use artifacts::StoreError;

use crate::fixture::{Fixture, sha256, store};

#[tokio::test]
async fn a_missing_object_is_named_and_not_tried_again() {
    let fixture = Fixture::new().await;
    let target = fixture.path("folder/target");
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
async fn a_bucket_is_checked_before_it_is_used() {
    let fixture = Fixture::new().await;
    fixture.store.check().await.unwrap();
    let absent = format!("{}-absent", fixture.bucket.name());
    let error = store(&absent, "").await.check().await.unwrap_err();
    assert!(matches!(&error, StoreError::MissingBucket(name) if *name == absent), "{error}");
    assert!(error.to_string().contains("APRENDIZ_BUCKET"), "{error}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_writes_nothing() {
    let fixture = Fixture::new().await;
    let error = fixture.store.upload("key", &fixture.path("absent")).await.unwrap_err();
    assert!(matches!(&error, StoreError::File { path, .. } if path.ends_with("absent")), "{error}");
    let error = fixture.store.upload("key", &fixture.path("")).await.unwrap_err();
    assert!(matches!(&error, StoreError::File { .. }), "a folder is no file: {error}");
    assert!(fixture.bucket.keys().await.is_empty());
}
