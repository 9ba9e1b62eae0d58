//! Downloads whose content differs from the recorded hash.

use aprendiz_artifacts::StoreError;

use crate::fixture::{Fixture, bytes, names, sha256};

#[tokio::test]
async fn corrupted_objects_are_rejected_and_leave_no_file() {
    let fixture = Fixture::new().await;
    let content = bytes(600_000);
    let uploaded = fixture.store.upload("key", &fixture.file(&content)).await.unwrap();
    let mut flipped = content.clone();
    flipped[599_999] ^= 1;
    let target = fixture.path("directory/target");
    for corrupted in [flipped.as_slice(), &content[..599_999], b""] {
        fixture.put("key", corrupted).await;
        let error = fixture.store.download("key", &target, &uploaded.sha256).await.unwrap_err();
        let StoreError::ChecksumMismatch { key, expected, found } = &error else { panic!("{error}") };
        assert_eq!((key.as_str(), expected, found), ("key", &uploaded.sha256, &sha256(corrupted)));
        assert!(error.is_retryable());
        assert_eq!(names(&fixture.path("directory")), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn existing_files_survive_a_corrupted_download() {
    let fixture = Fixture::new().await;
    let uploaded = fixture.store.upload("key", &fixture.file(b"good")).await.unwrap();
    let target = fixture.path("directory/target");
    fixture.store.download("key", &target, &uploaded.sha256).await.unwrap();
    fixture.put("key", b"evil").await;
    fixture.store.download("key", &target, &uploaded.sha256).await.unwrap_err();
    assert_eq!(std::fs::read(&target).unwrap(), b"good");
    assert_eq!(names(&fixture.path("directory")), ["target"]);
}

#[tokio::test]
async fn leftovers_of_interrupted_downloads_are_overwritten() {
    let fixture = Fixture::new().await;
    let uploaded = fixture.store.upload("key", &fixture.file(b"good")).await.unwrap();
    std::fs::create_dir(fixture.path("directory")).unwrap();
    std::fs::write(fixture.path("directory/target.part"), b"half of something longer").unwrap();
    let target = fixture.path("directory/target");
    fixture.store.download("key", &target, &uploaded.sha256).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"good");
    assert_eq!(names(&fixture.path("directory")), ["target"]);
}
