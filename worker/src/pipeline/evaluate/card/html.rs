//! Renders a model card as one HTML file: no scripts, no external resources, plots inline.

use std::fmt::Write as _;

use aprendiz_evaluation::WorstSlices;
use serde_json::Value;

use crate::pipeline::evaluate::card::champion::ChampionComparison;
use crate::pipeline::evaluate::card::document::{Card, CardField};
use crate::pipeline::evaluate::card::slices::describe;
use crate::pipeline::evaluate::plots::label::{clean, escape};
use crate::pipeline::evaluate::plots::plot::Plot;

const STYLE: &str = include_str!("card.css");

/// The page. `plots` are those that the card lists.
pub(crate) fn render(card: &Card<'_>, plots: &[Plot]) -> String {
    let model = text(card.model);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Model card of {model}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <main>\n<h1 dir=\"auto\">{model}</h1>\n<p class=\"lead\">{}</p>\n",
        text(&card.summary)
    );
    for warning in &card.warnings {
        push(&mut page, format_args!("<p class=\"warning\"><strong>Warning.</strong> {}.</p>\n", text(warning)));
    }
    push_list(&mut page, "Intended use", &card.intended_use);
    push_results(&mut page, card);
    push_thresholds(&mut page, card.thresholds.as_ref());
    if let Some(worst) = &card.worst_slices {
        push_slices(&mut page, worst);
    }
    if let Some(champion) = &card.champion {
        push_champion(&mut page, champion);
    }
    if !plots.is_empty() {
        page.push_str("<h2>Plots</h2>\n");
    }
    for plot in plots {
        push(&mut page, format_args!("<figure>\n{}<figcaption>{}</figcaption>\n</figure>\n", plot.svg, text(&plot.description)));
    }
    push_list(&mut page, "Limits", &card.limits);
    push_facts(&mut page, card);
    page.push_str("<footer>This card names no document and contains no text of one.</footer>\n</main>\n</body>\n</html>\n");
    page
}

/// A text of users or of this program as HTML.
fn text(text: &str) -> String {
    escape(&clean(text))
}

/// Writing to a String cannot fail.
fn push(page: &mut String, part: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(part);
}

fn push_list(page: &mut String, title: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    push(page, format_args!("<h2>{title}</h2>\n<ul>\n"));
    for sentence in sentences {
        push(page, format_args!("<li>{}</li>\n", text(sentence)));
    }
    page.push_str("</ul>\n");
}

fn push_results(page: &mut String, card: &Card<'_>) {
    page.push_str("<h2>Evaluation</h2>\n<p>On the test split, which was read once, after the training.");
    if let Some(target) = card.target_accuracy {
        push(page, format_args!(" Answers have the target accuracy {target}."));
    }
    page.push_str("</p>\n");
    let mut names: Vec<&str> = Vec::new();
    for metric in card.fields.iter().flat_map(|field| &field.metrics) {
        if !names.contains(&metric.name) {
            names.push(metric.name);
        }
    }
    let answers = card.target_accuracy.is_some();
    let threshold = answers.then_some("threshold");
    let heads: Vec<String> = ["n", "examples"].into_iter().chain(names.iter().copied()).chain(threshold).map(title).collect();
    let rows: Vec<(String, Vec<String>)> =
        card.fields.iter().map(|field| (field.field.clone(), result_cells(field, &names, answers))).collect();
    push_table(page, "Field", &heads, &rows);
}

fn result_cells(field: &CardField, names: &[&str], answers: bool) -> Vec<String> {
    let metric = |name: &&str| {
        let Some(metric) = field.metrics.iter().find(|metric| metric.name == *name) else { return "–".to_owned() };
        let interval = metric.interval.map_or_else(String::new, |interval| format!(" ({:.3}–{:.3})", interval.low, interval.high));
        number(metric.value) + &interval
    };
    let counts = [field.n.to_string(), field.examples.to_string()];
    let threshold = answers.then(|| number(field.threshold));
    counts.into_iter().chain(names.iter().map(metric)).chain(threshold).collect()
}

/// The tables of targets, as the evaluation of linear models writes them.
fn push_thresholds(page: &mut String, thresholds: Option<&Value>) {
    let Some(fields) = thresholds.and_then(|thresholds| thresholds["fields"].as_object()) else { return };
    let targets: Vec<String> =
        fields.values().next().and_then(Value::as_array).into_iter().flatten().map(|row| row["target"].to_string()).collect();
    let cells = |rows: &Value| {
        let rows = rows.as_array().into_iter().flatten();
        rows.map(|row| match (row["status"].as_str(), row["coverage"].as_f64()) {
            (Some("reached"), Some(coverage)) => format!("{:.1} %", 100.0 * coverage),
            _ => "–".to_owned(),
        })
        .collect()
    };
    let rows: Vec<(String, Vec<String>)> = fields.iter().map(|(field, rows)| (field.clone(), cells(rows))).collect();
    page.push_str("<h2>Coverage by target accuracy</h2>\n<p>Share of the out-of-fold examples that is answered without review.</p>\n");
    push_table(page, "Field", &targets, &rows);
}

