//! Annotations of Label Studio tasks: several per task, unknown keys, JSON_MIN, limits.

use aprendiz_annotations::import::{GroundTruth, ImportOptions};
use serde_json::{Value, json};

use crate::database::{count, import, import_with, is, state, with_database};
use crate::task_builders::{annotation, file, prediction, reviewed, task};

#[tokio::test(flavor = "multi_thread")]
async fn of_several_annotations_the_latest_is_current_and_the_others_are_history() {
    with_database(|pool| async move {
        let mut many = task(1);
        let mut truth = annotation(1, "2024-01-02T00:00:00Z", &[("law", "Ohio")]);
        truth["ground_truth"] = json!(true);
        let mut skipped = annotation(3, "2024-01-09T00:00:00Z", &[]);
        skipped["was_cancelled"] = json!(true);
        let mut by_object = annotation(2, "2024-01-03T00:00:00Z", &[("law", "Texas")]);
        by_object["completed_by"] = json!({"id": 8, "email": "b@example.org"});
        many["annotations"] = json!([by_object, truth, skipped]);
        many["drafts"] = json!([{"id": 5, "result": []}]);
        let report = import(&pool, file(&[many.clone()])).await.unwrap();
        assert_eq!((report.events_created, report.annotations_cancelled, report.drafts_ignored), (2, 1, 1));
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Texas"]), "NEW", 1));
        let reviewers: Vec<String> =
            sqlx::query_scalar("SELECT reviewer FROM annotation_events ORDER BY position").fetch_all(&pool).await.unwrap();
        assert_eq!(reviewers, ["1", "8"]);

        many["id"] = json!(2);
        let mut options = ImportOptions::new("test");
        options.ground_truth = GroundTruth::Prefer;
        let report = import_with(&pool, file(&[many]), &options).await.unwrap();
        assert_eq!(report.events_created, 1);
        assert!(report.warnings.iter().any(|warning| warning.contains("ground truth")), "{:?}", report.warnings);
        assert_eq!(state(&pool, "2", "law").await, is(None, Some(&["Ohio"]), "NEW", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_of_labels_alone_has_no_value_without_a_marked_span() {
    with_database(|pool| async move {
        let mut marked = reviewed(1, &[]);
        marked["annotations"][0]["result"] =
            json!([{"type": "labels", "value": {"start": 0, "end": 9, "text": "Agreement", "labels": ["heading"]}}]);
        import(&pool, file(&[marked, reviewed(2, &[("law", "Texas")])])).await.unwrap();
        assert_eq!(state(&pool, "1", "heading").await, is(None, Some(&["Agreement"]), "NEW", 1));
        assert_eq!(state(&pool, "2", "heading").await, is(None, Some(&[]), "MISSING", 1));
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&[]), "MISSING", 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_and_existing_documents_get_the_same_states() {
    with_database(|pool| async move {
        // the same content for a new document, and for an existing one that gets its reviews later
        let full = |id: u64| {
            let mut full = task(id);
            full["annotations"] = json!([
                annotation(10 * id, "2024-02-01T00:00:00Z", &[("law", "Texas"), ("kind", "Sale")]),
                annotation(10 * id + 1, "2024-02-03T00:00:00Z", &[("law", "Ohio")]),
            ]);
            // the latest annotation has only a status for one field
            full["annotations"][1]["result"]
                .as_array_mut()
                .unwrap()
                .push(json!({"type": "choices", "from_name": "kind_status", "value": {"choices": ["CORRECTED"]}}));
            full["predictions"] = json!([
                prediction(1, "v1", "2024-01-01T00:00:00Z", &[("law", "Utah"), ("term", "one year")]),
                prediction(2, "v1", "2024-01-02T00:00:00Z", &[("law", "Ohio")]),
                prediction(3, "v2", "2024-01-01T12:00:00Z", &[("law", "Iowa")]),
            ]);
            full
        };
        import(&pool, file(&[task(1)])).await.unwrap();
        import(&pool, file(&[full(1), full(2), task(3)])).await.unwrap();
        for field in ["law", "kind", "term"] {
            assert_eq!(state(&pool, "1", field).await, state(&pool, "2", field).await, "{field}");
        }
        assert_eq!(state(&pool, "2", "law").await, is(Some(&["Ohio"]), Some(&["Ohio"]), "OK", 1));
        assert_eq!(state(&pool, "2", "kind").await, is(None, Some(&["Sale"]), "NEW", 1));
        assert_eq!(state(&pool, "2", "term").await, is(Some(&["one year"]), Some(&[]), "REJECTED", 1));
        let stored = "SELECT count(*) FROM extractions x JOIN documents d ON d.id = x.document_id WHERE d.task_id = '2'";
        assert_eq!(count(&pool, stored).await, 3, "one of each version and field");
        let kinds: Vec<(String, i64)> = sqlx::query_as(
            "SELECT d.task_id, count(*) FROM annotation_events e JOIN documents d ON d.id = e.document_id GROUP BY 1 ORDER BY 1",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        assert_eq!(kinds, [("1".to_owned(), 5), ("2".to_owned(), 5)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_of_a_task_are_kept_as_metadata() {
    with_database(|pool| async move {
        let mut unknown = task(1);
        unknown["priority"] = json!("high");
        unknown["total_annotations"] = json!(3);
        import(&pool, file(&[unknown])).await.unwrap();
        let metadata: Value = sqlx::query_scalar("SELECT metadata FROM documents").fetch_one(&pool).await.unwrap();
        assert_eq!(metadata, json!({"title": "title 1", "task": {"priority": "high"}}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_min_elements_of_one_task_are_one_document() {
    with_database(|pool| async move {
        let element = |task: u64, annotation: u64, law: &str| {
            format!(
                r#"{{"text":"text {task}","title":"t","id":{task},"law":"{law}","parties":{{"text":["A","B"]}},"annotator":7,
                     "annotation_id":{annotation},"created_at":"2024-01-01T00:00:00Z","updated_at":"2024-01-0{annotation}T00:00:00Z","lead_time":1}}"#
            )
        };
        let unreviewed =
            r#"{"text":"text 3","title":"t","id":3,"annotator":null,"annotation_id":null,"created_at":null,"updated_at":null,"lead_time":null}"#;
        let export = format!("[{},{},{},{unreviewed}]", element(1, 1, "Ohio"), element(1, 2, "Texas"), element(2, 3, "Iowa"));
        let report = import(&pool, export).await.unwrap();
        assert_eq!((report.tasks, report.documents_created, report.events_created, report.quarantined), (4, 3, 6, 0));
        assert_eq!(state(&pool, "1", "law").await, is(None, Some(&["Texas"]), "NEW", 1));
        assert_eq!(state(&pool, "2", "parties").await, is(None, Some(&["A", "B"]), "NEW", 1));
        assert!(report.warnings.iter().any(|warning| warning.contains("project")), "{:?}", report.warnings);
        let continued = "1 JSON_MIN element is another annotation of the task before it: both are one document";
        assert!(report.warnings.iter().any(|warning| warning == continued), "{:?}", report.warnings);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_fields_per_file_is_limited() {
    with_database(|pool| async move {
        let tasks: Vec<Value> = (1..=30)
            .map(|id| {
                let names: Vec<String> = (0..40).map(|number| format!("f{}", id * 40 + number)).collect();
                let choices: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
                reviewed(id, &choices)
            })
            .collect();
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((report.documents_created, report.quarantined), (25, 5));
        assert!(report.quarantined_tasks[0].reason.contains("1000"), "{:?}", report.quarantined_tasks[0]);
        let kept: Option<String> =
            sqlx::query_scalar("SELECT task FROM import_quarantine ORDER BY task_index LIMIT 1").fetch_one(&pool).await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&kept.unwrap()).unwrap(), tasks[25], "a quarantined task is kept as it came");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_are_counted_by_path_except_those_of_label_studio() {
    with_database(|pool| async move {
        let mut one = reviewed(1, &[("law", "Texas")]);
        one["annotations"][0]["lead_time"] = json!(12.5);
        one["annotations"][0]["reviews"] = json!([{"accepted": true}]);
        one["annotations"][0]["result"] = json!([
            {"type": "choices", "from_name": "law", "to_name": "text", "origin": "manual", "meta": {"text": ["ask Maria"]},
             "value": {"choices": ["Texas"], "rotation": 0}},
            {"type": "labels", "value": {"start": 0, "end": 9, "text": "Agreement", "labels": ["law"], "globalOffsets": {"start": 0}}},
            {"type": "brushlabels", "format": "rle", "value": {"rle": []}},
        ]);
        one["predictions"] = json!([prediction(1, "v", "2024-01-01T00:00:00Z", &[("law", "Ohio")])]);
        one["predictions"][0]["cluster"] = json!(3);
        one["predictions"][0]["explanation"] = json!("because");
        let report = import(&pool, file(&[one.clone(), reviewed(2, &[])])).await.unwrap();
        let counts: Vec<(&str, u64)> = report.unknown_keys.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(
            counts,
            [
                ("annotations[].result[].meta", 1),
                ("annotations[].result[].value.globalOffsets", 1),
                ("annotations[].result[].value.rotation", 1),
                ("annotations[].reviews", 1),
                ("predictions[].explanation", 1),
            ]
        );
        assert_eq!(report.unknown_controls.get("brushlabels"), Some(&1), "keys of unsupported controls are not reported");
        assert_eq!((report.quarantined, report.events_created), (0, 2));
    })
    .await;
}
