//! Reading a part of an object.

use artifacts::ObjectRange;

use crate::fixture::{Fixture, PART, bytes};

#[tokio::test]
async fn both_ends_of_a_range_are_included() {
    let fixture = Fixture::new().await;
    fixture.put("key", b"0123456789").await;
    let range = |first, last| Some(ObjectRange { first, last });
    assert_eq!(fixture.read("key", None).await, b"0123456789");
    assert_eq!(fixture.read("key", range(0, Some(0))).await, b"0");
    assert_eq!(fixture.read("key", range(2, Some(5))).await, b"2345");
    assert_eq!(fixture.read("key", range(7, None)).await, b"789");
    assert_eq!(fixture.read("key", range(8, Some(500))).await, b"89", "the end of the object ends the range");
}

#[tokio::test]
async fn a_range_across_the_parts_of_an_upload_is_one() {
    let fixture = Fixture::new().await;
    let content = bytes(2 * PART);
    fixture.store.upload("key", &fixture.file(&content)).await.unwrap();
    let range = ObjectRange { first: PART as u64 - 3, last: Some(PART as u64 + 2) };
    assert_eq!(fixture.read("key", Some(range)).await, content[PART - 3..PART + 3]);
}

#[tokio::test]
async fn a_range_after_the_end_is_an_error() {
    let fixture = Fixture::new().await;
    fixture.put("key", b"0123456789").await;
    assert!(fixture.store.get("key", Some(ObjectRange { first: 10, last: None })).await.is_err());
}
