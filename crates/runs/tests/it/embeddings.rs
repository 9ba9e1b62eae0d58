//! The embedding cache: leases, size limits and erasure.

use aprendiz_runs::{
    AttemptId, DatasetId, EmbeddingLimits, NewEmbeddingFile, ObjectOwner, RunsError, confirm_object, declare_objects, list_embedding_files,
    lock_attempt, publish_objects, record_embeddings, release_attempt,
};
use sqlx::Connection as _;

use crate::fixture::Fixture;

const NO_LIMITS: EmbeddingLimits = EmbeddingLimits { bytes: i64::MAX, files: 1000 };

/// Declares and confirms a file of this size; its content depends on its name.
async fn uploaded(fixture: &Fixture, attempt: AttemptId, object_key: &str, bytes: i64) {
    let sha256 = hex_of(object_key);
    uploaded_as(fixture, attempt, object_key, &sha256, bytes).await;
}

fn hex_of(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digits:0<64}")
}

async fn uploaded_as(fixture: &Fixture, attempt: AttemptId, object_key: &str, sha256: &str, bytes: i64) {
    let mut conn = fixture.conn().await;
    let mut tx = conn.begin().await.unwrap();
    lock_attempt(&mut tx, attempt).await.unwrap();
    declare_objects(&mut tx, attempt, &[object_key.to_owned()]).await.unwrap();
    tx.commit().await.unwrap();
    confirm_object(&mut conn, object_key, sha256, bytes).await.unwrap();
}

struct Cache {
    fixture: Fixture,
    attempt: AttemptId,
    dataset: DatasetId,
}

impl Cache {
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let attempt = fixture.running().await;
        let dataset = fixture.dataset().await;
        Self { fixture, attempt, dataset }
    }

    /// Adds a file of 100 bytes.
    async fn add(&self, object_key: &str, encoder: char, used: &[&str], limits: EmbeddingLimits) -> Result<(), RunsError> {
        uploaded(&self.fixture, self.attempt, object_key, 100).await;
        self.record(object_key, encoder, used, limits).await
    }

    async fn record(&self, object_key: &str, encoder: char, used: &[&str], limits: EmbeddingLimits) -> Result<(), RunsError> {
        let encoder = encoder.to_string().repeat(64);
        let new = NewEmbeddingFile { object_key, encoder: &encoder, dataset: self.dataset };
        let used: Vec<String> = used.iter().map(|key| (*key).to_owned()).collect();
        record_embeddings(&mut *self.fixture.conn().await, self.attempt, &used, Some(&new), limits).await
    }

    /// The recorded files, most recently used first.
    async fn listed(&self) -> Vec<String> {
        let files = list_embedding_files(&mut *self.fixture.conn().await).await.unwrap();
        files.into_iter().map(|file| file.object_key).collect()
    }

    async fn pending_deletions(&self) -> Vec<String> {
        let objects = aprendiz_runs::list_pending_deletions(&mut *self.fixture.conn().await, "", 100).await.unwrap();
        objects.into_iter().map(|object| object.key).collect()
    }
}

#[tokio::test]
async fn the_least_recently_used_files_are_evicted_beyond_the_byte_limit() {
    let cache = Cache::new().await;
    cache.add("a", 'a', &[], NO_LIMITS).await.unwrap();
    cache.add("b", 'b', &[], NO_LIMITS).await.unwrap();
    assert_eq!(cache.listed().await, ["b", "a"]);
    let limits = EmbeddingLimits { bytes: 299, ..NO_LIMITS };
    cache.add("c", 'a', &["a"], limits).await.unwrap();
    assert_eq!(cache.listed().await, ["c", "a"]);
    assert_eq!(cache.pending_deletions().await, ["b"]);
    // repeated, for example after a lost answer
    cache.record("c", 'a', &["a"], limits).await.unwrap();
    assert_eq!(cache.listed().await.len(), 2);
}

