//! The cache of vectors: added to by whoever holds its lease, bounded, and gone when it may hold what was erased.

use runs::{
    AttemptKey, DatasetId, EmbeddingLimits, NewEmbeddingFile, ObjectOwner, RunsError, confirm_object, declare_objects, hold_fence,
    list_embedding_files, publish_objects, record_embeddings, release_attempt,
};
use sqlx::Connection as _;

use crate::fixture::Fixture;

const NO_LIMITS: EmbeddingLimits = EmbeddingLimits { bytes: i64::MAX, files: 1000 };

/// Declares and confirms a file of so many bytes, unlike those of other names.
async fn uploaded(fixture: &Fixture, key: AttemptKey, object_key: &str, bytes: i64) {
    let sha256 = hex_of(object_key);
    uploaded_as(fixture, key, object_key, &sha256, bytes).await;
}

fn hex_of(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:0<64}")
}

async fn uploaded_as(fixture: &Fixture, key: AttemptKey, object_key: &str, sha256: &str, bytes: i64) {
    let mut conn = fixture.conn().await;
    let mut tx = conn.begin().await.unwrap();
    hold_fence(&mut tx, key).await.unwrap();
    declare_objects(&mut tx, key, &[object_key.to_owned()]).await.unwrap();
    tx.commit().await.unwrap();
    confirm_object(&mut conn, object_key, sha256, bytes).await.unwrap();
}

struct Cache {
    fixture: Fixture,
    key: AttemptKey,
    dataset: DatasetId,
}

impl Cache {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let key = fixture.running().await;
        let dataset = fixture.dataset().await;
        Self { fixture, key, dataset }
    }

    /// Adds a file of 100 bytes.
    async fn add(&self, object_key: &str, encoder: char, used: &[&str], limits: EmbeddingLimits) -> Result<(), RunsError> {
        uploaded(&self.fixture, self.key, object_key, 100).await;
        self.record(object_key, encoder, used, limits).await
    }

    async fn record(&self, object_key: &str, encoder: char, used: &[&str], limits: EmbeddingLimits) -> Result<(), RunsError> {
        let encoder = encoder.to_string().repeat(64);
        let new = NewEmbeddingFile { object_key, encoder: &encoder, dataset: self.dataset };
        let used: Vec<String> = used.iter().map(|key| (*key).to_owned()).collect();
        record_embeddings(&mut *self.fixture.conn().await, self.key, &used, Some(&new), limits).await
    }

    /// What is known, the most recently used first.
    async fn listed(&self) -> Vec<String> {
        let files = list_embedding_files(&mut *self.fixture.conn().await).await.unwrap();
        files.into_iter().map(|file| file.object_key).collect()
    }

    async fn condemned(&self) -> Vec<String> {
        let objects = runs::condemned_objects(&mut *self.fixture.conn().await, "", 100).await.unwrap();
        objects.into_iter().map(|object| object.key).collect()
    }
}

#[tokio::test]
async fn the_least_recently_used_files_go_when_there_are_too_many_bytes() {
    let cache = Cache::new().await;
    cache.add("a", 'a', &[], NO_LIMITS).await.unwrap();
    cache.add("b", 'b', &[], NO_LIMITS).await.unwrap();
    assert_eq!(cache.listed().await, ["b", "a"]);
    let limits = EmbeddingLimits { bytes: 299, ..NO_LIMITS };
    cache.add("c", 'a', &["a"], limits).await.unwrap();
    assert_eq!(cache.listed().await, ["c", "a"]);
    assert_eq!(cache.condemned().await, ["b"]);
    // the same again, after an answer that was lost
    cache.record("c", 'a', &["a"], limits).await.unwrap();
    assert_eq!(cache.listed().await.len(), 2);
}

