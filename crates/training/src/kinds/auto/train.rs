//! Trains the kinds one after the other, compares them by field, and publishes what is selected.

use std::{
    collections::HashSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use aprendiz_classifier::{ChosenKind, FieldChoice};
use aprendiz_run_spec::{AutoParams, TrainingParams};
use burn::tensor::Device;
use serde_json::json;

use crate::{
    checkpoint::training_state::TrainingState,
    dataset::read_batches,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::{
        auto::{
            candidates::{Candidate, candidates},
            choice::choose,
            publish::{Parts, publish, validation_rows},
        },
        field_classifier, linear,
        trained_fields::{FieldScores, TrainedFields},
    },
    protocol::{
        job::TrainingJob,
        progress::LogLevel,
        report::{self, OUT_OF_FOLD_FILE, ReportRow, VALIDATION_FILE},
        summary::TrainingSummary,
    },
};

/// Fraction of a run after which the linear models are trained, for progress reports.
const LINEAR_FRACTION: f64 = 0.1;

/// Folder of the parts, in the folder of reports.
const PARTS_FOLDER: &str = "parts";

/// Trains the parts, and publishes what is selected for each field. If one kind is selected for all fields, the model is one of that kind.
pub(super) fn train(
    job: &TrainingJob,
    params: &AutoParams,
    device: &Device,
    training_state: &mut TrainingState<'_>,
) -> Result<TrainingSummary, Interrupt> {
    let started = Instant::now();
    let parts = job.reports.join(PARTS_FOLDER);
    let linear_job = part_job(job, TrainingParams::Linear(params.linear()), &parts.join("linear"));
    let classifier_job = part_job(job, TrainingParams::FieldClassifier(params.field_classifier()), &parts.join("field-classifier"));
    training_state.reporter.set_part(0.0, LINEAR_FRACTION);
    let linear = linear::train::train(&linear_job, &params.linear(), device, training_state)?;
    training_state.reporter.log(LogLevel::Info, format!("linear models: trained in {:.1} s", started.elapsed().as_secs_f64()));

    training_state.reporter.set_part(LINEAR_FRACTION, 1.0);
    let deadline = params.budget_minutes.map(|minutes| started + Duration::from_secs_f64(60.0 * minutes));
    training_state.set_deadline(deadline);
    let before = Instant::now();
    let trained = field_classifier::train::train(&classifier_job, &params.field_classifier(), device, training_state);
    training_state.set_deadline(None);
    let seconds = before.elapsed().as_secs_f64();
    let mut stopped = None;
    let classifier = match trained {
        Ok(trained) => {
            training_state.reporter.log(LogLevel::Info, format!("field classifiers: trained in {seconds:.1} s"));
            Some(trained)
        }
        Err(Interrupt::OutOfTime) => {
            let minutes = params.budget_minutes.unwrap_or_default();
            stopped = Some(format!("the budget of {minutes} minutes was used up"));
            None
        }
        Err(Interrupt::Failed(error @ (TrainingError::Diverged { .. } | TrainingError::NonFiniteLoss { .. }))) => {
            stopped = Some(error.to_string());
            None
        }
        Err(other) => return Err(other),
    };
    if let Some(reason) = &stopped {
        let text = format!("the training of field classifiers stopped after {seconds:.1} s, linear models are published: {reason}");
        training_state.reporter.log(LogLevel::Warn, text);
    }

    let mut selected = Vec::with_capacity(linear.fields.len());
    let mut comparisons = Vec::with_capacity(linear.fields.len());
    for scores in &linear.fields {
        let field = &scores.task.name;
        let other = classifier.as_ref().and_then(|classifier| classifier.fields.iter().find(|other| other.task.name == *field));
        let mut candidates = candidates(scores, other, params.folds, job.seed);
        let choice = choose(&candidates);
        let Candidate { kind, mixture, rows } = candidates.swap_remove(choice.selected);
        training_state.reporter.log(LogLevel::Info, format!("field `{field}`: {} is selected", kind.as_str()));
        let mut comparison = choice.comparison;
        comparison["field"] = json!(field);
        comparisons.push(comparison);
        selected.push((FieldChoice { field: field.clone(), chosen: kind, mixture }, rows));
    }
    let (choices, rows): (Vec<FieldChoice>, Vec<Vec<ReportRow>>) = selected.into_iter().unzip();
    let parts_of = Parts { linear: &linear_job, classifier: &classifier_job };
    let kind = publish(job, &parts_of, &choices)?;

    let on_validation = if params.final_fit.includes_validation() { Some(validation_ids(&job.validation)?) } else { None };
    let mut out_of_fold = Vec::with_capacity(rows.len());
    let mut scored = Vec::new();
    for rows in rows {
        let is_validation = |row: &ReportRow| on_validation.as_ref().is_some_and(|ids| ids.contains(&row.document_id));
        let (validation, train): (Vec<ReportRow>, Vec<ReportRow>) = rows.into_iter().partition(is_validation);
        scored.extend(validation);
        out_of_fold.push(train);
    }
    if on_validation.is_none() {
        scored = validation_rows(job, &parts_of, &choices, &linear.fields, device, training_state)?;
    }
    fs::remove_dir_all(&parts).map_err(TrainingError::io(&parts))?;
    report::write(&job.reports.join(OUT_OF_FOLD_FILE), &out_of_fold.concat())?;
    report::write(&job.reports.join(VALIDATION_FILE), &scored)?;

    let TrainedFields { summary, fields } = linear;
    let classifier_summary = classifier.as_ref().map(|classifier| &classifier.summary);
    let settings = json!({
        "kind": kind, "run_kind": "auto", "params": job.params.to_json(), "fields": comparisons, "classifiers_stopped": stopped,
        "linear": summary.settings, "field_classifier": classifier_summary.map(|summary| &summary.settings),
    });
    let summarize = |(scores, rows): (FieldScores, Vec<ReportRow>)| {
        let other = classifier.as_ref().and_then(|classifier| classifier.fields.iter().find(|other| other.task.name == scores.task.name));
        let chosen = choices.iter().find(|choice| choice.field == scores.task.name).map(|choice| choice.chosen);
        let used = match (chosen, other) {
            (Some(ChosenKind::FieldClassifier), Some(other)) => other,
            _ => &scores,
        };
        used.task.summarize(used.l2, used.folds, used.fold_repeats, rows, &scored)
    };
    Ok(TrainingSummary {
        settings,
        fields: fields.into_iter().zip(out_of_fold).map(summarize).collect(),
        steps: training_state.step(),
        resumed_from_step: training_state.resumed_from(),
        seconds: started.elapsed().as_secs_f64(),
        ..summary
    })
}

/// The job of one kind, with its model and reports in `folder`.
fn part_job(job: &TrainingJob, params: TrainingParams, folder: &Path) -> TrainingJob {
    let base_model = job.base_model.clone().filter(|_| params.needs_base_model());
    TrainingJob { params, base_model, out: folder.join("model"), reports: folder.join("reports"), ..job.clone() }
}

/// The ids of the documents of validation.
fn validation_ids(path: &Path) -> Result<HashSet<String>, TrainingError> {
    let mut ids = HashSet::new();
    read_batches(path, |lines| {
        ids.extend(lines.into_iter().map(|line| line.document_id));
        Ok::<_, TrainingError>(())
    })?;
    Ok(ids)
}
