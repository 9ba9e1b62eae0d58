//! API keys: roles, revocation, routes without a key.

use aprendiz_test_support::Api;
use serde_json::{Value, json};

use crate::fixture::exports::unreviewed;
use crate::fixture::{TestApp, expect_json, text};

#[tokio::test]
async fn a_key_permits_exactly_what_its_role_may_do() {
    let app = TestApp::start().await;
    let [viewer, reviewer, operator] = ["viewer", "reviewer", "operator"].map(|role| app.server.api_as(&app.env.create_key(role)));
    let import = |api: &Api| api.post("/v1/imports").body(unreviewed(3));
    let spec = json!({ "model": "m", "kind": "evaluate" });

    let problem = expect_json(import(&viewer), 403).await;
    assert!(text(&problem["detail"]).contains("reviewer") && text(&problem["detail"]).contains("viewer"), "{problem}");
    expect_json(import(&reviewer), 201).await;
    for api in [&viewer, &reviewer] {
        let problem = expect_json(api.post("/v1/training-runs").json(&spec), 403).await;
        assert!(problem["code"] == "forbidden" && text(&problem["detail"]).contains("operator"), "{problem}");
        let problem = expect_json(api.post("/training-runs").json(&json!({})), 403).await;
        assert_eq!(problem["code"], "forbidden");
    }
    assert_eq!(app.count("SELECT count(*) FROM training_runs").await, 0);
    let run = expect_json(operator.post("/v1/training-runs").json(&spec), 202).await;
    let path = format!("/v1/training-runs/{}", text(&run["id"]));
    expect_json(viewer.post(&format!("{path}/cancel")), 403).await;
    assert_eq!(viewer.json(&path).await["status"], "queued");
    // a queued run is cancelled at once
    assert_eq!(expect_json(operator.post(&format!("{path}/cancel")), 200).await["status"], "cancelled");
    let actors: Vec<String> = sqlx::query_scalar("SELECT actor FROM audit_log WHERE action LIKE 'training_run.%' ORDER BY id")
        .fetch_all(app.pool())
        .await
        .unwrap();
    assert_eq!(actors, ["operator", "operator"]);
    app.finish().await;
}

#[tokio::test]
async fn without_a_valid_key_only_public_routes_answer() {
    let app = TestApp::start().await;
    let url = app.server.url();
    let anonymous = reqwest::Client::new();
    let document: Value = anonymous.get(format!("{url}/openapi.json")).send().await.unwrap().json().await.unwrap();
    let public = ["/healthz", "/readyz", "/health", "/openapi.json", "/metrics", "/v1/session/providers"];
    let mut protected = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| ["get", "post", "put", "delete"].contains(&method.as_str())) {
            let method: reqwest::Method = method.to_uppercase().parse().unwrap();
            let address = format!(
                "{url}{}",
                path.replace("{name}", "m")
                    .replace("{number}", "1")
                    .replace("{alias}", "champion")
                    .replace("{path}", "x")
                    .replace("{id}", "00000000-0000-0000-0000-000000000000")
            );
            let status = anonymous.request(method.clone(), &address).send().await.unwrap().status();
            if (method.as_str(), path.as_str()) == ("POST", "/v1/session") {
                // a sign-in has its key in the body, which is empty here
                assert_eq!(status, 400, "{method} {path}");
            } else if path.starts_with("/auth/oidc/") {
                // for people without a key; no provider is configured here, and no sign-in was started
                assert!([403, 404].contains(&status.as_u16()), "{method} {path}: {status}");
            } else if public.contains(&path.as_str()) {
                assert!(status.is_success(), "{method} {path}: {status}");
            } else {
                assert_eq!(status, 401, "{method} {path}");
                protected += 1;
            }
        }
    }
    assert!(protected >= 20, "{protected}");
    expect_json(app.server.api_as("apz_wrong").get("/v1/training-runs"), 401).await;

    // a revoked key stops working at once
    let key = app.env.create_key("viewer");
    expect_json(app.server.api_as(&key).get("/v1/models"), 200).await;
    let keys = app.cli(&["api-key", "list"]);
    let viewer = keys.as_array().unwrap().iter().find(|key| key["role"] == "viewer").unwrap();
    app.cli(&["api-key", "revoke", &text(&viewer["id"])]);
    expect_json(app.server.api_as(&key).get("/v1/models"), 401).await;
    assert!(!keys.to_string().contains(&key));
    app.finish().await;
}

#[tokio::test]
async fn keys_are_created_listed_expire_and_are_revoked_over_the_api() {
    let app = TestApp::start().await;
    let admin = app.api();
    let create = |body: &Value| admin.post("/v1/keys").json(body);
    let response = create(&json!({ "name": "ci", "role": "operator", "expires_at": "2999-01-01T00:00:00Z" })).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["cache-control"].to_str().unwrap()), (201, "no-store"));
    let created: Value = response.json().await.unwrap();
    let (id, ci) = (text(&created["id"]), app.server.api_as(&text(&created["key"])));
    assert_eq!(ci.json("/v1/keys/current").await["name"], "ci");
    for (body, status, code) in [
        (json!({ "name": "ci", "role": "viewer" }), 409, "key_name_taken"),
        (json!({ "name": " ", "role": "viewer" }), 422, "invalid_key"),
        (json!({ "name": "oidc:ana", "role": "viewer" }), 422, "invalid_key"),
        (json!({ "name": "old", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z" }), 422, "invalid_key"),
        (json!({ "name": "none", "role": "viewer", "projects": [] }), 422, "invalid_key"),
    ] {
        assert_eq!(expect_json(create(&body), status).await["code"], code, "{body}");
    }
    assert_eq!(expect_json(ci.get("/v1/keys"), 403).await["code"], "forbidden");
    let listed = admin.json("/v1/keys").await;
    let names: Vec<String> = listed["items"].as_array().unwrap().iter().map(|key| text(&key["name"])).collect();
    assert_eq!(names, ["ci", "admin"]);
    assert!(!listed.to_string().contains(&text(&created["key"])), "no secret is listed");

    app.execute("UPDATE api_keys SET created_at = now() - interval '2 days', expires_at = now() - interval '1 day' WHERE name = 'ci'")
        .await;
    let problem = expect_json(ci.get("/v1/keys/current"), 401).await;
    assert!(text(&problem["detail"]).contains("`ci` expired at"), "{problem}");

    let revoke = |id: &str, query: &str| admin.request(reqwest::Method::DELETE, &format!("/v1/keys/{id}{query}"));
    for _ in 0..2 {
        assert_eq!(revoke(&id, "").send().await.unwrap().status(), 204);
    }
    let own = text(&listed["items"][1]["id"]);
    assert_eq!(expect_json(revoke(&own, ""), 409).await["code"], "last_admin_key");
    expect_json(revoke("00000000-0000-0000-0000-000000000000", ""), 404).await;
    assert_eq!(revoke(&own, "?force=true").send().await.unwrap().status(), 204);
    expect_json(admin.get("/v1/keys"), 401).await;
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit_log WHERE actor = 'admin' ORDER BY id").fetch_all(app.pool()).await.unwrap();
    assert_eq!(actions, ["api_key.create", "api_key.revoke", "api_key.revoke"]);
    app.finish().await;
}
