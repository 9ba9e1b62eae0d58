//! Reverts of imports.

use aprendiz_annotations::reverts::{ImportRevert, RevertError, begin_revert, find_revert, revert_batch, try_revert};
use aprendiz_annotations::reviews::{Decision, NewReview, record_review};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{count, state, with_database};
use crate::sources::{contract, import_from, server};
use crate::task_builders::prediction;

async fn revert(pool: &PgPool, import: Uuid) -> ImportRevert {
    let mut conn = pool.acquire().await.unwrap();
    begin_revert(&mut conn, import, "ana", Some("wrong file")).await.unwrap();
    while revert_batch(&mut conn, import).await.unwrap() {}
    find_revert(&mut conn, import).await.unwrap().expect("it is reverted")
}

/// What users see now: texts, details, splits, states and predictions of documents that are not withdrawn.
async fn visible(pool: &PgPool) -> Vec<String> {
    let mut all = Vec::new();
    for query in [
        "SELECT concat_ws(' ', d.source, d.project, d.task_id, d.checksum, d.file_name, d.metadata, t.text, c.metadata, s.split, s.group_key)
         FROM documents d
         CROSS JOIN LATERAL (SELECT * FROM document_texts v WHERE v.document_id = d.id ORDER BY version DESC LIMIT 1) t
         CROSS JOIN LATERAL (SELECT * FROM document_details v WHERE v.document_id = d.id ORDER BY version DESC LIMIT 1) c
         CROSS JOIN LATERAL (SELECT * FROM document_splits v WHERE v.document_id = d.id ORDER BY version DESC LIMIT 1) s
         WHERE d.withdrawn_at IS NULL ORDER BY d.id",
        "SELECT concat_ws(' ', a.document_id, a.field, a.predicted_value, a.accepted_value, a.review_status, a.event_position, a.occurred_at)
         FROM annotations a JOIN documents d ON d.id = a.document_id
         WHERE d.withdrawn_at IS NULL AND (a.event_position IS NOT NULL OR a.predicted_value IS NOT NULL) ORDER BY a.document_id, a.field",
        "SELECT concat_ws(' ', x.document_id, x.field, x.extractor_version, x.value, x.confidence, x.predicted_at)
         FROM extractions x JOIN documents d ON d.id = x.document_id WHERE d.withdrawn_at IS NULL
         ORDER BY x.document_id, x.field, x.extractor_version",
        "SELECT concat_ws(' ', v.field, v.value, v.position)
         FROM documents d CROSS JOIN accepted_values(d.id, ARRAY(SELECT name FROM fields), 1000000) v
         WHERE d.withdrawn_at IS NULL ORDER BY d.id, v.field",
    ] {
        all.extend(sqlx::query_scalar::<_, String>(query).fetch_all(pool).await.unwrap());
    }
    all
}

fn with_predictions(mut tasks: Vec<Value>, at: &str, law: &str) -> Vec<Value> {
    for (index, task) in tasks.iter_mut().enumerate() {
        task["predictions"] = json!([prediction(index as u64 + 1, "extractor", at, &[("law", law)])]);
    }
    tasks
}

