//! Aliases of a model and their history.

use chrono::Utc;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::arguments::time::TimeArgument;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::target_table::format_target;
use crate::cli::terminal::{Output, cell, items, table, time_value_cell};

/// Changes shown without `--at`.
const SHOWN: u32 = 100;

pub(super) async fn list(client: &Client, name: &str, output: Output) -> Result<(), CliError> {
    let aliases = client.get(&["v1", "models", name, "aliases"]).await?["items"].take();
    output.print(&aliases, || {
        let rows: Vec<Vec<String>> = items(&aliases).map(|alias| vec![cell(&alias["alias"]), cell(&alias["number"])]).collect();
        table(&["alias", "version"], &["version"], &rows)
    })?;
    Ok(())
}

pub(super) async fn history(client: &Client, name: &str, alias: &str, at: Option<TimeArgument>, output: Output) -> Result<(), CliError> {
    let mut request = client.request(Method::GET, &["v1", "models", name, "aliases", alias, "history"]);
    request = match at {
        Some(at) => request.query(&[("at", at.resolve(Utc::now()).to_rfc3339()), ("limit", "1".to_owned())]),
        None => request.query(&[("limit", SHOWN)]),
    };
    let events = client.json::<Value>(request).await?["items"].take();
    output.print(&events, || {
        if items(&events).next().is_none() {
            return format!("{name} had no {alias} then");
        }
        let row = |event: &Value| {
            let decision = match (&event["gate"]["decision"], event["overridden"] == true) {
                (_, true) => "overridden".to_owned(),
                (decision, false) => cell(decision),
            };
            vec![
                time_value_cell(&event["at"]),
                cell(&event["action"]).replace('_', " "),
                cell(&event["from_number"]),
                cell(&event["to_number"]),
                decision,
                cell(&event["actor"]),
                if event["thresholds"].is_array() { describe_thresholds(&event["thresholds"]) } else { cell(&event["reason"]) },
            ]
        };
        let rows: Vec<Vec<String>> = items(&events).map(row).collect();
        table(&["time", "action", "from", "to", "gate", "by", "reason"], &["from", "to"], &rows)
    })?;
    Ok(())
}

/// The changed targets of a version in one line.
fn describe_thresholds(changed: &Value) -> String {
    let fields = items(changed).map(|field| {
        let target = |key: &str| field[key].as_f64().map_or_else(String::new, format_target);
        format!("{}: target {} → {}", cell(&field["field"]), target("from_target"), target("target"))
    });
    fields.collect::<Vec<String>>().join(", ")
}

pub(super) async fn remove(client: &Client, name: &str, alias: &str, reason: Option<&str>, output: Output) -> Result<(), CliError> {
    let mut request = client.request(Method::DELETE, &["v1", "models", name, "aliases", alias]);
    if let Some(reason) = reason {
        request = request.query(&[("reason", reason)]);
    }
    client.send(request).await?;
    output.print(&json!({ "model": name, "alias": alias, "number": null }), || format!("{name} has no alias {alias} any more"))?;
    Ok(())
}
