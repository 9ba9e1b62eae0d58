//! `aprendiz predict`: predicts the fields of a text with a published model.

use std::path::PathBuf;

use anyhow::Context as _;
use aprendiz_annotation_types::display_values;
use clap::Args;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::error::CliError;
use crate::cli::http::{Client, decode};
use crate::cli::terminal::{Output, table};

/// Arguments of `aprendiz predict`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aprendiz predict --model contracts contract.txt\n  aprendiz predict --model contracts --evidence contract.txt\n  pdftotext contract.pdf - | aprendiz predict --model contracts -"
)]
pub(crate) struct PredictArgs {
    /// Model name
    #[arg(long)]
    model: String,
    /// Version number [default: the one that the alias names]
    #[arg(long, conflicts_with = "alias")]
    number: Option<i32>,
    /// Alias of the version [default: champion]
    #[arg(long)]
    alias: Option<String>,
    /// Classes per field in the JSON output, most probable first
    #[arg(long, default_value_t = 5, value_name = "NUMBER")]
    top: u32,
    /// Show the words that speak for and against each value, of linear models
    #[arg(long)]
    evidence: bool,
    /// UTF-8 text file; `-` for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
}

const NO_KNOWN_FEATURE: &str =
    "no known feature in this text: nothing is answered; the values below are only the most frequent ones in training\n";

#[derive(Deserialize)]
struct Response {
    model: String,
    number: i32,
    predictions: Vec<Prediction>,
}

#[derive(Deserialize)]
struct Prediction {
    #[serde(default)]
    no_known_feature: bool,
    fields: Vec<FieldPrediction>,
}

#[derive(Deserialize)]
struct FieldPrediction {
    field: String,
    value: Vec<String>,
    confidence: f64,
    threshold: Option<f64>,
    decision: String,
    evidence: Option<Evidence>,
    #[serde(default)]
    words: Vec<Word>,
}

/// A word that speaks for or against a value.
#[derive(Deserialize)]
struct Word {
    text: String,
    contribution: f64,
}

/// A part of the text, in characters.
#[derive(Deserialize)]
struct Evidence {
    start: usize,
    end: usize,
}

pub(crate) async fn run(client: &Client, args: &PredictArgs, output: Output) -> Result<(), CliError> {
    let text = if args.file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("cannot read standard input as UTF-8 text")?
    } else {
        std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {} as UTF-8 text", args.file.display()))?
    };
    let request = client.request(Method::POST, &["v1", "models", &args.model, "predict"]).json(&json!({
        "text": text, "number": args.number, "alias": args.alias, "top_k": args.top, "evidence": args.evidence,
    }));
    let response: Value = client.json(request).await?;
    let view: Response = decode(&response, "prediction")?;
    output.print(&response, || {
        let predictions = view.predictions.iter().flat_map(|prediction| &prediction.fields);
        let has_evidence = predictions.clone().any(|field| field.evidence.is_some() || !field.words.is_empty());
        let rows: Vec<Vec<String>> = predictions
            .map(|field| {
                let value = display_values(field.value.iter().map(String::as_str));
                let (confidence, threshold) = confidence_and_threshold(field.confidence, field.threshold);
                let mut row = vec![field.field.clone(), value, confidence, threshold, field.decision.replace('_', " ")];
                row.extend(has_evidence.then(|| match &field.evidence {
                    Some(part) => excerpt(&text, part),
                    None => list_words(&field.words),
                }));
                row
            })
            .collect();
        let mut columns = vec!["field", "value", "confidence", "threshold", "decision"];
        columns.extend(has_evidence.then_some("evidence"));
        let rows = table(&columns, &["confidence", "threshold"], &rows);
        let note = if view.predictions.iter().any(|prediction| prediction.no_known_feature) { NO_KNOWN_FEATURE } else { "" };
        format!("{} version {}\n{note}{rows}", view.model, view.number)
    })?;
    Ok(())
}

/// The words with their contributions, those for the value first.
fn list_words(words: &[Word]) -> String {
    let words = words.iter().map(|Word { text, contribution }| format!("{text} {contribution:+.2}"));
    words.collect::<Vec<_>>().join(", ")
}

/// The beginning of a part of the text, on one line, with its offsets.
fn excerpt(text: &str, Evidence { start, end }: &Evidence) -> String {
    const MAX_CHARS: usize = 60;
    let part: String = text.chars().skip(*start).take(end.saturating_sub(*start)).collect();
    let line = part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut chars = line.chars();
    let shown: String = chars.by_ref().take(MAX_CHARS).collect();
    let ellipsis = if chars.next().is_some() { "…" } else { "" };
    format!("{start}–{end}: {shown}{ellipsis}")
}

/// Both numbers with three digits, or with as many as distinguish them. Without a threshold, the target accuracy is unreachable.
fn confidence_and_threshold(confidence: f64, threshold: Option<f64>) -> (String, String) {
    const MAX_DIGITS: usize = 15;
    let Some(threshold) = threshold else { return (format!("{confidence:.3}"), "unreachable".to_owned()) };
    let at = |digits: usize| (format!("{confidence:.digits$}"), format!("{threshold:.digits$}"));
    (3..MAX_DIGITS).map(at).find(|(confidence, threshold)| confidence != threshold).unwrap_or_else(|| at(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_short_line_with_its_offsets() {
        let text = "São Paulo\n  governs this contract";
        assert_eq!(excerpt(text, &Evidence { start: 0, end: 9 }), "0–9: São Paulo");
        assert_eq!(excerpt(text, &Evidence { start: 4, end: 19 }), "4–19: Paulo governs");
        let long = "word ".repeat(30);
        assert!(excerpt(&long, &Evidence { start: 0, end: long.len() }).ends_with('…'));
        assert_eq!(excerpt(text, &Evidence { start: 50, end: 9 }), "50–9: ", "offsets of another text do not panic");
    }

    #[test]
    fn words_are_listed_with_the_sign_of_their_contribution() {
        let word = |text: &str, contribution| Word { text: text.to_owned(), contribution };
        assert_eq!(list_words(&[word("lease", 1.204), word("goods", -0.5)]), "lease +1.20, goods -0.50");
        assert_eq!(list_words(&[]), "");
    }

    #[test]
    fn a_confidence_just_below_the_threshold_is_shown_with_enough_digits() {
        let pair = |confidence: &str, threshold: &str| (confidence.to_owned(), threshold.to_owned());
        assert_eq!(confidence_and_threshold(0.99931, Some(0.9994)), pair("0.9993", "0.9994"));
        assert_eq!(confidence_and_threshold(0.52, Some(0.9994)), pair("0.520", "0.999"));
        assert_eq!(confidence_and_threshold(0.7, Some(0.7)), pair("0.700", "0.700"));
        assert_eq!(confidence_and_threshold(0.52, None), pair("0.520", "unreachable"));
    }
}
