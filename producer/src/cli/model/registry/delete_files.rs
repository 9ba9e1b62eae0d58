//! `aprendiz model delete-files`: deletes the files of a retired version.

use reqwest::Method;
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, format_time_value};

pub(super) async fn run(client: &Client, name: &str, number: i32, reason: &str, output: Output) -> Result<(), CliError> {
    let path = ["v1", "models", name, "versions", &number.to_string(), "files"];
    let version: Value = client.json(client.request(Method::DELETE, &path).query(&[("reason", reason)])).await?;
    output.print(&version, || {
        let at = format_time_value(&version["files_deleted_at"]);
        format!("{name} version {number} has no files since {at}; its metrics and history stay")
    })?;
    Ok(())
}
