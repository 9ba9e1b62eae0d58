//! What goes out comes in again as it was.

use std::collections::BTreeMap;

use annotations::export::{ExportPlace, ExportReader, ExportSelection, TaskParts, shapes, write_line, write_task};
use annotations::import::ImportOptions;
use annotations::review::{NewReview, Said, SpanGiven, review};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::cuad::data;
use crate::database::{count, import, import_with, with_database};
use crate::export::{annotation, file, prediction, reviewed, task};

/// What an export must keep: everything but ids and the times and positions of recording.
async fn held(pool: &PgPool) -> Vec<String> {
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

/// The tasks of everything.
async fn tasks(pool: &PgPool, parts: TaskParts) -> Vec<u8> {
    let mut conn = pool.acquire().await.unwrap();
    let selection = ExportSelection { position: i64::MAX, with_texts: true, ..ExportSelection::default() };
    let shapes = shapes(&mut conn).await.unwrap();
    let mut reader = ExportReader::new(selection, None);
    let mut written = b"[".to_vec();
    loop {
        let documents = reader.next(&mut conn).await.unwrap();
        if documents.is_empty() {
            written.push(b']');
            return written;
        }
        for document in &documents {
            let before = written.len();
            if written.len() > 1 {
                written.push(b',');
            }
            if !write_task(document, &shapes, parts, &mut written) {
                written.truncate(before);
            }
        }
    }
}

/// The rows as of a position, after a place.
async fn rows(pool: &PgPool, position: i64, after: Option<ExportPlace>) -> Vec<Value> {
    let mut conn = pool.acquire().await.unwrap();
    let mut reader = ExportReader::new(ExportSelection { position, ..ExportSelection::default() }, after);
    let mut written = Vec::new();
    loop {
        let documents = reader.next(&mut conn).await.unwrap();
        if documents.is_empty() {
            let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            return lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        }
        for row in documents.iter().flat_map(|document| document.annotations()) {
            write_line(&row, &mut written);
        }
    }
}

/// Exports a database and imports that into an empty one and again into the same one.
async fn goes_round(pool: PgPool) {
    let before = held(&pool).await;
    let export = tasks(&pool, TaskParts::Everything).await;
    let copied = export.clone();
    let expected = before.clone();
    with_database(|other| async move {
        let report = import(&other, copied).await.unwrap();
        assert_eq!((report.quarantined, &report.quarantined_tasks), (0, &Vec::new()));
        assert!(report.unknown_keys.is_empty(), "what we write we read: {:?}", report.unknown_keys);
        let found = held(&other).await;
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected);
        }
        assert_eq!(found.len(), expected.len());
    })
    .await;
    let again = import(&pool, export).await.unwrap();
    assert_eq!((again.events_created, again.documents_created, again.documents_updated), (0, 0, 0), "it is all there already");
    assert!(held(&pool).await == before);
}

fn item(kind: &str, field: &str, value: Value) -> Value {
    json!({"type": kind, "from_name": field, "to_name": "text", "value": value})
}

