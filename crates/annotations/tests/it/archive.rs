//! Archived documents.

use aprendiz_annotations::documents::{Archival, archive, list_projects, list_to_archive};
use aprendiz_annotations::reviews::{WaitingFilter, WaitingOrder, list_waiting};
use aprendiz_db::Scope;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{count, with_database};
use crate::sources::{import_from, server};
use crate::task_builders::prediction;

fn archival(archived: bool) -> Archival {
    Archival { archived, actor: "ana".to_owned(), reason: Some("sample".to_owned()) }
}

async fn chosen(pool: &PgPool, position: i64) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM chosen_documents($1, NULL, NULL, NULL, 'infinity')")
        .bind(position)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_documents_leave_selections_and_the_queue_and_come_back_to_their_split() {
    with_database(|pool| async move {
        let mut tasks = server(1..=10, "lease", "Texas");
        for task in &mut tasks[..5] {
            task["annotations"] = json!([]);
            task["predictions"] = json!([prediction(1, "v", "2024-01-01T00:00:00Z", &[("law", "Texas")])]);
        }
        import_from(&pool, &tasks, |_| {}).await;
        let mut conn = pool.acquire().await.unwrap();
        let before = count(&pool, "SELECT last_value FROM positions").await;
        let splits = "SELECT string_agg(s.split::text || s.group_key, ' ' ORDER BY d.id) FROM documents d
            CROSS JOIN LATERAL (SELECT * FROM document_splits v WHERE v.document_id = d.id ORDER BY version DESC LIMIT 1) s";
        let split_of = async || sqlx::query_scalar::<_, String>(splits).fetch_one(&pool).await.unwrap();
        let original = split_of().await;

        let all = list_to_archive(&mut conn, "label-studio", "1", true, Uuid::nil()).await.unwrap();
        assert_eq!(archive(&mut conn, &all, &archival(true)).await.unwrap(), 10);
        assert_eq!(archive(&mut conn, &all, &archival(true)).await.unwrap(), 0, "a repetition changes nothing");
        let archived = count(&pool, "SELECT last_value FROM positions").await;
        assert_eq!((chosen(&pool, before).await, chosen(&pool, archived).await), (10, 0));
        let waiting = list_waiting(&mut conn, &Scope::All, &WaitingFilter::default(), WaitingOrder::Document, None, 100).await.unwrap();
        assert_eq!((waiting.len(), list_projects(&mut conn, &Scope::All, 10).await.unwrap().len()), (0, 0));

        // an import updates archived documents, which stay archived
        let report = import_from(&pool, &tasks, |_| {}).await;
        assert_eq!((report.documents_archived, report.documents_unchanged), (10, 10), "{report:?}");
        assert_eq!(chosen(&pool, i64::MAX).await, 0);

        assert_eq!(archive(&mut conn, &all, &archival(false)).await.unwrap(), 10);
        assert_eq!(split_of().await, original);
        assert_eq!((chosen(&pool, archived).await, chosen(&pool, i64::MAX).await), (0, 10));
        assert_eq!(
            list_waiting(&mut conn, &Scope::All, &WaitingFilter::default(), WaitingOrder::Document, None, 100).await.unwrap().len(),
            5
        );
        assert_eq!(count(&pool, "SELECT count(*) FROM document_archivals WHERE actor = 'ana' AND reason = 'sample'").await, 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_duplicate_of_an_archived_document_shares_its_split() {
    with_database(|pool| async move {
        let first = server(1..=20, "lease", "Texas");
        import_from(&pool, &first, |_| {}).await;
        let mut conn = pool.acquire().await.unwrap();
        let all = list_to_archive(&mut conn, "label-studio", "1", true, Uuid::nil()).await.unwrap();
        archive(&mut conn, &all, &archival(true)).await.unwrap();
        // other documents that begin with the same words
        let mut copies = server(1..=20, "lease", "Texas");
        for copy in &mut copies {
            let text = copy["data"]["text"].as_str().unwrap().to_owned();
            copy["data"]["text"] = json!(format!("{text} with an annex of its own"));
        }
        import_from(&pool, &copies, |options| options.source = "second".to_owned()).await;
        archive(&mut conn, &all, &archival(false)).await.unwrap();
        let crossing = "SELECT count(*) FROM documents a JOIN documents b ON b.task_id = a.task_id AND a.source < b.source
            CROSS JOIN LATERAL text_and_split(a.id, 1000000, 'infinity') x CROSS JOIN LATERAL text_and_split(b.id, 1000000, 'infinity') y
            WHERE x.split <> y.split";
        assert_eq!(count(&pool, crossing).await, 0);
        assert_eq!(chosen(&pool, i64::MAX).await, 40);
    })
    .await;
}
