//! Renders the model card of an encoder. A regression against the base model is reported first.

use aprendiz_text::count;
use std::fmt::Write as _;

use aprendiz_run_spec::BaseModelName;
use aprendiz_training::{EncoderFieldReport, EncoderReport, MAX_TEST_PAIRS, NEIGHBOURS};
use serde_json::{Value, json};

use crate::build_info::{build, describe_build};
use crate::pipeline::base_model::BaseModelRef;
use crate::pipeline::evaluate::card::document::{Card, CardField, CardMetric};
use crate::pipeline::evaluate::encoder::comparison::{Comparison, quality_warnings, worse_fields};
use crate::pipeline::evaluate::encoder::trained_encoder::TrainedEncoder;
use crate::pipeline::evaluate::plots::plot::Plot;
use crate::pipeline::evaluate::trained_model::TrainedModel;

/// The name of the base model on model hubs.
fn hub_name(base: &BaseModelRef) -> String {
    match &base.name {
        BaseModelName::Hub(name) if !name.contains('/') => format!("sentence-transformers/{name}"),
        name => name.to_string(),
    }
}

/// The JSON summary of a version, for lists.
pub(super) fn card(trained: &TrainedEncoder<'_>, comparison: Comparison, report: &EncoderReport) -> Value {
    let TrainedEncoder { run, dataset, summary, base, .. } = trained;
    let warnings: Vec<String> = quality_warnings(comparison, report).into_iter().chain(dataset.warnings()).collect();
    let fields: Vec<Value> = report
        .fields
        .iter()
        .map(|field| {
            let accuracy = field.neighbours;
            json!({
                "field": field.field, "n": accuracy.map_or(0, |accuracy| accuracy.groups), "examples": accuracy.map_or(0, |accuracy| accuracy.queries), "pairs": field.pairs,
                "pair_copies": field.copies,
                "knn_accuracy": accuracy.map(|accuracy| accuracy.trained), "base_knn_accuracy": accuracy.map(|accuracy| accuracy.base),
                "majority_baseline": accuracy.map(|accuracy| accuracy.majority),
            })
        })
        .collect();
    json!({
        "kind": run.kind, "warnings": warnings, "verdict": comparison.as_str(), "says": comparison.describe(report), "worse_fields": worse_fields(report),
        "base_model": base.card(), "pairs": report.pairs, "pair_copies": report.copies, "average_precision": report.trained.map(|metrics| metrics.average_precision),
        "base_average_precision": report.base.map(|metrics| metrics.average_precision),
        "spearman": report.trained.map(|metrics| metrics.spearman), "base_spearman": report.base.map(|metrics| metrics.spearman),
        "fields": fields, "left_out": dataset.left_out, "dataset_hash": dataset.canonical_hash, "training": summary.encoder,
        "backend": summary.backend, "cpu_kernel": summary.cpu_kernel, "build": build(),
    })
}

/// The whole card, as its files show it.
pub(super) fn document<'a>(
    model: &TrainedModel<'a>,
    trained: &TrainedEncoder<'a>,
    attempt: i32,
    comparison: Comparison,
    report: &EncoderReport,
    plots: &[Plot],
) -> Card<'a> {
    let field = |field: &EncoderFieldReport| {
        let neighbours = field.neighbours;
        let metrics = [
            ("average_precision", field.trained.map(|metrics| metrics.average_precision)),
            ("base_average_precision", field.base.map(|metrics| metrics.average_precision)),
            ("spearman", field.trained.map(|metrics| metrics.spearman)),
            ("base_spearman", field.base.map(|metrics| metrics.spearman)),
            ("knn_accuracy", neighbours.map(|accuracy| accuracy.trained)),
            ("base_knn_accuracy", neighbours.map(|accuracy| accuracy.base)),
            ("majority_baseline", neighbours.map(|accuracy| accuracy.majority)),
        ];
        CardField {
            field: field.field.clone(),
            n: neighbours.map_or(0, |accuracy| accuracy.groups),
            examples: neighbours.map_or(0, |accuracy| accuracy.queries),
            metrics: metrics.map(|(name, value)| CardMetric::new(name, value)).into(),
            threshold: None,
        }
    };
    Card {
        summary: format!("A sentence encoder, fine-tuned from {}: {}.", hub_name(trained.base), comparison.describe(report)),
        warnings: quality_warnings(comparison, report).into_iter().chain(trained.dataset.warnings()).collect(),
        intended_use: vec![
            "Embeds texts, so that texts with the same values of the trained fields are near each other.".to_owned(),
            "It suits search, grouping and k-nearest-neighbour classification; it answers no field by itself.".to_owned(),
        ],
        limits: vec![
            "It reads only the text of a document, and only its beginning if the text is longer than the input of the encoder.".to_owned(),
            "Cosine similarities are comparable with those of the same version only.".to_owned(),
            "The results hold for documents like those of the test split; they do not carry over to other sources or languages.".to_owned(),
        ],
        fields: report.fields.iter().map(field).collect(),
        ..Card::new(model, attempt, plots)
    }
}

