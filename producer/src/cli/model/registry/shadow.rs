//! Comparison of the challenger with the champion on the inputs of predictions.

use reqwest::Method;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, cell, items, table, time_value_cell};

/// Disagreements shown in a table.
const SHOWN: &str = "20";

pub(super) async fn show(
    client: &Client,
    name: &str,
    champion: Option<i32>,
    challenger: Option<i32>,
    field: Option<&str>,
    output: Output,
) -> Result<(), CliError> {
    let mut request = client.request(Method::GET, &["v1", "models", name, "shadow"]).query(&[("limit", SHOWN)]);
    for (parameter, number) in [("champion", champion), ("challenger", challenger)] {
        request = request.query(&number.map(|number| (parameter, number)).as_slice());
    }
    request = request.query(&field.map(|field| ("field", field)).as_slice());
    let report: Value = client.json(request).await?;
    output.print(&report, || render(&report))?;
    Ok(())
}

fn render(report: &Value) -> String {
    let dropped = &report["dropped"];
    let mut text = format!(
        "{}: challenger {} beside champion {}: {} inputs compared; dropped: {} (queue full), {} (failed)\n",
        cell(&report["model"]),
        report["challenger"],
        report["champion"],
        report["compared"],
        dropped["queue_full"],
        dropped["failed"]
    );
    let mut rows = Vec::new();
    for field in list(&report["fields"]) {
        rows.push(rate_row(cell(&field["field"]), "(all)".to_owned(), field));
        rows.extend(list(&field["classes"]).iter().map(|class| rate_row(String::new(), value(&class["value"]), class)));
    }
    text += &table(&["field", "champion", "compared", "disagreed", "rate", "95 % interval"], &["compared", "disagreed", "rate"], &rows);
    let judged = list(&report["fields"]).iter().filter(|field| field["reviewed"]["n"] != 0);
    let rows: Vec<Vec<String>> = judged
        .map(|field| {
            let reviewed = &field["reviewed"];
            let counts = ["champion_right", "challenger_right", "both_wrong"].map(|name| cell(&reviewed[name]));
            let p_value = reviewed["p_value"].as_f64().map_or_else(String::new, |p| format!("{p:.3}"));
            [cell(&field["field"])].into_iter().chain(counts).chain([p_value]).collect()
        })
        .collect();
    if !rows.is_empty() {
        text += "\n\nDisagreements reviewed later:\n";
        text += &table(
            &["field", "champion right", "challenger right", "both wrong", "McNemar p"],
            &["champion right", "challenger right", "both wrong", "McNemar p"],
            &rows,
        );
    }
    let rows: Vec<Vec<String>> = items(&report["disagreements"]["items"])
        .map(|row| {
            vec![
                time_value_cell(&row["at"]),
                cell(&row["field"]),
                value(&row["champion_value"]),
                value(&row["challenger_value"]),
                if row["reviewed"].is_null() { String::new() } else { value(&row["reviewed"]) },
                cell(&row["input_sha256"]).chars().take(12).collect(),
            ]
        })
        .collect();
    if !rows.is_empty() {
        text += "\n\nNewest disagreements:\n";
        text += &table(&["time", "field", "champion", "challenger", "reviewed", "input"], &[], &rows);
    }
    text
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A value as people read it; `∅` = no value.
fn value(value: &Value) -> String {
    let parts: Vec<&str> = list(value).iter().filter_map(Value::as_str).collect();
    if parts.is_empty() { "∅".to_owned() } else { parts.join(", ") }
}

fn rate_row(field: String, class: String, rate: &Value) -> Vec<String> {
    let percent = |value: &Value| value.as_f64().map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share));
    let interval = &rate["interval"];
    let interval =
        if interval.is_null() { String::new() } else { format!("{} to {}", percent(&interval["low"]), percent(&interval["high"])) };
    vec![field, class, cell(&rate["compared"]), cell(&rate["disagreed"]), percent(&rate["rate"]), interval]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_report_names_rates_reviews_and_disagreements() {
        let rate = json!({ "compared": 4, "disagreed": 1, "rate": 0.25, "interval": { "low": 0.046, "high": 0.699 } });
        let mut field = rate.clone();
        field["field"] = json!("law");
        field["reviewed"] = json!({ "n": 1, "champion_right": 0, "challenger_right": 1, "both_wrong": 0, "p_value": 1.0 });
        let mut class = rate;
        class["value"] = json!([]);
        field["classes"] = json!([class]);
        let row = json!({
            "at": "2026-11-30T12:00:00Z", "field": "law", "champion_value": [], "challenger_value": ["Utah"], "reviewed": ["Utah"],
            "input_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        });
        let report = json!({
            "model": "contracts", "champion": 1, "challenger": 2, "compared": 4, "dropped": { "queue_full": 3, "failed": 0 },
            "fields": [field], "disagreements": { "items": [row], "next_cursor": null },
        });
        let text = render(&report);
        for part in
            ["contracts: challenger 2 beside champion 1", "3 (queue full)", "25.0 %", "4.6 % to 69.9 %", "∅", "Utah", "e3b0c44298fc"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
