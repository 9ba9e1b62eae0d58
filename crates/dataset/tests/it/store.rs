//! Records and finds rows of the table `datasets`.

use aprendiz_dataset::{DatasetError, NewDataset, find_by_key, get, record, restore, snapshot_key};
use uuid::Uuid;

use crate::test_database::with_corpus;

#[test]
fn the_first_recorded_snapshot_of_a_key_wins() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        corpus.review(document, "law", Some("Utah")).await;
        let built = corpus.build(&["law"]).await;
        let key = snapshot_key(&built.selection, built.snapshot.watermark);
        assert!(find_by_key(&mut corpus.conn, &key).await.unwrap().is_none());

        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let new = |id, object_prefix| NewDataset { id, selection: &built.selection, snapshot: &built.snapshot, object_prefix };
        let recorded = record(&mut corpus.conn, new(first, "datasets/1")).await.unwrap();
        let again = record(&mut corpus.conn, new(second, "datasets/2")).await.unwrap();
        assert_eq!((recorded.id, again.id), (first, first));
        assert_eq!(again.object_prefix, "datasets/1");

        let found = find_by_key(&mut corpus.conn, &key).await.unwrap().unwrap();
        assert_eq!(found.selection, built.selection);
        assert_eq!(found.files, built.snapshot.files);
        assert_eq!(found.left_out, built.snapshot.left_out);
        assert_eq!(found.counts, built.snapshot.counts);
        assert_eq!(get(&mut corpus.conn, first).await.unwrap().unwrap().key, key);
        assert!(get(&mut corpus.conn, second).await.unwrap().is_none());
    });
}

#[test]
fn rebuilt_files_replace_those_that_the_builder_missed_and_no_others() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "a").await;
        corpus.review(document, "law", Some("Utah")).await;
        let built = corpus.build(&["law"]).await;
        let new =
            NewDataset { id: Uuid::from_u128(1), selection: &built.selection, snapshot: &built.snapshot, object_prefix: "datasets/1" };
        let missed = record(&mut corpus.conn, new).await.unwrap();

        sqlx::query(
            "INSERT INTO objects (key, state, dataset_id, sha256, bytes, live_at)
             SELECT key, 'live', $1, repeat('0', 64), 1, now()
             FROM unnest(ARRAY['datasets/1/manifest.json', 'evaluations/run/predictions.jsonl']) AS key",
        )
        .bind(missed.id)
        .execute(&mut corpus.conn)
        .await
        .unwrap();
        let keys = ["datasets/2/manifest.json".to_owned()];
        let restored = restore(&mut corpus.conn, &missed, &built.snapshot, "datasets/2", &keys).await.unwrap();
        assert_eq!((restored.id, restored.object_prefix.as_str()), (missed.id, "datasets/2"));
        assert_eq!(restored.canonical_hash, missed.canonical_hash);
        let marked: Vec<String> =
            sqlx::query_scalar("SELECT key FROM objects WHERE state = 'deleting'").fetch_all(&mut corpus.conn).await.unwrap();
        assert_eq!(marked, ["datasets/1/manifest.json"], "predictions on the snapshot stay");
        // a second builder that missed the same files is too late
        let late = restore(&mut corpus.conn, &missed, &built.snapshot, "datasets/3", &keys).await.unwrap();
        assert_eq!(late.object_prefix, "datasets/2");

        let mut other = built.snapshot.clone();
        other.canonical_hash = "0".repeat(64);
        let error = restore(&mut corpus.conn, &restored, &other, "datasets/4", &keys).await.unwrap_err();
        assert!(matches!(&error, DatasetError::SnapshotChanged { .. }) && !error.is_retryable(), "{error}");
        let mut later = built.snapshot.clone();
        later.watermark.erasures += 1;
        let error = restore(&mut corpus.conn, &restored, &later, "datasets/4", &keys).await.unwrap_err();
        assert!(matches!(&error, DatasetError::Erased { .. }) && error.is_retryable(), "{error}");
        assert_eq!(get(&mut corpus.conn, missed.id).await.unwrap().unwrap().object_prefix, "datasets/2");
    });
}
