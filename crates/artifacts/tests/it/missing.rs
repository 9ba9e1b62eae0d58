//! Missing objects, buckets and files.

use aprendiz_artifacts::{Store, StoreConfig, StoreError};

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

#[tokio::test]
async fn an_unreachable_store_is_reported_in_words_with_the_way_out() {
    // nothing listens on this port once the listener is dropped
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = StoreConfig { endpoint: Some(format!("http://127.0.0.1:{port}")), ..StoreConfig::new("models") };
    let store = Store::connect(&config).await.unwrap();
    let mut errors = vec![store.check().await.unwrap_err(), store.get("models/none", None).await.unwrap_err()];
    errors.extend(store.probe().await);
    assert_eq!(errors.len(), 3);
    for error in errors {
        let text = error.to_string();
        assert!(text.contains("Connection refused") && text.contains("AWS_ENDPOINT_URL_S3"), "{text}");
        assert!(!["{", "Error(", "Failure", "client error", "\n"].iter().any(|debug| text.contains(debug)) && text.len() < 250, "{text}");
        assert!(error.is_retryable());
    }
}
