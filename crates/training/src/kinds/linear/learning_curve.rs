//! Learning curve: models of nested parts of the train split, scored on the validation split.
//!
//! A model of a part is fitted once per field, without folds, under the penalty and with the feature families of the whole model. What it
//! predicts depends on neither the factor of the softmax nor a threshold, so both are left out.

use std::fs;

use aprendiz_evaluation::{ScoredExample, count_groups};
use aprendiz_inference::{Model, ModelConfig, Weights};
use aprendiz_run_spec::LinearParams;
use burn::tensor::Device;

use crate::{
    checkpoint::{state_dict::StateDict, training_state::TrainingState},
    dataset::Labels,
    error::TrainingError,
    interrupt::Interrupt,
    kinds::linear::{
        features::{self, TrainFeatures},
        field_config::field_config,
        field_task::FieldTask,
        fit::fit_without_folds,
        gram::Examples,
        progress::Span,
        validation::score_validation,
    },
    protocol::{
        job::TrainingJob,
        learning_curve::{CurveCounts, CurvePart, FieldCounts},
        progress::Stage,
        report::ReportRow,
    },
    train_subset::write_train_subset,
};

/// Parts of the train split in percent, ascending. The whole is the model of the run, which is not trained again if it was fitted on train
/// only.
const PARTS: [u64; 4] = [20, 40, 60, 80];

/// Name of the part in the folder of the reports, while it is in use.
const PART_FILE: &str = "train_part.jsonl";

/// Share of a part after which its features are extracted, for progress reports.
const FEATURES_SHARE: f64 = 0.5;

/// Share of a part after which its heads are fitted.
const FITTED_SHARE: f64 = 0.9;

/// The trained model, whose parts are measured.
pub(crate) struct WholeModel<'a> {
    pub(crate) job: &'a TrainingJob,
    pub(crate) params: &'a LinearParams,
    pub(crate) labels: &'a Labels,
    /// Its fields.
    pub(crate) tasks: &'a [FieldTask],
    pub(crate) config: &'a ModelConfig,
    /// Its scores of the validation split.
    pub(crate) scored: &'a [ReportRow],
}

/// Measures all parts and the whole, ascending. Parts that the training state has recorded are not trained again.
pub(crate) fn measure(
    whole: &WholeModel<'_>,
    device: &Device,
    span: Span,
    training_state: &mut TrainingState<'_>,
) -> Result<Vec<CurvePart>, Interrupt> {
    let mut parts = Vec::with_capacity(PARTS.len() + 1);
    // a model that was fitted on validation cannot be scored on it, so that of the whole of train is trained, too
    let is_fitted = whole.params.final_fit.includes_validation();
    let percents: Vec<u64> = PARTS.into_iter().chain(is_fitted.then_some(100)).collect();
    let count = percents.len();
    for (index, percent) in percents.into_iter().enumerate() {
        let part = match training_state.replay_field() {
            Some(state_dict) => restore(&state_dict, percent, whole)?,
            None => {
                let part = measure_part(whole, percent, device, span.part(index, count), training_state)?;
                training_state.finish_field(save(&part, whole));
                part
            }
        };
        parts.push(part);
    }
    training_state.confirm_resume();
    training_state.check_stop()?;
    if !is_fitted {
        parts.push(count_part(whole, 100, whole.config.training.train_documents, whole.tasks, whole.scored));
    }
    Ok(parts)
}

/// Trains and scores the model of a part.
fn measure_part(
    whole: &WholeModel<'_>,
    percent: u64,
    device: &Device,
    span: Span,
    training_state: &mut TrainingState<'_>,
) -> Result<CurvePart, Interrupt> {
    let WholeModel { job, params, labels, config, .. } = *whole;
    let path = job.reports.join(PART_FILE);
    let documents = write_train_subset(&job.train, percent as f64 / 100.0, job.seed, &path, || training_state.check_stop())?;
    let features = span.until(FEATURES_SHARE);
    let TrainFeatures { vectorizer, examples, rows } =
        features::fit(&path, &config.features, Stage::LearningCurve, features, training_state)?;
    fs::remove_file(&path).map_err(TrainingError::io(&path))?;
    let (tasks, _) = FieldTask::all(labels, &examples);
    if tasks.is_empty() {
        return Ok(count_part(whole, percent, documents as u64, &tasks, &[]));
    }
    let solver_examples = Examples::new(&rows, device.clone());
    let mut heads = Vec::with_capacity(tasks.len());
    let mut fields = Vec::with_capacity(tasks.len());
    let fitting = span.between(FEATURES_SHARE, FITTED_SHARE);
    for (index, task) in tasks.iter().enumerate() {
        let l2 = config.fields.iter().find(|field| field.name == task.name).map(|field| field.l2);
        let l2 = l2.expect("a field that has two classes in a part has them in the whole");
        let progress = (Stage::LearningCurve, fitting.part(index, tasks.len()));
        heads.push(fit_without_folds(task, &solver_examples, l2, params, progress, training_state)?);
        fields.push(field_config(task, l2));
    }
    let config = ModelConfig { features: vectorizer.config().clone(), feature_count: vectorizer.len(), fields, ..config.clone() };
    let weights = Weights { keys: vectorizer.keys().to_vec(), idf: vectorizer.idf().to_vec(), fields: heads };
    drop(solver_examples);
    drop((rows, vectorizer));
    let model = Model::in_memory(config, weights).map_err(TrainingError::from)?;
    let scored = score_validation(job, &tasks, &model, Stage::LearningCurve, span.between(FITTED_SHARE, 1.0), training_state)?;
    Ok(count_part(whole, percent, documents as u64, &tasks, &scored))
}

