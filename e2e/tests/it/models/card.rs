//! The model card of a version: its files, its representations over HTTP, and the command line.

use std::fs;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::contracts;
use crate::fixture::{TestApp, expect_json, get_bytes, text};

const CARD: &str = "/v1/models/contracts/versions/1/card";

async fn train(app: &TestApp, seed: u64) -> Uuid {
    let worker = app.env.worker("worker", &[]);
    let spec = json!({ "model": "contracts", "seed": seed, "data": { "fields": ["contract_type", "type_of_contract_l1"] } });
    let run = app.create_run(&spec).await;
    app.wait_for_success(run).await;
    drop(worker);
    run
}

async fn page(app: &TestApp, path: &str) -> String {
    let response = app.api().get(path).header(ACCEPT, "text/html,*/*;q=0.8").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name| response.headers()[name].to_str().unwrap().to_owned();
    let policy = header(CONTENT_SECURITY_POLICY.as_str());
    assert_eq!(policy, "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox");
    assert_eq!(
        (header(CONTENT_TYPE.as_str()), header(X_CONTENT_TYPE_OPTIONS.as_str())),
        ("text/html; charset=utf-8".into(), "nosniff".into())
    );
    response.text().await.unwrap()
}

/// The texts of all test documents must not occur in a card, not even in part.
async fn assert_no_text(app: &TestApp, run: Uuid, card: &str) {
    let examples = get_bytes(&app.api(), &format!("/v1/training-runs/{run}/dataset?format=jsonl&split=test")).await;
    for line in String::from_utf8(examples).unwrap().lines() {
        let example: Value = serde_json::from_str(line).unwrap();
        let (document, content) = (text(&example["document_id"]), text(&example["text"]));
        let part: String = content.chars().skip(40).take(60).collect();
        assert!(!card.contains(&document), "{document}");
        assert!(part.len() <= 30 || !card.contains(&part), "{document}");
    }
}

#[tokio::test]
async fn a_version_has_a_card_for_programs_and_for_browsers() {
    let app = TestApp::with_import(contracts()).await;
    let run = train(&app, 1).await;
    let card = app.api().json(CARD).await;
    assert_eq!((&card["v"], &card["model"], &card["run"]["id"]), (&json!(1), &json!("contracts"), &json!(run.to_string())), "{card}");
    assert_eq!((card["fields"].as_array().unwrap().len(), &card["champion"]), (2, &Value::Null), "{card}");
    let accuracy = &card["fields"][0]["metrics"][0];
    assert_eq!(accuracy["name"], "accuracy");
    assert!(accuracy["interval"]["low"].as_f64().unwrap() <= accuracy["value"].as_f64().unwrap(), "{accuracy}");

    // every listed plot is a file of the version, embedded in both texts
    let html = page(&app, CARD).await;
    let readme = String::from_utf8(get_bytes(&app.api(), "/v1/models/contracts/versions/1/files/README.md").await).unwrap();
    let plots: Vec<String> = card["plots"].as_array().unwrap().iter().map(|plot| text(&plot["file"])).collect();
    assert!(
        plots.iter().any(|plot| plot == "plots/loss.svg") && plots.iter().any(|plot| plot.starts_with("plots/confusion-01-")),
        "{plots:?}"
    );
    assert!(readme.starts_with("---\nlibrary_name: aprendiz\n"), "{readme}");
    for plot in &plots {
        let svg = String::from_utf8(get_bytes(&app.api(), &format!("/v1/models/contracts/versions/1/files/{plot}")).await).unwrap();
        assert!(svg.starts_with("<svg ") && html.contains(&svg) && readme.contains(&format!("]({plot})")), "{plot}");
    }
    assert!(!html.contains("<script") && !html.contains("href=") && html.contains("prefers-color-scheme: dark"));
    assert_no_text(&app, run, &html).await;
    assert_no_text(&app, run, &card.to_string()).await;

    // representations
    let response = app.api().get(CARD).header(ACCEPT, "application/json").send().await.unwrap();
    let etag = response.headers()[ETAG].clone();
    let unchanged = app.api().get(CARD).header(IF_NONE_MATCH, &etag).send().await.unwrap();
    assert_eq!((unchanged.status(), unchanged.headers()[ETAG].clone()), (StatusCode::NOT_MODIFIED, etag.clone()));
    // the page is another representation with another hash
    let page = app.api().get(CARD).header(ACCEPT, "text/html").header(IF_NONE_MATCH, &etag).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let problem = expect_json(app.api().get(CARD).header(ACCEPT, "image/png"), 406).await;
    assert_eq!(problem["code"], "not_acceptable", "{problem}");

    // the command line
    let output = app.env.cli(&app.server, &["model", "card", "contracts"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && shown.contains("contracts version 1") && shown.contains("Limits"), "{shown}");
    assert_eq!(app.cli(&["model", "card", "contracts", "1"]), card);
    let file = app.env.folder().join("card.html");
    app.cli(&["model", "card", "contracts", "--html", file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&file).unwrap(), html);
    let again = app.env.cli(&app.server, &["model", "card", "contracts", "--html", file.to_str().unwrap()]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("--force"), "{again:?}");

    // a version of an earlier release has none
    let without = "UPDATE model_versions SET files = (SELECT jsonb_agg(file) FROM jsonb_array_elements(files) AS file \
                   WHERE file->>'path' NOT LIKE 'card.%') WHERE run_id = $1";
    sqlx::query(without).bind(run).execute(app.pool()).await.unwrap();
    let problem = expect_json(app.api().get(CARD), 404).await;
    assert!(problem["code"] == "no_card" && text(&problem["detail"]).contains("train again"), "{problem}");
    app.finish().await;
}

#[tokio::test]
async fn a_later_version_is_compared_with_the_champion() {
    let app = TestApp::with_import(contracts()).await;
    train(&app, 1).await;
    train(&app, 2).await;
    let card = app.api().json("/v1/models/contracts/versions/2/card").await;
    let champion = &card["champion"];
    assert_eq!((&champion["number"], &champion["omitted"]), (&json!(1), &Value::Null), "{champion}");
    // the statistics are those of the comparison of the API
    let compared = app.api().json("/v1/models/contracts/compare?candidate=2&baseline=1").await;
    let fields = champion["fields"].as_array().unwrap();
    assert!(!fields.is_empty(), "{champion}");
    for field in fields {
        let by_api = compared["fields"].as_array().unwrap().iter().find(|other| other["field"] == field["field"]).unwrap();
        let by_api = &by_api["comparison"];
        assert_eq!((&field["n"], &field["examples"], &field["p_value"]), (&by_api["n"], &by_api["examples"], &by_api["p_value"]));
        assert_eq!(field["metrics"][0], by_api["metrics"][0], "{field}");
    }
    assert!(card["plots"].as_array().unwrap().iter().any(|plot| plot["file"] == "plots/champion.svg"), "{card}");
    assert!(page(&app, "/v1/models/contracts/versions/2/card").await.contains("Compared with the champion, version 1"));
    app.finish().await;
}