#[tokio::test]
async fn of_files_that_are_used_together_the_smallest_goes() {
    let cache = Cache::new().await;
    uploaded(&cache.fixture, cache.key, "large", 1000).await;
    cache.record("large", 'a', &[], NO_LIMITS).await.unwrap();
    cache.add("small", 'a', &[], NO_LIMITS).await.unwrap();
    cache.add("new", 'a', &["large", "small"], EmbeddingLimits { files: 2, ..NO_LIMITS }).await.unwrap();
    assert_eq!(cache.listed().await, ["new", "large"]);
}

#[tokio::test]
async fn the_same_vectors_from_two_runs_are_kept_once() {
    let cache = Cache::new().await;
    for (object_key, encoder) in [("a", 'a'), ("again", 'a'), ("other", 'b')] {
        uploaded_as(&cache.fixture, cache.key, object_key, &hex_of("same"), 100).await;
        cache.record(object_key, encoder, &[], NO_LIMITS).await.unwrap();
    }
    assert_eq!(cache.listed().await, ["other", "a"]);
    let state = cache.fixture.number("SELECT count(*) FROM objects WHERE key = 'again' AND state = 'pending'").await;
    assert_eq!(state, 1, "the sweeper takes it");
}

#[tokio::test]
async fn the_files_of_one_encoder_are_few() {
    let cache = Cache::new().await;
    cache.add("other", 'b', &[], NO_LIMITS).await.unwrap();
    let limits = EmbeddingLimits { files: 2, ..NO_LIMITS };
    for object_key in ["a", "b", "c"] {
        cache.add(object_key, 'a', &[], limits).await.unwrap();
    }
    assert_eq!(cache.listed().await, ["c", "b", "other"]);
    assert_eq!(cache.condemned().await, ["a"]);
}

#[tokio::test]
async fn an_attempt_that_has_ended_adds_nothing() {
    let cache = Cache::new().await;
    uploaded(&cache.fixture, cache.key, "a", 100).await;
    release_attempt(&mut *cache.fixture.conn().await, cache.key).await.unwrap();
    assert!(matches!(cache.record("a", 'a', &[], NO_LIMITS).await, Err(RunsError::LeaseLost { .. })));
    assert!(cache.listed().await.is_empty());
}

#[tokio::test]
async fn texts_of_a_snapshot_that_was_given_up_are_not_remembered() {
    let cache = Cache::new().await;
    cache.fixture.execute("UPDATE datasets SET erased_at = clock_timestamp()").await.unwrap();
    assert!(matches!(cache.add("a", 'a', &[], NO_LIMITS).await, Err(RunsError::DatasetErased(_))));
    assert!(cache.listed().await.is_empty());
}

#[tokio::test]
async fn two_that_record_at_once_do_not_wait_for_each_other_for_ever() {
    let cache = Cache::new().await;
    for object_key in ["a", "b"] {
        cache.add(object_key, 'a', &[], NO_LIMITS).await.unwrap();
    }
    let other = cache.fixture.running().await;
    let (one, two) = (["a".to_owned(), "b".to_owned()], ["b".to_owned(), "a".to_owned()]);
    for _ in 0..20 {
        let (mut first, mut second) = (cache.fixture.conn().await, cache.fixture.conn().await);
        let (first, second) = tokio::join!(
            record_embeddings(&mut first, cache.key, &one, None, NO_LIMITS),
            record_embeddings(&mut second, other, &two, None, NO_LIMITS)
        );
        first.unwrap();
        second.unwrap();
    }
    assert_eq!(cache.listed().await.len(), 2);
}

#[tokio::test]
async fn an_object_of_a_model_is_no_file_of_vectors() {
    let cache = Cache::new().await;
    uploaded(&cache.fixture, cache.key, "a", 100).await;
    let mut conn = cache.fixture.conn().await;
    publish_objects(&mut conn, cache.key, &["a".to_owned()], ObjectOwner::Dataset(cache.dataset)).await.unwrap();
    assert!(matches!(cache.record("a", 'a', &[], NO_LIMITS).await, Err(RunsError::BrokenRow { .. })));
    assert!(cache.listed().await.is_empty());
}