/// Counts the scores of a model. A field without a validation example is left out of all parts.
fn count_part(whole: &WholeModel<'_>, percent: u64, train_documents: u64, tasks: &[FieldTask], scored: &[ReportRow]) -> CurvePart {
    let count = |train_examples: u64, rows: Vec<&ReportRow>| {
        let rows: Vec<ScoredExample> = rows.into_iter().cloned().map(ScoredExample::from).collect();
        let correct = rows.iter().filter(|row| row.is_correct()).count() as u64;
        CurveCounts { train_examples, examples: rows.len() as u64, n: count_groups(&rows), correct }
    };
    let fields: Vec<FieldCounts> = tasks
        .iter()
        .map(|task| {
            let rows = scored.iter().filter(|row| row.field == task.name).collect();
            FieldCounts { field: task.name.clone(), counts: count(task.examples.len() as u64, rows) }
        })
        .filter(|field| field.counts.examples > 0)
        .collect();
    let is_measured = |task: &&FieldTask| whole.scored.iter().any(|row| row.field == task.name);
    let measured = whole.tasks.iter().filter(is_measured).count();
    let labels = fields.iter().map(|field| field.counts.train_examples).sum();
    // examples of one document are one piece of evidence, whatever the number of its fields
    let overall = (measured > 0 && fields.len() == measured).then(|| count(labels, scored.iter().collect()));
    CurvePart { percent, train_documents, fields, overall }
}

/// The numbers of a field, or of all fields under the name `overall`, in a checkpoint. Fields are named by their index.
fn with_counts(state_dict: StateDict, name: &str, counts: CurveCounts) -> StateDict {
    let CurveCounts { train_examples, examples, n, correct } = counts;
    [("train_examples", train_examples), ("examples", examples), ("n", n), ("correct", correct)]
        .into_iter()
        .fold(state_dict, |state_dict, (key, number)| state_dict.with_number(&format!("{name}.{key}"), number as f64))
}

fn read_counts(state_dict: &StateDict, name: &str) -> Result<Option<CurveCounts>, Interrupt> {
    if !state_dict.numbers.contains_key(&format!("{name}.n")) {
        return Ok(None);
    }
    let number = |key: &str| state_dict.count(&format!("{name}.{key}")).map(|number| number as u64);
    Ok(Some(CurveCounts {
        train_examples: number("train_examples")?,
        examples: number("examples")?,
        n: number("n")?,
        correct: number("correct")?,
    }))
}

fn save(part: &CurvePart, whole: &WholeModel<'_>) -> StateDict {
    let mut state_dict = StateDict::default().with_number("train_documents", part.train_documents as f64);
    for (index, task) in whole.tasks.iter().enumerate() {
        if let Some(field) = part.fields.iter().find(|field| field.field == task.name) {
            state_dict = with_counts(state_dict, &index.to_string(), field.counts);
        }
    }
    match part.overall {
        Some(overall) => with_counts(state_dict, "overall", overall),
        None => state_dict,
    }
}

fn restore(state_dict: &StateDict, percent: u64, whole: &WholeModel<'_>) -> Result<CurvePart, Interrupt> {
    let mut fields = Vec::new();
    for (index, task) in whole.tasks.iter().enumerate() {
        fields.extend(read_counts(state_dict, &index.to_string())?.map(|counts| FieldCounts { field: task.name.clone(), counts }));
    }
    let train_documents = state_dict.count("train_documents")? as u64;
    Ok(CurvePart { percent, train_documents, fields, overall: read_counts(state_dict, "overall")? })
}
