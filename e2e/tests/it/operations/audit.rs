//! The audit log. The test calls every route that changes something, so a new route must be added here.

use std::collections::BTreeSet;

use aprendiz_test_support::Api;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::fixture::exports::confidently_predicted;
use crate::fixture::{TestApp, expect_json, text};

/// Routes with a body that change nothing.
const READ_ONLY: [(&str, &str); 4] = [
    ("post", "/v1/models/{name}/predict"),
    ("post", "/v1/datasets/{id}/verify"),
    ("post", "/v1/imports/legacy-csv/score"),
    ("post", "/v1/training-runs/preview"),
];

/// Routes that change a published version. The tests of promotion, thresholds and the life of a version call them and check their audit
/// rows.
const VERSION_CHANGES: [(&str, &str); 12] = [
    ("post", "/v1/documents/{id}/retire-models"),
    ("delete", "/v1/models/{name}/versions/{number}/files"),
    ("post", "/v1/models/{name}/versions/{number}/verify"),
    ("put", "/v1/models/{name}/aliases/{alias}"),
    ("delete", "/v1/models/{name}/aliases/{alias}"),
    ("post", "/v1/models/{name}/aliases/{alias}/rollback"),
    ("post", "/v1/models/{name}/promotion-requests/{id}/approve"),
    ("post", "/v1/models/{name}/promotion-requests/{id}/reject"),
    ("post", "/v1/models/{name}/versions/{number}/retire"),
    ("post", "/v1/models/{name}/versions/{number}/tags"),
    ("put", "/v1/models/{name}/versions/{number}/note"),
    ("put", "/v1/models/{name}/versions/{number}/thresholds"),
];

/// Routes of sessions and keys. Their tests call them and check their audit rows.
const SESSION_CHANGES: [(&str, &str); 6] = [
    ("post", "/v1/session"),
    ("delete", "/v1/session"),
    ("delete", "/v1/sessions"),
    ("delete", "/v1/sessions/{id}"),
    ("post", "/v1/keys"),
    ("delete", "/v1/keys/{id}"),
];