/// Tasks with everything that we hold of a task.
fn rich() -> Vec<Value> {
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
async fn an_exported_database_comes_back_as_it_was() {
    with_database(|pool| async move {
        import(&pool, file(&rich())).await.unwrap();
        goes_round(pool).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_reviews_undone_ones_and_changed_texts_come_back_too() {
    with_database(|pool| async move {
        import(&pool, file(&rich())).await.unwrap();
        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents WHERE task_id = '1'").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        let said = |field: &str, said: Said| NewReview::new(document, field, said, "spa");
        let mut noted = said("law", Said::Value(vec!["Texas".to_owned()]));
        (noted.note, noted.source_ref) = (Some("as clause 14 says".to_owned()), Some("key/spa/1".to_owned()));
        noted.spans = vec![SpanGiven { start: 42, end: 47, text: Some("Texas".to_owned()) }];
        review(&mut conn, noted).await.unwrap();
        review(&mut conn, said("renewal", Said::Value(Vec::new()))).await.unwrap();
        review(&mut conn, said("pages", Said::Undone)).await.unwrap();
        let mut late = said("signed", Said::Value(vec!["2019-01-01".to_owned()]));
        late.occurred_at = Some("2024-02-15T00:00:00Z".parse().unwrap());
        review(&mut conn, late).await.unwrap();
        drop(conn);

        // the same annotation, submitted again with another answer; and another text, in which the old places are wrong
        let mut later = rich();
        later[0]["data"]["text"] = json!("Short.");
        later[0]["annotations"] = json!([annotation(8, "2024-04-01T00:00:00Z", &[("law", "Utah")])]);
        assert_eq!(import(&pool, file(&later)).await.unwrap().quarantined, 0);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE source_ref = 'annotation:8' AND field = 'law'").await, 2);
        goes_round(pool).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_an_import_would_read_otherwise_come_back_as_they_are() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "x")])])).await.unwrap();
        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        for name in ["law_gold", "order_status"] {
            sqlx::query("INSERT INTO fields (name, kind) VALUES ($1, 'categorical')").bind(name).execute(&mut *conn).await.unwrap();
            review(&mut conn, NewReview::new(document, name, Said::Value(vec!["OK".to_owned()]), "ana")).await.unwrap();
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
        goes_round(pool).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_real_label_studio_sent_goes_round() {
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
            goes_round(pool).await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_for_labelling_with_help_has_predictions_and_nothing_else() {
    with_database(|pool| async move {
        import(&pool, file(&rich())).await.unwrap();
        let found: Vec<Value> = serde_json::from_slice(&tasks(&pool, TaskParts::Predictions).await).unwrap();
        assert_eq!(found.len(), 1, "two documents have no prediction");
        assert!(found[0].get("annotations").is_none() && found[0].get("aprendiz").is_none(), "{}", found[0]);
        let versions: Vec<&Value> = found[0]["predictions"].as_array().unwrap().iter().map(|one| &one["model_version"]).collect();
        assert_eq!(versions, ["v1", "v2", "v3"]);
        let items = found[0]["predictions"][1]["result"].as_array().unwrap();
        assert_eq!(items.len(), 1, "an empty answer is no help: {items:?}");
        assert_eq!((&items[0]["score"], &items[0]["value"]), (&json!(0.75), &json!({"choices": ["Texas"]})));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotation_there_holds_what_counts_for_the_whole_document() {
    with_database(|pool| async move {
        import(&pool, file(&[reviewed(1, &[("law", "Texas"), ("renewal", "none")])])).await.unwrap();
        let document: Uuid = sqlx::query_scalar("SELECT id FROM documents").fetch_one(&pool).await.unwrap();
        let mut conn = pool.acquire().await.unwrap();
        review(&mut conn, NewReview::new(document, "law", Said::Value(vec!["Utah".to_owned()]), "ana")).await.unwrap();
        drop(conn);
        let found: Vec<Value> = serde_json::from_slice(&tasks(&pool, TaskParts::Everything).await).unwrap();
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
async fn an_export_goes_on_after_each_of_its_rows_as_if_nothing_had_happened() {
    with_database(|pool| async move {
        // more than the first batch
        let tasks: Vec<Value> = (1..=30).map(|id| reviewed(id, &[("law", "Texas"), ("renewal", "none"), ("term", "long")])).collect();
        import(&pool, file(&tasks)).await.unwrap();
        let position: i64 = sqlx::query_scalar("SELECT max(position) FROM annotation_events").fetch_one(&pool).await.unwrap();
        let all = rows(&pool, position, None).await;
        assert_eq!(all.len(), 90);
        assert!(all.is_sorted_by_key(|row| (row["document_id"].as_str().unwrap().to_owned(), row["field"].as_str().unwrap().to_owned())));

        // reviewers go on meanwhile
        let document: Uuid = all[40]["document_id"].as_str().unwrap().parse().unwrap();
        let mut conn = pool.acquire().await.unwrap();
        review(&mut conn, NewReview::new(document, "law", Said::Value(vec!["Utah".to_owned()]), "ana")).await.unwrap();
        drop(conn);
        for place in [0, 1, 2, 3, 39, 58, 59, 60, 61, 88, 89] {
            let row = &all[place];
            let after = format!("{}/{}", row["document_id"].as_str().unwrap(), row["field"].as_str().unwrap());
            assert!(rows(&pool, position, Some(after.parse().unwrap())).await == all[place + 1..], "after row {place}");
        }
        assert!(rows(&pool, i64::MAX, None).await != all, "a later position has the new review");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_has_the_state_as_of_the_position_and_all_that_led_to_it() {
    with_database(|pool| async move {
        import(&pool, file(&rich())).await.unwrap();
        let position: i64 = sqlx::query_scalar("SELECT max(position) FROM annotation_events").fetch_one(&pool).await.unwrap();
        let law = |rows: Vec<Value>| rows.into_iter().find(|row| row["task_id"] == "1" && row["field"] == "law").unwrap();
        let now = law(rows(&pool, position, None).await);
        assert_eq!(
            (&now["accepted_value"], &now["predicted_value"], &now["review_status"]),
            (&json!(["Texas"]), &json!(["Texas"]), &json!("OK"))
        );
        assert_eq!((&now["confidence"], &now["reviewer"], &now["file_name"]), (&json!(0.75), &json!("ana"), &json!("a.txt")));
        assert_eq!((now["events"].as_array().unwrap().len(), now["predictions"].as_array().unwrap().len()), (2, 2));

        let first = now["events"][0]["position"].as_i64().unwrap();
        let then = law(rows(&pool, first, None).await);
        assert_eq!((&then["accepted_value"], &then["review_status"]), (&json!(["Ohio"]), &json!("CORRECTED")));
        let document: Uuid = now["document_id"].as_str().unwrap().parse().unwrap();
        let mut conn = pool.acquire().await.unwrap();
        review(&mut conn, NewReview::new(document, "law", Said::Undone, "ana")).await.unwrap();
        drop(conn);
        let undone = law(rows(&pool, i64::MAX, None).await);
        assert_eq!((&undone["accepted_value"], &undone["review_status"]), (&Value::Null, &json!("UNREVIEWED")));

        sqlx::query(
            "INSERT INTO erasures (document_id, actor, reason, position, texts, events, datasets)
             SELECT id, 'ana', 'asked for', next_position(), 1, 1, 0 FROM documents WHERE task_id = '1'",
        )
        .execute(&pool)
        .await
        .unwrap();
        assert!(rows(&pool, i64::MAX, None).await.iter().all(|row| row["task_id"] != "1"), "what was erased is not exported");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_nobody_of_ours_wrote_are_quarantined() {
    with_database(|pool| async move {
        let marked = |id: u64, marks: Value| {
            let mut task = reviewed(id, &[("law", "Texas")]);
            task["annotations"][0]["aprendiz"] = marks;
            task
        };
        let good = json!({"source": "api", "source_ref": "position/1", "fields": {"law": "NEW", "term": "MISSING"}});
        let with = |key: &str, value: Value| {
            let mut marks = good.clone();
            marks[key] = value;
            marks
        };
        let mut twice = marked(7, good.clone());
        let again = twice["annotations"][0].clone();
        twice["annotations"].as_array_mut().unwrap().push(again);
        let mut named = marked(8, good.clone());
        named["aprendiz"] = json!({"fields": {"the law": {"kind": "text", "cardinality": "one"}}});
        let report = import(
            &pool,
            file(&[
                marked(1, good.clone()),
                marked(2, with("fields", json!({"law": "MISSING"}))),
                marked(3, with("fields", json!({"term": "NEW"}))),
                marked(4, with("fields", json!({"the law": "NEW"}))),
                marked(5, with("source", json!(""))),
                marked(6, with("source_ref", json!("x".repeat(411)))),
                twice,
                named,
                marked(9, json!("no object")),
            ]),
        )
        .await
        .unwrap();
        assert_eq!((report.documents_created, report.quarantined, report.events_created), (1, 8, 2), "{:?}", report.quarantined_tasks);
        assert_eq!(count(&pool, "SELECT count(*) FROM annotation_events WHERE source = 'api' AND source_ref = 'position/1'").await, 2);
        assert_eq!(count(&pool, "SELECT count(*) FROM fields").await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_ours_withdraws_nothing_when_it_is_mirrored() {
    with_database(|pool| async move {
        import(&pool, file(&rich())).await.unwrap();
        let before = held(&pool).await;
        let mut options = ImportOptions::new("test");
        options.mirror = true;
        let report = import_with(&pool, tasks(&pool, TaskParts::Everything).await, &options).await.unwrap();
        assert_eq!((report.reviews_withdrawn, report.events_created), (0, 0));
        assert!(report.warnings.iter().any(|warning| warning.contains("nothing was withdrawn")), "{:?}", report.warnings);
        assert!(held(&pool).await == before);
    })
    .await;
}