#[tokio::test]
async fn the_smallest_of_files_used_together_is_evicted() {
    let cache = Cache::new().await;
    uploaded(&cache.fixture, cache.attempt, "large", 1000).await;
    cache.record("large", 'a', &[], NO_LIMITS).await.unwrap();
    cache.add("small", 'a', &[], NO_LIMITS).await.unwrap();
    cache.add("new", 'a', &["large", "small"], EmbeddingLimits { files: 2, ..NO_LIMITS }).await.unwrap();
    assert_eq!(cache.listed().await, ["new", "large"]);
}

#[tokio::test]
async fn equal_files_of_two_runs_are_recorded_once() {
    let cache = Cache::new().await;
    for (object_key, encoder) in [("a", 'a'), ("again", 'a'), ("other", 'b')] {
        uploaded_as(&cache.fixture, cache.attempt, object_key, &hex_of("same"), 100).await;
        cache.record(object_key, encoder, &[], NO_LIMITS).await.unwrap();
    }
    assert_eq!(cache.listed().await, ["other", "a"]);
    let state = cache.fixture.number("SELECT count(*) FROM objects WHERE key = 'again' AND state = 'pending'").await;
    assert_eq!(state, 1, "the sweeper deletes it");
}

#[tokio::test]
async fn the_number_of_files_per_encoder_is_limited() {
    let cache = Cache::new().await;
    cache.add("other", 'b', &[], NO_LIMITS).await.unwrap();
    let limits = EmbeddingLimits { files: 2, ..NO_LIMITS };
    for object_key in ["a", "b", "c"] {
        cache.add(object_key, 'a', &[], limits).await.unwrap();
    }
    assert_eq!(cache.listed().await, ["c", "b", "other"]);
    assert_eq!(cache.pending_deletions().await, ["a"]);
}

#[tokio::test]
async fn an_ended_attempt_records_nothing() {
    let cache = Cache::new().await;
    uploaded(&cache.fixture, cache.attempt, "a", 100).await;
    release_attempt(&mut *cache.fixture.conn().await, cache.attempt).await.unwrap();
    assert!(matches!(cache.record("a", 'a', &[], NO_LIMITS).await, Err(RunsError::LeaseLost { .. })));
    assert!(cache.listed().await.is_empty());
}

#[tokio::test]
async fn embeddings_of_an_erased_snapshot_are_not_recorded() {
    let cache = Cache::new().await;
    cache.fixture.execute("UPDATE datasets SET erased_at = clock_timestamp()").await.unwrap();
    assert!(matches!(cache.add("a", 'a', &[], NO_LIMITS).await, Err(RunsError::DatasetErased(_))));
    assert!(cache.listed().await.is_empty());
}

#[tokio::test]
async fn concurrent_recordings_do_not_deadlock() {
    let cache = Cache::new().await;
    for object_key in ["a", "b"] {
        cache.add(object_key, 'a', &[], NO_LIMITS).await.unwrap();
    }
    let other = cache.fixture.running().await;
    let (one, two) = (["a".to_owned(), "b".to_owned()], ["b".to_owned(), "a".to_owned()]);
    for _ in 0..20 {
        let (mut first, mut second) = (cache.fixture.conn().await, cache.fixture.conn().await);
        let (first, second) = tokio::join!(
            record_embeddings(&mut first, cache.attempt, &one, None, NO_LIMITS),
            record_embeddings(&mut second, other, &two, None, NO_LIMITS)
        );
        first.unwrap();
        second.unwrap();
    }
    assert_eq!(cache.listed().await.len(), 2);
}

#[tokio::test]
async fn an_object_of_another_owner_is_no_embedding_file() {
    let cache = Cache::new().await;
    uploaded(&cache.fixture, cache.attempt, "a", 100).await;
    let mut conn = cache.fixture.conn().await;
    publish_objects(&mut conn, cache.attempt, &["a".to_owned()], ObjectOwner::Dataset(cache.dataset)).await.unwrap();
    assert!(matches!(cache.record("a", 'a', &[], NO_LIMITS).await, Err(RunsError::BrokenRow { .. })));
    assert!(cache.listed().await.is_empty());
}
