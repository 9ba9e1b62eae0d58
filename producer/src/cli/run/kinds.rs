//! `aprendiz run kinds`: the kinds of runs and their parameters, as the crate `run-spec` describes them.

use aprendiz_run_spec::{KindInfo, ParamInfo, RunKind};
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::error::CliError;
use crate::cli::terminal::{Output, table};

/// Arguments of `aprendiz run kinds`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  aprendiz run kinds
  aprendiz run kinds linear                        parameters of a kind, with defaults and ranges
  aprendiz run kinds -o json                       for a form; the API serves the same at /v1/run-kinds")]
pub(crate) struct KindsArgs {
    /// Kind
    #[arg(value_parser = kind_values())]
    kind: Option<String>,
}

/// The kinds that can be created.
pub(crate) fn kind_values() -> PossibleValuesParser {
    PossibleValuesParser::new(RunKind::ALL.map(RunKind::as_str))
}

pub(super) fn run(args: &KindsArgs, output: Output) -> Result<(), CliError> {
    if args.kind.is_some() {
        return print_params(args.kind.as_deref(), output);
    }
    let kinds = KindInfo::all();
    output.print(&kinds, || {
        let rows: Vec<Vec<String>> =
            kinds.iter().map(|info| vec![info.kind.to_string(), info.params.len().to_string(), info.summary.to_owned()]).collect();
        table(&["kind", "parameters", "description"], &["parameters"], &rows)
    })?;
    Ok(())
}

/// Prints the parameters of a kind; `None` = the default kind.
pub(super) fn print_params(kind: Option<&str>, output: Output) -> Result<(), CliError> {
    let kind = RunKind::ALL.into_iter().find(|known| Some(known.as_str()) == kind).unwrap_or_default();
    let info = KindInfo::of(kind);
    output.print(&info, || render(&info))?;
    Ok(())
}

fn render(info: &KindInfo) -> String {
    let mut text = format!("{}: {}\n", info.kind, info.summary);
    if info.params.is_empty() {
        text.push_str("\nThis kind has no parameters.\n");
        return text;
    }
    for param in &info.params {
        text.push_str(&format!("\n--param {}={}  ({})\n    {}\n", param.name, param.default, range(param), param.help));
    }
    text
}

/// The type and the allowed values of a parameter.
fn range(param: &ParamInfo) -> String {
    let null = if param.nullable { " or null" } else { "" };
    if !param.values.is_empty() {
        return format!("{}{null}", param.values.join(", "));
    }
    let bounds = match (param.minimum, param.maximum) {
        (Some(minimum), Some(maximum)) => format!(" from {minimum} to {maximum}"),
        (Some(minimum), None) => format!(" of at least {minimum}"),
        _ => String::new(),
    };
    format!("{}{bounds}{null}", param.value_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_shown_with_default_range_and_help() {
        let text = render(&KindInfo::of(RunKind::Linear));
        assert!(text.contains("--param folds=5  (integer from 2 to 20)\n    Number of folds"), "{text}");
        assert!(text.contains("--param l2=null  (number from 0.000001 to 1000000 or null)"), "{text}");
        let text = render(&KindInfo::of(RunKind::SentenceTransformer));
        assert!(text.contains("--param loss=\"cosine-similarity\"  (cosine-similarity, multiple-negatives)"), "{text}");
        assert!(render(&KindInfo::of(RunKind::Evaluate)).contains("no parameters"));
    }
}