fn push_slices(page: &mut String, worst: &WorstSlices) {
    push(page, format_args!("<h2>Worst slices</h2>\n<p>{}</p>\n", text(&describe(worst))));
    if worst.slices.is_empty() {
        return;
    }
    let heads = ["Slice", "n", "Accuracy", "Rest, accuracy"].map(ToOwned::to_owned);
    let rows = worst.slices.iter().map(|slice| {
        let interval = slice.interval.map_or_else(String::new, |interval| format!(" ({:.3}–{:.3})", interval.low, interval.high));
        let name = format!("{}: {}", slice.dimension, slice.value);
        let cells = vec![name, slice.n.to_string(), number(Some(slice.accuracy)) + &interval, number(Some(slice.rest_accuracy))];
        (slice.field.clone(), cells)
    });
    push_table(page, "Field", &heads, &rows.collect::<Vec<_>>());
}

fn push_champion(page: &mut String, champion: &ChampionComparison) {
    push(page, format_args!("<h2>Compared with the champion, version {}</h2>\n", champion.number));
    if let Some(reason) = &champion.omitted {
        push(page, format_args!("<p>Not compared: {}.</p>\n", text(reason)));
        return;
    }
    page.push_str("<p>On the test documents of both. Differences in percentage points, with their 95 % interval.</p>\n");
    let heads = ["n", "Accuracy, champion", "Accuracy", "Difference"].map(ToOwned::to_owned);
    let rows = champion.fields.iter().filter_map(|field| {
        let accuracy = field.metrics.iter().find(|metric| metric.metric == "accuracy")?;
        let difference = accuracy.difference.map_or_else(|| "–".to_owned(), |difference| format!("{:+.1}", 100.0 * difference));
        let interval = accuracy
            .interval
            .map_or_else(String::new, |interval| format!(" ({:+.1} to {:+.1})", 100.0 * interval.low, 100.0 * interval.high));
        let cells = vec![field.n.to_string(), number(accuracy.baseline), number(accuracy.candidate), difference + &interval];
        Some((field.field.clone(), cells))
    });
    push_table(page, "Field", &heads, &rows.collect::<Vec<_>>());
}

fn push_facts(page: &mut String, card: &Card<'_>) {
    let splits: Vec<String> =
        card.dataset.splits.as_object().into_iter().flatten().map(|(split, examples)| format!("{split} {examples}")).collect();
    let base = card.base_model.as_ref().and_then(|base| base["name"].as_str());
    let mut facts = vec![
        ("Run", card.run.id.to_string()),
        ("Created", card.run.created_at.format("%Y-%m-%d %H:%M UTC").to_string()),
        ("Kind", card.kind.to_string()),
        ("Dataset", card.dataset.id.to_string()),
        ("Canonical hash", card.dataset.canonical_hash.to_owned()),
        ("Position", card.dataset.position.to_string()),
        ("Examples", format!("{} ({})", card.dataset.examples, splits.join(", "))),
        ("Training", format!("{} steps, {:.1} s", card.run.steps, card.run.training_seconds)),
        ("Environment", format!("Aprendiz {}, {} on {}", card.environment.version, card.environment.backend, card.environment.cpu_kernel)),
        ("Seed", card.environment.seed.to_string()),
    ];
    facts.extend(base.map(|base| ("Base model", base.to_owned())));
    page.push_str("<h2>Data and training</h2>\n<dl>\n");
    for (name, value) in facts {
        push(page, format_args!("<dt>{name}</dt><dd>{}</dd>\n", text(&value)));
    }
    let parameters = serde_json::to_string_pretty(&card.parameters).unwrap_or_default();
    push(page, format_args!("</dl>\n<details><summary>Parameters</summary><pre>{}</pre></details>\n", escape(&parameters)));
}

/// A table that scrolls by itself on a narrow screen. Names and cells are escaped here.
fn push_table(page: &mut String, first: &str, heads: &[String], rows: &[(String, Vec<String>)]) {
    push(page, format_args!("<div class=\"table\"><table>\n<thead><tr><th scope=\"col\">{first}</th>"));
    for head in heads {
        push(page, format_args!("<th scope=\"col\">{}</th>", text(head)));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (name, cells) in rows {
        push(page, format_args!("<tr><th scope=\"row\" dir=\"auto\">{}</th>", text(name)));
        for cell in cells {
            push(page, format_args!("<td>{}</td>", text(cell)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table></div>\n");
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// The name of a metric as the head of a column.
fn title(metric: &str) -> String {
    match metric {
        "n" => "n".to_owned(),
        "ece" => "ECE".to_owned(),
        "macro_f1" => "Macro F1".to_owned(),
        metric => {
            let spaced = metric.replace('_', " ");
            let mut chars = spaced.chars();
            chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_cells_are_escaped() {
        let mut page = String::new();
        push_table(&mut page, "Field", &["<i>".to_owned()], &[("<script>\u{202E}".to_owned(), vec!["a & \"b\"".to_owned()])]);
        assert!(page.contains("&lt;script&gt;") && page.contains("&lt;i&gt;") && page.contains("a &amp; &quot;b&quot;"), "{page}");
        assert!(!page.contains("<script") && !page.contains('\u{202E}'), "{page}");
    }

    #[test]
    fn metrics_have_readable_names() {
        assert_eq!(["ece", "macro_f1", "selective_accuracy", "n"].map(title), ["ECE", "Macro F1", "Selective accuracy", "n"]);
    }

    #[test]
    fn the_style_loads_nothing() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !STYLE.contains("</"));
    }
}
