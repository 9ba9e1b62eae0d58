//! Trains the kind `linear`, from the snapshot to the model directory.

use std::{collections::HashSet, fs, time::Instant};

use aprendiz_inference::{FORMAT_VERSION, KIND_LINEAR, Model, ModelConfig, TrainingInfo, Weights};
use aprendiz_run_spec::{FinalFit, LinearParams};
use burn::tensor::Device;
use serde_json::{Value, json};

use crate::{
    backend::cpu_kernel,
    checkpoint::training_state::TrainingState,
    dataset::{Example, Labels},
    error::TrainingError,
    fitted_files::{measured_file, remove_merged},
    interrupt::Interrupt,
    kinds::linear::{
        features::{self, TrainFeatures},
        field_config::field_config,
        field_task::FieldTask,
        fit::{FieldFit, fit_field},
        gram::Examples,
        learning_curve::{self, WholeModel},
        progress::Span,
        validation::{count_validation, score_validation},
        whole_fit::{Chosen, fit_whole},
    },
    kinds::trained_fields::{FieldScores, TrainedFields},
    protocol::{
        job::TrainingJob,
        learning_curve::TrainingCurve,
        progress::{LogLevel, Stage},
        report::{self, OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE},
        summary::{FieldSummary, TrainingSummary},
    },
};

/// Share of the training of the model after which features are extracted, for progress reports.
const FEATURES_SHARE: f64 = 0.3;

/// Share of the training of the model after which all heads are fitted.
const FITTED_SHARE: f64 = 0.95;

/// Fraction of a run after which the model is trained, if a learning curve follows.
const MODEL_FRACTION: f64 = 0.5;

/// Trains a head for each field. Writes the model directory and the reports of scored examples. A checkpoint that does not fit is discarded.
pub(crate) fn train(
    job: &TrainingJob,
    params: &LinearParams,
    device: &Device,
    training_state: &mut TrainingState<'_>,
) -> Result<TrainedFields, Interrupt> {
    match train_once(job, params, device, training_state) {
        Err(Interrupt::IncompatibleCheckpoint(reason)) => {
            training_state.restart(&reason);
            train_once(job, params, device, training_state)
        }
        outcome => outcome,
    }
}

fn train_once(
    job: &TrainingJob,
    params: &LinearParams,
    device: &Device,
    training_state: &mut TrainingState<'_>,
) -> Result<TrainedFields, Interrupt> {
    let started = Instant::now();
    training_state.check_stop()?;
    let span = Span(0.0, if params.learning_curve { MODEL_FRACTION } else { 1.0 });
    let labels = Labels::read(&job.labels)?;
    let fitted = measured_file(job)?;
    let features = features::adapt_config(&fitted, &params.features(), training_state)?;
    let TrainFeatures { vectorizer, examples, rows } =
        features::fit(&fitted, &features, Stage::Features, span.until(FEATURES_SHARE), training_state)?;
    remove_merged(job, &fitted)?;
    let (tasks, skipped) = FieldTask::all(&labels, &examples);
    for field in &skipped {
        training_state.reporter.log(LogLevel::Warn, format!("field `{}` is skipped: {}", field.field, field.reason));
    }
    if tasks.is_empty() {
        let reasons = skipped.into_iter().map(|field| format!("{}: {}", field.field, field.reason)).collect();
        return Err(TrainingError::NoTrainableField { reasons }.into());
    }
    let solver_examples = Examples::new(&rows, device.clone());
    let fitting = span.between(FEATURES_SHARE, FITTED_SHARE);
    let fits = fit_fields(&tasks, &examples, &solver_examples, params, job.seed, fitting, training_state)?;

    for folder in [&job.out, &job.reports] {
        fs::create_dir_all(folder).map_err(TrainingError::io(folder))?;
    }
    let validation = count_validation(job)?;
    let fitted_documents = examples.len();
    let merged = params.final_fit.includes_validation();
    let train_documents = fitted_documents - if merged { validation } else { 0 };
    let on_validation: HashSet<String> = examples[train_documents..].iter().map(|example| example.document_id.clone()).collect();
    let config = ModelConfig {
        format_version: FORMAT_VERSION,
        kind: KIND_LINEAR.to_owned(),
        features: vectorizer.config().clone(),
        feature_count: vectorizer.len(),
        fields: tasks.iter().zip(&fits).map(|(task, fit)| field_config(task, fit.l2)).collect(),
        target_accuracy: job.target_accuracy,
        seed: job.seed,
        training: TrainingInfo {
            train_documents: train_documents as u64,
            validation_documents: validation as u64,
            backend: job.backend.name().to_owned(),
            cpu_kernel: cpu_kernel().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            params: job.params.to_json().into(),
        },
    };
    let mut heads = Vec::with_capacity(fits.len());
    let mut out_of_fold = Vec::with_capacity(fits.len());
    let mut chosen = Vec::with_capacity(fits.len());
    let mut scores = Vec::with_capacity(fits.len());
    // of a fitted validation split, the scores are out of fold like those of train
    let mut scored = Vec::new();
    for (task, fit) in tasks.iter().zip(fits) {
        chosen.push(Chosen { field: task.name.clone(), l2: fit.l2, inverse_temperature: fit.inverse_temperature });
        heads.push(fit.head.into_weights()?);
        scores.push(FieldScores {
            task: task.clone(),
            l2: fit.l2,
            folds: fit.folds,
            fold_repeats: fit.fold_repeats,
            rows: fit.out_of_fold.clone(),
            probabilities: fit.probabilities,
        });
        let (validation, train): (Vec<ReportRow>, Vec<ReportRow>) =
            fit.out_of_fold.into_iter().partition(|row| on_validation.contains(&row.document_id));
        scored.extend(validation);
        out_of_fold.push(((fit.folds, fit.fold_repeats), train));
    }
    let weights = Weights { keys: vectorizer.keys().to_vec(), idf: vectorizer.idf().to_vec(), fields: heads };
    weights.write(&job.out, &config).map_err(TrainingError::from)?;
    config.write(&job.out).map_err(TrainingError::from)?;
    drop(solver_examples);
    drop((weights, vectorizer, rows, examples));

    let rest = span.between(FITTED_SHARE, 1.0);
    if !merged {
        // score with the written model, so that the reports match what is published
        let model = Model::load_unpublished(&job.out).map_err(TrainingError::from)?;
        scored = score_validation(job, &tasks, &model, Stage::Validation, rest, training_state)?;
    }
    let mut published_documents = fitted_documents as u64;
    if let Some(files) = &job.whole_fit {
        published_documents = fit_whole((job, files), params, (&labels, &config, &chosen), device, rest, training_state)?;
        if !params.learning_curve {
            training_state.confirm_resume();
        }
    }
    let rows: Vec<ReportRow> = out_of_fold.iter().flat_map(|(_, rows)| rows.iter().cloned()).collect();
    report::write(&job.reports.join(OUT_OF_FOLD_FILE), &rows)?;
    report::write(&job.reports.join(VALIDATION_FILE), &scored)?;
    let whole = WholeModel { job, params, labels: &labels, tasks: &tasks, config: &config, scored: &scored };
    let learning_curve = if params.learning_curve { Some(measure_curve(&whole, device, span, training_state)?) } else { None };

    let fields: Vec<FieldSummary> = tasks
        .iter()
        .zip(&config.fields)
        .zip(out_of_fold)
        .map(|((task, field), ((folds, fold_repeats), rows))| task.summarize(field.l2, folds, fold_repeats, rows, &scored))
        .collect();
    let summary = TrainingSummary {
        settings: resolved_settings(job, params, &config, &fields),
        train_documents: train_documents as u64,
        measured_documents: fitted_documents as u64,
        published_documents,
        validation_documents: config.training.validation_documents,
        features: config.feature_count as u64,
        fields,
        skipped,
        encoder: None,
        learning_curve,
        backend: config.training.backend,
        cpu_kernel: config.training.cpu_kernel,
        steps: training_state.step(),
        resumed_from_step: training_state.resumed_from(),
        seconds: started.elapsed().as_secs_f64(),
    };
    Ok(TrainedFields { summary, fields: scores })
}

