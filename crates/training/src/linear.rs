//! Trains the kind `linear`, from the snapshot to the model directory.

use std::{fs, time::Instant};

use burn::tensor::Device;
use evaluation::{ScoredExample, accuracy, log_loss};
use inference::{
    FORMAT_VERSION, FieldConfig, KIND_LINEAR, LinearParams, Model, ModelConfig, NgramCounter, ThresholdStatus, TrainingInfo, Weights,
};
use rayon::prelude::*;

use crate::{
    backend::cpu_kernel,
    dataset::{Example, Labels, read_batches},
    error::TrainingError,
    features::{self, TrainFeatures},
    field_task::FieldTask,
    fit::{FieldFit, fit_field},
    gram::Examples,
    halt::Halt,
    job::TrainingJob,
    journal::Journal,
    output::{self, OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE},
    progress::{LogLevel, Stage},
    summary::{FieldSummary, TrainingSummary},
};

/// Share of a run that reading and counting takes, for the progress.
const FEATURES_SHARE: f64 = 0.3;

/// Share of a run at which all heads are fitted.
const FITTED_SHARE: f64 = 0.95;

/// Trains a head for each field, and writes the model directory and the scored examples.
pub(crate) fn train(job: &TrainingJob, params: &LinearParams, device: Device, journal: &mut Journal<'_>) -> Result<TrainingSummary, Halt> {
    let started = Instant::now();
    journal.between_solves()?;
    let labels = Labels::read(&job.labels)?;
    let TrainFeatures { vectorizer, examples, rows } = features::fit(&job.train, &params.features(), journal, FEATURES_SHARE)?;
    let (tasks, skipped) = FieldTask::all(&labels, &examples);
    for field in &skipped {
        journal.reporter.log(LogLevel::Warn, format!("field `{}` is left out: {}", field.field, field.reason));
    }
    if tasks.is_empty() {
        let reasons = skipped.into_iter().map(|field| format!("{}: {}", field.field, field.reason)).collect();
        return Err(TrainingError::NoTrainableField { reasons }.into());
    }
    let solvable = Examples::new(&rows, device);
    let fit_all = |journal: &mut Journal<'_>| fit_fields(&tasks, &examples, &solvable, params, job.seed, journal);
    let fits = match fit_all(journal) {
        Err(Halt::Unfit(reason)) => {
            journal.start_over(&reason);
            fit_all(journal)?
        }
        fits => fits?,
    };

    for folder in [&job.out, &job.reports] {
        fs::create_dir_all(folder).map_err(TrainingError::io(folder))?;
    }
    let validation = read_validation(job)?;
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind: KIND_LINEAR.to_owned(),
        features: vectorizer.config().clone(),
        feature_count: vectorizer.len(),
        fields: tasks.iter().zip(&fits).map(|(task, fit)| field_config(task, fit)).collect(),
        target_accuracy: job.target_accuracy,
        seed: job.seed,
        training: TrainingInfo {
            train_documents: examples.len() as u64,
            validation_documents: validation as u64,
            backend: job.backend.name().to_owned(),
            cpu_kernel: cpu_kernel().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            params: job.params.clone(),
        },
    };
    let mut heads = Vec::with_capacity(fits.len());
    let mut out_of_fold = Vec::with_capacity(fits.len());
    for fit in fits {
        heads.push(fit.head.into_weights()?);
        out_of_fold.push((fit.folds, fit.out_of_fold));
    }
    let weights = Weights { keys: vectorizer.keys().to_vec(), idf: vectorizer.idf().to_vec(), fields: heads };
    weights.write(&job.out, &config).map_err(TrainingError::from)?;
    config.write(&job.out).map_err(TrainingError::from)?;
    drop((weights, vectorizer));

    // what is scored is what was written, read back, so that nobody ever sees other numbers
    let scored = score_validation(job, &tasks, &Model::load_unpublished(&job.out).map_err(TrainingError::from)?, journal)?;
    let rows: Vec<ReportRow> = out_of_fold.iter().flat_map(|(_, rows)| rows.iter().cloned()).collect();
    output::write(&job.reports.join(OUT_OF_FOLD_FILE), &rows)?;
    output::write(&job.reports.join(VALIDATION_FILE), &scored)?;

    let fields = tasks
        .iter()
        .zip(&config.fields)
        .zip(out_of_fold)
        .map(|((task, field), (folds, rows))| {
            let out_of_fold: Vec<ScoredExample> = rows.into_iter().map(ScoredExample::from).collect();
            let on_validation: Vec<ScoredExample> =
                scored.iter().filter(|row| row.field == task.name).cloned().map(ScoredExample::from).collect();
            FieldSummary {
                field: task.name.clone(),
                train_examples: task.examples.len() as u64,
                classes: task.labels.len() as u64,
                l2: field.l2,
                folds: folds as u64,
                out_of_fold_accuracy: accuracy(&out_of_fold),
                out_of_fold_log_loss: log_loss(&out_of_fold),
                validation_examples: on_validation.len() as u64,
                validation_accuracy: accuracy(&on_validation),
                validation_log_loss: log_loss(&on_validation),
            }
        })
        .collect();
    let summary = TrainingSummary {
        train_documents: config.training.train_documents,
        validation_documents: config.training.validation_documents,
        features: config.feature_count as u64,
        fields,
        skipped,
        encoder: None,
        backend: config.training.backend,
        cpu_kernel: config.training.cpu_kernel,
        steps: journal.step(),
        resumed_from_step: journal.resumed_from(),
        seconds: started.elapsed().as_secs_f64(),
    };
    Ok(summary)
}

