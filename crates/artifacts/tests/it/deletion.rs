//! Deletion, listing and aborted uploads.

use aprendiz_artifacts::{ListedObject, Store, StoreConfig, StoreError};
use aprendiz_test_support::{FaultProxy, ObjectServer};

use crate::fixture::{Fixture, PART_BYTES, bytes, sha256, store};

fn keys(objects: &[ListedObject]) -> Vec<&str> {
    objects.iter().map(|object| object.key.as_str()).collect()
}

#[tokio::test]
async fn deletion_is_idempotent() {
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
async fn listings_resume_after_a_key() {
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
async fn stores_with_a_prefix_see_only_their_keys() {
    let fixture = Fixture::new().await;
    for key in ["models/a", "team-a/models/a", "team-b/models/a"] {
        fixture.put(key, b"bytes").await;
    }
    let team = store(fixture.bucket.name(), "team-a/").await;
    assert_eq!(keys(&team.list("models/", None, 10).await.unwrap().objects), ["models/a"]);
    team.delete("models/a").await.unwrap();
    assert_eq!(fixture.bucket.keys().await, ["models/a", "team-b/models/a"]);
}

#[tokio::test]
async fn large_uploads_have_an_id_before_the_first_part() {
    let fixture = Fixture::new().await;
    let content = bytes(PART_BYTES + 1);
    let path = fixture.file(&content);
    let upload = fixture.store.begin_upload("models/large", &path).await.unwrap();
    let id = upload.id().expect("more than one part").to_owned();
    assert_eq!(fixture.bucket.keys().await, [] as [String; 0]);
    assert_eq!(upload.finish().await.unwrap().sha256, sha256(&content));
    assert_eq!(fixture.read("models/large", None).await, content);
    assert!(!fixture.store.abort_upload("models/large", &id).await.unwrap(), "the upload is complete");
    assert_eq!(fixture.bucket.keys().await, ["models/large"], "the object remains");
}

#[tokio::test]
async fn small_uploads_have_no_id() {
    let fixture = Fixture::new().await;
    let path = fixture.file(b"small");
    let upload = fixture.store.begin_upload("models/small", &path).await.unwrap();
    assert_eq!(upload.id(), None);
    assert_eq!(upload.finish().await.unwrap().bytes, 5);
}

#[tokio::test]
async fn aborted_uploads_accept_no_parts() {
    let fixture = Fixture::new().await;
    let path = fixture.file(&bytes(PART_BYTES + 1));
    let upload = fixture.store.begin_upload("models/large", &path).await.unwrap();
    let id = upload.id().unwrap().to_owned();
    assert!(fixture.store.abort_upload("models/large", &id).await.unwrap());
    assert!(upload.finish().await.is_err());
    assert!(!fixture.store.abort_upload("models/large", &id).await.unwrap(), "already aborted");
    assert_eq!(fixture.bucket.keys().await, [] as [String; 0]);

    let upload = fixture.store.begin_upload("models/large", &path).await.unwrap();
    let id = upload.id().unwrap().to_owned();
    upload.abort().await;
    assert!(!fixture.store.abort_upload("models/large", &id).await.unwrap(), "aborted by the upload itself");
}

#[tokio::test]
async fn uploads_that_no_row_names_are_found_by_their_key_and_aborted() {
    let server = ObjectServer::start(&[]).await;
    let config =
        StoreConfig { endpoint: Some(server.endpoint()), key_prefix: "team-a/".to_owned(), ..StoreConfig::new(ObjectServer::BUCKET) };
    let store = Store::connect(&config).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    std::fs::write(&path, bytes(PART_BYTES)).unwrap();
    let begun = store.begin_upload("imports/a", &path).await.unwrap();
    let other = store.begin_upload("imports/ab", &path).await.unwrap();
    let listed = store.incomplete_uploads("imports/", 100).await.unwrap().unwrap();
    assert_eq!(listed.iter().map(|upload| upload.key.as_str()).collect::<Vec<_>>(), ["imports/a", "imports/ab"]);
    assert!(listed.iter().all(|upload| upload.initiated_at.is_some()));

    store.abort_uploads_of("imports/a").await.unwrap();
    let listed = store.incomplete_uploads("imports/", 100).await.unwrap().unwrap();
    assert_eq!(listed.iter().map(|upload| upload.key.as_str()).collect::<Vec<_>>(), ["imports/ab"]);
    assert!(begun.finish().await.is_err());
    other.finish().await.unwrap();
}

#[tokio::test]
async fn servers_without_upload_listing_return_none() {
    let fixture = Fixture::new().await;
    let proxy = FaultProxy::start(&fixture.bucket.address());
    proxy.answer("HTTP/1.1 501 Not Implemented\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let config = StoreConfig { endpoint: Some(format!("http://{}", proxy.address())), ..StoreConfig::new(fixture.bucket.name()) };
    let store = Store::connect(&config).await.unwrap();
    assert_eq!(store.incomplete_uploads("models/", 100).await.unwrap(), None);
    store.abort_uploads_of("models/a").await.unwrap();
}
