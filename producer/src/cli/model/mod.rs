//! `aprendiz model`: list, tag and download published models.

mod card;
pub(super) mod embed;
pub(super) mod predict;
pub(crate) mod registry;
mod thresholds;
mod verify;
pub(crate) mod version;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use clap::Subcommand;
use futures::StreamExt as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::dataset::lineage;
use crate::cli::error::CliError;
use crate::cli::http::download::{RemoteFile, create_staged, download, summary};
use crate::cli::http::{Client, fetch_items};
use crate::cli::model::card::CardArgs;
use crate::cli::model::registry::RegistryCommand;
use crate::cli::model::thresholds::ThresholdsArgs;
use crate::cli::model::verify::VerifyArgs;
use crate::cli::model::version::{Headline, Version, download_version, fetch_versions, find_version};
use crate::cli::tags::{change_note, change_tags, format_tags};
use crate::cli::terminal::{Output, human_bytes, id_cell, table, time_cell};

/// Subcommands of `aprendiz model`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// List published models
    #[command(visible_alias = "ls", after_help = "Examples:\n  aprendiz model list\n  aprendiz model list -o json")]
    List,
    /// List the versions of a model, newest first
    #[command(after_help = "Examples:\n  aprendiz model versions contracts\n  aprendiz model versions contracts --columns version,run")]
    Versions {
        /// Model name
        name: String,
    },
    /// Set or remove tags of a version
    #[command(
        after_help = "Examples:\n  aprendiz model tag contracts 3 stage=candidate\n  aprendiz model tag contracts 3 stage-        remove the tag `stage`"
    )]
    Tag {
        /// Model name
        name: String,
        /// Version number
        number: i32,
        /// KEY=VALUE to set a tag, KEY- to remove it
        #[arg(value_name = "KEY=VALUE", required = true)]
        tags: Vec<String>,
    },
    /// Replace the note of a version
    #[command(after_help = "Example:\n  aprendiz model note contracts 3 'approved by legal on 2026-11-30'")]
    Note {
        /// Model name
        name: String,
        /// Version number
        number: i32,
        /// Text; it replaces the note, and an empty text removes it
        text: String,
    },
    /// Show the run, the dataset snapshot and the reviewers behind a version
    #[command(after_help = "Example:\n  aprendiz model lineage contracts 3")]
    Lineage {
        /// Model name
        name: String,
        /// Version number
        number: i32,
    },
    /// Show the thresholds of a version, or change their target accuracy without training
    #[command(
        after_help = "Examples:\n  aprendiz model thresholds contracts\n  aprendiz model thresholds contracts --target 0.9 --field contract_type"
    )]
    Thresholds(ThresholdsArgs),
    /// Show the model card of a version: what it is for, how it was measured, and its limits
    #[command(
        after_help = "Examples:\n  aprendiz model card contracts\n  aprendiz model card contracts 3 --html card.html     with the plots, for browsers"
    )]
    Card(CardArgs),
    /// Download a version: weights, configuration, model card, metrics and manifest
    #[command(
        after_help = "Example:\n  aprendiz model download contracts -d ./contracts\n  aprendiz model download contracts --file config.json -d .\n  aprendiz model download contracts --tar contracts.tar"
    )]
    Download {
        /// Model name
        name: String,
        /// Version number [default: newest]
        #[arg(long)]
        number: Option<i32>,
        /// Output directory [default: NAME-NUMBER]
        #[arg(short, long)]
        dir: Option<PathBuf>,
        /// Overwrite existing files that differ
        #[arg(long)]
        force: bool,
        /// Only this file, such as config.json
        #[arg(long, value_name = "NAME")]
        file: Option<String>,
        /// Write all files as one tar archive to FILE
        #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "dir"])]
        tar: Option<PathBuf>,
    },
    /// Train a version again from its snapshot, and compare the files; publishes nothing
    Verify(VerifyArgs),
    #[command(flatten)]
    Registry(RegistryCommand),
}

#[derive(Deserialize)]
struct Summary {
    name: String,
    owner: String,
    versions: i64,
    newest_version: i32,
    published_at: DateTime<Utc>,
}

