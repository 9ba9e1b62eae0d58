//! Bytes that are not the recorded ones.

use artifacts::StoreError;

use crate::fixture::{Fixture, bytes, names, sha256};

#[tokio::test]
async fn a_damaged_object_is_refused_and_leaves_no_file() {
    let fixture = Fixture::new().await;
    let content = bytes(600_000);
    let uploaded = fixture.store.upload("key", &fixture.file(&content)).await.unwrap();
    let mut flipped = content.clone();
    flipped[599_999] ^= 1;
    let target = fixture.path("folder/target");
    for damaged in [flipped.as_slice(), &content[..599_999], b""] {
        fixture.put("key", damaged).await;
        let error = fixture.store.download("key", &target, &uploaded.sha256).await.unwrap_err();
        let StoreError::Damaged { key, expected, found } = &error else { panic!("{error}") };
        assert_eq!((key.as_str(), expected, found), ("key", &uploaded.sha256, &sha256(damaged)));
        assert!(error.is_retryable());
        assert_eq!(names(&fixture.path("folder")), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_good_file_stays_when_a_damaged_one_comes() {
    let fixture = Fixture::new().await;
    let uploaded = fixture.store.upload("key", &fixture.file(b"good")).await.unwrap();
    let target = fixture.path("folder/target");
    fixture.store.download("key", &target, &uploaded.sha256).await.unwrap();
    fixture.put("key", b"evil").await;
    fixture.store.download("key", &target, &uploaded.sha256).await.unwrap_err();
    assert_eq!(std::fs::read(&target).unwrap(), b"good");
    assert_eq!(names(&fixture.path("folder")), ["target"]);
}

#[tokio::test]
async fn what_an_interrupted_download_left_is_written_over() {
    let fixture = Fixture::new().await;
    let uploaded = fixture.store.upload("key", &fixture.file(b"good")).await.unwrap();
    std::fs::create_dir(fixture.path("folder")).unwrap();
    std::fs::write(fixture.path("folder/target.part"), b"half of something longer").unwrap();
    let target = fixture.path("folder/target");
    fixture.store.download("key", &target, &uploaded.sha256).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"good");
    assert_eq!(names(&fixture.path("folder")), ["target"]);
}
