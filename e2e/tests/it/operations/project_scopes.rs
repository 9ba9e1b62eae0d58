//! API keys that are limited to projects. The test walks every route, so a new route must be added here if such a key is refused there.

use std::collections::{BTreeMap, BTreeSet};

use aprendiz_test_support::Api;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::exports::two_kinds;
use crate::fixture::{TestApp, expect_json, text};

/// Routes about the installation, or about several projects at once: a limited key is refused.
const CLOSED: [(&str, &str); 35] = [
    ("get", "/v1/keys"),
    ("post", "/v1/keys"),
    ("delete", "/v1/keys/{id}"),
    ("post", "/v1/documents/{id}/erase"),
    ("post", "/v1/documents/{id}/retire-models"),
    ("post", "/v1/documents/index"),
    ("get", "/v1/fields/{name}/history"),
    ("put", "/v1/fields/{name}"),
    ("post", "/v1/fields/{name}/normalize"),
    ("post", "/v1/imports"),
    ("post", "/v1/imports/legacy-csv"),
    ("post", "/v1/imports/legacy-csv/score"),
    ("get", "/v1/imports"),
    ("get", "/v1/imports/{id}/quarantine"),
    ("get", "/v1/imports/{id}/quarantine/tasks"),
    ("post", "/v1/imports/{id}/retry"),
    ("post", "/v1/imports/{id}/revert"),
    ("get", "/v1/imports/{id}"),
    ("get", "/training-runs/{id}/dataset"),
    ("get", "/training-runs/{id}/model"),
    ("get", "/training-runs"),
    ("get", "/jobs"),
    ("get", "/jobs/{id}"),
    ("post", "/training-runs"),
    // its errors name what was trained from the version, whatever the project
    ("delete", "/v1/models/{name}/versions/{number}/files"),
    ("get", "/v1/audit-log"),
    ("get", "/v1/queue"),
    ("get", "/v1/queues"),
    ("get", "/v1/queues/{name}"),
    ("put", "/v1/queues/{name}"),
    ("get", "/v1/training-runs/{id}/explain"),
    ("post", "/v1/training-runs/retry"),
    ("get", "/v1/workers"),
    ("get", "/v1/workers/{id}"),
    ("post", "/v1/workers/{id}/drain"),
];

/// Routes without a key, and those about the key or the session of the request.
const OWN_OR_PUBLIC: [&str; 11] = [
    "/healthz",
    "/readyz",
    "/health",
    "/metrics",
    "/openapi.json",
    "/v1/keys/current",
    "/v1/session",
    "/v1/session/providers",
    "/v1/sessions",
    "/v1/sessions/{id}",
    "/auth/oidc/",
];

/// What belongs to a project.
struct Objects {
    document: String,
    run: String,
    dataset: String,
    dataset_file: String,
    model: &'static str,
    version: String,
}

impl Objects {
    /// Imports documents into a project and trains a model on them. `key` is limited to the project.
    async fn create(app: &TestApp, key: &Api, project: u64, model: &'static str, labels: [&str; 2]) -> Self {
        app.import(two_kinds(project, 66, labels)).await;
        // the only project of the key is the default
        let run = expect_json(key.post("/v1/training-runs").json(&json!({ "model": model })), 202).await;
        assert_eq!(run["spec"]["data"]["filter"]["project"], project.to_string(), "{run}");
        let run = app.wait_for_success(text(&run["id"]).parse().unwrap()).await;
        let dataset = app.api().json(&format!("/v1/datasets/{}", text(&run["dataset_id"]))).await;
        let documents = app.api().json(&format!("/v1/documents?project={project}&limit=1")).await;
        let version = app.api().json(&format!("/v1/models/{model}/versions/1")).await;
        Self {
            document: text(&documents["items"][0]["id"]),
            run: text(&run["id"]),
            dataset: text(&run["dataset_id"]),
            dataset_file: text(&dataset["files"][0]["path"]),
            model,
            version: text(&version["id"]),
        }
    }