/// A change: its route, a request that makes it, the status of the response, and the action in the audit log.
type Change = (&'static str, &'static str, fn(&Api, &Subjects) -> RequestBuilder, u16, &'static str);

/// The subjects of the changes.
struct Subjects {
    failed: String,
    cancelled: String,
    queued: String,
    worker: String,
    document: String,
    /// An import with a quarantined task.
    import: String,
}

const CHANGES: [Change; 31] = [
    ("post", "/v1/documents/index", |api, _| api.post("/v1/documents/index"), 200, "document.index"),
    ("post", "/v1/imports", |api, _| api.post("/v1/imports").body(confidently_predicted(1)), 201, "import.create"),
    (
        "put",
        "/v1/fields/{name}",
        |api, _| {
            api.request(Method::PUT, "/v1/fields/colour")
                .json(&json!({ "kind": "categorical", "cardinality": "one", "normalization": { "case": "upper" } }))
        },
        200,
        "field.declare",
    ),
    // normalizes the predicted value `red`
    ("post", "/v1/fields/{name}/normalize", |api, _| api.post("/v1/fields/colour/normalize"), 200, "field.normalize"),
    (
        "post",
        "/v1/imports/{id}/retry",
        |api, subjects| api.post(&format!("/v1/imports/{}/retry?text_key=body", subjects.import)),
        201,
        "import.retry",
    ),
    (
        "post",
        "/v1/imports/{id}/revert",
        |api, subjects| api.post(&format!("/v1/imports/{}/revert", subjects.import)).json(&json!({ "reason": "wrong file" })),
        200,
        "import.revert",
    ),
    (
        "post",
        "/v1/documents/archive",
        |api, subjects| api.post("/v1/documents/archive").json(&json!({ "documents": [subjects.document] })),
        200,
        "document.archive",
    ),
    (
        "post",
        "/v1/documents/unarchive",
        |api, subjects| api.post("/v1/documents/unarchive").json(&json!({ "documents": [subjects.document] })),
        200,
        "document.unarchive",
    ),
    ("post", "/v1/datasets", |api, _| api.post("/v1/datasets").json(&json!({ "model": "m" })), 202, "training_run.create"),
    (
        "post",
        "/v1/training-runs/{id}/tags",
        |api, subjects| on_run(api, &subjects.queued, "tags").json(&json!({ "set": { "stage": "draft" } })),
        200,
        "training_run.tag",
    ),
    (
        "put",
        "/v1/training-runs/{id}/note",
        |api, subjects| {
            api.request(Method::PUT, &format!("/v1/training-runs/{}/note", subjects.queued)).json(&json!({ "note": "for the audit" }))
        },
        200,
        "training_run.note",
    ),
    (
        "put",
        "/v1/models/{name}",
        |api, _| api.request(Method::PUT, "/v1/models/m").json(&json!({ "description": "colours" })),
        200,
        "model.settings",
    ),
    (
        "post",
        "/v1/documents",
        |api, _| api.post("/v1/documents").json(&json!({ "project": "p", "task_id": "2", "text": "a text of its own" })),
        201,
        "document.create",
    ),
    (
        "post",
        "/v1/imports/legacy-csv",
        |api, _| api.post("/v1/imports/legacy-csv").body("id,colour_gold\n2,red\n"),
        201,
        "import.legacy_csv",
    ),
    (
        "post",
        "/v1/annotations/accept",
        |api, _| api.post("/v1/annotations/accept").json(&json!({ "field": "colour", "min_confidence": 0.9 })),
        200,
        "annotation.accept",
    ),
    ("put", "/v1/documents/{id}/lease", |api, subjects| lease(api, Method::PUT, subjects), 200, "document.lease"),
    ("delete", "/v1/documents/{id}/lease", |api, subjects| lease(api, Method::DELETE, subjects), 204, "document.release"),
    (
        "put",
        "/v1/documents/{id}/annotations/{field}",
        |api, subjects| on_colour(api, Method::PUT, subjects).json(&json!({ "value": ["red"] })),
        200,
        "annotation.review",
    ),
    (
        "delete",
        "/v1/documents/{id}/annotations/{field}",
        |api, subjects| on_colour(api, Method::DELETE, subjects).header("if-match", "\"1\""),
        200,
        "annotation.undo",
    ),
    ("post", "/v1/training-runs", |api, _| api.post("/v1/training-runs").json(&json!({ "model": "m" })), 202, "training_run.create"),
    ("post", "/training-runs", |api, _| api.post("/training-runs").json(&json!({})), 202, "training_run.create"),
    ("post", "/v1/training-runs/{id}/ingest", |api, subjects| on_run(api, &subjects.queued, "ingest"), 202, "training_run.create"),
    ("post", "/v1/training-runs/{id}/evaluation", |api, subjects| on_run(api, &subjects.queued, "evaluation"), 202, "training_run.create"),
    (
        "post",
        "/v1/training-runs/{id}/sentence-transformer",
        |api, subjects| on_run(api, &subjects.queued, "sentence-transformer"),
        202,
        "training_run.create",
    ),
    ("post", "/v1/training-runs/{id}/clone", |api, subjects| on_run(api, &subjects.queued, "clone"), 202, "training_run.clone"),
    ("post", "/v1/training-runs/{id}/cancel", |api, subjects| on_run(api, &subjects.queued, "cancel"), 200, "training_run.cancel"),
    ("post", "/v1/training-runs/{id}/retry", |api, subjects| on_run(api, &subjects.cancelled, "retry"), 202, "training_run.retry"),
    (
        "post",
        "/v1/training-runs/retry",
        |api, subjects| {
            assert!(!subjects.failed.is_empty());
            api.post("/v1/training-runs/retry").json(&json!({ "status": "failed" }))
        },
        200,
        "training_run.retry",
    ),
    (
        "put",
        "/v1/queues/{name}",
        |api, _| api.request(Method::PUT, "/v1/queues/nightly").json(&json!({ "weight": 2, "max_running": 4 })),
        200,
        "queue.set",
    ),
    ("post", "/v1/workers/{id}/drain", |api, subjects| api.post(&format!("/v1/workers/{}/drain", subjects.worker)), 202, "worker.drain"),
    // last, because an erased document cannot be changed
    (
        "post",
        "/v1/documents/{id}/erase",
        |api, subjects| api.post(&format!("/v1/documents/{}/erase", subjects.document)).json(&json!({ "reason": "request 7" })),
        200,
        "document.erase",
    ),
];

fn on_run(api: &Api, id: &str, action: &str) -> RequestBuilder {
    api.post(&format!("/v1/training-runs/{id}/{action}"))
}

fn on_colour(api: &Api, method: Method, subjects: &Subjects) -> RequestBuilder {
    api.request(method, &format!("/v1/documents/{}/annotations/colour", subjects.document))
}

fn lease(api: &Api, method: Method, subjects: &Subjects) -> RequestBuilder {
    api.request(method, &format!("/v1/documents/{}/lease", subjects.document))
}

/// Creates a run and changes its row, for states that only a worker reaches.
async fn create_run_with(app: &TestApp, set: &str) -> String {
    let id = app.create_run(&json!({ "model": "m" })).await;
    let sql = format!("UPDATE training_runs SET {set} WHERE id = '{id}'");
    app.execute(&sql).await;
    id.to_string()
}

async fn create_subjects(app: &TestApp) -> Subjects {
    let worker = "INSERT INTO workers (id, host, version, slots, backend, cpu_kernel)
        VALUES (gen_random_uuid(), 'elsewhere', '0', 1, 'flex', 'avx2') RETURNING id::text";
    Subjects {
        failed: create_run_with(app, "status = 'failed', error_code = 'io', error_text = 'x', finished_at = now()").await,
        cancelled: create_run_with(app, "status = 'cancelled', cancel_requested_at = now(), finished_at = now()").await,
        queued: app.create_run(&json!({ "model": "m" })).await.to_string(),
        worker: sqlx::query_scalar(worker).fetch_one(app.pool()).await.unwrap(),
        document: {
            let document = json!({ "project": "p", "task_id": "1", "text": "a text to be annotated" });
            text(&expect_json(app.api().post("/v1/documents").json(&document), 201).await["id"])
        },
        import: {
            let export = json!([{ "id": 900, "data": { "body": "its text is elsewhere" } }]);
            text(&expect_json(app.api().post("/v1/imports").body(export.to_string()), 201).await["import_id"])
        },
    }
}

async fn newest_entry_id(app: &TestApp) -> i64 {
    app.count("SELECT coalesce(max(id), 0) FROM audit_log").await
}

#[tokio::test]
async fn every_route_that_changes_something_leaves_an_audit_row() {
    let app = TestApp::start().await;
    let document = app.api().json("/openapi.json").await;
    let documented: BTreeSet<(&str, &str)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (method.as_str(), path.as_str())))
        .filter(|(method, _)| ["post", "put", "patch", "delete"].contains(method))
        .collect();
    let listed: BTreeSet<(&str, &str)> =
        CHANGES.iter().map(|(method, path, ..)| (*method, *path)).chain(READ_ONLY).chain(VERSION_CHANGES).chain(SESSION_CHANGES).collect();
    assert_eq!(documented, listed, "add the new route to CHANGES, READ_ONLY, VERSION_CHANGES or SESSION_CHANGES");

    let subjects = create_subjects(&app).await;
    let key = app.env.create_key("operator");
    let operator = app.server.api_as(&key);
    for (method, path, request, status, action) in CHANGES {
        let before = newest_entry_id(&app).await;
        // changes that cannot be undone need an admin
        let (api, name) = if action == "document.erase" { (app.api(), "admin") } else { (operator.clone(), "operator") };
        let response = request(&api, &subjects).send().await.expect("the API answers");
        let found = response.status().as_u16();
        assert_eq!(found, status, "{method} {path}: {}", response.text().await.unwrap_or_default());
        let entries: Vec<(String, String)> = sqlx::query_as("SELECT action, actor FROM audit_log WHERE id > $1 ORDER BY id")
            .bind(before)
            .fetch_all(app.pool())
            .await
            .unwrap();
        assert!(entries.iter().any(|(found, actor)| found == action && actor == name), "{method} {path}: {entries:?}");
    }
    // API keys have no routes: the command line writes them to the database
    for action in ["api_key.create", "api_key.revoke"] {
        if action == "api_key.revoke" {
            let keys = app.cli(&["api-key", "list"]);
            let operator = keys.as_array().unwrap().iter().find(|key| key["role"] == "operator").unwrap();
            app.cli(&["api-key", "revoke", &text(&operator["id"])]);
        }
        let found = app.cli(&["audit", "list", "--action", action, "--actor", "command line"]);
        assert!(!found.as_array().unwrap().is_empty(), "{action}");
    }
    let cancelled = app.cli(&["run", "list", "--limit", "200"]);
    for run in cancelled.as_array().unwrap().iter().filter(|run| run["finished_at"].is_null()) {
        app.cli(&["run", "cancel", &text(&run["id"])]);
    }
    app.finish().await;
}

#[tokio::test]
async fn the_audit_log_is_for_admins() {
    let app = TestApp::start().await;
    let operator = app.server.api_as(&app.env.create_key("operator"));
    assert_eq!(expect_json(operator.get("/v1/audit-log"), 403).await["code"], "forbidden");
    let entries: Value = app.api().json("/v1/audit-log?limit=1&action=api_key.").await;
    assert_eq!(entries["items"][0]["details"]["role"], "operator", "{entries}");
    let cursor = text(&entries["next_cursor"]);
    let next = app.api().json(&format!("/v1/audit-log?limit=1&action=api_key.&cursor={cursor}")).await;
    assert_eq!(next["items"][0]["details"]["role"], "admin", "{next}");
    assert!(next["next_cursor"].is_null(), "{next}");
    app.finish().await;
}
