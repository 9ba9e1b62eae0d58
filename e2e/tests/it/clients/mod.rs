//! Clients that read or send slowly, send too much at once, have no key, or are browsers: others are answered, and what they occupy is
//! bounded.

mod authentication;
mod connections;
mod large_bodies;
mod oidc;
mod overload;
mod sessions;
mod slow_readers;
mod slow_uploads;

use aprendiz_test_support::Api;
use serde_json::{Value, json};

use crate::fixture::{TestApp, expect_json};

/// Documents with texts of 5 MiB, so that their responses do not fit into the buffers of a socket.
pub(crate) fn long_documents(count: u64) -> Vec<u8> {
    const TIME: &str = "2025-06-01T12:00:00.000000Z";
    let text = "a contract has many words ".repeat((5 << 20) / 26);
    let documents: Vec<Value> = (1..=count)
        .map(|id| {
            let result =
                json!([{ "id": "a", "type": "choices", "from_name": "colour", "to_name": "text", "value": { "choices": ["red"] } }]);
            let annotation = json!({ "id": id, "completed_by": 1, "result": result, "created_at": TIME, "updated_at": TIME });
            json!({ "id": id, "data": { "text": format!("{id} {text}") }, "annotations": [annotation], "predictions": [],
                "project": 1, "created_at": TIME, "updated_at": TIME })
        })
        .collect();
    serde_json::to_vec(&documents).expect("JSON can be written")
}

/// Ordinary requests of another key: a read and a write. Both must succeed.
async fn check_others_are_served(app: &TestApp) {
    for round in 0..5 {
        app.api().json("/v1/fields").await;
        let definition = json!({ "allowed_values": ["a", format!("b{round}")], "kind": "categorical", "cardinality": "one" });
        expect_json(app.api().request(reqwest::Method::PUT, "/v1/fields/other").json(&definition), 200).await;
    }
}

/// Sends requests at the same time and returns their statuses.
async fn statuses(api: &Api, count: usize, request: impl Fn(&Api) -> reqwest::RequestBuilder) -> Vec<u16> {
    let requests = (0..count).map(|_| request(api).send());
    let responses = futures::future::join_all(requests).await;
    responses.into_iter().map(|response| response.expect("the API answers").status().as_u16()).collect()
}

/// Connections of the server to the database, by kind.
pub(crate) async fn count_connections(app: &TestApp, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(app.pool()).await.expect("the statement is valid")
}
