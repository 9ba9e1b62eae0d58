//! The content of a model card, which is also `card.json`. It names no document and contains no text of one.

use aprendiz_evaluation::{FieldReport, Interval, WorstSlices};
use aprendiz_run_spec::RunKind;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::pipeline::evaluate::card::champion::ChampionComparison;
use crate::pipeline::evaluate::card::learning::LearningCurve;
use crate::pipeline::evaluate::plots::plot::Plot;
use crate::pipeline::evaluate::trained_model::TrainedModel;

/// Version of the schema of `card.json`; a key that disappears or changes its meaning makes a new version.
const CARD_VERSION: u32 = 1;

/// A model card.
#[derive(Debug, Serialize)]
pub(crate) struct Card<'a> {
    pub(crate) v: u32,
    pub(crate) model: &'a str,
    pub(crate) kind: RunKind,
    pub(crate) summary: String,
    pub(crate) run: CardRun,
    pub(crate) dataset: CardDataset<'a>,
    pub(crate) warnings: Vec<String>,
    pub(crate) intended_use: Vec<String>,
    pub(crate) limits: Vec<String>,
    /// Target accuracy of the answers; null for models that give none.
    pub(crate) target_accuracy: Option<f64>,
    pub(crate) fields: Vec<CardField>,
    /// Coverage by target accuracy, of models that answer.
    pub(crate) thresholds: Option<Value>,
    /// Slices of the test split that are significantly worse than the rest; null for models that predict no values.
    pub(crate) worst_slices: Option<WorstSlices>,
    pub(crate) champion: Option<ChampionComparison>,
    pub(crate) learning_curves: Vec<LearningCurve>,
    pub(crate) base_model: Option<Value>,
    pub(crate) parameters: Value,
    pub(crate) environment: CardEnvironment<'a>,
    pub(crate) plots: Vec<CardPlot>,
}

/// The run that trained the model.
#[derive(Debug, Serialize)]
pub(crate) struct CardRun {
    pub(crate) id: Uuid,
    pub(crate) attempt: i32,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) training_seconds: f64,
    pub(crate) steps: u64,
}

/// The snapshot that the model learned from.
#[derive(Debug, Serialize)]
pub(crate) struct CardDataset<'a> {
    pub(crate) id: Uuid,
    pub(crate) canonical_hash: &'a str,
    pub(crate) position: i64,
    pub(crate) examples: i64,
    /// Examples by split.
    pub(crate) splits: Value,
    /// Groups of near-duplicates by split.
    groups: Value,
    /// Fields that were not trained, with the reason.
    left_out: Value,
}

/// What was measured about a field on the test split.
#[derive(Debug, Serialize)]
pub(crate) struct CardField {
    pub(crate) field: String,
    /// Independent examples.
    pub(crate) n: u64,
    pub(crate) examples: u64,
    pub(crate) metrics: Vec<CardMetric>,
    /// The confidence from which the field is answered; null = never.
    pub(crate) threshold: Option<f64>,
}

/// A metric; null = undefined.
#[derive(Debug, Serialize)]
pub(crate) struct CardMetric {
    pub(crate) name: &'static str,
    pub(crate) value: Option<f64>,
    /// 95 % interval.
    pub(crate) interval: Option<Interval>,
}

impl CardMetric {
    pub(crate) const fn new(name: &'static str, value: Option<f64>) -> Self {
        Self { name, value, interval: None }
    }
}

/// What the training ran on.
#[derive(Debug, Serialize)]
pub(crate) struct CardEnvironment<'a> {
    pub(crate) version: &'static str,
    pub(crate) backend: &'a str,
    pub(crate) cpu_kernel: &'a str,
    pub(crate) seed: u64,
}

/// A plot of the directory.
#[derive(Debug, Serialize)]
pub(crate) struct CardPlot {
    pub(crate) file: String,
    pub(crate) title: String,
    pub(crate) description: String,
}

impl From<&Plot> for CardPlot {
    fn from(plot: &Plot) -> Self {
        Self { file: plot.file.clone(), title: plot.title.clone(), description: plot.description.clone() }
    }
}

impl<'a> Card<'a> {
    /// What the cards of all kinds state about run, dataset and environment; the rest is empty.
    pub(crate) fn new(trained: &TrainedModel<'a>, attempt: i32, plots: &[Plot]) -> Self {
        let TrainedModel { run, spec, dataset, summary, base, losses: _ } = *trained;
        Self {
            v: CARD_VERSION,
            model: &run.model,
            kind: run.kind,
            summary: String::new(),
            run: CardRun { id: run.id.0, attempt, created_at: run.created_at, training_seconds: summary.seconds, steps: summary.steps },
            dataset: CardDataset {
                id: dataset.id,
                canonical_hash: &dataset.canonical_hash,
                position: dataset.position,
                examples: dataset.examples,
                splits: dataset.counts["splits"].clone(),
                groups: dataset.counts["groups"].clone(),
                left_out: json!(dataset.left_out),
            },
            warnings: Vec::new(),
            intended_use: Vec::new(),
            limits: Vec::new(),
            target_accuracy: None,
            fields: Vec::new(),
            thresholds: None,
            worst_slices: None,
            champion: None,
            learning_curves: Vec::new(),
            base_model: base.map(|base| base.card()),
            parameters: run.spec["params"].clone(),
            environment: CardEnvironment {
                version: env!("CARGO_PKG_VERSION"),
                backend: &summary.backend,
                cpu_kernel: &summary.cpu_kernel,
                seed: spec.seed(),
            },
            plots: plots.iter().map(CardPlot::from).collect(),
        }
    }
}

impl From<&FieldReport> for CardField {
    fn from(report: &FieldReport) -> Self {
        let accuracy = CardMetric { interval: report.accuracy_interval, ..CardMetric::new("accuracy", report.accuracy) };
        let rest = [
            ("macro_f1", report.macro_f1),
            ("majority_baseline", report.majority_baseline),
            ("coverage", report.coverage),
            ("selective_accuracy", report.selective_accuracy),
            ("ece", report.ece),
            ("log_loss", report.log_loss),
        ];
        Self {
            field: report.field.clone(),
            n: report.n,
            examples: report.examples,
            metrics: std::iter::once(accuracy).chain(rest.map(|(name, value)| CardMetric::new(name, value))).collect(),
            threshold: report.threshold,
        }
    }
}
