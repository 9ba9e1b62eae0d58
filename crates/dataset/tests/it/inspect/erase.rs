//! Erasure of a document: what is removed, what is kept, and concurrent builds.

use aprendiz_annotations::erasure::{erased_since, get_erasure};
use aprendiz_dataset::inspect::{ErasedDocument, InspectError, document_lineage, erase_document, lineage};
use aprendiz_db::Scope;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::corpus::{Corpus, day};
use crate::inspect::{count, execute, publish_version, review_by, snapshot, two_documents};
use crate::test_database::with_corpus;

async fn erase(conn: &mut PgConnection, document: Uuid, reason: &str) -> Result<ErasedDocument, InspectError> {
    let mut transaction = conn.begin().await.unwrap();
    let erased = erase_document(&mut transaction, document, "admin", reason).await?;
    transaction.commit().await.unwrap();
    Ok(erased)
}

/// Tables with a row that contains the word.
async fn tables_with(corpus: &mut Corpus, word: &str) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        .fetch_all(&mut corpus.conn)
        .await
        .unwrap();
    let mut found = Vec::new();
    for table in tables {
        if count(corpus, format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%{word}%'")).await > 0 {
            found.push(table);
        }
    }
    found
}

#[test]
fn erasure_removes_the_content_and_keeps_the_hashes() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let document = corpus.document("train", "zebra is a word that only this text has among all of them here").await;
        let other = corpus.document("test", "nothing of the kind").await;
        review_by(corpus, "ana", document, "law", Some("zebra law"), day(1)).await;
        review_by(corpus, "ana", other, "law", Some("Utah"), day(1)).await;
        execute(
            corpus,
            format!(
                "SELECT set_config('aprendiz.erasing', '{document}', false);
                 UPDATE annotation_events SET note = 'zebra note', spans = '[{{\"text\": \"zebra\"}}]' WHERE document_id = '{document}';
                 SELECT set_config('aprendiz.erasing', '', false);
                 UPDATE documents SET file_name = 'zebra.pdf', metadata = '{{\"title\": \"zebra\"}}' WHERE id = '{document}';
                 INSERT INTO document_details (document_id, version, file_name, content_type, metadata, position)
                 VALUES ('{document}', 2, 'zebra.pdf', 'text/plain', '{{\"title\": \"zebra\"}}', next_position());
                 INSERT INTO extractions (document_id, field, extractor_version, value, predicted_at)
                 VALUES ('{document}', 'law', '1', '{{zebra}}', now());
                 INSERT INTO annotations (document_id, field, accepted_value, review_status) VALUES ('{document}', 'law', '{{zebra}}', 'NEW')"
            ),
        )
        .await;
        let dataset = snapshot(corpus, &["law"]).await;
        execute(
            corpus,
            format!(
                "INSERT INTO objects (key, state, dataset_id, sha256, bytes, live_at)
                 VALUES ('datasets/x', 'live', '{dataset}', repeat('0', 64), 1, now()), ('datasets/y', 'live', NULL, repeat('0', 64), 1, now())"
            ),
        )
        .await;
        publish_version(corpus, dataset, 1).await;
        execute(
            corpus,
            format!(
                "INSERT INTO run_errors (run_id, attempt_number, split, field, document_id, gold, predicted)
                 SELECT run_id, 1, 'test', 'law', '{document}'::uuid, '{{zebra}}'::text[], '{{}}'::text[] FROM model_versions
                 UNION ALL SELECT run_id, 1, 'test', 'law', '{other}'::uuid, '{{Utah}}'::text[], '{{}}'::text[] FROM model_versions"
            ),
        )
        .await;
        execute(
            corpus,
            format!(
                "INSERT INTO shadow_disagreements (
                     model, champion, challenger, field, input_sha256, champion_value, champion_confidence, champion_answered,
                     challenger_value, challenger_confidence, challenger_answered
                 )
                 SELECT v.model, v.number, v.number, 'law', t.sha256, '{{zebra}}'::text[], 0.9, true, '{{}}'::text[], 0.9, true
                 FROM model_versions v, document_texts t WHERE t.document_id = '{document}'
                 UNION ALL
                 SELECT model, number, number, 'law', repeat('0', 64), '{{Utah}}'::text[], 0.9, true, '{{}}'::text[], 0.9, true
                 FROM model_versions"
            ),
        )
        .await;
        execute(
            corpus,
            "UPDATE training_runs SET spec = '{\"slices\": [\"title\"]}';
             INSERT INTO metrics (run_id, attempt_number, split, field, name, value, details)
             SELECT run_id, 1, 'test', 'law', 'slices', NULL, '{\"dimensions\": [{\"slices\": [{\"value\": \"zebra\"}]}]}'::jsonb
             FROM model_versions
             UNION ALL SELECT run_id, 1, 'test', 'law', 'accuracy', 1, NULL FROM model_versions",
        )
        .await;
        let before = tables_with(corpus, "zebra").await;
        assert_eq!(
            before,
            [
                "annotation_events",
                "annotations",
                "datasets",
                "document_details",
                "document_texts",
                "documents",
                "extractions",
                "metrics",
                "run_errors",
                "shadow_disagreements"
            ]
        );

        let erased = erase(&mut corpus.conn, document, "request 7").await.unwrap();
        assert_eq!(tables_with(corpus, "zebra").await, [] as [String; 0]);
        assert_eq!((erased.erasure.texts, erased.erasure.events, erased.erasure.datasets), (1, 1, 1));
        assert_eq!((erased.proof.len(), erased.erased_before), (1, false));
        assert_eq!(erased.lineage.retire.len(), 1);

        assert_eq!(count(corpus, "SELECT count(*) FROM run_errors").await, 1);
        assert_eq!(count(corpus, "SELECT count(*) FROM metrics").await, 1);
        assert_eq!(count(corpus, "SELECT count(*) FROM shadow_disagreements").await, 1);
        // kept: reviewer and time of the review, the hashes, and the row of the snapshot
        let kept = "SELECT count(*) FROM annotation_events WHERE reviewer = 'ana' AND review_status = 'NEW' AND erased AND value = '{}'";
        assert_eq!(count(corpus, kept).await, 1);
        assert_eq!(count(corpus, "SELECT count(*) FROM datasets WHERE erased_at IS NOT NULL AND counts ? 'splits'").await, 1);
        assert_eq!(count(corpus, "SELECT count(*) FROM objects WHERE state = 'deleting'").await, 1);
        let sketches = format!("SELECT count(*) FROM document_sketches WHERE document_id = '{document}'");
        assert_eq!(count(corpus, sketches).await, 0);
        assert_eq!(count(corpus, "SELECT count(*) FROM text_sketches").await, 1);
        assert_eq!(aprendiz_annotations::near_duplicates::backfill_sketches(&mut corpus.conn).await.unwrap(), 0);

        // the lineage is unchanged and still available
        let found = document_lineage(&mut corpus.conn, &Scope::All, document).await.unwrap();
        assert_eq!((found.snapshots.len(), found.retire.len(), found.erased.unwrap().reason.as_str()), (1, 1, "request 7"));
        let found = lineage(&mut corpus.conn, &Scope::All, dataset).await.unwrap();
        assert_eq!((found.reviewers[0].values, found.erased_at.is_some()), (2, true));
    });
}

