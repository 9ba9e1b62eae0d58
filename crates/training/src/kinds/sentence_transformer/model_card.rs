//! The model card that is written next to a trained encoder.

use aprendiz_encoder::BaseModel;
use aprendiz_run_spec::{PairLoss, SentenceTransformerParams};

use crate::protocol::{encoder_report::PairMetrics, summary::EncoderSummary};

/// Renders the model card in the format of sentence-transformers.
pub(super) fn model_card(base: &BaseModel, params: &SentenceTransformerParams, summary: &EncoderSummary) -> String {
    let loss = match params.loss {
        PairLoss::CosineSimilarity => "cosine similarity",
        PairLoss::MultipleNegatives => "multiple negatives ranking",
    };
    let row = |name: &str, metric: fn(PairMetrics) -> f64| {
        let shown = |metrics: Option<PairMetrics>| metrics.map_or("–".to_owned(), |metrics| format!("{:.4}", metric(metrics)));
        format!("| {name} | {} | {} |\n", shown(summary.base), shown(summary.trained))
    };
    let notes: String = base.notes.iter().map(|note| format!("- Base model: {note}\n")).collect();
    let notes = if notes.is_empty() { notes } else { format!("\n{notes}") };
    format!(
        "---\nlibrary_name: sentence-transformers\npipeline_tag: sentence-similarity\n---\n\n# Sentence encoder\n\nTrained by {loss} on {} pairs of {} texts, \
         {} epochs, from base weights of hash `{}`.\n\n| on {} validation pairs | base | trained |\n| --- | --- | --- |\n{}{}{notes}",
        summary.pairs,
        summary.texts,
        summary.epochs,
        &base.hash[..16.min(base.hash.len())],
        summary.validation_pairs,
        row("average precision", |metrics| metrics.average_precision),
        row("Spearman", |metrics| metrics.spearman),
    )
}
