//! Imports of the same file again, of a later file, and of one file concurrently.

use serde_json::json;

use crate::database::{contents, count, import, is, state, with_database};
use crate::task_builders::{annotation, file, prediction, reviewed, task};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_twice_changes_nothing() {
    with_database(|pool| async move {
        let mut full = reviewed(1, &[("law", "Texas")]);
        full["predictions"] = json!([prediction(1, "v1", "2024-01-01T00:00:00Z", &[("law", "Ohio"), ("kind", "Lease")])]);
        let export = file(&[full, reviewed(2, &[("kind", "Sale")]), task(3)]);
        import(&pool, export.clone()).await.unwrap();
        let before = contents(&pool).await;
        let report = import(&pool, export).await.unwrap();
        assert_eq!(before, contents(&pool).await);
        assert_eq!((report.documents_created, report.documents_updated, report.documents_unchanged, report.events_created), (0, 0, 3, 0));
        assert_eq!(count(&pool, "SELECT count(*) FROM imports").await, 2);
        assert_eq!(report.fields["law"].corrected, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_changes_of_a_later_file_become_events() {
    with_database(|pool| async move {
        let mut first = reviewed(1, &[("law", "Texas"), ("kind", "Sale")]);
        import(&pool, file(&[first.clone(), reviewed(2, &[("law", "Ohio"), ("kind", "Sale")])])).await.unwrap();
        first["annotations"][0] = annotation(1001, "2024-06-01T00:00:00Z", &[("law", "Nevada"), ("kind", "Sale")]);
        let report = import(&pool, file(&[first, reviewed(2, &[("law", "Ohio"), ("kind", "Sale")])])).await.unwrap();
        assert_eq!(report.events_created, 2);
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Nevada"]), "NEW", 2));
        assert_eq!(state(&pool, "2", "law").await, is(None, Some(&["Ohio"]), "NEW", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_text_is_a_new_version_with_the_old_split() {
    with_database(|pool| async move {
        let mut changed = reviewed(1, &[("law", "Texas")]);
        import(&pool, file(&[changed.clone()])).await.unwrap();
        changed["data"]["text"] = json!("Quite another text.");
        let report = import(&pool, file(&[changed])).await.unwrap();
        assert_eq!((report.documents_updated, report.events_created), (1, 0));
        let texts: Vec<(i32, String)> =
            sqlx::query_as("SELECT version, text FROM document_texts ORDER BY position").fetch_all(&pool).await.unwrap();
        assert_eq!(texts.len(), 2);
        assert_eq!(texts[1], (2, "Quite another text.".to_owned()));
        assert_eq!(count(&pool, "SELECT count(*) FROM document_splits").await, 1);
        let checksum_is_newest =
            "SELECT count(*) FROM documents d JOIN document_texts t ON t.document_id = d.id AND t.sha256 = d.checksum AND t.version = 2";
        assert_eq!(count(&pool, checksum_is_newest).await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_bridges_two_splits_is_excluded_and_a_new_document_inherits_a_split() {
    with_database(|pool| async move {
        // enough documents for at least two splits
        let mut tasks: Vec<_> = (1..=40).map(|id| reviewed(id, &[("law", "Texas")])).collect();
        for (index, task) in tasks.iter_mut().enumerate() {
            task["data"]["text"] = json!(format!("The text of document {index} and of no other."));
        }
        import(&pool, file(&tasks)).await.unwrap();
        let splits: Vec<(String, String)> = sqlx::query_as("SELECT d.task_id, s.split::text FROM documents d JOIN document_splits s ON s.document_id = d.id")
            .fetch_all(&pool)
            .await
            .unwrap();
        let task_in = |split: &str| splits.iter().find(|(_, assigned)| assigned == split).map(|(task, _)| task.parse::<usize>().unwrap()).unwrap();
        let (kept, moved) = (task_in("test"), task_in("train"));

        tasks[moved - 1]["data"]["text"] = tasks[kept - 1]["data"]["text"].clone();
        import(&pool, file(&[tasks[moved - 1].clone()])).await.unwrap();
        let latest = "SELECT s.split::text, s.reason FROM document_splits s JOIN documents d ON d.id = s.document_id WHERE d.task_id = $1 ORDER BY s.version DESC LIMIT 1";
        let latest_split = async |task: usize| sqlx::query_as::<_, (String, String)>(latest).bind(task.to_string()).fetch_one(&pool).await.unwrap();
        assert_eq!(latest_split(moved).await, ("excluded".to_owned(), "bridge".to_owned()));
        assert_eq!(latest_split(kept).await.0, "test");

        // a new document inherits the split of a document whose text changed to the same text
        tasks[kept - 1]["data"]["text"] = json!("A text that only a changed document has.");
        let mut new_document = reviewed(100, &[("law", "Texas")]);
        new_document["data"]["text"] = tasks[kept - 1]["data"]["text"].clone();
        import(&pool, file(&[tasks[kept - 1].clone(), new_document])).await.unwrap();
        assert_eq!(latest_split(100).await, ("test".to_owned(), "inherited".to_owned()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_imports_neither_fail_nor_duplicate() {
    with_database(|pool| async move {
        let export = file(&(1..=200).map(|id| reviewed(id, &[("law", "Texas"), ("kind", "Sale")])).collect::<Vec<_>>());
        let imports = (0..4).map(|_| {
            let (pool, export) = (pool.clone(), export.clone());
            tokio::spawn(async move { import(&pool, export).await.unwrap() })
        });
        let (mut created, mut events) = (0, 0);
        for report in imports.collect::<Vec<_>>() {
            let report = report.await.unwrap();
            created += report.documents_created;
            events += report.events_created;
        }
        assert_eq!((created, events), (200, 400));
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events").await, 400);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotations WHERE version > 1").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_already_reviewed_in_a_project_are_covered_by_later_files() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas")])])).await.unwrap();
        import(&pool, file(&[reviewed(2, &[("kind", "Sale")])])).await.unwrap();
        assert_eq!(state(&pool, "2", "law").await, is(None, Some(&[]), "MISSING", 1));
        let mut other = reviewed(3, &[("party", "Acme")]);
        other["project"] = json!(2);
        import(&pool, file(&[other])).await.unwrap();
        assert_eq!(
            count(&pool, "SELECT count(*) FROM annotations a JOIN documents d ON d.id = a.document_id WHERE d.project = '2'").await,
            1
        );
    })
    .await;
}
