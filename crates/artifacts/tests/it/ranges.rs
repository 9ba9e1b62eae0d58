//! Range reads.

use aprendiz_artifacts::ObjectRange;

use crate::fixture::{Fixture, PART_BYTES, bytes};

#[tokio::test]
async fn ranges_are_inclusive() {
    let fixture = Fixture::new().await;
    fixture.put("key", b"0123456789").await;
    let range = |first, last| Some(ObjectRange { first, last });
    assert_eq!(fixture.read("key", None).await, b"0123456789");
    assert_eq!(fixture.read("key", range(0, Some(0))).await, b"0");
    assert_eq!(fixture.read("key", range(2, Some(5))).await, b"2345");
    assert_eq!(fixture.read("key", range(7, None)).await, b"789");
    assert_eq!(fixture.read("key", range(8, Some(500))).await, b"89", "a range ends at the end of the object");
}

#[tokio::test]
async fn ranges_can_cross_part_boundaries() {
    let fixture = Fixture::new().await;
    let content = bytes(2 * PART_BYTES);
    fixture.store.upload("key", &fixture.file(&content)).await.unwrap();
    let range = ObjectRange { first: PART_BYTES as u64 - 3, last: Some(PART_BYTES as u64 + 2) };
    assert_eq!(fixture.read("key", Some(range)).await, content[PART_BYTES - 3..PART_BYTES + 3]);
}

#[tokio::test]
async fn ranges_beyond_the_end_are_errors() {
    let fixture = Fixture::new().await;
    fixture.put("key", b"0123456789").await;
    assert!(fixture.store.get("key", Some(ObjectRange { first: 10, last: None })).await.is_err());
}