#[tokio::test(flavor = "multi_thread")]
async fn reverting_a_second_server_restores_the_first_exactly() {
    with_database(|pool| async move {
        let first = with_predictions(server(1..=12, "lease", "Texas"), "2024-01-01T00:00:00Z", "Texas");
        import_from(&pool, &first, |_| {}).await;
        let before = visible(&pool).await;
        let mut second = with_predictions(server(1..=30, "sponsor", "Ohio"), "2024-01-02T00:00:00Z", "Ohio");
        // a text of another task of the first server: the document changes its split or is excluded
        second[0]["data"]["text"] = json!(contract("lease", 9));
        second[0]["annotations"][0]["result"][0]["from_name"] = json!("renewal");
        let report = import_from(&pool, &second, |options| options.replace_texts = true).await;
        assert_eq!((report.documents_created, report.documents_updated), (18, 12), "{report:?}");
        assert_eq!(state(&pool, "2", "law").await.1, Some(vec!["Ohio".to_owned()]));

        let mut conn = pool.acquire().await.unwrap();
        let dry = try_revert(&mut conn, report.import_id, "ana").await.unwrap();
        assert_eq!(count(&pool, "SELECT count(*) FROM import_reverts").await, 0);
        let reverted = revert(&pool, report.import_id).await;
        assert_eq!(visible(&pool).await, before);
        assert_eq!((reverted.effect.documents_withdrawn, reverted.effect.texts_restored), (18, 12), "{reverted:?}");
        assert_eq!((dry.effect, dry.dry_run), (reverted.effect, true));
        assert!(reverted.finished_at.is_some() && reverted.documents_left == 0, "{reverted:?}");
        assert_eq!(revert(&pool, report.import_id).await, reverted, "a repetition changes nothing");

        // the same file brings everything back
        let again = import_from(&pool, &second, |options| options.replace_texts = true).await;
        assert_eq!((again.documents_created, again.documents_restored, again.documents_updated), (0, 18, 12), "{again:?}");
        assert_eq!(state(&pool, "2", "law").await.1, Some(vec!["Ohio".to_owned()]));
        assert_eq!(state(&pool, "30", "law").await.1, Some(vec!["Ohio".to_owned()]));
        // and a second revert takes it back again
        revert(&pool, again.import_id).await;
        assert_eq!(visible(&pool).await, before);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_file_after_a_wrong_one_is_imported_as_if_the_wrong_one_had_never_been() {
    with_database(|pool| async move {
        let wrong = import_from(&pool, &server(1..=10, "sponsor", "Ohio"), |_| {}).await;
        revert(&pool, wrong.import_id).await;
        assert_eq!(count(&pool, "SELECT count(*) FROM documents WHERE withdrawn_at IS NULL").await, 0);
        // its annotations are older than those of the wrong file
        let right = import_from(&pool, &server(1..=10, "lease", "Texas"), |_| {}).await;
        assert_eq!((right.quarantined, right.documents_restored), (0, 10), "{right:?}");
        assert_eq!(state(&pool, "3", "law").await.1, Some(vec!["Texas".to_owned()]));
        assert_eq!(right.splits.get("excluded"), None, "{right:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_decided_stays() {
    with_database(|pool| async move {
        let tasks = server(1..=4, "lease", "Texas");
        let first = import_from(&pool, &tasks, |_| {}).await;
        // a later export of the server has two of the tasks again, one with another review
        let mut later = tasks[..2].to_vec();
        later[1]["annotations"][0]["updated_at"] = json!("2024-06-01T00:00:00Z");
        later[1]["annotations"][0]["result"][0]["value"] = json!({"choices": ["Utah"]});
        import_from(&pool, &later, |_| {}).await;
        let mut conn = pool.acquire().await.unwrap();
        let third: Uuid = sqlx::query_scalar("SELECT id FROM documents WHERE task_id = '3'").fetch_one(&pool).await.unwrap();
        let review = NewReview::new(third, "law", Decision::Set(vec!["Maine".to_owned()]), "rui");
        record_review(&mut conn, review).await.unwrap();

        let reverted = revert(&pool, first.import_id).await;
        assert_eq!(reverted.effect.documents_withdrawn, 2, "{reverted:?}");
        assert_eq!(state(&pool, "1", "law").await.1, Some(vec!["Texas".to_owned()]), "the later import repeats it");
        assert_eq!(state(&pool, "2", "law").await.1, Some(vec!["Utah".to_owned()]));
        assert_eq!(state(&pool, "3", "law").await.1, Some(vec!["Maine".to_owned()]), "the review counts when the document is back");
        let accepted = "SELECT count(*) FROM documents d CROSS JOIN accepted_values(d.id, '{law}', 1000000) v WHERE d.task_id = '4'";
        assert_eq!(count(&pool, accepted).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revert_continues_after_an_interruption_and_is_shared_by_two_requests() {
    with_database(|pool| async move {
        let tasks = server(1..=1_100, "lease", "Texas");
        let report = import_from(&pool, &tasks, |_| {}).await;
        let mut conn = pool.acquire().await.unwrap();
        begin_revert(&mut conn, report.import_id, "ana", None).await.unwrap();
        assert!(revert_batch(&mut conn, report.import_id).await.unwrap());
        let state = find_revert(&mut conn, report.import_id).await.unwrap().unwrap();
        assert_eq!((state.documents_left, state.effect.documents_withdrawn, state.finished_at), (600, 500, None));
        drop(conn);
        let (one, other) = tokio::join!(revert(&pool, report.import_id), revert(&pool, report.import_id));
        for reverted in [one, other] {
            assert_eq!((reverted.documents_left, reverted.effect.documents_withdrawn), (0, 1_100), "{reverted:?}");
        }
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE cardinality(withdrawals) <> 1").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_belong_to_their_import_and_unknown_imports_are_refused() {
    with_database(|pool| async move {
        let first = import_from(&pool, &server(1..=2, "lease", "Texas"), |_| {}).await;
        let retry = import_from(&pool, &server(3..=4, "lease", "Texas"), |options| options.retry_of = Some(first.import_id)).await;
        let reverted = revert(&pool, first.import_id).await;
        assert_eq!((reverted.retries, reverted.effect.documents_withdrawn), (vec![retry.import_id], 4));
        let mut conn = pool.acquire().await.unwrap();
        let unknown = Uuid::now_v7();
        assert!(matches!(begin_revert(&mut conn, unknown, "ana", None).await, Err(RevertError::NotFound(id)) if id == unknown));
        sqlx::query(
            "INSERT INTO import_requests (id, actor, options, object_key, bytes, status, lease_expires_at)
             VALUES ($1, 'ana', '{}', 'k', 1, 'running', now())",
        )
        .bind(unknown)
        .execute(&pool)
        .await
        .unwrap();
        assert!(matches!(begin_revert(&mut conn, unknown, "ana", None).await, Err(RevertError::Running(_))));
        sqlx::query("UPDATE imports SET first_position = NULL WHERE id = $1").bind(retry.import_id).execute(&pool).await.unwrap();
        assert!(matches!(begin_revert(&mut conn, retry.import_id, "ana", None).await, Err(RevertError::NotRecorded(_))));
        let too_long = "x".repeat(1_001);
        assert!(matches!(begin_revert(&mut conn, first.import_id, "ana", Some(&too_long)).await, Err(RevertError::InvalidReason)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_before_a_revert_does_not_change() {
    with_database(|pool| async move {
        import_from(&pool, &server(1..=6, "lease", "Texas"), |_| {}).await;
        let second = import_from(&pool, &server(1..=9, "sponsor", "Ohio"), |options| options.replace_texts = true).await;
        let position = count(&pool, "SELECT last_value FROM positions").await;
        let as_of = format!(
            "SELECT concat_ws(' ', c.id, c.split, c.text_version, c.text_sha256, v.field, v.value)
             FROM chosen_documents({position}, NULL, NULL, NULL, 'infinity') c
             CROSS JOIN accepted_values(c.id, '{{law}}', {position}) v ORDER BY c.id, v.field"
        );
        let rows = async || sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(as_of.clone())).fetch_all(&pool).await.unwrap();
        let before = rows().await;
        assert!(before.len() >= 6);
        revert(&pool, second.import_id).await;
        assert_eq!(rows().await, before);
        let changed = sqlx::query("UPDATE annotation_events SET withdrawals = NULL").execute(&pool).await.unwrap_err();
        assert!(changed.to_string().contains("append-only"), "{changed}");
        let value =
            sqlx::query("UPDATE annotation_events SET value = '{x}', withdrawals = withdrawals || 7").execute(&pool).await.unwrap_err();
        assert!(value.to_string().contains("append-only"), "{value}");
    })
    .await;
}
