//! Evaluates a sentence transformer: a child process reads the test split once and scores the encoder and its base model.

mod comparison;
mod metrics;
mod model_card;
mod trained_encoder;

use aprendiz_run_spec::SentenceTransformerParams;
use aprendiz_runs::{AttemptId, DatasetId, NewMetric};
use aprendiz_text::count;
use aprendiz_training::{EncoderEvaluation, EncoderReport, EvaluationJob, TrainingJob, TrainingSummary};
use serde_json::json;

use crate::child::supervisor::ChildOutcome;
use crate::deps::Deps;
use crate::interruption::Interruption;
use crate::pipeline::embedding_cache::{EmbeddingCache, NewVectors};
use crate::pipeline::evaluate::card::readme::sections;
use crate::pipeline::evaluate::card::write_card;
use crate::pipeline::evaluate::encoder::comparison::Comparison;
use crate::pipeline::evaluate::encoder::metrics::{encoder_metrics, validation_metrics};
use crate::pipeline::evaluate::encoder::trained_encoder::TrainedEncoder;
use crate::pipeline::evaluate::plots::loss::loss_plot;
use crate::pipeline::evaluate::plots::plot::Plot;
use crate::pipeline::evaluate::process::{run_evaluation, unexpected_outcome};
use crate::pipeline::evaluate::trained_model::TrainedModel;
use crate::pipeline::evaluate::{Evaluation, write_reports};
use crate::pipeline::run_log::record_log;
use crate::scratch::Scratch;

/// Cosine similarities of the test pairs by both models: they make the metrics reproducible.
const SCORES_FILE: &str = "test_pairs.jsonl";

/// Evaluates the trained encoder and writes reports and model card into its directory.
pub(crate) async fn evaluate(
    deps: &Deps,
    attempt: AttemptId,
    params: &SentenceTransformerParams,
    model: &TrainedModel<'_>,
    scratch: &Scratch,
) -> Result<Evaluation, Interruption> {
    let trained = &TrainedEncoder::new(params, model)?;
    let report = score(deps, attempt, trained, scratch).await?;
    let comparison = Comparison::from_report(&report);
    let documents = report.fields.iter().filter_map(|field| field.neighbours).map(|accuracy| accuracy.queries).max().unwrap_or(0);
    let copies = if report.copies == 0 { String::new() } else { format!(", {} left out as copies", count(report.copies, "more pair")) };
    let text = format!(
        "test split read once: {}{copies} and {} in {}",
        count(report.pairs, "pair"),
        count(documents, "document"),
        count(report.fields.len() as u64, "field")
    );
    record_log(&deps.database, attempt, &json!({ "text": text })).await?;
    if matches!(comparison, Comparison::Worse | Comparison::Unknown) {
        let text = comparison.describe(&report);
        tracing::warn!(model.name = trained.run.model, "{text}");
        record_log(&deps.database, attempt, &json!({ "text": format!("warning: {text}") })).await?;
    }
    let validation = trained.summary.encoder.as_deref();
    let readme = model_card::readme(trained, comparison, &report);
    let plots: Vec<Plot> = loss_plot("plots/loss.svg".to_owned(), model.losses).into_iter().collect();
    let card = model_card::document(model, trained, attempt.number, comparison, &report, &plots);
    let readme = readme + &sections(&card);
    write_reports(&scratch.model(), &json!({ "test": report, "validation": validation }), &readme).await?;
    write_card(&scratch.model(), &card, &plots).await?;
    Ok(Evaluation {
        metrics: encoder_metrics(&report, validation),
        errors: Vec::new(),
        card: model_card::card(trained, comparison, &report),
    })
}

/// Metrics of a trial on the validation split, which training has measured.
pub(crate) fn validate(summary: &TrainingSummary) -> Result<Vec<NewMetric>, Interruption> {
    match summary.encoder.as_deref() {
        Some(encoder) if encoder.trained.is_some() => Ok(validation_metrics(encoder)),
        _ => Err(Interruption::permanent(
            "no_validation_scores",
            "the validation split has no positive or no negative pairs, so trials cannot be compared: review more documents",
        )),
    }
}

/// Scores in a child process.
async fn score(deps: &Deps, attempt: AttemptId, trained: &TrainedEncoder<'_>, scratch: &Scratch) -> Result<EncoderReport, Interruption> {
    let snapshot = scratch.snapshot();
    let backend = trained.spec.backend();
    let cache = EmbeddingCache::download(deps, attempt, &trained.base.model.hash, backend, scratch, NewVectors::Evaluation).await;
    let job = EvaluationJob::Encoder(EncoderEvaluation {
        v: TrainingJob::version(),
        model: scratch.model(),
        base_model: trained.base.model.clone(),
        pairs: snapshot.join("pairs/test.jsonl"),
        index: snapshot.join("jsonl/train.jsonl"),
        queries: snapshot.join("jsonl/test.jsonl"),
        labels: snapshot.join("labels.json"),
        max_documents: trained.params.evaluation_documents,
        scores: scratch.model().join(SCORES_FILE),
        work: scratch.reports(),
        embeddings: cache.as_ref().map(EmbeddingCache::files),
        threads: deps.config.threads,
        backend,
    });
    let ChildOutcome::Evaluated(report, usage) = run_evaluation(deps, attempt, &job, scratch).await? else {
        return Err(unexpected_outcome());
    };
    if let Some(cache) = cache {
        cache.store(deps, attempt, DatasetId(trained.dataset.id), &usage).await?;
    }
    Ok(*report)
}
