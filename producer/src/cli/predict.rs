//! `aprendiz predict`: asks a published model about a text.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::exit::CliError;
use crate::cli::output::{Output, table};

/// What to ask.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aprendiz predict --model contracts contract.txt\n  pdftotext contract.pdf - | aprendiz predict --model contracts -"
)]
pub(crate) struct PredictArgs {
    /// Name of the model
    #[arg(long)]
    model: String,
    /// Number of the version; default: the newest
    #[arg(long)]
    number: Option<i32>,
    /// A text file in UTF-8, `-` for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

#[derive(Deserialize)]
struct Response {
    model: String,
    number: i32,
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Prediction {
    fields: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    field: String,
    value: Vec<String>,
    confidence: f64,
    answered: bool,
}

pub(crate) async fn run(client: &Client, args: &PredictArgs, output: Output) -> Result<(), CliError> {
    let text = if args.file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("standard input is no text in UTF-8")?
    } else {
        std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {} as text in UTF-8", args.file.display()))?
    };
    let request =
        client.request(Method::POST, &["v1", "models", &args.model, "predict"]).json(&json!({ "text": text, "number": args.number }));
    let response: Value = client.json(request).await?;
    let view = Response::deserialize(&response).context("the API answered a prediction that is not from this version of Aprendiz")?;
    output.print(&response, || {
        let answers = view.predictions.iter().flat_map(|prediction| &prediction.fields);
        let rows: Vec<Vec<String>> = answers
            .map(|answer| {
                let value = if answer.value.is_empty() { "∅ (no value)".to_owned() } else { answer.value.join(", ") };
                let decision = if answer.answered { "answer" } else { "hint only" };
                vec![answer.field.clone(), value, format!("{:.3}", answer.confidence), decision.to_owned()]
            })
            .collect();
        format!("{} version {}\n{}", view.model, view.number, table(&["field", "value", "confidence", "decision"], &["confidence"], &rows))
    })?;
    Ok(())
}
