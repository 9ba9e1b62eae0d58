//! The character NUL (U+0000), which PostgreSQL cannot store, in every place of every route.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{TestApp, expect_json, text};

const ID: &str = "019aa2c8-0000-7000-8000-000000000000";

/// Replaces the parameters in a path; the one at `index` becomes a NUL. `None` if there is no such parameter.
fn fill(path: &str, index: usize) -> Option<String> {
    let mut filled = String::new();
    for (number, part) in path.split('{').enumerate() {
        let Some((name, rest)) = part.split_once('}').filter(|_| number > 0) else {
            filled.push_str(part);
            continue;
        };
        let value = match name {
            _ if number == index => "a%00b",
            "id" | "other" => ID,
            "number" => "1",
            _ => "law",
        };
        filled.push_str(value);
        filled.push_str(rest);
    }
    (index < path.split('{').count()).then_some(filled)
}

#[tokio::test]
async fn a_nul_is_rejected_in_every_path_query_and_body() {
    let app = TestApp::start().await;
    let document = app.api().json("/openapi.json").await;
    let mut bodies = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (name, operation) in methods.as_object().unwrap() {
            let Ok(method) = name.to_uppercase().parse::<Method>() else { continue };
            let place = format!("{method} {path}");
            let mut index = 1;
            while let Some(filled) = fill(path, index) {
                let problem = expect_json(app.api().request(method.clone(), &filled), 422).await;
                assert_eq!(problem["code"], "invalid_path", "{place}: {problem}");
                index += 1;
            }
            let filled = fill(path, 0).unwrap();
            let problem = expect_json(app.api().request(method.clone(), &format!("{filled}?a=1&filter=a%00b")), 422).await;
            assert!(problem["code"] == "invalid_query" && text(&problem["detail"]).contains("`filter`"), "{place}: {problem}");

            // the bodies of imports are files, which have rules of their own
            let content = &operation["requestBody"]["content"];
            if content["application/json"].is_object() && path != "/v1/imports" {
                let body = json!({ "outer": [{ "inner": "a\0b" }] });
                let problem = expect_json(app.api().request(method.clone(), &filled).json(&body), 422).await;
                assert!(problem["code"] == "invalid_body" && text(&problem["detail"]).contains("`outer[0].inner`"), "{place}: {problem}");
                bodies.insert(place);
            }
        }
    }
    assert!(bodies.len() >= 10, "{bodies:?}");

    // a backslash before `u0000` is no NUL
    let body = r#"{"project": "1", "task_id": "1", "text": "a \\u0000 b"}"#;
    let request = app.api().post("/v1/documents").header("content-type", "application/json").body(body);
    expect_json(request, 201).await;
    let task = json!([{ "id": 1, "project": 1, "data": { "text": "a\0b" }, "annotations": [], "predictions": [] }]);
    let report: Value = app.api().post("/v1/imports").json(&task).send().await.unwrap().json().await.unwrap();
    assert_eq!(report["tasks"], 1, "{report}");
    app.finish().await;
}
