//! Every change leaves its trace: all routes that change something are gone through, so that a new one cannot be forgotten.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use test_support::Api;

use crate::export::surely_predicted;
use crate::site::{Site, answered, text};

/// Routes that take a body but change nothing.
const READING: [(&str, &str); 3] =
    [("post", "/v1/models/{name}/predict"), ("post", "/v1/datasets/{id}/verify"), ("post", "/v1/imports/legacy-csv/score")];

/// A change: its route, a request that makes it, the status of the answer and the action in the audit log.
type Change = (&'static str, &'static str, fn(&Api, &Things) -> RequestBuilder, u16, &'static str);

/// What the changes are made to.
struct Things {
    failed: String,
    cancelled: String,
    queued: String,
    worker: String,
    document: String,
    /// An import with a task that it could not take in.
    import: String,
}

const CHANGES: [Change; 23] = [
    ("post", "/v1/documents/index", |api, _| api.post("/v1/documents/index"), 200, "document.index"),
    ("post", "/v1/imports", |api, _| api.post("/v1/imports").body(surely_predicted(1)), 201, "import.create"),
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
    // what the extractor called red
    ("post", "/v1/fields/{name}/normalize", |api, _| api.post("/v1/fields/colour/normalize"), 200, "field.normalize"),
    (
        "post",
        "/v1/imports/{id}/retry",
        |api, things| api.post(&format!("/v1/imports/{}/retry?text_key=body", things.import)),
        201,
        "import.retry",
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
    ("put", "/v1/documents/{id}/lease", |api, things| lease(api, Method::PUT, things), 200, "document.lease"),
    ("delete", "/v1/documents/{id}/lease", |api, things| lease(api, Method::DELETE, things), 204, "document.release"),
    (
        "put",
        "/v1/documents/{id}/annotations/{field}",
        |api, things| on_colour(api, Method::PUT, things).json(&json!({ "value": ["red"] })),
        200,
        "annotation.review",
    ),
    (
        "delete",
        "/v1/documents/{id}/annotations/{field}",
        |api, things| on_colour(api, Method::DELETE, things).header("if-match", "\"1\""),
        200,
        "annotation.undo",
    ),
    ("post", "/v1/training-runs", |api, _| api.post("/v1/training-runs").json(&json!({ "model": "m" })), 202, "training_run.create"),
    ("post", "/training-runs", |api, _| api.post("/training-runs").json(&json!({})), 202, "training_run.create"),
    ("post", "/v1/training-runs/{id}/ingest", |api, things| on_run(api, &things.queued, "ingest"), 202, "training_run.create"),
    ("post", "/v1/training-runs/{id}/evaluation", |api, things| on_run(api, &things.queued, "evaluation"), 202, "training_run.create"),
    (
        "post",
        "/v1/training-runs/{id}/sentence-transformer",
        |api, things| on_run(api, &things.queued, "sentence-transformer"),
        202,
        "training_run.create",
    ),
    ("post", "/v1/training-runs/{id}/clone", |api, things| on_run(api, &things.queued, "clone"), 202, "training_run.clone"),
    ("post", "/v1/training-runs/{id}/cancel", |api, things| on_run(api, &things.queued, "cancel"), 200, "training_run.cancel"),
    ("post", "/v1/training-runs/{id}/retry", |api, things| on_run(api, &things.cancelled, "retry"), 202, "training_run.retry"),
    (
        "post",
        "/v1/training-runs/retry",
        |api, things| {
            assert!(!things.failed.is_empty());
            api.post("/v1/training-runs/retry").json(&json!({ "status": "failed" }))
        },
        200,
        "training_run.retry",
    ),
    ("post", "/v1/workers/{id}/drain", |api, things| api.post(&format!("/v1/workers/{}/drain", things.worker)), 202, "worker.drain"),
    // the last: nothing can be done to it any more
    (
        "post",
        "/v1/documents/{id}/erase",
        |api, things| api.post(&format!("/v1/documents/{}/erase", things.document)).json(&json!({ "reason": "request 7" })),
        200,
        "document.erase",
    ),
];

fn on_run(api: &Api, id: &str, action: &str) -> RequestBuilder {
    api.post(&format!("/v1/training-runs/{id}/{action}"))
}

fn on_colour(api: &Api, method: Method, things: &Things) -> RequestBuilder {
    api.request(method, &format!("/v1/documents/{}/annotations/colour", things.document))
}

fn lease(api: &Api, method: Method, things: &Things) -> RequestBuilder {
    api.request(method, &format!("/v1/documents/{}/lease", things.document))
}

/// Makes a run and changes its row, for states that only a worker brings about.
async fn run_with(site: &Site, set: &str) -> String {
    let id = site.create_run(&json!({ "model": "m" })).await;
    let sql = format!("UPDATE training_runs SET {set} WHERE id = '{id}'");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(site.pool()).await.unwrap();
    id.to_string()
}

async fn things(site: &Site) -> Things {
    let worker = "INSERT INTO workers (id, host, version, slots, backend, cpu_kernel)
        VALUES (gen_random_uuid(), 'elsewhere', '0', 1, 'flex', 'avx2') RETURNING id::text";
    Things {
        failed: run_with(site, "status = 'failed', error_code = 'io', error_text = 'x', finished_at = now()").await,
        cancelled: run_with(site, "status = 'cancelled', cancel_requested_at = now(), finished_at = now()").await,
        queued: site.create_run(&json!({ "model": "m" })).await.to_string(),
        worker: sqlx::query_scalar(worker).fetch_one(site.pool()).await.unwrap(),
        document: {
            let document = json!({ "project": "p", "task_id": "1", "text": "a text to be annotated" });
            text(&answered(site.api().post("/v1/documents").json(&document), 201).await["id"])
        },
        import: {
            let export = json!([{ "id": 900, "data": { "body": "its text is elsewhere" } }]);
            text(&answered(site.api().post("/v1/imports").body(export.to_string()), 201).await["import_id"])
        },
    }
}

async fn newest_entry(site: &Site) -> i64 {
    site.count("SELECT coalesce(max(id), 0) FROM audit_log").await
}

#[tokio::test]
async fn every_route_that_changes_something_leaves_an_audit_row() {
    let site = Site::start().await;
    let document = site.api().json("/openapi.json").await;
    let documented: BTreeSet<(&str, &str)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (method.as_str(), path.as_str())))
        .filter(|(method, _)| ["post", "put", "patch", "delete"].contains(method))
        .collect();
    let listed: BTreeSet<(&str, &str)> = CHANGES.iter().map(|(method, path, ..)| (*method, *path)).chain(READING).collect();
    assert_eq!(documented, listed, "a new route that changes something stands in CHANGES");

    let things = things(&site).await;
    let key = site.env.create_key("operator");
    let operator = site.server.api_as(&key);
    for (method, path, request, status, action) in CHANGES {
        let before = newest_entry(&site).await;
        // what cannot be undone is for admins
        let (api, name) = if action == "document.erase" { (site.api(), "admin") } else { (operator.clone(), "operator") };
        let answer = request(&api, &things).send().await.expect("the API answers");
        let found = answer.status().as_u16();
        assert_eq!(found, status, "{method} {path}: {}", answer.text().await.unwrap_or_default());
        let entries: Vec<(String, String)> = sqlx::query_as("SELECT action, actor FROM audit_log WHERE id > $1 ORDER BY id")
            .bind(before)
            .fetch_all(site.pool())
            .await
            .unwrap();
        assert!(entries.iter().any(|(found, actor)| found == action && actor == name), "{method} {path}: {entries:?}");
    }
    // the keys have no routes: the command line writes them itself
    for action in ["api_key.create", "api_key.revoke"] {
        if action == "api_key.revoke" {
            let keys = site.cli(&["api-key", "list"]);
            let operator = keys.as_array().unwrap().iter().find(|key| key["role"] == "operator").unwrap();
            site.cli(&["api-key", "revoke", &text(&operator["id"])]);
        }
        let found = site.cli(&["audit", "list", "--action", action, "--actor", "command line"]);
        assert!(!found.as_array().unwrap().is_empty(), "{action}");
    }
    let cancelled = site.cli(&["run", "list", "--limit", "200"]);
    for run in cancelled.as_array().unwrap().iter().filter(|run| run["finished_at"].is_null()) {
        site.cli(&["run", "cancel", &text(&run["id"])]);
    }
    site.finish().await;
}

#[tokio::test]
async fn the_audit_log_is_for_admins() {
    let site = Site::start().await;
    let operator = site.server.api_as(&site.env.create_key("operator"));
    assert_eq!(answered(operator.get("/v1/audit-log"), 403).await["code"], "forbidden");
    let entries: Value = site.api().json("/v1/audit-log?limit=1&action=api_key.").await;
    assert_eq!(entries["items"][0]["details"]["role"], "operator", "{entries}");
    let cursor = text(&entries["next_cursor"]);
    let next = site.api().json(&format!("/v1/audit-log?limit=1&action=api_key.&cursor={cursor}")).await;
    assert_eq!(next["items"][0]["details"]["role"], "admin", "{next}");
    assert!(next["next_cursor"].is_null(), "{next}");
    site.finish().await;
}
