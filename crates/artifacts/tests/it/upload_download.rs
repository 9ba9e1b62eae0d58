//! Uploads and downloads of all sizes.

use aprendiz_artifacts::Uploaded;

use crate::fixture::{Fixture, PART_BYTES, bytes, sha256, store};

async fn assert_round_trip(sizes: &[usize]) {
    let fixture = Fixture::new().await;
    for &size in sizes {
        let content = bytes(size);
        let key = format!("models/m/{size}");
        let uploaded = fixture.store.upload(&key, &fixture.file(&content)).await.unwrap();
        assert_eq!(uploaded, Uploaded { sha256: sha256(&content), bytes: size as u64 });
        let target = fixture.path(&format!("deep/down/{size}"));
        assert_eq!(fixture.store.download(&key, &target, &uploaded.sha256).await.unwrap(), size as u64);
        assert!(std::fs::read(&target).unwrap() == content, "{size} bytes changed in transit");
    }
}

#[tokio::test]
async fn small_and_empty_files() {
    assert_round_trip(&[0, 1, 100_000]).await;
}

#[tokio::test]
async fn files_around_the_part_size() {
    assert_round_trip(&[PART_BYTES - 1, PART_BYTES, PART_BYTES + 1]).await;
}

#[tokio::test]
async fn files_with_several_parts() {
    assert_round_trip(&[2 * PART_BYTES, 2 * PART_BYTES + 12_345]).await;
}

#[tokio::test]
async fn completed_uploads_leave_no_incomplete_upload() {
    let fixture = Fixture::new().await;
    fixture.store.upload("big", &fixture.file(&bytes(PART_BYTES + 1))).await.unwrap();
    assert_eq!(fixture.bucket.keys().await, ["big"]);
    let left = fixture.bucket.client().list_multipart_uploads().bucket(fixture.bucket.name()).send().await;
    // not every server supports this request
    if let Ok(left) = left {
        assert!(left.uploads().is_empty());
    }
}

#[tokio::test]
async fn key_prefix_is_prepended_to_every_key() {
    let fixture = Fixture::new().await;
    let team = store(fixture.bucket.name(), "team-a/").await;
    let uploaded = team.upload("models/m", &fixture.file(b"own")).await.unwrap();
    fixture.store.upload("models/m", &fixture.file(b"other")).await.unwrap();
    assert_eq!(fixture.bucket.keys().await, ["models/m", "team-a/models/m"]);
    let target = fixture.path("target");
    team.download("models/m", &target, &uploaded.sha256).await.unwrap();
    assert_eq!(std::fs::read(target).unwrap(), b"own");
}

#[tokio::test]
async fn objects_can_be_overwritten() {
    let fixture = Fixture::new().await;
    fixture.store.upload("key", &fixture.file(&bytes(PART_BYTES + 1))).await.unwrap();
    fixture.store.upload("key", &fixture.file(b"second")).await.unwrap();
    assert_eq!(fixture.read("key", None).await, b"second");
}