#[test]
fn a_sketch_shared_with_another_document_is_kept() {
    with_corpus(async |corpus| {
        corpus.categorical("law").await;
        let text = "one two three four five six seven eight nine ten";
        let one = corpus.document("train", text).await;
        let copy = corpus.document("train", text).await;
        let near = corpus.document("train", &format!("{text} eleven")).await;
        let _ = aprendiz_annotations::near_duplicates::backfill_sketches(&mut corpus.conn).await.unwrap();
        assert_eq!(count(corpus, "SELECT count(*) FROM near_duplicates").await, 2);
        erase(&mut corpus.conn, one, "x").await.unwrap();
        assert_eq!(count(corpus, "SELECT count(*) FROM text_sketches").await, 2);
        assert_eq!(count(corpus, "SELECT count(*) FROM near_duplicates").await, 2);
        erase(&mut corpus.conn, copy, "x").await.unwrap();
        assert_eq!(count(corpus, "SELECT count(*) FROM text_sketches").await, 1);
        assert_eq!(count(corpus, "SELECT count(*) FROM near_duplicates").await, 0);
        let orphaned_hashes = "SELECT count(*) FROM sketch_hashes WHERE sketch_id NOT IN (SELECT id FROM text_sketches)";
        assert_eq!(count(corpus, orphaned_hashes).await, 0);
        erase(&mut corpus.conn, near, "x").await.unwrap();
        assert_eq!(count(corpus, "SELECT count(*) FROM sketch_hashes").await, 0);
    });
}