    /// A path with these objects, and the query that the route needs.
    fn path(&self, path: &str) -> String {
        let id = match path {
            _ if path.starts_with("/v1/documents/") => self.document.as_str(),
            _ if path.starts_with("/v1/datasets/") => &self.dataset,
            _ if path.contains("training-runs/") || path.starts_with("/jobs/") => &self.run,
            _ => "00000000-0000-0000-0000-000000000000",
        };
        let name = if path.starts_with("/v1/models/") { self.model } else { "kind" };
        let file = if path.starts_with("/v1/datasets/") { self.dataset_file.as_str() } else { "manifest.json" };
        let query = match path {
            "/v1/documents/search" => "?in=texts&q=tenant".to_owned(),
            "/v1/training-runs/compare" => format!("?candidate={0}&baseline={0}", self.run),
            "/v1/training-runs/{id}/events" => "?format=json".to_owned(),
            "/v1/models/{name}/compare" => "?baseline=1".to_owned(),
            _ => String::new(),
        };
        let filled = path
            .replace("{id}", id)
            .replace("{other}", &self.dataset)
            .replace("{name}", name)
            .replace("{number}", "1")
            .replace("{alias}", "champion")
            .replace("{field}", "kind")
            .replace("{kind}", "run")
            .replace("{*path}", file)
            .replace("{path}", file);
        filled + &query
    }

    /// The body of a change of these objects.
    fn body(&self, path: &str) -> Value {
        match path {
            "/v1/documents/archive" | "/v1/documents/unarchive" => json!({ "documents": [self.document] }),
            "/v1/documents/{id}/annotations/{field}" => json!({ "value": ["other"] }),
            "/v1/annotations/accept" => json!({ "field": "kind", "min_confidence": 0, "dry_run": true }),
            "/v1/training-runs" | "/v1/datasets" | "/v1/training-runs/preview" => json!({ "model": self.model }),
            "/v1/models/{name}/aliases/{alias}" => json!({ "number": 1 }),
            "/v1/models/{name}/predict" => json!({ "text": "tenant landlord premises" }),
            path if path.ends_with("/tags") => json!({ "set": { "a": "b" } }),
            path if path.ends_with("/note") => json!({ "note": "a" }),
            path if path.ends_with("/thresholds") => json!({ "target": 0.9, "revision": 0 }),
            path if path.ends_with("/retire") || path.ends_with("/reject") || path.ends_with("/rollback") => json!({ "reason": "a" }),
            _ => json!({}),
        }
    }
}

/// Text that only objects of the other project have.
fn markers(other: &Objects, project: u64, labels: [&str; 2], document_ids: Vec<String>) -> Vec<String> {
    let own = [&other.document, &other.run, &other.dataset, &other.version].map(Clone::clone);
    let names = [other.model, "key-of-b", labels[0], labels[1]].map(str::to_owned);
    own.into_iter().chain(names).chain([project.to_string()]).chain(document_ids).collect()
}

/// The markers in a body that were not in the request.
fn found<'m>(body: &[u8], request: &str, markers: &'m [String]) -> Vec<&'m String> {
    let body = String::from_utf8_lossy(body);
    markers.iter().filter(|marker| body.contains(marker.as_str()) && !request.contains(marker.as_str())).collect()
}

fn limited_key(app: &TestApp, name: &str, role: &str, project: u64) -> Api {
    let created = app.cli(&["api-key", "create", "--name", name, "--role", role, "--project", &project.to_string()]);
    app.server.api_as(&text(&created["key"]))
}

