//! Description, owner and promotion rules of a model.

use clap::Args;
use reqwest::{Method, header};
use serde_json::{Map, Value, json};

use crate::cli::error::CliError;
use crate::cli::http::Client;
use crate::cli::terminal::{Output, cell, table};

/// Show or change description, owner and promotion rules of a model
///
/// Without options, shows them. Options change only what they name.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  aprendiz model settings contracts\n  aprendiz model settings contracts --owner legal --promotion approval\n  aprendiz model settings contracts --margin 0.03 --field-margin governing_law=0.05 --min-n 100\n  aprendiz model settings contracts --coverage-margin 0.05\n  aprendiz model settings contracts --shadow-share 0.1"
)]
pub(crate) struct SettingsArgs {
    /// Model name
    name: String,
    /// What the model is for
    #[arg(long)]
    description: Option<String>,
    /// Who is responsible for it
    #[arg(long)]
    owner: Option<String>,
    /// Whether version 1 becomes champion when it is published
    #[arg(long, value_parser = ["auto", "manual"])]
    first_version: Option<String>,
    /// How later versions become champion: by hand, by the gate alone, or with the approval of another key
    #[arg(long, value_parser = ["manual", "automatic", "approval"])]
    promotion: Option<String>,
    /// Metric that the gate compares
    #[arg(long, value_parser = ["accuracy", "macro_f1", "weighted_f1", "coverage", "selective_accuracy"])]
    gate_metric: Option<String>,
    /// How much worse a field may become, as a fraction
    #[arg(long)]
    margin: Option<f64>,
    /// Margin of one field; repeatable
    #[arg(long, value_name = "FIELD=FRACTION", value_parser = parse_field_margin)]
    field_margin: Vec<(String, f64)>,
    /// How much less a field may answer without review, and how much worse, as a fraction; off = the gate does not compare it
    #[arg(long, value_name = "FRACTION|off", value_parser = parse_coverage_margin)]
    coverage_margin: Option<CoverageMargin>,
    /// Test examples per field below which the gate decides nothing
    #[arg(long)]
    min_n: Option<u64>,
    /// Share of the predictions of the champion that are compared with those of the alias challenger, 0 to 1
    #[arg(long, value_name = "FRACTION")]
    shadow_share: Option<f64>,
}

fn parse_field_margin(text: &str) -> Result<(String, f64), String> {
    let parsed = text.split_once('=').and_then(|(field, margin)| Some((field.to_owned(), margin.parse().ok()?)));
    parsed.ok_or_else(|| format!("`{text}`: expected FIELD=FRACTION, for example governing_law=0.05"))
}

/// A margin of the coverage.
#[derive(Debug, Clone, Copy, PartialEq)]
enum CoverageMargin {
    /// The coverage is not compared.
    Off,
    /// As a fraction.
    Fraction(f64),
}

fn parse_coverage_margin(text: &str) -> Result<CoverageMargin, String> {
    match text {
        "off" => Ok(CoverageMargin::Off),
        text => text.parse().map(CoverageMargin::Fraction).map_err(|_| format!("`{text}`: expected off or a fraction, for example 0.05")),
    }
}

pub(super) async fn run(client: &Client, args: &SettingsArgs, output: Output) -> Result<(), CliError> {
    let path = ["v1", "models", &args.name];
    let current = match client.get(&path).await {
        Err(CliError::Refused(_)) if args.changes_something() => None,
        current => Some(current?),
    };
    let settings = if args.changes_something() {
        let revision = current.as_ref().map_or(0, |current| current["revision"].as_i64().unwrap_or(0));
        let request = client.request(Method::PUT, &path).header(header::IF_MATCH, format!("\"{revision}\""));
        client.json(request.json(&args.merged(current.unwrap_or_else(|| json!({}))))).await?
    } else {
        current.unwrap_or_default()
    };
    output.print(&settings, || render(&settings))?;
    Ok(())
}

impl SettingsArgs {
    fn changes_something(&self) -> bool {
        let texts = [&self.description, &self.owner, &self.first_version, &self.promotion, &self.gate_metric];
        texts.iter().any(|text| text.is_some())
            || self.margin.is_some()
            || self.coverage_margin.is_some()
            || self.min_n.is_some()
            || self.shadow_share.is_some()
            || !self.field_margin.is_empty()
    }

    /// The current settings with the changes of the options.
    fn merged(&self, current: Value) -> Value {
        let mut gate: Map<String, Value> = current["gate"].as_object().cloned().unwrap_or_default();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                gate.insert(name.to_owned(), value);
            }
        };
        set("metric", self.gate_metric.as_ref().map(|metric| json!(metric)));
        set("margin", self.margin.map(|margin| json!(margin)));
        set("min_n", self.min_n.map(|min_n| json!(min_n)));
        match self.coverage_margin {
            Some(CoverageMargin::Off) => drop(gate.remove("coverage_margin")),
            Some(CoverageMargin::Fraction(margin)) => drop(gate.insert("coverage_margin".to_owned(), json!(margin))),
            None => {}
        }
        if !self.field_margin.is_empty() {
            let mut margins: Map<String, Value> = gate.get("field_margins").and_then(Value::as_object).cloned().unwrap_or_default();
            margins.extend(self.field_margin.iter().map(|(field, margin)| (field.clone(), json!(margin))));
            gate.insert("field_margins".to_owned(), Value::Object(margins));
        }
        let or_current = |given: &Option<String>, name: &str| given.as_ref().map_or_else(|| current[name].clone(), |given| json!(given));
        let mut settings = json!({ "gate": gate });
        for (name, given) in [
            ("description", &self.description),
            ("owner", &self.owner),
            ("first_version", &self.first_version),
            ("promotion", &self.promotion),
        ] {
            let value = or_current(given, name);
            if !value.is_null() {
                settings[name] = value;
            }
        }
        let share = self.shadow_share.map_or_else(|| current["shadow_share"].clone(), |share| json!(share));
        if !share.is_null() {
            settings["shadow_share"] = share;
        }
        settings
    }
}

fn render(settings: &Value) -> String {
    let gate = &settings["gate"];
    let or = |value: &Value, default: &str| if value.is_null() { format!("{default} (default)") } else { cell(value) };
    let mut rows = vec![
        vec!["description".to_owned(), cell(&settings["description"])],
        vec!["owner".to_owned(), cell(&settings["owner"])],
        vec!["first version".to_owned(), cell(&settings["first_version"])],
        vec!["promotion".to_owned(), cell(&settings["promotion"])],
        vec!["shadow share".to_owned(), or(&settings["shadow_share"], "1")],
        vec!["gate: metric".to_owned(), or(&gate["metric"], "accuracy")],
        vec!["gate: margin".to_owned(), or(&gate["margin"], "0.02")],
        vec!["gate: coverage margin".to_owned(), or(&gate["coverage_margin"], "off")],
        vec!["gate: minimum n".to_owned(), or(&gate["min_n"], "200")],
    ];
    for (field, margin) in gate["field_margins"].as_object().into_iter().flatten() {
        rows.push(vec![format!("gate: margin of {field}"), cell(margin)]);
    }
    table(&["setting", "value"], &[], &rows)
}
