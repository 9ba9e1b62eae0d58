//! Renders the model card of a linear model: a README for its directory and a JSON summary for lists.

use std::fmt::Write as _;

use aprendiz_dataset::Dataset;
use aprendiz_evaluation::{FieldReport, WorstSlices};
use aprendiz_run_spec::ValidatedSpec;
use aprendiz_runs::TrainingRun;
use aprendiz_text::count;
use aprendiz_training::TrainingSummary;
use serde_json::{Value, json};

use crate::build_info::{build, describe_build};
use crate::interruption::Interruption;
use crate::pipeline::evaluate::card::document::{Card, CardField};
use crate::pipeline::evaluate::linear::plots::{Evidence, MAX_PLOTTED_FIELDS};
use crate::pipeline::evaluate::linear::target_tables::TargetTables;
use crate::pipeline::evaluate::plots::plot::Plot;
use crate::pipeline::evaluate::trained_model::TrainedModel;

/// The JSON summary of a version.
pub(super) fn card(
    run: &TrainingRun,
    dataset: &Dataset,
    summary: &TrainingSummary,
    test: &[FieldReport],
    findings: &[String],
    tables: &TargetTables,
) -> Value {
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
        "kind": run.kind, "warnings": warnings(dataset, findings), "fields": fields, "thresholds": tables, "left_out": dataset.left_out, "dataset_hash": dataset.canonical_hash,
        "train_documents": summary.train_documents, "features": summary.features,
        "backend": summary.backend, "cpu_kernel": summary.cpu_kernel, "build": build(),
    })
}

/// The whole card, as its files show it.
pub(super) fn document<'a>(
    trained: &TrainedModel<'a>,
    attempt: i32,
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
    if evidence.test.len() > MAX_PLOTTED_FIELDS {
        limits.push(format!("Only the first {MAX_PLOTTED_FIELDS} of {} fields have plots.", evidence.test.len()));
    }
    Ok(Card {
        summary: format!(
            "One softmax classifier per field on TF-IDF features of word and character n-grams, trained on {} with {}.",
            count(summary.train_documents, "document"),
            count(summary.features, "feature")
        ),
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

/// The findings on the test split, then the warnings about the dataset.
fn warnings(dataset: &Dataset, findings: &[String]) -> Vec<String> {
    findings.iter().cloned().chain(dataset.warnings()).collect()
}

/// The README of the model directory, with the front matter that model hubs read.
pub(super) fn readme(
    run: &TrainingRun,
    spec: &ValidatedSpec,
    dataset: &Dataset,
    summary: &TrainingSummary,
    test: &[FieldReport],
    findings: &[String],
    tables: &TargetTables,
) -> String {
    let mut text = format!(
        "---\nlibrary_name: aprendiz\npipeline_tag: text-classification\nmetrics: [accuracy, f1]\n---\n\n# {}\n\n{}\
         One softmax classifier per field on TF-IDF features of word and character n-grams, trained by run `{}`.\n\n\
         - Dataset: snapshot `{}`, canonical hash `{}`, {} training documents, {} features\n\
         - Training: seed {}, backend {} on {}, {}\n\
         - Input: only the text of a document, never its title, file name or metadata\n\
         - Words: runs of letters and digits; in scripts without blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), every \
         character\n\
         - Output: `∅` means that the document has no value. A field is answered only if the confidence reaches its threshold. \
         Thresholds are chosen on scores of unseen examples (train: by models trained without the example, averaged over repeated partitions; validation: by this model) so that the one-sided 95 % lower bound of the accuracy of the answers is \
         at least {}; near-duplicates count once. A text without any known feature is never answered\n\n\
         ## Results on the test split\n\n\
         | Field | n | Examples | Accuracy | Macro F1 | Majority baseline | Coverage | Selective accuracy | Threshold |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        run.model,
        warnings(dataset, findings).iter().map(|warning| format!("> **Warning.** {warning}.\n\n")).collect::<String>(),
        run.id,
        dataset.id,
        dataset.canonical_hash,
        summary.train_documents,
        summary.features,
        spec.seed(),
        summary.backend,
        summary.cpu_kernel,
        describe_build(),
        spec.target_accuracy(),
    );
    for field in test {
        let values = [field.accuracy, field.macro_f1, field.majority_baseline, field.coverage, field.selective_accuracy, field.threshold];
        let cells = values.map(|value| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}")));
        // writing to a String cannot fail
        let _ = writeln!(text, "| {} | {} | {} | {} |", field.field, field.n, field.examples, cells.join(" | "));
    }
    text.push_str(&tables.section());
    text.push_str(
        "\n## Files\n\n`config.json` (labels, thresholds), `model.safetensors` (features, weights), `metrics.json`, `score_curves.json` \
         (counts of unseen examples, to choose other thresholds), `card.json`, `card.html`, `plots/` (this card), \
         `test_predictions.jsonl`, `manifest.json` (sizes and hashes).\n",
    );
    text
}
