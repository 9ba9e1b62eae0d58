//! Phase `evaluate` of a sentence transformer: a process of its own reads the test split once and scores the encoder beside the base model
//! that it began as.

use ::dataset::Dataset;
use runs::{AttemptKey, DatasetId, EventKind, NewMetric, RunSpec, TrainingRun, record_attempt_event};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use training::{EncoderReport, EncoderSummary, EvaluationJob, PairFigures, TrainingJob, TrainingSummary};

use crate::context::WorkerContext;
use crate::failure::Stop;
use crate::patience::patiently;
use crate::pipeline::base_model::Base;
use crate::pipeline::embeddings::Known;
use crate::pipeline::encoder_card::{self, Verdict};
use crate::pipeline::evaluate::{Evaluation, METRICS_FILE, broken, write_file};
use crate::pipeline::scratch::Scratch;
use crate::pipeline::train::{backend, params, tell, tell_progress};
use crate::supervisor::{self, ChildEnd};

/// Cosines of the pairs of test by both models; lets anyone check the figures.
const SCORES_FILE: &str = "test_pairs.jsonl";

/// What is evaluated.
pub(crate) struct Trained<'a> {
    pub(crate) run: &'a TrainingRun,
    pub(crate) spec: &'a RunSpec,
    pub(crate) dataset: &'a Dataset,
    pub(crate) summary: &'a TrainingSummary,
    pub(crate) base: &'a Base,
}

/// Scores the trained encoder and writes what describes it into its directory.
pub(crate) async fn evaluate(
    context: &WorkerContext,
    key: AttemptKey,
    trained: &Trained<'_>,
    scratch: &Scratch,
) -> Result<Evaluation, Stop> {
    let report = score(context, key, trained, scratch).await?;
    let verdict = Verdict::of(&report);
    let asked = report.fields.iter().filter_map(|field| field.neighbours).map(|figures| figures.asked).max().unwrap_or(0);
    let text = format!("test split read once: {} pairs and {asked} documents over {} fields", report.pairs, report.fields.len());
    patiently!(async { record_attempt_event(&mut *context.pool.acquire().await?, key, EventKind::Log, &json!({ "text": text })).await })?;
    if verdict == Verdict::Worse {
        let text = encoder_card::in_words(verdict, &report);
        tracing::warn!(model.name = trained.run.model, "{text}");
        patiently!(async {
            record_attempt_event(&mut *context.pool.acquire().await?, key, EventKind::Log, &json!({ "text": text })).await
        })?;
    }
    let validation = trained.summary.encoder.as_deref();
    let figures = json!({ "test": report, "validation": validation });
    let dir = scratch.model();
    write_file(&dir.join(METRICS_FILE), &serde_json::to_vec_pretty(&figures).map_err(broken)?).await?;
    write_file(&dir.join("README.md"), encoder_card::readme(trained, verdict, &report).as_bytes()).await?;
    Ok(Evaluation { metrics: metrics(&report, validation), card: encoder_card::card(trained, verdict, &report) })
}

/// In a child process: it computes for long, and dies when this future is dropped.
async fn score(context: &WorkerContext, key: AttemptKey, trained: &Trained<'_>, scratch: &Scratch) -> Result<EncoderReport, Stop> {
    let snapshot = scratch.snapshot();
    let backend = backend(&trained.spec.backend)?;
    let known = Known::fetch(context, key, trained.base, backend, scratch).await;
    let job = EvaluationJob {
        v: TrainingJob::version(),
        model: scratch.model(),
        base_model: trained.base.found.clone(),
        pairs: snapshot.join("pairs/test.jsonl"),
        known: snapshot.join("jsonl/train.jsonl"),
        asked: snapshot.join("jsonl/test.jsonl"),
        labels: snapshot.join("labels.json"),
        most_documents: params(trained.spec)?.evaluation_documents,
        scores: scratch.model().join(SCORES_FILE),
        work: scratch.reports(),
        embeddings: known.as_ref().map(Known::files),
        threads: context.config.threads,
        backend,
    };
    let path = scratch.job();
    let text = serde_json::to_vec_pretty(&job).map_err(broken)?;
    write_file(&path, &text).await?;
    let (progress, newest) = watch::channel(json!({}));
    // it has nothing to save: when the worker hands back, it may end within the grace time or is begun anew
    let never = CancellationToken::new();
    let child = supervisor::run("evaluate", &path, context.config.silence, &never, |event| tell(&event, &progress));
    let end = tokio::select! {
        end = child => end?,
        stop = tell_progress(context, key, newest, Some(EventKind::Metric)) => return Err(stop),
    };
    match end {
        ChildEnd::Evaluated(report, embeddings) => {
            if let Some(known) = known {
                known.keep(context, key, DatasetId(trained.dataset.id), &embeddings).await?;
            }
            Ok(*report)
        }
        ChildEnd::Trained(_) | ChildEnd::Stopped => {
            Err(Stop::permanent("child_protocol", "the process that evaluates said that it had done something else"))
        }
    }
}

fn metrics(report: &EncoderReport, validation: Option<&EncoderSummary>) -> Vec<NewMetric> {
    let mut metrics = vec![count("test", None, "pairs", report.pairs)];
    metrics.extend(beside("test", None, report.base, report.trained));
    for field in &report.fields {
        let name = Some(field.field.as_str());
        metrics.push(count("test", name, "pairs", field.pairs));
        metrics.extend(beside("test", name, field.base, field.trained));
        if let Some(figures) = field.neighbours {
            metrics.push(count("test", name, "n", figures.asked));
            metrics.push(number("test", name, "knn_accuracy", Some(figures.trained)));
            metrics.push(number("test", name, "base_knn_accuracy", Some(figures.base)));
            metrics.push(number("test", name, "majority_baseline", Some(figures.majority)));
        }
    }
    if let Some(summary) = validation {
        metrics.push(count("validation", None, "pairs", summary.validation_pairs));
        metrics.extend(beside("validation", None, summary.base, summary.trained));
    }
    metrics
}

fn beside(split: &'static str, field: Option<&str>, base: Option<PairFigures>, trained: Option<PairFigures>) -> [NewMetric; 4] {
    [
        number(split, field, "average_precision", trained.map(|figures| figures.average_precision)),
        number(split, field, "base_average_precision", base.map(|figures| figures.average_precision)),
        number(split, field, "spearman", trained.map(|figures| figures.spearman)),
        number(split, field, "base_spearman", base.map(|figures| figures.spearman)),
    ]
}

fn count(split: &'static str, field: Option<&str>, name: &str, count: u64) -> NewMetric {
    number(split, field, name, Some(count as f64))
}

fn number(split: &'static str, field: Option<&str>, name: &str, value: Option<f64>) -> NewMetric {
    NewMetric {
        split,
        field: field.map(ToOwned::to_owned),
        name: name.to_owned(),
        value,
        details: value.is_none().then(|| json!({ "undefined": "there are no pairs of both kinds" })),
    }
}
