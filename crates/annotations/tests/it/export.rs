//! Export, and the import of an export.

use aprendiz_db::Scope;
use std::collections::BTreeMap;

use aprendiz_annotations::export::{ExportCursor, ExportReader, ExportSelection, TaskParts, field_types, write_line, write_task};
use aprendiz_annotations::import::ImportOptions;
use aprendiz_annotations::reviews::{Decision, NewReview, SpanInput, record_review};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::{count, import, import_with, with_database};
use crate::imports::real_exports::data;
use crate::task_builders::{annotation, file, prediction, reviewed, task};

/// Everything an export must preserve: all but ids, and times and positions of recording.
async fn exportable_rows(pool: &PgPool) -> Vec<String> {
    let mut all = Vec::new();
    for query in [
        "SELECT concat_ws(' | ', 'document', d.source, d.project, d.task_id, coalesce(d.file_name, '-'), d.checksum, d.metadata, md5(t.text))
         FROM documents d
         JOIN LATERAL (SELECT text FROM document_texts x WHERE x.document_id = d.id ORDER BY version DESC LIMIT 1) t ON true
         ORDER BY 1",
        "SELECT concat_ws(' | ', 'extraction', d.project, d.task_id, x.field, x.extractor_version, x.value, x.confidence, x.predicted_at)
         FROM extractions x JOIN documents d ON d.id = x.document_id ORDER BY 1",
        "SELECT concat_ws(' | ', 'event', d.project, d.task_id, e.field, e.value, e.review_status, e.spans, coalesce(e.reviewer, '-'), e.source,
                          e.source_ref, e.occurred_at, coalesce(e.note, '-'))
         FROM annotation_events e JOIN documents d ON d.id = e.document_id ORDER BY 1",
        "SELECT concat_ws(' | ', 'annotation', d.project, d.task_id, a.field, coalesce(a.predicted_value::text, '-'),
                          coalesce(a.accepted_value::text, '-'), a.spans, a.review_status, coalesce(a.reviewer, '-'), a.occurred_at)
         FROM annotations a JOIN documents d ON d.id = a.document_id ORDER BY 1",
        "SELECT concat_ws(' | ', 'field', name, kind, cardinality) FROM fields ORDER BY 1",
    ] {
        all.extend(sqlx::query_scalar::<_, String>(query).fetch_all(pool).await.unwrap());
    }
    all
}

/// Exports all documents as tasks.
async fn export_tasks(pool: &PgPool, parts: TaskParts) -> Vec<u8> {
    let mut conn = pool.acquire().await.unwrap();
    let selection = ExportSelection { position: i64::MAX, with_texts: true, ..ExportSelection::default() };
    let field_types = field_types(&mut conn).await.unwrap();
    let mut reader = ExportReader::new(Scope::All, selection, None);
    let mut written = b"[".to_vec();
    loop {
        let documents = reader.next_batch(&mut conn).await.unwrap();
        if documents.is_empty() {
            written.push(b']');
            return written;
        }
        for document in &documents {
            let before = written.len();
            if written.len() > 1 {
                written.push(b',');
            }
            if !write_task(document, &field_types, parts, &mut written) {
                written.truncate(before);
            }
        }
    }
}

/// Exports rows as of a position, after a cursor.
async fn export_rows(pool: &PgPool, position: i64, after: Option<ExportCursor>) -> Vec<Value> {
    let mut conn = pool.acquire().await.unwrap();
    let mut reader = ExportReader::new(Scope::All, ExportSelection { position, ..ExportSelection::default() }, after);
    let mut written = Vec::new();
    loop {
        let documents = reader.next_batch(&mut conn).await.unwrap();
        if documents.is_empty() {
            let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            return lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        }
        for row in documents.iter().flat_map(|document| document.annotations()) {
            write_line(&row, &mut written);
        }
    }
}

/// Exports a database, and imports the export into an empty database and into the same one.
async fn assert_round_trip(pool: PgPool) {
    let before = exportable_rows(&pool).await;
    let export = export_tasks(&pool, TaskParts::Everything).await;
    let copied = export.clone();
    let expected = before.clone();
    with_database(|other| async move {
        let report = import(&other, copied).await.unwrap();
        assert_eq!((report.quarantined, &report.quarantined_tasks), (0, &Vec::new()));
        assert!(report.unknown_keys.is_empty(), "the importer reads all exported keys: {:?}", report.unknown_keys);
        let found = exportable_rows(&other).await;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len());
    })
    .await;
    let again = import(&pool, export).await.unwrap();
    assert_eq!((again.events_created, again.documents_created, again.documents_updated), (0, 0, 0), "nothing is new");
    assert!(exportable_rows(&pool).await == before);
}

