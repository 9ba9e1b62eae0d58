//! The review queue for several reviewers: leases, the list of waiting annotations, and bulk acceptance of predictions.

use reqwest::{Method, header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::exports::unreviewed;
use crate::fixture::{TestApp, expect_json, parse_id, text};

async fn documents(app: &TestApp) -> Vec<Uuid> {
    sqlx::query_scalar("SELECT id FROM documents ORDER BY id").fetch_all(app.pool()).await.unwrap()
}

#[tokio::test]
async fn a_lease_names_its_reviewer_and_its_end() {
    let app = TestApp::with_import(unreviewed(2)).await;
    let document = documents(&app).await[0];
    let path = format!("/v1/documents/{document}/lease");
    let put = |body: Value| app.api().request(Method::PUT, &path).json(&body);
    assert_eq!(expect_json(app.api().get(&path), 404).await["code"], "not_leased");
    let lease = expect_json(put(json!({ "reviewer": "ana", "seconds": 600 })), 200).await;
    assert_eq!((&lease["reviewer"], &lease["actor"]), (&json!("ana"), &json!("admin")));
    let renewed = expect_json(put(json!({ "reviewer": "ana" })), 200).await;
    assert_eq!(renewed["acquired_at"], lease["acquired_at"]);
    assert_eq!(app.api().json(&path).await, renewed);

    let held = expect_json(put(json!({ "reviewer": "bob" })), 423).await;
    assert_eq!((&held["code"], &held["current"]), (&json!("document_leased"), &renewed), "{held}");
    assert!(text(&held["detail"]).contains("ana until"), "{held}");
    let field = format!("/v1/documents/{document}/annotations/colour");
    let review = |reviewer: &str| {
        let body = json!({ "value": ["red"], "reviewer": reviewer });
        app.api().request(Method::PUT, &field).header(header::IF_MATCH, "\"1\"").json(&body)
    };
    assert_eq!(expect_json(review("bob"), 423).await["current"]["reviewer"], "ana");
    assert_eq!(expect_json(review("ana"), 200).await["review_status"], "OK");
    let undo = |query: &str| app.api().request(Method::DELETE, &format!("{field}{query}")).header(header::IF_MATCH, "\"2\"");
    assert_eq!(expect_json(undo(""), 423).await["code"], "document_leased");
    assert_eq!(expect_json(undo("?reviewer=ana"), 200).await["review_status"], "UNREVIEWED");

    let release = |query: &str| app.api().request(Method::DELETE, &format!("{path}{query}"));
    assert_eq!(expect_json(release("?reviewer=bob"), 423).await["code"], "document_leased");
    for _ in 0..2 {
        assert_eq!(release("?reviewer=ana").send().await.unwrap().status(), 204);
    }
    assert_eq!(expect_json(put(json!({ "seconds": 0 })), 422).await["code"], "invalid_review");
    let own = expect_json(app.api().request(Method::PUT, &path), 200).await;
    assert_eq!(own["reviewer"], "admin", "by default the name of the key");
    let audited = "SELECT count(*) FROM audit_log WHERE action IN ('document.lease', 'document.release')";
    assert_eq!(app.count(audited).await, 3, "a renewal is not audited");

    let viewer = app.env.create_key("viewer");
    let refused = app.server.api_as(&viewer).request(Method::PUT, &path);
    assert_eq!(expect_json(refused, 403).await["code"], "forbidden");
    app.finish().await;
}

#[tokio::test]
async fn waiting_annotations_are_paged_and_accepted_in_batches() {
    let app = TestApp::with_import(unreviewed(25)).await;
    sqlx::query(
        "UPDATE extractions x SET confidence = d.task_id::int / 100.0 FROM documents d WHERE d.id = x.document_id AND d.task_id <> '7'",
    )
    .execute(app.pool())
    .await
    .unwrap();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.api().json(&format!("/v1/annotations/waiting?order=uncertain&limit=10{cursor}")).await;
        found.extend(page["items"].as_array().unwrap().iter().map(|item| text(&item["task_id"])));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        let other = expect_json(app.api().get(&format!("/v1/annotations/waiting?limit=10{cursor}")), 422).await;
        assert_eq!(other["code"], "invalid_query", "cursors of orders do not mix");
    }
    let expected: Vec<String> = [7].into_iter().chain(1..=6).chain(8..=25).map(|number| number.to_string()).collect();
    assert_eq!(found, expected);

    let accept = |body: Value| app.api().post("/v1/annotations/accept").json(&body);
    let dry_run = expect_json(accept(json!({ "field": "colour", "min_confidence": 0.2, "dry_run": true })), 200).await;
    assert_eq!((&dry_run["accepted"], &dry_run["dry_run"]), (&json!(6), &json!(true)));
    let done = expect_json(accept(json!({ "field": "colour", "min_confidence": 0.2, "limit": 4, "reviewer": "ana" })), 200).await;
    assert_eq!(done["accepted"], 4);
    let rest = expect_json(accept(json!({ "field": "colour", "min_confidence": 0.2, "after": done["next"] })), 200).await;
    assert_eq!((&rest["accepted"], &rest["next"]), (&json!(2), &json!(null)));
    let audited =
        "SELECT count(*) FROM audit_log WHERE action = 'annotation.accept' AND subject = 'colour' AND details->>'min_confidence' = '0.2'";
    assert_eq!(app.count(audited).await, 2);
    assert_eq!(app.count("SELECT count(*) FROM annotation_events WHERE reviewer = 'ana' AND actor = 'admin'").await, 4);
    for (body, status, code) in [
        (json!({ "field": "unheard", "min_confidence": 0.5 }), 404, "unknown_field"),
        (json!({ "field": "colour", "min_confidence": 2 }), 422, "invalid_review"),
        (json!({ "field": "colour", "min_confidence": 0.5, "limit": 0 }), 422, "invalid_review"),
        (json!({ "field": "colour" }), 422, "invalid_body"),
    ] {
        assert_eq!(expect_json(accept(body), status).await["code"], code);
    }

    let waiting = app.cli(&["annotations", "waiting", "--field", "colour", "--order", "uncertain", "--limit", "100"]);
    assert_eq!(waiting.as_array().unwrap().len(), 19);
    let dry = app.cli(&["annotations", "accept", "--field", "colour", "--min-confidence", "0.1", "--dry-run"]);
    assert_eq!(dry["accepted"], 10);
    let unconfirmed = app.env.cli(&app.server, &["annotations", "accept", "--field", "colour", "--min-confidence", "0.1"]);
    assert!(unconfirmed.status.code() == Some(2) && String::from_utf8_lossy(&unconfirmed.stderr).contains("accepts 10"), "{unconfirmed:?}");
    let all = app.cli(&["annotations", "accept", "--field", "colour", "--min-confidence", "0.1", "--yes"]);
    assert_eq!(all["accepted"], 10);
    app.finish().await;
}

