//! Scores the validation split with a trained model.

use std::time::Instant;

use aprendiz_inference::{Model, NgramCounter};
use rayon::prelude::*;

use crate::{
    checkpoint::training_state::TrainingState,
    dataset::{Example, read_batches},
    error::TrainingError,
    interrupt::Interrupt,
    kinds::linear::{field_task::FieldTask, progress::Span},
    protocol::{job::TrainingJob, progress::Stage, report::ReportRow},
};

/// Counts the validation examples. Fails on a malformed file before the model is written.
pub(crate) fn count_validation(job: &TrainingJob) -> Result<usize, TrainingError> {
    let mut documents = 0;
    read_batches(&job.validation, |lines| {
        documents += lines.len();
        Ok::<_, TrainingError>(())
    })?;
    Ok(documents)
}

/// Scores the validation examples of each field. Progress is reported as `stage`, at the end of `span`, because the file was not counted.
pub(crate) fn score_validation(
    job: &TrainingJob,
    tasks: &[FieldTask],
    model: &Model,
    stage: Stage,
    span: Span,
    training_state: &mut TrainingState<'_>,
) -> Result<Vec<ReportRow>, Interrupt> {
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
        training_state.reporter.examples(stage, span.at(1.0), seen, started);
        training_state.check_stop()
    })?;
    Ok(rows)
}

fn score(tasks: &[FieldTask], model: &Model, counter: &mut NgramCounter, example: &Example, text: &str) -> Vec<ReportRow> {
    // the fields of the model are in the order of the tasks
    let predictions = tasks.iter().zip(model.predict_with(counter, text));
    predictions.filter_map(|(task, prediction)| task.score(example, prediction)).collect()
}