/// All settings of the training with their resolved values, for the manifest of the model.
fn resolved_settings(job: &TrainingJob, params: &LinearParams, config: &ModelConfig, fields: &[FieldSummary]) -> Value {
    let fields: Vec<Value> = fields
        .iter()
        .map(|field| json!({ "field": field.field, "l2": field.l2, "folds": field.folds, "fold_repeats": field.fold_repeats }))
        .collect();
    json!({
        "kind": KIND_LINEAR, "seed": job.seed, "target_accuracy": job.target_accuracy, "params": job.params.to_json(),
        "training_version": env!("CARGO_PKG_VERSION"), "backend": job.backend.name(), "cpu_kernel": cpu_kernel(),
        "depends_on_threads": false, "features": config.features, "feature_count": config.feature_count,
        "solver": { "algorithm": "dual coordinate descent", "max_epochs": params.epochs, "tolerance": params.tolerance },
        "l2_candidates": params.l2_candidates(), "calibration": "temperature scaling on out-of-fold scores", "fields": fields,
        "final_fit": { "measured": params.final_fit.measured(), "published": params.final_fit },
    })
}

fn fit_fields(
    tasks: &[FieldTask],
    examples: &[Example],
    solver_examples: &Examples<'_>,
    params: &LinearParams,
    seed: u64,
    span: Span,
    training_state: &mut TrainingState<'_>,
) -> Result<Vec<FieldFit>, Interrupt> {
    let mut fits = Vec::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        fits.push(fit_field(task, examples, solver_examples, params, seed, span.part(index, tasks.len()), training_state)?);
    }
    if !params.learning_curve && params.final_fit != FinalFit::All {
        training_state.confirm_resume();
    }
    training_state.check_stop()?;
    Ok(fits)
}

/// The learning curve, which takes the rest of the run. It is not measured if the validation split has no example.
fn measure_curve(
    whole: &WholeModel<'_>,
    device: &Device,
    trained: Span,
    training_state: &mut TrainingState<'_>,
) -> Result<TrainingCurve, Interrupt> {
    if whole.scored.is_empty() {
        training_state.confirm_resume();
        let reason = "the validation split has no example of the trained fields";
        training_state.reporter.log(LogLevel::Warn, format!("the learning curve is not measured: {reason}"));
        return Ok(TrainingCurve::default());
    }
    Ok(TrainingCurve { parts: learning_curve::measure(whole, device, Span(trained.at(1.0), 1.0), training_state)? })
}
