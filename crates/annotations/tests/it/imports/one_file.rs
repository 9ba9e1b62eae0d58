//! A single import of one Label Studio file.

use aprendiz_annotations::Split;
use aprendiz_annotations::fields::{Cardinality, FieldKind};
use aprendiz_annotations::import::{ImportOptions, Progress, Stage, import_label_studio};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::database::{contents, count, import, import_with, is, state, with_database};
use crate::task_builders::{annotation, file, gzip, prediction, reviewed, task};

#[tokio::test(flavor = "multi_thread")]
async fn plain_and_gzip_files_give_the_same_documents() {
    with_database(|pool| async move {
        let export = file(&[reviewed(1, &[("law", "Texas")]), task(2)]);
        let report = import(&pool, gzip(&export)).await.unwrap();
        assert_eq!((report.tasks, report.documents_created, report.events_created), (2, 2, 1));
        let again = import(&pool, export).await.unwrap();
        assert_eq!((again.documents_unchanged, again.events_created), (2, 0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_has_text_file_name_and_metadata() {
    with_database(|pool| async move {
        let mut full = task(1);
        full["data"]["source_file"] = json!("contract.txt");
        full["meta"] = json!({"batch": 7});
        let report = import(&pool, file(&[full])).await.unwrap();
        let row: (String, String, Option<String>, Value, String, i64) = sqlx::query_as(
            "SELECT d.source, d.project, d.file_name, d.metadata, t.text, i.bytes
             FROM documents d JOIN document_texts t ON t.document_id = d.id, imports i WHERE i.id = $1",
        )
        .bind(report.import_id)
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!((row.0.as_str(), row.1.as_str(), row.2.as_deref()), ("label-studio", "1", Some("contract.txt")));
        assert_eq!(row.3, json!({"title": "title 1", "meta": {"batch": 7}}));
        assert_eq!(row.4, "Agreement number 1 under the law of Texas.");
        assert_eq!(row.5, i64::try_from(report.bytes).unwrap());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_project_and_the_text_key_can_be_chosen() {
    with_database(|pool| async move {
        let mut custom = task(1);
        custom["data"] = json!({"body": "words"});
        custom["project"] = Value::Null;
        let mut options = ImportOptions::new("test");
        options.text_key = "body".to_owned();
        assert_eq!(import_with(&pool, file(&[custom.clone()]), &options).await.unwrap().documents_created, 1);
        options.project = Some("mine".to_owned());
        assert_eq!(import_with(&pool, file(&[custom]), &options).await.unwrap().documents_created, 1);
        let projects: Vec<String> = sqlx::query_scalar("SELECT project FROM documents ORDER BY project").fetch_all(&pool).await.unwrap();
        assert_eq!(projects, ["0", "mine"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_and_cardinalities_are_inferred_once() {
    with_database(|pool| async move {
        let item = |kind: &str, field: &str, value: Value| json!({"type": kind, "from_name": field, "value": value});
        let mut one = reviewed(1, &[]);
        one["annotations"][0]["result"] = json!([
            item("choices", "law", json!({"choices": ["Texas"]})),
            item("textarea", "signed", json!({"text": ["2020-01-31"]})),
            item("textarea", "amount", json!({"text": ["12.50"]})),
            item("textarea", "parties", json!({"text": ["A", "B"]})),
            item("rating", "stars", json!({"rating": 3})),
            {"type": "labels", "from_name": "span", "value": {"start": 0, "end": 9, "text": "Agreement", "labels": ["heading"]}},
            {"type": "relation", "from_id": "a", "to_id": "b"},
        ]);
        let report = import(&pool, file(&[one.clone()])).await.unwrap();
        let inferred: Vec<_> = report.new_fields.iter().map(|field| (field.name.as_str(), field.kind, field.cardinality)).collect();
        assert_eq!(
            inferred,
            [
                ("amount", FieldKind::Number, Cardinality::One),
                ("heading", FieldKind::Text, Cardinality::One),
                ("law", FieldKind::Categorical, Cardinality::One),
                ("parties", FieldKind::Text, Cardinality::Many),
                ("signed", FieldKind::Date, Cardinality::One),
                ("stars", FieldKind::Number, Cardinality::One),
            ]
        );
        assert_eq!(report.unknown_controls.get("relation"), Some(&1));
        assert!(report.unknown_keys.is_empty(), "{:?}", report.unknown_keys);
        assert_eq!(state(&pool, "1", "heading").await, is(None, Some(&["Agreement"]), "NEW", 1));

        one["annotations"][0]["updated_at"] = json!("2024-03-01T00:00:00Z");
        one["annotations"][0]["result"] =
            json!(
                [item("textarea", "signed", json!({"text": ["the last day"]})), item("textarea", "amount", json!({"text": ["1", "2"]})),]
            );
        let report = import(&pool, file(&[one])).await.unwrap();
        assert!(report.new_fields.is_empty());
        assert_eq!(report.warnings.len(), 2, "{:?}", report.warnings);
        assert_eq!(count(&pool, "SELECT count(*) FROM fields WHERE name = 'signed' AND kind = 'date' AND NOT declared").await, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_tasks_are_quarantined_and_the_rest_is_imported() {
    with_database(|pool| async move {
        let mut nul = task(2);
        nul["data"]["text"] = json!("a\u{0}b");
        let mut no_id = task(3);
        no_id["id"] = Value::Null;
        let mut bad_span = reviewed(4, &[]);
        bad_span["annotations"][0]["result"] =
            json!([{"type": "labels", "value": {"start": 0, "end": 4, "text": "else", "labels": ["heading"]}}]);
        let mut bad_date = reviewed(5, &[("law", "Texas")]);
        bad_date["annotations"][0]["updated_at"] = json!("soon");
        let long_name = "n".repeat(101);
        let tasks = [
            task(1),
            nul,
            no_id,
            bad_span,
            bad_date,
            reviewed(6, &[(long_name.as_str(), "x")]),
            json!("not a task"),
            task(1),
            reviewed(9, &[("law", "Ohio")]),
        ];
        let report = import(&pool, file(&tasks)).await.unwrap();
        assert_eq!((report.tasks, report.documents_created, report.quarantined), (9, 4, 5));
        let rows: Vec<(i64, Option<String>, String)> =
            sqlx::query_as("SELECT task_index, task_id, reason FROM import_quarantine ORDER BY task_index").fetch_all(&pool).await.unwrap();
        let expected = [(1, "NUL"), (2, "no id"), (4, "not a time"), (6, "not an object"), (7, "same id")];
        assert_eq!(rows.len(), expected.len());
        for ((index, _, reason), (expected_index, why)) in rows.iter().zip(expected) {
            assert!(*index == expected_index && reason.contains(why), "{index}: {reason}");
        }
        assert_eq!(rows[2].1.as_deref(), Some("5"));
        assert_eq!(report.quarantined_tasks.len(), 5);
        // a wrong place and a name that cannot name a field cost only themselves
        assert!(report.notes.iter().any(|note| note.examples == ["task 4, annotation 1004, heading"]), "{:?}", report.notes);
        assert!(report.warnings.iter().any(|warning| warning.contains("cannot name a field")), "{:?}", report.warnings);
        assert_eq!(count(&pool, "SELECT count(*) FROM fields").await, 1, "quarantined tasks and wrong places name no fields");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quarantine_is_limited_but_all_tasks_are_counted() {
    with_database(|pool| async move {
        let tasks: Vec<Value> = (0..30).map(|_| json!({})).chain((0..30).map(|_| task(1))).collect();
        let mut options = ImportOptions::new("test");
        (options.limits.quarantine_rows, options.limits.quarantine_listed) = (40, 5);
        let report = import_with(&pool, file(&tasks), &options).await.unwrap();
        assert_eq!((report.quarantined, report.quarantined_tasks.len(), report.documents_created), (59, 5, 1));
        assert_eq!(count(&pool, "SELECT count(*) FROM import_quarantine").await, 40);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn utf16_offsets_become_code_points() {
    with_database(|pool| async move {
        let mut emoji = reviewed(1, &[]);
        emoji["data"]["text"] = json!("😀 Texas law");
        emoji["annotations"][0]["result"] =
            json!([{"type": "labels", "value": {"start": 3, "end": 8, "text": "Texas", "labels": ["law"]}}]);
        assert_eq!(import(&pool, file(&[emoji])).await.unwrap().quarantined, 0);
        let spans: Value = sqlx::query_scalar("SELECT spans FROM annotation_events").fetch_one(&pool).await.unwrap();
        assert_eq!(spans, json!([{"start": 2, "end": 7, "text": "Texas"}]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_texts_share_a_split_that_depends_on_the_text_alone() {
    with_database(|pool| async move {
        let mut twin = task(2);
        twin["data"]["text"] = json!("AGREEMENT  number 1 under the law of texas.");
        import(&pool, file(&[task(1), twin.clone()])).await.unwrap();
        twin["id"] = json!(3);
        import(&pool, file(&[twin])).await.unwrap();
        let splits: Vec<(Split, String, String)> =
            sqlx::query_as("SELECT split, group_key, reason FROM document_splits ORDER BY position").fetch_all(&pool).await.unwrap();
        assert_eq!(splits.iter().map(|split| split.2.as_str()).collect::<Vec<_>>(), ["hash", "inherited", "inherited"]);
        let key = aprendiz_annotations::compute_group_key("Agreement number 1 under the law of Texas.");
        let expected = aprendiz_annotations::SplitRatios::default().assign(&key);
        assert!(splits.iter().all(|split| split.0 == expected && split.1 == key), "{splits:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_follow_the_times_of_the_reviews() {
    with_database(|pool| async move {
        let mut early = task(1);
        early["annotations"] = json!([annotation(1, "2024-05-01T00:00:00Z", &[("law", "a")])]);
        let mut late = task(2);
        late["annotations"] = json!([annotation(2, "2024-04-01T00:00:00Z", &[("law", "b")])]);
        import(&pool, file(&[early, late])).await.unwrap();
        let values: Vec<Vec<String>> =
            sqlx::query_scalar("SELECT value FROM annotation_events ORDER BY position").fetch_all(&pool).await.unwrap();
        assert_eq!(values, [["b"], ["a"]]);
        let texts_first = "SELECT count(*) FROM document_texts WHERE position > (SELECT min(position) FROM annotation_events)";
        assert_eq!(count(&pool, texts_first).await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_the_caller_can_roll_back_several_imports() {
    with_database(|pool| async move {
        let mut conn = pool.acquire().await.unwrap();
        let mut outer = conn.begin().await.unwrap();
        for id in [1, 2] {
            let export = file(&[reviewed(id, &[("law", "Texas")])]);
            import_label_studio(&mut outer, std::io::Cursor::new(export), &ImportOptions::new("test"), |_| {}).await.unwrap();
        }
        outer.rollback().await.unwrap();
        assert!(contents(&pool).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_ends_at_the_size_of_the_file() {
    with_database(|pool| async move {
        let tasks: Vec<Value> = (0..50)
            .map(|id| {
                let mut big = task(id);
                big["data"]["text"] = json!("word ".repeat(50_000));
                big["predictions"] = json!([prediction(id, "v", "2024-01-01T00:00:00Z", &[("law", "Texas")])]);
                big
            })
            .collect();
        let export = file(&tasks);
        let length = export.len() as u64;
        let mut steps: Vec<Progress> = Vec::new();
        let mut conn = pool.acquire().await.unwrap();
        import_label_studio(&mut conn, std::io::Cursor::new(export), &ImportOptions::new("test"), |step| steps.push(step)).await.unwrap();
        assert!(steps.len() > 2, "{steps:?}");
        assert!(steps.is_sorted_by_key(|step| (step.bytes_read, step.tasks)));
        assert_eq!(steps.last(), Some(&Progress { stage: Stage::Storing, bytes_read: length, tasks: 50 }));
    })
    .await;
}