#[test]
fn erasing_again_changes_nothing_and_unknown_documents_are_rejected() {
    with_corpus(async |corpus| {
        let (one, _) = two_documents(corpus).await;
        let first = erase(&mut corpus.conn, one, "the first reason").await.unwrap();
        let again = erase(&mut corpus.conn, one, "another").await.unwrap();
        assert_eq!((&again.erasure, again.erased_before), (&first.erasure, true));
        assert_eq!(get_erasure(&mut corpus.conn, one).await.unwrap().unwrap().reason, "the first reason");
        let unknown = erase(&mut corpus.conn, Uuid::nil(), "x").await.unwrap_err();
        assert!(matches!(unknown, InspectError::UnknownDocument(_)));
        // the triggers allow redaction only for the document that is being erased
        let rejected = sqlx::query("UPDATE document_texts SET text = ''").execute(&mut corpus.conn).await;
        assert!(rejected.unwrap_err().to_string().contains("append-only"));
    });
}

#[test]
fn a_snapshot_built_after_an_erasure_does_not_contain_the_document() {
    with_corpus(async |corpus| {
        let (one, other) = two_documents(corpus).await;
        erase(&mut corpus.conn, one, "x").await.unwrap();
        let later = snapshot(corpus, &["law"]).await;
        assert!(document_lineage(&mut corpus.conn, &Scope::All, one).await.unwrap().snapshots.is_empty());
        let found = lineage(&mut corpus.conn, &Scope::All, later).await.unwrap();
        assert_eq!(found.reviewers.iter().map(|reviewer| reviewer.values).sum::<i64>(), 1);
        // erasing another document does not change that
        erase(&mut corpus.conn, other, "x").await.unwrap();
        assert!(document_lineage(&mut corpus.conn, &Scope::All, one).await.unwrap().snapshots.is_empty());
        assert_eq!(document_lineage(&mut corpus.conn, &Scope::All, other).await.unwrap().snapshots.len(), 1);
    });
}

#[test]
fn erasures_after_reading_are_detected_before_recording() {
    with_corpus(async |corpus| {
        let (one, other) = two_documents(corpus).await;
        let newest = "SELECT coalesce(max(position), 0) FROM erasures";
        let seen = count(corpus, newest).await;
        erase(&mut corpus.conn, one, "x").await.unwrap();
        let mut transaction = corpus.conn.begin().await.unwrap();
        assert_eq!(erased_since(&mut transaction, seen, None, None, Some("7")).await.unwrap(), [one]);
        assert_eq!(erased_since(&mut transaction, seen, Some(&[other]), None, None).await.unwrap(), [] as [Uuid; 0]);
        assert_eq!(erased_since(&mut transaction, seen, None, Some("elsewhere"), None).await.unwrap(), [] as [Uuid; 0]);
        transaction.rollback().await.unwrap();
        let now = count(corpus, newest).await;
        assert!(now > seen);
        assert_eq!(erased_since(&mut corpus.conn, now, None, None, None).await.unwrap(), [] as [Uuid; 0]);
    });
}

/// Opens another session on the database of the test.
async fn connect_again(corpus: &mut Corpus) -> PgConnection {
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut corpus.conn).await.unwrap();
    let server: sqlx::postgres::PgConnectOptions = std::env::var("DATABASE_URL").unwrap().parse().unwrap();
    PgConnection::connect_with(&server.database(&name)).await.unwrap()
}

#[test]
fn an_erasure_waits_for_a_snapshot_being_recorded_and_then_invalidates_it() {
    with_corpus(async |corpus| {
        let (one, _) = two_documents(corpus).await;
        let built = corpus.build(&["law"]).await;
        let mut eraser = connect_again(corpus).await;
        let mut recorder = connect_again(corpus).await;
        let mut recording = recorder.begin().await.unwrap();
        assert!(erased_since(&mut recording, 0, None, None, None).await.unwrap().is_empty());
        let new = aprendiz_dataset::NewDataset {
            id: Uuid::from_u128(7),
            selection: &built.selection,
            snapshot: &built.snapshot,
            object_prefix: "p",
        };
        aprendiz_dataset::record(&mut recording, new).await.unwrap();
        let erasing = erase(&mut eraser, one, "x");
        let committing = async {
            for attempt in 0.. {
                let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = 7020649
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
                if count(corpus, waiting).await == 1 {
                    break;
                }
                assert!(attempt < 10_000, "the erasure does not wait");
            }
            recording.commit().await.unwrap();
        };
        let (erased, ()) = futures::join!(erasing, committing);
        let erased = erased.unwrap();
        assert_eq!((erased.erasure.datasets, erased.lineage.snapshots[0].dataset_id), (1, Uuid::from_u128(7)));
        assert_eq!(count(corpus, "SELECT count(*) FROM datasets WHERE erased_at IS NULL").await, 0);
    });
}