/// The README of the model directory, with the front matter that model hubs read.
pub(super) fn readme(trained: &TrainedEncoder<'_>, comparison: Comparison, report: &EncoderReport) -> String {
    let TrainedEncoder { run, spec, params, dataset, summary, base } = trained;
    let mut text = format!(
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\ntags: [sentence-transformers, feature-extraction]\n\
         base_model: {}\nmetrics: [average_precision, spearman, accuracy]\n---\n\n# {}\n\n",
        hub_name(base),
        run.model
    );
    let warning = if matches!(comparison, Comparison::Worse | Comparison::Unknown) { "> **Warning.** " } else { "" };
    // writing to a String cannot fail
    let _ = writeln!(text, "{warning}{}.\n", comparison.describe(report));
    for warning in dataset.warnings() {
        let _ = writeln!(text, "> **Warning.** {warning}.\n");
    }
    let worse = worse_fields(report);
    if !worse.is_empty() {
        let _ = writeln!(
            text,
            "> **Warning.** The k-nearest-neighbour accuracy of these fields is lower than with the base model: {}.\n",
            worse.join(", ")
        );
    }
    if let Some(encoder) = &summary.encoder {
        let best = encoder.best_epoch.map_or_else(|| "the last epoch".to_owned(), |epoch| format!("epoch {epoch}"));
        let _ = writeln!(
            text,
            "A sentence encoder, trained by run `{}` on {} of {} for {}; the weights of {best} were kept.\n",
            run.id,
            count(encoder.pairs, "pair"),
            count(encoder.texts, "text"),
            count(encoder.epochs, "epoch")
        );
    }
    let _ = writeln!(
        text,
        "- Base model: `{}`, sha256 of everything read from it `{}`\n\
         - Dataset: snapshot `{}`, canonical hash `{}`\n\
         - Training: seed {}, parameters `{}`, backend {} on {}, {}\n\
         - Input: only the text of a document and the values of its fields\n",
        base.name,
        base.model.hash,
        dataset.id,
        dataset.canonical_hash,
        spec.seed(),
        json!(params),
        summary.backend,
        summary.cpu_kernel,
        describe_build(),
    );
    if !base.model.notes.is_empty() {
        text.push_str("## How the base model was read\n\n");
        for note in &base.model.notes {
            let _ = writeln!(text, "- {note}");
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "## Results on the test split\n\n\
         Average precision ranks positive pairs before negative ones by cosine similarity (at most {MAX_TEST_PAIRS} pairs). \
         The k-nearest-neighbour accuracy predicts the class of a document from its {NEIGHBOURS} nearest documents in the train split.\n\n\
         | | Pairs | Average precision, base | Trained | Spearman, base | Trained |\n| --- | --- | --- | --- | --- | --- |"
    );
    let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
    let all = ("all fields", report.pairs, report.base, report.trained);
    let rows = report.fields.iter().map(|field| (field.field.as_str(), field.pairs, field.base, field.trained));
    for (name, pairs, base, trained) in std::iter::once(all).chain(rows) {
        let precision = [base, trained].map(|metrics| cell(metrics.map(|metrics| metrics.average_precision)));
        let spearman = [base, trained].map(|metrics| cell(metrics.map(|metrics| metrics.spearman)));
        let _ = writeln!(text, "| {name} | {pairs} | {} | {} |", precision.join(" | "), spearman.join(" | "));
    }
    text.push_str("\n| Field | Documents | Majority baseline | kNN accuracy, base | Trained |\n| --- | --- | --- | --- | --- |\n");
    for field in &report.fields {
        let accuracy = field.neighbours;
        let cells =
            [accuracy.map(|accuracy| accuracy.majority), accuracy.map(|accuracy| accuracy.base), accuracy.map(|accuracy| accuracy.trained)];
        let documents = accuracy.map_or(0, |accuracy| accuracy.groups);
        let _ = writeln!(text, "| {} | {documents} | {} |", field.field, cells.map(cell).join(" | "));
    }
    let copied = report
        .fields
        .iter()
        .filter_map(|field| field.neighbours)
        .map(|accuracy| accuracy.queries.saturating_sub(accuracy.groups))
        .max()
        .unwrap_or(0);
    let _ = writeln!(
        text,
        "\nNear-duplicates count once: {} test pairs were left out, because they differ from others only in copies of a text, and {copied} of the \
         test documents are copies of others.",
        report.copies
    );
    text.push_str(
        "\n## Usage\n\nLoad the directory with `SentenceTransformer(DIRECTORY)` of the Python package sentence-transformers, or use \
         `aprendiz embed`.\n\n## Files\n\nBesides the files of sentence-transformers: `metrics.json`, `card.json`, `card.html`, `plots/` (this card), `test_pairs.jsonl` (cosine \
         similarities of the test pairs), `manifest.json` (sizes and hashes).\n",
    );
    text
}