pub(crate) async fn run(client: &Client, command: &ModelCommand, output: Output) -> Result<(), CliError> {
    match command {
        ModelCommand::List => list(client, output).await,
        ModelCommand::Versions { name } => versions(client, name, output).await,
        ModelCommand::Lineage { name, number } => lineage::print_model_lineage(client, name, *number, output).await,
        ModelCommand::Registry(command) => registry::run(client, command, output).await,
        ModelCommand::Card(args) => card::run(client, args, output).await,
        ModelCommand::Verify(args) => verify::run(client, args, output).await,
        ModelCommand::Thresholds(args) => thresholds::run(client, args, output).await,
        ModelCommand::Tag { name, number, tags } => {
            change_tags(client, &["v1", "models", name, "versions", &number.to_string()], tags, output).await
        }
        ModelCommand::Note { name, number, text } => {
            change_note(client, &["v1", "models", name, "versions", &number.to_string()], text, output).await
        }
        ModelCommand::Download { name, number, tar: Some(path), force, .. } => archive(client, name, *number, path, *force, output).await,
        ModelCommand::Download { name, number, dir, file: Some(file), force, .. } => {
            fetch_file(client, name, *number, dir.clone(), file, *force, output).await
        }
        ModelCommand::Download { name, number, dir, force, .. } => fetch(client, name, *number, dir.clone(), *force, output).await,
    }
}

async fn list(client: &Client, output: Output) -> Result<(), CliError> {
    let models = Value::Array(fetch_items(client, &["v1", "models"], &[], None).await?);
    let summaries: Vec<Summary> = serde_json::from_value(models.clone()).context("unexpected models in the API response")?;
    output.print(&models, || {
        let rows: Vec<Vec<String>> = summaries
            .into_iter()
            .map(|model| {
                vec![model.name, model.owner, model.versions.to_string(), model.newest_version.to_string(), time_cell(model.published_at)]
            })
            .collect();
        table(&["model", "owner", "versions", "newest", "published"], &["versions", "newest"], &rows)
    })?;
    Ok(())
}

async fn versions(client: &Client, name: &str, output: Output) -> Result<(), CliError> {
    let versions = fetch_versions(client, name, 200).await?;
    let views: Vec<Version> = serde_json::from_value(versions.clone()).context("unexpected model versions in the API response")?;
    output.print(&versions, || {
        let unproven = unproven_versions(&views);
        let rows: Vec<Vec<String>> = views.into_iter().flat_map(version_rows).collect();
        let header = [
            "version",
            "aliases",
            "published",
            "field",
            "metric",
            "value",
            "n",
            "coverage",
            "run",
            "state",
            "revision",
            "verified",
            "tags",
            "note",
            "warning",
        ];
        unproven + &table(&header, &["version", "value", "n", "coverage"], &rows)
    })?;
    Ok(())
}

