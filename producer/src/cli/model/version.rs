//! A published version, as the API shows it.

use std::path::Path;

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::cli::error::CliError;
use crate::cli::http::download::{LocalFile, RemoteFile, download};
use crate::cli::http::{Client, decode};
use crate::cli::terminal::time_cell;

/// Digits of a git revision in a table.
const REVISION_DIGITS: usize = 12;

/// A published model version.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) model: String,
    pub(crate) number: i32,
    pub(super) run_id: Uuid,
    pub(super) dataset_id: Uuid,
    pub(crate) manifest_sha256: String,
    pub(super) files: Vec<RemoteFile>,
    pub(crate) card: Value,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    #[serde(default)]
    pub(super) tags: Value,
    #[serde(default)]
    pub(super) note: Option<String>,
    #[serde(default)]
    pub(super) retired_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) files_deleted_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) build: Value,
    #[serde(default)]
    pub(super) verified_at: Option<DateTime<Utc>>,
    #[serde(default)]
    pub(super) verification: Value,
    #[serde(default)]
    pub(super) metrics: Vec<Headline>,
    pub(super) created_at: DateTime<Utc>,
}

impl Version {
    /// What happened to it after its publication; empty = nothing.
    pub(super) fn state(&self) -> String {
        let state = match (self.retired_at, self.files_deleted_at) {
            (_, Some(_)) => "files deleted",
            (Some(_), None) => "retired",
            (None, None) => "",
        };
        state.to_owned()
    }

    /// The first digits of the git revision of the worker that trained it; `+` marks changes that were not committed.
    pub(super) fn revision(&self) -> String {
        let Some(revision) = self.build["git_revision"].as_str() else { return String::new() };
        let changes = if self.build["dirty"] == true { "+" } else { "" };
        format!("{}{changes}", revision.chars().take(REVISION_DIGITS).collect::<String>())
    }

    /// Result and time of its latest verification.
    pub(super) fn verified(&self) -> String {
        let (Some(at), Some(result)) = (self.verified_at, self.verification["result"].as_str()) else { return String::new() };
        format!("{} at {}", result.replace('_', " "), time_cell(at))
    }
}

/// The main metric of a field.
#[derive(Deserialize)]
pub(super) struct Headline {
    pub(super) field: Option<String>,
    pub(super) metric: Option<String>,
    pub(super) value: Option<f64>,
    pub(super) n: Option<i64>,
    pub(super) coverage: Option<f64>,
}

pub(super) async fn fetch_versions(client: &Client, name: &str, limit: u8) -> Result<Value, CliError> {
    let request = client.request(Method::GET, &["v1", "models", name, "versions"]).query(&[("limit", limit)]);
    Ok(client.json::<Value>(request).await?["items"].take())
}

/// Fetches a version of a model; `None` = the newest.
pub(crate) async fn find_version(client: &Client, name: &str, number: Option<i32>) -> Result<Version, CliError> {
    let version = match number {
        Some(number) => client.get(&["v1", "models", name, "versions", &number.to_string()]).await?,
        None => fetch_versions(client, name, 1).await?[0].take(),
    };
    Ok(decode(&version, "model version")?)
}

/// Downloads the files of a version. The manifest is last, so that a directory with a manifest is complete.
pub(crate) async fn download_version(client: &Client, version: &Version, dir: &Path, force: bool) -> Result<Vec<LocalFile>, CliError> {
    let mut files = version.files.clone();
    files.retain(|file| file.path != aprendiz_inference::manifest::MANIFEST_FILE);
    let sha256 = version.manifest_sha256.clone();
    files.push(RemoteFile { path: aprendiz_inference::manifest::MANIFEST_FILE.to_owned(), bytes: None, sha256 });
    download(client, &["v1", "models", &version.model, "versions", &version.number.to_string(), "files"], &files, dir, force).await
}
