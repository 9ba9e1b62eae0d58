//! `aprendiz dataset build`: a run that ends with its snapshot.

use chrono::{SecondsFormat, Utc};
use clap::Args;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::cli::arguments::WaitArgs;
use crate::cli::arguments::time::TimeArgument;
use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::run::{parse_documents, print_created_run};
use crate::cli::terminal::Output;

/// Arguments of `aprendiz dataset build`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  aprendiz dataset build --project 7 --wait
  aprendiz dataset build --fields contract_type,governing_law --as-of 2026-11-01T00:00:00Z

The snapshot is built by a worker, in a run without training. A run on the same data reuses it.
`aprendiz ingest --training-run ID` builds the snapshot of an existing run.")]
pub(crate) struct BuildArgs {
    /// Model name recorded for the run; nothing is published under it
    #[arg(long, default_value = "dataset")]
    model: String,
    /// Fields, comma-separated [default: all categorical fields]
    #[arg(long, value_delimiter = ',', value_name = "FIELD")]
    fields: Vec<String>,
    /// Documents: comma-separated IDs, or a file with one ID per line [default: all]
    #[arg(long, value_name = "FILE|IDS")]
    documents: Option<String>,
    /// Filter documents by project [default: all]
    #[arg(long)]
    project: Option<String>,
    /// Use the annotations as of TIME: a time such as 2026-11-01T00:00:00Z, or an age such as 1h [default: now]
    #[arg(long, value_name = "TIME")]
    as_of: Option<TimeArgument>,
    /// Exclude labels with fewer than N examples [default: 2]
    #[arg(long, value_name = "N")]
    min_support: Option<u32>,
    /// Idempotency key: repeating the request with the same key returns the same run
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    wait: WaitArgs,
}

pub(super) async fn run(client: &Client, args: &BuildArgs, output: Output) -> Result<(), CliError> {
    let mut request = client.request(Method::POST, &["v1", "datasets"]).json(&spec(args)?);
    if let Some(key) = &args.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let run: Value = client.json(request).await?;
    print_created_run(client, &run, args.wait, output).await
}

fn spec(args: &BuildArgs) -> Result<Value, CliError> {
    let mut data = Map::new();
    if !args.fields.is_empty() {
        data.insert("fields".to_owned(), json!(args.fields));
    }
    if let Some(documents) = &args.documents {
        data.insert("documents".to_owned(), json!(parse_documents(documents)?));
    }
    if let Some(project) = &args.project {
        data.insert("filter".to_owned(), json!({ "project": project }));
    }
    if let Some(as_of) = args.as_of {
        data.insert("as_of".to_owned(), json!(as_of.resolve(Utc::now()).to_rfc3339_opts(SecondsFormat::Micros, true)));
    }
    if let Some(min_support) = args.min_support {
        data.insert("min_support".to_owned(), json!(min_support));
    }
    Ok(json!({ "model": args.model, "data": data }))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: BuildArgs,
    }

    #[test]
    fn flags_become_a_spec() {
        let spec = |line: &[&str]| spec(&Line::try_parse_from([&["build"], line].concat()).unwrap().args).unwrap();
        assert_eq!(spec(&[]), json!({ "model": "dataset", "data": {} }));
        let expected = json!({ "model": "dataset", "data": { "fields": ["a", "b"], "filter": { "project": "7" }, "min_support": 3 } });
        assert_eq!(spec(&["--fields", "a,b", "--project", "7", "--min-support", "3"]), expected);
    }
}