fn fit_fields(
    tasks: &[FieldTask],
    examples: &[Example],
    solvable: &Examples<'_>,
    params: &LinearParams,
    seed: u64,
    journal: &mut Journal<'_>,
) -> Result<Vec<FieldFit>, Halt> {
    let share = |number: usize| FEATURES_SHARE + (FITTED_SHARE - FEATURES_SHARE) * number as f64 / tasks.len() as f64;
    let mut fits = Vec::with_capacity(tasks.len());
    for (number, task) in tasks.iter().enumerate() {
        fits.push(fit_field(task, examples, solvable, params, seed, (share(number), share(number + 1)), journal)?);
    }
    journal.taken_up();
    journal.between_solves()?;
    Ok(fits)
}

fn field_config(task: &FieldTask, fit: &FieldFit) -> FieldConfig {
    FieldConfig {
        name: task.name.clone(),
        labels: task.labels.clone(),
        train_counts: task.train_counts.clone(),
        unlearnable: task.unlearnable.clone(),
        l2: fit.l2,
        threshold: None,
        threshold_status: ThresholdStatus::NotCalibrated,
    }
}

/// Counts the validation examples, so that a file that cannot be read is found before the model is written.
fn read_validation(job: &TrainingJob) -> Result<usize, TrainingError> {
    let mut documents = 0;
    read_batches(&job.validation, |lines| {
        documents += lines.len();
        Ok::<_, TrainingError>(())
    })?;
    Ok(documents)
}

fn score_validation(job: &TrainingJob, tasks: &[FieldTask], model: &Model, journal: &mut Journal<'_>) -> Result<Vec<ReportRow>, Halt> {
    let started = Instant::now();
    let mut rows = Vec::new();
    let mut seen = 0;
    read_batches(&job.validation, |lines| {
        seen += lines.len();
        let scored: Vec<Vec<ReportRow>> = lines
            .into_par_iter()
            .map_init(NgramCounter::new, |counter, line| {
                let (example, text) = line.split();
                score(tasks, model, counter, &example, &text)
            })
            .collect();
        rows.extend(scored.into_iter().flatten());
        journal.reporter.examples(Stage::Validation, 1.0, seen, started);
        journal.between_solves()
    })?;
    Ok(rows)
}

fn score(tasks: &[FieldTask], model: &Model, counter: &mut NgramCounter, example: &Example, text: &str) -> Vec<ReportRow> {
    // the fields of the model are the tasks, in the same order
    let answers = tasks.iter().zip(model.predict_with(counter, text));
    answers
        .filter_map(|(task, answer)| {
            let gold = task.gold(example)?;
            Some(ReportRow {
                document_id: example.document_id.clone(),
                field: task.name.clone(),
                gold_probability: answer.probability(gold.as_deref()),
                gold: gold.clone(),
                predicted: answer.value,
                confidence: answer.confidence,
            })
        })
        .collect()
}