#[tokio::test]
async fn the_command_line_leases_and_releases_a_document() {
    let app = TestApp::with_import(unreviewed(1)).await;
    let name = "label-studio/1/1";
    let lease = app.cli(&["document", "lease", name, "--reviewer", "ana", "--seconds", "600"]);
    assert_eq!((&lease["reviewer"], &lease["document"]), (&json!("ana"), &json!(name)), "{lease}");
    // people see the name, also if they typed the id
    for argument in [name, &documents(&app).await[0].to_string()] {
        let output = app.env.cli(&app.server, &["document", "lease", argument, "--reviewer", "ana"]);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.starts_with(&format!("document {name} is leased to ana until ")), "{shown}");
    }
    let other = app.env.cli(&app.server, &["document", "annotate", name, "colour", "red"]);
    let errors = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(other.status.code() == Some(3) && errors.contains("leased by ana until") && errors.contains("document_leased"), "{errors}");
    assert_eq!(app.cli(&["document", "annotate", name, "colour", "red", "--reviewer", "ana"])["review_status"], "OK");
    assert_eq!(app.cli(&["document", "clear", name, "colour", "--reviewer", "ana"])["review_status"], "UNREVIEWED");
    let document = documents(&app).await[0];
    assert_eq!(app.cli(&["document", "release", name, "--reviewer", "ana"])["document_id"], json!(document));
    assert_eq!(app.cli(&["document", "annotate", name, "colour", "red"])["review_status"], "OK");
    assert_eq!(parse_id(&app.api().json(&format!("/v1/documents/{document}")).await), document);
    app.finish().await;
}
