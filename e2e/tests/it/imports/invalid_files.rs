//! Invalid files are rejected with the position of the error, and nothing of them is stored. Single invalid tasks are quarantined.

use serde_json::{Value, json};

use crate::fixture::exports::{contracts, gzip};
use crate::fixture::{TestApp, expect_json, text};

#[tokio::test]
async fn an_invalid_file_leaves_nothing_behind() {
    let app = TestApp::start().await;
    let export = contracts();
    let mut malformed = export.clone();
    let middle = export.len() / 2;
    malformed.splice(middle..middle, *b"\"}]oops");
    let packed = gzip(&export);
    let cases: [(&str, &[u8], &str); 6] = [
        ("malformed JSON in the middle", &malformed, "malformed JSON at byte"),
        ("truncated JSON", &export[..middle], "ends too early"),
        ("truncated gzip", &packed[..packed.len() / 2], "ends too early"),
        ("gzip without its last bytes", &packed[..packed.len() - 4], "ends too early"),
        ("an object", b"{\"id\": 1}", "expected a JSON array"),
        ("a file without JSON", b"id,text\n1,hello\n", "expected a JSON array"),
    ];
    for (what, body, message) in cases {
        let problem = expect_json(app.api().post("/v1/imports").body(body.to_vec()), 422).await;
        assert!(text(&problem["detail"]).contains(message), "{what}: {problem}");
        for table in ["documents", "document_texts", "fields", "annotations", "annotation_events", "extractions", "imports"] {
            let left: i64 =
                sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(app.pool()).await.unwrap();
            assert_eq!(left, 0, "{what}: {table}");
        }
    }

    let file = app.env.folder().join("cut.json.gz");
    std::fs::write(&file, &packed[..packed.len() / 2]).unwrap();
    let output = app.env.cli(&app.server, &["import", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was imported"), "{output:?}");
    app.finish().await;
}

#[tokio::test]
async fn invalid_tasks_are_quarantined_with_the_reason_and_the_others_are_imported() {
    let app = TestApp::start().await;
    let mut tasks: Vec<Value> = serde_json::from_slice(&contracts()).unwrap();
    let all = tasks.len() as u64;
    tasks[3]["data"]["text"] = json!(17);
    tasks[5].as_object_mut().unwrap().remove("data");
    let report = expect_json(app.api().post("/v1/imports").body(serde_json::to_vec(&tasks).unwrap()), 201).await;
    assert_eq!(
        (&report["tasks"], &report["documents_created"], &report["quarantined"]),
        (&json!(all), &json!(all - 2), &json!(2)),
        "{report}"
    );
    let quarantined: Vec<(i64, Option<String>, String)> =
        sqlx::query_as("SELECT task_index, task_id, reason FROM import_quarantine ORDER BY task_index")
            .fetch_all(app.pool())
            .await
            .unwrap();
    assert_eq!(quarantined.iter().map(|(index, id, _)| (*index, id.as_deref())).collect::<Vec<_>>(), [(3, Some("4")), (5, Some("6"))]);
    assert!(quarantined[0].2.contains("text") && quarantined[1].2.contains("data"), "{quarantined:?}");
    app.finish().await;
}

#[tokio::test]
async fn an_import_without_a_valid_task_fails_and_its_retry_is_shown() {
    let app = TestApp::start().await;
    let file = app.env.folder().join("broken.json");
    std::fs::write(&file, json!([{ "id": 1, "data": { "body": "A lease under the laws of Texas." } }]).to_string()).unwrap();
    let run = |arguments: &[&str]| {
        let output = app.env.cli(&app.server, arguments);
        (output.status.code(), format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    };
    let (code, printed) = run(&["import", file.to_str().unwrap()]);
    assert!(code == Some(3) && printed.contains("nothing was imported: the only task of the file is quarantined"), "{printed}");
    let imports = app.cli(&["imports", "list"]);
    let id = text(&imports[0]["id"]);
    let (code, printed) = run(&["imports", "show", &id]);
    assert!(code == Some(0) && printed.contains("to repair quarantined tasks"), "{printed}");

    let retry = app.cli(&["imports", "retry", &id, "--text-key", "body"]);
    let (code, printed) = run(&["imports", "show", &id]);
    let shown = format!("were retried by import {}", text(&retry["import_id"]));
    assert!(code == Some(0) && printed.contains(&shown) && !printed.contains("to repair"), "{printed}");
    app.finish().await;
}
