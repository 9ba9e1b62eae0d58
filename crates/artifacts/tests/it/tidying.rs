//! Deleting, listing, and uploads that are given up.

use artifacts::{ListedObject, StoreError};

use crate::fixture::{Fixture, PART, bytes, sha256, store};

fn keys(objects: &[ListedObject]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

#[tokio::test]
async fn an_object_is_deleted_once_and_deleting_it_again_does_no_harm() {
    let fixture = Fixture::new().await;
    fixture.put("models/a", b"a").await;
    fixture.put("models/b", b"b").await;
    for _ in 0..2 {
        fixture.store.delete("models/a").await.unwrap();
        assert_eq!(fixture.bucket.keys().await, ["models/b"]);
    }
    let elsewhere = store("no-such-bucket", "").await.delete("models/b").await.unwrap_err();
    assert!(matches!(elsewhere, StoreError::MissingBucket(_)), "{elsewhere}");
}

#[tokio::test]
async fn a_listing_goes_on_where_it_stopped() {
    let fixture = Fixture::new().await;
    for key in ["datasets/x", "models/a", "models/b", "models/c"] {
        fixture.put(key, b"bytes").await;
    }
    let first = fixture.store.list("models/", None, 2).await.unwrap();
    assert_eq!((keys(&first.objects), first.more), (vec!["models/a", "models/b"], true));
    assert!(first.objects.iter().all(|object| object.modified_at.is_some_and(|time| time.elapsed().is_ok())));
    let second = fixture.store.list("models/", Some("models/b"), 2).await.unwrap();
    assert_eq!((keys(&second.objects), second.more), (vec!["models/c"], false));
}

#[tokio::test]
async fn a_store_with_a_prefix_sees_its_own_keys_only() {
    let fixture = Fixture::new().await;
    for key in ["models/a", "team-a/models/a", "team-b/models/a"] {
        fixture.put(key, b"bytes").await;
    }
    let ours = store(fixture.bucket.name(), "team-a/").await;
    assert_eq!(keys(&ours.list("models/", None, 10).await.unwrap().objects), ["models/a"]);
    ours.delete("models/a").await.unwrap();
    assert_eq!(fixture.bucket.keys().await, ["models/a", "team-b/models/a"]);
}

#[tokio::test]
async fn a_large_upload_tells_its_id_before_its_first_part() {
    let fixture = Fixture::new().await;
    let content = bytes(PART + 1);
    let path = fixture.file(&content);
    let upload = fixture.store.begin_upload("models/large", &path).await.unwrap();
    let id = upload.id().expect("more than one part").to_owned();
    assert_eq!(fixture.bucket.keys().await, [] as [String; 0]);
    assert_eq!(upload.finish().await.unwrap().sha256, sha256(&content));
    assert_eq!(fixture.read("models/large", None).await, content);
    assert!(!fixture.store.abort_upload("models/large", &id).await.unwrap(), "it has ended");
    assert_eq!(fixture.bucket.keys().await, ["models/large"], "and its object stays");
}

#[tokio::test]
async fn a_small_upload_has_no_id() {
    let fixture = Fixture::new().await;
    let path = fixture.file(b"small");
    let upload = fixture.store.begin_upload("models/small", &path).await.unwrap();
    assert_eq!(upload.id(), None);
    assert_eq!(upload.finish().await.unwrap().bytes, 5);
}

#[tokio::test]
async fn an_aborted_upload_takes_no_more_parts() {
    let fixture = Fixture::new().await;
    let path = fixture.file(&bytes(PART + 1));
    let upload = fixture.store.begin_upload("models/large", &path).await.unwrap();
    let id = upload.id().unwrap().to_owned();
    assert!(fixture.store.abort_upload("models/large", &id).await.unwrap());
    assert!(upload.finish().await.is_err());
    assert!(!fixture.store.abort_upload("models/large", &id).await.unwrap(), "once is enough");
    assert_eq!(fixture.bucket.keys().await, [] as [String; 0]);

    let upload = fixture.store.begin_upload("models/large", &path).await.unwrap();
    let id = upload.id().unwrap().to_owned();
    upload.give_up().await;
    assert!(!fixture.store.abort_upload("models/large", &id).await.unwrap(), "it was aborted when it was given up");
}

#[tokio::test]
async fn a_server_that_cannot_list_uploads_says_so_without_failing() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.store.unfinished_uploads("models/", 100).await.unwrap(), None);
}
