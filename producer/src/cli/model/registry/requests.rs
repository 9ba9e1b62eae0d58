//! Promotions that another key must approve.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, cell, items, table, time_value_cell};

pub(super) async fn list(client: &Client, name: &str, all: bool, output: Output) -> Result<(), CliError> {
    let mut request = client.request(Method::GET, &["v1", "models", name, "promotion-requests"]).query(&[("limit", "200")]);
    if !all {
        request = request.query(&[("state", "pending")]);
    }
    let requests = client.json::<Value>(request).await?["items"].take();
    output.print(&requests, || {
        let row = |request: &Value| {
            vec![
                cell(&request["id"]),
                cell(&request["state"]),
                cell(&request["number"]),
                cell(&request["alias"]),
                cell(&request["gate"]["decision"]),
                cell(&request["requested_by"]),
                time_value_cell(&request["requested_at"]),
                cell(&request["reason"]),
                cell(&request["decided_by"]),
            ]
        };
        let rows: Vec<Vec<String>> = items(&requests).map(row).collect();
        let header = ["request", "state", "version", "alias", "gate", "by", "requested", "reason", "decided by"];
        table(&header, &["version"], &rows)
    })?;
    Ok(())
}

/// Approves or rejects a request.
pub(super) async fn decide(
    client: &Client,
    name: &str,
    id: Uuid,
    decision: &str,
    reason: Option<&str>,
    output: Output,
) -> Result<(), CliError> {
    let path = ["v1", "models", name, "promotion-requests", &id.to_string(), decision];
    let request: Value = client.json(client.request(Method::POST, &path).json(&json!({ "reason": reason }))).await?;
    output.print(&request, || match cell(&request["state"]).as_str() {
        "approved" => format!("{name} version {} is {}", request["number"], cell(&request["alias"])),
        state => format!("the promotion of {name} version {} is {state}", request["number"]),
    })?;
    Ok(())
}