#[tokio::test]
async fn a_key_for_a_project_gets_nothing_of_another_project_on_any_route() {
    const A: u64 = 1;
    const B: u64 = 987_654_321;
    const LABELS_OF_B: [&str; 2] = ["vermilion", "turquoise"];
    let app = TestApp::start().await;
    let _worker = app.env.worker("worker-1", &[]);
    let key = limited_key(&app, "key-of-a", "admin", A);
    let key_of_b = limited_key(&app, "key-of-b", "operator", B);
    let a = Objects::create(&app, &key, A, "model-of-a", ["lease", "supply"]).await;
    let b = Objects::create(&app, &key_of_b, B, "model-of-b", LABELS_OF_B).await;
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id::text FROM documents WHERE project = $1").bind(B.to_string()).fetch_all(app.pool()).await.unwrap();
    let markers = markers(&b, B, LABELS_OF_B, ids);
    let changes_before = app.count("SELECT count(*) FROM audit_log WHERE actor = 'key-of-a'").await;

    let closed: BTreeSet<(&str, &str)> = CLOSED.into_iter().collect();
    let document = app.api().json("/openapi.json").await;
    let mut routes: BTreeMap<(String, String), bool> = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| ["get", "post", "put", "delete"].contains(&method.as_str())) {
            let is_closed = closed.contains(&(method.as_str(), path.as_str()));
            routes.insert((method.clone(), path.clone()), is_closed);
        }
    }
    let documented = routes.keys().map(|(method, path)| (method.as_str(), path.as_str())).collect();
    assert!(closed.is_subset(&documented), "routes that do not exist: {:?}", closed.difference(&documented));

    let (mut read, mut visible_to_others) = (0, 0);
    for ((method, path), is_closed) in &routes {
        if OWN_OR_PUBLIC.iter().any(|own| path == own || own.ends_with('/') && path.starts_with(own)) {
            continue;
        }
        let name = format!("{method} {path}");
        let is_read = method == "get";
        let send = async |api: &Api, objects: &Objects| {
            let target = objects.path(path);
            let request = api.request(method.to_uppercase().parse::<Method>().unwrap(), &target);
            let body = if is_read || method == "delete" { Value::Null } else { objects.body(path) };
            let request = if body.is_null() { request } else { request.json(&body) };
            let response = request.send().await.expect("the API answers");
            let status = response.status().as_u16();
            (status, response.bytes().await.expect("the body is complete").to_vec(), format!("{target} {body}"))
        };
        // what is of the other project does not exist, or is refused
        let (status, body, request) = send(&key, &b).await;
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(found(&body, &request, &markers), Vec::<&String>::new(), "{name}: {problem}");
        if *is_closed {
            assert_eq!((status, problem["code"].as_str()), (403, Some("scope")), "{name} must be closed: {problem}");
            continue;
        }
        let is_of_b =
            request.contains(&b.document) || request.contains(&b.run) || request.contains(&b.dataset) || request.contains(b.model);
        match path.as_str() {
            // the name is taken
            "/v1/training-runs" | "/v1/datasets" | "/v1/training-runs/preview" if !is_read => {
                assert_eq!((status, problem["code"].as_str()), (403, Some("scope")), "{name}: {problem}");
            }
            _ if is_of_b => assert!([404, 422, 428].contains(&status), "{name}: {status} {problem}"),
            _ => {}
        }
        assert!(!is_of_b || !(200..300).contains(&status), "{name}: {status}");
        if is_of_b && is_read {
            assert_eq!(status, 404, "{name}: {problem}");
        }
        if !is_read {
            continue;
        }
        // its own objects are there, without those of the other project
        let (status, body, request) = send(&key, &a).await;
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_ne!(status, 403, "{name}: add the route to CLOSED, or apply the scope: {problem}");
        assert_eq!(found(&body, &request, &markers), Vec::<&String>::new(), "{name}");
        read += i32::from(status == 200);
        let (_, body, _) = send(&app.api(), &b).await;
        visible_to_others += i32::from(!found(&body, "", &markers).is_empty());
    }
    // the requests reach what they are meant to reach, and the markers are in it
    assert!(read >= 30 && visible_to_others >= 20, "{read} {visible_to_others}");
    assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE actor = 'key-of-a'").await, changes_before);

    check_lists(&app, &key, &a, B, &markers).await;
    check_writes(&key, &a, B).await;
    let keys = app.cli(&["api-key", "list"]);
    let listed = keys.as_array().unwrap().iter().find(|listed| listed["name"] == "key-of-a").unwrap();
    assert_eq!(listed["projects"], json!([A.to_string()]), "{listed}");
    app.finish().await;
}