fn item(kind: &str, field: &str, value: Value) -> Value {
    json!({"type": kind, "from_name": field, "to_name": "text", "value": value})
}

/// Tasks that use everything an export preserves.
fn rich_tasks() -> Vec<Value> {
    let mut first = task(1);
    first["data"] =
        json!({"text": "😀 An agreement with Acme under the law of Texas.", "title": "t", "source_file": "a.txt", "file_name": "kept"});
    first["meta"] = json!({"batch": 2});
    first["annotations"] = json!([
        annotation(7, "2024-02-01T00:00:00.123456Z", &[("law", "Ohio"), ("renewal", "none")]),
        annotation(8, "2024-03-01T00:00:00Z", &[("law", "Texas")]),
    ]);
    first["annotations"][0]["completed_by"] = json!({"id": 9, "email": "a@example.org"});
    first["annotations"][1]["completed_by"] = json!("ana");
    let result = first["annotations"][1]["result"].as_array_mut().unwrap();
    result.push(item("textarea", "parties", json!({"text": ["Acme", "Bolt \"&\" Sons\n"]})));
    result.push(item("textarea", "signed", json!({"text": ["2020-02-29"]})));
    result.push(item("number", "pages", json!({"number": 12.5})));
    result.push(item("taxonomy", "topic", json!({"taxonomy": [["Law", "Contract"], ["Tax"]]})));
    result.push(
        json!({"type": "labels", "from_name": "l", "value": {"start": 20, "end": 24, "text": "Acme", "labels": ["parties", "heading"]}}),
    );
    first["predictions"] = json!([
        prediction(1, "v1", "2024-01-01T00:00:00Z", &[("law", "Ohio")]),
        {"id": 2, "model_version": "v2", "score": 0.25, "created_at": "2024-01-02T00:00:00.5Z", "result": [
            {"type": "choices", "from_name": "law", "value": {"choices": ["Texas"]}, "score": 0.75},
            {"type": "choices", "from_name": "renewal", "value": {"choices": []}},
        ]},
        {"id": 3, "model_version": "v3", "created_at": "2024-01-03T00:00:00Z", "result": [item("textarea", "signed", json!({"text": ["2020-02-29"]}))]},
    ]);
    let mut second = reviewed(2, &[("law", "Utah")]);
    second["data"]["meta"] = json!("no object");
    second["file_upload"] = Value::Null;
    second["annotations"][0]["completed_by"] = Value::Null;
    let mut named = task(3);
    named["id"] = json!("task-3");
    named["project"] = json!("north");
    vec![first, second, named]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_survives_a_round_trip() {
    with_database(|pool| async move {
        import(&pool, file(&rich_tasks())).await.unwrap();
        assert_round_trip(pool).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_reviews_undone_reviews_and_changed_texts_survive_a_round_trip() {
    with_database(|pool| async move {
        import(&pool, file(&rich_tasks())).await.unwrap();
        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents WHERE task_id = '1'").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let new_review = |field: &str, decision: Decision| NewReview::new(document, field, decision, "spa");
        let mut noted = new_review("law", Decision::Set(vec!["Texas".to_owned()]));
        (noted.note, noted.source_ref) = (Some("as clause 14 says".to_owned()), Some("key/spa/1".to_owned()));
        noted.spans = vec![SpanInput { start: 42, end: 47, text: Some("Texas".to_owned()) }];
        record_review(&mut conn, noted).await.unwrap();
        record_review(&mut conn, new_review("renewal", Decision::Set(Vec::new()))).await.unwrap();
        record_review(&mut conn, new_review("pages", Decision::Undo)).await.unwrap();
        let mut late = new_review("signed", Decision::Set(vec!["2019-01-01".to_owned()]));
        late.occurred_at = Some("2024-02-15T00:00:00Z".parse().unwrap());
        record_review(&mut conn, late).await.unwrap();
        drop(conn);

        // the same annotation, submitted again with another value; and another text, in which the old spans are invalid
        let mut later = rich_tasks();
        later[0]["data"]["text"] = json!("Short.");
        later[0]["annotations"] = json!([annotation(8, "2024-04-01T00:00:00Z", &[("law", "Utah")])]);
        assert_eq!(import(&pool, file(&later)).await.unwrap().quarantined, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE source_ref = 'annotation:8' AND field = 'law'").await, 2);
        assert_round_trip(pool).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_a_special_meaning_for_the_importer_survive_a_round_trip() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "x")])])).await.unwrap();
        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        for name in ["law_gold", "order_status"] {
            sqlx::query("INSERT INTO fields (name, kind) VALUES ($1, 'categorical')").bind(name).execute(&mut *conn).await.unwrap();
            record_review(&mut conn, NewReview::new(document, name, Decision::Set(vec!["OK".to_owned()]), "ana")).await.unwrap();
        }
        // metadata that `data` cannot hold beside the text and the file name
        sqlx::query("UPDATE documents SET metadata = '{\"text\": 1, \"file_name\": \"b\", \"source_file\": \"c\"}', file_name = NULL")
            .execute(&mut *conn)
            .await
            .unwrap();
        sqlx::query(
            "INSERT INTO document_details (document_id, version, file_name, content_type, metadata, position)
             SELECT id, 2, file_name, content_type, metadata, next_position() FROM documents",
        )
        .execute(&mut *conn)
        .await
        .unwrap();
        drop(conn);
        assert_round_trip(pool).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_of_a_real_label_studio_survive_a_round_trip() {
    for names in [
        vec!["label-studio/export-snapshot.json.gz"],
        vec!["label-studio/export-direct.json.gz", "label-studio/export-snapshot.json.gz"],
        vec!["cuad/export-40.json"],
    ] {
        let files: Option<Vec<Vec<u8>>> = names.into_iter().map(data).collect();
        let Some(files) = files else {
            return;
        };
        with_database(|pool| async move {
            for export in files {
                import(&pool, export).await.unwrap();
            }
            assert_round_trip(pool).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_of_equal_times_survive_a_round_trip() {
    with_database(|pool| async move {
        let fixture =
            |name: &str| std::fs::read(format!("{}/tests/fixtures/cases/equal-times/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        // the review that counts arrives first
        for name in ["day-before.json", "a.json"] {
            import(&pool, fixture(name)).await.unwrap();
        }
        assert_round_trip(pool).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_for_pre_annotated_labelling_has_only_predictions() {
    with_database(|pool| async move {
        import(&pool, file(&rich_tasks())).await.unwrap();
        let found: Vec<Value> = serde_json::from_slice(&export_tasks(&pool, TaskParts::Predictions).await).unwrap();
        assert_eq!(found.len(), 1, "two documents have no prediction");
        assert!(found[0].get("annotations").is_none() && found[0].get("aprendiz").is_none(), "{}", found[0]);
        let versions: Vec<&Value> = found[0]["predictions"].as_array().unwrap().iter().map(|one| &one["model_version"]).collect();
        assert_eq!(versions, ["v1", "v2", "v3"]);
        let items = found[0]["predictions"][1]["result"].as_array().unwrap();
        assert_eq!(items.len(), 1, "empty predictions are omitted: {items:?}");
        assert_eq!((&items[0]["score"], &items[0]["value"]), (&json!(0.75), &json!({"choices": ["Texas"]})));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_annotation_has_the_values_of_the_whole_document() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas"), ("renewal", "none")])])).await.unwrap();
        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        record_review(&mut conn, NewReview::new(document, "law", Decision::Set(vec!["Utah".to_owned()]), "ana")).await.unwrap();
        drop(conn);
        let found: Vec<Value> = serde_json::from_slice(&export_tasks(&pool, TaskParts::Everything).await).unwrap();
        let last = &found[0]["annotations"][1];
        let values: BTreeMap<&str, &Value> = last["result"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (item["from_name"].as_str().unwrap(), &item["value"]["choices"]))
            .collect();
        assert_eq!(values, BTreeMap::from([("law", &json!(["Utah"])), ("renewal", &json!(["none"]))]));
        assert_eq!(last["aprendiz"]["fields"], json!({"law": "NEW"}));
        assert_eq!(last["completed_by"], json!({"email": "ana"}));
        assert!(found[0]["annotations"][0]["id"] == 1001 && last["id"].as_i64().unwrap() < 0, "{found:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_continues_after_any_of_its_rows() {
    with_database(|pool| async move {
        // more than the first batch
        let tasks: Vec<Value> = (1..=30).map(|id| reviewed(id, &[("law", "Texas"), ("renewal", "none"), ("term", "long")])).collect();
        import(&pool, file(&tasks)).await.unwrap();
        let position: i64 = sqlx::query_scalar("SELECT max(position) FROM annotation_events").fetch_one(&pool).await.unwrap();
        let all = export_rows(&pool, position, None).await;
        assert_eq!(all.len(), 90);
        assert!(all.is_sorted_by_key(|row| (row["document_id"].as_str().unwrap().to_owned(), row["field"].as_str().unwrap().to_owned())));

        // a concurrent review
        let document: Uuid = all[40]["document_id"].as_str().unwrap().parse().unwrap();
        let mut conn = pool.acquire().await.unwrap();
        record_review(&mut conn, NewReview::new(document, "law", Decision::Set(vec!["Utah".to_owned()]), "ana")).await.unwrap();
        drop(conn);
        for index in [0, 1, 2, 3, 39, 58, 59, 60, 61, 88, 89] {
            let row = &all[index];
            let after = format!("{}/{}", row["document_id"].as_str().unwrap(), row["field"].as_str().unwrap());
            assert!(export_rows(&pool, position, Some(after.parse().unwrap())).await == all[index + 1..], "after row {index}");
        }
        assert!(export_rows(&pool, i64::MAX, None).await != all, "a later position has the new review");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_has_the_state_and_the_history_as_of_the_position() {
    with_database(|pool| async move {
        import(&pool, file(&rich_tasks())).await.unwrap();
        let position: i64 = sqlx::query_scalar("SELECT max(position) FROM annotation_events").fetch_one(&pool).await.unwrap();
        let law = |rows: Vec<Value>| rows.into_iter().find(|row| row["task_id"] == "1" && row["field"] == "law").unwrap();
        let now = law(export_rows(&pool, position, None).await);
        assert_eq!(
            (&now["accepted_value"], &now["predicted_value"], &now["review_status"]),
            (&json!(["Texas"]), &json!(["Texas"]), &json!("OK"))
        );
        assert_eq!((&now["confidence"], &now["reviewer"], &now["file_name"]), (&json!(0.75), &json!("ana"), &json!("a.txt")));
        assert_eq!((now["events"].as_array().unwrap().len(), now["predictions"].as_array().unwrap().len()), (2, 2));

        let first = now["events"][0]["position"].as_i64().unwrap();
        let then = law(export_rows(&pool, first, None).await);
        assert_eq!((&then["accepted_value"], &then["review_status"]), (&json!(["Ohio"]), &json!("CORRECTED")));
        let document: Uuid = now["document_id"].as_str().unwrap().parse().unwrap();
        let mut conn = pool.acquire().await.unwrap();
        record_review(&mut conn, NewReview::new(document, "law", Decision::Undo, "ana")).await.unwrap();
        drop(conn);
        let undone = law(export_rows(&pool, i64::MAX, None).await);
        assert_eq!((&undone["accepted_value"], &undone["review_status"]), (&Value::Null, &json!("UNREVIEWED")));

        sqlx::query(
            "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
             SELECT id, 'ana', 'asked for', next_position(), 1, 1, 0 FROM documents WHERE task_id = '1'",
        )
        .execute(&pool)
        .await
        .unwrap();
        assert!(export_rows(&pool, i64::MAX, None).await.iter().all(|row| row["task_id"] != "1"), "erased documents are not exported");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_with_an_invalid_extension_are_quarantined() {
    with_database(|pool| async move {
        let extended = |id: u64, extension: Value| {
            let mut task = reviewed(id, &[("law", "Texas")]);
            task["annotations"][0]["aprendiz"] = extension;
            task
        };
        let good = json!({"source": "api", "source_ref": "position/1", "fields": {"law": "NEW", "term": "MISSING"}});
        let with = |key: &str, value: Value| {
            let mut extension = good.clone();
            extension[key] = value;
            extension
        };
        let mut twice = extended(7, good.clone());
        let again = twice["annotations"][0].clone();
        twice["annotations"].as_array_mut().unwrap().push(again);
        let mut named = extended(8, good.clone());
        named["aprendiz"] = json!({"fields": {"the law": {"kind": "text", "cardinality": "one"}}});
        let report = import(
            &pool,
            file(&[
                extended(1, good.clone()),
                extended(2, with("fields", json!({"law": "MISSING"}))),
                extended(3, with("fields", json!({"term": "NEW"}))),
                extended(4, with("fields", json!({"the law": "NEW"}))),
                extended(5, with("source", json!(""))),
                extended(6, with("source_ref", json!("x".repeat(411)))),
                twice,
                named,
                extended(9, json!("no object")),
            ]),
        )
        .await
        .unwrap();
        // a repeated annotation counts once
        assert_eq!((report.documents_created, report.quarantined, report.events_created), (2, 7, 4), "{:?}", report.quarantined_tasks);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE source = 'api' AND source_ref = 'position/1'").await, 4);
        assert_eq!(count(&pool, "SELECT count(*) FROM fields").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mirroring_an_aprendiz_export_retracts_nothing() {
    with_database(|pool| async move {
        import(&pool, file(&rich_tasks())).await.unwrap();
        let before = exportable_rows(&pool).await;
        let mut options = ImportOptions::new("test");
        options.mirror = true;
        let report = import_with(&pool, export_tasks(&pool, TaskParts::Everything).await, &options).await.unwrap();
        assert_eq!((report.reviews_retracted, report.events_created), (0, 0));
        assert!(report.warnings.iter().any(|warning| warning.contains("nothing was retracted")), "{:?}", report.warnings);
        assert!(exportable_rows(&pool).await == before);
    })
    .await;
}
