//! Renders the model card of a model of fields: a README for its directory and a JSON summary for lists.

use std::fmt::Write as _;

use aprendiz_dataset::Dataset;
use aprendiz_evaluation::{FieldReport, WorstSlices};
use aprendiz_run_spec::FinalFit;
use aprendiz_text::count;
use serde_json::{Value, json};

use crate::build_info::{build, describe_build};
use crate::interruption::Interruption;
use crate::pipeline::evaluate::card::document::{Card, CardField};
use crate::pipeline::evaluate::fields::plots::{Evidence, MAX_PLOTTED_FIELDS};
use crate::pipeline::evaluate::fields::target_tables::TargetTables;
use crate::pipeline::evaluate::plots::plot::Plot;
use crate::pipeline::evaluate::trained_model::TrainedModel;

/// What the cards of a kind state about its models, as parts of sentences.
pub(in crate::pipeline::evaluate) struct MethodText {
    /// What the model is, such as "One softmax classifier per field".
    pub(in crate::pipeline::evaluate) model: String,
    /// What it computes with, such as "12 features".
    pub(in crate::pipeline::evaluate) inputs: String,
    /// How it reads texts: sentences without a full stop.
    pub(in crate::pipeline::evaluate) reading: Vec<String>,
    /// How the scores out of fold are computed.
    pub(in crate::pipeline::evaluate) out_of_fold: &'static str,
    /// A text that is never answered, such as "A text without any known feature".
    pub(in crate::pipeline::evaluate) unanswered: &'static str,
    /// Files of the model besides those of all kinds.
    pub(in crate::pipeline::evaluate) files: &'static str,
}

/// The JSON summary of a version.
pub(in crate::pipeline::evaluate) fn card(
    trained: &TrainedModel<'_>,
    test: &[FieldReport],
    findings: &[String],
    tables: &TargetTables,
) -> Value {
    let (run, dataset, summary, fit) = (trained.run, trained.dataset, trained.summary, trained.final_fit());
    let fields: Vec<Value> = test
        .iter()
        .map(|field| {
            json!({
                "field": field.field, "n": field.n, "examples": field.examples, "accuracy": field.accuracy, "macro_f1": field.macro_f1, "coverage": field.coverage,
                "selective_accuracy": field.selective_accuracy, "majority_baseline": field.majority_baseline, "threshold": field.threshold,
            })
        })
        .collect();
    json!({
        // a run of kind `auto` publishes a model of the kind that it has selected
        "kind": summary.settings.get("kind").cloned().unwrap_or_else(|| json!(run.kind)), "warnings": warnings(dataset, findings), "fields": fields, "thresholds": tables, "left_out": dataset.left_out, "dataset_hash": dataset.canonical_hash,
        "train_documents": summary.train_documents, "features": summary.features,
        // what was measured and what answers differ if the published weights have seen the test split
        "final_fit": {
            "measured": fit.measured(), "published": fit,
            "measured_documents": summary.measured_documents, "published_documents": summary.published_documents,
        },
        "backend": summary.backend, "cpu_kernel": summary.cpu_kernel, "build": build(),
    })
}

/// The whole card, as its files show it.
pub(in crate::pipeline::evaluate) fn document<'a>(
    trained: &TrainedModel<'a>,
    attempt: i32,
    method: &MethodText,
    evidence: Evidence<'_>,
    worst_slices: WorstSlices,
    findings: &[String],
    plots: &[Plot],
) -> Result<Card<'a>, Interruption> {
    let (spec, dataset, summary) = (trained.spec, trained.dataset, trained.summary);
    let mut limits = vec![
        "It reads only the text of a document, never its title, file name or metadata.".to_owned(),
        "It knows only the values that train has; a document with another value gets a wrong answer or none.".to_owned(),
        "The results hold for documents like those of the test split; they do not carry over to other sources or languages.".to_owned(),
        "Thresholds bound the accuracy of all answers together, not that of every class or every group of documents.".to_owned(),
    ];
    limits.extend(describe_fit(trained));
    if evidence.test.len() > MAX_PLOTTED_FIELDS {
        limits.push(format!("Only the first {MAX_PLOTTED_FIELDS} of {} fields have plots.", evidence.test.len()));
    }
    Ok(Card {
        summary: format!("{}, trained on {} with {}.", method.model, count(summary.published_documents, "document"), method.inputs),
        warnings: warnings(dataset, findings),
        intended_use: vec![
            format!("Suggests the values of {} of documents like those it was trained on.", count(evidence.test.len() as u64, "field")),
            "A field is answered without review only if the confidence reaches its threshold; everything else is for reviewers.".to_owned(),
        ],
        limits,
        target_accuracy: Some(spec.target_accuracy()),
        fields: evidence.test.iter().map(CardField::from).collect(),
        thresholds: Some(serde_json::to_value(evidence.tables).map_err(Interruption::broken_state)?),
        worst_slices: Some(worst_slices),
        champion: evidence.champion,
        learning_curves: evidence.learning_curves,
        ..Card::new(trained, attempt, plots)
    })
}

