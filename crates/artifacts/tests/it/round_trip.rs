//! What goes up comes down.

use artifacts::Uploaded;

use crate::fixture::{Fixture, PART, bytes, sha256, store};

async fn assert_round_trip(sizes: &[usize]) {
    let fixture = Fixture::new().await;
    for &size in sizes {
        let content = bytes(size);
        let key = format!("models/m/{size}");
        let uploaded = fixture.store.upload(&key, &fixture.file(&content)).await.unwrap();
        assert_eq!(uploaded, Uploaded { sha256: sha256(&content), bytes: size as u64 });
        let target = fixture.path(&format!("deep/down/{size}"));
        assert_eq!(fixture.store.download(&key, &target, &uploaded.sha256).await.unwrap(), size as u64);
        assert!(std::fs::read(&target).unwrap() == content, "{size} bytes came back changed");
    }
}

#[tokio::test]
async fn small_and_empty_files_in_one_request() {
    assert_round_trip(&[0, 1, 100_000]).await;
}

#[tokio::test]
async fn files_of_exactly_one_part_and_around_it() {
    assert_round_trip(&[PART - 1, PART, PART + 1]).await;
}

#[tokio::test]
async fn files_of_several_parts() {
    assert_round_trip(&[2 * PART, 2 * PART + 12_345]).await;
}

#[tokio::test]
async fn a_finished_upload_leaves_no_unfinished_one() {
    let fixture = Fixture::new().await;
    fixture.store.upload("big", &fixture.file(&bytes(PART + 1))).await.unwrap();
    assert_eq!(fixture.bucket.keys().await, ["big"]);
    let left = fixture.bucket.client().list_multipart_uploads().bucket(fixture.bucket.name()).send().await;
    // not every server has this question
    if let Ok(left) = left {
        assert!(left.uploads().is_empty());
    }
}

#[tokio::test]
async fn the_prefix_of_an_installation_comes_before_every_key() {
    let fixture = Fixture::new().await;
    let team = store(fixture.bucket.name(), "team-a/").await;
    let uploaded = team.upload("models/m", &fixture.file(b"ours")).await.unwrap();
    fixture.store.upload("models/m", &fixture.file(b"theirs")).await.unwrap();
    assert_eq!(fixture.bucket.keys().await, ["models/m", "team-a/models/m"]);
    let target = fixture.path("target");
    team.download("models/m", &target, &uploaded.sha256).await.unwrap();
    assert_eq!(std::fs::read(target).unwrap(), b"ours");
}

#[tokio::test]
async fn an_object_can_be_written_again() {
    let fixture = Fixture::new().await;
    fixture.store.upload("key", &fixture.file(&bytes(PART + 1))).await.unwrap();
    fixture.store.upload("key", &fixture.file(b"second")).await.unwrap();
    assert_eq!(fixture.read("key", None).await, b"second");
}
