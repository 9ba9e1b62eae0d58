//! Reasons and notes of the report: grouped, counted, and with examples.

use serde_json::{Value, json};

use crate::database::{count, import, is, state, with_database};
use crate::task_builders::{annotation, file, reviewed, task};

#[tokio::test(flavor = "multi_thread")]
async fn equal_reasons_are_one_group_of_the_report() {
    with_database(|pool| async move {
        let mut tasks: Vec<Value> = (1..=600)
            .map(|id| {
                let mut task = task(id);
                task["id"] = Value::Null;
                task
            })
            .collect();
        tasks.extend((601..=610).map(|id| {
            let mut task = reviewed(id, &[("law", "Texas")]);
            (task["annotations"][0]["updated_at"], task["annotations"][0]["created_at"]) = (Value::Null, Value::Null);
            task
        }));
        tasks.push(reviewed(700, &[("law", "Texas")]));
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((report.quarantined, report.documents_created), (610, 1));
        let groups: Vec<(u64, &str)> = report.quarantine_reasons.iter().map(|group| (group.count, group.reason.as_str())).collect();
        assert_eq!(groups.len(), 2, "{groups:?}");
        assert!(groups[0].0 == 600 && groups[0].1.contains("the task has no id"), "{groups:?}");
        assert!(groups[1].0 == 10 && groups[1].1.starts_with("annotation 1601: it has neither"), "{groups:?}");
        assert_eq!(report.quarantine_reasons[1].examples[0], "task at position 600 (id 601)");
        assert_eq!(report.quarantined_tasks.len(), 100);
        let stored: Value = sqlx::query_scalar("SELECT report FROM imports").fetch_one(&pool).await.unwrap();
        assert_eq!(stored["quarantine_reasons"][0]["count"], 600);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_cannot_be_read_is_unreviewed_and_its_repair_is_imported() {
    with_database(|pool| async move {
        let mut broken = reviewed(1, &[("law", "Texas"), ("kind", "Sale")]);
        broken["annotations"][0]["result"][1]["value"] = Value::Null;
        let mut earlier = reviewed(2, &[("law", "Texas"), ("kind", "Sale")]);
        earlier["annotations"][0]["result"][1]["value"] = Value::Null;
        earlier["annotations"].as_array_mut().unwrap().push(annotation(5, "2024-01-05T00:00:00Z", &[("kind", "Lease")]));
        let tasks = [broken, earlier, reviewed(3, &[("law", "Ohio"), ("kind", "Sale")])];
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!(report.quarantined, 0);
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Texas"]), "NEW", 1));
        let reviews =
            "SELECT count(*) FROM annotation_events e JOIN documents d ON d.id = e.document_id WHERE d.task_id = '1' AND e.field = 'kind'";
        assert_eq!(count(&pool, reviews).await, 0, "neither a value nor \"no value\"");
        assert_eq!(state(&pool, "2", "kind").await.1, Some(vec!["Lease".to_owned()]), "an earlier review decides");
        let note = report.notes.iter().find(|note| note.reason.contains("counts as unreviewed")).unwrap();
        assert_eq!((note.count, note.examples[0].as_str()), (2, "task 1, annotation 1001, kind"));

        let repaired = reviewed(1, &[("law", "Texas"), ("kind", "Sale")]);
        let report = import(&pool, file(&[repaired])).await.unwrap();
        assert_eq!((report.events_created, report.notes.len()), (1, 0), "{report:?}");
        assert_eq!(state(&pool, "1", "kind").await.1, Some(vec!["Sale".to_owned()]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completions_export_is_imported_with_its_answers() {
    with_database(|pool| async move {
        let tasks = json!([
            {"id": 1, "data": {"text": "Charter number 1 of the vessel."}, "completions": [
                {"id": 1001, "created_at": 1_609_789_590, "result": [{"type": "choices", "from_name": "law", "value": {"choices": ["Malta"]}}]}]},
            {"id": 2, "data": {"text": "Lease number 2 of the quay."}, "completions": [
                {"id": 2001, "created_at": 1_609_789_591, "skipped": true, "result": []}]},
        ]);
        let report = import(&pool, tasks.to_string()).await.unwrap();
        assert_eq!((report.documents_created, report.events_created, report.annotations_cancelled), (2, 1, 1));
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Malta"]), "NEW", 1));
        let metadata: Vec<Value> = sqlx::query_scalar("SELECT metadata FROM documents").fetch_all(&pool).await.unwrap();
        assert_eq!(metadata, [json!({}), json!({})]);
        assert!(report.notes.iter().any(|note| note.count == 2 && note.reason.contains("before 1.0")), "{:?}", report.notes);
    })
    .await;
}
