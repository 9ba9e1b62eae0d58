//! Promotion and rollback.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::model::registry::comparison::gate_table;
use crate::cli::terminal::Output;

pub(super) async fn promote(
    client: &Client,
    name: &str,
    number: i32,
    alias: &str,
    reason: Option<&str>,
    overridden: bool,
    output: Output,
) -> Result<(), CliError> {
    let body = json!({ "number": number, "reason": reason, "override": overridden });
    let request = client.request(Method::PUT, &["v1", "models", name, "aliases", alias]).json(&body);
    let response = client.send(request).await?;
    let waits = response.status() == StatusCode::ACCEPTED;
    let promoted: Value = response.json().await.map_err(|error| client.connection_error(&error))?;
    output.print(&promoted, || {
        if waits {
            let id = promoted["id"].as_str().unwrap_or_default();
            return format!(
                "{name} version {number}: the promotion waits for the approval of another key: aprendiz model approve {name} {id}\n{}",
                gate_table(&promoted["gate"])
            );
        }
        format!("{name} version {number} is {alias}\n{}", gate_table(&promoted["gate"]))
    })?;
    Ok(())
}

pub(super) async fn roll_back(
    client: &Client,
    name: &str,
    alias: &str,
    to: Option<i32>,
    reason: Option<&str>,
    output: Output,
) -> Result<(), CliError> {
    let body = json!({ "to": to, "reason": reason });
    let request = client.request(Method::POST, &["v1", "models", name, "aliases", alias, "rollback"]).json(&body);
    let found: Value = client.json(request).await?;
    output.print(&found, || format!("{name} version {} is {alias} again", found["number"]))?;
    Ok(())
}
