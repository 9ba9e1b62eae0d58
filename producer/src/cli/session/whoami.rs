//! `aprendiz whoami`: the API key in use.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::version::server_version;
use crate::cli::connection::Connection;
use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::terminal::{Output, format_time};

/// The key of the request.
#[derive(Debug, Deserialize)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) role: String,
    created_at: DateTime<Utc>,
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
    #[serde(default)]
    projects: Option<Vec<String>>,
}

pub(crate) async fn run(connection: &Connection, output: Output) -> Result<(), CliError> {
    let client = Client::new(connection)?;
    let (value, key) = fetch_key(&client).await?;
    let version = server_version(&client).await?;
    let Connection { url, url_from, key_from, .. } = connection;
    let shown =
        json!({ "name": key.name, "key": value, "url": url, "url_from": url_from, "key_from": key_from, "server_version": version });
    output.print(&shown, || render(&key, connection, &version))?;
    Ok(())
}

/// Reads the key that the client uses.
pub(super) async fn fetch_key(client: &Client) -> Result<(Value, Key), CliError> {
    let value = client.get(&["v1", "keys", "current"]).await?;
    let key = decode(&value, "API key")?;
    Ok((value, key))
}

fn render(key: &Key, connection: &Connection, version: &str) -> String {
    let facts = [
        ("key", format!("{} (from {})", key.name, connection.key_from)),
        ("role", key.role.clone()),
        ("projects", key.projects.as_ref().map_or("all".to_owned(), |projects| projects.join(", "))),
        ("created", format_time(key.created_at)),
        ("expires", key.expires_at.map_or("never".to_owned(), format_time)),
        ("url", format!("{} (from {})", connection.url, connection.url_from)),
        ("server", version.to_owned()),
    ];
    let mut text = String::new();
    for (name, value) in facts {
        let _ = writeln!(text, "{name:<8} {value}");
    }
    text
}
