//! Tags and notes on the command line, for runs and model versions.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::Output;

/// Parses KEY=VALUE.
pub(crate) fn parse_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("invalid `{text}`: expected KEY=VALUE, such as stage=candidate")),
    }
}

/// Keys and values as the value of a query parameter.
pub(crate) fn pairs_parameter(pairs: &[(String, String)]) -> String {
    let pairs: BTreeMap<&str, &str> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    json!(pairs).to_string()
}

/// Tags of a run or a version as one line; `None` without tags.
pub(crate) fn format_tags(tags: &Value) -> Option<String> {
    let tags: Vec<String> = tags.as_object()?.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    (!tags.is_empty()).then(|| tags.join(", "))
}

/// Sets tags (KEY=VALUE) and removes them (KEY-) below an API path; without changes, shows nothing but an error.
pub(crate) async fn change_tags(client: &Client, path: &[&str], changes: &[String], output: Output) -> Result<(), CliError> {
    let body = parse_changes(changes).map_err(CliError::Usage)?;
    let changed: Value = client.json(client.request(Method::POST, &[path, &["tags"]].concat()).json(&body)).await?;
    output.print(&changed, || format_tags(&changed["tags"]).unwrap_or_else(|| "no tags".to_owned()))?;
    Ok(())
}

/// Replaces the note below an API path.
pub(crate) async fn change_note(client: &Client, path: &[&str], note: &str, output: Output) -> Result<(), CliError> {
    let changed: Value = client.json(client.request(Method::PUT, &[path, &["note"]].concat()).json(&json!({ "note": note }))).await?;
    output.print(&changed, || changed["note"].as_str().unwrap_or("no note").to_owned())?;
    Ok(())
}

fn parse_changes(changes: &[String]) -> Result<Value, String> {
    let (mut set, mut remove) = (BTreeMap::new(), Vec::new());
    for change in changes {
        match (parse_pair(change), change.strip_suffix('-')) {
            (Ok((key, value)), _) => {
                set.insert(key, value);
            }
            (Err(_), Some(key)) if !key.is_empty() => remove.push(key),
            _ => return Err(format!("invalid tag `{change}`: expected KEY=VALUE, or KEY- to remove a tag")),
        }
    }
    Ok(json!({ "set": set, "remove": remove }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_set_or_removed() {
        let changes = ["stage=candidate", "owner-", "a=b=c", "sign=-"].map(str::to_owned);
        let expected = json!({ "set": { "stage": "candidate", "a": "b=c", "sign": "-" }, "remove": ["owner"] });
        assert_eq!(parse_changes(&changes).unwrap(), expected);
        for change in ["stage", "-", "=a", ""] {
            assert!(parse_changes(&[change.to_owned()]).is_err(), "{change}");
        }
        assert_eq!(format_tags(&json!({ "a": "1", "b": "" })).unwrap(), "a=1, b=");
        assert_eq!(format_tags(&json!({})), None);
        assert_eq!(pairs_parameter(&[("a".to_owned(), "\"".to_owned())]), r#"{"a":"\""}"#);
    }
}