/// Which splits the model is fitted on, if it is more than train: sentences.
fn describe_fit(trained: &TrainedModel<'_>) -> Vec<String> {
    let (fit, summary) = (trained.final_fit(), trained.summary);
    match fit {
        FinalFit::Train => Vec::new(),
        FinalFit::TrainAndValidation => vec![format!(
            "It is fitted on train and validation ({}); their scores are out of fold.",
            count(summary.published_documents, "document")
        )],
        FinalFit::All => vec![format!(
            "The results are those of a model that was fitted on train and validation ({}). The published weights were then fitted on all \
             splits ({}) with the same settings and thresholds; no data is left to measure them.",
            count(summary.measured_documents, "document"),
            count(summary.published_documents, "document")
        )],
    }
}

/// How the examples that thresholds are chosen on are scored.
fn describe_unseen(trained: &TrainedModel<'_>, method: &MethodText) -> String {
    if trained.final_fit().includes_validation() {
        format!("train and validation: {}", method.out_of_fold)
    } else {
        format!("train: {}; validation: by this model", method.out_of_fold)
    }
}

/// The findings on the test split, then the warnings about the dataset.
fn warnings(dataset: &Dataset, findings: &[String]) -> Vec<String> {
    findings.iter().cloned().chain(dataset.warnings()).collect()
}

/// The README of the model directory, with the front matter that model hubs read.
pub(in crate::pipeline::evaluate) fn readme(
    trained: &TrainedModel<'_>,
    method: &MethodText,
    test: &[FieldReport],
    findings: &[String],
    tables: &TargetTables,
) -> String {
    let TrainedModel { run, spec, dataset, summary, .. } = *trained;
    let mut text = format!(
        "---\nlibrary_name: aprendiz\npipeline_tag: text-classification\nmetrics: [accuracy, f1]\n---\n\n# {}\n\n{}\
         {}, trained by run `{}`.\n\n\
         - Dataset: snapshot `{}`, canonical hash `{}`, {} training documents, {}\n\
         - Training: seed {}, backend {} on {}, {}\n\
         - Input: only the text of a document, never its title, file name or metadata\n\
         {}{}\
         - Output: `∅` means that the document has no value. A field is answered only if the confidence reaches its threshold. \
         Thresholds are chosen on scores of unseen examples ({}) so that the one-sided 95 % lower bound of the accuracy of the answers is \
         at least {}; near-duplicates count once. {} is never answered\n\n\
         ## Results on the test split\n\n\
         | Field | n | Examples | Accuracy | Macro F1 | Majority baseline | Coverage | Selective accuracy | Threshold |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        run.model,
        warnings(dataset, findings).iter().map(|warning| format!("> **Warning.** {warning}.\n\n")).collect::<String>(),
        method.model,
        run.id,
        dataset.id,
        dataset.canonical_hash,
        summary.train_documents,
        method.inputs,
        spec.seed(),
        summary.backend,
        summary.cpu_kernel,
        describe_build(),
        method.reading.iter().map(|sentence| format!("- {sentence}\n")).collect::<String>(),
        describe_fit(trained).iter().map(|sentence| format!("- {sentence}\n")).collect::<String>(),
        describe_unseen(trained, method),
        spec.target_accuracy(),
        method.unanswered,
    );
    for field in test {
        let values = [field.accuracy, field.macro_f1, field.majority_baseline, field.coverage, field.selective_accuracy, field.threshold];
        let cells = values.map(|value| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}")));
        // writing to a String cannot fail
        let _ = writeln!(text, "| {} | {} | {} | {} |", field.field, field.n, field.examples, cells.join(" | "));
    }
    text.push_str(&tables.section());
    // writing to a String cannot fail
    let _ = write!(
        text,
        "\n## Files\n\n`config.json` (labels, thresholds), {}, `metrics.json`, `score_curves.json` (counts of unseen examples, to choose \
         other thresholds), `card.json`, `card.html`, `plots/` (this card), `test_predictions.jsonl`, `manifest.json` (sizes and hashes).\n",
        method.files
    );
    text
}
