//! Who may do what.

use serde_json::json;

use crate::export::unreviewed;
use crate::site::{Site, answered, text};

#[tokio::test]
async fn a_key_opens_what_its_role_may_do_and_no_more() {
    let site = Site::start().await;
    let [viewer, reviewer, operator] = ["viewer", "reviewer", "operator"].map(|role| site.server.api_as(&site.env.create_key(role)));
    let import = |api: &test_support::Api| api.post("/v1/imports").body(unreviewed(3));
    let spec = json!({ "model": "m", "kind": "evaluate" });

    let problem = answered(import(&viewer), 403).await;
    assert!(text(&problem["detail"]).contains("reviewer") && text(&problem["detail"]).contains("viewer"), "{problem}");
    answered(import(&reviewer), 201).await;
    for api in [&viewer, &reviewer] {
        let problem = answered(api.post("/v1/training-runs").json(&spec), 403).await;
        assert!(problem["code"] == "forbidden" && text(&problem["detail"]).contains("operator"), "{problem}");
        let problem = answered(api.post("/training-runs").json(&json!({})), 403).await;
        assert_eq!(problem["code"], "forbidden");
    }
    assert_eq!(site.count("SELECT count(*) FROM training_runs").await, 0);
    let run = answered(operator.post("/v1/training-runs").json(&spec), 202).await;
    let path = format!("/v1/training-runs/{}", text(&run["id"]));
    answered(viewer.post(&format!("{path}/cancel")), 403).await;
    assert_eq!(viewer.json(&path).await["status"], "queued");
    // a run that waits is cancelled at once
    assert_eq!(answered(operator.post(&format!("{path}/cancel")), 200).await["status"], "cancelled");
    let actors: Vec<String> = sqlx::query_scalar("SELECT actor FROM audit_log WHERE action LIKE 'training_run.%' ORDER BY id")
        .fetch_all(site.pool())
        .await
        .unwrap();
    assert_eq!(actors, ["operator", "operator"]);
    site.finish().await;
}

#[tokio::test]
async fn without_a_good_key_only_the_probes_answer() {
    let site = Site::start().await;
    let url = site.server.url();
    let nobody = reqwest::Client::new();
    let document: serde_json::Value = nobody.get(format!("{url}/openapi.json")).send().await.unwrap().json().await.unwrap();
    let open = ["/healthz", "/readyz", "/health", "/openapi.json", "/metrics"];
    let mut guarded = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| ["get", "post", "put", "delete"].contains(&method.as_str())) {
            let method: reqwest::Method = method.to_uppercase().parse().unwrap();
            let address = format!(
                "{url}{}",
                path.replace("{name}", "m")
                    .replace("{number}", "1")
                    .replace("{path}", "x")
                    .replace("{id}", "00000000-0000-0000-0000-000000000000")
            );
            let status = nobody.request(method.clone(), &address).send().await.unwrap().status();
            if open.contains(&path.as_str()) {
                assert!(status.is_success(), "{method} {path}: {status}");
            } else {
                assert_eq!(status, 401, "{method} {path}");
                guarded += 1;
            }
        }
    }
    assert!(guarded >= 20, "{guarded}");
    answered(site.server.api_as("apz_wrong").get("/v1/training-runs"), 401).await;

    // a key that is revoked stops working at once
    let key = site.env.create_key("viewer");
    answered(site.server.api_as(&key).get("/v1/models"), 200).await;
    let keys = site.cli(&["api-key", "list"]);
    let viewer = keys.as_array().unwrap().iter().find(|key| key["role"] == "viewer").unwrap();
    site.cli(&["api-key", "revoke", &text(&viewer["id"])]);
    answered(site.server.api_as(&key).get("/v1/models"), 401).await;
    assert!(!keys.to_string().contains(&key));
    site.finish().await;
}