/// Lists and counts leave out what is of the other project, also if the filter names it.
async fn check_lists(app: &TestApp, key: &Api, a: &Objects, other: u64, markers: &[String]) {
    for path in [
        format!("/v1/documents?project={other}"),
        "/v1/documents?limit=200".to_owned(),
        "/v1/documents?value=vermilion".to_owned(),
        format!("/v1/documents/search?q={other}"),
        format!("/v1/documents/search?in=texts&q=tenant&project={other}"),
        format!("/v1/annotations/waiting?project={other}"),
        "/v1/annotations/export".to_owned(),
        "/v1/annotations/export?format=label-studio".to_owned(),
        format!("/v1/annotations/export?project={other}"),
        "/v1/training-runs?model=model-of-b".to_owned(),
        "/v1/ids/run".to_owned(),
        "/v1/ids/dataset?model=model-of-b".to_owned(),
        "/v1/training-runs?trials=true&sort=metric:kind/accuracy".to_owned(),
    ] {
        let response = key.get(&path).send().await.expect("the API answers");
        assert_eq!(response.status(), 200, "{path}");
        let body = response.bytes().await.expect("the body is complete");
        assert_eq!(found(&body, &path, markers), Vec::<&String>::new(), "{path}");
    }
    assert_eq!(key.json("/v1/documents?limit=200").await["items"].as_array().unwrap().len(), 66);
    assert_eq!(key.json("/v1/fields/kind").await["documents_reviewed"], 66);
    assert_eq!(app.api().json("/v1/fields/kind").await["documents_reviewed"], 132);
    let models = key.json("/v1/models").await;
    assert_eq!(models["items"].as_array().unwrap().len(), 1, "{models}");
    // the texts of both projects are the same
    let overview = key.json(&format!("/v1/documents/{}/overview", a.document)).await;
    assert_eq!(overview["explanation"]["near_duplicates_total"], 0, "{overview}");
}

/// Writes go to the projects of the key only.
async fn check_writes(key: &Api, a: &Objects, other: u64) {
    let document = json!({ "project": other.to_string(), "task_id": "new", "text": "a text of its own" });
    assert_eq!(expect_json(key.post("/v1/documents").json(&document), 403).await["code"], "scope");
    let document = json!({ "project": "1", "task_id": "new", "text": "a text of its own" });
    expect_json(key.post("/v1/documents").json(&document), 201).await;
    let archive = json!({ "project": { "source": "label-studio", "project": other.to_string() } });
    expect_json(key.post("/v1/documents/archive").json(&archive), 404).await;
    for data in [
        json!({ "model": "another", "data": { "filter": { "project": other.to_string() } } }),
        json!({ "model": "another", "kind": "predict", "model_version": 1, "params": { "projects": [other.to_string()] } }),
        json!({ "model": "another", "kind": "sentence-transformer", "base_model": "/models/base" }),
    ] {
        let problem = expect_json(key.post("/v1/training-runs").json(&data), 403).await;
        assert_eq!(problem["code"], "scope", "{problem}");
    }
    let of_b = json!({ "model": "another", "kind": "sentence-transformer", "base_model": "models:/model-of-b/1" });
    assert_eq!(expect_json(key.post("/v1/training-runs").json(&of_b), 422).await["code"], "unknown_base_model");
    let note = key.request(Method::PUT, &format!("/v1/training-runs/{}/note", a.run)).json(&json!({ "note": "ours" }));
    expect_json(note, 200).await;
}