/// One line for each version that was not measured or is worse than its base model: a table may hide its last columns.
fn unproven_versions(versions: &[Version]) -> String {
    const UNPROVEN: [&str; 2] = ["nothing was measured", "training made the encoder worse"];
    let warnings = versions.iter().flat_map(|version| {
        let warnings = version.card["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
        warnings.map(move |warning| (version.number, warning))
    });
    let unproven = warnings.filter(|(_, warning)| UNPROVEN.iter().any(|start| warning.starts_with(start)));
    unproven.map(|(number, warning)| format!("warning: version {number}: {warning}\n")).collect()
}

/// The most important warning of a version, and how many more there are.
fn first_warning(card: &Value) -> String {
    let warnings: Vec<&str> = card["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match warnings.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// One row per field; what is about the version as a whole is in the first one.
fn version_rows(version: Version) -> Vec<Vec<String>> {
    let warning = first_warning(&version.card);
    let (state, revision, verified) = (version.state(), version.revision(), version.verified());
    let aliases = version.aliases.join(", ");
    let ratio = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let (mut fields, all): (Vec<Headline>, Vec<Headline>) = version.metrics.into_iter().partition(|headline| headline.field.is_some());
    if fields.is_empty() {
        fields = all;
    }
    let mut rows: Vec<Vec<String>> = fields
        .into_iter()
        .map(|headline| {
            let metric = headline.metric.unwrap_or_else(|| "-".to_owned());
            let field = headline.field.unwrap_or_else(|| "(all fields)".to_owned());
            let n = headline.n.map_or("-".to_owned(), |n| n.to_string());
            [field, metric, ratio(headline.value), n, ratio(headline.coverage)].to_vec()
        })
        .collect();
    if rows.is_empty() {
        rows.push(vec!["-".to_owned(); 5]);
    }
    let note: String = version.note.unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    let tags = format_tags(&version.tags).unwrap_or_default();
    for (index, row) in rows.iter_mut().enumerate() {
        let is_first = index == 0;
        let once = |text: String| if is_first { text } else { String::new() };
        row.splice(0..0, [once(version.number.to_string()), once(aliases.clone()), once(time_cell(version.created_at))]);
        row.extend([once(id_cell(&version.run_id)), once(state.clone()), once(revision.clone()), once(verified.clone())]);
        row.extend([once(tags.clone()), once(note.clone()), once(warning.clone())]);
    }
    rows
}

async fn fetch(
    client: &Client,
    name: &str,
    number: Option<i32>,
    dir: Option<PathBuf>,
    force: bool,
    output: Output,
) -> Result<(), CliError> {
    let version = find_version(client, name, number).await?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(format!("{}-{}", version.model, version.number)));
    let files = download_version(client, &version, &dir, force).await?;
    let Version { model, number, run_id, dataset_id, card, .. } = version;
    // encoders have no thresholds
    let (thresholds, changes) = match card["thresholds"] {
        Value::Null => (Value::Null, String::new()),
        _ => thresholds::describe_changes(client, &model, number).await?,
    };
    let value = json!({
        "model": model, "number": number, "run_id": run_id, "dataset_id": dataset_id, "dir": dir, "files": files, "thresholds": thresholds,
    });
    output.print(&value, || format!("{model} version {number}: {}{changes}", summary(&files, &dir)))?;
    Ok(())
}

async fn fetch_file(
    client: &Client,
    name: &str,
    number: Option<i32>,
    dir: Option<PathBuf>,
    file: &str,
    force: bool,
    output: Output,
) -> Result<(), CliError> {
    let version = find_version(client, name, number).await?;
    let dir = dir.unwrap_or_else(|| PathBuf::from(format!("{}-{}", version.model, version.number)));
    let manifest = aprendiz_inference::manifest::MANIFEST_FILE;
    let mut files = version.files.clone();
    if file == manifest {
        files.push(RemoteFile { path: manifest.to_owned(), bytes: None, sha256: version.manifest_sha256.clone() });
    }
    files.retain(|known| known.path == file);
    files.truncate(1);
    if files.is_empty() {
        let names: Vec<&str> = version.files.iter().map(|file| file.path.as_str()).chain([manifest]).collect();
        return Err(CliError::Refused(format!("{name} version {} has no file `{file}`: it has {}", version.number, names.join(", "))));
    }
    let files =
        download(client, &["v1", "models", &version.model, "versions", &version.number.to_string(), "files"], &files, &dir, force).await?;
    let value = json!({ "model": version.model, "number": version.number, "dir": dir, "files": files });
    output.print(&value, || format!("{} version {}: {}", version.model, version.number, summary(&files, &dir)))?;
    Ok(())
}

/// Writes the archive beside its target first, so that a file with this name is complete.
async fn archive(client: &Client, name: &str, number: Option<i32>, path: &Path, force: bool, output: Output) -> Result<(), CliError> {
    if !force && path.try_exists().with_context(|| format!("cannot access {}", path.display()))? {
        return Err(CliError::Failed(anyhow::anyhow!("{} already exists: choose another file, or give --force", path.display())));
    }
    let version = find_version(client, name, number).await?;
    let number = version.number.to_string();
    let request = client.long_request(Method::GET, &["v1", "models", &version.model, "versions", &number, "download"]);
    let response = client.send(request.query(&[("format", "tar")])).await?;
    let expected = response.content_length();
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut staged = create_staged(directory)?;
    let (mut bytes, mut stream) = (0, response.bytes_stream());
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| client.connection_error(&error))?;
        staged.write_all(&chunk).with_context(|| format!("cannot write {}", path.display()))?;
        bytes += chunk.len() as u64;
    }
    if expected.is_some_and(|expected| expected != bytes) {
        return Err(CliError::cut_off(&path.display().to_string()));
    }
    if force {
        staged.persist(path).map(drop).with_context(|| format!("cannot write {}", path.display()))?;
    } else {
        staged.persist_noclobber(path).map(drop).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let value = json!({ "model": version.model, "number": version.number, "file": path, "bytes": bytes });
    output.print(&value, || format!("{} version {number}: {} in {}", version.model, human_bytes(bytes), path.display()))?;
    Ok(())
}
