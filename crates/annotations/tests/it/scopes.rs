//! Reads and writes within a scope leave out the documents of other projects.

use aprendiz_annotations::documents::{self, DocumentFilter, list_projects};
use aprendiz_annotations::export::{ExportReader, ExportSelection};
use aprendiz_annotations::fields;
use aprendiz_annotations::near_duplicates::explain;
use aprendiz_annotations::reviews::{WaitingFilter, WaitingOrder, list_waiting};
use aprendiz_db::Scope;
use serde_json::json;
use uuid::Uuid;

use crate::database::{import, with_database};
use crate::task_builders::{file, prediction, reviewed};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_the_scope_is_neither_listed_nor_counted() {
    with_database(|pool| async move {
        let tasks = [1, 2].map(|project| {
            let mut task = reviewed(project, &[("law", "Texas")]);
            task["project"] = json!(project);
            // the same text in both projects
            task["data"]["text"] = json!("one two three four five six seven eight nine ten eleven twelve");
            task["data"]["client"] = json!("Acme");
            task["predictions"] = json!([prediction(project, "v1", "2024-01-01T00:00:00Z", &[("kind", "Sale")])]);
            task
        });
        import(&pool, file(&tasks)).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let all = documents::list(&mut conn, &Scope::All, &DocumentFilter::default(), None, 10).await.unwrap().items;
        let id_of = |project: &str| -> Uuid { all.iter().find(|document| document.project == project).unwrap().id };
        let (own, other) = (id_of("1"), id_of("2"));
        let scope = Scope::Projects(vec!["1".to_owned()]);

        let all_of_scope = [DocumentFilter::default(), DocumentFilter { words: Some("acme".to_owned()), ..DocumentFilter::default() }];
        for filter in all_of_scope {
            let page = documents::list(&mut conn, &scope, &filter, None, 10).await.unwrap();
            assert_eq!(page.items.iter().map(|document| document.id).collect::<Vec<_>>(), [own], "{filter:?}");
            assert_eq!(page.next, None);
        }
        let of_other = DocumentFilter { project: Some("2".to_owned()), ..DocumentFilter::default() };
        assert!(documents::list(&mut conn, &scope, &of_other, None, 10).await.unwrap().items.is_empty());
        let found = documents::search_texts(&mut conn, &scope, "seven eight", &DocumentFilter::default(), None, 10).await.unwrap();
        assert_eq!(found.items.iter().map(|found| found.document.id).collect::<Vec<_>>(), [own]);
        assert_eq!(documents::unknown_ids(&mut conn, &scope, &[own, other]).await.unwrap(), [other]);
        let projects = list_projects(&mut conn, &scope, 10).await.unwrap();
        assert_eq!(projects.iter().map(|project| project.project.as_str()).collect::<Vec<_>>(), ["1"]);

        assert_eq!(explain(&mut conn, &Scope::All, own).await.unwrap().unwrap().near_duplicates_total, 1);
        let explained = explain(&mut conn, &scope, own).await.unwrap().unwrap();
        assert_eq!((explained.near_duplicates.len(), explained.near_duplicates_total), (0, 0));
        assert!(explain(&mut conn, &scope, other).await.unwrap().is_none());

        let reviewed = async |scope: Scope| {
            let mut conn = pool.acquire().await.unwrap();
            fields::get(&mut conn, &scope, "law").await.unwrap().map(|field| field.documents_reviewed)
        };
        assert_eq!(reviewed(Scope::All).await, Some(2));
        assert_eq!(reviewed(scope.clone()).await, Some(1));
        assert_eq!(reviewed(Scope::Projects(Vec::new())).await, None);
        assert!(fields::list(&mut conn, &Scope::Projects(vec!["3".to_owned()])).await.unwrap().is_empty());

        let waiting = list_waiting(&mut conn, &scope, &WaitingFilter::default(), WaitingOrder::Document, None, 10).await.unwrap();
        assert!(waiting.iter().all(|field| field.document_id == own), "{waiting:?}");
        let mut reader = ExportReader::new(scope, ExportSelection { position: i64::MAX, ..ExportSelection::default() }, None);
        let exported = reader.next_batch(&mut conn).await.unwrap();
        assert_eq!(exported.iter().map(|document| document.id).collect::<Vec<_>>(), [own]);
    })
    .await;
}
