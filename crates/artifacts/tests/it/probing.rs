//! The probe of a store: it works, leaves nothing, and names the missing permission.

use aprendiz_artifacts::{Store, StoreConfig};
use aprendiz_test_support::{FaultProxy, ObjectServer};

use crate::fixture::{Fixture, bytes};

#[tokio::test]
async fn a_usable_store_passes_and_keeps_nothing() {
    let fixture = Fixture::new().await;
    let failures = fixture.store.probe().await;
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(fixture.bucket.keys().await, [] as [String; 0]);
}

#[tokio::test]
async fn each_missing_permission_is_named() {
    for (operations, permission) in [
        (&["HeadBucket", "ListObjectsV2"][..], "s3:ListBucket"),
        (&["PutObject"], "s3:PutObject"),
        (&["CreateMultipartUpload"], "s3:PutObject"),
        (&["GetObject"], "s3:GetObject"),
        (&["AbortMultipartUpload"], "s3:AbortMultipartUpload"),
        (&["ListMultipartUploads"], "s3:ListBucketMultipartUploads"),
        (&["DeleteObject"], "s3:DeleteObject"),
    ] {
        let arguments: Vec<&str> = operations.iter().flat_map(|operation| ["--deny", operation]).collect();
        let server = ObjectServer::start(&arguments).await;
        let config = StoreConfig { endpoint: Some(server.endpoint()), ..StoreConfig::new(ObjectServer::BUCKET) };
        let failures = Store::connect(&StoreConfig { key_prefix: "team-a/".to_owned(), ..config }).await.unwrap().probe().await;
        assert!(!failures.is_empty(), "{permission}");
        let resource = if permission.contains("Bucket") { "`models`" } else { "`models/team-a/*`" };
        for failure in failures {
            let text = failure.to_string();
            let expected = format!("403 AccessDenied: Access Denied; the credentials need the permission {permission} on {resource}");
            assert!(text.ends_with(&expected), "{text}");
            assert!(!failure.is_retryable());
        }
    }
}

const SKEWED: &str = "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 88\r\n\r\n\
    <Error><Code>RequestTimeTooSkewed</Code><Message>the clock differs</Message></Error>    ";
const REDIRECT: &str =
    "HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-central-1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const OTHER_REGION: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 107\r\n\r\n\
    <Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong</Message><Region>eu-west-3</Region></Error> ";
const HELLO: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn what_a_head_request_cannot_say_is_asked_again() {
    let fixture = Fixture::new().await;
    for (answer, expected, retryable) in [
        (SKEWED, "403 RequestTimeTooSkewed: the clock differs; the clock of this host differs", true),
        (REDIRECT, "the bucket is in the region eu-central-1: set AWS_REGION=eu-central-1", false),
        (OTHER_REGION, "the bucket is in the region eu-west-3: set AWS_REGION=eu-west-3", false),
        ("HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", "access to bucket", true),
    ] {
        let proxy = FaultProxy::start(&fixture.bucket.address());
        proxy.answer(answer);
        let config = StoreConfig { endpoint: Some(format!("http://{}", proxy.address())), ..StoreConfig::new("models") };
        let error = Store::connect(&config).await.unwrap().check().await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains(['{', '\n']) && text.len() < 400, "one line for people: {text}");
        assert_eq!(error.is_retryable(), retryable, "{text}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_everything_and_keeps_nothing_is_no_store() {
    let fixture = Fixture::new().await;
    let proxy = FaultProxy::start(&fixture.bucket.address());
    proxy.answer(HELLO);
    let config = StoreConfig { endpoint: Some(format!("http://{}", proxy.address())), ..StoreConfig::new("models") };
    let failures = Store::connect(&config).await.unwrap().probe().await;
    assert!(!failures.is_empty());
    assert!(failures.iter().all(|failure| !failure.to_string().contains('{')), "{failures:?}");
}

#[tokio::test]
async fn missing_objects_are_found_by_listing() {
    let fixture = Fixture::new().await;
    fixture.put("datasets/a/one", &bytes(10)).await;
    fixture.put("datasets/a/three", &bytes(10)).await;
    let keys = ["datasets/a/one", "datasets/a/two", "datasets/a/three"].map(str::to_owned);
    assert_eq!(fixture.store.missing_objects("datasets/a/", &keys).await.unwrap(), ["datasets/a/two"]);
}
